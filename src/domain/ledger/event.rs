//! What the ledger records. Tables, rules, buckets, counts, dates and keyed
//! digests; never a value, a key or a subject of a row.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    canonical::{self, NotCanonical},
    deployment::WipeLevel,
    hold::Category,
    id::{BatchId, Digest, HoldId, OperationId, RuleId, RunId, SourceName},
    policy::Policy,
    residue::{self, ClosedBy},
    selection::Cause,
    verdict::{Finding, Verdict},
};

mod manual;
mod pruned;
mod vault;

pub use manual::ManualRecord;
pub use pruned::{LedgerDropped, LedgerPruned};
pub use vault::{Missing, VaultAcknowledged};

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
    PolicyAdopted {
        title: String,
        version: String,
        effective: NaiveDate,
        /// Who put it in force, where that was said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by: Option<String>,
        /// The whole policy in canonical form, of which the entry's `policy` is
        /// the digest: an auditor reads every earlier policy from the ledger.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        document: Option<serde_json::Value>,
    },
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
    RunFinished {
        verdict: Verdict,
        separated: u64,
        /// Records that were planned and stayed, since the application held rows.
        #[serde(skip_serializing_if = "is_zero", default)]
        left: u64,
        destroyed: u64,
        failed: Vec<RuleId>,
        refused: Vec<RuleId>,
    },
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
        /// Bytes that were rewritten; 0 where none were.
        #[serde(skip_serializing_if = "is_zero", default)]
        rewritten: u64,
        elapsed_ms: u64,
        /// It could not be done now, and a later cycle has to.
        #[serde(skip_serializing_if = "is_false", default)]
        owed: bool,
        finding: Finding,
    },
    #[serde(rename = "residue.scanned")]
    ResidueScanned(residue::Scan),
    #[serde(rename = "residue.closed")]
    ResidueClosed { case: OperationId, by: ClosedBy, finding: Finding },
    #[serde(rename = "hold.placed")]
    HoldPlaced(HoldPlaced),
    #[serde(rename = "hold.lifted")]
    HoldLifted { hold: HoldId, by: String, reason: String },
    /// Held records of a due bucket are about to be sealed under a key of their hold.
    #[serde(rename = "hold.sealing")]
    HoldSealing {
        operation: OperationId,
        hold: HoldId,
        rule: RuleId,
        /// Event date of the bucket.
        date: NaiveDate,
        records: u64,
    },
    #[serde(rename = "hold.sealed")]
    HoldSealed { operation: OperationId, records: u64, result: StepResult },
    #[serde(rename = "plan.approved")]
    PlanApproved { plan: Digest, by: String },
    /// The result of a run was looked at by a person.
    #[serde(rename = "run.confirmed")]
    RunConfirmed { confirmed: RunId, by: String },
    #[serde(rename = "read.intent")]
    ReadIntent(ReadIntent),
    #[serde(rename = "read.outcome")]
    ReadOutcome { operation: OperationId, records: u64, result: StepResult },
    /// A person has seen that the vault is an older copy, and lets cycles go on.
    #[serde(rename = "vault.acknowledged")]
    VaultAcknowledged(VaultAcknowledged),
    /// What came back with an older copy of destroyed buckets is removed again.
    #[serde(rename = "vault.cleared")]
    VaultCleared {
        /// As acknowledged.
        found: Digest,
        buckets: u64,
        segments: u64,
        records: u64,
        /// Records that the vault holds from here on, by rule.
        in_vault: BTreeMap<RuleId, u64>,
    },
    #[serde(rename = "refused")]
    Refused {
        what: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rule: Option<RuleId>,
        limit: String,
        value: String,
    },
    #[serde(rename = "manual.recorded")]
    ManualRecorded(ManualRecord),
    /// The signing key hands over to another one, both in the text form of
    /// `ledger.vkey`. The checkpoint that covers this entry is signed by both.
    #[serde(rename = "ledger.rekeyed")]
    LedgerRekeyed { by: String, previous: String, next: String },
    #[serde(rename = "ledger.pruned")]
    LedgerPruned(LedgerPruned),
    #[serde(rename = "ledger.dropped")]
    LedgerDropped(LedgerDropped),
    /// The daemon was alive and had nothing else to say: silence is evidence.
    #[serde(rename = "heartbeat")]
    Heartbeat {},
}

impl Event {
    /// What stands in the ledger when a policy is put in force, by whom if that is
    /// known.
    pub fn policy_adopted(policy: &Policy, by: Option<&str>) -> Result<Self, NotCanonical> {
        Ok(Self::PolicyAdopted {
            title: policy.title.clone(),
            version: policy.version.clone(),
            effective: policy.effective,
            by: by.map(str::to_owned),
            document: Some(canonical::value(policy)?),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
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
    /// Of the records, those that the vault holds already, and those whose bucket
    /// was destroyed before: they came back, or came late.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: u64,
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

/// A hold, as far as the ledger may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPlaced {
    pub hold: HoldId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<RuleId>,
    /// The dataset's table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dataset: Option<String>,
    /// Of the person or the record, under the register's key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub whose: Option<Digest>,
    pub category: Category,
    pub review: NaiveDate,
    pub freeze: bool,
    pub by: String,
    /// A hold is in force from here on, and is recorded by the next command that
    /// may write the ledger.
    pub placed: DateTime<Utc>,
}

/// A person's records are about to be shown: who, when and from where stand in
/// the entry, whose and what for here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadIntent {
    pub operation: OperationId,
    pub by: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<RuleId>,
    /// Of the person, under the register's key.
    pub whose: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    Done,
    /// It may have been done in part, and goes on when it is asked for again.
    Interrupted,
}

/// Buckets of one rule that are about to be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyIntent {
    pub operation: OperationId,
    pub rule: RuleId,
    /// Set where they are the buckets of a hold that was lifted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hold: Option<HoldId>,
    /// Event dates of the buckets.
    pub dates: Vec<NaiveDate>,
    pub segments: u64,
    pub records: u64,
    pub children: BTreeMap<String, u64>,
    /// The key epoch that ends with this destruction.
    pub epoch: u64,
    /// Names of the columns that were held, by `source.table`; never a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub fields: BTreeMap<String, Vec<String>>,
    /// The table of holidays that the period was counted with, where holidays
    /// move its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holidays: Option<Digest>,
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
