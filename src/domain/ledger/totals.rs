//! What the ledger adds up to, for metrics: a fold over its entries that counts
//! and decides nothing. Counters never go back, since a ledger does not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::event::{DestroyResult, Entry, Event, SeparateResult};
use crate::domain::id::{BatchId, RuleId};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub entries: u64,
    /// Records that left a source for good, by rule.
    pub separated: BTreeMap<RuleId, u64>,
    pub destroyed: BTreeMap<RuleId, u64>,
    /// Of each destruction: how long after its latest it came, in seconds.
    pub late_seconds: Vec<u64>,
    pub refused: u64,
    /// When a cycle last ended in which no rule failed and none was refused.
    pub last_success: Option<DateTime<Utc>>,
    pub last_finished: Option<DateTime<Utc>>,
    /// Rules that failed in the last finished cycle, and those refused in it.
    pub failed: Vec<RuleId>,
    pub refused_rules: Vec<RuleId>,
    /// Separations that have no outcome yet.
    open: BTreeMap<BatchId, (RuleId, u64)>,
}

impl Totals {
    pub fn add(&mut self, entry: &Entry) {
        // Lines that were dropped are entries too.
        self.entries = entry.seq + 1;
        match &entry.event {
            Event::SeparateIntent(intent) => {
                self.open.insert(intent.batch.clone(), (intent.rule.clone(), intent.records));
            }
            Event::SeparateOutcome { batch, result, .. } => {
                let Some((rule, records)) = self.open.remove(batch) else { return };
                if *result == SeparateResult::Committed {
                    *self.separated.entry(rule).or_default() += records;
                }
            }
            Event::DestroyOutcome(outcome) if outcome.result == DestroyResult::Destroyed => {
                *self.destroyed.entry(outcome.rule.clone()).or_default() += outcome.records;
                self.late_seconds.push(outcome.late_seconds);
            }
            Event::Refused { .. } => self.refused += 1,
            Event::RunFinished { failed, refused, .. } => {
                self.last_finished = Some(entry.time);
                self.failed.clone_from(failed);
                self.refused_rules.clone_from(refused);
                if failed.is_empty() && refused.is_empty() {
                    self.last_success = Some(entry.time);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
