//! An application that goes on working: between the plan and the run, with locks
//! of its own, and against the very rows that move.

use std::collections::{BTreeMap, BTreeSet};

use retentiond::{
    domain::{deployment::Edge, record::Cell, selection::Cause},
    ports::{Scan, Source, SourceError},
};

use tokio::sync::Notify;

use super::{
    engine::{Application, Database},
    fixture::{child, dataset, receipt, scope},
    mariadb::MariaDb,
    postgres::Postgres,
    steps::{census, event, move_due},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

pub async fn rows_that_change_after_the_plan_are_taken_as_they_are_then<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(9));
         INSERT INTO t VALUES (1, {OLD}, 'a'), (2, {OLD}, 'b'), (3, {OLD}, 'c'), (4, {YOUNG}, 'd')"
    ))
    .await;
    let t = dataset("t", &["id"]);
    assert_eq!(census(&database, &t).await.rows, 3);
    database
        .run(&format!(
            "UPDATE t SET word = 'changed' WHERE id = 1; DELETE FROM t WHERE id = 2; UPDATE t SET at = {YOUNG} WHERE id = 3;
             INSERT INTO t VALUES (5, {OLD}, 'new')"
        ))
        .await;
    let moved = move_due(&database, &t, 10).await;
    assert_eq!(moved.keys(), ["1", "5"]);
    let words: Vec<Cell> = moved.rows().iter().map(|row| row.cells[2].clone()).collect();
    assert!(words.contains(&Cell::Text(b"changed".to_vec())), "what was deleted is what was sealed");
    assert_eq!(database.ask("SELECT id FROM t ORDER BY id").await, ["3", "4"]);
}

pub async fn a_schema_that_changes_after_the_plan_stops_its_dataset_only<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, at DATETIME); CREATE TABLE a_child (id INTEGER PRIMARY KEY, a_id INTEGER);
         CREATE TABLE b (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO a VALUES (1, {OLD}); INSERT INTO a_child VALUES (1, 1); INSERT INTO b VALUES (1, {OLD})"
    ))
    .await;
    let (mut a, b) = (dataset("a", &["id"]), dataset("b", &["id"]));
    a.children = vec![child("a_child", "a", &[("a_id", "id")], Edge::Own)];
    let event = event();
    let scope = scope(&event, &[], &[]);
    let (mut scan, mut source) = (database.scan().await, database.source().await);
    assert_eq!(scan.census(&a, &scope).await.unwrap().rows, 1);
    database.run("ALTER TABLE a_child RENAME COLUMN a_id TO owner_id").await;
    let refused = |error: SourceError| matches!(&error, SourceError::Schema { dataset, .. } if dataset == "a");
    assert!(refused(source.take(&a, &scope, &Cause::Due, 10).await.unwrap_err()));
    assert!(refused(scan.census(&a, &scope).await.unwrap_err()));
    assert_eq!(source.take(&b, &scope, &Cause::Due, 10).await.unwrap().unwrap().records.len(), 1);
    source.commit(receipt()).await.unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM a").await, ["1"]);
    assert_eq!(database.ask("SELECT count(*) FROM b").await, ["0"]);
}

pub async fn a_row_that_the_application_has_locked_stays_and_moves_later<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(9));
         INSERT INTO t VALUES (1, {OLD}, 'a'), (2, {OLD}, 'b')"
    ))
    .await;
    let t = dataset("t", &["id"]);
    let mut application = database.application().await;
    for statement in ["BEGIN", "UPDATE t SET word = 'mine' WHERE id = 1"] {
        application.execute(statement).await.unwrap();
    }
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    // An engine that locks whole databases says so; one that locks rows goes past it.
    match source.take(&t, &scope, &Cause::Due, 10).await {
        Ok(batch) => {
            let keys: Vec<Vec<u8>> = batch.unwrap().records.into_iter().map(|taken| taken.key).collect();
            assert_eq!(keys, [b"2".to_vec()], "the locked row is left where it is");
            source.commit(receipt()).await.unwrap();
        }
        Err(error) => assert!(error.to_string().contains("lock"), "{error}"),
    }
    application.execute("COMMIT").await.unwrap();
    // Some engines let one mover work at a time.
    drop(source);
    let moved = move_due(&database, &t, 10).await;
    let words: Vec<Cell> = moved.rows().iter().map(|row| row.cells[2].clone()).collect();
    assert!(words.contains(&Cell::Text(b"mine".to_vec())), "with what the application wrote");
    assert_eq!(database.ask("SELECT count(*) FROM t").await, ["0"]);
}

const OPERATIONS: u64 = 10_000;
const ROWS: i64 = 400;

/// Rows that the application adds below records that move.
const ADDITIONS: i64 = 2_000;

/// Operations of the application from one batch to the next; it goes on while a
/// batch is open.
const PAUSE: u64 = 25;

/// What the application knows of its own rows.
#[derive(Default)]
struct Known {
    /// Version of each row that it has not deleted.
    versions: BTreeMap<i64, i64>,
    done: u64,
    conflicts: u64,
}

/// Numbers in an order that looks like chance and is always the same.
fn chance(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Writes, deletes, postpones and adds rows; counts only what the engine says
/// it did.
async fn work(mut application: impl Application, known: &mut Known, pause: &Notify) {
    let (mut state, mut next) = (42, ROWS);
    while known.done < OPERATIONS {
        let id = i64::try_from(chance(&mut state)).unwrap() % next.max(1);
        let statement = match chance(&mut state) % 10 {
            0 => {
                next += 1;
                format!("INSERT INTO t VALUES ({}, {OLD}, 0)", next - 1)
            }
            1 => format!("DELETE FROM t WHERE id = {id}"),
            2 => format!("UPDATE t SET at = {YOUNG}, version = version + 1 WHERE id = {id}"),
            3 => format!("UPDATE t SET at = {OLD}, version = version + 1 WHERE id = {id}"),
            _ => format!("UPDATE t SET version = version + 1 WHERE id = {id}"),
        };
        known.done += 1;
        if known.done.is_multiple_of(PAUSE) {
            pause.notify_one();
        }
        let Ok(changed) = application.execute(&statement).await else {
            known.conflicts += 1;
            if statement.starts_with("INSERT") {
                next -= 1;
            }
            continue;
        };
        if changed == 1 {
            if statement.starts_with("INSERT") {
                known.versions.insert(next - 1, 0);
            } else if statement.starts_with("DELETE") {
                known.versions.remove(&id);
            } else {
                *known.versions.get_mut(&id).unwrap() += 1;
            }
        }
    }
}

/// Ten thousand operations of the application on the rows that move meanwhile:
/// every row is where it was put, once, as it was written last.
pub async fn ten_thousand_operations_against_the_rows_that_move_lose_nothing<D: Database>() {
    let values = (0..ROWS).map(|id| format!("({id}, {OLD}, 0)")).collect::<Vec<_>>().join(", ");
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, version INTEGER); INSERT INTO t VALUES {values}"
    ))
    .await;
    let mut known = Known { versions: (0..ROWS).map(|id| (id, 0)).collect(), ..Known::default() };
    let (t, event) = (dataset("t", &["id"]), event());
    let mut moved: BTreeMap<i64, i64> = BTreeMap::new();
    let (finished, pause) = (std::cell::Cell::new(false), Notify::new());
    let mut source = database.source().await;
    let move_on = async {
        loop {
            let ending = finished.get();
            match source.take(&t, &scope(&event, &[], &[]), &Cause::Due, 7).await {
                Ok(Some(batch)) => {
                    let widths: Vec<usize> = batch.tables.iter().map(|table| table.columns.len()).collect();
                    let rows = batch
                        .records
                        .iter()
                        .flat_map(|taken| retentiond::domain::record::decode_rows(&taken.rows, &widths).unwrap());
                    let rows: Vec<(i64, i64)> =
                        rows.map(|row| (integer(&row.cells[0]), integer(&row.cells[2]))).collect();
                    match source.commit(receipt()).await {
                        Ok(()) => {
                            for (id, version) in rows {
                                assert_eq!(moved.insert(id, version), None, "row {id} moved twice");
                            }
                        }
                        Err(SourceError::RolledBack { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                Ok(None) if ending => break,
                Ok(None) => {}
                // The application was in the way; nothing was taken.
                Err(_) => source.rollback().await.unwrap(),
            }
            if !finished.get() {
                pause.notified().await;
            }
        }
    };
    let application = database.application().await;
    let work = async {
        work(application, &mut known, &pause).await;
        finished.set(true);
        pause.notify_one();
    };
    tokio::join!(work, move_on);

    let left = database.ask("SELECT id, version FROM t ORDER BY id").await;
    let mut everywhere: BTreeMap<i64, i64> = moved.clone();
    for row in &left {
        let (id, version) = row.split_once(',').unwrap();
        let twice = everywhere.insert(id.parse().unwrap(), version.parse().unwrap());
        assert_eq!(twice, None, "row {id} is in the source and in the vault");
    }
    assert_eq!(everywhere, known.versions, "no row is lost, none came back, each as it was written last");
    assert!(moved.len() > 200, "{} moved, {} conflicts", moved.len(), known.conflicts);
    assert_eq!(known.done, OPERATIONS);
}

/// Rows that come below records while these move, by a link that nobody declared: what is
/// deleted was sealed, and what came too late for that stays.
pub async fn rows_added_below_records_that_move_are_lost_nowhere<D: Database>() {
    let values = (0..ROWS).map(|id| format!("({id}, {OLD})")).collect::<Vec<_>>().join(", ");
    let database = D::new(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME); CREATE TABLE c (id INTEGER PRIMARY KEY, t_id INTEGER);
         CREATE INDEX c_t_id ON c (t_id); INSERT INTO t VALUES {values}"
    ))
    .await;
    let mut t = dataset("t", &["id"]);
    t.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    let event = event();
    let (mut added, mut moved) = (BTreeSet::new(), BTreeSet::new());
    let (finished, pause) = (std::cell::Cell::new(false), Notify::new());
    let (mut source, mut application) = (database.source().await, database.application().await);
    let work = async {
        let mut state = 7;
        for id in 0..ADDITIONS {
            let below = i64::try_from(chance(&mut state)).unwrap() % ROWS;
            if application.execute(&format!("INSERT INTO c VALUES ({id}, {below})")).await == Ok(1) {
                added.insert(id);
            }
            pause.notify_one();
        }
        finished.set(true);
        pause.notify_one();
    };
    let move_on = async {
        loop {
            let ending = finished.get();
            match source.take(&t, &scope(&event, &[], &[]), &Cause::Due, 2).await {
                Ok(Some(batch)) => {
                    let widths: Vec<usize> = batch.tables.iter().map(|table| table.columns.len()).collect();
                    let rows = batch
                        .records
                        .iter()
                        .flat_map(|taken| retentiond::domain::record::decode_rows(&taken.rows, &widths).unwrap());
                    let below: Vec<i64> = rows.filter(|row| row.table == 1).map(|row| integer(&row.cells[0])).collect();
                    match source.commit(receipt()).await {
                        Ok(()) => below.into_iter().for_each(|id| assert!(moved.insert(id), "row {id} moved twice")),
                        Err(SourceError::RolledBack { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                Ok(None) if ending => break,
                Ok(None) => {}
                Err(_) => source.rollback().await.unwrap(),
            }
            if !finished.get() {
                pause.notified().await;
            }
        }
    };
    tokio::join!(work, move_on);
    let left: BTreeSet<i64> =
        database.ask("SELECT id FROM c").await.iter().map(|id| id.parse::<i64>().unwrap()).collect();
    assert_eq!(left.intersection(&moved).count(), 0, "in the source and in the vault");
    assert_eq!(&left | &moved, added, "no row is lost, and none is made up");
    assert!(!moved.is_empty() && database.ask("SELECT id FROM t").await.is_empty(), "{} moved", moved.len());
}

fn integer(cell: &Cell) -> i64 {
    match cell {
        Cell::Integer(value) => *value,
        Cell::Text(text) => std::str::from_utf8(text).unwrap().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Four due rows; two of them are taken before `change`, and two are to be after it.
async fn changed_between_two_batches<D: Database>(setup: &str, change: &str) -> D {
    let rows = (1..=4).map(|id| format!("({id}, {OLD})")).collect::<Vec<_>>().join(", ");
    let database =
        D::new(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO t VALUES {rows}; {setup}"))
            .await;
    let (t, event) = (dataset("t", &["id"]), event());
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    assert_eq!(source.take(&t, &scope, &Cause::Due, 2).await.unwrap().unwrap().records.len(), 2);
    database.run(change).await;
    let refused = source.take_on(&t, &scope, &Cause::Due, 2).await.unwrap_err();
    assert!(matches!(refused, SourceError::Schema { .. }), "{refused}");
    source.rollback().await.unwrap();
    database
}

/// No lock of a transaction keeps MariaDB from such a key.
pub async fn a_key_that_comes_between_two_batches_takes_no_row_along() {
    let change = "CREATE TABLE c (id INTEGER PRIMARY KEY, t_id INTEGER, FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE \
                  CASCADE); INSERT INTO c VALUES (1, 3), (2, 4)";
    let database = changed_between_two_batches::<MariaDb>("", change).await;
    assert_eq!(database.ask("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM c)").await, ["4,2"]);
}

pub async fn a_table_that_inherits_between_two_batches_loses_no_row() {
    let setup = format!(
        "CREATE TABLE kid (id INTEGER, at DATETIME, more VARCHAR(9)); \
                         ALTER TABLE kid ALTER COLUMN id SET NOT NULL; INSERT INTO kid VALUES (3, {OLD}, 'kept')"
    );
    let database = changed_between_two_batches::<Postgres>(&setup, "ALTER TABLE kid INHERIT t").await;
    let rows = "SELECT (SELECT count(*) FROM ONLY t), (SELECT count(*) FROM kid)";
    assert_eq!(database.ask(rows).await, ["4,1"]);
}
