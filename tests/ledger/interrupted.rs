//! A prune that a crash, or something in its way, has cut short.

use std::{fs, path::Path};

use retentiond::{
    adapters::ledger::{Context, FileLedger, open_read_only},
    domain::id::Digest,
    ports::{Ledger, LedgerError},
};

use crate::{
    fixture::*,
    pruning::{Daily, lines, months, opened, prune},
};

/// Takes back that dropped lines are gone, as if a crash had come before that entry.
fn unsay(dir: &Path) {
    let (path, checkpoint) = (dir.join("ledger.jsonl"), dir.join("checkpoint"));
    let said = lines(&path);
    put(&path, (said[..said.len() - 1].join("\n") + "\n").as_bytes());
    let kept = |size: u64| dir.join(format!("checkpoints/{size}"));
    let size = open_size(&checkpoint);
    put(&checkpoint, &fs::read(kept(size - 1)).unwrap());
    fs::remove_file(kept(size)).unwrap();
    // The tiles of its size come back.
    opened(dir, 99).unwrap();
}

fn open_size(checkpoint: &Path) -> u64 {
    lines(checkpoint)[1].parse().unwrap()
}

fn said_to_be_gone(dir: &Path) -> usize {
    fs::read_to_string(dir.join("ledger.jsonl")).unwrap().matches("\"ledger.dropped\"").count()
}

/// Each state that a crash may leave, up to names that a loss of power took back.
#[test]
fn a_crash_after_any_step_leaves_the_long_or_the_short_ledger() {
    let (_parent, dir) = months();
    let before = files(&dir);
    prune(&dir, 20);
    unsay(&dir);
    let after = files(&dir);
    let (lines, kept) = (dir.join("ledger.jsonl"), dir.join("before/512"));
    let long = [before[&lines].clone(), {
        let text = String::from_utf8(after[&lines].clone()).unwrap();
        (text.lines().last().unwrap().to_owned() + "\n").into_bytes()
    }]
    .concat();
    let state = |on_record: bool, short: bool, bundles: bool| {
        let mut state = if on_record { after.clone() } else { before.clone() };
        state.insert(kept.clone(), after[&kept].clone());
        if on_record && !short {
            state.insert(lines.clone(), long.clone());
        }
        if bundles {
            let bundles = before.iter().filter(|(path, _)| path.starts_with(dir.join("tile/entries")));
            let old = bundles.filter(|(path, _)| !path.display().to_string().contains(".p/"));
            state.extend(old.map(|(path, bytes)| (path.clone(), bytes.clone())));
        }
        state
    };
    for (on_record, short, bundles) in
        [(false, false, true), (true, false, true), (true, true, true), (true, true, false)]
    {
        let situation = format!("on record {on_record}, short {short}, bundles {bundles}");
        restore(&dir, &state(on_record, short, bundles));
        put(&dir.join(".ledger.jsonl.tmp"), b"half");
        let problems_left = problems(&dir);
        assert!(problems_left.iter().all(|text| text.contains("after a crash")), "{situation}: {problems_left:?}");
        let untold = problems_left.iter().any(|text| text.contains("no entry ledger.dropped says so yet"));
        assert_eq!((untold, problems_left.is_empty()), (short, false), "{situation}: {problems_left:?}");
        // Who only reads is not kept out, and changes nothing.
        let size = open_read_only(&dir, |_| {}).unwrap().head.size;
        let mut ledger = opened(&dir, 99).unwrap();
        assert_eq!(ledger.head().size, size, "{situation}");
        assert_eq!(files(&dir), if on_record { after.clone() } else { before.clone() }, "{situation}");
        assert_eq!(problems(&dir).len(), usize::from(on_record), "{situation}: {:?}", problems(&dir));
        // The next entry is the one that was still to come, once.
        ledger.append(notes(1)).unwrap();
        ledger.append(notes(1)).unwrap();
        assert_eq!(ledger.head().size, size + 2 + u64::from(on_record), "{situation}");
        assert_eq!(said_to_be_gone(&dir), usize::from(on_record), "{situation}");
        let mut ledger = opened(&dir, 99).unwrap();
        ledger.finish_prune().unwrap();
        assert_eq!(said_to_be_gone(&dir), usize::from(on_record), "{situation}");
        assert_eq!(problems(&dir), Vec::<String>::new(), "{situation}");
    }
}

#[test]
fn what_is_not_gone_is_not_said_to_be() {
    let (_parent, dir) = months();
    let bundle = dir.join("tile/entries/001");
    let old = fs::read(&bundle).unwrap();
    prune(&dir, 20);
    unsay(&dir);
    let mut ledger = opened(&dir, 99).unwrap();
    let before = files(&dir);
    put(&bundle, &old);
    let refused = ledger.append(notes(1)).unwrap_err();
    assert!(matches!(&refused, LedgerError::StateUnknown { reason } if reason.contains("still there")), "{refused}");
    fs::remove_file(&bundle).unwrap();
    // Nor is what cannot be looked at.
    let (bundles, away) = (dir.join("tile/entries"), dir.join("tile/away"));
    fs::rename(&bundles, &away).unwrap();
    put(&bundles, b"no folder");
    let refused = ledger.append(notes(1)).unwrap_err();
    assert!(matches!(&refused, LedgerError::StateUnknown { .. }), "{refused}");
    fs::remove_file(&bundles).unwrap();
    fs::rename(&away, &bundles).unwrap();
    assert_eq!(files(&dir), before);
    // In another command it is tried anew, and said before anything else, under the
    // policy in force: this one is about to adopt another.
    let adopting = Context { policy: Digest::of(b"next"), ..context() };
    let mut ledger = FileLedger::open(&dir, ORIGIN, key(), adopting, Daily(99)).unwrap();
    ledger.append_in_doubt(notes(1)).unwrap();
    let said = lines(&dir.join("ledger.jsonl"));
    let [gone, next] = &said[said.len() - 2..] else { panic!("{said:?}") };
    assert!(gone.contains("ledger.dropped") && gone.contains(&context().policy.to_string()), "{gone}");
    assert!(next.contains(&Digest::of(b"next").to_string()), "{next}");
    assert_eq!(problems(&dir), Vec::<String>::new());
}

#[test]
fn lines_that_came_back_after_they_were_said_to_be_gone_are_a_problem_and_are_dropped_again() {
    let (_parent, dir) = months();
    let path = dir.join("ledger.jsonl");
    let old = lines(&path);
    prune(&dir, 20);
    let after = files(&dir);
    put(&path, ([&old[..512], &lines(&path)[..]].concat().join("\n") + "\n").as_bytes());
    let found = problems(&dir);
    assert!(found.iter().any(|text| text.contains("says that they are gone")), "{found:?}");
    opened(&dir, 99).unwrap();
    assert_eq!(files(&dir), after);
    assert_eq!(problems(&dir), Vec::<String>::new());
}
