//! How MariaDB and MySQL write what `sql` means. Values stand in the statements
//! themselves: nothing is prepared, so that rows come in the text protocol.

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    shape,
    value::{self, Class, collation},
};
use crate::{
    adapters::sql::{Column, Columns, Dialect, FittedEvent, Holds, Passed, Shape, Sql, column},
    domain::{
        event::{self, Format},
        record::Cell,
    },
};

#[derive(Debug)]
pub(in crate::adapters) struct MySql;

pub(in crate::adapters) const MYSQL: MySql = MySql;

/// An identifier in backticks.
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Dialect for MySql {
    fn quote(&self, name: &str) -> String {
        quote(name)
    }

    fn mark(&self, _number: usize, value: &Cell) -> String {
        value::free_literal(value)
    }

    /// The server would compare a text with a number as floating point numbers,
    /// to which '12', '012' and '12 o''clock' are the same.
    fn equal(&self, there: (&Column, &str), here: (&Column, &str)) -> String {
        let ((parent, above), (child, below)) = (there, here);
        match (parent.holds, child.holds) {
            (Holds::Number, Holds::Text) => format!("CAST({above} AS CHAR) = {below}"),
            (Holds::Text, Holds::Number) => format!("{above} = CAST({below} AS CHAR)"),
            (Holds::Text, Holds::Text) => match (collation(&parent.declared), collation(&child.declared)) {
                (Some(one), Some(other)) if one != other => {
                    let (charset, collation) = one;
                    format!("{above} = CONVERT({below} USING {charset}) COLLATE {collation}")
                }
                _ => format!("{above} = {below}"),
            },
            _ => format!("{above} = {below}"),
        }
    }

    /// As bytes, which no collation and no padding makes equal to others.
    fn located(&self, column: &Column, text: &str) -> String {
        match value::class(&column.declared) {
            Class::Bytes => format!("CAST(LOWER(HEX({text})) AS BINARY)"),
            // Without the zeros that a column may be filled up with.
            Class::Integer => format!("CAST({text} + 0 AS BINARY)"),
            Class::Instant => format!(
                "CASE WHEN {text} > '1970-01-01 00:00:00' THEN CONCAT(CAST({text} AS BINARY), 'Z') \
                 ELSE CAST({text} AS BINARY) END"
            ),
            Class::Text(charset) if !charset.starts_with("utf8") => {
                format!("CAST(CONVERT({text} USING utf8mb4) AS BINARY)")
            }
            Class::Text(_) | Class::Real | Class::Ascii => format!("CAST({text} AS BINARY)"),
        }
    }

    /// A text of ours may have no form in another character set, so that such a
    /// column is compared as the nearest collation of UTF-8 does.
    fn collated(&self, column: &Column, text: &str) -> Option<String> {
        let (charset, collation) = collation(&column.declared)?;
        if charset.starts_with("utf8") {
            return Some(text.to_owned());
        }
        let nearest = if collation.ends_with("_bin") { "utf8mb4_bin" } else { "utf8mb4_general_ci" };
        Some(format!("CONVERT({text} USING utf8mb4) COLLATE {nearest}"))
    }

    fn format_of(&self, column: &Column) -> Option<Format> {
        match column.holds {
            Holds::Date => Some(Format::Date),
            Holds::Timestamp => Some(Format::Timestamp),
            Holds::TimestampTz => Some(Format::TimestampTz),
            Holds::Text | Holds::Number | Holds::Any | Holds::Other => None,
        }
    }

    /// Text as its bytes, whatever the collation makes of them.
    fn value(&self, alias: &str, columns: Columns<'_>) -> String {
        match columns {
            Columns::One { name, holds: Holds::Text } => format!("CAST({} AS BINARY)", column(self, alias, name)),
            Columns::One { name, .. } => column(self, alias, name),
            Columns::DateAndTime { date, time } => {
                let (date, time) = (column(self, alias, date), column(self, alias, time));
                format!("CONCAT(CAST({date} AS BINARY), ' ', CAST({time} AS BINARY))")
            }
        }
    }

    fn shapes(&self, columns: Columns<'_>, format: Format) -> &'static [Shape] {
        let Columns::One { holds, .. } = columns else {
            return match format {
                Format::Timestamp => &[Shape::Naive],
                Format::TimestampTz => &[Shape::Zoned],
                // A pair always has a time.
                Format::Iso8601 => &[Shape::Naive, Shape::Zoned],
                _ => &[],
            };
        };
        match (holds, format) {
            (Holds::Text | Holds::Date, Format::Date) | (Holds::Date, Format::Iso8601) => &[Shape::Date],
            (Holds::Text | Holds::Timestamp, Format::Timestamp) | (Holds::Timestamp, Format::Iso8601) => {
                &[Shape::Naive]
            }
            (Holds::Text | Holds::TimestampTz, Format::TimestampTz) | (Holds::TimestampTz, Format::Iso8601) => {
                &[Shape::Zoned]
            }
            (Holds::Text, Format::YyyyMmDd) => &[Shape::CompactText],
            (Holds::Text, Format::YyyyMmDdHhMmSs) => &[Shape::CompactTime],
            (Holds::Text, Format::Iso8601) => &[Shape::Date, Shape::Naive, Shape::Zoned],
            (Holds::Number, Format::YyyyMmDd) => &[Shape::CompactInteger],
            (Holds::Number, Format::EpochSeconds) => &[Shape::Seconds],
            (Holds::Number, Format::EpochMillis) => &[Shape::Millis],
            _ => &[],
        }
    }

    fn takes(&self, shape: Shape, columns: Columns<'_>, value: &str) -> String {
        shape::takes(shape, holds(columns), value)
    }

    fn before(&self, shape: Shape, columns: Columns<'_>, value: &str, instant: DateTime<Utc>, zone: Tz) -> Sql {
        shape::before(shape, holds(columns), value, instant, zone)
    }

    fn order(&self, shape: Shape, columns: Columns<'_>, value: &str) -> String {
        shape::order(shape, holds(columns), value)
    }

    fn spelled(&self, column: &str, columns: Columns<'_>, absent: &[String]) -> Vec<Sql> {
        let equal = |text: &str| {
            let mut equal = Sql::new(format!("CAST({column} AS BINARY) = "));
            equal.bind(Cell::Blob(text.as_bytes().to_vec()));
            equal
        };
        let spelled = absent.iter().filter_map(|text| match holds(columns) {
            // An instant is read with a Z behind it, and no instant without.
            Holds::TimestampTz if text.starts_with("0000-00-00") => Some(equal(text)),
            Holds::TimestampTz => text.strip_suffix('Z').filter(|text| !text.starts_with("0000-00-00")).map(equal),
            Holds::Number => {
                let number: i128 = text.parse().ok()?;
                (number.to_string() == *text).then(|| Sql::new(format!("{column} = {number}")))
            }
            _ => Some(equal(text)),
        });
        spelled.collect()
    }

    fn prefilter(
        &self,
        event: &FittedEvent<'_>,
        column: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        zone: Tz,
    ) -> Vec<Sql> {
        let compare = |operator: &str, bound: Cell| {
            let mut sql = Sql::new(format!("{column} {operator} "));
            sql.bind(bound);
            sql
        };
        match (holds(event.columns), event.format) {
            (Holds::Number, format) => {
                let bound = |instant| event::bound_integer(format, instant, zone).map(Cell::Integer);
                let below = bound(until).map(|bound| compare("<", bound));
                bound(from).map(|bound| compare(">=", bound)).into_iter().chain(below).collect()
            }
            (Holds::Date | Holds::Timestamp | Holds::TimestampTz, _) => {
                let holds = holds(event.columns);
                let below = shape::native_bound(holds, until, zone).map(|bound| compare("<", bound));
                shape::native_bound(holds, from, zone).map(|b| compare(">=", b)).into_iter().chain(below).collect()
            }
            // Text begins with a date, and digits sort as digits in every
            // collation. The zone it was written in is not known: a few days more.
            (_, format) => {
                let is_compact = matches!(format, Format::YyyyMmDd | Format::YyyyMmDdHhMmSs);
                let format = if is_compact { format } else { Format::Date };
                let days = TimeDelta::days(3);
                let early = from.checked_sub_signed(days).unwrap_or(DateTime::<Utc>::MIN_UTC);
                let late = until.checked_add_signed(days).unwrap_or(DateTime::<Utc>::MAX_UTC);
                let text = |instant| event::bound_text(format, instant, zone);
                // What lies behind all years sorts before digits in some collations.
                let below = (late.year() <= 9998).then(|| compare("<", text(late)));
                std::iter::once(compare(">=", text(early))).chain(below).collect()
            }
        }
    }

    /// Zero, the only value of the type that is no instant, lies before all others.
    /// A DATETIME may hold a 31st of February anywhere.
    fn prefilter_says(&self, columns: Columns<'_>) -> Passed {
        match holds(columns) {
            Holds::TimestampTz => Passed::Surely,
            Holds::Date | Holds::Timestamp => Passed::InRange,
            Holds::Text | Holds::Number | Holds::Any | Holds::Other => Passed::Perhaps,
        }
    }
}

/// A pair is read as text.
fn holds(columns: Columns<'_>) -> Holds {
    match columns {
        Columns::One { holds, .. } => holds,
        Columns::DateAndTime { .. } => Holds::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtick_inside_an_identifier_cannot_end_it() {
        assert_eq!(quote("a` ; DROP TABLE b --"), "`a`` ; DROP TABLE b --`");
    }
}
