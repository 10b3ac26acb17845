//! Erases what deleted rows left in the files of InnoDB: the recipes that were
//! measured on MariaDB, and why one of them cannot be carried out now.
//!
//! A deleted row stays in its page, and all of an out-of-line value in its own,
//! until the table is built anew, which MariaDB does beside the application. The
//! redo log is replaced by a change of its size, and the undo and doublewrite
//! pages by writing others through them.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{
    connection::Link,
    failure, identity,
    places::{self, Place},
    value,
};
use crate::{
    adapters::room,
    domain::{deployment::WipeLevel, verdict::Finding},
    ports::{Locking, SourceError, WipeJob, Wiped},
};

/// Pages that are written through the doublewrite buffer, and again: its size is
/// 128, and the undo pages of a large deletion are some hundreds.
const PAGES: u32 = 1_200;

/// The table for it. It holds nothing of anybody.
const FILLER: &str = "retentiond_wipe_filler";

/// How often older transactions are waited for, and how long each time.
const TRANSACTION_WAITS: u32 = 10;
const TRANSACTION_WAIT: Duration = Duration::from_millis(500);

pub(super) async fn wipe(link: &mut Link, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
    let tool = link.version.clone();
    let nothing = |reason: String, owed| {
        let (method, finding) = ("none".to_owned(), Finding::unknown(reason));
        Ok(Wiped { method, tool: tool.clone(), bytes: 0, owed, finding })
    };
    match (job.level, job.locking) {
        (WipeLevel::None, _) => {
            return nothing("nothing was wiped: deleted rows stay in the files".to_owned(), false);
        }
        (WipeLevel::Rewrite, Locking::From(_)) => return nothing(format!("the rewrite waits: {}", job.locking), true),
        _ => {}
    }
    let places = match places::find(link, job.tables).await? {
        Ok(places) => places,
        Err(reason) => return nothing(reason, true),
    };
    if let Some(reason) = refuse(link, job, &places).await? {
        return nothing(reason, true);
    }
    let mut recipe = Recipe { link, done: Vec::new(), finding: Finding::pass(), owed: false };
    if let Some(reason) = recipe.older_transactions().await? {
        return nothing(reason, true);
    }
    let bytes = recipe.tables(&places, job.level).await?;
    match job.level {
        WipeLevel::Rewrite if recipe.link.is_maria() => recipe.logs(&places).await?,
        WipeLevel::Rewrite => recipe.finding.absorb(Finding::unknown(
            "the redo log, undo and doublewrite pages keep old pages: no recipe is known for MySQL",
        )),
        WipeLevel::None | WipeLevel::Engine => recipe.finding.absorb(Finding::unknown(
            "the redo log, undo and doublewrite pages keep old pages for a while; hint: wipe = \"rewrite\"",
        )),
    }
    let (done, finding, owed) = (recipe.done, recipe.finding, recipe.owed);
    let method = if done.is_empty() { "none".to_owned() } else { done.join(", ") };
    Ok(Wiped { method, tool, bytes, owed, finding })
}

/// Why the tables may not be rebuilt now: the window is too short, or a copy of
/// the largest one would not fit, where the data lies on this host.
async fn refuse(link: &mut Link, job: &WipeJob<'_>, places: &[Place]) -> Result<Option<String>, SourceError> {
    let bytes: u64 = places.iter().map(|place| place.bytes).sum();
    if let (Locking::Until(end), WipeLevel::Rewrite, Some(rate)) = (job.locking, job.level, job.bytes_per_second) {
        let seconds = bytes / rate.max(1);
        if (end - job.now).num_seconds().unsigned_abs() < seconds {
            return Ok(Some(format!(
                "a rewrite of {bytes} bytes would take about {seconds} s ({rate} bytes/s, as measured), and {}; hint: \
                 make the window longer",
                job.locking
            )));
        }
    }
    let largest = places.iter().map(|place| place.bytes).max().unwrap_or_default();
    let row = link.one("SELECT @@datadir").await.map_err(failure::engine)?;
    Ok(room::lacking(largest, room::free(Path::new(&value::text(&row, 0)?))))
}

/// A recipe under way.
struct Recipe<'l> {
    link: &'l mut Link,
    done: Vec<String>,
    finding: Finding,
    owed: bool,
}

impl Recipe<'_> {
    /// Builds every table anew. Bytes of those that were.
    async fn tables(&mut self, places: &[Place], level: WipeLevel) -> Result<u64, SourceError> {
        // A purge that has not come by yet leaves nothing in the new file.
        self.step("purge waited for", "SET GLOBAL innodb_max_purge_lag_wait = 0", true).await?;
        let mut bytes = 0;
        for place in places {
            if identity::has_no_transactions(&place.engine) {
                bytes += if self.weak_table(place, level).await? { place.bytes } else { 0 };
                continue;
            }
            let rebuild = format!("ALTER TABLE {} FORCE, ALGORITHM=INPLACE, LOCK=NONE", place.sql());
            if self.step("ALTER TABLE FORCE (INPLACE, LOCK=NONE)", &rebuild, false).await? {
                let ask = format!(
                    "SELECT CAST(coalesce(sum(data_length + index_length), 0) AS SIGNED) FROM \
                     information_schema.tables WHERE {}",
                    place.condition("table_schema", "table_name")
                );
                bytes += value::number(&self.link.one(&ask).await.map_err(failure::engine)?, 0)?.unsigned_abs();
            }
            let flush = format!("FLUSH TABLES {} FOR EXPORT", place.sql());
            if self.step("pages flushed", &flush, false).await? {
                self.step("pages flushed", "UNLOCK TABLES", false).await?;
            }
        }
        Ok(bytes)
    }

    /// A table without transactions is built anew under a lock only; true if it was.
    async fn weak_table(&mut self, place: &Place, level: WipeLevel) -> Result<bool, SourceError> {
        if level != WipeLevel::Rewrite {
            self.finding.absorb(Finding::unknown(format!(
                "table {} is kept by {}, where deleted rows stay until it is built anew, which locks it; hint: wipe = \
                 \"rewrite\"",
                place.table, place.engine
            )));
            return Ok(false);
        }
        self.step("ALTER TABLE FORCE", &format!("ALTER TABLE {} FORCE", place.sql()), false).await
    }

    /// What is left outside of the tables: statistics, redo log, undo and
    /// doublewrite pages.
    async fn logs(&mut self, places: &[Place]) -> Result<(), SourceError> {
        for place in places {
            let forget = format!("DELETE FROM mysql.column_stats WHERE {}", place.condition("db_name", "table_name"));
            self.step("column_stats cleared", &forget, false).await?;
        }
        self.step("column_stats rewritten", "OPTIMIZE TABLE mysql.column_stats", false).await?;
        let before = self.free_undo().await?;
        self.fill().await?;
        self.step("undo freed", "SET GLOBAL innodb_max_purge_lag_wait = 0", false).await?;
        self.redo().await?;
        for (name, value) in before {
            if !self.step("undo freed", &format!("SET GLOBAL {name} = {value}"), false).await? {
                self.finding.absorb(Finding::unknown(format!("{name} was left at 1 instead of {value}")));
            }
        }
        Ok(())
    }

    /// Undo pages of a deletion stay as they are until the server cuts its history,
    /// which it does now and then, and until something else is written there. So the
    /// history is cut at every step for a while, and what is freed is overwritten;
    /// the change of the redo log writes it out. What the settings were is returned.
    async fn free_undo(&mut self) -> Result<Vec<(&'static str, i64)>, SourceError> {
        let mut before = Vec::new();
        for name in ["innodb_immediate_scrub_data_uncompressed", "innodb_purge_rseg_truncate_frequency"] {
            let known = match self.link.one(&format!("SELECT CAST(@@GLOBAL.{name} AS SIGNED)")).await {
                Ok(row) => Some(value::number(&row, 0)?),
                Err(error) if failure::is_connection(&error) => return Err(failure::engine(error)),
                // A version without it: the step says so, and there is nothing to set back.
                Err(_) => None,
            };
            let is_set = self.step("undo freed", &format!("SET GLOBAL {name} = 1"), false).await?;
            before.extend(known.filter(|_| is_set).map(|value| (name, value)));
        }
        Ok(before)
    }

    /// Writes other pages through undo and doublewrite.
    async fn fill(&mut self) -> Result<(), SourceError> {
        let create = format!(
            "CREATE TABLE {FILLER} (n INT PRIMARY KEY, a VARBINARY(15000) NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
        );
        self.step("leftovers dropped", &format!("DROP TABLE IF EXISTS {FILLER}"), false).await?;
        if !self.step("doublewrite cycled", &create, false).await? {
            return Ok(());
        }
        let insert = format!(
            "INSERT INTO {FILLER} WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {PAGES}) \
             SELECT n, REPEAT('.', 7000) FROM n"
        );
        let update = format!("UPDATE {FILLER} SET a = REPEAT(',', 7000)");
        let flush = format!("FLUSH TABLES {FILLER} FOR EXPORT");
        for statement in [insert.as_str(), &flush, "UNLOCK TABLES", &update, &flush, "UNLOCK TABLES"] {
            self.step("doublewrite cycled", statement, false).await?;
        }
        self.step("doublewrite cycled", &format!("DROP TABLE {FILLER}"), false).await?;
        Ok(())
    }

    /// A redo log of another size is a new file, and so is the one after it.
    async fn redo(&mut self) -> Result<(), SourceError> {
        let row = self.link.one("SELECT @@GLOBAL.innodb_log_file_size").await.map_err(failure::engine)?;
        let size = value::number(&row, 0)?;
        let other = size + (4 << 20);
        if self.step("redo log replaced", &format!("SET GLOBAL innodb_log_file_size = {other}"), false).await? {
            let back = format!("SET GLOBAL innodb_log_file_size = {size}");
            if !self.step("redo log replaced", &back, false).await? {
                let left = format!("innodb_log_file_size was left at {other} instead of {size}");
                self.finding.absorb(Finding::unknown(left));
            }
        }
        Ok(())
    }

    /// Who still sees what was deleted: transactions that are there now, and do not
    /// end soon. Told apart by themselves and not by the time, which the server
    /// shows in its own zone.
    async fn older_transactions(&mut self) -> Result<Option<String>, SourceError> {
        let mut older = None;
        for _ in 0..TRANSACTION_WAITS {
            let now = match self.transactions().await {
                Ok(now) => now,
                Err(error) if failure::is_connection(&error) => return Err(failure::engine(error)),
                Err(error) => {
                    let what = format!("older transactions could not be looked for: {}", failure::describe(&error));
                    self.finding.absorb(Finding::unknown(what));
                    return Ok(None);
                }
            };
            let left: BTreeSet<String> =
                older.take().map_or_else(|| now.clone(), |older: BTreeSet<String>| &older & &now);
            if left.is_empty() {
                return Ok(None);
            }
            older = Some(left);
            tokio::time::sleep(TRANSACTION_WAIT).await;
        }
        Ok(Some("older transactions still see what was deleted, and keep it; hint: end them".to_owned()))
    }

    /// Thread and beginning of every transaction but ours.
    async fn transactions(&mut self) -> Result<BTreeSet<String>, sqlx::Error> {
        let ask = "SELECT concat(trx_mysql_thread_id, ' ', trx_started) FROM information_schema.innodb_trx WHERE \
                   trx_mysql_thread_id <> connection_id()";
        let rows = self.link.all(ask).await?;
        // One that cannot be told apart is there at every look: it counts as one that does not end.
        Ok(rows.iter().map(|row| value::text(row, 0).unwrap_or_default()).collect())
    }

    /// One statement; true if it was done. What was not is in the finding, unless
    /// the recipe does without.
    async fn step(&mut self, name: &str, statement: &str, is_optional: bool) -> Result<bool, SourceError> {
        match self.link.command(statement).await {
            Ok(()) => {
                if !self.done.iter().any(|done| done == name) {
                    self.done.push(name.to_owned());
                }
                Ok(true)
            }
            Err(error) if failure::is_connection(&error) => Err(failure::engine(error)),
            Err(_) if is_optional => Ok(false),
            Err(error) => {
                self.owed |= failure::is_locked(&error);
                let missed = format!("not done: {name}: {}", failure::describe(&error));
                self.finding.absorb(Finding::unknown(missed));
                Ok(false)
            }
        }
    }
}
