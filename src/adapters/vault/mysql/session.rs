//! How the vault's server is connected to: what it must promise, and whose
//! vault it must be. The vault is made here, once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection};

use super::{failure::from_mysql, identity, schema, segments};
use crate::{
    adapters::{engine::Server, mysql::connection::options, vault::contents},
    ports::VaultError,
};

/// How long a server may take to answer a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Where a vault is and whose it must be.
#[derive(Debug)]
pub struct VaultSession {
    server: Server,
    origin: String,
    deployment_id: String,
    access: Access,
    /// The server's `max_allowed_packet`, read at each connection.
    packet_bytes_max: AtomicU64,
}

impl VaultSession {
    pub fn new(server: &Server, origin: &str, deployment_id: &str, access: Access) -> Self {
        Self {
            server: server.clone(),
            origin: origin.to_owned(),
            deployment_id: deployment_id.to_owned(),
            access,
            packet_bytes_max: AtomicU64::new(0),
        }
    }

    pub fn packet_bytes_max(&self) -> u64 {
        self.packet_bytes_max.load(Ordering::Relaxed)
    }

    /// Connects and checks that this is the vault it should be. Nothing is
    /// written to one that is not. Also says whether it is a simulation's.
    pub async fn connect(&self) -> Result<(MySqlConnection, bool), VaultError> {
        let mut connection = self.connect_plain().await?;
        let simulation = identity::recognise(&mut connection, &self.origin, &self.deployment_id).await?;
        if self.access == Access::Write {
            // Waits until no older connection can commit any more.
            schema::execute(&mut connection, schema::BEGIN).await?;
            segments::lock_numbers(&mut connection).await?;
            schema::execute(&mut connection, schema::COMMIT).await?;
        }
        Ok((connection, simulation))
    }

    /// Makes the tables and the identity. Each `CREATE TABLE` commits by itself:
    /// when this is interrupted the database must be emptied by hand.
    pub async fn create(&self, simulation: bool) -> Result<(), VaultError> {
        let mut connection = self.connect_plain().await?;
        let there = tables_there(&mut connection).await?;
        if there != 0 {
            return Err(VaultError::Foreign {
                reason: format!(
                    "the database holds {there} tables already; hint: give the vault an empty database of its own"
                ),
            });
        }
        for statement in schema::TABLES {
            schema::execute(&mut connection, statement).await?;
        }
        schema::execute(&mut connection, schema::BEGIN).await?;
        for (name, value) in contents::meta(&self.origin, &self.deployment_id, simulation) {
            identity::put(&mut connection, name, value).await?;
        }
        identity::put(&mut connection, identity::LAST_NUMBER, "0").await?;
        schema::execute(&mut connection, schema::COMMIT).await
    }

    async fn connect_plain(&self) -> Result<MySqlConnection, VaultError> {
        let mut connection = dial(&self.server).await?;
        for statement in [schema::NAMES, schema::SESSION, schema::ISOLATION] {
            schema::execute(&mut connection, statement).await?;
        }
        match self.access {
            Access::Read => schema::execute(&mut connection, schema::READ_ONLY).await?,
            Access::Write => self.require_durability(&mut connection).await?,
        }
        Ok(connection)
    }

    /// The source deletes as soon as the vault has committed: a server that
    /// forgets what it has committed when the power fails would lose records.
    async fn require_durability(&self, connection: &mut MySqlConnection) -> Result<(), VaultError> {
        let (packet, flush, binlog, sync): (i64, i64, i64, i64) =
            sqlx::query_as(schema::SERVER).fetch_one(connection).await.map_err(from_mysql)?;
        self.packet_bytes_max.store(packet.unsigned_abs(), Ordering::Relaxed);
        let refuse = |setting: &str| VaultError::Engine {
            reason: format!("its server may lose what it has committed; hint: set {setting} on the vault's server"),
        };
        if flush != 1 {
            return Err(refuse("innodb_flush_log_at_trx_commit = 1"));
        }
        if binlog != 0 && sync != 1 {
            return Err(refuse("sync_binlog = 1 (it writes a binary log)"));
        }
        Ok(())
    }
}

async fn dial(server: &Server) -> Result<MySqlConnection, VaultError> {
    let unreachable = |reason: String| VaultError::Unreachable { reason: format!("{reason}; {}", server.hint()) };
    let options = options(server);
    let dialled = tokio::time::timeout(CONNECT_TIME_MAX, options.connect()).await;
    dialled
        .map_err(|_| unreachable(format!("no answer within {} s", CONNECT_TIME_MAX.as_secs())))?
        .map_err(|error| unreachable(error.to_string()))
}

async fn tables_there(connection: &mut MySqlConnection) -> Result<i64, VaultError> {
    sqlx::query_scalar(schema::TABLES_THERE).fetch_one(connection).await.map_err(from_mysql)
}

pub async fn holds_tables(server: &Server) -> Result<bool, VaultError> {
    let mut connection = dial(server).await?;
    let there = tables_there(&mut connection).await? > 0;
    connection.close().await.map_err(from_mysql)?;
    Ok(there)
}
