//! Starting on a ledger that is there: every line is read and compared with the
//! newest checkpoint before anything is appended or believed.
//!
//! Bytes after the checkpoint are an append that was never acknowledged; nobody
//! acted on it, and it is cut off. Anything else that does not fit is a state
//! that a person must look at: nothing is repaired.

use std::{fs, io, path::Path};

use super::{
    append::{Context, FileLedger},
    folder::{Folder, Snapshot, optional},
    lines::{Lines, Next},
    rekey::publish,
    signing_key::Held,
    tiles::{self, Found, Listed},
};
use crate::{
    adapters::durable::{self, MODE_READ_ONLY},
    domain::ledger::{
        Head,
        carried::Carried,
        checkpoint::Checkpoint,
        event::Entry,
        history::History,
        keys::Keychain,
        merkle::Hash,
        note::VerifierKey,
        tile::{Tile, TiledTree},
        verify::{Audit, Claim, Place},
    },
    ports::{Clock, LedgerError},
};

/// A ledger that was read and checked, as it stood at that moment.
#[derive(Debug)]
pub struct LedgerView {
    pub origin: String,
    pub head: Head,
    pub history: History,
    /// The keys that have signed it.
    pub keys: Keychain,
}

/// Reads a ledger with all the checks that `FileLedger::open` makes, and never
/// writes: an append under way or left unfinished is ignored, missing tiles are
/// not made again. Each entry is shown to `visit` **before** the whole has been
/// checked; what it gathers is worth something only if the result is `Ok`.
pub fn open_read_only(dir: &Path, mut visit: impl FnMut(&Entry)) -> Result<LedgerView, LedgerError> {
    let line = |read: Read<'_>| match read {
        Read::Line(_, entry) => visit(entry),
        Read::Dropped(_) | Read::Carried(_) => {}
    };
    read_whole(dir, line).map(|(view, _)| view)
}

/// Reads a ledger with the same checks, for whoever wants to know which policies and
/// keys there were: several times as fast. Its history knows nothing of batches and
/// destructions.
pub fn open_outline(dir: &Path) -> Result<LedgerView, LedgerError> {
    read_to(dir, Depth::Outline, |_| {}).map(|(view, _)| view)
}

/// How much of a ledger is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Whole,
    /// Batches and destructions are paired and not gathered.
    Outline,
}

/// What comes next in a ledger.
#[derive(Debug, Clone, Copy)]
pub enum Read<'a> {
    /// The exact bytes of a line, and the entry that they are.
    Line(&'a [u8], &'a Entry),
    /// The hash of a line that was dropped on record.
    Dropped(&'a Hash),
    /// After the last of the dropped lines: what they add up to with those before
    /// and between them that were kept.
    Carried(&'a Carried),
}

/// Like `open_read_only`, for whoever hands the ledger on: shows the exact bytes
/// of each line too, and returns the signed checkpoint that covers them.
pub fn read_whole(dir: &Path, visit: impl FnMut(Read<'_>)) -> Result<(LedgerView, String), LedgerError> {
    read_to(dir, Depth::Whole, visit)
}

fn read_to(dir: &Path, depth: Depth, mut visit: impl FnMut(Read<'_>)) -> Result<(LedgerView, String), LedgerError> {
    let folder = Folder::new(dir);
    let key = folder.read_verifier_key().map_err(unknown)?;
    let snapshot = Snapshot::take(&folder).map_err(|error| unreadable("ledger.jsonl", &error))?;
    let checkpoint = newest(&snapshot, &key)?;
    // `newest` has refused a missing one, and one that is no text.
    let signed = String::from_utf8(snapshot.checkpoint.clone().unwrap_or_default()).unwrap_or_default();
    let origin = checkpoint.origin.clone();
    let bytes = signed.clone().into_bytes();
    let audit = follow(checkpoint, depth);
    let read = replay(&folder, snapshot, audit, &mut visit, |tile| {
        let found = tiles::compare(&folder, tile).map_err(|error| unreadable("tile", &error))?;
        same_or_missing(tile, found).map(|_| ())
    })?;
    let keys = keys(&read.history, key, &bytes)?;
    Ok((LedgerView { origin, head: read.head, history: read.history, keys }, signed))
}

impl<C: Clock> FileLedger<C> {
    /// Opens a ledger for appending. `origin` must be the one it was made with, and
    /// its key must be among the `held` ones. The caller holds the lease that keeps a second runner away.
    pub fn open(
        dir: &Path,
        origin: &str,
        held: impl Into<Held>,
        context: Context,
        clock: C,
    ) -> Result<Self, LedgerError> {
        let held = held.into();
        let folder = Folder::new(dir);
        let verifier = folder.read_verifier_key().map_err(unknown)?;
        let other = || unknown("ledger.vkey belongs to another origin or signing key".to_owned());
        if verifier.name() != origin || !held.has(&verifier) {
            return Err(other());
        }
        let file = durable::open_append(&folder.lines()).map_err(|error| unreadable("ledger.jsonl", &error))?;
        file.lock().map_err(|error| unreadable("lock", &error))?;
        let again = file.try_clone().map_err(|error| unreadable("ledger.jsonl", &error))?;
        let snapshot = Snapshot::look(&folder, again).map_err(|error| unreadable("folder", &error))?;
        let (length, listed) = (snapshot.length, Listed::new(&snapshot.tiles));
        let checkpoint = newest(&snapshot, &verifier)?;
        // `newest` has refused a missing one.
        let signed = snapshot.checkpoint.clone().unwrap_or_default();
        let cuts = snapshot.cuts.clone();
        let mut settle = Settle { folder: &folder, listed, cuts };
        let audit = follow(checkpoint, Depth::Whole);
        let read = replay(&folder, snapshot, audit, &mut |_| {}, |tile| settle.tile(tile))?;
        settle.finish(&signed, &read)?;
        let keys = keys(&read.history, verifier.clone(), &signed)?;
        let key = held.into_key(keys.current()).ok_or_else(other)?;
        if keys.is_behind(&verifier) {
            tracing::warn!("named the signing key to which an interrupted rotation has handed over");
            publish(&folder, keys.current()).map_err(|error| unreadable("ledger.vkey", &error))?;
        }
        if length > read.length {
            tracing::warn!(
                bytes = length - read.length,
                entries = read.head.size,
                "cut off an append that was never acknowledged from the end of the ledger"
            );
            durable::truncate_synced(&file, read.length).map_err(|error| unreadable("ledger.jsonl", &error))?;
        }
        file.unlock().map_err(|error| unreadable("lock", &error))?;
        let mut ledger = Self {
            folder,
            file,
            together: None,
            cut: read.cut,
            length: read.length,
            tree: read.tree,
            head: read.head,
            history: read.history,
            origin: origin.to_owned(),
            key,
            next: None,
            keys,
            context,
            clock,
            broken: None,
        };
        ledger.drop_on_record()?;
        ledger.let_in()?;
        Ok(ledger)
    }
}

/// A ledger as its lines tell it.
struct Replayed {
    /// Number of the first line in `ledger.jsonl`.
    cut: u64,
    head: Head,
    tree: TiledTree,
    history: History,
    /// Bytes of the lines that are signed.
    length: u64,
}

/// The file `checkpoint`, if it is signed and none that was kept is newer.
fn newest(snapshot: &Snapshot, key: &VerifierKey) -> Result<Checkpoint, LedgerError> {
    let signed = snapshot.checkpoint.as_deref().ok_or_else(|| unknown("the file checkpoint is missing".to_owned()))?;
    let checkpoint = Checkpoint::open(signed, key).map_err(|error| unknown(format!("checkpoint: {error}")))?;
    match snapshot.kept.last() {
        Some(kept) if *kept > checkpoint.head.size => {
            let size = checkpoint.head.size;
            Err(unknown(format!(
                "the file checkpoint is of size {size}, but checkpoints/{kept} was kept: it is an old one"
            )))
        }
        _ => Ok(checkpoint),
    }
}

/// The keys of a ledger whose lines were read. Where a crash came between the
/// checkpoint that hands over and the file that names the key, the checkpoint
/// must carry the new key's signature too.
fn keys(history: &History, published: VerifierKey, signed: &[u8]) -> Result<Keychain, LedgerError> {
    let keys = Keychain::new(published.clone(), history.handovers.clone());
    let keys = keys.map_err(|error| unknown(format!("ledger.vkey: {error}")))?;
    if keys.is_behind(&published) {
        Checkpoint::open(signed, keys.current()).map_err(|error| unknown(format!("checkpoint: {error}")))?;
    }
    Ok(keys)
}

/// A reading of the lines that a checkpoint covers, and their number.
fn follow(checkpoint: Checkpoint, depth: Depth) -> (Audit, u64) {
    let Checkpoint { origin, head } = checkpoint;
    let audit = Audit::new(vec![Claim { head, place: Place::Current }], Some(origin), None);
    let audit = if depth == Depth::Outline { audit.pairing_only() } else { audit };
    (audit, head.size)
}

/// Reads the lines that the checkpoint covers and stops at the first problem.
fn replay(
    folder: &Folder,
    snapshot: Snapshot,
    (mut audit, size): (Audit, u64),
    visit: &mut impl FnMut(Read<'_>),
    mut tile: impl FnMut(&Tile) -> Result<(), LedgerError>,
) -> Result<Replayed, LedgerError> {
    let mut lines = Lines::new(snapshot.file, snapshot.length);
    let mut full = Vec::new();
    let before = snapshot.before.map_err(unknown)?;
    if let Some(before) = &before {
        before.give(folder, &mut audit, visit, &mut tile)?.map_err(unknown)?;
    }
    while audit.tiles().tree().size() < size {
        let number = audit.tiles().tree().size() + 1;
        match lines.next().map_err(|error| unreadable("ledger.jsonl", &error))? {
            Next::Line(line) => {
                if let Some(entry) = audit.line(line, |tile| full.push(tile)) {
                    visit(Read::Line(line, &entry));
                }
            }
            Next::TooLong => return Err(unknown(format!("ledger.jsonl: line {number} is too long"))),
            Next::Unfinished | Next::End => break,
        }
        full.drain(..).try_for_each(|full| tile(&full))?;
        if let Some(problem) = audit.problems().first() {
            return Err(unknown(format!("ledger.jsonl: {problem}")));
        }
    }
    let audited = audit.finish();
    if let Some(problem) = audited.problems.first() {
        return Err(unknown(format!("ledger.jsonl: {problem}")));
    }
    audited.tree.partial().try_for_each(|unfinished| tile(&unfinished))?;
    let cut = before.map_or(0, |before| before.carried.cut);
    Ok(Replayed { cut, head: audited.head, tree: audited.tree, history: audited.history, length: lines.offset })
}

/// Brings what follows from the lines back to where the checkpoint is.
struct Settle<'a> {
    folder: &'a Folder,
    listed: Listed,
    cuts: Vec<u64>,
}

impl Settle<'_> {
    fn tile(&mut self, tile: &Tile) -> Result<(), LedgerError> {
        let unwritable = |error: io::Error| unreadable("tile", &error);
        let found = tiles::compare(self.folder, tile).map_err(unwritable)?;
        if same_or_missing(tile, found)? == Found::Missing {
            tracing::warn!(tile = %tile.id, "made a missing tile of the ledger again");
            tiles::write(self.folder, tile).map_err(unwritable)?;
        }
        for earlier in self.listed.take_earlier(&tile.id) {
            tiles::remove(self.folder, &earlier).map_err(unwritable)?;
        }
        self.listed.take(&tile.id);
        Ok(())
    }

    /// Removes tiles of an append that was never acknowledged and bundles of lines
    /// that were dropped, and keeps the checkpoint where a crash came before that.
    fn finish(self, signed: &[u8], read: &Replayed) -> Result<(), LedgerError> {
        let unwritable = |error: io::Error| unreadable("folder", &error);
        let head = read.head;
        let on_record = read.history.pruned.last().map_or(0, |last| last.pruned.cut);
        for cut in self.cuts.iter().filter(|cut| ![read.cut, on_record].contains(cut)) {
            optional(durable::remove_synced(&self.folder.before(*cut))).map_err(unwritable)?;
        }
        for beyond in self.listed.rest() {
            tiles::remove(self.folder, &beyond).map_err(unwritable)?;
        }
        tiles::sweep_temporary(&self.folder.root).map_err(unwritable)?;
        let kept = self.folder.kept(head.size);
        match optional(fs::read(&kept)).map_err(unwritable)? {
            Some(kept) if kept == signed => Ok(()),
            Some(_) => Err(unknown(format!("checkpoints/{} is not the checkpoint", head.size))),
            None => {
                durable::ensure_dir_private(&self.folder.checkpoints()).map_err(unwritable)?;
                durable::write_atomic(&kept, signed, MODE_READ_ONLY).map_err(unwritable)
            }
        }
    }
}

fn same_or_missing(tile: &Tile, found: Found) -> Result<Found, LedgerError> {
    match found {
        Found::Differs => Err(unknown(format!("{} is not what the lines say", tile.id))),
        found => Ok(found),
    }
}

pub(super) fn unreadable(what: &str, error: &io::Error) -> LedgerError {
    unknown(format!("{what}: {error}"))
}

pub(super) fn unknown(reason: String) -> LedgerError {
    let hint = "hint: change nothing, run `ledger verify`, and compare the folder with its backup and with a checkpoint kept elsewhere";
    LedgerError::StateUnknown { reason: format!("{reason}; {hint}") }
}
