//! What is left of the lines before the first one in `ledger.jsonl`: the file
//! `before/<cut>` with the lines that were kept, word for word, and the tiles of
//! level 0 with the hashes of all. The cut lies between two full tiles, so that no
//! tile that is ever replaced is needed.
//!
//! Which of the files counts is told by the first line alone: renaming a shorter
//! `ledger.jsonl` into its place is the one step that drops lines.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
};

use super::{
    folder::{Folder, names, optional},
    open::Read,
};
use crate::domain::{
    id::Digest,
    ledger::{
        carried::Carried,
        line,
        merkle::Hash,
        tile::{LINE_BYTES_MAX, Level, Tile, TileId, WIDTH},
        verify::{self, Audit},
    },
};

/// The file `before/<cut>`, read.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) carried: Carried,
    bytes: Vec<u8>,
    digest: Digest,
    /// Number and place of each line, ascending.
    lines: Vec<(u64, Range<usize>)>,
}

impl Before {
    /// What a `ledger.jsonl` that begins with this file's first line needs; `None`:
    /// it begins at the beginning. A reason: it is not there, or not whole.
    pub(super) fn of(folder: &Folder, file: &File) -> io::Result<Result<Option<Self>, String>> {
        match first_seq(file)? {
            0 => Ok(Ok(None)),
            cut => Self::read(folder, cut).map(|read| read.map(Some)),
        }
    }

    pub(super) fn read(folder: &Folder, cut: u64) -> io::Result<Result<Self, String>> {
        let problem = |reason: &str| Ok(Err(format!("before/{cut}: {reason}")));
        let Some(bytes) = optional(fs::read(folder.before(cut)))? else { return problem("it is missing") };
        match Self::parse(bytes) {
            Ok(before) if before.carried.cut == cut && cut.is_multiple_of(WIDTH as u64) => Ok(Ok(before)),
            Ok(_) => problem("it is of another cut"),
            Err(reason) => problem(&reason),
        }
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut ends = memchr::memchr_iter(b'\n', &bytes);
        let head_ends = ends.next().unwrap_or_default();
        let carried = bytes.get(..head_ends).and_then(Carried::parse);
        let carried = carried.ok_or_else(|| "its first line is not what lines add up to".to_owned())?;
        let mut start = head_ends + 1;
        let mut lines: Vec<(u64, Range<usize>)> = Vec::new();
        for end in ends {
            let entry = line::read(bytes.get(start..end).unwrap_or_default());
            let seq = entry.map_err(|error| format!("kept line {}: {error}", lines.len() + 1))?.seq;
            if seq >= carried.cut || lines.last().is_some_and(|(last, _)| *last >= seq) {
                return Err(format!("kept line {}: its number is out of order", lines.len() + 1));
            }
            lines.push((seq, start..end));
            start = end + 1;
        }
        if start != bytes.len() {
            return Err("its last line has no end".to_owned());
        }
        let digest = Digest::of(&bytes);
        Ok(Self { carried, bytes, digest, lines })
    }

    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// The lines that were kept, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.lines.iter().map(|(seq, place)| (*seq, self.bytes.get(place.clone()).unwrap_or_default()))
    }

    /// Gives all of it to an audit: each hash from its tile, each kept line with its
    /// hash. Tiles that fill go to `tile`. A reason: a tile of hashes is missing.
    pub(super) fn give<E>(
        &self,
        folder: &Folder,
        audit: &mut Audit,
        visit: &mut impl FnMut(Read<'_>),
        mut tile: impl FnMut(&Tile) -> Result<(), E>,
    ) -> Result<Result<(), String>, E> {
        let mut lines = self.lines().peekable();
        let mut full = Vec::new();
        for index in 0..self.carried.cut / WIDTH as u64 {
            let id = TileId { level: Level::Hashes(0), index, width: WIDTH };
            let hashes = match fs::read(folder.tile(&id)) {
                Ok(bytes) if bytes.len() == WIDTH * size_of::<Hash>() => bytes,
                Ok(_) => return Ok(Err(format!("{id}: it does not have {WIDTH} hashes"))),
                Err(error) => return Ok(Err(format!("{id}: {error}; hashes of dropped lines are nowhere else"))),
            };
            let leaves = hashes.as_chunks::<{ size_of::<Hash>() }>().0;
            for (seq, leaf) in (index * WIDTH as u64..).zip(leaves) {
                match lines.next_if(|(kept, _)| *kept == seq) {
                    Some((_, line)) => {
                        if let Some(entry) = audit.kept(line, *leaf, |tile| full.push(tile)) {
                            visit(Read::Line(line, &entry));
                        }
                    }
                    None => {
                        audit.dropped(*leaf, |tile| full.push(tile));
                        visit(Read::Dropped(leaf));
                    }
                }
            }
            full.drain(..).try_for_each(|full| tile(&full))?;
        }
        let (cut, kept) = (self.carried.cut, self.lines.len() as u64);
        audit.carry(&self.carried, verify::Before { cut, kept, file: self.digest });
        visit(Read::Carried(&self.carried));
        Ok(Ok(()))
    }
}

/// Number of the first line in a `ledger.jsonl`; 0 where that is no entry, which
/// whoever reads all lines will say.
pub(super) fn first_seq(file: &File) -> io::Result<u64> {
    let mut bytes = vec![0; LINE_BYTES_MAX + 1];
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64)? {
            0 => break,
            more => read += more,
        }
        if memchr::memchr(b'\n', bytes.get(..read).unwrap_or_default()).is_some() {
            break;
        }
    }
    let line = bytes.get(..read).unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(line::read(line).map_or(0, |entry| entry.seq))
}

/// Cuts of which the folder `before` has a file, ascending.
pub(super) fn cuts(folder: &Folder, strangers: &mut Vec<String>) -> io::Result<Vec<u64>> {
    let mut cuts = Vec::new();
    for name in names(&folder.befores())? {
        match name.parse::<u64>() {
            Ok(cut) if cut.to_string() == name => cuts.push(cut),
            _ => strangers.push(format!("before/{name}")),
        }
    }
    cuts.sort_unstable();
    Ok(cuts)
}
