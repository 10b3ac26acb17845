//! Looks up rows by what identifies them for good, and puts rows back.
//!
//! The identity here is the primary key: a rowid that no column holds is not
//! kept in a record. Rows of a table without a key are compared whole, and
//! counted, since twins are legal there.

use super::{
    connection::Link,
    failure,
    fit::{Columns, Fitted, Place},
    schema::{Schema, Table, same},
    sql::{Sql, main_table, quote},
    value,
};
use crate::{
    domain::{
        deployment::Dataset,
        record::{Cell, Row},
        segment,
    },
    ports::{Presence, Restoration, SourceError},
};

/// A table of a segment, laid over the table of today.
struct Laid<'a> {
    table: &'a Table,
    /// Columns of the segment under today's names.
    columns: Vec<&'a str>,
    /// Positions of the identity among them; empty: all of them.
    identity: Vec<usize>,
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
    if key.is_empty() && same(&table.name, &dataset.table) {
        key = dataset.key.iter().map(String::as_str).collect();
    }
    let positions = key.iter().map(|name| columns.iter().position(|column| same(column, name)));
    let identity = positions.collect::<Option<Vec<_>>>().unwrap_or_default();
    Ok(Laid { table, columns, identity })
}

fn lay_all<'a>(
    dataset: &Dataset,
    schema: &'a Schema,
    headings: &[segment::Table],
) -> Result<Vec<Laid<'a>>, SourceError> {
    headings.iter().map(|heading| lay(dataset, schema, heading)).collect()
}

fn laid<'l, 'a>(tables: &'l [Laid<'a>], row: &Row) -> Result<&'l Laid<'a>, SourceError> {
    let found = tables.get(row.table).filter(|laid| laid.columns.len() == row.cells.len());
    found.ok_or_else(|| SourceError::Engine { reason: "a row does not belong to the tables of its record".to_owned() })
}

/// Compares rows with the source, one read transaction for all.
pub(super) async fn presence(link: &mut Link, record: &Restoration<'_>) -> Result<Presence, SourceError> {
    link.begin_reading().await.map_err(failure::engine)?;
    let compared = compare(link, record).await;
    let ended = link.roll_back().await.map_err(failure::engine);
    let presence = compared?;
    ended?;
    Ok(presence)
}

async fn compare(link: &mut Link, record: &Restoration<'_>) -> Result<Presence, SourceError> {
    let schema = link.schema().await.map_err(failure::engine)?;
    let tables = lay_all(record.dataset, &schema, record.tables)?;
    let rows = blanked(record, &schema, tables.first())?;
    let (mut there, mut gone) = (0_usize, 0_usize);
    for row in &rows {
        let laid = laid(&tables, row)?;
        let key: Vec<usize> =
            laid.identity.iter().copied().filter(|at| row.cells.get(*at) != Some(&Cell::Null)).collect();
        // A key with NULL in it tells nothing apart, and no key neither.
        let whole = key.is_empty() || key.len() < laid.identity.len();
        let by = if whole { (0..row.cells.len()).collect() } else { key };
        let (found, alike) = find(link, laid, row, &by).await?;
        let twins = if whole { rows.iter().filter(|other| twin(row, other)).count() } else { 1 };
        match (found, alike) {
            (0, _) => gone += 1,
            (found, alike) if found == alike && alike == twins => there += 1,
            _ => return Ok(Presence::Mixed),
        }
        if there > 0 && gone > 0 {
            return Ok(Presence::Mixed);
        }
    }
    Ok(if there > 0 { Presence::Same } else { Presence::Absent })
}

fn twin(one: &Row, other: &Row) -> bool {
    one.table == other.table
        && one.cells.len() == other.cells.len()
        && one.cells.iter().zip(&other.cells).all(|(one, other)| value::identical(one, other))
}

/// Rows found by the columns in `by`, and how many of them are the same in all.
async fn find(link: &mut Link, laid: &Laid<'_>, row: &Row, by: &[usize]) -> Result<(usize, usize), SourceError> {
    let columns = laid.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut sql = Sql::new(format!("SELECT {columns} FROM {} WHERE ", main_table(&laid.table.name)));
    let mut conditions = Vec::with_capacity(by.len());
    for at in by {
        let (Some(name), Some(cell)) = (laid.columns.get(*at), row.cells.get(*at)) else { continue };
        let mut equal = Sql::new(format!("{} IS ", quote(name)));
        equal.bind(cell.clone());
        conditions.push(equal);
    }
    sql.append(Sql::all(conditions));
    let (mut found, mut alike) = (0, 0);
    link.each(sql, |stored| {
        found += 1;
        for (position, cell) in row.cells.iter().enumerate() {
            if !value::identical(&value::cell(stored, position)?, cell) {
                return Ok(());
            }
        }
        alike += 1;
        Ok(())
    })
    .await
    .map_err(failure::engine)?;
    Ok((found, alike))
}

/// Inserts all rows inside an open transaction. Keys that point at rows inserted
/// later are checked at the commit.
pub(super) async fn put_back(link: &mut Link, records: &[Restoration<'_>]) -> Result<Vec<String>, SourceError> {
    link.command("PRAGMA defer_foreign_keys = ON").await.map_err(failure::engine)?;
    let schema = link.schema().await.map_err(failure::engine)?;
    let mut touched: Vec<String> = Vec::new();
    for record in records {
        let tables = lay_all(record.dataset, &schema, record.tables)?;
        let rows = blanked(record, &schema, tables.first())?;
        for (number, laid) in tables.iter().enumerate() {
            if !touched.contains(&laid.table.name) {
                touched.push(laid.table.name.clone());
            }
            for row in rows.iter().filter(|row| row.table == number) {
                self::laid(&tables, row)?;
                insert(link, laid, row).await?;
            }
        }
        if let Some(row) = rows.iter().find(|row| row.table >= tables.len()) {
            self::laid(&tables, row)?;
        }
    }
    Ok(touched)
}

async fn insert(link: &mut Link, laid: &Laid<'_>, row: &Row) -> Result<(), SourceError> {
    let columns = laid.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut sql = Sql::new(format!("INSERT INTO {} ({columns}) VALUES (", main_table(&laid.table.name)));
    for (position, cell) in row.cells.iter().enumerate() {
        sql.push(if position > 0 { ", " } else { "" });
        sql.bind(cell.clone());
    }
    sql.push(")");
    let table = &laid.table.name;
    let inserted = link.execute(sql).await.map_err(|error| {
        if failure::is_duplicate(&error) {
            let reason = format!("table {table} has a row with this key already; nothing was restored");
            return SourceError::RolledBack { reason };
        }
        SourceError::RolledBack {
            reason: format!("table {table}: {}; nothing was restored", failure::describe(&error)),
        }
    })?;
    if inserted == 1 {
        return Ok(());
    }
    Err(SourceError::RolledBack { reason: format!("table {table} did not take a row; nothing was restored") })
}

/// The rows as they stand in the source once they are put back.
fn blanked(record: &Restoration<'_>, schema: &Schema, root: Option<&Laid<'_>>) -> Result<Vec<Row>, SourceError> {
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
            let Some(at) = root.and_then(|laid| laid.columns.iter().position(|known| same(known, column))) else {
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
