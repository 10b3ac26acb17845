//! What changes between two policies: rules added, removed, lengthened and
//! shortened, and what else a person must know before a policy is adopted.

use chrono::NaiveDate;
use serde::Serialize;

use super::{Policy, Rule, statute::Catalogue};
use crate::domain::{
    calendar::{Calendar, Counting},
    holiday::Holidays,
    id::RuleId,
    period::Period,
};

/// Events that two ways of counting are compared on: two cycles of leap years.
const SAMPLE_FROM: Option<NaiveDate> = NaiveDate::from_ymd_opt(2019, 1, 1);
const SAMPLE_DAYS: usize = 8 * 366;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `None`: it concerns the policy as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    pub kind: ChangeKind,
    /// Before and after, in words; empty where there was, or is, nothing.
    pub old: String,
    pub new: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    Added,
    Removed,
    /// Some record becomes due later, and none earlier.
    Lengthened,
    /// Some record becomes due earlier.
    Shortened,
    /// Counted from another event.
    Event,
    /// Moves to the vault for other events.
    SeparateOn,
    Basis,
    Approval,
    /// Words only: name, reason, clause, title, officer.
    Words,
    /// A value of `[policy]`.
    Policy,
}

/// Everything that differs, the whole policy first, then rule by rule.
#[must_use]
pub fn changes(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = of_the_whole(old, new);
    let (old_days, new_days) = (holidays(old), holidays(new));
    let calendars = (Calendar::new(old, &old_days), Calendar::new(new, &new_days));
    for rule in &old.rules {
        let id = Some(rule.id.clone());
        match new.rule(&rule.id) {
            None => {
                changes.push(Change { rule: id, kind: ChangeKind::Removed, old: in_words(rule), new: String::new() })
            }
            Some(after) => changes.extend(of_a_rule(rule, after, &calendars)),
        }
    }
    let added = new.rules.iter().filter(|rule| old.rule(&rule.id).is_none());
    changes.extend(added.map(|rule| Change {
        rule: Some(rule.id.clone()),
        kind: ChangeKind::Added,
        old: String::new(),
        new: in_words(rule),
    }));
    changes
}

fn holidays(policy: &Policy) -> Holidays {
    Holidays::korea().map_or_else(|_| Holidays::default(), |table| table.with(&policy.holidays))
}

fn in_words(rule: &Rule) -> String {
    format!("{} from {}", rule.keep, rule.event)
}

fn of_the_whole(old: &Policy, new: &Policy) -> Vec<Change> {
    let dates = |policy: &Policy| policy.holidays.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let values = |policy: &Policy| {
        [
            ("version", policy.version.clone()),
            ("announced", policy.announced.to_string()),
            ("effective", policy.effective.to_string()),
            ("timezone", policy.timezone.name().to_owned()),
            ("counting", policy.counting.name().to_owned()),
            ("destroy_within", policy.destroy_within.to_string()),
            ("cooling_off", policy.cooling_off.to_string()),
            ("statutes", policy.statutes.clone().unwrap_or_else(|| "none".to_owned())),
            ("holidays", dates(policy)),
            ("four_eyes", policy.officer.four_eyes.to_string()),
        ]
    };
    let differ = values(old).into_iter().zip(values(new)).filter(|((_, old), (_, new))| old != new);
    let mut changes: Vec<Change> = differ
        .map(|((key, old), (_, new))| {
            let (old, new) = (format!("{key} {old}"), format!("{key} {new}"));
            Change { rule: None, kind: ChangeKind::Policy, old, new }
        })
        .collect();
    let words = |policy: &Policy| [&policy.title, &policy.officer.title, &policy.officer.contact].map(Clone::clone);
    if words(old) != words(new) {
        let (old, new) = (words(old).join(", "), words(new).join(", "));
        changes.push(Change { rule: None, kind: ChangeKind::Words, old, new });
    }
    changes
}

fn of_a_rule(old: &Rule, new: &Rule, calendars: &(Calendar<'_>, Calendar<'_>)) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |kind, before: String, after: String| {
        changes.push(Change { rule: Some(old.id.clone()), kind, old: before, new: after });
    };
    let list = |rule: &Rule| rule.separate_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let basis = |rule: &Rule| rule.basis.statutes().collect::<Vec<_>>().join(", ");
    if old.event != new.event {
        note(ChangeKind::Event, in_words(old), in_words(new));
    }
    if let Some(kind) = moved(old, new, calendars) {
        note(kind, in_words(old), in_words(new));
    }
    if old.separate_on != new.separate_on {
        note(ChangeKind::SeparateOn, list(old), list(new));
    }
    if old.basis != new.basis {
        note(ChangeKind::Basis, basis(old), basis(new));
    }
    if old.approval != new.approval {
        note(
            ChangeKind::Approval,
            format!("{:?}", old.approval).to_lowercase(),
            format!("{:?}", new.approval).to_lowercase(),
        );
    }
    let words = |rule: &Rule| (rule.name.ko.clone(), rule.name.en.clone(), rule.reason.clone(), rule.clause.clone());
    if words(old) != words(new) {
        note(ChangeKind::Words, old.name.ko.clone(), new.name.ko.clone());
    }
    changes
}

/// Whether records become due earlier or later, by counting both: the same words
/// mean other days under another counting, basis, zone or table of holidays.
fn moved(old: &Rule, new: &Rule, (before, after): &(Calendar<'_>, Calendar<'_>)) -> Option<ChangeKind> {
    let (mut earlier, mut later) = (false, false);
    for event in SAMPLE_FROM?.iter_days().take(SAMPLE_DAYS) {
        let (old, new) = (before.term(old, event).due, after.term(new, event).due);
        earlier |= new < old;
        later |= new > old;
        if earlier {
            return Some(ChangeKind::Shortened);
        }
    }
    later.then_some(ChangeKind::Lengthened)
}

/// Why a policy cannot take the place of another one, whatever a person wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    #[error(
        "rule {rule} is removed, and the vault holds {records} records of it; hint: keep the rule until they are destroyed"
    )]
    RemovedWithRecords { rule: RuleId, records: u64 },
    #[error(
        "rule {rule} is counted from another event, and the vault holds {records} records under the old one; hint: give \
         the new rule an id of its own, and keep the old one until its records are destroyed"
    )]
    OtherEvent { rule: RuleId, records: u64 },
    #[error(
        "rule {rule} keeps {keep} from now on, and its records were separated under {cited}, which asks for at least \
         {min}; hint: keep the basis, or give the new rule an id of its own"
    )]
    BelowMinimum { rule: RuleId, keep: Period, cited: String, min: Period },
}

/// What stands against adopting `new` in the place of `old`, given how many
/// records of a rule the vault holds.
#[must_use]
pub fn objections(
    old: &Policy,
    new: &Policy,
    catalogue: &Catalogue,
    in_vault: impl Fn(&RuleId) -> u64,
) -> Vec<Objection> {
    let mut objections = Vec::new();
    for rule in &old.rules {
        let records = in_vault(&rule.id);
        if records == 0 {
            continue;
        }
        let rule_id = || rule.id.clone();
        match new.rule(&rule.id) {
            None => objections.push(Objection::RemovedWithRecords { rule: rule_id(), records }),
            Some(after) if after.event != rule.event => {
                objections.push(Objection::OtherEvent { rule: rule_id(), records });
            }
            Some(after) => objections.extend(below_minimum(new.counting, rule, after, catalogue)),
        }
    }
    objections
}

/// A statutory minimum goes on for what was separated under it, also where the
/// new rule does not cite it any more.
fn below_minimum(counting: Counting, old: &Rule, new: &Rule, catalogue: &Catalogue) -> Option<Objection> {
    let duties = old.basis.statutes().filter_map(|id| catalogue.duty(id));
    let mut minimums = duties.filter_map(|duty| Some((duty, duty.min()?)));
    let (duty, min) = minimums.find(|(_, min)| counting.ever_shorter(new.keep, *min))?;
    Some(Objection::BelowMinimum { rule: new.id.clone(), keep: new.keep, cited: duty.cited(), min })
}
