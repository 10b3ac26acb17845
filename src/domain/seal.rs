//! The permission to delete: it exists only for a batch whose sealed copy was
//! read back from the vault, decrypted and compared.

use super::id::{BatchId, Digest};

/// Taken by `Source::commit`. There is no other way to make a deletion
/// permanent, and no other way to get one than `SealReceipt::compare`.
#[derive(Debug)]
pub struct SealReceipt {
    batches: Vec<BatchId>,
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
        if taken == read_back { Ok(Self { batches: vec![batch] }) } else { Err(CopyDiffers { batch }) }
    }

    /// One permission for the batches of one transaction, in their order.
    #[must_use]
    pub fn joined(earlier: Option<Self>, Self { batches }: Self) -> Self {
        match earlier {
            None => Self { batches },
            Some(mut all) => {
                all.batches.extend(batches);
                all
            }
        }
    }

    #[must_use]
    pub fn batches(&self) -> &[BatchId] {
        &self.batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_digests_make_a_receipt() {
        let (taken, other) = (Digest::of(b"rows"), Digest::of(b"other rows"));
        assert_eq!(SealReceipt::compare("b".into(), taken, taken).unwrap().batches(), ["b".into()]);
        let refused = SealReceipt::compare("b".into(), taken, other).unwrap_err();
        assert_eq!(refused, CopyDiffers { batch: "b".into() });
    }

    #[test]
    fn a_joined_receipt_names_every_batch_in_its_order() {
        let receipt = |batch: &str| SealReceipt::compare(batch.into(), Digest::of(b""), Digest::of(b"")).unwrap();
        let joined = SealReceipt::joined(Some(SealReceipt::joined(None, receipt("a"))), receipt("b"));
        assert_eq!(joined.batches(), ["a".into(), "b".into()]);
    }
}
