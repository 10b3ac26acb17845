//! Rows that the application holds locked while a cycle runs: they are left, and
//! counted, and move when it lets go of them. Nothing here waits for a lock.

use std::time::Duration;

use retentiond::{
    domain::{
        deployment::{Dataset, Edge, EventPlace, Events},
        event::Format,
        id::EventName,
        selection::Cause,
    },
    ports::{Left, Source},
};

use super::{
    engine::{Application, Database},
    fixture::{Moved, child, column, dataset, move_all, receipt, scope, through},
    steps::{census, event, move_due},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

/// A mover that waits for a lock, or looks for rows in a circle, takes longer.
const AT_MOST: Duration = Duration::from_secs(30);

/// Ten due records with two rows below each. `index` is on the event or not,
/// which decides in what order rows are looked for.
async fn records<D: Database>(index: &str) -> (D, Dataset) {
    let roots = (1..=10).map(|id| format!("({id}, {OLD}, 'a')")).collect::<Vec<_>>().join(", ");
    let rows = (1..=10).map(|id| format!("({id}0, {id}), ({id}1, {id})")).collect::<Vec<_>>().join(", ");
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(9)); {index};
         CREATE TABLE c (id INTEGER PRIMARY KEY, t_id INTEGER, FOREIGN KEY (t_id) REFERENCES t (id));
         INSERT INTO t VALUES {roots}, (99, {YOUNG}, 'kept'); INSERT INTO c VALUES {rows}, (990, 99)"
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    t.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    (database, t)
}

/// A transaction of the application that stays open.
async fn holding<D: Database>(database: &D, statements: &[&str]) -> D::Application {
    let mut application = database.application().await;
    for statement in ["BEGIN"].iter().chain(statements) {
        application.execute(statement).await.unwrap();
    }
    application
}

/// What moves while the application holds what it holds, and what is left then.
async fn around<D: Database>(database: &D, dataset: &Dataset, limit: u32) -> (Moved, Left) {
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let moved = async {
        let moved = move_all(&mut source, dataset, &scope, limit).await;
        (moved, source.left(dataset, &scope).await.unwrap())
    };
    tokio::time::timeout(AT_MOST, moved).await.expect("it goes round what is locked, and comes to an end")
}

pub async fn rows_that_are_locked_are_left_counted_and_taken_by_the_next_cycle<D: Database>() {
    for (index, limit) in [("", 1), ("", 3), ("CREATE INDEX by_event ON t (at)", 1), ("", 100)] {
        let (database, t) = records::<D>(index).await;
        let holds = ["SELECT id FROM t WHERE id IN (1, 5) FOR UPDATE", "UPDATE t SET word = 'mine' WHERE id = 10"];
        let mut application = holding(&database, &holds).await;
        let (moved, left) = around(&database, &t, limit).await;
        assert_eq!(moved.keys(), ["2", "3", "4", "6", "7", "8", "9"], "{index} {limit}");
        assert_eq!(left, Left { locked: 3, waiting: 0 }, "{index} {limit}");
        assert_eq!(census(&database, &t).await.rows, 3, "they are in the next plan");
        application.execute("COMMIT").await.unwrap();
        let (moved, left) = around(&database, &t, limit).await;
        assert_eq!((moved.keys(), left), (["1", "10", "5"].map(str::to_owned).to_vec(), Left::default()));
        assert_eq!(moved.counts(), [3, 6]);
        assert_eq!(database.ask("SELECT id FROM t").await, ["99"]);
    }
}

/// Batches smaller than what is locked, so that all of a batch's records are.
pub async fn a_record_of_which_one_row_is_locked_is_left_whole<D: Database>() {
    for (index, limit) in [("", 1), ("", 3), ("CREATE INDEX by_event ON t (at)", 2), ("", 100)] {
        let (database, t) = records::<D>(index).await;
        let mut application = holding(&database, &[]).await;
        // One by one: of a range some engines lock the gaps as well.
        for id in [10, 21, 30, 51, 60, 71, 80, 90] {
            application.execute(&format!("SELECT id FROM c WHERE id = {id} FOR UPDATE")).await.unwrap();
        }
        let (moved, left) = around(&database, &t, limit).await;
        assert_eq!((moved.keys(), moved.counts()), (["10", "4"].map(str::to_owned).to_vec(), vec![2, 4]));
        assert_eq!(left, Left { locked: 8, waiting: 0 }, "{index} {limit}");
        application.execute("ROLLBACK").await.unwrap();
        let (moved, left) = around(&database, &t, limit).await;
        assert_eq!((moved.counts(), left), (vec![8, 16], Left::default()));
    }
}

pub async fn what_changes_is_not_what_is_locked<D: Database>() {
    let (database, t) = records::<D>("").await;
    let mut application = holding(&database, &["SELECT id FROM t WHERE id = 1 FOR UPDATE"]).await;
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    source.take(&t, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    source.commit(receipt()).await.unwrap();
    // Not due any more, gone, and free: none of them is held.
    database
        .run(&format!(
            "UPDATE t SET at = {YOUNG} WHERE id IN (6, 7); DELETE FROM c WHERE t_id = 8; DELETE FROM t WHERE id = 8"
        ))
        .await;
    assert_eq!(source.left(&t, &scope).await.unwrap(), Left { locked: 1, waiting: 0 });
    application.execute("COMMIT").await.unwrap();
    assert_eq!(source.left(&t, &scope).await.unwrap(), Left::default());
}

pub async fn a_row_counts_once_whatever_it_moves_for<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, gone DATETIME);
         INSERT INTO t VALUES (1, {OLD}, {YOUNG}), (2, {YOUNG}, {YOUNG}), (3, {OLD}, NULL), (4, {YOUNG}, NULL)"
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    t.events.insert("withdrawal".into(), EventPlace::Own(column("gone", Format::Timestamp)));
    let (recorded, on) = (event(), [EventName::from("withdrawal")]);
    let scope = scope(&recorded, &on, &[]);
    let mut application = holding(&database, &["SELECT id FROM t ORDER BY id FOR UPDATE"]).await;
    let mut source = database.source().await;
    assert_eq!(move_all(&mut source, &t, &scope, 10).await.records.len(), 0);
    assert_eq!(source.left(&t, &scope).await.unwrap(), Left { locked: 3, waiting: 0 });
    application.execute("COMMIT").await.unwrap();
    assert_eq!(move_all(&mut source, &t, &scope, 10).await.keys(), ["1", "2", "3"]);
}

pub async fn who_waits_for_a_row_that_was_left_is_left_too<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, gone DATETIME);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, member_id INTEGER, at DATETIME,
            FOREIGN KEY (member_id) REFERENCES members (id));
         INSERT INTO members VALUES (1, {YOUNG}), (2, {YOUNG}), (3, {YOUNG});
         INSERT INTO orders VALUES (10, 1, {YOUNG}), (20, 2, {YOUNG}), (30, 3, NULL)"
    ))
    .await;
    let gone = EventPlace::Own(column("gone", Format::Timestamp));
    let (mut members, mut orders) = (dataset("members", &["id"]), dataset("orders", &["id"]));
    members.events = Events::from([("withdrawal".into(), gone)]);
    orders.events.insert("withdrawal".into(), through("members", &[("member_id", "id")], "gone"));
    let (withdrawal, recorded) = (EventName::from("withdrawal"), event());
    let on = [withdrawal.clone()];
    let of_orders = scope(&recorded, &on, &[]);
    let others = [(&orders, of_orders)];
    let of_members = scope(&withdrawal, &on, &others);
    let mut application = holding(&database, &["SELECT id FROM orders WHERE id = 20 FOR UPDATE"]).await;
    let mut source = database.source().await;
    assert_eq!(move_all(&mut source, &orders, &of_orders, 10).await.keys(), ["10"]);
    assert_eq!(move_all(&mut source, &members, &of_members, 10).await.keys(), ["1"]);
    assert_eq!(source.left(&orders, &of_orders).await.unwrap(), Left { locked: 1, waiting: 0 });
    // Member 3 waits as well, and was not planned: his order does not move.
    assert_eq!(source.left(&members, &of_members).await.unwrap(), Left { locked: 0, waiting: 1 });
    application.execute("COMMIT").await.unwrap();
    assert_eq!(move_all(&mut source, &orders, &of_orders, 10).await.keys(), ["20"]);
    assert_eq!(move_all(&mut source, &members, &of_members, 10).await.keys(), ["2"]);
}

/// An engine that has one lock for all who write.
pub async fn a_database_that_is_locked_as_a_whole_is_said_to_be<D: Database>() {
    let (database, t) = records::<D>("").await;
    let mut application = holding(&database, &["UPDATE t SET word = 'mine' WHERE id = 1"]).await;
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let refused = source.take(&t, &scope, &Cause::Due, 10).await.unwrap_err().to_string();
    assert!(refused.contains("the application holds the lock: try again when it is idle"), "{refused}");
    application.execute("COMMIT").await.unwrap();
    assert_eq!(source.left(&t, &scope).await.unwrap(), Left::default());
    drop(source);
    assert_eq!(move_due(&database, &t, 10).await.counts(), [10, 20]);
}
