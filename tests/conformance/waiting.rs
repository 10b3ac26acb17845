//! Records that wait, and the order in which what they wait for moves.

use retentiond::{
    domain::{
        deployment::{Dataset, Edge, EventPlace, Events},
        event::Format,
        id::EventName,
        selection::{Cause, Scope},
    },
    ports::{Scan, Source},
};

use super::{
    engine::Database,
    fixture::{child, column, dataset, move_all, receipt, scope, through},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

pub async fn a_root_waits_also_for_rows_below_an_own_child<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at DATETIME); CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER);
         CREATE TABLE claim (id INTEGER PRIMARY KEY, b_id INTEGER); CREATE TABLE payment (id INTEGER PRIMARY KEY, a_id INTEGER);
         INSERT INTO a VALUES (1, {OLD}), (2, {OLD}), (3, {OLD}), (4, {YOUNG});
         INSERT INTO b VALUES (10, 1), (20, 2), (30, 3);
         INSERT INTO claim VALUES (1, 20), (2, NULL); INSERT INTO payment VALUES (1, 3), (2, 4)"
    ))
    .await;
    let mut waiting = dataset("a", &["id"]);
    waiting.children = vec![
        child("b", "a", &[("a_id", "id")], Edge::Own),
        child("claim", "b", &[("b_id", "id")], Edge::Wait),
        child("payment", "a", &[("a_id", "id")], Edge::Wait),
    ];
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    let census = database.scan().await.census(&waiting, &scope).await.unwrap();
    assert_eq!((census.rows, census.waiting, census.children["b"]), (1, 2, 1));
    let mut source = database.source().await;
    assert_eq!(move_all(&mut source, &waiting, &scope, 10).await.keys(), ["1"]);
    database.run("DELETE FROM claim; DELETE FROM payment").await;
    assert_eq!(move_all(&mut source, &waiting, &scope, 10).await.keys(), ["2", "3"]);
}

/// Members who leave, and orders that leave with them or after five years.
fn shop() -> (Dataset, Dataset) {
    let mut members = dataset("members", &["id"]);
    members.subject = Some("id".to_owned());
    members.events = Events::from([("withdrawal".into(), EventPlace::Own(column("withdrawn_at", Format::Timestamp)))]);
    let mut orders = dataset("orders", &["id"]);
    orders.events.insert("withdrawal".into(), through("members", &[("member_id", "id")], "withdrawn_at"));
    (members, orders)
}

pub async fn at_a_withdrawal_orders_move_first_and_the_member_after_them<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at DATETIME);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, member_id INTEGER, at DATETIME,
            FOREIGN KEY (member_id) REFERENCES members (id));
         INSERT INTO members VALUES (1, '2026-11-20 10:00:00'), (2, NULL), (3, '2026-11-20 11:00:00');
         INSERT INTO orders VALUES (10, 1, {YOUNG}), (11, 1, {OLD}), (12, 2, {OLD}), (13, 2, {YOUNG}), (14, 3, NULL), (15, NULL, {OLD})"
    ))
    .await;
    let (members, orders) = shop();
    let (withdrawal, recorded) = (EventName::from("withdrawal"), EventName::from("recorded"));
    let on = [withdrawal.clone()];
    let of_orders = scope(&recorded, &on, &[]);
    let others = [(&orders, of_orders)];
    let of_members: Scope<'_> = scope(&withdrawal, &on, &others);

    let mut scan = database.scan().await;
    let census = scan.census(&orders, &of_orders).await.unwrap();
    assert_eq!((census.rows, census.waiting), (4, 0));
    // Order 14 cannot move, so member 3 waits; member 1 follows his orders.
    let census = scan.census(&members, &of_members).await.unwrap();
    assert_eq!((census.rows, census.waiting), (1, 1));

    let mut source = database.source().await;
    let by_withdrawal = Cause::Event(withdrawal.clone());
    assert!(source.take(&members, &of_members, &by_withdrawal, 10).await.unwrap().is_none());
    let left = source.take(&orders, &of_orders, &by_withdrawal, 10).await.unwrap().unwrap();
    assert_eq!(left.records.len(), 2);
    source.commit(receipt()).await.unwrap();
    assert_eq!(move_all(&mut source, &orders, &of_orders, 1).await.keys(), ["12", "15"]);
    assert_eq!(move_all(&mut source, &members, &of_members, 10).await.keys(), ["1"]);
    assert_eq!(database.ask("SELECT id FROM orders ORDER BY id").await, ["13", "14"]);
}
