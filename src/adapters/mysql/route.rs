//! By which route the next batches are taken.

use super::{batch, connection::Link, failure, value, weak};
use crate::{
    adapters::sql::{Fitted, route},
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
    let catalogue = link.catalogue().await?;
    let fitted = Fitted::for_query(dataset, &catalogue.schema)?;
    if weak::has_any(&catalogue, &fitted) || !fitted.stands_alone(scope.event, cause)? {
        return Ok(Route::ByEvent);
    }
    let row = link.one(&batch::pages(fitted.root)).await.map_err(failure::engine)?;
    // No size is negative; if one were, nothing would be known, and the dates lead.
    let pages = u64::try_from(value::number(&row, 0)?).unwrap_or(0);
    Ok(route(rows, pages))
}
