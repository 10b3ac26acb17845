//! What a scenario asks of an engine: databases of its own, the ports over them,
//! and an application beside them.

use std::time::Duration;

use retentiond::{
    adapters::{
        engine::Patience,
        sqlite::{SqliteScan, SqliteSource},
    },
    domain::census::AnomalyKind,
    ports::{Scan, Source},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// How long a lock of the application is waited for.
pub const WAIT: Duration = Duration::from_millis(300);
pub const PATIENCE: Patience = Patience { lock: WAIT, statement: Duration::ZERO };

/// A database of one engine that nothing else uses.
///
/// Scenarios write standard SQL with names between double quotation marks, the
/// types INTEGER, VARCHAR(n), TEXT and DATETIME, and every foreign key in a
/// clause of its own; an engine puts it into its own words.
pub trait Database: Sized {
    type Source: Source;
    type Scan: Scan;
    type Application: Application;

    /// The type of a text that compares without regard to case.
    const NOCASE: &'static str;

    /// Statements that make a type, and the type of a column `status` that is
    /// `gone` or `active`.
    const CHOICE: (&'static str, &'static str);

    /// Makes a trigger `counts` that takes one off `tally.n` for each row that is
    /// deleted from `t`.
    const TRIGGER: &'static str;

    /// A type, and values of it that stand for no date.
    const SENTINELS: (&'static str, &'static [(&'static str, AnomalyKind)]);

    /// An empty database after `setup`.
    async fn new(setup: &str) -> Self;

    async fn source(&self) -> Self::Source;

    async fn scan(&self) -> Self::Scan;

    /// A connection of the application that stays open.
    async fn application(&self) -> Self::Application;

    /// A condition as the engine writes it.
    fn own_words(sql: &str) -> String {
        sql.to_owned()
    }

    /// Counts the pages of table `t`.
    const ANALYZE_T: &str = "ANALYZE t";

    /// A text between quotation marks.
    fn literal(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// Statements of the application, on a connection like the application's.
    async fn run(&self, sql: &str);

    /// The rows of a query as text, columns joined by `,`, NULL as nothing, in
    /// the order of the query.
    async fn ask(&self, sql: &str) -> Vec<String>;

    /// Every value of every row of these tables, told apart to the byte.
    async fn dump(&self, tables: &[&str]) -> Vec<String>;
}

/// An engine that has a type of instants and a zone of each session.
pub trait Zoned: Database {
    const INSTANT: &'static str;

    /// Sets the zone of a session, as `+09:00`.
    fn in_zone(offset: &str) -> String;
}

/// A connection of the application.
pub trait Application {
    /// Runs one statement; the rows that it changed. The error says nothing but
    /// that it did not do it.
    async fn execute(&mut self, sql: &str) -> Result<u64, ()>;
}

impl Application for SqliteConnection {
    async fn execute(&mut self, sql: &str) -> Result<u64, ()> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(self).await;
        done.map(|done| done.rows_affected()).map_err(drop)
    }
}

/// A SQLite file.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    async fn connect(&self) -> SqliteConnection {
        let path = self.folder.path().join("app.db");
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false);
        options.busy_timeout(WAIT).connect().await.unwrap()
    }
}

impl Database for Sqlite {
    type Source = SqliteSource;
    type Scan = SqliteScan;
    type Application = SqliteConnection;

    const NOCASE: &'static str = "VARCHAR(40) COLLATE NOCASE";
    const CHOICE: (&'static str, &'static str) = ("", "VARCHAR(9) CHECK (status IN ('gone', 'active'))");
    const TRIGGER: &'static str = "CREATE TRIGGER counts AFTER DELETE ON t BEGIN UPDATE tally SET n = n - 1; END";
    const SENTINELS: (&'static str, &'static [(&'static str, AnomalyKind)]) = (
        "TEXT",
        &[
            ("", AnomalyKind::Malformed),
            ("0000-00-00 00:00:00", AnomalyKind::Malformed),
            ("0001-01-01 00:00:00", AnomalyKind::Ancient),
            ("9999-01-01 00:00:00", AnomalyKind::Future),
            ("infinity", AnomalyKind::Malformed),
        ],
    );

    async fn new(setup: &str) -> Self {
        let database = Self { folder: tempfile::tempdir().unwrap() };
        database.run(setup).await;
        database
    }

    async fn source(&self) -> SqliteSource {
        SqliteSource::open("shop".into(), &self.folder.path().join("app.db"), WAIT).await.unwrap()
    }

    async fn scan(&self) -> SqliteScan {
        SqliteScan::open("shop".into(), &self.folder.path().join("app.db"), WAIT).await.unwrap()
    }

    /// Writes fast: what an application does not flush is not what is tested here.
    async fn application(&self) -> SqliteConnection {
        let mut connection = self.connect().await;
        connection.execute("PRAGMA journal_mode = WAL").await.unwrap();
        connection.execute("PRAGMA synchronous = OFF").await.unwrap();
        connection
    }

    async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    }

    async fn ask(&self, sql: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow| {
            let cells = (0..row.len()).map(|at| {
                let text = row.try_get_unchecked::<Option<String>, _>(at).unwrap();
                text.unwrap_or_default()
            });
            cells.collect::<Vec<_>>().join(",")
        };
        rows.iter().map(text).collect()
    }

    async fn dump(&self, tables: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        for table in tables {
            let columns = self.ask(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let cells = columns.iter().map(|name| format!("quote(\"{name}\")")).collect::<Vec<_>>();
            let rows = self.ask(&format!("SELECT {} FROM \"{table}\" ORDER BY 1", cells.join(" || '|' || "))).await;
            lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        lines
    }
}
