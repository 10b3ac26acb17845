//! Looks up rows by what identifies them for good, and puts rows back through
//! COPY, which takes the values of identity columns as they are.
//!
//! The identity here is the primary key. Rows of a table without a key are
//! compared whole, and counted, since twins are legal there.

use std::collections::HashMap;

use super::{
    copy::{self, Form, Line},
    dialect::{literal, quote, spelling, value_literal},
    failure::{self, Meaning},
    link::Link,
};
use crate::{
    adapters::sql::{Laid, blanked, insertion_order_of_all, laid as find_laid, lay_all},
    domain::record::{Cell, Row},
    ports::{Presence, Restoration, SourceError},
};

/// Rows that one statement looks up.
const LOOKED_UP_MAX: usize = 500;

/// Compares rows with the source, one read transaction for all.
pub(super) async fn presence(link: &mut Link, record: &Restoration<'_>) -> Result<Presence, SourceError> {
    link.begin_reading().await?;
    let compared = compare(link, record).await;
    link.roll_back().await;
    compared
}

async fn compare(link: &mut Link, record: &Restoration<'_>) -> Result<Presence, SourceError> {
    let catalogue = link.catalogue().await?;
    let schema = &catalogue.schema;
    let tables = lay_all(record.dataset, schema, record.tables)?;
    let rows = blanked(record, schema, tables.first())?;
    let (mut there, mut gone) = (false, false);
    for row in &rows {
        find_laid(&tables, row)?;
    }
    // What lost its link stayed, and the application may have changed it.
    for (number, laid) in tables.iter().enumerate().filter(|(_, laid)| !laid.unlinked) {
        let of_table: Vec<&Row> = rows.iter().filter(|row| row.table == number).collect();
        let (keyed, whole): (Vec<&Row>, Vec<&Row>) = of_table.into_iter().partition(|row| is_keyed(laid, row));
        for (rows, by_key) in [(keyed, true), (whole, false)] {
            for some in rows.chunks(LOOKED_UP_MAX) {
                match look_up(link, laid, some, by_key).await? {
                    Presence::Same => there = true,
                    Presence::Absent => gone = true,
                    Presence::Mixed => return Ok(Presence::Mixed),
                }
                if there && gone {
                    return Ok(Presence::Mixed);
                }
            }
        }
    }
    Ok(if there { Presence::Same } else { Presence::Absent })
}

/// A key with NULL in it tells nothing apart, and no key neither.
fn is_keyed(laid: &Laid<'_>, row: &Row) -> bool {
    !laid.identity.is_empty() && laid.identity.iter().all(|at| row.cells.get(*at).is_some_and(|c| *c != Cell::Null))
}

/// What identifies a row, as bytes.
fn mark(cells: &[Cell], by: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for at in by {
        copy::write(&mut bytes, cells.get(*at).unwrap_or(&Cell::Null));
        bytes.push(b'\t');
    }
    bytes
}

/// What is found of rows of one table, by their keys or whole.
async fn look_up(link: &mut Link, laid: &Laid<'_>, rows: &[&Row], by_key: bool) -> Result<Presence, SourceError> {
    let by: Vec<usize> = if by_key { laid.identity.clone() } else { (0..laid.columns.len()).collect() };
    // Rows wanted and found, by what identifies them.
    let mut wanted: HashMap<Vec<u8>, (&Row, usize, usize)> = HashMap::new();
    for row in rows {
        wanted.entry(mark(&row.cells, &by)).or_insert((row, 0, 0)).1 += 1;
    }
    let statement = statement(laid, rows, &by, by_key);
    let forms: Vec<Form> =
        laid.columns.iter().map(|name| laid.table.column(name).map_or(Form::Text, Form::of)).collect();
    let mut others = false;
    let take = |line: &Line| {
        let cells: Vec<Cell> =
            forms.iter().enumerate().map(|(at, form)| line.cell(at, *form)).collect::<Result<_, _>>()?;
        match wanted.get_mut(&mark(&cells, &by)) {
            Some((row, _, found)) if row.cells == cells => *found += 1,
            // By key: another row has it, or a key that the engine calls equal.
            _ => others |= by_key,
        }
        Ok(())
    };
    link.each(&statement, take).await?;
    let same = wanted.values().all(|(_, wanted, found)| wanted == found);
    let absent = wanted.values().all(|(_, _, found)| *found == 0);
    Ok(match (others, same, absent) {
        (false, true, _) => Presence::Same,
        (false, _, true) => Presence::Absent,
        _ => Presence::Mixed,
    })
}

fn statement(laid: &Laid<'_>, rows: &[&Row], by: &[usize], by_key: bool) -> String {
    let columns = laid.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let named = by.iter().filter_map(|at| laid.columns.get(*at)).map(|name| quote(name));
    // Types without equality are compared as they are written.
    let left = named.map(|name| if by_key { name } else { spelling(&name) }).collect::<Vec<_>>().join(", ");
    let value = |cell: &Cell| match cell {
        Cell::Null => literal(""),
        other => value_literal(other),
    };
    let right = rows.iter().map(|row| {
        let values = by.iter().filter_map(|at| row.cells.get(*at)).map(value);
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    let right = right.collect::<Vec<_>>().join(", ");
    format!("SELECT {columns} FROM {} WHERE ({left}) IN ({right})", laid.table.sql)
}

/// Inserts all rows inside an open transaction, what is pointed at before what
/// points, then reads them back: a trigger may have changed or swallowed one.
/// Links that were cut come last: they may be those of rows of another record.
pub(super) async fn put_back(link: &mut Link, records: &[Restoration<'_>]) -> Result<(), SourceError> {
    let catalogue = link.catalogue().await?;
    let schema = &catalogue.schema;
    let mut laid: Vec<(Vec<Laid<'_>>, Vec<Row>)> = Vec::with_capacity(records.len());
    for record in records {
        let tables = lay_all(record.dataset, schema, record.tables)?;
        let rows = blanked(record, schema, tables.first())?;
        for row in &rows {
            find_laid(&tables, row)?;
        }
        laid.push((tables, rows));
    }
    let tables: Vec<&[Laid<'_>]> = laid.iter().map(|(tables, _)| tables.as_slice()).collect();
    insert_all(link, &laid, &insertion_order_of_all(schema, &tables)).await?;
    for record in records {
        if compare(link, record).await? != Presence::Same {
            let reason = format!(
                "a row of {} is not what was put back: a trigger changed it; nothing was restored; hint: disable the \
                 trigger for the restoration",
                record.dataset.table
            );
            return Err(SourceError::RolledBack { reason });
        }
    }
    for (tables, rows) in &laid {
        relink_all(link, tables, rows).await?;
    }
    let checked = link.command("SET CONSTRAINTS ALL IMMEDIATE").await;
    checked.map_err(|error| not_taken(link, "", &error))
}

/// Gives all rows that stayed their links back.
async fn relink_all(link: &mut Link, tables: &[Laid<'_>], rows: &[Row]) -> Result<(), SourceError> {
    for (number, laid) in tables.iter().enumerate().filter(|(_, laid)| laid.unlinked) {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.table == number).collect();
        for some in rows.chunks(LOOKED_UP_MAX) {
            let statements: String = some.iter().map(|row| relink(laid, row)).collect();
            link.command(&statements).await.map_err(|error| not_taken(link, &laid.table.name, &error))?;
        }
    }
    Ok(())
}

/// All rows of a table in one statement: they may point at each other, and keys
/// are checked when it ends.
async fn insert_all(
    link: &mut Link,
    records: &[(Vec<Laid<'_>>, Vec<Row>)],
    order: &[(usize, usize)],
) -> Result<(), SourceError> {
    let laid = |(record, number): &(usize, usize)| &records[*record].0[*number];
    let alike = |one: &(usize, usize), other: &(usize, usize)| {
        laid(one).table.is(laid(other).table) && laid(one).columns == laid(other).columns
    };
    for of_table in order.chunk_by(alike) {
        let Some(first) = of_table.first().map(laid) else { continue };
        let (mut lines, mut count) = (Vec::new(), 0);
        for (record, number) in of_table {
            for row in records[*record].1.iter().filter(|row| row.table == *number) {
                write_line(&mut lines, row);
                count += 1;
            }
        }
        if count > 0 {
            send(link, first, &lines, count).await?;
        }
    }
    Ok(())
}

fn write_line(lines: &mut Vec<u8>, row: &Row) {
    for (at, cell) in row.cells.iter().enumerate() {
        if at > 0 {
            lines.push(b'\t');
        }
        copy::write(lines, cell);
    }
    lines.push(b'\n');
}

/// Gives a row that stayed its link back, unless the application took the row
/// away or linked it to something else.
fn relink(laid: &Laid<'_>, row: &Row) -> String {
    let (mut set, mut conditions) = (Vec::new(), Vec::new());
    for (at, (name, cell)) in laid.columns.iter().zip(&row.cells).enumerate() {
        let equal = format!("{} = {}", quote(name), value_literal(cell));
        if laid.identity.contains(&at) {
            conditions.push(equal);
        } else {
            set.push(equal);
            conditions.push(format!("{} IS NULL", quote(name)));
        }
    }
    format!("UPDATE {} SET {} WHERE {};\n", laid.table.sql, set.join(", "), conditions.join(" AND "))
}

async fn send(link: &mut Link, laid: &Laid<'_>, lines: &[u8], rows: u64) -> Result<(), SourceError> {
    let columns = laid.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let table = &laid.table.name;
    let statement = format!("COPY {} ({columns}) FROM STDIN", laid.table.sql);
    let taken = link.copy_in(&statement, lines).await.map_err(|error| not_taken(link, table, &error))?;
    if taken == rows {
        return Ok(());
    }
    Err(SourceError::RolledBack { reason: format!("table {table} did not take a row; nothing was restored") })
}

fn not_taken(link: &Link, table: &str, error: &sqlx::Error) -> SourceError {
    let reason = match failure::meaning(error) {
        // The open transaction is lost with the session, before any COMMIT.
        Meaning::Lost => format!("{}; nothing was restored", failure::describe(error)),
        Meaning::NoPrivilege => return link.failed(error),
        Meaning::Duplicate => format!("table {table} has a row with this key already; nothing was restored"),
        Meaning::ForeignKey => format!(
            "foreign keys would be broken ({}); nothing was restored; hint: restore the records of the tables pointed \
             at first, or together with these",
            failure::describe(error)
        ),
        _ => format!("table {table}: {}; nothing was restored", failure::describe(error)),
    };
    SourceError::RolledBack { reason }
}
