//! The permission to delete: it exists only for a batch whose sealed copy was
//! read back from the vault, decrypted and compared.

use super::id::{BatchId, Digest};

/// Taken by `Source::commit`. There is no other way to make a deletion
/// permanent, and no other way to get one than `SealReceipt::compare`.
#[derive(Debug)]
pub struct SealReceipt {
    batch: BatchId,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what was read back from the vault is not what was taken from the source (batch {batch})")]
pub struct CopyDiffers {
    pub batch: BatchId,
}

impl SealReceipt {
    /// Compares the digest of the rows taken with the digest of the rows read
    /// back and decrypted.
    pub fn compare(batch: BatchId, taken: Digest, read_back: Digest) -> Result<Self, CopyDiffers> {
        if taken == read_back { Ok(Self { batch }) } else { Err(CopyDiffers { batch }) }
    }

    #[must_use]
    pub const fn batch(&self) -> &BatchId {
        &self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_digests_make_a_receipt() {
        let (taken, other) = (Digest::of(b"rows"), Digest::of(b"other rows"));
        assert_eq!(SealReceipt::compare("b".into(), taken, taken).unwrap().batch().as_str(), "b");
        let refused = SealReceipt::compare("b".into(), taken, other).unwrap_err();
        assert_eq!(refused, CopyDiffers { batch: "b".into() });
    }
}
