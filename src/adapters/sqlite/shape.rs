//! The shapes an event's value may have, and what each means in SQL: which
//! values have it, which of those lie before an instant, and how they sort.
//!
//! `value` is an expression without affinity, evaluated more than once. Text is
//! compared byte by byte whatever the column's collation is, and its length is
//! taken in bytes, since a NUL ends the text for most functions.

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;

use crate::{
    adapters::sql::{SHIFT, Shape, Sql},
    domain::{
        event::{self, Format},
        record::Cell,
    },
};

const DATE: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
const DIGITS_8: &str = "[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]";

/// Years 0001 to 9999 (`event::interpret`).
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;

/// True for the values of this shape, and for no others.
pub(super) fn takes(shape: Shape, value: &str) -> String {
    match shape {
        Shape::Date => format!("(typeof({value}) = 'text' AND octet_length({value}) = 10 AND {})", is_date(value)),
        Shape::Naive => is_naive(value),
        Shape::Zoned => is_zoned(value),
        Shape::Seconds => {
            format!("(typeof({value}) = 'integer' AND {value} BETWEEN {SECONDS_MIN} AND {SECONDS_MAX})")
        }
        Shape::Millis => format!(
            "(typeof({value}) = 'integer' AND {value} BETWEEN {} AND {})",
            SECONDS_MIN * 1000,
            SECONDS_MAX * 1000 + 999
        ),
        Shape::CompactText => format!(
            "(typeof({value}) = 'text' AND octet_length({value}) = 8 AND {value} GLOB '{DIGITS_8}' AND {})",
            is_date(&dashed(value))
        ),
        Shape::CompactTime => format!(
            "(typeof({value}) = 'text' AND octet_length({value}) = 14 AND {value} GLOB '{DIGITS_8}[0-2][0-9][0-5][0-9][0-5][0-9]' \
             AND substr({value}, 9, 2) < '24' AND {})",
            is_date(&dashed(value))
        ),
        Shape::CompactInteger => format!(
            "(typeof({value}) = 'integer' AND {value} BETWEEN 10000101 AND 99991231 AND {})",
            is_date(&dashed(value))
        ),
    }
}

/// Of values of this shape: lies before `instant`.
pub(super) fn before(shape: Shape, value: &str, instant: DateTime<Utc>, zone: Tz) -> Sql {
    let below = |bound: Cell| {
        let mut sql = Sql::new(format!("({value} COLLATE BINARY) < "));
        sql.bind(bound);
        sql
    };
    let integer =
        |format| event::bound_integer(format, instant, zone).map_or(Sql::new("1 = 0"), |b| below(Cell::Integer(b)));
    match shape {
        Shape::Date => below(event::bound_text(Format::Date, instant, zone)),
        Shape::CompactText => below(event::bound_text(Format::YyyyMmDd, instant, zone)),
        Shape::CompactTime => below(event::bound_text(Format::YyyyMmDdHhMmSs, instant, zone)),
        Shape::Seconds => integer(Format::EpochSeconds),
        Shape::Millis => integer(Format::EpochMillis),
        Shape::CompactInteger => integer(Format::YyyyMmDd),
        Shape::Naive => {
            // What is below the bound with a blank is so in either spelling, and one
            // with a 'T' that is below the bound with a 'T' as well.
            let bound = event::bound_text(Format::Timestamp, instant, zone);
            let mut sql = Sql::new("(");
            sql.append(below(bound.clone())).push(" OR (").append(below(with_t(bound)));
            sql.push(&format!(" AND substr({value}, 11, 1) = 'T'))"));
            sql
        }
        Shape::Zoned => {
            let seconds = instant.timestamp();
            let fraction = format!("{:09}", instant.nanosecond() % 1_000_000_000);
            let mut sql =
                Sql::new(format!("(SELECT z.seconds < {seconds} OR (z.seconds = {seconds} AND z.fraction < "));
            // Without its last zeros the bound is the start of whatever equals it.
            sql.bind_text(fraction.trim_end_matches('0'));
            sql.push(&format!(") FROM ({}) AS z)", seconds_and_fraction(value)));
            sql
        }
    }
}

/// An expression that sorts values of this shape as their instants do.
pub(super) fn order(shape: Shape, value: &str) -> String {
    match shape {
        Shape::Naive => format!(
            "(iif(substr({value}, 11, 1) = 'T', substr({value}, 1, 10) || ' ' || substr({value}, 12), {value}) COLLATE BINARY)"
        ),
        Shape::Zoned => format!(
            "(SELECT printf('%015d', z.seconds + {SHIFT}) || substr(z.fraction || '000000000', 1, 9) FROM ({}) AS z)",
            seconds_and_fraction(value)
        ),
        Shape::Date
        | Shape::Seconds
        | Shape::Millis
        | Shape::CompactText
        | Shape::CompactInteger
        | Shape::CompactTime => {
            format!("({value} COLLATE BINARY)")
        }
    }
}

/// A bound with the other separator.
pub(super) fn with_t(bound: Cell) -> Cell {
    match bound {
        Cell::Text(bytes) => Cell::Text(bytes.into_iter().map(|byte| if byte == b' ' { b'T' } else { byte }).collect()),
        other => other,
    }
}

/// Ten characters that name a day that exists: what SQLite writes is its own
/// spelling of a day, and it moves 30 February on to March.
fn is_date(value: &str) -> String {
    format!("(date({value}) IS {value} AND substr({value}, 1, 4) <> '0000')")
}

/// Eight digits with the dashes that SQLite's functions want.
fn dashed(value: &str) -> String {
    format!("(substr({value}, 1, 4) || '-' || substr({value}, 5, 2) || '-' || substr({value}, 7, 2))")
}

/// A date and a time without a zone. `length` stops at a NUL and counts
/// characters: equal to the length in bytes, there is neither NUL nor anything
/// outside ASCII.
fn is_naive(value: &str) -> String {
    let day = format!("substr({value}, 1, 10)");
    // Nearly all values are spelled as SQLite itself spells them, which one function
    // tells: the exact test of all other spellings costs ten times as much.
    format!(
        "(CASE WHEN octet_length({value}) = 19 AND datetime({value}) IS {value} THEN substr({value}, 1, 4) <> '0000' \
         AND substr({value}, 12, 2) < '24' ELSE typeof({value}) = 'text' AND octet_length({value}) BETWEEN 16 AND 29 AND octet_length({value}) = length({value}) \
         AND {value} GLOB '{DATE}[ T][0-2][0-9]:[0-5][0-9]*' AND {} AND substr({value}, 12, 2) < '24' \
         AND (octet_length({value}) = 16 OR (substr({value}, 17, 3) GLOB ':[0-5][0-9]' \
         AND (octet_length({value}) = 19 OR (octet_length({value}) > 20 AND substr({value}, 20, 1) = '.' \
         AND substr({value}, 21) NOT GLOB '*[^0-9]*')))) END)",
        is_date(&day)
    )
}

/// The characters that a distance from UTC takes at the end; 0 without one.
fn suffix_length(value: &str) -> String {
    format!(
        "(CASE WHEN {value} GLOB '*Z' THEN 1 WHEN {value} GLOB '*[-+][0-9][0-9]:[0-9][0-9]' THEN 6 \
         WHEN {value} GLOB '*[-+][0-9][0-9][0-9][0-9]' THEN 5 WHEN {value} GLOB '*[-+][0-9][0-9]' THEN 3 ELSE 0 END)"
    )
}

/// A naive value followed by a distance of up to 14:59.
fn is_zoned(value: &str) -> String {
    let length = suffix_length(value);
    let hours = format!("(CASE WHEN {length} = 1 THEN '00' ELSE substr({value}, 1 - {length}, 2) END)");
    let minutes = format!("(CASE WHEN {length} IN (5, 6) THEN substr({value}, -2) ELSE '00' END)");
    let naive = format!("substr({value}, 1, octet_length({value}) - {length})");
    // The outer tests come first only for speed; each is exact by itself.
    format!(
        "(typeof({value}) = 'text' AND octet_length({value}) BETWEEN 17 AND 35 AND octet_length({value}) = length({value}) \
         AND {length} > 0 AND {hours} < '15' AND {minutes} < '60' \
         AND (SELECT {} FROM (SELECT {naive} AS local) AS n))",
        is_naive("n.local")
    )
}

/// Of a zoned value: whole seconds since 1970, and the digits behind the point.
fn seconds_and_fraction(value: &str) -> String {
    let length = suffix_length(value);
    let sign = format!("(CASE substr({value}, -{length}, 1) WHEN '-' THEN -1 ELSE 1 END)");
    let hours = format!("(CASE WHEN {length} = 1 THEN 0 ELSE CAST(substr({value}, 1 - {length}, 2) AS INTEGER) END)");
    let minutes = format!("(CASE WHEN {length} IN (5, 6) THEN CAST(substr({value}, -2) AS INTEGER) ELSE 0 END)");
    let naive = format!("substr({value}, 1, octet_length({value}) - {length})");
    format!(
        "SELECT unixepoch(substr(n.local, 1, 10) || ' ' || substr(n.local, 12, 8)) - n.distance AS seconds, \
         substr(n.local, 21) AS fraction \
         FROM (SELECT {naive} AS local, {sign} * ({hours} * 3600 + {minutes} * 60) AS distance) AS n"
    )
}
