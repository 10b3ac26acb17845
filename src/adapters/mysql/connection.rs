//! One dedicated connection: how it is opened, what is pinned in its session,
//! and how statements are run on it.
//!
//! There is no pool. The connection is taken out while a statement runs and put
//! back when the server has answered, were it with an error. Whatever else
//! happens to it closes it, and the server undoes the transaction that was open.

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, SqlSafeStr as _, Statement as _,
    mysql::{MySqlConnectOptions, MySqlRow, MySqlSslMode},
};

use super::{
    catalogue::{self, Catalogue},
    dialect::MYSQL,
    failure, value,
    version::version_number,
};
use crate::{
    adapters::{
        apart::Apart,
        engine::{Patience, Server},
        sql::Sql,
    },
    domain::{deployment::Host, id::SourceName},
    ports::SourceError,
};

/// How long a server may take to answer a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// Sizes of tables change without a trace in the server's list of them.
const CATALOGUE_AGE_MAX: Duration = Duration::from_secs(5);

/// Rows are locked with `SKIP LOCKED` and floats read as doubles from here on.
const MARIADB_MIN: (u32, u32) = (10, 6);
const MYSQL_MIN: (u32, u32) = (8, 0);

/// Everything on which the meaning of a statement and the text of a value depend,
/// whatever the server, the database or the user has been set to. Text comes as
/// the bytes of its column. Dates that do not exist are values like others.
const PINNED: &str = "SET NAMES utf8mb4; SET SESSION character_set_results = NULL, \
     sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', \
     autocommit = 1, completion_type = 'NO_CHAIN', foreign_key_checks = 1, unique_checks = 1, sql_auto_is_null = 0, \
     sql_safe_updates = 0, sql_big_selects = 1, sql_select_limit = DEFAULT, wait_timeout = 86400, \
     net_read_timeout = 600, net_write_timeout = 600";

/// Lists of keys stay lists; expressions of our own mean what they say.
const PINNED_MARIADB: &str = "SET SESSION default_regex_flags = '', \
     in_predicate_conversion_threshold = 0, check_constraint_checks = 1";
const PINNED_MYSQL: &str = "SET SESSION range_optimizer_max_mem_size = 0, information_schema_stats_expiry = 0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Cannot write: the session refuses to.
    Read,
    Write,
}

/// How a server is reached, for sources and for the vault. All settings of the
/// session are made by whoever opens it.
pub(in crate::adapters) fn options(server: &Server) -> MySqlConnectOptions {
    let address = &server.address;
    let options = MySqlConnectOptions::new()
        .username(&address.user)
        .database(&address.database)
        // TLS is worth having on the loopback too, and nothing is lost without it.
        .ssl_mode(if address.host.is_local() { MySqlSslMode::Preferred } else { MySqlSslMode::VerifyIdentity })
        .set_names(false)
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    let options = match &address.host {
        Host::Tcp { name, port } => options.host(name).port(*port),
        Host::Socket { path, .. } => options.socket(path),
    };
    let options = match &server.password {
        Some(password) => options.password(password.reveal()),
        None => options,
    };
    match &server.root_certificate {
        Some(path) => options.ssl_ca(path),
        None => options,
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: SourceName,
    server: Server,
    access: Access,
    patience: Patience,
    /// `None` after anything but an answer of the server.
    connection: Option<MySqlConnection>,
    /// Engine and version, as the server says them.
    pub(super) version: String,
    /// The longest statement that the server takes.
    pub(super) packet_bytes_max: usize,
    catalogue: Option<Known>,
}

/// A catalogue, and what the server was like when it was read.
#[derive(Debug)]
struct Known {
    fingerprint: String,
    read_at: Instant,
    catalogue: Arc<Catalogue>,
}

impl Link {
    pub(super) async fn open(
        name: SourceName,
        server: &Server,
        patience: Patience,
        access: Access,
    ) -> Result<Self, SourceError> {
        let mut link = Self {
            name,
            server: server.clone(),
            access,
            patience,
            connection: None,
            version: String::new(),
            packet_bytes_max: 0,
            catalogue: None,
        };
        link.connect().await?;
        Ok(link)
    }

    /// Connects where there is no connection.
    pub(super) async fn connect(&mut self) -> Result<(), SourceError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let unreachable = |reason: String| SourceError::Unreachable {
            source_name: self.name.to_string(),
            reason: format!("{reason}; {}", self.server.hint()),
        };
        let options = options(&self.server);
        let connecting = tokio::time::timeout(CONNECT_TIME_MAX, options.connect()).await;
        let connection = connecting
            .map_err(|_| unreachable(format!("no answer within {} s", CONNECT_TIME_MAX.as_secs())))?
            .map_err(|error| unreachable(failure::describe(&error)))?;
        self.connection = Some(connection);
        let prepared = self.prepare_session().await;
        if prepared.is_err() {
            self.connection = None;
        }
        prepared
    }

    async fn prepare_session(&mut self) -> Result<(), SourceError> {
        self.command(PINNED).await.map_err(failure::engine)?;
        let row = self.one("SELECT version(), @@max_allowed_packet").await.map_err(failure::engine)?;
        self.version = value::text(&row, 0)?;
        self.packet_bytes_max = usize::try_from(value::number(&row, 1)?).unwrap_or(0);
        let maria = self.is_maria();
        let (least, what) = if maria { (MARIADB_MIN, "MariaDB") } else { (MYSQL_MIN, "MySQL") };
        if version_number(&self.version).is_none_or(|found| found < least) {
            return Err(SourceError::Engine {
                reason: format!(
                    "the server of source {} is {}; {what} {}.{} or later is needed",
                    self.name, self.version, least.0, least.1
                ),
            });
        }
        self.command(if maria { PINNED_MARIADB } else { PINNED_MYSQL }).await.map_err(failure::engine)?;
        // The server counts in whole seconds, and 0 may mean not at all.
        let seconds = self.patience.lock.as_secs_f64().ceil().max(1.0);
        let locks = format!("SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}");
        self.command(&locks).await.map_err(failure::engine)?;
        self.limit_statements(self.patience.statement).await?;
        let isolation = match self.access {
            Access::Read => "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            // Locks rows, not the gaps between them.
            Access::Write => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
        };
        self.command(isolation).await.map_err(failure::engine)
    }

    /// Sets how long a statement may take; zero: no limit. MySQL knows one for
    /// reading only.
    async fn limit_statements(&mut self, time: Duration) -> Result<(), SourceError> {
        let limit = if self.is_maria() {
            format!("SET SESSION max_statement_time = {}", time.as_secs_f64())
        } else {
            format!("SET SESSION max_execution_time = {}", time.as_millis())
        };
        self.command(&limit).await.map_err(failure::engine)
    }

    /// Does what may take as long as it takes.
    pub(super) async fn unhurried<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.limit_statements(Duration::ZERO).await?;
        let done = work(self).await;
        // What was done is done: a connection that cannot be limited again is given
        // up, and the next one has the limit from its start.
        if self.connection.is_some() && self.limit_statements(self.patience.statement).await.is_err() {
            self.connection = None;
        }
        done
    }

    pub(super) fn is_maria(&self) -> bool {
        self.version.contains("MariaDB")
    }

    /// Takes the connection for one statement.
    fn take(&mut self) -> Result<MySqlConnection, sqlx::Error> {
        let lost = || sqlx::Error::Protocol("the connection was lost".to_owned());
        self.connection.take().ok_or_else(lost)
    }

    /// Keeps the connection if the server has answered.
    fn answered<T>(&mut self, connection: MySqlConnection, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if !answer.as_ref().is_err_and(failure::is_connection) {
            self.connection = Some(connection);
        }
        answer
    }

    /// Runs statements of our own without an answer.
    pub(super) async fn command(&mut self, text: &str) -> Result<(), sqlx::Error> {
        self.execute(text).await.map(|_| ())
    }

    /// Runs a statement and returns the rows that it changed.
    pub(super) async fn execute(&mut self, text: &str) -> Result<u64, sqlx::Error> {
        let mut connection = self.take()?;
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
        self.answered(connection, done).map(|done| done.rows_affected())
    }

    /// The same of several, until one fails. The server goes from one to the next
    /// while the caller computes.
    pub(super) async fn execute_each(&mut self, texts: Vec<String>) -> Result<Vec<u64>, sqlx::Error> {
        let mut connection = self.take()?;
        let (connection, done) = Apart::start(async move {
            let mut changed = Vec::with_capacity(texts.len());
            for text in texts {
                match connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await {
                    Ok(done) => changed.push(done.rows_affected()),
                    Err(error) => return (connection, Err(error)),
                }
            }
            (connection, Ok(changed))
        })
        .end()
        .await?;
        self.answered(connection, done)
    }

    /// All rows of a statement, read while the caller computes.
    pub(super) async fn all(&mut self, text: &str) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let (mut connection, text) = (self.take()?, text.to_owned());
        let (connection, rows) = Apart::start(async move {
            let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(text))).await;
            (connection, rows)
        })
        .end()
        .await?;
        self.answered(connection, rows)
    }

    pub(super) async fn one(&mut self, text: &str) -> Result<MySqlRow, sqlx::Error> {
        self.all(text).await?.into_iter().next().ok_or(sqlx::Error::RowNotFound)
    }

    /// Hands over the rows of a statement one by one, as the server sends them. A
    /// refusal of `take` gives the connection up: the other rows are still in it.
    pub(super) async fn each(
        &mut self,
        text: &str,
        mut take: impl FnMut(&MySqlRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let mut connection = self.take().map_err(failure::engine)?;
        let done = {
            let mut rows = connection.fetch(sqlx::raw_sql(AssertSqlSafe(text)));
            loop {
                match poll_fn(|context| rows.as_mut().poll_next(context)).await {
                    Some(Ok(row)) => take(&row)?,
                    Some(Err(error)) => break Err(error),
                    None => break Ok(()),
                }
            }
        };
        self.answered(connection, done).map_err(failure::engine)
    }

    /// False once the connection was lost.
    pub(super) const fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// Compiles a statement and returns the number of its parameters.
    pub(super) async fn parameters(&mut self, text: &str) -> Result<usize, sqlx::Error> {
        let mut connection = self.take()?;
        let prepared = connection.prepare(AssertSqlSafe(text).into_sql_str()).await;
        let prepared = self.answered(connection, prepared)?;
        Ok(prepared.parameters().map_or(0, |parameters| match parameters {
            sqlx::Either::Left(types) => types.len(),
            sqlx::Either::Right(count) => count,
        }))
    }

    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.command("START TRANSACTION").await
    }

    /// One state of the whole database, and no way to change it.
    pub(super) async fn begin_reading(&mut self) -> Result<(), sqlx::Error> {
        self.command(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        )
        .await
    }

    /// Undoes what is open. Without a connection the server does.
    pub(super) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        if self.connection.is_none() {
            return Ok(());
        }
        match self.command("ROLLBACK").await {
            // The connection is gone, and with it the transaction.
            Err(_) if self.connection.is_none() => Ok(()),
            done => done,
        }
    }

    /// Locks tables, as `LOCK TABLES` lists them, until `unlock_tables`. What has
    /// transactions begins one. Whatever was open before is committed.
    pub(super) async fn lock_tables(&mut self, tables: &str) -> Result<(), sqlx::Error> {
        let locked = self.command(&format!("SET SESSION autocommit = 0; LOCK TABLES {tables}")).await;
        if locked.is_err() {
            self.unlock_tables().await;
        }
        locked
    }

    /// Undoes what was not committed and lets go of the tables. If the server does
    /// not say that it has, the connection is given up, and it has to.
    pub(super) async fn unlock_tables(&mut self) {
        if self.command("ROLLBACK; UNLOCK TABLES; SET SESSION autocommit = 1").await.is_err() {
            self.connection = None;
        }
    }

    /// The schema as it was when it was last read, where it needs no look at it.
    pub(super) fn known_catalogue(&self) -> Option<Arc<Catalogue>> {
        let known = self.catalogue.as_ref().filter(|known| !known.catalogue.has_weak_tables());
        known.map(|known| Arc::clone(&known.catalogue))
    }

    /// The schema as it is now. Where the server shows that nothing has changed
    /// since it was read, it is not read again.
    pub(super) async fn catalogue(&mut self) -> Result<Arc<Catalogue>, SourceError> {
        let fingerprint = catalogue::fingerprint(self).await;
        if let (Some(known), Some(now)) = (&self.catalogue, &fingerprint)
            && known.fingerprint == *now
            && known.read_at.elapsed() < CATALOGUE_AGE_MAX
            // Tables of other engines are not in the server's list.
            && !known.catalogue.has_weak_tables()
        {
            return Ok(Arc::clone(&known.catalogue));
        }
        let catalogue = Arc::new(Catalogue::read(self).await?);
        let known = |fingerprint| Known { fingerprint, read_at: Instant::now(), catalogue: Arc::clone(&catalogue) };
        self.catalogue = fingerprint.map(known);
        Ok(catalogue)
    }
}

/// Text of a statement with its values in it.
pub(super) fn rendered(sql: Sql) -> String {
    sql.into_parts(&MYSQL).0
}
