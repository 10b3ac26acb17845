//! Tiles in the folder: compared with what the lines say, and written. A tile
//! follows from the lines, so a missing one can be made again; one that differs
//! is never overwritten, since somebody changed it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use super::folder::{Folder, optional};
use crate::{
    adapters::durable::{self, MODE_PRIVATE, calls},
    domain::ledger::{
        merkle::Hash,
        tile::{Level, Tile, TileId},
    },
};

/// Bytes that are compared at once: they stay near the processor.
const COMPARED_BYTES: usize = 1 << 14;

/// What is in the place of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Same,
    Missing,
    Differs,
}

/// Compares a full tile with its file.
pub(super) fn compare(folder: &Folder, tile: &Tile) -> io::Result<Found> {
    let Some(mut file) = optional(File::open(folder.tile(&tile.id)))? else { return Ok(Found::Missing) };
    let mut expected = tile.bytes.as_slice();
    let mut bytes = [0; COMPARED_BYTES];
    loop {
        let some = match file.read(&mut bytes)? {
            0 if expected.is_empty() => return Ok(Found::Same),
            0 => return Ok(Found::Differs),
            read => bytes.get(..read).unwrap_or_default(),
        };
        match expected.strip_prefix(some) {
            Some(rest) => expected = rest,
            None => return Ok(Found::Differs),
        }
    }
}

/// Makes the folder that a tile goes into.
pub(super) fn make_room(folder: &Folder, id: &TileId) -> io::Result<()> {
    durable::ensure_dir_private(folder.tile(id).parent().unwrap_or(&folder.root))
}

/// Writes a tile. Its contents are durable, its name may be lost with the power:
/// then the next start makes it again.
pub(super) fn write(folder: &Folder, tile: &Tile) -> io::Result<()> {
    make_room(folder, &tile.id)?;
    durable::place(&folder.tile(&tile.id), &tile.bytes, MODE_PRIVATE)
}

/// Removes a tile that another one has replaced, and its folder once that is
/// empty. One that is gone already is no error.
pub(super) fn remove(folder: &Folder, id: &TileId) -> io::Result<()> {
    let path = folder.tile(id);
    optional(calls::remove(&path))?;
    match fs::remove_dir(path.parent().unwrap_or(&path)) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => Err(error),
        _ => Ok(()),
    }
}

/// The tiles that are in the folder and wait to be compared: full ones, and
/// earlier unfinished ones, which must be the beginning of what came after.
#[derive(Debug)]
pub(super) struct Listed {
    by_place: BTreeMap<(Level, u64), Vec<usize>>,
}

impl Listed {
    pub(super) fn new(tiles: &[TileId]) -> Self {
        let mut by_place: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for id in tiles {
            by_place.entry((id.level, id.index)).or_default().push(id.width);
        }
        Self { by_place }
    }

    /// Takes the earlier unfinished tiles in this tile's place.
    pub(super) fn take_earlier(&mut self, of: &TileId) -> Vec<TileId> {
        let Some(widths) = self.by_place.get_mut(&(of.level, of.index)) else { return Vec::new() };
        let earlier = widths.extract_if(.., |width| *width < of.width);
        earlier.map(|width| TileId { width, ..*of }).collect()
    }

    /// Takes the tile itself; true if it was listed.
    pub(super) fn take(&mut self, id: &TileId) -> bool {
        let Some(widths) = self.by_place.get_mut(&(id.level, id.index)) else { return false };
        let before = widths.len();
        widths.retain(|width| *width != id.width);
        before > widths.len()
    }

    /// What was never taken: tiles that this ledger does not have.
    pub(super) fn rest(self) -> impl Iterator<Item = TileId> {
        self.by_place
            .into_iter()
            .flat_map(|((level, index), widths)| widths.into_iter().map(move |width| TileId { level, index, width }))
    }
}

/// True if `bytes` are what the first `width` hashes or lines of `whole` are.
pub(super) fn begins(whole: &Tile, width: usize, bytes: &[u8]) -> bool {
    if !whole.bytes.starts_with(bytes) {
        return false;
    }
    match whole.id.level {
        Level::Hashes(_) => bytes.len() == width * size_of::<Hash>(),
        Level::Entries => lines_in(bytes) == Some(width),
    }
}

/// Lines in a bundle; `None` if its end cuts one.
fn lines_in(mut bundle: &[u8]) -> Option<usize> {
    let mut lines = 0;
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        bundle = rest.get(usize::from(u16::from_be_bytes(*length))..)?;
        lines += 1;
    }
    bundle.is_empty().then_some(lines)
}

/// Removes temporary files that a crash has left under a folder.
pub(super) fn sweep_temporary(dir: &Path) -> io::Result<()> {
    let Some(entries) = optional(fs::read_dir(dir))? else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            sweep_temporary(&entry.path())?;
        } else if name.starts_with('.') && name.ends_with(".tmp") {
            optional(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_tile_is_a_beginning_that_ends_between_two_lines() {
        let id = TileId { level: Level::Entries, index: 0, width: 3 };
        let whole = Tile { id, bytes: b"\0\x01a\0\x02bb\0\x01c".to_vec() };
        assert!(begins(&whole, 2, b"\0\x01a\0\x02bb"));
        assert!(!begins(&whole, 1, b"\0\x01a\0\x02bb"));
        assert!(!begins(&whole, 2, b"\0\x01a\0\x02b"));
        assert!(!begins(&whole, 2, b"\0\x01a\0\x02bx"));
        assert!(!begins(&whole, 2, b"\0\x01a\0"));
    }

    #[test]
    fn tiles_that_nobody_expects_are_left_over() {
        let id = |index, width| TileId { level: Level::Hashes(0), index, width };
        let mut listed = Listed::new(&[id(0, 3), id(0, 5), id(0, 9), id(1, 256)]);
        assert_eq!(listed.take_earlier(&id(0, 5)), [id(0, 3)]);
        assert!(listed.take(&id(0, 5)) && !listed.take(&id(0, 5)));
        assert_eq!(listed.rest().collect::<Vec<_>>(), [id(0, 9), id(1, 256)]);
    }
}
