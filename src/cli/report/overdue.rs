//! What the separate store holds past its deadline. Read from the store: the
//! ledger does not say what was not done.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    domain::{destroy::BucketFacts, id::RuleId},
    flow::rulebook::Rulebook,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overdue {
    pub rule: RuleId,
    pub buckets: u64,
    pub records: u64,
    /// The earliest deadline that has passed.
    pub latest: DateTime<Utc>,
}

/// Overdue records by rule, at an instant.
pub fn overdue(book: &Rulebook<'_>, buckets: &[BucketFacts], now: DateTime<Utc>) -> Vec<Overdue> {
    let of_rule = |rule: &crate::domain::policy::Rule| {
        let past = buckets.iter().filter(|facts| facts.bucket.rule == rule.id).filter_map(|facts| {
            let term = book.calendar.term(rule, facts.bucket.date);
            term.is_overdue(now).then_some((facts, term.latest))
        });
        past.fold(None, |sum: Option<Overdue>, (facts, latest)| {
            let sum = sum.unwrap_or_else(|| Overdue { rule: rule.id.clone(), buckets: 0, records: 0, latest });
            let (buckets, records) = (sum.buckets + 1, sum.records + facts.records);
            Some(Overdue { buckets, records, latest: sum.latest.min(latest), ..sum })
        })
    };
    book.policy.rules.iter().filter_map(of_rule).collect()
}
