//! The recording adversary: it keeps a copy of every file of the keyring after
//! every operation, except the anchor's, and every segment ever sealed. In the
//! end it also gets the key-encryption key and the roots that are there that day.
//! It must open every live bucket and no destroyed one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use proptest::prelude::*;
use retentiond::{
    adapters::keyring::{
        FileKeyring,
        data_key::DataKey,
        keystore::{self, Label},
        secret::Secret,
    },
    domain::id::BucketId,
    ports::Keyring,
};

use crate::world::{HEADER, ORIGIN, World, bucket, kek, order};

#[derive(Debug, Clone)]
enum Operation {
    Open(BTreeSet<u64>),
    Seal(u64),
    Destroy(BTreeSet<u64>),
    /// Destroys, dies after the new root was installed, and starts again.
    DestroyInterrupted(BTreeSet<u64>),
    Restart,
    /// The keystore of this epoch comes back from a backup that the adversary has.
    RestoreKeystores,
}

fn operation() -> impl Strategy<Value = Operation> {
    let buckets = || prop::collection::btree_set(0..5_u64, 1..4);
    prop_oneof![
        3 => buckets().prop_map(Operation::Open),
        4 => (0..5_u64).prop_map(Operation::Seal),
        2 => buckets().prop_map(Operation::Destroy),
        1 => buckets().prop_map(Operation::DestroyInterrupted),
        1 => Just(Operation::Restart),
        1 => Just(Operation::RestoreKeystores),
    ]
}

struct Segment {
    bucket: BucketId,
    body: Vec<u8>,
    sealed: Vec<u8>,
    destroyed: bool,
}

struct Play {
    world: World,
    keyring: FileKeyring,
    segments: Vec<Segment>,
    /// By name: the same file may have had many contents.
    recorded: BTreeSet<(String, Vec<u8>)>,
    /// What the adversary never gets; only to see that it would have helped.
    roots: BTreeMap<u64, Vec<u8>>,
}

impl Play {
    fn new() -> Self {
        let (world, keyring) = World::new();
        let mut play = Self { world, keyring, segments: Vec::new(), recorded: BTreeSet::new(), roots: BTreeMap::new() };
        play.record();
        play
    }

    fn record(&mut self) {
        for (path, contents) in self.world.files() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match name.strip_prefix("root.") {
                Some(epoch) => drop(self.roots.insert(epoch.parse().unwrap(), contents)),
                None => drop(self.recorded.insert((name, contents))),
            }
        }
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Open(days) => {
                let buckets: Vec<BucketId> = days.into_iter().map(bucket).collect();
                self.keyring.open_buckets(&buckets).unwrap();
            }
            Operation::Seal(day) => self.seal(bucket(day)),
            Operation::Destroy(days) => self.destroy(days),
            Operation::DestroyInterrupted(days) => {
                let before = self.world.files();
                self.destroy(days);
                if self.keyring.epoch() == *self.roots.last_key_value().unwrap().0 {
                    // Every bucket was already gone, so that there was nothing to interrupt.
                    return;
                }
                for (path, contents) in &before {
                    fs::write(path, contents).unwrap();
                }
                self.record();
                self.keyring = self.world.open().unwrap();
                assert!(self.keyring.finish().unwrap().is_some());
            }
            Operation::Restart => self.keyring = self.world.open().unwrap(),
            Operation::RestoreKeystores => self.restore_keystores(),
        }
        self.record();
    }

    fn seal(&mut self, bucket: BucketId) {
        if self.keyring.holds(&bucket) {
            let body = format!("row {} of {bucket}", self.segments.len()).into_bytes();
            let sealed = self.keyring.seal(&bucket, HEADER, &body).unwrap();
            self.segments.push(Segment { bucket, body, sealed, destroyed: false });
        }
    }

    fn destroy(&mut self, days: BTreeSet<u64>) {
        let victims: Vec<BucketId> = days.into_iter().map(bucket).collect();
        self.keyring.destroy(order(&victims)).unwrap();
        for segment in &mut self.segments {
            segment.destroyed |= victims.contains(&segment.bucket);
        }
    }

    /// Old keystores of earlier epochs come back; the current one stays.
    fn restore_keystores(&mut self) {
        let current = format!("keystore.{}", self.keyring.epoch());
        for (name, contents) in &self.recorded {
            if *name != current {
                fs::write(self.world.dir().join(name), contents).unwrap();
            }
        }
        self.keyring = self.world.open().unwrap();
    }

    /// Every data key that comes out of any kept keystore with any of these roots.
    fn keys_opened_by(&self, roots: &[&[u8]]) -> Vec<DataKey> {
        let epochs = 1..=self.keyring.epoch() + 1;
        let labels: Vec<Label<'_>> = epochs.map(|epoch| Label::new(ORIGIN, epoch)).collect();
        let mut keys = Vec::new();
        for root in roots {
            let root = Secret::copy_of(root).unwrap();
            for label in &labels {
                let wrapping_key = label.wrapping_key(&root, &kek()).unwrap();
                for (_, file) in &self.recorded {
                    match keystore::Body::open(file, label, &wrapping_key).and_then(|body| body.keys()) {
                        Ok(opened) => keys.extend(opened.into_values()),
                        Err(_) => assert!(!keystore::fits(file, &wrapping_key), "fits under another label"),
                    }
                }
            }
        }
        keys
    }

    fn judge(&self) {
        let today: Vec<&[u8]> = vec![&self.roots[&self.keyring.epoch()]];
        let stolen = self.keys_opened_by(&today);
        let every: Vec<&[u8]> = self.roots.values().map(Vec::as_slice).collect();
        let everything = self.keys_opened_by(&every);
        let opens = |keys: &[DataKey], segment: &Segment| {
            keys.iter().any(|key| key.unseal(HEADER, &segment.sealed).is_ok_and(|body| *body == segment.body))
        };
        for segment in &self.segments {
            let bucket = &segment.bucket;
            assert_eq!(opens(&stolen, segment), !segment.destroyed, "adversary, {bucket}");
            assert_eq!(self.keyring.opens_with_any_key(HEADER, &segment.sealed), !segment.destroyed, "{bucket}");
            // The adversary's method works: with the old roots it opens all.
            assert!(opens(&everything, segment), "adversary with every root, {bucket}");
            if !segment.destroyed {
                assert_eq!(*self.keyring.unseal(bucket, HEADER, &segment.sealed).unwrap(), segment.body);
            }
        }
        assert_eq!(self.world.names().iter().filter(|name| name.starts_with("root.")).count(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn who_recorded_everything_opens_what_lives_and_nothing_that_was_destroyed(
        operations in prop::collection::vec(operation(), 1..16)
    ) {
        let mut play = Play::new();
        play.perform(Operation::Open(BTreeSet::from([0, 1, 2])));
        for operation in [0, 1, 2].map(Operation::Seal).into_iter().chain(operations) {
            play.perform(operation);
        }
        play.judge();
    }
}

#[test]
fn the_adversary_sees_a_destruction_that_left_the_old_root_in_place() {
    let mut play = Play::new();
    for operation in [Operation::Open(BTreeSet::from([0, 1])), Operation::Seal(0), Operation::Seal(1)] {
        play.perform(operation);
    }
    play.perform(Operation::Destroy(BTreeSet::from([0])));
    play.judge();
    let kept: Vec<&[u8]> = vec![&play.roots[&1], &play.roots[&2]];
    let keys = play.keys_opened_by(&kept);
    assert!(keys.iter().any(|key| key.unseal(HEADER, &play.segments[0].sealed).is_ok()));
}
