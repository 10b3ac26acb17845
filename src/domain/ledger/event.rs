//! What the ledger records. Tables, rules, buckets, counts, dates and keyed
//! digests; never a value, a key or a subject of a row.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    deployment::WipeLevel,
    id::{BatchId, Digest, OperationId, RuleId, RunId, SourceName},
    selection::Cause,
    verdict::{Finding, Verdict},
};

/// The version of the line format (`docs/FORMAT.md`).
pub const VERSION: u32 = 1;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `VERSION`.
    pub v: u32,
    /// Number of the line, from 0: the index of its leaf in the Merkle tree.
    pub seq: u64,
    /// Never before the time of the line before.
    pub time: DateTime<Utc>,
    #[serde(flatten)]
    pub event: Event,
    /// The cycle or command that this entry belongs to.
    pub run: RunId,
    /// Digest of the policy in force.
    pub policy: Digest,
    /// Account and name that acted.
    pub actor: String,
    pub host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    #[serde(rename = "ledger.opened")]
    LedgerOpened { origin: String, simulation: bool, version: String },
    #[serde(rename = "policy.adopted")]
    PolicyAdopted { title: String, version: String, effective: NaiveDate },
    #[serde(rename = "run.started")]
    RunStarted {
        /// The reviewed plan that this run carries out, if it was given one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        plan: Option<Digest>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        accepted_guards: Vec<String>,
        /// Set where the run is of one rule only.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rule: Option<RuleId>,
    },
    #[serde(rename = "run.finished")]
    RunFinished { verdict: Verdict, separated: u64, destroyed: u64, failed: Vec<RuleId>, refused: Vec<RuleId> },
    #[serde(rename = "separate.intent")]
    SeparateIntent(SeparateIntent),
    #[serde(rename = "separate.outcome")]
    SeparateOutcome {
        batch: BatchId,
        result: SeparateResult,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    #[serde(rename = "restore.intent")]
    RestoreIntent(RestoreIntent),
    #[serde(rename = "restore.outcome")]
    RestoreOutcome {
        operation: OperationId,
        result: RestoreResult,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    #[serde(rename = "destroy.intent")]
    DestroyIntent(DestroyIntent),
    #[serde(rename = "key.destroyed")]
    KeyDestroyed { operation: OperationId, epoch: u64, keys: u64, method: String, finding: Finding },
    #[serde(rename = "ciphertext.deleted")]
    CiphertextDeleted { operation: OperationId, segments: u64, bytes: u64 },
    #[serde(rename = "destroy.outcome")]
    DestroyOutcome(DestroyOutcome),
    #[serde(rename = "wipe.started")]
    WipeStarted { source: SourceName, tables: Vec<String>, level: WipeLevel },
    #[serde(rename = "wipe.finished")]
    WipeFinished {
        source: SourceName,
        tables: Vec<String>,
        method: String,
        tool: String,
        elapsed_ms: u64,
        finding: Finding,
    },
    #[serde(rename = "refused")]
    Refused {
        what: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rule: Option<RuleId>,
        limit: String,
        value: String,
    },
}

/// A batch that is about to be sealed and deleted from its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeparateIntent {
    pub batch: BatchId,
    pub rule: RuleId,
    pub source: SourceName,
    pub dataset: String,
    pub cause: Cause,
    pub records: u64,
    pub children: BTreeMap<String, u64>,
    pub buckets: u64,
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// Over the buckets' keyed digests of their rows: checkable while the keys
    /// live, noise afterwards.
    pub digest: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeparateResult {
    /// The source deletion is committed; the vault holds the only copy.
    Committed,
    /// The source kept its rows; the vault copy was dropped.
    RolledBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreResult {
    /// The rows are back in the source; the vault copy was removed.
    Committed,
    /// The source did not take the rows; the vault keeps them.
    RolledBack,
}

/// Records that are about to go back into their source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreIntent {
    pub operation: OperationId,
    pub by: String,
    pub reason: String,
    pub source: SourceName,
    pub records: BTreeMap<RuleId, u64>,
    /// The event's column is left as it was.
    pub keep_event: bool,
    /// Numbers of the records in their segments.
    pub segments: Vec<(i64, Vec<u32>)>,
    /// Over the records' keyed digests.
    pub digest: Digest,
}

/// Buckets of one rule that are about to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyIntent {
    pub operation: OperationId,
    pub rule: RuleId,
    /// Event dates of the buckets.
    pub dates: Vec<NaiveDate>,
    pub segments: u64,
    pub records: u64,
    pub children: BTreeMap<String, u64>,
    /// The key epoch that ends with this destruction.
    pub epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyOutcome {
    pub operation: OperationId,
    pub rule: RuleId,
    pub result: DestroyResult,
    pub buckets: u64,
    pub records: u64,
    pub children: BTreeMap<String, u64>,
    /// Range of event dates.
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// The earliest due and latest of the buckets.
    pub due: Option<DateTime<Utc>>,
    pub latest: Option<DateTime<Utc>>,
    /// How long after the earliest `latest` this was; 0 when in time.
    pub late_seconds: u64,
    pub finding: Finding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DestroyResult {
    Destroyed,
    /// Nothing was destroyed: the keys are all still there.
    Abandoned,
}
