//! More of what real schemas hold: dates that stand for none, triggers, choices,
//! copies, tables of one name, instants written in any zone.

use retentiond::{
    domain::{
        census::AnomalyKind,
        deployment::{Dataset, Edge, EventPlace, Events},
        event::{EventColumn, Format},
        record::Cell,
        selection::Cause,
    },
    ports::{Scan, Source},
};

use super::{
    engine::{Application, Database, Zoned},
    fixture::{child, column, dataset, scope},
    postgres::Postgres,
    steps::{census, errors, event, move_due, put_back},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

/// What moves, and that it comes back to the byte.
async fn there_and_back<D: Database>(database: &D, dataset: &Dataset, keys: &[&str]) {
    assert_eq!(errors(database, dataset).await, "");
    let tables = dataset.tables();
    let before = database.dump(&tables).await;
    assert_eq!(census(database, dataset).await.rows, keys.len() as u64);
    let moved = move_due(database, dataset, 2).await;
    assert_eq!(moved.keys(), keys);
    put_back(database, dataset, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&tables).await, before);
}

async fn anomalies<D: Database>(database: &D, dataset: &Dataset) -> Vec<(AnomalyKind, u64)> {
    let counted = census(database, dataset).await;
    let mut found: Vec<(AnomalyKind, u64)> = counted.anomalies.iter().map(|one| (one.kind, one.rows)).collect();
    found.sort();
    found
}

/// Dates that stand for "never" or "not known" are reported, or count as absent
/// where the dataset says so; neither way one of them is due.
pub async fn dates_that_stand_for_none_are_never_due<D: Database>() {
    let (kind, sentinels) = D::SENTINELS;
    let rows: Vec<String> = sentinels.iter().enumerate().map(|(id, (value, _))| format!("({id}, '{value}')")).collect();
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at {kind}); INSERT INTO t VALUES {}, (90, {OLD}), (91, {YOUNG})",
        rows.join(", ")
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    let mut expected: Vec<(AnomalyKind, u64)> = Vec::new();
    for (_, kind) in sentinels {
        match expected.iter_mut().find(|(known, _)| known == kind) {
            Some((_, rows)) => *rows += 1,
            None => expected.push((*kind, 1)),
        }
    }
    expected.sort();
    assert_eq!(anomalies(&database, &t).await, expected);
    let absent = sentinels.iter().map(|(value, _)| (*value).to_owned()).collect();
    t.events =
        Events::from([("recorded".into(), EventPlace::Own(EventColumn { absent, ..column("at", Format::Timestamp) }))]);
    assert_eq!(anomalies(&database, &t).await, [(AnomalyKind::Missing, sentinels.len() as u64)]);
    there_and_back(&database, &t, &["90"]).await;
}

/// A deletion runs the application's triggers; `check` names them.
pub async fn triggers_are_named_and_run<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE tally (n INTEGER); CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO tally VALUES (3);
         INSERT INTO t VALUES (1, {OLD}), (2, {OLD}), (3, {YOUNG}); {}",
        D::TRIGGER
    ))
    .await;
    let t = dataset("t", &["id"]);
    let found = database.scan().await.inspect(&t, &[&t]).await.unwrap();
    let named = found.iter().find(|finding| finding.message.contains("table t has triggers"));
    assert!(named.is_some_and(|finding| !finding.error && finding.message.contains("counts")), "{found:?}");
    assert_eq!(move_due(&database, &t, 10).await.keys(), ["1", "2"]);
    assert_eq!(database.ask("SELECT n FROM tally").await, ["1"], "the trigger ran for each row");
}

/// One of a few words: an enumeration where the engine has one.
pub async fn a_choice_narrows_and_comes_back_as_the_same_choice<D: Database>() {
    let (setup, kind) = D::CHOICE;
    let database = D::new(&format!(
        "{setup} CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, status {kind});
         INSERT INTO t VALUES (1, {OLD}, 'gone'), (2, {OLD}, 'active'), (3, {OLD}, NULL), (4, {YOUNG}, 'gone')"
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    t.condition = Some("status = 'gone'".to_owned());
    there_and_back(&database, &t, &["1"]).await;
    t.condition = None;
    there_and_back(&database, &t, &["1", "2", "3"]).await;
}

/// A mark of deletion deletes nothing: the row is there, and due like any other.
pub async fn a_row_that_is_marked_as_deleted_is_due_like_any_other<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, deleted_at DATETIME);
         INSERT INTO t VALUES (1, {OLD}, {OLD}), (2, {OLD}, NULL), (3, {YOUNG}, {OLD}), (4, NULL, {OLD})"
    ))
    .await;
    let t = dataset("t", &["id"]);
    assert_eq!(anomalies(&database, &t).await, [(AnomalyKind::Missing, 1)]);
    there_and_back(&database, &t, &["1", "2"]).await;
}

/// A second copy in a table of snapshots has no link but the number in words.
pub async fn a_second_copy_leaves_with_the_record_once_it_is_declared<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, no VARCHAR(20) NOT NULL UNIQUE, at DATETIME, who VARCHAR(20));
         CREATE TABLE snapshots (id INTEGER PRIMARY KEY, kind VARCHAR(20), order_no VARCHAR(20), body TEXT);
         INSERT INTO orders VALUES (1, 'A-1', {OLD}, 'kim'), (2, 'A-2', {YOUNG}, 'lee');
         INSERT INTO snapshots VALUES (1, 'order', 'A-1', '[1, [0]]'), (2, 'order', 'A-1', '[2, null]'),
            (3, 'order', 'A-2', '[3]'), (4, 'basket', 'A-1', '[]')"
    ))
    .await;
    let mut orders = dataset("orders", &["id"]);
    let mut copies = child("snapshots", "orders", &[("order_no", "no")], Edge::Own);
    copies.condition = Some("kind = 'order'".to_owned());
    orders.children = vec![copies];
    assert_eq!(census(&database, &orders).await.children["snapshots"], 2);
    there_and_back(&database, &orders, &["1"]).await;
    assert_eq!(move_due(&database, &orders, 10).await.counts(), [1, 2]);
    assert_eq!(database.ask("SELECT id FROM snapshots ORDER BY id").await, ["3", "4"]);
}

/// Texts that a format of rows, a shell or an eye takes for something else.
pub async fn texts_that_are_taken_for_something_else_come_back<D: Database>() {
    let texts = [
        "\\N",
        "\\.",
        "\\",
        "\\\\",
        "\\n",
        "'NULL'",
        "NULL",
        "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
        "한글",
        "\u{202e}\u{5d0}\u{5d1}\u{202c}\u{200f}",
        "a\u{200b}\u{200d}\u{feff}b",
        "\r\n",
        "\u{a0}",
        "trailing ",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "$1 ? :name %s {}",
        "-- ; /* */",
    ];
    let rows: Vec<String> =
        texts.iter().enumerate().map(|(id, text)| format!("({id}, {OLD}, {})", D::literal(text))).collect();
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(80)); INSERT INTO t VALUES {}",
        rows.join(", ")
    ))
    .await;
    let there = database.ask("SELECT count(DISTINCT length(word)) FROM t").await;
    assert_ne!(there, ["1"], "the texts have arrived");
    let t = dataset("t", &["id"]);
    let before = database.dump(&["t"]).await;
    let moved = move_due(&database, &t, 4).await;
    let mut words: Vec<Vec<u8>> = moved.rows().iter().map(|row| bytes(&row.cells[2])).collect();
    let mut expected: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    words.sort();
    expected.sort();
    assert_eq!(words, expected, "neither composed nor decomposed, neither cut nor escaped");
    put_back(&database, &t, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&["t"]).await, before);
}

fn bytes(cell: &Cell) -> Vec<u8> {
    match cell {
        Cell::Text(bytes) => bytes.clone(),
        other => panic!("{other:?} is no text"),
    }
}

/// An instant is one, whatever the session's zone when it was
/// written, and whatever the zone of whoever reads it.
pub async fn an_instant_is_one_in_whatever_zone_it_was_written<D: Zoned>() {
    let database = D::new(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, at {})", D::INSTANT)).await;
    let mut application = database.application().await;
    // Due is what is before 2021-11-21T15:00:00Z.
    let written = [
        ("+09:00", "(1, '2021-11-21 23:59:59'), (2, '2021-11-22 00:00:00')"),
        ("-05:00", "(3, '2021-11-21 09:59:59'), (4, '2021-11-21 10:00:00')"),
        ("+00:00", "(5, '2021-11-21 14:59:59'), (6, '2021-11-21 15:00:00')"),
    ];
    for (zone, rows) in written {
        application.execute(&D::in_zone(zone)).await.unwrap();
        application.execute(&format!("INSERT INTO t VALUES {rows}")).await.unwrap();
    }
    let mut t = dataset("t", &["id"]);
    for format in [Format::Auto, Format::TimestampTz] {
        t.events = Events::from([("recorded".into(), EventPlace::Own(column("at", format)))]);
        there_and_back(&database, &t, &["1", "3", "5"]).await;
    }
}

/// The same number of rows in tables of one name: each dataset has its own.
pub async fn tables_of_one_name_in_two_schemas_are_told_apart() {
    let database = Postgres::new(&format!(
        "CREATE SCHEMA old; CREATE SCHEMA shop;
         CREATE TABLE old.orders (id INTEGER PRIMARY KEY, at TIMESTAMP); CREATE TABLE shop.orders (id INTEGER PRIMARY KEY, at TIMESTAMP);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, at TIMESTAMP);
         CREATE TABLE shop.lines (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES shop.orders (id));
         INSERT INTO old.orders VALUES (1, {OLD}), (2, {YOUNG}); INSERT INTO shop.orders VALUES (1, {YOUNG}), (2, {OLD});
         INSERT INTO orders VALUES (1, {OLD}), (2, {OLD}); INSERT INTO shop.lines VALUES (10, 1), (20, 2)"
    ))
    .await;
    let found = errors(&database, &dataset("shop.orders", &["id"])).await;
    assert!(found.contains("table = \"shop.lines\"") && !found.contains("old."), "{found}");
    let mut orders = dataset("shop.orders", &["id"]);
    orders.children = vec![child("shop.lines", "shop.orders", &[("order_id", "id")], Edge::Own)];
    let moved = move_due(&database, &orders, 10).await;
    assert_eq!((moved.keys(), moved.counts()), (vec!["2".to_owned()], vec![1, 1]));
    put_back(&database, &orders, &moved.tables, moved.rows()).await;
    assert_eq!(move_due(&database, &dataset("old.orders", &["id"]), 10).await.keys(), ["1"]);
    assert_eq!(move_due(&database, &dataset("orders", &["id"]), 10).await.keys(), ["1", "2"]);
    let left = "SELECT 'old', id FROM old.orders UNION ALL SELECT 'shop', id FROM shop.orders ORDER BY 1, 2";
    assert_eq!(database.ask(left).await, ["old,2", "shop,1", "shop,2"]);
}

/// Foreign keys that stand on the partitions only, as they do in real dumps.
pub async fn keys_that_only_partitions_have_leave_no_orphan() {
    let database = Postgres::new(&format!(
        "CREATE TABLE rentals (id INTEGER PRIMARY KEY, at TIMESTAMP);
         CREATE TABLE payments (id INTEGER, rental_id INTEGER, day DATE, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE payments_1 PARTITION OF payments FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE TABLE payments_2 PARTITION OF payments FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         CREATE TABLE payments_3 PARTITION OF payments DEFAULT;
         ALTER TABLE payments_1 ADD FOREIGN KEY (rental_id) REFERENCES rentals;
         ALTER TABLE payments_2 ADD FOREIGN KEY (rental_id) REFERENCES rentals;
         INSERT INTO rentals VALUES (1, {OLD}), (2, {OLD}), (3, {YOUNG});
         INSERT INTO payments VALUES (1, 1, '2020-02-01'), (2, 2, '2021-02-01'), (3, 2, '2024-02-01'), (4, 3, '2020-03-01')"
    ))
    .await;
    let mut rentals = dataset("rentals", &["id"]);
    let found = errors(&database, &rentals).await;
    assert!(found.contains("table = \"payments\""), "the edge to add names the table, not a partition: {found}");
    let event = event();
    let taken = database.source().await.take(&rentals, &scope(&event, &[], &[]), &Cause::Due, 9).await;
    assert!(taken.is_err(), "and until then nothing is taken");
    rentals.children = vec![child("payments", "rentals", &[("rental_id", "id")], Edge::Own)];
    there_and_back(&database, &rentals, &["1", "2"]).await;
    assert_eq!(move_due(&database, &rentals, 1).await.counts(), [2, 3], "the partition without a key too");
    assert_eq!(database.ask("SELECT id FROM payments").await, ["4"]);
}

/// SQLite keeps numbers and texts in one column, and sorts every number first.
pub async fn a_number_among_texts_is_reported_and_never_due<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at); INSERT INTO t VALUES (1, '2020-01-01 00:00:00'), (2, 0), (3, 1577836800),
            (4, 20200101), (5, 1.5), (6, x'323032302d30312d3031'), (7, ''), (8, '2026-01-01 00:00:00'), (9, NULL)",
    )
    .await;
    let mut t = dataset("t", &["id"]);
    assert_eq!(anomalies(&database, &t).await, [(AnomalyKind::Missing, 1), (AnomalyKind::Malformed, 6)]);
    there_and_back(&database, &t, &["1"]).await;
    let seconds = EventColumn { absent: vec!["0".to_owned()], ..column("at", Format::EpochSeconds) };
    t.events = Events::from([("recorded".into(), EventPlace::Own(seconds))]);
    let counted = census(&database, &t).await;
    assert_eq!(counted.rows, 1, "of the same column the seconds, and not the texts");
}

/// A date and a time in fourteen digits; one that is spelled otherwise is reported.
pub async fn times_of_fourteen_digits<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at VARCHAR(20)); INSERT INTO t VALUES (1, '20200101093000'), (2, '20260101093000'), (3, ''),
            (4, '20211121235959'), (5, '20211122000000'), (6, '20200101'), (7, '20200101240000'), (8, '20200230000000'),
            (9, '2020-01-01 09:30'), (10, NULL), (11, '20991231235959'), (12, '00000000000000'), (13, '20200101093000 ')",
    )
    .await;
    let digits = column("at", Format::YyyyMmDdHhMmSs);
    let absent = vec![String::new(), "00000000000000".to_owned()];
    let mut t = dataset("t", &["id"]);
    t.events = Events::from([("recorded".into(), EventPlace::Own(EventColumn { absent, ..digits }))]);
    let expected = [(AnomalyKind::Missing, 3), (AnomalyKind::Malformed, 5), (AnomalyKind::Future, 1)];
    assert_eq!(anomalies(&database, &t).await, expected);
    there_and_back(&database, &t, &["1", "4"]).await;
    // Without its format the column is refused, and the hint names this one.
    t.events = Events::from([("recorded".into(), EventPlace::Own(column("at", Format::Auto)))]);
    let found = errors(&database, &t).await;
    assert_eq!(found.contains("yyyymmddhhmmss"), !found.is_empty(), "{found}");
}
