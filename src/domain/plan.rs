//! The plan: what a cycle would do at an instant, as a value with a digest.
//!
//! The same facts always give the same plan, so that a reviewed plan can be
//! compared with what holds when it is carried out.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    calendar::Calendar,
    canonical::{self, NotCanonical},
    census::{AnomalyKind, Census},
    deployment::{Dataset, Guards},
    destroy::{BucketFacts, Decision, KeepReason, decide},
    guard::{self, Hit},
    hold::Holds,
    id::{BucketId, Digest, EventName, RuleId, SourceName},
    policy::Policy,
    selection::Bounds,
};

mod order;

pub use order::{OrderCycle, in_order};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The instant of the plan, in the policy's zone.
    pub now: DateTime<FixedOffset>,
    pub simulation: bool,
    pub policy: PolicyRef,
    /// Set where the plan is of one rule only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<RuleId>,
    pub items: Vec<Item>,
    pub anomalies: Vec<Anomaly>,
    pub guards: Vec<Hit>,
    /// Over everything above.
    pub digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    pub version: String,
    pub digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Item {
    Separate(Separation),
    Destroy(Destruction),
}

/// What one dataset would move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Separation {
    pub rule: RuleId,
    pub dataset: String,
    pub source: SourceName,
    pub rows: u64,
    pub children: BTreeMap<String, u64>,
    /// Rows that stay and lose their link to `rows` (`edge = "unlink"`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unlinked: BTreeMap<String, u64>,
    /// Rows that `rows` point at and that stay: something else points at them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub shared: BTreeMap<String, u64>,
    /// Rows that leave with `rows` as records of another rule, which keeps them longer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub sooner: BTreeMap<String, u64>,
    /// Rows that another rule has too and keeps longer: they move by that one.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub outlived: u64,
    /// Tables without transactions, with their engines: their rows move in the
    /// weaker mode.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub weak: BTreeMap<String, String>,
    /// Records that a hold covers: frozen ones, which are not among `rows`, and
    /// ones that move and stay held in the vault.
    pub held: u64,
    pub waiting: u64,
    pub overdue: u64,
    /// Events before this instant are due.
    pub cutoff: DateTime<Utc>,
    /// Date of the oldest event among `rows`.
    pub oldest: Option<NaiveDate>,
}

/// What one rule would destroy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destruction {
    pub rule: RuleId,
    pub buckets: u64,
    pub rows: u64,
    /// Due rows that a hold keeps; never overdue.
    pub held: u64,
    /// Due rows whose cooling-off is not over, or whose rule the policy no
    /// longer has.
    pub waiting: u64,
    pub overdue: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    pub dataset: String,
    pub event: EventName,
    pub kind: AnomalyKind,
    pub rows: u64,
}

/// What is known of one dataset when a plan is made.
#[derive(Debug)]
pub struct DatasetFacts<'a> {
    pub dataset: &'a Dataset,
    pub bounds: Bounds,
    pub census: Census,
}

/// What does not depend on the data.
#[derive(Debug)]
pub struct Frame<'a> {
    pub policy: &'a Policy,
    pub digest: Digest,
    pub calendar: &'a Calendar<'a>,
    pub guards: &'a Guards,
    pub now: DateTime<Utc>,
    pub simulation: bool,
    pub rule: Option<&'a RuleId>,
    pub holds: &'a Holds,
    /// Held records in buckets that are due, where they were looked up.
    pub held: &'a BTreeMap<BucketId, u64>,
}

/// Makes the plan. `earlier` gives the rows that a rule separated in its
/// earlier cycles.
pub fn make(
    frame: &Frame<'_>,
    datasets: &[DatasetFacts<'_>],
    buckets: &[BucketFacts],
    earlier: impl Fn(&RuleId) -> Vec<u64>,
) -> Result<Plan, NotCanonical> {
    let wanted = |rule: &RuleId| frame.rule.is_none_or(|only| only == rule);
    let separations: Vec<_> = datasets.iter().filter(|facts| wanted(&facts.dataset.rule)).collect();
    let mut items: Vec<Item> = separations.iter().map(|facts| Item::Separate(separation(frame, facts))).collect();
    let destructions = destructions(frame, buckets, wanted);
    let guards = guard_hits(frame, &separations, &destructions, earlier);
    items.extend(destructions.into_iter().map(Item::Destroy));
    let anomalies = separations.iter().flat_map(|facts| anomalies(facts)).collect();
    let mut plan = Plan {
        now: frame.now.with_timezone(&frame.policy.timezone).fixed_offset(),
        simulation: frame.simulation,
        policy: PolicyRef { version: frame.policy.version.clone(), digest: frame.digest },
        rule: frame.rule.cloned(),
        items,
        anomalies,
        guards,
        digest: Digest([0; 32]),
    };
    plan.digest = plan.computed_digest()?;
    Ok(plan)
}

fn separation(frame: &Frame<'_>, facts: &DatasetFacts<'_>) -> Separation {
    Separation {
        rule: facts.dataset.rule.clone(),
        dataset: facts.dataset.table.clone(),
        source: facts.dataset.source.clone(),
        rows: facts.census.rows,
        children: facts.census.children.clone(),
        unlinked: some(&facts.census.unlinked),
        shared: some(&facts.census.shared),
        sooner: some(&facts.census.sooner),
        outlived: facts.census.outlived,
        weak: facts.census.weak.clone(),
        held: facts.census.held,
        waiting: facts.census.waiting,
        overdue: facts.census.overdue,
        cutoff: facts.bounds.due_before,
        oldest: facts.census.oldest.map(|at| frame.calendar.date_of(at)),
    }
}

/// Tables of which there are rows.
fn some(rows: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    rows.iter().filter(|(_, rows)| **rows > 0).map(|(table, rows)| (table.clone(), *rows)).collect()
}

/// Left out of the document, so that plans without such rows keep their digests.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

/// One item per rule of the policy, and one per rule that only the vault knows.
fn destructions(frame: &Frame<'_>, buckets: &[BucketFacts], wanted: impl Fn(&RuleId) -> bool) -> Vec<Destruction> {
    let mut by_rule: Vec<Destruction> = Vec::new();
    let of_policy = frame.policy.rules.iter().map(|rule| rule.id.clone());
    for rule in of_policy.chain(buckets.iter().map(|facts| facts.bucket.policy_rule())) {
        if wanted(&rule) && !by_rule.iter().any(|item| item.rule == rule) {
            by_rule.push(Destruction { rule, buckets: 0, rows: 0, held: 0, waiting: 0, overdue: 0 });
        }
    }
    for facts in buckets {
        let rule = facts.bucket.policy_rule();
        if let Some(item) = by_rule.iter_mut().find(|item| item.rule == rule) {
            item.count(frame, facts);
        }
    }
    by_rule
}

impl Destruction {
    fn count(&mut self, frame: &Frame<'_>, facts: &BucketFacts) {
        let held = frame.held.get(&facts.bucket).copied().unwrap_or(0).min(facts.records);
        let free = facts.records - held;
        let term = match decide(frame.policy, frame.calendar, frame.holds, facts, frame.now) {
            Decision::Destroy(term) => {
                // A bucket that is held record by record to the last stays as it is.
                self.buckets += u64::from(free > 0 || facts.records == 0);
                self.rows += free;
                self.held += held;
                Some(term)
            }
            Decision::Keep(KeepReason::Held(_)) => {
                self.held += facts.records;
                None
            }
            Decision::Keep(KeepReason::CoolingOff { term, .. }) => {
                self.waiting += free;
                self.held += held;
                Some(term)
            }
            Decision::Keep(KeepReason::RuleUnknown) => {
                self.waiting += facts.records;
                None
            }
            Decision::Keep(KeepReason::NotDue(_)) => None,
        };
        if term.is_some_and(|term| frame.now > term.latest) {
            self.overdue += free;
        }
    }
}

fn guard_hits(
    frame: &Frame<'_>,
    separations: &[&DatasetFacts<'_>],
    destructions: &[Destruction],
    earlier: impl Fn(&RuleId) -> Vec<u64>,
) -> Vec<Hit> {
    let mut rows_of: BTreeMap<&RuleId, u64> = BTreeMap::new();
    let mut hits = Vec::new();
    for facts in separations {
        let rule = &facts.dataset.rule;
        *rows_of.entry(rule).or_default() += facts.census.rows;
        hits.extend(guard::share(frame.guards, rule, facts.census.rows, facts.census.table_rows));
    }
    for (rule, rows) in rows_of {
        hits.extend(guard::rows(frame.guards, rule, rows));
        hits.extend(guard::median(frame.guards, rule, rows, &earlier(rule)));
    }
    for item in destructions {
        hits.extend(guard::rows(frame.guards, &item.rule, item.rows));
    }
    hits
}

fn anomalies(facts: &DatasetFacts<'_>) -> impl Iterator<Item = Anomaly> {
    facts.census.anomalies.iter().map(|anomaly| Anomaly {
        dataset: facts.dataset.table.clone(),
        event: anomaly.event.clone(),
        kind: anomaly.kind,
        rows: anomaly.rows,
    })
}

impl Plan {
    /// The digest of everything but the digest itself.
    pub fn computed_digest(&self) -> Result<Digest, NotCanonical> {
        let mut bare = self.clone();
        bare.digest = Digest([0; 32]);
        canonical::digest(&bare)
    }

    pub fn separations(&self) -> impl Iterator<Item = &Separation> {
        self.items.iter().filter_map(|item| match item {
            Item::Separate(separation) => Some(separation),
            Item::Destroy(_) => None,
        })
    }

    pub fn destructions(&self) -> impl Iterator<Item = &Destruction> {
        self.items.iter().filter_map(|item| match item {
            Item::Destroy(destruction) => Some(destruction),
            Item::Separate(_) => None,
        })
    }

    /// Roots that the plan separates or destroys.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.separations().map(|item| item.rows).sum::<u64>() + self.destructions().map(|item| item.rows).sum::<u64>()
    }

    #[must_use]
    pub fn overdue(&self) -> u64 {
        self.separations().map(|item| item.overdue).sum::<u64>()
            + self.destructions().map(|item| item.overdue).sum::<u64>()
    }

    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.separations().map(|item| item.waiting).sum::<u64>()
            + self.destructions().map(|item| item.waiting).sum::<u64>()
    }

    /// Guards that stop a rule and were not accepted by name.
    pub fn stopped_by<'a>(&'a self, rule: &'a RuleId, accepted: &'a [guard::Guard]) -> impl Iterator<Item = &'a Hit> {
        self.guards.iter().filter(move |hit| hit.rule == *rule && !accepted.contains(&hit.guard))
    }

    /// What changed between this plan and a newer one of the same instant, one
    /// line each: `contract/orders: rows 1204 -> 1210`.
    #[must_use]
    pub fn drift(&self, fresh: &Self) -> Vec<String> {
        let (mine, theirs) = (self.counts(), fresh.counts());
        let keys: std::collections::BTreeSet<_> = mine.keys().chain(theirs.keys()).collect();
        let count = |counts: &BTreeMap<String, u64>, key: &str| counts.get(key).copied().unwrap_or(0);
        keys.into_iter()
            .map(|key| (key, count(&mine, key), count(&theirs, key)))
            .filter(|(_, was, is)| was != is)
            .map(|(key, was, is)| format!("{key} {was} -> {is}"))
            .collect()
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for item in self.separations() {
            let name = format!("{}/{}: separate", item.rule, item.dataset);
            let figures = [("rows", item.rows), ("held", item.held), ("waiting", item.waiting)];
            counts.extend(figures.map(|(figure, count)| (format!("{name} {figure}"), count)));
            counts.extend(item.children.iter().map(|(table, rows)| (format!("{name} {table}"), *rows)));
            counts.extend(item.unlinked.iter().map(|(table, rows)| (format!("{name} unlinked {table}"), *rows)));
            counts.extend(item.shared.iter().map(|(table, rows)| (format!("{name} shared {table}"), *rows)));
            counts.extend(item.sooner.iter().map(|(table, rows)| (format!("{name} sooner {table}"), *rows)));
            counts.insert(format!("{name} outlived"), item.outlived);
        }
        for item in self.destructions() {
            let name = format!("{}: destroy", item.rule);
            let figures = [("buckets", item.buckets), ("rows", item.rows), ("held", item.held)];
            counts.extend(figures.map(|(figure, count)| (format!("{name} {figure}"), count)));
        }
        counts
    }
}

#[cfg(test)]
mod tests;
