//! Takes a batch: everything in one IMMEDIATE transaction that is left open.
//!
//! What is returned by the deletion is what is sealed, byte for byte; any doubt
//! about the numbers is an error, and the caller undoes the transaction.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use zeroize::Zeroizing;

use super::{
    batch, condition,
    connection::Link,
    failure,
    fit::{Fitted, FittedEvent, Place},
    links,
    selection::Selection,
    value,
};
use crate::{
    domain::{
        deployment::Dataset,
        event::Reading,
        record::{self, Cell},
        segment,
        selection::{Cause, Scope},
    },
    ports::{Batch, SourceError, Taken},
};

/// Up to where a dataset's table was read for a cause: what lies before it was
/// taken or has to wait, and need not be read again in this cycle.
pub(super) type Position = (String, String, Cause);

/// A batch with the position to go on from once it is committed.
pub(super) struct Outcome {
    pub(super) batch: Option<Batch>,
    pub(super) position: Option<Cell>,
    /// Tables whose foreign keys the commit may break.
    pub(super) tables: Vec<String>,
}

pub(super) fn position_key(dataset: &Dataset, cause: &Cause) -> Position {
    (dataset.rule.to_string(), dataset.table.clone(), cause.clone())
}

/// Runs inside an open transaction.
pub(super) async fn take(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    cause: &Cause,
    limit: u32,
    position: Option<&Cell>,
) -> Result<Outcome, SourceError> {
    // A row may point at another that is deleted after it.
    link.command("PRAGMA defer_foreign_keys = ON").await.map_err(failure::engine)?;
    let schema = link.schema().await.map_err(failure::engine)?;
    let selection = Selection::new(dataset, scope, &schema)?;
    let fitted = &selection.of.fitted;
    super::check_conditions(link, fitted).await?;
    let others = scope.others.iter().map(|(other, _)| *other).filter(|other| !std::ptr::eq(*other, dataset));
    if let Some(misfit) = links::judge(fitted, &schema, others).silent.into_iter().next() {
        return Err(misfit.into_error(dataset));
    }
    for statement in batch::prepare(fitted) {
        link.command(statement).await.map_err(failure::engine)?;
    }
    let own = fitted.event(scope.event)?;
    let mut start = position;
    let mut roots = choose(link, &selection, cause, limit, start).await?;
    if roots == 0 && start.is_some() {
        start = None;
        roots = choose(link, &selection, cause, limit, None).await?;
    }
    let tables: Vec<String> = fitted.tables().into_iter().map(|table| table.name.clone()).collect();
    if roots == 0 {
        return Ok(Outcome { batch: None, position: None, tables });
    }
    let complete = roots < u64::from(limit);
    // Behind the last position everything starts over, so that no row that came
    // in the meantime, or waits no more, is left out.
    let position = if complete { None } else { Some(reached(link).await?) };
    for child in fitted.downwards() {
        let Some(number) = child.number else { continue };
        for statement in batch::choose_children(fitted, child, number) {
            link.execute(statement).await.map_err(failure::engine)?;
        }
    }
    let records = delete_all(link, fitted, own, scope, roots).await?;
    let batch = Batch { tables: headings(fitted), records, last: complete && start.is_none() };
    Ok(Outcome { batch: Some(batch), position, tables })
}

async fn choose(
    link: &mut Link,
    selection: &Selection<'_>,
    cause: &Cause,
    limit: u32,
    position: Option<&Cell>,
) -> Result<u64, SourceError> {
    let fitted = &selection.of.fitted;
    let own = fitted.event(selection.of.scope.event)?;
    let held = selection.held_strictly()?;
    let sql = batch::choose_roots(fitted, selection.driven(cause)?, own, held, position, limit);
    link.execute(sql).await.map_err(failure::engine)
}

async fn reached(link: &mut Link) -> Result<Cell, SourceError> {
    let row = link.one(batch::position_reached()).await.map_err(failure::engine)?;
    value::cell(&row, 0).map_err(failure::engine)
}

async fn delete_all(
    link: &mut Link,
    fitted: &Fitted<'_>,
    own: &FittedEvent<'_>,
    scope: &Scope<'_>,
    roots: u64,
) -> Result<Vec<Taken>, SourceError> {
    let tables = fitted.tables();
    let roots = usize::try_from(roots).map_err(|_| miscounted(&fitted.root.name, "more roots than memory"))?;
    let mut gathered = Gathered::new(fitted, own, scope, roots, tables.len())?;
    let upwards = fitted.downwards().into_iter().rev().filter_map(|child| child.number).chain([0]);
    for number in upwards {
        let Some(table) = tables.get(number) else { continue };
        let row = link.one(batch::count(number)).await.map_err(failure::engine)?;
        let chosen = value::count(&row, 0).map_err(failure::engine)?;
        if chosen == 0 {
            continue;
        }
        let before = link.total_changes().await.map_err(failure::engine)?;
        let carried = if number == 0 { batch::carried(own) } else { 0 };
        let mut returned = 0;
        let width = table.stored().count();
        let outcome = link
            .each(batch::delete(table, number, carried), |row| {
                returned += 1;
                gathered.add(number, row, width)
            })
            .await;
        let deleted = outcome.map_err(refused)?;
        let changed = link.total_changes().await.map_err(failure::engine)? - before;
        if returned != chosen || deleted != chosen {
            return Err(miscounted(&table.name, "rows chosen, deleted and returned differ in number"));
        }
        // Triggers count here too, and are the application's own business.
        if table.triggers.is_empty() && changed != chosen {
            return Err(miscounted(&table.name, "the engine changed rows that were not chosen"));
        }
    }
    gathered.finish(&fitted.root.name)
}

fn miscounted(table: &str, what: &str) -> SourceError {
    SourceError::Engine { reason: format!("table {table}: {what}; the batch is undone") }
}

fn refused(error: sqlx::Error) -> SourceError {
    if failure::is_foreign_key(&error) {
        let reason = "a foreign key forbids the deletion; hint: run check and cover the key with an edge".to_owned();
        return SourceError::RolledBack { reason };
    }
    failure::engine(error)
}

fn headings(fitted: &Fitted<'_>) -> Vec<segment::Table> {
    let names = fitted.dataset.tables();
    let heading = |(table, name): (&super::schema::Table, &str)| segment::Table {
        name: name.to_owned(),
        columns: table
            .stored()
            .map(|column| segment::Column { name: column.name.clone(), declared: column.declared.clone() })
            .collect(),
        rows: 0,
    };
    fitted.tables().into_iter().zip(names).map(heading).collect()
}

/// Records under construction, by record number.
struct Gathered<'f> {
    records: Vec<Option<Taken>>,
    rows: Vec<(Zeroizing<Vec<u8>>, Vec<u64>)>,
    key: Vec<usize>,
    subject: Option<usize>,
    own: &'f FittedEvent<'f>,
    /// Where the event's values stand in a returned root.
    event: Vec<usize>,
    zone: chrono_tz::Tz,
}

impl<'f> Gathered<'f> {
    fn new(
        fitted: &Fitted<'_>,
        own: &'f FittedEvent<'f>,
        scope: &Scope<'_>,
        roots: usize,
        tables: usize,
    ) -> Result<Self, SourceError> {
        let missing = || miscounted(&fitted.root.name, "a column is not returned");
        let at = |name: &str| fitted.root.position(name).ok_or_else(missing);
        let width = fitted.root.stored().count();
        let event = match own.place {
            Place::Own => own.columns.names().into_iter().map(at).collect::<Result<_, _>>()?,
            // Behind the record number.
            Place::Through { .. } => (0..batch::carried(own)).map(|position| width + 1 + position).collect(),
        };
        Ok(Self {
            records: (0..roots).map(|_| None).collect(),
            rows: (0..roots).map(|_| (Zeroizing::new(Vec::new()), vec![0; tables])).collect(),
            key: fitted.dataset.key.iter().map(|name| at(name)).collect::<Result<_, _>>()?,
            subject: fitted.dataset.subject.as_deref().map(at).transpose()?,
            own,
            event,
            zone: scope.zone,
        })
    }

    fn add(&mut self, number: usize, row: &SqliteRow, width: usize) -> Result<(), sqlx::Error> {
        let strange = || sqlx::Error::Decode("a deleted row belongs to no record".into());
        let record = usize::try_from(value::count(row, width)?).ok().and_then(|record| record.checked_sub(1));
        let record = record.ok_or_else(strange)?;
        let (rows, counts) = self.rows.get_mut(record).ok_or_else(strange)?;
        record::encode_row_start(rows, number);
        for position in 0..width {
            value::encode(rows, row, position)?;
        }
        *counts.get_mut(number).ok_or_else(strange)? += 1;
        if number == 0 {
            let taken = self.root(row)?;
            *self.records.get_mut(record).ok_or_else(strange)? = Some(taken);
        }
        Ok(())
    }

    fn root(&self, row: &SqliteRow) -> Result<Taken, sqlx::Error> {
        let cells = |positions: &[usize]| -> Result<Vec<Cell>, sqlx::Error> {
            positions.iter().map(|position| value::cell(row, *position)).collect()
        };
        let subject = self.subject.map(|position| value::cell(row, position)).transpose()?;
        let event: Reading = condition::read(self.own, self.zone, &cells(&self.event)?);
        Ok(Taken {
            key: record::locator(&cells(&self.key)?),
            // A record of nobody has no subject to be found by.
            subject: subject.filter(|cell| *cell != Cell::Null).map(|cell| record::locator(&[cell])),
            event,
            rows: Zeroizing::new(Vec::new()),
            counts: Vec::new(),
        })
    }

    fn finish(self, table: &str) -> Result<Vec<Taken>, SourceError> {
        let missing = || miscounted(table, "a record lacks its root");
        let mut records = Vec::with_capacity(self.records.len());
        for (taken, (rows, counts)) in self.records.into_iter().zip(self.rows) {
            records.push(Taken { rows, counts, ..taken.ok_or_else(missing)? });
        }
        Ok(records)
    }
}

/// The positions of all datasets.
pub(super) type Positions = BTreeMap<Position, Cell>;
