//! Impact: what a changed policy makes due, or no longer due, in the sources and in
//! the vault. Like a plan it only counts; all it gets of a source is `Scan`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    hold::Covered,
    plan::{self, FailedDataset},
    rulebook::Rulebook,
    sources::Sources,
};
use crate::{
    domain::{
        destroy::BucketFacts,
        id::{RuleId, SourceName},
        ledger::history::History,
        plan::Separation,
    },
    ports::{Failure, Scan},
};

/// Rows of one dataset that move under either policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rows {
    pub rule: RuleId,
    pub dataset: String,
    pub source: SourceName,
    pub before: u64,
    pub after: u64,
    pub newly_due: u64,
    pub no_longer_due: u64,
}

/// What the vault holds of one rule, by what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealed {
    pub rule: RuleId,
    pub newly_due: Amount,
    pub no_longer_due: Amount,
    /// Due on another day than before, and not today.
    pub moved: Amount,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub segments: u64,
    pub records: u64,
}

#[derive(Debug, Default)]
pub struct Impact {
    pub rows: Vec<Rows>,
    pub vault: Vec<Sealed>,
    /// Datasets that could not be counted under one of the two policies.
    pub failed: Vec<FailedDataset>,
}

/// Counts at `now` what either policy moves and destroys.
pub async fn impact<S: Scan>(
    old: &Rulebook<'_>,
    new: &Rulebook<'_>,
    sources: &mut Sources<S>,
    buckets: &[BucketFacts],
    now: DateTime<Utc>,
) -> Result<Impact, Failure> {
    let history = History::default();
    // What a policy makes due is counted as if nothing were held.
    let none = (&[][..], &Covered::default());
    let before = plan::plan(old, sources, none, &history, now, None).await?;
    let after = plan::plan(new, sources, none, &history, now, None).await?;
    let mut rows: Vec<Rows> = Vec::new();
    for (item, is_new) in
        before.plan.separations().map(|item| (item, false)).chain(after.plan.separations().map(|item| (item, true)))
    {
        let known = rows.iter().position(|row| is_of(row, item));
        let at = known.unwrap_or_else(|| {
            rows.push(Rows {
                rule: item.rule.clone(),
                dataset: item.dataset.clone(),
                source: item.source.clone(),
                before: 0,
                after: 0,
                newly_due: 0,
                no_longer_due: 0,
            });
            rows.len() - 1
        });
        if is_new { rows[at].after = item.rows } else { rows[at].before = item.rows }
    }
    for row in &mut rows {
        row.newly_due = row.after.saturating_sub(row.before);
        row.no_longer_due = row.before.saturating_sub(row.after);
    }
    let failed = before.failed.into_iter().chain(after.failed).collect();
    Ok(Impact { rows, vault: sealed(old, new, buckets, now), failed })
}

fn is_of(row: &Rows, item: &Separation) -> bool {
    row.rule == item.rule && row.dataset == item.dataset && row.source == item.source
}

fn sealed(old: &Rulebook<'_>, new: &Rulebook<'_>, buckets: &[BucketFacts], now: DateTime<Utc>) -> Vec<Sealed> {
    let mut by_rule: Vec<Sealed> = Vec::new();
    for facts in buckets {
        let id = facts.bucket.policy_rule();
        let due =
            |book: &Rulebook<'_>| book.policy.rule(&id).map(|rule| book.calendar.term(rule, facts.bucket.date).due);
        let (before, after) = (due(old), due(new));
        let at = by_rule.iter().position(|sealed| sealed.rule == id).unwrap_or_else(|| {
            let none = Amount::default();
            by_rule.push(Sealed { rule: id.clone(), newly_due: none, no_longer_due: none, moved: none });
            by_rule.len() - 1
        });
        let was_due = before.is_some_and(|due| due <= now);
        let is_due = after.is_some_and(|due| due <= now);
        let sealed = &mut by_rule[at];
        let amount = match (was_due, is_due) {
            (false, true) => &mut sealed.newly_due,
            (true, false) => &mut sealed.no_longer_due,
            _ if before != after => &mut sealed.moved,
            _ => continue,
        };
        amount.segments += facts.segments;
        amount.records += facts.records;
    }
    by_rule
}
