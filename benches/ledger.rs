//! How fast a ledger is verified: entries a second on one core, where one
//! checkpoint covers many entries and where every few entries have their own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops where it cannot go on")]

use std::{collections::BTreeMap, path::Path, time::Instant};

use chrono::{DateTime, NaiveDate};
use ed25519_dalek::SigningKey;
use retentiond::{
    adapters::{
        clock::FixedClock,
        ledger::{Context, FileLedger, verify},
    },
    domain::{
        id::{Digest, OperationId},
        ledger::event::{DestroyIntent, DestroyOutcome, DestroyResult, Event},
        verdict::Finding,
    },
    ports::Ledger as _,
};

const ORIGIN: &str = "bench.example/ledger";

/// What one destruction writes.
fn destruction(number: usize) -> Vec<Event> {
    let operation = OperationId(format!("019aa000-0000-7000-8000-{number:012}.1"));
    let date = NaiveDate::from_ymd_opt(2026, 11, 15).unwrap();
    let children = BTreeMap::from([("addresses".to_owned(), 3)]);
    let finding = Finding::unknown("the root lay on flash, and flash may keep old copies of a block");
    let columns = ["email", "id", "name", "phone", "withdrawn_at"].map(str::to_owned).to_vec();
    vec![
        Event::DestroyIntent(DestroyIntent {
            operation: operation.clone(),
            rule: "member".into(),
            hold: None,
            dates: vec![date],
            segments: 1,
            records: 7,
            children: children.clone(),
            epoch: number as u64,
            fields: BTreeMap::from([("shop.members".to_owned(), columns)]),
            holidays: None,
        }),
        Event::KeyDestroyed {
            operation: operation.clone(),
            epoch: number as u64,
            keys: 1,
            method: "key epoch replaced; root overwritten, read back and unlinked".to_owned(),
            finding: finding.clone(),
        },
        Event::CiphertextDeleted { operation: operation.clone(), segments: 1, bytes: 941 },
        Event::DestroyOutcome(DestroyOutcome {
            operation,
            rule: "member".into(),
            result: DestroyResult::Destroyed,
            buckets: 1,
            records: 7,
            children,
            first: date,
            last: date,
            due: Some(DateTime::UNIX_EPOCH),
            latest: Some(DateTime::UNIX_EPOCH),
            late_seconds: 0,
            finding,
        }),
    ]
}

fn make(dir: &Path, destructions: usize, at_once: usize) {
    let context = Context { run: "r".into(), policy: Digest::of(b"p"), actor: "root".into(), host: "h".into() };
    let clock = FixedClock(DateTime::UNIX_EPOCH);
    let opened = Event::LedgerOpened { origin: ORIGIN.into(), simulation: true, version: "0".into() };
    let key = SigningKey::from_bytes(&[5; 32]);
    let mut ledger = FileLedger::create(dir, ORIGIN, key, context, clock, vec![opened]).unwrap();
    let numbers: Vec<usize> = (0..destructions).collect();
    for some in numbers.chunks(at_once) {
        ledger.append(some.iter().flat_map(|number| destruction(*number)).collect()).unwrap();
    }
}

fn main() {
    let parent = tempfile::tempdir_in("/dev/shm").unwrap();
    for (name, destructions, at_once) in
        [("400 entries a checkpoint", 50_000, 100), ("4 entries a checkpoint", 10_000, 1)]
    {
        let dir = parent.path().join(name);
        make(&dir, destructions, at_once);
        let begun = Instant::now();
        let found = verify(&dir, &[], None, None).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        let rate = found.entries as f64 / seconds;
        println!("{name:<26} {:>8} entries in {seconds:.3} s: {rate:>9.0} entries/s", found.entries);
    }
}
