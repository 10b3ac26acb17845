//! Residue: what is left of removed rows in the files of a source, location by
//! location, and when a destruction is closed.
//!
//! A *case* is what one cycle took from one source: rows of some rules, the
//! batches that hold them, and the state of every location at its last scan.
//! Values are handled in `residue::sample`; nothing here or in the ledger ever
//! holds one.

pub mod sample;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    id::{BatchId, OperationId, RuleId, SourceName},
    verdict::Finding,
};

pub use sample::{Sample, Value};

/// What is known of one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All of it was searched, and nothing was found.
    Clean,
    /// Values were found.
    Residue,
    /// It was not searched, or not all of it. Never counts as clean.
    Unsearched,
}

/// A class of files of an engine, or a place outside of it that keeps copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    pub name: String,
    pub state: State,
    pub files: u64,
    pub bytes: u64,
    /// Sampled values of which a copy was found.
    pub found: u64,
    /// Files in which they were found, at most `PLACES_MAX`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub places: Vec<String>,
    /// Why it was not searched, or what is known of what was found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The instant from which nothing of before this scan is left there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<DateTime<Utc>>,
}

/// Files that a location names.
pub const PLACES_MAX: usize = 8;

impl Location {
    /// A location that was not searched.
    #[must_use]
    pub fn unsearched(name: impl Into<String>, reason: impl Into<String>) -> Self {
        let (name, reason) = (name.into(), Some(reason.into()));
        Self { name, state: State::Unsearched, files: 0, bytes: 0, found: 0, places: Vec::new(), reason, until: None }
    }

    /// Clean, or past its horizon.
    #[must_use]
    pub fn is_settled(&self, now: DateTime<Utc>) -> bool {
        self.state == State::Clean || self.until.is_some_and(|until| until <= now)
    }

    fn finding(&self) -> Finding {
        let until = self.until.map_or_else(String::new, |until| format!("; gone by {}", until.format("%Y-%m-%d")));
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        match (self.state, self.until) {
            (State::Clean, _) => Finding::pass(),
            (State::Unsearched, _) => Finding::unknown(format!("{} was not searched{reason}{until}", self.name)),
            // A copy that dies by itself by a known date is no failure.
            (State::Residue, Some(_)) => {
                Finding::unknown(format!("{} sampled values are in {}{reason}{until}", self.found, self.name))
            }
            (State::Residue, None) => {
                Finding::fail(format!("{} sampled values are in {}{reason}", self.found, self.name))
            }
        }
    }
}

/// What the ledger says of one scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    pub case: OperationId,
    pub source: SourceName,
    pub rules: Vec<RuleId>,
    pub tables: Vec<String>,
    /// Batches that hold the rows, at most `BATCHES_MAX`: a later scan samples
    /// them again while their keys live.
    pub batches: Vec<BatchId>,
    pub sample: Sample,
    pub locations: Vec<Location>,
    pub elapsed_ms: u64,
    pub finding: Finding,
}

/// Batches that a case names, spread over all of its batches.
pub const BATCHES_MAX: usize = 32;

/// What closed a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClosedBy {
    /// Every location was searched and found clean.
    Scan,
    /// What was not clean is past its horizon.
    Date,
}

/// The verdict on locations at `now`: PASS only where each is clean or past its
/// horizon, and only where there is one at all.
#[must_use]
pub fn judge(locations: &[Location], now: DateTime<Utc>) -> Finding {
    if locations.is_empty() {
        return Finding::unknown("no location was searched");
    }
    let open = locations.iter().filter(|location| !location.is_settled(now));
    open.map(Location::finding).fold(Finding::pass(), Finding::and)
}

/// Whether and how a case is closed at `now`.
#[must_use]
pub fn closing(locations: &[Location], now: DateTime<Utc>) -> Option<ClosedBy> {
    if locations.is_empty() || !locations.iter().all(|location| location.is_settled(now)) {
        return None;
    }
    let searched = locations.iter().all(|location| location.state == State::Clean);
    Some(if searched { ClosedBy::Scan } else { ClosedBy::Date })
}

/// When a case closes by itself; `None` where a location has no date and only a
/// scan can close it.
#[must_use]
pub fn closes(locations: &[Location]) -> Option<DateTime<Utc>> {
    let open = locations.iter().filter(|location| location.state != State::Clean);
    open.map(|location| location.until).try_fold(DateTime::<Utc>::MIN_UTC, |latest, until| Some(latest.max(until?)))
}

/// At most `max` of them, spread evenly, in their order.
#[must_use]
pub fn spread<T: Clone>(all: &[T], max: usize) -> Vec<T> {
    let step = all.len().div_ceil(max.max(1)).max(1);
    all.iter().step_by(step).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{fixture::at, verdict::Verdict};

    const NOW: &str = "2026-11-22T00:00:00Z";

    fn location(state: State, until: Option<&str>) -> Location {
        Location { state, until: until.map(at), found: 3, ..Location::unsearched("wal", "no privilege") }
    }

    #[test]
    fn only_clean_locations_and_those_past_their_horizon_pass() {
        let now = at(NOW);
        let judged = |locations: &[Location]| judge(locations, now).verdict;
        let (past, future) = (Some(NOW), Some("2026-11-22T00:00:01Z"));
        assert_eq!(judged(&[location(State::Clean, None)]), Verdict::Pass);
        for state in [State::Residue, State::Unsearched] {
            assert_eq!(judged(&[location(state, past), location(State::Clean, None)]), Verdict::Pass, "{state:?}");
            assert_eq!(judged(&[location(state, future), location(State::Clean, None)]), Verdict::Unknown);
        }
        assert_eq!(judged(&[location(State::Unsearched, None), location(State::Clean, None)]), Verdict::Unknown);
        assert_eq!(judged(&[location(State::Residue, None), location(State::Unsearched, None)]), Verdict::Fail);
        assert_eq!(judged(&[]), Verdict::Unknown, "nothing was searched");
    }

    #[test]
    fn a_case_closes_by_a_scan_only_where_all_was_searched_and_by_the_date_otherwise() {
        let now = at(NOW);
        assert_eq!(closing(&[], now), None);
        assert_eq!(closing(&[location(State::Clean, None)], now), Some(ClosedBy::Scan));
        let past = location(State::Unsearched, Some(NOW));
        assert_eq!(closing(&[location(State::Clean, None), past.clone()], now), Some(ClosedBy::Date));
        assert_eq!(closing(&[location(State::Residue, None), past], now), None);
    }

    #[test]
    fn a_case_with_one_undated_location_has_no_date() {
        let (one, other) = ("2026-12-01T00:00:00Z", "2026-12-05T00:00:00Z");
        let dated = [location(State::Residue, Some(other)), location(State::Unsearched, Some(one))];
        assert_eq!(closes(&dated), Some(at(other)));
        assert_eq!(closes(&[location(State::Residue, None), dated[0].clone()]), None);
    }

    #[test]
    fn a_spread_keeps_the_order_and_the_limit() {
        let all: Vec<u32> = (0..100).collect();
        for max in 1..=120 {
            let some = spread(&all, max);
            assert!(!some.is_empty() && some.len() <= max && some.is_sorted(), "{max}: {some:?}");
        }
        assert_eq!(spread(&all, 100), all);
    }
}
