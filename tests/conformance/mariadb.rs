//! MariaDB, in a database of its own on the server of this test binary.

use retentiond::{
    adapters::{
        engine::Server,
        mysql::{MySqlScan, MySqlSource},
    },
    domain::{
        census::AnomalyKind,
        deployment::{Engine, ServerAddress},
    },
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};

use super::{
    engine::{Application, Database, PATIENCE, Zoned},
    servers,
};

pub struct Maria<const TRANSACTIONS: bool> {
    database: servers::Database<'static>,
}

pub type MariaDb = Maria<true>;

/// With tables in which a deletion cannot be undone.
pub type MyIsam = Maria<false>;

/// Names between backticks. No scenario has a quotation mark in a text.
fn own_words(sql: &str) -> String {
    sql.replace('"', "`")
}

impl<const TRANSACTIONS: bool> Maria<TRANSACTIONS> {
    fn server(&self) -> Server {
        let url = self.database.url();
        let address = ServerAddress::parse(Engine::Mysql, url.split_once("://").unwrap().1).unwrap();
        Server { address, root_certificate: None, password: None }
    }

    async fn connect(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.database.url()).await.unwrap()
    }
}

impl Zoned for MariaDb {
    const INSTANT: &'static str = "TIMESTAMP NULL";

    fn in_zone(offset: &str) -> String {
        format!("SET time_zone = '{offset}'")
    }
}

impl Application for MySqlConnection {
    async fn execute(&mut self, sql: &str) -> Result<u64, ()> {
        let done = sqlx::raw_sql(AssertSqlSafe(own_words(sql))).execute(self).await;
        done.map(|done| done.rows_affected()).map_err(drop)
    }
}

impl<const TRANSACTIONS: bool> Database for Maria<TRANSACTIONS> {
    type Source = MySqlSource;
    type Scan = MySqlScan;
    type Application = MySqlConnection;

    const CHOICE: (&'static str, &'static str) = ("", "ENUM('gone', 'active')");
    const TRIGGER: &'static str = "CREATE TRIGGER counts AFTER DELETE ON t FOR EACH ROW UPDATE tally SET n = n - 1";
    const SENTINELS: (&'static str, &'static [(&'static str, AnomalyKind)]) = (
        "DATETIME",
        &[
            ("0000-00-00 00:00:00", AnomalyKind::Malformed),
            ("2020-00-00 00:00:00", AnomalyKind::Malformed),
            ("0001-01-01 00:00:00", AnomalyKind::Ancient),
            ("9999-01-01 00:00:00", AnomalyKind::Future),
        ],
    );
    const NOCASE: &'static str = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";

    const ANALYZE_T: &str = "ANALYZE TABLE t";

    fn own_words(sql: &str) -> String {
        own_words(sql)
    }

    fn literal(text: &str) -> String {
        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    }

    async fn application(&self) -> MySqlConnection {
        self.connect().await
    }

    async fn new(setup: &str) -> Self {
        let database = Self { database: servers::mariadb().database() };
        database.run(setup).await;
        database
    }

    async fn source(&self) -> MySqlSource {
        MySqlSource::open("shop".into(), &self.server(), PATIENCE).await.unwrap()
    }

    async fn scan(&self) -> MySqlScan {
        MySqlScan::open("shop".into(), &self.server(), PATIENCE).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let engine = if TRANSACTIONS { "InnoDB" } else { "MyISAM" };
        self.database.run(&format!("SET default_storage_engine = {engine}; {}", own_words(sql)));
    }

    async fn ask(&self, sql: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(own_words(sql)))).await.unwrap();
        let text = |row: &sqlx::mysql::MySqlRow| {
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
            let columns = self
                .ask(&format!(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = database() \
                     AND table_name = '{table}' ORDER BY ordinal_position"
                ))
                .await;
            let cells = columns.iter().map(|name| format!("coalesce(hex(\"{name}\"), 'NULL')")).collect::<Vec<_>>();
            let rows =
                self.ask(&format!("SELECT concat_ws('|', {}) FROM \"{table}\" ORDER BY 1", cells.join(", "))).await;
            lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        lines
    }
}
