//! What holds freeze stays in the source on every engine, and every server tells
//! the time.

use chrono::{TimeDelta, Utc};
use retentiond::{
    domain::{
        deployment::Edge,
        hold::{Cover, Held},
        id::EventName,
        selection::Scope,
    },
    ports::Scan as _,
};

use super::{
    engine::Database,
    fixture::{child, dataset, move_all, scope},
};

fn cover(subjects: &[&str], keys: &[&str]) -> Cover {
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Cover { all: false, subjects: set(subjects), keys: set(keys) }
}

pub async fn what_is_frozen_stays_and_is_counted<D: Database>() {
    let database = D::new(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, who VARCHAR(40), at VARCHAR(40));
         INSERT INTO orders VALUES (1, 'person-7', '2020-01-01 00:00:00'), (2, 'person-70', '2020-01-02 00:00:00'),
           (3, 'person-8', '2020-01-03 00:00:00'), (4, NULL, '2020-01-04 00:00:00');",
    )
    .await;
    let event = EventName::from("recorded");
    let held = Held { any: cover(&["person-7", "person-8"], &["4"]), frozen: cover(&["person-7"], &["4"]) };
    let scope = Scope { held: &held, ..scope(&event, &[], &[]) };
    let mut orders = dataset("orders", &["id"]);
    orders.subject = Some("who".to_owned());
    let census = database.scan().await.census(&orders, &scope).await.unwrap();
    assert_eq!((census.rows, census.held), (2, 3));
    let moved = move_all(&mut database.source().await, &orders, &scope, 10).await;
    assert_eq!(moved.keys(), ["2", "3"]);
    assert_eq!(database.ask("SELECT id FROM orders ORDER BY id").await, ["1", "4"]);
}

/// A person who writes a name otherwise than the row does means the row, if that
/// is how the column compares.
pub async fn what_a_collation_calls_the_same_is_frozen_as_well<D: Database>() {
    let nocase = D::NOCASE;
    let database = D::new(&format!(
        "CREATE TABLE orders (id {nocase} PRIMARY KEY, who {nocase}, at VARCHAR(40));
         INSERT INTO orders VALUES ('a1', 'kim', '2020-01-01 00:00:00'), ('a2', 'KIM', '2020-01-02 00:00:00'),
           ('a3', 'kin', '2020-01-03 00:00:00'), ('B4', NULL, '2020-01-04 00:00:00');"
    ))
    .await;
    let event = EventName::from("recorded");
    let frozen = cover(&["Kim"], &["b4"]);
    let held = Held { any: frozen.clone(), frozen };
    let scope = Scope { held: &held, ..scope(&event, &[], &[]) };
    let mut orders = dataset("orders", &["id"]);
    orders.subject = Some("who".to_owned());
    let census = database.scan().await.census(&orders, &scope).await.unwrap();
    assert_eq!((census.rows, census.held), (1, 3));
    let found = database.scan().await.look(&orders, &scope, "A2").await.unwrap().unwrap();
    assert!(found.held);
    assert_eq!(move_all(&mut database.source().await, &orders, &scope, 10).await.keys(), ["a3"]);
    assert_eq!(database.ask("SELECT id FROM orders ORDER BY id").await.len(), 3);
}

/// A record that is frozen keeps what it belongs to, also where it is due itself.
pub async fn what_is_frozen_keeps_the_record_that_it_belongs_to<D: Database>() {
    let database = D::new(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, at VARCHAR(40));
         CREATE TABLE visits (id INTEGER PRIMARY KEY, at VARCHAR(40), member_id INTEGER,
            FOREIGN KEY (member_id) REFERENCES members (id));
         INSERT INTO members VALUES (1, '2020-01-01 00:00:00'), (2, '2020-01-01 00:00:00');
         INSERT INTO visits VALUES (1, '2020-01-01 00:00:00', 1), (2, '2020-01-01 00:00:00', 2);",
    )
    .await;
    let event = EventName::from("recorded");
    let frozen = cover(&[], &["1"]);
    let held = Held { any: frozen.clone(), frozen };
    let visits = dataset("visits", &["id"]);
    let mut members = dataset("members", &["id"]);
    members.children = vec![child("visits", "members", &[("member_id", "id")], Edge::Own)];
    let all = [(&visits, Scope { held: &held, ..scope(&event, &[], &[]) })];
    let beside = scope(&event, &[], &all);
    let census = database.scan().await.census(&members, &beside).await.unwrap();
    assert_eq!((census.rows, census.waiting), (1, 1));
    assert_eq!(move_all(&mut database.source().await, &members, &beside, 10).await.keys(), ["2"]);
    assert_eq!(database.ask("SELECT id FROM visits").await, ["1"]);
}

pub async fn a_server_tells_the_time<D: Database>() {
    let database = D::new("CREATE TABLE orders (id INTEGER PRIMARY KEY);").await;
    let (before, told, after) = (Utc::now(), database.source().await.clock().await.unwrap(), Utc::now());
    // The same machine, and a server without a clock is SQLite.
    if let Some(told) = told {
        let patience = TimeDelta::seconds(5);
        assert!(before - patience <= told && told <= after + patience, "{told}");
    }
}
