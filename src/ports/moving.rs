//! What a source hands over, and what it takes back.

use zeroize::Zeroizing;

use crate::domain::{deployment::Dataset, event::Reading, id::EventName, record::Row, segment::Table};

/// One root with everything that goes with it.
#[derive(Debug)]
pub struct Taken {
    /// `record::locator` of the key columns.
    pub key: Vec<u8>,
    /// `record::locator` of the subject column.
    pub subject: Option<Vec<u8>>,
    /// What the record's own event says, read from the row that was deleted.
    pub event: Reading,
    /// Encoded rows (`record::encode_row_start`, `encode_cell`), any order.
    pub rows: Zeroizing<Vec<u8>>,
    /// Rows in `rows` by table number.
    pub counts: Vec<u64>,
}

/// A batch that is deleted in an open transaction and not yet committed.
#[derive(Debug)]
pub struct Batch {
    /// Tables of the dataset with the columns taken, in order; `rows` is 0.
    pub tables: Vec<Table>,
    pub records: Vec<Taken>,
    /// Nothing is left behind this batch.
    pub last: bool,
}

/// What the rows of a batch look like in the source today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Every row is there, with the same values.
    Same,
    /// Not one row is there.
    Absent,
    /// Anything else.
    Mixed,
}

/// Records that were to move and are still in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// The application holds a lock on a row of them.
    pub locked: u64,
    /// They wait for rows that were to move before them and did not.
    pub waiting: u64,
}

impl Left {
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.locked + self.waiting
    }
}

/// In which order a source goes through a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By the date of the event, the earliest first: a batch is of a few buckets.
    ByEvent,
    /// As the rows lie: each page of the table is changed once, and a batch is of
    /// many buckets.
    ByPlace,
}

/// Rows of one dataset to put back.
#[derive(Debug)]
pub struct Restoration<'a> {
    pub dataset: &'a Dataset,
    pub tables: &'a [Table],
    pub rows: Vec<Row>,
    /// Own events of the root whose columns go back to their absent value.
    pub blank: Vec<EventName>,
}
