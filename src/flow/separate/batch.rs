//! One batch on its way into the vault: announced, sealed, stored, read back and
//! compared. What the source has deleted of it is still to be committed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use tokio::task::yield_now;

use super::Job;
use crate::{
    domain::{
        hold::Held,
        id::{BatchId, BucketId, Digest},
        index::{self, Locator},
        ledger::event::{Event, SeparateIntent},
        seal::{CopyDiffers, SealReceipt},
        segment::Sealed,
        selection::{Bounds, Cause, Scope, assign},
    },
    flow::{
        custody::Custody,
        seal::{Batchwide, Unsealed, arrange, batch_digest, seal_all, stored_digest},
    },
    ports::{Batch, Clock, Failure, Keyring, Ledger, Taken, Vault},
};

/// A taken batch, with that under which it was taken: every record is held
/// against it once more.
#[derive(Debug)]
pub(super) struct Pending {
    batch: Batch,
    bounds: Bounds,
    held: Held,
}

impl Pending {
    pub(super) fn new(batch: Batch, scope: &Scope<'_>) -> Self {
        Self { batch, bounds: scope.bounds, held: scope.held.clone() }
    }

    /// Nothing is left behind it.
    pub(super) const fn is_last(&self) -> bool {
        self.batch.last
    }

    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.batch.records.len()).unwrap_or(u32::MAX)
    }
}

/// Batches of one transaction that the ledger has announced, and what goes with
/// their roots.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) batches: Vec<BatchId>,
    pub(super) rows: u64,
    /// Parts of a batch with a key of their own.
    parts: u64,
    pub(super) children: BTreeMap<String, u64>,
}

/// A segment of fewer records takes more room for its header than for them.
const RECORDS_PER_PART_MIN: u64 = 100;

impl Announced {
    /// The batches have the dates of a whole table, and few records of each: larger
    /// ones would make fewer segments.
    pub(super) const fn is_sparse(&self) -> bool {
        self.rows < self.parts.saturating_mul(RECORDS_PER_PART_MIN)
    }

    fn add(&mut self, intent: SeparateIntent) {
        self.batches.push(intent.batch);
        self.rows += intent.records;
        self.parts += intent.buckets;
        for (table, rows) in intent.children {
            *self.children.entry(table).or_default() += rows;
        }
    }
}

/// Brings a batch into the vault. What was announced is in `announced` also after
/// an error.
pub(super) async fn keep<V: Vault, K: Keyring, L: Ledger>(
    job: &Job<'_>,
    cause: &Cause,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    pending: Pending,
    announced: &mut Announced,
) -> Result<SealReceipt, Failure> {
    let id = custody.next_batch();
    let common = Batchwide { book: job.book, dataset: job.dataset, batch: &id, cause };
    let (segments, digest) = prepare(job, &common, &mut custody.keyring, &pending)?;
    drop(pending);
    // Between two stretches of computing the source gets its next statement.
    yield_now().await;
    let again = again(job, custody, &segments).await?;
    let intent = SeparateIntent { again, ..intent(&common, &segments, digest) };
    custody.ledger.append(vec![Event::SeparateIntent(intent.clone())])?;
    announced.add(intent);
    store(custody, clock, &id, segments, digest).await
}

/// Decides every record once more, makes its bucket's key durable, and arranges
/// the segments.
fn prepare<K: Keyring>(
    job: &Job<'_>,
    common: &Batchwide<'_>,
    keyring: &mut K,
    pending: &Pending,
) -> Result<(Vec<Unsealed>, Digest), Failure> {
    let records = &pending.batch.records;
    let frozen = |record: &Taken| pending.held.frozen.covers(&record.key, record.subject.as_deref());
    if records.iter().any(frozen) {
        return Err(Failure::Rule(format!(
            "dataset {}: the source took a record that a hold freezes; the batch is undone",
            job.dataset.table
        )));
    }
    let decide = |record: &Taken| assign(&job.book.calendar, common.cause, &pending.bounds, record.event);
    let dates: Vec<NaiveDate> = records
        .iter()
        .map(decide)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::Rule(format!("dataset {}: {error}", job.dataset.table)))?;
    let distinct: BTreeSet<NaiveDate> = dates.iter().copied().collect();
    let buckets: Vec<BucketId> = distinct.into_iter().map(|date| common.bucket(date)).collect();
    keyring.open_buckets(&buckets)?;
    let segments = arrange(common, keyring, &pending.batch, &dates)?;
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
        again: 0,
        digest,
    }
}

/// Records that were separated before: the vault holds them, or their bucket was
/// destroyed. An older copy of the source was put back, or they came late. A bucket
/// that is filled for the first time is not asked for.
async fn again<V: Vault, K, L: Ledger>(
    job: &Job<'_>,
    custody: &mut Custody<V, K, L>,
    segments: &[Unsealed],
) -> Result<u64, Failure> {
    let mut again = 0;
    for segment in segments {
        if custody.ledger.history().was_destroyed(&segment.bucket) {
            again += segment.header.records;
        } else if job.stored.contains(&segment.bucket) {
            let rows = custody.vault.indexes_of(&segment.bucket).await?;
            for located in segment.located() {
                let found = rows.iter().map(|row| index::find(&row.index, Locator::Key, &located.key));
                let found = found.collect::<Result<Vec<_>, _>>().map_err(|_| malformed(&segment.bucket))?;
                again += u64::from(found.iter().any(|numbers| !numbers.is_empty()));
            }
        }
    }
    Ok(again)
}

fn malformed(bucket: &BucketId) -> Failure {
    Failure::StateUnknown(format!("a segment of bucket {bucket} has a malformed index"))
}

/// Seals, stores, reads back and compares.
async fn store<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    id: &BatchId,
    segments: Vec<Unsealed>,
    taken: Digest,
) -> Result<SealReceipt, Failure> {
    let sealed = seal_all(&custody.keyring, &segments)?;
    drop(segments);
    yield_now().await;
    let indexes = index_digests(&sealed);
    custody.vault.store(&sealed, &custody.ledger.head(), clock.read()).await?;
    drop(sealed);
    let stored: Vec<Sealed> = custody.vault.batch(id).await?.into_iter().map(|(_, segment)| segment).collect();
    // Without its index a record could be neither restored nor held by its subject.
    if index_digests(&stored) != indexes {
        return Err(Failure::Rule(CopyDiffers { batch: id.clone() }.to_string()));
    }
    let read_back = stored_digest(&custody.keyring, &stored)?;
    SealReceipt::compare(id.clone(), taken, read_back).map_err(|error| Failure::Rule(error.to_string()))
}

fn index_digests(segments: &[Sealed]) -> Vec<Digest> {
    segments.iter().map(|segment| Digest::of(&segment.index)).collect()
}
