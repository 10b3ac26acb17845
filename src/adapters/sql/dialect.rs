//! What differs between engines, as text: how names and values are written, and
//! what an event's value looks like in SQL.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{
    fit::{Columns, FittedEvent},
    schema::{Column, Holds},
    text::Sql,
};
use crate::domain::{
    event::{self, Format, Reading},
    record::Cell,
};

/// One of the forms that values of an event may have in a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Text `2021-05-27`, or a column of dates.
    Date,
    /// Text `2021-05-27 09:00[:00[.0]]`, or with a T; or a column of instants
    /// without a zone.
    Naive,
    /// The same with a distance from UTC; or a column of instants.
    Zoned,
    /// Integers since 1970.
    Seconds,
    Millis,
    /// `20210527`
    CompactText,
    CompactInteger,
    /// `20210527093000`
    CompactTime,
}

/// Whole seconds sort as their texts do once they are positive.
pub(crate) const SHIFT: i64 = 100_000_000_000;

/// How an engine writes what all engines mean. Everything that speaks of events
/// agrees with `domain::event::interpret` on every value the engine can hold, as
/// the cell in which it is read.
pub(crate) trait Dialect: fmt::Debug + Sync {
    /// An identifier, in quotation marks that it cannot end.
    fn quote(&self, name: &str) -> String;

    /// The mark of the value number `number` of a statement, from 1.
    fn mark(&self, number: usize, value: &Cell) -> String;

    /// Compares a column of a parent with one of a child, each with its text, as
    /// a foreign key would: the parent's collation decides.
    fn equal(&self, there: (&Column, &str), here: (&Column, &str)) -> String {
        format!("{} = {}", there.1, here.1)
    }

    /// The text of a column's value that `record::locator` makes of it.
    fn located(&self, column: &Column, text: &str) -> String;

    /// A column of text, to be compared with other texts as its own collation does.
    /// `None`: equal are only those whose `located` is.
    fn collated(&self, column: &Column, text: &str) -> Option<String> {
        (column.holds == Holds::Text).then(|| text.to_owned())
    }

    /// The format that follows from a column's type.
    fn format_of(&self, column: &Column) -> Option<Format>;

    /// The value to be read of an event's columns, evaluated more than once. A
    /// date and a time column make one text.
    fn value(&self, alias: &str, columns: Columns<'_>) -> String;

    /// All shapes that the values of a column may have in a format, each with
    /// other values than the others. None: no instant can be read from it.
    fn shapes(&self, columns: Columns<'_>, format: Format) -> &'static [Shape];

    /// True for the values of this shape, and for no others. May be NULL.
    fn takes(&self, shape: Shape, columns: Columns<'_>, value: &str) -> String;

    /// Of values of this shape: lies before `instant`.
    fn before(&self, shape: Shape, columns: Columns<'_>, value: &str, instant: DateTime<Utc>, zone: Tz) -> Sql;

    /// An expression that sorts values of this shape as their instants do, and
    /// that `read_oldest` reads: zoned ones as they are, or as 15 digits of seconds
    /// (plus `SHIFT`) and those of the fraction.
    fn order(&self, shape: Shape, columns: Columns<'_>, value: &str) -> String;

    /// True for a value that is spelled exactly as one of `absent`; the column as
    /// it is, not its `value`.
    fn spelled(&self, column: &str, columns: Columns<'_>, absent: &[String]) -> Vec<Sql>;

    /// Comparisons of the bare column that every value in `from <= event < until`
    /// passes, for an index on it; none where its order is another.
    fn prefilter(
        &self,
        event: &FittedEvent<'_>,
        column: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        zone: Tz,
    ) -> Vec<Sql>;

    /// What passing `prefilter` says of a value.
    fn prefilter_says(&self, _columns: Columns<'_>) -> Passed {
        Passed::Perhaps
    }
}

/// What the comparisons of `Dialect::prefilter` say of a value that passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It may lie anywhere near the range, or be no instant.
    Perhaps,
    /// It lies in the range if it is an instant.
    InRange,
    /// It is an instant in the range, so that an index alone answers.
    Surely,
}

impl Shape {
    /// The instant of a value of `Dialect::order`; `None` where there was no row.
    pub(crate) fn read_oldest(self, cell: &Cell, zone: Tz) -> Option<DateTime<Utc>> {
        let format = match self {
            Self::Date => Format::Date,
            Self::Naive => Format::Timestamp,
            Self::Seconds => Format::EpochSeconds,
            Self::Millis => Format::EpochMillis,
            Self::CompactText | Self::CompactInteger => Format::YyyyMmDd,
            Self::CompactTime => Format::YyyyMmDdHhMmSs,
            Self::Zoned => {
                if let Reading::At(at) = event::interpret(cell, Format::TimestampTz, zone, &[]) {
                    return Some(at);
                }
                let Cell::Text(bytes) = cell else { return None };
                let (seconds, fraction) = std::str::from_utf8(bytes).ok()?.split_at_checked(15)?;
                return DateTime::from_timestamp(seconds.parse::<i64>().ok()? - SHIFT, fraction.parse().ok()?);
            }
        };
        match event::interpret(cell, format, zone, &[]) {
            Reading::At(at) => Some(at),
            Reading::Absent | Reading::Malformed => None,
        }
    }
}
