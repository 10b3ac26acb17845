//! What holds freeze stays in the source, row for row as a locator names it, and
//! is counted as held.

use retentiond::{
    domain::{
        hold::{Cover, Held},
        id::EventName,
        selection::Scope,
    },
    ports::Scan,
};

use super::fixture::{Database, dataset, move_all, scope};

fn cover(subjects: &[&str], keys: &[&str]) -> Cover {
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Cover { all: false, subjects: set(subjects), keys: set(keys) }
}

async fn orders() -> Database {
    Database::new(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, who, at TEXT);
         INSERT INTO orders VALUES (1, 7, '2020-01-01 00:00:00'), (2, '7', '2020-01-02 00:00:00'),
           (3, '70', '2020-01-03 00:00:00'), (4, x'0afe', '2020-01-04 00:00:00'), (5, NULL, '2020-01-05 00:00:00'),
           (6, 8, '2026-01-05 00:00:00')",
    )
    .await
}

#[tokio::test]
async fn what_is_frozen_stays_in_the_source_and_what_is_only_held_moves_and_is_never_overdue() {
    let database = orders().await;
    let event = EventName::from("recorded");
    let held = Held { any: cover(&["7", "0afe"], &["3", "6"]), frozen: cover(&["7", "0afe"], &[]) };
    let scope = Scope { held: &held, ..scope(&event, &[], &[]) };
    let mut of_person = dataset("orders", &["id"]);
    of_person.subject = Some("who".to_owned());
    let census = database.scan().await.census(&of_person, &scope).await.unwrap();
    // 1, 2 and 4 are frozen, 3 moves and stays held, 6 is held and not due.
    assert_eq!((census.rows, census.held, census.overdue), (2, 4, 1));
    let moved = move_all(&mut database.source().await, &of_person, &scope, 1).await;
    assert_eq!(moved.keys(), ["3", "5"]);
    assert_eq!(database.ask("SELECT group_concat(id) FROM orders").await, "1,2,4,6");
    for taken in &moved.records {
        assert!(!held.frozen.covers(&taken.key, taken.subject.as_deref()));
    }
}

#[tokio::test]
async fn a_freeze_on_a_composite_key_keeps_that_record_only() {
    let database = Database::new(
        "CREATE TABLE notes (a TEXT, b INTEGER, at TEXT, PRIMARY KEY (a, b));
         INSERT INTO notes VALUES ('x', 1, '2020-01-01 00:00:00'), ('x', 2, '2020-01-02 00:00:00'),
           ('y', 1, '2020-01-03 00:00:00')",
    )
    .await;
    let event = EventName::from("recorded");
    let held = Held { any: cover(&[], &["x\u{1f}1", "y"]), frozen: cover(&[], &["x\u{1f}1", "y"]) };
    let scope = Scope { held: &held, ..scope(&event, &[], &[]) };
    let notes = dataset("notes", &["a", "b"]);
    assert_eq!(database.scan().await.census(&notes, &scope).await.unwrap().held, 1);
    assert_eq!(move_all(&mut database.source().await, &notes, &scope, 10).await.records.len(), 2);
    assert_eq!(database.ask("SELECT a || b FROM notes").await, "x1");
}

#[tokio::test]
async fn a_freeze_on_a_dataset_stops_all_of_it() {
    let database = orders().await;
    let event = EventName::from("recorded");
    let all = Cover { all: true, ..Cover::default() };
    let held = Held { any: all.clone(), frozen: all };
    let scope = Scope { held: &held, ..scope(&event, &[], &[]) };
    let orders = dataset("orders", &["id"]);
    let census = database.scan().await.census(&orders, &scope).await.unwrap();
    assert_eq!((census.rows, census.held, census.overdue), (0, 5, 0));
    assert!(move_all(&mut database.source().await, &orders, &scope, 10).await.records.is_empty());
}
