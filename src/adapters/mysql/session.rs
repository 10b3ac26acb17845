//! The shared reading flows on a connection: counts in one read-only
//! transaction, and the findings of `check`.

use chrono::{DateTime, Utc};

use super::{
    catalogue::Catalogue,
    connection::{Link, rendered},
    dialect::quote,
    failure, value, weak,
};
use crate::{
    adapters::sql::{self, Fitted, Inspected, Misfit, Session, Sql, Table, parenthesised},
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
    let denied = denied(link, dataset).await?;
    if !denied.is_empty() {
        return Ok(Inspected { fits: false, errors: denied, warnings: Vec::new() }.findings(dataset));
    }
    let catalogue = link.catalogue().await?;
    let mut inspected = sql::inspect(link, &catalogue.schema, dataset, all).await?;
    if inspected.fits {
        let fitted = Fitted::for_query(dataset, &catalogue.schema)?;
        if fitted.tables().iter().any(|table| catalogue.hides_keys_of(table).is_none()) {
            inspected.warnings.push(Misfit::new(
                "it cannot be seen whether there are foreign keys that this user is not shown",
                "grant PROCESS, with which the server shows all foreign keys, or see that there are none",
            ));
        }
        inspected.errors.extend(hidden_keys(&catalogue, &fitted));
        inspected.errors.extend(weak::refused(&catalogue, &fitted));
        inspected.warnings.extend(weak::warnings(&catalogue, &fitted));
    }
    Ok(inspected.findings(dataset))
}

/// Tables that this user may not read whole. The server would not show all of
/// their columns and keys, and what it does not show would be said to be missing.
async fn denied(link: &mut Link, dataset: &Dataset) -> Result<Vec<Misfit>, SourceError> {
    let mut denied = Vec::new();
    for name in sql::tables_named(dataset) {
        let table = name.splitn(2, '.').map(quote).collect::<Vec<_>>().join(".");
        let Err(error) = link.all(&format!("SELECT * FROM {table} LIMIT 0")).await else { continue };
        if failure::is_denied(&error) {
            let row = link.one("SELECT current_user()").await.map_err(failure::engine)?;
            let user = value::text(&row, 0)?;
            let user = user.rsplit_once('@').map_or_else(|| user.clone(), |(name, host)| format!("'{name}'@'{host}'"));
            denied.push(Misfit::new(
                format!("this user may not read all columns of {name}"),
                format!(
                    "GRANT SELECT ON {table} TO {user}: of a table of which only some columns are granted the server \
                     does not show its keys"
                ),
            ));
        } else if failure::is_connection(&error) {
            return Err(failure::engine(error));
        }
        // Anything else, such as a table that is not there, is told with the schema.
    }
    Ok(denied)
}

/// A key that this user may not see could delete rows that nobody sealed.
pub(super) fn hidden_keys(catalogue: &Catalogue, fitted: &Fitted<'_>) -> Option<Misfit> {
    let hidden = |table: &&Table| catalogue.hides_keys_of(table) == Some(true);
    let table = fitted.tables().into_iter().find(hidden)?;
    Some(Misfit::new(
        format!("foreign keys into {} are hidden from this user", table.name),
        "grant SELECT on the tables that point at it: a hidden ON DELETE CASCADE would delete rows that nobody sealed",
    ))
}

/// The session is in UTC.
pub(super) async fn clock(link: &mut Link) -> Result<DateTime<Utc>, SourceError> {
    link.connect().await?;
    let milliseconds = "SELECT CAST(ROUND(UNIX_TIMESTAMP(NOW(6)) * 1000) AS SIGNED)";
    let row = Session::one(link, Sql::new(milliseconds)).await?;
    let told = match row.first() {
        Some(Cell::Integer(milliseconds)) => DateTime::from_timestamp_millis(*milliseconds),
        _ => None,
    };
    told.ok_or_else(|| SourceError::Engine { reason: "the server does not tell the time".to_owned() })
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
    let mut census = sql::census(link, &catalogue.schema, dataset, scope).await?;
    let fitted = Fitted::for_query(dataset, &catalogue.schema)?;
    census.weak = weak::engines(&catalogue, &fitted);
    Ok(census)
}
