//! The search of a database's own files for values of removed rows: long and
//! short ones, in indexes, out of line, in Korean.

use chrono::DateTime;
use retentiond::{
    domain::{deployment::WipeLevel, residue::Value},
    ports::{Locking, Search, SearchJob, Source as _, WipeJob},
};

use super::fixture::{Database, run};

const ROWS: usize = 300;

/// Every third row is a canary.
fn setup(journal: &str) -> String {
    format!(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = {journal}; PRAGMA secure_delete = OFF;
         CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, token TEXT UNIQUE, korean TEXT, big TEXT, blob BLOB);
         CREATE INDEX t_name ON t (name);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO t SELECT i, c || '-' || i, 'token/' || c || '/' || i || '/end', '서울시 ' || c || '구 ' || i || '번지',
           c || '/' || i || hex(randomblob(4000)), CAST(c || '\\blob\\' || i AS BLOB)
         FROM (SELECT i, iif(i % 3, 'living', 'canary') AS c FROM n ORDER BY i * 7919 % 99991);"
    )
}

async fn canaries(database: &Database) -> Vec<Value> {
    let mut values = Vec::new();
    for i in (3..=ROWS).step_by(3) {
        let text = |text: String| Value::new("t", "c", "TEXT", true, text.as_bytes());
        values.push(text(format!("canary-{i}")));
        values.push(text(format!("token/canary/{i}/end")));
        values.push(text(format!("서울시 canary구 {i}번지")));
        values.push(text(database.ask(&format!("SELECT big FROM t WHERE id = {i}")).await));
        values.push(Value::new("t", "blob", "BLOB", false, format!("canary\\blob\\{i}").as_bytes()));
    }
    values
}

async fn search(database: &Database, values: &[Value]) -> Search {
    let tables = ["t".to_owned()];
    let job = SearchJob { tables: &tables, values, rewritten: false, now: DateTime::UNIX_EPOCH };
    database.source().await.search(&job).await.unwrap()
}

async fn wipe(database: &Database, level: WipeLevel) {
    let (tables, now) = (["t".to_owned()], DateTime::UNIX_EPOCH);
    let job = WipeJob { tables: &tables, level, locking: Locking::NoWindow, bytes_per_second: None, now };
    let wiped = database.source().await.wipe(&job).await.unwrap();
    assert_eq!((wiped.owed, wiped.bytes > 0), (false, true), "{wiped:?}");
}

/// Values found, by location.
fn found(search: &Search) -> Vec<(&str, usize)> {
    search.places.iter().map(|place| (place.name.as_str(), place.found.len())).collect()
}

#[tokio::test]
async fn values_of_deleted_rows_are_found_until_the_rewrite_and_in_no_file_after_it() {
    for journal in ["DELETE", "WAL"] {
        let database = Database::new(&setup(journal)).await;
        let values = canaries(&database).await;
        database.run("PRAGMA secure_delete = OFF; DELETE FROM t WHERE id % 3 = 0").await;
        let before = search(&database, &values).await;
        let main = &before.places[0];
        assert!(main.found.len() > values.len() / 2, "{journal}: {:?}", found(&before));
        assert_eq!((main.name.as_str(), main.unsearched.as_deref()), ("main", None));
        assert!(main.places.contains("app.db") && main.bytes > 1 << 20, "{main:?}");
        wipe(&database, WipeLevel::Rewrite).await;
        let after = search(&database, &values).await;
        assert_eq!(found(&after), [("main", 0), ("wal", 0), ("journal", 0)], "{journal}");
        assert!(after.living.is_empty() && after.places.iter().all(|place| place.unsearched.is_none()));
    }
}

#[tokio::test]
async fn what_rows_that_are_there_hold_as_well_is_no_residue() {
    let database = Database::new(&setup("DELETE")).await;
    let (gone, living) = ("token/canary/3/end", "서울시 living구 4번지");
    let values = [gone, living].map(|text| Value::new("t", "c", "TEXT", true, text.as_bytes()));
    database.run("PRAGMA secure_delete = OFF; DELETE FROM t WHERE id % 3 = 0").await;
    let search = search(&database, &values).await;
    assert_eq!((search.places[0].found.iter().copied().collect::<Vec<_>>(), search.living.len()), (vec![0], 1));
}

#[tokio::test]
async fn a_value_in_the_log_of_a_reader_or_in_the_statistics_is_found() {
    let database = Database::new(&setup("WAL")).await;
    let values = canaries(&database).await;
    let mut reader = database.connect().await;
    run(&mut reader, "BEGIN; SELECT count(*) FROM t").await;
    database.run("UPDATE t SET name = name WHERE id % 3 = 0").await;
    database.run("DELETE FROM t WHERE id % 3 = 0").await;
    let in_log = search(&database, &values).await;
    assert!(found(&in_log)[1].1 > 0, "{:?}", found(&in_log));

    let database = Database::new(&setup("DELETE")).await;
    let values = canaries(&database).await;
    database.run("ANALYZE").await;
    let samples = database.ask("SELECT count(*) FROM sqlite_stat4 WHERE CAST(sample AS TEXT) LIKE '%canary%'").await;
    assert_ne!(samples, "0", "the engine keeps samples");
    database.run("PRAGMA secure_delete = ON; DELETE FROM t WHERE id % 3 = 0").await;
    wipe(&database, WipeLevel::Rewrite).await;
    assert!(found(&search(&database, &values).await)[0].1 > 0, "the statistics hold values of rows that are gone");
    database.run("PRAGMA secure_delete = ON; ANALYZE").await;
    wipe(&database, WipeLevel::Rewrite).await;
    assert_eq!(found(&search(&database, &values).await)[0].1, 0);
}

#[tokio::test]
async fn a_rewrite_outside_of_its_window_is_owed_and_leaves_the_file_as_it_is() {
    let database = Database::new(&setup("DELETE")).await;
    let before = std::fs::read(database.path()).unwrap();
    let (tables, now) = (["t".to_owned()], DateTime::UNIX_EPOCH);
    let (level, locking) = (WipeLevel::Rewrite, Locking::From(now));
    let job = WipeJob { tables: &tables, level, locking, bytes_per_second: None, now };
    let wiped = database.source().await.wipe(&job).await.unwrap();
    assert!(wiped.owed && wiped.finding.reasons[0].contains("window"), "{wiped:?}");
    assert_eq!(std::fs::read(database.path()).unwrap(), before);
}
