//! Takes a batch: everything in one IMMEDIATE transaction that is left open.
//!
//! What is returned by the deletion is what is sealed, byte for byte; any doubt
//! about the numbers is an error, and the caller undoes the transaction.

use sqlx::sqlite::SqliteRow;

use super::{
    batch::{self, Start},
    connection::Link,
    failure, swift, value,
};
use crate::{
    adapters::sql::{
        Fitted, FittedChild, FittedEvent, Gathered, Selection, Sql, Table, carried, check_conditions, check_links,
        headings, miscounted,
    },
    domain::{
        deployment::Dataset,
        selection::{Cause, Scope},
    },
    ports::{Batch, SourceError, Taken},
};

/// A batch with the position to go on from once it is committed.
pub(super) struct Outcome {
    pub(super) batch: Option<Batch>,
    pub(super) position: Option<Start>,
    /// Tables whose foreign keys the commit may break.
    pub(super) tables: Vec<String>,
}

/// Runs inside an open transaction.
pub(super) async fn take(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    cause: &Cause,
    limit: u32,
    start: Option<&Start>,
) -> Result<Outcome, SourceError> {
    // A row may point at another that is deleted after it.
    link.command("PRAGMA defer_foreign_keys = ON").await.map_err(failure::engine)?;
    let catalogue = link.catalogue().await.map_err(failure::engine)?;
    let schema = &catalogue.schema;
    let selection = Selection::new(dataset, scope, schema)?;
    let fitted = &selection.of.fitted;
    check_conditions(link, fitted).await?;
    let others = scope.others.iter().map(|(other, _)| *other).filter(|other| !std::ptr::eq(*other, dataset));
    check_links(fitted, schema, others)?;
    if let Some(taken) = swift::take(link, &selection, cause, limit, start).await? {
        return Ok(taken);
    }
    for statement in batch::prepare(fitted) {
        link.command(statement).await.map_err(failure::engine)?;
    }
    let own = fitted.event(scope.event)?;
    let mut start = start.filter(|start| matches!(start, Start::Event(_)));
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
    let records = Taking { link, selection: &selection, own }.all(scope, roots).await?;
    let batch = Batch { tables: headings(fitted), records, last: complete && start.is_none() };
    Ok(Outcome { batch: Some(batch), position, tables })
}

async fn choose(
    link: &mut Link,
    selection: &Selection<'_>,
    cause: &Cause,
    limit: u32,
    start: Option<&Start>,
) -> Result<u64, SourceError> {
    let fitted = &selection.of.fitted;
    let own = fitted.event(selection.of.scope.event)?;
    let held = selection.held_strictly()?;
    let sql = batch::choose_roots(fitted, selection.driven(cause)?, own, held, start, limit);
    link.execute(sql).await.map_err(failure::engine)
}

async fn reached(link: &mut Link) -> Result<Start, SourceError> {
    let row = link.one(batch::position_reached()).await.map_err(failure::engine)?;
    Ok(Start::Event(value::cell(&row, 0).map_err(failure::engine)?))
}

/// A batch whose roots are chosen.
struct Taking<'t, 'a> {
    link: &'t mut Link,
    selection: &'t Selection<'a>,
    own: &'t FittedEvent<'a>,
}

impl<'t, 'a> Taking<'t, 'a> {
    /// Chooses and deletes everything that goes with the roots, level by level:
    /// what they point at is looked at when nothing of them is left.
    async fn all(mut self, scope: &Scope<'_>, roots: u64) -> Result<Vec<Taken>, SourceError> {
        let fitted: &'t Fitted<'a> = &self.selection.of.fitted;
        let roots = usize::try_from(roots).map_err(|_| miscounted(&fitted.root.name, "more roots than memory"))?;
        // Behind the root's columns and the record number.
        let carried_from = fitted.root.stored().count() + 1;
        let mut gathered = Gathered::new(fitted, self.own, scope, roots, carried_from)?;
        let tables = fitted.tables();
        for (position, level) in fitted.levels().into_iter().enumerate() {
            for reference in &level.references {
                let Some(number) = reference.number else { continue };
                self.execute(batch::drop_referenced(self.selection, reference, number)?).await?;
            }
            for child in level.own.iter().chain(&level.unlinked).chain(&level.candidates) {
                let Some(number) = child.number else { continue };
                for statement in batch::choose_children(fitted, child, number) {
                    self.execute(statement).await?;
                }
            }
            for child in &level.unlinked {
                self.unlink(child, &mut gathered).await?;
            }
            for number in level.upwards(position == 0) {
                if let Some(table) = tables.get(number) {
                    self.delete(table, number, &mut gathered).await?;
                }
            }
        }
        gathered.finish()
    }

    async fn execute(&mut self, sql: Sql) -> Result<u64, SourceError> {
        self.link.execute(sql).await.map_err(failure::engine)
    }

    async fn chosen(&mut self, number: usize) -> Result<u64, SourceError> {
        let row = self.link.one(batch::count(number)).await.map_err(failure::engine)?;
        value::count(&row, 0).map_err(failure::engine)
    }

    /// Seals what the links were, and cuts them.
    async fn unlink(&mut self, child: &FittedChild<'a>, gathered: &mut Gathered) -> Result<(), SourceError> {
        let Some(number) = child.number else { return Ok(()) };
        let chosen = self.chosen(number).await?;
        if chosen == 0 {
            return Ok(());
        }
        let (key, link) = child.link_columns();
        let sealed = self.each(batch::links(child, number), number, key.len() + link.len(), gathered).await?.0;
        let before = self.link.total_changes().await.map_err(failure::engine)?;
        let cut = self.execute(batch::cut(child, number)).await?;
        self.agree(child.table, chosen, [sealed, cut], before).await
    }

    async fn delete(&mut self, table: &Table, number: usize, gathered: &mut Gathered) -> Result<(), SourceError> {
        let chosen = self.chosen(number).await?;
        if chosen == 0 {
            return Ok(());
        }
        let before = self.link.total_changes().await.map_err(failure::engine)?;
        let carried = if number == 0 { carried(self.own) } else { 0 };
        let statement = batch::delete(table, number, carried);
        let (returned, deleted) = self.each(statement, number, table.stored().count(), gathered).await?;
        self.agree(table, chosen, [returned, deleted], before).await
    }

    /// Gathers the rows of a statement; the record number stands behind `width`
    /// columns. How many rows it returned and changed.
    async fn each(
        &mut self,
        statement: Sql,
        number: usize,
        width: usize,
        gathered: &mut Gathered,
    ) -> Result<(u64, u64), SourceError> {
        let (mut returned, mut outcome) = (0, Ok(()));
        let changed = self.link.each(statement, |row| {
            returned += 1;
            let record = value::count(row, width)?;
            // All rows are drained, also behind one that does not fit.
            if outcome.is_ok() {
                outcome = gather(gathered, record, number, row);
            }
            Ok(())
        });
        let changed = changed.await.map_err(refused)?;
        outcome.map(|()| (returned, changed))
    }

    async fn agree(&mut self, table: &Table, chosen: u64, counts: [u64; 2], before: u64) -> Result<(), SourceError> {
        let changed = self.link.total_changes().await.map_err(failure::engine)? - before;
        if counts != [chosen; 2] {
            return Err(miscounted(&table.name, "rows chosen, changed and returned differ in number"));
        }
        // Triggers count here too, and are the application's own business.
        if table.triggers.is_empty() && changed != chosen {
            return Err(miscounted(&table.name, "the engine changed rows that were not chosen"));
        }
        Ok(())
    }
}

fn gather(gathered: &mut Gathered, record: u64, number: usize, row: &SqliteRow) -> Result<(), SourceError> {
    // Record numbers count from 1; no record has the number that 0 becomes.
    let record = usize::try_from(record).unwrap_or(usize::MAX).wrapping_sub(1);
    gathered.add(record, number, &value::Returned(row))
}

pub(super) fn refused(error: sqlx::Error) -> SourceError {
    if failure::is_foreign_key(&error) {
        let reason = "a foreign key forbids the deletion; hint: run check and cover the key with an edge".to_owned();
        return SourceError::RolledBack { reason };
    }
    failure::engine(error)
}
