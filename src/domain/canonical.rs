//! Canonical JSON (RFC 8785): the same value is the same bytes everywhere, so
//! that a digest of it means something.

use serde::Serialize;

use super::id::Digest;

/// A value that has no canonical form (a map key that is not text, a NaN).
#[derive(Debug, thiserror::Error)]
#[error("value has no canonical JSON form: {0}")]
pub struct NotCanonical(#[from] serde_json::Error);

/// The canonical bytes of a value.
pub fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}

/// A value as JSON that can be put into another one; its canonical bytes are those
/// of the value itself.
pub fn value<T: Serialize>(value: &T) -> Result<serde_json::Value, NotCanonical> {
    Ok(serde_json::to_value(value)?)
}

/// The SHA-256 of the canonical bytes of a value.
pub fn digest<T: Serialize>(value: &T) -> Result<Digest, NotCanonical> {
    Ok(Digest::of(&bytes(value)?))
}
