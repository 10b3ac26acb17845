//! Thirty-two secret bytes: data keys, roots, the key-encryption key, and what
//! is derived from them. Wiped when dropped, never printed, compared in constant
//! time. They live on the heap so that moving one leaves no copy behind.

use std::fmt;

use aws_lc_rs::{constant_time, hkdf, rand};
use zeroize::Zeroize;

/// Bytes in every secret of this module.
pub const SECRET_BYTES: usize = 32;

/// 256 secret bits.
#[derive(Clone)]
pub struct Secret(Box<[u8; SECRET_BYTES]>);

/// The system's generator or a key derivation refused. Neither happens with the
/// lengths used here unless the host is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library refused")]
pub struct CryptoRefused;

impl Secret {
    /// Fresh random bytes.
    pub fn random() -> Result<Self, CryptoRefused> {
        Self::filled(|bytes| rand::fill(bytes).map_err(|_| CryptoRefused))
    }

    /// HKDF-SHA256 (RFC 5869) with an empty salt.
    pub fn derive(input: &[u8], info: &[&[u8]]) -> Result<Self, CryptoRefused> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(input);
        Self::filled(|bytes| {
            let output = prk.expand(info, hkdf::HKDF_SHA256).map_err(|_| CryptoRefused)?;
            output.fill(bytes).map_err(|_| CryptoRefused)
        })
    }

    /// Copies exactly 32 bytes; `None` for any other length.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self(Box::new([0; SECRET_BYTES]));
        if bytes.len() != SECRET_BYTES {
            return None;
        }
        secret.0.copy_from_slice(bytes);
        Some(secret)
    }

    /// The bytes. Whoever asks must not keep a copy.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    pub(super) fn filled<E>(fill: impl FnOnce(&mut [u8; SECRET_BYTES]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; SECRET_BYTES]));
        fill(&mut secret.0)?;
        Ok(secret)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.expose(), other.expose()).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::copy_of(&[0xab; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn two_random_secrets_differ_and_a_copy_does_not() {
        let one = Secret::random().unwrap();
        assert_ne!(one, Secret::random().unwrap());
        assert_eq!(one, one.clone());
        assert!(Secret::copy_of(&one.expose()[..31]).is_none());
    }

    #[test]
    fn derivation_is_hkdf_sha256_with_an_empty_salt() {
        // RFC 5869, appendix A.3, first 32 of its 42 bytes; info is empty there.
        let secret = Secret::derive(&[0x0b; 22], &[b""]).unwrap();
        assert_eq!(hex::encode(secret.expose()), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    }
}
