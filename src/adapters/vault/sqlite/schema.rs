//! Every SQL statement of the vault. All of it is fixed text; values are bound.
//!
//! One row per segment, none per record. Bodies stand last in the row: SQLite
//! reads an overflow chain from its start, so that headers and indexes are read
//! without the body behind them. What a plan needs of every bucket stands in
//! one index (`segment_by_bucket`) and is read from it alone; with that index a
//! separate table for bodies brought nothing (10,000 buckets: 14 ms either way).

use sqlx::{Executor as _, SqliteConnection};

use super::failure;
use crate::ports::VaultError;

/// `rtnv`: tells a vault from any other SQLite file.
pub const APPLICATION_ID: i32 = 0x7274_6e76;

pub const APPLICATION_ID_GET: &str = "PRAGMA application_id";

/// `0x72746e76`, as the pragma wants it.
pub const APPLICATION_ID_SET: &str = "PRAGMA application_id = 1920233078";

/// A segment's id is never given twice (`AUTOINCREMENT`), so that one that was
/// read before a deletion cannot name another segment after it. `salt` is the
/// head of the body: the same sealed bytes cannot be stored twice in a batch.
pub const TABLES: [&str; 4] = [
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE segment (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket_rule TEXT NOT NULL,
        bucket_date TEXT NOT NULL,
        dataset TEXT NOT NULL,
        batch TEXT NOT NULL,
        salt BLOB NOT NULL,
        records INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        sealed_at TEXT NOT NULL,
        header BLOB NOT NULL,
        idx BLOB NOT NULL,
        body BLOB NOT NULL
    ) STRICT",
    "CREATE INDEX segment_by_bucket ON segment (bucket_rule, bucket_date, records, bytes, sealed_at)",
    "CREATE UNIQUE INDEX segment_by_batch ON segment (batch, salt)",
];

/// The write lock is taken at once: a transaction that cannot write fails
/// before it has done anything.
pub const BEGIN: &str = "BEGIN IMMEDIATE";
pub const COMMIT: &str = "COMMIT";

pub const WAL: &str = "PRAGMA journal_mode = WAL";

/// Answers with busy, pages in the log, pages moved; after success both are 0.
pub const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

pub const META_ALL: &str = "SELECT key, value FROM meta";
pub const META_GET: &str = "SELECT value FROM meta WHERE key = ?1";
pub const META_PUT: &str =
    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The lease, if there is one, and the time in milliseconds.
pub const LEASE_GET: &str =
    "SELECT (SELECT value FROM meta WHERE key = ?1), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";

/// `?2` is what stands before the expiry for as long as the lease is ours.
pub const LEASE_RENEW: &str = "UPDATE meta
    SET value = ?2 || (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?3) || ?4
    WHERE key = ?1 AND substr(value, 1, length(?2)) = ?2";

pub const LEASE_RELEASE: &str = "UPDATE meta SET value = ?3 WHERE key = ?1 AND substr(value, 1, length(?2)) = ?2";

pub const INSERT: &str = "INSERT INTO segment
    (bucket_rule, bucket_date, dataset, batch, salt, records, bytes, header, idx, body, sealed_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// What is left of a segment gets a number of its own: an interrupted
/// restoration is told from a finished one by the number that is gone. The time
/// of sealing stays, since it has been in the vault since then.
pub const REPLACE: &str = "INSERT INTO segment
    (bucket_rule, bucket_date, dataset, batch, salt, records, bytes, header, idx, body, sealed_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, sealed_at FROM segment WHERE id = ?11";

pub const REMOVE: &str = "DELETE FROM segment WHERE id = ?1";

pub const BY_ID: &str =
    "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body FROM segment WHERE id = ?1";

pub const BY_BATCH: &str =
    "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body FROM segment WHERE batch = ?1";

/// The oldest segment of a bucket.
pub const SAMPLE: &str = "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body FROM segment
    WHERE id = (SELECT min(id) FROM segment WHERE bucket_rule = ?1 AND bucket_date = ?2)";

pub const DROP_BATCH: &str = "DELETE FROM segment WHERE batch = ?1";

/// One row a rule, since each row that comes back costs as much as counting ten
/// buckets: `[date, segments, records, bytes, sealed last]` of each as JSON.
pub const BUCKETS: &str =
    "SELECT bucket_rule, json_group_array(json_array(bucket_date, segments, records, bytes, sealed))
    FROM (SELECT bucket_rule, bucket_date, count(*) AS segments, sum(records) AS records, sum(bytes) AS bytes,
                 max(sealed_at) AS sealed
          FROM segment GROUP BY bucket_rule, bucket_date)
    GROUP BY bucket_rule";

pub const HEADERS: &str = "SELECT header FROM segment WHERE bucket_rule = ?1 AND bucket_date = ?2 ORDER BY id";

pub const INDEXES: &str = "SELECT id, bucket_rule, bucket_date, idx FROM segment ORDER BY id";

pub const INDEXES_OF_RULE: &str =
    "SELECT id, bucket_rule, bucket_date, idx FROM segment WHERE bucket_rule = ?1 ORDER BY id";

pub const INDEXES_OF_BUCKET: &str = "SELECT id, bucket_rule, bucket_date, idx FROM segment
    WHERE bucket_rule = ?1 AND bucket_date = ?2 ORDER BY id";

/// `?2`: the bucket dates as a JSON list.
pub const DELETE_BUCKETS: &str = "DELETE FROM segment
    WHERE bucket_rule = ?1 AND bucket_date IN (SELECT value FROM json_each(?2)) RETURNING bytes";

/// `?2`: the bucket dates as a JSON list.
pub const BUCKETS_LEFT: &str = "SELECT count(*) FROM segment
    WHERE bucket_rule = ?1 AND bucket_date IN (SELECT value FROM json_each(?2))";

/// Runs a statement that has neither values nor an answer.
pub async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), VaultError> {
    connection.execute(statement).await.map_err(failure::from_sqlite)?;
    Ok(())
}
