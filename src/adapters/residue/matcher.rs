//! Many byte strings in one pass, most of it skipped: the text is looked at every
//! few bytes only, and of each pattern as many windows in a row are known as bytes
//! are skipped, so that one of them is looked at wherever the pattern stands.
//!
//! Why not a library: of 600 values in pages of rows like them this does 2.4 GB/s
//! a core, the automata of `aho-corasick` 0.2 to 0.3 GB/s (`docs/BENCHMARKS.md`).
//! They look at every byte, and the fast searchers of that crate and of `memchr`
//! are for a few dozen patterns at most.

use std::collections::{BTreeSet, HashMap};

use super::Patterns;
use crate::domain::residue::sample::VALUE_BYTES_MIN;

/// Bytes of a window, at most: those of a number.
const WINDOW_MAX: usize = 8;

/// Bytes from one look to the next, at most.
const STRIDE_MAX: usize = 16;

/// Bits of the filter for each window that is known, and how large it may grow.
const FILTER_BITS_EACH: usize = 64;
const FILTER_BITS_MAX: usize = 1 << 22;

/// A search for a fixed set of patterns.
pub struct Matcher {
    patterns: Patterns,
    window: usize,
    stride: usize,
    /// The bits of a window within eight bytes.
    mask: u64,
    /// By which a hash becomes a bit of the filter.
    shift: u32,
    /// One bit for each hash: whether a known window has it.
    filter: Vec<u64>,
    /// Hash, pattern, and where the window stands in it; sorted.
    windows: Vec<(u32, u32, u32)>,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matcher({:?})", self.patterns)
    }
}

impl Matcher {
    #[must_use]
    pub fn new(patterns: Patterns) -> Self {
        let shortest = patterns.bytes.iter().map(|bytes| bytes.len()).min().unwrap_or(VALUE_BYTES_MIN);
        let window = (shortest / 2 + 1).min(WINDOW_MAX);
        let stride = (shortest + 1 - window).min(STRIDE_MAX);
        let known = patterns.bytes.len() * stride;
        let bits = (known * FILTER_BITS_EACH).next_power_of_two().clamp(u64::BITS as usize, FILTER_BITS_MAX);
        let mask = u64::MAX >> (u64::BITS as usize - 8 * window);
        let shift = u64::BITS - bits.trailing_zeros();
        let mut usual = HashMap::new();
        let all = patterns.bytes.iter().flat_map(|bytes| bytes.windows(window));
        all.for_each(|bytes| *usual.entry(trace(bytes)).or_default() += 1);
        let mut matcher = Self {
            patterns,
            window,
            stride,
            mask,
            shift,
            filter: vec![0; bits / 64],
            windows: Vec::with_capacity(known),
        };
        for (pattern, bytes) in (0_u32..).zip(&matcher.patterns.bytes) {
            let start = rarest(bytes, window, stride, &usual);
            for (at, bytes) in (0_u32..).zip(bytes.windows(window)).skip(start).take(stride) {
                let hash = hash(number(bytes), shift);
                matcher.filter[hash as usize / 64] |= 1 << (hash % 64);
                matcher.windows.push((hash, pattern, at));
            }
        }
        matcher.windows.sort_unstable();
        matcher
    }

    #[must_use]
    pub const fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// Adds the numbers of all patterns that stand in `text`.
    pub fn search(&self, text: &[u8], found: &mut BTreeSet<usize>) {
        let mut at = 0;
        while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) {
            self.look(text, at, u64::from_le_bytes(*bytes) & self.mask, found);
            at += self.stride;
        }
        // Near the end there are no eight bytes any more.
        while let Some(bytes) = text.get(at..at + self.window) {
            self.look(text, at, number(bytes), found);
            at += self.stride;
        }
    }

    fn look(&self, text: &[u8], at: usize, window: u64, found: &mut BTreeSet<usize>) {
        let hash = hash(window, self.shift);
        if self.filter[hash as usize / 64] >> (hash % 64) & 1 == 1 {
            self.compare(text, at, hash, found);
        }
    }

    #[cold]
    fn compare(&self, text: &[u8], at: usize, hash: u32, found: &mut BTreeSet<usize>) {
        let first = self.windows.partition_point(|(of, ..)| *of < hash);
        for (_, pattern, before) in self.windows.iter().skip(first).take_while(|(of, ..)| *of == hash) {
            let Some(bytes) = self.patterns.bytes.get(*pattern as usize) else { continue };
            let start = at.checked_sub(*before as usize);
            if start.is_some_and(|start| text.get(start..start + bytes.len()) == Some(bytes.as_slice())) {
                found.insert(*pattern as usize);
            }
        }
    }
}

/// Up to eight bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// For counting: no value can be read from it, as its memory is not overwritten.
fn trace(window: &[u8]) -> u32 {
    hash(number(window), u32::BITS)
}

/// The upper bits of a product depend on all bits of the number.
const fn hash(number: u64, shift: u32) -> u32 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as u32
}

/// Where the windows begin of which the most usual one is the least usual. What
/// many patterns have in common would be compared wherever it stands.
fn rarest(bytes: &[u8], window: usize, stride: usize, usual: &HashMap<u32, u32>) -> usize {
    let run = window + stride - 1;
    let seen = |bytes: &[u8]| bytes.windows(window).map(|window| usual.get(&trace(window)).copied()).max();
    let starts = bytes.windows(run).enumerate();
    starts.min_by_key(|(_, bytes)| seen(bytes)).map_or(0, |(start, _)| start)
}
