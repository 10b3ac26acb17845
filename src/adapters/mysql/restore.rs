//! Looks up rows by what identifies them for good, and puts rows back.
//!
//! Both read under a lock: what an older connection has not finished is waited
//! for. What was written is read again before the commit and compared to the
//! byte: the session converts what does not fit instead of refusing it, and so
//! may a trigger.

use super::{
    batch::key_positions,
    connection::Link,
    dialect::quote,
    failure,
    identity::self_links,
    value::{self, BEHIND_FIRST, Class, FIRST, Fetched, class, collation, literal},
};
use crate::{
    adapters::{
        failpoint,
        sql::{Laid, StoredRow as _, blanked, identical, insertion_order_of_all, laid as find_laid, lay_all, twin},
    },
    domain::{
        locator,
        record::{Cell, Row},
        segment,
    },
    ports::{Presence, Restoration, SourceError},
};

/// Text of one statement, beside the largest row.
const STATEMENT_BYTES: usize = 512 * 1024;

/// Compares rows with the source, inside a transaction.
pub(super) async fn presence(link: &mut Link, record: &Restoration<'_>) -> Result<Presence, SourceError> {
    let catalogue = link.catalogue().await?;
    let schema = &catalogue.schema;
    let tables = lay_all(record.dataset, schema, record.tables)?;
    let rows = blanked(record, schema, tables.first())?;
    let (mut there, mut gone) = (0_usize, 0_usize);
    for row in &rows {
        let laid = find_laid(&tables, row)?;
        // What lost its link stayed, and the application may have changed it.
        if laid.unlinked {
            continue;
        }
        let (found, alike) = find(link, laid, row).await?;
        let twins = rows.iter().filter(|other| twin(row, other)).count();
        match (found, alike) {
            (0, _) => gone += 1,
            (found, alike) if found == alike && (alike == 1 || alike == twins) => there += 1,
            _ => return Ok(Presence::Mixed),
        }
        if there > 0 && gone > 0 {
            return Ok(Presence::Mixed);
        }
    }
    Ok(if there > 0 { Presence::Same } else { Presence::Absent })
}

/// The columns of a laid table with their classes.
pub(super) fn columns<'a>(laid: &Laid<'a>) -> Vec<(&'a str, Class)> {
    let class_of = |name: &str| laid.table.column(name).map_or(Class::Ascii, |column| class(&column.declared));
    laid.columns.iter().map(|name| (*name, class_of(name))).collect()
}

/// Rows found by what identifies this one, and how many of them are the same in
/// all columns.
async fn find(link: &mut Link, laid: &Laid<'_>, row: &Row) -> Result<(usize, usize), SourceError> {
    let columns = columns(laid);
    let fetched: Vec<String> =
        columns.iter().filter_map(|(name, _)| Some(value::fetched(laid.table.column(name)?, &quote(name)))).collect();
    let by = identity(laid, row);
    let equal = by.iter().filter_map(|at| {
        let ((name, class), cell) = (columns.get(*at)?, row.cells.get(*at)?);
        Some(format!("{} <=> {}", quote(name), literal(cell, class)))
    });
    let text = format!(
        "SELECT {FIRST}, {} FROM {} WHERE {} LOCK IN SHARE MODE",
        fetched.join(", "),
        laid.table.sql,
        equal.collect::<Vec<_>>().join(" AND ")
    );
    let classes: Vec<Class> = columns.into_iter().map(|(_, class)| class).collect();
    let rows = link.all(&text).await.map_err(failure::engine)?;
    let mut alike = 0;
    for found in &rows {
        let found = Fetched { row: found, classes: &classes };
        let mut same = true;
        for (position, cell) in row.cells.iter().enumerate() {
            same = same && identical(&found.cell(position)?, cell);
        }
        alike += usize::from(same);
    }
    Ok((rows.len(), alike))
}

/// Positions of what identifies a row: its key, unless that holds NULL.
fn identity(laid: &Laid<'_>, row: &Row) -> Vec<usize> {
    let whole = || (0..row.cells.len()).collect();
    let identified = if laid.identity.is_empty() {
        let names = key_positions(laid.table);
        let stored: Vec<&str> = laid.table.stored().map(|column| column.name.as_str()).collect();
        let at = |position: &usize| laid.columns.iter().position(|name| Some(name) == stored.get(*position));
        names.iter().map(at).collect::<Option<Vec<_>>>().unwrap_or_default()
    } else {
        laid.identity.clone()
    };
    let null = identified.iter().any(|at| row.cells.get(*at) == Some(&Cell::Null));
    if identified.is_empty() || null { whole() } else { identified }
}

/// Inserts all rows inside an open transaction, what is pointed at before what
/// points, and compares what is there then. Links that were cut come last: they
/// may be those of rows of another record.
pub(super) async fn put_back(link: &mut Link, records: &[Restoration<'_>]) -> Result<(), SourceError> {
    let catalogue = link.catalogue().await?;
    let schema = &catalogue.schema;
    let (mut laid_out, mut rows) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    for record in records {
        let tables = lay_all(record.dataset, schema, record.tables)?;
        same_charsets(record, &tables)?;
        let blanked = blanked(record, schema, tables.first())?;
        for row in &blanked {
            find_laid(&tables, row)?;
        }
        laid_out.push(tables);
        rows.push(blanked);
    }
    let tables: Vec<&[Laid<'_>]> = laid_out.iter().map(Vec::as_slice).collect();
    for (record, number) in insertion_order_of_all(schema, &tables) {
        let of_table: Vec<&Row> = rows[record].iter().filter(|row| row.table == number).collect();
        insert_all(link, &laid_out[record][number], &of_table).await?;
        failpoint::reach("source.inserted-some");
    }
    for (tables, rows) in laid_out.iter().zip(&rows) {
        compare(link, tables, rows).await?;
    }
    for (tables, rows) in laid_out.iter().zip(&rows) {
        for row in rows {
            let laid = find_laid(tables, row)?;
            if laid.unlinked {
                relink(link, laid, row).await?;
            }
        }
    }
    Ok(())
}

/// Sees that every row is there as it was.
async fn compare(link: &mut Link, tables: &[Laid<'_>], rows: &[Row]) -> Result<(), SourceError> {
    for row in rows {
        let laid = find_laid(tables, row)?;
        if laid.unlinked {
            continue;
        }
        let (found, alike) = find(link, laid, row).await?;
        if found == 0 || found != alike {
            let table = &laid.table.name;
            return Err(undone(format!(
                "table {table} did not take a row as it was; hint: its columns or a trigger changed since then"
            )));
        }
    }
    Ok(())
}

/// Gives a row that stayed its link back, unless the application took the row
/// away or linked it to something else.
async fn relink(link: &mut Link, laid: &Laid<'_>, row: &Row) -> Result<(), SourceError> {
    let (mut set, mut wanted) = (Vec::new(), Vec::new());
    for (at, ((name, class), cell)) in columns(laid).iter().zip(&row.cells).enumerate() {
        let (name, value) = (quote(name), literal(cell, class));
        if laid.identity.contains(&at) {
            wanted.push(format!("{name} <=> {value}"));
        } else {
            set.push(format!("{name} = {value}"));
            wanted.push(format!("{name} IS NULL"));
        }
    }
    let text = format!("UPDATE {} SET {} WHERE {}", laid.table.sql, set.join(", "), wanted.join(" AND "));
    let table = &laid.table.name;
    link.execute(&text)
        .await
        .map(|_| ())
        .map_err(|error| undone(format!("table {table}: {}", failure::describe(&error))))
}

/// Bytes of a text mean something else in another character set.
pub(super) fn same_charsets(record: &Restoration<'_>, tables: &[Laid<'_>]) -> Result<(), SourceError> {
    for (laid, heading) in tables.iter().zip(record.tables) {
        let differs = |column: &&segment::Column| {
            let today = laid.table.column(&column.name).map(|column| locator::charset(&column.declared));
            today.is_some_and(|today| today != collation(&column.declared).map(|(charset, _)| charset))
        };
        if let Some(column) = heading.columns.iter().find(differs) {
            return Err(SourceError::Schema {
                dataset: record.dataset.table.clone(),
                reason: format!("column {} of {} has another character set than the record", column.name, heading.name),
            });
        }
    }
    Ok(())
}

/// Inserts rows, and gives those that point at each other their links afterwards.
async fn insert_all(link: &mut Link, laid: &Laid<'_>, rows: &[&Row]) -> Result<(), SourceError> {
    let columns = columns(laid);
    let later: Vec<usize> =
        self_links(laid.table).iter().filter_map(|name| laid.columns.iter().position(|known| known == name)).collect();
    let names: Vec<String> = columns.iter().map(|(name, _)| quote(name)).collect();
    let head = format!("INSERT INTO {} ({}) VALUES ", laid.table.sql, names.join(", "));
    let (mut text, mut count) = (head.clone(), 0_u64);
    for row in rows {
        let value = |(at, (cell, (_, class))): (usize, (&Cell, &(&str, Class)))| {
            if later.contains(&at) { "NULL".to_owned() } else { literal(cell, class) }
        };
        let values: Vec<String> = row.cells.iter().zip(&columns).enumerate().map(value).collect();
        let values = format!("({})", values.join(", "));
        if count > 0 && text.len() + values.len() > STATEMENT_BYTES {
            insert(link, laid, &text, count).await?;
            (text, count) = (head.clone(), 0);
        }
        text += if count > 0 { ", " } else { "" };
        text += &values;
        count += 1;
    }
    if count > 0 {
        insert(link, laid, &text, count).await?;
    }
    for row in rows.iter().filter(|_| !later.is_empty()) {
        let pairs = |at: &usize| {
            let ((name, class), cell) = (columns.get(*at)?, row.cells.get(*at)?);
            Some((quote(name), literal(cell, class)))
        };
        let set: Vec<String> =
            later.iter().filter_map(pairs).map(|(name, value)| format!("{name} = {value}")).collect();
        let by = identity(laid, row);
        let by: Vec<String> = by.iter().filter_map(pairs).map(|(name, value)| format!("{name} = {value}")).collect();
        let text = format!("UPDATE {} SET {} WHERE {}", laid.table.sql, set.join(", "), by.join(" AND "));
        insert(link, laid, &text, 1).await?;
    }
    Ok(())
}

async fn insert(link: &mut Link, laid: &Laid<'_>, text: &str, rows: u64) -> Result<(), SourceError> {
    let table = &laid.table.name;
    if text.len() + BEHIND_FIRST > link.packet_bytes_max {
        return Err(undone(format!(
            "a row of table {table} is longer than a statement may be; hint: set max_allowed_packet of the server to \
             more than {} for this restoration",
            text.len()
        )));
    }
    let inserted = link.execute(text).await.map_err(|error| {
        if failure::is_duplicate(&error) {
            return undone(format!("table {table} has a row with this key already"));
        }
        if failure::is_foreign_key(&error) {
            return undone(format!(
                "a row of table {table} points at a row that is not there; hint: restore the record pointed at first, \
                 or together with this one"
            ));
        }
        undone(format!("table {table}: {}", failure::describe(&error)))
    })?;
    if inserted == rows {
        return Ok(());
    }
    Err(undone(format!("table {table} did not take a row")))
}

fn undone(reason: String) -> SourceError {
    SourceError::RolledBack { reason: format!("{reason}; nothing was restored") }
}
