//! The operator's key-encryption key: loaded from a file or a systemd
//! credential, or generated once. It may be backed up; without a root it opens
//! nothing. A file that others may read is refused.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::{fs::fgetxattr, io::Errno};
use zeroize::Zeroizing;

use super::secret::{CryptoRefused, SECRET_BYTES, Secret};
use crate::adapters::durable;

/// Longest accepted text: 64 hexadecimal digits and a line end.
const FILE_BYTES_MAX: usize = 2 * SECRET_BYTES + 2;

/// The key-encryption key.
#[derive(Debug, Clone)]
pub struct Kek(Secret);

/// Why there is no key-encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    #[error("key file {path} cannot be read: {reason}", path = path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("key file {path} may be read by its group or by others\nhint: chmod 0400 {path}", path = path.display())]
    Exposed { path: PathBuf },
    #[error("the key-encryption key is neither 32 bytes nor 64 hexadecimal digits")]
    NotAKey,
    #[error("key file {path} cannot be written: {reason}", path = path.display())]
    Unwritable { path: PathBuf, reason: String },
    #[error(transparent)]
    Crypto(#[from] CryptoRefused),
}

impl Kek {
    /// Takes 32 raw bytes, or 64 hexadecimal digits with an optional line end.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KekError> {
        if let Some(secret) = Secret::copy_of(bytes) {
            return Ok(Self(secret));
        }
        let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
        Secret::filled(|key| hex::decode_to_slice(digits, key)).map(Self).map_err(|_| KekError::NotAKey)
    }

    /// Reads a key file that its owner alone may read.
    pub fn load(path: &Path) -> Result<Self, KekError> {
        let unreadable = |error: std::io::Error| KekError::Unreadable { path: path.into(), reason: error.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if exposed(mode, &file).map_err(unreadable)? {
            return Err(KekError::Exposed { path: path.into() });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
        file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::from_bytes(&bytes)
    }

    /// Makes a new key and a file for it (mode 0400, hexadecimal so that it can
    /// be kept on paper). Refuses where the file exists.
    pub fn generate(path: &Path) -> Result<Self, KekError> {
        let secret = Secret::random()?;
        let mut text = Zeroizing::new(vec![b'\n'; 2 * SECRET_BYTES + 1]);
        let digits = text.split_last_mut().map(|(_, digits)| digits).ok_or(CryptoRefused)?;
        hex::encode_to_slice(secret.expose(), digits).map_err(|_| CryptoRefused)?;
        durable::write_new(path, &text, durable::MODE_READ_ONLY)
            .map_err(|error| KekError::Unwritable { path: path.into(), reason: error.to_string() })?;
        Ok(Self(secret))
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// Whether anyone but the owner and users named in an access list may read it.
///
/// systemd hands credentials to a service's user through an access list; the
/// group bits of such a file are the list's mask and say nothing about the group.
fn exposed(mode: u32, file: &File) -> std::io::Result<bool> {
    if mode & 0o077 == 0 {
        return Ok(false);
    }
    let mut list = [0; 1024];
    match fgetxattr(file, "system.posix_acl_access", &mut list) {
        // The list has an entry for everybody else, too.
        Ok(length) => Ok(list.get(..length).is_none_or(opens_to_groups)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Reads a POSIX access list as the kernel stores it: version (u32), then
/// entries of tag (u16), permissions (u16) and id (u32), little-endian.
fn opens_to_groups(list: &[u8]) -> bool {
    const VERSION: [u8; 4] = 2_u32.to_le_bytes();
    /// The file's group, a named group, everybody else.
    const GROUPS: [u16; 3] = [0x04, 0x08, 0x20];
    let Some(entries) = list.strip_prefix(&VERSION).filter(|entries| entries.len() % 8 == 0) else {
        return true;
    };
    entries.chunks_exact(8).any(|entry| match *entry {
        [tag_low, tag_high, low, high, ..] => {
            let tag = u16::from_le_bytes([tag_low, tag_high]);
            GROUPS.contains(&tag) && u16::from_le_bytes([low, high]) != 0
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_raw_or_hexadecimal() {
        let raw = [0xa5; 32];
        let digits = "a5".repeat(32);
        let expected = Kek::from_bytes(&raw).unwrap();
        for text in [digits.clone(), format!("{digits}\n"), format!("{digits}\r\n"), digits.to_uppercase()] {
            assert_eq!(Kek::from_bytes(text.as_bytes()).unwrap().0, expected.0, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let short = "a5".repeat(31);
        let long = format!("{}\n\n", "a5".repeat(32));
        let wrong = "g5".repeat(32);
        for text in ["", "secret", &short, &long, &wrong] {
            let error = Kek::from_bytes(text.as_bytes()).unwrap_err();
            assert!(matches!(error, KekError::NotAKey));
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
        assert_eq!(format!("{:?}", Kek::from_bytes(&[7; 32]).unwrap()), "Kek(Secret(..))");
    }

    #[test]
    fn a_generated_key_is_private_loads_again_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let made = Kek::generate(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(Kek::load(&path).unwrap().0, made.0);
        assert!(matches!(Kek::generate(&path), Err(KekError::Unwritable { .. })));
        assert_eq!(Kek::load(&path).unwrap().0, made.0);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        Kek::generate(&path).unwrap();
        for mode in [0o440, 0o404, 0o640, 0o644, 0o420] {
            set_mode(&path, mode);
            assert!(matches!(Kek::load(&path), Err(KekError::Exposed { .. })), "{mode:o}");
        }
        set_mode(&path, 0o600);
        Kek::load(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_too_long_or_missing_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        assert!(matches!(Kek::load(&path), Err(KekError::Unreadable { .. })));
        fs::write(&path, [b'a'; 10_000]).unwrap();
        set_mode(&path, 0o400);
        assert!(matches!(Kek::load(&path), Err(KekError::NotAKey)));
    }

    fn access_list(entries: &[(u16, u16)]) -> Vec<u8> {
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(u32::MAX.to_le_bytes());
        }
        list
    }

    #[test]
    fn an_access_list_may_name_users_but_no_group() {
        // Owner, a named user, the group, the mask, others.
        let credential = [(0x01, 4), (0x02, 4), (0x04, 0), (0x10, 4), (0x20, 0)];
        assert!(!opens_to_groups(&access_list(&credential)));
        for (tag, permissions) in [(0x04, 4), (0x08, 4), (0x20, 4)] {
            let mut entries = credential.to_vec();
            entries.push((tag, permissions));
            assert!(opens_to_groups(&access_list(&entries)), "{tag}");
        }
        assert!(opens_to_groups(b""));
        assert!(opens_to_groups(&[1, 0, 0, 0]));
        assert!(opens_to_groups(&access_list(&credential)[..10]));
    }
}
