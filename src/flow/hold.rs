//! Hold: what is in force, which sealed records it covers, and how they leave a
//! due bucket before its key dies.
//!
//! The register is the truth of what is in force: whoever places a hold needs no
//! lock, and the ledger follows at the next command that may write it. So every
//! batch and every destruction asks here again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{custody::Custody, locate, part::Part, rulebook::Rulebook, seal};
use crate::{
    domain::{
        destroy::{BucketFacts, Decision, KeepReason, decide},
        hold::{Hold, Holds, Whose},
        id::{BucketId, HoldId, RuleId},
        index::Locator,
        ledger::event::{Event, HoldPlaced, StepResult},
        segment::Header,
    },
    ports::{Failure, IndexRow, Keyring, Ledger, Vault},
};

/// What holds cover, as far as a plan counts it.
#[derive(Debug, Default)]
pub struct Covered {
    pub holds: Holds,
    /// Held records by bucket, where it is not held as a whole.
    pub in_buckets: BTreeMap<BucketId, u64>,
}

impl Covered {
    /// Looks up what `holds` cover in those of these buckets that are due.
    pub async fn survey<V: Vault, K: Keyring>(
        book: &Rulebook<'_>,
        (vault, keyring): (&mut V, &K),
        holds: Holds,
        buckets: &[BucketFacts],
        now: DateTime<Utc>,
    ) -> Result<Self, Failure> {
        let due = |facts: &&BucketFacts| {
            !matches!(
                decide(book.policy, &book.calendar, &holds, facts, now),
                Decision::Keep(KeepReason::NotDue(_) | KeepReason::RuleUnknown)
            )
        };
        let ids: Vec<&BucketId> = buckets.iter().filter(due).map(|facts| &facts.bucket).collect();
        let in_buckets = held_records(vault, keyring, &holds, &ids).await?;
        Ok(Self { holds, in_buckets })
    }
}

/// The holds in force now. Brings the ledger up to the register: holds that were
/// placed since are recorded, and lifts that were asked for are carried out.
pub fn in_force<V, K: Keyring, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<Holds, Failure> {
    let register = custody.keyring.register()?;
    let history = custody.ledger.history();
    let registered = |id: &HoldId| register.holds.iter().any(|hold| hold.id == *id);
    if let Some(missing) = history.holds.keys().find(|id| !registered(id)) {
        return Err(Failure::StateUnknown(format!(
            "hold {missing} is in the ledger, and the register of holds does not have it; nothing is separated or \
             destroyed; hint: put the newest copy of the folder `holds` of the keystore back"
        )));
    }
    let mut events = Vec::new();
    for hold in &register.holds {
        if !history.holds.contains_key(&hold.id) && !history.lifted.contains_key(&hold.id) {
            events.push(Event::HoldPlaced(placed(&custody.keyring, hold)?));
        }
    }
    for lift in &register.lifts {
        if registered(&lift.hold) && !history.lifted.contains_key(&lift.hold) {
            let (by, reason) = (lift.by.clone(), lift.reason.clone());
            events.push(Event::HoldLifted { hold: lift.hold.clone(), by, reason });
        }
    }
    if !events.is_empty() {
        custody.ledger.append(events)?;
    }
    let lifted = |id: &HoldId| custody.ledger.history().lifted.contains_key(id);
    let asked = register.lifts.iter().map(|lift| &lift.hold);
    let struck: BTreeSet<HoldId> =
        register.holds.iter().map(|hold| &hold.id).chain(asked).filter(|id| lifted(id)).cloned().collect();
    for hold in &struck {
        custody.keyring.strike(hold)?;
    }
    let named = register.holds.into_iter().filter(|hold| !struck.contains(&hold.id)).collect();
    Ok(Holds::registered(custody.ledger.history(), named))
}

/// What the ledger may know of a hold.
fn placed<K: Keyring>(keyring: &K, hold: &Hold) -> Result<HoldPlaced, Failure> {
    Ok(HoldPlaced {
        hold: hold.id.clone(),
        rule: hold.reach.rule.clone(),
        dataset: hold.reach.dataset.clone(),
        whose: hold.reach.whose.as_ref().map(|whose| keyring.whose(whose)).transpose()?,
        category: hold.category,
        review: hold.review,
        freeze: hold.freeze,
        by: hold.by.clone(),
        placed: hold.placed_at,
    })
}

/// How many records of these buckets single holds cover. Buckets that are held as
/// a whole, or whose key is gone, are not looked into.
pub async fn held_records<V: Vault, K: Keyring>(
    vault: &mut V,
    keyring: &K,
    holds: &Holds,
    buckets: &[&BucketId],
) -> Result<BTreeMap<BucketId, u64>, Failure> {
    let mut by_compartment: BTreeMap<&RuleId, BTreeSet<&BucketId>> = BTreeMap::new();
    for bucket in buckets {
        if keyring.holds(bucket) && !holds.keep(bucket) {
            by_compartment.entry(&bucket.rule).or_default().insert(bucket);
        }
    }
    let mut held = BTreeMap::new();
    for (compartment, buckets) in by_compartment {
        let rule = buckets.first().map(|bucket| bucket.policy_rule());
        let concerned: Vec<&Hold> = rule.iter().flat_map(|rule| concerning(holds, rule)).collect();
        if concerned.is_empty() {
            continue;
        }
        for row in vault.indexes(Some(compartment)).await? {
            if !buckets.contains(&row.bucket) {
                continue;
            }
            let mut numbers = BTreeSet::new();
            for hold in &concerned {
                numbers.extend(covered(vault, keyring, hold, &row).await?);
            }
            if !numbers.is_empty() {
                *held.entry(row.bucket).or_default() += numbers.len() as u64;
            }
        }
    }
    Ok(held)
}

/// Holds that may cover single records of a rule, oldest first.
pub(super) fn concerning<'h>(holds: &'h Holds, rule: &RuleId) -> impl Iterator<Item = &'h Hold> {
    holds.named().iter().filter(move |hold| hold.reach.rule.as_ref().is_none_or(|of| of == rule))
}

/// Numbers of the records of a segment that a hold covers: also those whose key
/// or subject is only written alike, since the source may call both the same.
pub(super) async fn covered<V: Vault, K: Keyring>(
    vault: &mut V,
    keyring: &K,
    hold: &Hold,
    row: &IndexRow,
) -> Result<Vec<u32>, Failure> {
    let numbers = match &hold.reach.whose {
        None => None,
        Some(whose) => {
            let (by, text) = match whose {
                Whose::Subject(text) => (Locator::Subject, text),
                Whose::Key(text) => (Locator::Key, text),
            };
            let found = locate::alike(keyring, row, by, text.as_bytes())?;
            if found.is_empty() || hold.reach.dataset.is_none() {
                return Ok(found);
            }
            Some(found)
        }
    };
    // Which dataset it is of stands in its header.
    let Some(segment) = vault.segment(row.id).await? else { return Ok(Vec::new()) };
    let unreadable =
        |_| Failure::StateUnknown(format!("a segment of bucket {} has no readable header", segment.bucket));
    let header: Header = serde_json::from_slice(&segment.header).map_err(unreadable)?;
    if hold.reach.dataset.as_ref().is_some_and(|table| *table != header.dataset) {
        return Ok(Vec::new());
    }
    Ok(numbers.unwrap_or_else(|| (0..segment.records as u32).collect()))
}

/// Seals the held records of a bucket under keys of their holds, so that the
/// rest can be destroyed. The oldest hold that covers a record gets it. Each
/// segment is exchanged in one transaction of the vault, so that a crash leaves
/// every record in one of both, and the next attempt goes on.
pub async fn set_aside<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    holds: &Holds,
    bucket: &BucketId,
) -> Result<(), Failure> {
    let rule = bucket.policy_rule();
    for hold in concerning(holds, &rule) {
        let mut found = Vec::new();
        for row in custody.vault.indexes_of(bucket).await? {
            let numbers = covered(&mut custody.vault, &custody.keyring, hold, &row).await?;
            if !numbers.is_empty() {
                found.push((row.id, numbers));
            }
        }
        if found.is_empty() {
            continue;
        }
        let records = found.iter().map(|(_, numbers)| numbers.len() as u64).sum();
        let operation = custody.next_operation();
        custody.ledger.append(vec![Event::HoldSealing {
            operation: operation.clone(),
            hold: hold.id.clone(),
            rule: rule.clone(),
            date: bucket.date,
            records,
        }])?;
        let into = BucketId::of(&rule, Some(&hold.id), bucket.date);
        let sealed = exchange(book, custody, found, &into).await;
        let result = if sealed.is_ok() { StepResult::Done } else { StepResult::Interrupted };
        // What cannot be known now is asked again by recovery.
        if !matches!(sealed, Err(Failure::StateUnknown(_))) {
            custody.ledger.append(vec![Event::HoldSealed { operation, records, result }])?;
        }
        sealed?;
    }
    Ok(())
}

async fn exchange<V: Vault, K: Keyring, L>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    found: Vec<(i64, Vec<u32>)>,
    into: &BucketId,
) -> Result<(), Failure> {
    custody.keyring.open_buckets(std::slice::from_ref(into))?;
    for (id, numbers) in found {
        let Some(segment) = custody.vault.segment(id).await? else {
            return Err(Failure::StateUnknown(format!("the vault has lost segment {id} while it was read")));
        };
        let opened = seal::open(&custody.keyring, &segment)?;
        let part = Part { id, segment, opened, numbers };
        let held = part.moved(book, &custody.keyring, into)?;
        let replacements = part.rest(&custody.keyring)?.into_iter().chain([held]).collect();
        custody.vault.replace(&[(id, replacements)]).await?;
    }
    Ok(())
}

/// Closes what a crash left open. Nothing is lost with it: the next destruction
/// searches the bucket anew.
pub fn close_interrupted<V, K, L: Ledger>(custody: &mut Custody<V, K, L>) -> Result<(), Failure> {
    let open: Vec<_> = custody.ledger.history().open_sealings.iter().cloned().collect();
    let close = |operation| Event::HoldSealed { operation, records: 0, result: StepResult::Interrupted };
    let mut events: Vec<Event> = open.into_iter().map(close).collect();
    let reads = custody.ledger.history().open_reads.iter().cloned();
    events.extend(reads.map(|operation| Event::ReadOutcome { operation, records: 0, result: StepResult::Interrupted }));
    if !events.is_empty() {
        custody.ledger.append(events)?;
    }
    Ok(())
}
