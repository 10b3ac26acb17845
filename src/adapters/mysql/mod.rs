//! MariaDB and MySQL as a source.
//!
//! `MySqlScan` cannot write: its session is read-only, and so is each of its
//! transactions. `MySqlSource` moves records: it locks what it chose, deletes by
//! key, and keeps the transaction open until the sealed copy was compared. Where a
//! table has no transactions, it deletes only then, under a lock. Both
//! build their statements from the same conditions.
//!
//! Nothing here decides what is due, and nothing here prints.

mod batch;
mod catalogue;
mod chosen;
pub(super) mod connection;
pub(super) mod dialect;
pub(super) mod failure;
mod identity;
mod left;
mod places;
mod residue;
mod restore;
mod route;
mod rowwise;
mod session;
mod shape;
mod source;
mod take;
#[cfg(test)]
mod tests;
mod value;
mod version;
mod weak;
mod wipe;

use crate::{
    adapters::engine::{Patience, Server},
    domain::{census::Census, deployment::Dataset, explain::RecordFacts, id::SourceName, selection::Scope},
    ports::{Scan, SchemaFinding, SourceError},
};

use connection::{Access, Link};

pub use source::MySqlSource;

/// The read-only view of a database on a MariaDB or MySQL server.
#[derive(Debug)]
pub struct MySqlScan {
    link: Link,
}

impl MySqlScan {
    /// Opens a session that refuses to write.
    pub async fn open(name: SourceName, server: &Server, patience: Patience) -> Result<Self, SourceError> {
        Ok(Self { link: Link::open(name, server, patience, Access::Read).await? })
    }
}

impl Scan for MySqlScan {
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
