//! SQLite as a source.
//!
//! `SqliteScan` cannot write: its file is opened read-only and its session
//! refuses to. `SqliteSource` moves records: it deletes in a transaction that
//! stays open until the sealed copy was compared. Both build their statements
//! from the same conditions.
//!
//! Nothing here decides what is due, and nothing here prints.

mod anomaly;
mod batch;
mod census;
mod condition;
mod connection;
mod failure;
mod fit;
mod inspect;
mod links;
mod restore;
mod schema;
mod selection;
mod shape;
mod slack;
mod source;
mod sql;
mod take;
mod value;
mod wipe;

#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use crate::{
    domain::{census::Census, deployment::Dataset, id::SourceName, selection::Scope},
    ports::{Scan, SchemaFinding, SourceError},
};

use connection::{Access, Link};
use fit::{Fitted, Misfit};
use schema::Table;
use sql::{main_table, parenthesised};

pub use source::SqliteSource;

/// The read-only view of a SQLite database.
#[derive(Debug)]
pub struct SqliteScan {
    link: Link,
}

impl SqliteScan {
    /// Opens an existing database without the means to write to it.
    /// `busy_timeout` is how long a lock of the application is waited for.
    pub async fn open(name: SourceName, path: &Path, busy_timeout: Duration) -> Result<Self, SourceError> {
        Ok(Self { link: Link::open(name, path, busy_timeout, Access::Read).await? })
    }
}

impl Scan for SqliteScan {
    fn name(&self) -> &SourceName {
        &self.link.name
    }

    async fn inspect(&mut self, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
        inspect::inspect(&mut self.link, dataset, all).await
    }

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        census::census(&mut self.link, dataset, scope).await
    }
}

/// The conditions that an operator wrote, with the tables they narrow.
fn conditions<'f>(fitted: &'f Fitted<'_>) -> Vec<(&'f Table, &'f str)> {
    let of_children = fitted.children.iter().filter_map(|child| Some((child.table, child.condition?)));
    let own = fitted.dataset.condition.as_deref().map(|condition| (fitted.root, condition));
    own.into_iter().chain(of_children).collect()
}

/// A condition that does not compile, or that would take one of our own values
/// for its `?`.
async fn condition_misfit(link: &mut Link, table: &Table, condition: &str) -> Result<Option<Misfit>, SourceError> {
    let statement = format!("SELECT 1 FROM {} WHERE {}", main_table(&table.name), parenthesised(condition));
    let message = match link.parameters(statement).await {
        Ok(0) => return Ok(None),
        Ok(_) => format!("the `where` of {} has a parameter", table.name),
        Err(error) if failure::is_statement(&error) => {
            format!("the `where` of {} does not compile: {}", table.name, failure::describe(&error))
        }
        Err(error) => return Err(failure::engine(error)),
    };
    Ok(Some(Misfit::new(message, "write a condition over the table's own columns, as it would stand behind WHERE")))
}

async fn check_conditions(link: &mut Link, fitted: &Fitted<'_>) -> Result<(), SourceError> {
    for (table, condition) in conditions(fitted) {
        if let Some(misfit) = condition_misfit(link, table, condition).await? {
            return Err(misfit.into_error(fitted.dataset));
        }
    }
    Ok(())
}
