//! A connection for what one would write by hand, on any of the engines.

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection, PgConnection, Row as _, SqliteConnection,
    mysql::MySqlConnectOptions, sqlite::SqliteConnectOptions,
};

use super::measure::Outcome;

#[derive(Debug)]
pub enum Connection {
    Sqlite(SqliteConnection),
    MariaDb(MySqlConnection),
    Postgres(PgConnection),
}

impl Connection {
    /// `url` as the program takes it; a SQLite file is made where there is none.
    pub async fn open(url: &str) -> Outcome<Self> {
        Ok(match url.split_once("://") {
            Some(("sqlite", path)) => {
                let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
                Self::Sqlite(options.disable_statement_logging().connect().await?)
            }
            Some(("mariadb", rest)) => {
                let options: MySqlConnectOptions = format!("mysql://{rest}").parse()?;
                Self::MariaDb(options.disable_statement_logging().connect().await?)
            }
            _ => Self::Postgres(PgConnection::connect(url).await?),
        })
    }

    /// Runs statements; returns the rows that they changed.
    pub async fn run(&mut self, sql: &str) -> Outcome<u64> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        Ok(match self {
            Self::Sqlite(connection) => sql.execute(connection).await?.rows_affected(),
            Self::MariaDb(connection) => sql.execute(connection).await?.rows_affected(),
            Self::Postgres(connection) => sql.execute(connection).await?.rows_affected(),
        })
    }

    /// A single number, `None` where it is NULL.
    pub async fn number(&mut self, sql: &str) -> Outcome<Option<i64>> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        Ok(match self {
            Self::Sqlite(connection) => sql.fetch_one(connection).await?.try_get(0)?,
            Self::MariaDb(connection) => sql.fetch_one(connection).await?.try_get(0)?,
            Self::Postgres(connection) => sql.fetch_one(connection).await?.try_get(0)?,
        })
    }

    pub async fn count(&mut self, sql: &str) -> Outcome<u64> {
        Ok(self.number(sql).await?.ok_or("it counts nothing")?.unsigned_abs())
    }

    /// What an application does to one row: reads it by its key, and changes it in a
    /// transaction of its own. Returns how many rows changed.
    pub async fn visit(&mut self, key: i64) -> Result<u64, sqlx::Error> {
        const READ: &str = "SELECT member_id, ip, user_agent, path FROM visits WHERE id = ";
        const CHANGE: &str = "UPDATE visits SET member_id = member_id + 1 WHERE id = ";
        match self {
            Self::Sqlite(connection) => {
                sqlx::query(AssertSqlSafe(format!("{READ}?"))).bind(key).fetch_one(&mut *connection).await?;
                let change = sqlx::query(AssertSqlSafe(format!("{CHANGE}?"))).bind(key);
                Ok(change.execute(connection).await?.rows_affected())
            }
            Self::MariaDb(connection) => {
                sqlx::query(AssertSqlSafe(format!("{READ}?"))).bind(key).fetch_one(&mut *connection).await?;
                let change = sqlx::query(AssertSqlSafe(format!("{CHANGE}?"))).bind(key);
                Ok(change.execute(connection).await?.rows_affected())
            }
            Self::Postgres(connection) => {
                sqlx::query(AssertSqlSafe(format!("{READ}$1"))).bind(key).fetch_one(&mut *connection).await?;
                let change = sqlx::query(AssertSqlSafe(format!("{CHANGE}$1"))).bind(key);
                Ok(change.execute(connection).await?.rows_affected())
            }
        }
    }

    pub async fn close(self) -> Outcome<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::MariaDb(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}
