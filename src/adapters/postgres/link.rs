//! One session with a source: how statements are run on it, and what becomes of
//! it when something is in doubt.
//!
//! The session is taken out while a statement runs and put back when it has
//! ended, well or with an error that the server reported. Whatever is cancelled
//! or loses its connection leaves no session behind, and the server undoes what
//! was open in it.

use std::{future::poll_fn, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _};

use super::{
    catalogue::{Catalogue, FINGERPRINT},
    copy::{Line, strange},
    dialect::POSTGRES,
    failure::{self, Meaning},
    session::{self, NoSession},
};
use crate::{
    adapters::{
        apart::Apart,
        engine::{Patience, STATEMENT_TIMEOUT_HINT, Server},
        sql::{Misfit, Session, Sql, Table, parenthesised},
    },
    domain::{id::SourceName, record::Cell},
    ports::SourceError,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Cannot write: every transaction is read-only.
    Read,
    Write,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: SourceName,
    server: Server,
    access: Access,
    patience: Patience,
    session: Option<PgConnection>,
    catalogue: Option<Arc<Catalogue>>,
}

/// How long an earlier session of ours, or another runner, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Begins a transaction of which all reads are of one state.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Link {
    pub(super) async fn open(
        name: SourceName,
        server: &Server,
        patience: Patience,
        access: Access,
    ) -> Result<Self, SourceError> {
        let server = server.clone();
        let mut link = Self { name, server, access, patience, session: None, catalogue: None };
        link.connect().await?;
        Ok(link)
    }

    /// Opens a session where there is none.
    pub(super) async fn connect(&mut self) -> Result<(), SourceError> {
        if self.session.is_some() {
            return Ok(());
        }
        let purpose = format!("retentiond {}", self.name);
        let opened = session::open(&self.server, &purpose, self.patience).await;
        let mut opened = opened.map_err(|error| match error {
            NoSession::Unreachable(reason) => SourceError::Unreachable { source_name: self.name.to_string(), reason },
            NoSession::Unfit(reason) => SourceError::Engine { reason },
        })?;
        match self.access {
            Access::Read => {
                let read_only = "SET default_transaction_read_only = on";
                opened.execute(read_only).await.map_err(|error| self.failed(&error))?;
            }
            Access::Write => self.become_the_only_one(&mut opened).await?,
        }
        self.session = Some(opened);
        Ok(())
    }

    /// Takes a lock that ends with the session. Who holds it knows that the
    /// server has settled every transaction of an earlier one.
    async fn become_the_only_one(&self, opened: &mut PgConnection) -> Result<(), SourceError> {
        let waiting = format!(
            "SET lock_timeout = {}; SELECT pg_advisory_lock(1920233078, hashtext({})); SET lock_timeout = {}",
            PATIENCE.as_millis(),
            super::dialect::literal(self.name.as_str()),
            self.lock_timeout(),
        );
        let waited = opened.execute(AssertSqlSafe(waiting)).await;
        waited.map(|_| ()).map_err(|error| match failure::meaning(&error) {
            Meaning::Locked => SourceError::Engine {
                reason: "another retentiond is at work in this database, or the server has not yet ended an earlier \
                         session; hint: wait for it"
                    .to_owned(),
            },
            _ => self.failed(&error),
        })
    }

    /// What an error means for the port.
    pub(super) fn failed(&self, error: &sqlx::Error) -> SourceError {
        let reason = failure::describe(error);
        match failure::meaning(error) {
            Meaning::Lost => SourceError::Unreachable { source_name: self.name.to_string(), reason },
            Meaning::Locked => SourceError::Engine {
                reason: format!("{reason}; hint: the application holds the lock: try again when it is idle"),
            },
            Meaning::Cancelled => SourceError::Engine { reason: format!("{reason}{STATEMENT_TIMEOUT_HINT}") },
            Meaning::NoPrivilege => {
                let hint = format!("`retentiond grants --source {}` prints what its roles need", self.name);
                SourceError::Engine { reason: format!("{reason}; hint: {hint}") }
            }
            _ => SourceError::Engine { reason },
        }
    }

    /// How long a lock of the application is waited for, as the server counts.
    pub(super) fn lock_timeout(&self) -> u128 {
        session::millis(self.patience.lock)
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// Gives the session up; the server undoes what is open in it.
    pub(super) fn drop_session(&mut self) {
        self.session = None;
    }

    pub(super) async fn close(&mut self) -> Result<(), sqlx::Error> {
        match self.session.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }

    /// Runs `work` on the session. It never opens one: a transaction that was
    /// lost must not go on in another session.
    pub(super) async fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let mut session = self.session.take().ok_or_else(gone)?;
        let outcome = work(&mut session).await;
        self.answered(session, outcome)
    }

    /// Keeps the session if the server has answered.
    fn answered<T>(&mut self, session: PgConnection, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if outcome.as_ref().err().is_none_or(|error| failure::meaning(error) != Meaning::Lost) {
            self.session = Some(session);
        }
        outcome
    }

    /// Runs `work`, which may take as long as it takes.
    pub(super) async fn unhurried<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        self.command(&session::statement_timeout(Duration::ZERO)).await?;
        let done = self.with(work).await;
        // What was done is done: a session that cannot be limited again is given up,
        // and the next one has the limit from its start.
        if self.is_connected() && self.command(&session::statement_timeout(self.patience.statement)).await.is_err() {
            self.drop_session();
        }
        done
    }

    /// Runs statements that have neither values nor an answer.
    pub(super) async fn command(&mut self, text: &str) -> Result<(), sqlx::Error> {
        self.with(async |session| sqlx::raw_sql(AssertSqlSafe(text)).execute(session).await.map(|_| ())).await
    }

    /// Hands every row of a statement to `take`; their number. All rows are
    /// drained, also after an error of `take`.
    pub(super) async fn each(
        &mut self,
        statement: &str,
        take: impl FnMut(&Line) -> Result<(), SourceError>,
    ) -> Result<u64, SourceError> {
        self.each_or(statement, take).await?.map_err(|error| self.failed(&error))
    }

    /// Like `each`, with the server's own error.
    pub(super) async fn each_or(
        &mut self,
        statement: &str,
        mut take: impl FnMut(&Line) -> Result<(), SourceError>,
    ) -> Result<Result<u64, sqlx::Error>, SourceError> {
        let Some(mut session) = self.session.take() else { return Ok(Err(gone())) };
        let copied = copy(&mut session, statement, &mut take).await;
        self.copied(session, copied)
    }

    /// Like `each_or`, while the caller computes. `take` adds each row to `into`, which
    /// is handed back. The commands `before` the statement may be none.
    pub(super) async fn each_apart<T: Send + 'static>(
        &mut self,
        (before, statement): (String, String),
        mut into: T,
        take: fn(&mut T, &Line) -> Result<(), SourceError>,
    ) -> Result<Result<T, sqlx::Error>, SourceError> {
        let Some(mut session) = self.session.take() else { return Ok(Err(gone())) };
        let copying = Apart::start(async move {
            let copied = match sqlx::raw_sql(AssertSqlSafe(before)).execute(&mut session).await {
                Ok(_) => copy(&mut session, &statement, &mut |line: &Line| take(&mut into, line)).await,
                Err(error) => Copied { rows: Err(error), taken: Ok(()) },
            };
            (session, copied, into)
        });
        match copying.end().await {
            Ok((session, copied, into)) => Ok(self.copied(session, copied)?.map(|_| into)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn copied(&mut self, session: PgConnection, copied: Copied) -> Result<Result<u64, sqlx::Error>, SourceError> {
        match (self.answered(session, copied.rows), copied.taken) {
            (Ok(_), Err(error)) => Err(error),
            (rows, _) => Ok(rows),
        }
    }

    /// Sends lines of the text format into a table; rows that it took.
    pub(super) async fn copy_in(&mut self, statement: &str, lines: &[u8]) -> Result<u64, sqlx::Error> {
        self.with(async |session| {
            let mut copy = session.copy_in_raw(statement).await?;
            for chunk in lines.chunks(1 << 20) {
                copy.send(chunk).await?;
            }
            copy.finish().await
        })
        .await
    }

    pub(super) async fn begin_reading(&mut self) -> Result<(), SourceError> {
        self.connect().await?;
        self.command(BEGIN_READING).await.map_err(|error| self.failed(&error))
    }

    /// Ends the open transaction without its changes. Where that fails the
    /// session is given up, and with it the transaction.
    pub(super) async fn roll_back(&mut self) {
        if self.command("ROLLBACK").await.is_err() {
            self.drop_session();
        }
    }

    /// The schema as it is now; read again only when it has changed.
    pub(super) async fn catalogue(&mut self) -> Result<Arc<Catalogue>, SourceError> {
        let mut fingerprint = String::new();
        self.each(FINGERPRINT, |line| {
            fingerprint = line.text(0)?.to_owned();
            Ok(())
        })
        .await?;
        if let Some(known) = self.catalogue.as_ref().filter(|known| known.fingerprint == fingerprint) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(Catalogue::read(self, fingerprint).await?);
        self.catalogue = Some(Arc::clone(&read));
        Ok(read)
    }

    /// The schema as it was when it was last read.
    pub(super) fn known_catalogue(&self) -> Option<Arc<Catalogue>> {
        self.catalogue.clone()
    }

    /// The statement's text; PostgreSQL's literals stand in it.
    pub(super) fn text(sql: Sql) -> String {
        sql.into_parts(&POSTGRES).0
    }
}

impl Session for Link {
    async fn one(&mut self, sql: Sql) -> Result<Vec<Cell>, SourceError> {
        let text = Self::text(sql);
        let cells = self
            .with(async |session| {
                let row = sqlx::raw_sql(AssertSqlSafe(text)).fetch_one(session).await?;
                super::value::cells(&row)
            })
            .await;
        cells.map_err(|error| self.failed(&error))
    }

    async fn condition_misfit(&mut self, table: &Table, condition: &str) -> Result<Option<Misfit>, SourceError> {
        let statement = format!("SELECT 1 FROM {} WHERE {}", table.sql, parenthesised(condition));
        let prepared = self
            .with(async |session| {
                use sqlx::Statement as _;
                let prepared = session.prepare(AssertSqlSafe(statement).into_sql_str()).await?;
                Ok(match prepared.parameters() {
                    Some(sqlx::Either::Left(types)) => types.len(),
                    Some(sqlx::Either::Right(count)) => count,
                    None => 0,
                })
            })
            .await;
        let message = match prepared {
            Ok(0) => return Ok(None),
            Ok(_) => format!("the `where` of {} has a parameter", table.name),
            Err(error) if failure::is_about_the_statement(&error) => {
                format!("the `where` of {} does not compile: {}", table.name, failure::describe(&error))
            }
            Err(error) => return Err(self.failed(&error)),
        };
        let hint = "write a condition over the table's own columns, as it would stand behind WHERE";
        Ok(Some(Misfit::new(message, hint)))
    }
}

/// What became of a statement, and of its rows.
struct Copied {
    rows: Result<u64, sqlx::Error>,
    taken: Result<(), SourceError>,
}

/// Hands every row of a statement to `take`. All are drained, also after an error of it.
async fn copy(
    session: &mut PgConnection,
    statement: &str,
    take: &mut impl FnMut(&Line) -> Result<(), SourceError>,
) -> Copied {
    let (mut rows, mut taken, mut line) = (0, Ok(()), Line::default());
    let copied = async {
        let mut stream = session.copy_out_raw(&format!("COPY ({statement}) TO STDOUT")).await?;
        while let Some(bytes) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
            let bytes = bytes?;
            rows += 1;
            if taken.is_ok() {
                taken = line.read(&bytes).and_then(|()| take(&line));
            }
        }
        Ok(())
    };
    let copied = copied.await;
    Copied { rows: copied.map(|()| rows), taken }
}

fn gone() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::NotConnected))
}

/// An answer of one number.
pub(super) fn only<T: std::str::FromStr + Default>(line: &Line, into: &mut T) -> Result<(), SourceError> {
    *into = line.number(0).map_err(|_| strange("an answer is no number"))?;
    Ok(())
}
