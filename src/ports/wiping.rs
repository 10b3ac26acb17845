//! What a source is asked to erase and to search, and what it answers.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};

use crate::domain::{deployment::WipeLevel, residue::Value, verdict::Finding};

/// Tables to wipe, and within which bounds.
#[derive(Debug, Clone)]
pub struct WipeJob<'a> {
    pub tables: &'a [String],
    pub level: WipeLevel,
    pub locking: Locking,
    /// Bytes that this source's last rewrite did in a second, if there was one.
    pub bytes_per_second: Option<u64>,
    pub now: DateTime<Utc>,
}

/// Whether something that locks its tables for long may run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// No window is configured.
    NoWindow,
    /// Within the maintenance window, which ends then.
    Until(DateTime<Utc>),
    /// Outside of it; the next one begins then.
    From(DateTime<Utc>),
}

/// What a wipe did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiped {
    pub method: String,
    /// Engine and version.
    pub tool: String,
    /// Size of what was rewritten.
    pub bytes: u64,
    /// It has to be done (again) by a later cycle.
    pub owed: bool,
    pub finding: Finding,
}

/// Values to search for. Their numbers are their positions.
#[derive(Debug)]
pub struct SearchJob<'a> {
    pub tables: &'a [String],
    pub values: &'a [Value],
    /// Every one of the tables was written anew since rows left it last, and with
    /// it whatever the engine keeps of its values elsewhere.
    pub rewritten: bool,
    pub now: DateTime<Utc>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Search {
    pub places: Vec<Searched>,
    /// Numbers of values that say nothing, found or not, and are in no
    /// `Searched::found`: rows which are there hold them as well, or the engine
    /// stores them in a form that cannot be searched for.
    pub living: BTreeSet<usize>,
}

/// One location that was searched, or was not.
#[derive(Debug, Clone, Default)]
pub struct Searched {
    pub name: String,
    pub files: u64,
    pub bytes: u64,
    /// Numbers of values that were found.
    pub found: BTreeSet<usize>,
    /// Files they were found in.
    pub places: BTreeSet<String>,
    /// Why it was not searched, or not all of it.
    pub unsearched: Option<String>,
    /// By when everything there of before the search is gone.
    pub until: Option<DateTime<Utc>>,
}

impl Search {
    /// A search that could not even begin.
    #[must_use]
    pub fn nowhere(reason: &str) -> Self {
        let unsearched = Some(reason.to_owned());
        let place = Searched { name: "files".to_owned(), unsearched, ..Searched::default() };
        Self { places: vec![place], living: BTreeSet::new() }
    }
}

impl fmt::Display for Locking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWindow => f.write_str("no maintenance window is configured"),
            Self::Until(end) => write!(f, "the maintenance window ends at {}", end.format("%Y-%m-%d %H:%M UTC")),
            Self::From(start) => write!(f, "the maintenance window begins at {}", start.format("%Y-%m-%d %H:%M UTC")),
        }
    }
}
