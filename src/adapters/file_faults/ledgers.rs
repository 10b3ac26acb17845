//! The ledger on a disk that fails.

use std::path::Path;

use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;

use super::{FAULTS, Image, Loss, Made, folder, image::LOSSES, with};
use crate::{
    adapters::ledger::{Context, FileLedger, verify},
    domain::{id::Digest, ledger::event::Event},
    ports::{Clock, Ledger, LedgerError},
};

pub(super) const ORIGIN: &str = "example.org/shop";
/// Entries of one append.
const APPENDED: u64 = 2;

/// What a second loss of power takes.
const AGAIN: [Loss; 2] = [Loss::HalfOfContents, Loss::Everything];

struct Midnight;

impl Clock for Midnight {
    fn read(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

pub(super) fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

pub(super) fn context() -> Context {
    Context { run: "r".into(), policy: Digest::of(b"p"), actor: "root".into(), host: "h".into() }
}

pub(super) fn entries(count: u64) -> Vec<Event> {
    let entry =
        |value: u64| Event::Refused { what: "clock".into(), rule: None, limit: "1".into(), value: value.to_string() };
    (0..count).map(entry).collect()
}

fn create(dir: &Path, size: u64) {
    let opened = Event::LedgerOpened { origin: ORIGIN.into(), simulation: true, version: "0".into() };
    let mut ledger = FileLedger::create(dir, ORIGIN, key(), context(), Midnight, vec![opened]).unwrap();
    ledger.append(entries(size - 1)).unwrap();
}

fn open(dir: &Path) -> Result<FileLedger<Midnight>, LedgerError> {
    FileLedger::open(dir, ORIGIN, key(), context(), Midnight)
}

fn calls_of_append(dir: &Path, before: &Image) -> Vec<Made> {
    before.write(Loss::Nothing);
    let mut ledger = open(dir).unwrap();
    let (result, calls) = with(None, || ledger.append(entries(APPENDED)));
    result.unwrap();
    calls
}

/// The ledger is the old or the new one, verifies, and takes more entries.
fn recover(dir: &Path, size: u64, done: bool, situation: &str) {
    let mut ledger = open(dir).unwrap_or_else(|error| panic!("{situation}: {error}"));
    let found = ledger.head().size;
    assert!(found == size + APPENDED || (found == size && !done), "{situation}: {found} entries");
    ledger.append(entries(1)).unwrap_or_else(|error| panic!("{situation}, again: {error}"));
    let problems = verify(dir, &[], None, None).unwrap().problems;
    assert_eq!(problems, Vec::<String>::new(), "{situation}");
}

/// Sizes at which an append changes one tile, fills one, and begins the next.
const SIZES: [u64; 3] = [4, 254, 255];

#[test]
fn no_loss_of_power_at_any_call_of_an_append_or_of_its_recovery_breaks_the_ledger() {
    let mut cases = 0;
    for size in SIZES {
        let scratch = folder();
        let dir = scratch.path().join("ledger");
        with(None, || create(&dir, size));
        let before = Image::of(&dir);
        let calls = calls_of_append(&dir, &before);
        assert!(calls.len() > 8, "{calls:?}");
        for made in 0..=calls.len() {
            for loss in LOSSES {
                let situation = format!("size {size}, power lost after {made} of {} calls, {loss:?}", calls.len());
                let done = made == calls.len();
                before.clone().after(&calls[..made]).write(loss);
                let left = Image::of(&dir);
                with(None, || recover(&dir, size, done, &situation));
                left.write(Loss::Nothing);
                let (_, recovery) = with(None, || open(&dir).map(drop));
                for (second, other) in (0..recovery.len()).flat_map(|second| AGAIN.map(|loss| (second, loss))) {
                    let situation = format!("{situation}; in recovery after {second}, {other:?}");
                    left.clone().after(&recovery[..second]).write(other);
                    with(None, || recover(&dir, size, done, &situation));
                    cases += 1;
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 300, "{cases}");
}

#[test]
fn a_call_that_fails_is_reported_and_nothing_is_appended_before_a_start_has_read_everything() {
    for size in SIZES {
        let scratch = folder();
        let dir = scratch.path().join("ledger");
        with(None, || create(&dir, size));
        let before = Image::of(&dir);
        for call in 0..calls_of_append(&dir, &before).len() {
            for fault in FAULTS {
                let situation = format!("size {size}, {fault:?} at call {call}");
                before.write(Loss::Nothing);
                let mut ledger = open(&dir).unwrap();
                let (result, _) = with(Some((call, fault)), || ledger.append(entries(APPENDED)));
                match result {
                    Err(LedgerError::Write { reason }) => assert!(reason.contains("os error"), "{reason}"),
                    other => panic!("{situation}: {other:?}"),
                }
                let again = with(None, || ledger.append(entries(1))).0;
                assert!(matches!(again, Err(LedgerError::StateUnknown { .. })), "{situation}: {again:?}");
                with(None, || recover(&dir, size, false, &situation));
            }
        }
    }
}
