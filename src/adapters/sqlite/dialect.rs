//! How SQLite writes what `sql` means. Values have a storage class each,
//! whatever the column's type: SQLite sorts integers below all text, and ''
//! below every date.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::shape::{self, with_t};
use crate::{
    adapters::sql::{Column, Columns, Dialect, FittedEvent, Holds, Shape, Sql, column},
    domain::{
        event::{self, Format},
        record::Cell,
    },
};

#[derive(Debug)]
pub(in crate::adapters) struct Sqlite;

pub(in crate::adapters) const SQLITE: Sqlite = Sqlite;

/// A double-quoted identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table of the source: never one of the same name in another schema.
pub(super) fn main_table(name: &str) -> String {
    format!("main.{}", quote(name))
}

/// What a column's declared type does to values (SQLite, "Determination of
/// column affinity").
pub(super) fn affinity(declared: &str) -> Holds {
    let declared = declared.to_ascii_uppercase();
    let has = |part: &str| declared.contains(part);
    if has("INT") {
        Holds::Number
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Holds::Text
    } else if has("BLOB") || declared.is_empty() || declared == "ANY" {
        Holds::Any
    } else {
        Holds::Number
    }
}

impl Dialect for Sqlite {
    fn quote(&self, name: &str) -> String {
        quote(name)
    }

    /// Text that is not UTF-8 cannot be bound as text, so it is bound as a blob
    /// and cast; the plus takes the affinity away that a cast has and a parameter
    /// has not.
    fn mark(&self, _number: usize, value: &Cell) -> String {
        match value {
            Cell::Text(bytes) if std::str::from_utf8(bytes).is_err() => "+CAST(? AS TEXT)".to_owned(),
            _ => "?".to_owned(),
        }
    }

    fn located(&self, _column: &Column, text: &str) -> String {
        format!("CASE typeof({text}) WHEN 'blob' THEN lower(hex({text})) ELSE CAST({text} AS TEXT) END")
    }

    /// A column without a declared type has a collation as well.
    fn collated(&self, _column: &Column, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn format_of(&self, column: &Column) -> Option<Format> {
        let declared = column.declared.to_ascii_uppercase();
        if declared.contains("TIMESTAMP") || declared.contains("DATETIME") {
            Some(Format::Timestamp)
        } else {
            declared.contains("DATE").then_some(Format::Date)
        }
    }

    /// Without the column's affinity.
    fn value(&self, alias: &str, columns: Columns<'_>) -> String {
        match columns {
            Columns::One { name, .. } => format!("+{}", column(self, alias, name)),
            Columns::DateAndTime { date, time } => {
                let (date, time) = (column(self, alias, date), column(self, alias, time));
                format!(
                    "(CASE WHEN typeof({date}) = 'text' AND typeof({time}) = 'text' THEN {date} || ' ' || {time} ELSE x'' END)"
                )
            }
        }
    }

    fn shapes(&self, columns: Columns<'_>, format: Format) -> &'static [Shape] {
        match format {
            Format::Auto => &[],
            Format::Date => &[Shape::Date],
            Format::Timestamp => &[Shape::Naive],
            Format::TimestampTz => &[Shape::Zoned],
            Format::EpochSeconds => &[Shape::Seconds],
            Format::EpochMillis => &[Shape::Millis],
            Format::YyyyMmDd => &[Shape::CompactText, Shape::CompactInteger],
            Format::YyyyMmDdHhMmSs => &[Shape::CompactTime],
            // A pair always has a time.
            Format::Iso8601 if matches!(columns, Columns::DateAndTime { .. }) => &[Shape::Naive, Shape::Zoned],
            Format::Iso8601 => &[Shape::Date, Shape::Naive, Shape::Zoned],
        }
    }

    fn takes(&self, shape: Shape, _columns: Columns<'_>, value: &str) -> String {
        shape::takes(shape, value)
    }

    fn before(&self, shape: Shape, _columns: Columns<'_>, value: &str, instant: DateTime<Utc>, zone: Tz) -> Sql {
        shape::before(shape, value, instant, zone)
    }

    fn order(&self, shape: Shape, _columns: Columns<'_>, value: &str) -> String {
        shape::order(shape, value)
    }

    fn spelled(&self, column: &str, _columns: Columns<'_>, absent: &[String]) -> Vec<Sql> {
        let texts = absent.iter().map(|text| {
            let mut equal = Sql::new(format!("(typeof({column}) = 'text' AND CAST({column} AS BLOB) = "));
            equal.bind(Cell::Blob(text.as_bytes().to_vec())).push(")");
            equal
        });
        let numbers = absent.iter().filter_map(|text| {
            let (class, number) = number_spelled(text)?;
            let mut equal = Sql::new(format!("(typeof({column}) = '{class}' AND +{column} = "));
            equal.bind(number);
            // Both zeros are equal; their text forms are not.
            if class == "real" {
                let minus = i64::from(text.starts_with('-'));
                equal.push(&format!(" AND (CAST({column} AS TEXT) LIKE '-%') = {minus}"));
            }
            equal.push(")");
            Some(equal)
        });
        texts.chain(numbers).collect()
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
        let format = event.format;
        let text = |format: Format, instant| event::bound_text(format, instant, zone);
        match (event.columns, format) {
            (_, Format::Auto) => Vec::new(),
            (Columns::DateAndTime { .. }, _) | (_, Format::TimestampTz | Format::Iso8601) => {
                // The bound of these formats is a date two days late.
                let early = from.checked_sub_signed(TimeDelta::days(5)).unwrap_or(DateTime::<Utc>::MIN_UTC);
                vec![compare(">=", text(Format::Iso8601, early)), compare("<", text(Format::Iso8601, until))]
            }
            (_, Format::Date | Format::YyyyMmDdHhMmSs) => {
                vec![compare(">=", text(format, from)), compare("<", text(format, until))]
            }
            (_, Format::Timestamp) => {
                // 'T' sorts after the blank.
                vec![compare(">=", text(format, from)), compare("<", with_t(text(format, until)))]
            }
            (Columns::One { holds: Holds::Text, .. }, Format::YyyyMmDd) => {
                vec![compare(">=", text(format, from)), compare("<", text(format, until))]
            }
            // Either storage class may be there, and no one range holds both.
            (Columns::One { holds: Holds::Any, .. }, Format::YyyyMmDd) => Vec::new(),
            (_, Format::EpochSeconds | Format::EpochMillis | Format::YyyyMmDd) => {
                let bound = |instant| event::bound_integer(format, instant, zone).map(Cell::Integer);
                let below = bound(until).map(|bound| compare("<", bound));
                bound(from).map(|bound| compare(">=", bound)).into_iter().chain(below).collect()
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_inside_an_identifier_cannot_end_it() {
        assert_eq!(quote("a\" ; DROP TABLE b --"), "\"a\"\" ; DROP TABLE b --\"");
    }
}
