//! Rows come back as they were, all of them or none.

use retentiond::{
    domain::{
        deployment::{Dataset, EventPlace, Events},
        event::{Column, EventColumn, Format},
        id::EventName,
        record::{Cell, Row},
        segment,
        selection::Scope,
    },
    ports::{Presence, Restoration, Source, SourceError},
};

use super::{
    fixture::{Database, dataset, move_all, scope},
    relations::{SHOP, shop},
};

struct Left {
    members: (Vec<segment::Table>, Vec<Row>),
    orders: (Vec<segment::Table>, Vec<Row>),
}

/// A shop out of which a member and his orders have moved.
async fn member_left() -> (Database, Vec<String>, Left) {
    let database = Database::new(&format!(
        "{SHOP} INSERT INTO members VALUES (1, '2026-11-20 10:00'), (2, NULL);
         INSERT INTO orders VALUES (10, 1, '2026-01-01 00:00'), (11, 1, '2020-01-01 00:00'), (20, 2, '2026-01-01 00:00')"
    ))
    .await;
    let before = database.dump().await;
    let (members, orders) = shop();
    let (withdrawal, recorded) = (EventName::from("withdrawal"), EventName::from("recorded"));
    let on = [withdrawal.clone()];
    let others = [(&orders, scope(&recorded, &on, &[]))];
    let mut source = database.source().await;
    let of_orders = move_all(&mut source, &orders, &others[0].1, 10).await;
    let of_members =
        move_all(&mut source, &members, &Scope { others: &others, ..scope(&withdrawal, &on, &[]) }, 10).await;
    let left = Left {
        members: (of_members.tables.clone(), of_members.rows()),
        orders: (of_orders.tables.clone(), of_orders.rows()),
    };
    (database, before, left)
}

fn record<'a>(dataset: &'a Dataset, of: &'a (Vec<segment::Table>, Vec<Row>)) -> Restoration<'a> {
    Restoration { dataset, tables: &of.0, rows: of.1.clone(), blank: Vec::new() }
}

#[tokio::test]
async fn a_member_and_his_orders_come_back_in_one_transaction() {
    let (database, before, left) = member_left().await;
    let (members, orders) = shop();
    let mut source = database.source().await;
    source.put_back(&[record(&members, &left.members), record(&orders, &left.orders)]).await.unwrap();
    assert_eq!(database.dump().await, before);
}

#[tokio::test]
async fn the_withdrawal_that_is_undone_goes_back_to_its_absent_value() {
    let (database, _, left) = member_left().await;
    let (mut members, _) = shop();
    let mut source = database.source().await;
    let restoration = Restoration { blank: vec!["withdrawal".into()], ..record(&members, &left.members) };
    source.put_back(&[restoration]).await.unwrap();
    assert_eq!(database.ask("SELECT group_concat(typeof(withdrawn_at)) FROM members").await, "null,null");

    database.run("DELETE FROM members; DROP TABLE orders; DROP TABLE members; CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at TEXT NOT NULL)").await;
    let restoration = Restoration { blank: vec!["withdrawal".into()], ..record(&members, &left.members) };
    let error = source.put_back(&[restoration]).await.unwrap_err();
    assert!(matches!(&error, SourceError::Schema { reason, .. } if reason.contains("absent")), "{error}");
    let absent = vec!["0000-00-00".to_owned(), String::new()];
    let own = EventColumn { column: Column::One("withdrawn_at".into()), format: Format::Timestamp, zone: None, absent };
    members.events = Events::from([("withdrawal".into(), EventPlace::Own(own))]);
    let restoration = Restoration { blank: vec!["withdrawal".into()], ..record(&members, &left.members) };
    source.put_back(&[restoration]).await.unwrap();
    assert_eq!(database.ask("SELECT withdrawn_at FROM members").await, "0000-00-00");
}

#[tokio::test]
async fn orders_without_their_member_are_refused_and_the_member_is_named() {
    let (database, _, left) = member_left().await;
    let (_, orders) = shop();
    let after = database.dump().await;
    let mut source = database.source().await;
    let error = source.put_back(&[record(&orders, &left.orders)]).await.unwrap_err();
    let SourceError::RolledBack { reason } = &error else { panic!("{error}") };
    assert!(reason.contains("2 rows of \"orders\" would point at no row of \"members\""), "{reason}");
    assert_eq!(database.dump().await, after);
}

#[tokio::test]
async fn a_key_that_was_given_away_meanwhile_stops_the_whole_restoration() {
    let (database, _, left) = member_left().await;
    let (members, orders) = shop();
    database.run("INSERT INTO orders VALUES (11, 2, 'someone else')").await;
    let after = database.dump().await;
    let mut source = database.source().await;
    let all = [record(&members, &left.members), record(&orders, &left.orders)];
    let error = source.put_back(&all).await.unwrap_err();
    assert!(matches!(&error, SourceError::RolledBack { reason } if reason.contains("orders")), "{error}");
    assert!(!error.to_string().contains("11"), "{error}");
    assert_eq!(database.dump().await, after);
}

#[tokio::test]
async fn a_trigger_that_swallows_a_row_stops_the_restoration() {
    let (database, _, left) = member_left().await;
    let (members, _) = shop();
    database.run("CREATE TRIGGER no BEFORE INSERT ON members BEGIN SELECT RAISE(IGNORE); END").await;
    let error = database.source().await.put_back(&[record(&members, &left.members)]).await.unwrap_err();
    assert!(matches!(error, SourceError::RolledBack { .. }), "{error}");
}

#[tokio::test]
async fn a_column_that_is_gone_is_said_before_anything_is_inserted() {
    let (database, _, left) = member_left().await;
    let (members, _) = shop();
    database.run("ALTER TABLE members DROP COLUMN withdrawn_at").await;
    let error = database.source().await.put_back(&[record(&members, &left.members)]).await.unwrap_err();
    assert!(matches!(&error, SourceError::Schema { reason, .. } if reason.contains("withdrawn_at")), "{error}");
}

#[tokio::test]
async fn presence_tells_same_absent_and_everything_else_apart() {
    let (database, _, left) = member_left().await;
    let (_, orders) = shop();
    let (tables, rows) = &left.orders;
    let mut source = database.source().await;
    let cases = [
        ("", Presence::Absent),
        ("INSERT INTO orders VALUES (10, 1, '2026-01-01 00:00')", Presence::Mixed),
        ("INSERT INTO orders VALUES (11, 1, '2020-01-01 00:00')", Presence::Same),
        ("UPDATE orders SET at = '2020-01-01 00:00:00' WHERE id = 11", Presence::Mixed),
        ("UPDATE orders SET at = CAST('2020-01-01 00:00' AS BLOB) WHERE id = 11", Presence::Mixed),
        ("UPDATE orders SET at = '2020-01-01 00:00' WHERE id = 11", Presence::Same),
        ("DELETE FROM orders WHERE id = 10", Presence::Mixed),
        ("DELETE FROM orders WHERE id = 11", Presence::Absent),
    ];
    for (sql, expected) in cases {
        database.run(sql).await;
        let record = Restoration { dataset: &orders, tables, rows: rows.clone(), blank: Vec::new() };
        assert_eq!(source.presence(&record).await.unwrap(), expected, "{sql}");
    }
}

#[tokio::test]
async fn one_twin_of_a_table_without_a_key_is_not_taken_for_the_other() {
    let database =
        Database::new("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT); CREATE TABLE log (t_id, word)").await;
    let column = |name: &str| segment::Column { name: name.to_owned(), declared: String::new() };
    let heading = |name: &str, columns: &[&str]| segment::Table {
        name: name.to_owned(),
        columns: columns.iter().map(|name| column(name)).collect(),
        rows: 0,
        unlinked: false,
    };
    let tables = [heading("t", &["id", "at"]), heading("log", &["t_id", "word"])];
    let twin = || Row { table: 1, cells: vec![Cell::Integer(1), Cell::Null] };
    let rows = [twin(), twin()];
    let mut source = database.source().await;
    for expected in [Presence::Absent, Presence::Mixed, Presence::Same, Presence::Mixed] {
        let (dataset, rows) = (dataset("t", &["id"]), rows.to_vec());
        let record = Restoration { dataset: &dataset, tables: &tables, rows, blank: Vec::new() };
        assert_eq!(source.presence(&record).await.unwrap(), expected);
        database.run("INSERT INTO log VALUES (1, NULL)").await;
    }
}
