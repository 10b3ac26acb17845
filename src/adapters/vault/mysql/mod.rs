//! The vault on MariaDB or MySQL: sealed segments in one InnoDB table of a
//! database of its own, on one connection.
//!
//! Every write is one transaction that first locks the counter of segment
//! numbers. The connection is taken out while a call works with it and put back
//! only when the call succeeded: whatever fails, or is dropped half-way, closes
//! its connection, and the server undoes the transaction, unless it was already
//! told to commit. The next connection waits for that same lock before anything
//! else, so that what an older one left open is settled before it is looked at.
//!
//! Nothing here reads a sealed body, decides what may go, or holds a key.

mod failure;
mod identity;
mod lease;
mod schema;
mod segments;
mod session;

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use super::lease::{Claim, Tenure, given_back, reads_only};
use crate::{
    adapters::engine::Server,
    domain::{
        destroy::{BucketFacts, KeysGone},
        id::{BatchId, BucketId, RuleId},
        ledger::Head,
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, Vault, VaultError},
};

use failure::from_mysql;
use session::{Access, VaultSession};

/// A vault in a database of a MariaDB or MySQL server.
#[derive(Debug)]
pub struct MySqlVault {
    session: VaultSession,
    simulation: bool,
    /// `None` for whoever only reads.
    tenure: Option<Tenure>,
    /// `None` after a failure, until the next call.
    connection: Option<MySqlConnection>,
}

impl MySqlVault {
    /// Whether the database holds anything, which may be a vault.
    pub async fn exists(server: &Server) -> Result<bool, VaultError> {
        session::holds_tables(server).await
    }

    /// Makes a new vault in an empty database and opens it. `Foreign` where the
    /// database holds anything.
    pub async fn create(
        server: &Server,
        origin: &str,
        simulation: bool,
        deployment_id: &str,
        claim: &Claim,
    ) -> Result<Self, VaultError> {
        let session = VaultSession::new(server, origin, deployment_id, Access::Write);
        session.create(simulation).await?;
        Self::opened(session, Some(claim)).await
    }

    /// Opens the vault that was made for this origin and deployment, under its
    /// lease. A vault is never made anew by the way.
    pub async fn open(server: &Server, origin: &str, deployment_id: &str, claim: &Claim) -> Result<Self, VaultError> {
        Self::opened(VaultSession::new(server, origin, deployment_id, Access::Write), Some(claim)).await
    }

    /// Opens it in a session that refuses to write.
    pub async fn open_read_only(server: &Server, origin: &str, deployment_id: &str) -> Result<Self, VaultError> {
        Self::opened(VaultSession::new(server, origin, deployment_id, Access::Read), None).await
    }

    async fn opened(session: VaultSession, claim: Option<&Claim>) -> Result<Self, VaultError> {
        let (mut connection, simulation) = session.connect().await?;
        let tenure = match claim {
            Some(claim) => Some(lease::take(&mut connection, claim).await?),
            None => None,
        };
        Ok(Self { session, simulation, tenure, connection: Some(connection) })
    }

    /// Whether the vault was made for a simulated clock.
    #[must_use]
    pub const fn simulation(&self) -> bool {
        self.simulation
    }

    /// Gives the lease back and says goodbye to the server.
    pub async fn close(mut self) -> Result<(), VaultError> {
        use sqlx::Connection as _;
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        if let Some(tenure) = &self.tenure {
            given_back(lease::release(&mut connection, tenure).await);
        }
        connection.close().await.map_err(from_mysql)
    }

    /// Takes the connection out, or makes one.
    async fn connection(&mut self) -> Result<MySqlConnection, VaultError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.session.connect().await?.0),
        }
    }

    async fn read<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut connection = self.connection().await?;
        let found = work(&mut connection).await?;
        self.connection = Some(connection);
        Ok(found)
    }

    /// Runs `work` in one transaction that holds the writers' lock and
    /// renews the lease first.
    async fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut connection = self.connection().await?;
        schema::execute(&mut connection, schema::BEGIN).await?;
        segments::lock_numbers(&mut connection).await?;
        if let Some(tenure) = &self.tenure {
            lease::renew(&mut connection, tenure).await?;
        }
        let done = work(&mut connection).await?;
        schema::execute(&mut connection, schema::COMMIT).await?;
        self.connection = Some(connection);
        Ok(done)
    }
}

impl Vault for MySqlVault {
    /// An error while committing leaves it open whether everything or nothing
    /// was stored: `batch` tells, on a connection that waited for the old one.
    async fn store(&mut self, segments: &[Sealed], head: &Head, now: DateTime<Utc>) -> Result<(), VaultError> {
        let packet_bytes_max = self.session.packet_bytes_max();
        self.write(async |connection| {
            segments::store(connection, segments, now, packet_bytes_max).await?;
            identity::remember_head(connection, head).await
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

    /// Called again after it succeeded it finds nothing and counts nothing. Until
    /// InnoDB uses the freed pages again they keep ciphertext, whose key is gone:
    /// only a rebuild of the whole table would take it out of the files, and its
    /// cost would grow with everything else that the vault holds.
    async fn erase(&mut self, gone: &KeysGone) -> Result<Erased, VaultError> {
        let order = gone.order();
        let erased = self.write(async |connection| segments::delete_buckets(connection, order).await).await?;
        self.read(async |connection| segments::assert_none_left(connection, order).await).await?;
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
        let packet_bytes_max = self.session.packet_bytes_max();
        self.write(async |connection| {
            for (id, sealed) in changes {
                segments::replace(connection, *id, sealed, packet_bytes_max).await?;
            }
            Ok(())
        })
        .await
    }

    async fn remembered_head(&mut self) -> Result<Option<Head>, VaultError> {
        self.read(async |connection| identity::remembered_head(connection).await).await
    }

    async fn remember_head(&mut self, head: &Head) -> Result<(), VaultError> {
        self.write(async |connection| identity::remember_head(connection, head).await).await
    }

    async fn keep_lease(&mut self) -> Result<(), VaultError> {
        let tenure = self.tenure.clone().ok_or_else(reads_only)?;
        if self.read(async |connection| lease::is_short(connection, &tenure).await).await? {
            self.write(async |_| Ok(())).await?;
        }
        Ok(())
    }
}
