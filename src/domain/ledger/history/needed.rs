//! Which lines before a cut are still needed: those from which a history, a report
//! and an auditor tell what lives. What was open at the cut stays, whatever became
//! of it after; what was closed goes, but for the separation, search and wipe of
//! records that the vault still holds.
//!
//! A run's own lines stay with any line of it, so that what is told again is told
//! in the same order of runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use chrono::NaiveDate;

use super::{History, HistoryError};
use crate::domain::{
    id::{BatchId, Digest, HoldId, OperationId, RuleId, RunId, SourceName},
    ledger::{
        carried::Carried,
        event::{DestroyOutcome, DestroyResult, Entry, Event, SeparateIntent, SeparateResult},
    },
    residue::Scan,
    verdict::Verdict,
};

/// What the lines before the cut are judged by.
#[derive(Debug, Clone, Default)]
pub struct Alive {
    /// Buckets that the vault holds: rule of the policy and event date.
    pub buckets: BTreeSet<(RuleId, NaiveDate)>,
    /// Runs that are confirmed at or after the cut.
    pub confirmed: BTreeSet<RunId>,
}

/// A reading of the lines before the cut.
#[derive(Debug)]
pub struct Needed<'a> {
    alive: &'a Alive,
    /// What the lines so far tell.
    pub history: History,
    always: Vec<Line>,
    open: HashMap<Thing, Vec<Line>>,
    batches: HashMap<BatchId, SeparateIntent>,
    /// Batches of the run that has not ended, and destructions.
    taken: Vec<Line>,
    destroyed: Vec<Line>,
    /// Since when they count: the run that began or ended last.
    since: Option<Line>,
    cases: HashMap<OperationId, Case>,
    /// Runs that separated records which the vault holds, with the rules of them.
    separating: BTreeSet<(usize, RuleId)>,
    /// The newest finished wipe of each table, with all wipes that it lies among.
    wiped: BTreeMap<(SourceName, String), Rc<[Line]>>,
    runs: Vec<Run>,
    run_of: HashMap<RunId, usize>,
    reviewing: Option<usize>,
}

/// What lines are about that may close.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Thing {
    Batch(BatchId),
    Restoration(OperationId),
    Destruction(OperationId),
    Hold(HoldId),
    /// With whether the vault holds records of its bucket.
    Sealing(OperationId, bool),
    Reading(OperationId),
    Plan(Digest),
    Refusal(String),
    Wipes(SourceName),
}

#[derive(Debug, Clone, Copy)]
struct Line {
    seq: u64,
    run: Option<usize>,
}

#[derive(Debug)]
struct Case {
    rules: Vec<RuleId>,
    /// The first scan and each that changed the rules, and apart from these the last.
    scans: Vec<Line>,
    last: Option<Line>,
    /// With the line behind which they are.
    destroyed: Vec<Line>,
}

/// A cycle's own lines.
#[derive(Debug, Default)]
struct Run {
    lines: Vec<u64>,
    /// It ended, and what it destroyed waits for a person's confirmation.
    unconfirmed: bool,
}

impl<'a> Needed<'a> {
    #[must_use]
    pub fn new(alive: &'a Alive) -> Self {
        Self {
            alive,
            history: History::default(),
            always: Vec::new(),
            open: HashMap::new(),
            batches: HashMap::new(),
            taken: Vec::new(),
            destroyed: Vec::new(),
            since: None,
            cases: HashMap::new(),
            separating: BTreeSet::new(),
            wiped: BTreeMap::new(),
            runs: Vec::new(),
            run_of: HashMap::new(),
            reviewing: None,
        }
    }

    /// Goes on from what an earlier cut carried.
    pub fn carry(&mut self, carried: &Carried) {
        self.history.carry(carried);
    }

    /// Takes the next entry before the cut that is there.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        if matches!(entry.event, Event::RunFinished { .. }) && self.history.reviewing.as_ref() == Some(&entry.run) {
            self.reviewing = self.run_of.get(&entry.run).copied();
        }
        self.history.resume_at(entry.seq);
        self.history.record(entry)?;
        let line = Line { seq: entry.seq, run: self.run_of.get(&entry.run).copied() };
        match &entry.event {
            Event::LedgerOpened { .. }
            | Event::LedgerRekeyed { .. }
            | Event::LedgerPruned(_)
            | Event::LedgerDropped(_)
            | Event::VaultAcknowledged(_)
            | Event::VaultCleared { .. } => self.always.push(line),
            Event::PolicyAdopted { .. } => {
                self.always.push(line);
                self.open.retain(|thing, _| !matches!(thing, Thing::Refusal(_)));
            }
            Event::RunStarted { .. } | Event::RunFinished { .. } | Event::RunConfirmed { .. } => self.run(entry),
            Event::SeparateIntent(_) | Event::SeparateOutcome { .. } => self.separation(entry, line),
            Event::RestoreIntent(intent) => self.begin(Thing::Restoration(intent.operation.clone()), line),
            Event::RestoreOutcome { operation, .. } => self.end(Thing::Restoration(operation.clone())),
            Event::DestroyIntent(_)
            | Event::KeyDestroyed { .. }
            | Event::CiphertextDeleted { .. }
            | Event::DestroyOutcome(_) => self.destruction(entry, line),
            Event::WipeStarted { source, .. } | Event::WipeFinished { source, .. } => self.wipe(source, entry, line),
            Event::ResidueScanned(scan) => self.scanned(scan, line),
            Event::ResidueClosed { case, .. } => self.closed(case, line),
            Event::HoldPlaced(placed) => self.begin(Thing::Hold(placed.hold.clone()), line),
            Event::HoldLifted { hold, .. } => self.end(Thing::Hold(hold.clone())),
            Event::HoldSealing { operation, rule, date, .. } => {
                let lives = self.alive.buckets.contains(&(rule.clone(), *date));
                self.begin(Thing::Sealing(operation.clone(), lives), line);
            }
            Event::HoldSealed { operation, .. } => {
                self.end(Thing::Sealing(operation.clone(), false));
                let lives = self.open.remove(&Thing::Sealing(operation.clone(), true));
                self.always.extend(lives.into_iter().flatten().flat_map(|begun| [begun, line]));
            }
            Event::PlanApproved { plan, .. } => self.begin(Thing::Plan(*plan), line),
            Event::ReadIntent(intent) => self.begin(Thing::Reading(intent.operation.clone()), line),
            Event::ReadOutcome { operation, .. } => self.end(Thing::Reading(operation.clone())),
            Event::Refused { what, rule: None, .. } => {
                self.open.insert(Thing::Refusal(what.clone()), vec![line]);
            }
            Event::Refused { .. } | Event::ManualRecorded(_) | Event::Heartbeat {} => {}
        }
        Ok(())
    }

    fn begin(&mut self, thing: Thing, line: Line) {
        self.open.entry(thing).or_default().push(line);
    }

    fn end(&mut self, thing: Thing) {
        self.open.remove(&thing);
    }

    fn run(&mut self, entry: &Entry) {
        match &entry.event {
            Event::RunStarted { plan, .. } => {
                if let Some(plan) = plan {
                    self.end(Thing::Plan(*plan));
                }
                self.run_of.insert(entry.run.clone(), self.runs.len());
                self.runs.push(Run { lines: vec![entry.seq], unconfirmed: false });
                self.count_anew(entry);
            }
            Event::RunFinished { destroyed, .. } => {
                self.taken.clear();
                self.count_anew(entry);
                let waits = *destroyed > 0 || self.alive.confirmed.contains(&entry.run);
                if let Some(run) = self.run_of.get(&entry.run).and_then(|run| self.runs.get_mut(*run)) {
                    run.lines.push(entry.seq);
                    run.unconfirmed = waits;
                }
            }
            Event::RunConfirmed { confirmed, .. } => {
                if let Some(run) = self.run_of.get(confirmed).and_then(|run| self.runs.get_mut(*run)) {
                    run.lines.push(entry.seq);
                    run.unconfirmed = false;
                }
            }
            _ => {}
        }
    }

    /// Earlier destructions are no business of cases that are opened from here on.
    fn count_anew(&mut self, entry: &Entry) {
        self.destroyed.clear();
        self.since = Some(Line { seq: entry.seq, run: self.run_of.get(&entry.run).copied() });
    }

    fn separation(&mut self, entry: &Entry, line: Line) {
        match &entry.event {
            Event::SeparateIntent(intent) => {
                self.batches.insert(intent.batch.clone(), intent.clone());
                self.begin(Thing::Batch(intent.batch.clone()), line);
            }
            Event::SeparateOutcome { batch, result, .. } => {
                let lines = self.open.remove(&Thing::Batch(batch.clone())).unwrap_or_default();
                let Some(intent) = self.batches.remove(batch) else { return };
                if *result == SeparateResult::RolledBack {
                    return;
                }
                let lines = lines.into_iter().chain([line]);
                if self.holds_some_of(&intent) {
                    self.separating.extend(line.run.map(|run| (run, intent.rule)));
                    self.always.extend(lines);
                } else {
                    self.taken.extend(lines);
                }
            }
            _ => {}
        }
    }

    /// Whether the vault holds a bucket that the batch may have filled.
    fn holds_some_of(&self, intent: &SeparateIntent) -> bool {
        let (first, last) = ((intent.rule.clone(), intent.first), (intent.rule.clone(), intent.last));
        first <= last && self.alive.buckets.range(first..=last).next().is_some()
    }

    fn destruction(&mut self, entry: &Entry, line: Line) {
        match &entry.event {
            Event::DestroyIntent(intent) => self.begin(Thing::Destruction(intent.operation.clone()), line),
            Event::KeyDestroyed { operation, .. } | Event::CiphertextDeleted { operation, .. } => {
                self.begin(Thing::Destruction(operation.clone()), line);
            }
            Event::DestroyOutcome(outcome) => {
                let lines = self.open.remove(&Thing::Destruction(outcome.operation.clone())).unwrap_or_default();
                self.outcome(outcome, lines.into_iter().chain([line]).collect());
            }
            _ => {}
        }
    }

    /// A destruction stays while a search of what it may have left is open, and
    /// one that failed stays for good.
    fn outcome(&mut self, outcome: &DestroyOutcome, lines: Vec<Line>) {
        if outcome.finding.verdict == Verdict::Fail {
            self.always.extend(&lines);
        }
        if outcome.result == DestroyResult::Destroyed {
            for case in self.cases.values_mut().filter(|case| case.rules.contains(&outcome.rule)) {
                case.destroyed.extend(&lines);
            }
            self.destroyed.extend(lines);
        }
    }

    fn scanned(&mut self, scan: &Scan, line: Line) {
        let destroyed = || self.destroyed.iter().chain(&self.since).copied().collect();
        let opened = || Case { rules: Vec::new(), scans: Vec::new(), last: None, destroyed: destroyed() };
        let case = self.cases.entry(scan.case.clone()).or_insert_with(opened);
        if case.scans.is_empty() || case.rules != scan.rules {
            case.rules.clone_from(&scan.rules);
            case.scans.push(line);
        }
        case.last = Some(line);
    }

    fn closed(&mut self, case: &OperationId, line: Line) {
        let Some(case) = self.cases.remove(case) else { return };
        let of_records = |rule: &RuleId| {
            case.scans
                .first()
                .and_then(|first| first.run)
                .is_some_and(|run| self.separating.contains(&(run, rule.clone())))
        };
        if case.rules.iter().any(of_records) {
            self.always.extend(case.scans.into_iter().chain(case.last).chain([line]));
        }
    }

    /// Wipes of a source follow from each other until none is owed.
    fn wipe(&mut self, source: &SourceName, entry: &Entry, line: Line) {
        self.begin(Thing::Wipes(source.clone()), line);
        if self.history.open_wipes.contains_key(source) {
            return;
        }
        let lines: Rc<[Line]> = self.open.remove(&Thing::Wipes(source.clone())).unwrap_or_default().into();
        let Event::WipeFinished { tables, .. } = &entry.event else { return };
        for table in tables {
            self.wiped.insert((source.clone(), table.clone()), Rc::clone(&lines));
        }
    }

    /// The numbers of all entries that stay.
    #[must_use]
    pub fn lines(&self) -> BTreeSet<u64> {
        let open = self.open.values().flatten();
        let cases = self.cases.values().flat_map(|case| case.destroyed.iter().chain(&case.scans).chain(&case.last));
        let wiped = self.wiped.values().flat_map(|lines| lines.iter());
        let unfinished = self.taken.iter().chain(&self.destroyed);
        let lines: Vec<&Line> = self.always.iter().chain(open).chain(cases).chain(wiped).chain(unfinished).collect();
        let run = |run: &RunId| self.run_of.get(run).copied();
        let last = self.history.last_started.as_ref().and_then(|last| run(&last.run));
        let finished = self.history.last_finished.as_ref().and_then(|last| run(&last.run));
        let reviewed = self.history.reviewed.and(self.reviewing);
        let waiting = self.runs.iter().enumerate().filter(|(_, run)| run.unconfirmed).map(|(number, _)| number);
        let runs: BTreeSet<usize> = lines
            .iter()
            .filter_map(|line| line.run)
            .chain([last, finished, reviewed].into_iter().flatten())
            .chain(waiting)
            .collect();
        let of_runs = runs.iter().filter_map(|run| self.runs.get(*run)).flat_map(|run| run.lines.iter().copied());
        lines.iter().map(|line| line.seq).chain(of_runs).collect()
    }
}

#[cfg(test)]
mod tests;
