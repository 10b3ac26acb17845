//! A keyring folder, and orders to destroy what is in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use retentiond::{
    adapters::keyring::{FileKeyring, kek::Kek},
    domain::{
        calendar::{Calendar, Counting},
        destroy::{BucketFacts, Order},
        hold::{Clearance, Holds},
        holiday::Holidays,
        id::BucketId,
        period::{Period, TimeSpan, Unit},
        policy::{Approval, Basis, Name, Officer, Policy, Rule},
    },
    ports::KeyringError,
};

pub const ORIGIN: &str = "retention.example/shop";
pub const HEADER: &[u8] = br#"{"format":"retentiond/segment@v1"}"#;

pub struct World {
    root: tempfile::TempDir,
}

impl World {
    /// A folder without a keyring.
    pub fn empty() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A folder with a new keyring.
    pub fn new() -> (Self, FileKeyring) {
        let world = Self::empty();
        let keyring = FileKeyring::create(&world.dir(), ORIGIN, kek()).unwrap();
        (world, keyring)
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("keyring")
    }

    /// A place beside the keyring, on the same file system.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn root_file(&self, epoch: u64) -> PathBuf {
        self.dir().join(format!("anchor/root.{epoch}"))
    }

    pub fn keystore_file(&self, epoch: u64) -> PathBuf {
        self.dir().join(format!("keystore.{epoch}"))
    }

    pub fn open(&self) -> Result<FileKeyring, KeyringError> {
        FileKeyring::open(&self.dir(), ORIGIN, kek())
    }

    pub fn open_read_only(&self) -> Result<FileKeyring, KeyringError> {
        FileKeyring::open_read_only(&self.dir(), ORIGIN, kek())
    }

    /// Every file of the keyring with its contents, by path.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(&self.dir(), &mut files);
        files.sort();
        files
    }

    pub fn names(&self) -> Vec<String> {
        let names = self.files().into_iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned());
        names.collect()
    }
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            // The tag tells backup tools to stay away; it holds nothing.
            if !path.ends_with("CACHEDIR.TAG") {
                let contents = fs::read(&path).unwrap();
                files.push((path, contents));
            }
        }
    }
}

pub fn kek() -> Kek {
    Kek::from_bytes(&[7; 32]).unwrap()
}

pub fn bucket(day: u64) -> BucketId {
    let first = NaiveDate::from_ymd_opt(2025, 3, 1).unwrap();
    BucketId { rule: "member".into(), date: first + Days::new(day) }
}

/// An order for buckets that have long been due.
pub fn order(buckets: &[BucketId]) -> Order {
    let policy = policy();
    let now: DateTime<Utc> = "2026-11-22T03:00:00Z".parse().unwrap();
    let facts = buckets.iter().map(|bucket| BucketFacts {
        bucket: bucket.clone(),
        segments: 1,
        records: 1,
        bytes: 100,
        sealed_last: now - TimeDelta::days(100),
    });
    let calendar = Calendar::new(&policy, Holidays::korea().unwrap());
    let mut clearance = Clearance::default();
    buckets.iter().for_each(|bucket| clearance.note(bucket, 0));
    let searched = (&Holds::default(), &clearance);
    Order::issue("order".into(), &"member".into(), (&policy, &calendar), searched, facts.collect(), now).unwrap()
}

fn policy() -> Policy {
    let date = |text: &str| text.parse::<NaiveDate>().unwrap();
    Policy {
        title: "policy".into(),
        version: "1".into(),
        announced: date("2021-05-20"),
        effective: date("2021-05-27"),
        timezone: chrono_tz::Asia::Seoul,
        counting: Counting::KrCivil,
        destroy_within: Period { count: 5, unit: Unit::Days },
        cooling_off: TimeSpan(TimeDelta::hours(24)),
        statutes: None,
        holidays: Vec::new(),
        officer: Officer { title: "officer".into(), contact: "privacy@example.com".into(), four_eyes: false },
        rules: vec![Rule {
            id: "member".into(),
            name: Name { ko: "회원 정보".into(), en: "Member account".into() },
            event: "withdrawal".into(),
            keep: Period { count: 5, unit: Unit::Days },
            separate_on: vec!["withdrawal".into()],
            basis: Basis::Internal,
            reason: Some("reason".into()),
            clause: None,
            approval: Approval::None,
        }],
    }
}
