//! How fast a ledger is verified by the program: entries a second of processor time,
//! where one checkpoint covers many entries and where every few entries have their
//! own.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, NaiveDate};
use ed25519_dalek::SigningKey;
use retentiond::{
    adapters::{
        clock::FixedClock,
        ledger::{Context, FileLedger},
    },
    domain::{
        id::{Digest, OperationId},
        ledger::event::{DestroyIntent, DestroyOutcome, DestroyResult, Event},
        verdict::Finding,
    },
    ports::Ledger as _,
};
use serde_json::Value;

use super::{
    arguments::Size,
    measure::{Outcome, Run, expect, middle, program_output},
    ours::{Deployment, NOW, ORIGIN, Wishes},
    report::Work,
};

const ENTRIES_PER_SECOND_MIN: f64 = 500_000.0;
const ENTRIES_OF_A_DESTRUCTION: u64 = 4;
/// Destructions that are recorded together.
const MANY_AT_ONCE: usize = 1_000;
/// Each checkpoint is a file and takes a while to make: a part says as much.
const SEPARATELY_PART: u64 = 200;

pub fn verify(size: &Size) -> Outcome<Work> {
    let large = Made::new(size.entries, MANY_AT_ONCE)?;
    let separately = Made::new(size.entries.div_ceil(SEPARATELY_PART), 1)?;
    let (mut many, mut few) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        many.push(large.verify()?);
        few.push(separately.verify()?);
    }
    let (many, few) = (middle(many)?, middle(few)?);
    let runs = [("4,000 entries a checkpoint", many), ("4 entries a checkpoint", few)];
    let runs = runs.into_iter().map(|(name, run)| (name.to_owned(), run)).collect();
    let mut work = Work::alone(&format!("ledger verify, {} entries", many.rows), runs);
    let rate = entries_a_core(&many);
    work.figure("entries per second of processor time, 4,000 entries a checkpoint", rate, "/s");
    work.figure("entries per second of processor time, 4 entries a checkpoint", entries_a_core(&few), "/s");
    work.at_least("entries per second of a core", rate, ENTRIES_PER_SECOND_MIN);
    work.at_most_memory(&many);
    Ok(work)
}

/// The start of the program is in it.
fn entries_a_core(run: &Run) -> f64 {
    let seconds = run.own.map_or(0.0, |own| own.processor.as_secs_f64());
    run.rows as f64 / seconds.max(0.01)
}

/// A ledger where the program looks for it.
struct Made {
    folder: tempfile::TempDir,
    entries: u64,
}

impl Made {
    fn new(entries: u64, destructions_at_once: usize) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let destructions = entries.div_ceil(ENTRIES_OF_A_DESTRUCTION);
        make(&folder.path().join("state/ledger"), destructions, destructions_at_once)?;
        // The entry that opens it is one more.
        Ok(Self { folder, entries: destructions * ENTRIES_OF_A_DESTRUCTION + 1 })
    }

    fn verify(&self) -> Outcome<Run> {
        let wishes = Wishes::new("sqlite://shop.db", "sqlite://vault.db");
        let deployment = Deployment::configured(self.folder.path(), &wishes)?;
        let mut command = deployment.command(NOW, &["ledger", "verify", "--format", "json"]);
        let (run, said) = program_output(&mut command, self.entries)?;
        let found: Value = serde_json::from_str(&said)?;
        expect("verified", found["entries"].as_u64().unwrap_or_default(), self.entries)?;
        // Consistent in itself; nothing from elsewhere was there to compare it with.
        if found["verdict"] != "undecided" {
            return Err(format!("the ledger is {}: {}", found["verdict"], found["problems"]).into());
        }
        Ok(run)
    }
}

fn make(dir: &Path, destructions: u64, at_once: usize) -> Outcome<()> {
    if let Some(state) = dir.parent() {
        std::fs::create_dir_all(state)?;
    }
    let context = Context { run: "r".into(), policy: Digest::of(b"p"), actor: "root".into(), host: "h".into() };
    let clock = FixedClock(DateTime::UNIX_EPOCH);
    let opened = Event::LedgerOpened { origin: ORIGIN.into(), simulation: true, version: "0".into() };
    let key = SigningKey::from_bytes(&[5; 32]);
    let mut ledger = FileLedger::create(dir, ORIGIN, key, context, clock, vec![opened])?;
    let numbers: Vec<u64> = (0..destructions).collect();
    for some in numbers.chunks(at_once) {
        ledger.append(some.iter().flat_map(|number| destruction(*number)).collect())?;
    }
    Ok(())
}

/// What one destruction writes.
fn destruction(number: u64) -> Vec<Event> {
    let operation = OperationId(format!("019aa000-0000-7000-8000-{number:012}.1"));
    let date = NaiveDate::default();
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
            epoch: number,
            fields: BTreeMap::from([("shop.members".to_owned(), columns)]),
            holidays: None,
        }),
        Event::KeyDestroyed {
            operation: operation.clone(),
            epoch: number,
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
