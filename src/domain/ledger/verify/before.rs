//! Lines before a cut: hashes of all of them, and those lines that were kept. What
//! was dropped must be covered by an entry that says so, signed like any other.

use super::{Audit, Problems};
use crate::domain::{
    id::Digest,
    ledger::{
        Head,
        carried::Carried,
        event::{Entry, LedgerPruned},
        history::PrunedOnRecord,
        merkle::{Hash, leaf_hash},
        tile::Tile,
    },
};

/// What lies in the place of the lines before the cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    pub cut: u64,
    /// Lines that were kept.
    pub kept: u64,
    /// Of the file that holds them.
    pub file: Digest,
}

impl Audit {
    /// Reads the hash of a line that was dropped. Tiles that it fills go to `full`.
    pub fn dropped(&mut self, leaf: Hash, full: impl FnMut(Tile)) {
        self.tree.append_hash(leaf, full);
        self.settle_claims();
    }

    /// Reads a line before the cut that was kept, and the hash in the place of its
    /// leaf; returns its entry if it is one.
    pub fn kept(&mut self, line: &[u8], leaf: Hash, full: impl FnMut(Tile)) -> Option<Entry> {
        let seq = self.tree.tree().size();
        self.tree.append_hash(leaf, full);
        if leaf_hash(line) != leaf {
            self.problems.add(format!("line {}: it was kept, and is not the one that was signed", seq + 1));
        }
        self.history.resume_at(seq);
        // Silence between lines that were kept says nothing.
        self.last_time = None;
        let entry = self.entry(seq + 1, line);
        self.settle_claims();
        entry
    }

    /// Ends the lines before the cut: goes on from what all of them add up to.
    pub fn carry(&mut self, carried: &Carried, before: Before) {
        self.last_time = Some(carried.time);
        self.history.carry(carried);
        self.before = Some((before, self.head()));
    }

    /// The newest prune on record, if its lines are still there: a crash came
    /// between the entry and the files.
    #[must_use]
    pub fn undone_prune(&self) -> Option<&PrunedOnRecord> {
        let cut = self.before.as_ref().map_or(0, |(before, _)| before.cut);
        self.history.pruned.last().filter(|last| last.pruned.cut > cut)
    }

    /// What the newest prune and the lines that are there do not agree on. `settled`:
    /// who settles what a crash has left.
    pub fn compare_prune(&mut self, settled: &str) {
        let Some(last) = self.history.pruned.last() else { return };
        let (line, first) = (last.seq + 1, last.pruned.cut + 1);
        let problem = match (self.undone_prune().is_some(), last.gone) {
            (false, Some(_)) => return,
            (true, None) => format!("line {line}: lines before line {first} are to be dropped; {settled}"),
            (false, None) => format!(
                "line {line}: lines before line {first} are dropped, and no entry ledger.dropped says so yet; {settled}"
            ),
            (true, Some(_)) => format!(
                "line {line}: lines before line {first} are there, and an entry ledger.dropped says that they are gone"
            ),
        };
        self.problems.add(problem);
    }

    /// What is missing before the cut must stand in an entry, word for word.
    pub(super) fn settle_before(&mut self) {
        let Some((before, head)) = &self.before else { return };
        let on_record = self.history.pruned.iter().map(|entry| &entry.pruned).find(|pruned| pruned.cut == before.cut);
        match on_record {
            None => self.problems.add(format!(
                "{} lines before line {} are missing, and no entry ledger.pruned says that they were dropped",
                before.cut - before.kept,
                before.cut + 1
            )),
            Some(pruned) => differences(before, *head, pruned, &mut self.problems),
        }
    }
}

fn differences(before: &Before, head: Head, pruned: &LedgerPruned, problems: &mut Problems) {
    let cut = before.cut;
    if before.file != pruned.file || before.kept != pruned.kept {
        problems.add(format!("before/{cut}: it is not what the entry ledger.pruned says was kept"));
    }
    if head.root != pruned.root {
        problems.add(format!("before/{cut}: the lines before it have another root than the entry ledger.pruned says"));
    }
}

/// The head when the cut was reached.
pub(super) type AtCut = Option<(Before, Head)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::{tile::TiledTree, verify::head_of};

    #[test]
    fn lines_that_are_missing_without_an_entry_are_a_problem() {
        let mut audit = Audit::new(vec![], None, None);
        let mut tree = TiledTree::default();
        for leaf in 0..256_u64 {
            audit.dropped(leaf_hash(&leaf.to_be_bytes()), |_| {});
            tree.append(&leaf.to_be_bytes(), |_| {});
        }
        assert_eq!(audit.head(), head_of(tree.tree()));
        let carried = audit.history.carried();
        audit.carry(&carried, Before { cut: 256, kept: 0, file: Digest::of(b"") });
        let problems = audit.finish().problems.into_texts();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("256 lines before line 257 are missing"), "{problems:?}");
    }
}
