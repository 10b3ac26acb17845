//! Bounds: from an instant to the stored value below which, in the engine's own
//! order, lie the values before that instant.
//!
//! A bound says nothing about values that are malformed or absent: a query must
//! keep those out by itself.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::Format;
use crate::domain::{calendar, record::Cell};

/// Sorts after every text that starts with a digit.
const AFTER_ALL_TEXTS: &str = ":";

/// The smallest naive value of `zone` that is not before `instant`: naive values
/// below it, and no others, lie before `instant`. A naive value that names two
/// instants counts as the later one, so that nothing is due early.
#[must_use]
pub fn naive_bound(instant: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    calendar::first_naive_from(zone, instant)
}

/// The smallest date of `zone` that does not start before `instant`: dates below
/// it, and no others, start before.
#[must_use]
pub fn bound_date(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    calendar::first_date_from(zone, instant)
}

/// The bound of a format. `value < bound`, by bytes for texts (`BINARY`, the
/// default collation of SQLite) and by value for integers, says exactly
/// `interpret(value) < instant` for well-formed values
/// - of `Date`, and of `YyyyMmDd` stored as text (as integer: `bound_integer`);
/// - of `YyyyMmDdHhMmSs`;
/// - of `EpochSeconds` and `EpochMillis`;
/// - of `Timestamp` spelled with a blank, with or without seconds and fraction,
///   and spelled with `T` when the bound is a midnight, which it always is for
///   the start of a date in the zone of the column, save where that midnight
///   does not exist.
///
/// A `Timestamp` with `T` sorts after every one with a blank of the same date:
/// under another bound, those of the bound's own date are never below it, so
/// that some are missed and none is taken early. Compare
/// `replace(value, 'T', ' ') < bound` to have them all; that is exact for
/// either spelling.
///
/// For `TimestampTz` and `Iso8601` the order of texts is not the order of
/// instants. Their bound is a prefilter only: every well-formed value before
/// `instant` is below it, and so are others, less than three days later. The
/// instant itself has to be compared as well.
///
/// A bound outside the years 0001 to 9999 lies below or above every value.
/// `Auto` has no bound: NULL, with which no comparison is true.
#[must_use]
pub fn bound_text(format: Format, instant: DateTime<Utc>, zone: Tz) -> Cell {
    match format {
        Format::Auto => Cell::Null,
        Format::Date => text(spell_date(bound_date(instant, zone), "%Y-%m-%d")),
        Format::YyyyMmDd => text(spell_date(bound_date(instant, zone), "%Y%m%d")),
        Format::YyyyMmDdHhMmSs => text(spell_digits(naive_bound(instant, zone))),
        Format::Timestamp => text(spell_naive(naive_bound(instant, zone))),
        Format::TimestampTz | Format::Iso8601 => text(spell_date(day_after_all_offsets(instant), "%Y-%m-%d")),
        Format::EpochSeconds | Format::EpochMillis => {
            bound_integer(format, instant, zone).map_or(Cell::Null, Cell::Integer)
        }
    }
}

/// The bound of a format for values stored as integers, exact in the sense of
/// `bound_text`; `None` for formats in which an integer is malformed.
#[must_use]
pub fn bound_integer(format: Format, instant: DateTime<Utc>, zone: Tz) -> Option<i64> {
    match format {
        Format::EpochSeconds => Some(instant.timestamp() + i64::from(instant.nanosecond() > 0)),
        Format::EpochMillis => {
            Some(instant.timestamp_millis() + i64::from(!instant.nanosecond().is_multiple_of(1_000_000)))
        }
        Format::YyyyMmDd => {
            let date = bound_date(instant, zone);
            let (year, month, day) = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            Some((year * 100 + month) * 100 + day)
        }
        Format::Auto
        | Format::Date
        | Format::Timestamp
        | Format::TimestampTz
        | Format::YyyyMmDdHhMmSs
        | Format::Iso8601 => None,
    }
}

fn text(spelled: String) -> Cell {
    Cell::Text(spelled.into_bytes())
}

fn spell_date(date: NaiveDate, pattern: &str) -> String {
    match date.year() {
        ..=0 => NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(NaiveDate::MIN).format(pattern).to_string(),
        1..=9999 => date.format(pattern).to_string(),
        _ => AFTER_ALL_TEXTS.to_owned(),
    }
}

/// The shortest spelling: it is the start of every other spelling of the same
/// naive value, and so sorts before or with them all.
fn spell_naive(naive: NaiveDateTime) -> String {
    let time = naive.time();
    let date = spell_date(naive.date(), "%Y-%m-%d");
    if !(1..=9999).contains(&naive.year()) || time == NaiveTime::MIN {
        return date;
    }
    let mut spelled = format!("{date} {:02}:{:02}", time.hour(), time.minute());
    if time.second() > 0 || time.nanosecond() > 0 {
        spelled += &format!(":{:02}", time.second());
    }
    if time.nanosecond() > 0 {
        // A leap second counts as the second before it.
        let fraction = format!(".{:09}", time.nanosecond() % 1_000_000_000);
        spelled += fraction.trim_end_matches('0');
    }
    spelled
}

/// Fourteen digits: the first whole second that is not before `naive`.
fn spell_digits(naive: NaiveDateTime) -> String {
    let part = i64::from(naive.nanosecond() % 1_000_000_000);
    let rest = TimeDelta::nanoseconds((1_000_000_000 - part) % 1_000_000_000);
    let second = naive.checked_add_signed(rest).unwrap_or(NaiveDateTime::MAX);
    let date = spell_date(second.date(), "%Y%m%d");
    if !(1..=9999).contains(&second.year()) {
        return date;
    }
    format!("{date}{}", second.format("%H%M%S"))
}

/// No local date is more than one day ahead of the date in UTC, wherever the
/// value was written.
fn day_after_all_offsets(instant: DateTime<Utc>) -> NaiveDate {
    instant.date_naive().checked_add_days(Days::new(2)).unwrap_or(NaiveDate::MAX)
}
