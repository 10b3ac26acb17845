//! What is taken is what was there, byte for byte, whatever its key is.

use retentiond::{
    domain::{
        event::{Format, Reading},
        id::EventName,
        record::Cell,
    },
    ports::{Presence, Restoration, Source},
};

use super::fixture::{Database, bounds, child, column, dataset, move_all, scope};
use retentiond::domain::deployment::{Dataset, Edge, EventPlace, Events};

const OLD: &str = "'2020-01-01 00:00:00'";

/// Moves everything out, checks that it is gone, and puts it back.
async fn there_and_back(database: &Database, dataset: &Dataset, rows: &[u64]) {
    let event = EventName::from("recorded");
    let before = database.dump().await;
    for limit in [1, 3, 1000] {
        let mut source = database.source().await;
        let moved = move_all(&mut source, dataset, &scope(&event, &[], &[]), limit).await;
        assert_eq!(moved.counts(), rows);
        assert!(database.dump().await.is_empty());
        let rows = moved.rows();
        let record = Restoration { dataset, tables: &moved.tables, rows, blank: Vec::new() };
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Absent);
        source.put_back(std::slice::from_ref(&record)).await.unwrap();
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
        assert_eq!(database.dump().await, before);
    }
}

#[tokio::test]
async fn every_storage_class_travels_byte_for_byte() {
    let blob = "x'".to_owned() + &"00ff".repeat(1 << 19) + "'";
    let values = [
        "NULL",
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.0",
        "-0.0",
        "1.5",
        "1e308",
        "5e-324",
        "9e999",
        "-9e999",
        "9e999 - 9e999",
        "''",
        "'plain'",
        "'회원 👩‍👩‍👧 e\u{301} \u{202e}rtl\u{200b}'",
        "CAST(x'ff00fe' AS TEXT)",
        "CAST(x'610062' AS TEXT)",
        "CAST(x'c0af' AS TEXT)",
        "'NULL'",
        "'\\N'",
        "'a' || char(13,10,9)",
        "x''",
        "x'00'",
        "x'e284a2'",
        "12345678901234567890",
    ];
    let mut setup =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, any_value, in_text TEXT, in_int INTEGER, in_real REAL, \
         in_blob BLOB, in_date TIMESTAMP, double_it AS (id * 2), stored_it AS (id * 3) STORED);"
            .to_owned();
    for value in values.into_iter().chain([blob.as_str()]) {
        setup += &format!(
            "INSERT INTO t (at, any_value, in_text, in_int, in_real, in_blob, in_date) VALUES ({OLD}, {v}, {v}, {v}, {v}, {v}, {v});",
            v = value
        );
    }
    let database = Database::new(&setup).await;
    assert_eq!(database.ask("SELECT typeof(any_value) FROM t WHERE id = 14").await, "null", "a NaN is NULL");
    there_and_back(&database, &dataset("t", &["id"]), &[28]).await;
}

/// Where the engine holds a column to its type, and where a row has no number.
#[tokio::test]
async fn strict_tables_and_tables_without_a_row_number_keep_every_value() {
    let values = [
        "9223372036854775807, -9223372036854775808, 9e999, CAST(x'610062ff' AS TEXT), x'00', '1'",
        "0, 1, -9e999, '', x'', 1",
        "NULL, NULL, 1, 'x' || char(0), x'ff00', 1.0",
        "NULL, NULL, -0.0, '\u{1112}\u{1161}\u{11ab}', NULL, x'31'",
        "NULL, NULL, 9007199254740993, '1e3', NULL, NULL",
        "NULL, NULL, 5e-324, '12345678901234567890', zeroblob(100000), 9e999",
    ];
    for kind in ["STRICT", "STRICT, WITHOUT ROWID", "WITHOUT ROWID"] {
        let mut setup = format!(
            "CREATE TABLE t (id TEXT NOT NULL, part BLOB NOT NULL, at TEXT, i INT, j INTEGER, r REAL, s TEXT, b BLOB, a ANY,
               made TEXT AS (typeof(a)) STORED, shown INT AS (i / 2), PRIMARY KEY (id, part)) {kind};"
        );
        for (row, value) in values.iter().enumerate() {
            setup += &format!("INSERT INTO t VALUES ('{row}', x'00{row:02x}', {OLD}, {value});");
        }
        let database = Database::new(&setup).await;
        there_and_back(&database, &dataset("t", &["id", "part"]), &[6]).await;
    }
}

#[tokio::test]
async fn text_that_is_not_text_reaches_the_record_as_its_bytes() {
    let setup = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, v, n INTEGER);
         INSERT INTO t VALUES (1, {OLD}, CAST(x'ff00fe' AS TEXT), 'twelve')"
    );
    let database = Database::new(&setup).await;
    let event = EventName::from("recorded");
    let mut narrowed = dataset("t", &["id"]);
    narrowed.subject = Some("v".to_owned());
    let mut source = database.source().await;
    let moved = move_all(&mut source, &narrowed, &scope(&event, &[], &[]), 10).await;
    let cells = &moved.rows()[0].cells;
    assert_eq!(cells[0], Cell::Integer(1));
    assert_eq!(cells[2], Cell::Text(vec![0xff, 0x00, 0xfe]));
    assert_eq!(cells[3], Cell::Text(b"twelve".to_vec()));
    assert_eq!(moved.records[0].key, b"1");
    assert_eq!(moved.records[0].subject.as_deref(), Some(&[0xff, 0x00, 0xfe][..]));
    assert_eq!(moved.records[0].event, Reading::At("2019-12-31T15:00:00Z".parse().unwrap()));
    assert_eq!(moved.tables[0].columns[3].declared, "INTEGER");
}

#[tokio::test]
async fn keys_of_every_kind_find_their_rows() {
    let tables = [
        ("t (id TEXT PRIMARY KEY, at TEXT, v)", "('b', {at}, 1), ('a', {at}, 1), ('A', {at}, 1)", vec!["id"]),
        (
            "t (a, b, at TEXT, PRIMARY KEY (b, a))",
            "(1, 2, {at}), (2, 1, {at}), ('1', 2, {at}), (1.5, 'x', {at})",
            vec!["a", "b"],
        ),
        (
            "t (a TEXT, b INT, at TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID",
            "('x', 1, {at}), ('x', 2, {at}), ('y', 1, {at})",
            vec!["a", "b"],
        ),
        (
            "t (a ANY, at TEXT, PRIMARY KEY (a)) STRICT, WITHOUT ROWID",
            "(1, {at}), ('1', {at}), (x'31', {at}), (1.5, {at})",
            vec!["a"],
        ),
        (
            "t (a TEXT COLLATE NOCASE PRIMARY KEY, at TEXT) WITHOUT ROWID",
            "('x', {at}), ('Y', {at}), ('z', {at})",
            vec!["a"],
        ),
        (
            "t (id INTEGER PRIMARY KEY, rowid TEXT, _rowid_ TEXT, at TEXT)",
            "(1, 'x', 'y', {at}), (7, 'x', 'y', {at}), (9, 1, 7, {at})",
            vec!["id"],
        ),
        ("t (u TEXT NOT NULL UNIQUE, rowid INT, at TEXT)", "('p', 3, {at}), ('q', 2, {at}), ('r', 1, {at})", vec!["u"]),
        (
            "t (record INTEGER PRIMARY KEY, k0 TEXT, e0, driving, at TEXT)",
            "(5, 'x', 1, 2, {at}), (6, 'x', 1, 2, {at}), (8, 1, 1, 1, {at})",
            vec!["record"],
        ),
        (
            "t (r INTEGER PRIMARY KEY DESC, \"batch rows\" TEXT, at TEXT)",
            "(-5, 'x', {at}), (0, 'x', {at}), (8, 1, {at})",
            vec!["r"],
        ),
    ];
    for (declared, rows, key) in tables {
        let rows = rows.replace("{at}", OLD);
        let count = rows.matches(OLD).count() as u64;
        let database = Database::new(&format!("CREATE TABLE {declared}; INSERT INTO t VALUES {rows}")).await;
        there_and_back(&database, &dataset("t", &key), &[count]).await;
    }
}

#[tokio::test]
async fn names_that_need_quoting_are_quoted_everywhere() {
    let database = Database::new(&format!(
        "CREATE TABLE \"Order; \"\"DROP\"\" --\" (\"select\" INTEGER PRIMARY KEY, \"at time\" TEXT, \"Group\" TEXT);
         CREATE TABLE \"where\" (\"from\" INTEGER PRIMARY KEY, \"order by\" REFERENCES \"Order; \"\"DROP\"\" --\" (\"select\"), \"회원\" TEXT);
         CREATE INDEX \"i\"\"\" ON \"where\" (\"order by\");
         INSERT INTO \"Order; \"\"DROP\"\" --\" VALUES (1, {OLD}, 'a'), (2, {OLD}, 'b');
         INSERT INTO \"where\" VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 2, 'z')"
    ))
    .await;
    let mut odd = dataset("order; \"drop\" --", &["SELECT"]);
    odd.events = Events::from([("recorded".into(), EventPlace::Own(column("AT TIME", Format::Timestamp)))]);
    odd.subject = Some("GROUP".to_owned());
    odd.children = vec![child("WHERE", "ORDER; \"drop\" --", &[("Order By", "Select")], Edge::Own)];
    there_and_back(&database, &odd, &[2, 3]).await;
}

#[tokio::test]
async fn tables_without_a_key_keep_their_twins() {
    let database = Database::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT); CREATE TABLE log (t_id, word);
         INSERT INTO t VALUES (1, {OLD}), (2, {OLD});
         INSERT INTO log VALUES (1, 'twin'), (1, 'twin'), (2, 'twin'), (2, NULL), (2, NULL)"
    ))
    .await;
    let mut logged = dataset("t", &["id"]);
    logged.children = vec![child("log", "t", &[("t_id", "id")], Edge::Own)];
    there_and_back(&database, &logged, &[2, 5]).await;
}

#[tokio::test]
async fn the_bounds_of_a_scope_are_exact_to_the_instant() {
    assert_eq!(bounds().due_before.to_rfc3339(), "2021-11-21T15:00:00+00:00");
    let database = Database::new(
        "CREATE TABLE t (id TEXT PRIMARY KEY, at TEXT);
         INSERT INTO t VALUES ('last due', '2021-11-21 23:59:59.999999999'), ('last due with T', '2021-11-21T23:59:59.9'),
           ('first not due', '2021-11-22 00:00:00'), ('first not due short', '2021-11-22 00:00'), ('not due with T', '2021-11-22T00:00:00'),
           ('first allowed', '2000-01-01 00:00'), ('ancient', '1999-12-31 23:59:59.9'), ('ancient with T', '1999-12-31T23:59')",
    )
    .await;
    let event = EventName::from("recorded");
    let moved = move_all(&mut database.source().await, &dataset("t", &["id"]), &scope(&event, &[], &[]), 2).await;
    assert_eq!(moved.keys(), ["first allowed", "last due", "last due with T"]);
}
