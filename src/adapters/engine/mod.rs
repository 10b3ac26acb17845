//! One type per port over all engines, so that flows and commands need not know
//! which engine a database is. Each call goes to the engine's own adapter;
//! nothing is decided here.

pub mod grants;
mod place;

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    failpoint,
    mysql::{MySqlScan, MySqlSource},
    postgres::{PostgresScan, PostgresSource},
    sqlite::{SqliteScan, SqliteSource},
    vault::{Claim, MySqlVault, PostgresVault, SqliteVault},
};
use crate::{
    domain::{
        census::Census,
        deployment::{Dataset, Engine},
        destroy::{BucketFacts, KeysGone},
        explain::RecordFacts,
        id::{BatchId, BucketId, RuleId, SourceName},
        ledger::Head,
        seal::SealReceipt,
        segment::{Header, Sealed},
        selection::{Cause, Scope},
    },
    ports::{
        Batch, Erased, IndexRow, Left, Presence, Restoration, Route, Scan, SchemaFinding, Search, SearchJob, Source,
        SourceError, Vault, VaultError, WipeJob, Wiped,
    },
};

pub use place::{Password, Place, Server};

/// Hands a call on to whichever engine it is.
macro_rules! each {
    ($this:expr, $inner:ident => $call:expr) => {
        match $this {
            Self::Sqlite($inner) => $call,
            Self::Postgres($inner) => $call,
            Self::MySql($inner) => $call,
        }
    };
}

/// The read-only view of a source.
#[derive(Debug)]
pub enum AnyScan {
    Sqlite(SqliteScan),
    MySql(MySqlScan),
    Postgres(PostgresScan),
}

/// A source from which records move.
#[derive(Debug)]
pub enum AnySource {
    Sqlite(SqliteSource),
    MySql(MySqlSource),
    Postgres(PostgresSource),
}

/// The separate store.
#[derive(Debug)]
pub enum AnyVault {
    Sqlite(SqliteVault),
    Postgres(PostgresVault),
    MySql(MySqlVault),
}

/// Whose vault it must be.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The ledger's origin.
    pub origin: &'a str,
    /// The ledger's verifier key.
    pub deployment: &'a str,
}

/// How long a source may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a lock of the application.
    pub lock: Duration,
    /// For the end of one statement, those of a wipe apart: the server breaks it
    /// off then. Zero: no limit. SQLite has no server that could.
    pub statement: Duration,
}

/// For whoever reads that a statement was broken off.
pub(in crate::adapters) const STATEMENT_TIMEOUT_HINT: &str =
    "; hint: make the indexes that `check` names, or raise limits.statement_timeout";

impl AnyScan {
    /// Opens a source without the means to write to it.
    pub async fn open(name: SourceName, place: &Place, patience: Patience) -> Result<Self, SourceError> {
        match place {
            Place::File(path) => Ok(Self::Sqlite(SqliteScan::open(name, path, patience.lock).await?)),
            Place::Server(server) => Ok(match server.address.engine {
                Engine::Postgres => Self::Postgres(PostgresScan::open(name, server, patience).await?),
                Engine::Mysql => Self::MySql(MySqlScan::open(name, server, patience).await?),
            }),
        }
    }
}

impl AnySource {
    /// Opens a source for a cycle.
    pub async fn open(name: SourceName, place: &Place, patience: Patience) -> Result<Self, SourceError> {
        match place {
            Place::File(path) => Ok(Self::Sqlite(SqliteSource::open(name, path, patience.lock).await?)),
            Place::Server(server) => Ok(match server.address.engine {
                Engine::Postgres => Self::Postgres(PostgresSource::open(name, server, patience).await?),
                Engine::Mysql => Self::MySql(MySqlSource::open(name, server, patience).await?),
            }),
        }
    }
}

impl AnyVault {
    /// Whether there is a vault, or anything that may be one: asked of the file
    /// system or of the server. `Unreachable` where it cannot be known.
    pub async fn exists(place: &Place) -> Result<bool, VaultError> {
        match place {
            Place::File(path) => Ok(path.symlink_metadata().is_ok()),
            Place::Server(server) => match server.address.engine {
                Engine::Postgres => PostgresVault::exists(server).await,
                Engine::Mysql => MySqlVault::exists(server).await,
            },
        }
    }

    /// Makes a new vault. `Foreign` where there is something already.
    pub async fn create(
        place: &Place,
        (identity, claim): (Identity<'_>, &Claim),
        simulation: bool,
    ) -> Result<Self, VaultError> {
        let Identity { origin, deployment } = identity;
        match place {
            Place::File(path) => {
                Ok(Self::Sqlite(SqliteVault::create(path, origin, simulation, deployment, claim).await?))
            }
            Place::Server(server) => match server.address.engine {
                Engine::Postgres => {
                    Ok(Self::Postgres(PostgresVault::create(server, origin, simulation, deployment, claim).await?))
                }
                Engine::Mysql => {
                    Ok(Self::MySql(MySqlVault::create(server, origin, simulation, deployment, claim).await?))
                }
            },
        }
    }

    /// Opens the vault that was made for this origin and deployment, as the
    /// only one who writes.
    pub async fn open(place: &Place, identity: Identity<'_>, claim: &Claim) -> Result<Self, VaultError> {
        let Identity { origin, deployment } = identity;
        match place {
            Place::File(path) => Ok(Self::Sqlite(SqliteVault::open(path, origin, deployment, claim).await?)),
            Place::Server(server) => match server.address.engine {
                Engine::Postgres => Ok(Self::Postgres(PostgresVault::open(server, origin, deployment, claim).await?)),
                Engine::Mysql => Ok(Self::MySql(MySqlVault::open(server, origin, deployment, claim).await?)),
            },
        }
    }

    /// Opens it so that it cannot be written.
    pub async fn open_read_only(place: &Place, identity: Identity<'_>) -> Result<Self, VaultError> {
        let Identity { origin, deployment } = identity;
        match place {
            Place::File(path) => Ok(Self::Sqlite(SqliteVault::open_read_only(path, origin, deployment).await?)),
            Place::Server(server) => match server.address.engine {
                Engine::Postgres => {
                    Ok(Self::Postgres(PostgresVault::open_read_only(server, origin, deployment).await?))
                }
                Engine::Mysql => Ok(Self::MySql(MySqlVault::open_read_only(server, origin, deployment).await?)),
            },
        }
    }

    /// Closes it in an orderly way.
    pub async fn close(self) -> Result<(), VaultError> {
        each!(self, vault => vault.close().await)
    }
}

macro_rules! scans {
    ($any:ty) => {
        impl Scan for $any {
            fn name(&self) -> &SourceName {
                each!(self, scan => scan.name())
            }

            async fn inspect(
                &mut self,
                dataset: &Dataset,
                all: &[&Dataset],
            ) -> Result<Vec<SchemaFinding>, SourceError> {
                each!(self, scan => scan.inspect(dataset, all).await)
            }

            async fn look(
                &mut self,
                dataset: &Dataset,
                scope: &Scope<'_>,
                key: &str,
            ) -> Result<Option<RecordFacts>, SourceError> {
                each!(self, scan => scan.look(dataset, scope, key).await)
            }

            async fn clock(&mut self) -> Result<Option<DateTime<Utc>>, SourceError> {
                each!(self, scan => scan.clock().await)
            }

            async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
                each!(self, scan => scan.census(dataset, scope).await)
            }
        }
    };
}

scans!(AnyScan);
scans!(AnySource);

impl Source for AnySource {
    async fn set_out(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        rows: u64,
    ) -> Result<Route, SourceError> {
        each!(self, source => source.set_out(dataset, scope, cause, rows).await)
    }

    async fn take(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        each!(self, source => failpoint::around("source.take", source.take(dataset, scope, cause, limit)).await)
    }

    async fn take_on(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        each!(self, source => failpoint::around("source.take_on", source.take_on(dataset, scope, cause, limit)).await)
    }

    async fn left(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Left, SourceError> {
        each!(self, source => source.left(dataset, scope).await)
    }

    async fn commit(&mut self, receipt: SealReceipt) -> Result<(), SourceError> {
        each!(self, source => failpoint::around("source.commit", source.commit(receipt)).await)
    }

    async fn rollback(&mut self) -> Result<(), SourceError> {
        each!(self, source => failpoint::around("source.rollback", source.rollback()).await)
    }

    async fn presence(&mut self, record: &Restoration<'_>) -> Result<Presence, SourceError> {
        each!(self, source => source.presence(record).await)
    }

    async fn finish_removal(&mut self, receipt: SealReceipt, records: &[Restoration<'_>]) -> Result<bool, SourceError> {
        each!(self, source => source.finish_removal(receipt, records).await)
    }

    async fn finish_restoration(&mut self, records: &[Restoration<'_>]) -> Result<bool, SourceError> {
        each!(self, source => source.finish_restoration(records).await)
    }

    async fn put_back(&mut self, records: &[Restoration<'_>]) -> Result<(), SourceError> {
        each!(self, source => failpoint::around("source.put_back", source.put_back(records)).await)
    }

    async fn wipe(&mut self, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
        each!(self, source => failpoint::around("source.wipe", source.wipe(job)).await)
    }

    async fn search(&mut self, job: &SearchJob<'_>) -> Result<Search, SourceError> {
        each!(self, source => source.search(job).await)
    }
}

impl Vault for AnyVault {
    async fn store(&mut self, segments: &[Sealed], head: &Head, now: DateTime<Utc>) -> Result<(), VaultError> {
        each!(self, vault => failpoint::around("vault.store", vault.store(segments, head, now)).await)
    }

    async fn batch(&mut self, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
        each!(self, vault => vault.batch(batch).await)
    }

    async fn drop_batch(&mut self, batch: &BatchId) -> Result<(), VaultError> {
        each!(self, vault => failpoint::around("vault.drop_batch", vault.drop_batch(batch)).await)
    }

    async fn buckets(&mut self) -> Result<Vec<BucketFacts>, VaultError> {
        each!(self, vault => vault.buckets().await)
    }

    async fn sample(&mut self, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
        each!(self, vault => vault.sample(bucket).await)
    }

    async fn headers(&mut self, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
        each!(self, vault => vault.headers(bucket).await)
    }

    async fn erase(&mut self, gone: &KeysGone) -> Result<Erased, VaultError> {
        each!(self, vault => failpoint::around("vault.erase", vault.erase(gone)).await)
    }

    async fn indexes(&mut self, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
        each!(self, vault => vault.indexes(rule).await)
    }

    async fn indexes_of(&mut self, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
        each!(self, vault => vault.indexes_of(bucket).await)
    }

    async fn segment(&mut self, id: i64) -> Result<Option<Sealed>, VaultError> {
        each!(self, vault => vault.segment(id).await)
    }

    async fn replace(&mut self, changes: &[(i64, Vec<Sealed>)]) -> Result<(), VaultError> {
        each!(self, vault => failpoint::around("vault.replace", vault.replace(changes)).await)
    }

    async fn remembered_head(&mut self) -> Result<Option<Head>, VaultError> {
        each!(self, vault => vault.remembered_head().await)
    }

    async fn remember_head(&mut self, head: &Head) -> Result<(), VaultError> {
        each!(self, vault => failpoint::around("vault.remember_head", vault.remember_head(head)).await)
    }

    async fn keep_lease(&mut self) -> Result<(), VaultError> {
        each!(self, vault => vault.keep_lease().await)
    }
}
