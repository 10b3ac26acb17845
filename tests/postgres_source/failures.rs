//! Locks, lost sessions and changes under way.

use std::time::{Duration, Instant};

use retentiond::{
    adapters::{engine::Patience, postgres::PostgresSource},
    domain::{deployment::Edge, id::EventName, selection::Cause},
    ports::{Presence, Restoration, Source, SourceError},
};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    fixture::{Database, WAIT, child, dataset, move_all, receipt, scope, there_and_back},
    servers::{Engine, Server},
};

const TEN: &str = "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE INDEX ON t (at);
    CREATE TABLE line (id int PRIMARY KEY, t_id int REFERENCES t, v text); CREATE INDEX ON line (t_id);
    INSERT INTO t SELECT n, timestamptz '2020-01-01' + n * interval '1 hour' FROM generate_series(1, 10) AS n;
    INSERT INTO line SELECT n, 1 + n % 10, 'v' FROM generate_series(0, 19) AS n";

async fn application(database: &Database<'_>) -> PgConnection {
    PgConnection::connect(&database.raw.url()).await.unwrap()
}

fn recorded() -> EventName {
    EventName::from("recorded")
}

#[tokio::test]
async fn rows_that_the_application_holds_are_passed_over_without_waiting() {
    let database = Database::new(TEN);
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let mut application = application(&database).await;
    application
        .execute("BEGIN; UPDATE t SET at = at WHERE id = 1; UPDATE line SET v = 'w' WHERE t_id = 2 AND id = 1")
        .await
        .unwrap();
    let mut source = database.source().await;
    let started = Instant::now();
    let moved = move_all(&mut source, &lined, &scope(&recorded(), &[], &[]), 3).await;
    assert!(started.elapsed() < Duration::from_secs(5), "nobody waited");
    assert_eq!(moved.keys(), ["10", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(moved.counts(), [8, 16]);
    application.execute("COMMIT").await.unwrap();
    let moved = move_all(&mut source, &lined, &scope(&recorded(), &[], &[]), 3).await;
    assert_eq!(moved.keys(), ["1", "2"]);
    assert!(moved.rows().iter().any(|row| row.cells.contains(&retentiond::domain::record::Cell::Text(b"w".to_vec()))));
}

#[tokio::test]
async fn a_lock_on_the_whole_table_fails_the_batch_after_the_lock_timeout() {
    let database = Database::new(TEN);
    let mut application = application(&database).await;
    application.execute("BEGIN; LOCK TABLE t IN SHARE MODE").await.unwrap();
    let mut source = database.source().await;
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let error = source.take(&lined, &scope(&recorded(), &[], &[]), &Cause::Due, 5).await.unwrap_err();
    assert!(matches!(error, SourceError::RolledBack { .. }) && error.to_string().contains("lock"), "{error}");
    application.execute("ROLLBACK").await.unwrap();
    assert_eq!(move_all(&mut source, &lined, &scope(&recorded(), &[], &[]), 5).await.counts(), [10, 20]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_broken_off_and_nothing_of_the_batch_is_gone() {
    let database = Database::new(TEN);
    database.raw.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN OLD; END';
         CREATE TRIGGER slow BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let before = database.dump("t");
    let mut whole = dataset("t", &["id"]);
    whole.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let hasty = Patience { statement: Duration::from_millis(500), ..WAIT };
    let mut source = PostgresSource::open("shop".into(), &database.server(), hasty).await.unwrap();
    let event = recorded();
    let scope = scope(&event, &[], &[]);
    let error = source.take(&whole, &scope, &Cause::Due, 5).await.unwrap_err();
    for said in ["statement timeout", "limits.statement_timeout"] {
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(database.dump("t"), before);
    // Each statement has its time anew, and the session goes on.
    assert_eq!(source.take(&whole, &scope, &Cause::Due, 1).await.unwrap().unwrap().records.len(), 1);
    source.commit(receipt()).await.unwrap();
}

#[tokio::test]
async fn what_is_rolled_back_was_never_gone_and_what_is_dropped_neither() {
    let database = Database::new(TEN);
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let before = database.dump("t");
    let event = recorded();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let batch = source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    assert_eq!((batch.records.len(), batch.last), (4, false));
    assert!(source.take(&lined, &scope, &Cause::Due, 4).await.is_err(), "one batch at a time");
    source.rollback().await.unwrap();
    assert_eq!(database.dump("t"), before);
    source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    drop(source);
    let mut source = database.source().await;
    assert_eq!(database.dump("t"), before);
    assert!(source.commit(receipt()).await.is_err(), "there is nothing to commit");
    source.close().await.unwrap();
    there_and_back(&database, &lined, &[10, 20]).await;
}

#[tokio::test]
async fn a_session_that_is_lost_with_a_batch_open_takes_nothing_with_it() {
    let database = Database::new(TEN);
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let event = recorded();
    let scope = scope(&event, &[], &[]);
    let before = database.dump("t");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'retentiond shop' AND datname = current_database()";
    let mut source = database.source().await;
    source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    assert_eq!(database.raw.number(end), 1);
    let error = source.commit(receipt()).await.unwrap_err();
    assert!(matches!(error, SourceError::RolledBack { .. }), "the server knows that it did not commit: {error}");
    assert_eq!(database.dump("t"), before);
    source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    assert_eq!(database.raw.number(end), 1);
    source.rollback().await.unwrap();
    assert_eq!(database.dump("t"), before);
    assert_eq!(move_all(&mut source, &lined, &scope, 5).await.counts(), [10, 20]);
}

#[tokio::test]
async fn a_server_that_crashes_under_a_batch_has_the_rows_when_it_is_back() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = Database::on(&server, TEN);
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let event = recorded();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let batch = source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    server.kill();
    let error = source.rollback().await;
    assert!(error.is_ok());
    let error = source.take(&lined, &scope, &Cause::Due, 4).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }) && error.to_string().contains("hint:"), "{error}");
    server.restart();
    let widths: Vec<usize> = batch.tables.iter().map(|table| table.columns.len()).collect();
    let rows =
        batch.records.iter().flat_map(|taken| retentiond::domain::record::decode_rows(&taken.rows, &widths).unwrap());
    let record = Restoration { dataset: &lined, tables: &batch.tables, rows: rows.collect(), blank: Vec::new() };
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
    assert_eq!(move_all(&mut source, &lined, &scope, 5).await.counts(), [10, 20]);
}

#[tokio::test]
async fn a_second_mover_of_one_source_is_refused() {
    let database = Database::new(TEN);
    let _first = database.source().await;
    let error = PostgresSource::open("shop".into(), &database.server(), WAIT).await;
    assert!(error.unwrap_err().to_string().contains("another retentiond"));
    database.scan().await;
}

#[tokio::test]
async fn a_column_that_is_added_between_two_batches_is_taken_along() {
    let database = Database::new(TEN);
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let event = recorded();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    source.commit(receipt()).await.unwrap();
    database.raw.run("ALTER TABLE line ADD COLUMN more text DEFAULT 'm'");
    let batch = source.take(&lined, &scope, &Cause::Due, 4).await.unwrap().unwrap();
    assert_eq!(batch.tables[1].columns.len(), 4);
    source.rollback().await.unwrap();
    database.raw.run("ALTER TABLE t RENAME COLUMN at TO happened");
    let error = source.take(&lined, &scope, &Cause::Due, 4).await.unwrap_err();
    assert!(matches!(error, SourceError::Schema { .. }), "{error}");
}

#[tokio::test]
async fn a_key_violated_at_the_commit_undoes_the_batch_before_it_is_sealed() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
         CREATE TABLE other (id int PRIMARY KEY, t_id int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO t VALUES (1, '2020-01-01'); INSERT INTO other VALUES (7, 1)",
    );
    let mut source = database.source().await;
    let plain = dataset("t", &["id"]);
    let error = source.take(&plain, &scope(&recorded(), &[], &[]), &Cause::Due, 4).await.unwrap_err();
    assert!(matches!(error, SourceError::RolledBack { .. }) && error.to_string().contains("foreign key"), "{error}");
    assert!(!error.to_string().contains("=(1)"), "no key of a row: {error}");
    assert_eq!(database.raw.number("SELECT count(*) FROM t"), 1);
}

#[tokio::test]
async fn a_row_that_is_there_already_stops_the_whole_restoration() {
    let database = Database::new(TEN);
    let mut lined = dataset("t", &["id"]);
    lined.children = vec![child("line", "t", &[("t_id", "id")], Edge::Own)];
    let mut source = database.source().await;
    let moved = move_all(&mut source, &lined, &scope(&recorded(), &[], &[]), 100).await;
    database.raw.run("INSERT INTO t VALUES (5, '2025-05-05')");
    let record = Restoration { dataset: &lined, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Mixed);
    let error = source.put_back(std::slice::from_ref(&record)).await.unwrap_err();
    assert!(matches!(error, SourceError::RolledBack { .. }) && error.to_string().contains("already"), "{error}");
    assert_eq!(database.raw.number("SELECT count(*) FROM t"), 1);
    database.raw.run("DELETE FROM t; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v = ''changed''; RETURN NEW; END'; CREATE TRIGGER g BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION f()");
    let error = source.put_back(std::slice::from_ref(&record)).await.unwrap_err();
    assert!(error.to_string().contains("trigger"), "{error}");
    assert_eq!(database.raw.number("SELECT count(*) FROM t"), 0);
}
