//! Counting a period: from an event to the instant at which a record may be
//! destroyed, and back from an instant to the events that are due.
//!
//! Periods are counted on dates of the policy's zone, never in seconds. What
//! lies beyond the range of dates (years ±262,000) is never due: errors in this
//! module are to be late, not early. Nothing here knows what time it is.

mod counting;
mod earlier;
mod zone;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    canonical::NotCanonical,
    holiday::Holidays,
    id::Digest,
    period::Period,
    policy::{Policy, Rule},
};

pub use counting::Counting;
use earlier::Earlier;
pub use zone::start_of;
pub(in crate::domain) use zone::{first_date_from, first_naive_from, instant_of};

/// A rule's period, counted from one event date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The date of the event in the policy's zone.
    pub event: NaiveDate,
    /// First day that counts.
    pub first: NaiveDate,
    /// Last day of the period, extensions included.
    pub last: NaiveDate,
    /// First instant at which the record may be destroyed.
    pub due: DateTime<Utc>,
    /// After this instant the record is overdue.
    pub latest: DateTime<Utc>,
}

impl Term {
    /// True from `due` on.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due <= now
    }

    /// True strictly after `latest`: at `latest` itself there is still time.
    #[must_use]
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.latest < now
    }
}

/// The policy's calendar.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    zone: Tz,
    counting: Counting,
    destroy_within: Period,
    holidays: &'a Holidays,
    earlier: Option<Box<Earlier<'a>>>,
}

impl<'a> Calendar<'a> {
    #[must_use]
    pub fn new(policy: &Policy, holidays: &'a Holidays) -> Self {
        Self {
            zone: policy.timezone,
            counting: policy.counting,
            destroy_within: policy.destroy_within,
            holidays,
            earlier: None,
        }
    }

    /// The table of holidays that moves the end of this rule's period, if one does.
    pub fn holidays_of(&self, rule: &Rule) -> Result<Option<Digest>, NotCanonical> {
        self.counting.extends(rule).then(|| self.holidays.digest()).transpose()
    }

    #[must_use]
    pub const fn counting(&self) -> Counting {
        self.counting
    }

    /// The last day of a rule's period before any rest day moves it.
    #[must_use]
    pub fn plain_last_day(&self, rule: &Rule, event: NaiveDate) -> Option<NaiveDate> {
        self.counting.plain_last_day(rule.keep, event)
    }

    /// The date of an instant in the policy's zone: the last one that has
    /// started by then. Where a clock is set back over midnight, the part of
    /// yesterday that comes again counts as today; dates never run back.
    #[must_use]
    pub fn date_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        zone::date_of(self.zone, instant)
    }

    /// The first instant of a date in the policy's zone. A date whose midnight
    /// does not exist starts at the end of the gap, one whose midnight comes
    /// twice at the first; a date that the zone skipped starts with the next.
    #[must_use]
    pub fn start_of(&self, date: NaiveDate) -> DateTime<Utc> {
        zone::start_of(self.zone, date)
    }

    /// The term of the records of `rule` whose event fell on `event`, whatever
    /// the time of day: what a bucket goes by.
    ///
    /// `due` is the start of the day after `last`; `latest` is the start of the
    /// day on which `destroy_within`, added to the date of `due` by the
    /// calendar, ends. Neither decreases from one event date to the next.
    #[must_use]
    pub fn term(&self, rule: &Rule, event: NaiveDate) -> Term {
        let own = self.own_term(rule, event);
        self.held_back(own, |earlier| Some(earlier.calendar.term(earlier.policy.rule(&rule.id)?, event)))
    }

    fn own_term(&self, rule: &Rule, event: NaiveDate) -> Term {
        let last = self.last_day(rule, event);
        Term {
            event,
            first: self.counting.first_day(event),
            last,
            due: self.after_or_never(last.succ_opt()),
            latest: self.after_or_never(self.latest_date(last)),
        }
    }

    /// The term of one record whose event happened at `event`. Only where the
    /// time of day counts does it differ from that of its date, and then it is
    /// never the later one.
    #[must_use]
    pub fn term_at(&self, rule: &Rule, event: DateTime<Utc>) -> Term {
        if self.counting != Counting::Calendar {
            return self.term(rule, self.date_of(event));
        }
        let own = self.own_term(rule, self.date_of(event));
        let own = Term { due: self.due_with_time(rule, event), latest: self.latest_with_time(rule, event), ..own };
        self.held_back(own, |earlier| Some(earlier.calendar.term_at(earlier.policy.rule(&rule.id)?, event)))
    }

    /// Events before this instant are due at `now`, all others are not:
    /// `event < due_before(now)` says exactly `term_at(event).due <= now`,
    /// for every `now` but the last instant of the calendar.
    #[must_use]
    pub fn due_before(&self, rule: &Rule, now: DateTime<Utc>) -> DateTime<Utc> {
        let own = self.own_due_before(rule, now);
        match &self.earlier {
            Some(earlier) if now < earlier.until => match earlier.policy.rule(&rule.id) {
                Some(old) => own.min(earlier.calendar.due_before(old, now)),
                None => DateTime::<Utc>::MIN_UTC,
            },
            _ => own,
        }
    }

    fn own_due_before(&self, rule: &Rule, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.counting == Counting::Calendar {
            return self.first_event(|event| self.due_with_time(rule, event) > now);
        }
        // `due` is the start of `last + 1`: reached when that date has begun.
        let today = self.date_of(now);
        self.start_of(first_event_date(|event| self.last_day(rule, event) >= today))
    }

    /// Events before this instant are overdue at `now`, all others are not:
    /// `event < overdue_before(now)` says exactly `term_at(event).latest < now`.
    /// At `latest` itself a record is not overdue yet.
    #[must_use]
    pub fn overdue_before(&self, rule: &Rule, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.counting == Counting::Calendar || self.earlier.is_some() {
            return self.first_event(|event| self.term_at(rule, event).latest >= now);
        }
        let open = zone::first_date_from(self.zone, now);
        self.start_of(first_event_date(|event| {
            self.latest_date(self.last_day(rule, event)).is_none_or(|latest| latest >= open)
        }))
    }

    /// The deadline of what became free to destroy at `instant`: `destroy_within`,
    /// counted from the day after.
    #[must_use]
    pub fn latest_from(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        self.after_or_never(self.latest_date(self.date_of(instant)))
    }

    /// The last day of the period; the calendar's last date if it has none.
    fn last_day(&self, rule: &Rule, event: NaiveDate) -> NaiveDate {
        self.counting.last_day(rule, event, self.holidays).unwrap_or(NaiveDate::MAX)
    }

    fn latest_date(&self, last: NaiveDate) -> Option<NaiveDate> {
        counting::plus(last.succ_opt()?, self.destroy_within)
    }

    fn due_with_time(&self, rule: &Rule, event: DateTime<Utc>) -> DateTime<Utc> {
        let due = counting::plus_with_time(zone::latest_shown(self.zone, event), rule.keep);
        due.map_or(DateTime::<Utc>::MAX_UTC, |due| instant_of(self.zone, due))
    }

    fn latest_with_time(&self, rule: &Rule, event: DateTime<Utc>) -> DateTime<Utc> {
        let due = counting::plus_with_time(zone::latest_shown(self.zone, event), rule.keep);
        let latest = due.and_then(|due| counting::plus_with_time(due, self.destroy_within));
        latest.map_or(DateTime::<Utc>::MAX_UTC, |latest| instant_of(self.zone, latest))
    }

    /// The start of a date on which something ends. Where times of day count, a
    /// midnight that comes twice is the second one: no record of the day before
    /// ends later.
    fn after_or_never(&self, date: Option<NaiveDate>) -> DateTime<Utc> {
        date.map_or(DateTime::<Utc>::MAX_UTC, |date| match self.counting {
            Counting::Calendar => instant_of(self.zone, date.and_time(NaiveTime::MIN)),
            Counting::KrCivil | Counting::KrAdministrative | Counting::Eu1182 => self.start_of(date),
        })
    }

    /// The first event for which `open` holds, given that it holds for every later
    /// one too: first its date, then its nanosecond.
    fn first_event(&self, open: impl Fn(DateTime<Utc>) -> bool) -> DateTime<Utc> {
        let tick = TimeDelta::nanoseconds(1);
        let end = |date: NaiveDate| date.succ_opt().map_or(DateTime::<Utc>::MAX_UTC, |next| self.start_of(next) - tick);
        let date = first_event_date(|date| date != NaiveDate::MIN && open(end(date)));
        let (mut low, mut high) = (self.start_of(date), end(date));
        while low < high {
            let middle = low + (high - low) / 2;
            if open(middle) { high = middle } else { low = middle + tick }
        }
        low
    }
}

/// The first date for which `open` holds, given that it holds for every later
/// one too; the calendar's last date if it holds for none. Halves the whole
/// calendar, which takes 28 steps and needs no guess.
fn first_event_date(open: impl Fn(NaiveDate) -> bool) -> NaiveDate {
    let (mut low, mut high) = (NaiveDate::MIN.num_days_from_ce(), NaiveDate::MAX.num_days_from_ce());
    while low < high {
        let middle = low + (high - low) / 2;
        if NaiveDate::from_num_days_from_ce_opt(middle).is_none_or(&open) { high = middle } else { low = middle + 1 }
    }
    NaiveDate::from_num_days_from_ce_opt(low).unwrap_or(NaiveDate::MAX)
}
