//! C2SP tlog-tiles: the tree and the lines as static files that any client of a
//! transparency log can read.
//!
//! A tile is 256 consecutive hashes of one level, a bundle the 256 lines under a
//! tile of level 0. Paths and contents only; files are the adapter's business.

use std::fmt;

use super::merkle::{Hash, Tree, leaf_hash};

/// Hashes in a full tile, lines in a full bundle.
pub const WIDTH: usize = 256;

/// Heights between two levels of tiles: each spans 2^8 of the level below.
const LEVEL_HEIGHT: u32 = 8;

/// The longest line that the two length bytes of a bundle can say.
pub const LINE_BYTES_MAX: usize = 65_535;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Lines, each after its length (two bytes, big-endian).
    Entries,
    /// Hashes of subtrees of 256^level leaves.
    Hashes(u8),
}

/// The name of a tile. Its `Display` is the path under the ledger's folder,
/// with slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    pub level: Level,
    /// Number of the tile within its level, from 0.
    pub index: u64,
    /// Hashes or lines in it: 1 to 256. Below 256 it is a partial tile.
    pub width: usize,
}

impl TileId {
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == WIDTH
    }

    /// Reads a path as `Display` writes it, and nothing else.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (name, width) = match path.split_once(".p/") {
            Some((name, width)) => (name, width.parse().ok().filter(|width| (1..WIDTH).contains(width))?),
            None => (path, WIDTH),
        };
        let (level, groups) = name.strip_prefix("tile/")?.split_once('/')?;
        let level = match level {
            "entries" => Level::Entries,
            number => Level::Hashes(number.parse().ok().filter(|level| *level < 64)?),
        };
        let mut index: u64 = 0;
        for group in groups.split('/') {
            let digits: u64 = group.trim_start_matches('x').parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        let id = Self { level, index, width };
        // The path is read loosely above; only the exact form is accepted.
        (id.to_string() == path).then_some(id)
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Entries => f.write_str("tile/entries/")?,
            Level::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (left, group) in groups.iter().enumerate().rev() {
            if left > 0 {
                write!(f, "x{group:03}/")?;
            } else {
                write!(f, "{group:03}")?;
            }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// A tile's name and contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub id: TileId,
    pub bytes: Vec<u8>,
}

/// A tree with the tiles at its right edge. Full tiles are handed out when they
/// fill and not kept.
#[derive(Debug, Clone, Default)]
pub struct TiledTree {
    tree: Tree,
    /// The unfinished bundle.
    bundle: Vec<u8>,
    /// The unfinished tile of each level, level 0 first.
    levels: Vec<Vec<u8>>,
}

impl TiledTree {
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Adds a line of at most `LINE_BYTES_MAX` bytes (the caller has checked) and
    /// gives each tile that it fills to `full`.
    pub fn append(&mut self, line: &[u8], mut full: impl FnMut(Tile)) {
        let index = self.tree.size();
        let length = u16::try_from(line.len()).unwrap_or(u16::MAX);
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(line);
        if width_at(index + 1, 0) == 0 {
            let id = TileId { level: Level::Entries, index: index / WIDTH as u64, width: WIDTH };
            // The next one will be about as long.
            let next = Vec::with_capacity(self.bundle.len() + LINE_BYTES_MAX / 8);
            full(Tile { id, bytes: std::mem::replace(&mut self.bundle, next) });
        }
        let levels = &mut self.levels;
        self.tree.append_hash(leaf_hash(line), |height, root| push(levels, index, height, root, &mut full));
    }

    /// Adds a line of which only the hash is left. Its bundle is never made: only
    /// bundles of kept lines are, so whole bundles are added in this way.
    pub fn append_hash(&mut self, leaf: Hash, mut full: impl FnMut(Tile)) {
        let index = self.tree.size();
        let levels = &mut self.levels;
        self.tree.append_hash(leaf, |height, root| push(levels, index, height, root, &mut full));
    }

    /// The unfinished tiles: what `<index>.p/<width>` must hold at this size.
    pub fn partial(&self) -> impl Iterator<Item = Tile> + '_ {
        let size = self.tree.size();
        let bundle = partial_id(Level::Entries, size).map(|id| Tile { id, bytes: self.bundle.clone() });
        let hashes = (0_u8..).zip(&self.levels).filter_map(move |(level, bytes)| {
            partial_id(Level::Hashes(level), size).map(|id| Tile { id, bytes: bytes.clone() })
        });
        bundle.into_iter().chain(hashes)
    }
}

/// Puts the root of a subtree into the unfinished tile of its level.
fn push(levels: &mut Vec<Vec<u8>>, leaf: u64, height: u32, root: &Hash, full: &mut impl FnMut(Tile)) {
    if !height.is_multiple_of(LEVEL_HEIGHT) {
        return;
    }
    let Ok(level) = u8::try_from(height / LEVEL_HEIGHT) else { return };
    while levels.len() <= usize::from(level) {
        levels.push(Vec::new());
    }
    let Some(hashes) = levels.get_mut(usize::from(level)) else { return };
    hashes.extend_from_slice(root);
    if hashes.len() == WIDTH * size_of::<Hash>() {
        let index = leaf.checked_shr(height + LEVEL_HEIGHT).unwrap_or(0);
        let id = TileId { level: Level::Hashes(level), index, width: WIDTH };
        full(Tile { id, bytes: std::mem::take(hashes) });
    }
}

/// The partial tile of a level in a tree of `size` leaves, if it has one.
#[must_use]
pub fn partial_id(level: Level, size: u64) -> Option<TileId> {
    let height = match level {
        Level::Entries => 0,
        Level::Hashes(level) => level,
    };
    let width = width_at(size, height);
    let index = size.checked_shr(LEVEL_HEIGHT * (u32::from(height) + 1)).unwrap_or(0);
    (width > 0).then_some(TileId { level, index, width })
}

/// Hashes in the unfinished tile of a level: `floor(size / 256^level) mod 256`.
fn width_at(size: u64, level: u8) -> usize {
    let hashes = size.checked_shr(LEVEL_HEIGHT * u32::from(level)).unwrap_or(0);
    usize::try_from(hashes % WIDTH as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Paths and contents after `size` lines that say their own number.
    fn tiles_of(size: u64) -> (TiledTree, BTreeMap<String, Vec<u8>>) {
        let mut tree = TiledTree::default();
        let mut tiles = BTreeMap::new();
        for number in 0..size {
            tree.append(number.to_string().as_bytes(), |tile| {
                tiles.insert(tile.id.to_string(), tile.bytes);
            });
        }
        tiles.extend(tree.partial().map(|tile| (tile.id.to_string(), tile.bytes)));
        (tree, tiles)
    }

    #[test]
    fn indexes_are_written_in_groups_of_three_digits() {
        let path = |index, width| TileId { level: Level::Hashes(0), index, width }.to_string();
        assert_eq!(path(0, WIDTH), "tile/0/000");
        assert_eq!(path(999, 7), "tile/0/999.p/7");
        assert_eq!(path(1000, WIDTH), "tile/0/x001/000");
        assert_eq!(path(1_234_067, WIDTH), "tile/0/x001/x234/067");
        assert_eq!(TileId { level: Level::Entries, index: 5, width: 255 }.to_string(), "tile/entries/005.p/255");
    }

    #[test]
    fn paths_are_read_back_and_other_forms_are_refused() {
        for path in ["tile/0/000", "tile/63/x001/x234/067", "tile/entries/x001/000.p/12", "tile/2/000.p/1"] {
            assert_eq!(TileId::parse(path).unwrap().to_string(), path);
        }
        for path in [
            "tile/64/000",
            "tile/00/000",
            "tile/0/0",
            "tile/0/001/000",
            "tile/0/x000/000",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/1/2",
            "tile/0/000.p",
            "tile/0",
            "tile/0/+01",
            "tile/a/000",
            "tile/0/xx01/000",
            "0/000",
        ] {
            assert_eq!(TileId::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_tree_of_seventy_thousand_has_the_tiles_that_the_specification_names() {
        let (_, tiles) = tiles_of(70_000);
        let count = |prefix: &str, partial: bool| {
            tiles.keys().filter(|path| path.starts_with(prefix) && path.contains(".p/") == partial).count()
        };
        assert_eq!(count("tile/0/", false), 273);
        assert_eq!(tiles["tile/0/273.p/112"].len(), 112 * 32);
        assert_eq!(tiles["tile/1/000"].len(), 8192);
        assert_eq!(tiles["tile/1/001.p/17"].len(), 17 * 32);
        assert_eq!(tiles["tile/2/000.p/1"].len(), 32);
        assert_eq!(count("tile/entries/", false), 273);
        assert_eq!(count("tile/", true), 4);
        assert_eq!(tiles.len(), 273 * 2 + 1 + 4);
    }

    #[test]
    fn a_full_tile_has_no_partial_one_and_its_root_stands_one_level_up() {
        let (tree, tiles) = tiles_of(256);
        assert_eq!(tiles.keys().collect::<Vec<_>>(), ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
        assert_eq!(tiles["tile/1/000.p/1"], tree.tree().root().0);
        let leaf = leaf_hash(b"3");
        assert_eq!(tiles["tile/0/000"][3 * 32..4 * 32], leaf);
    }

    #[test]
    fn a_bundle_holds_each_line_after_its_length() {
        let mut tree = TiledTree::default();
        tree.append(b"ab", |_| {});
        tree.append(&[b'c'; 300], |_| {});
        let bundle = tree.partial().find(|tile| tile.id.level == Level::Entries).unwrap();
        assert_eq!(bundle.id.to_string(), "tile/entries/000.p/2");
        assert_eq!(bundle.bytes[..4], *b"\x00\x02ab");
        assert_eq!(bundle.bytes[4..6], [0x01, 0x2c]);
        assert_eq!(bundle.bytes.len(), 306);
    }
}
