//! Counting a period: from an event to the instant at which a record may be
//! destroyed, and back from an instant to the events that are due.
//!
//! Periods are counted on dates of the policy's zone, never in seconds. What
//! lies beyond the range of dates (years ±262,000) is never due: errors in this
//! module are to be late, not early. Nothing here knows what time it is.

mod zone;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::{
    holiday::Holidays,
    period::{Period, Unit},
    policy::{Policy, Rule},
};

pub(in crate::domain) use zone::{first_date_from, first_naive_from, instant_of, start_of};

/// How a policy counts its periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// Korean Civil Act, articles 155 to 161; article 161 (a last day that is a
    /// rest day moves on) for periods that a statute sets, not for internal ones.
    KrCivil,
}

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
}

impl<'a> Calendar<'a> {
    #[must_use]
    pub fn new(policy: &Policy, holidays: &'a Holidays) -> Self {
        Self { zone: policy.timezone, counting: policy.counting, destroy_within: policy.destroy_within, holidays }
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

    /// The term of a record of `rule` whose event fell on `event`.
    ///
    /// `due` is the start of the day after `last`; `latest` is the start of the
    /// day on which `destroy_within`, added to the date of `due` by the
    /// calendar, ends. Neither decreases from one event date to the next.
    #[must_use]
    pub fn term(&self, rule: &Rule, event: NaiveDate) -> Term {
        let last = self.last_day(rule, event);
        Term {
            event,
            first: event.succ_opt().unwrap_or(NaiveDate::MAX),
            last,
            due: self.start_or_never(last.succ_opt()),
            latest: self.start_or_never(self.latest_date(last)),
        }
    }

    /// Events before this instant are due at `now`, all others are not:
    /// `event < due_before(now)` says exactly `term(date_of(event)).due <= now`,
    /// for every `now` but the last instant of the calendar.
    #[must_use]
    pub fn due_before(&self, rule: &Rule, now: DateTime<Utc>) -> DateTime<Utc> {
        // `due` is the start of `last + 1`: reached when that date has begun.
        let today = self.date_of(now);
        self.start_of(first_event_date(|event| self.last_day(rule, event) >= today))
    }

    /// Events before this instant are overdue at `now`, all others are not:
    /// `event < overdue_before(now)` says exactly
    /// `term(date_of(event)).latest < now`. At `latest` itself a record is not
    /// overdue yet.
    #[must_use]
    pub fn overdue_before(&self, rule: &Rule, now: DateTime<Utc>) -> DateTime<Utc> {
        let open = zone::first_date_from(self.zone, now);
        self.start_of(first_event_date(|event| {
            self.latest_date(self.last_day(rule, event)).is_none_or(|latest| latest >= open)
        }))
    }

    /// The last day of the period; the calendar's last date if it has none.
    fn last_day(&self, rule: &Rule, event: NaiveDate) -> NaiveDate {
        match self.counting {
            Counting::KrCivil => {
                let last = last_day_kr_civil(rule.keep, event).unwrap_or(NaiveDate::MAX);
                if rule.basis.extends_past_holidays() { self.past_rest_days(last) } else { last }
            }
        }
    }

    /// Article 161: the period ends with the first day that is no rest day.
    fn past_rest_days(&self, mut last: NaiveDate) -> NaiveDate {
        while let Some(next) = last.succ_opt().filter(|_| self.holidays.rest_day(last)) {
            last = next;
        }
        last
    }

    fn latest_date(&self, last: NaiveDate) -> Option<NaiveDate> {
        let due = last.succ_opt()?;
        let Period { count, unit } = self.destroy_within;
        match unit {
            Unit::Days | Unit::Weeks => due.checked_add_days(whole_days(count, unit)),
            Unit::Months | Unit::Years => due.checked_add_months(whole_months(count, unit)?),
        }
    }

    fn start_or_never(&self, date: Option<NaiveDate>) -> DateTime<Utc> {
        date.map_or(DateTime::<Utc>::MAX_UTC, |date| self.start_of(date))
    }
}

/// Articles 157 (the day of the event does not count), 159 and 160: weeks,
/// months and years end on the day before the one that corresponds to the first
/// day, or on the last day of a month that has no such day. `None`: beyond the
/// calendar.
fn last_day_kr_civil(keep: Period, event: NaiveDate) -> Option<NaiveDate> {
    match keep.unit {
        // first + n - 1
        Unit::Days | Unit::Weeks => event.checked_add_days(whole_days(keep.count, keep.unit)),
        Unit::Months | Unit::Years => {
            let first = event.succ_opt()?;
            // A day that does not exist comes back as the end of its month.
            let target = first.checked_add_months(whole_months(keep.count, keep.unit)?)?;
            if target.day() == first.day() { target.pred_opt() } else { Some(target) }
        }
    }
}

fn whole_days(count: u32, unit: Unit) -> Days {
    Days::new(u64::from(count) * if unit == Unit::Weeks { 7 } else { 1 })
}

fn whole_months(count: u32, unit: Unit) -> Option<Months> {
    count.checked_mul(if unit == Unit::Years { 12 } else { 1 }).map(Months::new)
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
