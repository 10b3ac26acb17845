//! The one form a line of the ledger may have: canonical JSON (RFC 8785) with
//! integers only, so that a line says the same to every reader.
//!
//! Lines are checked byte by byte and never written anew: what was signed is the
//! exact bytes. Without floats the canonical form is easy to recognise: no white
//! space, sorted keys, shortest escapes, plain integers.

mod decode;
mod fields;
mod mould;
mod scan;

pub use mould::{Moulds, Told};

use super::{event::Entry, tile::LINE_BYTES_MAX};
use crate::domain::canonical;

/// Why a line is not one of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("the line has {bytes} bytes, at most {LINE_BYTES_MAX} are allowed")]
    TooLong { bytes: usize },
    #[error("the line is not canonical JSON at byte {at}: {reason}")]
    NotCanonical { at: usize, reason: &'static str },
    #[error("the line is not an entry: {reason}")]
    NotAnEntry { reason: String },
    /// Either the field is not there, or another one stands in its place that
    /// this kind of entry does not have.
    #[error("the line is not an entry: field {name} is missing, malformed or preceded by an unknown one")]
    Field { name: &'static str },
    #[error("the line is not an entry: it has more fields than its type")]
    UnknownField,
    #[error("the entry does not come back from its line")]
    NotReversible,
}

/// The line of an entry, without a newline.
pub fn write(entry: &Entry) -> Result<Vec<u8>, LineError> {
    let line = canonical::bytes(entry).map_err(|error| LineError::NotAnEntry { reason: error.to_string() })?;
    // A number that is out of bounds or a name that stands twice shows here.
    if read(&line)? == *entry { Ok(line) } else { Err(LineError::NotReversible) }
}

/// Reads a line and checks that it has the one form.
pub fn read(line: &[u8]) -> Result<Entry, LineError> {
    check_length(line)?;
    decode::entry(scan::fields(line)?)
}

fn check_length(line: &[u8]) -> Result<(), LineError> {
    if line.len() > LINE_BYTES_MAX { Err(LineError::TooLong { bytes: line.len() }) } else { Ok(()) }
}

#[cfg(test)]
pub(in crate::domain::ledger) mod tests;
