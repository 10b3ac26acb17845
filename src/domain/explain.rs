//! Why one record is kept, and until when: the decisions of a plan, said of a
//! single record with every date that led to them.
//!
//! It repeats no decision. Terms come from the calendar, what holds a record back
//! from the source or from the holds, and whether a bucket may go from `destroy`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{
    calendar::{Calendar, Term},
    census::AnomalyKind,
    destroy::{Decision, KeepReason},
    hold::{Category, Hold},
    id::{EventName, HoldId, RuleId},
    policy::{Name, Rule},
};

/// What a source says of one live record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFacts {
    pub events: BTreeMap<EventName, Happened>,
    /// Tables with rows that have not moved and hold it back.
    pub waits_for: Vec<String>,
    /// Another dataset has the same row and keeps it longer.
    pub outlived: bool,
    /// A hold covers it.
    pub held: bool,
}

/// What an event of a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happened {
    At(DateTime<Utc>),
    NotYet,
    Anomaly(AnomalyKind),
}

/// A hold that covers a record: what may be said of it without its register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldShown {
    pub id: HoldId,
    pub category: Category,
    pub by: String,
    pub review: NaiveDate,
    pub freeze: bool,
}

impl From<&Hold> for HoldShown {
    fn from(hold: &Hold) -> Self {
        let Hold { id, category, by, review, freeze, .. } = hold;
        Self { id: id.clone(), category: *category, by: by.clone(), review: *review, freeze: *freeze }
    }
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Source,
    Vault,
}

/// What becomes of a record now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its event has not happened: no period runs.
    NotBegun,
    /// Its period is not over.
    Kept,
    /// An event of `separate_on` has happened: it moves to the vault.
    Separated,
    /// Due: it moves to the vault, or is destroyed.
    Due,
    /// Due, and past its latest.
    Overdue,
    /// Due, and the undo window of its separation is not over.
    CoolingOff,
    /// It would move, and rows that have not moved hold it back.
    Waiting,
    /// It would move, and another rule keeps it longer.
    Outlived,
    /// A hold keeps it.
    Held,
    /// Its event cannot be acted on.
    Anomaly,
}

/// Why a record is where it is under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub rule: RuleId,
    pub name: Name,
    pub place: Place,
    pub keep: String,
    /// Statutes of the basis; empty for an internal one.
    pub basis: Vec<String>,
    pub counting: &'static str,
    pub event: EventName,
    pub events: BTreeMap<EventName, Happened>,
    #[serde(flatten)]
    pub term: Option<TermShown>,
    pub state: State,
    /// Oldest first; also while the period is not over, when they change nothing yet.
    pub holds: Vec<HoldShown>,
    /// Tables with rows that have not moved and hold the record back.
    pub waits_for: Vec<String>,
    /// Of several rules that cover the record: this one decides when it goes.
    pub decides: bool,
}

/// The dates of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TermShown {
    pub first: NaiveDate,
    /// The last day as the period itself gives it.
    pub last_plain: NaiveDate,
    /// The last day after it has moved past rest days.
    pub last: NaiveDate,
    /// The rest days that it moved past.
    pub rest_days: Vec<NaiveDate>,
    pub due: DateTime<Utc>,
    pub latest: DateTime<Utc>,
}

impl TermShown {
    fn of(calendar: &Calendar<'_>, rule: &Rule, term: &Term) -> Self {
        let last_plain = calendar.plain_last_day(rule, term.event).unwrap_or(term.last);
        let rest_days = last_plain.iter_days().take_while(|day| *day < term.last).collect();
        Self { first: term.first, last_plain, last: term.last, rest_days, due: term.due, latest: term.latest }
    }
}

/// Explains a live record under one rule.
#[must_use]
pub fn live(
    calendar: &Calendar<'_>,
    rule: &Rule,
    facts: &RecordFacts,
    holds: Vec<HoldShown>,
    now: DateTime<Utc>,
) -> Explanation {
    let happened = facts.events.get(&rule.event).copied().unwrap_or(Happened::NotYet);
    let term = match happened {
        Happened::At(at) => Some(calendar.term_at(rule, at)),
        Happened::NotYet | Happened::Anomaly(_) => None,
    };
    let moved =
        rule.separate_on.iter().any(|event| matches!(facts.events.get(event), Some(Happened::At(at)) if *at <= now));
    let state = match (happened, &term) {
        (Happened::Anomaly(_), _) => State::Anomaly,
        (Happened::NotYet, _) | (_, None) => State::NotBegun,
        (_, Some(term)) if !term.is_due(now) && !moved => State::Kept,
        _ if facts.held => State::Held,
        _ if !facts.waits_for.is_empty() => State::Waiting,
        _ if facts.outlived => State::Outlived,
        (_, Some(term)) if term.is_overdue(now) => State::Overdue,
        (_, Some(term)) if term.is_due(now) => State::Due,
        _ => State::Separated,
    };
    let (events, waits_for) = (facts.events.clone(), facts.waits_for.clone());
    Explanation { events, holds, waits_for, ..explanation(calendar, rule, Place::Source, term.as_ref(), state) }
}

/// Explains a record in the vault, from what was decided about its bucket.
#[must_use]
pub fn sealed(
    calendar: &Calendar<'_>,
    rule: &Rule,
    event: NaiveDate,
    decision: &Decision,
    holds: Vec<HoldShown>,
    now: DateTime<Utc>,
) -> Explanation {
    let term = calendar.term(rule, event);
    let state = match decision {
        Decision::Keep(KeepReason::NotDue(_)) => State::Kept,
        _ if !holds.is_empty() => State::Held,
        Decision::Keep(KeepReason::CoolingOff { .. }) => State::CoolingOff,
        Decision::Keep(_) => State::Held,
        Decision::Destroy(term) if term.is_overdue(now) => State::Overdue,
        Decision::Destroy(_) => State::Due,
    };
    Explanation { holds, ..explanation(calendar, rule, Place::Vault, Some(&term), state) }
}

fn explanation(calendar: &Calendar<'_>, rule: &Rule, place: Place, term: Option<&Term>, state: State) -> Explanation {
    Explanation {
        rule: rule.id.clone(),
        name: rule.name.clone(),
        place,
        keep: rule.keep.to_string(),
        basis: rule.basis.statutes().map(str::to_owned).collect(),
        counting: calendar.counting().name(),
        event: rule.event.clone(),
        events: BTreeMap::new(),
        term: term.map(|term| TermShown::of(calendar, rule, term)),
        state,
        holds: Vec::new(),
        waits_for: Vec::new(),
        decides: false,
    }
}

/// Marks the rule that decides: of all that cover the record, the one whose due
/// comes last; one whose period has no end yet before all others.
pub fn settle(explanations: &mut [Explanation]) {
    let due = |explanation: &Explanation| explanation.term.as_ref().map_or(DateTime::<Utc>::MAX_UTC, |term| term.due);
    let last = explanations.iter().map(due).max();
    if let Some(winner) = explanations.iter_mut().find(|explanation| Some(due(explanation)) == last) {
        winner.decides = true;
    }
}
