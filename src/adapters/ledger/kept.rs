//! Single facts of a ledger's folder, for those who compare it with something
//! else: its verifier key, the root it had at an earlier size, and where its key
//! handed over.

use std::{fs, path::Path};

use super::folder::{Folder, list_kept, optional};
use crate::{
    domain::{
        id::Digest,
        ledger::{checkpoint::Checkpoint, keys::Keychain, note::Note},
    },
    ports::LedgerError,
};

/// The verifier key of the ledger in `dir`, as its file writes it. It names the
/// deployment: a vault belongs to the ledger whose key it was made with.
pub fn verifier_key(dir: &Path) -> Result<String, LedgerError> {
    let key = Folder::new(dir).read_verifier_key().map_err(|reason| LedgerError::StateUnknown { reason })?;
    Ok(key.to_string())
}

/// The root of the ledger when it had `size` entries, by the checkpoint that was
/// kept then under one of its `keys`. `None`: it never had that size.
pub fn root_at(dir: &Path, keys: &Keychain, size: u64) -> Result<Option<Digest>, LedgerError> {
    let folder = Folder::new(dir);
    let unknown = |reason: String| LedgerError::StateUnknown { reason: format!("checkpoints/{size}: {reason}") };
    let kept = optional(fs::read(folder.kept(size))).map_err(|error| unknown(error.to_string()))?;
    let checkpoint = kept.map(|signed| Checkpoint::open(&signed, keys.at(size))).transpose();
    let checkpoint = checkpoint.map_err(|error| unknown(error.to_string()))?;
    Ok(checkpoint.filter(|checkpoint| checkpoint.head.size == size).map(|checkpoint| checkpoint.head.root))
}

/// The signed checkpoints in which the keys hand over, in order: the first one
/// after each handover, under the signatures of both keys.
pub fn handover_checkpoints(dir: &Path, keys: &Keychain) -> Result<Vec<String>, LedgerError> {
    let folder = Folder::new(dir);
    let unknown = |reason: String| LedgerError::StateUnknown { reason: format!("checkpoints: {reason}") };
    if keys.handovers().is_empty() {
        return Ok(Vec::new());
    }
    let kept = list_kept(&folder, &mut Vec::new()).map_err(|error| unknown(error.to_string()))?;
    let signed = keys.handovers().iter().map(|handover| {
        let after = kept.partition_point(|size| *size <= handover.seq);
        // After a crash the newest checkpoint may not have its second name yet.
        let path = kept.get(after).map_or_else(|| folder.checkpoint(), |size| folder.kept(*size));
        let before = kept.get(..after).and_then(<[u64]>::last).copied().unwrap_or_default();
        let bytes = fs::read(path).map_err(|error| unknown(error.to_string()))?;
        let note = Note::parse(&bytes).map_err(|error| unknown(error.to_string()))?;
        let opened = Checkpoint::open_in_turn(&note, keys, before).map_err(|error| unknown(error.to_string()))?;
        if opened.head.size <= handover.seq {
            return Err(unknown(format!("none covers entry {}", handover.seq)));
        }
        String::from_utf8(bytes).map_err(|error| unknown(error.to_string()))
    });
    signed.collect()
}
