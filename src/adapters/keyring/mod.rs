//! The keyring: data keys of all live buckets in one small encrypted keystore,
//! which opens only with the operator's key and a root that lives in the anchor.
//!
//! A bucket is destroyed by starting a new key epoch without its key and
//! destroying the old epoch's root: every copy of the old keystore, wherever it
//! lies, is noise from then on. Keys never leave this module, are never printed,
//! and nothing here decides what is destroyed: an `Order` says it.

pub mod anchor;
pub mod chunked;
pub mod data_key;
mod destruction;
pub mod kek;
pub mod keystore;
pub mod medium;
mod opening;
pub mod register;
pub mod secret;
mod spread;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt::Display,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use self::{
    anchor::FileAnchor,
    data_key::{DataKey, SegmentError},
    kek::Kek,
    keystore::{Body, DataKeys, Label},
    register::HoldRegister,
    secret::Secret,
    spread::{spread, spread_many},
};
use crate::{
    domain::{
        destroy::{KeysGone, Order},
        hold::Whose,
        id::{BucketId, Digest, HoldId},
        verdict::Finding,
    },
    ports::{Keyring, KeyringError, Message, Register},
};

/// A keystore and its anchor in one folder: `keystore.<n>` and `anchor/root.<n>`.
/// Everything but `anchor/` may be backed up.
#[derive(Debug)]
pub struct FileKeyring {
    dir: PathBuf,
    origin: String,
    kek: Kek,
    anchor: FileAnchor,
    epoch: u64,
    /// Exactly what `keystore.<epoch>` holds.
    keys: DataKeys,
    /// The epoch that an unfinished destruction has left behind: its keystore is
    /// replaced, its root is still there.
    pending: Option<u64>,
    access: Access,
    holds: HoldRegister,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    Writable,
    ReadOnly,
    /// A step failed after which it is not known what the files hold.
    Stopped(String),
}

impl FileKeyring {
    /// What the anchor's medium can promise when a root is destroyed on it.
    pub fn medium(&self) -> Result<Finding, KeyringError> {
        self.anchor.medium().map_err(unknown)
    }

    /// The epoch whose root an interrupted destruction still has to destroy.
    #[must_use]
    pub const fn pending_destruction(&self) -> Option<u64> {
        self.pending
    }

    fn key(&self, bucket: &BucketId) -> Result<&DataKey, KeyringError> {
        self.keys.get(bucket).ok_or_else(|| KeyringError::NoKey { bucket: bucket.to_string() })
    }

    fn label(&self, epoch: u64) -> Label<'_> {
        Label::new(&self.origin, epoch)
    }

    fn check_writable(&self) -> Result<(), KeyringError> {
        match &self.access {
            Access::Writable => Ok(()),
            Access::ReadOnly => Err(unwritten("it was opened for reading only")),
            Access::Stopped(reason) => Err(unknown(format!("an earlier step failed: {reason}"))),
        }
    }

    /// Refuses every further change: what the files hold is not known any more.
    fn stop(&mut self, reason: impl Display) -> KeyringError {
        let reason = reason.to_string();
        self.access = Access::Stopped(reason.clone());
        unknown(reason)
    }

    /// Opens the current keystore from its file and the anchor's root, and sees
    /// that both are as this keyring left them. Returns the wrapping key.
    fn prove_current(&self) -> Result<Secret, KeyringError> {
        let (found, wrapping_key) = self.read_keystore(self.epoch).map_err(unknown)?;
        let roots: BTreeSet<u64> = self.pending.into_iter().chain([self.epoch]).collect();
        let held = Body::of(self.keys.iter()).map_err(unknown)?;
        if found != held || self.anchor.epochs().map_err(unknown)? != roots {
            let dir = self.dir.display();
            return Err(unknown(format!("the keystore in {dir} was changed by somebody else since it was opened")));
        }
        Ok(wrapping_key)
    }

    fn read_keystore(&self, epoch: u64) -> Result<(Body, Secret), String> {
        let root = self.anchor.load(epoch).map_err(|error| error.to_string())?;
        read_keystore(&self.dir, &self.label(epoch), epoch, &root, &self.kek)
    }

    /// Adds a key for each of these buckets to the current keystore.
    fn add_keys(&mut self, missing: BTreeSet<&BucketId>) -> Result<(), KeyringError> {
        self.check_writable()?;
        let wrapping_key = self.prove_current()?;
        let mut added = DataKeys::new();
        for bucket in missing {
            added.insert(bucket.clone(), DataKey::random().map_err(unwritten)?);
        }
        self.keys.extend(added.clone());
        let written = self.write_current(&wrapping_key);
        if written.is_err() {
            self.keys.retain(|bucket, _| !added.contains_key(bucket));
        }
        written
    }

    /// Writes the keys of this keyring as its epoch's keystore, and reads it back.
    fn write_current(&mut self, wrapping_key: &Secret) -> Result<(), KeyringError> {
        let body = Body::of(self.keys.iter()).map_err(unwritten)?;
        let file = body.seal(&self.label(self.epoch), wrapping_key).map_err(unwritten)?;
        keystore::write(&self.dir, self.epoch, &file).map_err(unwritten)?;
        super::failpoint::reach("keyring.keys-added");
        match self.read_keystore(self.epoch) {
            Ok((found, _)) if found == body => Ok(()),
            Ok(_) => Err(self.stop("the keystore does not hold what was just written")),
            Err(error) => Err(self.stop(error)),
        }
    }
}

impl Keyring for FileKeyring {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn open_buckets(&mut self, buckets: &[BucketId]) -> Result<(), KeyringError> {
        let missing: BTreeSet<&BucketId> = buckets.iter().filter(|bucket| !self.holds(bucket)).collect();
        if missing.is_empty() { Ok(()) } else { self.add_keys(missing) }
    }

    fn seal(&self, bucket: &BucketId, header: &[u8], body: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let sealed = self.key(bucket)?.seal(header, body);
        sealed.map_err(|error| KeyringError::NotSealed { bucket: bucket.to_string(), reason: error.to_string() })
    }

    fn unseal(&self, bucket: &BucketId, header: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let does_not_open =
            |error: SegmentError| KeyringError::DoesNotOpen { bucket: bucket.to_string(), reason: error.to_string() };
        self.key(bucket)?.unseal(header, sealed).map_err(does_not_open)
    }

    fn opens_with_any_key(&self, header: &[u8], sealed: &[u8]) -> bool {
        self.keys.values().any(|key| key.sealed(header, sealed))
    }

    fn digest(&self, bucket: &BucketId, purpose: &str, bytes: &[u8]) -> Result<[u8; 32], KeyringError> {
        self.key(bucket)?.digest(purpose, bytes).map_err(unknown)
    }

    fn digests(&self, purpose: &str, of: &[(&BucketId, &[u8])]) -> Result<Vec<[u8; 32]>, KeyringError> {
        spread_many(of, |some| {
            // Neighbours are of one bucket.
            let mut digests = Vec::with_capacity(some.len());
            for of_bucket in some.chunk_by(|(one, _), (other, _)| one == other) {
                let Some((bucket, _)) = of_bucket.first() else { continue };
                let key = self.key(bucket)?;
                for (_, bytes) in of_bucket {
                    digests.push(key.digest(purpose, bytes).map_err(unknown)?);
                }
            }
            Ok(digests)
        })
    }

    fn seal_all(&self, bodies: &[Message<'_>]) -> Result<Vec<Vec<u8>>, KeyringError> {
        spread(bodies, |body| self.seal(body.bucket, body.header, body.body))
    }

    fn digests_unsealed(&self, purpose: &str, sealed: &[Message<'_>]) -> Result<Vec<[u8; 32]>, KeyringError> {
        spread(sealed, |sealed| {
            let body = self.unseal(sealed.bucket, sealed.header, sealed.body)?;
            self.digest(sealed.bucket, purpose, &body)
        })
    }

    fn buckets(&self) -> Vec<BucketId> {
        self.keys.keys().cloned().collect()
    }

    fn holds(&self, bucket: &BucketId) -> bool {
        self.keys.contains_key(bucket)
    }

    fn destroy(&mut self, order: Order) -> Result<KeysGone, KeyringError> {
        let victims = order.bucket_ids().cloned().collect();
        let finding = self.destroy_keys(&victims)?;
        Ok(order.keys_gone(finding))
    }

    fn register(&mut self) -> Result<Register, KeyringError> {
        self.holds.all()
    }

    fn strike(&mut self, hold: &HoldId) -> Result<(), KeyringError> {
        self.check_writable()?;
        self.holds.strike(hold)
    }

    fn whose(&self, whose: &Whose) -> Result<Digest, KeyringError> {
        self.holds.digest(whose)
    }
}

/// Reads and opens one keystore file; also returns the wrapping key that fits.
/// Fails with the reason as text.
fn read_keystore(
    dir: &Path,
    label: &Label<'_>,
    epoch: u64,
    root: &Secret,
    kek: &Kek,
) -> Result<(Body, Secret), String> {
    let open = || {
        let wrapping_key = label.wrapping_key(root, kek)?;
        let body = Body::open(&keystore::read(dir, epoch)?, label, &wrapping_key)?;
        Ok::<_, keystore::KeystoreError>((body, wrapping_key))
    };
    open().map_err(|error| {
        format!(
            "{} does not open with root {epoch} of the anchor and this key-encryption key: {error}",
            keystore::path(dir, epoch).display()
        )
    })
}

/// Nothing has changed, and nothing was destroyed.
fn unwritten(reason: impl Display) -> KeyringError {
    KeyringError::Write { reason: reason.to_string() }
}

fn unknown(reason: impl Display) -> KeyringError {
    KeyringError::StateUnknown { reason: reason.to_string() }
}
