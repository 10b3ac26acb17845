//! The backlog: what is owed, rule by rule, out of a plan and the vault's
//! buckets. For the eyes of operators: overdue first.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    calendar::Calendar,
    deployment::Dataset,
    destroy::BucketFacts,
    id::RuleId,
    plan::Plan,
    policy::{Policy, Rule},
};

/// How far the forecast looks.
pub const FORECAST_DAYS: i64 = 30;

/// What is owed under one rule. Rows are records: a root with all that is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    pub rule: RuleId,
    /// Past their latest, in source and vault.
    pub overdue: u64,
    /// When the first of them became overdue.
    pub overdue_since: Option<DateTime<Utc>>,
    /// To be separated now.
    pub due_in_source: u64,
    /// To be destroyed now.
    pub due_in_vault: u64,
    pub held: u64,
    pub waiting: u64,
    pub anomalies: u64,
    /// All that the vault holds.
    pub in_vault: u64,
    /// Of these, not due yet, and due within the next `FORECAST_DAYS` days.
    pub due_soon: u64,
    pub next_due: Option<DateTime<Utc>>,
}

impl Backlog {
    fn of(rule: &RuleId) -> Self {
        Self {
            rule: rule.clone(),
            overdue: 0,
            overdue_since: None,
            due_in_source: 0,
            due_in_vault: 0,
            held: 0,
            waiting: 0,
            anomalies: 0,
            in_vault: 0,
            due_soon: 0,
            next_due: None,
        }
    }

    fn overdue_from(&mut self, since: DateTime<Utc>) {
        self.overdue_since = Some(self.overdue_since.map_or(since, |earlier| earlier.min(since)));
    }

    /// What lies in the vault, whatever the plan does with it.
    fn add_vault(&mut self, calendar: &Calendar<'_>, rule: &Rule, facts: &BucketFacts, now: DateTime<Utc>) {
        let term = calendar.term(rule, facts.bucket.date);
        self.in_vault += facts.records;
        if term.is_due(now) {
            return;
        }
        self.next_due = Some(self.next_due.map_or(term.due, |next| next.min(term.due)));
        if term.due <= now + TimeDelta::days(FORECAST_DAYS) {
            self.due_soon += facts.records;
        }
    }
}

/// The backlog of every rule of the policy, in its order.
#[must_use]
pub fn backlog(
    policy: &Policy,
    calendar: &Calendar<'_>,
    datasets: &[Dataset],
    plan: &Plan,
    buckets: &[BucketFacts],
) -> Vec<Backlog> {
    let now = plan.now.to_utc();
    let mut rules: BTreeMap<&RuleId, Backlog> =
        policy.rules.iter().map(|rule| (&rule.id, Backlog::of(&rule.id))).collect();
    for item in plan.separations() {
        let Some((rule, backlog)) = policy.rule(&item.rule).zip(rules.get_mut(&item.rule)) else { continue };
        backlog.due_in_source += item.rows;
        backlog.held += item.held;
        backlog.waiting += item.waiting;
        backlog.overdue += item.overdue;
        if let Some(oldest) = item.oldest.filter(|_| item.overdue > 0) {
            backlog.overdue_from(calendar.term(rule, oldest).latest);
        }
    }
    for item in plan.destructions() {
        let Some(backlog) = rules.get_mut(&item.rule) else { continue };
        backlog.due_in_vault += item.rows;
        backlog.held += item.held;
        backlog.waiting += item.waiting;
        backlog.overdue += item.overdue;
        let Some(rule) = policy.rule(&item.rule).filter(|_| item.overdue > 0) else { continue };
        // What a hold keeps is never overdue.
        let of_rule =
            buckets.iter().filter(|facts| facts.bucket.policy_rule() == item.rule && facts.bucket.hold().is_none());
        let latest = of_rule.map(|facts| calendar.term(rule, facts.bucket.date).latest);
        if let Some(since) = latest.filter(|latest| *latest < now).min() {
            backlog.overdue_from(since);
        }
    }
    for facts in buckets {
        let id = facts.bucket.policy_rule();
        if let Some((rule, backlog)) = policy.rule(&id).zip(rules.get_mut(&id)) {
            backlog.add_vault(calendar, rule, facts, now);
        }
    }
    for anomaly in &plan.anomalies {
        // An anomaly names its table: it counts for each rule that has it.
        for dataset in datasets.iter().filter(|dataset| dataset.table == anomaly.dataset) {
            if let Some(backlog) = rules.get_mut(&dataset.rule) {
                backlog.anomalies += anomaly.rows;
            }
        }
    }
    policy.rules.iter().filter_map(|rule| rules.remove(&rule.id)).collect()
}

/// How a rule stands. Only `Green` needs nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Green,
    /// Something is held: nobody may take its silence for completion.
    Held,
    Overdue,
    /// A guard or a missing review stopped it in the last cycle.
    Refused,
    /// It failed in the last cycle, or could not be counted.
    Failing,
    Paused,
}

impl Standing {
    pub const ALL: [Self; 6] = [Self::Green, Self::Held, Self::Overdue, Self::Refused, Self::Failing, Self::Paused];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Held => "held",
            Self::Overdue => "overdue",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::Paused => "paused",
        }
    }

    /// The worst that is true of a rule.
    #[must_use]
    pub fn of(backlog: &Backlog, paused: bool, failing: &[RuleId], refused: &[RuleId]) -> Self {
        let conditions = [
            (paused, Self::Paused),
            (failing.contains(&backlog.rule), Self::Failing),
            (refused.contains(&backlog.rule), Self::Refused),
            (backlog.overdue > 0, Self::Overdue),
            (backlog.held > 0, Self::Held),
        ];
        conditions.into_iter().find(|(holds, _)| *holds).map_or(Self::Green, |(_, standing)| standing)
    }
}

#[cfg(test)]
mod tests;
