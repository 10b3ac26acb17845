//! How strained a live database is: the lag of its replicas and the operator's
//! own signal, over sessions of its own that can write nothing. What cannot be
//! asked is reported as such, and never as no strain.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, PgConnection, Row as _, ValueRef as _,
    mysql::MySqlRow, postgres::PgRow,
};
use tokio::net::{TcpStream, UnixStream};

use super::{engine::Server, mysql, postgres};
use crate::domain::{
    deployment::{Engine, Host, LoadSignal, ServerAddress},
    pace::{LagTracker, Load, Strain},
};

/// How long a strained server may take to say so.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Replicas that stream from a primary, slowest first: how many of them hide
/// from this account, where the primary is, and where the slowest of them is.
const STREAMING: &str = "SELECT count(*) FILTER (WHERE replay_lsn IS NULL), \
    (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint, (min(replay_lsn) - '0/0'::pg_lsn)::bigint \
    FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'";

/// Where the primary is in its log.
const CURRENT: &str = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint";

/// Where a standby is in its primary's log; no row where it is none.
const REPLAYED: &str = "SELECT coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)::bigint WHERE pg_is_in_recovery()";

#[derive(Debug)]
enum Session {
    Postgres(PgConnection),
    MySql(MySqlConnection),
}

/// A server that is asked; connected when it is needed, and anew after an error.
#[derive(Debug)]
struct Asked {
    server: Server,
    session: Option<Session>,
}

/// Asks one source.
#[derive(Debug)]
pub struct Probe {
    primary: Asked,
    /// `None`: the primary is asked, where its engine knows.
    replicas: Option<Vec<Asked>>,
    load: Option<LoadSignal>,
    tracker: LagTracker,
    began: Instant,
}

impl Probe {
    /// Replicas are reached like their source, at their own addresses.
    pub fn new(primary: Server, replicas: Option<&[ServerAddress]>, load: Option<LoadSignal>) -> Self {
        let asked = |server: Server| Asked { server, session: None };
        let replica = |address: &ServerAddress| asked(Server { address: address.clone(), ..primary.clone() });
        let replicas = replicas.map(|replicas| replicas.iter().map(replica).collect());
        Self { replicas, load, tracker: LagTracker::default(), began: Instant::now(), primary: asked(primary) }
    }

    /// The strain at this moment.
    pub async fn read(&mut self) -> Strain {
        match self.ask().await {
            Ok(strain) => strain,
            // The batch finds out what that means, and does not wait for ever.
            Err(_) if self.primary.is_down().await => Strain::default(),
            Err(reason) => Strain { unknown: Some(reason), ..Strain::default() },
        }
    }

    async fn ask(&mut self) -> Result<Strain, String> {
        let engine = self.primary.server.address.engine;
        let replica_lag = match (engine, &mut self.replicas) {
            (_, Some(replicas)) if replicas.is_empty() => None,
            (Engine::Postgres, None) => self.streaming().await?,
            (Engine::Postgres, Some(replicas)) => {
                let replayed = replayed(replicas).await?;
                let current = self.primary.whole(CURRENT).await?;
                Some(self.lag(current, replayed))
            }
            (Engine::Mysql, Some(replicas)) => Some(behind(replicas).await?),
            (Engine::Mysql, None) => None,
        };
        let load = match &self.load {
            Some(signal) => Some(Load { value: self.primary.number(&signal.sql).await?, max: signal.max as f64 }),
            None => None,
        };
        Ok(Strain { replica_lag, load, unknown: None })
    }

    fn lag(&mut self, current: u64, replayed: u64) -> TimeDelta {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        millis(self.tracker.lag_ms(now_ms, current, replayed))
    }

    /// The slowest of those that stream from the primary; `None`: there are none.
    async fn streaming(&mut self) -> Result<Option<TimeDelta>, String> {
        let columns = self.primary.row(STREAMING).await?.ok_or("the primary says nothing of its replicas")?;
        let [hidden, current, replayed] = columns.as_slice() else {
            return Err("an answer without columns".to_owned());
        };
        if hidden.as_deref() != Some("0") {
            return Err("the lag of replicas is hidden from this account; hint: GRANT pg_monitor to it, or name them \
                        in `replicas`"
                .to_owned());
        }
        let Some((current, replayed)) = whole(current).zip(whole(replayed)) else { return Ok(None) };
        Ok(Some(self.lag(current, replayed)))
    }
}

/// Where the slowest of PostgreSQL's standbys is.
async fn replayed(replicas: &mut [Asked]) -> Result<u64, String> {
    let mut slowest = u64::MAX;
    for replica in replicas {
        slowest = slowest.min(replica.whole(REPLAYED).await?);
    }
    Ok(slowest)
}

/// How far the slowest of MariaDB's replicas is behind, by its own word.
async fn behind(replicas: &mut [Asked]) -> Result<TimeDelta, String> {
    let mut slowest = TimeDelta::zero();
    for replica in replicas {
        let at = replica.server.address.to_string();
        let row = replica.row("SHOW REPLICA STATUS").await?.ok_or_else(|| format!("{at} is no replica"))?;
        let seconds = row.first().and_then(whole).ok_or_else(|| format!("replication at {at} is stopped"))?;
        slowest = slowest.max(millis(seconds.saturating_mul(1_000)));
    }
    Ok(slowest)
}

impl Asked {
    /// A whole number that a replica or a primary answers.
    async fn whole(&mut self, sql: &str) -> Result<u64, String> {
        let row = self.row(sql).await?;
        let row = row.ok_or_else(|| format!("{} is no replica", self.server.address))?;
        row.first().and_then(whole).ok_or_else(|| format!("{} gives no number", self.server.address))
    }

    /// The first column of the first row, as a number.
    async fn number(&mut self, sql: &str) -> Result<f64, String> {
        let row = self.row(sql).await?;
        let text = row.and_then(|row| row.into_iter().next().flatten());
        Ok(text.and_then(|text| text.trim().parse().ok()).unwrap_or(f64::NAN))
    }

    /// Nobody listens at its address. That is no strain: it bears nothing at all. One
    /// that does not answer in time is not known to be down.
    async fn is_down(&self) -> bool {
        let address = &self.server.address;
        let connecting = async {
            match &address.host {
                Host::Tcp { name, port } => TcpStream::connect((name.as_str(), *port)).await.map(drop),
                Host::Socket { path, port } => {
                    let file = match address.engine {
                        Engine::Postgres => format!("{path}/.s.PGSQL.{port}"),
                        Engine::Mysql => path.clone(),
                    };
                    UnixStream::connect(file).await.map(drop)
                }
            }
        };
        let refused =
            |error: std::io::Error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound);
        tokio::time::timeout(ANSWER_TIME_MAX, connecting).await.is_ok_and(|connected| connected.is_err_and(refused))
    }

    /// The first row that a query returns, as texts. Of `SHOW REPLICA STATUS` only
    /// the column that says how far it is behind.
    async fn row(&mut self, sql: &str) -> Result<Option<Vec<Option<String>>>, String> {
        let at = self.server.address.to_string();
        // A session that did not answer in time is closed, not asked again.
        let mut session = match self.session.take() {
            Some(session) => session,
            None => open(&self.server).await?,
        };
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, async {
            match &mut session {
                Session::Postgres(session) => {
                    let row = session.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
                    row.map(|row| row.as_ref().map(of_postgres))
                }
                Session::MySql(session) => {
                    let row = session.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
                    row.map(|row| row.as_ref().map(of_mysql))
                }
            }
        });
        match answer.await {
            Ok(Ok(row)) => {
                self.session = Some(session);
                Ok(row)
            }
            Ok(Err(error)) => Err(format!("{at} cannot be asked how strained it is: {}", described(&error))),
            Err(_) => Err(format!("{at} does not say within {} s how strained it is", ANSWER_TIME_MAX.as_secs())),
        }
    }
}

async fn open(server: &Server) -> Result<Session, String> {
    let at = server.address.to_string();
    let opening = async {
        match server.address.engine {
            Engine::Postgres => {
                let mut session = postgres::session::options(server, "retentiond: strain").connect().await?;
                session.execute("SET default_transaction_read_only = on; SET statement_timeout = '5s'").await?;
                Ok(Session::Postgres(session))
            }
            Engine::Mysql => {
                let mut session = mysql::connection::options(server).connect().await?;
                session.execute("SET SESSION TRANSACTION READ ONLY").await?;
                Ok(Session::MySql(session))
            }
        }
    };
    match tokio::time::timeout(ANSWER_TIME_MAX, opening).await {
        Ok(opened) => opened.map_err(|error: sqlx::Error| format!("{at} cannot be reached: {}", described(&error))),
        Err(_) => Err(format!("{at} cannot be reached: no answer within {} s", ANSWER_TIME_MAX.as_secs())),
    }
}

/// The server's message, which an operator's own query may have put values into,
/// is left out.
fn described(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            format!("the server refuses (error {})", error.code().as_deref().unwrap_or("without a code"))
        }
        _ => "the connection is lost".to_owned(),
    }
}

fn of_postgres(row: &PgRow) -> Vec<Option<String>> {
    let text = |at| row.try_get_raw(at).ok().filter(|value| !value.is_null())?.as_str().ok().map(str::to_owned);
    (0..row.len()).map(text).collect()
}

fn of_mysql(row: &MySqlRow) -> Vec<Option<String>> {
    let text = |at: usize| -> Option<String> {
        let value = row.try_get_raw(at).ok().filter(|value| !value.is_null())?;
        <&[u8] as sqlx::Decode<sqlx::MySql>>::decode(value)
            .ok()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let behind = row.columns().iter().position(|column| {
        use sqlx::Column as _;
        matches!(column.name(), "Seconds_Behind_Master" | "Seconds_Behind_Source")
    });
    match behind {
        Some(at) => vec![text(at)],
        None => (0..row.len()).map(text).collect(),
    }
}

fn whole(text: &Option<String>) -> Option<u64> {
    text.as_ref()?.parse().ok()
}

fn millis(number: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(number).unwrap_or(i64::MAX / 1_000))
}
