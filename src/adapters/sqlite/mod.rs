//! SQLite as a source.
//!
//! `SqliteScan` cannot write: its file is opened read-only and its session
//! refuses to. `SqliteSource` moves records: it deletes in a transaction that
//! stays open until the sealed copy was compared. Both build their statements
//! from the same conditions.
//!
//! Nothing here decides what is due, and nothing here prints.

mod batch;
mod connection;
pub(super) mod dialect;
mod failure;
mod residue;
mod restore;
mod route;
mod schema;
mod session;
mod shape;
mod slack;
mod source;
mod swift;
mod take;
mod value;
mod wipe;

#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use crate::{
    domain::{census::Census, deployment::Dataset, explain::RecordFacts, id::SourceName, selection::Scope},
    ports::{Scan, SchemaFinding, SourceError},
};

use connection::{Access, Link};

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
        session::inspect(&mut self.link, dataset, all).await
    }

    async fn look(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        key: &str,
    ) -> Result<Option<RecordFacts>, SourceError> {
        session::look(&mut self.link, dataset, scope, key).await
    }

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        session::census(&mut self.link, dataset, scope).await
    }
}
