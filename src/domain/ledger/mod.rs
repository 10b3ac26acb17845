//! The ledger as data: its events, its Merkle tree, its checkpoints, and what
//! can be read back from it. Files are the business of `adapters::ledger`.

pub mod carried;
pub mod checkpoint;
pub mod event;
pub mod history;
pub mod keys;
pub mod line;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod prune;
pub mod tile;
pub mod totals;
pub mod verify;

use super::id::Digest;

/// Size and root of the ledger at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub root: Digest,
}
