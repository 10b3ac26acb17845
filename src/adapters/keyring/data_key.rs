//! What a bucket's data key does: seal and open segments, and make keyed digests.
//!
//! A body is compressed (zstd) before it is encrypted under the data key
//! with the segment's header as context. Digests use a key derived from the data
//! key, so that they turn to noise when it is destroyed.

use std::{cell::RefCell, fmt, io, sync::OnceLock};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;
use zstd::bulk::{Compressor, Decompressor};

use super::{
    chunked::{self, OpenError},
    secret::{CryptoRefused, Secret},
};

const DIGEST_INFO: &[u8] = b"retentiond/digest@v1";
/// Of 100 KiB of visits level 3 leaves no less than level 1 and takes three times
/// as long, which was most of the time that a row cost us.
const ZSTD_LEVEL: i32 = 1;
/// The most a segment may hold uncompressed. Segments are a few MiB; a longer
/// one is refused when sealed and when opened.
pub const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The data key of one bucket.
#[derive(Clone)]
pub struct DataKey {
    secret: Secret,
    /// In a box: its state is more than a kilobyte, and most keys of a keystore are never asked.
    digest_key: OnceLock<Box<hmac::Key>>,
}

/// Why a segment cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Crypto(#[from] CryptoRefused),
    #[error("its body is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    #[error("zstd refused its body")]
    Compression,
}

impl DataKey {
    pub fn random() -> Result<Self, CryptoRefused> {
        Ok(Self::from(Secret::random()?))
    }

    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    pub fn seal(&self, header: &[u8], body: &[u8]) -> Result<Vec<u8>, SegmentError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(SegmentError::TooLong);
        }
        let packed = Zeroizing::new(pack(body).map_err(|_| SegmentError::Compression)?);
        Ok(chunked::seal(&self.secret, header, &packed)?)
    }

    pub fn unseal(&self, header: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SegmentError> {
        let packed = chunked::open(&self.secret, header, sealed)?;
        unpack(&packed, BODY_BYTES_MAX)
    }

    /// Whether this key sealed the segment; checks the commitment only.
    #[must_use]
    pub fn sealed(&self, header: &[u8], sealed: &[u8]) -> bool {
        chunked::commits_to(&self.secret, header, sealed)
    }

    /// HMAC-SHA256 under HKDF-SHA256(data key, `retentiond/digest@v1`) over the
    /// length of `purpose` (u64, big-endian), `purpose` and `bytes`.
    pub fn digest(&self, purpose: &str, bytes: &[u8]) -> Result<[u8; 32], CryptoRefused> {
        let mut context = hmac::Context::with_key(self.digest_key()?);
        context.update(&(purpose.len() as u64).to_be_bytes());
        context.update(purpose.as_bytes());
        context.update(bytes);
        context.sign().as_ref().try_into().map_err(|_| CryptoRefused)
    }

    /// Derived once: a separation asks for several digests a record.
    fn digest_key(&self) -> Result<&hmac::Key, CryptoRefused> {
        if let Some(key) = self.digest_key.get() {
            return Ok(key);
        }
        let secret = Secret::derive(self.secret.expose(), &[DIGEST_INFO])?;
        Ok(self.digest_key.get_or_init(|| Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))))
    }
}

// To make them anew takes longer than to pack the few rows of a small segment.
thread_local! {
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn pack(body: &[u8]) -> io::Result<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(body),
        None => packer.insert(Compressor::new(ZSTD_LEVEL)?).compress(body),
    })
}

fn unpack(packed: &[u8], bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, SegmentError> {
    // Every frame that `seal` makes says its size.
    let size = match zstd::zstd_safe::get_frame_content_size(packed) {
        Ok(Some(size)) if size > bytes_max as u64 => return Err(SegmentError::TooLong),
        Ok(Some(size)) => usize::try_from(size).map_err(|_| SegmentError::TooLong)?,
        Ok(None) | Err(_) => return Err(SegmentError::Compression),
    };
    let unpacked = UNPACKER.with_borrow_mut(|unpacker| match unpacker {
        Some(unpacker) => unpacker.decompress(packed, size),
        None => unpacker.insert(Decompressor::new()?).decompress(packed, size),
    });
    unpacked.map(Zeroizing::new).map_err(|_| SegmentError::Compression)
}

impl From<Secret> for DataKey {
    fn from(secret: Secret) -> Self {
        Self { secret, digest_key: OnceLock::new() }
    }
}

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl Eq for DataKey {}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_body_opens_and_is_smaller_than_what_repeats() {
        let key = DataKey::random().unwrap();
        let body = b"row ".repeat(10_000);
        let sealed = key.seal(b"{}", &body).unwrap();
        assert!(sealed.len() < body.len() / 10);
        assert_eq!(*key.unseal(b"{}", &sealed).unwrap(), body);
        assert!(key.sealed(b"{}", &sealed));
        assert!(!DataKey::random().unwrap().sealed(b"{}", &sealed));
    }

    #[test]
    fn an_empty_body_is_a_body() {
        let key = DataKey::random().unwrap();
        let sealed = key.seal(b"{}", b"").unwrap();
        assert!(key.unseal(b"{}", &sealed).unwrap().is_empty());
    }

    #[test]
    fn a_body_that_would_unpack_beyond_the_limit_is_refused_before_it_is_unpacked() {
        let packed = zstd::bulk::compress(&[0; 1_001], ZSTD_LEVEL).unwrap();
        assert!(matches!(unpack(&packed, 1_000), Err(SegmentError::TooLong)));
        assert_eq!(unpack(&packed, 1_001).unwrap().len(), 1_001);
        assert!(matches!(unpack(b"no frame", 1_000), Err(SegmentError::Compression)));
    }

    #[test]
    fn a_second_frame_cannot_pass_the_limit() {
        let mut packed = zstd::bulk::compress(&[0; 600], ZSTD_LEVEL).unwrap();
        packed.extend(zstd::bulk::compress(&[0; 600], ZSTD_LEVEL).unwrap());
        assert!(unpack(&packed, 1_000).is_err());
    }

    /// Made with Python's `HKDF` and `hmac` for the key `00..1f`.
    #[test]
    fn a_digest_is_hmac_under_a_derived_key_and_depends_on_its_purpose() {
        let bytes: Vec<u8> = (0..32).collect();
        let key = DataKey::from(Secret::copy_of(&bytes).unwrap());
        assert_eq!(
            hex::encode(key.digest("row", b"value").unwrap()),
            "3a0401d339d41d6f513ab3cabadb90b06dbed3e2174d59a19a108561cb562cd1"
        );
        assert_ne!(key.digest("row", b"value").unwrap(), key.digest("key", b"value").unwrap());
        assert_ne!(key.digest("row", b"value").unwrap(), key.digest("ro", b"wvalue").unwrap());
        assert_ne!(key.digest("row", b"value").unwrap(), DataKey::random().unwrap().digest("row", b"value").unwrap());
    }
}
