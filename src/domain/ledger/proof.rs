//! Inclusion proofs (RFC 6962, section 2.1.1): the hashes that lead from one entry
//! to a root that was signed.

use super::merkle::{Hash, node_hash};

/// A whole tree, level by level, from which any path can be read.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Level 0 are the leaves. A node without a sibling goes up as it is.
    levels: Vec<Vec<Hash>>,
}

impl Paths {
    #[must_use]
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let pair = |pair: &[Hash]| match pair {
                [left, right] => node_hash(left, right),
                alone => alone.first().copied().unwrap_or_default(),
            };
            levels.push(last.chunks(2).map(pair).collect());
        }
        Self { levels }
    }

    /// The hash of the leaf with this number.
    #[must_use]
    pub fn leaf(&self, seq: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(seq).ok()?).copied()
    }

    /// The path of the leaf with this number, lowest first; `None`: there is none.
    #[must_use]
    pub fn of(&self, seq: u64) -> Option<Vec<Hash>> {
        let mut at = usize::try_from(seq).ok().filter(|at| self.levels.first().is_some_and(|all| *at < all.len()))?;
        let mut path = Vec::new();
        for level in &self.levels {
            path.extend(level.get(at ^ 1));
            at /= 2;
        }
        // The root has no sibling, and `at ^ 1` of it is beyond its level.
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ledger::merkle::{Tree, leaf_hash};

    /// RFC 9162, section 2.1.3.2.
    fn leads_to(leaf: Hash, seq: u64, size: u64, path: &[Hash]) -> Option<Hash> {
        let (mut number, mut last, mut root) = (seq, size - 1, leaf);
        for hash in path {
            if last == 0 {
                return None;
            }
            if number % 2 == 1 || number == last {
                root = node_hash(hash, &root);
                while number % 2 == 0 && number != 0 {
                    number /= 2;
                    last /= 2;
                }
            } else {
                root = node_hash(&root, hash);
            }
            number /= 2;
            last /= 2;
        }
        (last == 0).then_some(root)
    }

    proptest! {
        #[test]
        fn every_path_leads_to_the_root_and_none_does_for_another_leaf(size in 1_u64..200) {
            let leaves: Vec<Hash> = (0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect();
            let mut tree = Tree::default();
            (0..size).for_each(|leaf| tree.append(&leaf.to_be_bytes()));
            let paths = Paths::new(leaves.clone());
            for seq in 0..size {
                let path = paths.of(seq).unwrap();
                let leaf = leaves[usize::try_from(seq).unwrap()];
                prop_assert_eq!(leads_to(leaf, seq, size, &path), Some(tree.root().0));
                prop_assert_ne!(leads_to(leaf_hash(b"other"), seq, size, &path), Some(tree.root().0));
            }
            prop_assert_eq!(paths.of(size), None);
        }
    }
}
