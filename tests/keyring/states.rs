//! The states of a keyring on disk, and what each operation promises.

use std::fs;

use retentiond::{
    adapters::keyring::{FileKeyring, kek::Kek},
    domain::verdict::Verdict,
    ports::{Keyring, KeyringError},
};

use crate::world::{HEADER, ORIGIN, World, bucket, kek, order};

fn reason_of(result: Result<FileKeyring, KeyringError>) -> String {
    match result {
        Err(KeyringError::StateUnknown { reason }) => reason,
        Err(error) => panic!("another error: {error}"),
        Ok(keyring) => panic!("opened: {keyring:?}"),
    }
}

#[test]
fn a_new_keyring_has_one_epoch_without_buckets_and_is_never_made_twice() {
    let (world, keyring) = World::new();
    assert_eq!((keyring.epoch(), keyring.buckets().len(), keyring.pending_destruction()), (1, 0, None));
    assert_eq!(world.names(), ["root.1", "keystore.1"]);
    let before = world.files();
    let error = FileKeyring::create(&world.dir(), ORIGIN, kek()).unwrap_err();
    assert!(matches!(error, KeyringError::Write { .. }), "{error}");
    fs::remove_file(world.keystore_file(1)).unwrap();
    assert!(FileKeyring::create(&world.dir(), ORIGIN, kek()).is_err(), "an anchor is enough to refuse");
    fs::write(world.keystore_file(1), &before[1].1).unwrap();
    fs::remove_dir_all(world.dir().join("anchor")).unwrap();
    assert!(FileKeyring::create(&world.dir(), ORIGIN, kek()).is_err(), "a keystore is enough to refuse");
}

#[test]
fn keys_survive_a_restart_and_an_opened_bucket_keeps_its_key() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(2), bucket(1), bucket(2)]).unwrap();
    let sealed = keyring.seal(&bucket(1), HEADER, b"row").unwrap();
    let digest = keyring.digest(&bucket(1), "row", b"value").unwrap();
    keyring.open_buckets(&[bucket(1), bucket(3)]).unwrap();
    for keyring in [keyring, world.open().unwrap(), world.open_read_only().unwrap()] {
        assert_eq!(keyring.buckets(), [bucket(1), bucket(2), bucket(3)]);
        assert_eq!(*keyring.unseal(&bucket(1), HEADER, &sealed).unwrap(), b"row");
        assert_eq!(keyring.digest(&bucket(1), "row", b"value").unwrap(), digest);
        assert_ne!(keyring.digest(&bucket(2), "row", b"value").unwrap(), digest);
    }
}

#[test]
fn a_segment_opens_in_its_own_bucket_under_its_own_header_only() {
    let (_world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1), bucket(2)]).unwrap();
    let sealed = keyring.seal(&bucket(1), HEADER, b"row").unwrap();
    for (other, header) in [(bucket(2), HEADER), (bucket(1), b"{}")] {
        let error = keyring.unseal(&other, header, &sealed).unwrap_err();
        assert!(matches!(error, KeyringError::DoesNotOpen { .. }), "{error}");
    }
    for cut in [0, 1, 55, 56, sealed.len() - 1] {
        assert!(keyring.unseal(&bucket(1), HEADER, &sealed[..cut]).is_err(), "cut at {cut}");
    }
    assert!(keyring.opens_with_any_key(HEADER, &sealed));
    assert!(!keyring.opens_with_any_key(b"{}", &sealed));
    for error in [
        keyring.unseal(&bucket(3), HEADER, &sealed).unwrap_err(),
        keyring.seal(&bucket(3), HEADER, b"row").unwrap_err(),
        keyring.digest(&bucket(3), "row", b"value").unwrap_err(),
    ] {
        assert!(matches!(error, KeyringError::NoKey { .. }), "{error}");
    }
}

#[test]
fn files_that_do_not_belong_together_need_a_person() {
    let reason = reason_of(World::empty().open());
    assert!(reason.contains("keystore folder"), "{reason}");

    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    let other_kek = || Kek::from_bytes(&[8; 32]).unwrap();
    let reason = reason_of(FileKeyring::open(&world.dir(), ORIGIN, other_kek()));
    assert!(reason.contains("this key-encryption key"), "{reason}");
    let reason = reason_of(FileKeyring::open(&world.dir(), "another.example", kek()));
    assert!(reason.contains("another origin"), "{reason}");

    let files = world.files();
    let put_back = || {
        files.iter().for_each(|(path, contents)| {
            if !path.exists() {
                fs::write(path, contents).unwrap();
            }
        })
    };
    fs::remove_file(world.root_file(1)).unwrap();
    let reason = reason_of(world.open());
    assert!(reason.contains("no root") && reason.contains("cannot help"), "{reason}");
    put_back();
    fs::remove_file(world.keystore_file(1)).unwrap();
    let reason = reason_of(world.open());
    assert!(reason.contains("keystore.1 is missing"), "{reason}");
    put_back();
    fs::remove_file(world.root_file(1)).unwrap();
    fs::write(world.root_file(1), [1; 32]).unwrap();
    assert!(reason_of(world.open()).contains("does not open"));
    fs::remove_file(world.root_file(1)).unwrap();
    fs::write(world.root_file(1), [1; 31]).unwrap();
    assert!(reason_of(world.open()).contains("damaged"));
    fs::remove_file(world.root_file(1)).unwrap();
    put_back();
    fs::write(world.keystore_file(5), b"newer").unwrap();
    assert!(reason_of(world.open()).contains("old anchor was put back"));
    fs::remove_file(world.keystore_file(5)).unwrap();
    world.open().unwrap();
}

#[test]
fn nothing_is_removed_from_a_keyring_that_does_not_open() {
    let (world, _) = World::new();
    fs::write(world.keystore_file(2), b"attempt").unwrap();
    fs::write(world.dir().join("anchor/root.2.new"), [3; 32]).unwrap();
    let before = world.files();
    reason_of(FileKeyring::open(&world.dir(), "another.example", kek()));
    assert_eq!(world.files(), before);
    world.open().unwrap();
    assert_eq!(world.names(), ["root.1", "keystore.1"]);
}

#[test]
fn a_reader_changes_nothing_whatever_it_finds() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    fs::write(world.keystore_file(2), b"attempt").unwrap();
    fs::write(world.dir().join("anchor/root.2.new"), [3; 32]).unwrap();
    let before = world.files();
    let mut reader = world.open_read_only().unwrap();
    assert!(reader.holds(&bucket(1)));
    reader.open_buckets(&[bucket(1)]).unwrap();
    assert!(matches!(reader.open_buckets(&[bucket(2)]), Err(KeyringError::Write { .. })));
    assert!(matches!(reader.destroy(order(&[bucket(1)])), Err(KeyringError::Write { .. })));
    assert!(matches!(reader.finish(), Err(KeyringError::Write { .. })));
    assert_eq!(world.files(), before);
}

#[test]
fn a_destroyed_bucket_has_no_key_and_its_segment_opens_with_none() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1), bucket(2), bucket(3)]).unwrap();
    let sealed = keyring.seal(&bucket(1), HEADER, b"row").unwrap();
    let kept = keyring.seal(&bucket(3), HEADER, b"kept").unwrap();
    let gone = keyring.destroy(order(&[bucket(1), bucket(2)])).unwrap();
    assert_eq!(gone.order().bucket_ids().count(), 2);
    assert_ne!(gone.finding.verdict, Verdict::Fail);
    for keyring in [&keyring, &world.open().unwrap()] {
        assert_eq!(keyring.epoch(), 2);
        assert!(matches!(keyring.unseal(&bucket(1), HEADER, &sealed), Err(KeyringError::NoKey { .. })));
        assert!(!keyring.opens_with_any_key(HEADER, &sealed));
        assert_eq!(*keyring.unseal(&bucket(3), HEADER, &kept).unwrap(), b"kept");
    }
    assert_eq!(world.names(), ["root.2", "keystore.2"]);
}

#[test]
fn a_repeated_order_starts_no_epoch_and_says_what_it_did_not_see() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1), bucket(2)]).unwrap();
    keyring.destroy(order(&[bucket(1)])).unwrap();
    let before = world.files();
    let gone = keyring.destroy(order(&[bucket(1)])).unwrap();
    assert_eq!(world.files(), before);
    assert_eq!(gone.finding.verdict, Verdict::Unknown);
    assert!(gone.finding.reasons.iter().any(|reason| reason.contains("already gone")), "{:?}", gone.finding);

    // Partly gone: the rest is destroyed.
    keyring.destroy(order(&[bucket(1), bucket(2)])).unwrap();
    assert_eq!((keyring.epoch(), keyring.buckets().len()), (3, 0));
}

#[test]
fn a_destroyed_bucket_that_is_opened_again_gets_another_key() {
    let (_world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    let sealed = keyring.seal(&bucket(1), HEADER, b"row").unwrap();
    keyring.destroy(order(&[bucket(1)])).unwrap();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    assert!(keyring.holds(&bucket(1)));
    assert!(matches!(keyring.unseal(&bucket(1), HEADER, &sealed), Err(KeyringError::DoesNotOpen { .. })));
    assert!(!keyring.opens_with_any_key(HEADER, &sealed));
}

#[test]
fn an_interrupted_destruction_is_pending_until_it_is_finished() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1), bucket(2)]).unwrap();
    let before = world.files();
    keyring.destroy(order(&[bucket(1)])).unwrap();
    // As if the process had died after the new root was installed.
    for (path, contents) in &before {
        fs::write(path, contents).unwrap();
    }
    let keyring = world.open_read_only().unwrap();
    assert_eq!((keyring.epoch(), keyring.pending_destruction()), (2, Some(1)));
    assert!(!keyring.holds(&bucket(1)) && keyring.holds(&bucket(2)));
    let mut keyring = world.open().unwrap();
    assert_eq!(world.names(), ["root.1", "root.2", "keystore.1", "keystore.2"]);
    let gone = keyring.destroy(order(&[bucket(1)])).unwrap();
    assert!(!gone.finding.reasons.iter().any(|reason| reason.contains("already gone")), "{:?}", gone.finding);
    assert_eq!(world.names(), ["root.2", "keystore.2"]);
}

#[test]
fn a_second_name_of_the_old_root_does_not_keep_its_bytes() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    let root = fs::read(world.root_file(1)).unwrap();
    let link = world.beside("link");
    fs::hard_link(world.root_file(1), &link).unwrap();
    keyring.destroy(order(&[bucket(1)])).unwrap();
    let left = fs::read(&link).unwrap();
    let same = left.iter().zip(&root).filter(|(left, old)| left == old).count();
    assert!(same < 8, "{same} of {} bytes are still those of the root", root.len());
}

#[test]
fn no_key_and_no_root_is_ever_printed() {
    let (world, mut keyring) = World::new();
    keyring.open_buckets(&[bucket(1)]).unwrap();
    let root = fs::read(world.root_file(1)).unwrap();
    let printed = format!("{keyring:?}");
    for secret in [root.as_slice(), &[7; 32]] {
        assert!(!printed.contains(&hex::encode(secret)) && !printed.contains(&format!("{secret:?}")));
    }
    assert!(printed.contains("DataKey(..)") && printed.contains("Secret(..)"), "{printed}");
}
