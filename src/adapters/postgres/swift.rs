//! Takes a batch of a table on which nothing hangs in one statement: no row is
//! locked before it is deleted, which more than halves the server's work.
//!
//! A row that changes at the same moment is looked at again by the server and
//! stays. Where the application holds one of the rows nothing is deleted, and
//! the batch is taken row by row.

use super::{
    batch,
    copy::{Form, Line, Returned},
    failure::{self, Meaning},
    link::Link,
    take::{Order, Outcome, refused},
};
use crate::{
    adapters::sql::{FittedEvent, Gathered, Place, Selection, headings, miscounted},
    domain::{event::Reading, record::Cell, selection::Cause},
    ports::{Batch, SourceError},
};

const BEGIN: &str = "SAVEPOINT swift; SET LOCAL lock_timeout = 20";
const UNDO: &str = "ROLLBACK TO SAVEPOINT swift";

/// `None` where a batch has to be taken row by row.
pub(super) async fn take(
    link: &mut Link,
    selection: &Selection<'_>,
    order: Order<'_>,
    own: &FittedEvent<'_>,
) -> Result<Option<Outcome>, SourceError> {
    let by_own_event = match order.cause {
        Cause::Due | Cause::WithParent => true,
        Cause::Event(name) => name == order.scope.event,
    };
    let hangs = selection.of.fitted.children.iter().any(|child| child.number.is_some());
    if hangs || !by_own_event || !matches!(own.place, Place::Own) {
        return Ok(None);
    }
    link.command(BEGIN).await.map_err(|error| refused(link, &error))?;
    let mut taken = delete(link, selection, order, own, order.position).await?;
    let mut start = order.position;
    if start.is_some() && taken.as_ref().is_some_and(|outcome| outcome.batch.is_none()) {
        start = None;
        taken = delete(link, selection, order, own, None).await?;
    }
    match &mut taken {
        // The application holds a row.
        None => {
            // A batch before this one may have left its own patience behind.
            let undo = format!("{UNDO}; SET LOCAL lock_timeout = {}", link.lock_timeout());
            link.command(&undo).await.map_err(|error| refused(link, &error))?;
        }
        // What is behind the position may have been passed over.
        Some(Outcome { batch: Some(batch), .. }) => batch.last &= start.is_none(),
        Some(_) => {}
    }
    Ok(taken)
}

async fn delete(
    link: &mut Link,
    selection: &Selection<'_>,
    order: Order<'_>,
    own: &FittedEvent<'_>,
    position: Option<&Cell>,
) -> Result<Option<Outcome>, SourceError> {
    let fitted = &selection.of.fitted;
    let statement = batch::delete_at_once(
        fitted,
        selection.driven(order.cause)?,
        selection.held_strictly()?,
        position,
        order.limit,
    );
    let limit = usize::try_from(order.limit).unwrap_or(usize::MAX);
    let forms = Form::of_stored(fitted.root);
    let missing = || miscounted(&fitted.root.name, "a column is not returned");
    let sorted_by = 2 + fitted.root.position(own.columns.first()).ok_or_else(missing)?;
    let mut gathered = Gathered::new(fitted, own, order.scope, limit, forms.len())?;
    let mut sorted: Vec<Cell> = Vec::with_capacity(limit.min(1 << 16));
    let gather = |line: &Line| {
        gathered.add(sorted.len(), 0, &Returned { line, skip: 2, forms: &forms, carried: &[] })?;
        sorted.push(line.cell(sorted_by, Form::Text)?);
        Ok(())
    };
    match link.each_or(&statement, gather).await? {
        Ok(_) => {}
        Err(error) if failure::meaning(&error) == Meaning::Locked => return Ok(None),
        Err(error) => return Err(refused(link, &error)),
    }
    if sorted.is_empty() {
        return Ok(Some(Outcome { batch: None, position: None }));
    }
    let complete = sorted.len() < limit;
    gathered.shorten(sorted.len());
    let records = gathered.finish()?;
    let latest = records.iter().zip(sorted).filter_map(|(taken, sorted)| match taken.event {
        Reading::At(at) => Some((at, sorted)),
        Reading::Absent | Reading::Malformed => None,
    });
    let position = latest.max_by_key(|(at, _)| *at).map(|(_, sorted)| sorted).filter(|_| !complete);
    let batch = Batch { tables: headings(fitted), records, last: complete };
    Ok(Some(Outcome { batch: Some(batch), position }))
}
