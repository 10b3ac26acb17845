//! What real schemas hold: times that are no times, links that nobody declared,
//! rows that point at nothing, views, text of every kind.
//!
//! Where each thing that real schemas hold is a scenario; names without a folder
//! are of this suite.
//!
//! | what they hold | scenario |
//! |---|---|
//! | keys of text, UUIDs, several columns | `keys::textual_keys_whatever_they_say`, `keys::keys_and_links_of_several_columns` |
//! | children of a unique key that is not the primary one | `keys::children_of_a_unique_key_that_is_not_the_primary_one` |
//! | no event, or one that lies in the future | `traps::instants_in_columns_of_their_own_type` |
//! | instants written in any zone, naive ones | `schemas::an_instant_is_one_in_whatever_zone_it_was_written`, `traps::texts_with_and_without_a_zone` |
//! | links that nobody declared: kind and number, texts, a mail address | `traps::links_that_nobody_declared` |
//! | a second copy in a table of snapshots | `schemas::a_second_copy_leaves_with_the_record_once_it_is_declared`; one that nobody declared is found by value: `flows/residue.rs` |
//! | keys that restrict: a short rule over rows of a long one | `waiting::at_a_withdrawal_orders_move_first_and_the_member_after_them`, `edges::uncovered_keys_are_refused_with_the_edge_to_add` |
//! | no key, and twins | `keys::twins_are_told_apart_or_their_table_is_refused` |
//! | tables that point at themselves | `edges::rows_of_one_table_lose_their_link_to_those_that_move`, `edges::what_several_records_share_comes_back_with_all_of_them` |
//! | enumerations, sets, domains | `schemas::a_choice_narrows_and_comes_back_as_the_same_choice`, the types of `postgres_source` and `mariadb_source` |
//! | cascades to tables that nobody listed, links that are set to NULL | `edges::uncovered_keys_are_refused_with_the_edge_to_add`, `edges::a_link_is_cut_sealed_and_restored` |
//! | eight and fourteen digits, seconds, milliseconds, two columns | `traps::dates_of_eight_characters`, `schemas::times_of_fourteen_digits`, `traps::seconds_and_milliseconds_since_1970`, `traps::a_date_and_a_time_in_two_columns` |
//! | numbers that sort below texts | `schemas::a_number_among_texts_is_reported_and_never_due` |
//! | a record that points at what is its own, or shared | `edges::a_reference_goes_with_the_last_row_that_points_at_it` |
//! | marks of deletion, a status against the date | `schemas::a_row_that_is_marked_as_deleted_is_due_like_any_other`, `traps::a_status_that_contradicts_the_date_is_the_operators_to_say` |
//! | views, materialised views, virtual tables | `traps::views_are_refused_and_what_is_missing_is_named`, `postgres_source/inspection.rs`, `sqlite_source/inspection.rs` |
//! | partitions, keys that only they have | `schemas::keys_that_only_partitions_have_leave_no_orphan`, `postgres_source/bytes.rs`, `mariadb_source/types.rs` |
//! | triggers | `schemas::triggers_are_named_and_run` |
//! | dates that stand for none | `schemas::dates_that_stand_for_none_are_never_due` |
//! | keys that are checked at the commit | `postgres_source/failures.rs`, `sqlite_source/failures.rs` |
//! | rows with two parents | `traps::a_row_with_two_parents_is_archived_and_counted_once` |
//! | a due row that a kept one uses | `traps::a_due_row_that_a_kept_row_uses_waits` |
//! | tables without transactions | all of `on_myisam`, `mariadb_source/weak.rs` |
//! | reserved names, one name in two schemas, one column with two meanings | `keys::names_that_need_quotation_marks`, `schemas::tables_of_one_name_in_two_schemas_are_told_apart`, `traps::links_that_nobody_declared` |
//! | collations to which other texts are the same | `keys::keys_that_the_engine_takes_for_the_same` |
//! | texts that are taken for something else | `schemas::texts_that_are_taken_for_something_else_come_back`, `traps::text_of_every_kind_comes_back_as_it_was` |
//! | rows that the application holds | all of `locked` |

use retentiond::{
    domain::{
        census::AnomalyKind,
        deployment::{Dataset, Edge, EventPlace, Events},
        event::{Column, EventColumn, Format},
        id::EventName,
    },
    ports::Scan,
};

use super::{
    engine::Database,
    fixture::{child, dataset, move_all, scope, through},
    steps::{census, errors, event, move_due, put_back},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

fn written(table: &str, column: Column, format: Format, absent: &[&str]) -> Dataset {
    let absent = absent.iter().map(|value| (*value).to_owned()).collect();
    let mut written = dataset(table, &["id"]);
    written.events =
        Events::from([("recorded".into(), EventPlace::Own(EventColumn { column, format, zone: None, absent }))]);
    written
}

fn one(name: &str) -> Column {
    Column::One(name.to_owned())
}

/// Counts anomalies by kind, then moves, and compares what is left.
async fn sorted<D: Database>(database: &D, dataset: &Dataset, moves: &[&str], anomalies: &[(AnomalyKind, u64)]) {
    assert_eq!(errors(database, dataset).await, "");
    let counted = census(database, dataset).await;
    let mut found: Vec<(AnomalyKind, u64)> = counted.anomalies.iter().map(|one| (one.kind, one.rows)).collect();
    found.sort();
    assert_eq!(found, anomalies, "{:?}", dataset.events);
    assert_eq!(counted.rows, moves.len() as u64, "{:?}", dataset.events);
    assert_eq!(move_due(database, dataset, 3).await.keys(), moves);
}

pub async fn instants_in_columns_of_their_own_type<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO t VALUES (1, '2020-01-01 00:00:00'), (2, NULL), (3, '2099-01-01 00:00:00'), (4, '1066-10-14 09:00:00'),
            (5, '2021-11-21 23:59:59'), (6, '2021-11-22 00:00:00'), (7, '9999-12-31 00:00:00')",
    )
    .await;
    // Due are events before midnight of 22 November 2021 in Seoul.
    let expected = [(AnomalyKind::Missing, 1), (AnomalyKind::Ancient, 1), (AnomalyKind::Future, 2)];
    sorted(&database, &dataset("t", &["id"]), &["1", "5"], &expected).await;
}

pub async fn dates_of_eight_characters<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, leave_date VARCHAR(20));
         INSERT INTO t VALUES (1, '20200101'), (2, ''), (3, '00000000'), (4, '20210230'), (5, '2020-01-01'), (6, '20991231'),
            (7, NULL), (8, '20260101'), (9, '2020010x'), (10, '00010101'), (11, '20211121'), (12, '20211122'), (13, ' 20200101')",
    )
    .await;
    let t = written("t", one("leave_date"), Format::YyyyMmDd, &["", "00000000"]);
    let expected =
        [(AnomalyKind::Missing, 3), (AnomalyKind::Malformed, 4), (AnomalyKind::Ancient, 1), (AnomalyKind::Future, 1)];
    sorted(&database, &t, &["1", "11"], &expected).await;
}

pub async fn seconds_and_milliseconds_since_1970<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s BIGINT, ms BIGINT);
         INSERT INTO t VALUES (1, 1577836800, 1577836800000), (2, NULL, NULL), (3, 0, 0), (4, 4070908800, 4070908800000),
            (5, 1767225600, 1767225600000), (6, -1, -1), (7, 1637506799, 1637506799999), (8, 1637506800, 1637506800000)",
    )
    .await;
    let expected = [(AnomalyKind::Missing, 2), (AnomalyKind::Ancient, 1), (AnomalyKind::Future, 1)];
    for (column, format) in [("s", Format::EpochSeconds), ("ms", Format::EpochMillis)] {
        let t = written("t", one(column), format, &["0"]);
        let counted = census(&database, &t).await;
        assert_eq!(counted.rows, 2, "{column}");
        let mut found: Vec<(AnomalyKind, u64)> = counted.anomalies.iter().map(|one| (one.kind, one.rows)).collect();
        found.sort();
        assert_eq!(found, expected, "{column}");
    }
    sorted(&database, &written("t", one("ms"), Format::EpochMillis, &["0"]), &["1", "7"], &expected).await;
}

pub async fn texts_with_and_without_a_zone<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at VARCHAR(40));
         INSERT INTO t VALUES (1, '2020-01-01'), (2, '2020-01-01 10:00'), (3, '2020-01-01T10:00:00.5'), (4, '2020-01-01T10:00:00Z'),
            (5, '2021-11-21T23:59:59+09:00'), (6, '2021-11-22T00:00:00+09:00'), (7, '2021-11-21T15:30:00+00:30'),
            (8, '2021-11-21T15:29:59+00:30'), (9, 'soon'), (10, '2020-13-01'), (11, ''), (12, '2020-01-01 25:00'), (13, 'infinity')",
    )
    .await;
    let t = written("t", one("at"), Format::Iso8601, &[""]);
    let expected = [(AnomalyKind::Missing, 1), (AnomalyKind::Malformed, 4)];
    sorted(&database, &t, &["1", "2", "3", "4", "5", "8"], &expected).await;
}

pub async fn a_date_and_a_time_in_two_columns<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d VARCHAR(10), h VARCHAR(8));
         INSERT INTO t VALUES (1, '2020-01-01', '10:00:00'), (2, '2021-11-21', '23:59:59'), (3, '2021-11-22', '00:00:00'),
            (4, '0000-00-00', '00:00:00'), (5, '2020-01-01', NULL), (6, NULL, '10:00:00'), (7, '2020-01-01', 'noon')",
    )
    .await;
    let pair = Column::DateAndTime { date: "d".to_owned(), time: "h".to_owned() };
    let t = written("t", pair, Format::Auto, &["0000-00-00"]);
    sorted(&database, &t, &["1", "2"], &[(AnomalyKind::Missing, 2), (AnomalyKind::Malformed, 2)]).await;
}

pub async fn an_event_of_a_parent_that_is_not_there_is_an_orphan<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME);
         CREATE TABLE marks (id INTEGER PRIMARY KEY, order_id INTEGER, word VARCHAR(9));
         INSERT INTO orders VALUES (1, {OLD}), (2, {YOUNG}), (3, NULL);
         INSERT INTO marks VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 3, 'd'), (6, 99, 'e'), (7, NULL, 'f')"
    ))
    .await;
    let mut marks = dataset("marks", &["id"]);
    marks.events = Events::from([("recorded".into(), through("orders", &[("order_id", "id")], "at"))]);
    sorted(&database, &marks, &["1", "2"], &[(AnomalyKind::Missing, 2), (AnomalyKind::Orphan, 1)]).await;
}

pub async fn a_status_that_contradicts_the_date_is_the_operators_to_say<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, at DATETIME, status VARCHAR(9));
         INSERT INTO users VALUES (1, {OLD}, 'gone'), (2, {OLD}, 'active'), (3, {OLD}, NULL), (4, {YOUNG}, 'gone'), (5, NULL, 'gone')"
    ))
    .await;
    let mut users = dataset("users", &["id"]);
    users.condition = Some("status = 'gone'".to_owned());
    sorted(&database, &users, &["1"], &[(AnomalyKind::Missing, 1)]).await;
    assert_eq!(database.ask("SELECT id FROM users ORDER BY id").await, ["2", "3", "4", "5"]);
}

pub async fn links_that_nobody_declared<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, mail VARCHAR(40));
         CREATE TABLE notes (id INTEGER PRIMARY KEY, subject_type VARCHAR(20), subject_id VARCHAR(20));
         CREATE TABLE letters (id INTEGER PRIMARY KEY, address VARCHAR(40));
         INSERT INTO orders VALUES (1, {OLD}, 'a@b.c'), (2, {YOUNG}, 'd@e.f'), (10, {YOUNG}, NULL);
         INSERT INTO notes VALUES (1, 'order', '1'), (2, 'member', '1'), (3, 'order', '2'), (4, 'order', NULL), (5, 'order', '10'),
            (6, 'order', 'one');
         INSERT INTO letters VALUES (1, 'a@b.c'), (2, 'd@e.f'), (3, NULL)"
    ))
    .await;
    let mut orders = dataset("orders", &["id"]);
    let mut notes = child("notes", "orders", &[("subject_id", "id")], Edge::Own);
    notes.condition = Some("subject_type = 'order'".to_owned());
    orders.children = vec![notes, child("letters", "orders", &[("address", "mail")], Edge::Own)];
    let tables = ["orders", "notes", "letters"];
    let before = database.dump(&tables).await;
    assert_eq!(errors(&database, &orders).await, "");
    let counted = census(&database, &orders).await;
    assert_eq!((counted.rows, counted.children["notes"], counted.children["letters"]), (1, 1, 1));
    let moved = move_due(&database, &orders, 10).await;
    assert_eq!(moved.counts(), [1, 1, 1]);
    put_back(&database, &orders, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&tables).await, before);
}

pub async fn a_row_with_two_parents_is_archived_and_counted_once<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME);
         CREATE TABLE line (id INTEGER PRIMARY KEY, o_id INTEGER, FOREIGN KEY (o_id) REFERENCES orders (id));
         CREATE TABLE parcel (id INTEGER PRIMARY KEY, o_id INTEGER, FOREIGN KEY (o_id) REFERENCES orders (id));
         CREATE TABLE quantity (id INTEGER PRIMARY KEY, line_id INTEGER, parcel_id INTEGER,
            FOREIGN KEY (line_id) REFERENCES line (id), FOREIGN KEY (parcel_id) REFERENCES parcel (id));
         CREATE TABLE mark (id INTEGER PRIMARY KEY, quantity_id INTEGER, FOREIGN KEY (quantity_id) REFERENCES quantity (id));
         INSERT INTO orders VALUES (1, {OLD}), (2, {OLD}), (3, {YOUNG});
         INSERT INTO line VALUES (1, 1), (2, 2), (3, 3); INSERT INTO parcel VALUES (1, 1), (2, 2), (3, 3);
         INSERT INTO quantity VALUES (1, 1, 1), (2, 1, 2), (3, 2, 2), (5, NULL, 2), (6, 3, 3);
         INSERT INTO mark VALUES (1, 1), (2, 2), (3, 3), (5, 5), (6, 6)"
    ))
    .await;
    let mut orders = dataset("orders", &["id"]);
    orders.children = vec![
        child("line", "orders", &[("o_id", "id")], Edge::Own),
        child("quantity", "line", &[("line_id", "id")], Edge::Own),
        child("mark", "quantity", &[("quantity_id", "id")], Edge::Own),
        child("parcel", "orders", &[("o_id", "id")], Edge::Own),
        child("quantity", "parcel", &[("parcel_id", "id")], Edge::Own),
    ];
    let tables = ["orders", "line", "parcel", "quantity", "mark"];
    let before = database.dump(&tables).await;
    assert_eq!(errors(&database, &orders).await, "");
    let counted = census(&database, &orders).await;
    assert_eq!((counted.children["quantity"], counted.children["mark"]), (4, 4));
    // In one batch: rows that two records of different batches share hold nothing back here.
    let moved = move_due(&database, &orders, 10).await;
    let counts = moved.counts();
    assert_eq!((counts[2] + counts[5], counts[3]), (4, 4));
    assert_eq!(database.ask("SELECT id FROM mark").await, ["6"]);
    put_back(&database, &orders, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&tables).await, before);
}

pub async fn views_are_refused_and_what_is_missing_is_named<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(9)); CREATE VIEW v AS SELECT id, at FROM t",
    )
    .await;
    for (name, expected) in [("v", "is a view"), ("nowhere", "does not exist")] {
        let found = errors(&database, &dataset(name, &["id"])).await;
        assert!(found.contains(expected), "{found}");
    }
    let found = errors(&database, &dataset("t", &["no"])).await;
    assert!(found.contains("has no column no") && found.contains("id, at, word"), "{found}");
    let found = errors(&database, &written("t", one("word"), Format::Auto, &[])).await;
    assert!(found.contains("does not follow from the type"), "{found}");
    let mut narrowed = dataset("t", &["id"]);
    narrowed.condition = Some("nothing = 1".to_owned());
    assert!(errors(&database, &narrowed).await.contains("does not compile"));
}

pub async fn text_of_every_kind_comes_back_as_it_was<D: Database>() {
    let texts = [
        "",
        " ",
        "null",
        "NULL",
        "0",
        "홍길동",
        "각",
        "🦀🇰🇷👩‍👩‍👧",
        "שלום עולם",
        "a\u{200b}b\u{feff}",
        "line\r\nbreak\ttab",
        "it''s",
        "100% _under_",
        "2020-01-01",
    ];
    let long = "가".repeat(20_000);
    let rows = texts.into_iter().chain([long.as_str()]).enumerate();
    let rows = rows.map(|(at, text)| format!("({at}, {OLD}, '{text}', {at}.5, NULL)")).collect::<Vec<_>>().join(", ");
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word TEXT, price NUMERIC(20, 6), remark VARCHAR(9));
         INSERT INTO t VALUES {rows}, (-2147483648, {OLD}, 'smallest', -0.000001, ''), (2147483647, {OLD}, 'largest', 99999999999999.999999, 'x')"
    ))
    .await;
    let t = dataset("t", &["id"]);
    let before = database.dump(&["t"]).await;
    let moved = move_due(&database, &t, 5).await;
    assert_eq!(moved.records.len(), texts.len() + 3);
    assert_eq!(database.dump(&["t"]).await, [""; 0]);
    put_back(&database, &t, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&["t"]).await, before);
}

pub async fn a_due_row_that_a_kept_row_uses_waits<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE coupons (id INTEGER PRIMARY KEY, at DATETIME);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, coupon_id INTEGER, FOREIGN KEY (coupon_id) REFERENCES coupons (id));
         INSERT INTO coupons VALUES (1, {OLD}), (2, {OLD}), (3, {OLD});
         INSERT INTO orders VALUES (1, {YOUNG}, 1), (2, {OLD}, 2), (3, {OLD}, NULL)"
    ))
    .await;
    let (mut coupons, orders) = (dataset("coupons", &["id"]), dataset("orders", &["id"]));
    coupons.children = vec![child("orders", "coupons", &[("coupon_id", "id")], Edge::Wait)];
    let event: EventName = event();
    let alone = scope(&event, &[], &[]);
    let all = [(&orders, alone), (&coupons, alone)];
    let scope = scope(&event, &[], &all);
    let counted = database.scan().await.census(&coupons, &scope).await.unwrap();
    assert_eq!((counted.rows, counted.waiting), (2, 1), "2 follows its order, 1 waits for a young one");
    let mut source = database.source().await;
    assert_eq!(move_all(&mut source, &orders, &scope, 10).await.keys(), ["2", "3"]);
    assert_eq!(move_all(&mut source, &coupons, &scope, 10).await.keys(), ["2", "3"]);
}
