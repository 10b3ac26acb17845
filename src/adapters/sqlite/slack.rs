//! Looks for old bytes in the parts of a database file that no one uses,
//! without knowing what to look for.
//!
//! `secure_delete` overwrites what is deleted while it is on. It does not reach
//! the copies that a page kept when it was split or its rows were moved, nor what
//! an application deleted without it: measured, no database in daily use is free
//! of dirt. `VACUUM` with `secure_delete` on leaves none, but for a piece of the
//! schema in very small pages; without it, it leaves copies of rows that are
//! there. A file without dirt has no room for a text of `REST_BYTES_MIN + 1`
//! bytes or more that is not in its tables any more.
//!
//! Not looked at: bytes that an extension reserved at the ends of pages; bytes
//! *in* use, such as the samples of `sqlite_stat4`, the rowids that divide the
//! pages of a table, what a virtual table keeps of its own deleted rows; files
//! beside the database. Never writes, and never says what it found, only how
//! much.

mod handle;
mod layout;
mod page;
mod schema;

#[cfg(test)]
mod tests;

use std::{fs::File, io, ops::AddAssign, os::unix::fs::FileExt as _, path::Path};

use zeroize::Zeroizing;

use layout::{HEADER_BYTES, Layout, four};
use page::{Anatomy, Payload};

/// The engine itself, with `secure_delete` on, leaves old positions of cells,
/// headers of free blocks and beginnings of cells behind in the unused bytes of
/// tables and indexes; `VACUUM` does. They come in pieces shorter than this,
/// and a value of a row that is as short is not told from them.
const REST_BYTES_MIN: usize = 8;

/// Unused bytes that are not zero, and the pages they are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dirt {
    pub(super) pages: u64,
    pub(super) bytes: u64,
}

/// What a search found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Slack {
    /// All pages of the file. Each was looked at, once.
    pub(super) pages: u64,
    /// Tables and indexes, the schema's own among them: gaps, free blocks,
    /// fragments. Without `scraps`.
    pub(super) btree: Dirt,
    /// Behind the end of a long value in the last page of its chain.
    pub(super) overflow: Dirt,
    /// The list of free pages.
    pub(super) free: Dirt,
    /// Pages that nothing points at, those behind the end of the database
    /// among them.
    pub(super) unreached: Dirt,
    /// In tables, indexes and the list of free pages: pieces too short to be
    /// told from what the engine leaves of its own. No dirt.
    pub(super) scraps: Dirt,
}

impl Slack {
    pub(super) fn dirty_pages(&self) -> u64 {
        self.places().iter().map(|place| place.pages).sum()
    }

    /// 0: what was deleted is gone from the file, but for scraps.
    pub(super) fn dirty_bytes(&self) -> u64 {
        self.places().iter().map(|place| place.bytes).sum()
    }

    fn places(&self) -> [Dirt; 4] {
        [self.btree, self.overflow, self.free, self.unreached]
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SlackError {
    #[error("the database file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Nothing is known about the file then, clean pages or not.
    #[error("page {page} of the database file is malformed: {reason}; hint: run PRAGMA integrity_check")]
    Malformed { page: u32, reason: &'static str },
}

/// Searches the main file of a database. Blocks until all of it was read.
///
/// The caller holds a read transaction, and has seen after it began that no
/// write-ahead log and no rollback journal holds anything: the file alone is
/// the database then, and stays as it is.
pub(super) fn search(path: &Path) -> Result<Slack, SlackError> {
    search_file(&*handle::open(path)?)
}

/// A handle of the main file for another search, under the same care for locks.
pub(super) fn read_through(path: &Path) -> io::Result<std::sync::Arc<File>> {
    handle::open(path)
}

fn search_file(file: &File) -> Result<Slack, SlackError> {
    let file_bytes = file.metadata()?.len();
    if file_bytes == 0 {
        return Ok(Slack::default());
    }
    let mut header = [0; HEADER_BYTES];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(SlackError::Malformed { page: 1, reason: "the file ends within its header" });
        }
        read => read?,
    }
    let mut search = Search::new(file, file_bytes, Layout::read(&header, file_bytes)?)?;
    search.maps()?;
    search.free_pages()?;
    let mut roots = Vec::new();
    search.tree(1, Some(&mut roots))?;
    for root in roots {
        search.tree(root, None)?;
    }
    search.unreached()?;
    Ok(search.slack)
}

/// A search under way: two pages in memory, and one bit for each page of the
/// file.
struct Search<'f> {
    file: &'f File,
    file_bytes: u64,
    layout: Layout,
    /// Bit `page - 1`: something points at the page. At none do two.
    reached: Vec<u64>,
    /// The usable bytes of the page in hand.
    page: Zeroizing<Vec<u8>>,
    /// The same of an overflow page, while the page in hand is its owner.
    overflow: Zeroizing<Vec<u8>>,
    anatomy: Anatomy,
    slack: Slack,
}

impl<'f> Search<'f> {
    fn new(file: &'f File, file_bytes: u64, layout: Layout) -> Result<Self, SlackError> {
        let pages = file_bytes.div_ceil(layout.page_bytes as u64);
        let too_long = |_| SlackError::Malformed { page: 1, reason: "the file is too long for memory" };
        let words = usize::try_from(pages.div_ceil(64)).map_err(too_long)?;
        Ok(Self {
            file,
            file_bytes,
            layout,
            reached: vec![0; words],
            page: Zeroizing::new(vec![0; layout.usable_bytes]),
            overflow: Zeroizing::new(vec![0; layout.usable_bytes]),
            anatomy: Anatomy::default(),
            slack: Slack { pages, ..Slack::default() },
        })
    }

    /// Notes that something points at the page. Every walk claims before it
    /// reads, so no walk goes in circles.
    fn claim(&mut self, page: u32) -> Result<(), SlackError> {
        let malformed = |reason| Err(SlackError::Malformed { page, reason });
        if page == 0 || page > self.layout.pages {
            return malformed("something points at it, and the database has no such page");
        }
        if u64::from(page) == self.layout.lock_page() {
            return malformed("something points at the page of the lock byte");
        }
        let (word, bit) = place(u64::from(page));
        match self.reached.get_mut(word) {
            Some(bits) if *bits & bit == 0 => *bits |= bit,
            _ => return malformed("it is pointed at twice"),
        }
        Ok(())
    }

    /// The maps hold page numbers only. What is behind their last entry is
    /// looked at.
    fn maps(&mut self) -> Result<(), SlackError> {
        for page in self.layout.maps() {
            self.claim(page)?;
            read_page(self.file, &self.layout, page, &mut self.page)?;
            let unused = self.page.get(self.layout.map_bytes()..).unwrap_or_default();
            let (rests, scraps) = sort(unused);
            self.slack.btree += rests;
            self.slack.scraps += scraps;
        }
        Ok(())
    }

    fn free_pages(&mut self) -> Result<(), SlackError> {
        let mut trunk = self.layout.first_trunk;
        while trunk != 0 {
            self.claim(trunk)?;
            read_page(self.file, &self.layout, trunk, &mut self.page)?;
            let malformed = SlackError::Malformed { page: trunk, reason: "it lists more free pages than fit in it" };
            let next = four(&self.page, 0).unwrap_or_default();
            let leaves = usize::try_from(four(&self.page, 4).unwrap_or_default()).unwrap_or(usize::MAX);
            let end = leaves.saturating_add(2).saturating_mul(4);
            let Some(unused) = self.page.get(end..) else { return Err(malformed) };
            let (rests, scraps) = sort(unused);
            self.slack.free += rests;
            self.slack.scraps += scraps;
            for at in (8..end).step_by(4) {
                let leaf = four(&self.page, at).unwrap_or_default();
                self.claim(leaf)?;
                read_page(self.file, &self.layout, leaf, &mut self.overflow)?;
                self.slack.free += dirt(&self.overflow);
            }
            trunk = next;
        }
        Ok(())
    }

    /// Goes through a table or an index. `roots`: it is the schema, whose rows
    /// say where the others begin.
    fn tree(&mut self, root: u32, mut roots: Option<&mut Vec<u32>>) -> Result<(), SlackError> {
        self.claim(root)?;
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            let malformed = |reason| SlackError::Malformed { page: number, reason };
            read_page(self.file, &self.layout, number, &mut self.page)?;
            let start = if number == 1 { HEADER_BYTES } else { 0 };
            self.anatomy.examine(&self.page, start).map_err(malformed)?;
            let payloads = std::mem::take(&mut self.anatomy.payloads);
            for payload in &payloads {
                if let Some(roots) = &mut roots {
                    let root = schema::root_page(&self.row(payload)?).map_err(malformed)?;
                    roots.extend(Some(root).filter(|root| *root != 0));
                } else {
                    self.chain(payload, None)?;
                }
            }
            self.anatomy.payloads = payloads;
            // Backwards, so that they are read in the order of the tree, which is
            // mostly that of the file.
            let children = std::mem::take(&mut self.anatomy.children);
            for child in children.iter().rev() {
                self.claim(*child)?;
                waiting.push(*child);
            }
            self.anatomy.children = children;
            self.anatomy.blank_used(&mut self.page);
            if number == 1 {
                blank_header(&mut self.page);
            }
            let positions = self.anatomy.blank_old_positions(&mut self.page);
            let (rests, mut scraps) = sort(&self.page);
            scraps.bytes += positions;
            scraps.pages = u64::from(scraps.bytes > 0);
            self.slack.btree += rests;
            self.slack.scraps += scraps;
        }
        Ok(())
    }

    /// The beginning of a row of the schema, from its page and its chain.
    fn row(&mut self, payload: &Payload) -> Result<Vec<u8>, SlackError> {
        let mut row = self.page.get(payload.local.clone()).unwrap_or_default().to_vec();
        self.chain(payload, Some(&mut row))?;
        Ok(row)
    }

    /// Follows the overflow pages of one value.
    fn chain(&mut self, payload: &Payload, mut row: Option<&mut Vec<u8>>) -> Result<(), SlackError> {
        let (mut rest_bytes, mut number) = (payload.rest_bytes, payload.overflow);
        while rest_bytes > 0 {
            self.claim(number)?;
            read_page(self.file, &self.layout, number, &mut self.overflow)?;
            let content = self.overflow.get(4..).unwrap_or_default();
            let used = usize::try_from(rest_bytes).unwrap_or(usize::MAX).min(content.len());
            let (used, unused) = content.split_at_checked(used).unwrap_or_default();
            if let Some(row) = &mut row {
                let wanted = schema::ROW_BYTES_MAX.saturating_sub(row.len()).min(used.len());
                row.extend_from_slice(used.get(..wanted).unwrap_or_default());
            }
            self.slack.overflow += dirt(unused);
            rest_bytes -= used.len() as u64;
            number = four(&self.overflow, 0).unwrap_or_default();
        }
        Ok(())
    }

    /// What nothing points at: the page of the lock byte, pages that were lost,
    /// and what lies behind the end of the database.
    fn unreached(&mut self) -> Result<(), SlackError> {
        let page_bytes = self.layout.page_bytes as u64;
        for index in 0..self.slack.pages {
            let (word, bit) = place(index + 1);
            if self.reached.get(word).is_some_and(|bits| bits & bit != 0) {
                continue;
            }
            let at = index * page_bytes;
            let there = usize::try_from(self.file_bytes - at).unwrap_or(usize::MAX).min(self.page.len());
            let bytes = self.page.get_mut(..there).unwrap_or_default();
            self.file.read_exact_at(bytes, at)?;
            self.slack.unreached += dirt(bytes);
        }
        Ok(())
    }
}

/// Word and bit of a page in `Search::reached`.
fn place(page: u64) -> (usize, u64) {
    let index = page.saturating_sub(1);
    (usize::try_from(index / 64).unwrap_or(usize::MAX), 1 << (index % 64))
}

fn read_page(file: &File, layout: &Layout, page: u32, into: &mut [u8]) -> Result<(), SlackError> {
    let at = u64::from(page).saturating_sub(1) * layout.page_bytes as u64;
    Ok(file.read_exact_at(into, at)?)
}

/// All of the file's header is in use but the part that is kept for later
/// versions of the format, which must be zero.
fn blank_header(page: &mut [u8]) {
    for used in [0..72, 92..HEADER_BYTES] {
        page.get_mut(used).unwrap_or_default().fill(0);
    }
}

fn dirt(unused: &[u8]) -> Dirt {
    in_one_page(unused.iter().filter(|byte| **byte != 0).count())
}

fn in_one_page(bytes: usize) -> Dirt {
    Dirt { pages: u64::from(bytes > 0), bytes: bytes as u64 }
}

/// Rests of rows, and scraps.
fn sort(unused: &[u8]) -> (Dirt, Dirt) {
    let all = dirt(unused);
    if all.bytes == 0 {
        return (all, all);
    }
    let pieces = unused.split(|byte| *byte == 0).map(<[u8]>::len);
    let rests = in_one_page(pieces.filter(|length| *length >= REST_BYTES_MIN).sum());
    let scraps = all.bytes - rests.bytes;
    (rests, Dirt { pages: u64::from(scraps > 0), bytes: scraps })
}

impl AddAssign for Dirt {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.bytes += other.bytes;
    }
}
