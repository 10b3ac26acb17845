//! One transaction of the source: batch after batch is deleted in it, and while
//! the source deletes the next one, the one before is sealed, stored and read
//! back. The source commits when the vault has them all, or it keeps them all.

use super::{
    Job,
    batch::{Announced, Pending, keep},
};
use crate::{
    domain::{
        deployment::BATCHES_PER_TRANSACTION,
        id::BatchId,
        ledger::event::{Event, SeparateResult},
        seal::SealReceipt,
        selection::Cause,
    },
    flow::{custody::Custody, rulebook::with_others},
    ports::{Clock, Failure, Keyring, Ledger, Source, SourceError, Vault, VaultError},
};

/// What one transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand<'c> {
    pub(super) cause: &'c Cause,
    /// Records at most.
    pub(super) room: u32,
    /// All of them are one batch.
    pub(super) at_once: bool,
}

impl Errand<'_> {
    /// Records of the next batch.
    fn batch_limit(&self, job: &Job<'_>) -> u32 {
        if self.at_once { self.room } else { self.room.min(job.book.deployment.limits.batch_rows) }
    }
}

/// What one transaction moved.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) announced: Announced,
    /// Nothing is left behind it.
    pub(super) last: bool,
}

/// Does the errand in one transaction, or nothing of it. `None`: nothing moves for
/// this cause any more.
pub(super) async fn carry<S: Source, V: Vault, K: Keyring, L: Ledger>(
    job: &Job<'_>,
    errand: Errand<'_>,
    source: &mut S,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
) -> Result<Option<Carried>, Failure> {
    let held = job.held(custody)?;
    let scopes = job.scopes(&held)?;
    let scope = with_others(job.dataset, &scopes)?;
    let taken = source.take(job.dataset, &scope, errand.cause, errand.batch_limit(job)).await?;
    let Some(first) = taken.map(|batch| Pending::new(batch, &scope)) else { return Ok(None) };
    let mut announced = Announced::default();
    match fill(job, errand, source, (custody, clock), first, &mut announced).await {
        Ok((receipt, last)) => {
            commit(source, custody, receipt, &announced.batches).await?;
            Ok(Some(Carried { announced, last }))
        }
        Err(failure) => {
            roll_back(source, &failure).await?;
            Err(undo(custody, &announced.batches, failure).await)
        }
    }
}

/// Takes batches until the transaction is full or nothing is left, and brings
/// each into the vault meanwhile. Nothing is committed, whatever fails.
async fn fill<S: Source, V: Vault, K: Keyring, L: Ledger>(
    job: &Job<'_>,
    mut errand: Errand<'_>,
    source: &mut S,
    (custody, clock): (&mut Custody<V, K, L>, &impl Clock),
    first: Pending,
    announced: &mut Announced,
) -> Result<(SealReceipt, bool), Failure> {
    let mut pending = first;
    let mut receipt = None;
    for _ in 1..BATCHES_PER_TRANSACTION {
        errand.room = errand.room.saturating_sub(pending.rows());
        if pending.is_last() || errand.room == 0 {
            break;
        }
        // A hold that was placed since the last batch takes effect with this one.
        let held = job.held(custody)?;
        let scopes = job.scopes(&held)?;
        let scope = with_others(job.dataset, &scopes)?;
        let taking = source.take_on(job.dataset, &scope, errand.cause, errand.batch_limit(job));
        let keeping = keep(job, errand.cause, custody, clock, pending, announced);
        // The source is asked first: it works while we seal.
        let (taken, kept) = tokio::join!(biased; taking, keeping);
        let joined = SealReceipt::joined(receipt.take(), kept?);
        let Some(batch) = taken? else { return Ok((joined, false)) };
        (pending, receipt) = (Pending::new(batch, &scope), Some(joined));
    }
    let last = pending.is_last();
    let kept = keep(job, errand.cause, custody, clock, pending, announced).await?;
    Ok((SealReceipt::joined(receipt, kept), last))
}

/// Commits what the vault holds by now. Behind this the vault has the only copy.
async fn commit<S: Source, V: Vault, K: Keyring, L: Ledger>(
    source: &mut S,
    custody: &mut Custody<V, K, L>,
    receipt: SealReceipt,
    batches: &[BatchId],
) -> Result<(), Failure> {
    if let Err(error) = custody.vault.keep_lease().await {
        let failure = error.into();
        roll_back(source, &failure).await?;
        return Err(undo(custody, batches, failure).await);
    }
    match source.commit(receipt).await {
        Ok(()) => {}
        Err(error @ SourceError::RolledBack { .. }) => return Err(undo(custody, batches, error.into()).await),
        Err(error) => return Err(commit_unknown(batches, &error)),
    }
    custody.ledger.append(outcomes(batches, SeparateResult::Committed, None))?;
    Ok(())
}

fn outcomes(batches: &[BatchId], result: SeparateResult, reason: Option<&str>) -> Vec<Event> {
    let outcome = |batch: &BatchId| {
        let reason = reason.map(str::to_owned);
        Event::SeparateOutcome { batch: batch.clone(), result, reason }
    };
    batches.iter().map(outcome).collect()
}

/// Undoes the open deletion. If that fails, the source still has it open, and
/// nothing more may be asked of it; the next start finds the rows where they were.
async fn roll_back<S: Source>(source: &mut S, cause: &Failure) -> Result<(), Failure> {
    source.rollback().await.map_err(|error| {
        Failure::StateUnknown(format!(
            "{cause}; and the source could not undo the deletion: {error}; hint: run again when the source can be \
             reached, recovery settles what is open"
        ))
    })
}

/// After the source has undone its transaction: drops the vault's copies and says
/// so. If that fails as well, the intents stay open and recovery settles them.
async fn undo<V: Vault, K: Keyring, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    batches: &[BatchId],
    cause: Failure,
) -> Failure {
    // Whoever took over has the vault; the intents stay open, and recovery asks what is there.
    if batches.is_empty() || matches!(cause, Failure::TakenOver(_)) {
        return cause;
    }
    for id in batches {
        if let Err(error) = custody.vault.drop_batch(id).await {
            if matches!(error, VaultError::TakenOver { .. }) {
                return error.into();
            }
            return Failure::StateUnknown(format!(
                "{cause}; the source kept its rows, and the vault could not drop its copy of batch {id}: {error}; \
                 hint: put that right and run again, recovery drops it"
            ));
        }
    }
    match custody.ledger.append(outcomes(batches, SeparateResult::RolledBack, Some(&cause.to_string()))) {
        Ok(_) => cause,
        Err(error) => Failure::StateUnknown(format!("{cause}; the source kept its rows, but {error}")),
    }
}

fn commit_unknown(batches: &[BatchId], error: &SourceError) -> Failure {
    let listed = batches.iter().map(BatchId::as_str).collect::<Vec<_>>().join(", ");
    Failure::StateUnknown(format!(
        "it is not known whether the source committed batch {listed}: {error}; the vault keeps its copy; hint: run \
         again when the source can be reached, recovery compares both"
    ))
}
