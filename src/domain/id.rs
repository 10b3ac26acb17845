//! Identities: one type per thing that has a name, so that a rule is never
//! passed where a source was meant.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

name!(
    /// A rule of the retention table, such as `member`.
    RuleId
);
name!(
    /// A configured source database, such as `shop`.
    SourceName
);
name!(
    /// What starts a period or moves a record, such as `withdrawal`.
    EventName
);
name!(
    /// One batch of a separation; a UUIDv7.
    BatchId
);
name!(
    /// One cycle; a UUIDv7.
    RunId
);
name!(
    /// One destruction or restoration; a UUIDv7.
    OperationId
);
name!(
    /// A hold on destruction; a UUIDv7.
    HoldId
);

/// A SHA-256 digest, written `sha256:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that was to be an identity and is not.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NotAnId {
    text: String,
    expected: &'static str,
}

impl FromStr for Digest {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let refuse = || NotAnId { text: text.to_owned(), expected: "a digest (sha256:<64 hex digits>)" };
        let digits = text.strip_prefix("sha256:").ok_or_else(refuse)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| refuse())?;
        Ok(Self(bytes))
    }
}

/// Records that become due together: one rule, one event date, one data key.
///
/// Records that a hold keeps past their due lie in a bucket of that hold. It is
/// written into the rule's name, as `rule+hold`, so that whoever does not know of
/// holds finds no such rule in the policy, and keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId {
    /// A rule of the policy, or `rule+hold`; see `policy_rule`.
    pub rule: RuleId,
    /// The event's date in the policy's time zone.
    pub date: NaiveDate,
}

/// Stands in no rule's name.
const HOLD_MARK: char = '+';

impl BucketId {
    /// The bucket of a rule, or the one in which a hold keeps its records.
    #[must_use]
    pub fn of(rule: &RuleId, hold: Option<&HoldId>, date: NaiveDate) -> Self {
        let rule = hold.map_or_else(|| rule.clone(), |hold| RuleId(format!("{rule}{HOLD_MARK}{hold}")));
        Self { rule, date }
    }

    /// The rule of the policy under which its records are kept.
    #[must_use]
    pub fn policy_rule(&self) -> RuleId {
        RuleId::from(self.rule.0.split_once(HOLD_MARK).map_or(self.rule.as_str(), |(rule, _)| rule))
    }

    /// The hold that keeps, or kept, its records apart.
    #[must_use]
    pub fn hold(&self) -> Option<HoldId> {
        self.rule.0.split_once(HOLD_MARK).map(|(_, hold)| HoldId::from(hold))
    }
}

impl fmt::Display for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.rule, self.date)
    }
}

impl FromStr for BucketId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let refuse = || NotAnId { text: text.to_owned(), expected: "a bucket (rule/date)" };
        let (rule, date) = text.rsplit_once('/').ok_or_else(refuse)?;
        let date = date.parse().map_err(|_| refuse())?;
        Ok(Self { rule: rule.into(), date })
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(Digest);
serde_as_text!(BucketId);
