//! What an auditor runs: reads everything in a ledger's folder, and what was kept
//! elsewhere, and says what does not fit. Needs nothing but the folder, writes
//! nothing, and does not stop at the first problem.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono::TimeDelta;

use super::{
    before::Before,
    folder::{Folder, Snapshot, claimed_size, identity, partial_ids},
    handovers::handovers,
    lines::{Lines, Next},
    signatures,
    tiles::{self, Found, Listed},
};
use crate::{
    domain::ledger::{
        checkpoint::{Checkpoint, CheckpointError},
        keys::Keychain,
        note::{Note, NoteError, VerifierKey},
        tile::Tile,
        verify::{Audit, Claim, Place, Problems, Pruned, Verification},
    },
    ports::Progress,
};

/// The settlement of what a crash leaves behind, told with what looks like it.
const AFTER_A_CRASH: &str = "after a crash the next start of the daemon settles this";

/// Lines after which a watcher hears of it.
const LINES_A_STEP: u64 = 4_096;

/// Nobody watches.
struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64) {}
    fn end(&mut self) {}
}

/// A verification that could not be made, as opposed to one that found something.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the verifier key given is not one: {0}")]
    Key(#[from] NoteError),
}

/// Verifies the ledger in `dir`. `known`: checkpoints that were kept elsewhere.
/// `silence_max`: a longer pause between two entries is a problem. `verifier_key`:
/// a key as the auditor knows it, in the text form of `ledger.vkey`: today's or one
/// that has handed over since; without it the folder's own is used.
pub fn verify(
    dir: &Path,
    known: &[PathBuf],
    silence_max: Option<TimeDelta>,
    verifier_key: Option<&str>,
) -> Result<Verification, VerifyError> {
    verify_watched(dir, known, silence_max, verifier_key, &mut Unwatched)
}

/// Like `verify`, while somebody watches how far it is.
pub fn verify_watched(
    dir: &Path,
    known: &[PathBuf],
    silence_max: Option<TimeDelta>,
    verifier_key: Option<&str>,
    progress: &mut impl Progress,
) -> Result<Verification, VerifyError> {
    let lines = Folder::new(dir).lines();
    let file = || fs::metadata(&lines).ok().map(|file| identity(&file));
    loop {
        let before = file();
        let found = once(dir, known, silence_max, verifier_key, progress)?;
        // While this was read, a prune may have removed what it was about to look at.
        if found.problems.is_empty() || before == file() {
            return Ok(found);
        }
    }
}

fn once(
    dir: &Path,
    known: &[PathBuf],
    silence_max: Option<TimeDelta>,
    verifier_key: Option<&str>,
    progress: &mut impl Progress,
) -> Result<Verification, VerifyError> {
    let given = verifier_key.map(|text| text.trim_end().parse::<VerifierKey>()).transpose()?;
    let folder = Folder::new(dir);
    let mut problems = Problems::default();
    let Some(snapshot) = look(&folder, &mut problems)? else {
        return Ok(Verification::conclude(Audit::new(vec![], None, None).head(), problems, false, &[]));
    };
    let keys = settle_keys(&folder, &snapshot, given, &mut problems);
    let mut claims = Vec::new();
    if let Some(keys) = &keys {
        current_claim(&snapshot, keys, &mut claims, &mut problems);
        kept_claims(&folder, &snapshot, keys, &mut claims, &mut problems, progress);
    }
    let compared = known_claims(known, keys.as_ref(), &mut claims, &mut problems)?;
    let signed = claims.iter().find(|claim| claim.place == Place::Current).map(|claim| claim.head.size);

    let origin = keys.as_ref().map(|keys| keys.current().name().to_owned());
    let mut audit = Audit::new(claims, origin, silence_max).pairing_only();
    problems.into_texts().into_iter().for_each(|text| audit.problem(text));
    let listed = Listed::new(&snapshot.tiles);
    let mut tiles = TileCheck { folder: &folder, listed, cuts: Vec::new(), problems: Vec::new() };
    let partial = snapshot.partial;
    progress.begin("read entries", signed.unwrap_or_default());
    let read = read_before(&mut audit, &mut tiles, snapshot.before, &snapshot.cuts)
        .and_then(|()| read_lines(&mut audit, &mut tiles, snapshot.file, snapshot.length, signed, progress));
    progress.end();
    read.map_err(|source| VerifyError::Unreadable { path: folder.lines(), source })?;
    tiles.unfinished(&audit, &partial).map_err(|source| VerifyError::Unreadable { path: folder.tiles(), source })?;
    tiles.finish(&mut audit);
    snapshot.strangers.iter().for_each(|name| audit.problem(format!("{name}: it has no business here")));
    let audited = audit.finish();
    let handovers = keys.as_ref().map(Keychain::handovers).unwrap_or_default();
    let pruned = audited.history.pruned.iter();
    let pruned = pruned.map(|entry| Pruned { gone: entry.gone, ..Pruned::of(entry.seq, entry.time, &entry.pruned) });
    let pruned = pruned.collect();
    Ok(Verification { pruned, ..Verification::conclude(audited.head, audited.problems, compared > 0, handovers) })
}

/// The keys to verify with: the one that the folder names, and those that led to
/// it. The one that the auditor holds must be among them.
fn settle_keys(
    folder: &Folder,
    snapshot: &Snapshot,
    given: Option<VerifierKey>,
    problems: &mut Problems,
) -> Option<Keychain> {
    let published = match folder.read_verifier_key() {
        Ok(key) => Some(key),
        Err(reason) => {
            problems.add(reason);
            None
        }
    };
    let published = published.or_else(|| given.clone())?;
    let signed = (snapshot.length, snapshot.checkpoint.as_deref().map_or(0, claimed_size));
    let before = snapshot.before.as_ref().ok().and_then(Option::as_ref);
    let keys = handovers(folder, published.name(), before, signed)
        .map_err(|error| error.to_string())
        .and_then(|found| Keychain::new(published.clone(), found).map_err(|error| format!("ledger.vkey: {error}")));
    let keys = keys.unwrap_or_else(|problem| {
        problems.add(problem);
        Keychain::alone(published.clone())
    });
    if keys.is_behind(&published) {
        problems.add(format!("ledger.vkey: it has handed over to {}; {AFTER_A_CRASH}", keys.current()));
    }
    match given {
        Some(given) if !keys.has(&given) => {
            problems.add("ledger.vkey: it is not the key that was given, nor one that this key led to".to_owned());
            Some(Keychain::alone(given))
        }
        _ => Some(keys),
    }
}

fn look(folder: &Folder, problems: &mut Problems) -> Result<Option<Snapshot>, VerifyError> {
    let unreadable = |path: PathBuf| move |source| VerifyError::Unreadable { path, source };
    fs::read_dir(&folder.root).map_err(unreadable(folder.root.clone()))?;
    match Snapshot::take(folder) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            problems.add("ledger.jsonl: it is missing".to_owned());
            Ok(None)
        }
        Err(source) => Err(unreadable(folder.root.clone())(source)),
    }
}

fn current_claim(snapshot: &Snapshot, keys: &Keychain, claims: &mut Vec<Claim>, problems: &mut Problems) {
    let Some(signed) = &snapshot.checkpoint else {
        problems.add("checkpoint: it is missing".to_owned());
        return;
    };
    let size = claimed_size(signed);
    let before = snapshot.kept.iter().copied().take_while(|kept| *kept < size).last().unwrap_or_default();
    let opened = Note::parse(signed).map_err(CheckpointError::from);
    let head = match opened.and_then(|note| Checkpoint::open_in_turn(&note, keys, before)) {
        Ok(checkpoint) => checkpoint.head,
        Err(error) => {
            problems.add(format!("checkpoint: {error}"));
            return;
        }
    };
    claims.push(Claim { head, place: Place::Current });
    if snapshot.kept.binary_search(&head.size).is_err() {
        problems.add(format!("checkpoints/{}: it is missing; {AFTER_A_CRASH}", head.size));
    }
    if let Some(newest) = snapshot.kept.last().filter(|newest| **newest > head.size) {
        problems.add(format!("checkpoint: it is of size {}, but checkpoints/{newest} is newer", head.size));
    }
}

fn kept_claims(
    folder: &Folder,
    snapshot: &Snapshot,
    keys: &Keychain,
    claims: &mut Vec<Claim>,
    problems: &mut Problems,
    progress: &mut impl Progress,
) {
    progress.begin("check signatures", snapshot.kept.len() as u64);
    for kept in signatures::check(folder, &snapshot.kept, keys, progress) {
        match kept {
            Ok(claim) => claims.push(claim),
            Err(problem) => problems.add(problem),
        }
    }
    progress.end();
}

/// Returns how many checkpoints from outside can be compared. One that this
/// ledger's key of that size did not sign is a problem: either it is of another ledger, or
/// this one was written anew.
fn known_claims(
    known: &[PathBuf],
    keys: Option<&Keychain>,
    claims: &mut Vec<Claim>,
    problems: &mut Problems,
) -> Result<usize, VerifyError> {
    let mut compared = 0;
    for path in known {
        let signed = fs::read(path).map_err(|source| VerifyError::Unreadable { path: path.clone(), source })?;
        let Some(keys) = keys else { continue };
        let name = path.display().to_string();
        match Checkpoint::open(&signed, keys.at(claimed_size(&signed))) {
            Ok(checkpoint) => {
                claims.push(Claim { head: checkpoint.head, place: Place::Known(name) });
                compared += 1;
            }
            Err(error) => problems.add(format!("{name}: {error}")),
        }
    }
    Ok(compared)
}

/// Reads what is left of lines before a cut.
fn read_before(
    audit: &mut Audit,
    tiles: &mut TileCheck<'_>,
    before: Result<Option<Before>, String>,
    cuts: &[u64],
) -> io::Result<()> {
    let folder = tiles.folder;
    let given = match before {
        Ok(None) => Ok(None),
        Ok(Some(before)) => {
            let given = before.give(folder, audit, &mut |_| {}, |tile| tiles.full(tile))?;
            given.map(|()| Some(before.carried.cut))
        }
        Err(problem) => Err(problem),
    };
    let cut = given.unwrap_or_else(|problem| {
        audit.problem(problem);
        None
    });
    tiles.cuts = cuts.iter().copied().filter(|other| Some(*other) != cut).collect();
    Ok(())
}

/// Reads lines up to the size that was signed; what follows is a problem.
fn read_lines(
    audit: &mut Audit,
    tiles: &mut TileCheck<'_>,
    file: fs::File,
    length: u64,
    signed: Option<u64>,
    progress: &mut impl Progress,
) -> io::Result<()> {
    let mut lines = Lines::new(file, length);
    let mut full = Vec::new();
    while signed.is_none_or(|signed| audit.tiles().tree().size() < signed) {
        let number = audit.tiles().tree().size() + 1;
        if number.is_multiple_of(LINES_A_STEP) {
            progress.advance(LINES_A_STEP);
        }
        match lines.next()? {
            Next::Line(line) => {
                audit.line(line, |tile| full.push(tile));
            }
            Next::Unfinished => audit.problem(format!("line {number}: its end is missing")),
            Next::TooLong => {
                audit.problem(format!("line {number}: it is too long; what follows was not read"));
                return Ok(());
            }
            Next::End => break,
        }
        for tile in full.drain(..) {
            tiles.full(&tile)?;
        }
    }
    if length > lines.offset && signed.is_some_and(|signed| signed == audit.tiles().tree().size()) {
        let bytes = length - lines.offset;
        audit.problem(format!("ledger.jsonl: {bytes} bytes follow the last checkpoint; {AFTER_A_CRASH}"));
    }
    Ok(())
}

/// Compares tiles as they fill, and gathers what differs.
struct TileCheck<'a> {
    folder: &'a Folder,
    listed: Listed,
    /// Cuts whose files are there and are not needed.
    cuts: Vec<u64>,
    problems: Vec<String>,
}

impl TileCheck<'_> {
    fn full(&mut self, tile: &Tile) -> io::Result<()> {
        self.listed.take(&tile.id);
        let found = tiles::compare(self.folder, tile)?;
        self.tell(tile, found);
        self.earlier(tile)
    }

    /// The tiles at the right edge, as they were read with the checkpoint.
    fn unfinished(&mut self, audit: &Audit, read: &[Tile]) -> io::Result<()> {
        for tile in audit.tiles().partial() {
            self.listed.take(&tile.id);
            let found = match read.iter().find(|read| read.id == tile.id) {
                None => Found::Missing,
                Some(read) if *read == tile => Found::Same,
                Some(_) => Found::Differs,
            };
            self.tell(&tile, found);
            self.earlier(&tile)?;
        }
        debug_assert_eq!(partial_ids(audit.head().size).count(), audit.tiles().partial().count());
        Ok(())
    }

    fn tell(&mut self, tile: &Tile, found: Found) {
        match found {
            Found::Same => {}
            Found::Missing => self.problems.push(format!("{}: it is missing; {AFTER_A_CRASH}", tile.id)),
            Found::Differs => self.problems.push(format!("{}: it is not what the lines say", tile.id)),
        }
    }

    /// Unfinished tiles that this one replaced and a crash, or a careful
    /// operator, has left: they must be its beginning.
    fn earlier(&mut self, tile: &Tile) -> io::Result<()> {
        for id in self.listed.take_earlier(&tile.id) {
            match fs::read(self.folder.tile(&id)) {
                Ok(bytes) if tiles::begins(tile, id.width, &bytes) => {}
                // The daemon has gone on since, and removed what it replaced.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => self.problems.push(format!("{id}: it is not what the lines say")),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn finish(self, audit: &mut Audit) {
        self.problems.into_iter().for_each(|text| audit.problem(text));
        audit.compare_prune(AFTER_A_CRASH);
        let undone = audit.undone_prune().map(|undone| undone.pruned.cut);
        for cut in self.cuts.iter().filter(|cut| undone != Some(**cut)) {
            audit.problem(format!("before/{cut}: it has no business here; {AFTER_A_CRASH}"));
        }
        for id in self.listed.rest() {
            audit.problem(format!("{id}: the ledger has no such tile; {AFTER_A_CRASH}"));
        }
    }
}
