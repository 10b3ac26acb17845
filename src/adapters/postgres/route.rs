//! By which route the next batches are taken.

use super::{
    dialect::literal,
    link::{Link, only},
};
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
    let root = fitted.root;
    // In a partition a place says nothing without the partition.
    if catalogue.partitioned.contains(&root.name) || !fitted.stands_alone(scope.event, cause)? {
        return Ok(Route::ByEvent);
    }
    let mut pages = 0;
    let table = literal(&root.sql);
    let size = format!("SELECT pg_relation_size({table}::regclass) / current_setting('block_size')::bigint");
    link.each(&size, |line| only(line, &mut pages)).await?;
    Ok(route(rows, pages))
}
