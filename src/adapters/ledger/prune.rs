//! Dropping old lines, on record. Order: the lines that are kept, under a name that
//! nothing refers to yet; the entry `ledger.pruned` with their digest, under its
//! checkpoint; then a shorter `ledger.jsonl` is renamed into the place of the long
//! one, and only then the bundles of the dropped lines are removed. Whatever a crash
//! leaves is one of both ledgers, and a start that finds the entry goes on from it.
//!
//! No hash, tile of hashes or checkpoint is ever touched.

use std::{collections::BTreeSet, io, path::Path};

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    append::FileLedger,
    before::{Before, cuts},
    folder::Folder,
    lines::{Lines, Next},
    open::{Read, read_whole, unknown, unreadable},
    tiles,
};
use crate::{
    adapters::{
        durable::{self, MODE_PRIVATE, MODE_READ_ONLY},
        failpoint,
    },
    domain::{
        canonical,
        id::{Digest, RuleId, RunId},
        ledger::{
            event::{Event, LedgerPruned},
            history::needed::{Alive, Needed},
            merkle::Tree,
            tile::{Level, TileId, WIDTH},
        },
    },
    ports::{Clock, Ledger as _, LedgerError},
};

/// What dropping would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The first entry that is not before the cut.
    pub cut: u64,
    /// Lines that are there now and would be dropped.
    pub dropped: u64,
    /// Lines before the cut that would be kept.
    pub kept: u64,
    root: Digest,
    /// Contents of `before/<cut>`.
    file: Vec<u8>,
}

/// Finds what may be dropped of lines older than an instant, given the buckets that
/// the vault holds. `None`: nothing. The cut lies between two full tiles, so up to
/// 255 older lines wait for the next time.
pub fn outlook(
    dir: &Path,
    until: DateTime<Utc>,
    buckets: BTreeSet<(RuleId, NaiveDate)>,
) -> Result<Option<Outlook>, LedgerError> {
    let (mut older, mut first, mut missing) = (0, 0, 0);
    let mut confirmed: Vec<(u64, RunId)> = Vec::new();
    read_whole(dir, |read| match read {
        Read::Line(_, entry) => {
            if entry.time < until {
                older = entry.seq + 1;
            }
            if let Event::RunConfirmed { confirmed: run, .. } = &entry.event {
                confirmed.push((entry.seq, run.clone()));
            }
        }
        Read::Dropped(_) => missing += 1,
        Read::Carried(carried) => first = carried.cut,
    })?;
    let cut = older / WIDTH as u64 * WIDTH as u64;
    if cut <= first {
        return Ok(None);
    }
    let confirmed = confirmed.into_iter().filter(|(seq, _)| *seq >= cut).map(|(_, run)| run).collect();
    let (wanted, head, root) = decide(dir, cut, &Alive { buckets, confirmed })?;
    let mut file = head;
    file.push(b'\n');
    read_whole(dir, |read| {
        if let Read::Line(line, entry) = read
            && wanted.contains(&entry.seq)
        {
            file.extend_from_slice(line);
            file.push(b'\n');
        }
    })?;
    let kept = wanted.len() as u64;
    Ok(Some(Outlook { cut, dropped: cut - kept - missing, kept, root, file }))
}

/// The lines before the cut that are still needed, what all of them add up to, and
/// the root at the cut.
fn decide(dir: &Path, cut: u64, alive: &Alive) -> Result<(BTreeSet<u64>, Vec<u8>, Digest), LedgerError> {
    let (mut needed, mut tree) = (Needed::new(alive), Tree::default());
    let mut carried = None;
    let mut refused = None;
    read_whole(dir, |read| {
        if tree.size() < cut {
            match read {
                Read::Line(line, entry) => {
                    tree.append(line);
                    refused = refused.take().or_else(|| needed.entry(entry).err());
                }
                Read::Dropped(leaf) => tree.append_hash(*leaf, |_, _| {}),
                Read::Carried(_) => {}
            }
            if let Read::Carried(carried) = read {
                needed.carry(carried);
            }
            if tree.size() == cut {
                carried = Some((needed.history.carried(), tree.root()));
            }
        }
    })?;
    if let Some(error) = refused {
        return Err(unknown(format!("ledger.jsonl: {error}")));
    }
    let (carried, root) = carried.ok_or_else(|| unknown(format!("ledger.jsonl: it ends before entry {cut}")))?;
    let head = canonical::bytes(&carried).map_err(|error| unknown(error.to_string()))?;
    Ok((needed.lines(), head, root))
}

impl<C: Clock> FileLedger<C> {
    /// Drops what `outlook` has found: lines older than `before`. `by`: who wants it.
    pub fn prune(&mut self, outlook: &Outlook, before: NaiveDate, by: &str) -> Result<(), LedgerError> {
        let unwritable = |error: io::Error| LedgerError::Write { reason: format!("before: {error}") };
        durable::ensure_dir_private(&self.folder.befores()).map_err(unwritable)?;
        durable::write_atomic(&self.folder.before(outlook.cut), &outlook.file, MODE_READ_ONLY).map_err(unwritable)?;
        failpoint::reach("ledger.before-written");
        self.append(vec![Event::LedgerPruned(LedgerPruned {
            by: by.to_owned(),
            before,
            cut: outlook.cut,
            dropped: outlook.dropped,
            kept: outlook.kept,
            file: Digest::of(&outlook.file),
            root: outlook.root,
        })])?;
        failpoint::reach("ledger.prune-on-record");
        self.finish_prune()
    }

    /// Drops what the newest entry `ledger.pruned` says, where that is still there.
    pub(super) fn finish_prune(&mut self) -> Result<(), LedgerError> {
        let Some(last) = self.history.pruned.last().filter(|last| last.pruned.cut > self.cut) else { return Ok(()) };
        let pruned = last.pruned.clone();
        let before = Before::read(&self.folder, pruned.cut).map_err(|error| unreadable("before", &error))?;
        let before = before.map_err(unknown)?;
        if before.digest() != pruned.file {
            return Err(unknown(format!(
                "before/{}: it is not what the entry ledger.pruned says was kept",
                pruned.cut
            )));
        }
        if let Err(error) = self.drop_lines(pruned.cut) {
            let reason = format!("lines before entry {} are not dropped: {error}", pruned.cut);
            self.broken = Some(reason.clone());
            return Err(unknown(reason));
        }
        tracing::info!(
            dropped = pruned.dropped,
            kept = pruned.kept,
            cut = pruned.cut,
            "dropped old lines of the ledger"
        );
        Ok(())
    }

    /// The point of no return is a rename; before it, all lines are there.
    fn drop_lines(&mut self, cut: u64) -> io::Result<()> {
        let offset = offset_of(&self.folder, self.length, cut - self.cut)?;
        self.file.lock()?;
        let dropped = durable::drop_beginning(&self.file, offset, &self.folder.lines(), MODE_PRIVATE);
        self.file.unlock()?;
        // Readers wait until what is listed is what is there.
        let locked = dropped?;
        failpoint::reach("ledger.pruned");
        self.file = durable::open_append(&self.folder.lines())?;
        (self.cut, self.length) = (cut, self.length - offset);
        for index in 0..cut / WIDTH as u64 {
            tiles::remove(&self.folder, &TileId { level: Level::Entries, index, width: WIDTH })?;
        }
        failpoint::reach("ledger.bundles-removed");
        for other in cuts(&self.folder, &mut Vec::new())?.into_iter().filter(|other| *other != cut) {
            durable::remove_synced(&self.folder.before(other))?;
        }
        locked.unlock()
    }
}

/// Bytes of the first `lines` lines.
fn offset_of(folder: &Folder, length: u64, lines: u64) -> io::Result<u64> {
    let mut read = Lines::new(std::fs::File::open(folder.lines())?, length);
    for _ in 0..lines {
        if !matches!(read.next()?, Next::Line(_)) {
            return Err(io::Error::other("the lines end before it"));
        }
    }
    Ok(read.offset)
}
