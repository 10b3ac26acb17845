//! The keystore file `keystore.<n>` of key epoch *n*: all live data keys.
//!
//! Layout: the header as canonical JSON (`{"epoch":n,"format":"retentiond/keystore@v1",
//! "origin":"…"}`) and a line feed, in the clear; then the body, sealed with
//! `chunked` under `W_n`, the header without its line feed as context. The body is,
//! per bucket in ascending order: length of the bucket's text (u16, big-endian),
//! the text (`rule/YYYY-MM-DD`), its data key (32 bytes).
//! `W_n` = HKDF-SHA256(salt empty, input = `A_n` ‖ KEK, info = "keystore" ‖ length of
//! origin (u64, big-endian) ‖ origin ‖ n (u64, big-endian)).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::constant_time;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    chunked::{self, OpenError},
    data_key::DataKey,
    kek::Kek,
    secret::{CryptoRefused, SECRET_BYTES, Secret},
};
use crate::{
    adapters::durable,
    domain::{canonical, id::BucketId},
};

/// The name and version of this format (`docs/FORMAT.md`).
pub const FORMAT: &str = "retentiond/keystore@v1";
const FILE_PREFIX: &str = "keystore.";
/// About a million buckets; what is longer is not a keystore.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The data keys of all live buckets.
pub type DataKeys = BTreeMap<BucketId, DataKey>;

/// Which keystore it is: stands in the clear and is bound to the body.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Label<'a> {
    epoch: u64,
    format: &'static str,
    origin: &'a str,
}

/// Why a keystore file is not readable.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    #[error("it belongs to another origin, epoch or version")]
    Foreign,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("its body is malformed")]
    Malformed,
    #[error("a bucket's name is too long")]
    NameTooLong,
    #[error("it is longer than {FILE_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Crypto(#[from] CryptoRefused),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<'a> Label<'a> {
    #[must_use]
    pub const fn new(origin: &'a str, epoch: u64) -> Self {
        Self { epoch, format: FORMAT, origin }
    }

    fn bytes(&self) -> Result<Vec<u8>, CryptoRefused> {
        canonical::bytes(self).map_err(|_| CryptoRefused)
    }

    /// `W_n`. Root and KEK have fixed lengths, so their concatenation is unambiguous.
    pub fn wrapping_key(&self, root: &Secret, kek: &Kek) -> Result<Secret, CryptoRefused> {
        let mut input = Zeroizing::new([0; 2 * SECRET_BYTES]);
        let (first, second) = input.split_at_mut(SECRET_BYTES);
        first.copy_from_slice(root.expose());
        second.copy_from_slice(kek.secret().expose());
        let origin_bytes = (self.origin.len() as u64).to_be_bytes();
        let info: [&[u8]; 4] = [b"keystore", &origin_bytes, self.origin.as_bytes(), &self.epoch.to_be_bytes()];
        Secret::derive(input.as_ref(), &info)
    }
}

/// The body of a keystore that holds exactly the keys of these buckets, in order.
/// Two keystores hold the same keys if their bodies are the same bytes.
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// The bytes of a keystore file.
    pub fn seal(&self, label: &Label<'_>, wrapping_key: &Secret) -> Result<Vec<u8>, KeystoreError> {
        let header = label.bytes()?;
        let sealed = chunked::seal(wrapping_key, &header, &self.0)?;
        let file = [header.as_slice(), b"\n", &sealed].concat();
        if file.len() as u64 > FILE_BYTES_MAX { Err(KeystoreError::TooLong) } else { Ok(file) }
    }

    pub fn of<'k>(keys: impl Iterator<Item = (&'k BucketId, &'k DataKey)>) -> Result<Self, KeystoreError> {
        let keys: Vec<(String, &DataKey)> = keys.map(|(bucket, key)| (bucket.to_string(), key)).collect();
        // Room for everything at once: growing would leave copies of the keys.
        let length = keys.iter().map(|(name, _)| 2 + name.len() + SECRET_BYTES).sum();
        let mut body = Zeroizing::new(Vec::with_capacity(length));
        for (name, key) in keys {
            let length = u16::try_from(name.len()).map_err(|_| KeystoreError::NameTooLong)?;
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(key.secret().expose());
        }
        Ok(Self(body))
    }

    pub fn keys(&self) -> Result<DataKeys, KeystoreError> {
        let mut keys = DataKeys::new();
        let mut body = self.0.as_slice();
        while !body.is_empty() {
            let (bucket, key, rest) = decode_one(body).ok_or(KeystoreError::Malformed)?;
            if keys.last_key_value().is_some_and(|(last, _)| *last >= bucket) {
                return Err(KeystoreError::Malformed);
            }
            keys.insert(bucket, key);
            body = rest;
        }
        Ok(keys)
    }

    /// Opens the bytes of a keystore file.
    pub fn open(file: &[u8], label: &Label<'_>, wrapping_key: &Secret) -> Result<Self, KeystoreError> {
        let header = label.bytes()?;
        let rest = file.strip_prefix(header.as_slice()).and_then(|rest| rest.strip_prefix(b"\n"));
        Ok(Self(chunked::open(wrapping_key, &header, rest.ok_or(KeystoreError::Foreign)?)?))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes, ..)", self.0.len())
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Body {}

/// Whether a wrapping key fits the bytes of a keystore file, whatever its label
/// says: for the proof that it does not open any more.
#[must_use]
pub fn fits(file: &[u8], wrapping_key: &Secret) -> bool {
    let mut parts = file.splitn(2, |byte| *byte == b'\n');
    match (parts.next(), parts.next()) {
        (Some(header), Some(sealed)) => chunked::commits_to(wrapping_key, header, sealed),
        _ => false,
    }
}

/// Where the keystore of an epoch stands.
#[must_use]
pub fn path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("{FILE_PREFIX}{epoch}"))
}

/// Epochs of which a keystore file stands in the folder.
pub fn epochs(dir: &Path) -> io::Result<BTreeSet<u64>> {
    let mut epochs = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        epochs.extend(numbered(&entry?.file_name().to_string_lossy(), FILE_PREFIX));
    }
    Ok(epochs)
}

/// Reads a keystore file as it is.
pub fn read(dir: &Path, epoch: u64) -> Result<Vec<u8>, KeystoreError> {
    let mut bytes = Vec::new();
    File::open(path(dir, epoch))?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX { Err(KeystoreError::TooLong) } else { Ok(bytes) }
}

/// Writes the keystore of an epoch, durably: either the old file stands there or
/// the new one, whole.
pub fn write(dir: &Path, epoch: u64, file: &[u8]) -> io::Result<()> {
    durable::write_atomic(&path(dir, epoch), file, durable::MODE_PRIVATE)
}

/// Removes the keystore of an epoch if there is one.
pub fn remove(dir: &Path, epoch: u64) -> io::Result<()> {
    match durable::remove_synced(&path(dir, epoch)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The number in `<prefix><number>`, written without leading zeros.
pub(super) fn numbered(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

fn decode_one(body: &[u8]) -> Option<(BucketId, DataKey, &[u8])> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let (key, rest) = rest.split_at_checked(SECRET_BYTES)?;
    let name = str::from_utf8(name).ok()?;
    let bucket: BucketId = name.parse().ok()?;
    // One name for one bucket: `2026-1-1` is not `2026-01-01`.
    if bucket.to_string() != name {
        return None;
    }
    Some((bucket, DataKey::from(Secret::copy_of(key)?), rest))
}

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};

    use super::*;

    const LABEL: Label<'static> = Label::new("retention.example/shop", 7);

    fn keys(count: u64) -> DataKeys {
        let first = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
        (0..count)
            .map(|day| BucketId { rule: "contract".into(), date: first + Days::new(day) })
            .map(|bucket| (bucket, DataKey::random().unwrap()))
            .collect()
    }

    fn body(keys: &DataKeys) -> Body {
        Body::of(keys.iter()).unwrap()
    }

    fn kek(byte: u8) -> Kek {
        Kek::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_keystore_opens_to_the_same_keys() {
        let wrapping_key = Secret::random().unwrap();
        for count in [0, 1, 3] {
            let keys = keys(count);
            let file = body(&keys).seal(&LABEL, &wrapping_key).unwrap();
            let opened = Body::open(&file, &LABEL, &wrapping_key).unwrap();
            assert_eq!((opened.keys().unwrap(), &opened), (keys.clone(), &body(&keys)));
            assert!(fits(&file, &wrapping_key));
        }
    }

    #[test]
    fn twelve_thousand_buckets_fit_in_a_megabyte() {
        let wrapping_key = Secret::random().unwrap();
        let keys = keys(12_000);
        let file = body(&keys).seal(&LABEL, &wrapping_key).unwrap();
        assert!(file.len() < 1024 * 1024, "{} bytes", file.len());
        assert_eq!(Body::open(&file, &LABEL, &wrapping_key).unwrap().keys().unwrap().len(), 12_000);
    }

    #[test]
    fn no_other_key_and_no_other_label_opens_it() {
        let wrapping_key = Secret::random().unwrap();
        let file = body(&keys(2)).seal(&LABEL, &wrapping_key).unwrap();
        let other = Secret::random().unwrap();
        assert!(matches!(Body::open(&file, &LABEL, &other), Err(KeystoreError::Open(OpenError::Uncommitted))));
        assert!(!fits(&file, &other));
        for label in [Label::new("retention.example/shop", 8), Label::new("retention.example/other", 7)] {
            assert!(matches!(Body::open(&file, &label, &wrapping_key), Err(KeystoreError::Foreign)));
        }
        let relabelled = String::from_utf8_lossy(&file[..10]).replace("\"epoch\":7", "\"epoch\":8");
        let relabelled = [relabelled.as_bytes(), &file[10..]].concat();
        assert!(Body::open(&relabelled, &Label::new("retention.example/shop", 8), &wrapping_key).is_err());
    }

    #[test]
    fn the_wrapping_key_depends_on_root_kek_origin_and_epoch() {
        let root = Secret::copy_of(&[1; 32]).unwrap();
        let wrapping_key = LABEL.wrapping_key(&root, &kek(2)).unwrap();
        // Made with Python's `HKDF` for root `01…`, KEK `02…`.
        assert_eq!(
            hex::encode(wrapping_key.expose()),
            "8b4ed12d8b341f8ac3b25f4d85d265788e93f01e0ecf14f4aabf2a746db4222d"
        );
        let others = [
            LABEL.wrapping_key(&Secret::copy_of(&[3; 32]).unwrap(), &kek(2)),
            LABEL.wrapping_key(&root, &kek(3)),
            Label::new("retention.example/shop", 8).wrapping_key(&root, &kek(2)),
            Label::new("retention.example/shoq", 7).wrapping_key(&root, &kek(2)),
        ];
        for other in others {
            assert_ne!(other.unwrap(), wrapping_key);
        }
    }

    #[test]
    fn a_malformed_body_is_refused_and_never_panics() {
        let decode = |bytes: &[u8]| Body(Zeroizing::new(bytes.to_vec())).keys();
        let whole = body(&keys(2)).0;
        assert_eq!(decode(&whole).unwrap().len(), 2);
        let one = whole.len() / 2;
        for cut in (1..whole.len()).filter(|cut| *cut != one) {
            assert!(matches!(decode(&whole[..cut]), Err(KeystoreError::Malformed)), "cut at {cut}");
        }
        let repeated = [&whole[..one], &whole[..one]].concat();
        assert!(matches!(decode(&repeated), Err(KeystoreError::Malformed)));
        let descending = [&whole[one..], &whole[..one]].concat();
        assert!(matches!(decode(&descending), Err(KeystoreError::Malformed)));
        for name in ["contract", "contract/2026-1-1", "contract/2026-13-01", "contract/"] {
            let mut body = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
            body.extend(name.as_bytes());
            body.extend([9; 32]);
            assert!(matches!(decode(&body), Err(KeystoreError::Malformed)), "{name}");
        }
    }

    #[test]
    fn only_exactly_named_files_are_keystores() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["keystore.3", "keystore.03", "keystore.", "keystore.3.bak", ".keystore.4.tmp", "keystore.+5"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        assert_eq!(epochs(dir.path()).unwrap(), BTreeSet::from([3]));
    }
}
