//! The four ways to count a period: which day is the first, which the last, and
//! whether a rest day moves the end.
//!
//! Every function is monotone in the event date: a later event never ends
//! earlier. `None` is a day beyond the calendar.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::domain::{
    holiday::Holidays,
    period::{Period, Unit},
    policy::Rule,
};

/// How a policy counts its periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counting {
    /// Korean Civil Act, articles 155 to 161; article 161 (a last day that is a
    /// rest day moves on) for periods that a statute sets, not for internal ones.
    #[serde(rename = "kr-civil")]
    KrCivil,
    /// Korean General Act on Public Administration, article 6(2): the day of the
    /// event counts, and a rest day does not move the end.
    #[serde(rename = "kr-administrative")]
    KrAdministrative,
    /// Regulation (EEC, Euratom) 1182/71, article 3: the day of the event does not
    /// count, the period ends with the same date, and never on a rest day.
    #[serde(rename = "eu-1182")]
    Eu1182,
    /// Event and period added on the calendar, to the event's own time of day: for
    /// places that have no rule of their own.
    #[serde(rename = "calendar")]
    Calendar,
}

/// The days of a cycle of leap years: every length that some months or years can
/// have occurs in it.
const CYCLE_DAYS: usize = 4 * 366;

impl Counting {
    /// Every way, for tables and tests that must not miss one.
    pub const ALL: [Self; 4] = [Self::KrCivil, Self::KrAdministrative, Self::Eu1182, Self::Calendar];

    /// As the rules file writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KrCivil => "kr-civil",
            Self::KrAdministrative => "kr-administrative",
            Self::Eu1182 => "eu-1182",
            Self::Calendar => "calendar",
        }
    }

    /// True where a last day that is a rest day moves on for this rule.
    #[must_use]
    pub const fn extends(self, rule: &Rule) -> bool {
        match self {
            Self::KrCivil => rule.basis.extends_past_holidays(),
            Self::Eu1182 => true,
            Self::KrAdministrative | Self::Calendar => false,
        }
    }

    /// The first day that counts.
    #[must_use]
    pub fn first_day(self, event: NaiveDate) -> NaiveDate {
        match self {
            Self::KrCivil | Self::Eu1182 => event.succ_opt().unwrap_or(NaiveDate::MAX),
            Self::KrAdministrative | Self::Calendar => event,
        }
    }

    /// The last day before any rest day moves it.
    #[must_use]
    pub fn plain_last_day(self, keep: Period, event: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::KrCivil => last_day_from(event.succ_opt()?, keep),
            // No record is destroyed on the day of its own event.
            Self::KrAdministrative if keep.count == 0 => Some(event),
            Self::KrAdministrative => last_day_from(event, keep),
            Self::Eu1182 | Self::Calendar => plus(event, keep),
        }
    }

    /// True where there is an event whose one period ends before its other one:
    /// 1,825 days are shorter than five years, sixty months are not.
    #[must_use]
    pub fn ever_shorter(self, one: Period, other: Period) -> bool {
        let is_days = |period: Period| matches!(period.unit, Unit::Days | Unit::Weeks);
        match (is_days(one), is_days(other)) {
            (true, true) => days(one) < days(other),
            (false, false) => months(one) < months(other),
            _ => {
                let first = NaiveDate::from_ymd_opt(2020, 1, 1);
                let mut events = first.into_iter().flat_map(|first| first.iter_days().take(CYCLE_DAYS));
                events.any(|event| self.plain_last_day(one, event) < self.plain_last_day(other, event))
            }
        }
    }

    /// The last day of the period of a rule, moved past rest days where the law
    /// says so.
    #[must_use]
    pub fn last_day(self, rule: &Rule, event: NaiveDate, holidays: &Holidays) -> Option<NaiveDate> {
        let plain = self.plain_last_day(rule.keep, event)?;
        if !self.extends(rule) {
            return Some(plain);
        }
        let last = next_working_day(plain, holidays);
        match self {
            Self::Eu1182 if is_two_days_or_more(rule.keep) => {
                Some(last.max(second_working_day(self.first_day(event), holidays)))
            }
            _ => Some(last),
        }
    }
}

/// The day before the one that corresponds to `first`, or the last day of a month
/// that has no such day (Civil Act, article 160).
fn last_day_from(first: NaiveDate, keep: Period) -> Option<NaiveDate> {
    match keep.unit {
        Unit::Days | Unit::Weeks => first.checked_add_days(whole_days(keep))?.pred_opt(),
        Unit::Months | Unit::Years => {
            // A day that does not exist comes back as the end of its month.
            let target = first.checked_add_months(whole_months(keep)?)?;
            if target.day() == first.day() { target.pred_opt() } else { Some(target) }
        }
    }
}

/// The same date a period later, or the end of a month that has no such date.
#[must_use]
pub fn plus(date: NaiveDate, period: Period) -> Option<NaiveDate> {
    match period.unit {
        Unit::Days | Unit::Weeks => date.checked_add_days(whole_days(period)),
        Unit::Months | Unit::Years => date.checked_add_months(whole_months(period)?),
    }
}

/// The same date and time of day a period later. Where the month has no such
/// date it is the end of its last day, so that a later event never ends earlier.
#[must_use]
pub fn plus_with_time(from: NaiveDateTime, period: Period) -> Option<NaiveDateTime> {
    let target = plus(from.date(), period)?;
    let is_cut = matches!(period.unit, Unit::Months | Unit::Years) && target.day() != from.date().day();
    if is_cut { Some(target.succ_opt()?.and_time(NaiveTime::MIN)) } else { Some(target.and_time(from.time())) }
}

/// The first day from `date` on that is no rest day.
fn next_working_day(mut date: NaiveDate, holidays: &Holidays) -> NaiveDate {
    while let Some(next) = date.succ_opt().filter(|_| holidays.rest_day(date)) {
        date = next;
    }
    date
}

/// Article 3(5): a period of two days or more has at least two working days.
fn second_working_day(first: NaiveDate, holidays: &Holidays) -> NaiveDate {
    let one = next_working_day(first, holidays);
    one.succ_opt().map_or(one, |next| next_working_day(next, holidays))
}

const fn is_two_days_or_more(keep: Period) -> bool {
    match keep.unit {
        Unit::Days => keep.count >= 2,
        Unit::Weeks | Unit::Months | Unit::Years => keep.count >= 1,
    }
}

fn whole_days(period: Period) -> Days {
    Days::new(days(period))
}

fn days(period: Period) -> u64 {
    u64::from(period.count) * if period.unit == Unit::Weeks { 7 } else { 1 }
}

fn whole_months(period: Period) -> Option<Months> {
    u32::try_from(months(period)).ok().map(Months::new)
}

fn months(period: Period) -> u64 {
    u64::from(period.count) * if period.unit == Unit::Years { 12 } else { 1 }
}
