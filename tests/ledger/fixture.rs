//! Small ledgers, clocks, and ways to put files into any state.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use chrono::{DateTime, NaiveDate, Utc};
use ed25519_dalek::SigningKey;
use retentiond::{
    adapters::ledger::{Context, FileLedger, verify},
    domain::{
        id::Digest,
        ledger::{event::Event, note::VerifierKey, verify::Verdict},
    },
    ports::{Clock, Ledger, LedgerError},
};

pub const ORIGIN: &str = "example.org/shop";

/// A clock that a test sets.
#[derive(Debug, Default)]
pub struct Hand(pub Cell<DateTime<Utc>>);

impl Clock for &Hand {
    fn read(&self) -> DateTime<Utc> {
        self.0.get()
    }
}

/// A clock that goes on by an odd number of nanoseconds.
#[derive(Debug, Default)]
pub struct Ticking(Cell<i64>);

impl Clock for Ticking {
    fn read(&self) -> DateTime<Utc> {
        self.0.set(self.0.get() + 1_234_567_891);
        DateTime::from_timestamp_nanos(self.0.get())
    }
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

pub fn verifier() -> VerifierKey {
    VerifierKey::new(ORIGIN, key().verifying_key()).unwrap()
}

pub fn context() -> Context {
    Context { run: "r".into(), policy: Digest::of(b"p"), actor: "root".into(), host: "h".into() }
}

pub fn first() -> Vec<Event> {
    vec![
        Event::LedgerOpened { origin: ORIGIN.into(), simulation: true, version: "0".into() },
        Event::PolicyAdopted {
            title: "t".into(),
            version: "1".into(),
            effective: NaiveDate::default(),
            by: None,
            document: None,
        },
    ]
}

pub fn note(text: &str) -> Event {
    Event::Refused { what: "clock".into(), rule: None, limit: "1".into(), value: text.into() }
}

pub fn notes(count: usize) -> Vec<Event> {
    (0..count).map(|number| note(&number.to_string())).collect()
}

pub fn create(dir: &Path) -> FileLedger<Ticking> {
    FileLedger::create(dir, ORIGIN, key(), context(), Ticking::default(), first()).unwrap()
}

pub fn open(dir: &Path) -> Result<FileLedger<Ticking>, LedgerError> {
    FileLedger::open(dir, ORIGIN, key(), context(), Ticking::default())
}

/// A folder with a ledger of four entries and three checkpoints.
pub fn small() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let mut ledger = create(&dir);
    ledger.append(notes(1)).unwrap();
    ledger.append(notes(1)).unwrap();
    (parent, dir)
}

/// A copy of one ledger of 520 entries, with full and unfinished tiles.
pub fn long() -> (tempfile::TempDir, PathBuf) {
    static FILES: OnceLock<BTreeMap<PathBuf, Vec<u8>>> = OnceLock::new();
    let made = FILES.get_or_init(|| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ledger");
        let mut ledger = create(&dir);
        for _ in 0..7 {
            ledger.append(notes(74)).unwrap();
        }
        let name = |path: PathBuf| path.strip_prefix(parent.path()).unwrap().to_owned();
        files(&dir).into_iter().map(|(path, bytes)| (name(path), bytes)).collect()
    });
    let parent = tempfile::tempdir().unwrap();
    made.iter().for_each(|(name, bytes)| put(&parent.path().join(name), bytes));
    let dir = parent.path().join("ledger");
    (parent, dir)
}

/// All files under a folder with their contents.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Replaces contents whatever the mode says.
pub fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if path.exists() {
        fs::remove_file(path).unwrap();
    }
    fs::write(path, bytes).unwrap();
}

/// Makes a folder hold exactly these files.
pub fn restore(dir: &Path, wanted: &BTreeMap<PathBuf, Vec<u8>>) {
    fs::remove_dir_all(dir).unwrap();
    wanted.iter().for_each(|(path, bytes)| put(path, bytes));
}

pub fn verdict(dir: &Path) -> Verdict {
    verify(dir, &[], None, None).unwrap().verdict
}

pub fn problems(dir: &Path) -> Vec<String> {
    verify(dir, &[], None, None).unwrap().problems
}

pub fn known(dir: &Path, kept: &Path) -> (Verdict, Vec<String>) {
    let found = verify(dir, &[kept.to_owned()], None, None).unwrap();
    (found.verdict, found.problems)
}

pub fn is_unknown<T>(result: &Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::StateUnknown { .. }))
}
