//! What a vault's columns say, the same on every engine: identity, ledger head,
//! and the facts of a segment. No SQL and no connection.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    domain::{
        destroy::Order,
        id::{BucketId, RuleId},
        ledger::Head,
        segment::{Header, Sealed},
    },
    ports::VaultError,
};

/// The format this code reads and writes.
pub(super) const FORMAT: &str = "retentiond/vault@v1";

pub(super) const META_FORMAT: &str = "format";
pub(super) const META_ORIGIN: &str = "origin";
pub(super) const META_DEPLOYMENT: &str = "deployment";
pub(super) const META_SIMULATION: &str = "simulation";
/// Size and root of the newest ledger head.
pub(super) const META_HEAD: &str = "ledger-head";

/// The random salt at the start of a body (`docs/FORMAT.md`).
const SALT_BYTES: usize = 24;

/// The vault holds something that no vault of ours would.
pub(super) fn unreadable(what: &'static str) -> VaultError {
    VaultError::Foreign { reason: format!("it holds {what} that cannot be read") }
}

/// What a new vault says of itself.
pub(super) fn meta<'a>(origin: &'a str, deployment: &'a str, simulation: bool) -> [(&'static str, &'a str); 4] {
    [
        (META_FORMAT, FORMAT),
        (META_ORIGIN, origin),
        (META_DEPLOYMENT, deployment),
        (META_SIMULATION, if simulation { "true" } else { "false" }),
    ]
}

/// Whether this is the vault it should be; the answer is whether it is a
/// simulation's.
pub(super) fn recognise(meta: &[(String, String)], origin: &str, deployment: &str) -> Result<bool, VaultError> {
    let foreign = |reason: &str| Err(VaultError::Foreign { reason: reason.to_owned() });
    let value = |key| meta.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str());
    if value(META_FORMAT) != Some(FORMAT) {
        return foreign("it has another format version");
    }
    if value(META_ORIGIN) != Some(origin) {
        return foreign("it belongs to another ledger origin");
    }
    if value(META_DEPLOYMENT) != Some(deployment) {
        return foreign("it belongs to another deployment");
    }
    match value(META_SIMULATION) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => foreign("it does not say whether it is a simulation"),
    }
}

pub(super) fn read_head(text: Option<&str>) -> Result<Option<Head>, VaultError> {
    let Some(text) = text else { return Ok(None) };
    let head = text.split_once(' ').and_then(|(size, root)| {
        let (size, root) = (size.parse().ok()?, root.parse().ok()?);
        Some(Head { size, root })
    });
    head.map(Some).ok_or_else(|| unreadable("a ledger head"))
}

/// What is to be remembered after `head` was told: `None` when that is known
/// already. A head of the same size with another root is of another ledger.
pub(super) fn newer_head(known: Option<Head>, head: &Head) -> Result<Option<String>, VaultError> {
    if let Some(known) = known {
        if known.size == head.size && known.root != head.root {
            return Err(VaultError::Foreign {
                reason: "the ledger has another root at the size it remembers".to_owned(),
            });
        }
        if known.size >= head.size {
            return Ok(None);
        }
    }
    Ok(Some(format!("{} {}", head.size, head.root)))
}

/// One width for all instants, so that the latest is also the greatest text.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

pub(super) fn read_instant(text: &str) -> Result<DateTime<Utc>, VaultError> {
    let read = DateTime::parse_from_rfc3339(text).map_err(|_| unreadable("a time of sealing"))?;
    Ok(read.with_timezone(&Utc))
}

/// The columns by which a segment is found and counted.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) rule: String,
    pub(super) date: String,
    pub(super) dataset: String,
    pub(super) batch: String,
    pub(super) salt: Vec<u8>,
    pub(super) records: i64,
    pub(super) bytes: i64,
}

impl Facts {
    /// A segment's header must say the same as the segment.
    pub(super) fn of(sealed: &Sealed) -> Result<Self, VaultError> {
        let refuse = |reason: &str| VaultError::Engine { reason: reason.to_owned() };
        let header: Header = header(&sealed.header).ok_or_else(|| refuse("a segment has no readable header"))?;
        if header.bucket != sealed.bucket || header.batch != sealed.batch || header.records != sealed.records {
            return Err(refuse("a segment's header contradicts the segment"));
        }
        let records = i64::try_from(sealed.records).map_err(|_| refuse("a segment counts too many records"))?;
        let bytes = i64::try_from(sealed.header.len() + sealed.index.len() + sealed.body.len())
            .map_err(|_| refuse("a segment is too large"))?;
        Ok(Self {
            rule: sealed.bucket.rule.0.clone(),
            date: sealed.bucket.date.to_string(),
            dataset: header.dataset,
            batch: sealed.batch.0.clone(),
            salt: sealed.body.get(..SALT_BYTES).unwrap_or(&sealed.body).to_vec(),
            records,
            bytes,
        })
    }
}

pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    serde_json::from_slice(bytes).ok()
}

pub(super) fn bucket(rule: String, date: &str) -> Result<BucketId, VaultError> {
    let date = date.parse().map_err(|_| unreadable("a bucket date"))?;
    Ok(BucketId { rule: RuleId(rule), date })
}

/// The dates of an order's buckets: an order is for one rule.
pub(super) fn dates(order: &Order) -> Vec<String> {
    order.bucket_ids().map(|bucket| bucket.date.to_string()).collect()
}

pub(super) fn count(value: i64) -> Result<u64, VaultError> {
    u64::try_from(value).map_err(|_| unreadable("a count"))
}

pub(super) fn no_segment(id: i64) -> VaultError {
    VaultError::Engine { reason: format!("it has no segment {id}") }
}

pub(super) fn still_listed(left: i64) -> VaultError {
    VaultError::Engine { reason: format!("{left} segments of destroyed buckets are still listed") }
}
