//! Records that come back: their tables laid over the tables of today, and the
//! event that moved them set back to absent.
//!
//! The identity here is the primary key: what tells a row apart inside the
//! engine only is not kept in a record.

use super::{
    fit::{Columns, Fitted, Place},
    schema::{Schema, Table},
};
use crate::{
    domain::{
        deployment::Dataset,
        record::{Cell, Row},
        segment,
    },
    ports::{Restoration, SourceError},
};

/// A table of a segment, laid over the table of today.
#[derive(Debug)]
pub(crate) struct Laid<'a> {
    pub(crate) table: &'a Table,
    /// Columns of the segment under today's names.
    pub(crate) columns: Vec<&'a str>,
    /// Positions of the identity among them; empty: all of them.
    pub(crate) identity: Vec<usize>,
    /// Its rows stayed: what is not the identity is the link that was cut.
    pub(crate) unlinked: bool,
}

fn lay<'a>(dataset: &Dataset, schema: &'a Schema, heading: &segment::Table) -> Result<Laid<'a>, SourceError> {
    let changed = |reason: String| SourceError::Schema { dataset: dataset.table.clone(), reason };
    let table = schema
        .table(&heading.name)
        .ok_or_else(|| changed(format!("table {} of the record does not exist any more", heading.name)))?;
    let mut columns = Vec::with_capacity(heading.columns.len());
    for column in &heading.columns {
        let found = table.column(&column.name).filter(|found| found.stored).ok_or_else(|| {
            changed(format!("table {} has no column {} any more, and the record does", heading.name, column.name))
        })?;
        columns.push(found.name.as_str());
    }
    let mut key = table.primary_key();
    if key.is_empty() && schema.same_table(&table.name, &dataset.table) {
        key = dataset.key.iter().map(String::as_str).collect();
    }
    let positions = key.iter().map(|name| columns.iter().position(|column| table.column_names.same(column, name)));
    let identity = positions.collect::<Option<Vec<_>>>().unwrap_or_default();
    Ok(Laid { table, columns, identity, unlinked: heading.unlinked })
}

pub(crate) fn lay_all<'a>(
    dataset: &Dataset,
    schema: &'a Schema,
    headings: &[segment::Table],
) -> Result<Vec<Laid<'a>>, SourceError> {
    headings.iter().map(|heading| lay(dataset, schema, heading)).collect()
}

pub(crate) fn laid<'l, 'a>(tables: &'l [Laid<'a>], row: &Row) -> Result<&'l Laid<'a>, SourceError> {
    let found = tables.get(row.table).filter(|laid| laid.columns.len() == row.cells.len());
    found.ok_or_else(|| SourceError::Engine { reason: "a row does not belong to the tables of its record".to_owned() })
}

/// Table numbers in the order in which rows can be inserted: what is pointed at
/// before what points. What was only unlinked is left out.
pub(crate) fn insertion_order(schema: &Schema, tables: &[Laid<'_>]) -> Vec<usize> {
    insertion_order_of_all(schema, &[tables]).into_iter().map(|(_, number)| number).collect()
}

/// The same over several records, which may point at rows of each other: record
/// and table number.
pub(crate) fn insertion_order_of_all(schema: &Schema, records: &[&[Laid<'_>]]) -> Vec<(usize, usize)> {
    let all = records
        .iter()
        .enumerate()
        .flat_map(|(record, tables)| tables.iter().enumerate().map(move |(number, laid)| (record, number, laid)));
    let moved: Vec<(usize, usize, &Laid<'_>)> = all.filter(|(_, _, laid)| !laid.unlinked).collect();
    let mut left: Vec<&Table> = Vec::new();
    for (_, _, laid) in &moved {
        if !left.iter().any(|table| table.is(laid.table)) {
            left.push(laid.table);
        }
    }
    let points_at = |one: &Table, other: &Table| {
        !one.is(other) && one.foreign_keys.iter().any(|key| schema.same_table(&key.parent, &other.name))
    };
    let mut ordered = Vec::with_capacity(moved.len());
    while !left.is_empty() {
        let free = |table: &&Table| !left.iter().any(|other| points_at(table, other));
        // Tables that point at each other have to be checked at the commit.
        let next = left.remove(left.iter().position(free).unwrap_or(0));
        let of_table = moved.iter().filter(|(_, _, laid)| laid.table.is(next));
        ordered.extend(of_table.map(|(record, number, _)| (*record, *number)));
    }
    ordered
}

/// The rows as they stand in the source once they are put back.
pub(crate) fn blanked(
    record: &Restoration<'_>,
    schema: &Schema,
    root: Option<&Laid<'_>>,
) -> Result<Vec<Row>, SourceError> {
    let blanks = blanks(record, schema, root)?;
    let mut rows = record.rows.clone();
    for row in rows.iter_mut().filter(|row| row.table == 0) {
        for (at, absent) in &blanks {
            if let Some(cell) = row.cells.get_mut(*at) {
                *cell = in_the_class_of(cell, absent);
            }
        }
    }
    Ok(rows)
}

/// The absent value in the storage class of the value that it replaces: an
/// engine that converts it would make the row look changed.
fn in_the_class_of(replaced: &Cell, absent: &Cell) -> Cell {
    let number = match (replaced, absent) {
        (Cell::Integer(_), Cell::Text(text)) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.map_or_else(|| absent.clone(), Cell::Integer)
}

/// The root's columns that get their absent value, by position.
fn blanks(
    record: &Restoration<'_>,
    schema: &Schema,
    root: Option<&Laid<'_>>,
) -> Result<Vec<(usize, Cell)>, SourceError> {
    let mut blanks = Vec::new();
    if record.blank.is_empty() {
        return Ok(blanks);
    }
    let fitted = Fitted::for_query(record.dataset, schema)?;
    for name in &record.blank {
        let event = fitted.event(name)?;
        let refuse = |reason: String| SourceError::Schema { dataset: record.dataset.table.clone(), reason };
        if !matches!(event.place, Place::Own) {
            return Err(refuse(format!("event {name} is a column of another table and cannot be set back here")));
        }
        let all = event.columns.names();
        for (order, column) in all.into_iter().enumerate() {
            let Some(at) =
                root.and_then(|laid| laid.columns.iter().position(|known| laid.table.column_names.same(known, column)))
            else {
                return Err(refuse(format!("the record has no column {column}")));
            };
            let required = fitted.root.column(column).is_some_and(|found| found.not_null);
            let absent = event.absent.first();
            let cell = match (required, absent) {
                (false, _) => Cell::Null,
                // The date says whether there is an event; its time may stay.
                (true, _) if order > 0 && matches!(event.columns, Columns::DateAndTime { .. }) => continue,
                (true, Some(absent)) => Cell::Text(absent.as_bytes().to_vec()),
                (true, None) => {
                    let hint = "give the event an `absent` value, or keep the event";
                    return Err(refuse(format!("column {column} must not be NULL; hint: {hint}")));
                }
            };
            blanks.push((at, cell));
        }
    }
    Ok(blanks)
}

/// The same row of the same table.
pub(crate) fn twin(one: &Row, other: &Row) -> bool {
    one.table == other.table
        && one.cells.len() == other.cells.len()
        && one.cells.iter().zip(&other.cells).all(|(one, other)| identical(one, other))
}

/// True when both hold the same value, to the bit.
pub(crate) fn identical(one: &Cell, other: &Cell) -> bool {
    match (one, other) {
        (Cell::Real(one), Cell::Real(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}
