//! Many byte strings in one pass, most of it skipped: the last bytes of a window
//! say how far the next possible match is (Wu and Manber, 1994).
//!
//! An Aho-Corasick automaton over a thousand values leaves the processor's caches
//! and looks at every byte of a file; here a byte is looked at only where it could
//! end a match.

use std::collections::BTreeSet;

use super::Patterns;

/// Bytes that decide how far to skip.
const BLOCK: usize = 3;
const TABLE_BITS: u32 = 17;
const TABLE: usize = 1 << TABLE_BITS;

/// The part of a pattern that is looked for first, at most.
const ANCHOR_BYTES_MAX: usize = 16;

/// A search for a fixed set of patterns.
pub struct Matcher {
    patterns: Patterns,
    anchor_bytes: usize,
    /// How far the window may move on, by the hash of its last block.
    shift: Vec<u8>,
    /// By hash: where its patterns are in `ending`; only where the shift is 0.
    first: Vec<u32>,
    /// Pattern, and where its anchor ends in it; sorted by hash.
    ending: Vec<(u32, u32, u32)>,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matcher({:?})", self.patterns)
    }
}

impl Matcher {
    #[must_use]
    pub fn new(patterns: Patterns) -> Self {
        let shortest = patterns.bytes.iter().map(|bytes| bytes.len()).min().unwrap_or(ANCHOR_BYTES_MAX);
        let anchor_bytes = shortest.clamp(BLOCK, ANCHOR_BYTES_MAX);
        let skip = u8::try_from(anchor_bytes + 1 - BLOCK).unwrap_or(1);
        let mut shift = vec![skip; TABLE];
        let mut ending = Vec::with_capacity(patterns.bytes.len());
        let mut usual = vec![0_u32; TABLE];
        patterns.bytes.iter().flat_map(|bytes| bytes.windows(BLOCK)).for_each(|block| usual[hash(block)] += 1);
        for (number, bytes) in (0_u32..).zip(&patterns.bytes) {
            let end = best_anchor(bytes, anchor_bytes, &usual);
            let Some(anchor) = bytes.get(end - anchor_bytes..end) else { continue };
            for (after, block) in anchor.windows(BLOCK).rev().enumerate() {
                let slot = &mut shift[hash(block)];
                *slot = (*slot).min(u8::try_from(after).unwrap_or(skip));
            }
            let last = hash(&anchor[anchor_bytes - BLOCK..]);
            ending.push((u32::try_from(last).unwrap_or(u32::MAX), number, u32::try_from(end).unwrap_or(u32::MAX)));
        }
        ending.sort_unstable();
        let mut first = vec![u32::MAX; TABLE];
        for (position, (slot, ..)) in (0_u32..).zip(&ending) {
            let of_slot = &mut first[*slot as usize];
            *of_slot = (*of_slot).min(position);
        }
        Self { patterns, anchor_bytes, shift, first, ending }
    }

    #[must_use]
    pub const fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// Adds the numbers of all patterns that stand in `text`.
    pub fn search(&self, text: &[u8], found: &mut BTreeSet<usize>) {
        let mut at = self.anchor_bytes;
        while let Some(block) = text.get(at.wrapping_sub(BLOCK)..at) {
            let slot = hash(block);
            let skip = self.shift[slot];
            if skip > 0 {
                at += usize::from(skip);
                continue;
            }
            self.compare(text, at, slot, found);
            at += 1;
        }
    }

    #[cold]
    fn compare(&self, text: &[u8], at: usize, slot: usize, found: &mut BTreeSet<usize>) {
        let Some(candidates) = self.ending.get(self.first[slot] as usize..) else { return };
        for (_, pattern, end) in candidates.iter().take_while(|(of_slot, ..)| *of_slot as usize == slot) {
            let Some(bytes) = self.patterns.bytes.get(*pattern as usize) else { continue };
            let start = at.checked_sub(*end as usize);
            if start.is_some_and(|start| text.get(start..start + bytes.len()) == Some(bytes.as_slice())) {
                found.insert(*pattern as usize);
            }
        }
    }
}

fn hash(block: &[u8]) -> usize {
    let [a, b, c] = block else { return 0 };
    let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
    (bits.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize
}

/// Where the anchor ends: behind the block that the fewest patterns have, the last
/// of them. What they have in common would be compared wherever it stands.
fn best_anchor(bytes: &[u8], length: usize, usual: &[u32]) -> usize {
    let ends = (length..=bytes.len()).rev();
    let seen = |end: &usize| bytes.get(end - BLOCK..*end).map_or(u32::MAX, |block| usual[hash(block)]);
    ends.min_by_key(seen).unwrap_or(bytes.len())
}
