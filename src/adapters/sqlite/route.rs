//! By which route the next batches are taken.

use super::{connection::Link, failure, value};
use crate::{
    adapters::sql::{Fitted, Identity, Sql, route},
    domain::{
        deployment::Dataset,
        selection::{Cause, Scope},
    },
    ports::{Route, SourceError},
};

pub(super) async fn choose(
    link: &mut Link,
    dataset: &Dataset,
    (scope, cause): (&Scope<'_>, &Cause),
    rows: u64,
) -> Result<Route, SourceError> {
    let catalogue = link.catalogue().await.map_err(failure::engine)?;
    let fitted = Fitted::for_query(dataset, &catalogue.schema)?;
    // Of rows without a number, or behind a condition, the order is the engine's choice.
    let root = fitted.root;
    let has_order =
        matches!(root.identity, Identity::System(_)) && root.triggers.is_empty() && dataset.condition.is_none();
    if !has_order || !fitted.stands_alone(scope.event, cause)? {
        return Ok(Route::ByEvent);
    }
    // Of the whole file: the engine keeps no count of one table.
    let row = link.one(Sql::new("PRAGMA page_count")).await.map_err(failure::engine)?;
    Ok(route(rows, value::count(&row, 0).map_err(failure::engine)?))
}
