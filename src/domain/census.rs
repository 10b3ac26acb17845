//! What a source holds within the bounds of a plan: counts, never values.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::id::EventName;

/// What a dataset's source holds within the bounds of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Roots that would be separated now.
    pub rows: u64,
    /// Rows that go with them, by table.
    pub children: BTreeMap<String, u64>,
    /// Roots that are due or whose event has come, and that wait for rows that
    /// will not have moved by then.
    pub waiting: u64,
    /// Rows that stay and lose their link to those that move, by table.
    pub unlinked: BTreeMap<String, u64>,
    /// Rows that those point at and that stay, since something that stays points
    /// at them too, by table.
    pub shared: BTreeMap<String, u64>,
    /// Rows that leave just before those that move, since a rule that they are
    /// records of keeps them longer, by table.
    pub sooner: BTreeMap<String, u64>,
    /// Roots that would move and that another dataset keeps longer.
    pub outlived: u64,
    /// Roots that would be separated now, or would be if they were not frozen,
    /// and that a hold covers.
    pub held: u64,
    /// Of `rows`, those past their latest that no hold covers.
    pub overdue: u64,
    /// The oldest event among `rows`.
    pub oldest: Option<DateTime<Utc>>,
    /// Tables that lose rows and have no transactions, with the engine that keeps
    /// each: a deletion there cannot be undone.
    pub weak: BTreeMap<String, String>,
    /// All rows of the table.
    pub table_rows: u64,
    pub anomalies: Vec<Anomaly>,
}

/// Rows that are never moved and always reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    pub event: EventName,
    pub kind: AnomalyKind,
    pub rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnomalyKind {
    Missing,
    Malformed,
    Ancient,
    Future,
    /// The row that should hold the event does not exist.
    Orphan,
}
