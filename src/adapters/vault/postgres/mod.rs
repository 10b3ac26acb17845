//! The vault on PostgreSQL: sealed segments in the schema `retentiond` of a
//! database of their own, on one session.
//!
//! Every write is one transaction that is durable when it ends. The session is
//! taken out while a call works with it and put back only when the call
//! succeeded: whatever fails, or is dropped half-way, closes its session, and
//! the next call opens a new one. That one first takes the writer's lock, which
//! the old session holds until the server has settled its last transaction: what
//! is read then is final, and nothing is guessed.

mod lease;
mod schema;
mod segments;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{
    contents::{self, META_HEAD},
    lease::{Claim, Tenure, Whose, given_back, reads_only},
};
use crate::{
    adapters::{
        engine::{Patience, Server},
        postgres::{
            failure::{self, Meaning},
            session::{self, NoSession},
        },
    },
    domain::{
        destroy::{BucketFacts, KeysGone},
        id::{BatchId, BucketId, RuleId},
        ledger::Head,
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, Vault, VaultError},
};

/// How long another writer, or an old session of ours, is waited for.
const PATIENCE: Patience = Patience { lock: Duration::from_secs(5), statement: Duration::ZERO };

/// A vault in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresVault {
    server: Server,
    origin: String,
    deployment_id: String,
    access: Access,
    simulation: bool,
    /// `None` for whoever only reads.
    tenure: Option<Tenure>,
    /// `None` after a failure, until the next call.
    session: Option<PgConnection>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl PostgresVault {
    /// Whether the database has a vault, or a part of one.
    pub async fn exists(server: &Server) -> Result<bool, VaultError> {
        let mut session = connect(server).await?;
        let there = tables(&mut session).await? > 0;
        session.close().await.map_err(from_postgres)?;
        Ok(there)
    }

    /// Makes a new vault and opens it. `Foreign` where there is already a part of
    /// one.
    pub async fn create(
        server: &Server,
        origin: &str,
        simulation: bool,
        deployment_id: &str,
        claim: &Claim,
    ) -> Result<Self, VaultError> {
        let mut session = connect(server).await?;
        refuse_another(&mut session).await?;
        schema(&mut session, schema::LOCK).await.map_err(locked)?;
        refuse_another(&mut session).await?;
        schema(&mut session, schema::BEGIN).await.map_err(from_postgres)?;
        let there = sqlx::query_scalar(schema::SCHEMA_THERE).fetch_one(&mut session).await;
        if !there.map_err(from_postgres)? {
            schema(&mut session, schema::SCHEMA_CREATE).await.map_err(from_postgres)?;
        }
        for statement in schema::TABLES {
            schema(&mut session, statement).await.map_err(from_postgres)?;
        }
        for (key, value) in contents::meta(origin, deployment_id, simulation) {
            put_meta(&mut session, key, value).await?;
        }
        schema(&mut session, schema::COMMIT).await.map_err(from_postgres)?;
        session.close().await.map_err(from_postgres)?;
        Self::open(server, origin, deployment_id, claim).await
    }

    /// Opens the vault that was made for this origin and deployment, under its
    /// lease. `Unreachable` where there is none: a vault is never made anew by
    /// the way.
    pub async fn open(server: &Server, origin: &str, deployment_id: &str, claim: &Claim) -> Result<Self, VaultError> {
        let mut vault = Self::at(server, origin, deployment_id, Access::Write);
        let (mut session, simulation) = vault.connect(Some(claim)).await?;
        vault.tenure = Some(lease::take(&mut session, claim).await?);
        (vault.session, vault.simulation) = (Some(session), simulation);
        Ok(vault)
    }

    /// Opens it so that it cannot be written.
    pub async fn open_read_only(server: &Server, origin: &str, deployment_id: &str) -> Result<Self, VaultError> {
        let mut vault = Self::at(server, origin, deployment_id, Access::Read);
        let (session, simulation) = vault.connect(None).await?;
        (vault.session, vault.simulation) = (Some(session), simulation);
        Ok(vault)
    }

    fn at(server: &Server, origin: &str, deployment_id: &str, access: Access) -> Self {
        Self {
            server: server.clone(),
            origin: origin.to_owned(),
            deployment_id: deployment_id.to_owned(),
            access,
            simulation: false,
            tenure: None,
            session: None,
        }
    }

    /// Whether the vault was made for a simulated clock.
    #[must_use]
    pub const fn simulation(&self) -> bool {
        self.simulation
    }

    /// Gives the lease back and ends the session in an orderly way, and with it the
    /// writer's lock.
    pub async fn close(mut self) -> Result<(), VaultError> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        if let Some(tenure) = &self.tenure {
            given_back(lease::release(&mut session, tenure).await);
        }
        session.close().await.map_err(from_postgres)
    }

    /// Opens a session and checks that this is the vault it should be. A claim is
    /// for the lease; whoever has it already needs none.
    async fn connect(&self, claim: Option<&Claim>) -> Result<(PgConnection, bool), VaultError> {
        let mut session = connect(&self.server).await?;
        schema(&mut session, schema::SAFE).await.map_err(from_postgres)?;
        if tables(&mut session).await? == 0 {
            let reason = "the database has no vault; hint: see that [vault] url names the right one".to_owned();
            return Err(VaultError::Unreachable { reason });
        }
        let meta = sqlx::query_as(schema::META_ALL).fetch_all(&mut session).await;
        let meta: Vec<(String, String)> = meta.map_err(from_postgres)?;
        let simulation = contents::recognise(&meta, &self.origin, &self.deployment_id)?;
        match self.access {
            Access::Read => schema(&mut session, schema::READ_ONLY).await.map_err(from_postgres)?,
            Access::Write => {
                let whose = claim.map(Whose::New).or_else(|| self.tenure.as_ref().map(Whose::Again));
                lease::lock(&mut session, &whose.ok_or_else(reads_only)?).await?;
                warn_of_losses(&mut session).await?;
            }
        }
        Ok((session, simulation))
    }

    async fn session(&mut self) -> Result<PgConnection, VaultError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => Ok(self.connect(None).await?.0),
        }
    }

    async fn read<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut session = self.session().await?;
        let found = work(&mut session).await?;
        self.session = Some(session);
        Ok(found)
    }

    /// Runs `work` in one transaction that renews the lease first.
    async fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut session = self.session().await?;
        schema(&mut session, schema::BEGIN).await.map_err(from_postgres)?;
        if let Some(tenure) = &self.tenure {
            lease::renew(&mut session, tenure).await?;
        }
        let done = work(&mut session).await?;
        schema(&mut session, schema::COMMIT).await.map_err(from_postgres)?;
        self.session = Some(session);
        Ok(done)
    }
}

impl Vault for PostgresVault {
    /// An error while committing leaves it open whether everything or nothing
    /// was stored: `batch` tells.
    async fn store(&mut self, segments: &[Sealed], head: &Head, now: DateTime<Utc>) -> Result<(), VaultError> {
        self.write(async |session| {
            let segments: Vec<&Sealed> = segments.iter().collect();
            segments::insert(session, &segments, &contents::instant(now)).await?;
            keep_head(session, head).await
        })
        .await
    }

    async fn batch(&mut self, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
        self.read(async |session| segments::of_batch(session, batch).await).await
    }

    async fn drop_batch(&mut self, batch: &BatchId) -> Result<(), VaultError> {
        self.write(async |session| segments::drop_batch(session, batch).await).await
    }

    async fn buckets(&mut self) -> Result<Vec<BucketFacts>, VaultError> {
        self.read(async |session| segments::buckets(session).await).await
    }

    async fn sample(&mut self, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
        self.read(async |session| segments::sample(session, bucket).await).await
    }

    async fn headers(&mut self, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
        self.read(async |session| segments::headers(session, bucket).await).await
    }

    /// Called again after it succeeded it finds nothing and counts nothing. An
    /// error may come after the deletion was committed: calling it again goes on
    /// from there.
    async fn erase(&mut self, gone: &KeysGone) -> Result<Erased, VaultError> {
        let order = gone.order();
        let erased = self.write(async |session| segments::delete_buckets(session, order).await).await?;
        self.read(async |session| {
            schema(session, schema::VACUUM).await.map_err(from_postgres)?;
            segments::assert_none_left(session, order).await
        })
        .await?;
        Ok(erased)
    }

    async fn indexes(&mut self, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
        self.read(async |session| segments::indexes(session, rule).await).await
    }

    async fn indexes_of(&mut self, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
        self.read(async |session| segments::indexes_of(session, bucket).await).await
    }

    async fn segment(&mut self, id: i64) -> Result<Option<Sealed>, VaultError> {
        self.read(async |session| segments::one(session, id).await).await
    }

    async fn replace(&mut self, changes: &[(i64, Vec<Sealed>)]) -> Result<(), VaultError> {
        self.write(async |session| {
            for (id, sealed) in changes {
                segments::replace(session, *id, sealed).await?;
            }
            Ok(())
        })
        .await
    }

    async fn remembered_head(&mut self) -> Result<Option<Head>, VaultError> {
        self.read(async |session| known_head(session).await).await
    }

    async fn remember_head(&mut self, head: &Head) -> Result<(), VaultError> {
        self.write(async |session| keep_head(session, head).await).await
    }

    async fn keep_lease(&mut self) -> Result<(), VaultError> {
        let tenure = self.tenure.clone().ok_or_else(reads_only)?;
        if self.read(async |session| lease::is_short(session, &tenure).await).await? {
            self.write(async |_| Ok(())).await?;
        }
        Ok(())
    }
}

async fn connect(server: &Server) -> Result<PgConnection, VaultError> {
    session::open(server, "retentiond vault", PATIENCE).await.map_err(|error| match error {
        NoSession::Unreachable(reason) => VaultError::Unreachable { reason },
        NoSession::Unfit(reason) => VaultError::Engine { reason },
    })
}

/// Runs a statement that has neither values nor an answer.
async fn schema(session: &mut PgConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    session.execute(statement).await.map(|_| ())
}

async fn warn_of_losses(session: &mut PgConnection) -> Result<(), VaultError> {
    if sqlx::query_scalar(schema::NOT_DURABLE).fetch_one(session).await.map_err(from_postgres)? {
        tracing::warn!("the vault's server has fsync or full_page_writes off: a power failure may lose records");
    }
    Ok(())
}

async fn refuse_another(session: &mut PgConnection) -> Result<(), VaultError> {
    if tables(session).await? == 0 {
        return Ok(());
    }
    Err(VaultError::Foreign { reason: "the database has a vault already".to_owned() })
}

/// How many tables of a vault there are.
async fn tables(session: &mut PgConnection) -> Result<i64, VaultError> {
    sqlx::query_scalar(schema::TABLES_THERE).fetch_one(session).await.map_err(from_postgres)
}

async fn put_meta(session: &mut PgConnection, key: &str, value: &str) -> Result<(), VaultError> {
    sqlx::query(schema::META_PUT).bind(key).bind(value).execute(session).await.map_err(from_postgres)?;
    Ok(())
}

async fn known_head(session: &mut PgConnection) -> Result<Option<Head>, VaultError> {
    let text = sqlx::query_scalar(schema::META_GET).bind(META_HEAD).fetch_optional(session).await;
    let text: Option<String> = text.map_err(from_postgres)?;
    contents::read_head(text.as_deref())
}

/// Keeps the newest head.
async fn keep_head(session: &mut PgConnection, head: &Head) -> Result<(), VaultError> {
    let known = known_head(session).await?;
    match contents::newer_head(known, head)? {
        Some(text) => put_meta(session, META_HEAD, &text).await,
        None => Ok(()),
    }
}

/// The writer's lock was not to be had.
fn locked(error: sqlx::Error) -> VaultError {
    if failure::meaning(&error) == Meaning::Locked {
        let reason = format!("its lock was not free within {} s; hint: wait for it", PATIENCE.lock.as_secs());
        return VaultError::Locked { reason };
    }
    from_postgres(error)
}

/// Sorts an error by what a caller can do about it. Segments hold no value of a
/// row, so that nothing in the server's words can be one.
fn from_postgres(error: sqlx::Error) -> VaultError {
    let reason = failure::describe(&error);
    match failure::meaning(&error) {
        Meaning::Lost => VaultError::Unreachable { reason },
        Meaning::NoRoom => VaultError::Full { reason },
        Meaning::Duplicate => VaultError::Engine { reason: "it already holds one of these segments".to_owned() },
        Meaning::NoPrivilege => VaultError::Engine {
            reason: format!("{reason}; hint: `retentiond grants` prints what the vault's role needs"),
        },
        Meaning::Locked | Meaning::Cancelled | Meaning::ForeignKey | Meaning::Conflict | Meaning::Other => {
            VaultError::Engine { reason }
        }
    }
}
