//! The writer. Order of an append: lines, flushed; tiles and checkpoint under
//! temporary names, flushed together; tiles renamed, checkpoint renamed, folder
//! flushed; the checkpoint's second name, under which it is kept; and only then
//! the tiles that were replaced are removed. Three waits for the disk.
//!
//! What is signed extends what was signed before: the tree is only ever appended
//! to, and the file is looked at before each append. After a failed step nobody
//! knows what reached the disk, so nothing more is ever appended by this value.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, SubsecRound as _, Utc};
use ed25519_dalek::SigningKey;

use super::{
    folder::{Folder, partial_ids},
    open::open_read_only,
    tiles,
};
use crate::{
    adapters::{
        durable::{self, MODE_PRIVATE, MODE_READ_ONLY, NewFile},
        failpoint,
    },
    domain::{
        id::{Digest, RunId},
        ledger::{
            Head,
            checkpoint::Checkpoint,
            event::{Entry, Event, VERSION},
            history::History,
            keys::Keychain,
            line,
            note::VerifierKey,
            tile::{Tile, TileId, TiledTree},
            verify::head_of,
        },
    },
    ports::{Clock, Ledger, LedgerError},
};

/// What every entry says besides its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The cycle or command.
    pub run: RunId,
    /// The policy in force.
    pub policy: Digest,
    /// Account and name that act.
    pub actor: String,
    pub host: String,
}

/// A ledger that is open for appending.
#[derive(Debug)]
pub struct FileLedger<C> {
    pub(super) folder: Folder,
    /// `ledger.jsonl`.
    pub(super) file: File,
    /// Locked while appends belong together: readers wait for the last of them.
    pub(super) together: Option<File>,
    /// Number of its first line.
    pub(super) cut: u64,
    /// Bytes of it that are signed: all of them, between two appends.
    pub(super) length: u64,
    pub(super) tree: TiledTree,
    /// Size and root that the newest checkpoint signs.
    pub(super) head: Head,
    pub(super) history: History,
    pub(super) origin: String,
    pub(super) key: SigningKey,
    /// Set while the key hands over to this one: then both sign.
    pub(super) next: Option<SigningKey>,
    pub(super) keys: Keychain,
    pub(super) context: Context,
    pub(super) clock: C,
    /// Why nothing may be appended any more.
    pub(super) broken: Option<String>,
}

impl<C: Clock> FileLedger<C> {
    /// Makes a new ledger in a folder that does not exist, with its first
    /// entries (`ledger.opened` before all others). The folder appears whole or
    /// not at all.
    pub fn create(
        dir: &Path,
        origin: &str,
        key: SigningKey,
        context: Context,
        clock: C,
        first: Vec<Event>,
    ) -> Result<Self, LedgerError> {
        let verifier = VerifierKey::new(origin, key.verifying_key()).map_err(|error| refused(error.to_string()))?;
        match first.first() {
            Some(Event::LedgerOpened { origin: opened, .. }) if opened == origin => {}
            _ => return Err(refused(format!("its first event must be ledger.opened of {origin}"))),
        }
        let staged = staging(dir)?;
        for taken in [dir, &staged] {
            if fs::symlink_metadata(taken).is_ok() {
                return Err(refused(format!("{} exists", taken.display())));
            }
        }
        durable::create_dir_private(&staged).map_err(|error| refused(error.to_string()))?;
        let made = Self::fill(&staged, &verifier, key, context, clock, first).and_then(|mut ledger| {
            durable::rename_synced(&staged, dir).map_err(|error| refused(error.to_string()))?;
            ledger.folder = Folder::new(dir);
            Ok(ledger)
        });
        if made.is_err() {
            // Nobody was told that it exists. If it cannot be removed, the next
            // attempt says so.
            fs::remove_dir_all(&staged).ok();
        }
        made
    }

    fn fill(
        staged: &Path,
        verifier: &VerifierKey,
        key: SigningKey,
        context: Context,
        clock: C,
        first: Vec<Event>,
    ) -> Result<Self, LedgerError> {
        let folder = Folder::new(staged);
        let prepare = || {
            durable::write_new(&folder.verifier_key(), format!("{verifier}\n").as_bytes(), MODE_READ_ONLY)?;
            durable::create_dir_private(&folder.checkpoints())?;
            durable::create_dir_private(&folder.tiles())?;
            durable::create_append(&folder.lines())
        };
        let file = prepare().map_err(|error: io::Error| refused(error.to_string()))?;
        let tree = TiledTree::default();
        let head = head_of(tree.tree());
        let mut ledger = Self {
            folder,
            file,
            together: None,
            cut: 0,
            length: 0,
            tree,
            head,
            history: History::default(),
            origin: verifier.name().to_owned(),
            key,
            next: None,
            keys: Keychain::alone(verifier.clone()),
            context,
            clock,
            broken: None,
        };
        ledger.append(first)?;
        Ok(ledger)
    }

    /// The policy that later entries name. Call it before the entry
    /// `policy.adopted` is appended: that entry carries the new digest.
    pub fn set_policy(&mut self, policy: Digest) {
        self.context.policy = policy;
    }

    /// The cycle or command that later entries belong to.
    pub fn set_run(&mut self, run: RunId) {
        self.context.run = run;
    }

    /// The keys that have signed it, the one that signs now last.
    #[must_use]
    pub const fn keys(&self) -> &Keychain {
        &self.keys
    }

    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// For whoever appends: what only a step of this value's own may say is refused.
    fn append_said(&mut self, events: Vec<Event>, now: DateTime<Utc>) -> Result<Head, LedgerError> {
        if events.iter().any(|event| matches!(event, Event::LedgerPruned(_) | Event::LedgerDropped(_))) {
            return Err(refused("lines are dropped with a permit, or not at all".to_owned()));
        }
        self.append_at(events, now)
    }

    /// Before anything else it says that dropped lines are gone, where an interrupted
    /// prune has not said so.
    pub(super) fn append_at(&mut self, mut events: Vec<Event>, now: DateTime<Utc>) -> Result<Head, LedgerError> {
        if let Some(broken) = &self.broken {
            let reason = format!("an earlier append failed ({broken}); hint: start again, which reads everything anew");
            return Err(LedgerError::StateUnknown { reason });
        }
        events.splice(..0, self.gone()?);
        if events.is_empty() {
            return Ok(self.head());
        }
        let (lines, history) = self.prepare(events, now)?;
        if let Err(reason) = self.commit(&lines) {
            self.broken = Some(reason.clone());
            return Err(LedgerError::Write { reason });
        }
        self.history = history;
        Ok(self.head())
    }

    /// Makes lines of events and the history after them. Writes nothing.
    fn prepare(&self, events: Vec<Event>, now: DateTime<Utc>) -> Result<(Vec<Vec<u8>>, History), LedgerError> {
        let mut history = self.history.clone();
        let mut lines = Vec::with_capacity(events.len());
        for event in events {
            if matches!(event, Event::LedgerRekeyed { .. }) && self.next.is_none() {
                return Err(refused("a key hands over with both signatures, or not at all".to_owned()));
            }
            let entry = Entry {
                v: VERSION,
                seq: history.entries,
                time: not_before(history.last_time, now),
                run: self.context.run.clone(),
                policy: self.policy_of(&event),
                event,
                actor: self.context.actor.clone(),
                host: self.context.host.clone(),
            };
            lines.push(line::write(&entry).map_err(|error| refused(error.to_string()))?);
            history.record(&entry).map_err(|error| refused(error.to_string()))?;
        }
        Ok((lines, history))
    }

    /// The policy in force. A command that adopts one names it already, but what it
    /// finishes before was done under the one that is on record.
    fn policy_of(&self, event: &Event) -> Digest {
        let on_record = self.history.policy.as_ref().filter(|_| matches!(event, Event::LedgerDropped(_)));
        on_record.map_or(self.context.policy, |policy| policy.digest)
    }

    /// Writes and signs lines under the lock that readers wait for.
    fn commit(&mut self, lines: &[Vec<u8>]) -> Result<(), String> {
        if self.together.is_some() {
            return self.write(lines);
        }
        self.file.lock().map_err(|error| format!("lock: {error}"))?;
        let written = self.write(lines);
        let unlocked = self.file.unlock().map_err(|error| format!("unlock: {error}"));
        written.and(unlocked)
    }

    fn write(&mut self, lines: &[Vec<u8>]) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        let length = self.file.metadata().map_err(text)?.len();
        if length != self.length {
            return Err(format!("ledger.jsonl has {length} bytes where this process left {}", self.length));
        }
        let mut bytes = lines.join(&b'\n');
        bytes.push(b'\n');
        failpoint::reach("ledger.prepared");
        durable::append_synced(&self.file, &bytes).map_err(|error| format!("append to ledger.jsonl: {error}"))?;
        let before: Vec<_> = partial_ids(self.head.size).collect();
        failpoint::reach("ledger.appended");
        let changed = self.grow(lines, &before);
        let head = head_of(self.tree.tree());
        self.sign(head, &changed)?;
        failpoint::reach("ledger.kept");
        let current: Vec<_> = partial_ids(head.size).collect();
        let replaced = before.into_iter().filter(|id| !current.contains(id));
        for id in replaced {
            tiles::remove(&self.folder, &id).map_err(text)?;
        }
        self.length += bytes.len() as u64;
        self.head = head;
        Ok(())
    }

    /// Adds lines to the tree and returns the tiles that they fill or change.
    fn grow(&mut self, lines: &[Vec<u8>], before: &[TileId]) -> Vec<Tile> {
        let mut changed = Vec::new();
        for line in lines {
            self.tree.append(line, |tile| changed.push(tile));
        }
        changed.extend(self.tree.partial().filter(|tile| !before.contains(&tile.id)));
        changed
    }

    /// The point at which the lines become part of the ledger: tiles first, then
    /// the checkpoint by its name, all contents having been flushed before.
    fn sign(&self, head: Head, tiles: &[Tile]) -> Result<(), String> {
        let keys: Vec<_> = std::iter::once(&self.key).chain(&self.next).collect();
        let signed = Checkpoint { origin: self.origin.clone(), head }.sign_all(&keys);
        let signed = signed.map_err(|error| error.to_string())?;
        let checkpoint = self.folder.checkpoint();
        let paths: Vec<PathBuf> = tiles.iter().map(|tile| self.folder.tile(&tile.id)).collect();
        let tile_files = paths.iter().zip(tiles).map(|(path, tile)| (path, tile.bytes.as_slice()));
        let files: Vec<_> = tile_files
            .chain([(&checkpoint, signed.as_bytes())])
            .map(|(path, bytes)| NewFile { path, bytes, mode: MODE_PRIVATE })
            .collect();
        let place = || {
            tiles.iter().try_for_each(|tile| tiles::make_room(&self.folder, &tile.id))?;
            durable::place_all(&files)?;
            failpoint::reach("ledger.placed");
            durable::sync_dir(&self.folder.root)?;
            failpoint::reach("ledger.signed");
            // After the checkpoint itself: one that is kept and newer than it
            // means that somebody put an old checkpoint back. If the power takes
            // this name, the next start gives it again.
            durable::link(&checkpoint, &self.folder.kept(head.size))
        };
        place().map_err(|error: io::Error| error.to_string())
    }
}

impl<C: Clock> Ledger for FileLedger<C> {
    /// `LedgerError::Write` without a step named in it: the events were refused
    /// and nothing was written. With one: what reached the disk is not known,
    /// and every later append is `StateUnknown`.
    fn append(&mut self, events: Vec<Event>) -> Result<Head, LedgerError> {
        let now = self.clock.read();
        self.append_said(events, now)
    }

    fn append_in_doubt(&mut self, events: Vec<Event>) -> Result<Head, LedgerError> {
        // A ledger without entries does not exist; if it did, any time could follow 1970.
        let last = self.history.last_time.unwrap_or_default();
        self.append_said(events, last)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn replay(&self, each: impl FnMut(&Entry)) -> Result<(), LedgerError> {
        open_read_only(&self.folder.root, each).map(drop)
    }
}

/// Whole milliseconds, never before the last entry: what a clock that went back
/// means is decided elsewhere, but the ledger's order stays its order in time.
fn not_before(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    let now = now.trunc_subsecs(3);
    last.map_or(now, |last| last.max(now))
}

/// The folder in which a new ledger is prepared: `.name.new` beside it.
fn staging(dir: &Path) -> Result<PathBuf, LedgerError> {
    let name = dir.file_name().ok_or_else(|| refused(format!("{} does not name a folder", dir.display())))?;
    let mut staged = OsString::from(".");
    staged.push(name);
    staged.push(".new");
    Ok(dir.with_file_name(staged))
}

const fn refused(reason: String) -> LedgerError {
    LedgerError::Write { reason }
}
