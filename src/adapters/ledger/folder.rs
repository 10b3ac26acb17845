//! Where the ledger's files are, and a look at all of them at one moment: under a
//! lock that a writer holds during each append, so that a reader never sees half
//! of one. Reads and names only; nothing here writes.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::before::{self, Before};
use crate::domain::ledger::{
    checkpoint::Checkpoint,
    note::VerifierKey,
    tile::{Level, Tile, TileId, partial_id},
};

/// Levels of tiles that a tree of 2^64 leaves has.
const LEVELS: u8 = 8;

/// Paths in a ledger's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn lines(&self) -> PathBuf {
        self.root.join("ledger.jsonl")
    }

    pub(super) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    pub(super) fn kept(&self, size: u64) -> PathBuf {
        self.checkpoints().join(size.to_string())
    }

    /// The folder of what is kept of lines before a cut.
    pub(super) fn befores(&self) -> PathBuf {
        self.root.join("before")
    }

    pub(super) fn before(&self, cut: u64) -> PathBuf {
        self.befores().join(cut.to_string())
    }

    pub(super) fn verifier_key(&self) -> PathBuf {
        self.root.join("ledger.vkey")
    }

    pub(super) fn tiles(&self) -> PathBuf {
        self.root.join("tile")
    }

    pub(super) fn tile(&self, id: &TileId) -> PathBuf {
        self.root.join(id.to_string())
    }

    /// The key that auditors verify with: one line.
    pub(super) fn read_verifier_key(&self) -> Result<VerifierKey, String> {
        let text = fs::read_to_string(self.verifier_key()).map_err(|error| format!("ledger.vkey: {error}"))?;
        let line = text.strip_suffix('\n').ok_or_else(|| "ledger.vkey: its last line has no end".to_owned())?;
        line.parse().map_err(|error| format!("ledger.vkey: {error}"))
    }
}

/// A ledger's files as they were while nobody was appending. Whole tiles and
/// kept checkpoints never change, so they are listed here and read later.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) file: File,
    /// What is left of the lines before its first one, or why that cannot be read.
    pub(super) before: Result<Option<Before>, String>,
    /// Cuts of which the folder `before` has a file, ascending.
    pub(super) cuts: Vec<u64>,
    /// Bytes of `ledger.jsonl`.
    pub(super) length: u64,
    /// The file `checkpoint`; `None`: there is none.
    pub(super) checkpoint: Option<Vec<u8>>,
    /// Sizes of the files in `checkpoints`, ascending.
    pub(super) kept: Vec<u64>,
    /// All files that are named like tiles.
    pub(super) tiles: Vec<TileId>,
    /// The contents of the unfinished tiles at the checkpoint's size.
    pub(super) partial: Vec<Tile>,
    /// Files in `checkpoints` and `tile` that have no business there.
    pub(super) strangers: Vec<String>,
}

impl Snapshot {
    /// Waits for an append that is under way, looks, and lets go again.
    pub(super) fn take(folder: &Folder) -> io::Result<Self> {
        loop {
            let file = File::open(folder.lines())?;
            match file.lock_shared() {
                // A copy on a file system without locks: nobody appends there.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                other => other?,
            }
            // Old lines may have been dropped meanwhile: then this is the former file.
            if identity(&file.metadata()?) != identity(&fs::metadata(folder.lines())?) {
                continue;
            }
            let snapshot = Self::look(folder, file)?;
            snapshot.file.unlock()?;
            return Ok(snapshot);
        }
    }

    /// Looks without a lock of its own: for the writer, which holds one.
    pub(super) fn look(folder: &Folder, file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let checkpoint = optional(fs::read(folder.checkpoint()))?;
        let mut strangers = Vec::new();
        let before = Before::of(folder, &file)?;
        let cuts = before::cuts(folder, &mut strangers)?;
        let kept = list_kept(folder, &mut strangers)?;
        let mut tiles = Vec::new();
        list_tiles(&folder.tiles(), "tile", &mut tiles, &mut strangers)?;
        let size = checkpoint.as_deref().map_or(0, claimed_size);
        let mut partial = Vec::new();
        for id in partial_ids(size) {
            if let Some(bytes) = optional(fs::read(folder.tile(&id)))? {
                partial.push(Tile { id, bytes });
            }
        }
        Ok(Self { file, before, cuts, length, checkpoint, kept, tiles, partial, strangers })
    }
}

/// The size a checkpoint states, before its signature is looked at: it only
/// chooses which small files are read along with it.
pub(super) fn claimed_size(signed: &[u8]) -> u64 {
    let text = signed.split(|byte| *byte == b'\n').take(3).flat_map(|line| [line, b"\n"]).flatten().copied().collect();
    String::from_utf8(text).ok().and_then(|text| Checkpoint::parse(&text).ok()).map_or(0, |found| found.head.size)
}

/// The unfinished tiles of a ledger of this size.
pub(super) fn partial_ids(size: u64) -> impl Iterator<Item = TileId> {
    std::iter::once(Level::Entries)
        .chain((0..LEVELS).map(Level::Hashes))
        .filter_map(move |level| partial_id(level, size))
}

pub(super) fn list_kept(folder: &Folder, strangers: &mut Vec<String>) -> io::Result<Vec<u64>> {
    let mut kept = Vec::new();
    for name in names(&folder.checkpoints())? {
        match name.parse::<u64>() {
            Ok(size) if size.to_string() == name => kept.push(size),
            _ => strangers.push(format!("checkpoints/{name}")),
        }
    }
    kept.sort_unstable();
    Ok(kept)
}

fn list_tiles(dir: &Path, path: &str, tiles: &mut Vec<TileId>, strangers: &mut Vec<String>) -> io::Result<()> {
    for name in names(dir)? {
        let (inner, path) = (dir.join(&name), format!("{path}/{name}"));
        if fs::symlink_metadata(&inner)?.is_dir() {
            list_tiles(&inner, &path, tiles, strangers)?;
        } else {
            match TileId::parse(&path) {
                Some(id) => tiles.push(id),
                None => strangers.push(path),
            }
        }
    }
    Ok(())
}

/// Names in a folder; none where there is no folder. Temporary files (`.*.tmp`)
/// are left out: a crash may leave one, and it stands for nothing.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let Some(entries) = optional(fs::read_dir(dir))? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !is_temporary(&name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Which file it is, whatever name it has.
pub(super) fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// `None` where there is no such file.
pub(super) fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
