//! An older copy of the vault: how the ledger tells it from the newest one, and
//! what it lacks. Names, dates and counts only.
//!
//! With every batch the vault keeps the ledger's head of that moment. A copy that
//! was put back knows of fewer entries than it must; what the ledger says from
//! there on is what the copy has not lived through.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{
    canonical,
    destroy::BucketFacts,
    id::{BatchId, BucketId, Digest, OperationId, RuleId, SourceName},
    ledger::{
        event::{
            DestroyIntent, DestroyResult, Entry, Event, Missing, RestoreIntent, RestoreResult, SeparateIntent,
            SeparateResult,
        },
        history::History,
    },
};

/// What the vault holds otherwise than by the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OldCopy {
    /// Entries of the ledger that the vault knows of.
    pub knows: u64,
    /// Time of the last of them. What was stored before is in the copy.
    pub since: Option<DateTime<Utc>>,
    /// Rules of which there is something to say.
    pub rules: Vec<RuleCounts>,
    /// What was separated since.
    pub separated: Vec<SeparatedSince>,
    /// Buckets that were destroyed since and whose ciphertext is back. Their keys
    /// are gone, so that nothing opens it.
    pub destroyed: Vec<BucketId>,
    /// Intents without an outcome. While there are any, the counts are bounds.
    pub open: u64,
}

/// Records of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleCounts {
    pub rule: RuleId,
    /// That the vault must hold.
    pub by_ledger: u64,
    /// That it holds under keys that exist.
    pub in_vault: u64,
    /// That were destroyed and are back as noise.
    pub destroyed: u64,
    /// That went back to their source since; the copy may hold them again.
    pub restored: u64,
    pub missing: Missing,
    /// That it holds beyond what any older copy could.
    pub unexplained: u64,
}

/// Records of one dataset that the copy never had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeparatedSince {
    pub rule: RuleId,
    pub source: SourceName,
    pub dataset: String,
    pub records: u64,
    /// Range of event dates: the buckets they lay in.
    pub first: NaiveDate,
    pub last: NaiveDate,
}

/// Whether the ledger needs to be asked at all: the vault knows less of it than it
/// must, or with nothing under way the counts differ.
#[must_use]
pub fn suspected(history: &History, knows: u64, buckets: &[BucketFacts]) -> bool {
    let settled = !history.has_open_intents();
    history.stored_last.is_some_and(|seq| seq >= knows) || (settled && first_difference(history, buckets).is_some())
}

/// Why nobody can say any more what a copy lacks: it knows of fewer entries than
/// were dropped on record.
#[must_use]
pub fn beyond_telling(history: &History, knows: u64) -> Option<String> {
    let cut = history.pruned.last().map_or(0, |last| last.pruned.cut);
    (knows < cut).then(|| {
        format!(
            "an old copy of the vault was put back: it knows {knows} entries of the ledger, and most of the first {cut} \
             were dropped on record, so that nobody can say what it lacks; hint: put a newer copy back"
        )
    })
}

/// The first rule whose records differ: how many there are, and must be.
#[must_use]
pub fn first_difference(history: &History, buckets: &[BucketFacts]) -> Option<(RuleId, u64, u64)> {
    let in_vault = records_by_rule(buckets.iter());
    let rules: BTreeSet<&RuleId> = in_vault.keys().chain(history.in_vault.keys()).collect();
    let counts = rules.into_iter().map(|rule| (rule.clone(), of(&in_vault, rule), of(&history.in_vault, rule)));
    counts.into_iter().find(|(_, there, expected)| there != expected)
}

/// Records of these buckets by rule of the policy.
pub fn records_by_rule<'a>(buckets: impl Iterator<Item = &'a BucketFacts>) -> BTreeMap<RuleId, u64> {
    let mut records = BTreeMap::new();
    for facts in buckets {
        *records.entry(facts.bucket.policy_rule()).or_default() += facts.records;
    }
    records
}

fn of(counts: &BTreeMap<RuleId, u64>, rule: &RuleId) -> u64 {
    counts.get(rule).copied().unwrap_or(0)
}

/// Reads the ledger's entries, in order, for what the vault has not lived through.
#[derive(Debug, Default)]
pub struct Comparison {
    knows: u64,
    since: Option<DateTime<Utc>>,
    separations: BTreeMap<BatchId, (u64, SeparateIntent)>,
    restorations: BTreeMap<OperationId, RestoreIntent>,
    destructions: BTreeMap<OperationId, DestroyIntent>,
    separated: BTreeMap<(RuleId, SourceName, String), SeparatedSince>,
    restored: BTreeMap<RuleId, u64>,
    destroyed: BTreeSet<BucketId>,
}

impl Comparison {
    /// With a vault that knows of so many entries.
    #[must_use]
    pub fn from(knows: u64) -> Self {
        Self { knows, ..Self::default() }
    }

    pub fn entry(&mut self, entry: &Entry) {
        let unknown = entry.seq >= self.knows;
        if !unknown {
            self.since = Some(entry.time);
        }
        match &entry.event {
            Event::SeparateIntent(intent) => {
                self.separations.insert(intent.batch.clone(), (entry.seq, intent.clone()));
            }
            Event::SeparateOutcome { batch, result, .. } => {
                let Some((seq, intent)) = self.separations.remove(batch) else { return };
                if seq >= self.knows && *result == SeparateResult::Committed {
                    self.separate(intent);
                }
            }
            Event::RestoreIntent(intent) => {
                self.restorations.insert(intent.operation.clone(), intent.clone());
            }
            Event::RestoreOutcome { operation, result, .. } => {
                let Some(intent) = self.restorations.remove(operation) else { return };
                if unknown && *result == RestoreResult::Committed {
                    for (rule, records) in intent.records {
                        *self.restored.entry(rule).or_default() += records;
                    }
                }
            }
            Event::DestroyIntent(intent) => {
                self.destructions.insert(intent.operation.clone(), intent.clone());
            }
            Event::DestroyOutcome(outcome) => {
                let Some(intent) = self.destructions.remove(&outcome.operation) else { return };
                if unknown && outcome.result == DestroyResult::Destroyed {
                    let bucket = |date: &NaiveDate| BucketId::of(&intent.rule, intent.hold.as_ref(), *date);
                    self.destroyed.extend(intent.dates.iter().map(bucket));
                }
            }
            _ => {}
        }
    }

    fn separate(&mut self, intent: SeparateIntent) {
        let SeparateIntent { rule, source, dataset, first, last, .. } = intent;
        let key = (rule.clone(), source.clone(), dataset.clone());
        let since = SeparatedSince { rule, source, dataset, records: 0, first, last };
        let since = self.separated.entry(key).or_insert(since);
        since.records += intent.records;
        since.first = since.first.min(first);
        since.last = since.last.max(last);
    }

    /// What was found, with what the vault holds now.
    #[must_use]
    pub fn conclude(self, history: &History, buckets: &[BucketFacts]) -> OldCopy {
        let back = |facts: &&BucketFacts| self.destroyed.contains(&facts.bucket);
        let destroyed = records_by_rule(buckets.iter().filter(back));
        let in_vault = records_by_rule(buckets.iter().filter(|facts| !back(facts)));
        let coming = sum(self.separations.values().map(|(_, intent)| (&intent.rule, intent.records)));
        let going = self.destructions.values().map(|intent| (&intent.rule, intent.records));
        let restoring = self.restorations.values().flat_map(|intent| &intent.records);
        let going = sum(going.chain(restoring.map(|(rule, records)| (rule, *records))));
        let count = |rule: &RuleId| {
            let (by_ledger, in_vault) = (of(&history.in_vault, rule), of(&in_vault, rule));
            let (destroyed, restored) = (of(&destroyed, rule), of(&self.restored, rule));
            let at_least = by_ledger.saturating_sub(in_vault).saturating_sub(of(&going, rule));
            let possible = by_ledger + restored + of(&coming, rule);
            let missing = Missing { at_least, at_most: possible.saturating_sub(in_vault) };
            let unexplained = in_vault.saturating_sub(possible);
            RuleCounts { rule: rule.clone(), by_ledger, in_vault, destroyed, restored, missing, unexplained }
        };
        let rules: BTreeSet<&RuleId> = history.in_vault.keys().chain(in_vault.keys()).chain(destroyed.keys()).collect();
        let told = |counts: &RuleCounts| {
            counts.by_ledger != counts.in_vault || counts.destroyed + counts.restored + counts.missing.at_most > 0
        };
        let rules = rules.into_iter().map(count).filter(told).collect();
        let destroyed = buckets.iter().filter(back).map(|facts| facts.bucket.clone()).collect();
        let open = self.separations.len() + self.restorations.len() + self.destructions.len();
        let separated = self.separated.into_values().collect();
        OldCopy { knows: self.knows, since: self.since, rules, separated, destroyed, open: open as u64 }
    }
}

fn sum<'a>(counts: impl Iterator<Item = (&'a RuleId, u64)>) -> BTreeMap<RuleId, u64> {
    let mut sums = BTreeMap::new();
    for (rule, records) in counts {
        *sums.entry(rule.clone()).or_default() += records;
    }
    sums
}

impl OldCopy {
    /// What an operator confirms, and nothing else.
    pub fn digest(&self) -> Result<Digest, canonical::NotCanonical> {
        canonical::digest(self)
    }

    /// A rule of which the vault holds more than any older copy of it could: then
    /// it is the ledger that is older.
    #[must_use]
    pub fn unexplained(&self) -> Option<&RuleCounts> {
        self.rules.iter().find(|counts| counts.unexplained > 0)
    }

    /// Records that are missing, by rule.
    #[must_use]
    pub fn missing(&self) -> BTreeMap<RuleId, Missing> {
        let missing = self.rules.iter().filter(|counts| counts.missing.at_most > 0);
        missing.map(|counts| (counts.rule.clone(), counts.missing)).collect()
    }

    /// What there is to say, line by line, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let since = self.since.map_or_else(|| "its beginning".to_owned(), |at| at.format("%F %T UTC").to_string());
        let mut lines = vec![format!(
            "the vault is not what the ledger says; it knows {} entries of the ledger, the last of {since}",
            self.knows
        )];
        for counts in &self.rules {
            lines.push(format!(
                "rule {}: {} records by the ledger, {} in the vault, {} missing",
                counts.rule, counts.by_ledger, counts.in_vault, counts.missing
            ));
            if counts.restored > 0 {
                lines.push(format!(
                    "rule {}: {} records went back to their source since, and may be in the vault again",
                    counts.rule, counts.restored
                ));
            }
        }
        lines.extend(self.separated.iter().map(|since| {
            format!(
                "separated since: {} records of {} in {}, rule {}, buckets of {} to {}",
                since.records, since.dataset, since.source, since.rule, since.first, since.last
            )
        }));
        lines.extend(self.destroyed.iter().map(|bucket| {
            format!("destroyed since, and back as ciphertext that nothing opens: bucket {bucket}; it is removed again")
        }));
        if self.open > 0 {
            lines.push(format!("{} intents are open, so that what is missing is known in bounds only", self.open));
        }
        lines
    }
}

#[cfg(test)]
mod tests;
