//! Every SQL statement of the vault. All of it is fixed text; values are bound.
//!
//! One row per segment, none per record. Bodies are encrypted, so that they are
//! stored out of line without another attempt to compress them; headers and
//! indexes are read without them.

/// The schema of a vault; a database has one vault at most.
pub const SCHEMA_THERE: &str = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'retentiond')";

/// Tables of a vault, or what is left of one.
pub const TABLES_THERE: &str = "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'retentiond' AND c.relname IN ('meta', 'segment')";

pub const SCHEMA_CREATE: &str = "CREATE SCHEMA retentiond";

/// A segment's id is never given twice: a sequence does not go back. `salt` is
/// the head of the body: the same sealed bytes cannot be stored twice in a batch.
pub const TABLES: [&str; 6] = [
    "CREATE TABLE retentiond.meta (key text COLLATE \"C\" PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE retentiond.segment (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        bucket_rule text COLLATE \"C\" NOT NULL,
        bucket_date text COLLATE \"C\" NOT NULL,
        dataset text NOT NULL,
        batch text COLLATE \"C\" NOT NULL,
        salt bytea NOT NULL,
        records bigint NOT NULL,
        bytes bigint NOT NULL,
        sealed_at text COLLATE \"C\" NOT NULL,
        header bytea NOT NULL,
        idx bytea NOT NULL,
        body bytea NOT NULL
    )",
    "ALTER TABLE retentiond.segment ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN idx SET STORAGE EXTERNAL",
    "CREATE INDEX segment_by_bucket ON retentiond.segment (bucket_rule, bucket_date)
        INCLUDE (records, bytes, sealed_at)",
    "CREATE UNIQUE INDEX segment_by_batch ON retentiond.segment (batch, salt)",
    "REVOKE ALL ON retentiond.meta, retentiond.segment FROM PUBLIC",
];

/// One writer at a time. The lock is the session's and ends with it: who holds
/// it knows that every earlier writer's transaction has ended, too.
pub const LOCK: &str = "SELECT pg_advisory_lock(1920233078, 1)";

pub const BEGIN: &str = "BEGIN";
pub const COMMIT: &str = "COMMIT";

/// No name is looked up where somebody else may have put one.
pub const SAFE: &str = "SET search_path = pg_catalog, pg_temp";

pub const READ_ONLY: &str = "SET default_transaction_read_only = on";

/// True where the server may lose what it committed when the power fails.
pub const NOT_DURABLE: &str = "SELECT current_setting('fsync') <> 'on' OR current_setting('full_page_writes') <> 'on'";

pub const META_ALL: &str = "SELECT key, value FROM retentiond.meta";
pub const META_GET: &str = "SELECT value FROM retentiond.meta WHERE key = $1";
pub const META_PUT: &str = "INSERT INTO retentiond.meta (key, value) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The lease, if there is one, and the server's time in milliseconds.
pub const LEASE_GET: &str = "SELECT (SELECT value FROM retentiond.meta WHERE key = $1),
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// `$2` is what stands before the expiry for as long as the lease is ours.
pub const LEASE_RENEW: &str = "UPDATE retentiond.meta
    SET value = $2 || ((extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3::bigint) || $4
    WHERE key = $1 AND left(value, length($2)) = $2";

pub const LEASE_RELEASE: &str = "UPDATE retentiond.meta SET value = $3 WHERE key = $1 AND left(value, length($2)) = $2";

/// Ends the sessions that hold the writer's lock: of a runner whose lease is
/// over and who does not wake up to end them. They are this role's own.
pub const END_WRITERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = 1920233078 AND objid = 1 AND objsubid = 2 AND granted AND pid <> pg_backend_pid()";

/// Any number of segments in one statement, numbered in their order.
pub const INSERT: &str = "INSERT INTO retentiond.segment
    (bucket_rule, bucket_date, dataset, batch, salt, records, bytes, header, idx, body, sealed_at)
    SELECT rule, date, dataset, batch, salt, records, bytes, header, idx, body, $11
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[],
        $8::bytea[], $9::bytea[], $10::bytea[])
        WITH ORDINALITY AS s (rule, date, dataset, batch, salt, records, bytes, header, idx, body, position)
    ORDER BY position";

/// What is left of a segment gets a number of its own: an interrupted
/// restoration is told from a finished one by the number that is gone. The time
/// of sealing stays, since it has been in the vault since then.
pub const SEALED_AT: &str = "SELECT sealed_at FROM retentiond.segment WHERE id = $1";

pub const REMOVE: &str = "DELETE FROM retentiond.segment WHERE id = $1";

pub const BY_ID: &str = "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body
    FROM retentiond.segment WHERE id = $1";

pub const BY_BATCH: &str = "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body
    FROM retentiond.segment WHERE batch = $1 ORDER BY id";

/// The oldest segment of a bucket.
pub const SAMPLE: &str = "SELECT id, bucket_rule, bucket_date, batch, records, header, idx, body
    FROM retentiond.segment
    WHERE id = (SELECT min(id) FROM retentiond.segment WHERE bucket_rule = $1 AND bucket_date = $2)";

pub const DROP_BATCH: &str = "DELETE FROM retentiond.segment WHERE batch = $1";

pub const BUCKETS: &str = "SELECT bucket_rule, bucket_date, count(*), sum(records)::bigint, sum(bytes)::bigint,
        max(sealed_at)
    FROM retentiond.segment GROUP BY bucket_rule, bucket_date ORDER BY bucket_rule, bucket_date";

pub const HEADERS: &str =
    "SELECT header FROM retentiond.segment WHERE bucket_rule = $1 AND bucket_date = $2 ORDER BY id";

pub const INDEXES: &str = "SELECT id, bucket_rule, bucket_date, idx FROM retentiond.segment ORDER BY id";

pub const INDEXES_OF_RULE: &str =
    "SELECT id, bucket_rule, bucket_date, idx FROM retentiond.segment WHERE bucket_rule = $1 ORDER BY id";

pub const INDEXES_OF_BUCKET: &str = "SELECT id, bucket_rule, bucket_date, idx FROM retentiond.segment
    WHERE bucket_rule = $1 AND bucket_date = $2 ORDER BY id";

pub const DELETE_BUCKETS: &str =
    "DELETE FROM retentiond.segment WHERE bucket_rule = $1 AND bucket_date = ANY ($2) RETURNING bytes";

pub const BUCKETS_LEFT: &str =
    "SELECT count(*) FROM retentiond.segment WHERE bucket_rule = $1 AND bucket_date = ANY ($2)";

/// Takes the dead rows out of table and indexes, so that their pages are used
/// again. What stays in free pages until then is ciphertext without a key.
pub const VACUUM: &str = "VACUUM (INDEX_CLEANUP ON) retentiond.segment";
