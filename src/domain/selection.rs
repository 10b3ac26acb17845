//! Which records of a dataset a cycle moves: bounds in time, and the cause.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{calendar::Calendar, deployment::Dataset, event::Reading, hold::Held, id::EventName, policy::Rule};

/// Why a record moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Its period is over.
    Due,
    /// An event of `separate_on` has happened.
    Event(EventName),
    /// What it belongs to leaves, by a rule that keeps for a shorter time.
    WithParent,
}

/// How far ahead a date may lie and still be one: what leaves before its parent
/// is then kept by it. Behind that are placeholders such as the year 9999.
const AHEAD_MAX: TimeDelta = TimeDelta::days(366);

/// The instants that decide, taken once per plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub now: DateTime<Utc>,
    /// Events before this are absurdly old: anomalies.
    pub not_before: DateTime<Utc>,
    /// Events before this are due.
    pub due_before: DateTime<Utc>,
    /// Events before this are overdue.
    pub overdue_before: DateTime<Utc>,
}

impl Bounds {
    /// Events before this are due for whoever asks about another dataset's rows. One
    /// that does not run has nothing due; its rows are no younger for that.
    #[must_use]
    pub fn due_to_others_before(&self) -> DateTime<Utc> {
        if self.due_before == self.not_before { self.overdue_before } else { self.due_before }
    }

    /// The last instant at which the event of what moves for this cause may lie.
    #[must_use]
    pub fn latest(&self, cause: &Cause) -> DateTime<Utc> {
        match cause {
            Cause::Due | Cause::Event(_) => self.now,
            Cause::WithParent => self.now + AHEAD_MAX,
        }
    }

    #[must_use]
    pub fn of(calendar: &Calendar<'_>, rule: &Rule, not_before: NaiveDate, now: DateTime<Utc>) -> Self {
        Self {
            now,
            not_before: calendar.start_of(not_before),
            due_before: calendar.due_before(rule, now),
            overdue_before: calendar.overdue_before(rule, now),
        }
    }
}

/// What a census or a batch is taken over.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub bounds: Bounds,
    /// `separate_on` of the dataset's rule.
    pub separate_on: &'a [EventName],
    /// The event that starts the period.
    pub event: &'a EventName,
    /// The policy's zone, for naive values.
    pub zone: Tz,
    /// What holds cover of the dataset: frozen records do not move.
    pub held: &'a Held,
    /// Datasets of the same source with the scopes they run under, so that a
    /// census can tell a row that waits from one whose children move first.
    pub others: &'a [(&'a Dataset, Scope<'a>)],
}

impl Scope<'_> {
    /// The scope of a dataset that does not run in this cycle: it selects nothing,
    /// so that what waits for its rows is counted as waiting.
    #[must_use]
    pub const fn idle(self) -> Self {
        let bounds = Bounds { due_before: self.bounds.not_before, ..self.bounds };
        Self { bounds, separate_on: &[], ..self }
    }
}

/// A value that the source selected and the policy does not move: a defect in a
/// query or a change under way; the batch is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the source selected a record that the policy does not move: {reason}")]
pub struct Disagreement {
    pub reason: &'static str,
}

/// Decides once more, on the value itself, that a selected record moves, and
/// under which date: its bucket is of the rule and that date.
pub fn assign(
    calendar: &Calendar<'_>,
    cause: &Cause,
    bounds: &Bounds,
    event: Reading,
) -> Result<NaiveDate, Disagreement> {
    let refuse = |reason| Err(Disagreement { reason });
    let at = match event {
        Reading::At(at) => at,
        Reading::Absent => return refuse("its event has not happened"),
        Reading::Malformed => return refuse("its event cannot be read"),
    };
    if at < bounds.not_before {
        return refuse("its event is absurdly old");
    }
    if at > bounds.latest(cause) {
        return refuse("its event lies in the future");
    }
    if *cause == Cause::Due && at >= bounds.due_before {
        return refuse("it is not due");
    }
    Ok(calendar.date_of(at))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::{
        fixture::{at, date, policy},
        hold::UNHELD,
        holiday::Holidays,
        policy::Policy,
    };

    const NOW: &str = "2026-01-20T03:00:00+09:00";

    fn assigned(policy: &Policy, cause: &Cause, event: Reading) -> Result<NaiveDate, Disagreement> {
        let holidays = Holidays::default();
        let calendar = Calendar::new(policy, &holidays);
        let rule = policy.rule(&"member".into()).unwrap();
        let bounds = Bounds::of(&calendar, rule, date("2000-01-01"), at(NOW));
        assign(&calendar, cause, &bounds, event)
    }

    fn refused(cause: &Cause, event: Reading) -> &'static str {
        assigned(&policy(), cause, event).unwrap_err().reason
    }

    fn withdrawal() -> Cause {
        Cause::Event("withdrawal".into())
    }

    #[test]
    fn a_record_goes_into_the_bucket_of_its_events_date_in_the_policys_zone() {
        let evening = Reading::At(at("2026-01-10T15:00:00Z"));
        for cause in [Cause::Due, withdrawal()] {
            assert_eq!(assigned(&policy(), &cause, evening), Ok(date("2026-01-11")), "{cause:?}");
        }
    }

    #[test]
    fn what_is_not_due_moves_by_an_event_only() {
        let edge = at("2026-01-15T00:00:00+09:00");
        let before = Reading::At(edge - TimeDelta::nanoseconds(1));
        assert_eq!(assigned(&policy(), &Cause::Due, before), Ok(date("2026-01-14")));
        assert_eq!(refused(&Cause::Due, Reading::At(edge)), "it is not due");
        assert_eq!(assigned(&policy(), &withdrawal(), Reading::At(edge)), Ok(date("2026-01-15")));
    }

    #[test]
    fn anomalies_never_move_for_any_cause() {
        for cause in [Cause::Due, withdrawal()] {
            assert_eq!(refused(&cause, Reading::Absent), "its event has not happened");
            assert_eq!(refused(&cause, Reading::Malformed), "its event cannot be read");
            let edge = at("2000-01-01T00:00:00+09:00");
            assert_eq!(refused(&cause, Reading::At(edge - TimeDelta::nanoseconds(1))), "its event is absurdly old");
            assert!(assigned(&policy(), &cause, Reading::At(edge)).is_ok());
            let future = Reading::At(at(NOW) + TimeDelta::nanoseconds(1));
            assert_eq!(refused(&cause, future), "its event lies in the future");
        }
        assert!(assigned(&policy(), &withdrawal(), Reading::At(at(NOW))).is_ok());
    }

    #[test]
    fn an_idle_scope_has_nothing_due_and_no_event() {
        let (policy, holidays) = (policy(), Holidays::default());
        let rule = policy.rule(&"member".into()).unwrap();
        let bounds = Bounds::of(&Calendar::new(&policy, &holidays), rule, date("2000-01-01"), at(NOW));
        let zone = policy.timezone;
        let (separate_on, event) = (rule.separate_on.as_slice(), &rule.event);
        let scope = Scope { bounds, separate_on, event, zone, held: &UNHELD, others: &[] };
        let idle = scope.idle();
        assert!(idle.separate_on.is_empty());
        assert_eq!(idle.bounds.due_before, bounds.not_before);
        assert_eq!((idle.bounds.now, idle.bounds.not_before), (bounds.now, bounds.not_before));
    }
}
