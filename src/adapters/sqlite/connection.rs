//! One dedicated connection: how it is opened, what it must be able to promise,
//! and how statements are run on it.
//!
//! There is no pool. A transaction belongs to this connection, and dropping the
//! connection undoes it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Either, Executor as _, SqliteConnection, Statement as _,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow, SqliteSynchronous},
};

use super::{
    dialect::SQLITE,
    failure,
    schema::{self, Catalogue},
    value,
};
use crate::{adapters::sql::Sql, domain::id::SourceName, ports::SourceError};

/// Page cache, in KiB. Entries of the event's index lie all over it, and where rows
/// are taken by their dates these do so, too: with SQLite's 2 MiB most pages would be
/// read again for every batch. Twice as much gains less than a tenth.
const CACHE_KIB: u32 = 16 * 1024;

/// Rows on their way from the engine's thread: more than it makes between two looks.
const ROWS_IN_FLIGHT: usize = 512;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Cannot write: neither the file nor the session.
    Read,
    Write,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: SourceName,
    pub(super) path: PathBuf,
    access: Access,
    connection: SqliteConnection,
    /// The schema as it was at this `PRAGMA schema_version`.
    catalogue: Option<(i64, Arc<Catalogue>)>,
}

impl Link {
    pub(super) async fn open(
        name: SourceName,
        path: &Path,
        busy_timeout: Duration,
        access: Access,
    ) -> Result<Self, SourceError> {
        let unreachable = |reason: String| SourceError::Unreachable { source_name: name.to_string(), reason };
        // An absolute path cannot be mistaken for a `file:` URI.
        let path = std::path::absolute(path).map_err(|error| unreachable(error.to_string()))?;
        if !path.is_file() {
            return Err(unreachable(format!("there is no database file {}", path.display())));
        }
        let connection = options(&path, busy_timeout, access)
            .connect()
            .await
            .map_err(|error| unreachable(failure::describe(&error)))?;
        let mut link = Self { name: name.clone(), path, access, connection, catalogue: None };
        link.verify().await?;
        Ok(link)
    }

    /// Reads the settings back that everything else relies on.
    async fn verify(&mut self) -> Result<(), SourceError> {
        let encoding = self.pragma_text("encoding").await.map_err(|error| SourceError::Unreachable {
            source_name: self.name.to_string(),
            reason: failure::describe(&error),
        })?;
        if encoding != "UTF-8" {
            return Err(SourceError::Engine {
                reason: format!("the database is encoded in {encoding}; only UTF-8 is supported"),
            });
        }
        let mut required = vec![("foreign_keys", 1), ("temp_store", 2)];
        match self.access {
            Access::Read => required.push(("query_only", 1)),
            Access::Write => required.extend([("secure_delete", 1), ("synchronous", 2)]),
        }
        for (pragma, wanted) in required {
            let found = self.pragma_integer(pragma).await.map_err(failure::engine)?;
            if found != wanted {
                return Err(SourceError::Engine { reason: format!("the engine did not accept PRAGMA {pragma}") });
            }
        }
        Ok(())
    }

    /// The schema as it is now; read again only when it has changed.
    pub(super) async fn catalogue(&mut self) -> Result<Arc<Catalogue>, sqlx::Error> {
        let version = self.pragma_integer("main.schema_version").await?;
        if let Some((known, catalogue)) = &self.catalogue
            && *known == version
        {
            return Ok(Arc::clone(catalogue));
        }
        let catalogue = Arc::new(schema::read(self).await?);
        self.catalogue = Some((version, Arc::clone(&catalogue)));
        Ok(catalogue)
    }

    pub(super) async fn pragma_text(&mut self, name: &str) -> Result<String, sqlx::Error> {
        value::text(&self.pragma(name).await?, 0)
    }

    pub(super) async fn pragma_integer(&mut self, name: &str) -> Result<i64, sqlx::Error> {
        value::integer(&self.pragma(name).await?, 0)
    }

    /// Most pragmas act, or are answered, when they are compiled: a compiled one
    /// must not be kept and run again.
    pub(super) async fn pragma(&mut self, name: &str) -> Result<SqliteRow, sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(format!("PRAGMA {name}"))).persistent(false);
        query.fetch_one(&mut self.connection).await
    }

    /// Runs a statement that is not kept: transactions, settings, tables.
    pub(super) async fn command(&mut self, text: impl Into<String>) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(text.into())).execute(&mut self.connection).await.map(|_| ())
    }

    /// Begins a read transaction. One that was left open, since its future was
    /// dropped, is ended first.
    pub(super) async fn begin_reading(&mut self) -> Result<(), sqlx::Error> {
        self.roll_back().await?;
        self.command("BEGIN").await
    }

    /// Rolls back, also where there is nothing to roll back any more.
    pub(super) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        match self.command("ROLLBACK").await {
            Err(error) if !failure::is_no_transaction(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// All changes of this connection so far, those of foreign key actions and
    /// triggers included.
    pub(super) async fn total_changes(&mut self) -> Result<u64, sqlx::Error> {
        let row = self.one(Sql::new("SELECT total_changes()")).await?;
        value::count(&row, 0)
    }

    /// Why a rollback journal keeps old pages, if one does. The mode belongs to
    /// each connection: of the application's, the file that it leaves tells.
    pub(super) async fn kept_journal(&mut self) -> Result<Option<String>, sqlx::Error> {
        let mode = self.pragma_text("main.journal_mode").await?;
        let mut journal = self.path.clone().into_os_string();
        journal.push("-journal");
        let left = match std::fs::metadata(&journal) {
            Ok(file) => file.len() > 0,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(sqlx::Error::Io(error)),
        };
        let kept = mode == "persist" || left;
        Ok(kept.then(|| {
            "journal_mode PERSIST: a rollback journal lies beside the database and keeps old pages".to_owned()
        }))
    }

    /// Runs a statement and says how many rows it changed.
    pub(super) async fn execute(&mut self, sql: Sql) -> Result<u64, sqlx::Error> {
        let (text, binds) = sql.into_parts(&SQLITE);
        Ok(prepared(text, binds).execute(&mut self.connection).await?.rows_affected())
    }

    pub(super) async fn one(&mut self, sql: Sql) -> Result<SqliteRow, sqlx::Error> {
        let (text, binds) = sql.into_parts(&SQLITE);
        prepared(text, binds).fetch_one(&mut self.connection).await
    }

    pub(super) async fn all(&mut self, sql: Sql) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let (text, binds) = sql.into_parts(&SQLITE);
        prepared(text, binds).fetch_all(&mut self.connection).await
    }

    /// Hands every row to `take` as it comes and returns the number of rows the
    /// statement changed. All rows are drained, also after an error of `take`.
    pub(super) async fn each(
        &mut self,
        sql: Sql,
        mut take: impl FnMut(&SqliteRow) -> Result<(), sqlx::Error>,
    ) -> Result<u64, sqlx::Error> {
        let (text, binds) = sql.into_parts(&SQLITE);
        let mut stream = self.connection.fetch_many(prepared(text, binds));
        let (mut changed, mut outcome) = (0, Ok(()));
        while let Some(step) = look_for(|context| stream.as_mut().poll_next(context)).await {
            match step? {
                Either::Left(done) => changed += done.rows_affected(),
                Either::Right(row) if outcome.is_ok() => outcome = take(&row),
                Either::Right(_) => {}
            }
        }
        outcome.map(|()| changed)
    }

    /// Compiles a statement without running it; the number of its parameters.
    pub(super) async fn parameters(&mut self, text: String) -> Result<usize, sqlx::Error> {
        let statement = (&mut self.connection).prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(text))).await?;
        Ok(match statement.parameters() {
            Some(Either::Right(count)) => count,
            Some(Either::Left(types)) => types.len(),
            None => 0,
        })
    }
}

/// The next row of a statement that has many. The engine's thread would wake us for
/// each, which was a fifth of the time: they are looked for now and then.
async fn look_for<T>(mut row: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    loop {
        if let Poll::Ready(row) = row(&mut Context::from_waker(Waker::noop())) {
            return row;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn options(path: &Path, busy_timeout: Duration, access: Access) -> SqliteConnectOptions {
    // SQLite keeps milliseconds in 31 bits.
    let busy_timeout = busy_timeout.min(Duration::from_millis(i32::MAX as u64));
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .row_buffer_size(ROWS_IN_FLIGHT)
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .disable_statement_logging();
    match access {
        Access::Read => options.read_only(true).pragma("query_only", "ON"),
        Access::Write => options.synchronous(SqliteSynchronous::Full).pragma("secure_delete", "ON"),
    }
}

fn prepared(text: String, binds: Vec<crate::domain::record::Cell>) -> Query<'static, sqlx::Sqlite, SqliteArguments> {
    binds.into_iter().fold(sqlx::query(AssertSqlSafe(text)), value::bind)
}
