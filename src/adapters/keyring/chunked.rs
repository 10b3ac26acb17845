//! C2SP chunked-encryption (c2sp.org/chunked-encryption@v1) with AES-256-GCM and
//! HKDF-Expand-SHA512, which Python `cryptography` calls Cobblestone-256.
//!
//! A message is stored as salt (24 bytes), commitment (32), then chunks of
//! 16 KiB, each with its tag (16); the last chunk is always shorter, and empty if
//! need be. The commitment is checked before anything is decrypted. Whole
//! messages in memory only; what fails to authenticate is never returned.

use std::iter;

use aws_lc_rs::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    constant_time,
    hkdf::{self, KeyType, Prk},
    rand,
};
use zeroize::Zeroizing;

use super::secret::{CryptoRefused, Secret};

const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const NONCE_BYTES: usize = aead::NONCE_LEN;
const TAG_BYTES: usize = 16;
const CHUNK_BYTES: usize = 16 * 1024;
/// 4 PiB, the limit of the specification.
const CHUNKS_MAX: usize = 1 << 38;

/// Why a sealed message does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it is shorter than its own preamble")]
    TooShort,
    /// Sealed under another key, or with another context.
    #[error("it was not sealed with this key and this header")]
    Uncommitted,
    #[error("its end is missing")]
    Truncated,
    #[error("it was altered")]
    Altered,
    #[error(transparent)]
    Crypto(#[from] CryptoRefused),
}

/// Seals a message under `key`, bound to `context`, with a fresh random salt.
pub fn seal(key: &Secret, context: &[u8], message: &[u8]) -> Result<Vec<u8>, CryptoRefused> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| CryptoRefused)?;
    seal_with_salt(key, salt, context, message)
}

/// A salt must never be used twice with one key.
fn seal_with_salt(
    key: &Secret,
    salt: [u8; SALT_BYTES],
    context: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, CryptoRefused> {
    let message_key = MessageKey::derive(key, &salt, context)?;
    let whole = message.chunks_exact(CHUNK_BYTES);
    if whole.len() >= CHUNKS_MAX {
        return Err(CryptoRefused);
    }
    // Room for everything at once: growing would leave copies of the message.
    let tags = (whole.len() + 1) * TAG_BYTES;
    let mut sealed = Vec::with_capacity(SALT_BYTES + COMMITMENT_BYTES + message.len() + tags);
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(&message_key.commitment);
    let last = whole.remainder();
    for (number, chunk) in whole.chain(iter::once(last)).enumerate() {
        let start = sealed.len();
        sealed.extend_from_slice(chunk);
        let place = sealed.get_mut(start..).ok_or(CryptoRefused)?;
        let tag = message_key
            .aead
            .seal_in_place_separate_tag(message_key.nonce(number), Aad::empty(), place)
            .map_err(|_| CryptoRefused)?;
        sealed.extend_from_slice(tag.as_ref());
    }
    Ok(sealed)
}

/// Opens a sealed message.
pub fn open(key: &Secret, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (message_key, chunks) = committed(key, context, sealed)?;
    // A full last chunk, or a last chunk without room for its tag, says that the
    // true last chunk was cut off.
    if chunks.len() % (CHUNK_BYTES + TAG_BYTES) < TAG_BYTES {
        return Err(OpenError::Truncated);
    }
    let mut message = Zeroizing::new(Vec::with_capacity(chunks.len()));
    for (number, chunk) in chunks.chunks(CHUNK_BYTES + TAG_BYTES).enumerate() {
        let (ciphertext, tag) = chunk.split_last_chunk::<TAG_BYTES>().ok_or(OpenError::Truncated)?;
        let start = message.len();
        message.resize(start + ciphertext.len(), 0);
        let place = message.get_mut(start..).ok_or(OpenError::Altered)?;
        message_key
            .aead
            .open_separate_gather(message_key.nonce(number), Aad::empty(), ciphertext, tag, place)
            .map_err(|_| OpenError::Altered)?;
    }
    Ok(message)
}

/// Whether `key` and `context` are those of the sealed message: the commitment
/// alone, without decrypting. Cheap enough to try every key there is.
#[must_use]
pub fn commits_to(key: &Secret, context: &[u8], sealed: &[u8]) -> bool {
    committed(key, context, sealed).is_ok()
}

/// Derives the message key and compares the commitment; returns the chunks.
fn committed<'a>(key: &Secret, context: &[u8], sealed: &'a [u8]) -> Result<(MessageKey, &'a [u8]), OpenError> {
    let (salt, rest) = sealed.split_first_chunk::<SALT_BYTES>().ok_or(OpenError::TooShort)?;
    let (commitment, chunks) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or(OpenError::TooShort)?;
    let message_key = MessageKey::derive(key, salt, context)?;
    constant_time::verify_slices_are_equal(&message_key.commitment, commitment).map_err(|_| OpenError::Uncommitted)?;
    Ok((message_key, chunks))
}

/// What one message is sealed with, derived from key, salt and context.
struct MessageKey {
    aead: LessSafeKey,
    base_nonce: [u8; NONCE_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
}

impl MessageKey {
    fn derive(key: &Secret, salt: &[u8; SALT_BYTES], context: &[u8]) -> Result<Self, CryptoRefused> {
        let mut derived = Zeroizing::new([0; DerivedLength::BYTES]);
        Prk::new_less_safe(hkdf::HKDF_SHA512, key.expose())
            .expand(&[INFO, salt, context], DerivedLength)
            .and_then(|output| output.fill(derived.as_mut()))
            .map_err(|_| CryptoRefused)?;
        let (aead_key, rest) = derived.split_first_chunk::<32>().ok_or(CryptoRefused)?;
        let (base_nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(CryptoRefused)?;
        let commitment = rest.first_chunk::<COMMITMENT_BYTES>().ok_or(CryptoRefused)?;
        let aead = UnboundKey::new(&aead::AES_256_GCM, aead_key).map_err(|_| CryptoRefused)?;
        Ok(Self { aead: LessSafeKey::new(aead), base_nonce: *base_nonce, commitment: *commitment })
    }

    /// The base nonce XOR the chunk's number, big-endian, as wide as the nonce.
    fn nonce(&self, number: usize) -> Nonce {
        let base = u128::from_be_bytes({
            let mut wide = [0; 16];
            wide[16 - NONCE_BYTES..].copy_from_slice(&self.base_nonce);
            wide
        });
        let wide = (base ^ number as u128).to_be_bytes();
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&wide[16 - NONCE_BYTES..]);
        Nonce::assume_unique_for_key(nonce)
    }
}

struct DerivedLength;

impl DerivedLength {
    const BYTES: usize = 32 + NONCE_BYTES + COMMITMENT_BYTES;
}

impl KeyType for DerivedLength {
    fn len(&self) -> usize {
        Self::BYTES
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    const PREAMBLE_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;
    const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
    const CONTEXT: &[u8] = br#"{"format":"retentiond/segment@v1"}"#;
    const LENGTHS: [usize; 6] = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 5_000];

    fn key() -> Secret {
        let bytes: Vec<u8> = (0..32).collect();
        Secret::copy_of(&bytes).unwrap()
    }

    fn salt() -> [u8; SALT_BYTES] {
        std::array::from_fn(|place| 100 + u8::try_from(place).unwrap())
    }

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|place| u8::try_from((place * 7 + place / 251) % 256).unwrap()).collect()
    }

    /// Made with Python `cryptography` 50.0.2 in two independent ways that agreed:
    /// composed of `HKDFExpand(SHA512)` and `AESGCM`, and opened again by its
    /// `Cobblestone256Decryptor`. Key `00..1f`, salt `64..7b`, the context above.
    #[test]
    fn sealed_bytes_are_those_of_the_other_implementations() {
        let sealed_digests = [
            "1045755cb492fe66253c2da0ae7d5798b72953882a27f4311fd1ce427e9c4212",
            "0174d5577a1cbb9b9a44051e252aebc2817c610b42dc7bafd7cd64428532a650",
            "b5326239e85c4ef3d7430e6b0891d3f827e6827060726637f3c6564461d55bfb",
            "154ad239a0f559890686aefab87673e888ae6f3ea92420f8e61936f2cf10af9f",
            "dc97dc62d9732468cbb34960723c98c8dd09559c31563739c90e597722b96f17",
            "8ead0f3d0f3b4209937e0ed46c6b4bf2f5f687aadc9404f0068a7ac2281f7670",
        ];
        for (length, expected) in LENGTHS.into_iter().zip(sealed_digests) {
            let sealed = seal_with_salt(&key(), salt(), CONTEXT, &message(length)).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&sealed)), expected, "{length} bytes");
        }
        let one_byte = seal_with_salt(&key(), salt(), CONTEXT, &message(1)).unwrap();
        assert_eq!(
            hex::encode(one_byte),
            "6465666768696a6b6c6d6e6f707172737475767778797a7bc697aa3741613bb32e58c99b5fc46163\
             c4d604dd061066b6f2cee93158d616736a28434c1e0a9bb37425d8d2f39897fb30"
        );
    }

    /// Sealed by Python's `Cobblestone256Encryptor` under a salt of its choosing.
    #[test]
    fn what_the_other_implementation_sealed_opens() {
        let sealed = hex::decode(
            "46be9967bb17c43c54832b76e4132b30cb656a1a4c19320a1109e567c0c516980226a272be90e849\
             75bdbe806c093628961ae8f6ebce41e964c0a2f8d8ba6926e0d48ccf350576d0048d64c7916b5d88\
             4da45f97e87fe825eaf3c73e4f173f",
        )
        .unwrap();
        assert_eq!(*open(&key(), CONTEXT, &sealed).unwrap(), b"sealed by the other one");
    }

    #[test]
    fn every_length_opens_to_what_was_sealed() {
        for length in LENGTHS {
            let sealed = seal(&key(), CONTEXT, &message(length)).unwrap();
            assert_eq!(*open(&key(), CONTEXT, &sealed).unwrap(), message(length), "{length} bytes");
        }
    }

    #[test]
    fn a_message_is_sealed_differently_every_time() {
        assert_ne!(seal(&key(), CONTEXT, b"row").unwrap(), seal(&key(), CONTEXT, b"row").unwrap());
    }

    #[test]
    fn another_key_or_context_is_told_apart_by_the_commitment() {
        let sealed = seal(&key(), CONTEXT, b"row").unwrap();
        let other = Secret::random().unwrap();
        assert_eq!(open(&other, CONTEXT, &sealed), Err(OpenError::Uncommitted));
        assert_eq!(open(&key(), b"{}", &sealed), Err(OpenError::Uncommitted));
        assert_eq!(open(&key(), b"", &sealed), Err(OpenError::Uncommitted));
        assert!(commits_to(&key(), CONTEXT, &sealed));
        assert!(!commits_to(&other, CONTEXT, &sealed));
        assert!(!commits_to(&key(), b"{}", &sealed));
    }

    #[test]
    fn a_message_cut_at_a_chunk_border_is_truncated() {
        for length in LENGTHS {
            let sealed = seal(&key(), CONTEXT, &message(length)).unwrap();
            for cut in (PREAMBLE_BYTES..sealed.len()).step_by(SEALED_CHUNK_BYTES) {
                assert_eq!(open(&key(), CONTEXT, &sealed[..cut]), Err(OpenError::Truncated), "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_message_cut_anywhere_does_not_open() {
        let sealed = seal(&key(), CONTEXT, &message(CHUNK_BYTES + 40)).unwrap();
        let borders = [PREAMBLE_BYTES, PREAMBLE_BYTES + SEALED_CHUNK_BYTES, sealed.len()];
        let near = borders.iter().flat_map(|border| border.saturating_sub(40)..border + 40);
        for cut in (0..80).chain(near).filter(|cut| *cut < sealed.len()) {
            assert!(open(&key(), CONTEXT, &sealed[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(open(&key(), CONTEXT, &sealed[..PREAMBLE_BYTES - 1]), Err(OpenError::TooShort));
        assert_eq!(open(&key(), CONTEXT, b""), Err(OpenError::TooShort));
    }

    #[test]
    fn swapped_repeated_and_appended_chunks_do_not_open() {
        let sealed = seal(&key(), CONTEXT, &message(2 * CHUNK_BYTES + 1)).unwrap();
        let (preamble, chunks) = sealed.split_at(PREAMBLE_BYTES);
        let chunks: Vec<&[u8]> = chunks.chunks(SEALED_CHUNK_BYTES).collect();
        assert_eq!(chunks.len(), 3);
        for order in [&[1, 0, 2][..], &[0, 0, 1, 2], &[0, 2], &[0, 1, 2, 2], &[1, 2], &[2]] {
            let forged: Vec<u8> =
                [preamble].into_iter().chain(order.iter().map(|chunk| chunks[*chunk])).flatten().copied().collect();
            assert!(open(&key(), CONTEXT, &forged).is_err(), "{order:?}");
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_found() {
        let sealed = seal(&key(), CONTEXT, &message(100)).unwrap();
        for place in 0..sealed.len() {
            for bit in [0, 7] {
                let mut altered = sealed.clone();
                altered[place] ^= 1 << bit;
                let expected = if place < PREAMBLE_BYTES { OpenError::Uncommitted } else { OpenError::Altered };
                assert_eq!(open(&key(), CONTEXT, &altered), Err(expected), "byte {place}");
            }
        }
    }

    #[test]
    fn a_long_context_is_bound_to_its_last_byte() {
        let mut context = message(20_000);
        let sealed = seal(&key(), &context, b"row").unwrap();
        assert_eq!(*open(&key(), &context, &sealed).unwrap(), b"row");
        *context.last_mut().unwrap() ^= 1;
        assert_eq!(open(&key(), &context, &sealed), Err(OpenError::Uncommitted));
    }
}
