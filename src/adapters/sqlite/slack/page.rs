//! Takes one b-tree page apart: which bytes are in use, and where it points
//! (SQLite, "Database File Format", 1.6). Works on bytes in memory and reads
//! no file.
//!
//! Nothing here trusts the page: each position is checked before it is used,
//! and what does not add up is said to be malformed.

use std::ops::Range;

use super::layout::{four, two, varint};

const INTERIOR_INDEX: u8 = 2;
const INTERIOR_TABLE: u8 = 5;
const LEAF_INDEX: u8 = 10;
const LEAF_TABLE: u8 = 13;

/// SQLite gives a cell at least this much, so that a free block fits in later.
const CELL_BYTES_MIN: usize = 4;

/// The number of the next free block, and the length of this one.
const FREE_BLOCK_HEADER_BYTES: usize = 4;

/// No text has a byte below a blank at the beginning of a pair, so no two bytes
/// of a text are taken for a position below this.
const POSITION_MAX: usize = 0x1fff;

/// SQLite's own limit for a row or a key.
const PAYLOAD_BYTES_MAX: u64 = (1 << 31) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Index,
}

/// A row or a key of which a part lies in a chain of overflow pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload {
    /// What lies in the page itself.
    pub(super) local: Range<usize>,
    /// Bytes that lie elsewhere; 0: none do.
    pub(super) rest_bytes: u64,
    /// The first overflow page, where there is a rest.
    pub(super) overflow: u32,
}

/// What a page was found to hold. Kept from page to page for its memory.
#[derive(Debug, Default)]
pub(super) struct Anatomy {
    /// The bytes in use, in no order.
    used: Vec<Range<usize>>,
    /// Between the pointers to the cells and the first of the cells.
    gap: Range<usize>,
    pub(super) children: Vec<u32>,
    pub(super) payloads: Vec<Payload>,
}

struct Cell {
    bytes: usize,
    child: Option<u32>,
    payload: Option<Payload>,
}

impl Anatomy {
    /// Looks at the usable bytes of a page whose b-tree header is at `start`.
    pub(super) fn examine(&mut self, page: &[u8], start: usize) -> Result<(), &'static str> {
        self.used.clear();
        self.children.clear();
        self.payloads.clear();
        let cut = "the header reaches beyond the page";
        let (kind, leaf) = match page.get(start) {
            Some(&INTERIOR_INDEX) => (Kind::Index, false),
            Some(&INTERIOR_TABLE) => (Kind::Table, false),
            Some(&LEAF_INDEX) => (Kind::Index, true),
            Some(&LEAF_TABLE) => (Kind::Table, true),
            _ => return Err("it is no b-tree page"),
        };
        let cells = usize::from(two(page, start + 3).ok_or(cut)?);
        let pointers = start + if leaf { 8 } else { 12 };
        let gap = pointers + 2 * cells;
        let content = match usize::from(two(page, start + 5).ok_or(cut)?) {
            0 => 65_536,
            content => content,
        };
        if content < gap || content > page.len() {
            return Err("its cells begin outside of the page or among their pointers");
        }
        self.used.push(start..gap);
        self.gap = gap..content;
        let mut taken = usize::from(*page.get(start + 7).ok_or(cut)?);
        taken += self.free_blocks(page, start, content)?;
        for pointer in (pointers..gap).step_by(2) {
            let at = usize::from(two(page, pointer).ok_or(cut)?);
            let cell = cell(page, at, kind, leaf).ok_or("a cell reaches beyond the page")?;
            let end = at + cell.bytes;
            if at < content || end > page.len() {
                return Err("a cell lies outside of the part for cells");
            }
            taken += cell.bytes;
            self.used.push(at..end);
            self.children.extend(cell.child);
            self.payloads.extend(cell.payload);
        }
        if !leaf {
            self.children.push(four(page, start + 8).ok_or(cut)?);
        }
        // Where this holds, no cell hides a free block or another cell.
        if taken == page.len() - content { Ok(()) } else { Err("cells, free blocks and fragments do not add up") }
    }

    /// Notes the headers of the free blocks, and returns the length of all
    /// blocks. They are linked in ascending order, so the walk ends.
    fn free_blocks(&mut self, page: &[u8], start: usize, content: usize) -> Result<usize, &'static str> {
        let cut = "a free block reaches beyond the page";
        let (mut total, mut after) = (0, content);
        let mut at = usize::from(two(page, start + 1).ok_or(cut)?);
        while at != 0 {
            let bytes = usize::from(two(page, at + 2).ok_or(cut)?);
            if at < after || bytes < FREE_BLOCK_HEADER_BYTES || at + bytes > page.len() {
                return Err("its free blocks are out of order");
            }
            self.used.push(at..at + FREE_BLOCK_HEADER_BYTES);
            total += bytes;
            after = at + bytes;
            at = usize::from(two(page, at).ok_or(cut)?);
        }
        Ok(total)
    }

    /// Overwrites what is in use with zeros: whatever else is left in the copy
    /// of the page in memory stands in a byte that no one uses.
    pub(super) fn blank_used(&self, page: &mut [u8]) {
        for used in &self.used {
            if let Some(bytes) = page.get_mut(used.clone()) {
                bytes.fill(0);
            }
        }
    }

    /// Where pointers to cells were removed, the array got shorter and the last
    /// of them stayed behind it. Overwrites them up to the first two bytes that
    /// cannot be one, and returns how many bytes that were not zero they had.
    pub(super) fn blank_old_positions(&self, page: &mut [u8]) -> u64 {
        let last = (page.len() - CELL_BYTES_MIN).min(POSITION_MAX);
        let mut at = self.gap.start;
        let mut bytes = 0;
        for pair in page.get_mut(self.gap.clone()).unwrap_or_default().chunks_exact_mut(2) {
            let position = two(pair, 0).map_or(0, usize::from);
            at += 2;
            if position != 0 && !(at..=last).contains(&position) {
                break;
            }
            bytes += pair.iter().filter(|byte| **byte != 0).count() as u64;
            pair.fill(0);
        }
        bytes
    }
}

/// `None`: the cell reaches beyond the page, or its payload beyond all limits.
fn cell(page: &[u8], at: usize, kind: Kind, leaf: bool) -> Option<Cell> {
    let mut next = at;
    let mut child = None;
    if !leaf {
        child = Some(four(page, next)?);
        next += 4;
    }
    if kind == Kind::Table && !leaf {
        let (_, rowid_bytes) = varint(page, next)?;
        return Some(Cell { bytes: 4 + rowid_bytes, child, payload: None });
    }
    let (total, length) = varint(page, next)?;
    next += length;
    if kind == Kind::Table {
        next += varint(page, next)?.1;
    }
    if total > PAYLOAD_BYTES_MAX {
        return None;
    }
    let local_bytes = local_bytes(total, page.len(), kind)?;
    let local = next..next + local_bytes;
    let rest_bytes = total - local_bytes as u64;
    let overflow = if rest_bytes > 0 { four(page, local.end)? } else { 0 };
    let end = local.end + if rest_bytes > 0 { 4 } else { 0 };
    let bytes = (end - at).max(CELL_BYTES_MIN);
    Some(Cell { bytes, child, payload: Some(Payload { local, rest_bytes, overflow }) })
}

/// How much of a payload lies in the page, in the format's own terms.
fn local_bytes(total: u64, usable: usize, kind: Kind) -> Option<usize> {
    let usable = usable as u64;
    let fraction = |of_255: u64| (usable - 12) * of_255 / 255 - 23;
    let most = if kind == Kind::Table { usable - 35 } else { fraction(64) };
    let least = fraction(32);
    let local = if total <= most {
        total
    } else {
        // The last overflow page is to be full, where that is possible.
        let filling = least + (total - least) % (usable - 4);
        if filling <= most { filling } else { least }
    };
    usize::try_from(local).ok()
}
