//! Takes a batch: everything in one transaction that is left open.
//!
//! Rows are locked first, skipping those that the application holds; a record of
//! which any row is held stays whole. What is returned by the deletion is what
//! is sealed, byte for byte; any doubt about the numbers is an error, and the
//! caller undoes the transaction.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    batch::{self, Spot, Start},
    catalogue::Catalogue,
    chosen::{Chosen, choose, choose_level, find},
    copy::{Form, Line, Returned},
    failure::{self, Meaning},
    link::Link,
    swift,
};
use crate::{
    adapters::sql::{
        Fitted, FittedChild, FittedEvent, Gathered, Selection, Table, check_conditions, check_links, headings,
        miscounted,
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
}

/// How often a schema may change while it is being locked.
const SCHEMAS_MAX: usize = 3;

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) scope: &'a Scope<'a>,
    pub(super) cause: &'a Cause,
    pub(super) limit: u32,
    pub(super) start: Option<&'a Start>,
    /// The transaction has batches already.
    pub(super) goes_on: bool,
}

/// Constraints that may be checked late are: a row may point at another that is
/// deleted after it. What a transaction took before is checked by then.
pub(super) const DEFERRED: &str = "SET CONSTRAINTS ALL DEFERRED";

/// Runs inside an open transaction.
pub(super) async fn take(link: &mut Link, order: Order<'_>) -> Result<Outcome, SourceError> {
    let before = match link.known_catalogue() {
        // Looked at behind the batch before this one.
        Some(known) if order.goes_on => known,
        _ => lock_schema(link, order.dataset).await?,
    };
    fits(&before, order)?;
    let outcome = taken(link, &before, order).await?;
    check_constraints(link).await?;
    // Our locks keep the tables' columns and keys, but no table from inheriting from
    // them: what was then deleted of it was not sealed as a whole.
    let after = link.catalogue().await?;
    if !Arc::ptr_eq(&before, &after) {
        fits(&after, order)?;
    }
    Ok(outcome)
}

/// Refuses tables of which a deletion would do more than is sealed.
fn fits(catalogue: &Catalogue, order: Order<'_>) -> Result<(), SourceError> {
    let schema = &catalogue.schema;
    let others = order.scope.others.iter().map(|(other, _)| *other);
    let others = others.filter(|other| !std::ptr::eq(*other, order.dataset));
    check_links(&Fitted::for_query(order.dataset, schema)?, schema, others)
}

async fn taken(link: &mut Link, catalogue: &Catalogue, order: Order<'_>) -> Result<Outcome, SourceError> {
    let selection = Selection::new(order.dataset, order.scope, &catalogue.schema)?;
    let fitted = &selection.of.fitted;
    check_conditions(link, fitted).await?;
    let own = fitted.event(order.scope.event)?;
    // In a partition a place says nothing without the partition.
    if !catalogue.partitioned.contains(&fitted.root.name)
        && let Some(outcome) = swift::take(link, &selection, order, own).await?
    {
        return Ok(outcome);
    }
    if order.goes_on {
        link.command(DEFERRED).await.map_err(|error| refused(link, &error))?;
    }
    let mut start = order.start;
    let mut chosen = choose(link, &selection, order, start).await?;
    if chosen.is_empty() && start.is_some() {
        start = None;
        chosen = choose(link, &selection, order, None).await?;
    }
    if chosen.is_empty() {
        return Ok(Outcome { batch: None, position: None });
    }
    // Behind the last position everything starts over, so that no row that came
    // in the meantime, or waits no more, is left out.
    let position = if chosen.complete { None } else { chosen.reached.take() };
    let last = chosen.complete && start.is_none();
    let records = Taking { link, selection: &selection, chosen }.all(own, order.scope).await?;
    Ok(Outcome { batch: Some(Batch { tables: headings(fitted), records, last }), position })
}

async fn check_constraints(link: &mut Link) -> Result<(), SourceError> {
    let checked = link.command("SET CONSTRAINTS ALL IMMEDIATE").await;
    checked.map_err(|error| refused(link, &error))
}

/// Keeps the tables that lose rows as they are until the transaction ends, and reads
/// the schema as it then is: a column that is added later would not be sealed.
async fn lock_schema(link: &mut Link, dataset: &Dataset) -> Result<Arc<Catalogue>, SourceError> {
    let mut catalogue = link.catalogue().await?;
    for _ in 0..SCHEMAS_MAX {
        let fitted = Fitted::for_query(dataset, &catalogue.schema)?;
        let tables: BTreeSet<&str> = fitted.tables().into_iter().map(|table| table.sql.as_str()).collect();
        let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
        let locked = link.command(&format!("LOCK TABLE {tables} IN ROW EXCLUSIVE MODE")).await;
        locked.map_err(|error| refused(link, &error))?;
        let now = link.catalogue().await?;
        if Arc::ptr_eq(&now, &catalogue) {
            return Ok(now);
        }
        catalogue = now;
    }
    Err(SourceError::RolledBack { reason: "the schema is being changed; hint: run again when that is done".to_owned() })
}

/// A batch whose roots, and what hangs on them, are chosen.
struct Taking<'t, 'a> {
    link: &'t mut Link,
    selection: &'t Selection<'a>,
    chosen: Chosen,
}

impl<'t, 'a> Taking<'t, 'a> {
    /// Deletes everything that goes with the roots, level by level: what they
    /// point at is looked at when nothing of them is left.
    async fn all(mut self, own: &'t FittedEvent<'a>, scope: &Scope<'_>) -> Result<Vec<Taken>, SourceError> {
        let fitted: &'t Fitted<'a> = &self.selection.of.fitted;
        let roots = self.chosen.rows.first().map_or(0, Vec::len);
        let mut gathered = Gathered::new(fitted, own, scope, roots, fitted.root.stored().count())?;
        for (position, level) in fitted.levels().into_iter().enumerate() {
            if position > 0 {
                for reference in &level.references {
                    self.drop_referenced(reference).await?;
                }
                if !choose_level(self.link, fitted, &level, &mut self.chosen).await?.is_empty() {
                    return Err(held_by_the_application());
                }
            }
            for child in &level.unlinked {
                self.unlink(child, &mut gathered).await?;
            }
            for number in level.upwards(position == 0) {
                self.delete(number, &mut gathered).await?;
            }
        }
        gathered.finish()
    }

    /// Lets go of rows at which something still points, now that the records
    /// that did are deleted.
    async fn drop_referenced(&mut self, reference: &FittedChild<'a>) -> Result<(), SourceError> {
        let Some(number) = reference.number else { return Ok(()) };
        let mut kept = HashSet::new();
        for some in batch::by_table(&self.chosen.spots(number)) {
            let statement = batch::still_referenced(self.selection, reference, &some)?;
            self.link
                .each(&statement, |line| {
                    kept.insert(Spot::read(line, 0)?);
                    Ok(())
                })
                .await?;
        }
        if let Some(rows) = self.chosen.rows.get_mut(number) {
            rows.retain(|(spot, _)| !kept.contains(spot));
        }
        Ok(())
    }

    /// Seals what the links were, and cuts them. Rows that lost another link just
    /// now lie elsewhere, so that they are looked up again; they are locked.
    async fn unlink(&mut self, child: &FittedChild<'a>, gathered: &mut Gathered) -> Result<(), SourceError> {
        let Some(number) = child.number else { return Ok(()) };
        let found = find(self.link, &self.selection.of.fitted, child, &mut self.chosen).await?;
        if let Some(rows) = self.chosen.rows.get_mut(number) {
            *rows = found;
        }
        let (key, link) = child.link_columns();
        let columns = key.iter().chain(&link).filter_map(|name| child.table.column(name));
        let forms: Vec<Form> = columns.map(Form::of).collect();
        for some in batch::by_table(&self.chosen.spots(number)) {
            let sealed = self.each(&batch::links(child, &some), (number, child.table, &forms), gathered).await?;
            let cut = self.link.each_or(&batch::cut(child, &some), |_| Ok(())).await?;
            let cut = cut.map_err(|error| refused(self.link, &error))?;
            if [sealed, cut] != [some.len() as u64; 2] {
                return Err(miscounted(&child.table.name, "links chosen, sealed and cut differ in number"));
            }
        }
        Ok(())
    }

    async fn delete(&mut self, number: usize, gathered: &mut Gathered) -> Result<(), SourceError> {
        let tables = self.selection.of.fitted.tables();
        let Some(table) = tables.get(number) else { return Ok(()) };
        let forms = Form::of_stored(table);
        for some in batch::by_table(&self.chosen.spots(number)) {
            let deleted = self.each(&batch::delete(table, &some), (number, table, &forms), gathered).await?;
            if deleted != some.len() as u64 {
                return Err(miscounted(&table.name, "rows chosen and deleted differ in number"));
            }
        }
        Ok(())
    }

    /// Gathers the rows of a statement, each behind its place; their number.
    async fn each(
        &mut self,
        statement: &str,
        (number, table, forms): (usize, &Table, &[Form]),
        gathered: &mut Gathered,
    ) -> Result<u64, SourceError> {
        let rows = self.chosen.rows.get(number).map_or(&[][..], Vec::as_slice);
        let records: HashMap<Spot, usize> = rows.iter().copied().collect();
        let chosen = &self.chosen;
        let gather = |line: &Line| {
            let spot = Spot::read(line, 0)?;
            let record = *records.get(&spot).ok_or_else(|| miscounted(&table.name, "a row was not chosen"))?;
            let carried = chosen.carried.get(record).map_or(&[][..], Vec::as_slice);
            gathered.add(record, number, &Returned { line, skip: 2, forms, carried })
        };
        let changed = self.link.each_or(statement, gather).await?;
        changed.map_err(|error| refused(self.link, &error))
    }
}

fn held_by_the_application() -> SourceError {
    SourceError::RolledBack { reason: "the application holds a lock; hint: try again when it is idle".to_owned() }
}

/// An error of a statement that changes rows.
pub(super) fn refused(link: &Link, error: &sqlx::Error) -> SourceError {
    match failure::meaning(error) {
        Meaning::ForeignKey => SourceError::RolledBack {
            reason: format!(
                "a foreign key forbids the deletion ({}); hint: run check and cover the key with an edge",
                failure::describe(error)
            ),
        },
        Meaning::Locked => held_by_the_application(),
        _ => link.failed(error),
    }
}
