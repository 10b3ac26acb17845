//! PostgreSQL as a source.
//!
//! `PostgresScan` cannot write: all its transactions are read-only.
//! `PostgresSource` moves records: it deletes in a transaction that stays open
//! until the sealed copy was compared. Both build their statements from the same
//! conditions, and read rows through COPY, as the text that the engine itself
//! writes under settings that every session pins.
//!
//! Nothing here decides what is due, and nothing here prints.

mod batch;
mod catalogue;
mod chosen;
mod copy;
pub(in crate::adapters) mod dialect;
pub(in crate::adapters) mod failure;
mod left;
mod link;
pub mod residue;
mod restore;
mod route;
pub(in crate::adapters) mod session;
mod shape;
mod source;
mod swift;
mod take;
mod value;
pub mod wipe;

use chrono::{DateTime, Utc};

use crate::{
    adapters::{
        engine::{Patience, Server},
        sql::{self, Fitted, Inspected, Misfit, Session, Sql},
    },
    domain::{
        census::Census, deployment::Dataset, explain::RecordFacts, id::SourceName, record::Cell, selection::Scope,
    },
    ports::{Scan, SchemaFinding, SourceError},
};

use link::{Access, Link};

pub use source::PostgresSource;

/// The read-only view of a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresScan {
    link: Link,
}

impl PostgresScan {
    /// Opens a database without the means to write to it.
    pub async fn open(name: SourceName, server: &Server, patience: Patience) -> Result<Self, SourceError> {
        Ok(Self { link: Link::open(name, server, patience, Access::Read).await? })
    }
}

impl Scan for PostgresScan {
    fn name(&self) -> &SourceName {
        &self.link.name
    }

    async fn inspect(&mut self, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
        inspect(&mut self.link, dataset, all).await
    }

    async fn look(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        key: &str,
    ) -> Result<Option<RecordFacts>, SourceError> {
        look(&mut self.link, dataset, scope, key).await
    }

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        census(&mut self.link, dataset, scope).await
    }
}

async fn inspect(link: &mut Link, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
    link.begin_reading().await?;
    let inspected = inspect_in(link, dataset, all).await;
    link.roll_back().await;
    inspected
}

async fn inspect_in(link: &mut Link, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
    let catalogue = link.catalogue().await?;
    // Before the operator's conditions: one that does not compile ends the transaction.
    let (denied, is_closed) = match Fitted::new(dataset, &catalogue.schema) {
        Ok(fitted) => denied(link, &fitted).await?,
        // What does not fit is told below, with all of its reasons.
        Err(_) => (Vec::new(), false),
    };
    if is_closed {
        // No statement about such a table compiles.
        return Ok(Inspected { fits: false, errors: denied, warnings: Vec::new() }.findings(dataset));
    }
    let mut inspected = sql::inspect(link, &catalogue.schema, dataset, all).await?;
    let tables = dataset.children.iter().map(|child| child.table.as_str()).chain([dataset.table.as_str()]);
    for table in tables.filter_map(|name| catalogue.schema.table(name)) {
        if catalogue.hidden.contains(&table.name) {
            inspected.errors.push(Misfit::new(
                format!("row-level security hides rows of {} from this role", table.name),
                "give the roles of retentiond BYPASSRLS: a record that is not seen is kept for ever",
            ));
        }
    }
    inspected.errors.extend(denied);
    Ok(inspected.findings(dataset))
}

/// Columns that a plan reads and this role may not, and whether it may not even
/// use a schema.
async fn denied(link: &mut Link, fitted: &Fitted<'_>) -> Result<(Vec<Misfit>, bool), SourceError> {
    let (mut denied, mut is_closed) = (Vec::new(), false);
    for (table, reads) in sql::reads(fitted) {
        let (mut role, mut closed, mut columns) = (String::new(), None, Vec::new());
        link.each(&catalogue::unreadable(table), |line| {
            line.text(0)?.clone_into(&mut role);
            closed = line.field(1)?.is_some().then(|| line.text(1).map(str::to_owned)).transpose()?;
            let name = line.text(2)?;
            if reads.has(name) {
                columns.push(dialect::quote(name));
            }
            Ok(())
        })
        .await?;
        if let Some(schema) = closed {
            is_closed = true;
            let message = format!("role {role} may not use the schema of {table}");
            denied.push(Misfit::new(message, format!("GRANT USAGE ON SCHEMA {schema} TO {role}")));
        }
        if !columns.is_empty() {
            let listed = columns.join(", ");
            let message = format!("role {role} may not read {listed} of {table}, which a plan reads");
            denied.push(Misfit::new(message, format!("GRANT SELECT ({listed}) ON {table} TO {role}")));
        }
    }
    Ok((denied, is_closed))
}

/// Looks at one record in one transaction.
async fn look(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    key: &str,
) -> Result<Option<RecordFacts>, SourceError> {
    link.begin_reading().await?;
    let looked = look_in(link, dataset, scope, key).await;
    link.roll_back().await;
    looked
}

async fn look_in(
    link: &mut Link,
    dataset: &Dataset,
    scope: &Scope<'_>,
    key: &str,
) -> Result<Option<RecordFacts>, SourceError> {
    let catalogue = link.catalogue().await?;
    sql::look(link, &catalogue.schema, dataset, scope, key).await
}

/// Counts in one transaction, so that all counts are of one state.
async fn clock(link: &mut Link) -> Result<DateTime<Utc>, SourceError> {
    link.begin_reading().await?;
    let milliseconds = Sql::new("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    let row = Session::one(link, milliseconds).await;
    link.roll_back().await;
    let told = match row?.first() {
        Some(Cell::Integer(milliseconds)) => DateTime::from_timestamp_millis(*milliseconds),
        _ => None,
    };
    told.ok_or_else(|| SourceError::Engine { reason: "the server does not tell the time".to_owned() })
}

async fn census(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
    link.begin_reading().await?;
    let counted = count(link, dataset, scope).await;
    link.roll_back().await;
    counted
}

async fn count(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
    let catalogue = link.catalogue().await?;
    sql::census(link, &catalogue.schema, dataset, scope).await
}
