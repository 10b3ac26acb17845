//! How PostgreSQL writes what `sql` means. Values stand in statements as quoted
//! literals, whose type the server takes from where they stand: COPY takes no
//! parameters, and no value of a row is ever among them but in a comparison of
//! keys.
//!
//! Texts are compared as their output function writes them and byte by byte,
//! whatever the column's collation is.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{copy::Form, shape};
use crate::{
    adapters::sql::{Column, Columns, Dialect, FittedEvent, Holds, Passed, Shape, Sql, column},
    domain::{
        event::{self, Format},
        record::Cell,
    },
};

#[derive(Debug)]
pub(in crate::adapters) struct Postgres;

pub(in crate::adapters) const POSTGRES: Postgres = Postgres;

/// A double-quoted identifier.
pub(in crate::adapters) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted literal; `standard_conforming_strings` is on.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value as a literal without a type of its own.
pub(super) fn value_literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(value) => format!("'{value}'"),
        Cell::Real(value) => format!("'{value:?}'"),
        Cell::Text(bytes) => literal(&text(bytes)),
        Cell::Blob(bytes) => format!("'\\x{}'", hex::encode(bytes)),
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The output form of a column, as bytes compare. NULL becomes ''.
pub(super) fn spelling(column: &str) -> String {
    format!("(concat({column}) COLLATE \"C\")")
}

impl Dialect for Postgres {
    fn quote(&self, name: &str) -> String {
        quote(name)
    }

    fn mark(&self, _number: usize, value: &Cell) -> String {
        match value {
            Cell::Integer(value) => format!("({value})"),
            other => value_literal(other),
        }
    }

    /// A text that points at a number, a UUID or the like is compared in the form
    /// in which it is written.
    fn equal(&self, there: (&Column, &str), here: (&Column, &str)) -> String {
        let is_text = |column: &Column| column.holds == Holds::Text;
        match (is_text(there.0), is_text(here.0)) {
            (true, false) => format!("{} = concat({})", there.1, here.1),
            (false, true) => format!("concat({}) = {}", there.1, here.1),
            _ => format!("{} = {}", there.1, here.1),
        }
    }

    fn located(&self, column: &Column, text: &str) -> String {
        match Form::of(column) {
            Form::Bytes => format!("encode({text}, 'hex')"),
            Form::Integer => format!("{text}::text"),
            Form::Text => format!("CASE WHEN {text} IS NOT NULL THEN {} END", spelling(text)),
        }
    }

    fn format_of(&self, column: &Column) -> Option<Format> {
        match column.holds {
            Holds::Date => Some(Format::Date),
            Holds::Timestamp => Some(Format::Timestamp),
            Holds::TimestampTz => Some(Format::TimestampTz),
            Holds::Text | Holds::Number | Holds::Any | Holds::Other => None,
        }
    }

    fn value(&self, alias: &str, columns: Columns<'_>) -> String {
        match columns {
            Columns::One { name, holds: Holds::Text } => spelling(&column(self, alias, name)),
            Columns::One { name, .. } => column(self, alias, name),
            Columns::DateAndTime { date, time } => {
                let (date, time) = (column(self, alias, date), column(self, alias, time));
                format!("(concat({date}, ' ', {time}) COLLATE \"C\")")
            }
        }
    }

    fn shapes(&self, columns: Columns<'_>, format: Format) -> &'static [Shape] {
        let Columns::One { holds, .. } = columns else {
            return match format {
                Format::Timestamp => &[Shape::Naive],
                Format::TimestampTz => &[Shape::Zoned],
                Format::Iso8601 => &[Shape::Naive, Shape::Zoned],
                _ => &[],
            };
        };
        match (holds, format) {
            (Holds::Date, Format::Date | Format::Iso8601) => &[Shape::Date],
            (Holds::Timestamp, Format::Timestamp | Format::Iso8601) => &[Shape::Naive],
            (Holds::TimestampTz, Format::TimestampTz | Format::Iso8601) => &[Shape::Zoned],
            (Holds::Number, Format::EpochSeconds) => &[Shape::Seconds],
            (Holds::Number, Format::EpochMillis) => &[Shape::Millis],
            (Holds::Number, Format::YyyyMmDd) => &[Shape::CompactInteger],
            (Holds::Text, Format::Date) => &[Shape::Date],
            (Holds::Text, Format::Timestamp) => &[Shape::Naive],
            (Holds::Text, Format::TimestampTz) => &[Shape::Zoned],
            (Holds::Text, Format::YyyyMmDd) => &[Shape::CompactText],
            (Holds::Text, Format::YyyyMmDdHhMmSs) => &[Shape::CompactTime],
            (Holds::Text, Format::Iso8601) => &[Shape::Date, Shape::Naive, Shape::Zoned],
            _ => &[],
        }
    }

    fn takes(&self, shape: Shape, columns: Columns<'_>, value: &str) -> String {
        shape::takes(shape, native(columns), value)
    }

    fn before(&self, shape: Shape, columns: Columns<'_>, value: &str, instant: DateTime<Utc>, zone: Tz) -> Sql {
        Sql::new(shape::before(shape, native(columns), value, instant, zone))
    }

    fn order(&self, shape: Shape, columns: Columns<'_>, value: &str) -> String {
        shape::order(shape, native(columns), value)
    }

    fn spelled(&self, column: &str, _columns: Columns<'_>, absent: &[String]) -> Vec<Sql> {
        let spelled = |text: &String| Sql::new(format!("({} = {})", spelling(column), literal(text)));
        absent.iter().map(spelled).collect()
    }

    fn prefilter(
        &self,
        event: &FittedEvent<'_>,
        column: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        zone: Tz,
    ) -> Vec<Sql> {
        let Columns::One { holds, .. } = event.columns else { return Vec::new() };
        let bound = |instant| match (holds, event.format) {
            (Holds::Date | Holds::Timestamp | Holds::TimestampTz, _) => {
                shape::bound(native(event.columns), instant, zone)
            }
            (Holds::Number, format) => event::bound_integer(format, instant, zone).map(|bound| format!("({bound})")),
            // All values are of one length and differ in digits: every collation
            // sorts them alike. Others are not looked up through an index.
            (Holds::Text, format @ (Format::Date | Format::YyyyMmDd | Format::YyyyMmDdHhMmSs)) => {
                let Cell::Text(bytes) = event::bound_text(format, instant, zone) else { return None };
                bytes.first()?.is_ascii_digit().then(|| literal(&text(&bytes)))
            }
            _ => None,
        };
        let compare =
            |operator: &str, bound: Option<String>| bound.map(|bound| Sql::new(format!("{column} {operator} {bound}")));
        compare(">=", bound(from)).into_iter().chain(compare("<", bound(until))).collect()
    }

    fn prefilter_says(&self, columns: Columns<'_>) -> Passed {
        if native(columns).is_some() { Passed::Surely } else { Passed::Perhaps }
    }
}

/// The engine's own type of an event's column, where it has one.
fn native(columns: Columns<'_>) -> Option<Holds> {
    match columns {
        Columns::One { holds: holds @ (Holds::Date | Holds::Timestamp | Holds::TimestampTz), .. } => Some(holds),
        Columns::One { .. } | Columns::DateAndTime { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_ends_neither_an_identifier_nor_a_literal() {
        assert_eq!(quote("a\" ; DROP TABLE b --"), "\"a\"\" ; DROP TABLE b --\"");
        assert_eq!(literal("a'; DROP TABLE b --\\"), "'a''; DROP TABLE b --\\'");
    }
}
