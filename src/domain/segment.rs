//! Segments: records of one dataset and bucket, sealed together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    id::{BatchId, BucketId, Digest, RuleId, SourceName},
    selection::Cause,
};

/// The name and version of the segment format (`docs/FORMAT.md`).
pub const FORMAT: &str = "retentiond/segment@v1";

/// How the body is packed before it is encrypted.
pub const CODEC: &str = "zstd";

/// What stands in the clear before a segment's body, and is bound to it: the
/// canonical JSON of this value is the context of the encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub format: String,
    pub origin: String,
    pub bucket: BucketId,
    pub rule: RuleId,
    pub policy: Digest,
    pub source: SourceName,
    pub dataset: String,
    pub batch: BatchId,
    pub cause: Cause,
    /// Table 0 is the dataset's own.
    pub tables: Vec<Table>,
    /// Roots in this segment.
    pub records: u64,
    pub codec: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Rows of this table in this segment.
    pub rows: u64,
    /// The rows stayed in the source and lost their link to the record: what
    /// stands here is their key and what the link was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlinked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub declared: String,
}

/// A segment as the vault stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub bucket: BucketId,
    pub batch: BatchId,
    /// Canonical JSON of `Header`.
    pub header: Vec<u8>,
    /// Salt, commitment and chunks (C2SP chunked-encryption).
    pub body: Vec<u8>,
    /// Sorted keyed digests of keys and subjects with record numbers.
    pub index: Vec<u8>,
    pub records: u64,
}

impl Header {
    /// Rows that went with the roots, by table.
    #[must_use]
    pub fn children(&self) -> BTreeMap<String, u64> {
        let mut children = BTreeMap::new();
        for table in self.tables.iter().skip(1).filter(|table| !table.unlinked) {
            *children.entry(table.name.clone()).or_default() += table.rows;
        }
        children
    }
}
