//! Erases what deleted rows left in the files of InnoDB: the recipes that were
//! measured on MariaDB, and why one of them cannot be carried out now.
//!
//! A deleted row stays in its page, and all of an out-of-line value in its own,
//! until the table is built anew, which MariaDB does beside the application. The
//! redo log is replaced by a change of its size, and the undo and doublewrite
//! pages by writing others through them.

use super::{connection::Link, dialect::quote, failure, identity, value};
use crate::{
    domain::{deployment::WipeLevel, record::Cell, verdict::Finding},
    ports::{Locking, SourceError, WipeJob, Wiped},
};

/// Pages that are written through the doublewrite buffer, and again: its size is
/// 128, and the undo pages of a large deletion are some hundreds.
const PAGES: u32 = 1_200;

/// The table for it. It holds nothing of anybody.
const FILLER: &str = "retentiond_wipe_filler";

/// Seconds that an older transaction, or the purge, is waited for.
const WAIT_SECONDS: u32 = 10;

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
    if let Some(reason) = room(link, job).await? {
        return nothing(reason, true);
    }
    let mut recipe = Recipe { link, done: Vec::new(), finding: Finding::pass(), owed: false };
    if let Some(reason) = recipe.older_transactions().await? {
        return nothing(reason, true);
    }
    let bytes = recipe.tables(job.tables, job.level).await?;
    match job.level {
        WipeLevel::Rewrite if recipe.link.is_maria() => recipe.logs(job.tables).await?,
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

/// Why a copy of the largest table would not fit, where the data lies on this
/// host; or why the window is too short.
async fn room(link: &mut Link, job: &WipeJob<'_>) -> Result<Option<String>, SourceError> {
    let names: Vec<String> = job.tables.iter().map(|table| literal(table)).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let ask = format!(
        "SELECT CAST(coalesce(sum(data_length + index_length), 0) AS SIGNED), @@datadir FROM information_schema.tables \
         WHERE table_schema = database() AND table_name IN ({})",
        names.join(", ")
    );
    let row = link.one(&ask).await.map_err(failure::engine)?;
    let (bytes, folder) = (value::number(&row, 0)?.unsigned_abs(), value::text(&row, 1)?);
    if let (Locking::Until(end), WipeLevel::Rewrite, Some(rate)) = (job.locking, job.level, job.bytes_per_second) {
        let seconds = bytes / rate.max(1);
        if (end - job.now).num_seconds().unsigned_abs() < seconds {
            return Ok(Some(format!("a rewrite of {bytes} bytes would take about {seconds} s, and {}", job.locking)));
        }
    }
    let Ok(system) = rustix::fs::statvfs(folder.as_str()) else { return Ok(None) };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    Ok((free < bytes).then(|| format!("a rewrite needs room for a copy, {bytes} bytes, and {free} are free")))
}

/// A name of the configuration as text of a statement.
pub(super) fn literal(name: &str) -> String {
    value::free_literal(&Cell::Text(name.as_bytes().to_vec()))
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
    async fn tables(&mut self, tables: &[String], level: WipeLevel) -> Result<u64, SourceError> {
        // A purge that has not come by yet leaves nothing in the new file.
        self.step("purge waited for", "SET GLOBAL innodb_max_purge_lag_wait = 0", true).await?;
        let mut bytes = 0;
        for table in tables {
            let ask = format!(
                "SELECT CAST(coalesce(sum(data_length + index_length), 0) AS SIGNED), coalesce(max(engine), '') FROM \
                 information_schema.tables WHERE table_schema = database() AND table_name = {}",
                literal(table)
            );
            let row = self.link.one(&ask).await.map_err(failure::engine)?;
            let (size, engine) = (value::number(&row, 0)?.unsigned_abs(), value::text(&row, 1)?);
            if identity::has_no_transactions(&engine) {
                bytes += if self.weak_table(table, &engine, level).await? { size } else { 0 };
                continue;
            }
            let rebuild = format!("ALTER TABLE {} FORCE, ALGORITHM=INPLACE, LOCK=NONE", quote(table));
            if self.step("ALTER TABLE FORCE (INPLACE, LOCK=NONE)", &rebuild, false).await? {
                bytes += size;
            }
            let flush = format!("FLUSH TABLES {} FOR EXPORT", quote(table));
            if self.step("pages flushed", &flush, false).await? {
                self.step("pages flushed", "UNLOCK TABLES", false).await?;
            }
        }
        Ok(bytes)
    }

    /// A table without transactions is built anew under a lock only; true if it was.
    async fn weak_table(&mut self, table: &str, engine: &str, level: WipeLevel) -> Result<bool, SourceError> {
        if level != WipeLevel::Rewrite {
            self.finding.absorb(Finding::unknown(format!(
                "table {table} is kept by {engine}, where deleted rows stay until it is built anew, which locks it; \
                 hint: wipe = \"rewrite\""
            )));
            return Ok(false);
        }
        self.step("ALTER TABLE FORCE", &format!("ALTER TABLE {} FORCE", quote(table)), false).await
    }

    /// What is left outside of the tables: statistics, redo log, undo and
    /// doublewrite pages.
    async fn logs(&mut self, tables: &[String]) -> Result<(), SourceError> {
        for table in tables {
            let forget = format!(
                "DELETE FROM mysql.column_stats WHERE db_name = database() AND table_name = {}",
                literal(table)
            );
            self.step("column_stats cleared", &forget, false).await?;
        }
        self.step("column_stats rewritten", "OPTIMIZE TABLE mysql.column_stats", false).await?;
        self.fill().await?;
        self.redo().await
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

    /// Who still sees what was deleted.
    async fn older_transactions(&mut self) -> Result<Option<String>, SourceError> {
        let ask = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> connection_id() AND \
                   trx_started < now() - INTERVAL 1 SECOND";
        for _ in 0..WAIT_SECONDS {
            let row = match self.link.one(ask).await {
                Ok(row) => row,
                Err(error) if failure::is_connection(&error) => return Err(failure::engine(error)),
                Err(error) => {
                    let what = format!("older transactions could not be looked for: {}", failure::describe(&error));
                    self.finding.absorb(Finding::unknown(what));
                    return Ok(None);
                }
            };
            if value::number(&row, 0)? == 0 {
                return Ok(None);
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        Ok(Some("older transactions still see what was deleted, and keep it; hint: end them".to_owned()))
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
