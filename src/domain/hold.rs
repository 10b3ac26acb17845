//! Holds: what stops destruction (litigation, an investigation, a dispute), and
//! which records a hold covers.
//!
//! A hold stops the destruction of what it covers wherever it is; with `freeze`
//! it also stops separation. It names a person or a record, so that it stands in
//! no ledger: what the ledger has of it is a keyed digest, its reach and a
//! category. Nothing here prints whom a hold is about.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    calendar::{Calendar, Term},
    deployment::Dataset,
    id::{BucketId, HoldId, RuleId},
    ledger::history::History,
};

/// A hold as it is registered, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub id: HoldId,
    pub reach: Reach,
    /// Also stops separation: a correction is under way in the source.
    pub freeze: bool,
    pub category: Category,
    /// When somebody must ask whether it is still needed. It does not end by itself.
    pub review: NaiveDate,
    pub placed_at: DateTime<Utc>,
    pub by: String,
    /// May name people; never leaves the register.
    pub reason: String,
}

/// A request to lift a hold, as it is registered, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    pub hold: HoldId,
    pub by: String,
    /// Stands in the ledger.
    pub reason: String,
}

/// What a hold covers: whatever fits all that is said, and something is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<RuleId>,
    /// The dataset's table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dataset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub whose: Option<Whose>,
}

/// One person's records or one record, as `record::locator` writes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    Subject(String),
    Key(String),
}

impl fmt::Debug for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject(_) => "Subject(..)",
            Self::Key(_) => "Key(..)",
        })
    }
}

/// Why there is a hold, as far as the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    Litigation,
    Investigation,
    Dispute,
    Correction,
    Other,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Litigation => "litigation",
            Self::Investigation => "investigation",
            Self::Dispute => "dispute",
            Self::Correction => "correction",
            Self::Other => "other",
        })
    }
}

impl Hold {
    /// True where the hold can cover records of this dataset.
    #[must_use]
    pub fn concerns(&self, rule: &RuleId, table: &str) -> bool {
        self.reach.rule.as_ref().is_none_or(|of| of == rule)
            && self.reach.dataset.as_deref().is_none_or(|of| of == table)
    }
}

/// Records of one dataset that some holds cover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// Every record.
    pub all: bool,
    /// As `record::locator` writes them.
    pub subjects: BTreeSet<String>,
    pub keys: BTreeSet<String>,
}

impl Cover {
    fn add(&mut self, whose: Option<&Whose>) {
        match whose {
            None => self.all = true,
            Some(Whose::Subject(subject)) => drop(self.subjects.insert(subject.clone())),
            Some(Whose::Key(key)) => drop(self.keys.insert(key.clone())),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.subjects.is_empty() && self.keys.is_empty()
    }

    /// Whether it covers the record with these locators.
    #[must_use]
    pub fn covers(&self, key: &[u8], subject: Option<&[u8]>) -> bool {
        let among = |set: &BTreeSet<String>, locator: &[u8]| {
            std::str::from_utf8(locator).is_ok_and(|locator| set.contains(locator))
        };
        self.all || among(&self.keys, key) || subject.is_some_and(|subject| among(&self.subjects, subject))
    }
}

/// What holds cover in one dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Never destroyed, and never overdue.
    pub any: Cover,
    /// Part of `any`: also stays in the source.
    pub frozen: Cover,
}

/// Nothing is held.
pub static UNHELD: Held = Held {
    any: Cover { all: false, subjects: BTreeSet::new(), keys: BTreeSet::new() },
    frozen: Cover { all: false, subjects: BTreeSet::new(), keys: BTreeSet::new() },
};

/// The holds in force, and what the ledger remembers of lifted ones.
#[derive(Debug, Clone, Default)]
pub struct Holds {
    named: Vec<Hold>,
    standing: Vec<Standing>,
    lifted: Vec<(Standing, DateTime<Utc>)>,
}

/// What is known of a hold without its register.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    id: HoldId,
    /// Set where it covers everything of one rule.
    whole_rule: Option<RuleId>,
}

impl Standing {
    fn of(hold: &Hold) -> Self {
        let whole = hold.reach.dataset.is_none() && hold.reach.whose.is_none();
        Self { id: hold.id.clone(), whole_rule: hold.reach.rule.clone().filter(|_| whole) }
    }
}

impl Holds {
    /// Holds as the ledger has them: enough to tell which buckets are held as a
    /// whole, and whose deadline a lift has moved.
    #[must_use]
    pub fn on_record(history: &History) -> Self {
        let standing = |id: &HoldId, placed: &super::ledger::history::HoldOnRecord| Standing {
            id: id.clone(),
            whole_rule: placed.rule.clone().filter(|_| placed.dataset.is_none() && placed.whose.is_none()),
        };
        Self {
            named: Vec::new(),
            standing: history.holds.iter().map(|(id, placed)| standing(id, placed)).collect(),
            lifted: history.lifted.iter().map(|(id, (placed, at))| (standing(id, placed), *at)).collect(),
        }
    }

    /// The same with the register's holds, oldest first.
    #[must_use]
    pub fn registered(history: &History, mut named: Vec<Hold>) -> Self {
        named.retain(|hold| !history.lifted.contains_key(&hold.id));
        named.sort_by(|one, other| (one.placed_at, &one.id).cmp(&(other.placed_at, &other.id)));
        let mut holds = Self::on_record(history);
        for hold in &named {
            if !holds.standing.iter().any(|standing| standing.id == hold.id) {
                holds.standing.push(Standing::of(hold));
            }
        }
        holds.named = named;
        holds
    }

    /// One registered hold by itself.
    #[must_use]
    pub fn only(hold: &Hold) -> Self {
        Self { named: vec![hold.clone()], standing: vec![Standing::of(hold)], lifted: Vec::new() }
    }

    /// Holds with all that the register says, oldest first.
    #[must_use]
    pub fn named(&self) -> &[Hold] {
        &self.named
    }

    /// What they cover in one dataset.
    #[must_use]
    pub fn within(&self, dataset: &Dataset) -> Held {
        let mut held = Held::default();
        for hold in self.named.iter().filter(|hold| hold.concerns(&dataset.rule, &dataset.table)) {
            let nobody = matches!(hold.reach.whose, Some(Whose::Subject(_))) && dataset.subject.is_none();
            if nobody {
                continue;
            }
            held.any.add(hold.reach.whose.as_ref());
            if hold.freeze {
                held.frozen.add(hold.reach.whose.as_ref());
            }
        }
        held
    }

    /// True where a hold keeps this bucket as a whole: it is the hold's own, or
    /// the hold is on its rule.
    #[must_use]
    pub fn keep(&self, bucket: &BucketId) -> bool {
        let (rule, own) = (bucket.policy_rule(), bucket.hold());
        self.standing.iter().any(|hold| own.as_ref() == Some(&hold.id) || hold.whole_rule.as_ref() == Some(&rule))
    }

    /// The term of a bucket, with the deadline counted anew from the lift of a
    /// hold that kept it. Its due never moves.
    #[must_use]
    pub fn term(&self, calendar: &Calendar<'_>, bucket: &BucketId, term: Term) -> Term {
        let (rule, own) = (bucket.policy_rule(), bucket.hold());
        let kept = |hold: &Standing| own.as_ref() == Some(&hold.id) || hold.whole_rule.as_ref() == Some(&rule);
        let lifts = self.lifted.iter().filter(|(hold, _)| kept(hold)).map(|(_, at)| calendar.latest_from(*at));
        Term { latest: lifts.fold(term.latest, DateTime::max), ..term }
    }
}

/// Buckets that were searched for held records and have none. An order to
/// destroy takes no other.
#[derive(Debug, Default)]
pub struct Clearance {
    buckets: BTreeSet<BucketId>,
}

impl Clearance {
    /// Notes what a search found in a bucket.
    pub fn note(&mut self, bucket: &BucketId, held_records: u64) {
        if held_records == 0 {
            self.buckets.insert(bucket.clone());
        }
    }

    #[must_use]
    pub fn has(&self, bucket: &BucketId) -> bool {
        self.buckets.contains(bucket)
    }
}

#[cfg(test)]
mod tests;
