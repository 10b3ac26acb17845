//! A dataset: where a rule's records live, and what goes with each of them.

use serde::{Deserialize, Serialize};

use super::Events;
use crate::domain::{
    event::EventColumn,
    id::{RuleId, SourceName},
};

#[derive(Debug, Clone)]
pub struct Dataset {
    pub rule: RuleId,
    pub source: SourceName,
    pub table: String,
    /// Columns that identify a record, in the order of the file.
    pub key: Vec<String>,
    /// The column that identifies the person.
    pub subject: Option<String>,
    pub events: Events,
    /// SQL that narrows the table to this dataset.
    pub condition: Option<String>,
    pub mode: Mode,
    pub wipe: WipeLevel,
    pub verify: VerifyLevel,
    /// Rows whose values a residue scan searches for.
    pub sample: u32,
    /// Everything that hangs on a record, references too. What stands above
    /// another stands before it.
    pub children: Vec<Child>,
}

/// Where an event's instant is found.
#[derive(Debug, Clone)]
pub enum EventPlace {
    Own(EventColumn),
    /// In a column of the table that `on` points at.
    Through {
        table: String,
        /// Column here, column there.
        on: Vec<(String, String)>,
        column: EventColumn,
    },
}

#[derive(Debug, Clone)]
pub struct Child {
    pub table: String,
    /// The table above; the dataset's own unless said otherwise.
    pub parent: String,
    /// Column of this table, column of the one above; of a reference too.
    pub on: Vec<(String, String)>,
    pub condition: Option<String>,
    pub edge: Edge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Moves with the record.
    Own,
    /// The record waits until no such row is left.
    Wait,
    /// Stays, and points at nothing any more: its link is sealed with the record
    /// and comes back with it.
    Unlink,
    /// What the record points *at*: moves with the last row that does.
    Reference,
}

impl Edge {
    /// Its rows go where the record goes.
    #[must_use]
    pub const fn moves(self) -> bool {
        match self {
            Self::Own | Self::Reference => true,
            Self::Wait | Self::Unlink => false,
        }
    }
}

/// What happens to a due record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Move,
}

/// What is done about residue in the source's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WipeLevel {
    None,
    Engine,
    Rewrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyLevel {
    None,
    ResidueScan,
}

impl Dataset {
    /// What moves with the record, references too.
    pub fn own_children(&self) -> impl Iterator<Item = &Child> {
        self.children.iter().filter(|child| child.edge.moves())
    }

    /// Tables in which something of a record is overwritten or deleted when it
    /// moves: links that are cut leave their old value behind too.
    #[must_use]
    pub fn changed_tables(&self) -> Vec<&str> {
        let changed = self.children.iter().filter(|child| child.edge.moves() || child.edge == Edge::Unlink);
        std::iter::once(self.table.as_str()).chain(changed.map(|child| child.table.as_str())).collect()
    }

    /// Tables that a record of this dataset fills: its own, then its children's.
    /// The position is the table number of `record::Row`.
    #[must_use]
    pub fn tables(&self) -> Vec<&str> {
        std::iter::once(self.table.as_str()).chain(self.own_children().map(|child| child.table.as_str())).collect()
    }
}
