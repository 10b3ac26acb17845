//! Tables without transactions: nothing is deleted before it is sealed, nothing
//! that changed since, and what a crash left half done is finished.

use retentiond::{
    adapters::mysql::MySqlSource,
    domain::deployment::{Dataset, Edge},
    ports::{Presence, Restoration, Scan as _, Source as _, SourceError},
};
use sqlx::{Connection as _, Executor as _, MySqlConnection};

use crate::{
    fixture::{Moved, child, dataset, receipt, scope},
    servers::Database,
    world::{WAIT, database, errors, event, moved, put_back, scan, server, source, take},
};

/// A root without transactions, one child of either kind.
const ROWS: &str = "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, memo VARCHAR(20), KEY (at)) ENGINE = MyISAM;
     CREATE TABLE c (id INT PRIMARY KEY, t_id INT, word VARCHAR(20), KEY (t_id)) ENGINE = Aria;
     CREATE TABLE d (id INT PRIMARY KEY, t_id INT, word VARCHAR(20), KEY (t_id)) ENGINE = InnoDB;
     INSERT INTO t VALUES (1, '2020-01-01', 'one'), (2, '2020-01-02', 'two'), (3, '2020-01-03', 'three'), (4, '2026-01-01', 'young');
     INSERT INTO c VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z'), (4, 4, 'kept');
     INSERT INTO d VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z'), (4, 4, 'kept')";

const ALL: &str =
    "SELECT 't', t.* FROM t UNION ALL SELECT 'c', c.* FROM c UNION ALL SELECT 'd', d.* FROM d ORDER BY 1, 2";

fn whole() -> Dataset {
    let mut whole = dataset("t", &["id"]);
    whole.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own), child("d", "t", &[("t_id", "id")], Edge::Own)];
    whole
}

fn count(database: &Database<'_>) -> i64 {
    database.number("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM c) + (SELECT count(*) FROM d)")
}

/// A batch as it was sealed, of which nothing is deleted yet.
async fn sealed(database: &Database<'_>) -> (MySqlSource, Moved) {
    let mut source = source(database).await;
    let batch = take(&mut source, &whole(), 10).await.unwrap().unwrap();
    let sealed = Moved { tables: batch.tables, records: batch.records, batches: 1 };
    (source, sealed)
}

#[tokio::test]
async fn check_names_the_weaker_mode_and_refuses_edges_that_could_not_be_finished() {
    let database = database(ROWS);
    let mut whole = whole();
    assert_eq!(errors(&database, &whole).await, "");
    let found = scan(&database).await.inspect(&whole, &[&whole]).await.unwrap();
    let weaker: Vec<&str> =
        found.iter().map(|one| one.message.as_str()).filter(|message| message.contains("the weaker mode")).collect();
    assert_eq!(weaker.len(), 2, "{found:?}");
    let event = event();
    let census = scan(&database).await.census(&whole, &scope(&event, &[], &[])).await.unwrap();
    let named = [("c", "Aria"), ("t", "MyISAM")].map(|(table, engine)| (table.to_owned(), engine.to_owned()));
    assert_eq!(census.weak.into_iter().collect::<Vec<_>>(), named, "a plan says it as well");
    assert!(weaker[0].contains("table t is kept by MyISAM") && weaker[1].contains("table c is kept by Aria"));
    for edge in [Edge::Unlink, Edge::Reference] {
        whole.children[1].edge = edge;
        assert!(errors(&database, &whole).await.contains("could not be finished"), "{edge:?}");
        let error = take(&mut source(&database).await, &whole, 10).await.unwrap_err();
        assert!(matches!(error, SourceError::Schema { .. }), "{error}");
    }
    assert_eq!(count(&database), 12);
}

#[tokio::test]
async fn rows_go_when_the_receipt_comes_and_not_before_and_come_back_to_the_byte() {
    let database = database(ROWS);
    let before = database.query(ALL);
    let (mut source, sealed) = sealed(&database).await;
    assert_eq!((sealed.counts(), database.query(ALL)), (vec![3, 3, 3], before.clone()));
    source.rollback().await.unwrap();
    assert_eq!(database.query(ALL), before);
    let moved = moved(&database, &whole(), 2).await;
    assert_eq!((moved.counts(), moved.batches, count(&database)), (vec![3, 3, 3], 2, 3));
    // No lock is left behind.
    database.run("INSERT INTO t VALUES (9, NULL, ''); DELETE FROM t WHERE id = 9");
    put_back(&database, &whole(), &moved).await;
    assert_eq!(database.query(ALL), before);
}

#[tokio::test]
async fn a_batch_of_which_the_application_touched_a_row_stays_as_it_is() {
    for touched in [
        "UPDATE t SET memo = 'ONE' WHERE id = 1",
        "UPDATE c SET word = 'X' WHERE id = 1",
        "UPDATE d SET word = 'y ' WHERE id = 2",
        "DELETE FROM c WHERE id = 3",
        "INSERT INTO c VALUES (9, 2, 'new')",
        "INSERT INTO d VALUES (9, 2, 'new')",
        "ALTER TABLE t ADD COLUMN note VARCHAR(9) DEFAULT 'new'",
        "ALTER TABLE c DROP COLUMN word",
    ] {
        let database = database(ROWS);
        let (mut source, _) = sealed(&database).await;
        database.run(touched);
        let tables = ["t", "c", "d"].map(|table| database.query(&format!("SELECT * FROM {table} ORDER BY id")));
        let error = source.commit(receipt()).await.unwrap_err();
        assert!(matches!(error, SourceError::RolledBack { .. }), "{touched}: {error}");
        let after = ["t", "c", "d"].map(|table| database.query(&format!("SELECT * FROM {table} ORDER BY id")));
        assert_eq!(after, tables, "{touched}");
        // The next batch takes them as they are now.
        let again = moved(&database, &whole(), 10).await;
        assert_eq!((again.records.len(), database.query("SELECT id FROM t")), (3, "4".to_owned()), "{touched}");
    }
}

#[tokio::test]
async fn a_table_that_the_application_has_locked_is_waited_for_and_then_left_alone() {
    let database = database(ROWS);
    let before = database.query(ALL);
    for lock in ["LOCK TABLES c READ", "START TRANSACTION; SELECT * FROM d WHERE id = 2 FOR UPDATE"] {
        let (mut source, _) = sealed(&database).await;
        let mut application = MySqlConnection::connect(&database.url()).await.unwrap();
        application.execute(sqlx::raw_sql(lock)).await.unwrap();
        let error = source.commit(receipt()).await.unwrap_err();
        assert!(matches!(&error, SourceError::RolledBack { reason } if reason.contains("lock")), "{lock}: {error}");
        application.close().await.unwrap();
        assert_eq!(database.query(ALL), before, "{lock}");
    }
}

#[tokio::test]
async fn without_the_privilege_to_lock_nothing_is_moved_and_the_message_says_which() {
    let database = database(ROWS);
    let name = database.name();
    database.run(&format!(
        "CREATE USER unlocking_{name}@'%'; GRANT SELECT, DELETE ON {name}.* TO unlocking_{name}@'%'; \
         GRANT PROCESS ON *.* TO unlocking_{name}@'%'"
    ));
    let mut server = server(&database);
    server.address.user = format!("unlocking_{name}");
    let mut source = MySqlSource::open("shop".into(), &server, WAIT).await.unwrap();
    take(&mut source, &whole(), 10).await.unwrap().unwrap();
    let error = source.commit(receipt()).await.unwrap_err();
    assert!(matches!(&error, SourceError::RolledBack { reason } if reason.contains("GRANT LOCK TABLES")), "{error}");
    assert_eq!(count(&database), 12);
}

#[tokio::test]
async fn what_a_crash_left_half_deleted_is_finished_unless_somebody_changed_the_rest() {
    for (left, wanted) in [
        ("DELETE FROM c WHERE id IN (1, 2)", true),
        ("DELETE FROM t WHERE id = 1; DELETE FROM c WHERE id < 4; DELETE FROM d WHERE id = 3", true),
        ("DELETE FROM t WHERE id = 1; UPDATE t SET memo = 'came back' WHERE id = 2", false),
        ("DELETE FROM c WHERE id = 1; UPDATE d SET word = 'X' WHERE id = 1", false),
    ] {
        let database = database(ROWS);
        let (mut source, sealed) = sealed(&database).await;
        source.rollback().await.unwrap();
        database.run(left);
        let before = database.query(ALL);
        let dataset = whole();
        let record = Restoration { dataset: &dataset, tables: &sealed.tables, rows: sealed.rows(), blank: Vec::new() };
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Mixed, "{left}");
        let finished = source.finish_removal(receipt(), std::slice::from_ref(&record)).await.unwrap();
        assert_eq!(finished, wanted, "{left}");
        if wanted {
            assert_eq!(source.presence(&record).await.unwrap(), Presence::Absent, "{left}");
            assert_eq!(
                database.query("SELECT id FROM t UNION ALL SELECT id FROM c UNION ALL SELECT id FROM d"),
                "4\n4\n4"
            );
        } else {
            assert_eq!(database.query(ALL), before, "{left}");
        }
    }
}

#[tokio::test]
async fn a_restoration_that_fails_leaves_nothing_and_one_that_a_crash_cut_is_finished() {
    let database = database(ROWS);
    let before = database.query(ALL);
    let moved = moved(&database, &whole(), 10).await;
    let dataset = whole();
    let record = Restoration { dataset: &dataset, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
    let records = std::slice::from_ref(&record);
    let mut source = source(&database).await;
    // A row that is in the way, and a table that changes what it is given.
    for (obstacle, gone) in [
        ("INSERT INTO c VALUES (3, 4, 'other')", "DELETE FROM c WHERE id = 3"),
        (
            "CREATE TRIGGER meddle BEFORE INSERT ON c FOR EACH ROW SET NEW.word = IF(NEW.id = 3, 'meddled', NEW.word)",
            "DROP TRIGGER meddle",
        ),
    ] {
        database.run(obstacle);
        let stands = database.query(ALL);
        let error = source.put_back(records).await.unwrap_err();
        assert!(matches!(error, SourceError::RolledBack { .. }), "{obstacle}: {error}");
        assert_eq!(database.query(ALL), stands, "{obstacle}");
        database.run(gone);
    }
    database.run("INSERT INTO t VALUES (1, '2020-01-01', 'one'); INSERT INTO c VALUES (2, 2, 'y'), (3, 3, 'other')");
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Mixed);
    assert!(!source.finish_restoration(records).await.unwrap(), "a row is there otherwise");
    assert_eq!(database.query("SELECT id FROM t ORDER BY id"), "1\n4");
    database.run("DELETE FROM c WHERE id = 3");
    assert!(source.finish_restoration(records).await.unwrap());
    assert_eq!(database.query(ALL), before);
}
