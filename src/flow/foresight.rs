//! Foresight: what becomes due in the months to come, rule by rule, in the sources
//! and in the vault. Like a plan it only counts; all it gets of a source is `Scan`.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use super::{
    plan::{self, FailedDataset},
    rulebook::{Rulebook, with_others},
    sources::Sources,
};
use crate::{
    domain::{
        deployment::Dataset,
        destroy::BucketFacts,
        hold::Holds,
        id::{Digest, RuleId},
    },
    ports::{Failure, Scan},
};

/// More months than this are a typing error.
const MONTHS_MAX: usize = 600;

#[derive(Debug, Serialize)]
pub struct Foresight {
    pub now: DateTime<Utc>,
    pub until: NaiveDate,
    pub policy: Digest,
    /// Due at `now` already.
    pub already_due: Vec<Due>,
    pub months: Vec<Month>,
    #[serde(skip)]
    pub failed: Vec<FailedDataset>,
}

/// What becomes due in one month; the first and the last may be parts of one.
#[derive(Debug, Serialize)]
pub struct Month {
    /// `2026-12`.
    pub month: String,
    pub due: Vec<Due>,
}

/// Records of one rule that become due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    pub rule: RuleId,
    /// Live rows, those that wait for others with them.
    pub rows: u64,
    /// Records in the vault.
    pub vault: u64,
}

/// Counts at `now`, at the start of every month after it, and at the end of `until`.
pub async fn foresee<S: Scan>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    buckets: &[BucketFacts],
    now: DateTime<Utc>,
    until: NaiveDate,
) -> Result<Foresight, Failure> {
    let instants = instants(book, now, until)?;
    let mut failed: Vec<FailedDataset> = Vec::new();
    let mut totals: Vec<BTreeMap<RuleId, u64>> = Vec::new();
    for (_, at) in &instants {
        totals.push(due_rows(book, sources, *at, &mut failed).await?);
    }
    let mut steps = (0..instants.len()).map(|step| due_at(book, &totals, buckets, &instants, step));
    let already_due = steps.next().unwrap_or_default();
    let months = instants.iter().skip(1).zip(steps).map(|((month, _), due)| Month { month: month.clone(), due });
    Ok(Foresight { now, until, policy: book.digest, already_due, months: months.collect(), failed })
}

/// `now`, then the last instant of each month with its name, and of the day `until`.
fn instants(
    book: &Rulebook<'_>,
    now: DateTime<Utc>,
    until: NaiveDate,
) -> Result<Vec<(String, DateTime<Utc>)>, Failure> {
    let name = |date: NaiveDate| date.format("%Y-%m").to_string();
    let mut date = book.calendar.date_of(now);
    if until < date {
        return Err(Failure::Refused(format!("{until} is over; hint: --until is a day to come")));
    }
    let end = until.succ_opt().unwrap_or(until);
    let mut instants = vec![(name(date), now)];
    while date < end {
        let next = first_of_next_month(date).unwrap_or(end).min(end);
        instants.push((name(date), book.calendar.start_of(next) - TimeDelta::nanoseconds(1)));
        date = next;
        if instants.len() > MONTHS_MAX {
            return Err(Failure::Refused(format!("until {until} are more than {MONTHS_MAX} months")));
        }
    }
    Ok(instants)
}

fn first_of_next_month(date: NaiveDate) -> Option<NaiveDate> {
    let (year, month) = if date.month() == 12 { (date.year() + 1, 1) } else { (date.year(), date.month() + 1) };
    NaiveDate::from_ymd_opt(year, month, 1)
}

/// Rows that are due at an instant, by rule. What an event alone would move is no
/// matter of time and does not count.
async fn due_rows<S: Scan>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    at: DateTime<Utc>,
    failed: &mut Vec<FailedDataset>,
) -> Result<BTreeMap<RuleId, u64>, Failure> {
    // Nobody knows which holds there will be then.
    let unheld = book.held(&Holds::default());
    let mut scopes = book.scopes(at, &unheld)?;
    for (_, scope) in &mut scopes {
        scope.separate_on = &[];
    }
    let all: Vec<&Dataset> = scopes.iter().map(|(dataset, _)| *dataset).collect();
    let mut rows: BTreeMap<RuleId, u64> = BTreeMap::new();
    for (dataset, _) in &scopes {
        let known =
            |failed: &FailedDataset| failed.rule == dataset.rule && failed.dataset.as_ref() == Some(&dataset.table);
        if failed.iter().any(known) {
            continue;
        }
        match plan::count(sources, dataset, &all, &with_others(dataset, &scopes)?).await {
            Ok(census) => *rows.entry(dataset.rule.clone()).or_default() += census.rows + census.waiting,
            Err(failure @ Failure::StateUnknown(_)) => return Err(failure),
            Err(failure) => {
                let (rule, table) = (dataset.rule.clone(), Some(dataset.table.clone()));
                failed.push(FailedDataset { rule, dataset: table, failure });
            }
        }
    }
    Ok(rows)
}

/// What becomes due after the instant before, up to this one.
fn due_at(
    book: &Rulebook<'_>,
    totals: &[BTreeMap<RuleId, u64>],
    buckets: &[BucketFacts],
    instants: &[(String, DateTime<Utc>)],
    step: usize,
) -> Vec<Due> {
    let before = step.checked_sub(1);
    let (since, at) = (before.map(|before| instants[before].1), instants[step].1);
    let due_of = |rule: &crate::domain::policy::Rule| {
        let total = |step: usize| totals[step].get(&rule.id).copied().unwrap_or(0);
        let rows = total(step).saturating_sub(before.map_or(0, total));
        let is_now = |due: DateTime<Utc>| due <= at && since.is_none_or(|since| due > since);
        let of_rule = buckets.iter().filter(|facts| facts.bucket.policy_rule() == rule.id);
        let due = of_rule.filter(|facts| is_now(book.calendar.term(rule, facts.bucket.date).due));
        Due { rule: rule.id.clone(), rows, vault: due.map(|facts| facts.records).sum() }
    };
    book.policy.rules.iter().map(due_of).filter(|due| due.rows + due.vault > 0).collect()
}
