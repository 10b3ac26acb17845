//! Erases what deleted rows left in a cluster's files: the recipes that were
//! measured, and why one of them cannot be carried out now.
//!
//! `VACUUM` gives space back and leaves its bytes: only a table that is written
//! anew holds nothing of its dead rows, and even then the statistics and the
//! write-ahead log do until they are rewritten and cycled. A snapshot that is
//! older than the deletion makes every rewrite copy the dead rows with the others,
//! so that one is waited for, and then the wipe is owed.

use std::{path::Path, time::Duration};

use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use super::failure::{self, Meaning};
use crate::{
    adapters::room,
    domain::{deployment::WipeLevel, verdict::Finding},
    ports::{Locking, WipeJob, Wiped},
};

/// Versions for which the recipes are believed.
const VERSIONS: std::ops::RangeInclusive<i32> = 15..=18;

/// What a rewrite does in a second where this source has not shown it yet.
const BYTES_PER_SECOND_ASSUMED: u64 = 20 << 20;

/// How often older snapshots are waited for, and how long each time.
const SNAPSHOT_WAITS: u32 = 10;
const SNAPSHOT_WAIT: Duration = Duration::from_millis(500);

/// Segments of the log that are cycled through at most.
const LOG_CYCLES_MAX: i64 = 256;

/// A table of the source, or one leaf of it where it is partitioned.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) oid: i64,
    /// Quoted and with its schema.
    pub(super) sql: String,
    bytes: u64,
}

/// Wipes as the job asks. An error means that the session is lost.
pub async fn wipe(session: &mut PgConnection, job: &WipeJob<'_>) -> Result<Wiped, sqlx::Error> {
    let tool = format!("PostgreSQL {}", text(session, "SHOW server_version").await?);
    let nothing = |reason: String, owed| {
        let (method, finding) = ("none".to_owned(), Finding::unknown(reason));
        Ok(Wiped { method, tool: tool.clone(), bytes: 0, owed, finding })
    };
    let version = session.server_version_num().unwrap_or_default() / 10_000;
    if !VERSIONS.contains(&i32::try_from(version).unwrap_or_default()) {
        return nothing(format!("no recipe is known for {tool}: nothing was wiped"), false);
    }
    let leaves = match leaves(session, job.tables).await? {
        Ok(leaves) => leaves,
        Err(reason) => return nothing(reason, true),
    };
    let bytes: u64 = leaves.iter().map(|leaf| leaf.bytes).sum();
    let refused = match job.level {
        WipeLevel::None => return nothing("nothing was wiped: deleted rows stay in the files".to_owned(), false),
        WipeLevel::Engine => None,
        WipeLevel::Rewrite => refuse(session, job, &leaves).await?,
    };
    let refused = if refused.is_none() { older_snapshots(session).await? } else { refused };
    if let Some(reason) = refused {
        return nothing(reason, true);
    }
    let mut recipe = Recipe { session, done: Vec::new(), finding: Finding::pass(), owed: false };
    let rewritten = match job.level {
        WipeLevel::Rewrite => recipe.rewrite(&leaves).await?,
        WipeLevel::None | WipeLevel::Engine => recipe.engine(&leaves).await?,
    };
    let bytes = if rewritten { bytes } else { 0 };
    let (done, finding, owed) = (recipe.done, recipe.finding, recipe.owed);
    let method = if done.is_empty() { "none".to_owned() } else { done.join(", ") };
    Ok(Wiped { method, tool, bytes, owed, finding })
}

/// A recipe under way.
struct Recipe<'s> {
    session: &'s mut PgConnection,
    done: Vec<String>,
    finding: Finding,
    owed: bool,
}

impl Recipe<'_> {
    /// Beside the application. Holes in pages keep their bytes, and so does
    /// everything out of line: it says so.
    async fn engine(&mut self, leaves: &[Leaf]) -> Result<bool, sqlx::Error> {
        for leaf in leaves {
            self.step("VACUUM (INDEX_CLEANUP ON)", &format!("VACUUM (INDEX_CLEANUP ON) {}", leaf.sql)).await?;
            let reindex = format!("REINDEX TABLE CONCURRENTLY {}", leaf.sql);
            if !self.step("REINDEX CONCURRENTLY", &reindex).await? {
                self.drop_invalid_indexes(leaf).await?;
            }
            self.step("ANALYZE", &format!("ANALYZE {}", leaf.sql)).await?;
        }
        self.step("CHECKPOINT", "CHECKPOINT").await?;
        self.finding.absorb(Finding::unknown(
            "a VACUUM leaves the bytes of deleted rows in the holes of pages and out of line; hint: wipe = \"rewrite\"",
        ));
        Ok(false)
    }

    /// Every table anew, then the statistics, then the log. True: the tables are.
    async fn rewrite(&mut self, leaves: &[Leaf]) -> Result<bool, sqlx::Error> {
        for leaf in leaves {
            let rewritten = self.step("VACUUM FULL", &format!("VACUUM FULL {}", leaf.sql)).await?;
            if !rewritten {
                self.owed = true;
                return Ok(false);
            }
            self.step("ANALYZE", &format!("ANALYZE {}", leaf.sql)).await?;
        }
        for catalogue in ["pg_statistic", "pg_statistic_ext_data"] {
            self.step(&format!("VACUUM FULL {catalogue}"), &format!("VACUUM FULL pg_catalog.{catalogue}")).await?;
        }
        self.cycle_log().await?;
        Ok(true)
    }

    /// Overwrites every segment of the log once: recycled ones keep old records
    /// until then.
    async fn cycle_log(&mut self) -> Result<(), sqlx::Error> {
        let segments = self.session.fetch_one("SELECT count(*) FROM pg_ls_waldir()").await;
        let cycles = match segments {
            Ok(row) => row.try_get::<i64, _>(0)?.clamp(2, LOG_CYCLES_MAX) + 1,
            Err(error) => return self.missed("the write-ahead log was not cycled", error),
        };
        for _ in 0..cycles {
            for statement in ["SELECT pg_switch_wal()", "CHECKPOINT"] {
                if let Err(error) = self.session.execute(statement).await {
                    return self.missed("the write-ahead log was not cycled", error);
                }
            }
        }
        self.done.push(format!("{cycles} log segments cycled"));
        Ok(())
    }

    /// One statement; true if it was done. What was not is in the finding.
    async fn step(&mut self, name: &str, statement: &str) -> Result<bool, sqlx::Error> {
        match self.session.execute(AssertSqlSafe(statement.to_owned())).await {
            Ok(_) => {
                if !self.done.iter().any(|done| done == name) {
                    self.done.push(name.to_owned());
                }
                Ok(true)
            }
            Err(error) => self.missed(&format!("{name} was not done"), error).map(|()| false),
        }
    }

    fn missed(&mut self, what: &str, error: sqlx::Error) -> Result<(), sqlx::Error> {
        let meaning = failure::meaning(&error);
        if meaning == Meaning::Lost {
            return Err(error);
        }
        self.owed |= matches!(meaning, Meaning::Locked | Meaning::Conflict | Meaning::NoRoom);
        self.finding.absorb(Finding::unknown(format!("{what}: {}", failure::describe(&error))));
        Ok(())
    }

    /// What an interrupted REINDEX CONCURRENTLY leaves behind is dropped, or named.
    async fn drop_invalid_indexes(&mut self, leaf: &Leaf) -> Result<(), sqlx::Error> {
        let find = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index AS i JOIN pg_class AS c ON c.oid = \
                    i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE i.indrelid = $1::oid AND NOT \
                    i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'";
        for row in sqlx::query(find).bind(leaf.oid).fetch_all(&mut *self.session).await? {
            let index: String = row.try_get(0)?;
            let dropping = format!("DROP INDEX CONCURRENTLY {index}");
            if !self.step("leftovers of a REINDEX dropped", &dropping).await? {
                self.finding.absorb(Finding::unknown(format!("the unfinished index {index} is left behind")));
            }
        }
        Ok(())
    }
}

/// Why a rewrite may not begin: the window, or the room for a copy of the largest
/// table, where the data lies on this host.
async fn refuse(session: &mut PgConnection, job: &WipeJob<'_>, leaves: &[Leaf]) -> Result<Option<String>, sqlx::Error> {
    let bytes: u64 = leaves.iter().map(|leaf| leaf.bytes).sum();
    let largest = leaves.iter().map(|leaf| leaf.bytes).max().unwrap_or_default();
    let (rate, known) = match job.bytes_per_second {
        Some(rate) => (rate.max(1), "as measured"),
        None => (BYTES_PER_SECOND_ASSUMED, "assumed"),
    };
    let seconds = bytes / rate;
    let takes =
        format!("VACUUM FULL would lock {bytes} bytes of tables for about {seconds} s ({rate} bytes/s, {known})");
    match job.locking {
        Locking::NoWindow => {
            return Ok(Some(format!("{takes}, and {}; hint: set maintenance.window of the source", job.locking)));
        }
        Locking::From(_) => return Ok(Some(format!("{takes}; {}", job.locking))),
        Locking::Until(end) if (end - job.now).num_seconds() < i64::try_from(seconds).unwrap_or(i64::MAX) => {
            return Ok(Some(format!("{takes}, and {}; hint: make the window longer", job.locking)));
        }
        Locking::Until(_) => {}
    }
    let Some(folder) = super::residue::local_data(session).await? else { return Ok(None) };
    Ok(room::lacking(largest, room::free(Path::new(&folder))))
}

/// Who still sees what was deleted. Waits for those that end soon.
async fn older_snapshots(session: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let now: String = text(session, "SELECT clock_timestamp()::text").await?;
    for attempt in 0..=SNAPSHOT_WAITS {
        let holders = "SELECT count(*)::text FROM (SELECT 1 FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND \
                       pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker' AND xact_start < \
                       $1::timestamptz UNION ALL SELECT 1 FROM pg_prepared_xacts UNION ALL SELECT 1 FROM \
                       pg_replication_slots WHERE xmin IS NOT NULL UNION ALL SELECT 1 FROM pg_stat_replication WHERE \
                       backend_xmin IS NOT NULL) AS holders";
        let row = sqlx::query(holders).bind(&now).fetch_one(&mut *session).await?;
        let holding: String = row.try_get(0)?;
        if holding == "0" {
            return Ok(None);
        }
        if attempt == SNAPSHOT_WAITS {
            return Ok(Some(format!(
                "{holding} older transactions, prepared ones, slots or replicas still see what was deleted, so that a \
                 rewrite would copy it; hint: end them"
            )));
        }
        tokio::time::sleep(SNAPSHOT_WAIT).await;
    }
    Ok(None)
}

/// The tables with their leaves. The inner error says which is not there.
pub(super) async fn leaves(
    session: &mut PgConnection,
    tables: &[String],
) -> Result<Result<Vec<Leaf>, String>, sqlx::Error> {
    let find = "SELECT l.oid::bigint, format('%I.%I', n.nspname, l.relname), pg_total_relation_size(l.oid) FROM \
                pg_class AS t JOIN pg_namespace AS s ON s.oid = t.relnamespace LEFT JOIN LATERAL \
                pg_partition_tree(t.oid) AS p ON t.relkind = 'p' JOIN pg_class AS l ON l.oid = coalesce(p.relid, \
                t.oid::regclass) JOIN pg_namespace AS n ON n.oid = l.relnamespace WHERE t.relkind IN ('r', 'p') AND \
                l.relkind = 'r' AND CASE WHEN $1::text IS NULL THEN pg_table_is_visible(t.oid) ELSE s.nspname = $1 \
                END AND t.relname = $2";
    let mut all = Vec::new();
    for table in tables {
        let (schema, name) =
            table.split_once('.').map_or((None, table.as_str()), |(schema, name)| (Some(schema), name));
        let rows = sqlx::query(find).bind(schema).bind(name).fetch_all(&mut *session).await?;
        if rows.is_empty() {
            return Ok(Err(format!("table {table} was not found")));
        }
        for row in rows {
            let bytes: i64 = row.try_get(2)?;
            all.push(Leaf { oid: row.try_get(0)?, sql: row.try_get(1)?, bytes: bytes.unsigned_abs() });
        }
    }
    Ok(Ok(all))
}

pub(super) async fn text(session: &mut PgConnection, statement: &'static str) -> Result<String, sqlx::Error> {
    session.fetch_one(statement).await?.try_get(0)
}
