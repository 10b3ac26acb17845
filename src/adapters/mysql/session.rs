//! The shared reading flows on a connection: counts in one read-only
//! transaction, and the findings of `check`.

use super::{
    connection::{Link, rendered},
    failure, value,
};
use crate::{
    adapters::sql::{self, Misfit, Session, Sql, Table, parenthesised},
    domain::{census::Census, deployment::Dataset, explain::RecordFacts, record::Cell, selection::Scope},
    ports::{SchemaFinding, SourceError},
};

impl Session for Link {
    async fn one(&mut self, sql: Sql) -> Result<Vec<Cell>, SourceError> {
        let row = Link::one(self, &rendered(sql)).await.map_err(failure::engine)?;
        value::cells(&row)
    }

    async fn condition_misfit(&mut self, table: &Table, condition: &str) -> Result<Option<Misfit>, SourceError> {
        let statement = format!("SELECT 1 FROM {} WHERE {}", table.sql, parenthesised(condition));
        let message = match self.parameters(&statement).await {
            Ok(0) => return Ok(None),
            Ok(_) => format!("the `where` of {} has a parameter", table.name),
            Err(error) if failure::is_statement(&error) => {
                format!("the `where` of {} does not compile: {}", table.name, failure::words(&error))
            }
            Err(error) => return Err(failure::engine(error)),
        };
        let hint = "write a condition over the table's own columns, as it would stand behind WHERE";
        Ok(Some(Misfit::new(message, hint)))
    }
}

pub(super) async fn inspect(
    link: &mut Link,
    dataset: &Dataset,
    all: &[&Dataset],
) -> Result<Vec<SchemaFinding>, SourceError> {
    link.connect().await?;
    let catalogue = link.catalogue().await?;
    let mut inspected = sql::inspect(link, &catalogue.schema, dataset, all).await?;
    match catalogue.is_complete {
        Some(true) => {}
        Some(false) => inspected.errors.push(Misfit::new(
            "there are foreign keys into this database that this user may not see",
            "grant SELECT on the tables that point here: a hidden ON DELETE CASCADE would delete rows that nobody sealed",
        )),
        None => inspected.warnings.push(Misfit::new(
            "it cannot be seen whether other databases have foreign keys into this one",
            "grant PROCESS, with which the server shows all foreign keys, or see that there are none",
        )),
    }
    Ok(inspected.findings(dataset))
}

pub(super) async fn census(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
    link.connect().await?;
    link.begin_reading().await.map_err(failure::engine)?;
    let counted = count(link, dataset, scope).await;
    // Nothing was written; ending it either way only lets go of the snapshot.
    let ended = link.roll_back().await.map_err(failure::engine);
    let census = counted?;
    ended?;
    Ok(census)
}

pub(super) async fn look(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    key: &str,
) -> Result<Option<RecordFacts>, SourceError> {
    link.connect().await?;
    link.begin_reading().await.map_err(failure::engine)?;
    let looked = look_at(link, dataset, scope, key).await;
    // As above: nothing was written.
    let ended = link.roll_back().await.map_err(failure::engine);
    let facts = looked?;
    ended?;
    Ok(facts)
}

async fn look_at(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    key: &str,
) -> Result<Option<RecordFacts>, SourceError> {
    let catalogue = link.catalogue().await?;
    sql::look(link, &catalogue.schema, dataset, scope, key).await
}

async fn count(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
    let catalogue = link.catalogue().await?;
    sql::census(link, &catalogue.schema, dataset, scope).await
}
