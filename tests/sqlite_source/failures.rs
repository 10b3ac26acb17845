//! What happens when the database says no: nothing is lost, and nothing moves.

use retentiond::{
    adapters::sqlite::{SqliteScan, SqliteSource},
    domain::{
        deployment::{Dataset, Edge},
        id::EventName,
        selection::Cause,
    },
    ports::{Scan, Source, SourceError},
};

use super::fixture::{Database, WAIT, child, dataset, move_all, receipt, run, scope};

const ROWS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, memo TEXT);
     CREATE TABLE c (id INTEGER PRIMARY KEY, t_id REFERENCES t, word TEXT);
     INSERT INTO t VALUES (1, '2020-01-01 00:00', 'secret one'), (2, '2020-01-02 00:00', 'secret two');
     INSERT INTO c VALUES (1, 1, 'x'), (2, 2, 'y');";

fn with_child() -> Dataset {
    let mut whole = dataset("t", &["id"]);
    whole.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    whole
}

async fn take(source: &mut SqliteSource, dataset: &Dataset) -> Result<Option<retentiond::ports::Batch>, SourceError> {
    let event = EventName::from("recorded");
    source.take(dataset, &scope(&event, &[], &[]), &Cause::Due, 10).await
}

#[tokio::test]
async fn a_missing_file_is_unreachable_and_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let error = SqliteSource::open("shop".into(), &path, WAIT).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(matches!(SqliteScan::open("shop".into(), &path, WAIT).await, Err(SourceError::Unreachable { .. })));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_utf8_database_is_refused() {
    let database = Database::new("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id)").await;
    let error = SqliteSource::open("shop".into(), &database.path(), WAIT).await.unwrap_err();
    assert!(error.to_string().contains("UTF-16le"), "{error}");
    std::fs::write(database.path(), "no database at all, but long enough to be read as one".repeat(40)).unwrap();
    let error = SqliteScan::open("shop".into(), &database.path(), WAIT).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn undone_and_dropped_batches_leave_every_row_as_it_was() {
    for journal in ["DELETE", "WAL"] {
        let database = Database::new(&format!("PRAGMA journal_mode = {journal}; {ROWS}")).await;
        let before = database.dump().await;
        let mut source = database.source().await;
        assert_eq!(take(&mut source, &with_child()).await.unwrap().unwrap().records.len(), 2);
        assert!(matches!(take(&mut source, &with_child()).await, Err(SourceError::Engine { .. })), "one at a time");
        source.rollback().await.unwrap();
        assert_eq!(database.dump().await, before);
        assert_eq!(take(&mut source, &with_child()).await.unwrap().unwrap().records.len(), 2);
        drop(source);
        assert_eq!(database.dump().await, before, "dropped in {journal}");
    }
}

#[tokio::test]
async fn a_take_that_is_given_up_halfway_is_undone_before_the_next() {
    let database = Database::new(ROWS).await;
    let before = database.dump().await;
    let (event, dataset) = (EventName::from("recorded"), with_child());
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    for polls in 1..40 {
        {
            let mut future = std::pin::pin!(source.take(&dataset, &scope, &Cause::Due, 10));
            for _ in 0..polls {
                let done =
                    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready()));
                if done.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        source.rollback().await.unwrap();
        assert_eq!(database.dump().await, before);
    }
    assert_eq!(move_all(&mut source, &dataset, &scope, 10).await.counts(), [2, 2]);
}

#[tokio::test]
async fn a_writer_that_holds_the_lock_is_named_as_the_reason() {
    let database = Database::new(ROWS).await;
    let mut application = database.connect().await;
    run(&mut application, "BEGIN IMMEDIATE").await;
    let mut source = database.source().await;
    let error = take(&mut source, &with_child()).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Engine { reason } if reason.contains("application holds the lock")),
        "{error}"
    );
    run(&mut application, "COMMIT").await;
    assert!(take(&mut source, &with_child()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_reader_at_the_commit_makes_the_batch_roll_back() {
    let database = Database::new(ROWS).await;
    let before = database.dump().await;
    let mut source = database.source().await;
    take(&mut source, &with_child()).await.unwrap().unwrap();
    let mut reader = database.connect().await;
    run(&mut reader, "BEGIN; SELECT count(*) FROM t").await;
    let error = source.commit(receipt()).await.unwrap_err();
    assert!(matches!(&error, SourceError::RolledBack { .. }), "{error}");
    run(&mut reader, "COMMIT").await;
    assert_eq!(database.dump().await, before);
    assert!(take(&mut source, &with_child()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_foreign_key_that_nobody_covers_undoes_the_commit_and_is_named() {
    let database = Database::new(ROWS).await;
    let before = database.dump().await;
    let mut source = database.source().await;
    take(&mut source, &dataset("t", &["id"])).await.unwrap().unwrap();
    let error = source.commit(receipt()).await.unwrap_err();
    let SourceError::RolledBack { reason } = &error else { panic!("{error}") };
    assert!(reason.contains("2 rows of \"c\" would point at no row of \"t\""), "{reason}");
    assert!(!reason.contains("secret"));
    assert_eq!(database.dump().await, before);
}

#[tokio::test]
async fn an_action_of_the_engine_on_unsealed_rows_is_refused_before_anything_is_deleted() {
    for action in ["CASCADE", "SET NULL", "SET DEFAULT"] {
        let database = Database::new(&ROWS.replace("REFERENCES t", &format!("REFERENCES t ON DELETE {action}"))).await;
        let before = database.dump().await;
        let mut source = database.source().await;
        let error = take(&mut source, &dataset("t", &["id"])).await.unwrap_err();
        assert!(matches!(&error, SourceError::Schema { reason, .. } if reason.contains(action)), "{error}");
        let mut narrowed = with_child();
        narrowed.children[0].condition = Some("word = 'x'".to_owned());
        assert!(matches!(take(&mut source, &narrowed).await, Err(SourceError::Schema { .. })));
        assert_eq!(database.dump().await, before);
        // With the edge, the rows are sealed and no action is left to do.
        let event = EventName::from("recorded");
        assert_eq!(move_all(&mut source, &with_child(), &scope(&event, &[], &[]), 1).await.counts(), [2, 2]);
        assert!(database.dump().await.is_empty());
    }
}

#[tokio::test]
async fn a_trigger_that_keeps_a_row_makes_the_batch_fail() {
    for trigger in ["RAISE(IGNORE)", "RAISE(ABORT, 'secret ' || OLD.memo)"] {
        let trigger = format!("CREATE TRIGGER keep BEFORE DELETE ON t WHEN OLD.id = 2 BEGIN SELECT {trigger}; END");
        let database = Database::new(&format!("{ROWS} {trigger}")).await;
        let before = database.dump().await;
        let mut source = database.source().await;
        let error = take(&mut source, &with_child()).await.unwrap_err();
        assert!(matches!(error, SourceError::Engine { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        source.rollback().await.unwrap();
        assert_eq!(database.dump().await, before);
    }
}

#[tokio::test]
async fn a_child_that_a_trigger_keeps_does_not_lose_its_record() {
    let unlinked = ROWS.replace("REFERENCES t", "");
    let trigger = "CREATE TRIGGER keep BEFORE DELETE ON c WHEN OLD.id = 2 BEGIN SELECT RAISE(IGNORE); END";
    let database = Database::new(&format!("{unlinked} {trigger}")).await;
    let before = database.dump().await;
    let mut source = database.source().await;
    let error = take(&mut source, &with_child()).await.unwrap_err();
    assert!(matches!(&error, SourceError::Engine { reason } if reason.contains("table c")), "{error}");
    assert_eq!(database.dump().await, before);
}

#[tokio::test]
async fn the_schema_is_looked_at_again_after_it_has_changed() {
    let database = Database::new(ROWS).await;
    let mut source = database.source().await;
    take(&mut source, &with_child()).await.unwrap().unwrap();
    source.rollback().await.unwrap();
    database.run("ALTER TABLE t ADD COLUMN later DEFAULT 'new'").await;
    let batch = take(&mut source, &with_child()).await.unwrap().unwrap();
    assert_eq!(batch.tables[0].columns.last().map(|column| column.name.as_str()), Some("later"));
    source.rollback().await.unwrap();
    database.run("CREATE TABLE late (t_id REFERENCES t ON DELETE CASCADE)").await;
    assert!(matches!(take(&mut source, &with_child()).await, Err(SourceError::Schema { .. })));
}

#[tokio::test]
async fn a_receipt_without_a_batch_commits_nothing() {
    let database = Database::new(ROWS).await;
    let mut source = database.source().await;
    assert!(matches!(source.commit(receipt()).await, Err(SourceError::Engine { .. })));
    source.rollback().await.unwrap();
}

#[tokio::test]
async fn a_condition_cannot_take_our_values_for_its_own() {
    let database = Database::new(ROWS).await;
    let event = EventName::from("recorded");
    for condition in ["memo = ?", "memo = :now", "nonsense(", "no_such_column = 1"] {
        let mut narrowed = dataset("t", &["id"]);
        narrowed.condition = Some(condition.to_owned());
        let error = database.scan().await.census(&narrowed, &scope(&event, &[], &[])).await.unwrap_err();
        assert!(matches!(error, SourceError::Schema { .. }), "{error}");
        assert!(matches!(take(&mut database.source().await, &narrowed).await, Err(SourceError::Schema { .. })));
    }
}
