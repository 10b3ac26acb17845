//! A census says what a cycle then really does.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use retentiond::{
    domain::{
        census::{Anomaly, AnomalyKind, Census},
        deployment::{Dataset, Edge, EventPlace, Events},
        event::{Column, EventColumn, Format},
        id::EventName,
        selection::{Cause, Scope},
    },
    ports::{Scan, Source},
};

use super::{
    fixture::{Database, Moved, child, column, dataset, move_all, receipt, scope},
    relations::{SHOP, shop},
};

const OLD: &str = "'2020-01-01 00:00:00'";

fn kinds(census: &Census, event: &str) -> Vec<(AnomalyKind, u64)> {
    let of = |found: &&Anomaly| found.event.as_str() == event;
    let mut kinds: Vec<_> = census.anomalies.iter().filter(of).map(|found| (found.kind, found.rows)).collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn events_that_say_nothing_are_reported_and_never_move() {
    let database = Database::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at);
         INSERT INTO t (at) VALUES ({OLD}), (NULL), (''), ('0000-00-00'), ('0000-00-00 00:00:00'), (0), (20200101), (1577836800),
           (1577836800.5), (x'323032302d30312d30312030303a30303a3030'), ('2027-01-01 00:00:00'), ('9999-01-01 00:00:00'),
           ('1999-12-31 23:59:59'), ('0001-01-01 00:00:00'), ('2020-01-01'), (' 2020-01-01 00:00:00'), ('2021-02-30 00:00:00')"
    ))
    .await;
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    let plain = dataset("t", &["id"]);
    let census = database.scan().await.census(&plain, &scope).await.unwrap();
    assert_eq!(census.rows, 1);
    assert_eq!(
        kinds(&census, "recorded"),
        [(AnomalyKind::Missing, 1), (AnomalyKind::Malformed, 11), (AnomalyKind::Ancient, 2), (AnomalyKind::Future, 2)]
    );
    let moved = move_all(&mut database.source().await, &plain, &scope, 100).await;
    assert_eq!((moved.keys(), database.count("t").await), (vec!["1".to_owned()], 16));

    let mut forgiving = plain.clone();
    let absent = ["", "0000-00-00", "0"].map(str::to_owned).to_vec();
    let own = EventColumn { column: Column::One("at".into()), format: Format::Timestamp, zone: None, absent };
    forgiving.events = Events::from([("recorded".into(), EventPlace::Own(own))]);
    let census = database.scan().await.census(&forgiving, &scope).await.unwrap();
    assert_eq!(kinds(&census, "recorded")[..2], [(AnomalyKind::Missing, 4), (AnomalyKind::Malformed, 8)]);
}

#[tokio::test]
async fn an_event_that_has_not_happened_is_no_anomaly_unless_the_dataset_says_that_it_has() {
    let database = Database::new(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at TEXT, left INT);
         INSERT INTO members VALUES (1, NULL, 0), (2, NULL, 1), (3, '2026-11-01 00:00', 1), (4, '2026-11-02 00:00', 0)",
    )
    .await;
    let (mut members, _) = shop();
    let event = EventName::from("withdrawal");
    let on = [event.clone()];
    let scope = scope(&event, &on, &[]);
    let census = database.scan().await.census(&members, &scope).await.unwrap();
    assert_eq!((census.rows, census.anomalies.len()), (2, 0));
    members.condition = Some("left = 1 OR 0".to_owned());
    let census = database.scan().await.census(&members, &scope).await.unwrap();
    assert_eq!((census.rows, census.table_rows, kinds(&census, "withdrawal")), (1, 4, vec![(AnomalyKind::Missing, 1)]));
    assert_eq!(move_all(&mut database.source().await, &members, &scope, 10).await.keys(), ["3"]);
}

#[tokio::test]
async fn an_event_of_the_parent_may_be_broken_without_stopping_the_period() {
    let database = Database::new(&format!(
        "{SHOP} INSERT INTO members VALUES (1, ''), (2, '2031-01-01 00:00'), (3, '1970-01-01 09:00'), (4, NULL);
         INSERT INTO orders VALUES (10, 1, {OLD}), (11, 1, '2026-01-01 00:00'), (20, 2, {OLD}), (30, 3, {OLD}), (40, 4, {OLD}), (50, 99, {OLD})"
    ))
    .await;
    let (_, orders) = shop();
    let (recorded, on) = (EventName::from("recorded"), [EventName::from("withdrawal")]);
    let scope = scope(&recorded, &on, &[]);
    let census = database.scan().await.census(&orders, &scope).await.unwrap();
    assert_eq!(census.rows, 5);
    assert_eq!(
        kinds(&census, "withdrawal"),
        [(AnomalyKind::Malformed, 2), (AnomalyKind::Ancient, 1), (AnomalyKind::Future, 1), (AnomalyKind::Orphan, 1)]
    );
    assert_eq!(
        move_all(&mut database.source().await, &orders, &scope, 10).await.keys(),
        ["10", "20", "30", "40", "50"]
    );
}

#[tokio::test]
async fn every_format_finds_its_oldest_and_its_overdue_rows() {
    let cases = [
        (Format::Date, "TEXT", "'2019-03-01'", "'2021-11-21'", "'2021-11-22'", "2019-02-28T15:00:00Z"),
        (
            Format::TimestampTz,
            "TEXT",
            "'2019-03-01T01:00+09'",
            "'2021-11-21 14:59:59.5Z'",
            "'2021-11-21 10:00-0500'",
            "2019-02-28T16:00:00Z",
        ),
        (
            Format::Iso8601,
            "TEXT",
            "'2019-03-01T01:00:00.25+0200'",
            "'2021-11-21'",
            "'2021-11-22T00:00'",
            "2019-02-28T23:00:00.25Z",
        ),
        (Format::EpochSeconds, "INTEGER", "1551366000", "1637506799", "1637506800", "2019-02-28T15:00:00Z"),
        (Format::EpochMillis, "INTEGER", "1551366000123", "1637506799999", "1637506800000", "2019-02-28T15:00:00.123Z"),
        (Format::YyyyMmDd, "", "20190301", "'20211121'", "'20211122'", "2019-02-28T15:00:00Z"),
    ];
    for (format, declared, oldest, due, not_due, instant) in cases {
        let database = Database::new(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at {declared}); CREATE INDEX t_at ON t (at);
             INSERT INTO t (at) VALUES ({oldest}), ({due}), ({not_due})"
        ))
        .await;
        let mut formatted = dataset("t", &["id"]);
        formatted.events = Events::from([("recorded".into(), EventPlace::Own(column("at", format)))]);
        let event = EventName::from("recorded");
        let scope = scope(&event, &[], &[]);
        let census = database.scan().await.census(&formatted, &scope).await.unwrap();
        assert_eq!((census.rows, census.overdue, census.anomalies.len()), (2, 1, 0), "{format:?}");
        assert_eq!(census.oldest, Some(instant.parse().unwrap()), "{format:?}");
        assert_eq!(
            move_all(&mut database.source().await, &formatted, &scope, 1).await.keys(),
            ["1", "2"],
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn rows_that_wait_in_front_are_passed_and_not_forgotten() {
    let mut setup =
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at TEXT); CREATE INDEX a_at ON a (at); CREATE TABLE w (a_id);"
            .to_owned();
    for id in 1..=40 {
        setup += &format!("INSERT INTO a VALUES ({id}, '2020-01-{:02} 00:00');", 1 + id / 2);
        if id <= 20 {
            setup += &format!("INSERT INTO w VALUES ({id});");
        }
    }
    let database = Database::new(&setup).await;
    let mut waiting = dataset("a", &["id"]);
    waiting.children = vec![child("w", "a", &[("a_id", "id")], Edge::Wait)];
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let (mut keys, mut batches) = (Vec::new(), 0);
    while let Some(batch) = source.take(&waiting, &scope, &Cause::Due, 3).await.unwrap() {
        batches += 1;
        keys.extend(batch.records.iter().map(|taken| String::from_utf8(taken.key.clone()).unwrap()));
        if batches == 2 {
            // Undone: the same rows come again.
            let last = keys.split_off(keys.len() - 3);
            source.rollback().await.unwrap();
            let again = source.take(&waiting, &scope, &Cause::Due, 3).await.unwrap().unwrap();
            keys.extend(again.records.iter().map(|taken| String::from_utf8(taken.key.clone()).unwrap()));
            assert_eq!(keys[keys.len() - 3..], last);
        }
        source.commit(receipt()).await.unwrap();
        if batches == 4 {
            // Far behind the position two rows are set free, and an early one is new.
            database.run("DELETE FROM w WHERE a_id IN (1, 2); INSERT INTO a VALUES (99, '2019-01-01 00:00')").await;
        }
        assert!(!batch.last || keys.len() == 23, "said to be the last with {} taken", keys.len());
    }
    keys.sort_by_key(|key| key.parse::<u32>().unwrap());
    let expected: Vec<String> = [1, 2].into_iter().chain(21..=40).chain([99]).map(|id: u32| id.to_string()).collect();
    assert_eq!(keys, expected);
}

/// A small shop of nasty rows: members, orders, lines, marks with two parents,
/// and payments that orders wait for.
fn rows() -> impl Strategy<Value = String> {
    let stamp = || {
        prop_oneof![
            3 => Just("'2020-05-05 10:00'"), 2 => Just("'2026-11-20T09:00:00'"), 1 => Just("'2021-11-21 23:59:59.9'"),
            1 => Just("'2021-11-22 00:00'"), 2 => Just("NULL"), 1 => Just("''"), 1 => Just("7"), 1 => Just("'2030-01-01 00:00'"),
            1 => Just("'1980-01-01 00:00'"),
        ]
    };
    let id = || prop_oneof![8 => (1..6_u32).prop_map(|id| id.to_string()), 1 => Just("NULL".to_owned()), 1 => Just("77".to_owned())];
    let list = |row: BoxedStrategy<String>, table: &'static str| {
        proptest::collection::vec(row, 0..7).prop_map(move |rows| {
            let insert = |(at, row): (usize, String)| format!("INSERT INTO {table} VALUES ({}, {row});", at + 1);
            rows.into_iter().enumerate().map(insert).collect::<String>()
        })
    };
    (
        list(stamp().prop_map(str::to_owned).boxed(), "members"),
        list((id(), stamp(), 0..2_u8).prop_map(|(id, at, kind)| format!("{id}, {at}, {kind}")).boxed(), "orders"),
        list(id().boxed(), "lines"),
        list((id(), id()).prop_map(|(one, other)| format!("{one}, {other}")).boxed(), "marks"),
        list((id(), id(), stamp()).prop_map(|(one, other, at)| format!("{one}, {other}, {at}")).boxed(), "payments"),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].concat())
}

fn datasets() -> (Dataset, Dataset, Dataset) {
    let (members, mut orders) = shop();
    orders.condition = Some("kind = 1 AND id <> 6".to_owned());
    orders.children = vec![
        child("lines", "orders", &[("order_id", "id")], Edge::Own),
        child("marks", "lines", &[("line_id", "id")], Edge::Own),
        child("marks", "orders", &[("order_id", "id")], Edge::Own),
        child("payments", "orders", &[("order_id", "id")], Edge::Wait),
    ];
    let mut payments = dataset("payments", &["id"]);
    payments.events = orders.events.clone();
    (members, orders, payments)
}

fn add(total: &mut Vec<u64>, moved: &Moved) {
    *total = if moved.tables.is_empty() { total.clone() } else { moved.counts() };
}

/// Plans all three, runs all three in the order of a cycle, and compares.
async fn plan_and_cycle(rows: &str) {
    let database = Database::new(&format!(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at TEXT);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, member_id INT, at TEXT, kind INT);
         CREATE TABLE lines (id INTEGER PRIMARY KEY, order_id INT);
         CREATE TABLE marks (id INTEGER PRIMARY KEY, line_id INT, order_id INT);
         CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id INT, member_id INT, at TEXT); {rows}"
    ))
    .await;
    let (members, orders, payments) = datasets();
    let (withdrawal, recorded) = (EventName::from("withdrawal"), EventName::from("recorded"));
    let on = [withdrawal.clone()];
    let (plain, of_members) = (scope(&recorded, &on, &[]), scope(&withdrawal, &on, &[]));
    let all = [(&payments, plain), (&orders, plain), (&members, of_members)];
    let plain = Scope { others: &all, ..plain };
    let of_members = Scope { others: &all, ..of_members };
    let mut scan = database.scan().await;
    let mut planned = Vec::new();
    for (dataset, scope) in [(&payments, &plain), (&orders, &plain), (&members, &of_members)] {
        planned.push((dataset, scope, scan.census(dataset, scope).await.unwrap()));
    }
    let before = database.dump().await.len() as u64;
    let (mut source, mut taken) = (database.source().await, 0);
    for (dataset, scope, census) in planned {
        let moved = move_all(&mut source, dataset, scope, 2).await;
        let mut counts = vec![0; dataset.tables().len()];
        add(&mut counts, &moved);
        assert_eq!(counts[0], census.rows, "{} of {rows}", dataset.table);
        for (table, planned) in &census.children {
            let numbers = dataset.tables().into_iter().zip(&counts).skip(1).filter(|(name, _)| name == table);
            assert_eq!(numbers.map(|(_, rows)| rows).sum::<u64>(), *planned, "{table} of {rows}");
        }
        let left = database.scan().await.census(dataset, scope).await.unwrap();
        assert_eq!((left.rows, left.waiting), (0, census.waiting), "left of {} of {rows}", dataset.table);
        assert!(census.overdue <= census.rows && census.oldest.is_some() == (census.rows > 0));
        taken += counts.iter().sum::<u64>();
    }
    assert_eq!(database.dump().await.len() as u64 + taken, before, "of {rows}");
}

#[test]
fn a_census_says_what_a_cycle_then_takes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::default();
    for _ in 0..60 {
        let rows = rows().new_tree(&mut runner).unwrap().current();
        runtime.block_on(plan_and_cycle(&rows));
    }
}
