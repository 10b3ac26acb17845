//! Takes a batch: chosen, locked, read and deleted in one transaction that is
//! left open.
//!
//! Rows that the application has locked are left out, a record whole when it is
//! only one of its children. What was read under the lock is what is deleted, by
//! key, and what is sealed; any doubt about the numbers is an error, and the
//! caller undoes the transaction. Where a table has no transactions, nothing is
//! deleted here (`rowwise`).

use std::sync::Arc;

use super::{
    batch::{self, Choice, KEYS_MAX, Order},
    catalogue::Catalogue,
    chosen::{Chosen, Row, Taking, keys, literals},
    connection::Link,
    failure,
    session::hidden_keys,
    value, weak,
};
use crate::{
    adapters::sql::{BY_PLACE_MAX, Fitted, Selection, Table, carried, check_conditions, check_links, headings},
    domain::{
        deployment::Dataset,
        id::EventName,
        selection::{Cause, Scope},
    },
    ports::{Batch, SourceError},
};

/// A batch with the position to go on from once it is committed.
pub(super) struct Outcome {
    pub(super) batch: Option<Batch>,
    pub(super) position: Option<Order>,
    /// Nothing of the batch is deleted yet, since that could not be undone.
    pub(super) is_weak: bool,
}

/// Runs inside an open transaction.
pub(super) async fn take(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    cause: &Cause,
    limit: u32,
    (position, goes_on): (Option<&Order>, bool),
) -> Result<Outcome, SourceError> {
    let before = match link.known_catalogue() {
        // Looked at behind the batch before this one.
        Some(known) if goes_on => known,
        _ => link.catalogue().await?,
    };
    fits(&before, dataset, scope)?;
    let outcome = taken(link, &before, (dataset, scope), (cause, limit), position).await?;
    // No lock of ours keeps another table from pointing at these: what the server
    // has then deleted or changed with our rows was not sealed.
    let after = link.catalogue().await?;
    if !Arc::ptr_eq(&before, &after) {
        fits(&after, dataset, scope)?;
    }
    Ok(outcome)
}

/// Refuses tables of which a deletion would do more than is sealed.
fn fits(catalogue: &Catalogue, dataset: &Dataset, scope: &Scope<'_>) -> Result<(), SourceError> {
    let schema = &catalogue.schema;
    let fitted = Fitted::for_query(dataset, schema)?;
    let others = scope.others.iter().map(|(other, _)| *other).filter(|other| !std::ptr::eq(*other, dataset));
    check_links(&fitted, schema, others)?;
    let misfit = hidden_keys(catalogue, &fitted).or_else(|| weak::refused(catalogue, &fitted));
    misfit.map_or(Ok(()), |misfit| Err(misfit.into_error(dataset)))
}

async fn taken(
    link: &mut Link,
    catalogue: &Catalogue,
    (dataset, scope): (&Dataset, &Scope<'_>),
    (cause, limit): (&Cause, u32),
    position: Option<&Order>,
) -> Result<Outcome, SourceError> {
    let selection = Selection::new(dataset, scope, &catalogue.schema)?;
    let fitted = &selection.of.fitted;
    check_conditions(link, fitted).await?;
    let is_weak = weak::has_any(catalogue, fitted);
    let own = fitted.event(scope.event)?;
    let mut from = position.cloned();
    let limit = if matches!(from, Some(Order::Key(_))) { limit.min(BY_PLACE_MAX) } else { limit };
    let mut is_from_start = from.is_none();
    let mut passed: Vec<Vec<String>> = Vec::new();
    loop {
        let (roots, reached) = choose_roots(link, &selection, cause, limit, (from.clone(), &passed)).await?;
        let mut held = Vec::new();
        let complete = roots.rows.len() < limit as usize;
        if !roots.rows.is_empty() {
            let mut taking = Taking::new(link, catalogue, &selection);
            held = taking.choose_whole(roots).await?;
            if taking.roots() > 0 {
                let records = if is_weak { taking.gather(own, scope)? } else { taking.delete_all(own, scope).await? };
                // Behind the last position everything starts over, so that no row
                // that came in the meantime, or waits no more, is left out.
                let last = complete && from.is_none();
                let batch = Batch { tables: headings(fitted), records, last };
                return Ok(Outcome { batch: Some(batch), position: reached.filter(|_| !complete), is_weak });
            }
        }
        // Nothing that can move here: further on, or once more from the start.
        if complete && is_from_start {
            return Ok(Outcome { batch: None, position: None, is_weak });
        }
        if complete {
            (from, is_from_start) = (None, true);
        } else if from == reached {
            // More rows than a batch has room for have the same event.
            passed.append(&mut held);
        } else {
            from = reached;
        }
    }
}

fn event_of<'s>(cause: &'s Cause, scope: &Scope<'s>) -> &'s EventName {
    match cause {
        Cause::Due | Cause::WithParent => scope.event,
        Cause::Event(name) => name,
    }
}

/// Chooses and locks roots. Also says up to where they were read.
async fn choose_roots<'f>(
    link: &mut Link,
    selection: &'f Selection<'_>,
    cause: &Cause,
    limit: u32,
    (from, but): (Option<Order>, &[Vec<String>]),
) -> Result<(Chosen<'f>, Option<Order>), SourceError> {
    let (fitted, scope) = (&selection.of.fitted, &selection.of.scope);
    let root = fitted.root;
    let own = fitted.event(scope.event)?;
    let driving = fitted.event(event_of(cause, scope))?;
    let by_event = batch::is_indexed(root, driving) && !matches!(from, Some(Order::Key(_)));
    let held = selection.held_strictly()?;
    let choice = Choice { driven: selection.driven(cause)?, own, held, by_event, from, but, limit };
    let rows = link.all(&batch::choose_roots(fitted, choice)?).await.map_err(refused)?;
    let mut classes = value::classes(root);
    let stored = classes.len();
    classes.extend(batch::event_classes(root, own).into_iter().take(carried(own)));
    classes.extend(batch::event_classes(root, driving).into_iter().take(1));
    let rows = rows.into_iter().enumerate().map(|(record, row)| {
        let key = literals(&row, &classes, &batch::key_positions(root))?;
        Ok(Row { record, row, key })
    });
    let rows = rows.collect::<Result<Vec<_>, SourceError>>()?;
    let reached = match rows.last() {
        None => None,
        Some(last) if by_event => Some(Order::Event(literals(&last.row, &classes, &[stored + carried(own)])?.concat())),
        Some(last) => Some(Order::Key(last.key.clone())),
    };
    if let Some(condition) = fitted.dataset.condition.as_deref() {
        still_narrowed(link, root, condition, &rows).await?;
    }
    Ok((Chosen { table: root, classes, rows }, reached))
}

/// A condition of the dataset that was true when the rows were chosen must be true
/// now that they are locked.
pub(super) async fn still_narrowed(
    link: &mut Link,
    table: &Table,
    condition: &str,
    rows: &[Row],
) -> Result<(), SourceError> {
    let mut found = 0;
    for rows in rows.chunks(KEYS_MAX) {
        let text = batch::count_narrowed(table, condition, &keys(rows));
        let row = link.one(&text).await.map_err(failure::engine)?;
        found += usize::try_from(value::number(&row, 0)?).unwrap_or(usize::MAX);
    }
    if found == rows.len() {
        return Ok(());
    }
    let reason = format!("the application changed rows of {} just now; nothing was moved", table.name);
    Err(SourceError::RolledBack { reason })
}

pub(super) fn refused(error: sqlx::Error) -> SourceError {
    let reason = if failure::is_foreign_key(&error) {
        "a foreign key forbids the deletion; hint: run check and cover the key with an edge"
    } else if failure::is_deadlock(&error) {
        "it was chosen to end a deadlock with the application; hint: run again"
    } else if failure::is_locked(&error) {
        "the application holds a lock for too long; hint: run again when it is idle"
    } else {
        return failure::engine(error);
    };
    SourceError::RolledBack { reason: reason.to_owned() }
}
