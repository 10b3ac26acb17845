//! The source that records move out of: one connection, one transaction at a
//! time, and what becomes of it.
//!
//! The transaction that `take` opens is ended by `commit` or `rollback` only.
//! Dropping the source closes the connection, and with it undoes the batch.

use std::{path::Path, time::Duration};

use super::{
    batch::Start,
    connection::{Access, Link},
    dialect::quote,
    failure, residue, restore, route, session, take, value, wipe,
};
use crate::{
    adapters::sql::{Open, Positions, Sql, Transaction, position_key, set_out},
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

/// A SQLite database from which records move.
#[derive(Debug)]
pub struct SqliteSource {
    link: Link,
    transaction: Transaction<Start, Vec<String>>,
    positions: Positions<Start>,
}

impl SqliteSource {
    /// Opens an existing database for reading and writing. `busy_timeout` is how
    /// long a lock of the application is waited for.
    pub async fn open(name: SourceName, path: &Path, busy_timeout: Duration) -> Result<Self, SourceError> {
        let link = Link::open(name, path, busy_timeout, Access::Write).await?;
        Ok(Self { link, transaction: Transaction::None, positions: Positions::new() })
    }

    /// Sees that no transaction is open.
    async fn idle(&mut self) -> Result<(), SourceError> {
        match self.transaction {
            Transaction::None => Ok(()),
            Transaction::Unfinished => self.undo().await,
            Transaction::Taken(_) => {
                Err(SourceError::Engine { reason: "a batch is open: commit it or roll it back first".to_owned() })
            }
        }
    }

    /// Locks the database for writing before anything is read.
    async fn begin(&mut self) -> Result<(), SourceError> {
        self.transaction = Transaction::Unfinished;
        match self.link.command("BEGIN IMMEDIATE").await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.transaction = Transaction::None;
                Err(failure::engine(error))
            }
        }
    }

    /// Rolls back, also where the engine did so already.
    async fn undo(&mut self) -> Result<(), SourceError> {
        self.link.roll_back().await.map_err(failure::engine)?;
        self.transaction = Transaction::None;
        Ok(())
    }

    /// Commits. Where the engine refuses and keeps the transaction, it is
    /// undone, and the error says so.
    async fn finish(&mut self, tables: &[String], parents: bool) -> Result<(), SourceError> {
        self.transaction = Transaction::Unfinished;
        let Err(error) = self.link.command("COMMIT").await else {
            self.transaction = Transaction::None;
            return Ok(());
        };
        let reason = if failure::is_foreign_key(&error) {
            self.broken_keys(tables, parents).await.map_err(failure::engine)?
        } else if failure::is_busy(&error) {
            "the application holds the lock; hint: try again when it is idle".to_owned()
        } else {
            // The disk may be full or gone: what is in the file is not known.
            return Err(failure::engine(error));
        };
        self.undo().await?;
        Err(SourceError::RolledBack { reason })
    }

    /// Which tables would be left with rows that point at nothing. Counts rows
    /// that pointed at nothing before, too.
    async fn broken_keys(&mut self, tables: &[String], restoring: bool) -> Result<String, sqlx::Error> {
        let catalogue = self.link.catalogue().await?;
        let schema = &catalogue.schema;
        let children: Vec<String> = if restoring {
            tables.to_vec()
        } else {
            let pointing = tables.iter().flat_map(|table| schema.pointing_at(table));
            pointing.map(|(child, _)| child.name.clone()).collect()
        };
        let mut broken: Vec<String> = Vec::new();
        let mut seen: Vec<&String> = Vec::new();
        for child in &children {
            if seen.contains(&child) {
                continue;
            }
            seen.push(child);
            let query = "SELECT \"parent\", count(*) FROM pragma_foreign_key_check(";
            let mut sql = Sql::new(query);
            sql.bind_text(child).push(", 'main') GROUP BY 1 ORDER BY 1");
            for row in self.link.all(sql).await? {
                let (parent, rows) = (value::text(&row, 0)?, value::count(&row, 1)?);
                broken.push(format!("{rows} rows of {} would point at no row of {}", quote(child), quote(&parent)));
            }
        }
        let hint = if restoring {
            "restore the records of the tables pointed at first, or together with these"
        } else {
            "run check and cover the foreign key with an edge"
        };
        Ok(format!("foreign keys would be broken: {}; hint: {hint}", broken.join("; ")))
    }
}

impl Scan for SqliteSource {
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

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        self.idle().await?;
        session::census(&mut self.link, dataset, scope).await
    }
}

impl Source for SqliteSource {
    async fn set_out(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        rows: u64,
    ) -> Result<Route, SourceError> {
        self.idle().await?;
        let route = route::choose(&mut self.link, dataset, (scope, cause), rows).await?;
        let start = (route == Route::ByPlace).then_some(Start::Row(i64::MIN));
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
        let outcome = take::take(&mut self.link, dataset, scope, cause, limit, from.as_ref()).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.undo().await?;
                return Err(error);
            }
        };
        if outcome.batch.is_none() {
            self.undo().await?;
            self.positions.remove(&position);
            return Ok(None);
        }
        let reached = outcome.position;
        self.transaction = Transaction::Taken(Open { position, reached, batches: 1, engine: outcome.tables });
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
        let outcome = take::take(&mut self.link, dataset, scope, cause, limit, open.reached.as_ref()).await?;
        let batches = open.batches + usize::from(outcome.batch.is_some());
        self.transaction = Transaction::Taken(Open { reached: outcome.position, batches, ..open });
        Ok(outcome.batch)
    }

    /// A file has one lock for all who write.
    async fn left(&mut self, _dataset: &Dataset, _scope: &Scope<'_>) -> Result<Left, SourceError> {
        Ok(Left::default())
    }

    async fn commit(&mut self, receipt: SealReceipt) -> Result<(), SourceError> {
        let open = self.transaction.permitted(&receipt)?;
        self.finish(&open.engine, false).await?;
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
        restore::presence(&mut self.link, record).await
    }

    async fn put_back(&mut self, records: &[Restoration<'_>]) -> Result<(), SourceError> {
        self.idle().await?;
        self.begin().await?;
        match restore::put_back(&mut self.link, records).await {
            Ok(tables) => self.finish(&tables, true).await,
            Err(error) => {
                self.undo().await?;
                Err(error)
            }
        }
    }

    async fn wipe(&mut self, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
        self.idle().await?;
        wipe::wipe(&mut self.link, job).await
    }

    async fn search(&mut self, job: &SearchJob<'_>) -> Result<Search, SourceError> {
        self.idle().await?;
        residue::search(&mut self.link, job).await
    }
}
