//! What is recorded of a destruction that no program did.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::id::{Digest, OperationId, RuleId};

/// A destruction by hand, of paper or of a medium, as a person has reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManualRecord {
    pub operation: OperationId,
    /// What was destroyed: the name of the file or of the medium.
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<RuleId>,
    /// Names of the fields that stood on it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<String>,
    /// Such as 분쇄 or 소각.
    pub method: String,
    pub count: u64,
    /// What `count` counts, such as sheets.
    pub unit: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created: Option<NaiveDate>,
    pub destroyed: NaiveDate,
    pub place: String,
    pub by: String,
    pub witness: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Digest of a file that proves it and is kept elsewhere: a photograph, a
    /// receipt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attachment: Option<Digest>,
}
