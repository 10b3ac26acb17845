//! Separate: move records from a source to the vault, batch by batch.
//!
//! The order of steps is what keeps a record from being lost: the source
//! deletes in an open transaction, the vault commits the sealed copy, the copy
//! is read back, decrypted and compared, and only then the source commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use chrono::{DateTime, Utc};

use super::{
    custody::Custody,
    hold,
    rulebook::{Rulebook, with_others},
    seal::{Batchwide, Unsealed, arrange, batch_digest, stored_digest},
};
use crate::{
    domain::{
        deployment::Dataset,
        hold::Held,
        id::{BatchId, BucketId, Digest, RuleId},
        ledger::event::{Event, SeparateIntent, SeparateResult},
        seal::{CopyDiffers, SealReceipt},
        segment::Sealed,
        selection::{Bounds, Cause, assign},
    },
    ports::{
        Batch, Clock, Failure, Keyring, Ledger, Pace, Progress, Source, SourceError, Taken, Turn, Vault, VaultError,
    },
};

/// Rows that left a source for the vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
}

impl Moved {
    /// What is left of this once `done` is taken away.
    pub(super) fn without(mut self, done: &Self) -> Self {
        self.rows = self.rows.saturating_sub(done.rows);
        for (table, rows) in &mut self.children {
            *rows = rows.saturating_sub(done.children.get(table).copied().unwrap_or(0));
        }
        self
    }
}

/// What is separated, and as of when.
#[derive(Debug)]
pub struct Job<'a> {
    pub book: &'a Rulebook<'a>,
    pub dataset: &'a Dataset,
    /// The instant of the plan.
    pub at: DateTime<Utc>,
    /// Rows that were planned. What is added to the source meanwhile waits for
    /// the next plan.
    pub rows_max: u64,
    /// As many more as belong to records that leave before them.
    pub ahead_max: u64,
    /// Rules by which nothing is due in this cycle.
    pub idle: &'a BTreeSet<RuleId>,
}

/// Moves everything of the job's dataset that may move. `moved` grows with every
/// batch that is finished, so that it is right also when a later one fails. Breaks
/// off between two batches where `pace` says so.
pub async fn separate<S, V, K, L>(
    job: &Job<'_>,
    source: &mut S,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    progress: &mut (impl Progress + Pace),
    moved: &mut Moved,
) -> Result<ControlFlow<String>, Failure>
where
    S: Source,
    V: Vault,
    K: Keyring,
    L: Ledger,
{
    let rule = job.book.rule(&job.dataset.rule)?;
    let events = rule.separate_on.iter().cloned().map(Cause::Event);
    for cause in events.chain([Cause::Due, Cause::WithParent]) {
        let mut left = match cause {
            Cause::WithParent => job.ahead_max,
            Cause::Due | Cause::Event(_) => job.rows_max.saturating_sub(moved.rows),
        };
        while let Some(limit) = batch_limit(job, left) {
            let limit = match progress.turn(Some(&job.dataset.source)).await {
                Turn::Go { rows_max } => limit.min(rows_max),
                Turn::Stop(reason) => return Ok(ControlFlow::Break(reason)),
            };
            // A hold that was placed since the last batch takes effect with this one.
            let held = job.book.held(&hold::in_force(custody)?);
            let mut scopes = job.book.scopes(job.at, &held)?;
            for (_, scope) in scopes.iter_mut().filter(|(dataset, _)| job.idle.contains(&dataset.rule)) {
                *scope = scope.idle();
            }
            let scope = with_others(job.dataset, &scopes)?;
            let Some(batch) = source.take(job.dataset, &scope, &cause, limit).await? else { break };
            let last = batch.last;
            let rows = batch.records.len() as u64;
            let terms = Terms { cause: &cause, bounds: scope.bounds, held: scope.held };
            let children = move_batch(job, source, custody, clock, &terms, batch).await?;
            moved.rows += rows;
            left = left.saturating_sub(rows);
            for (table, rows) in children {
                *moved.children.entry(table).or_default() += rows;
            }
            progress.advance(rows);
            progress.moved(rows);
            if last {
                break;
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Rows of the next batch; `None` when all that was planned has moved.
fn batch_limit(job: &Job<'_>, left: u64) -> Option<u32> {
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    (left > 0).then(|| left.min(job.book.deployment.limits.batch_rows))
}

/// Under what a batch was taken: every record is held against it once more.
#[derive(Debug, Clone, Copy)]
struct Terms<'a> {
    cause: &'a Cause,
    bounds: Bounds,
    held: &'a Held,
}

/// Moves one taken batch, or undoes it.
async fn move_batch<S, V, K, L>(
    job: &Job<'_>,
    source: &mut S,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    terms: &Terms<'_>,
    batch: Batch,
) -> Result<BTreeMap<String, u64>, Failure>
where
    S: Source,
    V: Vault,
    K: Keyring,
    L: Ledger,
{
    let id = custody.next_batch();
    let common = Batchwide { book: job.book, dataset: job.dataset, batch: &id, cause: terms.cause };
    let (segments, digest) = match prepare(job, terms, &common, &mut custody.keyring, &batch) {
        Ok(prepared) => prepared,
        // Nothing was announced yet, so that undoing the deletion is all there is to do.
        Err(failure) => {
            roll_back(source, &id, &failure).await?;
            return Err(failure);
        }
    };
    drop(batch);
    let intent = intent(&common, &segments, digest);
    let children = intent.children.clone();
    if let Err(error) = custody.ledger.append(vec![Event::SeparateIntent(intent)]) {
        let failure = error.into();
        roll_back(source, &id, &failure).await?;
        return Err(failure);
    }
    let receipt = match store(custody, clock, &id, segments, digest).await {
        Ok(receipt) => receipt,
        Err(failure) => {
            roll_back(source, &id, &failure).await?;
            return Err(undo(custody, &id, failure).await);
        }
    };
    // The point after which the vault holds the only copy.
    match source.commit(receipt).await {
        Ok(()) => {}
        Err(error @ SourceError::RolledBack { .. }) => return Err(undo(custody, &id, error.into()).await),
        Err(error) => return Err(commit_unknown(&id, &error)),
    }
    let outcome = Event::SeparateOutcome { batch: id, result: SeparateResult::Committed, reason: None };
    custody.ledger.append(vec![outcome])?;
    Ok(children)
}

/// Decides every record once more, makes its bucket's key durable, and arranges
/// the segments.
fn prepare<K: Keyring>(
    job: &Job<'_>,
    terms: &Terms<'_>,
    common: &Batchwide<'_>,
    keyring: &mut K,
    batch: &Batch,
) -> Result<(Vec<Unsealed>, Digest), Failure> {
    let rule = job.book.rule(&job.dataset.rule)?;
    let frozen = |record: &Taken| terms.held.frozen.covers(&record.key, record.subject.as_deref());
    if batch.records.iter().any(frozen) {
        return Err(Failure::Rule(format!(
            "dataset {}: the source took a record that a hold freezes; the batch is undone",
            job.dataset.table
        )));
    }
    let decide = |record: &Taken| assign(&job.book.calendar, rule, terms.cause, &terms.bounds, record.event);
    let buckets: Vec<BucketId> = batch
        .records
        .iter()
        .map(decide)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::Rule(format!("dataset {}: {error}", job.dataset.table)))?;
    let distinct: Vec<BucketId> = buckets.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    keyring.open_buckets(&distinct)?;
    let segments = arrange(common, keyring, batch, &buckets)?;
    let digest = batch_digest(keyring, &segments)?;
    Ok((segments, digest))
}

fn intent(common: &Batchwide<'_>, segments: &[Unsealed], digest: Digest) -> SeparateIntent {
    let dates = || segments.iter().map(|segment| segment.bucket.date);
    let mut children = BTreeMap::new();
    for (table, rows) in segments.iter().flat_map(|segment| segment.header.children()) {
        *children.entry(table).or_default() += rows;
    }
    SeparateIntent {
        batch: common.batch.clone(),
        rule: common.dataset.rule.clone(),
        source: common.dataset.source.clone(),
        dataset: common.dataset.table.clone(),
        cause: common.cause.clone(),
        records: segments.iter().map(|segment| segment.header.records).sum(),
        children,
        buckets: dates().collect::<BTreeSet<_>>().len() as u64,
        first: dates().min().unwrap_or_default(),
        last: dates().max().unwrap_or_default(),
        digest,
    }
}

/// Seals, stores, reads back and compares; and is still the only runner after it.
async fn store<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    id: &BatchId,
    segments: Vec<Unsealed>,
    taken: Digest,
) -> Result<SealReceipt, Failure> {
    let sealed: Vec<Sealed> =
        segments.iter().map(|segment| segment.seal(&custody.keyring)).collect::<Result<_, _>>()?;
    drop(segments);
    let indexes = index_digests(&sealed);
    custody.vault.store(&sealed, &custody.ledger.head(), clock.read()).await?;
    drop(sealed);
    let stored: Vec<Sealed> = custody.vault.batch(id).await?.into_iter().map(|(_, segment)| segment).collect();
    // Without its index a record could be neither restored nor held by its subject.
    if index_digests(&stored) != indexes {
        return Err(Failure::Rule(CopyDiffers { batch: id.clone() }.to_string()));
    }
    let read_back = stored_digest(&custody.keyring, &stored)?;
    let receipt =
        SealReceipt::compare(id.clone(), taken, read_back).map_err(|error| Failure::Rule(error.to_string()))?;
    custody.vault.keep_lease().await?;
    Ok(receipt)
}

fn index_digests(segments: &[Sealed]) -> Vec<Digest> {
    segments.iter().map(|segment| Digest::of(&segment.index)).collect()
}

/// Undoes the open deletion. If that fails, the source still has it open, and
/// nothing more may be asked of it; the next start finds the rows where they were.
async fn roll_back<S: Source>(source: &mut S, id: &BatchId, cause: &Failure) -> Result<(), Failure> {
    source.rollback().await.map_err(|error| {
        Failure::StateUnknown(format!(
            "{cause}; and the source could not undo batch {id}: {error}; hint: run again when the source can be \
             reached, recovery settles the batch"
        ))
    })
}

/// After the source has undone a batch: drops the vault's copy and says so. If
/// that fails as well, the intent stays open and recovery settles it.
async fn undo<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    id: &BatchId,
    cause: Failure,
) -> Failure {
    // Whoever took over has the vault; the intent stays open, and recovery asks what is there.
    if matches!(cause, Failure::TakenOver(_)) {
        return cause;
    }
    if let Err(error) = custody.vault.drop_batch(id).await {
        if matches!(error, VaultError::TakenOver { .. }) {
            return error.into();
        }
        return Failure::StateUnknown(format!(
            "{cause}; the source kept its rows, and the vault could not drop its copy of batch {id}: {error}; hint: \
             put that right and run again, recovery drops it"
        ));
    }
    let reason = Some(cause.to_string());
    let outcome = Event::SeparateOutcome { batch: id.clone(), result: SeparateResult::RolledBack, reason };
    match custody.ledger.append(vec![outcome]) {
        Ok(_) => cause,
        Err(error) => Failure::StateUnknown(format!("{cause}; the source kept its rows, but {error}")),
    }
}

fn commit_unknown(id: &BatchId, error: &SourceError) -> Failure {
    Failure::StateUnknown(format!(
        "it is not known whether the source committed batch {id}: {error}; the vault keeps its copy; hint: run again \
         when the source can be reached, recovery compares both"
    ))
}
