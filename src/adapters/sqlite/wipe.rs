//! Erases what deleted rows leave in the database's own files: dividers in
//! index pages, free pages, the write-ahead log.
//!
//! An application that writes without `secure_delete`, as is SQLite's default,
//! leaves copies of rows in the free space of pages when they split, and deleting
//! a row later erases the row, not its copies. So no recipe is believed: after
//! it, the file's unused bytes are looked at (`slack`), and `Pass` says that they
//! were zeros, or what a rewrite leaves of rows that are there. Nothing here
//! speaks of blocks of the file system.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{connection::Link, dialect::main_table, failure, slack, value};
use crate::{
    adapters::{room, sql::Sql},
    domain::{
        deployment::WipeLevel,
        verdict::{Finding, Verdict},
    },
    ports::{Locking, SourceError, WipeJob, Wiped},
};

pub(super) async fn wipe(link: &mut Link, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
    let row = link.one(Sql::new("SELECT sqlite_version()")).await.map_err(failure::engine)?;
    let tool = format!("SQLite {}", value::text(&row, 0).map_err(failure::engine)?);
    let nothing = |finding, owed| Wiped { method: "none".to_owned(), tool: tool.clone(), bytes: 0, owed, finding };
    let outcome = match (job.level, job.locking) {
        (WipeLevel::None, _) => {
            let reason = "copies may remain in free pages, index pages and the write-ahead log: nothing was wiped";
            return Ok(nothing(Finding::unknown(reason), false));
        }
        // A rewrite keeps every writer out until it is done.
        (WipeLevel::Rewrite, Locking::From(_)) => {
            let reason = format!("the rewrite waits: {}", job.locking);
            return Ok(nothing(Finding::unknown(reason), true));
        }
        (WipeLevel::Engine, _) => engine(link, job.tables).await,
        (WipeLevel::Rewrite, _) => match lacking_room(link) {
            Some(reason) => return Ok(nothing(Finding::unknown(reason), true)),
            None => rewrite(link).await.map(|finding| (REWRITTEN, finding)),
        },
    };
    match outcome {
        Ok((method, finding)) => {
            let finding = finding.and(leftovers(link).await.map_err(failure::engine)?);
            let bytes = if method == REWRITTEN { file_bytes(link) } else { 0 };
            let owed = finding.reasons.iter().any(|reason| reason == READ_MEANWHILE || reason == WRITTEN_MEANWHILE);
            Ok(Wiped { method: method.to_owned(), tool, bytes, owed, finding })
        }
        Err(error) if failure::is_busy(&error) => {
            Ok(nothing(Finding::unknown("the application holds the lock; the wipe has to be repeated"), true))
        }
        Err(error) => Err(failure::engine(error)),
    }
}

fn file_bytes(link: &Link) -> u64 {
    link.path.metadata().map_or(0, |file| file.len())
}

/// Why a rewrite would not fit: the copy, and the journal that undoes it, take
/// twice the file's size beside it and in the folder for temporary files.
fn lacking_room(link: &Link) -> Option<String> {
    let folder = link.path.parent().unwrap_or(Path::new("."));
    room::lacking(file_bytes(link).saturating_mul(2), room::free(folder))
}

/// Reasons that pass, so that the wipe is done again.
const READ_MEANWHILE: &str = "a reader holds the write-ahead log, which keeps old pages until it is truncated";
const WRITTEN_MEANWHILE: &str = "the application wrote while its file was to be searched; the wipe has to be repeated";

const REINDEXED: &str = "secure_delete, REINDEX, truncating checkpoint";
const REWRITTEN: &str = "secure_delete, VACUUM, truncating checkpoint";

/// A file up to this size is rewritten in seconds, which is no longer than an
/// application has to wait for any other writer.
const REWRITE_AT_ONCE_BYTES_MAX: u64 = 256 << 20;

/// What a rewrite may leave in unused bytes. It writes every page anew from rows
/// that are there, and leaves beginnings of their cells behind: up to 20 bytes
/// were seen. More means that it did not do what it is believed to do.
const REWRITE_REST_BYTES_MAX: u64 = 64;

/// What can be done beside the application: indexes are built anew; and where
/// older copies remain in a file that is small enough, it is rewritten after all.
async fn engine(link: &mut Link, tables: &[String]) -> Result<(&'static str, Finding), sqlx::Error> {
    let reindexed = reindex(link, tables).await?;
    if reindexed.verdict == Verdict::Unknown && file_bytes(link) <= REWRITE_AT_ONCE_BYTES_MAX {
        return Ok((REWRITTEN, rewrite(link).await?));
    }
    Ok((REINDEXED, reindexed))
}

async fn reindex(link: &mut Link, tables: &[String]) -> Result<Finding, sqlx::Error> {
    for table in tables {
        link.command(format!("REINDEX {}", main_table(table))).await?;
    }
    let finding = checkpoint(link).await?;
    Ok(finding.and(unused(link, 0).await?))
}

/// The rows that stay pass through a temporary file: in memory a large database
/// would not fit. Rows that were deleted are not copied.
async fn rewrite(link: &mut Link) -> Result<Finding, sqlx::Error> {
    link.command("PRAGMA temp_store = FILE").await?;
    let rewritten = link.command("VACUUM main").await;
    link.command("PRAGMA temp_store = MEMORY").await?;
    rewritten?;
    let finding = checkpoint(link).await?;
    Ok(finding.and(unused(link, REWRITE_REST_BYTES_MAX).await?))
}

/// Looks at every byte of the file that nothing uses, while a read transaction
/// keeps it as it is. Up to `rest` bytes are tolerated.
async fn unused(link: &mut Link, rest: u64) -> Result<Finding, sqlx::Error> {
    link.begin_reading().await?;
    let found = search(link, rest).await;
    link.roll_back().await?;
    found
}

async fn search(link: &mut Link, rest: u64) -> Result<Finding, sqlx::Error> {
    // Only a statement takes the snapshot that `BEGIN` announces.
    link.one(Sql::new("SELECT count(*) FROM sqlite_schema")).await?;
    // With an empty log no checkpoint can change the file under a reader.
    if !is_empty(&beside(&link.path, "-wal"))? || !is_empty(&beside(&link.path, "-journal"))? {
        return Ok(Finding::unknown(WRITTEN_MEANWHILE));
    }
    let path = link.path.clone();
    let reason = match tokio::task::spawn_blocking(move || slack::search(&path)).await {
        Ok(Ok(slack)) if slack.dirty_bytes() <= rest => return Ok(Finding::pass()),
        Ok(Ok(slack)) => format!(
            "{} bytes in unused parts of {} of {} pages are left of earlier writes, and may be copies of deleted rows; \
             hint: wipe = \"rewrite\"",
            slack.dirty_bytes(),
            slack.dirty_pages(),
            slack.pages
        ),
        Ok(Err(error)) => error.to_string(),
        Err(error) => format!("the database file could not be searched: {error}"),
    };
    Ok(Finding::unknown(reason))
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_empty(path: &Path) -> Result<bool, sqlx::Error> {
    match path.metadata() {
        Ok(file) => Ok(file.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(sqlx::Error::Io(error)),
    }
}

/// A reader makes a checkpoint do less than asked, without an error: only its
/// result says so.
async fn checkpoint(link: &mut Link) -> Result<Finding, sqlx::Error> {
    let mode = link.pragma_text("main.journal_mode").await?;
    match mode.as_str() {
        "wal" => {
            let row = link.pragma("main.wal_checkpoint(TRUNCATE)").await?;
            if value::integer(&row, 0)? == 0 {
                return Ok(Finding::pass());
            }
            Ok(Finding::unknown(READ_MEANWHILE))
        }
        "delete" | "truncate" => Ok(Finding::pass()),
        other => Ok(Finding::unknown(format!("journal_mode {other} keeps old pages or does not say where they are"))),
    }
}

/// What no recipe reaches.
async fn leftovers(link: &mut Link) -> Result<Finding, sqlx::Error> {
    let mut finding = Finding::pass();
    if link.pragma_integer("main.secure_delete").await? != 1 {
        finding = finding.and(Finding::unknown("secure_delete was not on"));
    }
    if let Some(reason) = link.kept_journal().await? {
        finding = finding.and(Finding::unknown(reason));
    }
    if link.catalogue().await?.key_samples {
        finding = finding.and(Finding::unknown("sqlite_stat4 keeps samples of index keys until the next ANALYZE"));
    }
    Ok(finding)
}
