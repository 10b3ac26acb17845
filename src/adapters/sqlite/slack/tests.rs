//! Databases that SQLite itself wrote, each with values that are known to be
//! gone from it: what the raw bytes still hold, the search must have noticed.

use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{Dirt, Slack, search};

mod hostile;
mod locks;
mod workload;

/// A database in a folder of its own. Nothing of it stays in a log: it is in
/// one file whenever `slack` or `found` look at it.
struct Shop {
    folder: TempDir,
    connection: SqliteConnection,
}

#[derive(Debug, Clone, Copy)]
struct Form {
    page_bytes: u32,
    auto_vacuum: &'static str,
    journal_mode: &'static str,
}

const PLAIN: Form = Form { page_bytes: 4096, auto_vacuum: "NONE", journal_mode: "WAL" };

impl Shop {
    async fn open(form: Form) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("shop.db"))
            .create_if_missing(true)
            .page_size(form.page_bytes)
            .pragma("auto_vacuum", form.auto_vacuum)
            .pragma("journal_mode", form.journal_mode)
            .pragma("synchronous", "OFF")
            .pragma("secure_delete", "OFF")
            .disable_statement_logging();
        Self { connection: options.connect().await.unwrap(), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    async fn run(&mut self, statement: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(statement.into())).execute(&mut self.connection).await.unwrap();
    }

    async fn number(&mut self, statement: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut self.connection).await.unwrap()
    }

    async fn texts(&mut self, statement: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_all(&mut self.connection).await.unwrap()
    }

    /// All of the database is in its main file afterwards.
    async fn checkpoint(&mut self) {
        assert_eq!(self.number("PRAGMA wal_checkpoint(TRUNCATE)").await, 0);
        assert_eq!(self.texts("PRAGMA integrity_check").await, ["ok"]);
    }

    async fn slack(&mut self) -> Slack {
        self.checkpoint().await;
        let slack = search(&self.path()).unwrap();
        assert_eq!(slack.pages, u64::try_from(self.number("PRAGMA page_count").await).unwrap());
        slack
    }
}

/// How many of the values occur in the file.
fn found(path: &Path, values: &[String]) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let searched = AhoCorasick::new(values).unwrap();
    let mut hits: Vec<_> = searched.find_iter(&bytes).map(|hit| hit.pattern()).collect();
    hits.sort_unstable();
    hits.dedup();
    hits.len()
}

/// What `VACUUM` leaves: nothing, or in pages so small that the schema itself
/// takes several of them, a piece of a statement.
fn vacuumed(form: Form, slack: &Slack) -> bool {
    slack.dirty_bytes() <= if form.page_bytes == 512 { 20 } else { 0 }
}

/// Orders in no order, with two indexes, a table without rowids, and a long
/// value in every fortieth order.
async fn fill(shop: &mut Shop, rows: u32) {
    shop.run(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, order_no TEXT, email TEXT UNIQUE, memo TEXT);
         CREATE INDEX by_number ON orders (order_no);
         CREATE TABLE tags (name TEXT PRIMARY KEY, note TEXT) WITHOUT ROWID;
         CREATE VIEW names AS SELECT name FROM tags;
         CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);",
    )
    .await;
    let numbers = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
    shop.run(format!(
        "{numbers} INSERT INTO orders SELECT i, printf('order-%08d-no', i), printf('%08d@mail.example', i * 7919 % 100003),
             CASE WHEN i % 40 = 0 THEN printf('memo-%08d-', i) || replace(hex(zeroblob(5000)), '00', 'ab') END FROM n
             ORDER BY i * 7919 % 10007;
         {numbers} INSERT INTO tags SELECT printf('tag-%08d-end', i * 7919 % 100003), printf('note-%08d', i) FROM n;
         {numbers} INSERT INTO counted (what) SELECT printf('what-%08d', i) FROM n LIMIT 50;"
    ))
    .await;
}

const DELETED: &str = "SELECT order_no FROM orders WHERE id % 3 = 0 UNION ALL SELECT email FROM orders WHERE id % 3 = 0
    UNION ALL SELECT name FROM tags WHERE CAST(substr(note, 6) AS INTEGER) % 3 = 0
    UNION ALL SELECT substr(memo, 1, 13) FROM orders WHERE id % 3 = 0 AND memo IS NOT NULL";

/// Deletes a third, and returns values that were in it and nowhere else.
async fn delete(shop: &mut Shop) -> Vec<String> {
    let values = shop.texts(DELETED).await;
    shop.run("DELETE FROM orders WHERE id % 3 = 0; DELETE FROM tags WHERE CAST(substr(note, 6) AS INTEGER) % 3 = 0")
        .await;
    values
}

fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for page_bytes in [512, 4096, 65_536] {
        for auto_vacuum in ["NONE", "FULL", "INCREMENTAL"] {
            let journal_mode = if auto_vacuum == "NONE" { "WAL" } else { "DELETE" };
            forms.push(Form { page_bytes, auto_vacuum, journal_mode });
        }
    }
    forms
}

#[tokio::test]
async fn what_secure_delete_and_reindex_leave_is_noticed_and_vacuum_leaves_nothing() {
    for form in forms() {
        let mut shop = Shop::open(form).await;
        fill(&mut shop, 4000).await;
        shop.run("PRAGMA secure_delete = ON").await;
        let values = delete(&mut shop).await;
        shop.run("REINDEX").await;
        let (slack, left) = (shop.slack().await, found(&shop.path(), &values));
        assert!(left > 0, "{form:?}: the values are gone already, so this shows nothing");
        assert!(slack.btree.bytes > 0, "{form:?}: {left} values left, {slack:?}");

        shop.run("VACUUM").await;
        let slack = shop.slack().await;
        assert_eq!(found(&shop.path(), &values), 0, "{form:?}");
        assert!(vacuumed(form, &slack), "{form:?}: {slack:?}");
    }
}

#[tokio::test]
async fn what_an_ordinary_delete_leaves_is_noticed() {
    for form in forms() {
        let mut shop = Shop::open(form).await;
        fill(&mut shop, 4000).await;
        let values = delete(&mut shop).await;
        let (slack, left) = (shop.slack().await, found(&shop.path(), &values));
        assert!(left > 1000, "{form:?}: {left}");
        assert!(slack.dirty_bytes() > 10_000, "{form:?}: {slack:?}");
        assert!(slack.dirty_pages() <= slack.pages);
        // A page of 65,536 bytes has room for the longest value.
        if form.auto_vacuum != "FULL" && form.page_bytes < 65_536 {
            assert!(slack.free.bytes > 1000, "{form:?}: {slack:?}");
        }
    }
}

#[tokio::test]
async fn a_vacuum_without_secure_delete_leaves_no_deleted_row_but_copies_of_others() {
    for form in forms() {
        let mut shop = Shop::open(form).await;
        fill(&mut shop, 4000).await;
        let values = delete(&mut shop).await;
        shop.run("VACUUM").await;
        let slack = shop.slack().await;
        assert_eq!(found(&shop.path(), &values), 0, "{form:?}");
        assert!(slack.btree.bytes > 1000, "{form:?}: {slack:?}");
        shop.run("PRAGMA secure_delete = ON; VACUUM").await;
        let slack = shop.slack().await;
        assert!(vacuumed(form, &slack), "{form:?}: {slack:?}");
    }
}

#[tokio::test]
async fn the_tables_of_the_engine_itself_are_searched_and_cleaned_like_others() {
    let mut shop = Shop::open(PLAIN).await;
    fill(&mut shop, 2000).await;
    shop.run("ANALYZE").await;
    shop.run("DELETE FROM sqlite_stat4; DELETE FROM sqlite_stat1; DELETE FROM sqlite_sequence").await;
    assert!(shop.slack().await.dirty_bytes() > 0);
    shop.run("PRAGMA secure_delete = ON; ANALYZE; DELETE FROM orders; VACUUM").await;
    assert!(shop.number("SELECT count(*) FROM sqlite_stat4").await > 0);
    assert_eq!(shop.slack().await.dirty_bytes(), 0);
    // Bytes in use are no slack, whosever they were.
    let sampled = vec!["order-0000".to_owned()];
    assert_eq!(found(&shop.path(), &sampled), 1);
}

#[tokio::test]
async fn a_database_without_tables_is_clean() {
    let mut shop = Shop::open(PLAIN).await;
    assert_eq!(shop.slack().await.dirty_bytes(), 0);
    std::fs::write(shop.folder.path().join("empty.db"), b"").unwrap();
    assert_eq!(search(&shop.folder.path().join("empty.db")).unwrap(), Slack::default());
    assert!(search(&shop.folder.path().join("missing.db")).is_err());
}

#[tokio::test]
async fn the_end_of_a_chain_of_overflow_pages_is_noticed() {
    let mut shop = Shop::open(PLAIN).await;
    shop.run("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); PRAGMA secure_delete = ON; VACUUM").await;
    shop.run("INSERT INTO notes VALUES (1, replace(hex(zeroblob(50000)), '00', 'secret-'))").await;
    assert_eq!(shop.slack().await.overflow, Dirt::default());
    shop.run("PRAGMA secure_delete = OFF").await;
    // Within one transaction the engine still knows what a free page holds.
    shop.run("BEGIN; DELETE FROM notes; INSERT INTO notes VALUES (2, hex(zeroblob(2100))); COMMIT").await;
    let slack = shop.slack().await;
    assert_eq!((slack.overflow.pages, slack.free.pages > 50), (1, true), "{slack:?}");
    assert!(slack.overflow.bytes > 300, "{slack:?}");
    shop.run("PRAGMA secure_delete = ON; VACUUM").await;
    assert_eq!(shop.slack().await.dirty_bytes(), 0);
}

#[tokio::test]
async fn long_names_and_statements_of_the_schema_are_followed_through_their_chains() {
    let mut shop = Shop::open(Form { page_bytes: 512, ..PLAIN }).await;
    let (name, columns) = ("t".repeat(3000), (0..900).map(|i| format!("column_{i}")).collect::<Vec<_>>().join(", "));
    shop.run(format!("PRAGMA secure_delete = ON; CREATE TABLE {name} ({columns})")).await;
    shop.run(format!("INSERT INTO {name} (column_1, column_899) VALUES ('first', 'last'); VACUUM")).await;
    let slack = shop.slack().await;
    assert_eq!(slack.unreached, Dirt::default(), "the table was not found");
    assert_eq!(slack.dirty_bytes(), 0);
}
