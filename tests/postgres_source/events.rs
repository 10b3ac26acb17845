//! Event columns: the conditions in SQL and `domain::event::interpret` agree on
//! every value, and what is no instant is an anomaly.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::{prelude::*, test_runner::TestRunner};
use retentiond::{
    domain::{
        census::AnomalyKind,
        deployment::{EventPlace, Events},
        event::{Column, EventColumn, Format, Reading, interpret},
        id::EventName,
        record::Cell,
    },
    ports::Scan,
};

use crate::fixture::{Database, bounds, column, dataset, scope};

/// Column type, format, and values that lie at the edges.
const COLUMNS: &[(&str, Format, &[&str])] = &[
    (
        "date",
        Format::Auto,
        &[
            "2021-11-21",
            "2021-11-22",
            "2000-01-01",
            "1999-12-31",
            "infinity",
            "-infinity",
            "0044-03-15 BC",
            "1969-12-31",
            "10000-01-01",
            "2026-11-22",
            "2026-11-23",
            "0001-01-01",
            "9999-12-31",
        ],
    ),
    (
        "timestamp",
        Format::Auto,
        &[
            "2021-11-21 23:59:59.999999",
            "2021-11-22 00:00:00",
            "infinity",
            "-infinity",
            "0001-12-31 23:00:00 BC",
            "2026-11-22 00:00:00",
            "2026-11-22 00:00:00.000001",
            "1999-12-31 23:59:59.999999",
            "2000-01-01 00:00:00",
            "294276-12-31 00:00:00",
            "1901-01-01 00:00:00",
        ],
    ),
    (
        "timestamptz",
        Format::Auto,
        &[
            "2021-11-21 14:59:59.999999+00",
            "2021-11-21 15:00:00+00",
            "infinity",
            "-infinity",
            "0044-03-15 00:00:00+00 BC",
            "2026-11-21 15:00:00+00",
            "2026-11-21 15:00:00.000001+00",
            "1999-12-31 15:00:00+00",
            "1999-12-31 14:59:59.999999+00",
            "1969-01-01 00:00:00+00",
            "10000-01-01 00:00:00+00",
        ],
    ),
    (
        "text",
        Format::Date,
        &[
            "2021-11-21",
            "2021-11-22",
            "2021-02-29",
            "2020-02-29",
            "1900-02-29",
            "2000-02-29",
            "0000-01-01",
            "2021-1-1",
            "",
            " 2021-01-01",
            "2021-01-01 ",
            "２０２１-01-01",
            "2021-04-31",
            "2021-13-01",
            "2021-00-10",
            "2021-01-00",
        ],
    ),
    (
        "text",
        Format::Timestamp,
        &[
            "2021-11-21 23:59",
            "2021-11-21T23:59:59.999999999",
            "2021-11-22 00:00:00",
            "2021-11-22T00:00",
            "2021-11-21 24:00:00",
            "2021-11-21 23:60",
            "2021-11-21 23:59:60",
            "2021-11-21",
            "2021-11-21 9:00",
            "2021-11-21 09:00:00.",
            "2021-11-21 09:00:00.1234567890",
            "2021-11-21\t09:00",
        ],
    ),
    (
        "varchar(60)",
        Format::TimestampTz,
        &[
            "2021-11-21 14:59:59.999999999Z",
            "2021-11-21T15:00:00Z",
            "2021-11-22 00:00:00+09:00",
            "2021-11-21 23:59:59.9+0900",
            "2021-11-21 23:59+09",
            "2021-11-21 23:59",
            "2021-11-21 23:59+15",
            "2021-11-21 23:59+14:60",
            "2021-11-22 05:29:59-09:30",
            "0001-01-01 00:00+14",
            "9999-12-31 23:59:59-14:59",
            "2021-11-21 23:59z",
        ],
    ),
    (
        "text",
        Format::YyyyMmDd,
        &["20211121", "20211122", "20210229", "00000101", "2021112", "202111210", "2021112x", ""],
    ),
    (
        "text",
        Format::Iso8601,
        &[
            "2021-11-21",
            "2021-11-21 23:59",
            "2021-11-21T14:59:59Z",
            "2021-11-21T15:00:00Z",
            "20211121",
            "2021-11-21Z",
            "",
        ],
    ),
    ("char(12)", Format::Date, &["2021-11-21", "2021-11-2100"]),
    ("char(8)", Format::YyyyMmDd, &["20211121", "2021112"]),
    ("citext", Format::Timestamp, &["2021-11-21T23:59", "2021-11-21t23:59"]),
    (
        "bigint",
        Format::EpochSeconds,
        &[
            "1637506799",
            "1637506800",
            "0",
            "-1",
            "-62135596800",
            "-62135596801",
            "253402300799",
            "253402300800",
            "9223372036854775807",
            "-9223372036854775808",
            "1795186800",
            "1795186801",
        ],
    ),
    ("int", Format::EpochSeconds, &["1637506799", "1637506800", "2147483647", "-2147483648"]),
    ("bigint", Format::EpochMillis, &["1637506799999", "1637506800000", "253402300799999", "253402300800000"]),
    (
        "int",
        Format::YyyyMmDd,
        &["20211121", "20211122", "20210229", "0", "-20211121", "99991231", "100000101", "10000101", "9991231"],
    ),
    ("domained", Format::Auto, &["2021-11-21", "2021-11-22", "infinity"]),
];

/// What the domain says of one value, as the census would count it.
fn expected(
    values: &[Option<&str>],
    declared: &str,
    format: Format,
    absent: &[String],
) -> (u64, BTreeMap<AnomalyKind, u64>, Option<DateTime<Utc>>) {
    let bounds = bounds();
    let (mut rows, mut anomalies, mut oldest) = (0, BTreeMap::new(), None);
    for value in values {
        let cell = match (value, declared) {
            (None, _) => Cell::Null,
            (Some(text), "bigint" | "int") => Cell::Integer(text.parse().unwrap()),
            (Some(text), "char(12)") => Cell::Text(format!("{text:<12}").into_bytes()),
            (Some(text), "char(8)") => Cell::Text(format!("{text:<8}").into_bytes()),
            (Some(text), _) => Cell::Text(text.as_bytes().to_vec()),
        };
        let kind = match interpret(&cell, format, chrono_tz::Asia::Seoul, absent) {
            Reading::Absent => AnomalyKind::Missing,
            Reading::Malformed => AnomalyKind::Malformed,
            Reading::At(at) if at < bounds.not_before => AnomalyKind::Ancient,
            Reading::At(at) if at > bounds.now => AnomalyKind::Future,
            Reading::At(at) => {
                if at < bounds.due_before {
                    rows += 1;
                    oldest = Some(oldest.map_or(at, |known: DateTime<Utc>| known.min(at)));
                }
                continue;
            }
        };
        *anomalies.entry(kind).or_default() += 1;
    }
    (rows, anomalies, oldest)
}

fn resolved(declared: &str, format: Format) -> Format {
    match (format, declared) {
        (Format::Auto, "date" | "domained") => Format::Date,
        (Format::Auto, "timestamp") => Format::Timestamp,
        (Format::Auto, _) => Format::TimestampTz,
        (format, _) => format,
    }
}

async fn agree(
    database: &Database<'_>,
    table: &str,
    declared: &str,
    format: Format,
    values: &[Option<&str>],
    absent: &[String],
) {
    let literals = values.iter().enumerate().map(|(id, value)| {
        let value = value.map_or("NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")));
        format!("({id}, {value})")
    });
    let literals = literals.collect::<Vec<_>>().join(", ");
    database.raw.run(&format!(
        "SET TimeZone = 'UTC'; CREATE TABLE {table} (id int PRIMARY KEY, at {declared}); INSERT INTO {table} VALUES {literals}"
    ));
    let mut counted = dataset(table, &["id"]);
    let event_column = EventColumn { absent: absent.to_vec(), ..column("at", format) };
    counted.events = Events::from([("recorded".into(), EventPlace::Own(event_column))]);
    let event = EventName::from("recorded");
    let census = database.scan().await.census(&counted, &scope(&event, &[], &[])).await.unwrap();
    let (rows, anomalies, oldest) = expected(values, declared, resolved(declared, format), absent);
    let found: BTreeMap<AnomalyKind, u64> =
        census.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.rows)).collect();
    assert_eq!(
        (census.rows, &found, census.oldest),
        (rows, &anomalies, oldest),
        "{table} {declared} {format:?} {values:?}"
    );
    assert_eq!(census.table_rows, values.len() as u64);
}

#[tokio::test]
async fn conditions_agree_with_the_values_at_every_edge() {
    let database = Database::new("CREATE EXTENSION citext; CREATE DOMAIN domained AS date");
    for (number, (declared, format, values)) in COLUMNS.iter().enumerate() {
        let mut values: Vec<Option<&str>> = values.iter().copied().map(Some).collect();
        values.push(None);
        agree(&database, &format!("t{number}"), declared, *format, &values, &[]).await;
        // Each value by itself, so that no two errors make up for each other.
        for (position, value) in values.iter().enumerate() {
            agree(&database, &format!("t{number}_{position}"), declared, *format, &[*value], &[]).await;
        }
    }
}

#[tokio::test]
async fn absent_values_are_no_events() {
    let database = Database::new("");
    let absent = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let cases: [(&str, Format, &[&str], Vec<String>); 4] = [
        ("timestamptz", Format::Auto, &["infinity", "2020-01-01 00:00:00+00"], absent(&["infinity"])),
        ("date", Format::Auto, &["9999-12-31", "2020-01-01"], absent(&["9999-12-31", "x'; --"])),
        ("text", Format::YyyyMmDd, &["", "00000000", "20200101", "20200102"], absent(&["", "00000000", "20200102"])),
        ("bigint", Format::EpochSeconds, &["0", "1577836800"], absent(&["0"])),
    ];
    for (number, (declared, format, values, absent)) in cases.into_iter().enumerate() {
        let values: Vec<Option<&str>> = values.iter().copied().map(Some).chain([None]).collect();
        agree(&database, &format!("a{number}"), declared, format, &values, &absent).await;
    }
}

#[test]
fn conditions_agree_with_texts_that_almost_are_instants() {
    let digit = || prop_oneof![Just('0'), Just('1'), Just('2'), Just('3'), Just('5'), Just('9')];
    let part = move |len: usize| {
        proptest::collection::vec(digit(), len).prop_map(|digits| digits.into_iter().collect::<String>())
    };
    let date = (part(4), part(2), part(2)).prop_map(|(y, m, d)| format!("{y}-{m}-{d}"));
    let time = (
        prop_oneof![Just(" "), Just("T")],
        part(2),
        part(2),
        proptest::option::of(part(2)),
        proptest::option::of(part(4)),
    )
        .prop_map(|(sep, h, m, s, f)| {
            let seconds = s.map_or(String::new(), |s| format!(":{s}{}", f.map_or(String::new(), |f| format!(".{f}"))));
            format!("{sep}{h}:{m}{seconds}")
        });
    let distance = prop_oneof![
        Just(String::new()),
        Just("Z".to_owned()),
        (prop_oneof![Just("+"), Just("-")], part(2), proptest::option::of(part(2)), any::<bool>()).prop_map(
            |(sign, h, m, colon)| {
                format!("{sign}{h}{}", m.map_or(String::new(), |m| format!("{}{m}", if colon { ":" } else { "" })))
            }
        )
    ];
    let text = (date, proptest::option::of(time), distance)
        .prop_map(|(date, time, distance)| format!("{date}{}{distance}", time.unwrap_or_default()));
    let strategy = proptest::collection::vec(text, 60);
    let database = Database::new("");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() });
    let mut number = 0;
    let number = std::cell::RefCell::new(&mut number);
    runner
        .run(&strategy, |texts| {
            for format in [Format::Date, Format::Timestamp, Format::TimestampTz, Format::Iso8601] {
                let values: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
                **number.borrow_mut() += 1;
                let table = format!("p{}", **number.borrow());
                runtime.block_on(agree(&database, &table, "text", format, &values, &[]));
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_date_and_a_time_make_one_instant() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, d date, h time);
         INSERT INTO t VALUES (1, '2021-11-21', '23:59:59.999999'), (2, '2021-11-22', '00:00'), (3, NULL, '10:00'),
           (4, '2020-01-01', NULL), (5, '2020-01-01', '24:00'), (6, 'infinity', '10:00')",
    );
    let mut paired = dataset("t", &["id"]);
    let pair = Column::DateAndTime { date: "d".to_owned(), time: "h".to_owned() };
    let event_column = EventColumn { column: pair, ..column("d", Format::Auto) };
    paired.events = Events::from([("recorded".into(), EventPlace::Own(event_column))]);
    let event = EventName::from("recorded");
    let census = database.scan().await.census(&paired, &scope(&event, &[], &[])).await.unwrap();
    let found: BTreeMap<AnomalyKind, u64> =
        census.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.rows)).collect();
    assert_eq!(census.rows, 1);
    assert_eq!(found, BTreeMap::from([(AnomalyKind::Missing, 1), (AnomalyKind::Malformed, 3)]));
}
