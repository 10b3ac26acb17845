//! What is recorded before old lines are dropped, and after.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::id::Digest;

/// Lines before `cut` are dropped, but for those that are kept: they follow from
/// nothing else, and what lives still needs them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPruned {
    pub by: String,
    /// The dropped lines are older than this date, in the policy's zone.
    pub before: NaiveDate,
    /// The first entry that is not before the cut: a multiple of 256.
    pub cut: u64,
    /// Lines that were there until now and are dropped.
    pub dropped: u64,
    /// Lines before the cut that are kept.
    pub kept: u64,
    /// Of the file `before/<cut>`, which holds them.
    pub file: Digest,
    /// Of the ledger when it had `cut` entries.
    pub root: Digest,
}

/// Nothing is left of the lines that the open `ledger.pruned` said would be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDropped {
    /// As in `ledger.pruned`.
    pub cut: u64,
    /// How many they were.
    pub lines: u64,
}
