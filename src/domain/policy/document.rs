//! From the canonical document of a policy, as the ledger keeps it, back to the
//! policy: what was adopted goes on in force, whatever became of the file.

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de::Error};

use super::Policy;
use crate::domain::id::Digest;

/// A document that is not the policy that was adopted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotThePolicy {
    #[error("the adopted policy cannot be read by this version: {0}")]
    Unreadable(String),
    #[error("the adopted policy reads back with digest {found}, not {expected}")]
    Otherwise { found: String, expected: Digest },
}

impl Policy {
    /// Reads a document. What it says must have the digest under which it was
    /// adopted: a program that understands less of it than the one that wrote it
    /// refuses it.
    pub fn from_document(document: &serde_json::Value, digest: Digest) -> Result<Self, NotThePolicy> {
        let policy = Self::deserialize(document).map_err(|error| NotThePolicy::Unreadable(error.to_string()))?;
        let found = policy.digest().map_err(|error| NotThePolicy::Unreadable(error.to_string()))?;
        if found == digest {
            return Ok(policy);
        }
        Err(NotThePolicy::Otherwise { found: found.to_string(), expected: digest })
    }
}

pub(super) fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| D::Error::custom(format!("{name:?} is no zone")))
}
