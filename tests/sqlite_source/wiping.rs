//! What deleted rows leave in the files, searched byte by byte.

use std::path::Path;

use chrono::DateTime;
use retentiond::{
    domain::{
        deployment::{Dataset, Edge, WipeLevel},
        id::EventName,
        verdict::Verdict,
    },
    ports::{Locking, Source, WipeJob, Wiped},
};

use super::fixture::{Database, child, dataset, move_all, run, scope};

const ROWS: u32 = 600;

/// Rows with a recognisable value in a cell, in an index, in a table without
/// rowid, and out of line; a third of them due.
fn setup(journal: &str) -> String {
    format!(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = {journal};
         CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, name TEXT, token TEXT UNIQUE, big TEXT);
         CREATE TABLE c (t_id, word TEXT, PRIMARY KEY (word, t_id)) WITHOUT ROWID;
         CREATE INDEX t_name ON t (name); CREATE INDEX c_t ON c (t_id); CREATE INDEX t_at ON t (at);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO t SELECT i, iif(i % 3 = 0, '2020-01-01 00:00', '2026-01-01 00:00'), name, name || '/token',
           name || '/' || hex(randomblob(3000)) FROM (SELECT i, iif(i % 3 = 0, 'CANARY', 'living') || printf('-%05d', i * 7919 % 99991) AS name FROM n);
         INSERT INTO c SELECT id, name || '/word' FROM t;"
    )
}

fn tables() -> [String; 2] {
    ["t", "c"].map(str::to_owned)
}

fn job(tables: &[String], level: WipeLevel) -> WipeJob<'_> {
    WipeJob { tables, level, locking: Locking::NoWindow, bytes_per_second: None, now: DateTime::UNIX_EPOCH }
}

fn whole() -> Dataset {
    let mut whole = dataset("t", &["id"]);
    whole.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    whole
}

/// Occurrences of the word in all files of the database.
fn canaries(path: &Path) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for suffix in ["", "-wal", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let count = memchr::memmem::find_iter(&bytes, b"CANARY-").count();
        if count > 0 {
            found.push((suffix.to_owned(), count));
        }
    }
    found
}

async fn moved_and_wiped(journal: &str, level: WipeLevel) -> (Database, Wiped) {
    let database = Database::new(&setup(journal)).await;
    assert!(!canaries(&database.path()).is_empty());
    let event = EventName::from("recorded");
    let mut source = database.source().await;
    let moved = move_all(&mut source, &whole(), &scope(&event, &[], &[]), 64).await;
    assert_eq!(moved.counts(), [u64::from(ROWS / 3), u64::from(ROWS / 3)]);
    let wiped = source.wipe(&job(&tables(), level)).await.unwrap();
    (database, wiped)
}

#[tokio::test]
async fn an_engine_wipe_leaves_nothing_in_any_file() {
    for journal in ["DELETE", "TRUNCATE", "WAL"] {
        let (database, wiped) = moved_and_wiped(journal, WipeLevel::Engine).await;
        assert_eq!(wiped.finding.verdict, Verdict::Pass, "{journal}: {:?}", wiped.finding);
        assert!(wiped.tool.starts_with("SQLite 3.") && wiped.method.contains("secure_delete"), "{wiped:?}");
        assert_eq!(canaries(&database.path()), [], "{journal}");
        assert_eq!(database.count("t").await, u64::from(ROWS - ROWS / 3));
        assert_eq!(database.ask("SELECT group_concat(integrity_check) FROM pragma_integrity_check").await, "ok");
    }
}

#[tokio::test]
async fn a_rewrite_leaves_nothing_either_and_nothing_promises_nothing() {
    for journal in ["DELETE", "WAL"] {
        let (database, wiped) = moved_and_wiped(journal, WipeLevel::Rewrite).await;
        assert_eq!(wiped.finding.verdict, Verdict::Pass, "{journal}: {:?}", wiped.finding);
        assert_eq!(canaries(&database.path()), [], "{journal}");
        let (_, wiped) = moved_and_wiped(journal, WipeLevel::None).await;
        assert_eq!((wiped.finding.verdict, wiped.method.as_str()), (Verdict::Unknown, "none"));
    }
}

#[tokio::test]
async fn the_same_search_finds_rows_that_were_deleted_the_usual_way() {
    let database = Database::new(&setup("DELETE")).await;
    database.run("PRAGMA secure_delete = OFF; DELETE FROM c WHERE word LIKE 'CANARY%'; DELETE FROM t WHERE name LIKE 'CANARY%'").await;
    assert!(!canaries(&database.path()).is_empty());
    // It is too late for a wipe, but not for a rewrite.
    let mut source = database.source().await;
    source.wipe(&job(&tables(), WipeLevel::Rewrite)).await.unwrap();
    assert_eq!(canaries(&database.path()), []);
}

#[tokio::test]
async fn a_reader_of_the_log_keeps_the_verdict_open_until_the_wipe_is_repeated() {
    let database = Database::new(&setup("WAL")).await;
    let mut reader = database.connect().await;
    run(&mut reader, "BEGIN; SELECT count(*) FROM t").await;
    let event = EventName::from("recorded");
    let mut source = database.source().await;
    move_all(&mut source, &whole(), &scope(&event, &[], &[]), 1000).await;
    let tables = tables();
    let wiped = source.wipe(&job(&tables, WipeLevel::Engine)).await.unwrap();
    assert_eq!(wiped.finding.verdict, Verdict::Unknown);
    assert!(wiped.finding.reasons[0].contains("reader"), "{:?}", wiped.finding);
    assert!(!canaries(&database.path()).is_empty());
    run(&mut reader, "COMMIT").await;
    let wiped = source.wipe(&job(&tables, WipeLevel::Engine)).await.unwrap();
    assert!(!wiped.finding.reasons.iter().any(|reason| reason.contains("reader")), "{:?}", wiped.finding);
    assert_eq!(canaries(&database.path()), []);
}

#[tokio::test]
async fn a_writer_at_the_wipe_keeps_the_verdict_open() {
    let database = Database::new(&setup("DELETE")).await;
    let mut source = database.source().await;
    let mut application = database.connect().await;
    run(&mut application, "BEGIN IMMEDIATE").await;
    for level in [WipeLevel::Engine, WipeLevel::Rewrite] {
        let wiped = source.wipe(&job(&tables(), level)).await.unwrap();
        assert_eq!(wiped.finding.verdict, Verdict::Unknown);
    }
}

#[tokio::test]
async fn a_journal_that_the_application_keeps_is_noticed_and_goes_with_the_rewrite() {
    let database = Database::new(&setup("DELETE")).await;
    let event = EventName::from("recorded");
    let mut source = database.source().await;
    // The application keeps pages of before the deletion.
    database.run("PRAGMA journal_mode = PERSIST; UPDATE t SET at = at").await;
    move_all(&mut source, &whole(), &scope(&event, &[], &[]), 1000).await;
    database.run("PRAGMA secure_delete = ON; PRAGMA journal_mode = PERSIST; UPDATE t SET at = at WHERE id = 1").await;
    let wiped = source.wipe(&job(&[], WipeLevel::Engine)).await.unwrap();
    assert!(wiped.method.contains("VACUUM"), "{wiped:?}");
    assert_eq!((wiped.finding.verdict, canaries(&database.path())), (Verdict::Pass, vec![]), "{:?}", wiped.finding);
}

#[tokio::test]
async fn samples_of_index_keys_keep_the_verdict_open() {
    let database = Database::new(&setup("DELETE")).await;
    database.run("ANALYZE").await;
    let event = EventName::from("recorded");
    let mut source = database.source().await;
    move_all(&mut source, &whole(), &scope(&event, &[], &[]), 1000).await;
    let wiped = source.wipe(&job(&tables(), WipeLevel::Engine)).await.unwrap();
    assert_eq!(wiped.finding.verdict, Verdict::Unknown, "{:?}", canaries(&database.path()));
    assert!(!canaries(&database.path()).is_empty());
}
