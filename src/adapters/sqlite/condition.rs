//! Event columns as SQL conditions that agree with `domain::event::interpret`
//! on every value of every storage class: SQLite sorts integers below all text,
//! and '' below every date.
//!
//! A format is one or several shapes. A shape says which values it takes and
//! which of them lie before an instant; both are exact. `within` puts a plain
//! comparison of the column in front, which an index can answer and which the
//! exact condition implies.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    fit::{Columns, FittedEvent},
    schema::Affinity,
    shape::Shape,
    sql::{Sql, column},
};
use crate::domain::{
    event::{self, Format, Reading},
    record::Cell,
};

/// An event column of the table behind `alias`.
#[derive(Debug)]
pub(super) struct EventSql<'a> {
    event: &'a FittedEvent<'a>,
    alias: &'a str,
    zone: Tz,
}

/// The first instant after `instant`, as exact as instants are.
pub(super) fn just_after(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.checked_add_signed(TimeDelta::nanoseconds(1)).unwrap_or(instant)
}

/// Reads an event from its column, or from its pair of columns.
pub(super) fn read(event: &FittedEvent<'_>, zone: Tz, cells: &[Cell]) -> Reading {
    let zone = event.zone.unwrap_or(zone);
    match (event.columns, cells) {
        (Columns::One { .. }, [cell]) => event::interpret(cell, event.format, zone, event.absent),
        (Columns::DateAndTime { .. }, [date, time]) => {
            // The date alone says whether there is anything to read.
            if event::interpret(date, event.format, zone, event.absent) == Reading::Absent {
                return Reading::Absent;
            }
            let (Cell::Text(date), Cell::Text(time)) = (date, time) else { return Reading::Malformed };
            event::interpret(&Cell::Text([date, time].map(Vec::as_slice).join(&b' ')), event.format, zone, &[])
        }
        _ => Reading::Malformed,
    }
}

impl<'a> EventSql<'a> {
    pub(super) fn new(event: &'a FittedEvent<'a>, alias: &'a str, zone: Tz) -> Self {
        Self { event, alias, zone: event.zone.unwrap_or(zone) }
    }

    /// The column as it is: what an index on it is sorted by.
    pub(super) fn plain(&self) -> String {
        column(self.alias, self.event.columns.first())
    }

    /// The value to be read, without the column's affinity.
    fn value(&self) -> String {
        match self.event.columns {
            Columns::One { .. } => format!("+{}", self.plain()),
            Columns::DateAndTime { date, time } => {
                let (date, time) = (column(self.alias, date), column(self.alias, time));
                format!(
                    "(CASE WHEN typeof({date}) = 'text' AND typeof({time}) = 'text' THEN {date} || ' ' || {time} ELSE x'' END)"
                )
            }
        }
    }

    pub(super) fn shapes(&self) -> &'static [Shape] {
        match self.event.format {
            Format::Auto => &[],
            Format::Date => &[Shape::Date],
            Format::Timestamp => &[Shape::Naive],
            Format::TimestampTz => &[Shape::Zoned],
            Format::EpochSeconds => &[Shape::Seconds],
            Format::EpochMillis => &[Shape::Millis],
            Format::YyyyMmDd => &[Shape::CompactText, Shape::CompactInteger],
            // A pair always has a time.
            Format::Iso8601 if matches!(self.event.columns, Columns::DateAndTime { .. }) => {
                &[Shape::Naive, Shape::Zoned]
            }
            Format::Iso8601 => &[Shape::Date, Shape::Naive, Shape::Zoned],
        }
    }

    /// NULL or one of the values that mean the same.
    pub(super) fn absent(&self) -> Sql {
        let plain = self.plain();
        let is_null = Sql::new(format!("{plain} IS NULL"));
        let texts = self.event.absent.iter().map(|text| {
            let mut equal = Sql::new(format!("(typeof({plain}) = 'text' AND CAST({plain} AS BLOB) = "));
            equal.bind(Cell::Blob(text.as_bytes().to_vec())).push(")");
            equal
        });
        let numbers = self.event.absent.iter().filter_map(|text| {
            let (class, number) = number_spelled(text)?;
            let mut equal = Sql::new(format!("(typeof({plain}) = '{class}' AND +{plain} = "));
            equal.bind(number);
            // Both zeros are equal; their text forms are not.
            if class == "real" {
                equal.push(&format!(" AND (CAST({plain} AS TEXT) LIKE '-%') = {}", i64::from(text.starts_with('-'))));
            }
            equal.push(")");
            Some(equal)
        });
        Sql::any(std::iter::once(is_null).chain(texts).chain(numbers))
    }

    /// Holds an instant; neither absent nor malformed.
    pub(super) fn well_formed(&self) -> Sql {
        let value = self.value();
        let shaped = Sql::any(self.shapes().iter().map(|shape| Sql::new(shape.takes(&value)))).certain();
        if self.event.absent.is_empty() {
            return shaped;
        }
        Sql::all([shaped, self.absent().negated()])
    }

    /// Of well-formed values: lies before `instant`.
    pub(super) fn before(&self, instant: DateTime<Utc>) -> Sql {
        let value = self.value();
        let before = |shape: &Shape| {
            let before = shape.before(&value, instant, self.zone);
            // Where there is one shape, well-formed says that it is this one.
            if self.shapes().len() == 1 { before } else { Sql::all([Sql::new(shape.takes(&value)), before]) }
        };
        Sql::any(self.shapes().iter().map(before)).certain()
    }

    /// Well-formed and in `from <= event < until`, found through an index on the
    /// column where there is one.
    pub(super) fn within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Sql {
        let mut parts = self.prefilter(from, until);
        parts.push(self.exactly_within(from, until));
        Sql::all(parts)
    }

    /// `within` for an event that is only to be tested: no index on it tempts
    /// the planner away from a better one.
    pub(super) fn exactly_within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Sql {
        Sql::all([self.before(until), self.before(from).negated(), self.well_formed()])
    }

    /// Comparisons of the bare column that every value in the range passes.
    fn prefilter(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Sql> {
        let plain = self.plain();
        let compare = |operator: &str, bound: Cell| {
            let mut sql = Sql::new(format!("{plain} {operator} "));
            sql.bind(bound);
            sql
        };
        let (format, zone) = (self.event.format, self.zone);
        let text = |format: Format, instant| event::bound_text(format, instant, zone);
        match (self.event.columns, format) {
            (_, Format::Auto) => Vec::new(),
            (Columns::DateAndTime { .. }, _) | (_, Format::TimestampTz | Format::Iso8601) => {
                // The bound of these formats is a date two days late.
                let early = from.checked_sub_signed(TimeDelta::days(5)).unwrap_or(DateTime::<Utc>::MIN_UTC);
                vec![compare(">=", text(Format::Iso8601, early)), compare("<", text(Format::Iso8601, until))]
            }
            (_, Format::Date) => vec![compare(">=", text(format, from)), compare("<", text(format, until))],
            (_, Format::Timestamp) => {
                // 'T' sorts after the blank.
                vec![compare(">=", text(format, from)), compare("<", with_t(text(format, until)))]
            }
            (Columns::One { affinity: Affinity::Text, .. }, Format::YyyyMmDd) => {
                vec![compare(">=", text(format, from)), compare("<", text(format, until))]
            }
            // Either storage class may be there, and no one range holds both.
            (Columns::One { affinity: Affinity::None, .. }, Format::YyyyMmDd) => Vec::new(),
            (_, Format::EpochSeconds | Format::EpochMillis | Format::YyyyMmDd) => {
                let bound = |instant| event::bound_integer(format, instant, zone).map(Cell::Integer);
                let below = bound(until).map(|bound| compare("<", bound));
                bound(from).map(|bound| compare(">=", bound)).into_iter().chain(below).collect()
            }
        }
    }

    /// Per shape, the smallest value in a form that `Shape::read_oldest` reads.
    /// All rows of the query are well-formed.
    pub(super) fn oldest(&self) -> Vec<Sql> {
        let value = self.value();
        let several = self.shapes().len() > 1;
        let oldest = |shape: &Shape| {
            let filter = if several { format!(" FILTER (WHERE {})", shape.takes(&value)) } else { String::new() };
            Sql::new(format!("min({}){filter}", shape.order(&value)))
        };
        self.shapes().iter().map(oldest).collect()
    }

    /// The instant of what `oldest` found.
    pub(super) fn read_oldest(&self, shape: Shape, cell: &Cell) -> Option<DateTime<Utc>> {
        shape.read_oldest(cell, self.zone)
    }
}

/// A bound with the other separator.
pub(super) fn with_t(bound: Cell) -> Cell {
    match bound {
        Cell::Text(bytes) => Cell::Text(bytes.into_iter().map(|byte| if byte == b' ' { b'T' } else { byte }).collect()),
        other => other,
    }
}

/// The number whose text form is exactly `text`, with its storage class.
fn number_spelled(text: &str) -> Option<(&'static str, Cell)> {
    if let Some(integer) = text.parse::<i64>().ok().filter(|integer| integer.to_string() == text) {
        return Some(("integer", Cell::Integer(integer)));
    }
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite() && format!("{real:?}") == text)?;
    Some(("real", Cell::Real(real)))
}
