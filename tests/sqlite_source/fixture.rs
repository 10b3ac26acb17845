//! Database files to move records out of.

use std::{path::PathBuf, time::Duration};

use retentiond::adapters::sqlite::{SqliteScan, SqliteSource};
use sqlx::{AssertSqlSafe, ConnectOptions, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

pub use super::common::{Moved, bounds, child, column, dataset, move_all, receipt, scope, through};

pub const WAIT: Duration = Duration::from_millis(200);

/// A database file of its own folder.
pub struct Database {
    folder: TempDir,
}

impl Database {
    pub async fn new(setup: &str) -> Self {
        let database = Self { folder: tempfile::tempdir().unwrap() };
        database.run(setup).await;
        database
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    /// A connection like the application's: foreign keys off, as SQLite has it.
    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true).foreign_keys(false);
        options.busy_timeout(WAIT).connect().await.unwrap()
    }

    pub async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        run(&mut connection, sql).await;
        sqlx::Connection::close(connection).await.unwrap();
    }

    pub async fn source(&self) -> SqliteSource {
        SqliteSource::open("shop".into(), &self.path(), WAIT).await.unwrap()
    }

    pub async fn scan(&self) -> SqliteScan {
        SqliteScan::open("shop".into(), &self.path(), WAIT).await.unwrap()
    }

    /// One value, as text.
    pub async fn ask(&self, sql: &str) -> String {
        let mut connection = self.connect().await;
        let row = sqlx::query(AssertSqlSafe(format!("SELECT CAST(({sql}) AS TEXT)"))).fetch_one(&mut connection).await;
        row.unwrap().get::<Option<String>, _>(0).unwrap_or_default()
    }

    pub async fn count(&self, table: &str) -> u64 {
        self.ask(&format!("SELECT count(*) FROM {table}")).await.parse().unwrap()
    }

    /// Every value of every row of every table, with its storage class.
    pub async fn dump(&self) -> Vec<String> {
        let mut connection = self.connect().await;
        let columns = "SELECT t.name, group_concat('typeof(\"' || replace(c.name, '\"', '\"\"') || '\") || '':'' || \
             CASE typeof(\"' || replace(c.name, '\"', '\"\"') || '\") WHEN ''real'' THEN printf(''%!.17g'', \"' || \
             replace(c.name, '\"', '\"\"') || '\") ELSE hex(CAST(\"' || replace(c.name, '\"', '\"\"') || '\" AS BLOB)) END', \
             ' || '','' || ') FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c \
             WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' GROUP BY t.name ORDER BY 1";
        let mut lines = Vec::new();
        for table in sqlx::query(columns).fetch_all(&mut connection).await.unwrap() {
            let (name, values): (String, String) = (table.get(0), table.get(1));
            let sql = format!("SELECT {values} FROM \"{}\" ORDER BY 1", name.replace('"', "\"\""));
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap() {
                lines.push(format!("{name}|{}", row.get::<String, _>(0)));
            }
        }
        lines
    }
}

pub async fn run(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}
