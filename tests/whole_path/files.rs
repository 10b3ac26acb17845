//! Searching files for texts, byte by byte.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;

use super::world::Files;

/// The texts that stand in any of these files.
pub fn found(files: &Files, texts: &[String]) -> BTreeSet<String> {
    let automaton = AhoCorasick::new(texts).unwrap();
    let hits = files.0.iter().flat_map(|(_, bytes)| automaton.find_overlapping_iter(bytes));
    hits.map(|hit| texts[hit.pattern().as_usize()].clone()).collect()
}
