//! Recover: finish or abandon what the ledger left open, before anything else.
//!
//! Each open intent is settled from what source, vault and keyring hold today,
//! through the same functions as the normal path. What cannot be settled is kept
//! on both sides and stops everything.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{
    custody::Custody,
    destroy::{Seen, abandon, carry_out, untouched},
    hold, old_copy, restore,
    rulebook::Rulebook,
    seal::{self, Opened},
    sources::Sources,
};
use crate::{
    domain::{
        deployment::Dataset,
        destroy::{BucketFacts, Order},
        hold::{Clearance, Holds},
        id::{BucketId, RuleId, SourceName},
        ledger::event::{DestroyIntent, Event, SeparateIntent, SeparateResult},
        record::Row,
        seal::SealReceipt,
        segment::Sealed,
    },
    ports::{Clock, Failure, Keyring, Ledger, Presence, Restoration, Source, Vault},
};

/// What is said of a step that nobody can look into any more.
pub(super) const OLD_COPY: &str = "interrupted, and the vault is an acknowledged older copy without a trace of it: it is \
                                   not known whether the source has its rows";

/// What recovery settled, and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    pub separations: u64,
    pub restorations: u64,
    pub destructions: u64,
    pub unsettled: Vec<Unsettled>,
}

/// A step that was interrupted at a source which cannot be reached. Its intent
/// stays open, and nothing of its rules may move or be destroyed meanwhile: their
/// records may be in the source, in the vault, or in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    pub rules: BTreeSet<RuleId>,
    pub reason: String,
}

impl Recovered {
    /// For whoever needs everything to be settled.
    pub fn whole(self) -> Result<Self, Failure> {
        match self.unsettled.into_iter().next() {
            Some(unsettled) => Err(Failure::Unreachable(unsettled.reason)),
            None => Ok(Self { unsettled: Vec::new(), ..self }),
        }
    }

    /// Leaves a step to a later recovery, if it is its source that is down; that
    /// nothing was changed by the attempt is what settling promises.
    fn leave<S>(
        &mut self,
        sources: &mut Sources<S>,
        source: &SourceName,
        rules: BTreeSet<RuleId>,
        failure: Failure,
    ) -> Result<(), Failure> {
        match failure {
            Failure::Unreachable(reason) if sources.get(source).is_err() => {
                self.unsettled.push(Unsettled { rules, reason });
                Ok(())
            }
            failure => Err(failure),
        }
    }
}

/// Settles every open intent, oldest first within each kind; one at a source that
/// cannot be reached stays open and keeps its rules out. Restorations come
/// before destructions, so that what was promised back is not destroyed.
pub async fn recover<S: Source, V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
) -> Result<Recovered, Failure> {
    past_every_ended_epoch(custody)?;
    // What an older copy lacks must not be taken for what an interrupted step left.
    old_copy::refuse(custody).await?;
    hold::in_force(custody)?;
    hold::close_interrupted(custody)?;
    let mut recovered = Recovered::default();
    for open in custody.ledger.history().open_separations.clone() {
        match settle_separation(book, sources, custody, &open.intent).await {
            Ok(()) => recovered.separations += 1,
            Err(failure) => {
                let rules = BTreeSet::from([open.intent.rule.clone()]);
                recovered.leave(sources, &open.intent.source, rules, failure)?;
            }
        }
    }
    for open in custody.ledger.history().open_restores.clone() {
        match restore::settle(book, sources, custody, &open.intent).await {
            Ok(_) => recovered.restorations += 1,
            Err(failure) => {
                let rules = open.intent.records.keys().cloned().collect();
                recovered.leave(sources, &open.intent.source, rules, failure)?;
            }
        }
    }
    for destruction in custody.ledger.history().open_destructions.clone() {
        if recovered.unsettled.iter().any(|left| left.rules.contains(&destruction.open.intent.rule)) {
            continue;
        }
        let seen = Seen {
            key_destroyed: destruction.key_destroyed.is_some(),
            ciphertext_deleted: destruction.ciphertext_deleted.is_some(),
        };
        settle_destruction(book, custody, clock, &destruction.open.intent, seen).await?;
        recovered.destructions += 1;
    }
    if recovered.unsettled.is_empty() {
        old_copy::clear(custody).await?;
    }
    compare(custody).await?;
    Ok(recovered)
}

/// A keyring whose epoch was ended by a destruction is an old copy: with its old
/// root it would open what was destroyed.
fn past_every_ended_epoch<V, K: Keyring, L: Ledger>(custody: &Custody<V, K, L>) -> Result<(), Failure> {
    let (epoch, ended) = (custody.keyring.epoch(), custody.ledger.history().epoch_ended);
    match ended {
        Some(ended) if epoch <= ended => Err(Failure::StateUnknown(format!(
            "the keystore is of epoch {epoch}, and the ledger says that epoch {ended} was ended by a destruction; hint: \
             an old copy of the keystore and of its root was put back; destroy that copy and put the newest keystore \
             and root back"
        ))),
        _ => Ok(()),
    }
}

/// With every intent settled, ledger, vault and keyring must agree; with one left
/// open the counts say nothing yet, and the rest is compared. They do not agree
/// when an old copy of one of them was put back.
async fn compare<V: Vault, K: Keyring, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<(), Failure> {
    old_copy::refuse(custody).await?;
    let buckets = custody.vault.buckets().await?;
    match buckets.iter().find(|facts| !custody.keyring.holds(&facts.bucket)) {
        None => Ok(()),
        Some(facts) => Err(Failure::StateUnknown(old_copy::no_key(&facts.bucket))),
    }
}

async fn settle_separation<S: Source, V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    intent: &SeparateIntent,
) -> Result<(), Failure> {
    let batch = &intent.batch;
    let stored: Vec<Sealed> = custody.vault.batch(batch).await?.into_iter().map(|(_, segment)| segment).collect();
    let (result, reason) = if stored.is_empty() && custody.ledger.history().acknowledged.is_some() {
        (SeparateResult::RolledBack, OLD_COPY)
    } else if stored.is_empty() {
        // The source commits only after the vault has: so it did not.
        (SeparateResult::RolledBack, "interrupted before the vault stored it")
    } else {
        match presence(book, sources, custody, intent, &stored).await? {
            Presence::Same => {
                custody.vault.drop_batch(batch).await?;
                (SeparateResult::RolledBack, "interrupted before the source committed; the vault's copy was dropped")
            }
            Presence::Absent => (SeparateResult::Committed, "interrupted after the source committed"),
            Presence::Mixed => {
                finish(book, sources, custody, intent, &stored).await?;
                (SeparateResult::Committed, "interrupted while the source deleted row by row; the rest was deleted")
            }
        }
    };
    let outcome = Event::SeparateOutcome { batch: batch.clone(), result, reason: Some(reason.to_owned()) };
    custody.ledger.append(vec![outcome])?;
    Ok(())
}

async fn presence<S: Source, V, K: Keyring, L>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &Custody<V, K, L>,
    intent: &SeparateIntent,
    stored: &[Sealed],
) -> Result<Presence, Failure> {
    let dataset = book.dataset(&intent.rule, &intent.source, &intent.dataset)?;
    let source = sources.get(&intent.source)?;
    let mut seen = None;
    for segment in stored {
        let opened = seal::open(&custody.keyring, segment)?;
        let here = source.presence(&restoration(dataset, &opened)?).await?;
        if seen.replace(here).is_some_and(|before| before != here) {
            return Ok(Presence::Mixed);
        }
    }
    Ok(seen.unwrap_or(Presence::Absent))
}

fn restoration<'r>(dataset: &'r Dataset, opened: &'r Opened) -> Result<Restoration<'r>, Failure> {
    Ok(Restoration { dataset, tables: &opened.header.tables, rows: all_rows(opened)?, blank: Vec::new() })
}

fn all_rows(opened: &Opened) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for record in opened.records()? {
        rows.extend(opened.rows(record)?);
    }
    Ok(rows)
}

/// Goes on with a deletion that the source could only do row by row. The vault's
/// copy is read and compared once more before that: by now it is the only one of
/// a part of the batch.
async fn finish<S: Source, V, K: Keyring, L>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &Custody<V, K, L>,
    intent: &SeparateIntent,
    stored: &[Sealed],
) -> Result<(), Failure> {
    let dataset = book.dataset(&intent.rule, &intent.source, &intent.dataset)?;
    let read_back = seal::stored_digest(&custody.keyring, stored)?;
    let receipt = SealReceipt::compare(intent.batch.clone(), intent.digest, read_back)
        .map_err(|error| Failure::StateUnknown(error.to_string()))?;
    let opened = stored.iter().map(|segment| seal::open(&custody.keyring, segment));
    let opened: Vec<Opened> = opened.collect::<Result<_, _>>()?;
    let record = |opened| restoration(dataset, opened);
    let records: Vec<Restoration<'_>> = opened.iter().map(record).collect::<Result<_, Failure>>()?;
    let is_finished = sources.get(&intent.source)?.finish_removal(receipt, &records).await?;
    if is_finished { Ok(()) } else { Err(mixed(intent)) }
}

fn mixed(intent: &SeparateIntent) -> Failure {
    Failure::StateUnknown(format!(
        "batch {} of dataset {} was interrupted, and its rows are neither all in source {} as they were nor all gone; \
         both copies are kept; hint: find out who changed them since, then remove one of the two",
        intent.batch, intent.dataset, intent.source
    ))
}

/// Holds and what a search for held records found. Where every key is gone
/// there is nothing left to hold, and the destruction can only be finished.
async fn searched<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    ids: &[BucketId],
) -> Result<(Holds, Clearance), Failure> {
    let mut clearance = Clearance::default();
    if !ids.iter().any(|id| custody.keyring.holds(id)) {
        ids.iter().for_each(|id| clearance.note(id, 0));
        return Ok((Holds::default(), clearance));
    }
    let holds = hold::in_force(custody)?;
    let wanted: Vec<&BucketId> = ids.iter().collect();
    let held = hold::held_records(&mut custody.vault, &custody.keyring, &holds, &wanted).await?;
    ids.iter().for_each(|id| clearance.note(id, held.get(id).copied().unwrap_or(0)));
    Ok((holds, clearance))
}

async fn settle_destruction<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    intent: &DestroyIntent,
    seen: Seen,
) -> Result<(), Failure> {
    let ids: Vec<BucketId> =
        intent.dates.iter().map(|date| BucketId::of(&intent.rule, intent.hold.as_ref(), *date)).collect();
    let (holds, clearance) = searched(custody, &ids).await?;
    let in_vault = custody.vault.buckets().await?;
    let facts = ids.iter().map(|id| {
        let found = in_vault.iter().find(|facts| facts.bucket == *id).cloned();
        found.unwrap_or_else(|| BucketFacts::erased(id.clone()))
    });
    let operation = intent.operation.clone();
    let (now, compartment) = (clock.read(), BucketId::of(&intent.rule, intent.hold.as_ref(), NaiveDate::MIN).rule);
    let policy = (book.policy, &book.calendar);
    match Order::issue(operation, &compartment, policy, (&holds, &clearance), facts.collect(), now) {
        Ok(order) => carry_out(custody, clock, order, intent, seen).await.map(drop),
        // Every key is still there: the destruction had not begun, and must not.
        Err(error) if untouched(custody, intent, seen) => {
            abandon(custody, intent, &format!("interrupted, and {error}"))
        }
        Err(error) => Err(Failure::StateUnknown(format!(
            "destruction {} was interrupted after its keys began to go, and {error} under the policy in force; hint: \
             the policy or the clock went back; put it right and run again",
            intent.operation
        ))),
    }
}
