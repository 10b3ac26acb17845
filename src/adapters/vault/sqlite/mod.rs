//! The vault on SQLite: sealed segments in one file, on one connection.
//!
//! Every write is one transaction. The connection is taken out while a call
//! works with it and put back only when the call succeeded: whatever fails, or
//! is dropped half-way, closes its connection, SQLite undoes the transaction,
//! and the next call connects anew. A transaction is never left to be guessed at.

mod failure;
mod file;
mod lease;
mod schema;
mod segments;
#[cfg(test)]
mod tests;

use std::path::Path;

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use super::lease::{Claim, Tenure, given_back, reads_only};
use crate::{
    domain::{
        destroy::{BucketFacts, KeysGone},
        id::{BatchId, BucketId, RuleId},
        ledger::Head,
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, Vault, VaultError},
};

use file::{Access, VaultFile};

/// A vault in a SQLite file.
#[derive(Debug)]
pub struct SqliteVault {
    file: VaultFile,
    simulation: bool,
    /// `None` for whoever only reads.
    tenure: Option<Tenure>,
    /// `None` after a failure, until the next call.
    connection: Option<SqliteConnection>,
}

impl SqliteVault {
    /// Makes a new vault and opens it. `Foreign` where there is already
    /// something at `path`.
    pub async fn create(
        path: &Path,
        origin: &str,
        simulation: bool,
        deployment_id: &str,
        claim: &Claim,
    ) -> Result<Self, VaultError> {
        let file = VaultFile::at(path, origin, deployment_id, Access::Write)?;
        file.create(simulation).await?;
        Self::opened(file, Some(claim)).await
    }

    /// Opens the vault that was made for this origin and deployment, under its
    /// lease. `Unreachable` where there is none: a vault is never made anew by the way.
    pub async fn open(path: &Path, origin: &str, deployment_id: &str, claim: &Claim) -> Result<Self, VaultError> {
        Self::opened(VaultFile::at(path, origin, deployment_id, Access::Write)?, Some(claim)).await
    }

    /// Opens it so that it cannot be written. The folder must still allow the
    /// shared memory file through which SQLite readers and writers coordinate.
    pub async fn open_read_only(path: &Path, origin: &str, deployment_id: &str) -> Result<Self, VaultError> {
        Self::opened(VaultFile::at(path, origin, deployment_id, Access::Read)?, None).await
    }

    async fn opened(file: VaultFile, claim: Option<&Claim>) -> Result<Self, VaultError> {
        let (mut connection, simulation) = file.connect().await?;
        let tenure = match claim {
            Some(claim) => Some(lease::take(&mut connection, claim).await?),
            None => None,
        };
        Ok(Self { file, simulation, tenure, connection: Some(connection) })
    }

    /// Whether the vault was made for a simulated clock.
    #[must_use]
    pub const fn simulation(&self) -> bool {
        self.simulation
    }

    /// Gives the lease back and closes the file in an orderly way: the write-ahead
    /// log is folded in and its file removed, unless somebody else still reads.
    pub async fn close(mut self) -> Result<(), VaultError> {
        use sqlx::Connection as _;
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        if let Some(tenure) = &self.tenure {
            given_back(lease::release(&mut connection, tenure).await);
        }
        connection.close().await.map_err(failure::from_sqlite)
    }

    /// Takes the connection out, or makes one.
    async fn connection(&mut self) -> Result<SqliteConnection, VaultError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.file.connect().await?.0),
        }
    }

    async fn read<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut connection = self.connection().await?;
        let found = work(&mut connection).await?;
        self.connection = Some(connection);
        Ok(found)
    }

    /// Runs `work` in one transaction that has the write lock from its start and
    /// renews the lease first.
    /// sqlx's own transactions are not used: when SQLite runs full it may undo
    /// the transaction by itself, and sqlx would count it as open for good.
    async fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut connection = self.connection().await?;
        schema::execute(&mut connection, schema::BEGIN).await?;
        if let Some(tenure) = &self.tenure {
            lease::renew(&mut connection, tenure).await?;
        }
        let done = work(&mut connection).await?;
        schema::execute(&mut connection, schema::COMMIT).await?;
        self.connection = Some(connection);
        Ok(done)
    }
}

impl Vault for SqliteVault {
    /// After `Full` nothing was stored. An I/O error while committing leaves it
    /// open whether everything or nothing was: `batch` tells.
    async fn store(&mut self, segments: &[Sealed], head: &Head, now: DateTime<Utc>) -> Result<(), VaultError> {
        self.write(async |connection| {
            for sealed in segments {
                segments::insert(connection, sealed, now).await?;
            }
            file::remember_head(connection, head).await
        })
        .await
    }

    async fn batch(&mut self, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
        self.read(async |connection| segments::of_batch(connection, batch).await).await
    }

    async fn drop_batch(&mut self, batch: &BatchId) -> Result<(), VaultError> {
        self.write(async |connection| segments::drop_batch(connection, batch).await).await
    }

    async fn buckets(&mut self) -> Result<Vec<BucketFacts>, VaultError> {
        self.read(async |connection| segments::buckets(connection).await).await
    }

    async fn sample(&mut self, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
        self.read(async |connection| segments::sample(connection, bucket).await).await
    }

    async fn headers(&mut self, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
        self.read(async |connection| segments::headers(connection, bucket).await).await
    }

    /// Called again after it succeeded it finds nothing and counts nothing. An
    /// error may come after the deletion was committed, when a reader kept the
    /// write-ahead log from being emptied: calling it again goes on from there.
    async fn erase(&mut self, gone: &KeysGone) -> Result<Erased, VaultError> {
        let order = gone.order();
        let erased = self.write(async |connection| segments::delete_buckets(connection, order).await).await?;
        self.read(async |connection| {
            file::empty_log(connection).await?;
            segments::assert_none_left(connection, order).await
        })
        .await?;
        Ok(erased)
    }

    async fn indexes(&mut self, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
        self.read(async |connection| segments::indexes(connection, rule).await).await
    }

    async fn indexes_of(&mut self, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
        self.read(async |connection| segments::indexes_of(connection, bucket).await).await
    }

    async fn segment(&mut self, id: i64) -> Result<Option<Sealed>, VaultError> {
        self.read(async |connection| segments::one(connection, id).await).await
    }

    async fn replace(&mut self, changes: &[(i64, Vec<Sealed>)]) -> Result<(), VaultError> {
        self.write(async |connection| {
            for (id, sealed) in changes {
                segments::replace(connection, *id, sealed).await?;
            }
            Ok(())
        })
        .await
    }

    async fn remembered_head(&mut self) -> Result<Option<Head>, VaultError> {
        self.read(async |connection| file::remembered_head(connection).await).await
    }

    async fn remember_head(&mut self, head: &Head) -> Result<(), VaultError> {
        self.write(async |connection| file::remember_head(connection, head).await).await
    }

    async fn keep_lease(&mut self) -> Result<(), VaultError> {
        let tenure = self.tenure.clone().ok_or_else(reads_only)?;
        if self.read(async |connection| lease::is_short(connection, &tenure).await).await? {
            self.write(async |_| Ok(())).await?;
        }
        Ok(())
    }
}
