//! What the first 100 bytes of a database file say about all the others: sizes,
//! how many pages there are, and which of them are no one's or a map (SQLite,
//! "Database File Format", 1.3, 1.7, 1.8).

use super::SlackError;

pub(super) const HEADER_BYTES: usize = 100;

const MAGIC: &[u8] = b"SQLite format 3\0";

/// SQLite locks a byte here; the page around it is never used.
const LOCK_BYTE: u64 = 1 << 30;

const MAP_ENTRY_BYTES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) page_bytes: usize,
    /// Without the bytes at a page's end that an extension reserved.
    pub(super) usable_bytes: usize,
    /// Pages of the database. The file may have more: they are no one's.
    pub(super) pages: u32,
    pub(super) has_maps: bool,
    /// The first trunk page of the list of free pages, or 0.
    pub(super) first_trunk: u32,
}

/// A big-endian number of two bytes.
pub(super) fn two(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A big-endian number of four bytes.
pub(super) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number of one to nine bytes, and how many they are.
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (length, byte) in (1..=8).zip(bytes.get(at..)?) {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, length));
        }
    }
    let last = bytes.get(at.checked_add(8)?)?;
    Some((value << 8 | u64::from(*last), 9))
}

impl Layout {
    /// `file_bytes` is the length of the file that begins with `header`.
    pub(super) fn read(header: &[u8; HEADER_BYTES], file_bytes: u64) -> Result<Self, SlackError> {
        let malformed = |reason| SlackError::Malformed { page: 1, reason };
        let field = |at| four(header, at).unwrap_or_default();
        if !header.starts_with(MAGIC) {
            return Err(malformed("the file does not begin like a SQLite database"));
        }
        let page_bytes = match two(header, 16) {
            Some(1) => 65_536,
            Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => return Err(malformed("the page size is none that SQLite knows")),
        };
        let usable_bytes = page_bytes - usize::from(header[20]);
        if usable_bytes < 480 {
            return Err(malformed("more of each page is reserved than SQLite allows"));
        }
        let whole_pages = file_bytes / page_bytes as u64;
        // The count is to be trusted only where the last writer knew of it.
        let counted = field(28);
        let pages = if counted != 0 && field(24) == field(92) { u64::from(counted) } else { whole_pages };
        if pages == 0 || pages > whole_pages {
            return Err(malformed("the file is shorter than the database"));
        }
        let pages = u32::try_from(pages).map_err(|_| malformed("the database has more pages than can be numbered"))?;
        Ok(Self { page_bytes, usable_bytes, pages, has_maps: field(52) != 0, first_trunk: field(32) })
    }

    pub(super) fn lock_page(&self) -> u64 {
        LOCK_BYTE / self.page_bytes as u64 + 1
    }

    /// Bytes of a pointer map page that entries can take.
    pub(super) fn map_bytes(&self) -> usize {
        self.usable_bytes / MAP_ENTRY_BYTES * MAP_ENTRY_BYTES
    }

    /// The pages that say for each page who points at it, so that an
    /// auto-vacuum can move it.
    pub(super) fn maps(&self) -> impl Iterator<Item = u32> + use<> {
        let step = self.usable_bytes / MAP_ENTRY_BYTES + 1;
        let lock_page = self.lock_page();
        let all = (2..=u64::from(self.pages)).step_by(step);
        // A map that would lie on the page of the lock byte lies behind it.
        let all = all.map(move |page| if page == lock_page { page + 1 } else { page });
        let last = if self.has_maps { self.pages } else { 0 };
        all.filter_map(|page| u32::try_from(page).ok()).take_while(move |page| *page <= last)
    }
}
