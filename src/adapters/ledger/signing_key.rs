//! The key that signs checkpoints: 32 bytes, the seed of an Ed25519 key, alone in
//! a file that only its owner may read. It may be backed up; whoever has it can
//! write another ledger, which is why auditors keep checkpoints elsewhere.
//! The key is never printed, and wiped from memory when it is dropped.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use ed25519_dalek::{SECRET_KEY_LENGTH, SigningKey};
use zeroize::Zeroizing;

use crate::{
    adapters::{
        durable::{self, MODE_PRIVATE, MODE_READ_ONLY},
        failpoint,
    },
    domain::ledger::note::VerifierKey,
    ports::LedgerError,
};

/// The keys at hand: the one that signs, and while one hands over, the next.
#[derive(Debug)]
pub struct Held {
    key: SigningKey,
    next: Option<SigningKey>,
}

impl From<SigningKey> for Held {
    fn from(key: SigningKey) -> Self {
        Self { key, next: None }
    }
}

impl Held {
    /// True if the public half of a key at hand is this one.
    #[must_use]
    pub fn has(&self, public: &VerifierKey) -> bool {
        std::iter::once(&self.key).chain(&self.next).any(|key| is_of(key, public))
    }

    /// The key at hand that belongs to this public one.
    #[must_use]
    pub fn into_key(self, public: &VerifierKey) -> Option<SigningKey> {
        std::iter::once(self.key).chain(self.next).find(|key| is_of(key, public))
    }
}

fn is_of(key: &SigningKey, public: &VerifierKey) -> bool {
    VerifierKey::new(public.name(), key.verifying_key()).is_ok_and(|own| own == *public)
}

/// Where the next key lies until the ledger has been handed over to it:
/// `ledger.key.next`.
#[must_use]
pub fn next(path: &Path) -> PathBuf {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    next.into()
}

/// Reads the key, and the next one where a rotation was interrupted.
pub fn load_held(path: &Path) -> Result<Held, LedgerError> {
    let next = next(path);
    let waiting = next.try_exists().map_err(|error| unknown(&next, &error.to_string()))?;
    Ok(Held { key: load(path)?, next: waiting.then(|| load(&next)).transpose()? })
}

/// Brings the files in line with the key that the ledger says is in force: a next
/// key that has taken over replaces the old one, whose file is overwritten
/// before; one that has not is overwritten and removed. Idempotent.
pub fn settle(path: &Path, current: &VerifierKey) -> Result<(), LedgerError> {
    let next = next(path);
    let held = load_held(path)?;
    let Some(waiting) = &held.next else { return Ok(()) };
    let settled = if is_of(waiting, current) {
        erase(path).and_then(|()| {
            failpoint::reach("signing-key.erased");
            durable::rename_synced(&next, path)
        })
    } else if is_of(&held.key, current) {
        erase(&next).and_then(|()| durable::remove_synced(&next))
    } else {
        return Err(unknown(path, "neither it nor the next one is the key that the ledger was handed over to"));
    };
    settled.map_err(|error| unknown(path, &error.to_string()))
}

/// Overwrites a secret with random bytes. What the medium keeps of it below the
/// file system is beyond this.
fn erase(path: &Path) -> io::Result<()> {
    let mut noise = [0; SECRET_KEY_LENGTH];
    aws_lc_rs::rand::fill(&mut noise).map_err(|_| io::Error::other("no random numbers to overwrite a key with"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE_PRIVATE))?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&noise)?;
    file.sync_all()
}

fn unknown(path: &Path, reason: &str) -> LedgerError {
    LedgerError::StateUnknown { reason: format!("signing key {}: {reason}", path.display()) }
}

/// Makes a new key and its file, durably. Refuses where the file exists.
pub fn generate(path: &Path) -> Result<SigningKey, LedgerError> {
    let refuse = |reason| LedgerError::Write { reason };
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| refuse("no random numbers for a signing key".to_owned()))?;
    durable::write_new(path, seed.as_slice(), MODE_READ_ONLY).map_err(|error| refuse(error.to_string()))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Reads the key. Refuses a file that others than its owner may read or write.
pub fn load(path: &Path) -> Result<SigningKey, LedgerError> {
    let unknown = |reason: &str| unknown(path, reason);
    let mut file = File::open(path).map_err(|error| unknown(&error.to_string()))?;
    let mode = file.metadata().map_err(|error| unknown(&error.to_string()))?.mode();
    if mode & 0o077 != 0 {
        return Err(unknown("others than its owner may use it; hint: chmod 0400"));
    }
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    file.read_exact(seed.as_mut_slice()).map_err(|_| unknown("it does not have 32 bytes"))?;
    match file.read(&mut [0]) {
        Ok(0) => Ok(SigningKey::from_bytes(&seed)),
        Ok(_) => Err(unknown("it does not have 32 bytes")),
        Err(error) => Err(unknown(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_private_and_loads_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        let key = generate(&path).unwrap();
        assert_eq!(load(&path).unwrap(), key);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o400);
        assert!(matches!(generate(&path), Err(LedgerError::Write { .. })));
        assert_eq!(load(&path).unwrap(), key);
        assert_ne!(generate(&dir.path().join("other.key")).unwrap(), key);
    }

    #[test]
    fn a_key_that_is_missing_too_short_too_long_or_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        let load_with = |bytes: &[u8], mode| {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let result = load(&path);
            fs::remove_file(&path).unwrap();
            result
        };
        assert!(matches!(load(&path), Err(LedgerError::StateUnknown { .. })));
        assert!(load_with(&[1; 31], 0o400).is_err());
        assert!(load_with(&[1; 33], 0o400).is_err());
        assert!(load_with(&[1; 32], 0o440).is_err());
        assert!(load_with(&[1; 32], 0o600).is_ok());
    }

    #[test]
    fn a_key_does_not_show_its_seed_when_it_is_printed() {
        let key = SigningKey::from_bytes(&[0xab; 32]);
        assert!(!format!("{key:?}").contains("171, 171") && !format!("{key:?}").contains("abab"));
    }
}
