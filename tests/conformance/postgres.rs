//! PostgreSQL in the suite: a database of the server that the tests start.

use retentiond::{
    adapters::{
        engine::Server,
        postgres::{PostgresScan, PostgresSource},
    },
    domain::{
        census::AnomalyKind,
        deployment::{Engine, ServerAddress},
    },
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    engine::{Application, Database, PATIENCE, Zoned},
    servers,
};

pub struct Postgres {
    raw: servers::Database<'static>,
}

impl Postgres {
    fn server(&self) -> Server {
        let url = self.raw.url();
        let address = ServerAddress::parse(Engine::Postgres, url.split_once("://").unwrap().1).unwrap();
        Server { address, root_certificate: None, password: None }
    }

    fn words(sql: &str) -> String {
        sql.replace("DATETIME", "TIMESTAMP")
    }
}

impl Zoned for Postgres {
    const INSTANT: &'static str = "TIMESTAMPTZ";

    fn in_zone(offset: &str) -> String {
        format!("SET TIME ZONE INTERVAL '{offset}' HOUR TO MINUTE")
    }
}

impl Application for PgConnection {
    async fn execute(&mut self, sql: &str) -> Result<u64, ()> {
        let done = sqlx::raw_sql(AssertSqlSafe(Postgres::words(sql))).execute(self).await;
        done.map(|done| done.rows_affected()).map_err(drop)
    }
}

impl Database for Postgres {
    type Source = PostgresSource;
    type Scan = PostgresScan;
    type Application = PgConnection;

    const NOCASE: &'static str = "citext";
    const CHOICE: (&'static str, &'static str) = ("CREATE TYPE choice AS ENUM ('gone', 'active');", "choice");
    const TRIGGER: &'static str = "CREATE FUNCTION one_less() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN UPDATE tally SET n = n - 1; RETURN NULL; END$$;
        CREATE TRIGGER counts AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION one_less()";
    const SENTINELS: (&'static str, &'static [(&'static str, AnomalyKind)]) = (
        "TIMESTAMP",
        &[
            ("infinity", AnomalyKind::Malformed),
            ("-infinity", AnomalyKind::Malformed),
            ("0001-01-01 00:00:00", AnomalyKind::Ancient),
            ("0044-03-15 00:00:00 BC", AnomalyKind::Malformed),
            ("9999-01-01 00:00:00", AnomalyKind::Future),
        ],
    );

    async fn application(&self) -> PgConnection {
        PgConnection::connect(&self.raw.url()).await.unwrap()
    }

    async fn new(setup: &str) -> Self {
        let database = Self { raw: servers::postgres().database() };
        database.run(&format!("CREATE EXTENSION citext; {setup}")).await;
        database
    }

    async fn source(&self) -> PostgresSource {
        PostgresSource::open("shop".into(), &self.server(), PATIENCE).await.unwrap()
    }

    async fn scan(&self) -> PostgresScan {
        PostgresScan::open("shop".into(), &self.server(), PATIENCE).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.raw.run(&Self::words(sql));
    }

    async fn ask(&self, sql: &str) -> Vec<String> {
        // Empty rows at the end are rows as well.
        let text = self.raw.query(&format!("{}; SELECT 'end'", Self::words(sql)));
        let mut rows: Vec<String> = text.lines().map(|line| line.replace('\t', ",")).collect();
        assert_eq!(rows.pop().as_deref(), Some("end"));
        rows
    }

    async fn dump(&self, tables: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        for table in tables {
            let rows = self.raw.query(&format!("SELECT t::text FROM \"{table}\" AS t ORDER BY 1"));
            lines.extend(rows.lines().map(|row| format!("{table}: {row}")));
        }
        lines
    }
}
