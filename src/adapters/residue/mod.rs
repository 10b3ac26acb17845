//! Searches bytes for values of removed rows: many values at once, in one pass,
//! at the speed of memory. Knows no engine; each engine's adapter says which
//! bytes a value becomes in its files and which files there are.
//!
//! Nothing here prints, logs or returns a value, only numbers of values.

pub mod files;
mod matcher;

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::{domain::residue::Value, ports::Searched};

pub use matcher::Matcher;

/// Bytes that are read at once.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Of a longer value only its beginning, middle and end are searched for, each
/// this long: engines cut long values into pieces.
const WINDOW_BYTES: usize = 48;

/// Byte strings to search for, each a form of a value or a part of one.
#[derive(Default)]
pub struct Patterns {
    bytes: Vec<Zeroizing<Vec<u8>>>,
    value: Vec<usize>,
    /// How many values there are, those without a pattern included.
    values: usize,
}

impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Patterns({}, ..)", self.bytes.len())
    }
}

impl Patterns {
    /// `forms` says which bytes an engine writes for a value; none where it writes
    /// it in a form that cannot be searched for.
    #[must_use]
    pub fn of(values: &[Value], forms: impl Fn(&Value) -> Vec<Zeroizing<Vec<u8>>>) -> Self {
        let mut patterns = Self { values: values.len(), ..Self::default() };
        for (number, value) in values.iter().enumerate() {
            for form in forms(value) {
                patterns.add(number, &form);
            }
        }
        patterns
    }

    /// Values that are stored as they were taken.
    #[must_use]
    pub fn plain(values: &[Value]) -> Self {
        Self::of(values, |value| vec![Zeroizing::new(value.expose().to_vec())])
    }

    fn add(&mut self, value: usize, form: &[u8]) {
        if form.len() < crate::domain::residue::sample::VALUE_BYTES_MIN {
            return;
        }
        let (length, end) = (WINDOW_BYTES, form.len());
        if end <= 2 * length {
            return self.push(value, form);
        }
        let middle = (end - length) / 2;
        for window in [0..length, middle..middle + length, end - length..end] {
            self.push(value, form.get(window).unwrap_or_default());
        }
    }

    /// A window of one byte over and over, such as padding, says nothing.
    fn push(&mut self, value: usize, bytes: &[u8]) {
        if bytes.iter().any(|byte| Some(byte) != bytes.first()) {
            self.bytes.push(Zeroizing::new(bytes.to_vec()));
            self.value.push(value);
        }
    }

    /// The value that a pattern is of.
    #[must_use]
    pub fn value(&self, pattern: usize) -> usize {
        self.value.get(pattern).copied().unwrap_or(usize::MAX)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes by which chunks overlap, so that nothing on an edge is missed.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.bytes.iter().map(|bytes| bytes.len()).max().unwrap_or(1) - 1
    }
}

/// Every form in which a text may be stored, for a value of which no column is
/// known.
#[must_use]
pub fn every_form(text: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![Zeroizing::new(text.to_vec())];
    if let Ok(letters) = std::str::from_utf8(text) {
        let latin: Option<Vec<u8>> = letters.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        forms.extend(latin.filter(|latin| latin != text).map(Zeroizing::new));
        forms.push(Zeroizing::new(letters.encode_utf16().flat_map(u16::to_le_bytes).collect()));
        forms.push(Zeroizing::new(letters.encode_utf16().flat_map(u16::to_be_bytes).collect()));
    }
    forms
}

/// A stream of bytes on its way through the matcher.
pub struct Stream<'m> {
    matcher: &'m Matcher,
    /// The end of what came before, then what is new.
    buffer: Zeroizing<Vec<u8>>,
    kept: usize,
    pub found: BTreeSet<usize>,
    pub bytes: u64,
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({} bytes, ..)", self.bytes)
    }
}

impl<'m> Stream<'m> {
    #[must_use]
    pub fn new(matcher: &'m Matcher) -> Self {
        let buffer = Zeroizing::new(vec![0; matcher.patterns().overlap() + CHUNK_BYTES]);
        Self { matcher, buffer, kept: 0, found: BTreeSet::new(), bytes: 0 }
    }

    /// Searches what `read` puts into the space that it is given, until it says
    /// that there is no more.
    pub fn read_all<E>(&mut self, mut read: impl FnMut(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        self.kept = 0;
        loop {
            let space = self.buffer.get_mut(self.kept..).unwrap_or_default();
            let length = read(space)?;
            if length == 0 {
                return Ok(());
            }
            self.took(length);
        }
    }

    /// Searches the next part of a file.
    pub fn push(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let space = self.buffer.get_mut(self.kept..).unwrap_or_default();
            let length = part.len().min(space.len());
            let (now, later) = part.split_at(length);
            if let Some(space) = space.get_mut(..length) {
                space.copy_from_slice(now);
            }
            part = later;
            self.took(length);
        }
    }

    /// The next part is not of the same file.
    pub const fn begin(&mut self) {
        self.kept = 0;
    }

    fn took(&mut self, length: usize) {
        let end = (self.kept + length).min(self.buffer.len());
        self.matcher.search(self.buffer.get(..end).unwrap_or_default(), &mut self.found);
        self.bytes += length as u64;
        let keep = self.matcher.patterns().overlap().min(end);
        self.buffer.copy_within(end - keep..end, 0);
        self.kept = keep;
    }
}

/// A location under search: patterns, not values, so that those which turn out
/// to be in living rows can be left out at the end.
#[derive(Debug, Default)]
pub struct Tally {
    pub searched: Searched,
    /// Patterns found, with the files in which they were.
    pub found: Vec<(usize, String)>,
}

impl Tally {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { searched: Searched { name: name.to_owned(), ..Searched::default() }, found: Vec::new() }
    }

    /// Notes what one file held.
    pub fn add(&mut self, file: &str, bytes: u64, found: BTreeSet<usize>) {
        self.searched.files += 1;
        self.searched.bytes += bytes;
        self.found.extend(found.into_iter().map(|pattern| (pattern, file.to_owned())));
    }

    /// Notes that something here was not read; the first reason is kept.
    pub fn unread(&mut self, reason: impl Into<String>) {
        self.searched.unsearched.get_or_insert(reason.into());
    }

    /// The location without what stands in living rows.
    #[must_use]
    pub fn finish(mut self, patterns: &Patterns, living: &BTreeSet<usize>) -> Searched {
        for (pattern, file) in self.found {
            if !living.contains(&pattern) {
                self.searched.found.insert(patterns.value(pattern));
                self.searched.places.insert(file);
            }
        }
        self.searched
    }
}

/// Values that prove nothing: every pattern of theirs stands in living rows, or
/// they have none.
#[must_use]
pub fn living_values(patterns: &Patterns, living: &BTreeSet<usize>) -> BTreeSet<usize> {
    let left = (0..patterns.value.len()).filter(|pattern| !living.contains(pattern));
    let left: BTreeSet<usize> = left.map(|pattern| patterns.value(pattern)).collect();
    (0..patterns.values).filter(|value| !left.contains(value)).collect()
}

#[cfg(test)]
mod tests;
