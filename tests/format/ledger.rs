//! The ledger of the worked example: its lines, its tree, its checkpoints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::SigningKey;
use retentiond::{
    adapters::{
        clock::FixedClock,
        ledger::{Context, FileLedger, verify},
    },
    domain::{
        calendar::Calendar,
        holiday::Holidays,
        ledger::{
            checkpoint::Checkpoint,
            event::{Entry, Event},
            history::History,
            line,
            merkle::{Tree, leaf_hash, node_hash},
            note::VerifierKey,
            tile::TiledTree,
            verify::Verdict,
        },
    },
    ports::Ledger as _,
};

use crate::{
    document::{self, case, case_text, document, root, row},
    example::{self, ORIGIN, SIGNING_SEED, policy},
    persons, plan, policy_digest, story,
};

const TYPES: usize = 32;

/// Set by whoever changes the format, to have the files of the example and the
/// blocks of the document made anew (`cargo test --test format`).
const WRITE_ANEW: &str = "RETENTIOND_WRITE_EXAMPLE_ANEW";

/// Every type of entry. One that is added has to be added here, to the story or
/// to `persons`, and to the document.
const fn kind(event: &Event) -> &'static str {
    match event {
        Event::LedgerOpened { .. } => "ledger.opened",
        Event::PolicyAdopted { .. } => "policy.adopted",
        Event::RunStarted { .. } => "run.started",
        Event::RunFinished { .. } => "run.finished",
        Event::SeparateIntent(_) => "separate.intent",
        Event::SeparateOutcome { .. } => "separate.outcome",
        Event::RestoreIntent(_) => "restore.intent",
        Event::RestoreOutcome { .. } => "restore.outcome",
        Event::DestroyIntent(_) => "destroy.intent",
        Event::KeyDestroyed { .. } => "key.destroyed",
        Event::CiphertextDeleted { .. } => "ciphertext.deleted",
        Event::DestroyOutcome(_) => "destroy.outcome",
        Event::WipeStarted { .. } => "wipe.started",
        Event::WipeFinished { .. } => "wipe.finished",
        Event::ResidueScanned(_) => "residue.scanned",
        Event::ResidueClosed { .. } => "residue.closed",
        Event::Refused { .. } => "refused",
        Event::ManualRecorded(_) => "manual.recorded",
        Event::LedgerRekeyed { .. } => "ledger.rekeyed",
        Event::LedgerPruned(_) => "ledger.pruned",
        Event::LedgerDropped(_) => "ledger.dropped",
        Event::Heartbeat {} => "heartbeat",
        Event::HoldPlaced(_) => "hold.placed",
        Event::HoldLifted { .. } => "hold.lifted",
        Event::HoldSealing { .. } => "hold.sealing",
        Event::HoldSealed { .. } => "hold.sealed",
        Event::PlanApproved { .. } => "plan.approved",
        Event::RunConfirmed { .. } => "run.confirmed",
        Event::ReadIntent(_) => "read.intent",
        Event::ReadOutcome { .. } => "read.outcome",
        Event::VaultAcknowledged(_) => "vault.acknowledged",
        Event::VaultCleared { .. } => "vault.cleared",
    }
}

fn lines() -> Vec<Vec<u8>> {
    let file = case("ledger/ledger.jsonl");
    let lines = file.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

fn entries() -> Vec<Entry> {
    lines().iter().map(|bytes| line::read(bytes).unwrap()).collect()
}

#[test]
fn every_line_is_what_the_library_writes_and_their_order_is_a_possible_one() {
    let mut expected = Vec::new();
    let mut history = History::default();
    let (policy, plan) = (policy_digest(), plan::plan(policy_digest()).digest);
    for command in story::commands(plan) {
        for event in command.appends.into_iter().flatten() {
            let (time, run) = (command.time, command.run.clone());
            let seq = history.entries;
            let (actor, host) = ("retentiond".to_owned(), "db1".to_owned());
            let entry = Entry { v: 1, seq, time, event, run, policy, actor, host };
            history.record(&entry).unwrap();
            expected.push(String::from_utf8(line::write(&entry).unwrap()).unwrap());
        }
    }
    let found: Vec<String> = lines().into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    assert_eq!(found, expected);
    assert!(!history.has_open_intents());
}

#[test]
fn the_document_explains_every_type_and_every_field() {
    const OF_EVERY_ENTRY: [&str; 8] = ["actor", "host", "policy", "run", "seq", "time", "type", "v"];
    let document = document();
    for name in OF_EVERY_ENTRY {
        row(&document, name);
    }
    let mut kinds = BTreeSet::new();
    let beside = persons::entries();
    let written = beside.iter().map(|entry| line::write(entry).unwrap());
    let written: Vec<_> = lines().into_iter().chain(written).collect();
    for (entry, line) in entries().iter().chain(&beside).zip(written) {
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&line).unwrap();
        let explained = row(&document, kind(&entry.event));
        assert_eq!(fields["type"], kind(&entry.event));
        for field in fields.keys().filter(|field| !OF_EVERY_ENTRY.contains(&field.as_str())) {
            assert!(explained.contains(&format!("`{field}`")), "{field} of {} is not explained", kind(&entry.event));
        }
        kinds.insert(kind(&entry.event));
    }
    assert_eq!(kinds.len(), TYPES, "{kinds:?}");
}

#[test]
fn the_document_computes_the_root_of_three_lines() {
    let document = document();
    let leaves: Vec<_> = lines().iter().take(3).map(|line| leaf_hash(line)).collect();
    let pair = node_hash(&leaves[0], &leaves[1]);
    let root = node_hash(&pair, &leaves[2]);
    for hash in leaves.iter().chain([&pair, &root]) {
        assert!(document.contains(&hex::encode(hash)), "{} is not in docs/FORMAT.md", hex::encode(hash));
    }
    let mut tree = Tree::default();
    lines().iter().take(3).for_each(|line| tree.append(line));
    assert_eq!(tree.root().0, root);
    assert!(case_text("ledger/checkpoints/3").contains(&BASE64.encode(root)));
    assert!(case(&format!("ledger/tile/0/000.p/{}", lines().len())).starts_with(&leaves.concat()));
}

#[test]
fn every_checkpoint_is_signed_and_has_the_root_of_its_size() {
    let key = SigningKey::from_bytes(&SIGNING_SEED);
    let verifier = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    assert_eq!(case_text("ledger/ledger.vkey"), format!("{verifier}\n"));
    let mut tree = TiledTree::default();
    for (number, line) in (1_u64..).zip(lines()) {
        tree.append(&line, |tile| panic!("so few lines fill no tile: {}", tile.id));
        if number == 1 {
            continue;
        }
        let signed = case(&format!("ledger/checkpoints/{number}"));
        let checkpoint = Checkpoint::open(&signed, &verifier).unwrap();
        assert_eq!((checkpoint.head.size, checkpoint.head.root), (number, tree.tree().root()));
        assert_eq!(checkpoint.sign(&key).unwrap().into_bytes(), signed);
    }
    assert_eq!(case("ledger/checkpoint"), case(&format!("ledger/checkpoints/{}", lines().len())));
    for tile in tree.partial() {
        assert_eq!(case(&format!("ledger/{}", tile.id)), tile.bytes, "{}", tile.id);
    }
}

#[test]
fn the_destruction_happens_when_the_calendar_says_so() {
    let (policy, _) = policy(&case_text("rules.toml"));
    let term = Calendar::new(&policy, Holidays::korea().unwrap()).term(&policy.rules[0], example::withdrawn());
    for entry in entries() {
        if let Event::DestroyOutcome(outcome) = entry.event {
            assert_eq!((outcome.due, outcome.latest), (Some(term.due), Some(term.latest)));
            assert!(term.due <= entry.time && entry.time <= term.latest);
            return;
        }
    }
    panic!("no destruction in the example");
}

/// All files below a folder, by their paths in it.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_program_writes_the_ledger_of_the_example_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("ledger");
    let policy = policy_digest();
    for command in story::commands(plan::plan(policy).digest) {
        let key = SigningKey::from_bytes(&SIGNING_SEED);
        let (actor, host) = ("retentiond".to_owned(), "db1".to_owned());
        let context = Context { run: command.run, policy, actor, host };
        let clock = FixedClock(command.time);
        let mut appends = command.appends.into_iter();
        let mut ledger = if folder.exists() {
            FileLedger::open(&folder, ORIGIN, key, context, clock).unwrap()
        } else {
            FileLedger::create(&folder, ORIGIN, key, context, clock, appends.next().unwrap()).unwrap()
        };
        for events in appends {
            ledger.append(events).unwrap();
        }
    }
    let place = root().join("tests/cases/format/ledger");
    if std::env::var_os(WRITE_ANEW).is_some() {
        fs::remove_dir_all(&place).unwrap();
        for (name, bytes) in files(&folder) {
            fs::create_dir_all(place.join(&name).parent().unwrap()).unwrap();
            fs::write(place.join(name), bytes).unwrap();
        }
        let leaves: Vec<_> = lines().iter().take(3).map(|line| leaf_hash(line)).collect();
        document::write_anew(&leaves);
        panic!("example and document were written anew; look at what changed, and run again without {WRITE_ANEW}");
    }
    let (written, example) = (files(&folder), files(&place));
    assert_eq!(written.keys().collect::<Vec<_>>(), example.keys().collect::<Vec<_>>());
    for (name, bytes) in &written {
        assert_eq!(bytes, &example[name], "{name}");
    }
}

#[test]
fn the_example_verifies_against_a_checkpoint_that_was_kept_elsewhere() {
    let folder = root().join("tests/cases/format/ledger");
    let known = [folder.join("checkpoints/3")];
    let verification = verify(&folder, &known, None, None).unwrap();
    assert_eq!(
        (verification.entries, verification.verdict),
        (lines().len() as u64, Verdict::Intact),
        "{:?}",
        verification.problems
    );
    assert_eq!(verify(&folder, &[], None, None).unwrap().verdict, Verdict::Undecided);
}
