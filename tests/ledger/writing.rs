//! What a ledger that nobody touched says, and what it refuses to write.

use std::{fs, path::Path};

use chrono::{DateTime, TimeDelta};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use retentiond::{
    adapters::ledger::{FileLedger, open_read_only, verify},
    domain::{
        deployment::WipeLevel,
        id::Digest,
        ledger::{Head, checkpoint::Checkpoint, event::Event, verify::Verdict},
    },
    ports::{Ledger, LedgerError},
};
use sha2::Sha256;

use crate::fixture::*;

#[test]
fn a_ledger_that_nobody_touched_has_no_problems() {
    let (_parent, dir) = small();
    let found = verify(&dir, &[], None, None).unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!((found.entries, found.verdict), (4, Verdict::Undecided));
    let view = open_read_only(&dir, |_| {}).unwrap();
    assert_eq!(view.head.size, 4);
    assert!(view.history.opened.unwrap().simulation);
    assert_eq!(known(&dir, &dir.join("checkpoints/3")), (Verdict::Intact, vec![]));
}

#[test]
fn appending_continues_over_starts_and_over_the_edges_of_tiles() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let mut sizes = vec![create(&dir).head().size];
    for count in [1, 252, 1, 1, 255, 1, 300, 7] {
        let mut ledger = open(&dir).unwrap();
        assert_eq!(Some(&ledger.head().size), sizes.last());
        sizes.push(ledger.append(notes(count)).unwrap().size);
        assert_eq!(problems(&dir), Vec::<String>::new());
    }
    assert_eq!(sizes.last(), Some(&820));
    let tiles: Vec<_> = files(&dir.join("tile")).into_keys().collect();
    let names: Vec<_> = tiles.iter().map(|path| path.strip_prefix(&dir).unwrap().to_str().unwrap()).collect();
    let expected = [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002",
        "tile/0/003.p/52",
        "tile/1/000.p/3",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002",
        "tile/entries/003.p/52",
    ];
    assert_eq!(names, expected);
    assert!(!dir.join("tile/0/000.p").exists());
    for size in sizes {
        assert_eq!(known(&dir, &dir.join(format!("checkpoints/{size}"))), (Verdict::Intact, vec![]));
    }
}

#[test]
fn every_two_checkpoints_have_a_consistency_proof_between_them() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let mut ledger = create(&dir);
    let mut heads = vec![ledger.head()];
    for count in [1, 2, 3, 5] {
        heads.push(ledger.append(notes(count)).unwrap());
    }
    let text = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    let mut trees: Vec<MemoryBackedTree<Sha256, Vec<u8>>> = Vec::new();
    for head in &heads {
        let mut tree = MemoryBackedTree::new();
        text.lines().take(usize::try_from(head.size).unwrap()).for_each(|line| tree.push(line.as_bytes().to_vec()));
        assert_eq!(tree.root().as_bytes()[..], head.root.0);
        let signed = fs::read(dir.join(format!("checkpoints/{}", head.size))).unwrap();
        assert_eq!(Checkpoint::open(&signed, &verifier()).unwrap().head, *head);
        trees.push(tree);
    }
    for pair in trees.windows(2) {
        let added = usize::try_from(pair[1].len() - pair[0].len()).unwrap();
        let proof = pair[1].prove_consistency(added);
        pair[1].root().verify_consistency(&pair[0].root(), &proof).unwrap();
    }
}

#[test]
fn events_that_cannot_be_written_change_nothing() {
    let (_parent, dir) = small();
    let mut ledger = open(&dir).unwrap();
    let before = files(&dir);
    let head = ledger.head();
    let long = note(&"x".repeat(65_535));
    let outcome = Event::CiphertextDeleted { operation: "none".into(), segments: 1, bytes: 1 };
    let large = Event::WipeStarted { source: "s".into(), tables: vec![], level: WipeLevel::None };
    let large = [
        large,
        Event::WipeFinished {
            source: "s".into(),
            tables: vec![],
            method: "m".into(),
            tool: "t".into(),
            rewritten: 0,
            elapsed_ms: 1 << 53,
            owed: false,
            finding: retentiond::domain::verdict::Finding::pass(),
        },
    ];
    for refused in [vec![note("fine"), long], vec![note("fine"), outcome], large.to_vec()] {
        assert!(matches!(ledger.append(refused), Err(LedgerError::Write { .. })));
        assert_eq!(files(&dir), before);
        assert_eq!(ledger.head(), head);
    }
    assert_eq!(ledger.append(vec![]).unwrap(), head);
    assert_eq!(files(&dir), before);
    ledger.append(notes(1)).unwrap();
    assert_eq!(problems(&dir), Vec::<String>::new());
}

#[test]
fn a_ledger_is_made_only_where_there_is_nothing() {
    let (parent, dir) = small();
    let make = |dir: &Path, first| FileLedger::create(dir, ORIGIN, key(), context(), Ticking::default(), first);
    let before = files(parent.path());
    assert!(matches!(make(&dir, first()), Err(LedgerError::Write { .. })));
    for bad in [vec![], notes(1), first().split_off(1)] {
        assert!(make(&parent.path().join("other"), bad).is_err());
    }
    let twice = [first(), first()].concat();
    assert!(make(&parent.path().join("other"), twice).is_err());
    assert_eq!(files(parent.path()), before);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    assert!(is_unknown(&open(&parent.path().join("missing"))));
}

#[test]
fn times_are_whole_milliseconds_and_never_go_back() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ledger");
    let clock = Hand::default();
    let noon = DateTime::parse_from_rfc3339("2026-11-22T12:00:00.123999Z").unwrap().to_utc();
    clock.0.set(noon);
    let mut ledger = FileLedger::create(&dir, ORIGIN, key(), context(), &clock, first()).unwrap();
    clock.0.set(noon - TimeDelta::hours(3));
    ledger.append(notes(1)).unwrap();
    clock.0.set(noon + TimeDelta::seconds(1));
    ledger.set_run("next".into());
    ledger.set_policy(Digest::of(b"q"));
    ledger.append(notes(1)).unwrap();
    let mut seen = Vec::new();
    open_read_only(&dir, |entry| seen.push(entry.clone())).unwrap();
    let times: Vec<_> = seen.iter().map(|entry| entry.time.to_rfc3339()).collect();
    assert_eq!(times[0], "2026-11-22T12:00:00.123+00:00");
    assert!(times[..3].iter().all(|time| *time == times[0]));
    assert_eq!(times[3], "2026-11-22T12:00:01.123+00:00");
    assert_eq!((seen[3].run.as_str(), seen[3].policy), ("next", Digest::of(b"q")));
    let silence = verify(&dir, &[], Some(TimeDelta::milliseconds(999)), None).unwrap();
    assert_eq!(silence.problems.len(), 1);
    assert_eq!(verify(&dir, &[], Some(TimeDelta::seconds(1)), None).unwrap().problems.len(), 0);
}

#[test]
fn the_head_after_an_append_is_the_one_that_is_signed() {
    let (_parent, dir) = small();
    let head: Head = open(&dir).unwrap().append(notes(2)).unwrap();
    for name in ["checkpoint", "checkpoints/6"] {
        let signed = fs::read(dir.join(name)).unwrap();
        assert_eq!(Checkpoint::open(&signed, &verifier()).unwrap().head, head);
    }
    assert_eq!(open_read_only(&dir, |_| {}).unwrap().head, head);
}
