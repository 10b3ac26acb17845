//! The keys that a ledger was signed with, one after the other. A key hands over
//! to the next in an entry, and the checkpoint that covers this entry carries
//! the signatures of both: whoever trusts any key of the chain can follow it to
//! the others. Before and after that one checkpoint each size has one key.
//!
//! Pure, and it never sees a secret. A handover proves that the old key agreed,
//! not that its owner did: against a key that leaked only a checkpoint or a key
//! from elsewhere helps.

use serde::Serialize;

use super::note::{Note, NoteError, VerifierKey};

/// Why keys do not make a chain, or a checkpoint does not carry the right ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("it hands over a key of {found}, not of {expected}")]
    Name { expected: String, found: String },
    #[error("it hands over from {found}, while {expected} is the key in force")]
    Broken { expected: String, found: String },
    #[error("it hands over to {next}, which has signed before")]
    Used { next: String },
    #[error("{published} is not the key that the entries hand over to: {current}")]
    NotPublished { published: String, current: String },
    #[error("it covers two handovers; each has a checkpoint of its own")]
    TwoHandovers,
    #[error("it is signed by {key}, which is not the key of this size")]
    OutOfTurn { key: String },
}

/// What an entry `ledger.rekeyed` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// Number of the entry.
    pub seq: u64,
    pub previous: VerifierKey,
    pub next: VerifierKey,
}

impl Handover {
    /// Reads the keys of an entry, both in the text form of `ledger.vkey`.
    pub fn parse(seq: u64, previous: &str, next: &str) -> Result<Self, KeyError> {
        Ok(Self { seq, previous: previous.parse()?, next: next.parse()? })
    }
}

/// Handovers, each from the key of the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handovers(Vec<Handover>);

impl Handovers {
    /// Adds the next one of the ledger `origin`. After an error nothing has changed.
    pub fn add(&mut self, origin: &str, handover: Handover) -> Result<(), KeyError> {
        for key in [&handover.previous, &handover.next] {
            if key.name() != origin {
                return Err(KeyError::Name { expected: origin.to_owned(), found: key.name().to_owned() });
            }
        }
        if let Some(last) = self.0.last().filter(|last| last.next != handover.previous) {
            let (expected, found) = (last.next.to_string(), handover.previous.to_string());
            return Err(KeyError::Broken { expected, found });
        }
        let used = self.0.iter().map(|earlier| &earlier.previous).chain([&handover.previous]);
        if used.into_iter().any(|earlier| *earlier == handover.next) {
            return Err(KeyError::Used { next: handover.next.to_string() });
        }
        self.0.push(handover);
        Ok(())
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Handover] {
        &self.0
    }
}

/// All keys of a ledger in the order in which they signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keychain {
    first: VerifierKey,
    handovers: Handovers,
}

impl Keychain {
    /// The chain of a ledger whose key has never handed over.
    #[must_use]
    pub fn alone(key: VerifierKey) -> Self {
        Self { first: key, handovers: Handovers::default() }
    }

    /// `published`: the key that the folder names, `ledger.vkey`. After a crash it
    /// may be the one before the last handover (see `is_behind`).
    pub fn new(published: VerifierKey, handovers: Handovers) -> Result<Self, KeyError> {
        let (Some(first), Some(last)) = (handovers.0.first(), handovers.0.last()) else {
            return Ok(Self { first: published, handovers });
        };
        if published != last.next && published != last.previous {
            let (published, current) = (published.to_string(), last.next.to_string());
            return Err(KeyError::NotPublished { published, current });
        }
        Ok(Self { first: first.previous.clone(), handovers })
    }

    /// The key that the ledger was opened with. It names the deployment.
    #[must_use]
    pub const fn first(&self) -> &VerifierKey {
        &self.first
    }

    /// The key that signs from now on.
    #[must_use]
    pub fn current(&self) -> &VerifierKey {
        self.handovers.0.last().map_or(&self.first, |last| &last.next)
    }

    /// True where `published` has handed over already: a crash came before the
    /// folder named the next one.
    #[must_use]
    pub fn is_behind(&self, published: &VerifierKey) -> bool {
        self.current() != published
    }

    /// True if the key is one of this ledger's.
    #[must_use]
    pub fn has(&self, key: &VerifierKey) -> bool {
        self.keys().any(|own| own == key)
    }

    fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(self.handovers.0.iter().map(|handover| &handover.next))
    }

    #[must_use]
    pub fn handovers(&self) -> &[Handover] {
        self.handovers.as_slice()
    }

    /// The key in force when the ledger had `size` entries.
    #[must_use]
    pub fn at(&self, size: u64) -> &VerifierKey {
        let before = self.handovers.0.iter().take_while(|handover| handover.seq < size);
        before.last().map_or(&self.first, |last| &last.next)
    }

    /// The keys that must sign the checkpoint of `size` entries, where the one
    /// before it was of `before`: the key in force, and the one that hands over to
    /// it in this checkpoint.
    pub fn signers(&self, before: u64, size: u64) -> Result<Vec<&VerifierKey>, KeyError> {
        let covered = |handover: &&Handover| (before..size).contains(&handover.seq);
        let mut handing_over = self.handovers.0.iter().filter(covered).map(|handover| &handover.previous);
        let previous = handing_over.next();
        if handing_over.next().is_some() {
            return Err(KeyError::TwoHandovers);
        }
        Ok(previous.into_iter().chain([self.at(size)]).collect())
    }

    /// Checks that no key of the chain has signed a note that is not its turn.
    pub fn only(&self, note: &Note<'_>, signers: &[&VerifierKey]) -> Result<(), KeyError> {
        if self.handovers.0.is_empty() {
            return Ok(());
        }
        match self.keys().find(|key| note.names(key) && !signers.contains(key)) {
            Some(key) => Err(KeyError::OutOfTurn { key: key.to_string() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::domain::ledger::note;

    fn secret(number: u8) -> SigningKey {
        SigningKey::from_bytes(&[number; 32])
    }

    fn key(number: u8) -> VerifierKey {
        VerifierKey::new("example.org/shop", secret(number).verifying_key()).unwrap()
    }

    fn handover(seq: u64, previous: u8, next: u8) -> Handover {
        Handover { seq, previous: key(previous), next: key(next) }
    }

    /// Keys 1, 2 and 3, which hand over in entries 4 and 9.
    fn chain() -> Keychain {
        let mut handovers = Handovers::default();
        handovers.add("example.org/shop", handover(4, 1, 2)).unwrap();
        handovers.add("example.org/shop", handover(9, 2, 3)).unwrap();
        Keychain::new(key(3), handovers).unwrap()
    }

    #[test]
    fn each_size_has_the_key_that_the_entries_before_it_hand_over_to() {
        let chain = chain();
        let keys: Vec<_> = [0, 4, 5, 9, 10, 11].map(|size| chain.at(size).clone()).into();
        assert_eq!(keys, [1, 1, 2, 2, 3, 3].map(key));
        assert_eq!((chain.first(), chain.current()), (&key(1), &key(3)));
        assert!([1, 2, 3].map(key).iter().all(|own| chain.has(own)) && !chain.has(&key(4)));
        let alone = Keychain::new(key(1), Handovers::default()).unwrap();
        assert_eq!((alone.first(), alone.current(), alone.at(7)), (&key(1), &key(1), &key(1)));
    }

    #[test]
    fn only_the_checkpoint_that_covers_a_handover_has_two_signers() {
        let chain = chain();
        assert_eq!(chain.signers(2, 4), Ok(vec![&key(1)]));
        assert_eq!(chain.signers(4, 5), Ok(vec![&key(1), &key(2)]));
        assert_eq!(chain.signers(2, 8), Ok(vec![&key(1), &key(2)]));
        assert_eq!(chain.signers(5, 8), Ok(vec![&key(2)]));
        assert_eq!(chain.signers(4, 10), Err(KeyError::TwoHandovers));
        assert_eq!(chain.signers(10, 12), Ok(vec![&key(3)]));
    }

    #[test]
    fn a_key_that_has_handed_over_may_not_sign_beside_its_follower() {
        let chain = chain();
        let both = note::sign_all("text\n", "example.org/shop", &[&secret(1), &secret(2)]).unwrap();
        let both = Note::parse(both.as_bytes()).unwrap();
        assert_eq!(chain.only(&both, &[&key(1), &key(2)]), Ok(()));
        assert_eq!(chain.only(&both, &[&key(2)]), Err(KeyError::OutOfTurn { key: key(1).to_string() }));
    }

    #[test]
    fn handovers_that_do_not_follow_each_other_are_refused() {
        let mut handovers = Handovers::default();
        let mut add = |origin: &str, added: Handover| handovers.add(origin, added);
        assert!(matches!(add("example.org/other", handover(3, 1, 2)), Err(KeyError::Name { .. })));
        assert!(matches!(add("example.org/shop", handover(3, 1, 1)), Err(KeyError::Used { .. })));
        add("example.org/shop", handover(3, 1, 2)).unwrap();
        assert!(matches!(add("example.org/shop", handover(5, 1, 3)), Err(KeyError::Broken { .. })));
        assert!(matches!(add("example.org/shop", handover(5, 2, 1)), Err(KeyError::Used { .. })));
        add("example.org/shop", handover(5, 2, 3)).unwrap();
        assert_eq!(handovers.as_slice().len(), 2);
    }

    #[test]
    fn the_folder_names_the_last_key_or_after_a_crash_the_one_before() {
        let handovers = chain().handovers;
        assert!(!chain().is_behind(&key(3)));
        let behind = Keychain::new(key(2), handovers.clone()).unwrap();
        assert!(behind.is_behind(&key(2)) && behind.current() == &key(3));
        for other in [1, 4] {
            let refused = Keychain::new(key(other), handovers.clone());
            assert!(matches!(refused, Err(KeyError::NotPublished { .. })));
        }
    }
}
