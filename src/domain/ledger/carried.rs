//! What the lines before a cut add up to, for the time when most of them are
//! dropped: counts, and the dates that were destroyed. Nothing that has an identity
//! of its own is carried; the lines of such things are kept word for word.
//!
//! A batch has a range of dates and a destruction a set of them, so that no line
//! of a count can be told to cancel another: only their sum can. It stands at the
//! head of the kept lines, and the digest of all of it in the entry `ledger.pruned`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    canonical,
    id::{RuleId, SourceName},
};

/// The form of the file that begins with this.
pub const FORMAT: &str = "retentiond/before@v1";

/// Counts at the cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// `FORMAT`.
    pub format: String,
    /// Entries before the cut.
    pub cut: u64,
    /// Time of the last of them.
    pub time: DateTime<Utc>,
    /// Records that the vault must hold, by rule.
    pub in_vault: BTreeMap<RuleId, u64>,
    /// The entry that announced the last batch that was committed.
    pub stored_last: Option<u64>,
    /// The last key epoch that a destruction ended.
    pub epoch_ended: Option<u64>,
    /// Event dates of the buckets that were destroyed, as first and last of days
    /// that follow each other.
    pub destroyed: BTreeMap<RuleId, Vec<(NaiveDate, NaiveDate)>>,
    /// Records that the last runs separated, oldest first.
    pub separated: BTreeMap<RuleId, Vec<u64>>,
    /// Bytes and milliseconds of the last rewrite of each source.
    pub rewrites: BTreeMap<SourceName, (u64, u64)>,
    /// Tables that lost rows since they were last rewritten whole, by source.
    pub stale: BTreeMap<SourceName, BTreeSet<String>>,
}

impl Carried {
    /// Reads what `canonical::bytes` has written, and nothing else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let carried: Self = serde_json::from_slice(bytes).ok()?;
        let same = canonical::bytes(&carried).is_ok_and(|again| again == bytes);
        (same && carried.format == FORMAT).then_some(carried)
    }
}

/// Dates as ranges of days that follow each other.
#[must_use]
pub fn ranges<'a>(dates: impl IntoIterator<Item = &'a NaiveDate>) -> Vec<(NaiveDate, NaiveDate)> {
    let mut ranges: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for date in dates {
        match ranges.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(*date) => *last = *date,
            _ => ranges.push((*date, *date)),
        }
    }
    ranges
}

/// Every date of such a range.
pub fn days((first, last): (NaiveDate, NaiveDate)) -> impl Iterator<Item = NaiveDate> {
    first.iter_days().take_while(move |day| *day <= last)
}
