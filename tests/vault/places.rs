//! Where a vault can be made: one place per engine, empty at first.

use std::{path::PathBuf, time::Duration};

use retentiond::{
    adapters::{
        engine::Server,
        vault::{Claim, MySqlVault, PostgresVault, SqliteVault},
    },
    domain::deployment::{Engine, ServerAddress},
    ports::{Vault, VaultError},
};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::{
    scenarios::{DEPLOYMENT, ORIGIN},
    servers::{self, Database},
};

pub trait Place {
    type Store: Vault + std::fmt::Debug;

    async fn create(&self, origin: &str, simulation: bool, deployment: &str) -> Result<Self::Store, VaultError>;
    async fn open(&self, origin: &str, deployment: &str) -> Result<Self::Store, VaultError>;
    async fn open_as(&self, claim: &Claim) -> Result<Self::Store, VaultError>;
    async fn close(&self, vault: Self::Store);
    async fn open_read_only(&self, origin: &str, deployment: &str) -> Result<Self::Store, VaultError>;
    fn is_simulation(&self, vault: &Self::Store) -> bool;

    /// Runs a statement behind the vault's back.
    async fn run(&self, sql: &str);

    /// A statement that gives the vault another format version.
    fn change_format(&self, format: &str) -> String;

    /// A statement that makes the lease somebody else's.
    fn change_lease(&self, lease: &str) -> String;

    /// A statement that leaves no lease at all.
    fn forget_lease(&self) -> String;
}

/// The claim of a process on this host, with a lock of its own.
pub fn claim(host: &str) -> Claim {
    let (holder, seat) = (format!("{host}, process 1"), format!("boot-of-{host}/1/2"));
    Claim { holder, seat, lasts: Duration::from_secs(600) }
}

/// The same for a lease that is over as soon as it is taken.
pub fn expired(host: &str) -> Claim {
    Claim { lasts: Duration::ZERO, ..claim(host) }
}

pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("vault.db")
    }
}

impl Place for Sqlite {
    type Store = SqliteVault;

    async fn create(&self, origin: &str, simulation: bool, deployment: &str) -> Result<SqliteVault, VaultError> {
        SqliteVault::create(&self.path(), origin, simulation, deployment, &claim("host-1")).await
    }

    async fn open(&self, origin: &str, deployment: &str) -> Result<SqliteVault, VaultError> {
        SqliteVault::open(&self.path(), origin, deployment, &claim("host-1")).await
    }

    async fn open_as(&self, claim: &Claim) -> Result<SqliteVault, VaultError> {
        SqliteVault::open(&self.path(), ORIGIN, DEPLOYMENT, claim).await
    }

    async fn close(&self, vault: SqliteVault) {
        vault.close().await.unwrap();
    }

    async fn open_read_only(&self, origin: &str, deployment: &str) -> Result<SqliteVault, VaultError> {
        SqliteVault::open_read_only(&self.path(), origin, deployment).await
    }

    fn is_simulation(&self, vault: &SqliteVault) -> bool {
        vault.simulation()
    }

    async fn run(&self, sql: &str) {
        let mut raw = SqliteConnection::connect(&format!("sqlite://{}", self.path().display())).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    }

    fn change_format(&self, format: &str) -> String {
        format!("UPDATE meta SET value = '{format}' WHERE key = 'format'")
    }

    fn change_lease(&self, lease: &str) -> String {
        format!("UPDATE meta SET value = '{lease}' WHERE key = 'lease'")
    }

    fn forget_lease(&self) -> String {
        "DELETE FROM meta WHERE key = 'lease'".to_owned()
    }
}

pub struct MariaDb {
    pub database: Database<'static>,
}

impl MariaDb {
    pub fn new() -> Self {
        Self { database: servers::mariadb().database() }
    }

    pub fn server(&self) -> Server {
        server_of(&self.database.url())
    }
}

impl Place for MariaDb {
    type Store = MySqlVault;

    async fn create(&self, origin: &str, simulation: bool, deployment: &str) -> Result<MySqlVault, VaultError> {
        MySqlVault::create(&self.server(), origin, simulation, deployment, &claim("host-1")).await
    }

    async fn open(&self, origin: &str, deployment: &str) -> Result<MySqlVault, VaultError> {
        MySqlVault::open(&self.server(), origin, deployment, &claim("host-1")).await
    }

    async fn open_as(&self, claim: &Claim) -> Result<MySqlVault, VaultError> {
        MySqlVault::open(&self.server(), ORIGIN, DEPLOYMENT, claim).await
    }

    async fn close(&self, vault: MySqlVault) {
        vault.close().await.unwrap();
    }

    async fn open_read_only(&self, origin: &str, deployment: &str) -> Result<MySqlVault, VaultError> {
        MySqlVault::open_read_only(&self.server(), origin, deployment).await
    }

    fn is_simulation(&self, vault: &MySqlVault) -> bool {
        vault.simulation()
    }

    async fn run(&self, sql: &str) {
        self.database.run(sql);
    }

    fn change_format(&self, format: &str) -> String {
        format!("UPDATE meta SET value = '{format}' WHERE name = 'format'")
    }

    fn change_lease(&self, lease: &str) -> String {
        format!("UPDATE meta SET value = '{lease}' WHERE name = 'lease'")
    }

    fn forget_lease(&self) -> String {
        "DELETE FROM meta WHERE name = 'lease'".to_owned()
    }
}

pub struct Postgres {
    pub database: Database<'static>,
}

impl Postgres {
    pub fn new() -> Self {
        Self { database: servers::postgres().database() }
    }

    pub fn server(&self) -> Server {
        server_of(&self.database.url())
    }
}

/// What the adapter is given for a URL.
pub fn server_of(url: &str) -> Server {
    let (scheme, rest) = url.split_once("://").unwrap();
    let engine = if scheme == "postgres" { Engine::Postgres } else { Engine::Mysql };
    let address = ServerAddress::parse(engine, rest).unwrap();
    Server { address, root_certificate: None, password: None }
}

impl Place for Postgres {
    type Store = PostgresVault;

    async fn create(&self, origin: &str, simulation: bool, deployment: &str) -> Result<PostgresVault, VaultError> {
        PostgresVault::create(&self.server(), origin, simulation, deployment, &claim("host-1")).await
    }

    async fn open(&self, origin: &str, deployment: &str) -> Result<PostgresVault, VaultError> {
        PostgresVault::open(&self.server(), origin, deployment, &claim("host-1")).await
    }

    async fn open_as(&self, claim: &Claim) -> Result<PostgresVault, VaultError> {
        PostgresVault::open(&self.server(), ORIGIN, DEPLOYMENT, claim).await
    }

    async fn close(&self, vault: PostgresVault) {
        vault.close().await.unwrap();
    }

    async fn open_read_only(&self, origin: &str, deployment: &str) -> Result<PostgresVault, VaultError> {
        PostgresVault::open_read_only(&self.server(), origin, deployment).await
    }

    fn is_simulation(&self, vault: &PostgresVault) -> bool {
        vault.simulation()
    }

    async fn run(&self, sql: &str) {
        self.database.run(sql);
    }

    fn change_format(&self, format: &str) -> String {
        format!("UPDATE retentiond.meta SET value = '{format}' WHERE key = 'format'")
    }

    fn change_lease(&self, lease: &str) -> String {
        format!("UPDATE retentiond.meta SET value = '{lease}' WHERE key = 'lease'")
    }

    fn forget_lease(&self) -> String {
        "DELETE FROM retentiond.meta WHERE key = 'lease'".to_owned()
    }
}
