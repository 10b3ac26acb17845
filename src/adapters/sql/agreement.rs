//! Conditions and `domain::event::interpret` must agree on every value: both are
//! asked about thousands of nasty ones, through a real database of each engine.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    dialect::Dialect,
    event::{EventSql, Reader, just_after},
    fit::FittedEvent,
    text::Sql,
};
use crate::domain::{
    event::{Format, Reading},
    record::Cell,
};

/// A table `v` of values to be asked about, with ids from 0.
pub(in crate::adapters) trait Bench {
    fn dialect(&self) -> &'static dyn Dialect;

    /// The rows of a query, each value as the cell that a record would hold.
    async fn rows(&mut self, sql: Sql) -> Vec<Vec<Cell>>;

    /// Columns of `v`, row by row.
    async fn cells(&mut self, columns: &[&str]) -> Vec<Vec<Cell>>;
}

pub(in crate::adapters) const FORMATS: [Format; 8] = [
    Format::Date,
    Format::Timestamp,
    Format::TimestampTz,
    Format::EpochSeconds,
    Format::EpochMillis,
    Format::YyyyMmDd,
    Format::YyyyMmDdHhMmSs,
    Format::Iso8601,
];

pub(in crate::adapters) fn text(text: &str) -> Cell {
    Cell::Text(text.as_bytes().to_vec())
}

#[rustfmt::skip]
pub(in crate::adapters) fn nasty() -> Vec<Cell> {
    let texts = [
        "", " ", "0", "null", "NULL", "\\N", "now", "infinity", "-infinity", "today", "0000-00-00", "0000-00-00 00:00:00",
        "0000-01-01", "0001-01-01", "9999-12-31", "9999-12-31 23:59:59.999999999", "10000-01-01", "1970-01-01",
        "1970-01-01 00:00", "1970-01-01T00:00:00Z", "1970-01-01 09:00:00", "2021-02-29", "2021-02-30", "2020-02-29",
        "2021-13-01", "2021-00-10", "2021-01-00", "2021-01-32", "2021-04-31", "2021-1-1", "21-01-01", "+2021-01-01", "-2021-01-01",
        "2021-05-27 ", " 2021-05-27", "2021-05-27\n", "2021-05-27\0", "2021-05-27 09:00\0", "2021-05-27 09:00:00\0:00", "2021-05-27 09:00:00.5\0", "2021-05-27 09:00:00.\0", "2021-05-27 09:00:00.5\x001+09", "2021-05-27 09:00Z\0",
        "2021-05-27 24:00:00", "2021-05-27 23:60:00", "2021-05-27 23:59:60", "2021-05-27 23:59:59", "2021-05-27 23:59:59.",
        "2021-05-27 23:59:59.9999999999", "2021-05-27 23:59:59.999999999", "2021-05-27 23:59:59.x", "2021-05-27t10:00:00",
        "2021-05-27T10:00", "2021-05-27T10", "2021-05-27 1:00", "2021-05-27  10:00", "2021-05-27 10:00:0", "2021-05-27 10:00.5",
        "2021-05-27T10:00:00z", "2021-05-27T10:00:00Z", "2021-05-27 10:00+09:00", "2021-05-27 10:00+0900", "2021-05-27 10:00+09",
        "2021-05-27 10:00-09", "2021-05-27 10:00+9", "2021-05-27 10:00+14:59", "2021-05-27 10:00+15:00", "2021-05-27 10:00+09:60",
        "2021-05-27 10:00:00.5+09:00", "2021-05-27 10:00:00.5 +09:00", "2021-05-27 10:00:00+09:00Z", "2021-05-27Z", "2021-05-27+09",
        "2021-05-27 10:00Z", "2021-05-27 10:00ZZ", "2021-05-27 10:00:00 UTC", "2021-05-27 10:00--09", "2021-05-27 10:00-0:900",
        "0001-01-01 00:00+14:59", "9999-12-31 23:59-14:59", "2459361.5", "1622077200", "1622077200000", "20210527", "20210230",
        "20210527093000", "20210527240000", "20210527096000", "20210527090060", "20210230000000", "2021052709300", "202105270930000", "00000000000000",
        "99991231235959", "00010101000000", "2021052709300\0", "20210527 93000", "2021052709300\u{661}", "00000000", "99991231", "10000101", "2021052", "202105270", "2021052\u{661}", "２０２１-05-27", "2021-05-2\u{0667}",
        "2021-11-07 01:30:00", "2021-03-14 02:30:00", "2011-12-30", "2011-12-30 12:00:00", "1988-05-08 00:30:00", "44-03-15 BC",
        "2021-05-27 10:00 AM", "27/05/2021", "2021/05/27", "20210527T100000", "{\"date\":\"2021-05-27\"}", "회원", "\u{feff}2021-05-27",
    ];
    let mut cells: Vec<Cell> = texts.into_iter().map(text).collect();
    cells.push(Cell::Null);
    cells.extend([0, 1, -1, 20_210_527, 20_210_230, 10_000_101, 9_999_999, 99_991_231, 100_000_000, 1_622_077_200,
        1_622_077_200_000, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 253_402_300_799_999,
        253_402_300_800_000, i64::MAX, i64::MIN, 2_459_361].map(Cell::Integer));
    cells.extend([0.0, -0.0, 1.5, 20_210_527.0, 1_622_077_200.0, 1_622_077_200.5, 2_459_361.5, 1e20, f64::INFINITY, f64::MIN_POSITIVE].map(Cell::Real));
    cells.extend([vec![], b"2021-05-27".to_vec(), b"20210527".to_vec(), vec![0xff, 0xfe]].map(Cell::Blob));
    cells.extend([b"2021-05-2\xff".to_vec(), b"\xff".to_vec(), b"2021-05-27 10:00:00\x80".to_vec(), b"2021-05-27T10:00:0\xb0".to_vec()].map(Cell::Text));
    cells
}

/// Values near a well-formed one: the spellings that a careless condition lets
/// through, or orders wrongly.
pub(in crate::adapters) fn mutated() -> impl Strategy<Value = Cell> {
    let date = (1_999..2_026_i32, 0..14_u32, 0..33_u32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let separator = prop_oneof![Just(" "), Just("T"), Just("t"), Just("")];
    let time =
        (0..26_u32, 0..62_u32, proptest::option::of((0..62_u32, "(\\.[0-9]{0,10})?"))).prop_map(|(h, m, rest)| {
            let rest = rest.map_or(String::new(), |(second, fraction)| format!(":{second:02}{fraction}"));
            format!("{h:02}:{m:02}{rest}")
        });
    let zone = prop_oneof![
        3 => Just(String::new()), 1 => Just("Z".to_owned()), 1 => "[+-][01][0-9]", 1 => "[+-][01][0-9]:?[0-6][0-9]",
    ];
    let stamp =
        (date.clone(), separator, time, zone).prop_map(|(date, by, time, zone)| format!("{date}{by}{time}{zone}"));
    let compact = date.clone().prop_map(|date| date.replace('-', ""));
    let clock = (0..26_u32, 0..62_u32, 0..62_u32).prop_map(|(h, m, s)| format!("{h:02}{m:02}{s:02}"));
    let digits = (compact.clone(), clock).prop_map(|(date, clock)| date + &clock);
    let written = prop_oneof![4 => stamp, 2 => date, 2 => compact, 2 => digits];
    let spoiled = (written.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        Cell::Text(bytes)
    });
    let number = written.clone().prop_filter_map("no number", |text| text.parse().ok()).prop_map(Cell::Integer);
    prop_oneof![
        6 => written.prop_map(|text| Cell::Text(text.into_bytes())),
        2 => spoiled,
        1 => number,
        1 => (-62_135_600_000_i64..253_402_310_000).prop_map(Cell::Integer),
        1 => (900_000_000..1_800_000_000_i64).prop_map(Cell::Integer),
        1 => (900_000_000_000..1_800_000_000_000_i64).prop_map(Cell::Integer),
        1 => any::<f64>().prop_map(Cell::Real),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(Cell::Blob),
    ]
}

/// Instants at which bounds are tricky: midnights, fractions, clock changes, and
/// what the values themselves say.
fn bounds(values: &[Reading]) -> Vec<DateTime<Utc>> {
    let mut bounds: Vec<DateTime<Utc>> = [
        "1970-01-01T00:00:00Z",
        "2000-01-01T00:00:00Z",
        "1999-12-31T15:00:00Z",
        "2021-05-27T01:00:00Z",
        "2021-05-27T10:00:00Z",
        "2021-05-27T10:00:00.5Z",
        "2021-05-27T10:00:00.000000001Z",
        "2021-05-27T10:00:30Z",
        "2021-11-07T05:30:00Z",
        "2021-11-07T06:30:00Z",
        "2021-03-14T07:00:00Z",
        "2011-12-30T10:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec();
    for reading in values.iter().step_by(values.len() / 12 + 1) {
        if let Reading::At(at) = reading {
            bounds.extend([*at, just_after(*at), *at - TimeDelta::nanoseconds(1)]);
        }
    }
    bounds
}

/// Asks the engine and the domain about every row of `v`, and compares.
pub(in crate::adapters) async fn agree(bench: &mut impl Bench, event: &FittedEvent<'_>, zone: Tz) {
    let sql = EventSql::new(bench.dialect(), event, "v", zone);
    let cells = bench.cells(&event.columns.names()).await;
    let reader = Reader::new(event, zone);
    let readings: Vec<Reading> = cells.iter().map(|cells| reader.read(cells)).collect();
    let expect = |is: &dyn Fn(&Reading) -> bool| readings.iter().map(is).collect::<Vec<bool>>();
    let said = |wanted: Vec<bool>, found: Vec<bool>, what: &str| {
        for (at, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            assert_eq!(
                wanted, found,
                "{what} of {:?} under {:?} {:?} in {zone}",
                cells[at], event.format, event.columns
            );
        }
    };
    said(expect(&|reading| *reading == Reading::Absent), ask(bench, &cells, sql.absent()).await, "absence");
    said(expect(&|reading| matches!(reading, Reading::At(_))), ask(bench, &cells, sql.well_formed()).await, "form");
    for bound in bounds(&readings) {
        let range = Sql::all([sql.well_formed(), sql.before(bound)]);
        let before = |reading: &Reading| matches!(reading, Reading::At(at) if *at < bound);
        said(expect(&before), ask(bench, &cells, range).await, &format!("before {bound:?}"));
        let from = bound - TimeDelta::days(400);
        let within = |reading: &Reading| matches!(reading, Reading::At(at) if *at >= from && *at < bound);
        let what = format!("400 days of {bound:?}");
        said(expect(&within), ask(bench, &cells, sql.within(from, bound)).await, &format!("within {what}"));
        let outside = ask(bench, &cells, sql.outside(from, bound, true)).await;
        said(expect(&|reading| !within(reading)), outside, &format!("outside {what}"));
    }
    oldest_agrees(bench, &sql, &readings).await;
}

async fn oldest_agrees(bench: &mut impl Bench, sql: &EventSql<'_>, readings: &[Reading]) {
    let mut statement = Sql::new("SELECT 1");
    for oldest in sql.oldest() {
        statement.push(", ").append(oldest);
    }
    statement.push(" FROM v WHERE ").append(sql.well_formed());
    let row = bench.rows(statement).await.remove(0);
    let found = sql.shapes().iter().zip(row.iter().skip(1));
    let found = found.filter_map(|(shape, cell)| sql.read_oldest(*shape, cell)).min();
    let wanted =
        readings.iter().filter_map(|reading| if let Reading::At(at) = reading { Some(*at) } else { None }).min();
    assert_eq!(found, wanted);
}

async fn ask(bench: &mut impl Bench, cells: &[Vec<Cell>], condition: Sql) -> Vec<bool> {
    let mut said = vec![false; cells.len()];
    let mut sql = Sql::new("SELECT v.id FROM v WHERE ");
    sql.append(condition);
    for row in bench.rows(sql).await {
        let Some(Cell::Integer(id)) = row.first() else { panic!("an id is no number") };
        said[usize::try_from(*id).unwrap()] = true;
    }
    said
}
