//! The policy: the checked contents of `retention-rules.toml`.
//!
//! A `Policy` exists only after every check on the file has passed. Its digest
//! is taken over its meaning, not over the file's bytes: a comment changes
//! nothing, a period does.

pub mod compare;
mod document;
mod read;
pub mod render;
pub mod statute;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize, Serializer};

use super::{
    calendar::Counting,
    canonical::{self, NotCanonical},
    id::{Digest, EventName, RuleId},
    period::{Period, TimeSpan},
};

pub use document::NotThePolicy;
pub use read::read;

/// The retention table in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub title: String,
    pub version: String,
    pub announced: NaiveDate,
    pub effective: NaiveDate,
    #[serde(serialize_with = "zone_name", deserialize_with = "document::zone")]
    pub timezone: Tz,
    pub counting: Counting,
    /// `latest = due + destroy_within`, counted in calendar days.
    pub destroy_within: Period,
    /// The shortest stay in the vault.
    pub cooling_off: TimeSpan,
    /// The statute catalogue to check against, or `None` to opt out.
    pub statutes: Option<String>,
    /// Public holidays that the program's table does not have yet. They are only
    /// ever added, so that no period ends earlier for them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub holidays: Vec<NaiveDate>,
    pub officer: Officer,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    pub title: String,
    pub contact: String,
    /// Who approves a plan may not be who carries it out.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub four_eyes: bool,
}

/// One row of the retention table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: RuleId,
    pub name: Name,
    /// The event from which the period is counted.
    pub event: EventName,
    pub keep: Period,
    /// Events that move the record to the vault before it is due.
    pub separate_on: Vec<EventName>,
    pub basis: Basis,
    pub reason: Option<String>,
    /// Where the published policy says so, such as `5.다`.
    pub clause: Option<String>,
    pub approval: Approval,
}

/// The record class as the policy names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub ko: String,
    pub en: String,
}

/// Why a record is kept: the company's own reason, or a statute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    Internal,
    Statute(String),
    /// Several duties cover the same records; the longest one counts.
    Statutes(Vec<String>),
}

impl Basis {
    /// Article 161 of the Civil Act moves the end of a statutory minimum past
    /// holidays. A period the company set itself is a maximum: stretching it
    /// would be late destruction.
    #[must_use]
    pub const fn extends_past_holidays(&self) -> bool {
        matches!(self, Self::Statute(_) | Self::Statutes(_))
    }

    /// The ids of the statutes that it names.
    pub fn statutes(&self) -> impl Iterator<Item = &str> {
        let ids: &[String] = match self {
            Self::Internal => &[],
            Self::Statute(id) => std::slice::from_ref(id),
            Self::Statutes(ids) => ids,
        };
        ids.iter().map(String::as_str)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    None,
    Officer,
}

impl Policy {
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.iter().find(|rule| &rule.id == id)
    }

    /// The digest under which the policy is adopted.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        canonical::digest(self)
    }
}

fn zone_name<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

#[cfg(test)]
mod tests;
