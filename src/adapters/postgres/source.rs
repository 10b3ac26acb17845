//! The source that records move out of: one session, one transaction at a time,
//! and what becomes of it.
//!
//! The transaction that `take` opens is ended by `commit` or `rollback` only.
//! Dropping the source closes the session, and with it undoes the batch. Where
//! the session is lost while it commits, the server is asked what became of the
//! transaction.

use chrono::{DateTime, Utc};

use std::time::Duration;

use super::{
    batch::Start,
    census, clock, failure, inspect, left,
    link::{Access, Link, only},
    look, residue, restore, route,
    take::{self, Order},
    wipe,
};
use crate::{
    adapters::{
        engine::{Patience, Server},
        sql::{Open, Positions, Transaction, position_key, set_out},
    },
    domain::{
        census::Census,
        deployment::Dataset,
        explain::RecordFacts,
        id::SourceName,
        seal::SealReceipt,
        selection::{Cause, Scope},
    },
    ports::{
        Batch, Left, Presence, Restoration, Route, Scan, SchemaFinding, Search, SearchJob, Source, SourceError,
        WipeJob, Wiped,
    },
};

/// A PostgreSQL database from which records move.
#[derive(Debug)]
pub struct PostgresSource {
    link: Link,
    transaction: Transaction<Start, u64>,
    positions: Positions<Start>,
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET CONSTRAINTS ALL DEFERRED";

/// The transaction's number, for whoever has to ask what became of it.
const NUMBER: &str = "SELECT pg_current_xact_id()";

/// How often the server is asked what became of a transaction.
const QUESTIONS_MAX: u32 = 20;
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(250);

impl PostgresSource {
    /// Opens a database for reading and writing, as the only retentiond that
    /// moves this source's records.
    pub async fn open(name: SourceName, server: &Server, patience: Patience) -> Result<Self, SourceError> {
        let link = Link::open(name, server, patience, Access::Write).await?;
        Ok(Self { link, transaction: Transaction::None, positions: Positions::new() })
    }

    /// Ends the session in an orderly way.
    pub async fn close(mut self) -> Result<(), SourceError> {
        self.link.close().await.map_err(|error| self.link.failed(&error))
    }

    /// Sees that no transaction is open, and that there is a session.
    async fn idle(&mut self) -> Result<(), SourceError> {
        match self.transaction {
            Transaction::None => {}
            Transaction::Unfinished => self.undo().await,
            Transaction::Taken(_) => {
                let reason = "a batch is open: commit it or roll it back first".to_owned();
                return Err(SourceError::Engine { reason });
            }
        }
        self.link.connect().await
    }

    async fn begin(&mut self) -> Result<(), SourceError> {
        self.transaction = Transaction::Unfinished;
        if let Err(error) = self.link.command(BEGIN).await {
            self.undo().await;
            return Err(self.link.failed(&error));
        }
        Ok(())
    }

    /// Rolls back, by ending the session where nothing else helps.
    async fn undo(&mut self) {
        self.link.roll_back().await;
        self.transaction = Transaction::None;
    }

    async fn number(&mut self) -> Result<u64, SourceError> {
        let mut number = 0;
        self.link.each(NUMBER, |line| only(line, &mut number)).await?;
        Ok(number)
    }

    /// Commits. An error of the server's undid the transaction; one of the
    /// session leaves it open, and the server is asked.
    async fn finish(&mut self, number: u64) -> Result<(), SourceError> {
        self.transaction = Transaction::Unfinished;
        let outcome = self.link.command("COMMIT").await;
        self.transaction = Transaction::None;
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if self.link.is_connected() => {
                // The server said no, and a transaction that fails to commit is
                // undone; nothing is left open either way.
                self.link.roll_back().await;
                Err(SourceError::RolledBack { reason: failure::describe(&error) })
            }
            Err(error) => self.became(number, &error).await,
        }
    }

    /// What became of a transaction whose session was lost. Being connected
    /// again means that the server has ended the old session.
    async fn became(&mut self, number: u64, lost: &sqlx::Error) -> Result<(), SourceError> {
        let question = format!("SELECT coalesce(pg_xact_status('{number}'), 'unknown')");
        for _ in 0..QUESTIONS_MAX {
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
            let mut answer = String::new();
            let keep = |line: &super::copy::Line| {
                answer = line.text(0)?.to_owned();
                Ok(())
            };
            if self.link.connect().await.is_err() || self.link.each(&question, keep).await.is_err() {
                continue;
            }
            match answer.as_str() {
                "committed" => return Ok(()),
                "aborted" => return Err(SourceError::RolledBack { reason: failure::describe(lost) }),
                _ => {}
            }
        }
        Err(self.link.failed(lost))
    }
}

impl Scan for PostgresSource {
    fn name(&self) -> &SourceName {
        &self.link.name
    }

    async fn inspect(&mut self, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
        self.idle().await?;
        inspect(&mut self.link, dataset, all).await
    }

    async fn look(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        key: &str,
    ) -> Result<Option<RecordFacts>, SourceError> {
        self.idle().await?;
        look(&mut self.link, dataset, scope, key).await
    }

    async fn clock(&mut self) -> Result<Option<DateTime<Utc>>, SourceError> {
        self.idle().await?;
        clock(&mut self.link).await.map(Some)
    }

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        self.idle().await?;
        census(&mut self.link, dataset, scope).await
    }
}

impl Source for PostgresSource {
    async fn set_out(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        rows: u64,
    ) -> Result<Route, SourceError> {
        self.idle().await?;
        let route = route::choose(&mut self.link, dataset, (scope, cause), rows).await?;
        let start = (route == Route::ByPlace).then_some(Start::FIRST_PLACE);
        set_out(&mut self.positions, position_key(dataset, cause), start);
        Ok(route)
    }

    async fn take(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        self.idle().await?;
        if limit == 0 {
            return Err(SourceError::Engine { reason: "a batch of no records was asked for".to_owned() });
        }
        self.begin().await?;
        let position = position_key(dataset, cause);
        let from = self.positions.get(&position).cloned();
        let order = Order { dataset, scope, cause, limit, start: from.as_ref(), goes_on: false };
        let outcome = match take::take(&mut self.link, order).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.undo().await;
                return Err(error);
            }
        };
        if outcome.batch.is_none() {
            self.undo().await;
            self.positions.remove(&position);
            return Ok(None);
        }
        let number = match self.number().await {
            Ok(number) => number,
            Err(error) => {
                self.undo().await;
                return Err(error);
            }
        };
        let reached = outcome.position;
        self.transaction = Transaction::Taken(Open { position, reached, batches: 1, engine: number });
        Ok(outcome.batch)
    }

    async fn take_on(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        let open = self.transaction.go_on(&position_key(dataset, cause))?;
        let order = Order { dataset, scope, cause, limit, start: open.reached.as_ref(), goes_on: true };
        let outcome = take::take(&mut self.link, order).await?;
        let batches = open.batches + usize::from(outcome.batch.is_some());
        self.transaction = Transaction::Taken(Open { reached: outcome.position, batches, ..open });
        Ok(outcome.batch)
    }

    async fn left(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Left, SourceError> {
        self.idle().await?;
        self.begin().await?;
        let left = left::left(&mut self.link, dataset, scope).await;
        // Locks are all that this transaction has.
        self.undo().await;
        left
    }

    async fn commit(&mut self, receipt: SealReceipt) -> Result<(), SourceError> {
        let open = self.transaction.permitted(&receipt)?;
        self.finish(open.engine).await?;
        open.remember(&mut self.positions);
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), SourceError> {
        match self.transaction {
            Transaction::None => {}
            Transaction::Unfinished | Transaction::Taken(_) => self.undo().await,
        }
        Ok(())
    }

    async fn presence(&mut self, record: &Restoration<'_>) -> Result<Presence, SourceError> {
        self.idle().await?;
        restore::presence(&mut self.link, record).await
    }

    async fn put_back(&mut self, records: &[Restoration<'_>]) -> Result<(), SourceError> {
        self.idle().await?;
        self.begin().await?;
        let put_back = match restore::put_back(&mut self.link, records).await {
            Ok(()) => self.number().await,
            Err(error) => Err(error),
        };
        match put_back {
            Ok(number) => self.finish(number).await,
            // Nothing was committed, whatever was lost.
            Err(error) => {
                self.undo().await;
                Err(match error {
                    known @ (SourceError::RolledBack { .. } | SourceError::Schema { .. }) => known,
                    other => SourceError::RolledBack { reason: other.to_string() },
                })
            }
        }
    }

    async fn wipe(&mut self, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
        self.idle().await?;
        let wiped = self.link.unhurried(async |session| wipe::wipe(session, job).await).await;
        wiped.map_err(|error| self.link.failed(&error))
    }

    async fn search(&mut self, job: &SearchJob<'_>) -> Result<Search, SourceError> {
        self.idle().await?;
        let found = self.link.with(async |session| residue::search(session, job).await).await;
        found.map_err(|error| self.link.failed(&error))
    }
}
