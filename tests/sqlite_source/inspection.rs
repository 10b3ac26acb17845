//! What `check` says about a dataset and a live schema.

use retentiond::{
    domain::{
        deployment::{Dataset, Edge, EventPlace, Events},
        event::Format,
    },
    ports::{Scan, SchemaFinding},
};

use super::{
    fixture::{Database, child, column, dataset, through},
    relations::{SHOP, shop},
};

async fn inspect(setup: &str, dataset: &Dataset, others: &[&Dataset]) -> Vec<SchemaFinding> {
    let database = Database::new(setup).await;
    let all: Vec<&Dataset> = others.iter().copied().chain([dataset]).collect();
    let found = database.scan().await.inspect(dataset, &all).await.unwrap();
    assert_eq!(found, database.source().await.inspect(dataset, &all).await.unwrap());
    found
}

fn errors(found: &[SchemaFinding]) -> String {
    let lines =
        found.iter().filter(|finding| finding.error).map(|found| format!("{}\n{}\n", found.message, found.hint));
    lines.collect()
}

fn warnings(found: &[SchemaFinding]) -> String {
    let lines =
        found.iter().filter(|finding| !finding.error).map(|found| format!("{}\n{}\n", found.message, found.hint));
    lines.collect()
}

const T: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, email TEXT UNIQUE, day DATE, gone DATETIME, code TEXT NOT NULL UNIQUE);
     CREATE INDEX t_at ON t (at);";

#[tokio::test]
async fn a_dataset_that_fits_has_no_findings() {
    assert_eq!(inspect(T, &dataset("t", &["id"]), &[]).await, []);
    assert_eq!(inspect(T, &dataset("T", &["CODE"]), &[]).await, []);
}

#[tokio::test]
async fn names_that_are_not_there_are_all_named_at_once() {
    let mut wrong = dataset("t", &["no_key"]);
    wrong.subject = Some("no_subject".to_owned());
    wrong.events = Events::from([
        ("recorded".into(), EventPlace::Own(column("no_event", Format::Timestamp))),
        ("withdrawal".into(), through("no_parent", &[("id", "id")], "x")),
    ]);
    wrong.children = vec![child("no_child", "t", &[("x", "id")], Edge::Own)];
    let errors = errors(&inspect(T, &wrong, &[]).await);
    for name in ["no_key", "no_subject", "no_event", "no_parent", "no_child"] {
        assert!(errors.contains(name), "{name} in {errors}");
    }
    assert!(errors.contains("its columns are id, at"), "{errors}");
    assert!(self::errors(&inspect(T, &dataset("nowhere", &["id"]), &[]).await).contains("nowhere does not exist"));
}

#[tokio::test]
async fn views_virtual_tables_and_hidden_rowids_are_refused() {
    let setup = format!(
        "{T} CREATE VIEW v AS SELECT * FROM t; CREATE VIRTUAL TABLE f USING fts5 (at, id);
         CREATE TABLE h (rowid, _rowid_, oid, at TEXT, id TEXT PRIMARY KEY)"
    );
    for (table, reason) in
        [("v", "is a view"), ("f", "is a virtual table"), ("f_data", "is a virtual table"), ("h", "hide rowid")]
    {
        let errors = errors(&inspect(&setup, &dataset(table, &["id"]), &[]).await);
        assert!(errors.contains(reason), "{table}: {errors}");
    }
}

#[tokio::test]
async fn a_key_must_tell_rows_apart() {
    for key in ["at", "email", "day"] {
        let errors = errors(&inspect(T, &dataset("t", &[key]), &[]).await);
        assert!(errors.contains("does not tell the rows"), "{key}: {errors}");
    }
    let partial =
        "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, at TEXT); CREATE UNIQUE INDEX u ON t (a) WHERE b > 0;
         CREATE UNIQUE INDEX w ON t (a, b); CREATE INDEX t_at ON t (at)";
    assert!(!errors(&inspect(partial, &dataset("t", &["a"]), &[]).await).is_empty());
    assert_eq!(inspect(partial, &dataset("t", &["b", "a"]), &[]).await, []);
}

#[tokio::test]
async fn a_format_follows_from_the_type_or_must_be_said() {
    for (name, fits) in [("day", true), ("gone", true), ("at", false), ("id", false)] {
        let mut automatic = dataset("t", &["id"]);
        automatic.events = Events::from([("recorded".into(), EventPlace::Own(column(name, Format::Auto)))]);
        let errors = errors(&inspect(T, &automatic, &[]).await);
        assert_eq!(errors.is_empty(), fits, "{name}: {errors}");
        assert!(fits || errors.contains("epoch-ms"), "{errors}");
    }
}

#[tokio::test]
async fn a_parent_of_which_there_may_be_several_is_refused() {
    let setup = format!("{T} CREATE TABLE p (id INT, at TEXT); CREATE TABLE q (id INT UNIQUE, at TEXT)");
    for (parent, fits) in [("p", false), ("q", true)] {
        let mut linked = dataset("t", &["id"]);
        linked.events.insert("withdrawal".into(), through(parent, &[("day", "id")], "at"));
        assert_eq!(errors(&inspect(&setup, &linked, &[]).await).is_empty(), fits, "{parent}");
    }
}

#[tokio::test]
async fn a_foreign_key_without_an_edge_comes_with_the_edge_to_add() {
    let setup = "CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at TIMESTAMP);
         CREATE INDEX members_w ON members (withdrawn_at);
         CREATE TABLE addresses (id INTEGER PRIMARY KEY, \"member id\" REFERENCES members);
         CREATE TABLE phones (address_id REFERENCES addresses ON DELETE CASCADE);
         CREATE TABLE boss (id INTEGER PRIMARY KEY, up REFERENCES boss, at TEXT);
         CREATE INDEX a ON addresses (\"member id\"); CREATE INDEX p ON phones (address_id)";
    let (mut members, _) = shop();
    let found = errors(&inspect(setup, &members, &[]).await);
    let edge = "[[dataset.child]]\ntable = \"addresses\"\non = { \"member id\" = \"id\" }\nedge = \"wait\"";
    assert!(found.contains(edge), "{found}");
    members.children = vec![child("addresses", "members", &[("member id", "id")], Edge::Own)];
    let found = errors(&inspect(setup, &members, &[]).await);
    assert!(found.contains("ON DELETE CASCADE") && found.contains("parent = \"addresses\""), "{found}");
    members.children.push(child("phones", "addresses", &[("address_id", "id")], Edge::Own));
    assert_eq!(inspect(setup, &members, &[]).await, []);
    members.children[1].condition = Some("1".to_owned());
    assert!(errors(&inspect(setup, &members, &[]).await).contains("narrowed"));
    let found = errors(&inspect(setup, &dataset("boss", &["id"]), &[]).await);
    assert!(found.contains("boss(up) points at boss") && found.contains("edge = \"unlink\""), "{found}");
}

#[tokio::test]
async fn another_dataset_covers_a_key_by_learning_its_event_through_it() {
    let (members, mut orders) = shop();
    assert!(errors(&inspect(SHOP, &members, &[]).await).contains("orders(member_id) points at members"));
    assert_eq!(errors(&inspect(SHOP, &members, &[&orders]).await), "");
    orders.events.remove(&"withdrawal".into());
    assert!(!errors(&inspect(SHOP, &members, &[&orders]).await).is_empty());
}

#[tokio::test]
async fn slow_and_surprising_things_are_warnings() {
    let setup = format!(
        "{SHOP} CREATE TABLE lines (order_id REFERENCES orders ON DELETE SET NULL, n);
         CREATE TRIGGER stamp AFTER DELETE ON orders BEGIN SELECT 1; END"
    );
    let (_, mut orders) = shop();
    orders.children = vec![child("lines", "orders", &[("order_id", "id")], Edge::Wait)];
    let found = inspect(&setup, &orders, &[]).await;
    assert_eq!(errors(&found), "");
    let warnings = warnings(&found);
    for part in [
        "CREATE INDEX \"orders_at\" ON \"orders\" (\"at\")",
        "CREATE INDEX \"members_withdrawn_at\" ON \"members\" (\"withdrawn_at\")",
        "CREATE INDEX \"lines_order_id\" ON \"lines\" (\"order_id\")",
        "has triggers, which run when rows move and return: stamp",
        "ON DELETE SET NULL; records wait",
    ] {
        assert!(warnings.contains(part), "{part} in {warnings}");
    }
    assert!(!warnings.contains("orders_member_id"), "an index is there: {warnings}");
}

#[tokio::test]
async fn a_kept_journal_and_a_condition_that_does_not_compile_are_found() {
    let mut narrowed = dataset("t", &["id"]);
    narrowed.condition = Some("nothing = 1".to_owned());
    let found = inspect(&format!("PRAGMA journal_mode = PERSIST; {T}"), &narrowed, &[]).await;
    assert!(errors(&found).contains("does not compile"), "{found:?}");
    assert!(warnings(&found).contains("PERSIST"), "{found:?}");
}
