//! Sequences of entries that no working ledger contains.

use chrono::{DateTime, Utc};

use crate::domain::ledger::{event::VERSION, keys::KeyError};

/// Why an entry cannot follow the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    #[error("entry has format version {found}, this program reads {VERSION}")]
    Version { found: u32 },
    #[error("entry says seq {found} where {expected} must follow")]
    Sequence { expected: u64, found: u64 },
    #[error("time goes back from {before} to {found}")]
    TimeWentBack { before: DateTime<Utc>, found: DateTime<Utc> },
    #[error("the first entry is not ledger.opened")]
    NotOpened,
    #[error("ledger.opened stands twice")]
    OpenedTwice,
    #[error("{kind} of {id} stands twice")]
    Repeated { kind: &'static str, id: String },
    #[error("the signing key: {0}")]
    Key(#[from] KeyError),
    #[error("it drops lines before entry {cut}, which does not fit what is there")]
    Pruned { cut: u64 },
    #[error("the policy in it does not have the digest that it names")]
    OtherPolicy,
    #[error("{kind} of {id} has no open intent")]
    WithoutIntent { kind: &'static str, id: String },
    #[error("{kind} of {id} contradicts the steps before it")]
    OutOfOrder { kind: &'static str, id: String },
}
