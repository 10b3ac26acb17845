//! Destroying data keys: a new epoch without the victims, then the death of the
//! old epoch's root.
//!
//! Each step is a function that leaves the files in a state which `opening`
//! understands, so that a crash between any two is recovered by the same code.
//! Before a new root is installed every failure is undone and nothing was
//! destroyed; after that the way leads only forward.

use std::{collections::BTreeSet, io};

use super::{
    FileKeyring,
    keystore::{self, Body, KeystoreError},
    read_keystore,
    secret::Secret,
    unknown, unwritten,
};
use crate::{
    adapters::failpoint,
    domain::{id::BucketId, verdict::Finding},
    ports::KeyringError,
};

/// An epoch whose keystore is written, and whose root is not yet installed.
pub(super) struct NextEpoch {
    pub(super) epoch: u64,
    pub(super) root: Secret,
    /// The keys of all but the victims.
    pub(super) survivors: Body,
}

impl FileKeyring {
    /// Finishes a destruction that was interrupted: destroys the root that it
    /// left behind. `None`: there was none.
    pub fn finish(&mut self) -> Result<Option<Finding>, KeyringError> {
        self.check_writable()?;
        match self.pending {
            Some(old) => self.destroy_root(old).map(Some),
            None => Ok(None),
        }
    }

    /// Destroys the keys of these buckets. Keys that are already gone stay so.
    pub(super) fn destroy_keys(&mut self, victims: &BTreeSet<BucketId>) -> Result<Finding, KeyringError> {
        let resumed = self.finish()?;
        let present: BTreeSet<BucketId> =
            victims.iter().filter(|victim| self.keys.contains_key(victim)).cloned().collect();
        let finding = match resumed {
            Some(finding) => finding,
            None if present.len() == victims.len() => Finding::pass(),
            None => self.already_gone()?,
        };
        if present.is_empty() {
            return Ok(finding);
        }
        let old = self.epoch;
        self.start_epoch_without(&present)?;
        Ok(finding.and(self.destroy_root(old)?))
    }

    /// An earlier attempt destroyed these keys and could not say so any more.
    fn already_gone(&self) -> Result<Finding, KeyringError> {
        let medium = self.anchor.medium().map_err(unknown)?;
        Ok(medium.and(Finding::unknown(
            "some keys were already gone when their destruction was resumed, so that it was not seen",
        )))
    }

    /// Replaces the current epoch by one without the victims, or changes nothing.
    fn start_epoch_without(&mut self, victims: &BTreeSet<BucketId>) -> Result<(), KeyringError> {
        let epoch = self.epoch.checked_add(1).ok_or_else(|| unwritten("there are no more key epochs"))?;
        // The positive test: what will not open afterwards opens now, from its
        // files, with every victim in it (`victims` are of `self.keys`).
        self.prove_current()?;
        let attempt = self.write_next(epoch, victims).and_then(|next| {
            failpoint::reach("keyring.next-written");
            self.compare_next(&next)?;
            self.install_next(next, victims)
        });
        attempt.map_err(|error| match self.abandon(epoch) {
            Ok(()) => error,
            Err(reason) => self.stop(reason),
        })
    }

    /// Writes the next keystore under a fresh root.
    pub(super) fn write_next(&self, epoch: u64, victims: &BTreeSet<BucketId>) -> Result<NextEpoch, KeyringError> {
        let survivors = self.keys.iter().filter(|(bucket, _)| !victims.contains(bucket));
        let survivors = Body::of(survivors).map_err(unwritten)?;
        let root = Secret::random().map_err(unwritten)?;
        let label = self.label(epoch);
        let wrapping_key = label.wrapping_key(&root, &self.kek).map_err(unwritten)?;
        let file = survivors.seal(&label, &wrapping_key).map_err(unwritten)?;
        keystore::write(&self.dir, epoch, &file).map_err(unwritten)?;
        Ok(NextEpoch { epoch, root, survivors })
    }

    /// Opens the next keystore from its file and compares every survivor.
    pub(super) fn compare_next(&self, next: &NextEpoch) -> Result<(), KeyringError> {
        let label = self.label(next.epoch);
        let (found, _) = read_keystore(&self.dir, &label, next.epoch, &next.root, &self.kek).map_err(unwritten)?;
        if found != next.survivors {
            return Err(unwritten("the next keystore does not hold exactly the survivors"));
        }
        Ok(())
    }

    /// Installs the next root and opens the next keystore with what the anchor
    /// then has. From here on a restart goes forward: the victims have no key in
    /// the current epoch any more.
    pub(super) fn install_next(&mut self, next: NextEpoch, victims: &BTreeSet<BucketId>) -> Result<(), KeyringError> {
        self.anchor.install(next.epoch, &next.root).map_err(unwritten)?;
        failpoint::reach("keyring.next-installed");
        let (found, _) = self.read_keystore(next.epoch).map_err(unwritten)?;
        if found != next.survivors {
            return Err(unwritten("the next keystore does not open with the installed root"));
        }
        self.pending = Some(self.epoch);
        self.epoch = next.epoch;
        self.keys.retain(|bucket, _| !victims.contains(bucket));
        Ok(())
    }

    /// Takes back an epoch that did not come to be. Its root first: as soon as it
    /// is not installed, its keystore is of no use to anybody.
    pub(super) fn abandon(&self, epoch: u64) -> Result<(), String> {
        self.anchor.withdraw(epoch).map_err(|error| error.to_string())?;
        keystore::remove(&self.dir, epoch).map_err(|error| error.to_string())
    }

    /// Destroys the root of the epoch before the current one, proves that its
    /// keystore is noise, and removes it.
    pub(super) fn destroy_root(&mut self, old: u64) -> Result<Finding, KeyringError> {
        let kept = match keystore::read(&self.dir, old) {
            Ok(file) => Some(file),
            Err(KeystoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.stop(error)),
        };
        failpoint::reach("keyring.root-dies");
        // POINT OF NO RETURN. What only the old epoch could open is lost from
        // here on, on this host and in every copy.
        let finding = self.anchor.destroy(old).map_err(|error| self.stop(error))?;
        failpoint::reach("keyring.root-dead");
        let finding = match kept {
            Some(file) => {
                self.prove_closed(old, &file).map_err(|reason| self.stop(reason))?;
                finding
            }
            None => finding.and(Finding::unknown(format!(
                "keystore.{old} was not there any more for the test that it does not open"
            ))),
        };
        failpoint::reach("keyring.proved-closed");
        keystore::remove(&self.dir, old).map_err(|error| self.stop(error))?;
        failpoint::reach("keyring.old-removed");
        self.pending = None;
        Ok(finding)
    }

    /// The negative test: no root that the anchor still has opens the old
    /// keystore, under its own epoch's name or the root's.
    pub(super) fn prove_closed(&self, old: u64, file: &[u8]) -> Result<(), String> {
        for epoch in self.anchor.epochs().map_err(|error| error.to_string())? {
            let root = self.anchor.load(epoch).map_err(|error| error.to_string())?;
            for named in [old, epoch] {
                let wrapping_key =
                    self.label(named).wrapping_key(&root, &self.kek).map_err(|error| error.to_string())?;
                if keystore::fits(file, &wrapping_key) {
                    return Err(format!("keystore.{old} still opens, with root {epoch} of the anchor"));
                }
            }
        }
        Ok(())
    }
}
