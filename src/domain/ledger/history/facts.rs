//! What a history is made of: data that entries carried, with their place in the
//! ledger. No decisions and no I/O.

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::{
    hold::Category,
    id::{Digest, RuleId, RunId},
    ledger::event::{DestroyIntent, Entry},
    verdict::{Finding, Verdict},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub origin: String,
    pub simulation: bool,
    pub version: String,
    pub at: DateTime<Utc>,
}

/// A policy that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInForce {
    /// The digest that the entry `policy.adopted` carries as its policy.
    pub digest: Digest,
    pub title: String,
    pub version: String,
    pub effective: NaiveDate,
    pub adopted_at: DateTime<Utc>,
    /// The policy itself, where the ledger has it.
    pub document: Option<serde_json::Value>,
}

/// An intent that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<T> {
    pub intent: T,
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub run: RunId,
    /// The policy that was in force.
    pub policy: Digest,
}

/// A destruction that has no outcome yet, and how far it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDestruction {
    pub open: Open<DestroyIntent>,
    /// What `key.destroyed` says; `None`: the keys may all still be there.
    pub key_destroyed: Option<KeyDestroyed>,
    /// What `ciphertext.deleted` says.
    pub ciphertext_deleted: Option<CiphertextDeleted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDestroyed {
    pub epoch: u64,
    pub keys: u64,
    pub method: String,
    pub finding: Finding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CiphertextDeleted {
    pub segments: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStarted {
    pub run: RunId,
    pub time: DateTime<Utc>,
    /// The reviewed plan that it carries out.
    pub plan: Option<Digest>,
    pub by: Option<String>,
    pub accepted_guards: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFinished {
    pub run: RunId,
    pub time: DateTime<Utc>,
    pub verdict: Verdict,
    /// Records.
    pub separated: u64,
    /// Records.
    pub destroyed: u64,
    pub failed: Vec<RuleId>,
    pub refused: Vec<RuleId>,
}

/// A hold as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOnRecord {
    pub rule: Option<RuleId>,
    pub dataset: Option<String>,
    pub whose: Option<Digest>,
    pub category: Category,
    pub review: NaiveDate,
    pub freeze: bool,
    pub by: String,
    pub placed: DateTime<Utc>,
}

/// An older copy of the vault that a person lets cycles go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Digest of what was found and shown.
    pub found: Digest,
    /// Entries of the ledger that this copy knew of.
    pub knows: u64,
}

/// An officer's approval of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    pub by: String,
    pub time: DateTime<Utc>,
}

impl<T: Clone> Open<T> {
    pub(super) fn of(intent: &T, entry: &Entry) -> Self {
        Self { intent: intent.clone(), seq: entry.seq, time: entry.time, run: entry.run.clone(), policy: entry.policy }
    }
}
