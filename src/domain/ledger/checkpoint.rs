//! C2SP tlog-checkpoint: the size and root of the ledger, signed.
//!
//! Three lines and no extensions: what a checkpoint says can be checked by
//! anyone, and nothing else is ever put under the ledger's key.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::SigningKey;

use super::{
    Head,
    keys::{KeyError, Keychain},
    note::{self, Note, NoteError, VerifierKey},
};
use crate::domain::id::Digest;

/// Why a checkpoint is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the checkpoint is malformed: {reason}")]
    Malformed { reason: &'static str },
    #[error("the checkpoint is of {found}, not of {expected}")]
    Origin { expected: String, found: String },
}

/// What is signed. Its `Display` is the text of the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub head: Head,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, root_text(&self.head.root))
    }
}

impl Checkpoint {
    /// Reads a text as `Display` writes it, and nothing else.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = |reason| CheckpointError::Malformed { reason };
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("its text is not three lines"));
        };
        if origin.is_empty() {
            return Err(malformed("it has no origin"));
        }
        let size = size.parse().map_err(|_| malformed("its size is not a number"))?;
        let root = BASE64.decode(root).ok().and_then(|root| <[u8; 32]>::try_from(root).ok());
        let root = Digest(root.ok_or_else(|| malformed("its root is not a base64 SHA-256 hash"))?);
        let checkpoint = Self { origin: origin.to_owned(), head: Head { size, root } };
        // Covers leading zeroes and signs of the size.
        if checkpoint.to_string() == text { Ok(checkpoint) } else { Err(malformed("its size is not canonical")) }
    }

    /// Signs it under its origin as the key's name, and returns the file's text.
    pub fn sign(&self, key: &SigningKey) -> Result<String, CheckpointError> {
        self.sign_all(&[key])
    }

    /// Signs it with the keys that a handover is between.
    pub fn sign_all(&self, keys: &[&SigningKey]) -> Result<String, CheckpointError> {
        let text = self.to_string();
        Self::parse(&text)?;
        Ok(note::sign_all(&text, &self.origin, keys)?)
    }

    /// Reads a signed checkpoint of the log that `key` belongs to.
    pub fn open(signed: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::parse_of(note::open(signed, key)?, key)
    }

    /// Reads a checkpoint that the keys of its size have signed, and no other key
    /// of the ledger. `before`: the size of the checkpoint before it.
    pub fn open_in_turn(note: &Note<'_>, keys: &Keychain, before: u64) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse_of(note.unverified_text(), keys.current())?;
        let signers = keys.signers(before, checkpoint.head.size)?;
        signers.iter().try_for_each(|key| note.verified(key).map(|_| ()))?;
        keys.only(note, &signers)?;
        Ok(checkpoint)
    }

    /// Reads the text of a checkpoint of the log that `key` belongs to. Whether
    /// the key signed it is another question.
    pub fn parse_of(text: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin == key.name() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin { expected: key.name().to_owned(), found: checkpoint.origin })
        }
    }
}

/// A root as checkpoints write it: base64.
#[must_use]
pub fn root_text(root: &Digest) -> String {
    BASE64.encode(root.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
        assert_eq!(checkpoint.head.size, 20_852_163);
        assert_eq!(checkpoint.to_string(), TEXT);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "o\n1\n",
            "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
            "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "o\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "o\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "o\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
            "o\n1\nAAAA\n",
            "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextension\n",
        ] {
            assert!(Checkpoint::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_signed_checkpoint_opens_with_the_key_of_its_origin_only() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let verifier = VerifierKey::new("example.com/behind-the-sofa", key.verifying_key()).unwrap();
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        let signed = checkpoint.sign(&key).unwrap();
        assert_eq!(Checkpoint::open(signed.as_bytes(), &verifier), Ok(checkpoint.clone()));

        // The right key under the right name over another log's text.
        let foreign = Checkpoint { origin: "example.com/other".into(), head: checkpoint.head };
        let signed = note::sign(&foreign.to_string(), verifier.name(), &key).unwrap();
        assert!(matches!(Checkpoint::open(signed.as_bytes(), &verifier), Err(CheckpointError::Origin { .. })));
    }

    #[test]
    fn an_origin_that_would_break_the_text_is_not_signed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let head = Checkpoint::parse(TEXT).unwrap().head;
        for origin in ["", "a\nb", "a b"] {
            assert!(Checkpoint { origin: origin.into(), head }.sign(&key).is_err(), "{origin:?}");
        }
    }
}
