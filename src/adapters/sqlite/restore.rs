//! Looks up rows by what identifies them for good, and puts rows back.
//!
//! The identity here is the primary key: a rowid that no column holds is not
//! kept in a record. Rows of a table without a key are compared whole, and
//! counted, since twins are legal there.

use super::{connection::Link, dialect::quote, failure, value};
use crate::{
    adapters::sql::{Laid, Sql, blanked, identical, insertion_order, laid as find_laid, lay_all, twin},
    domain::record::{Cell, Row},
    ports::{Presence, Restoration, SourceError},
};

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
    let catalogue = link.catalogue().await.map_err(failure::engine)?;
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

/// Rows found by the columns in `by`, and how many of them are the same in all.
async fn find(link: &mut Link, laid: &Laid<'_>, row: &Row, by: &[usize]) -> Result<(usize, usize), SourceError> {
    let columns = laid.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut sql = Sql::new(format!("SELECT {columns} FROM {} WHERE ", laid.table.sql));
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
            if !identical(&value::cell(stored, position)?, cell) {
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

/// Inserts all rows inside an open transaction, then gives links back, which may
/// be those of rows of another record. Keys that point at rows inserted later are
/// checked at the commit.
pub(super) async fn put_back(link: &mut Link, records: &[Restoration<'_>]) -> Result<Vec<String>, SourceError> {
    link.command("PRAGMA defer_foreign_keys = ON").await.map_err(failure::engine)?;
    let catalogue = link.catalogue().await.map_err(failure::engine)?;
    let schema = &catalogue.schema;
    let mut touched: Vec<String> = Vec::new();
    for record in records {
        let tables = lay_all(record.dataset, schema, record.tables)?;
        let rows = blanked(record, schema, tables.first())?;
        for number in insertion_order(schema, &tables) {
            let laid = &tables[number];
            if !touched.contains(&laid.table.name) {
                touched.push(laid.table.name.clone());
            }
            for row in rows.iter().filter(|row| row.table == number) {
                find_laid(&tables, row)?;
                insert(link, laid, row).await?;
            }
        }
        // Every row belongs to a table.
        rows.iter().try_for_each(|row| find_laid(&tables, row).map(drop))?;
    }
    for record in records {
        let tables = lay_all(record.dataset, schema, record.tables)?;
        for row in &record.rows {
            let laid = find_laid(&tables, row)?;
            if laid.unlinked {
                relink(link, laid, row).await?;
            }
        }
    }
    Ok(touched)
}

/// Gives a row that stayed its link back, unless the application took the row
/// away or linked it to something else.
async fn relink(link: &mut Link, laid: &Laid<'_>, row: &Row) -> Result<(), SourceError> {
    let columns = || laid.columns.iter().zip(&row.cells).enumerate();
    let mut sql = Sql::new(format!("UPDATE {} SET ", laid.table.sql));
    let mut conditions = Vec::new();
    for (at, (name, cell)) in columns() {
        let mut equal = Sql::new(format!("{} IS ", quote(name)));
        if laid.identity.contains(&at) {
            equal.bind(cell.clone());
        } else {
            sql.push(if conditions.len() > laid.identity.len() { ", " } else { "" });
            sql.push(&format!("{} = ", quote(name))).bind(cell.clone());
            equal.push("NULL");
        }
        conditions.push(equal);
    }
    sql.push(" WHERE ").append(Sql::all(conditions));
    link.execute(sql).await.map(|_| ()).map_err(|error| SourceError::RolledBack {
        reason: format!("table {}: {}; nothing was restored", laid.table.name, failure::describe(&error)),
    })
}

async fn insert(link: &mut Link, laid: &Laid<'_>, row: &Row) -> Result<(), SourceError> {
    let columns = laid.columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut sql = Sql::new(format!("INSERT INTO {} ({columns}) VALUES (", laid.table.sql));
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
