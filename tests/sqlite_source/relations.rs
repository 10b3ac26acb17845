//! What goes with a record, what it waits for, and what moves it.

use retentiond::{
    domain::{
        census::AnomalyKind,
        deployment::{Dataset, Edge, EventPlace, Events},
        event::Format,
        id::EventName,
        selection::{Cause, Scope},
    },
    ports::{Scan, Source},
};

use super::fixture::{Database, child, column, dataset, move_all, receipt, scope, through};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

#[tokio::test]
async fn children_three_levels_deep_go_with_their_root_and_with_no_other() {
    let database = Database::new(&format!(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at TEXT);
         CREATE TABLE b (id TEXT PRIMARY KEY, a_id REFERENCES a);
         CREATE TABLE c (x, y, b_id REFERENCES b, PRIMARY KEY (x, y)) WITHOUT ROWID;
         CREATE TABLE d (c_x, c_y, note, FOREIGN KEY (c_x, c_y) REFERENCES c (x, y));
         INSERT INTO a VALUES (1, {OLD}), (2, {YOUNG}), (3, {OLD});
         INSERT INTO b VALUES ('p', 1), ('q', 1), ('r', 2), ('s', NULL);
         INSERT INTO c VALUES (1, 1, 'p'), (1, 2, 'q'), (2, 1, 'r'), (3, 3, 's');
         INSERT INTO d VALUES (1, 1, 'x'), (1, 1, 'y'), (1, 2, 'z'), (2, 1, 'kept'), (9, 9, 'stray')"
    ))
    .await;
    let mut deep = dataset("a", &["id"]);
    deep.children = vec![
        child("b", "a", &[("a_id", "id")], Edge::Own),
        child("c", "b", &[("b_id", "id")], Edge::Own),
        child("d", "c", &[("c_x", "x"), ("c_y", "y")], Edge::Own),
    ];
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    let census = database.scan().await.census(&deep, &scope).await.unwrap();
    assert_eq!((census.rows, census.table_rows, census.overdue), (2, 3, 2));
    assert_eq!(census.children.into_values().collect::<Vec<_>>(), [2, 2, 3]);
    let moved = move_all(&mut database.source().await, &deep, &scope, 10).await;
    assert_eq!(moved.counts(), [2, 2, 2, 3]);
    assert_eq!(moved.records.iter().map(|taken| taken.counts.clone()).max(), Some(vec![1, 2, 2, 3]));
    assert_eq!(database.ask("SELECT group_concat(note) FROM d").await, "kept,stray");
    assert_eq!(database.ask("SELECT group_concat(id) FROM b").await, "r,s");
}

#[tokio::test]
async fn a_row_with_two_parents_is_taken_and_counted_once_with_all_below_it() {
    let database = Database::new(&format!(
        "CREATE TABLE o (id INTEGER PRIMARY KEY, at TEXT);
         CREATE TABLE line (id INTEGER PRIMARY KEY, o_id REFERENCES o);
         CREATE TABLE event (id INTEGER PRIMARY KEY, o_id REFERENCES o);
         CREATE TABLE quantity (id INTEGER PRIMARY KEY, line_id REFERENCES line, event_id REFERENCES event);
         CREATE TABLE mark (quantity_id REFERENCES quantity, word);
         INSERT INTO o VALUES (1, {OLD}), (2, {OLD}), (3, {YOUNG});
         INSERT INTO line VALUES (1, 1), (2, 2), (3, 3); INSERT INTO event VALUES (1, 1), (2, 2), (3, 3);
         INSERT INTO quantity VALUES (1, 1, 1), (2, 1, 2), (3, 2, 3), (4, 3, 1), (5, NULL, 2), (6, 3, 3);
         INSERT INTO mark VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'kept')"
    ))
    .await;
    let mut shop = dataset("o", &["id"]);
    // The order of the file is not the order of the foreign keys.
    shop.children = vec![
        child("line", "o", &[("o_id", "id")], Edge::Own),
        child("quantity", "line", &[("line_id", "id")], Edge::Own),
        child("mark", "quantity", &[("quantity_id", "id")], Edge::Own),
        child("event", "o", &[("o_id", "id")], Edge::Own),
        child("quantity", "event", &[("event_id", "id")], Edge::Own),
    ];
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    let census = database.scan().await.census(&shop, &scope).await.unwrap();
    assert_eq!(census.children["quantity"], 5);
    assert_eq!(census.children["mark"], 5);
    let moved = move_all(&mut database.source().await, &shop, &scope, 10).await;
    let counts = moved.counts();
    assert_eq!((counts[2] + counts[5], counts[3]), (5, 5));
    assert_eq!(database.ask("SELECT group_concat(word) FROM mark").await, "kept");
}

#[tokio::test]
async fn a_child_that_is_narrowed_takes_only_its_own_rows() {
    let database = Database::new(&format!(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at TEXT);
         CREATE TABLE notes (id INTEGER PRIMARY KEY, subject_type TEXT, subject_id TEXT);
         INSERT INTO a VALUES (1, {OLD}), (2, {YOUNG});
         INSERT INTO notes VALUES (1, 'order', '1'), (2, 'member', '1'), (3, 'order', '2'), (4, 'order', 1), (5, 'order', NULL)"
    ))
    .await;
    let mut noted = dataset("a", &["id"]);
    let mut notes = child("notes", "a", &[("subject_id", "id")], Edge::Own);
    notes.condition = Some("subject_type = 'order' -- and id is not ours".to_owned());
    noted.children = vec![notes];
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    assert_eq!(database.scan().await.census(&noted, &scope).await.unwrap().children["notes"], 2);
    move_all(&mut database.source().await, &noted, &scope, 10).await;
    assert_eq!(database.ask("SELECT group_concat(id) FROM notes").await, "2,3,5");
}

#[tokio::test]
async fn a_root_waits_for_its_wait_children_also_below_an_own_child() {
    let database = Database::new(&format!(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, a_id);
         CREATE TABLE claim (b_id); CREATE TABLE payment (a_id);
         INSERT INTO a VALUES (1, {OLD}), (2, {OLD}), (3, {OLD}), (4, {YOUNG});
         INSERT INTO b VALUES (10, 1), (20, 2), (30, 3); INSERT INTO claim VALUES (20), (NULL); INSERT INTO payment VALUES (3), (4)"
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
pub fn shop() -> (Dataset, Dataset) {
    let mut members = dataset("members", &["id"]);
    members.subject = Some("id".to_owned());
    members.events = Events::from([("withdrawal".into(), EventPlace::Own(column("withdrawn_at", Format::Timestamp)))]);
    let mut orders = dataset("orders", &["id"]);
    orders.events.insert("withdrawal".into(), through("members", &[("member_id", "id")], "withdrawn_at"));
    (members, orders)
}

pub const SHOP: &str = "CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at TIMESTAMP);
     CREATE TABLE orders (id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members, at TIMESTAMP);
     CREATE INDEX orders_member ON orders (member_id);";

#[tokio::test]
async fn at_a_withdrawal_orders_move_first_and_the_member_after_them() {
    let database = Database::new(&format!(
        "{SHOP} INSERT INTO members VALUES (1, '2026-11-20 10:00'), (2, NULL), (3, '2026-11-20 11:00');
         INSERT INTO orders VALUES (10, 1, {YOUNG}), (11, 1, {OLD}), (12, 2, {OLD}), (13, 2, {YOUNG}), (14, 3, ''), (15, NULL, {OLD})"
    ))
    .await;
    let (members, orders) = shop();
    let (withdrawal, recorded) = (EventName::from("withdrawal"), EventName::from("recorded"));
    let on = [withdrawal.clone()];
    let of_orders = scope(&recorded, &on, &[]);
    let others = [(&orders, of_orders)];
    let of_members = Scope { bounds: super::fixture::bounds(), ..scope(&withdrawal, &on, &others) };

    let mut scan = database.scan().await;
    let census = scan.census(&orders, &of_orders).await.unwrap();
    assert_eq!((census.rows, census.waiting), (4, 0));
    // Order 14 cannot move, so member 3 waits; member 1 follows his orders.
    let census = scan.census(&members, &of_members).await.unwrap();
    assert_eq!((census.rows, census.waiting), (1, 1));
    assert_eq!(census.anomalies, []);

    let mut source = database.source().await;
    assert!(source.take(&members, &of_members, &Cause::Event(withdrawal.clone()), 10).await.unwrap().is_none());
    let left = source.take(&orders, &of_orders, &Cause::Event(withdrawal.clone()), 10).await.unwrap().unwrap();
    assert_eq!(left.records.len(), 2);
    source.commit(receipt()).await.unwrap();
    assert_eq!(move_all(&mut source, &orders, &of_orders, 1).await.keys(), ["12", "15"]);
    assert_eq!(move_all(&mut source, &members, &of_members, 10).await.keys(), ["1"]);
    assert_eq!(database.ask("SELECT group_concat(id) FROM orders").await, "13,14");
}

#[tokio::test]
async fn a_member_does_not_wait_for_orders_that_wait_for_what_moves_before_them() {
    let database = Database::new(&format!(
        "{SHOP} CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id, member_id, at TIMESTAMP);
         INSERT INTO members VALUES (1, '2026-11-20 10:00'), (2, '2026-11-20 10:00');
         INSERT INTO orders VALUES (10, 1, {YOUNG}), (20, 2, {YOUNG});
         INSERT INTO payments VALUES (100, 10, 1, {YOUNG}), (200, 20, 2, 'not a date')"
    ))
    .await;
    let (members, mut orders) = shop();
    orders.children = vec![child("payments", "orders", &[("order_id", "id")], Edge::Wait)];
    let mut payments = dataset("payments", &["id"]);
    payments.events.insert("withdrawal".into(), through("members", &[("member_id", "id")], "withdrawn_at"));
    let (withdrawal, recorded) = (EventName::from("withdrawal"), EventName::from("recorded"));
    let on = [withdrawal.clone()];
    let plain = scope(&recorded, &on, &[]);
    let all = [(&orders, plain), (&payments, plain), (&members, scope(&withdrawal, &on, &[]))];
    let mut scan = database.scan().await;
    let counted = scan.census(&members, &scope(&withdrawal, &on, &all)).await.unwrap();
    assert_eq!((counted.rows, counted.waiting), (1, 1));
    let counted = scan.census(&orders, &scope(&recorded, &on, &all)).await.unwrap();
    assert_eq!((counted.rows, counted.waiting), (1, 1));
    let mut source = database.source().await;
    for (dataset, event, key) in
        [(&payments, &recorded, "100"), (&orders, &recorded, "10"), (&members, &withdrawal, "1")]
    {
        assert_eq!(move_all(&mut source, dataset, &scope(event, &on, &all), 10).await.keys(), [key]);
    }
}

#[tokio::test]
async fn datasets_that_wait_for_each_other_wait_and_are_counted() {
    let database = Database::new(&format!(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at TEXT, b_id); CREATE TABLE b (id INTEGER PRIMARY KEY, at TEXT, a_id);
         CREATE TABLE c (id INTEGER PRIMARY KEY, at TEXT);
         INSERT INTO a VALUES (1, {OLD}, 1), (2, {OLD}, NULL); INSERT INTO b VALUES (1, {OLD}, 1), (2, {OLD}, NULL);
         INSERT INTO c VALUES (1, {OLD}), (2, {OLD})"
    ))
    .await;
    let (mut a, mut b) = (dataset("a", &["id"]), dataset("b", &["id"]));
    a.children = vec![child("b", "a", &[("a_id", "id")], Edge::Wait)];
    b.children = vec![child("a", "b", &[("b_id", "id")], Edge::Wait)];
    let mut c = dataset("c", &["id"]);
    c.children = vec![child("a", "c", &[("id", "id")], Edge::Wait)];
    let event = EventName::from("recorded");
    let plain = scope(&event, &[], &[]);
    let all = [(&a, plain), (&b, plain), (&c, plain)];
    let census = database.scan().await.census(&c, &scope(&event, &[], &all)).await.unwrap();
    assert_eq!((census.rows, census.waiting), (1, 1));
    for one in [&a, &b, &c] {
        let census = database.scan().await.census(one, &scope(&event, &[], &all)).await.unwrap();
        assert_eq!((census.rows, census.waiting), (1, 1));
        assert_eq!(move_all(&mut database.source().await, one, &scope(&event, &[], &all), 10).await.keys(), ["2"]);
    }
}

#[tokio::test]
async fn an_event_of_the_period_may_itself_be_a_column_of_the_parent() {
    let database = Database::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, at TEXT); CREATE TABLE lines (id INTEGER PRIMARY KEY, order_id);
         INSERT INTO orders VALUES (1, {OLD}), (2, {YOUNG}), (3, NULL), (4, 'x');
         INSERT INTO lines VALUES (1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 99), (7, NULL)"
    ))
    .await;
    let mut lines = dataset("lines", &["id"]);
    lines.events = Events::from([("recorded".into(), through("orders", &[("order_id", "id")], "at"))]);
    let event = EventName::from("recorded");
    let scope = scope(&event, &[], &[]);
    let census = database.scan().await.census(&lines, &scope).await.unwrap();
    assert_eq!((census.rows, census.overdue, census.oldest), (2, 2, Some("2019-12-31T15:00:00Z".parse().unwrap())));
    let mut kinds: Vec<(AnomalyKind, u64)> = census.anomalies.iter().map(|found| (found.kind, found.rows)).collect();
    kinds.sort();
    assert_eq!(kinds, [(AnomalyKind::Missing, 2), (AnomalyKind::Malformed, 1), (AnomalyKind::Orphan, 1)]);
    assert_eq!(move_all(&mut database.source().await, &lines, &scope, 10).await.keys(), ["1", "2"]);
}
