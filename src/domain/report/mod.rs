//! What auditors read: the destructions of a period with everything that the
//! ledger says about each, and what else they ask for. A fold over the entries;
//! it adds nothing that the ledger does not hold, and it never rounds up: a
//! destruction is complete only if every part of it was verified.
//!
//! Fields that repeat a field of an entry bear the entry's own name, so that
//! whoever reads both can compare them.

mod fold;
mod held;
mod lingering;
mod policies;
pub mod register;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{
    id::{BatchId, Digest, HoldId, OperationId, RuleId, RunId, SourceName},
    ledger::{
        event::{HoldPlaced, ManualRecord},
        verify::Pruned,
    },
    residue,
    verdict::{Finding, Verdict},
};

pub use fold::Fold;
pub use policies::{PolicyView, RuleView};

/// The period that a report is about, dates in the policy's zone, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Period {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// The evidence of a period.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    pub origin: String,
    /// The clock could be set by hand: nothing here proves anything.
    pub simulation: bool,
    pub opened: Option<DateTime<Utc>>,
    pub period: Period,
    pub timezone: String,
    /// Every policy that was in force, oldest first.
    pub policies: Vec<PolicyView>,
    /// In ledger order.
    pub destructions: Vec<Destruction>,
    pub manual: Vec<Manual>,
    pub accesses: Vec<Access>,
    /// Holds that were in force in the period.
    pub holds: Vec<Held>,
    pub refusals: Vec<Refusal>,
    pub wipes: Vec<Wipe>,
    /// What is left of removed rows, and until when: cases that are open at the
    /// ledger's end, or were looked at in the period.
    pub residues: Vec<Residue>,
    /// Every handover of the signing key.
    pub handovers: Vec<Rekeyed>,
    /// Every time that old lines were dropped: what they said is not in here.
    pub pruned: Vec<Pruned>,
    /// Intents without an outcome at the ledger's end, whatever their date.
    pub open: Vec<OpenIntent>,
}

/// One destruction of one rule's buckets.
#[derive(Debug, Clone, Serialize)]
pub struct Destruction {
    /// Of `destroy.outcome`.
    pub seq: u64,
    /// Of `destroy.intent`.
    pub intent: u64,
    pub operation: OperationId,
    pub run: RunId,
    pub rule: RuleId,
    /// Set where they were records of a hold that was lifted.
    pub hold: Option<HoldId>,
    pub policy: Digest,
    /// Names of columns by `source.table`.
    pub fields: BTreeMap<String, Vec<String>>,
    pub buckets: u64,
    pub records: u64,
    pub children: BTreeMap<String, u64>,
    /// Range of event dates.
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// First and last day that counted, for the bucket that was due first.
    pub first_day: Option<NaiveDate>,
    pub last_day: Option<NaiveDate>,
    pub holidays: Option<Digest>,
    pub due: Option<DateTime<Utc>>,
    pub latest: Option<DateTime<Utc>>,
    /// When it was done.
    pub time: DateTime<Utc>,
    pub late_seconds: u64,
    pub segments: u64,
    /// Bytes of ciphertext and index that were deleted.
    pub bytes: u64,
    pub finding: Finding,
    /// How, location by location.
    pub parts: Vec<Part>,
    /// The worst of the parts: what a certificate may say.
    pub verdict: Verdict,
    /// The plan that a person reviewed before it, and who.
    pub plan: Option<Digest>,
    pub reviewed_by: Option<String>,
    pub approved_by: Option<String>,
    /// Who confirmed the result after it, and when.
    pub confirmed_by: Option<String>,
    pub confirmed: Option<DateTime<Utc>>,
    pub actor: String,
    pub host: String,
}

impl Destruction {
    /// Complete only where every part was verified.
    #[must_use]
    pub fn completed(&self) -> bool {
        self.verdict == Verdict::Pass
    }
}

/// What happened in one place where the records were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub location: Location,
    /// Empty where nothing was done.
    pub method: String,
    /// Engine and version, where one took part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    pub finding: Finding,
    /// The instant from which nothing is left there, where it is not clean yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// The data keys, with the root of their epoch.
    Keys,
    /// Ciphertext and indexes in the separate store.
    Vault,
    /// What the rows left in the files of their source: `source.table`.
    Source(String),
    /// What a search of a source's files found, and what keeps copies of it.
    Residue(SourceName),
}

/// A destruction by hand.
#[derive(Debug, Clone, Serialize)]
pub struct Manual {
    pub seq: u64,
    pub time: DateTime<Utc>,
    #[serde(flatten)]
    pub record: ManualRecord,
    pub actor: String,
    pub host: String,
}

/// Who looked into the separate store: the fields that the law asks for.
#[derive(Debug, Clone, Serialize)]
pub struct Access {
    pub seq: u64,
    pub kind: AccessKind,
    pub time: DateTime<Utc>,
    /// Who: the name given, and the account.
    pub by: String,
    pub actor: String,
    /// From where.
    pub host: String,
    /// Whose: a keyed digest, checkable while the records live.
    pub digest: Digest,
    /// Why.
    pub reason: String,
    /// Records by rule, where they were put back.
    pub records: BTreeMap<RuleId, u64>,
    /// Records that were shown, once they were.
    pub shown: Option<u64>,
    /// How it ended, in the ledger's own word; `None`: it has no outcome.
    pub outcome: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    Restored,
    Read,
}

/// What stops destruction, and who asked for that.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    pub seq: u64,
    pub time: DateTime<Utc>,
    #[serde(flatten)]
    pub placed: HoldPlaced,
    pub lifted: Option<DateTime<Utc>>,
    pub lifted_by: Option<String>,
    pub lift_reason: Option<String>,
}

/// What the program did not do, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub what: String,
    pub rule: Option<RuleId>,
    pub limit: String,
    pub value: String,
}

/// One signing key of the ledger handed over to the next, both in the text form
/// of `ledger.vkey`.
#[derive(Debug, Clone, Serialize)]
pub struct Rekeyed {
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub by: String,
    pub previous: String,
    pub next: String,
}

/// What was done about the traces of deleted rows.
#[derive(Debug, Clone, Serialize)]
pub struct Wipe {
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub source: SourceName,
    pub tables: Vec<String>,
    pub method: String,
    pub tool: String,
    pub finding: Finding,
}

/// The newest word about what is left of what one cycle took from one source.
#[derive(Debug, Clone, Serialize)]
pub struct Residue {
    /// Of the newest `residue.scanned`.
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub case: OperationId,
    pub source: SourceName,
    pub rules: Vec<RuleId>,
    pub tables: Vec<String>,
    pub locations: Vec<residue::Location>,
    pub finding: Finding,
    /// Closed by a search that found nothing, or by a date that has passed.
    pub closed: Option<residue::ClosedBy>,
    /// When it closes by itself; `None`: only a search can close it.
    pub until: Option<DateTime<Utc>>,
    /// Of the scan that opened the case.
    #[serde(skip)]
    opened: u64,
}

/// Something that was announced and has no outcome yet.
#[derive(Debug, Clone, Serialize)]
pub struct OpenIntent {
    pub seq: u64,
    pub time: DateTime<Utc>,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: String,
    pub rule: Option<RuleId>,
}

/// A separation that waits for its outcome.
fn open_batch(seq: u64, time: DateTime<Utc>, batch: &BatchId, rule: &RuleId) -> OpenIntent {
    OpenIntent { seq, time, kind: "separate.intent", id: batch.to_string(), rule: Some(rule.clone()) }
}

#[cfg(test)]
mod tests;
