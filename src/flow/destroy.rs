//! Destroy: first the keys of due buckets, then their ciphertext, each step
//! announced in the ledger before and recorded after.
//!
//! The same function carries out a fresh destruction and one that a crash
//! interrupted; every step may be repeated.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{custody::Custody, hold, rulebook::Rulebook, seal};
use crate::{
    domain::{
        destroy::{BucketFacts, Decision, KeysGone, Order, decide},
        hold::{Clearance, Holds},
        id::{BucketId, Digest, RuleId},
        ledger::event::{DestroyIntent, DestroyOutcome, DestroyResult, Event},
        segment::{Header, Sealed},
        verdict::Finding,
    },
    ports::{Clock, Failure, Keyring, KeyringError, Ledger, Vault},
};

/// Buckets of one intent: its line in the ledger lists their dates and must stay
/// under 64 KiB.
const BUCKETS_MAX: usize = 1_000;

/// Bytes of column names that an intent lists, for the same reason. What goes
/// beyond is counted.
const FIELDS_BYTES_MAX: usize = 24 << 10;

/// The start of a sealed body that tells whether a key opens it: salt and
/// commitment.
const PROBE_BYTES: usize = 56;

/// Victims that are tried with every key that is left. All of them would cost
/// victims times keys.
const PROBES_AGAINST_ALL_KEYS: usize = 8;

/// What a rule's destruction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
    pub buckets: u64,
    pub finding: Finding,
}

impl Default for Destroyed {
    fn default() -> Self {
        Self { rows: 0, children: BTreeMap::new(), buckets: 0, finding: Finding::pass() }
    }
}

/// Destroys every bucket of a rule that may be destroyed at `now` and is still
/// as it was `planned`: what was counted, guarded and reviewed, and no more.
pub async fn destroy<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    rule: &RuleId,
    (planned, now): (&[BucketFacts], DateTime<Utc>),
    destroyed: &mut Destroyed,
) -> Result<(), Failure> {
    let planned: BTreeMap<_, _> = planned.iter().map(|facts| (&facts.bucket, facts)).collect();
    let holds = hold::in_force(custody)?;
    let of_rule = |facts: &BucketFacts| facts.bucket.policy_rule() == *rule;
    let permitted =
        |facts: &BucketFacts| matches!(decide(book.policy, &book.calendar, &holds, facts, now), Decision::Destroy(_));
    let in_vault = custody.vault.buckets().await?;
    let idle = idle(custody, &in_vault).into_iter().filter(of_rule).filter(permitted);
    let mut victims: Vec<BucketFacts> = idle.collect();
    let as_planned = |facts: &BucketFacts| of_rule(facts) && planned.get(&facts.bucket) == Some(&facts);
    victims.extend(in_vault.into_iter().filter(as_planned).filter(permitted));
    let (victims, clearance) = without_held(book, custody, &holds, victims).await?;
    let holidays = book.policy.rule(rule).map(|rule| book.calendar.holidays_of(rule)).transpose();
    let holidays = holidays.map_err(|error| Failure::StateUnknown(error.to_string()))?.flatten();
    // A bucket of a lifted hold is destroyed like any other, by an order of its own.
    for compartment in victims.chunk_by(|one, next| one.bucket.rule == next.bucket.rule) {
        for set in compartment.chunks(BUCKETS_MAX) {
            let (id, rule) = (custody.next_operation(), &set[0].bucket.rule);
            let policy = (book.policy, &book.calendar);
            // The clock is read again: what was due when planned must be due now.
            let order = Order::issue(id, rule, policy, (&holds, &clearance), set.to_vec(), clock.read())
                .map_err(|error| Failure::Rule(error.to_string()))?;
            let intent = announce(custody, &order, holidays).await?;
            destroyed.count(carry_out(custody, clock, order, &intent, Seen::default()).await?);
        }
    }
    Ok(())
}

impl Destroyed {
    fn count(&mut self, outcome: DestroyOutcome) {
        self.rows += outcome.records;
        self.buckets += outcome.buckets;
        for (table, rows) in outcome.children {
            *self.children.entry(table).or_default() += rows;
        }
        self.finding.absorb(outcome.finding);
    }
}

/// The same buckets without the records that holds cover: those are sealed apart
/// first, and a bucket that is held to the last record stays. What is left was
/// searched once more and is cleared, in order.
async fn without_held<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    holds: &Holds,
    mut victims: Vec<BucketFacts>,
) -> Result<(Vec<BucketFacts>, Clearance), Failure> {
    let held = held_in(custody, holds, &victims).await?;
    victims.retain(|facts| held.get(&facts.bucket).is_none_or(|records| *records < facts.records));
    for bucket in victims.iter().map(|facts| &facts.bucket).filter(|bucket| held.contains_key(bucket)) {
        hold::set_aside(book, custody, holds, bucket).await?;
    }
    if !held.is_empty() {
        let in_vault = custody.vault.buckets().await?;
        for facts in victims.iter_mut().filter(|facts| held.contains_key(&facts.bucket)) {
            let now = in_vault.iter().find(|now| now.bucket == facts.bucket).cloned();
            *facts = now.unwrap_or_else(|| BucketFacts::erased(facts.bucket.clone()));
        }
    }
    let left = held_in(custody, holds, &victims).await?;
    let mut clearance = Clearance::default();
    for facts in &victims {
        clearance.note(&facts.bucket, left.get(&facts.bucket).copied().unwrap_or(0));
    }
    victims.sort_by(|one, other| one.bucket.cmp(&other.bucket));
    Ok((victims, clearance))
}

async fn held_in<V: Vault, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    holds: &Holds,
    buckets: &[BucketFacts],
) -> Result<BTreeMap<BucketId, u64>, Failure> {
    let ids: Vec<&BucketId> = buckets.iter().map(|facts| &facts.bucket).collect();
    hold::held_records(&mut custody.vault, &custody.keyring, holds, &ids).await
}

/// Buckets that have a key and no segment: everything in them was restored,
/// or never stored. Old copies of the vault may still hold their ciphertext.
fn idle<V, K: Keyring, L>(custody: &Custody<V, K, L>, in_vault: &[BucketFacts]) -> Vec<BucketFacts> {
    let in_vault: BTreeSet<_> = in_vault.iter().map(|facts| &facts.bucket).collect();
    let keys = custody.keyring.buckets().into_iter();
    keys.filter(|bucket| !in_vault.contains(bucket)).map(BucketFacts::erased).collect()
}

async fn announce<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    order: &Order,
    holidays: Option<Digest>,
) -> Result<DestroyIntent, Failure> {
    let mut children = BTreeMap::new();
    let mut fields = BTreeMap::new();
    for bucket in order.bucket_ids() {
        for header in custody.vault.headers(bucket).await? {
            note_fields(&mut fields, &header);
            for (table, rows) in header.children() {
                *children.entry(table).or_default() += rows;
            }
        }
    }
    let facts = || order.buckets().iter().map(|(facts, _)| facts);
    let first = order.bucket_ids().next();
    let intent = DestroyIntent {
        operation: order.id().clone(),
        rule: first.map_or_else(|| order.rule().clone(), BucketId::policy_rule),
        hold: first.and_then(BucketId::hold),
        dates: facts().map(|facts| facts.bucket.date).collect(),
        segments: facts().map(|facts| facts.segments).sum(),
        records: facts().map(|facts| facts.records).sum(),
        children,
        epoch: custody.keyring.epoch(),
        fields: bounded(fields),
        holidays,
    };
    custody.ledger.append(vec![Event::DestroyIntent(intent.clone())])?;
    Ok(intent)
}

/// Notes which columns a segment held; a schema may have changed between two.
fn note_fields(fields: &mut BTreeMap<String, BTreeSet<String>>, header: &Header) {
    for table in &header.tables {
        let names = fields.entry(format!("{}.{}", header.source, table.name)).or_default();
        names.extend(table.columns.iter().map(|column| column.name.clone()));
    }
}

fn bounded(fields: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, Vec<String>> {
    let mut left = FIELDS_BYTES_MAX;
    let listed = |(table, names): (String, BTreeSet<String>)| {
        let all = names.len();
        let fits = |name: &String| {
            left = left.saturating_sub(name.len() + 3);
            left > 0
        };
        let mut names: Vec<String> = names.into_iter().take_while(fits).collect();
        if names.len() < all {
            names.push(format!("and {} more", all - names.len()));
        }
        (table, names)
    };
    fields.into_iter().map(listed).collect()
}

/// Steps that the ledger already has, where a destruction is taken up again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub key_destroyed: bool,
    pub ciphertext_deleted: bool,
}

/// Carries out an announced destruction from wherever it stands.
pub async fn carry_out<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    order: Order,
    intent: &DestroyIntent,
    seen: Seen,
) -> Result<DestroyOutcome, Failure> {
    let probes = match probes(custody, &order).await {
        Ok(probes) => probes,
        // Every key is there, and the next rule must not find this intent open.
        Err(failure @ (Failure::Rule(_) | Failure::Unreachable(_) | Failure::TakenOver(_)))
            if untouched(custody, intent, seen) =>
        {
            abandon(custody, intent, &failure.to_string())?;
            return Err(failure);
        }
        Err(failure) => return Err(failure),
    };
    if untouched(custody, intent, seen) {
        still_free(custody, intent, &order).await?;
    }
    still_ours(custody, intent, seen).await?;
    let gone = match custody.keyring.destroy(order) {
        Ok(gone) => gone,
        Err(error @ KeyringError::Write { .. }) if untouched(custody, intent, seen) => {
            abandon(custody, intent, &error.to_string())?;
            return Err(error.into());
        }
        // Some keys are gone already: nobody may say that they are all there.
        Err(KeyringError::Write { reason }) => return Err(KeyringError::StateUnknown { reason }.into()),
        Err(error) => return Err(error.into()),
    };
    prove_gone(custody, &gone, &probes)?;
    if !seen.key_destroyed {
        custody.ledger.append(vec![Event::KeyDestroyed {
            operation: intent.operation.clone(),
            epoch: intent.epoch,
            keys: gone.order().buckets().len() as u64,
            method: "key epoch replaced; root overwritten, read back and unlinked".to_owned(),
            finding: gone.finding.clone(),
        }])?;
    }
    let erased = custody.vault.erase(&gone).await.map_err(after_the_keys)?;
    if !seen.ciphertext_deleted {
        custody.ledger.append(vec![Event::CiphertextDeleted {
            operation: intent.operation.clone(),
            // On a second attempt the vault has nothing left to count.
            segments: intent.segments,
            bytes: erased.bytes,
        }])?;
    }
    let outcome = outcome(intent, &gone, clock.read());
    custody.ledger.append(vec![Event::DestroyOutcome(outcome.clone())])?;
    Ok(outcome)
}

/// Asks for holds once more, just before the keys go: one may have been placed
/// since the order was issued.
async fn still_free<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    intent: &DestroyIntent,
    order: &Order,
) -> Result<(), Failure> {
    let holds = hold::in_force(custody)?;
    let ids: Vec<&BucketId> = order.bucket_ids().collect();
    let held = hold::held_records(&mut custody.vault, &custody.keyring, &holds, &ids).await?;
    let kept = ids.into_iter().find(|id| holds.keep(id) || held.contains_key(id));
    let Some(bucket) = kept else { return Ok(()) };
    let reason = format!("a hold was placed on records of bucket {bucket} in the meantime");
    abandon(custody, intent, &reason)?;
    Err(Failure::Rule(format!("{reason}; hint: the next cycle seals them apart and destroys the others")))
}

/// Keys are files that no vault can fence: whoever woke up after another runner
/// took over must not get to them.
async fn still_ours<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    intent: &DestroyIntent,
    seen: Seen,
) -> Result<(), Failure> {
    let Err(error) = custody.vault.keep_lease().await else { return Ok(()) };
    if untouched(custody, intent, seen) {
        abandon(custody, intent, &error.to_string())?;
    }
    Err(error.into())
}

/// True while the key epoch that the intent would end still lasts.
pub fn untouched<V, K: Keyring, L>(custody: &Custody<V, K, L>, intent: &DestroyIntent, seen: Seen) -> bool {
    !seen.key_destroyed && custody.keyring.epoch() == intent.epoch
}

/// One segment of each victim. Those whose key is still there must open now, or
/// the later test that they do not open would prove nothing.
async fn probes<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    order: &Order,
) -> Result<Vec<Sealed>, Failure> {
    let mut probes = Vec::with_capacity(order.buckets().len());
    for bucket in order.bucket_ids() {
        let Some(mut segment) = custody.vault.sample(bucket).await? else { continue };
        if custody.keyring.holds(bucket) {
            drop(seal::open(&custody.keyring, &segment)?);
        }
        segment.body.truncate(PROBE_BYTES);
        probes.push(segment);
    }
    Ok(probes)
}

/// The negative test: no victim has a key, and no key that is left opens a
/// victim's segment.
fn prove_gone<V, K: Keyring, L>(custody: &Custody<V, K, L>, gone: &KeysGone, probes: &[Sealed]) -> Result<(), Failure> {
    let held = gone.order().bucket_ids().find(|bucket| custody.keyring.holds(bucket));
    let opens = |probe: &&Sealed| custody.keyring.opens_with_any_key(&probe.header, &probe.body);
    let opened = probes.iter().take(PROBES_AGAINST_ALL_KEYS).find(opens);
    match held.or(opened.map(|probe| &probe.bucket)) {
        None => Ok(()),
        Some(bucket) => Err(Failure::StateUnknown(format!(
            "bucket {bucket} still opens after its key was destroyed; nothing more is destroyed"
        ))),
    }
}

/// Says in the ledger that nothing was destroyed.
pub fn abandon<V, K, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    intent: &DestroyIntent,
    reason: &str,
) -> Result<(), Failure> {
    let (first, last) = date_range(intent);
    let outcome = DestroyOutcome {
        operation: intent.operation.clone(),
        rule: intent.rule.clone(),
        result: DestroyResult::Abandoned,
        buckets: 0,
        records: 0,
        children: BTreeMap::new(),
        first,
        last,
        due: None,
        latest: None,
        late_seconds: 0,
        finding: Finding::unknown(reason),
    };
    custody.ledger.append(vec![Event::DestroyOutcome(outcome)])?;
    Ok(())
}

fn outcome(intent: &DestroyIntent, gone: &KeysGone, now: DateTime<Utc>) -> DestroyOutcome {
    let terms = || gone.order().buckets().iter().map(|(_, term)| term);
    let latest = terms().map(|term| term.latest).min();
    let late_seconds = latest.map_or(0, |latest| (now - latest).num_seconds().max(0).unsigned_abs());
    let (first, last) = date_range(intent);
    DestroyOutcome {
        operation: intent.operation.clone(),
        rule: intent.rule.clone(),
        result: DestroyResult::Destroyed,
        buckets: intent.dates.iter().collect::<BTreeSet<_>>().len() as u64,
        records: intent.records,
        children: intent.children.clone(),
        first,
        last,
        due: terms().map(|term| term.due).min(),
        latest,
        late_seconds,
        finding: gone.finding.clone(),
    }
}

fn date_range(intent: &DestroyIntent) -> (chrono::NaiveDate, chrono::NaiveDate) {
    let dates = || intent.dates.iter().copied();
    (dates().min().unwrap_or_default(), dates().max().unwrap_or_default())
}

/// The keys are gone, so that the ciphertext is noise; but a destruction is not
/// done before it is deleted too.
fn after_the_keys(error: crate::ports::VaultError) -> Failure {
    Failure::StateUnknown(format!(
        "the keys are destroyed, but the ciphertext could not be deleted: {error}; hint: put that right and run \
         again, recovery deletes it"
    ))
}
