//! Event columns: what a stored value says about when something happened, and
//! which stored values lie before an instant.
//!
//! Reading is strict: a value that is not exactly what its format says is
//! malformed, is reported and never moves. Nothing here guesses, trims or
//! rounds, and no error or text carries a value.

mod bound;
mod text;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use super::{calendar, record::Cell};

pub use bound::{bound_date, bound_integer, bound_text, naive_bound};

/// A column (or a pair of columns) that holds an event's instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventColumn {
    pub column: Column,
    pub format: Format,
    /// Zone of naive values; the policy's unless said otherwise.
    pub zone: Option<Tz>,
    /// Values that mean the same as NULL.
    pub absent: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    One(String),
    DateAndTime { date: String, time: String },
}

impl Column {
    /// The names of the columns that make the value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::One(name) => (name, None),
            Self::DateAndTime { date, time } => (date, Some(time)),
        };
        std::iter::once(first).chain(second).map(String::as_str)
    }
}

/// How a column writes an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// From the declared type of the column.
    Auto,
    Date,
    Timestamp,
    TimestampTz,
    EpochSeconds,
    EpochMillis,
    YyyyMmDd,
    YyyyMmDdHhMmSs,
    Iso8601,
}

/// What a value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// NULL or one of the column's absent values.
    Absent,
    At(DateTime<Utc>),
    /// A value from which no instant can be read.
    Malformed,
}

/// Reads one stored value under a resolved format (never `Auto`).
///
/// | format | storage | spelling |
/// |---|---|---|
/// | `Date` | text | `YYYY-MM-DD` |
/// | `Timestamp` | text | date, blank or `T`, `HH:MM`, then `:SS`, then `.` and 1 to 9 digits; no zone |
/// | `TimestampTz` | text | the same followed by `Z`, `±HH:MM`, `±HHMM` or `±HH`, up to 14:59 |
/// | `EpochSeconds`, `EpochMillis` | integer | from 1970-01-01T00:00:00Z |
/// | `YyyyMmDd` | text or integer | 8 digits |
/// | `YyyyMmDdHhMmSs` | text | 14 digits; no zone |
/// | `Iso8601` | text | any of the three text forms above |
///
/// Years are 0001 to 9999, digits are ASCII, a 60th second does not exist.
/// Everything else is malformed, the wrong storage class too.
///
/// A date is the first instant of that date in `zone`. A naive time in a gap is
/// the end of the gap; one that comes twice is the later one.
///
/// `absent` values are compared with the text form of the value, exactly: the
/// bytes of a text, an integer in decimal, a real as `0.0`. A blob has none.
#[must_use]
pub fn interpret(cell: &Cell, format: Format, zone: Tz, absent: &[String]) -> Reading {
    if is_absent(cell, absent) {
        return Reading::Absent;
    }
    let at = match (format, cell) {
        (Format::Date, Cell::Text(bytes)) => text::date(bytes).map(|date| calendar::start_of(zone, date)),
        (Format::Timestamp, Cell::Text(bytes)) => text::timestamp(bytes).map(|naive| calendar::instant_of(zone, naive)),
        (Format::TimestampTz, Cell::Text(bytes)) => text::timestamp_with_zone(bytes),
        (Format::EpochSeconds, Cell::Integer(seconds)) => DateTime::from_timestamp(*seconds, 0).filter(in_years),
        (Format::EpochMillis, Cell::Integer(millis)) => DateTime::from_timestamp_millis(*millis).filter(in_years),
        (Format::YyyyMmDd, Cell::Text(bytes)) => text::yyyymmdd(bytes).map(|date| calendar::start_of(zone, date)),
        (Format::YyyyMmDd, Cell::Integer(number)) => {
            text::yyyymmdd(number.to_string().as_bytes()).map(|date| calendar::start_of(zone, date))
        }
        (Format::YyyyMmDdHhMmSs, Cell::Text(bytes)) => {
            text::yyyymmddhhmmss(bytes).map(|naive| calendar::instant_of(zone, naive))
        }
        (Format::Iso8601, Cell::Text(bytes)) => text::date(bytes)
            .map(|date| calendar::start_of(zone, date))
            .or_else(|| text::timestamp(bytes).map(|naive| calendar::instant_of(zone, naive)))
            .or_else(|| text::timestamp_with_zone(bytes)),
        (Format::Auto, _) | (_, Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_)) => None,
    };
    at.map_or(Reading::Malformed, Reading::At)
}

fn is_absent(cell: &Cell, absent: &[String]) -> bool {
    let among = |text: &[u8]| absent.iter().any(|value| value.as_bytes() == text);
    match cell {
        Cell::Null => true,
        Cell::Integer(value) => among(value.to_string().as_bytes()),
        Cell::Real(value) => among(format!("{value:?}").as_bytes()),
        Cell::Text(bytes) => among(bytes),
        Cell::Blob(_) => false,
    }
}

fn in_years(at: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&at.year())
}
