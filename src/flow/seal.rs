//! Seal: turn the records of a batch into segments, one set per bucket, and
//! prove that what the vault gives back is what was taken.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{locate, rulebook::Rulebook};
use crate::{
    domain::{
        canonical,
        deployment::Dataset,
        id::{BatchId, BucketId, Digest},
        index::{self, Located, Locator},
        record,
        segment::{self, Header, Sealed, Table},
        selection::Cause,
    },
    ports::{Batch, Failure, Keyring, Message, Taken},
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

/// Groups a batch into segments. `dates[i]` is the date of the bucket of record `i`.
pub fn arrange<K: Keyring>(
    common: &Batchwide<'_>,
    keyring: &K,
    batch: &Batch,
    dates: &[NaiveDate],
) -> Result<Vec<Unsealed>, Failure> {
    let mut by_date: BTreeMap<NaiveDate, Vec<&Taken>> = BTreeMap::new();
    for (record, date) in batch.records.iter().zip(dates) {
        by_date.entry(*date).or_default().push(record);
    }
    let by_bucket: Vec<(BucketId, Vec<&Taken>)> =
        by_date.into_iter().map(|(date, records)| (common.bucket(date), records)).collect();
    let mut located = located(keyring, &by_bucket)?.into_iter();
    let mut segments = Vec::with_capacity(by_bucket.len());
    for (bucket, records) in &by_bucket {
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_length(rest, common.book.deployment.limits.batch_rows));
            let located = located.by_ref().take(chunk.len()).collect();
            segments.push(unsealed(common, bucket, &batch.tables, (chunk, located)));
            rest = after;
        }
    }
    Ok(segments)
}

/// What all these records are found by, in their order.
fn located<K: Keyring>(keyring: &K, by_bucket: &[(BucketId, Vec<&Taken>)]) -> Result<Vec<Located>, Failure> {
    let records = || by_bucket.iter().flat_map(|(bucket, records)| records.iter().map(move |record| (bucket, *record)));
    let keys = records().map(|(bucket, record)| (bucket, record.key.as_slice()));
    let keys = locate::digests(keyring, Locator::Key, keys)?;
    let subjects = records().filter_map(|(bucket, record)| Some((bucket, record.subject.as_deref()?)));
    let mut subjects = locate::digests(keyring, Locator::Subject, subjects)?.into_iter();
    let of_subject = |record: &Taken| record.subject.as_ref().and_then(|_| subjects.next());
    let subjects = records().map(|(_, record)| record).map(of_subject);
    Ok(keys.into_iter().zip(subjects).map(|(key, subject)| Located { key, subject }).collect())
}

/// How many records fit into one segment: at least one.
fn chunk_length(records: &[&Taken], records_max: u32) -> usize {
    let mut bytes = 0;
    let fitting = records.iter().take(records_max as usize).take_while(|record| {
        bytes += record.rows.len() + 5;
        bytes <= BODY_BYTES_MAX
    });
    fitting.count().max(1)
}

fn unsealed(
    common: &Batchwide<'_>,
    bucket: &BucketId,
    tables: &[Table],
    (records, located): (&[&Taken], Vec<Located>),
) -> Unsealed {
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
    let body = record::join(records.iter().map(|record| record.rows.as_slice()));
    Unsealed { bucket: bucket.clone(), header, body, located }
}

impl Batchwide<'_> {
    /// The bucket of this date.
    #[must_use]
    pub fn bucket(&self, date: NaiveDate) -> BucketId {
        BucketId { rule: self.dataset.rule.clone(), date }
    }
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
        let header = self.header()?;
        let body = keyring.seal(&self.bucket, &header, &self.body)?;
        Ok(self.sealed(header, body))
    }

    fn header(&self) -> Result<Vec<u8>, Failure> {
        canonical::bytes(&self.header).map_err(|error| Failure::StateUnknown(error.to_string()))
    }

    fn sealed(&self, header: Vec<u8>, body: Vec<u8>) -> Sealed {
        Sealed {
            bucket: self.bucket.clone(),
            batch: self.header.batch.clone(),
            header,
            body,
            index: index::build(&self.located),
            records: self.header.records,
        }
    }
}

/// Seals the segments of a batch.
pub fn seal_all<K: Keyring>(keyring: &K, segments: &[Unsealed]) -> Result<Vec<Sealed>, Failure> {
    let headers = segments.iter().map(Unsealed::header).collect::<Result<Vec<_>, _>>()?;
    let messages = segments.iter().zip(&headers);
    let messages = messages.map(|(segment, header)| Message { bucket: &segment.bucket, header, body: &segment.body });
    let messages: Vec<Message<'_>> = messages.collect();
    let bodies = keyring.seal_all(&messages)?;
    let parts = segments.iter().zip(headers).zip(bodies);
    Ok(parts.map(|((segment, header), body)| segment.sealed(header, body)).collect())
}

/// The digest of a batch: over the keyed digests of its segments' bodies.
pub fn batch_digest<K: Keyring>(keyring: &K, segments: &[Unsealed]) -> Result<Digest, Failure> {
    let bodies: Vec<(&BucketId, &[u8])> =
        segments.iter().map(|segment| (&segment.bucket, segment.body.as_slice())).collect();
    let digests = keyring.digests(ROWS, &bodies)?;
    Ok(joined(segments.iter().map(|segment| &segment.bucket).zip(&digests)))
}

/// The same digest, over what the vault holds: each segment decrypted anew.
pub fn stored_digest<K: Keyring>(keyring: &K, segments: &[Sealed]) -> Result<Digest, Failure> {
    let messages = segments.iter().map(|segment| {
        let Sealed { bucket, header, body, .. } = segment;
        Message { bucket, header, body }
    });
    let messages: Vec<Message<'_>> = messages.collect();
    let digests = keyring.digests_unsealed(ROWS, &messages)?;
    Ok(joined(segments.iter().map(|segment| &segment.bucket).zip(&digests)))
}

/// What keyed digests of bodies are for.
const ROWS: &str = "rows";

fn joined<'s>(digests: impl Iterator<Item = (&'s BucketId, &'s [u8; 32])>) -> Digest {
    let mut hasher = Sha256::new();
    for (bucket, digest) in digests {
        hasher.update(bucket.to_string().as_bytes());
        hasher.update([0]);
        hasher.update(digest);
    }
    Digest(hasher.finalize().into())
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
