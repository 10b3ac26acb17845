//! What goes with a record, what it waits for, and what moves it.

use retentiond::{
    domain::{
        deployment::{Dataset, Edge, EventPlace, Events},
        event::Format,
        id::EventName,
    },
    ports::Scan,
};

use super::fixture::{Database, child, column, dataset, move_all, scope, through};

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
