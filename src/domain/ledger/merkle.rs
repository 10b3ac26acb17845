//! The Merkle tree of RFC 6962 section 2.1 over SHA-256, built one leaf at a
//! time. Only the right edge is kept: one hash per set bit of the size.
//!
//! Nothing here knows what a leaf means, and nothing is ever taken out of a
//! tree: a root at a size is a statement about every leaf before it.

use sha2::{Digest as _, Sha256};

use crate::domain::id::Digest;

/// A leaf's, a node's or a tree's hash.
pub type Hash = [u8; 32];

/// `SHA-256(0x00 ‖ leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A tree that grows to the right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the perfect subtrees that make up the tree, largest first; as
    /// many as `size` has bits set.
    edge: Vec<Hash>,
}

impl Tree {
    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its contents.
    pub fn append(&mut self, leaf: &[u8]) {
        self.append_hash(leaf_hash(leaf), |_, _| {});
    }

    /// Adds a leaf by its hash, and calls `completed(height, root)` for each
    /// perfect subtree that this leaf completes, the leaf itself (height 0) first.
    pub fn append_hash(&mut self, leaf: Hash, mut completed: impl FnMut(u32, &Hash)) {
        let mut root = leaf;
        completed(0, &root);
        // Trailing ones of the old size are subtrees that this leaf closes.
        for height in 1..=self.size.trailing_ones() {
            let Some(left) = self.edge.pop() else { break };
            root = node_hash(&left, &root);
            completed(height, &root);
        }
        self.edge.push(root);
        self.size += 1;
    }

    /// The Merkle tree hash of all leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        let root = self.edge.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        Digest(root.unwrap_or_else(empty_root))
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    use super::*;

    /// The leaves of the reference tests of Certificate Transparency.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    /// Their roots at sizes 1 to 8.
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_the_reference_tests() {
        let mut tree = Tree::default();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(tree.root().0), empty);
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            tree.append(&hex::decode(leaf).unwrap());
            assert_eq!(hex::encode(tree.root().0), root, "at size {}", tree.size());
        }
    }

    #[test]
    fn completed_subtrees_are_reported_with_their_own_roots() {
        let leaves: Vec<[u8; 1]> = (0..16).map(|number| [number]).collect();
        let mut tree = Tree::default();
        let mut reported = Vec::new();
        for leaf in &leaves {
            tree.append_hash(leaf_hash(leaf), |height, root| reported.push((height, *root)));
        }
        for height in 0..=4_u32 {
            let expected: Vec<Hash> = leaves
                .chunks(1 << height)
                .map(|chunk| {
                    let mut subtree = Tree::default();
                    chunk.iter().for_each(|leaf| subtree.append(leaf));
                    subtree.root().0
                })
                .collect();
            let found: Vec<Hash> = reported.iter().filter(|(at, _)| *at == height).map(|(_, root)| *root).collect();
            assert_eq!(found, expected, "at height {height}");
        }
    }

    proptest! {
        #[test]
        fn roots_agree_with_another_implementation_at_every_size(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..80)
        ) {
            let mut ours = Tree::default();
            let mut theirs: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
            for leaf in leaves {
                ours.append(&leaf);
                theirs.push(leaf);
                prop_assert_eq!(ours.size(), theirs.len());
                let theirs = theirs.root();
                prop_assert_eq!(&ours.root().0[..], &theirs.as_bytes()[..]);
            }
        }
    }
}
