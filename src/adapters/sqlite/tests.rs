//! Conditions and `domain::event::interpret` must agree on every value: both are
//! asked about thousands of nasty ones, through a real database.

use std::{path::PathBuf, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::{strategy::ValueTree, test_runner::TestRunner};

use super::{
    connection::{Access, Link},
    dialect::SQLITE,
    schema, value,
};
use crate::{
    adapters::sql::{
        Columns, FittedEvent, Holds, Identity, Sql,
        event::{EventSql, just_after, read},
        fit::Place,
    },
    domain::{
        event::{Format, Reading},
        record::Cell,
    },
};

const FORMATS: [Format; 7] = [
    Format::Date,
    Format::Timestamp,
    Format::TimestampTz,
    Format::EpochSeconds,
    Format::EpochMillis,
    Format::YyyyMmDd,
    Format::Iso8601,
];

/// Declared types with each affinity, and one that sorts without regard to case.
const TYPES: [(&str, Holds); 6] = [
    ("TEXT", Holds::Text),
    ("TIMESTAMP", Holds::Number),
    ("INTEGER", Holds::Number),
    ("REAL", Holds::Number),
    ("", Holds::Any),
    ("TEXT COLLATE NOCASE", Holds::Text),
];

fn text(text: &str) -> Cell {
    Cell::Text(text.as_bytes().to_vec())
}

#[rustfmt::skip]
fn nasty() -> Vec<Cell> {
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
        "00000000", "99991231", "10000101", "2021052", "202105270", "2021052\u{661}", "２０２１-05-27", "2021-05-2\u{0667}",
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
fn mutated() -> impl Strategy<Value = Cell> {
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
    let written = prop_oneof![4 => stamp, 2 => date, 2 => compact];
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

struct Bench {
    link: Link,
    _folder: tempfile::TempDir,
}

async fn bench(setup: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("values.db");
    std::fs::File::create(&path).unwrap();
    let mut link = Link::open("bench".into(), &path, Duration::from_secs(1), Access::Write).await.unwrap();
    link.command(setup).await.unwrap();
    Bench { link, _folder: folder }
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

/// Asks SQLite and the domain about every row of `v`, and compares.
async fn agree(link: &mut Link, event: &FittedEvent<'_>, zone: Tz) {
    let sql = EventSql::new(&SQLITE, event, "v", zone);
    let columns = event.columns.names().into_iter().map(|name| format!("v.{name}")).collect::<Vec<_>>();
    let mut cells: Vec<Vec<Cell>> = Vec::new();
    let rows = link.all(Sql::new(format!("SELECT {} FROM v ORDER BY v.id", columns.join(", ")))).await.unwrap();
    for row in &rows {
        cells.push((0..columns.len()).map(|at| value::cell(row, at).unwrap()).collect());
    }
    let readings: Vec<Reading> = cells.iter().map(|cells| read(event, zone, cells)).collect();
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
    said(expect(&|reading| *reading == Reading::Absent), ask(link, sql.absent()).await, "absence");
    said(expect(&|reading| matches!(reading, Reading::At(_))), ask(link, sql.well_formed()).await, "form");
    for bound in bounds(&readings) {
        let range = Sql::all([sql.well_formed(), sql.before(bound)]);
        let before = |reading: &Reading| matches!(reading, Reading::At(at) if *at < bound);
        said(expect(&before), ask(link, range).await, &format!("before {bound:?}"));
        let from = bound - TimeDelta::days(400);
        let within = |reading: &Reading| matches!(reading, Reading::At(at) if *at >= from && *at < bound);
        said(expect(&within), ask(link, sql.within(from, bound)).await, &format!("within 400 days of {bound:?}"));
        said(
            expect(&|reading| !within(reading)),
            ask(link, sql.within(from, bound).negated()).await,
            &format!("outside 400 days of {bound:?}"),
        );
    }
    oldest_agrees(link, &sql, &readings).await;
}

async fn oldest_agrees(link: &mut Link, sql: &EventSql<'_>, readings: &[Reading]) {
    let mut statement = Sql::new("SELECT 1");
    for oldest in sql.oldest() {
        statement.push(", ").append(oldest);
    }
    statement.push(" FROM v WHERE ").append(sql.well_formed());
    let row = link.one(statement).await.unwrap();
    let found = sql.shapes().iter().enumerate();
    let found = found.filter_map(|(at, shape)| sql.read_oldest(*shape, &value::cell(&row, at + 1).unwrap())).min();
    let wanted =
        readings.iter().filter_map(|reading| if let Reading::At(at) = reading { Some(*at) } else { None }).min();
    assert_eq!(found, wanted);
}

async fn ask(link: &mut Link, condition: Sql) -> Vec<bool> {
    let row = link.one(Sql::new("SELECT count(*) FROM v")).await.unwrap();
    let mut said = vec![false; usize::try_from(value::integer(&row, 0).unwrap()).unwrap()];
    let mut sql = Sql::new("SELECT v.id FROM v WHERE ");
    sql.append(condition);
    for row in link.all(sql).await.unwrap() {
        said[usize::try_from(value::integer(&row, 0).unwrap()).unwrap()] = true;
    }
    said
}

async fn fill(link: &mut Link, rows: &[Vec<Cell>]) {
    link.command("BEGIN; DELETE FROM v").await.unwrap();
    for (id, cells) in rows.iter().enumerate() {
        let mut sql = Sql::new("INSERT INTO v VALUES (");
        sql.bind(Cell::Integer(i64::try_from(id).unwrap()));
        for cell in cells {
            sql.push(", ").bind(cell.clone());
        }
        sql.push(")");
        link.execute(sql).await.unwrap();
    }
    link.command("COMMIT").await.unwrap();
}

fn one(format: Format, holds: Holds, absent: &[String]) -> FittedEvent<'_> {
    FittedEvent { place: Place::Own, columns: Columns::One { name: "at", holds }, format, zone: None, absent }
}

async fn agree_on_all(values: &[Cell], zones: &[Tz]) {
    let absent = [
        "",
        "0",
        "1.5",
        "00000000",
        "2021-05-27",
        "1970-01-01",
        "-0.0",
        "0.0",
        "20210527",
        "1622077200",
        "1e20",
        "회원",
    ];
    let absent = absent.map(str::to_owned);
    let rows: Vec<Vec<Cell>> = values.iter().map(|cell| vec![cell.clone()]).collect();
    for (declared, affinity) in TYPES {
        let mut bench =
            bench(&format!("CREATE TABLE v (id INTEGER PRIMARY KEY, at {declared}); CREATE INDEX v_at ON v (at)"))
                .await;
        fill(&mut bench.link, &rows).await;
        for format in FORMATS {
            for zone in zones {
                agree(&mut bench.link, &one(format, affinity, &[]), *zone).await;
            }
            agree(&mut bench.link, &one(format, affinity, &absent), Tz::Asia__Seoul).await;
        }
    }
}

#[tokio::test]
async fn conditions_and_the_domain_agree_on_values_chosen_to_mislead() {
    agree_on_all(&nasty(), &[Tz::Asia__Seoul, Tz::America__New_York, Tz::Pacific__Apia]).await;
}

#[test]
fn conditions_and_the_domain_agree_on_values_near_well_formed_ones() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::default();
    let zones = [Tz::Asia__Seoul, Tz::America__New_York];
    for _ in 0..2 {
        let values = proptest::collection::vec(mutated(), 400).new_tree(&mut runner).unwrap().current();
        runtime.block_on(agree_on_all(&values, &zones));
    }
}

#[tokio::test]
async fn a_date_and_a_time_column_are_read_as_one_value_on_both_sides() {
    let dates = ["2021-05-27", "2021-02-30", "", "0000-00-00", "2021-05-27 10:00", "2021-05-2", "9999-12-31", "회원"];
    let times =
        ["10:00", "10:00:00", "23:59:59.5", "24:00", "", ":30", "10:00Z", "10:00:00+09:00", "10:00\0", "T10:00"];
    let others = [Cell::Null, Cell::Integer(0), Cell::Blob(b"10:00".to_vec()), Cell::Real(1.5)];
    let cells = |texts: &[&str]| texts.iter().map(|one| text(one)).chain(others.clone()).collect::<Vec<_>>();
    let times = cells(&times);
    let rows: Vec<Vec<Cell>> = cells(&dates)
        .into_iter()
        .flat_map(|date| times.iter().map(move |time| vec![date.clone(), time.clone()]))
        .collect();
    let absent = ["0000-00-00".to_owned(), String::new()];
    for declared in ["TEXT", ""] {
        let mut bench = bench(&format!("CREATE TABLE v (id INTEGER PRIMARY KEY, d {declared}, t {declared})")).await;
        fill(&mut bench.link, &rows).await;
        for format in [Format::Timestamp, Format::TimestampTz, Format::Iso8601] {
            for absent in [&absent[..], &[]] {
                let columns = Columns::DateAndTime { date: "d", time: "t" };
                let event = FittedEvent { place: Place::Own, columns, format, zone: None, absent };
                agree(&mut bench.link, &event, Tz::Asia__Seoul).await;
            }
        }
    }
}

/// The plan of a condition, as the engine explains it.
async fn explained(link: &mut Link, condition: Sql) -> String {
    let mut sql = Sql::new("EXPLAIN QUERY PLAN SELECT count(*) FROM v WHERE ");
    sql.append(condition);
    let mut plan = String::new();
    for row in link.all(sql).await.unwrap() {
        plan += &value::text(&row, 3).unwrap();
    }
    plan
}

#[tokio::test]
async fn a_range_of_an_indexed_event_is_found_through_its_index() {
    let (from, until) = ("2000-01-01T00:00:00Z".parse().unwrap(), "2021-05-27T10:00:00Z".parse().unwrap());
    for format in FORMATS {
        let (declared, affinity) = match format {
            Format::EpochSeconds | Format::EpochMillis => ("INTEGER", Holds::Number),
            _ => ("TEXT", Holds::Text),
        };
        let mut bench =
            bench(&format!("CREATE TABLE v (id INTEGER PRIMARY KEY, at {declared}); CREATE INDEX v_at ON v (at)"))
                .await;
        let event = one(format, affinity, &[]);
        let plan =
            explained(&mut bench.link, EventSql::new(&SQLITE, &event, "v", Tz::Asia__Seoul).within(from, until)).await;
        assert!(plan.contains("v_at (at>? AND at<?)"), "{format:?}: {plan}");
    }
}

#[tokio::test]
async fn the_schema_is_read_with_keys_links_and_triggers() {
    let mut bench = bench(
        "CREATE TABLE \"Order\" (\"Id\" TEXT PRIMARY KEY, rowid TEXT, total REAL, twice AS (total * 2));
         CREATE TABLE line (a, b, o REFERENCES \"order\" ON DELETE CASCADE, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE UNIQUE INDEX line_part ON line (o) WHERE a > 0;
         CREATE VIEW w AS SELECT * FROM nowhere;
         CREATE TRIGGER t AFTER DELETE ON line BEGIN SELECT 1; END",
    )
    .await;
    let schema = schema::read(&mut bench.link).await.unwrap().schema;
    let order = schema.table("ORDER").unwrap();
    assert_eq!(order.identity, Identity::System(&["_rowid_"]));
    assert_eq!(order.stored().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["Id", "rowid", "total"]);
    let line = schema.table("line").unwrap();
    assert_eq!(line.identity, Identity::Key(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(line.foreign_keys[0].on, [("o".to_owned(), "Id".to_owned())]);
    assert!(!line.is_unique(&["o"]) && line.is_unique(&["A", "b"]));
    assert_eq!(line.triggers, ["t"]);
    assert_eq!(schema.pointing_at("order").len(), 1);
}

#[tokio::test]
async fn a_scan_cannot_write_neither_to_the_file_nor_to_the_side() {
    let bench =
        bench("CREATE TABLE v (id INTEGER PRIMARY KEY); CREATE INDEX i ON v (id); INSERT INTO v VALUES (1)").await;
    let mut scan = Link::open("bench".into(), &bench.link.path, Duration::from_secs(1), Access::Read).await.unwrap();
    for statement in [
        "DELETE FROM v",
        "CREATE TABLE w (x)",
        "CREATE TEMP TABLE w (x)",
        "PRAGMA query_only = OFF; DELETE FROM v",
        "VACUUM",
        "REINDEX v",
        "PRAGMA user_version = 7",
    ] {
        assert!(scan.command(statement).await.is_err(), "{statement}");
    }
    assert_eq!(scan.pragma_integer("user_version").await.unwrap(), 0);
    assert_eq!(scan.all(Sql::new("SELECT id FROM v")).await.unwrap().len(), 1);
}
