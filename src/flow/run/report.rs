//! What a cycle did, as `run --format json` prints it.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, Utc};
use serde::Serialize;

use crate::{
    domain::{
        deployment::Dataset,
        id::{RuleId, RunId, SourceName},
        ledger::event::Event,
        plan::{Plan, PolicyRef},
        verdict::{Finding, Verdict},
    },
    flow::{destroy::Destroyed, plan::FailedDataset, rulebook::Rulebook, separate::Moved},
    ports::{Failure, Left},
};

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub now: DateTime<FixedOffset>,
    pub simulation: bool,
    pub policy: PolicyRef,
    pub run: RunId,
    pub separated: Vec<SeparatedDataset>,
    /// What was planned and stayed, since the application held rows of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftDataset>,
    pub destroyed: Vec<DestroyedRule>,
    pub failed: Vec<FailedRule>,
    pub refused: Vec<Refusal>,
    /// Why the cycle ended before all of its plan was done; the next one goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    pub verdict: Verdict,
    /// What kept the verdict from PASS.
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SeparatedDataset {
    pub rule: RuleId,
    pub dataset: String,
    pub source: SourceName,
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
}

/// Records that stay for the next cycle.
#[derive(Debug, Clone, Serialize)]
pub struct LeftDataset {
    pub rule: RuleId,
    pub dataset: String,
    pub source: SourceName,
    /// `locked` and `waiting` together.
    pub rows: u64,
    /// The application held a lock on a row of them.
    pub locked: u64,
    /// They wait for rows that were to move before them and were left.
    pub waiting: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct DestroyedRule {
    pub rule: RuleId,
    /// The rule's dataset; `None` where it has several, since a bucket is the rule's.
    pub dataset: Option<String>,
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
    pub buckets: u64,
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FailedRule {
    pub rule: RuleId,
    /// `None` where it is the destruction that failed.
    pub dataset: Option<String>,
    /// Rows that were planned and not moved or destroyed.
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
    pub reason: String,
    /// The database could not be reached.
    pub unreachable: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// `None` where it is the whole cycle that is refused.
    pub rule: Option<RuleId>,
    pub dataset: Option<String>,
    /// Rows that the plan has for the rule, and that stay where they are.
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
    pub guard: Option<String>,
    pub reason: String,
}

impl SeparatedDataset {
    pub(super) fn of(dataset: &Dataset, moved: Moved) -> Self {
        let (rule, source) = (dataset.rule.clone(), dataset.source.clone());
        Self { rule, dataset: dataset.table.clone(), source, rows: moved.rows, children: moved.children }
    }
}

impl LeftDataset {
    pub(super) fn of(dataset: &Dataset, left: Left) -> Self {
        let (rule, source) = (dataset.rule.clone(), dataset.source.clone());
        let Left { locked, waiting } = left;
        Self { rule, dataset: dataset.table.clone(), source, rows: left.rows(), locked, waiting }
    }

    /// Why they stay, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        let locked = (self.locked > 0).then(|| format!("the application holds rows of {}", self.locked));
        let waiting = (self.waiting > 0).then(|| format!("{} wait for rows that were left", self.waiting));
        let reasons: Vec<String> = locked.into_iter().chain(waiting).collect();
        reasons.join(", ")
    }
}

impl DestroyedRule {
    pub(super) fn of(rule: &RuleId, dataset: Option<String>, destroyed: Destroyed) -> Self {
        Self {
            rule: rule.clone(),
            dataset,
            rows: destroyed.rows,
            children: destroyed.children,
            buckets: destroyed.buckets,
            verdict: destroyed.finding.verdict,
            reasons: destroyed.finding.reasons,
        }
    }
}

impl Refusal {
    fn summary(&self) -> String {
        let what = self.rule.as_ref().map_or_else(|| "the cycle".to_owned(), |rule| format!("rule {rule}"));
        let by = self.guard.as_ref().map_or_else(String::new, |guard| format!(" by guard {guard}"));
        format!("{what} was refused{by}")
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, run: &RunId) -> Self {
        Self::empty(plan.now, plan.simulation, plan.policy.clone(), run.clone())
    }

    /// The report of a cycle of which nothing is known yet.
    #[must_use]
    pub const fn empty(now: DateTime<FixedOffset>, simulation: bool, policy: PolicyRef, run: RunId) -> Self {
        Self {
            now,
            simulation,
            policy,
            run,
            separated: Vec::new(),
            left: Vec::new(),
            destroyed: Vec::new(),
            failed: Vec::new(),
            refused: Vec::new(),
            stopped: None,
            verdict: Verdict::Unknown,
            reasons: Vec::new(),
        }
    }

    /// The report of a cycle that was refused before it touched anything.
    #[must_use]
    pub fn of_refusal(book: &Rulebook<'_>, now: DateTime<Utc>, run: &RunId, reason: String) -> Self {
        let policy = PolicyRef { version: book.policy.version.clone(), digest: book.digest };
        let now = now.with_timezone(&book.policy.timezone).fixed_offset();
        let mut report = Self::empty(now, book.simulation, policy, run.clone());
        let (children, reasons) = (BTreeMap::new(), vec![reason.clone()]);
        report.refused.push(Refusal { rule: None, dataset: None, rows: 0, children, guard: None, reason });
        report.reasons = reasons;
        report
    }

    /// `left` is what was planned and did not happen.
    pub(super) fn fail(&mut self, failed: FailedDataset, left: Moved) {
        self.failed.push(FailedRule {
            rule: failed.rule,
            dataset: failed.dataset,
            rows: left.rows,
            children: left.children,
            unreachable: matches!(failed.failure, Failure::Unreachable(_)),
            reason: failed.failure.to_string(),
        });
    }

    /// The verdict is about what was done; what failed or was refused makes it
    /// FAIL or UNKNOWN, since a cycle that did less than planned proves less.
    pub(super) fn conclude(&mut self, finding: Finding) {
        let mut finding = finding;
        for failed in &self.failed {
            finding = finding.and(Finding::fail(format!("rule {} failed: {}", failed.rule, failed.reason)));
        }
        for refusal in &self.refused {
            finding = finding.and(Finding::unknown(refusal.summary()));
        }
        for left in &self.left {
            let LeftDataset { rule, dataset, rows, .. } = left;
            let reason = format!("{rule}: {rows} of {dataset} were left for the next cycle: {}", left.reason());
            finding = finding.and(Finding::unknown(reason));
        }
        if let Some(reason) = &self.stopped {
            finding = finding.and(Finding::unknown(format!("the cycle was stopped before its end: {reason}")));
        }
        self.verdict = finding.verdict;
        self.reasons = finding.reasons;
    }

    pub(super) fn finished(&self) -> Event {
        Event::RunFinished {
            verdict: self.verdict,
            separated: self.separated.iter().map(|item| item.rows).sum(),
            destroyed: self.destroyed.iter().map(|item| item.rows).sum(),
            left: self.left.iter().map(|item| item.rows).sum(),
            failed: distinct(self.failed.iter().map(|item| &item.rule)),
            refused: distinct(self.refused.iter().filter_map(|item| item.rule.as_ref())),
        }
    }
}

fn distinct<'a>(rules: impl Iterator<Item = &'a RuleId>) -> Vec<RuleId> {
    rules.collect::<std::collections::BTreeSet<_>>().into_iter().cloned().collect()
}
