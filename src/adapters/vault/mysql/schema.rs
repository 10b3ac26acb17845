//! Every SQL statement of the vault. All of it is fixed text; values are bound.
//!
//! One row per segment, none per record. InnoDB keeps long values in pages of
//! their own, so that headers and indexes are read without the bodies. What a
//! plan needs of every bucket stands in one index (`segment_by_bucket`).
//!
//! A segment's number comes from a counter of our own: `AUTO_INCREMENT` forgets
//! its highest value at a restart before MySQL 8.0 and MariaDB 10.2.4, and a
//! number that was read before a deletion must never name another segment.

use sqlx::{Executor as _, MySqlConnection};

use super::failure::from_mysql;
use crate::ports::VaultError;

/// Text is compared byte by byte. `salt` is the head of the body: the same
/// sealed bytes cannot be stored twice in a batch.
pub const TABLES: [&str; 2] = [
    "CREATE TABLE meta (
        name VARCHAR(64) NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE segment (
        id BIGINT NOT NULL PRIMARY KEY,
        bucket_rule VARCHAR(255) NOT NULL,
        bucket_date VARCHAR(10) NOT NULL,
        dataset TEXT NOT NULL,
        batch VARCHAR(64) NOT NULL,
        salt VARBINARY(24) NOT NULL,
        records BIGINT NOT NULL,
        bytes BIGINT NOT NULL,
        sealed_at VARCHAR(35) NOT NULL,
        header LONGBLOB NOT NULL,
        idx LONGBLOB NOT NULL,
        body LONGBLOB NOT NULL,
        KEY segment_by_bucket (bucket_rule, bucket_date, records, bytes, sealed_at),
        UNIQUE KEY segment_by_batch (batch, salt)
    ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
];

/// The session's settings, whatever the server's are. A read sees what is
/// committed at its own time.
pub const SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     autocommit = 1, time_zone = '+00:00', innodb_lock_wait_timeout = 20, wait_timeout = 86400, \
     foreign_key_checks = 1, unique_checks = 1";
pub const NAMES: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_bin";
pub const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
pub const READ_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";

pub const BEGIN: &str = "START TRANSACTION";
pub const COMMIT: &str = "COMMIT";

/// Tables in the database, whosever they are.
pub const TABLES_THERE: &str =
    "SELECT CAST(count(*) AS SIGNED) FROM information_schema.tables WHERE table_schema = database()";

/// Our two tables, if they are InnoDB's.
pub const TABLES_OURS: &str = "SELECT CAST(count(*) AS SIGNED) FROM information_schema.tables
    WHERE table_schema = database() AND table_name IN ('meta', 'segment') AND engine = 'InnoDB'";

/// Largest statement, then whether a commit is on the disk when it returns.
pub const SERVER: &str =
    "SELECT CAST(@@max_allowed_packet AS SIGNED), CAST(@@innodb_flush_log_at_trx_commit AS SIGNED),
    CAST(@@log_bin AS SIGNED), CAST(@@sync_binlog AS SIGNED)";

pub const META_ALL: &str = "SELECT name, value FROM meta";
pub const META_GET: &str = "SELECT value FROM meta WHERE name = ?";
pub const META_PUT: &str = "INSERT INTO meta (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value)";

/// The lease, if there is one, and the server's time in milliseconds.
pub const LEASE_GET: &str = "SELECT (SELECT value FROM meta WHERE name = ?),
    CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)";

/// Values: what stands before the expiry, how long, what stands behind, the
/// name, and twice what stands before the expiry for as long as it is ours.
pub const LEASE_RENEW: &str = "UPDATE meta
    SET value = CONCAT(?, CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) + ?, ?)
    WHERE name = ? AND LEFT(value, CHAR_LENGTH(?)) = ?";

pub const LEASE_RELEASE: &str = "UPDATE meta SET value = ? WHERE name = ? AND LEFT(value, CHAR_LENGTH(?)) = ?";

/// The writers' lock, which is also the last number given.
pub const LOCK: &str = "SELECT value FROM meta WHERE name = ? FOR UPDATE";

/// Followed by `INSERT_VALUES` for each segment.
pub const INSERT: &str = "INSERT INTO segment
    (id, sealed_at, bucket_rule, bucket_date, dataset, batch, salt, records, bytes, header, idx, body) VALUES ";
pub const INSERT_VALUES: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub const SEALED_AT: &str = "SELECT sealed_at FROM segment WHERE id = ? FOR UPDATE";

pub const REMOVE: &str = "DELETE FROM segment WHERE id = ?";

pub const BY_ID: &str =
    "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body FROM segment WHERE id = ?";

pub const BY_BATCH: &str =
    "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body FROM segment WHERE batch = ? ORDER BY id";

/// The oldest segment of a bucket.
pub const SAMPLE: &str = "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body FROM segment
    WHERE bucket_rule = ? AND bucket_date = ? ORDER BY id LIMIT 1";

pub const DROP_BATCH: &str = "DELETE FROM segment WHERE batch = ?";

pub const BUCKETS: &str = "SELECT bucket_rule, bucket_date, CAST(count(*) AS SIGNED), CAST(sum(records) AS SIGNED),
    CAST(sum(bytes) AS SIGNED), max(sealed_at)
    FROM segment GROUP BY bucket_rule, bucket_date ORDER BY bucket_rule, bucket_date";

pub const HEADERS: &str = "SELECT header FROM segment WHERE bucket_rule = ? AND bucket_date = ? ORDER BY id";

pub const INDEXES: &str = "SELECT id, bucket_rule, bucket_date, idx FROM segment ORDER BY id";

pub const INDEXES_OF_RULE: &str =
    "SELECT id, bucket_rule, bucket_date, idx FROM segment WHERE bucket_rule = ? ORDER BY id";

pub const INDEXES_OF_BUCKET: &str = "SELECT id, bucket_rule, bucket_date, idx FROM segment
    WHERE bucket_rule = ? AND bucket_date = ? ORDER BY id";

/// Segments and bytes of one bucket, locked.
pub const BUCKET_SIZE: &str = "SELECT CAST(count(*) AS SIGNED), CAST(coalesce(sum(bytes), 0) AS SIGNED)
    FROM segment WHERE bucket_rule = ? AND bucket_date = ? FOR UPDATE";

pub const DELETE_BUCKET: &str = "DELETE FROM segment WHERE bucket_rule = ? AND bucket_date = ?";

/// Runs a statement that has neither values nor an answer.
pub async fn execute(connection: &mut MySqlConnection, statement: &'static str) -> Result<(), VaultError> {
    connection.execute(sqlx::raw_sql(statement)).await.map_err(from_mysql)?;
    Ok(())
}
