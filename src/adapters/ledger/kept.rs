//! Single facts of a ledger's folder, for those who compare it with something
//! else: its verifier key, and the root it had at an earlier size.

use std::{fs, path::Path};

use super::folder::{Folder, optional};
use crate::{
    domain::{id::Digest, ledger::checkpoint::Checkpoint},
    ports::LedgerError,
};

/// The verifier key of the ledger in `dir`, as its file writes it. It names the
/// deployment: a vault belongs to the ledger whose key it was made with.
pub fn verifier_key(dir: &Path) -> Result<String, LedgerError> {
    let key = Folder::new(dir).read_verifier_key().map_err(|reason| LedgerError::StateUnknown { reason })?;
    Ok(key.to_string())
}

/// The root of the ledger when it had `size` entries, by the checkpoint that was
/// kept then. `None`: it never had that size.
pub fn root_at(dir: &Path, size: u64) -> Result<Option<Digest>, LedgerError> {
    let folder = Folder::new(dir);
    let unknown = |reason: String| LedgerError::StateUnknown { reason: format!("checkpoints/{size}: {reason}") };
    let key = folder.read_verifier_key().map_err(unknown)?;
    let kept = optional(fs::read(folder.kept(size))).map_err(|error| unknown(error.to_string()))?;
    let checkpoint = kept.map(|signed| Checkpoint::open(&signed, &key)).transpose();
    let checkpoint = checkpoint.map_err(|error| unknown(error.to_string()))?;
    Ok(checkpoint.filter(|checkpoint| checkpoint.head.size == size).map(|checkpoint| checkpoint.head.root))
}
