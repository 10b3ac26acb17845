//! Crash points and failures of a destruction, between its private steps.

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use chrono::NaiveDate;

use super::*;
use crate::domain::verdict::{Finding, Verdict};

const ORIGIN: &str = "retention.example/shop";
const HEADER: &[u8] = br#"{"format":"retentiond/segment@v1"}"#;

/// A keyring folder with one sealed segment in each of three buckets, the first
/// of which is to be destroyed.
struct Scene {
    root: tempfile::TempDir,
    segments: Vec<(BucketId, Vec<u8>)>,
}

fn bucket(day: u32) -> BucketId {
    BucketId { rule: "member".into(), date: NaiveDate::from_ymd_opt(2026, 1, day).unwrap() }
}

fn victims() -> BTreeSet<BucketId> {
    BTreeSet::from([bucket(1)])
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { root: tempfile::tempdir().unwrap(), segments: Vec::new() };
        let mut keyring = FileKeyring::create(&scene.dir(), ORIGIN, scene.kek()).unwrap();
        let buckets = [bucket(1), bucket(2), bucket(3)];
        keyring.open_buckets(&buckets).unwrap();
        scene.segments = buckets
            .into_iter()
            .map(|bucket| {
                let sealed = keyring.seal(&bucket, HEADER, bucket.to_string().as_bytes()).unwrap();
                (bucket, sealed)
            })
            .collect();
        scene
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("keyring")
    }

    fn root_file(&self, epoch: u64) -> PathBuf {
        self.dir().join(format!("anchor/root.{epoch}"))
    }

    #[expect(clippy::unused_self, reason = "it belongs to the scene")]
    fn kek(&self) -> Kek {
        Kek::from_bytes(&[7; 32]).unwrap()
    }

    fn open(&self) -> FileKeyring {
        FileKeyring::open(&self.dir(), ORIGIN, self.kek()).unwrap()
    }

    /// Which buckets' segments open, by day.
    fn opening(&self, keyring: &FileKeyring) -> Vec<bool> {
        let opens = |(bucket, sealed): &(BucketId, Vec<u8>)| match keyring.unseal(bucket, HEADER, sealed) {
            Ok(body) => {
                assert_eq!(*body, bucket.to_string().as_bytes());
                assert!(keyring.opens_with_any_key(HEADER, sealed));
                true
            }
            Err(KeyringError::NoKey { .. }) => {
                assert!(!keyring.opens_with_any_key(HEADER, sealed));
                false
            }
            Err(error) => panic!("{error}"),
        };
        self.segments.iter().map(opens).collect()
    }

    fn files(&self) -> Vec<String> {
        let names = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut files: Vec<String> = names(self.dir())
            .chain(names(self.dir().join("anchor")))
            .map(|name| name.into_string().unwrap())
            .filter(|name| name != "anchor" && name != "CACHEDIR.TAG")
            .collect();
        files.sort();
        files
    }
}

/// After which step the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Crash {
    Before,
    NextWritten,
    RootHalfWritten,
    RootInstalled,
    OldRootHalfOverwritten,
    OldRootGone,
    OldKeystoreGone,
}

const CRASHES: [Crash; 7] = [
    Crash::Before,
    Crash::NextWritten,
    Crash::RootHalfWritten,
    Crash::RootInstalled,
    Crash::OldRootHalfOverwritten,
    Crash::OldRootGone,
    Crash::OldKeystoreGone,
];

fn destroy_until(crash: Crash, scene: &Scene, keyring: &mut FileKeyring) {
    if crash == Crash::Before {
        return;
    }
    let next = keyring.write_next(2, &victims()).unwrap();
    if crash == Crash::RootHalfWritten {
        fs::write(scene.dir().join("anchor/root.2.new"), &next.root.expose()[..20]).unwrap();
    }
    if crash <= Crash::RootHalfWritten {
        return;
    }
    keyring.install_next(next, &victims()).unwrap();
    match crash {
        Crash::OldRootHalfOverwritten => {
            fs::set_permissions(scene.root_file(1), Permissions::from_mode(0o600)).unwrap();
            fs::write(scene.root_file(1), [0x5a; 16]).unwrap();
        }
        Crash::OldRootGone => {
            keyring.anchor.destroy(1).unwrap();
        }
        Crash::OldKeystoreGone => {
            keyring.destroy_root(1).unwrap();
        }
        Crash::Before | Crash::NextWritten | Crash::RootHalfWritten | Crash::RootInstalled => {}
    }
}

#[test]
fn after_a_crash_at_every_step_survivors_open_and_the_destruction_can_be_finished() {
    for crash in CRASHES {
        let scene = Scene::new();
        let mut keyring = scene.open();
        let old_keystore = keystore::read(&scene.dir(), 1).unwrap();
        destroy_until(crash, &scene, &mut keyring);
        drop(keyring);

        let reader = FileKeyring::open_read_only(&scene.dir(), ORIGIN, scene.kek()).unwrap();
        let mut keyring = scene.open();
        let installed = crash >= Crash::RootInstalled;
        for keyring in [&reader, &keyring] {
            assert_eq!(scene.opening(keyring), [!installed, true, true], "{crash:?}");
            assert_eq!(keyring.epoch(), if installed { 2 } else { 1 }, "{crash:?}");
        }
        let pending = matches!(crash, Crash::RootInstalled | Crash::OldRootHalfOverwritten);
        assert_eq!(keyring.pending_destruction(), pending.then_some(1), "{crash:?}");

        let finding = keyring.destroy_keys(&victims()).unwrap();
        assert_ne!(finding.verdict, Verdict::Fail);
        let unseen = finding.reasons.iter().any(|reason| reason.contains("already gone"));
        assert_eq!(unseen, crash >= Crash::OldRootGone, "{crash:?}: {finding:?}");
        assert_eq!(scene.opening(&keyring), [false, true, true], "{crash:?}");
        keyring.prove_closed(1, &old_keystore).unwrap();
        assert_eq!(scene.files(), ["keystore.2", "root.2"], "{crash:?}");
        assert_eq!(keyring.pending_destruction(), None);
        assert_eq!(scene.opening(&scene.open()), [false, true, true], "{crash:?}");
    }
}

#[test]
fn an_interrupted_destruction_can_be_finished_without_its_order() {
    for crash in CRASHES {
        let scene = Scene::new();
        destroy_until(crash, &scene, &mut scene.open());
        let mut keyring = scene.open();
        let expected = keyring.pending_destruction().is_some();
        assert_eq!(keyring.finish().unwrap().is_some(), expected, "{crash:?}");
        let epoch = keyring.epoch();
        assert_eq!(scene.files(), [format!("keystore.{epoch}"), format!("root.{epoch}")], "{crash:?}");
        assert_eq!(keyring.finish().unwrap(), None);
    }
}

#[test]
fn new_buckets_can_be_opened_while_a_destruction_is_unfinished() {
    let scene = Scene::new();
    destroy_until(Crash::RootInstalled, &scene, &mut scene.open());
    let mut keyring = scene.open();
    keyring.open_buckets(&[bucket(9)]).unwrap();
    let mut keyring = scene.open();
    keyring.finish().unwrap();
    assert!(scene.open().holds(&bucket(9)));
    assert_eq!(scene.opening(&keyring), [false, true, true]);
}

#[test]
fn a_next_keystore_that_lost_or_changed_a_survivor_is_never_put_in_force() {
    for lost in [true, false] {
        let scene = Scene::new();
        let mut keyring = scene.open();
        let next = keyring.write_next(2, &victims()).unwrap();
        keyring.compare_next(&next).unwrap();
        let mut damaged = next.survivors.keys().unwrap();
        damaged.remove(&bucket(2));
        if !lost {
            damaged.insert(bucket(2), DataKey::random().unwrap());
        }
        let wrapping_key = keyring.label(2).wrapping_key(&next.root, &keyring.kek).unwrap();
        let file = Body::of(damaged.iter()).unwrap().seal(&keyring.label(2), &wrapping_key).unwrap();
        keystore::write(&scene.dir(), 2, &file).unwrap();
        assert!(matches!(keyring.compare_next(&next), Err(KeyringError::Write { .. })));
        assert!(matches!(keyring.install_next(next, &victims()), Err(KeyringError::Write { .. })));
        assert_eq!((keyring.epoch(), keyring.pending_destruction()), (1, None));
        keyring.abandon(2).unwrap();
        assert_eq!(scene.opening(&scene.open()), [true, true, true]);
    }
}

#[test]
fn a_failure_before_the_new_root_is_installed_leaves_every_key_in_place() {
    let scene = Scene::new();
    let mut keyring = scene.open();

    // The keystore cannot be written.
    let in_the_way = scene.dir().join(".keystore.2.tmp");
    fs::create_dir(&in_the_way).unwrap();
    let error = keyring.destroy_keys(&victims()).unwrap_err();
    assert!(matches!(error, KeyringError::Write { .. }), "{error}");
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(scene.files(), ["keystore.1", "root.1"]);

    // The keystore is written, and its root cannot be installed.
    let next = keyring.write_next(2, &victims()).unwrap();
    fs::write(scene.root_file(2), [9; 32]).unwrap();
    let error = keyring.install_next(next, &victims()).unwrap_err();
    assert!(matches!(error, KeyringError::Write { .. }), "{error}");
    keyring.abandon(2).unwrap();
    assert_eq!(scene.files(), ["keystore.1", "root.1"]);

    assert_eq!(scene.opening(&keyring), [true, true, true]);
    assert_eq!(scene.opening(&scene.open()), [true, true, true]);
    keyring.destroy_keys(&victims()).unwrap();
    assert_eq!(scene.opening(&scene.open()), [false, true, true]);
}

#[test]
fn an_attempt_that_cannot_be_taken_back_stops_and_is_settled_at_the_next_start() {
    let scene = Scene::new();
    let mut keyring = scene.open();
    let in_the_way = scene.dir().join("anchor/root.2.new");
    fs::create_dir(&in_the_way).unwrap();
    let error = keyring.destroy_keys(&victims()).unwrap_err();
    assert!(matches!(error, KeyringError::StateUnknown { .. }), "{error}");
    assert!(matches!(keyring.open_buckets(&[bucket(9)]), Err(KeyringError::StateUnknown { .. })));
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(scene.opening(&scene.open()), [true, true, true]);
    assert_eq!(scene.files(), ["keystore.1", "root.1"]);
}

#[test]
fn a_failure_after_the_point_of_no_return_stops_every_further_change() {
    let scene = Scene::new();
    let mut keyring = scene.open();
    destroy_until(Crash::RootInstalled, &scene, &mut keyring);
    fs::rename(scene.root_file(1), scene.dir().join("aside")).unwrap();
    fs::create_dir(scene.root_file(1)).unwrap();
    let error = keyring.destroy_keys(&victims()).unwrap_err();
    assert!(matches!(error, KeyringError::StateUnknown { .. }), "{error}");

    for error in [
        keyring.open_buckets(&[bucket(9)]).unwrap_err(),
        keyring.destroy_keys(&victims()).unwrap_err(),
        keyring.finish().unwrap_err(),
    ] {
        assert!(matches!(error, KeyringError::StateUnknown { .. }), "{error}");
    }
    assert_eq!(scene.opening(&keyring), [false, true, true]);

    // A person puts the file back; the next start goes on.
    fs::remove_dir(scene.root_file(1)).unwrap();
    fs::rename(scene.dir().join("aside"), scene.root_file(1)).unwrap();
    scene.open().destroy_keys(&victims()).unwrap();
    assert_eq!(scene.files(), ["keystore.2", "root.2"]);
}

#[test]
fn the_negative_test_sees_a_keystore_that_still_opens() {
    let scene = Scene::new();
    let mut keyring = scene.open();
    let old_keystore = keystore::read(&scene.dir(), 1).unwrap();
    assert!(keyring.prove_closed(1, &old_keystore).is_err(), "its own root is still there");
    keyring.destroy_keys(&victims()).unwrap();
    keyring.prove_closed(1, &old_keystore).unwrap();

    // A root that was used for two epochs gives the old one away.
    let scene = Scene::new();
    let mut keyring = scene.open();
    let old_keystore = keystore::read(&scene.dir(), 1).unwrap();
    let mut next = keyring.write_next(2, &victims()).unwrap();
    next.root = keyring.anchor.load(1).unwrap();
    let wrapping_key = keyring.label(2).wrapping_key(&next.root, &keyring.kek).unwrap();
    let file = next.survivors.seal(&keyring.label(2), &wrapping_key).unwrap();
    keystore::write(&scene.dir(), 2, &file).unwrap();
    keyring.install_next(next, &victims()).unwrap();
    assert!(keyring.prove_closed(1, &old_keystore).is_err());
    let error = keyring.destroy_root(1).unwrap_err();
    assert!(matches!(error, KeyringError::StateUnknown { .. }), "{error}");
}

#[test]
fn an_old_keystore_that_somebody_removed_is_a_test_not_made() {
    let scene = Scene::new();
    let mut keyring = scene.open();
    destroy_until(Crash::RootInstalled, &scene, &mut keyring);
    fs::remove_file(keystore::path(&scene.dir(), 1)).unwrap();
    let finding = keyring.destroy_keys(&victims()).unwrap();
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.reasons.iter().any(|reason| reason.contains("keystore.1")), "{finding:?}");
}

#[test]
fn a_second_writer_is_noticed_before_anything_is_replaced() {
    let scene = Scene::new();
    let (mut first, mut second) = (scene.open(), scene.open());
    first.open_buckets(&[bucket(4)]).unwrap();
    for error in [second.open_buckets(&[bucket(5)]).unwrap_err(), second.destroy_keys(&victims()).unwrap_err()] {
        assert!(matches!(error, KeyringError::StateUnknown { .. }), "{error}");
    }
    let (mut first, mut second) = (scene.open(), scene.open());
    destroy_until(Crash::RootInstalled, &scene, &mut first);
    let error = second.destroy_keys(&victims()).unwrap_err();
    assert!(matches!(error, KeyringError::StateUnknown { .. }), "{error}");
    first.finish().unwrap();
    let keyring = scene.open();
    assert!(keyring.holds(&bucket(4)) && !keyring.holds(&bucket(5)));
    assert_eq!(scene.opening(&keyring), [false, true, true]);
}

#[test]
fn the_finding_of_an_uninterrupted_destruction_is_that_of_the_medium() {
    let scene = Scene::new();
    let mut keyring = scene.open();
    let expected = medium::judge(&medium::Facts::of(&scene.root_file(1)).unwrap());
    assert_eq!(Finding::pass().and(expected), keyring.destroy_keys(&victims()).unwrap());
}

fn message<'m>(bucket: &'m BucketId, body: &'m [u8]) -> Message<'m> {
    Message { bucket, header: HEADER, body }
}

#[test]
fn many_at_once_are_what_each_is_by_itself() {
    let scene = Scene::new();
    let keyring = FileKeyring::open(&scene.dir(), ORIGIN, scene.kek()).unwrap();
    let pieces: Vec<(BucketId, Vec<u8>)> =
        (0..200_u32).map(|number| (bucket(number % 3 + 1), format!("row {number}").into_bytes())).collect();
    let named: Vec<(&BucketId, &[u8])> = pieces.iter().map(|(bucket, body)| (bucket, body.as_slice())).collect();
    let alone: Vec<[u8; 32]> =
        named.iter().map(|(bucket, body)| keyring.digest(bucket, "rows", body).unwrap()).collect();
    assert_eq!(keyring.digests("rows", &named).unwrap(), alone);
    assert_ne!(keyring.digests("key", &named).unwrap(), alone);
    let bodies: Vec<Message<'_>> = named.iter().map(|(bucket, body)| message(bucket, body)).collect();
    let mut sealed = keyring.seal_all(&bodies).unwrap();
    for ((bucket, body), sealed) in named.iter().zip(&sealed) {
        assert_eq!(*keyring.unseal(bucket, HEADER, sealed).unwrap(), *body);
    }
    let of = |sealed: &[Vec<u8>]| {
        let messages: Vec<Message<'_>> =
            named.iter().zip(sealed).map(|((bucket, _), sealed)| message(bucket, sealed)).collect();
        keyring.digests_unsealed("rows", &messages)
    };
    assert_eq!(of(&sealed).unwrap(), alone);
    *sealed[150].last_mut().unwrap() ^= 1;
    assert!(matches!(of(&sealed), Err(KeyringError::DoesNotOpen { .. })));
    assert!(matches!(keyring.digests("rows", &[(&bucket(9), b"")]), Err(KeyringError::NoKey { .. })));
}
