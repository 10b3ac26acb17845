//! Cases of residue, as the ledger tells them: batches that left a source and
//! were not searched for yet, scans that did not find every location clean, and
//! the destructions that wait for them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::domain::{
    id::{BatchId, OperationId, RuleId, RunId, SourceName},
    ledger::event::{DestroyOutcome, DestroyResult, Entry, SeparateIntent},
    residue::Scan,
};

#[derive(Debug, Clone, Default)]
pub struct Residues {
    /// Batches of runs that did not reach their end, and of the current one: what
    /// is left of their rows was not looked at.
    pub taken: Vec<TakenBatch>,
    /// Cases that are not closed, oldest first.
    pub cases: Vec<Case>,
    /// Bytes and milliseconds of the last rewrite of each source.
    pub(super) rewrites: BTreeMap<SourceName, (u64, u64)>,
    /// Tables of datasets that lost rows since they were last rewritten whole, and
    /// with them whatever the engine keeps of their values elsewhere.
    pub(super) stale: BTreeMap<SourceName, BTreeSet<String>>,
    /// Destructions of the current run, whose cases may be opened after them.
    destroyed: Vec<DestroyedInCase>,
}

/// A batch whose rows left their source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBatch {
    pub batch: BatchId,
    pub rule: RuleId,
    pub source: SourceName,
    pub dataset: String,
}

/// A case with its last scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub scan: Scan,
    /// Time and run of its first scan.
    pub since: DateTime<Utc>,
    pub run: RunId,
    /// Destructions of its rules since its rows left the source: they are closed
    /// when it is.
    pub destroyed: Vec<DestroyedInCase>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestroyedInCase {
    pub operation: OperationId,
    pub rule: RuleId,
    pub time: DateTime<Utc>,
    pub records: u64,
}

impl Residues {
    /// Bytes per second of the source's last rewrite; `None` before the first.
    #[must_use]
    pub fn rewrite_rate(&self, source: &SourceName) -> Option<u64> {
        let (bytes, elapsed_ms) = self.rewrites.get(source)?;
        Some(bytes.saturating_mul(1_000) / (*elapsed_ms).max(1))
    }

    /// Whether each of the tables was rewritten since rows left it last.
    #[must_use]
    pub fn is_rewritten(&self, source: &SourceName, tables: &[String]) -> bool {
        self.stale.get(source).is_none_or(|stale| !tables.iter().any(|table| stale.contains(table)))
    }

    pub(super) fn taken(&mut self, intent: &SeparateIntent) {
        self.stale.entry(intent.source.clone()).or_default().insert(intent.dataset.clone());
        self.taken.push(TakenBatch {
            batch: intent.batch.clone(),
            rule: intent.rule.clone(),
            source: intent.source.clone(),
            dataset: intent.dataset.clone(),
        });
    }

    pub(super) fn run_started(&mut self) {
        self.destroyed.clear();
    }

    /// Whatever was taken has been wiped, or stands in a case, or is owed.
    pub(super) fn run_finished(&mut self) {
        self.taken.clear();
        self.destroyed.clear();
    }

    pub(super) fn scanned(&mut self, scan: &Scan, entry: &Entry) {
        if let Some(case) = self.cases.iter_mut().find(|case| case.scan.case == scan.case) {
            case.scan = scan.clone();
            return;
        }
        let of_rules = self.destroyed.iter().filter(|one| scan.rules.contains(&one.rule));
        let destroyed = of_rules.cloned().collect();
        self.cases.push(Case { scan: scan.clone(), since: entry.time, run: entry.run.clone(), destroyed });
    }

    /// `None`: there is no such case.
    pub(super) fn closed(&mut self, case: &OperationId) -> Option<()> {
        let position = self.cases.iter().position(|open| open.scan.case == *case)?;
        self.cases.remove(position);
        Some(())
    }

    pub(super) fn destroyed(&mut self, outcome: &DestroyOutcome, time: DateTime<Utc>) {
        if outcome.result != DestroyResult::Destroyed || outcome.records == 0 {
            return;
        }
        let (operation, rule) = (outcome.operation.clone(), outcome.rule.clone());
        let one = DestroyedInCase { operation, rule, time, records: outcome.records };
        for case in self.cases.iter_mut().filter(|case| case.scan.rules.contains(&one.rule)) {
            case.destroyed.push(one.clone());
        }
        self.destroyed.push(one);
    }

    /// A wipe that wrote `bytes` of its tables anew; `is_whole` if nothing that
    /// belongs to it was left out.
    pub(super) fn rewritten(
        &mut self,
        source: &SourceName,
        tables: &[String],
        bytes: u64,
        elapsed_ms: u64,
        is_whole: bool,
    ) {
        if bytes == 0 {
            return;
        }
        self.rewrites.insert(source.clone(), (bytes, elapsed_ms));
        if let Some(stale) = self.stale.get_mut(source).filter(|_| is_whole) {
            stale.retain(|table| !tables.contains(table));
        }
    }
}
