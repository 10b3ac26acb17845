//! Takes a batch of a table on which nothing hangs in one statement, without a
//! temporary table of what was chosen.

use sqlx::sqlite::SqliteRow;

use super::{
    batch::{self, Start},
    connection::Link,
    failure,
    take::{Outcome, refused},
    value::{self, Returned},
};
use crate::{
    adapters::sql::{
        BY_PLACE_MAX, FittedEvent, Furthest, Gathered, Identity, Selection, StoredRow as _, headings, miscounted,
    },
    domain::selection::Cause,
    ports::{Batch, Route, SourceError},
};

/// `None` where a batch has to be chosen first: a trigger may keep a row that it
/// was told to delete.
pub(super) async fn take(
    link: &mut Link,
    selection: &Selection<'_>,
    cause: &Cause,
    limit: u32,
    start: Option<&Start>,
) -> Result<Option<Outcome>, SourceError> {
    let (fitted, scope) = (&selection.of.fitted, &selection.of.scope);
    let root = fitted.root;
    let has_number = matches!(root.identity, Identity::System(_)) && root.triggers.is_empty();
    if !has_number || !fitted.stands_alone(scope.event, cause)? {
        return Ok(None);
    }
    let own = fitted.event(scope.event)?;
    let limit = if matches!(start, Some(Start::Row(_))) { limit.min(BY_PLACE_MAX) } else { limit };
    let mut taken = delete(link, selection, own, (cause, limit), start).await?;
    if start.is_some() && taken.batch.is_none() {
        taken = delete(link, selection, own, (cause, limit), None).await?;
    } else if let Some(batch) = &mut taken.batch {
        // What is behind the start may have been passed over.
        batch.last &= start.is_none();
    }
    Ok(Some(taken))
}

async fn delete(
    link: &mut Link,
    selection: &Selection<'_>,
    own: &FittedEvent<'_>,
    (cause, limit): (&Cause, u32),
    start: Option<&Start>,
) -> Result<Outcome, SourceError> {
    let fitted = &selection.of.fitted;
    let root = fitted.root;
    let (driven, held) = (selection.driven(cause)?, selection.held_strictly()?);
    let statement = batch::delete_at_once(fitted, driven, held, start, limit);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let width = root.stored().count();
    let missing = || miscounted(&root.name, "a column is not returned");
    let sorted_by = root.position(own.columns.first()).ok_or_else(missing)?;
    let route = if matches!(start, Some(Start::Row(_))) { Route::ByPlace } else { Route::ByEvent };
    let mut gathered = Gathered::new(fitted, own, &selection.of.scope, limit, width)?;
    let (mut rows, mut furthest, mut outcome) = (0, Furthest::on(route), Ok(()));
    let before = link.total_changes().await.map_err(failure::engine)?;
    let mut add = |record: usize, row: &SqliteRow| {
        gathered.add(record, 0, &Returned(row))?;
        let number = || value::integer(row, width).map_err(failure::engine);
        furthest.add(gathered.event(record), number, || Returned(row).cell(sorted_by))
    };
    let changed = link.each(statement, |row| {
        // All rows are drained, also behind one that does not fit.
        if outcome.is_ok() {
            outcome = add(rows, row);
        }
        rows += 1;
        Ok(())
    });
    let changed = changed.await.map_err(refused)?;
    outcome?;
    let all = link.total_changes().await.map_err(failure::engine)? - before;
    if [changed, all] != [rows as u64; 2] {
        return Err(miscounted(&root.name, "rows changed and returned differ in number"));
    }
    let tables = vec![root.name.clone()];
    if rows == 0 {
        return Ok(Outcome { batch: None, position: None, tables });
    }
    let complete = rows < limit;
    gathered.shorten(rows);
    let batch = Batch { tables: headings(fitted), records: gathered.finish()?, last: complete };
    let position = furthest.start(Start::Row, Start::Event).filter(|_| !complete);
    Ok(Outcome { batch: Some(batch), position, tables })
}
