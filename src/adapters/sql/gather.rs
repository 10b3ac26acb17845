//! Records under construction: every row that a batch deletes goes to the record
//! it belongs to, byte for byte as it was returned.

use zeroize::Zeroizing;

use super::{
    event::{Reader, carried},
    fit::{Fitted, FittedEvent, Place},
    schema::Column,
};
use crate::{
    domain::{
        event::Reading,
        locator,
        record::{self, Cell},
        segment,
        selection::Scope,
    },
    ports::{SourceError, Taken},
};

/// A row that an engine returned, and which values of it are which.
pub(crate) trait StoredRow {
    fn cell(&self, position: usize) -> Result<Cell, SourceError>;

    /// Writes a value straight into a record, as `record::encode_cell` would.
    fn encode(&self, out: &mut Vec<u8>, position: usize) -> Result<(), SourceError>;
}

pub(crate) fn miscounted(table: &str, what: &str) -> SourceError {
    SourceError::Engine { reason: format!("table {table}: {what}; the batch is undone") }
}

/// The tables of a batch with the columns taken, by table number.
pub(crate) fn headings(fitted: &Fitted<'_>) -> Vec<segment::Table> {
    let column = |column: &Column| segment::Column { name: column.name.clone(), declared: column.declared.clone() };
    let names = fitted.dataset.tables();
    let moved = fitted.tables().into_iter().zip(names).map(|(table, name)| segment::Table {
        name: name.to_owned(),
        columns: table.stored().map(column).collect(),
        rows: 0,
        unlinked: false,
    });
    let unlinked = fitted.unlinked().map(|child| {
        let (key, link) = child.link_columns();
        let columns = key.into_iter().chain(link).filter_map(|name| child.table.column(name));
        segment::Table { name: fitted.written(child), columns: columns.map(column).collect(), rows: 0, unlinked: true }
    });
    moved.chain(unlinked).collect()
}

/// Records under construction, by record number.
#[derive(Debug)]
pub(crate) struct Gathered {
    root: String,
    records: Vec<Option<Taken>>,
    rows: Vec<(Zeroizing<Vec<u8>>, Vec<u64>)>,
    /// Bytes of the last row: about what the next one needs.
    row_bytes: usize,
    /// Stored columns by table number.
    widths: Vec<usize>,
    /// Each with its column's declaration, where that names a character set.
    key: Vec<(usize, Option<String>)>,
    subject: Option<(usize, Option<String>)>,
    reader: Reader,
    /// Where the event's values stand in a returned root.
    event: Vec<usize>,
}

impl Gathered {
    /// `roots` records without rows. What is carried of a root's event stands at
    /// `carried_from` in a returned root.
    pub(crate) fn new(
        fitted: &Fitted<'_>,
        own: &FittedEvent<'_>,
        scope: &Scope<'_>,
        roots: usize,
        carried_from: usize,
    ) -> Result<Self, SourceError> {
        let missing = || miscounted(&fitted.root.name, "a column is not returned");
        let at = |name: &str| fitted.root.position(name).ok_or_else(missing);
        let declared = |name: &str| {
            let column = fitted.root.column(name).ok_or_else(missing)?;
            let declared = locator::charset(&column.declared).map(|_| column.declared.clone());
            Ok::<_, SourceError>((at(name)?, declared))
        };
        let widths: Vec<usize> = headings(fitted).into_iter().map(|table| table.columns.len()).collect();
        let event = match own.place {
            Place::Own => own.columns.names().into_iter().map(at).collect::<Result<_, _>>()?,
            Place::Through { .. } => (carried_from..carried_from + carried(own)).collect(),
        };
        Ok(Self {
            root: fitted.root.name.clone(),
            records: (0..roots).map(|_| None).collect(),
            row_bytes: 0,
            rows: (0..roots).map(|_| (Zeroizing::new(Vec::new()), vec![0; widths.len()])).collect(),
            key: fitted.dataset.key.iter().map(|name| declared(name)).collect::<Result<_, _>>()?,
            subject: fitted.dataset.subject.as_deref().map(declared).transpose()?,
            widths,
            reader: Reader::new(own, scope.zone),
            event,
        })
    }

    /// Adds a row of table number `number` to record number `record`, from 0. The
    /// columns of its heading stand at the beginning of the row; what is carried of a
    /// root's event follows at `carried_from`.
    pub(crate) fn add(&mut self, record: usize, number: usize, row: &impl StoredRow) -> Result<(), SourceError> {
        let strange = || miscounted(&self.root, "a deleted row belongs to no record");
        let (rows, counts) = self.rows.get_mut(record).ok_or_else(strange)?;
        let width = *self.widths.get(number).ok_or_else(strange)?;
        let before = rows.len();
        rows.reserve(self.row_bytes + self.row_bytes / 4);
        record::encode_row_start(rows, number);
        for position in 0..width {
            row.encode(rows, position)?;
        }
        self.row_bytes = rows.len() - before;
        *counts.get_mut(number).ok_or_else(strange)? += 1;
        if number == 0 {
            let taken = self.taken(row)?;
            *self.records.get_mut(record).ok_or_else(strange)? = Some(taken);
        }
        Ok(())
    }

    fn taken(&self, row: &impl StoredRow) -> Result<Taken, SourceError> {
        let cells = |positions: &[usize]| -> Result<Vec<Cell>, SourceError> {
            positions.iter().map(|position| row.cell(*position)).collect()
        };
        let legible = |(position, declared): &(usize, Option<String>)| {
            let cell = row.cell(*position)?;
            Ok(match declared {
                Some(declared) => locator::legible(declared, cell),
                None => cell,
            })
        };
        let subject: Option<Cell> = self.subject.as_ref().map(legible).transpose()?;
        let event: Reading = self.reader.read(&cells(&self.event)?);
        Ok(Taken {
            key: record::locator(&self.key.iter().map(legible).collect::<Result<Vec<_>, _>>()?),
            // A record of nobody has no subject to be found by.
            subject: subject.filter(|cell| *cell != Cell::Null).map(|cell| record::locator(&[cell])),
            event,
            rows: Zeroizing::new(Vec::new()),
            counts: Vec::new(),
        })
    }

    /// What the event of a record says whose root was added.
    pub(crate) fn event(&self, record: usize) -> Option<Reading> {
        self.records.get(record)?.as_ref().map(|taken| taken.event)
    }

    /// There are only so many records after all.
    pub(crate) fn shorten(&mut self, records: usize) {
        self.records.truncate(records);
        self.rows.truncate(records);
    }

    /// All records, each with its root.
    pub(crate) fn finish(self) -> Result<Vec<Taken>, SourceError> {
        let missing = || miscounted(&self.root, "a record lacks its root");
        let mut records = Vec::with_capacity(self.records.len());
        for (taken, (rows, counts)) in self.records.into_iter().zip(self.rows) {
            records.push(Taken { rows, counts, ..taken.ok_or_else(missing)? });
        }
        Ok(records)
    }
}
