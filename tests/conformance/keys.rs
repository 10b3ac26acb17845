//! What tells rows apart: composite, textual and unique keys, collations, names.

use retentiond::domain::{deployment::Edge, record::Row};

use super::{
    engine::Database,
    fixture::{Moved, child, dataset},
    steps::{census, errors, move_due, put_back},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

/// Moves everything that is due, compares with the census, and puts it back.
async fn there_and_back<D: Database>(
    database: &D,
    dataset: &retentiond::domain::deployment::Dataset,
    tables: &[&str],
) -> Moved {
    let before = database.dump(tables).await;
    assert_eq!(errors(database, dataset).await, "");
    let counted = census(database, dataset).await;
    let moved = move_due(database, dataset, 2).await;
    assert_eq!(moved.records.len() as u64, counted.rows);
    let children: u64 = moved.counts().iter().skip(1).sum();
    assert_eq!(children, counted.children.values().sum::<u64>(), "what was counted is what moved");
    assert_ne!(database.dump(tables).await, before);
    put_back(database, dataset, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(tables).await, before, "byte for byte");
    moved
}

pub async fn keys_and_links_of_several_columns<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE trips (line INTEGER, no VARCHAR(9), at DATETIME, PRIMARY KEY (line, no));
         CREATE TABLE stops (line INTEGER, no VARCHAR(9), seq INTEGER, place VARCHAR(20), PRIMARY KEY (line, no, seq),
            FOREIGN KEY (line, no) REFERENCES trips (line, no));
         INSERT INTO trips VALUES (1, 'a', {OLD}), (1, 'b', {YOUNG}), (2, 'a', {OLD}), (2, 'b', {OLD});
         INSERT INTO stops VALUES (1, 'a', 1, 'x'), (1, 'a', 2, 'y'), (1, 'b', 1, 'kept'), (2, 'a', 1, 'z')"
    ))
    .await;
    let mut trips = dataset("trips", &["line", "no"]);
    trips.children = vec![child("stops", "trips", &[("line", "line"), ("no", "no")], Edge::Own)];
    let moved = there_and_back(&database, &trips, &["trips", "stops"]).await;
    assert_eq!(moved.keys(), ["1\u{1f}a", "2\u{1f}a", "2\u{1f}b"]);
    assert_eq!(moved.counts(), [3, 3]);
}

pub async fn textual_keys_whatever_they_say<D: Database>() {
    let keys = [
        "plain",
        "",
        " leads",
        "two  blanks",
        "O''Neill",
        "100%",
        "under_score",
        "NULL",
        "0",
        "00",
        "1e3",
        "홍길동",
        "각",
        "🦀",
        "שלום",
        "zero\u{200b}width",
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "line\nbreak",
        "tab\tstop",
    ];
    let rows = keys.map(|key| format!("('{key}', {OLD})")).join(", ");
    let links = keys.iter().enumerate().map(|(at, key)| format!("({at}, '{key}')")).collect::<Vec<_>>().join(", ");
    let database = D::new(&format!(
        "CREATE TABLE t (id VARCHAR(60) PRIMARY KEY, at DATETIME);
         CREATE TABLE c (id INTEGER PRIMARY KEY, t_id VARCHAR(60), FOREIGN KEY (t_id) REFERENCES t (id));
         INSERT INTO t VALUES {rows}, ('kept', {YOUNG}); INSERT INTO c VALUES {links}, (100, 'kept'), (101, NULL)"
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    t.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    let moved = there_and_back(&database, &t, &["t", "c"]).await;
    let mut expected: Vec<String> = keys.iter().map(|key| key.replace("''", "'")).collect();
    expected.sort();
    assert_eq!(moved.keys(), expected);
    assert_eq!(moved.counts(), [keys.len() as u64, keys.len() as u64]);
}

pub async fn children_of_a_unique_key_that_is_not_the_primary_one<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, login VARCHAR(20) NOT NULL UNIQUE, at DATETIME);
         CREATE TABLE logins (id INTEGER PRIMARY KEY, login VARCHAR(20), FOREIGN KEY (login) REFERENCES members (login));
         INSERT INTO members VALUES (1, 'kim', {OLD}), (2, 'lee', {YOUNG});
         INSERT INTO logins VALUES (1, 'kim'), (2, 'kim'), (3, 'lee'), (4, NULL)"
    ))
    .await;
    let edge = child("logins", "members", &[("login", "login")], Edge::Own);
    for key in ["id", "login"] {
        let mut members = dataset("members", &[key]);
        members.children = vec![edge.clone()];
        let moved = there_and_back(&database, &members, &["members", "logins"]).await;
        assert_eq!(moved.counts(), [1, 2], "by {key}");
    }
}

pub async fn keys_that_the_engine_takes_for_the_same<D: Database>() {
    let nocase = D::NOCASE;
    let database = D::new(&format!(
        "CREATE TABLE members (id {nocase} NOT NULL, at DATETIME, PRIMARY KEY (id));
         CREATE TABLE notes (id INTEGER PRIMARY KEY, member_id {nocase}, word VARCHAR(9),
            FOREIGN KEY (member_id) REFERENCES members (id));
         INSERT INTO members VALUES ('USER1', {OLD}), ('user2', {YOUNG});
         INSERT INTO notes VALUES (1, 'user1', 'a'), (2, 'User1', 'b'), (3, 'USER2', 'kept')"
    ))
    .await;
    let mut members = dataset("members", &["id"]);
    members.children = vec![child("notes", "members", &[("member_id", "id")], Edge::Own)];
    let moved = there_and_back(&database, &members, &["members", "notes"]).await;
    assert_eq!((moved.keys(), moved.counts()), (vec!["USER1".to_owned()], vec![1, 2]));
    members.children[0].edge = Edge::Unlink;
    let before = database.dump(&["members", "notes"]).await;
    let moved = move_due(&database, &members, 5).await;
    assert_eq!(database.ask("SELECT word FROM notes WHERE member_id IS NULL ORDER BY word").await, ["a", "b"]);
    put_back(&database, &members, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&["members", "notes"]).await, before, "each link in its own spelling");
}

pub async fn names_that_need_quotation_marks<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE \"Order\" (\"select\" INTEGER PRIMARY KEY, \"at\" DATETIME, \"Group By\" VARCHAR(9), \"from\" INTEGER);
         CREATE TABLE \"order lines\" (\"Key\" INTEGER PRIMARY KEY, \"where\" INTEGER, \"a.b\" VARCHAR(9),
            FOREIGN KEY (\"where\") REFERENCES \"Order\" (\"select\"));
         CREATE TABLE \"table\" (\"id\" INTEGER PRIMARY KEY, \"to\" VARCHAR(9));
         CREATE TABLE \"notes on\" (\"id\" INTEGER PRIMARY KEY, \"of\" INTEGER, FOREIGN KEY (\"of\") REFERENCES \"Order\" (\"select\"));
         INSERT INTO \"table\" VALUES (1, 'x');
         INSERT INTO \"Order\" VALUES (1, {OLD}, 'a', 1), (2, {YOUNG}, 'b', NULL);
         INSERT INTO \"order lines\" VALUES (1, 1, 'p'), (2, 2, 'q'); INSERT INTO \"notes on\" VALUES (1, 1), (2, 2)"
    ))
    .await;
    let mut orders = dataset("Order", &["select"]);
    orders.condition = Some(D::own_words("\"Group By\" <> 'never'"));
    orders.children = vec![
        child("order lines", "Order", &[("where", "select")], Edge::Own),
        child("table", "Order", &[("id", "from")], Edge::Reference),
        child("notes on", "Order", &[("of", "select")], Edge::Unlink),
    ];
    let tables = ["Order", "order lines", "table", "notes on"];
    let before = database.dump(&tables).await;
    assert_eq!(errors(&database, &orders).await, "");
    let counted = census(&database, &orders).await;
    assert_eq!((counted.rows, counted.children["order lines"], counted.children["table"]), (1, 1, 1));
    let moved = move_due(&database, &orders, 5).await;
    assert_eq!(moved.counts(), [1, 1, 1, 1]);
    put_back(&database, &orders, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&tables).await, before);
}

pub async fn a_key_that_does_not_tell_rows_apart_is_refused<D: Database>() {
    let database = D::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(9), code VARCHAR(9) NOT NULL UNIQUE,
            maybe VARCHAR(9) UNIQUE)",
    )
    .await;
    for (key, fits) in [("id", true), ("word", false), ("code", true), ("maybe", false)] {
        let found = errors(&database, &dataset("t", &[key])).await;
        assert_eq!(found.is_empty(), fits, "{key}: {found}");
        assert!(fits || found.contains("does not tell the rows of t apart"), "{found}");
    }
}

/// Twin rows are legal where there is no key. An engine that can tell them apart
/// moves and restores each of them; one that cannot says so.
pub async fn twins_are_told_apart_or_their_table_is_refused<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME); CREATE TABLE log (t_id INTEGER, word VARCHAR(9));
         INSERT INTO t VALUES (1, {OLD}), (2, {YOUNG});
         INSERT INTO log VALUES (1, 'twin'), (1, 'twin'), (1, NULL), (1, NULL), (2, 'twin')"
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    t.children = vec![child("log", "t", &[("t_id", "id")], Edge::Own)];
    let found = errors(&database, &t).await;
    if found.is_empty() {
        let before = database.dump(&["t", "log"]).await;
        let moved = move_due(&database, &t, 5).await;
        assert_eq!(moved.counts(), [1, 4]);
        let twins: Vec<Row> = moved.rows().into_iter().filter(|row| row.table == 1).collect();
        assert_eq!(twins.len(), 4);
        put_back(&database, &t, &moved.tables, moved.rows()).await;
        assert_eq!(database.dump(&["t", "log"]).await, before);
    } else {
        assert!(found.contains("log") && found.contains("key"), "{found}");
        assert_eq!(database.ask("SELECT count(*) FROM log").await, ["5"]);
    }
}
