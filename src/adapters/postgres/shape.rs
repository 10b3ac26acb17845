//! The shapes an event's value may have, and what each means in SQL. A column
//! of a native type is compared as such; text is tested by one regular
//! expression, which no value can make fail, before anything is made of it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SubsecRound as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;

use super::dialect::literal;
use crate::{
    adapters::sql::{Holds, SHIFT, Shape},
    domain::{
        event::{self, Format, bound_date, naive_bound},
        record::Cell,
    },
};

/// Years 0001 to 9999 (`event::interpret`).
const SECONDS_MIN: i64 = -62_135_596_800;
const SECONDS_MAX: i64 = 253_402_300_799;

/// Every day from 0001-01-01 to 9999-12-31 and nothing else, `sep` between its
/// parts.
fn day(sep: &str) -> String {
    const LEAP: &str = "0[48]|[2468][048]|[13579][26]";
    format!(
        "(?!0000)(?:[0-9]{{4}}{sep}(?:(?:0[13578]|1[02]){sep}(?:0[1-9]|[12][0-9]|3[01])\
         |(?:0[469]|11){sep}(?:0[1-9]|[12][0-9]|30)|02{sep}(?:0[1-9]|1[0-9]|2[0-8]))\
         |(?:[0-9]{{2}}(?:{LEAP})|(?:0[048]|[2468][048]|[13579][26])00){sep}02{sep}29)"
    )
}

const TIME: &str = "[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,9})?)?";
const CLOCK: &str = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]";
const DISTANCE: &str = "(?:Z|[-+](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)";

/// True for the values of this shape, and for no others.
pub(super) fn takes(shape: Shape, native: Option<Holds>, value: &str) -> String {
    let matches = |value: &str, pattern: String| format!("({value} ~ '^{pattern}$')");
    match (shape, native) {
        // Infinity lies beyond every year, on either side.
        (_, Some(Holds::Date)) => format!("({value} >= DATE '0001-01-01' AND {value} <= DATE '9999-12-31')"),
        (_, Some(Holds::Timestamp)) => {
            format!("({value} >= TIMESTAMP '0001-01-01' AND {value} < TIMESTAMP '10000-01-01')")
        }
        (_, Some(_)) => {
            format!("({value} >= TIMESTAMPTZ '0001-01-01 00:00Z' AND {value} < TIMESTAMPTZ '10000-01-01 00:00Z')")
        }
        (Shape::Date, None) => matches(value, day("-")),
        (Shape::Naive, None) => matches(value, format!("{}{TIME}", day("-"))),
        (Shape::Zoned, None) => matches(value, format!("{}{TIME}{DISTANCE}", day("-"))),
        (Shape::CompactText, None) => matches(value, day("")),
        (Shape::CompactTime, None) => matches(value, format!("{}{CLOCK}", day(""))),
        (Shape::CompactInteger, None) => matches(&format!("{value}::text"), day("")),
        (Shape::Seconds, None) => format!("({value} BETWEEN {SECONDS_MIN} AND {SECONDS_MAX})"),
        (Shape::Millis, None) => {
            format!("({value} BETWEEN {} AND {})", SECONDS_MIN * 1000, SECONDS_MAX * 1000 + 999)
        }
    }
}

/// Of values of this shape: lies before `instant`. Other values may be tested
/// too, and make nothing fail.
pub(super) fn before(shape: Shape, native: Option<Holds>, value: &str, instant: DateTime<Utc>, zone: Tz) -> String {
    if native.is_some() {
        return bound(native, instant, zone)
            .map_or_else(|| "(1 = 0)".to_owned(), |bound| format!("({value} < {bound})"));
    }
    let text = |format| match event::bound_text(format, instant, zone) {
        Cell::Text(bytes) => literal(&String::from_utf8_lossy(&bytes)),
        _ => "NULL".to_owned(),
    };
    let integer = |format| {
        let bound = event::bound_integer(format, instant, zone);
        bound.map_or_else(|| "(1 = 0)".to_owned(), |bound| format!("({value} < {bound})"))
    };
    match shape {
        Shape::Date => format!("({value} < {})", text(Format::Date)),
        Shape::CompactText => format!("({value} < {})", text(Format::YyyyMmDd)),
        Shape::CompactTime => format!("({value} < {})", text(Format::YyyyMmDdHhMmSs)),
        Shape::Naive => format!("(replace({value}, 'T', ' ') < {})", text(Format::Timestamp)),
        Shape::Seconds => integer(Format::EpochSeconds),
        Shape::Millis => integer(Format::EpochMillis),
        Shape::CompactInteger => integer(Format::YyyyMmDd),
        Shape::Zoned => {
            let bound = format!("{:015}{:09}", instant.timestamp() + SHIFT, instant.nanosecond() % 1_000_000_000);
            format!("({} < '{bound}')", moment(value))
        }
    }
}

/// An expression that sorts values of this shape as their instants do.
pub(super) fn order(shape: Shape, native: Option<Holds>, value: &str) -> String {
    match (shape, native) {
        (Shape::Naive, None) => format!("replace({value}, 'T', ' ')"),
        (Shape::Zoned, None) => moment(value),
        _ => value.to_owned(),
    }
}

/// The bound of a native type: values below it, and no others, lie before
/// `instant`. The engine counts microseconds.
pub(super) fn bound(native: Option<Holds>, instant: DateTime<Utc>, zone: Tz) -> Option<String> {
    Some(match native? {
        Holds::Date => date(bound_date(instant, zone)),
        Holds::Timestamp => {
            let bound = naive_bound(instant, zone);
            format!("TIMESTAMP {}", timestamp(up_to_micros(bound)))
        }
        Holds::TimestampTz => format!("TIMESTAMPTZ {}", timestamp(up_to_micros(instant.naive_utc()))),
        Holds::Text | Holds::Number | Holds::Any | Holds::Other => return None,
    })
}

fn up_to_micros(at: NaiveDateTime) -> NaiveDateTime {
    let cut = at.trunc_subsecs(6);
    if cut == at { at } else { cut.checked_add_signed(TimeDelta::microseconds(1)).unwrap_or(at) }
}

/// Years outside of 1 to 9999 hold no value that is well-formed.
fn date(at: NaiveDate) -> String {
    use chrono::Datelike as _;
    match at.year() {
        ..=0 => "DATE '-infinity'".to_owned(),
        1..=9999 => format!("DATE '{}'", at.format("%Y-%m-%d")),
        _ => "DATE 'infinity'".to_owned(),
    }
}

fn timestamp(at: NaiveDateTime) -> String {
    use chrono::Datelike as _;
    match at.year() {
        ..=0 => "'-infinity'".to_owned(),
        1..=9999 => format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f")),
        _ => "'infinity'".to_owned(),
    }
}

/// Of a zoned text: 15 digits of whole seconds and 9 of the fraction. NULL for
/// other texts, of which nothing is cast.
fn moment(value: &str) -> String {
    let zoned = takes(Shape::Zoned, None, value);
    let naive = format!("regexp_replace({value}, '{DISTANCE}$', '')");
    let distance = format!("replace(substring({value} from '[-+][0-9:]{{2,5}}$'), ':', '')");
    let sign = format!("(CASE left({distance}, 1) WHEN '-' THEN -1 ELSE 1 END)");
    let hours = format!("coalesce(substr({distance}, 2, 2)::int, 0)");
    let minutes = format!("coalesce(nullif(substr({distance}, 4, 2), '')::int, 0)");
    let clock = format!("replace(split_part({naive}, '.', 1), 'T', ' ')::timestamp");
    let seconds =
        format!("extract(epoch FROM {clock})::bigint - coalesce({sign}, 1) * ({hours} * 3600 + {minutes} * 60)");
    format!(
        "(CASE WHEN {zoned} THEN lpad((({seconds}) + {SHIFT})::text, 15, '0') \
         || rpad(split_part({naive}, '.', 2), 9, '0') END COLLATE \"C\")"
    )
}
