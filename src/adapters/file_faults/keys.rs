//! The keystore, its anchor and the register of holds on a disk that fails.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{FAULTS, Fault, Image, Loss, Made, folder, image::LOSSES, with};
use crate::{
    adapters::keyring::{FileKeyring, kek::Kek, register::HoldRegister},
    domain::{
        calendar::Calendar,
        destroy::{BucketFacts, Order},
        fixture::{at, policy},
        hold::{Category, Clearance, Hold, Holds, Reach, Whose},
        holiday::Holidays,
        id::BucketId,
    },
    ports::{Keyring, KeyringError},
};

const ORIGIN: &str = "retention.example/shop";
const HEADER: &[u8] = br#"{"format":"retentiond/segment@v1"}"#;

/// What a second loss of power takes.
const AGAIN: [Loss; 2] = [Loss::HalfOfContents, Loss::Everything];

fn kek() -> Kek {
    Kek::from_bytes(&[7; 32]).unwrap()
}

fn bucket(day: u32) -> BucketId {
    BucketId { rule: "member".into(), date: NaiveDate::from_ymd_opt(2026, 1, day).unwrap() }
}

/// A keyring of three buckets with a segment in each, and one hold.
struct Scene {
    folder: tempfile::TempDir,
    segments: Vec<(BucketId, Vec<u8>)>,
    before: Image,
}

impl Scene {
    fn new() -> Self {
        let scratch = folder();
        let dir = scratch.path().join("keys");
        let (segments, _) = with(None, || {
            let mut keyring = FileKeyring::create(&dir, ORIGIN, kek()).unwrap();
            let buckets = [bucket(1), bucket(2), bucket(3)];
            keyring.open_buckets(&buckets).unwrap();
            HoldRegister::of(&dir, ORIGIN, &kek()).unwrap().place(&hold("first")).unwrap();
            let sealed = buckets.map(|bucket| (keyring.seal(&bucket, HEADER, b"rows").unwrap(), bucket));
            sealed.into_iter().map(|(sealed, bucket)| (bucket, sealed)).collect()
        });
        Self { before: Image::of(&dir), folder: scratch, segments }
    }

    fn dir(&self) -> std::path::PathBuf {
        self.folder.path().join("keys")
    }

    fn open(&self) -> Result<FileKeyring, KeyringError> {
        FileKeyring::open(&self.dir(), ORIGIN, kek())
    }

    /// Which of the three segments open.
    fn opening(&self, keyring: &FileKeyring) -> Vec<bool> {
        let opens = |(bucket, sealed): &(BucketId, Vec<u8>)| match keyring.unseal(bucket, HEADER, sealed) {
            Ok(body) => *body == *b"rows",
            Err(KeyringError::NoKey { .. }) => {
                assert!(!keyring.opens_with_any_key(HEADER, sealed), "{bucket} opens without its name");
                false
            }
            Err(error) => panic!("{error}"),
        };
        self.segments.iter().map(opens).collect()
    }
}

fn hold(id: &str) -> Hold {
    Hold {
        id: id.into(),
        reach: Reach { rule: None, dataset: None, whose: Some(Whose::Subject("4711".to_owned())) },
        category: Category::Litigation,
        reason: "case".to_owned(),
        by: "counsel".to_owned(),
        review: NaiveDate::default(),
        freeze: false,
        placed_at: at("2026-01-01T00:00:00Z"),
    }
}

fn order() -> Order {
    let (policy, holidays) = (policy(), Holidays::default());
    let mut clearance = Clearance::default();
    clearance.note(&bucket(1), 0);
    let facts = BucketFacts { segments: 1, records: 1, ..BucketFacts::erased(bucket(1)) };
    let searched = (&Holds::default(), &clearance);
    let calendar = Calendar::new(&policy, &holidays);
    Order::issue("o".into(), &"member".into(), (&policy, &calendar), searched, vec![facts], at("2036-01-01T00:00:00Z"))
        .unwrap()
}

/// What is done to a keyring, and what must hold in every state that it leaves.
struct Deed {
    name: &'static str,
    calls_min: usize,
    make: fn(&mut FileKeyring, &Scene) -> Result<(), KeyringError>,
    /// Is told whether the deed was reported as done.
    check: fn(&FileKeyring, &Scene, bool),
}

const DEEDS: [Deed; 4] = [
    Deed { name: "add a key", calls_min: 4, make: |keyring, _| keyring.open_buckets(&[bucket(4)]), check: key_added },
    Deed { name: "destroy", calls_min: 14, make: |keyring, _| keyring.destroy(order()).map(drop), check: destroyed },
    Deed { name: "place a hold", calls_min: 4, make: place_second, check: second_placed },
    Deed { name: "strike a hold", calls_min: 2, make: |keyring, _| keyring.strike(&"first".into()), check: struck },
];

fn key_added(keyring: &FileKeyring, scene: &Scene, done: bool) {
    assert_eq!(scene.opening(keyring), [true; 3], "a key is lost");
    assert!(keyring.holds(&bucket(4)) || !done, "the new key is lost");
}

fn destroyed(keyring: &FileKeyring, scene: &Scene, done: bool) {
    let opening = scene.opening(keyring);
    assert_eq!(opening[1..], [true; 2], "a survivor is lost");
    assert!(!(done && opening[0]), "what was reported as destroyed opens");
    assert!(!done || keyring.pending_destruction().is_none(), "its root is still there");
}

fn place_second(_: &mut FileKeyring, scene: &Scene) -> Result<(), KeyringError> {
    HoldRegister::of(&scene.dir(), ORIGIN, &kek())?.place(&hold("second"))
}

fn names(scene: &Scene) -> BTreeSet<String> {
    let register = scene.open().unwrap().register().unwrap();
    register.holds.iter().map(|hold| hold.id.to_string()).collect()
}

fn second_placed(keyring: &FileKeyring, scene: &Scene, done: bool) {
    key_added(keyring, scene, false);
    let names = names(scene);
    assert!(names.contains("first") && (names.contains("second") || !done), "a hold is lost: {names:?}");
}

fn struck(keyring: &FileKeyring, scene: &Scene, done: bool) {
    key_added(keyring, scene, false);
    assert!(names(scene).is_empty() || !done, "a hold that was struck is back");
}

/// Opens what is left, looks at it, does the deed again, and looks again.
fn recover(deed: &Deed, scene: &Scene, done: bool, situation: &str) {
    let mut keyring = scene.open().unwrap_or_else(|error| panic!("{situation}: {error}"));
    (deed.check)(&keyring, scene, done);
    match (deed.make)(&mut keyring, scene) {
        // A hold that is there already.
        Err(KeyringError::Write { reason }) if reason.contains("exists") => {}
        again => again.unwrap_or_else(|error| panic!("{situation}, again: {error}")),
    }
    (deed.check)(&keyring, scene, true);
    let reopened = scene.open().unwrap_or_else(|error| panic!("{situation}, reopened: {error}"));
    (deed.check)(&reopened, scene, true);
}

fn calls_of(deed: &Deed, scene: &Scene) -> Vec<Made> {
    scene.before.write(Loss::Nothing);
    let mut keyring = scene.open().unwrap();
    let (result, calls) = with(None, || (deed.make)(&mut keyring, scene));
    result.unwrap();
    assert!(calls.len() >= deed.calls_min, "{}: {calls:?}", deed.name);
    calls
}

#[test]
fn no_loss_of_power_at_any_call_takes_a_key_or_gives_back_one_that_was_destroyed() {
    let scene = Scene::new();
    let mut cases = 0;
    for deed in &DEEDS {
        let calls = calls_of(deed, &scene);
        for made in 0..=calls.len() {
            for loss in LOSSES {
                let situation = format!("{}: power lost after {made} of {} calls, {loss:?}", deed.name, calls.len());
                scene.before.clone().after(&calls[..made]).write(loss);
                with(None, || recover(deed, &scene, made == calls.len(), &situation));
                cases += 1;
            }
        }
    }
    assert!(cases > 150, "{cases}");
}

#[test]
fn nor_does_a_second_loss_in_the_middle_of_recovery() {
    let scene = Scene::new();
    let mut cases = 0;
    for deed in &DEEDS {
        let calls = calls_of(deed, &scene);
        for made in 0..=calls.len() {
            for loss in LOSSES {
                scene.before.clone().after(&calls[..made]).write(loss);
                let left = Image::of(&scene.dir());
                let (opened, again) = with(None, || {
                    let mut keyring = scene.open().unwrap();
                    (deed.make)(&mut keyring, &scene)
                });
                drop(opened);
                for (second, other) in (0..again.len()).flat_map(|second| AGAIN.map(|loss| (second, loss))) {
                    let situation = format!("{}: {made} calls, {loss:?}, {second} more, {other:?}", deed.name);
                    left.clone().after(&again[..second]).write(other);
                    with(None, || recover(deed, &scene, made == calls.len(), &situation));
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 1_000, "{cases}");
}

#[test]
fn a_call_that_fails_is_reported_and_neither_trying_again_nor_a_start_loses_anything() {
    let scene = Scene::new();
    for deed in &DEEDS {
        for (call, made) in calls_of(deed, &scene).into_iter().enumerate() {
            // That there was nothing to remove is no failure, whatever comes after it.
            let nothing =
                matches!(&made, Made::Remove(path) if !scene.before.has(path) && path.ends_with("first.lift"));
            for fault in FAULTS.into_iter().filter(|fault| !(nothing && *fault == Fault::InputAfter)) {
                let situation = format!("{}: {fault:?} at call {call}", deed.name);
                scene.before.write(Loss::Nothing);
                let mut keyring = scene.open().unwrap();
                let (result, _) = with(Some((call, fault)), || (deed.make)(&mut keyring, &scene));
                let reported = match &result {
                    Ok(()) => panic!("{situation}: it is not reported"),
                    Err(KeyringError::Write { reason } | KeyringError::StateUnknown { reason }) => reason,
                    Err(error) => panic!("{situation}: {error}"),
                };
                assert!(reported.contains("os error"), "{situation}: {reported}");
                // `Write` promises that every key is still there.
                if matches!(result, Err(KeyringError::Write { .. })) {
                    assert_eq!(scene.opening(&keyring), [true; 3], "{situation}: {result:?}");
                }
                let (retried, _) = with(None, || (deed.make)(&mut keyring, &scene));
                with(None, || recover(deed, &scene, retried.is_ok(), &situation));
            }
        }
    }
}
