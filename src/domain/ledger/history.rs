//! What the ledger says so far: a fold over its entries.
//!
//! The same fold serves the running daemon, recovery after a crash and the
//! auditor, so that all three agree on what is open. It decides nothing: it
//! only refuses sequences of entries that no working ledger contains.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, NaiveDate, Utc};

mod facts;
pub mod needed;
mod pairs;
mod persons;
mod pruned;
mod residues;
mod sequence;
mod vault;

pub use facts::{
    Acknowledged, Approved, CiphertextDeleted, HoldOnRecord, KeyDestroyed, Open, OpenDestruction, Opened,
    PolicyInForce, RunFinished, RunStarted,
};
pub use pairs::{Step, StepKind};
pub use pruned::PrunedOnRecord;
pub use residues::{Case, DestroyedInCase, Residues, TakenBatch};
pub use sequence::HistoryError;

use pairs::Pairs;

use super::{
    event::{DestroyOutcome, DestroyResult, Entry, Event, RestoreIntent, SeparateIntent, VERSION},
    keys::Handovers,
};
use crate::domain::{
    canonical,
    id::{Digest, HoldId, OperationId, RuleId, RunId, SourceName},
    verdict::Verdict,
};

/// Earlier runs that are remembered per rule, for a median.
pub const RUNS_REMEMBERED_MAX: usize = 30;

/// Facts that commands need from the ledger, kept while entries are appended.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Number of entries; also the `seq` that the next one must have.
    pub entries: u64,
    /// Time of the last entry.
    pub last_time: Option<DateTime<Utc>>,
    /// What the first entry says.
    pub opened: Option<Opened>,
    /// The policy that was adopted last.
    pub policy: Option<PolicyInForce>,
    /// The policies before it, oldest first.
    pub earlier_policies: Vec<PolicyInForce>,
    /// The policy in force, once a run with a reviewed plan that started and
    /// finished under it stands in the ledger. Adopting any policy clears it.
    pub reviewed: Option<Digest>,
    /// Batches and destructions without an outcome, by their identity.
    pairs: Pairs,
    /// Batches without an outcome, in ledger order.
    pub open_separations: Vec<Open<SeparateIntent>>,
    /// Restorations without an outcome, in ledger order.
    pub open_restores: Vec<Open<RestoreIntent>>,
    /// Destructions without an outcome, in ledger order.
    pub open_destructions: Vec<OpenDestruction>,
    /// Holds in force.
    pub holds: BTreeMap<HoldId, HoldOnRecord>,
    /// Holds that were lifted, and when.
    pub lifted: BTreeMap<HoldId, (HoldOnRecord, DateTime<Utc>)>,
    /// Held records whose sealing apart has no outcome.
    pub open_sealings: BTreeSet<OperationId>,
    /// Handovers of the signing key.
    pub handovers: Handovers,
    /// What was dropped on record, oldest first.
    pub pruned: Vec<PrunedOnRecord>,
    /// Readings without an outcome.
    pub open_reads: BTreeSet<OperationId>,
    /// Who approved a plan, by its digest.
    pub approvals: BTreeMap<Digest, Vec<Approved>>,
    /// Finished runs that nobody has confirmed, with what they destroyed.
    pub unconfirmed: BTreeMap<RunId, u64>,
    /// Records that the vault must hold, by rule: separated, not restored, not
    /// destroyed. What else it holds belongs to open intents.
    pub in_vault: BTreeMap<RuleId, u64>,
    /// The entry that announced the last batch that was committed: the vault knows
    /// of it, unless it is an older copy that nobody has acknowledged.
    pub stored_last: Option<u64>,
    /// Event dates of the buckets that were destroyed, by rule.
    dates_destroyed: BTreeMap<RuleId, BTreeSet<NaiveDate>>,
    /// An older copy of the vault that was acknowledged and is not cleared yet.
    pub acknowledged: Option<Acknowledged>,
    /// What was refused last under the policy in force, as a whole and for which
    /// reason: limit and value.
    pub refusals: BTreeMap<String, (String, String)>,
    /// The last key epoch that a destruction ended: the keyring must be past it.
    pub epoch_ended: Option<u64>,
    /// Tables whose wipe was started and not finished, or is owed.
    pub open_wipes: BTreeMap<SourceName, BTreeSet<String>>,
    /// What of removed rows may be left in the sources.
    pub residues: Residues,
    /// The run that was started last, finished or not.
    pub last_started: Option<RunStarted>,
    /// The run that was finished last.
    pub last_finished: Option<RunFinished>,
    /// Records separated by earlier finished runs (see `separated_before`).
    separated: BTreeMap<RuleId, VecDeque<u64>>,
    /// Records that the current run has separated so far, and its identity.
    current: Option<(RunId, BTreeMap<RuleId, u64>)>,
    /// The current run, if it carries out a reviewed plan of the policy in force.
    reviewing: Option<RunId>,
}

impl History {
    /// Takes one more entry into account. After an error nothing has changed.
    pub fn record(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        if entry.v != VERSION {
            return Err(HistoryError::Version { found: entry.v });
        }
        self.follows(entry.seq, entry.time, matches!(entry.event, Event::LedgerOpened { .. }))?;
        self.apply(entry)?;
        self.count(entry.time);
        Ok(())
    }

    /// Takes a step into account and nothing else that its entry says: enough to
    /// tell whether entries may follow each other. A history goes on with either
    /// this or `record` for all entries that are steps.
    pub fn record_step(&mut self, seq: u64, time: DateTime<Utc>, step: Step<'_>) -> Result<(), HistoryError> {
        self.follows(seq, time, false)?;
        self.pairs.take(step)?;
        self.count(time);
        Ok(())
    }

    fn follows(&self, seq: u64, time: DateTime<Utc>, opens: bool) -> Result<(), HistoryError> {
        if seq != self.entries {
            return Err(HistoryError::Sequence { expected: self.entries, found: seq });
        }
        if let Some(before) = self.last_time.filter(|before| time < *before) {
            return Err(HistoryError::TimeWentBack { before, found: time });
        }
        if self.opened.is_some() || opens { Ok(()) } else { Err(HistoryError::NotOpened) }
    }

    const fn count(&mut self, time: DateTime<Utc>) {
        self.entries += 1;
        self.last_time = Some(time);
    }

    /// Records of a rule that each of the last runs separated: finished runs
    /// that moved something of this rule, oldest first, at most
    /// `RUNS_REMEMBERED_MAX`. Batches count where their intent stands.
    pub fn separated_before(&self, rule: &RuleId) -> impl Iterator<Item = u64> + '_ {
        self.separated.get(rule).into_iter().flatten().copied()
    }

    /// True while an intent of any kind has no outcome. Wipes are not counted:
    /// an unfinished one is started again.
    #[must_use]
    pub fn has_open_intents(&self) -> bool {
        !(self.open_separations.is_empty() && self.open_restores.is_empty() && self.open_destructions.is_empty())
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        if let Some(step) = Step::of(&entry.event) {
            self.pairs.take(step)?;
        }
        match &entry.event {
            Event::LedgerOpened { origin, simulation, version } => {
                if self.opened.is_some() {
                    return Err(HistoryError::OpenedTwice);
                }
                let (origin, version) = (origin.clone(), version.clone());
                self.opened = Some(Opened { origin, simulation: *simulation, version, at: entry.time });
                Ok(())
            }
            Event::PolicyAdopted { .. } => self.policy_adopted(entry),
            Event::RunStarted { .. } => self.run_started(entry),
            Event::RunFinished { .. } => self.run_finished(entry),
            Event::SeparateIntent(intent) => {
                self.open_separations.push(Open::of(intent, entry));
                Ok(())
            }
            Event::SeparateOutcome { batch, result, .. } => self.separated(batch, *result),
            Event::RestoreIntent(intent) => {
                if self.open_restores.iter().any(|open| open.intent.operation == intent.operation) {
                    return Err(repeated("restore.intent", &intent.operation));
                }
                self.open_restores.push(Open::of(intent, entry));
                Ok(())
            }
            Event::RestoreOutcome { operation, result, .. } => self.restored(operation, *result),
            Event::DestroyIntent(_)
            | Event::KeyDestroyed { .. }
            | Event::CiphertextDeleted { .. }
            | Event::DestroyOutcome(_) => self.destruction(entry),
            Event::WipeStarted { source, tables, .. } => {
                self.open_wipes.entry(source.clone()).or_default().extend(tables.iter().cloned());
                Ok(())
            }
            Event::WipeFinished { .. } => self.wiped(entry),
            Event::ResidueScanned(scan) => {
                self.residues.scanned(scan, entry);
                Ok(())
            }
            Event::ResidueClosed { case, .. } => {
                let without = || HistoryError::WithoutIntent { kind: "residue.closed", id: case.to_string() };
                self.residues.closed(case).ok_or_else(without)
            }
            Event::Refused { what, rule: None, limit, value } => {
                self.refusals.insert(what.clone(), (limit.clone(), value.clone()));
                Ok(())
            }
            Event::Refused { .. } | Event::ManualRecorded(_) | Event::Heartbeat {} => Ok(()),
            Event::HoldPlaced(_)
            | Event::HoldLifted { .. }
            | Event::HoldSealing { .. }
            | Event::HoldSealed { .. }
            | Event::PlanApproved { .. }
            | Event::LedgerRekeyed { .. }
            | Event::LedgerPruned(_)
            | Event::LedgerDropped(_)
            | Event::RunConfirmed { .. }
            | Event::ReadIntent(_)
            | Event::ReadOutcome { .. } => self.person(entry),
            Event::VaultAcknowledged(_) | Event::VaultCleared { .. } => self.old_copy(entry),
        }
    }

    fn policy_adopted(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let Event::PolicyAdopted { title, version, effective, document, .. } = &entry.event else { return Ok(()) };
        if document.as_ref().is_some_and(|document| canonical::digest(document).ok() != Some(entry.policy)) {
            return Err(HistoryError::OtherPolicy);
        }
        let (title, version, effective) = (title.clone(), version.clone(), *effective);
        let (digest, adopted_at) = (entry.policy, entry.time);
        let document = document.clone();
        let adopted = PolicyInForce { digest, title, version, effective, adopted_at, document };
        self.earlier_policies.extend(self.policy.replace(adopted));
        self.reviewed = None;
        self.reviewing = None;
        self.refusals.clear();
        Ok(())
    }

    fn run_started(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let Event::RunStarted { plan, by, accepted_guards, rule } = &entry.event else { return Ok(()) };
        if self.last_started.as_ref().is_some_and(|last| last.run == entry.run) {
            return Err(HistoryError::Repeated { kind: "run.started", id: entry.run.to_string() });
        }
        let in_force = self.policy.as_ref().is_some_and(|policy| policy.digest == entry.policy);
        // A plan of one rule says nothing about the others.
        self.reviewing = (plan.is_some() && rule.is_none() && in_force).then(|| entry.run.clone());
        self.current = Some((entry.run.clone(), BTreeMap::new()));
        self.residues.run_started();
        self.last_started = Some(RunStarted {
            run: entry.run.clone(),
            time: entry.time,
            plan: *plan,
            by: by.clone(),
            accepted_guards: accepted_guards.clone(),
        });
        Ok(())
    }

    fn run_finished(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let Event::RunFinished { verdict, separated, destroyed, failed, refused, .. } = &entry.event else {
            return Ok(());
        };
        let Some((_, moved)) = self.current.take_if(|(run, _)| *run == entry.run) else {
            return Err(HistoryError::WithoutIntent { kind: "run.finished", id: entry.run.to_string() });
        };
        for (rule, records) in moved {
            let remembered = self.separated.entry(rule).or_default();
            remembered.push_back(records);
            if remembered.len() > RUNS_REMEMBERED_MAX {
                remembered.pop_front();
            }
        }
        if self.reviewing.take_if(|run| *run == entry.run).is_some() {
            self.reviewed = self.policy.as_ref().map(|policy| policy.digest);
        }
        self.residues.run_finished();
        self.unconfirmed.insert(entry.run.clone(), *destroyed);
        self.last_finished = Some(RunFinished {
            run: entry.run.clone(),
            time: entry.time,
            verdict: *verdict,
            separated: *separated,
            destroyed: *destroyed,
            failed: failed.clone(),
            refused: refused.clone(),
        });
        Ok(())
    }

    fn destruction(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        match &entry.event {
            Event::DestroyIntent(intent) => {
                let open = Open::of(intent, entry);
                self.open_destructions.push(OpenDestruction { open, key_destroyed: None, ciphertext_deleted: None });
            }
            Event::KeyDestroyed { operation, epoch, keys, method, finding } => {
                let (method, finding) = (method.clone(), finding.clone());
                let step = self.destruction_of("key.destroyed", operation)?;
                step.key_destroyed = Some(KeyDestroyed { epoch: *epoch, keys: *keys, method, finding });
                self.epoch_ended = self.epoch_ended.max(Some(*epoch));
            }
            Event::CiphertextDeleted { operation, segments, bytes } => {
                let step = self.destruction_of("ciphertext.deleted", operation)?;
                step.ciphertext_deleted = Some(CiphertextDeleted { segments: *segments, bytes: *bytes });
            }
            Event::DestroyOutcome(outcome) => {
                self.destroyed(outcome)?;
                self.residues.destroyed(outcome, entry.time);
            }
            _ => {}
        }
        Ok(())
    }

    fn destroyed(&mut self, outcome: &DestroyOutcome) -> Result<(), HistoryError> {
        let operation = &outcome.operation;
        let position = self.open_destructions.iter().position(|step| &step.open.intent.operation == operation);
        let closed = close(&mut self.open_destructions, position, "destroy.outcome", operation.as_str())?;
        if outcome.result == DestroyResult::Destroyed {
            self.left_vault(&outcome.rule, outcome.records);
            self.dates_destroyed.entry(outcome.rule.clone()).or_default().extend(closed.open.intent.dates);
        }
        Ok(())
    }

    fn destruction_of(
        &mut self,
        kind: &'static str,
        operation: &OperationId,
    ) -> Result<&mut OpenDestruction, HistoryError> {
        self.open_destructions
            .iter_mut()
            .find(|step| &step.open.intent.operation == operation)
            .ok_or_else(|| HistoryError::WithoutIntent { kind, id: operation.to_string() })
    }

    /// A wipe that failed, or could not be done yet, is still owed.
    fn wiped(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let Event::WipeFinished { source, tables, finding, owed, rewritten, elapsed_ms, .. } = &entry.event else {
            return Ok(());
        };
        let without = |id: String| HistoryError::WithoutIntent { kind: "wipe.finished", id };
        let open = self.open_wipes.get_mut(source).ok_or_else(|| without(source.to_string()))?;
        if let Some(table) = tables.iter().find(|table| !open.contains(*table)) {
            return Err(without(format!("{source}.{table}")));
        }
        let is_whole = finding.verdict == Verdict::Pass && !owed;
        self.residues.rewritten(source, tables, *rewritten, *elapsed_ms, is_whole);
        if *owed || finding.verdict == Verdict::Fail {
            return Ok(());
        }
        open.retain(|table| !tables.contains(table));
        if open.is_empty() {
            self.open_wipes.remove(source);
        }
        Ok(())
    }
}

fn close<T>(opened: &mut Vec<T>, position: Option<usize>, kind: &'static str, id: &str) -> Result<T, HistoryError> {
    position.map(|at| opened.remove(at)).ok_or_else(|| HistoryError::WithoutIntent { kind, id: id.to_owned() })
}

fn repeated(kind: &'static str, operation: &OperationId) -> HistoryError {
    HistoryError::Repeated { kind, id: operation.to_string() }
}

#[cfg(test)]
mod tests;
