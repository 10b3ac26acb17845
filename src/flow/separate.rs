//! Separate: move records from a source to the vault, batch by batch.
//!
//! The order of steps is what keeps a record from being lost: the source
//! deletes in an open transaction, the vault commits the sealed copy, the copy
//! is read back, decrypted and compared, and only then the source commits.

mod batch;
mod transaction;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use chrono::{DateTime, Utc};

use super::{
    custody::Custody,
    hold,
    rulebook::{Rulebook, with_others},
};
use crate::{
    domain::{
        deployment::Dataset,
        hold::Held,
        id::{BucketId, RuleId},
        selection::{Cause, Scope},
    },
    ports::{Clock, Failure, Keyring, Ledger, Left, Pace, Progress, Route, Source, Turn, Vault},
};
use transaction::{Errand, carry};

/// Rows that left a source for the vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
}

impl Moved {
    /// What is left of this once `done` is taken away.
    pub(super) fn without(mut self, done: &Self) -> Self {
        self.rows = self.rows.saturating_sub(done.rows);
        for (table, rows) in &mut self.children {
            *rows = rows.saturating_sub(done.children.get(table).copied().unwrap_or(0));
        }
        self
    }
}

/// What is separated, and as of when.
#[derive(Debug)]
pub struct Job<'a> {
    pub book: &'a Rulebook<'a>,
    pub dataset: &'a Dataset,
    /// The instant of the plan.
    pub at: DateTime<Utc>,
    /// Rows that were planned. What is added to the source meanwhile waits for
    /// the next plan.
    pub rows_max: u64,
    /// As many more as belong to records that leave before them.
    pub ahead_max: u64,
    /// Rules by which nothing is due in this cycle.
    pub idle: &'a BTreeSet<RuleId>,
    /// Buckets that the vault had before this cycle.
    pub stored: &'a BTreeSet<BucketId>,
}

/// Moves everything of the job's dataset that may move. `moved` grows with every
/// transaction that is finished, so that it is right also when a later one fails.
/// Breaks off between two of them where `pace` says so. Returns what was planned
/// and is left, where that is not everything.
pub async fn separate<S, V, K, L>(
    job: &Job<'_>,
    source: &mut S,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
    progress: &mut (impl Progress + Pace),
    moved: &mut Moved,
) -> Result<ControlFlow<String, Left>, Failure>
where
    S: Source,
    V: Vault,
    K: Keyring,
    L: Ledger,
{
    let rule = job.book.rule(&job.dataset.rule)?;
    let events = rule.separate_on.iter().cloned().map(Cause::Event);
    let mut is_short = false;
    for cause in events.chain([Cause::Due, Cause::WithParent]) {
        if cause == Cause::WithParent {
            is_short = moved.rows < job.rows_max;
        }
        let mut left = match cause {
            Cause::WithParent => job.ahead_max,
            Cause::Due | Cause::Event(_) => job.rows_max.saturating_sub(moved.rows),
        };
        if left == 0 {
            continue;
        }
        let route = job.set_out(&cause, left, source, custody).await?;
        let mut at_once = false;
        while left > 0 {
            let room = match progress.turn(Some(&job.dataset.source)).await {
                Turn::Go { rows_max } => job.room(left).min(rows_max),
                Turn::Stop(reason) => return Ok(ControlFlow::Break(reason)),
            };
            let Some(carried) = carry(job, Errand { cause: &cause, room, at_once }, source, custody, clock).await?
            else {
                break;
            };
            let rows = carried.announced.rows;
            at_once = route == Route::ByPlace && carried.announced.is_sparse();
            moved.rows += rows;
            left = left.saturating_sub(rows);
            for (table, rows) in carried.announced.children {
                *moved.children.entry(table).or_default() += rows;
            }
            progress.advance(rows);
            progress.moved(rows);
            if carried.last {
                break;
            }
        }
    }
    let left = if is_short { job.left(source, custody).await? } else { Left::default() };
    Ok(ControlFlow::Continue(left))
}

impl<'a> Job<'a> {
    /// Rows of the next transaction, when `left` may still move.
    fn room(&self, left: u64) -> u32 {
        let limits = &self.book.deployment.limits;
        u32::try_from(left).unwrap_or(u32::MAX).min(limits.transaction_rows())
    }

    /// Lets the source choose its way through the table.
    async fn set_out<S: Source, V, K: Keyring, L: Ledger>(
        &self,
        cause: &Cause,
        rows: u64,
        source: &mut S,
        custody: &mut Custody<V, K, L>,
    ) -> Result<Route, Failure> {
        let held = self.held(custody)?;
        let scopes = self.scopes(&held)?;
        Ok(source.set_out(self.dataset, &with_others(self.dataset, &scopes)?, cause, rows).await?)
    }

    /// What the source would pass over if it were asked for more.
    async fn left<S: Source, V, K: Keyring, L: Ledger>(
        &self,
        source: &mut S,
        custody: &mut Custody<V, K, L>,
    ) -> Result<Left, Failure> {
        let held = self.held(custody)?;
        let scopes = self.scopes(&held)?;
        Ok(source.left(self.dataset, &with_others(self.dataset, &scopes)?).await?)
    }

    /// What holds cover at this moment, by dataset.
    fn held<V, K: Keyring, L: Ledger>(&self, custody: &mut Custody<V, K, L>) -> Result<Vec<Held>, Failure> {
        Ok(self.book.held(&hold::in_force(custody)?))
    }

    /// The scopes of all datasets, with nothing due in those that are idle.
    fn scopes<'s>(&self, held: &'s [Held]) -> Result<Vec<(&'a Dataset, Scope<'s>)>, Failure>
    where
        'a: 's,
    {
        let mut scopes = self.book.scopes(self.at, held)?;
        for (_, scope) in scopes.iter_mut().filter(|(dataset, _)| self.idle.contains(&dataset.rule)) {
            *scope = scope.idle();
        }
        Ok(scopes)
    }
}
