//! C2SP signed-note: text under Ed25519 signatures (type 0x01).
//!
//! Pure: keys come as arguments and are never kept, read or written here. The
//! parser accepts exactly one form, so that no byte of a note can change unseen.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{
    PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey, verify_batch,
};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The signature type of Ed25519 notes.
const ED25519: u8 = 0x01;
/// How a signature line begins: em dash, space.
const DASH: &str = "\u{2014} ";
/// Signatures that are looked at; C2SP asks for at least 16.
const SIGNATURES_MAX: usize = 64;

/// Why a note is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("{name:?} cannot name a key: it is empty or has a space, a plus or a control character")]
    Name { name: String },
    #[error("the verifier key is malformed: {reason}")]
    Key { reason: &'static str },
    #[error("the signed note is malformed: {reason}")]
    Malformed { reason: &'static str },
    #[error("it has no signature of the key {name}")]
    Unsigned { name: String },
    #[error("the signature of the key {name} does not verify")]
    Forged { name: String },
}

/// A public key with the name it signs under: what an auditor needs to know.
/// Its `Display` is the verifier key text `<name>+<hex id>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::Name { name: name.to_owned() });
        }
        if key.is_weak() {
            return Err(NoteError::Key { reason: "its public key verifies anything" });
        }
        let id = key_id(name, &key);
        Ok(Self { name: name.to_owned(), id, key })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn forged(&self) -> NoteError {
        NoteError::Forged { name: self.name.clone() }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), BASE64.encode(typed(&self.key)))
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refuse = |reason| NoteError::Key { reason };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it is not <name>+<id>+<key>"));
        };
        let key = BASE64.decode(key).map_err(|_| refuse("its key is not base64"))?;
        let key = match key.split_first() {
            Some((&ED25519, key)) => <[u8; PUBLIC_KEY_LENGTH]>::try_from(key),
            _ => return Err(refuse("its key is not an Ed25519 key (type 0x01)")),
        };
        let key = key.map_err(|_| refuse("its key does not have 32 bytes"))?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| refuse("its key is not a point of the curve"))?;
        let key = Self::new(name, key)?;
        // Covers the id and every other spelling of the same key.
        if key.to_string() == text { Ok(key) } else { Err(refuse("its id does not belong to its name and key")) }
    }
}

/// The first four bytes of `SHA-256(name ‖ '\n' ‖ 0x01 ‖ public key)`.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(typed(key)).finalize();
    let mut id = [0; 4];
    id.iter_mut().zip(digest).for_each(|(byte, digest)| *byte = digest);
    id
}

fn typed(key: &VerifyingKey) -> [u8; 1 + PUBLIC_KEY_LENGTH] {
    let mut bytes = [ED25519; 1 + PUBLIC_KEY_LENGTH];
    bytes.iter_mut().skip(1).zip(key.as_bytes()).for_each(|(byte, key)| *byte = *key);
    bytes
}

/// Signs a text (ending in a newline) and returns the whole note.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<String, NoteError> {
    sign_all(text, name, &[key])
}

/// Signs a text with several keys of one name, in this order.
pub fn sign_all(text: &str, name: &str, keys: &[&SigningKey]) -> Result<String, NoteError> {
    check_text(text)?;
    let mut note = format!("{text}\n");
    for key in keys {
        let verifier = VerifierKey::new(name, key.verifying_key())?;
        let mut signature = Vec::with_capacity(4 + SIGNATURE_LENGTH);
        signature.extend_from_slice(&verifier.id);
        signature.extend_from_slice(&key.sign(text.as_bytes()).to_bytes());
        note.push_str(&format!("{DASH}{name} {}\n", BASE64.encode(signature)));
    }
    Ok(note)
}

/// A text with the signatures under it, none of them verified yet.
#[derive(Debug, Clone)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

#[derive(Debug, Clone)]
struct SignatureLine<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Checks the form of a note and of every signature line in it.
    pub fn parse(note: &'a [u8]) -> Result<Self, NoteError> {
        let malformed = |reason| NoteError::Malformed { reason };
        let note = std::str::from_utf8(note).map_err(|_| malformed("it is not UTF-8"))?;
        // The last empty line separates the text from the signatures.
        let blank = note.rfind("\n\n").ok_or_else(|| malformed("it has no blank line before its signatures"))?;
        let (text, signatures) = note.split_at(blank + 1);
        check_text(text)?;
        let signatures = signatures.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let signatures = signatures.ok_or_else(|| malformed("its last line has no end"))?;
        let mut lines = Vec::with_capacity(1);
        for line in signatures.split('\n') {
            if lines.len() >= SIGNATURES_MAX {
                return Err(malformed("it has too many signatures"));
            }
            lines.push(signature_line(line)?);
        }
        Ok(Self { text, signatures: lines })
    }

    /// The text, which nobody may believe before a signature was verified.
    #[must_use]
    pub const fn unverified_text(&self) -> &'a str {
        self.text
    }

    /// True if a signature line names `key`, valid or not.
    #[must_use]
    pub fn names(&self, key: &VerifierKey) -> bool {
        self.signatures.iter().any(|line| line.name == key.name && line.id == key.id)
    }

    /// The text, if it carries a valid signature of `key`. Signatures of other
    /// keys (witnesses) were checked for their form only.
    pub fn verified(&self, key: &VerifierKey) -> Result<&'a str, NoteError> {
        for signature in self.of(key)? {
            key.key.verify_strict(self.text.as_bytes(), &signature).map_err(|_| key.forged())?;
        }
        Ok(self.text)
    }

    /// The signatures that name `key`: one at least.
    fn of(&self, key: &VerifierKey) -> Result<Vec<Signature>, NoteError> {
        let own = self.signatures.iter().filter(|line| line.name == key.name && line.id == key.id);
        let found: Result<Vec<_>, _> = own.map(|line| Signature::from_slice(&line.signature)).collect();
        match found {
            Err(_) => Err(key.forged()),
            Ok(found) if found.is_empty() => Err(NoteError::Unsigned { name: key.name.clone() }),
            Ok(found) => Ok(found),
        }
    }
}

/// Returns the text of a note that carries a valid signature of `key`.
pub fn open<'a>(note: &'a [u8], key: &VerifierKey) -> Result<&'a str, NoteError> {
    Note::parse(note)?.verified(key)
}

/// Signatures that are verified in one computation, which takes a third of the
/// time of one after the other.
///
/// It is strict about everything that somebody without the key could change: any
/// other text, key or signature is refused. Only the owner of the key could make
/// a signature that this accepts and `Note::verified` does not (with a part of
/// small order in it), and the owner can as well sign properly.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    texts: Vec<&'a [u8]>,
    signatures: Vec<Signature>,
    keys: Vec<VerifyingKey>,
}

impl<'a> Batch<'a> {
    /// Adds a note's signatures of `key`; an error where it has none.
    pub fn add(&mut self, note: &Note<'a>, key: &VerifierKey) -> Result<(), NoteError> {
        for signature in note.of(key)? {
            self.texts.push(note.text.as_bytes());
            self.signatures.push(signature);
            self.keys.push(key.key);
        }
        Ok(())
    }

    /// True if all signatures are valid. False says nothing of any single one.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.texts.is_empty() || verify_batch(&self.texts, &self.signatures, &self.keys).is_ok()
    }
}

fn signature_line(line: &str) -> Result<SignatureLine<'_>, NoteError> {
    let malformed = |reason| NoteError::Malformed { reason };
    let (name, signature) = line
        .strip_prefix(DASH)
        .and_then(|line| line.split_once(' '))
        .ok_or_else(|| malformed("a signature line is not `— name base64`"))?;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(malformed("a signature line names no key"));
    }
    let signature = BASE64.decode(signature).map_err(|_| malformed("a signature is not base64"))?;
    match signature.split_first_chunk::<4>() {
        Some((id, signature)) if !signature.is_empty() => {
            Ok(SignatureLine { name, id: *id, signature: signature.to_vec() })
        }
        _ => Err(malformed("a signature is too short")),
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed { reason: "its text does not end with a newline" });
    }
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed { reason: "its text has a control character" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "example.org/shop\n1\nAAAA\n";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    #[test]
    fn a_batch_holds_only_if_every_signature_in_it_does() {
        let notes: Vec<String> =
            (0..40).map(|size| sign(&format!("o\n{size}\nAAAA\n"), "example.org/shop", &key()).unwrap()).collect();
        let holds = |notes: &[String]| {
            let mut batch = Batch::default();
            let parsed = notes.iter().map(|note| Note::parse(note.as_bytes()).unwrap());
            parsed.into_iter().for_each(|note| batch.add(&note, &verifier()).unwrap());
            batch.holds()
        };
        assert!(holds(&[]) && holds(&notes[..1]) && holds(&notes));
        for at in [0, 17, 39] {
            // A text under the signature of another one, and a changed signature.
            let mut swapped = notes.clone();
            swapped[at] = notes[at].replacen("AAAA", "AAAB", 1);
            assert!(!holds(&swapped), "{at}");
            let id = Note::parse(notes[at].as_bytes()).unwrap().signatures[0].id;
            let mut signature = Note::parse(notes[at].as_bytes()).unwrap().signatures[0].signature.clone();
            for bit in [0, 255, 256, 511] {
                signature[bit / 8] ^= 1 << (bit % 8);
                let line = BASE64.encode([&id[..], &signature].concat());
                let mut changed = notes.clone();
                changed[at] = format!("o\n{at}\nAAAA\n\n{DASH}example.org/shop {line}\n");
                assert!(!holds(&changed), "{at} {bit}");
                signature[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    fn verifier() -> VerifierKey {
        VerifierKey::new("example.org/shop", key().verifying_key()).unwrap()
    }

    /// The key and the note of the tests of Go's `sumdb/note`, a public format
    /// vector.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_made_by_another_implementation_verifies() {
        let key: VerifierKey = PETER.parse().unwrap();
        assert_eq!(key.name(), "PeterNeumann");
        let text = open(PETER_NOTE.as_bytes(), &key).unwrap();
        assert!(text.ends_with("your problem is.\n"));
    }

    #[test]
    fn what_is_signed_opens_and_shows_the_text() {
        let note = sign(TEXT, "example.org/shop", &key()).unwrap();
        assert_eq!(open(note.as_bytes(), &verifier()), Ok(TEXT));
        assert!(note.starts_with(&format!("{TEXT}\n\u{2014} example.org/shop ")));
    }

    #[test]
    fn no_byte_of_a_note_can_be_changed_left_out_or_doubled() {
        let note = sign(TEXT, "example.org/shop", &key()).unwrap().into_bytes();
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut changed = note.clone();
                changed[at] ^= 1 << bit;
                assert!(open(&changed, &verifier()).is_err(), "byte {at} bit {bit}");
            }
            let mut shorter = note.clone();
            shorter.remove(at);
            assert!(open(&shorter, &verifier()).is_err(), "without byte {at}");
            let mut longer = note.clone();
            longer.insert(at, note[at]);
            assert!(open(&longer, &verifier()).is_err(), "byte {at} twice");
        }
    }

    #[test]
    fn a_witness_beside_our_signature_is_accepted_and_alone_is_not() {
        let witness = SigningKey::from_bytes(&[9; 32]);
        let ours = sign(TEXT, "example.org/shop", &key()).unwrap();
        let theirs = sign(TEXT, "witness.example", &witness).unwrap();
        let line = theirs.strip_prefix(TEXT).unwrap().strip_prefix('\n').unwrap();
        assert_eq!(open(format!("{ours}{line}").as_bytes(), &verifier()), Ok(TEXT));
        let alone = open(theirs.as_bytes(), &verifier());
        assert_eq!(alone, Err(NoteError::Unsigned { name: "example.org/shop".into() }));
    }

    #[test]
    fn another_key_under_our_name_is_not_ours() {
        let note = sign(TEXT, "example.org/shop", &SigningKey::from_bytes(&[8; 32])).unwrap();
        assert!(matches!(open(note.as_bytes(), &verifier()), Err(NoteError::Unsigned { .. })));
    }

    #[test]
    fn a_verifier_key_is_read_back_and_no_other_spelling_is() {
        let text = verifier().to_string();
        assert_eq!(text.parse(), Ok(verifier()));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
            }
        }
        assert!(format!("{text}\n").parse::<VerifierKey>().is_err());
    }

    #[test]
    fn names_with_spaces_or_pluses_and_weak_keys_are_refused() {
        for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb"] {
            assert!(matches!(sign(TEXT, name, &key()), Err(NoteError::Name { .. })), "{name:?}");
        }
        let mut identity = [0; 32];
        identity[0] = 1;
        let weak = VerifyingKey::from_bytes(&identity).unwrap();
        assert!(matches!(VerifierKey::new("a", weak), Err(NoteError::Key { .. })));
    }

    #[test]
    fn text_without_an_end_or_with_control_characters_is_not_signed() {
        assert!(sign("a", "n", &key()).is_err());
        assert!(sign("a\tb\n", "n", &key()).is_err());
    }
}
