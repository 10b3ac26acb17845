//! What is recorded of an older copy of the vault.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::domain::id::{Digest, RuleId};

/// What an older copy of the vault lacks, as a person has acknowledged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultAcknowledged {
    /// Digest of what was found and shown.
    pub found: Digest,
    pub by: String,
    pub reason: String,
    /// Entries of the ledger that the vault knew of.
    pub knows: u64,
    /// Records that are missing, by rule.
    pub missing: BTreeMap<RuleId, Missing>,
    /// Buckets that were destroyed and whose ciphertext is back.
    pub destroyed: u64,
}

/// Records that are missing, in bounds: a copy may hold again what was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub at_least: u64,
    pub at_most: u64,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_least == self.at_most {
            return write!(f, "{}", self.at_least);
        }
        write!(f, "{} to {}", self.at_least, self.at_most)
    }
}
