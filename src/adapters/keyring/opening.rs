//! Creating and opening a keyring: which epoch is current, what an interrupted
//! step left behind, and what nobody but a person can settle.
//!
//! Nothing is removed before the current keystore has been opened, and nothing is
//! ever guessed: files that do not belong together stop the daemon.

use std::{collections::BTreeSet, path::Path};

use super::{
    Access, FileKeyring,
    anchor::{AnchorError, FileAnchor},
    kek::Kek,
    keystore::{self, Body, Label},
    read_keystore,
    register::HoldRegister,
    secret::Secret,
    unknown, unwritten,
};
use crate::{adapters::durable, ports::KeyringError};

const ANCHOR_FOLDER: &str = "anchor";
const FIRST_EPOCH: u64 = 1;
/// How often a reader looks again when a destruction runs at the same moment.
const READER_LOOKS_MAX: usize = 5;

/// Which files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Survey {
    keystores: BTreeSet<u64>,
    roots: BTreeSet<u64>,
}

/// What the files mean.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    current: u64,
    /// Its root must still be destroyed.
    pending: Option<u64>,
    /// Keystores of no use: of an attempt that installed no root, and of epochs
    /// whose root is gone.
    stale: BTreeSet<u64>,
}

impl FileKeyring {
    /// Makes the first epoch, without any bucket, in a folder that is made if it
    /// is missing. Refuses where a keystore or an anchor is.
    pub fn create(dir: &Path, origin: &str, kek: Kek) -> Result<Self, KeyringError> {
        durable::ensure_dir_private(dir).map_err(unwritten)?;
        let anchor_dir = dir.join(ANCHOR_FOLDER);
        let present = keystore::epochs(dir).map_err(unwritten)?;
        if !present.is_empty() || anchor_dir.try_exists().map_err(unwritten)? {
            return Err(unwritten(format!("{} already holds a keystore or an anchor", dir.display())));
        }
        let anchor = FileAnchor::create(&anchor_dir).map_err(unwritten)?;
        let root = Secret::random().map_err(unwritten)?;
        let label = Label::new(origin, FIRST_EPOCH);
        let wrapping_key = label.wrapping_key(&root, &kek).map_err(unwritten)?;
        let empty = Body::of(std::iter::empty()).map_err(unwritten)?;
        let file = empty.seal(&label, &wrapping_key).map_err(unwritten)?;
        keystore::write(dir, FIRST_EPOCH, &file).map_err(unwritten)?;
        anchor.install(FIRST_EPOCH, &root).map_err(unwritten)?;
        Self::open(dir, origin, kek)
    }

    /// Opens the keyring and removes what interrupted attempts left behind. An
    /// interrupted destruction is not finished here; see `pending_destruction`.
    pub fn open(dir: &Path, origin: &str, kek: Kek) -> Result<Self, KeyringError> {
        let (mut keyring, standing) = Self::open_as_it_is(dir, origin, kek, &survey(dir)?)?;
        keyring.anchor.clear_leftovers().map_err(unknown)?;
        for epoch in standing.stale {
            let file = keystore::read(dir, epoch).map_err(unknown)?;
            keyring.prove_closed(epoch, &file).map_err(unknown)?;
            keystore::remove(dir, epoch).map_err(unknown)?;
        }
        keyring.access = Access::Writable;
        Ok(keyring)
    }

    /// Opens the keyring for reading, without any lock: also while a daemon is
    /// destroying keys in it.
    pub fn open_read_only(dir: &Path, origin: &str, kek: Kek) -> Result<Self, KeyringError> {
        Self::read_settled(dir, origin, &kek, || survey(dir))
    }

    /// A destruction may change the files between looking and reading. What does
    /// not open is an error only if a second look finds the same files.
    fn read_settled(
        dir: &Path,
        origin: &str,
        kek: &Kek,
        mut look: impl FnMut() -> Result<Survey, KeyringError>,
    ) -> Result<Self, KeyringError> {
        let mut seen = look()?;
        for _ in 1..READER_LOOKS_MAX {
            match Self::open_as_it_is(dir, origin, kek.clone(), &seen) {
                Ok((keyring, _)) => return Ok(keyring),
                Err(error) => {
                    let now = look()?;
                    if now == seen {
                        return Err(error);
                    }
                    seen = now;
                }
            }
        }
        Self::open_as_it_is(dir, origin, kek.clone(), &seen).map(|(keyring, _)| keyring)
    }

    fn open_as_it_is(dir: &Path, origin: &str, kek: Kek, survey: &Survey) -> Result<(Self, Standing), KeyringError> {
        let standing = standing(survey).map_err(unknown)?;
        let anchor = FileAnchor::open(&dir.join(ANCHOR_FOLDER)).map_err(unknown)?;
        let epoch = standing.current;
        let root = anchor.load(epoch).map_err(unknown)?;
        let (body, _) = read_keystore(dir, &Label::new(origin, epoch), epoch, &root, &kek).map_err(unknown)?;
        let keyring = Self {
            holds: HoldRegister::of(dir, origin, &kek)?,
            dir: dir.into(),
            origin: origin.to_owned(),
            kek,
            anchor,
            epoch,
            keys: body.keys().map_err(|error| unknown(format!("keystore.{epoch}: {error}")))?,
            pending: standing.pending,
            access: Access::ReadOnly,
        };
        Ok((keyring, standing))
    }
}

fn survey(dir: &Path) -> Result<Survey, KeyringError> {
    let missing = |error| unknown(format!("keystore folder {}: {error}", dir.display()));
    let keystores = keystore::epochs(dir).map_err(missing)?;
    let roots = roots_in(&dir.join(ANCHOR_FOLDER)).map_err(unknown)?;
    Ok(Survey { keystores, roots })
}

/// A missing anchor folder has no roots; what that means, `standing` says.
fn roots_in(anchor_dir: &Path) -> Result<BTreeSet<u64>, AnchorError> {
    match FileAnchor::open(anchor_dir) {
        Ok(anchor) => anchor.epochs(),
        Err(AnchorError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Decides which epoch is current.
///
/// A root is installed only after its keystore was written, reopened and
/// compared, and a root goes only after the next one is installed. So the newest
/// root is the current one, and the one before it may still be there.
fn standing(survey: &Survey) -> Result<Standing, String> {
    let Survey { keystores, roots } = survey;
    let Some(current) = roots.last().copied() else {
        return Err(without_root(keystores));
    };
    let older: Vec<u64> = roots.iter().copied().filter(|root| *root != current).collect();
    let pending = match older.as_slice() {
        [] => None,
        [old] if old + 1 == current => Some(*old),
        _ => return Err(format!("the anchor has roots that do not follow each other: {}", listed(roots))),
    };
    if !keystores.contains(&current) {
        return Err(format!(
            "the anchor has root {current}, but keystore.{current} is missing (there: {}); \
             only a copy of keystore.{current} itself can help, an older one cannot",
            listed(keystores)
        ));
    }
    if let Some(newest) = keystores.last().filter(|newest| **newest > current.saturating_add(1)) {
        return Err(format!(
            "keystore.{newest} is here, but the newest root of the anchor is {current}: root {newest} is lost or an \
             old anchor was put back; a restored old copy of the keystore cannot help"
        ));
    }
    let stale = keystores.iter().copied().filter(|epoch| !roots.contains(epoch)).collect();
    Ok(Standing { current, pending, stale })
}

fn without_root(keystores: &BTreeSet<u64>) -> String {
    keystores.last().map_or_else(
        || "there is no keystore and no root here; a new one is made by `init` alone".to_owned(),
        |newest| {
            format!(
                "keystore.{newest} is here, but the anchor has no root: without root {newest} its keys are lost, and a \
                 restored old copy of the keystore cannot help"
            )
        },
    )
}

fn listed(epochs: &BTreeSet<u64>) -> String {
    if epochs.is_empty() {
        return "none".to_owned();
    }
    epochs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(keystores: &[u64], roots: &[u64]) -> Result<Standing, String> {
        standing(&Survey { keystores: keystores.iter().copied().collect(), roots: roots.iter().copied().collect() })
    }

    fn stands(current: u64, pending: Option<u64>, stale: &[u64]) -> Result<Standing, String> {
        Ok(Standing { current, pending, stale: stale.iter().copied().collect() })
    }

    #[test]
    fn every_point_of_a_destruction_has_one_meaning() {
        // In the order in which files come and go.
        assert_eq!(judged(&[3], &[3]), stands(3, None, &[]));
        assert_eq!(judged(&[3, 4], &[3]), stands(3, None, &[4]));
        assert_eq!(judged(&[3, 4], &[3, 4]), stands(4, Some(3), &[]));
        assert_eq!(judged(&[3, 4], &[4]), stands(4, None, &[3]));
        assert_eq!(judged(&[4], &[4]), stands(4, None, &[]));
        assert_eq!(judged(&[4], &[3, 4]), stands(4, Some(3), &[]));
    }

    #[test]
    fn a_reader_looks_again_when_the_files_changed_and_only_then() {
        let root = tempfile::tempdir().unwrap();
        let kek = Kek::from_bytes(&[7; 32]).unwrap();
        FileKeyring::create(root.path(), "origin", kek.clone()).unwrap();
        let at = |epoch| Survey { keystores: BTreeSet::from([epoch]), roots: BTreeSet::from([epoch]) };

        let mut looks = [at(9), at(8), at(1)].into_iter();
        let keyring = FileKeyring::read_settled(root.path(), "origin", &kek, || Ok(looks.next().unwrap())).unwrap();
        assert_eq!((keyring.epoch, looks.next()), (1, None));

        let mut looks = [at(9), at(9), at(1)].into_iter();
        assert!(FileKeyring::read_settled(root.path(), "origin", &kek, || Ok(looks.next().unwrap())).is_err());
        assert_eq!(looks.next(), Some(at(1)));

        let mut epoch = 100;
        let moving = || {
            epoch += 1;
            Ok(at(epoch))
        };
        assert!(FileKeyring::read_settled(root.path(), "origin", &kek, moving).is_err());
        assert_eq!(epoch, 100 + READER_LOOKS_MAX as u64);
    }

    #[test]
    fn what_does_not_belong_together_needs_a_person() {
        let cases: [(&[u64], &[u64], &str); 9] = [
            (&[], &[], "no keystore and no root"),
            (&[3], &[], "has no root"),
            (&[], &[3], "keystore.3 is missing"),
            (&[2], &[3], "keystore.3 is missing"),
            (&[3], &[3, 4], "keystore.4 is missing"),
            (&[3, 5], &[3], "old anchor was put back"),
            (&[5], &[3], "keystore.3 is missing"),
            (&[3, 5], &[3, 5], "do not follow each other"),
            (&[3, 4, 5], &[3, 4, 5], "do not follow each other"),
        ];
        for (keystores, roots, said) in cases {
            let reason = judged(keystores, roots).unwrap_err();
            assert!(reason.contains(said), "{keystores:?} {roots:?}: {reason}");
        }
    }
}
