//! The source that records move out of: one connection, one transaction at a
//! time, and what becomes of it.
//!
//! The transaction that `take` opens is ended by `commit` or `rollback` only. A
//! connection that is lost ends it too, and the server undoes it, unless it had
//! been told to commit: then nobody knows, and the error says no more than that.

use chrono::{DateTime, Utc};

use super::{
    connection::{Access, Link},
    failure, left, residue, restore, route,
    rowwise::{self, Turn},
    session, take,
    weak::Pending,
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

use super::batch::Order;

/// How often a batch begins anew that the server gave up to end a deadlock.
const DEADLOCKS_MAX: u32 = 3;

/// A database on a MariaDB or MySQL server from which records move.
#[derive(Debug)]
pub struct MySqlSource {
    link: Link,
    /// With a batch that was only read: no transaction is open, and nothing of it
    /// is deleted.
    transaction: Transaction<Order, Option<Box<Pending>>>,
    positions: Positions<Order>,
}

impl MySqlSource {
    /// Connects for reading and writing.
    pub async fn open(name: SourceName, server: &Server, patience: Patience) -> Result<Self, SourceError> {
        let link = Link::open(name, server, patience, Access::Write).await?;
        Ok(Self { link, transaction: Transaction::None, positions: Positions::new() })
    }

    /// Sees that there is a connection and that no transaction is open on it.
    async fn idle(&mut self) -> Result<(), SourceError> {
        match self.transaction {
            Transaction::None => {}
            Transaction::Unfinished => self.undo().await?,
            Transaction::Taken(_) => {
                return Err(SourceError::Engine {
                    reason: "a batch is open: commit it or roll it back first".to_owned(),
                });
            }
        }
        self.link.connect().await
    }

    async fn begin(&mut self) -> Result<(), SourceError> {
        self.transaction = Transaction::Unfinished;
        self.link.begin().await.map_err(failure::engine)
    }

    async fn undo(&mut self) -> Result<(), SourceError> {
        self.link.roll_back().await.map_err(failure::engine)?;
        self.transaction = Transaction::None;
        Ok(())
    }

    /// Commits. Foreign keys were checked at each statement, so that the server
    /// has nothing to refuse any more, save a deadlock between several servers.
    async fn finish(&mut self) -> Result<(), SourceError> {
        self.transaction = Transaction::Unfinished;
        match self.link.command("COMMIT").await {
            Ok(()) => {
                self.transaction = Transaction::None;
                Ok(())
            }
            Err(error) if failure::is_deadlock(&error) => {
                self.transaction = Transaction::None;
                Err(SourceError::RolledBack { reason: failure::describe(&error) })
            }
            Err(error) => Err(failure::engine(error)),
        }
    }

    /// Deletes a batch that was only read.
    async fn remove(&mut self, batch: &Pending) -> Result<(), SourceError> {
        let unmoved = |error: SourceError| SourceError::RolledBack { reason: error.to_string() };
        self.link.connect().await.map_err(unmoved)?;
        let rows = batch.rows().map_err(unmoved)?;
        let record = Restoration { dataset: &batch.dataset, tables: &batch.tables, rows, blank: Vec::new() };
        rowwise::remove(&mut self.link, std::slice::from_ref(&record), Turn::First).await.map(drop)
    }

    async fn take_once(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
        from: Option<&Order>,
    ) -> Result<take::Outcome, SourceError> {
        self.begin().await?;
        let outcome = take::take(&mut self.link, dataset, scope, cause, limit, (from, false)).await;
        if outcome.is_err() {
            self.undo().await?;
        }
        outcome
    }
}

impl Scan for MySqlSource {
    fn name(&self) -> &SourceName {
        &self.link.name
    }

    async fn inspect(&mut self, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
        self.idle().await?;
        session::inspect(&mut self.link, dataset, all).await
    }

    async fn look(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        key: &str,
    ) -> Result<Option<RecordFacts>, SourceError> {
        self.idle().await?;
        session::look(&mut self.link, dataset, scope, key).await
    }

    async fn clock(&mut self) -> Result<Option<DateTime<Utc>>, SourceError> {
        session::clock(&mut self.link).await.map(Some)
    }

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        self.idle().await?;
        session::census(&mut self.link, dataset, scope).await
    }
}

impl Source for MySqlSource {
    async fn set_out(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        rows: u64,
    ) -> Result<Route, SourceError> {
        self.idle().await?;
        let route = route::choose(&mut self.link, dataset, (scope, cause), rows).await?;
        let start = (route == Route::ByPlace).then(|| Order::Key(Vec::new()));
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
        let position = position_key(dataset, cause);
        let from = self.positions.get(&position).cloned();
        let mut attempt = 1;
        let outcome = loop {
            match self.take_once(dataset, scope, cause, limit, from.as_ref()).await {
                Err(SourceError::RolledBack { .. }) if attempt < DEADLOCKS_MAX => attempt += 1,
                outcome => break outcome?,
            }
        };
        let Some(batch) = outcome.batch else {
            self.undo().await?;
            self.positions.remove(&position);
            return Ok(None);
        };
        let reached = outcome.position;
        let engine = outcome.is_weak.then(|| Box::new(Pending::of(dataset, &batch)));
        if engine.is_some() {
            // Locks of rows would end where locks of tables begin.
            self.undo().await?;
        }
        self.transaction = Transaction::Taken(Open { position, reached, batches: 1, engine });
        Ok(Some(batch))
    }

    async fn take_on(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        let open = self.transaction.go_on(&position_key(dataset, cause))?;
        if open.engine.is_some() {
            // It is still there, and would be read once more.
            self.transaction = Transaction::Taken(open);
            return Ok(None);
        }
        let outcome = take::take(&mut self.link, dataset, scope, cause, limit, (open.reached.as_ref(), true)).await?;
        let batches = open.batches + usize::from(outcome.batch.is_some());
        self.transaction = Transaction::Taken(Open { reached: outcome.position, batches, ..open });
        Ok(outcome.batch)
    }

    async fn left(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Left, SourceError> {
        self.idle().await?;
        let mut attempt = 1;
        loop {
            self.begin().await?;
            let left = left::left(&mut self.link, dataset, scope).await;
            // Locks are all that this transaction has.
            self.undo().await?;
            match left {
                Err(SourceError::RolledBack { .. }) if attempt < DEADLOCKS_MAX => attempt += 1,
                left => return left,
            }
        }
    }

    async fn commit(&mut self, receipt: SealReceipt) -> Result<(), SourceError> {
        let open = self.transaction.permitted(&receipt)?;
        match &open.engine {
            None => self.finish().await?,
            Some(batch) => self.remove(batch).await?,
        }
        open.remember(&mut self.positions);
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), SourceError> {
        match self.transaction {
            Transaction::None => Ok(()),
            Transaction::Unfinished | Transaction::Taken(_) => self.undo().await,
        }
    }

    async fn presence(&mut self, record: &Restoration<'_>) -> Result<Presence, SourceError> {
        self.idle().await?;
        self.begin().await?;
        let presence = restore::presence(&mut self.link, record).await;
        self.undo().await?;
        presence
    }

    async fn finish_removal(
        &mut self,
        _receipt: SealReceipt,
        records: &[Restoration<'_>],
    ) -> Result<bool, SourceError> {
        self.idle().await?;
        let catalogue = self.link.catalogue().await?;
        if !rowwise::concerns(&catalogue, records) {
            return Ok(false);
        }
        rowwise::remove(&mut self.link, records, Turn::GoOn).await
    }

    async fn finish_restoration(&mut self, records: &[Restoration<'_>]) -> Result<bool, SourceError> {
        self.idle().await?;
        let catalogue = self.link.catalogue().await?;
        if !rowwise::concerns(&catalogue, records) {
            return Ok(false);
        }
        rowwise::put_back(&mut self.link, records, Turn::GoOn).await
    }

    async fn put_back(&mut self, records: &[Restoration<'_>]) -> Result<(), SourceError> {
        self.idle().await?;
        let catalogue = self.link.catalogue().await?;
        if rowwise::concerns(&catalogue, records) {
            return rowwise::put_back(&mut self.link, records, Turn::First).await.map(drop);
        }
        self.begin().await?;
        match restore::put_back(&mut self.link, records).await {
            Ok(()) => self.finish().await,
            Err(error) => {
                self.undo().await?;
                Err(error)
            }
        }
    }

    async fn wipe(&mut self, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
        self.idle().await?;
        self.link.unhurried(async |link| wipe::wipe(link, job).await).await
    }

    async fn search(&mut self, job: &SearchJob<'_>) -> Result<Search, SourceError> {
        self.idle().await?;
        // The rows of a whole table may take as long as they take.
        self.link.unhurried(async |link| residue::search(link, job).await).await
    }
}
