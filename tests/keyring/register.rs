//! The register of holds: sealed files that survive destructions, open under
//! their own name only, and never half.

use std::{fs, path::PathBuf};

use retentiond::{
    adapters::keyring::{FileKeyring, kek::Kek, register::HoldRegister},
    domain::{
        hold::{Category, Hold, Lift, Reach, Whose},
        id::HoldId,
    },
    ports::{Keyring, KeyringError},
};
use tempfile::TempDir;

use super::world::{bucket, order};

const ORIGIN: &str = "example.org/shop";
const KEY: [u8; 32] = [7; 32];

fn kek() -> Kek {
    Kek::from_bytes(&KEY).unwrap()
}

fn register(folder: &TempDir) -> HoldRegister {
    HoldRegister::of(folder.path(), ORIGIN, &kek()).unwrap()
}

fn hold(id: &str) -> Hold {
    Hold {
        id: id.into(),
        reach: Reach { whose: Some(Whose::Subject("haneul@example.com".to_owned())), ..Reach::default() },
        freeze: false,
        category: Category::Dispute,
        review: "2027-01-01".parse().unwrap(),
        placed_at: "2026-11-22T03:00:00Z".parse().unwrap(),
        by: "counsel".to_owned(),
        reason: "complaint".to_owned(),
    }
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join("holds").join(name)
}

#[test]
fn what_is_placed_is_read_back_also_by_a_keyring_after_a_destruction() {
    let folder = tempfile::tempdir().unwrap();
    let mut keyring = FileKeyring::create(folder.path(), ORIGIN, kek()).unwrap();
    register(&folder).place(&hold("h")).unwrap();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    keyring.destroy(order(&[bucket(1)])).unwrap();
    assert_eq!(keyring.register().unwrap().holds, [hold("h")]);
    // Another process adds to it meanwhile.
    register(&folder).place(&hold("i")).unwrap();
    let lift = Lift { hold: "h".into(), by: "counsel".to_owned(), reason: "settled".to_owned() };
    register(&folder).lift(&lift).unwrap();
    register(&folder).lift(&lift).unwrap();
    let all = keyring.register().unwrap();
    assert_eq!((all.holds.len(), all.lifts), (2, vec![lift]));
    keyring.strike(&"h".into()).unwrap();
    keyring.strike(&"h".into()).unwrap();
    let left = keyring.register().unwrap();
    assert_eq!((left.holds, left.lifts), (vec![hold("i")], vec![]));
}

#[test]
fn a_file_says_nothing_without_the_operators_key_and_opens_under_no_other_name() {
    let folder = tempfile::tempdir().unwrap();
    register(&folder).place(&hold("h")).unwrap();
    let bytes = fs::read(file(&folder, "h.hold")).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"haneul"));
    for (origin, key) in [(ORIGIN, [8; 32]), ("example.org/other", KEY)] {
        let mut other = HoldRegister::of(folder.path(), origin, &Kek::from_bytes(&key).unwrap()).unwrap();
        assert!(matches!(other.all(), Err(KeyringError::StateUnknown { .. })), "{origin}");
    }
    fs::rename(file(&folder, "h.hold"), file(&folder, "i.hold")).unwrap();
    assert!(matches!(register(&folder).all(), Err(KeyringError::StateUnknown { .. })));
}

#[test]
fn a_file_that_is_cut_short_anywhere_is_an_error_and_never_no_hold() {
    let folder = tempfile::tempdir().unwrap();
    register(&folder).place(&hold("h")).unwrap();
    let bytes = fs::read(file(&folder, "h.hold")).unwrap();
    for length in 0..bytes.len() {
        fs::remove_file(file(&folder, "h.hold")).unwrap();
        fs::write(file(&folder, "h.hold"), &bytes[..length]).unwrap();
        assert!(register(&folder).all().is_err(), "{length}");
    }
}

#[test]
fn a_hold_is_placed_once_and_an_interrupted_write_is_no_hold() {
    let folder = tempfile::tempdir().unwrap();
    register(&folder).place(&hold("h")).unwrap();
    assert!(matches!(register(&folder).place(&hold("h")), Err(KeyringError::Write { .. })));
    fs::write(file(&folder, "i.hold.tmp"), b"half").unwrap();
    assert_eq!(register(&folder).all().unwrap().holds.len(), 1);
    let none = tempfile::tempdir().unwrap();
    assert_eq!(HoldRegister::of(none.path(), ORIGIN, &kek()).unwrap().all().unwrap().holds, []);
    assert!(!HoldRegister::there_is_one(none.path()) && HoldRegister::there_is_one(folder.path()));
}

#[test]
fn a_person_has_the_same_digest_in_every_hold_and_another_than_a_record_of_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |whose| register(&folder).digest(&whose).unwrap();
    let subject = || Whose::Subject("7".to_owned());
    assert_eq!(digest(subject()), digest(subject()));
    assert_ne!(digest(subject()), digest(Whose::Key("7".to_owned())));
    let other = HoldRegister::of(folder.path(), ORIGIN, &Kek::from_bytes(&[8; 32]).unwrap()).unwrap();
    assert_ne!(digest(subject()), other.digest(&subject()).unwrap());
    assert_eq!(HoldId::from("h").to_string(), "h");
}
