//! The key that signs checkpoints: 32 bytes, the seed of an Ed25519 key, alone in
//! a file that only its owner may read. It may be backed up; whoever has it can
//! write another ledger, which is why auditors keep checkpoints elsewhere.
//! The key is never printed, and wiped from memory when it is dropped.

use std::{fs::File, io::Read as _, os::unix::fs::MetadataExt as _, path::Path};

use ed25519_dalek::{SECRET_KEY_LENGTH, SigningKey};
use zeroize::Zeroizing;

use crate::{
    adapters::durable::{self, MODE_READ_ONLY},
    ports::LedgerError,
};

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
    let unknown =
        |reason: &str| LedgerError::StateUnknown { reason: format!("signing key {}: {reason}", path.display()) };
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
    use std::{fs, os::unix::fs::PermissionsExt as _};

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
