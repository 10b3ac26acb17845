//! What each shape of an event's value means in SQL. Columns of dates and
//! instants are compared as what they are, and text byte by byte.
//!
//! Nothing here relies on how the server reads a date from a text: what a text
//! says is found by a pattern and by arithmetic.

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Timelike, Utc};
use chrono_tz::Tz;

use crate::{
    adapters::sql::{Holds, SHIFT, Shape, Sql},
    domain::{
        event::{self, Format},
        record::Cell,
    },
};

/// Years 0001 to 9999 (`event::interpret`).
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;

/// `TO_SECONDS` of 1970-01-01.
const EPOCH: i64 = 62_167_219_200;
const SECONDS_PER_DAY: i64 = 86_400;

/// A day that exists, from 0001-01-01 to 9999-12-31; `-` is what stands between.
fn day_pattern(between: &str) -> String {
    let dash = between;
    format!(
        "(?!0000)(?:[0-9]{{4}}{dash}(?:(?:0[13578]|1[02]){dash}(?:0[1-9]|[12][0-9]|3[01])\
         |(?:0[469]|11){dash}(?:0[1-9]|[12][0-9]|30)|02{dash}(?:0[1-9]|1[0-9]|2[0-8]))\
         |(?:[0-9]{{2}}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00){dash}02{dash}29)"
    )
}

const TIME: &str = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?";
const CLOCK: &str = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]";
const ZONE: &str = "(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)";

/// True for the values of this shape, and for no others.
pub(super) fn takes(shape: Shape, holds: Holds, value: &str) -> String {
    match (shape, holds) {
        (Shape::Seconds, _) => format!("({value} BETWEEN {SECONDS_MIN} AND {SECONDS_MAX})"),
        (Shape::Millis, _) => format!("({value} BETWEEN {} AND {})", SECONDS_MIN * 1000, SECONDS_MAX * 1000 + 999),
        (Shape::CompactInteger, _) => matches(&format!("CAST({value} AS CHAR)"), &format!("(?!0){}", day_pattern(""))),
        (Shape::Date | Shape::Naive, Holds::Date | Holds::Timestamp) => format!("({})", is_day(value)),
        // Zero is the only value of the type that is no instant.
        (Shape::Zoned, Holds::TimestampTz) => format!("({value} > '1970-01-01 00:00:00')"),
        (Shape::Date, _) => matches(&text(value), &day_pattern("-")),
        (Shape::CompactText, _) => matches(&text(value), &day_pattern("")),
        (Shape::CompactTime, _) => matches(&text(value), &format!("{}{CLOCK}", day_pattern(""))),
        (Shape::Naive, _) => matches(&text(value), &format!("{}[ T]{TIME}", day_pattern("-"))),
        (Shape::Zoned, _) => matches(&text(value), &format!("{}[ T]{TIME}{ZONE}", day_pattern("-"))),
    }
}

/// The same bytes as characters of one byte each, for patterns.
fn text(value: &str) -> String {
    format!("CONVERT({value} USING latin1) COLLATE latin1_bin")
}

/// The whole of a text. The dollar sign would let a line feed follow.
fn matches(text: &str, pattern: &str) -> String {
    format!("({text} REGEXP '\\\\A{pattern}\\\\z')")
}

/// A date, or a date and time, that exists: neither zero, nor with a zero in it,
/// nor the 31st of February. Every month has 28 days, so that most values are told
/// by two functions.
fn is_day(value: &str) -> String {
    let (year, month, day) = (format!("YEAR({value})"), format!("MONTH({value})"), format!("DAYOFMONTH({value})"));
    format!(
        "{value} >= '0001-01-01' AND {month} >= 1 AND (({day} BETWEEN 1 AND 28) OR ({day} > 28 AND {day} <= CASE WHEN \
         {month} IN (4, 6, 9, 11) THEN 30 WHEN {month} <> 2 THEN 31 WHEN {year} % 4 = 0 AND ({year} % 100 <> 0 OR \
         {year} % 400 = 0) THEN 29 ELSE 28 END))"
    )
}

/// The smallest value of the engine's own type that is not before `instant`;
/// `None` where no value is.
pub(super) fn native_bound(holds: Holds, instant: DateTime<Utc>, zone: Tz) -> Option<Cell> {
    let spelled = match holds {
        Holds::Date => {
            let date = event::bound_date(instant, zone);
            (1..=9999).contains(&date.year()).then(|| date.format("%Y-%m-%d").to_string())?
        }
        Holds::Timestamp => spell(event::naive_bound(instant, zone))?,
        _ => spell(instant.naive_utc())?,
    };
    Some(Cell::Text(spelled.into_bytes()))
}

/// To the microsecond, which is all that the engine keeps: the next one.
fn spell(naive: NaiveDateTime) -> Option<String> {
    let over = i64::from(naive.nanosecond() % 1000);
    let next = if over > 0 { naive.checked_add_signed(Duration::nanoseconds(1000 - over))? } else { naive };
    (1..=9999).contains(&next.year()).then(|| next.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

/// Of values of this shape: lies before `instant`.
pub(super) fn before(shape: Shape, holds: Holds, value: &str, instant: DateTime<Utc>, zone: Tz) -> Sql {
    let below = |bound: Cell| {
        let mut sql = Sql::new(format!("{value} < "));
        sql.bind(bound);
        sql
    };
    let integer = |format| event::bound_integer(format, instant, zone).map_or(never(), |b| below(Cell::Integer(b)));
    match (shape, holds) {
        (Shape::Seconds, _) => integer(Format::EpochSeconds),
        (Shape::Millis, _) => integer(Format::EpochMillis),
        (Shape::CompactInteger, _) => integer(Format::YyyyMmDd),
        (_, Holds::Date | Holds::Timestamp | Holds::TimestampTz) => match native_bound(holds, instant, zone) {
            Some(bound) => below(bound),
            // Before all years, or behind them.
            None if instant.year() < 1000 => never(),
            None => Sql::new("1 = 1"),
        },
        (Shape::Date, _) => below(bytes(event::bound_text(Format::Date, instant, zone))),
        (Shape::CompactTime, _) => below(bytes(event::bound_text(Format::YyyyMmDdHhMmSs, instant, zone))),
        (Shape::CompactText, _) => below(bytes(event::bound_text(Format::YyyyMmDd, instant, zone))),
        (Shape::Naive, _) => {
            let mut sql = Sql::new(format!("{} < ", spaced(value)));
            sql.bind(bytes(event::bound_text(Format::Timestamp, instant, zone)));
            sql
        }
        (Shape::Zoned, _) => {
            let seconds = seconds(value);
            let fraction = format!("{:09}", instant.nanosecond() % 1_000_000_000);
            let instant = instant.timestamp();
            let mut sql =
                Sql::new(format!("({seconds} < {instant} OR ({seconds} = {instant} AND {} < ", fraction_of(value)));
            // Without its last zeros the bound is the start of whatever equals it.
            sql.bind(Cell::Blob(fraction.trim_end_matches('0').as_bytes().to_vec())).push("))");
            sql
        }
    }
}

fn never() -> Sql {
    Sql::new("1 = 0")
}

/// Compared byte by byte, and without blanks put behind it.
fn bytes(bound: Cell) -> Cell {
    match bound {
        Cell::Text(bytes) => Cell::Blob(bytes),
        other => other,
    }
}

/// A text of a date and a time with a blank between them.
fn spaced(value: &str) -> String {
    format!("CONCAT(LEFT({value}, 10), ' ', SUBSTRING({value}, 12))")
}

/// Seconds since 1970 of a text with a distance from UTC.
fn seconds(value: &str) -> String {
    let part = |from: usize| format!("CAST(SUBSTRING({value}, {from}, 2) AS SIGNED)");
    let days = format!("TO_DAYS(LEFT({value}, 10)) * {SECONDS_PER_DAY} - {EPOCH}");
    let second = format!("CASE WHEN SUBSTRING({value}, 17, 1) = ':' THEN {} ELSE 0 END", part(18));
    // The zone begins at the last sign, which stands behind the date.
    let rest = format!("SUBSTRING({value}, 17)");
    let sign = format!("GREATEST(LOCATE('+', {rest}), LOCATE('-', {rest}))");
    let zone = format!("SUBSTRING({rest}, {sign})");
    let minutes = format!("CASE WHEN LENGTH({zone}) > 3 THEN CAST(RIGHT({zone}, 2) AS SIGNED) ELSE 0 END");
    let distance = format!("CAST(SUBSTRING({zone}, 2, 2) AS SIGNED) * 3600 + ({minutes}) * 60");
    let distance =
        format!("CASE WHEN {sign} = 0 THEN 0 WHEN LEFT({zone}, 1) = '-' THEN -({distance}) ELSE {distance} END");
    format!("({days} + {} * 3600 + {} * 60 + {second} - ({distance}))", part(12), part(15))
}

/// The digits behind the point, as bytes.
fn fraction_of(value: &str) -> String {
    let digits = format!("CONVERT(SUBSTRING({value}, 21) USING latin1)");
    format!(
        "CASE WHEN SUBSTRING({value}, 20, 1) = '.' THEN CAST(REGEXP_SUBSTR({digits}, '[0-9]+') AS BINARY) ELSE x'' END"
    )
}

/// An expression that sorts values of this shape as their instants do.
pub(super) fn order(shape: Shape, holds: Holds, value: &str) -> String {
    match (shape, holds) {
        (Shape::Zoned, Holds::TimestampTz) => format!(
            "CONCAT(LPAD(TO_SECONDS({value}) - {EPOCH} + {SHIFT}, 15, '0'), LPAD(MICROSECOND({value}) * 1000, 9, '0'))"
        ),
        (Shape::Zoned, _) => {
            format!("CONCAT(LPAD({} + {SHIFT}, 15, '0'), RPAD({}, 9, '0'))", seconds(value), fraction_of(value))
        }
        (Shape::Naive, Holds::Text) => spaced(value),
        _ => value.to_owned(),
    }
}
