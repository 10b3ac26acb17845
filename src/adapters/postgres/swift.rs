//! Takes a batch of a table on which nothing hangs in one statement: no row is
//! locked before it is deleted, which more than halves the server's work.
//!
//! A row that changes at the same moment is looked at again by the server and
//! stays. Where the application holds one of the rows nothing is deleted, and
//! the batch is taken row by row.

use super::{
    batch::{self, Spot, Start},
    copy::{Form, Line, Returned},
    failure::{self, Meaning},
    link::Link,
    take::{DEFERRED, Order, Outcome, refused},
};
use crate::{
    adapters::sql::{FittedEvent, Furthest, Gathered, Selection, headings, miscounted},
    ports::{Batch, Route, SourceError},
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
    if !selection.of.fitted.stands_alone(order.scope.event, order.cause)? {
        return Ok(None);
    }
    let begin = if order.goes_on { format!("{DEFERRED}; {BEGIN}") } else { BEGIN.to_owned() };
    let mut taken = delete(link, selection, (order, order.start), own, begin).await?;
    let mut start = order.start;
    if start.is_some() && taken.as_ref().is_some_and(|outcome| outcome.batch.is_none()) {
        start = None;
        taken = delete(link, selection, (order, None), own, String::new()).await?;
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
    (order, start): (Order<'_>, Option<&Start>),
    own: &FittedEvent<'_>,
    before: String,
) -> Result<Option<Outcome>, SourceError> {
    let fitted = &selection.of.fitted;
    let statement =
        batch::delete_at_once(fitted, selection.driven(order.cause)?, selection.held_strictly()?, start, order.limit);
    let limit = usize::try_from(order.limit).unwrap_or(usize::MAX);
    let forms = Form::of_stored(fitted.root);
    let missing = || miscounted(&fitted.root.name, "a column is not returned");
    let route = if matches!(start, Some(Start::Place(_))) { Route::ByPlace } else { Route::ByEvent };
    let batch = Deleted {
        gathered: Gathered::new(fitted, own, order.scope, limit, forms.len())?,
        rows: 0,
        sorted_by: fitted.root.position(own.columns.first()).ok_or_else(missing)?,
        furthest: Furthest::on(route),
        forms,
    };
    let Deleted { mut gathered, rows, furthest, .. } =
        match link.each_apart((before, statement), batch, Deleted::add).await? {
            Ok(batch) => batch,
            Err(error) if failure::meaning(&error) == Meaning::Locked => return Ok(None),
            Err(error) => return Err(refused(link, &error)),
        };
    if rows == 0 {
        return Ok(Some(Outcome { batch: None, position: None }));
    }
    let complete = rows < limit;
    gathered.shorten(rows);
    let batch = Batch { tables: headings(fitted), records: gathered.finish()?, last: complete };
    let position = furthest.start(Start::Place, Start::Event);
    Ok(Some(Outcome { batch: Some(batch), position: position.filter(|_| !complete) }))
}

/// Rows of the statement, each a record.
struct Deleted {
    gathered: Gathered,
    rows: usize,
    forms: Vec<Form>,
    /// Where the driving event stands.
    sorted_by: usize,
    furthest: Furthest<Spot>,
}

impl Deleted {
    fn add(&mut self, line: &Line) -> Result<(), SourceError> {
        self.gathered.add(self.rows, 0, &Returned { line, skip: 0, forms: &self.forms, carried: &[] })?;
        let event = self.gathered.event(self.rows);
        self.rows += 1;
        let (place, value) = (self.forms.len(), self.sorted_by);
        self.furthest.add(event, || Spot::alone(line, place), || line.cell(value, Form::Text))
    }
}
