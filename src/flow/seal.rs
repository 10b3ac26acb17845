//! Seal: turn the records of a batch into segments, one set per bucket, and
//! prove that what the vault gives back is what was taken.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{locate, rulebook::Rulebook};
use crate::{
    domain::{
        canonical,
        deployment::Dataset,
        id::{BatchId, BucketId, Digest},
        index::{self, Located},
        record,
        segment::{self, Header, Sealed, Table},
        selection::Cause,
    },
    ports::{Batch, Failure, Keyring, Taken},
};

/// Plaintext of one segment at most; a single larger record is one of its own.
const BODY_BYTES_MAX: usize = 4 << 20;

/// One segment before it is sealed.
#[derive(Debug)]
pub struct Unsealed {
    pub bucket: BucketId,
    pub header: Header,
    body: Zeroizing<Vec<u8>>,
    located: Vec<Located>,
}

/// What all segments of a batch say alike.
#[derive(Debug)]
pub struct Batchwide<'a> {
    pub book: &'a Rulebook<'a>,
    pub dataset: &'a Dataset,
    pub batch: &'a BatchId,
    pub cause: &'a Cause,
}

/// Groups a batch into segments. `buckets[i]` is the bucket of record `i`.
pub fn arrange<K: Keyring>(
    common: &Batchwide<'_>,
    keyring: &K,
    batch: &Batch,
    buckets: &[BucketId],
) -> Result<Vec<Unsealed>, Failure> {
    let mut by_bucket: BTreeMap<&BucketId, Vec<&Taken>> = BTreeMap::new();
    for (record, bucket) in batch.records.iter().zip(buckets) {
        by_bucket.entry(bucket).or_default().push(record);
    }
    let mut segments = Vec::with_capacity(by_bucket.len());
    for (bucket, records) in by_bucket {
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_length(rest));
            segments.push(unsealed(common, keyring, bucket, &batch.tables, chunk)?);
            rest = after;
        }
    }
    Ok(segments)
}

/// How many records fit into one segment: at least one.
fn chunk_length(records: &[&Taken]) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take_while(|record| {
        bytes += record.rows.len() + 5;
        bytes <= BODY_BYTES_MAX
    });
    fitting.count().max(1)
}

fn unsealed<K: Keyring>(
    common: &Batchwide<'_>,
    keyring: &K,
    bucket: &BucketId,
    tables: &[Table],
    records: &[&Taken],
) -> Result<Unsealed, Failure> {
    let rows_of = |table: usize| records.iter().filter_map(|record| record.counts.get(table)).sum();
    let tables = tables.iter().enumerate().map(|(number, table)| Table { rows: rows_of(number), ..table.clone() });
    let header = Header {
        format: segment::FORMAT.to_owned(),
        origin: common.book.deployment.ledger_origin.clone(),
        bucket: bucket.clone(),
        rule: common.dataset.rule.clone(),
        policy: common.book.digest,
        source: common.dataset.source.clone(),
        dataset: common.dataset.table.clone(),
        batch: common.batch.clone(),
        cause: common.cause.clone(),
        tables: tables.collect(),
        records: records.len() as u64,
        codec: segment::CODEC.to_owned(),
    };
    let mut located = Vec::with_capacity(records.len());
    for record in records {
        located.push(locate::located(keyring, bucket, &record.key, record.subject.as_deref())?);
    }
    let body = record::join(records.iter().map(|record| record.rows.as_slice()));
    Ok(Unsealed { bucket: bucket.clone(), header, body, located })
}

impl Unsealed {
    /// A segment made of records of an older one, for what stays behind when
    /// some of its records leave the vault.
    pub const fn of(header: Header, body: Zeroizing<Vec<u8>>, located: Vec<Located>, bucket: BucketId) -> Self {
        Self { bucket, header, body, located }
    }

    /// What its records are found by in an index.
    pub fn located(&self) -> &[Located] {
        &self.located
    }

    pub fn seal<K: Keyring>(&self, keyring: &K) -> Result<Sealed, Failure> {
        let header = canonical::bytes(&self.header).map_err(|error| Failure::StateUnknown(error.to_string()))?;
        let body = keyring.seal(&self.bucket, &header, &self.body)?;
        Ok(Sealed {
            bucket: self.bucket.clone(),
            batch: self.header.batch.clone(),
            header,
            body,
            index: index::build(&self.located),
            records: self.header.records,
        })
    }
}

/// The digest of a batch: over the keyed digests of its segments' bodies.
pub fn batch_digest<K: Keyring>(keyring: &K, segments: &[Unsealed]) -> Result<Digest, Failure> {
    let mut hasher = Sha256::new();
    for segment in segments {
        absorb(&mut hasher, keyring, &segment.bucket, &segment.body)?;
    }
    Ok(Digest(hasher.finalize().into()))
}

/// The same digest, over what the vault holds: each segment decrypted anew.
pub fn stored_digest<K: Keyring>(keyring: &K, segments: &[Sealed]) -> Result<Digest, Failure> {
    let mut hasher = Sha256::new();
    for segment in segments {
        let body = keyring.unseal(&segment.bucket, &segment.header, &segment.body)?;
        absorb(&mut hasher, keyring, &segment.bucket, &body)?;
    }
    Ok(Digest(hasher.finalize().into()))
}

fn absorb<K: Keyring>(hasher: &mut Sha256, keyring: &K, bucket: &BucketId, body: &[u8]) -> Result<(), Failure> {
    hasher.update(bucket.to_string().as_bytes());
    hasher.update([0]);
    hasher.update(keyring.digest(bucket, "rows", body)?);
    Ok(())
}

/// A segment opened again: its header and its records.
#[derive(Debug)]
pub struct Opened {
    pub header: Header,
    pub body: Zeroizing<Vec<u8>>,
}

/// Opens a stored segment with its bucket's key.
pub fn open<K: Keyring>(keyring: &K, segment: &Sealed) -> Result<Opened, Failure> {
    let body = keyring.unseal(&segment.bucket, &segment.header, &segment.body)?;
    let header = serde_json::from_slice(&segment.header)
        .map_err(|_| Failure::StateUnknown(format!("a segment of bucket {} has no readable header", segment.bucket)))?;
    Ok(Opened { header, body })
}

impl Opened {
    /// The encoded records, in order.
    pub fn records(&self) -> Result<Vec<&[u8]>, Failure> {
        record::split(&self.body).map_err(|error| self.malformed(error))
    }

    /// The rows of one encoded record.
    pub fn rows(&self, record: &[u8]) -> Result<Vec<record::Row>, Failure> {
        let widths: Vec<usize> = self.header.tables.iter().map(|table| table.columns.len()).collect();
        record::decode_rows(record, &widths).map_err(|error| self.malformed(error))
    }

    fn malformed(&self, error: record::MalformedRecord) -> Failure {
        Failure::StateUnknown(format!("a segment of bucket {} cannot be read: {error}", self.header.bucket))
    }
}
