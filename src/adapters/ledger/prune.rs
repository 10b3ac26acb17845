//! Dropping old lines, on record. Order: the lines that are kept, under a name that
//! nothing refers to yet; the entry `ledger.pruned` with their digest, under its
//! checkpoint; then a shorter `ledger.jsonl` is renamed into the place of the long
//! one, and only then the bundles of the dropped lines are removed; when nothing of
//! them is there any more, the entry `ledger.dropped`. Whatever a crash leaves is one
//! of both ledgers, a start that finds the first entry goes on from it, and the next
//! append says the second one before anything else.
//!
//! No hash, tile of hashes or checkpoint is ever touched.

use std::{collections::BTreeSet, io, path::Path};

use chrono::NaiveDate;

use super::{
    append::FileLedger,
    before::{Before, cuts, first_seq},
    folder::{Folder, optional},
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
            event::{Event, LedgerDropped, LedgerPruned},
            history::needed::{Alive, Needed},
            merkle::Tree,
            prune::PrunePermit,
            tile::{Level, TileId, WIDTH},
        },
    },
    ports::{Clock, LedgerError},
};

/// What dropping would do. Only `outlook` makes one, under a permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The first entry that is not before the cut.
    pub cut: u64,
    /// Lines that are there now and would be dropped.
    pub dropped: u64,
    /// Lines before the cut that would be kept.
    pub kept: u64,
    permit: PrunePermit,
    root: Digest,
    /// Contents of `before/<cut>`.
    file: Vec<u8>,
}

/// Finds what may be dropped under a permit, given the buckets that the vault holds.
/// `None`: nothing. The cut lies between two full tiles, so up to 255 older lines
/// wait for the next time.
pub fn outlook(
    dir: &Path,
    permit: &PrunePermit,
    buckets: BTreeSet<(RuleId, NaiveDate)>,
) -> Result<Option<Outlook>, LedgerError> {
    let (mut older, mut first, mut missing) = (0, 0, 0);
    let mut confirmed: Vec<(u64, RunId)> = Vec::new();
    read_whole(dir, |read| match read {
        Read::Line(_, entry) => {
            if entry.time < permit.until() {
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
    Ok(Some(Outlook { cut, dropped: cut - kept - missing, kept, permit: *permit, root, file }))
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
    /// Drops what `outlook` has found under a permit. `by`: who wants it. Refused where
    /// the ledger is not as the permit was issued on.
    pub fn prune(&mut self, outlook: &Outlook, by: &str) -> Result<(), LedgerError> {
        if !outlook.permit.still_holds(&self.history) {
            let reason = "entries came since it was permitted to drop lines".to_owned();
            return Err(LedgerError::Write { reason });
        }
        let locked = self.file.lock().and_then(|()| self.file.try_clone());
        self.together = Some(locked.map_err(|error| unreadable("lock", &error))?);
        let done = self.prune_alone(outlook, by);
        let let_in = self.let_in();
        // Readers are let in whatever happened; if that fails too, the first reason
        // is the one to know.
        done.and(let_in)
    }

    /// Readers see a ledger from before or from after it, and nothing between.
    fn prune_alone(&mut self, outlook: &Outlook, by: &str) -> Result<(), LedgerError> {
        let unwritable = |error: io::Error| LedgerError::Write { reason: format!("before: {error}") };
        durable::ensure_dir_private(&self.folder.befores()).map_err(unwritable)?;
        durable::write_atomic(&self.folder.before(outlook.cut), &outlook.file, MODE_READ_ONLY).map_err(unwritable)?;
        failpoint::reach("ledger.before-written");
        let pruned = LedgerPruned {
            by: by.to_owned(),
            before: outlook.permit.before(),
            cut: outlook.cut,
            dropped: outlook.dropped,
            kept: outlook.kept,
            file: Digest::of(&outlook.file),
            root: outlook.root,
        };
        self.append_at(vec![Event::LedgerPruned(pruned)], self.clock.read())?;
        failpoint::reach("ledger.prune-on-record");
        self.drop_on_record()?;
        failpoint::reach("ledger.lines-gone");
        self.finish_prune()
    }

    /// Says that dropped lines are gone, where an interrupted prune has not said so:
    /// a start has dropped them, and leaves the entry to whoever believes the clock.
    pub fn finish_prune(&mut self) -> Result<(), LedgerError> {
        self.append_at(Vec::new(), self.clock.read()).map(drop)
    }

    /// Ends what began with `together`.
    pub(super) fn let_in(&mut self) -> Result<(), LedgerError> {
        let locked = self.together.take();
        locked.map_or(Ok(()), |locked| locked.unlock()).map_err(|error| unreadable("lock", &error))
    }

    /// What has to be said of the newest prune before anything else, once it is so.
    pub(super) fn gone(&self) -> Result<Option<Event>, LedgerError> {
        let open = self.history.open_prune().filter(|open| open.pruned.cut <= self.cut);
        let Some(pruned) = open.map(|open| &open.pruned) else { return Ok(None) };
        self.look_again(pruned.cut).map_err(|error| unreadable("dropped lines", &error))?;
        Ok(Some(Event::LedgerDropped(LedgerDropped { cut: pruned.cut, lines: pruned.dropped })))
    }

    /// Drops what the newest entry `ledger.pruned` says, where that is still there.
    pub(super) fn drop_on_record(&mut self) -> Result<(), LedgerError> {
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
        // Readers wait until what is listed is what is there.
        self.together = Some(durable::drop_beginning(&self.file, offset, &self.folder.lines(), MODE_PRIVATE)?);
        failpoint::reach("ledger.pruned");
        self.file = durable::open_append(&self.folder.lines())?;
        let bundles = self.cut / WIDTH as u64..cut / WIDTH as u64;
        (self.cut, self.length) = (cut, self.length - offset);
        for index in bundles {
            tiles::remove(&self.folder, &TileId { level: Level::Entries, index, width: WIDTH })?;
        }
        failpoint::reach("ledger.bundles-removed");
        for other in cuts(&self.folder, &mut Vec::new())?.into_iter().filter(|other| *other != cut) {
            durable::remove_synced(&self.folder.before(other))?;
        }
        Ok(())
    }

    /// Nothing of the dropped lines may be there any more, nor come back with a loss
    /// of power. Where it cannot be looked, nothing is known to be gone.
    fn look_again(&self, cut: u64) -> io::Result<()> {
        let first = first_seq(&self.file)?;
        if first != cut {
            return Err(io::Error::other(format!("ledger.jsonl begins with entry {first}, not {cut}")));
        }
        if let Some(other) = cuts(&self.folder, &mut Vec::new())?.into_iter().find(|other| *other != cut) {
            return Err(io::Error::other(format!("before/{other} is still there")));
        }
        let mut folders = BTreeSet::new();
        for index in 0..cut / WIDTH as u64 {
            let bundle = self.folder.tile(&TileId { level: Level::Entries, index, width: WIDTH });
            if optional(bundle.symlink_metadata())?.is_some() {
                return Err(io::Error::other(format!("{} is still there", bundle.display())));
            }
            for above in bundle.ancestors().skip(1).take_while(|above| **above != self.folder.tiles()) {
                if optional(above.symlink_metadata())?.is_some() {
                    folders.insert(above.to_owned());
                }
            }
        }
        folders.iter().try_for_each(|folder| durable::sync_dir(folder))
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
