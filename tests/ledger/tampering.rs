//! What an auditor and a start find when somebody changed the files.

use std::{fs, path::PathBuf};

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use retentiond::{
    adapters::ledger::{FileLedger, open_read_only, verify},
    domain::ledger::verify::Verdict,
    ports::Ledger,
};

use crate::fixture::*;

#[test]
fn flipping_any_byte_of_any_file_is_found() {
    let (_parent, dir) = small();
    let names: Vec<_> = files(&dir).keys().map(|path| path.strip_prefix(&dir).unwrap().to_owned()).collect();
    let expected = ["checkpoint", "checkpoints/2", "checkpoints/3", "checkpoints/4", "ledger.jsonl", "ledger.vkey"];
    assert_eq!(names[..6], expected.map(PathBuf::from));
    assert_eq!(names[6..], ["tile/0/000.p/4", "tile/entries/000.p/4"].map(PathBuf::from));
    for (path, bytes) in files(&dir) {
        for at in 0..bytes.len() {
            // The lowest bit, and the one that tells upper from lower case.
            for bit in [0x01, 0x20] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                put(&path, &changed);
                assert_eq!(verdict(&dir), Verdict::Tampered, "{} byte {at} bit {bit}", path.display());
            }
        }
        put(&path, &bytes);
    }
    assert_eq!(verdict(&dir), Verdict::Undecided);
}

#[test]
fn a_start_refuses_what_was_changed_and_changes_nothing_itself() {
    let (_parent, dir) = small();
    let before = files(&dir);
    for name in ["ledger.jsonl", "checkpoint", "ledger.vkey", "tile/0/000.p/4", "tile/entries/000.p/4"] {
        let path = dir.join(name);
        for at in (0..before[&path].len()).step_by(7) {
            let mut changed = before.clone();
            changed.get_mut(&path).unwrap()[at] ^= 1;
            put(&path, &changed[&path]);
            assert!(is_unknown(&open(&dir)), "{name} byte {at}");
            assert!(is_unknown(&open_read_only(&dir, |_| {})), "{name} byte {at}");
            assert_eq!(files(&dir), changed);
        }
        put(&path, &before[&path]);
    }
    for name in ["ledger.jsonl", "checkpoint", "ledger.vkey"] {
        fs::remove_file(dir.join(name)).unwrap();
        assert!(is_unknown(&open(&dir)), "without {name}");
        assert_eq!(verdict(&dir), Verdict::Tampered, "without {name}");
        put(&dir.join(name), &before[&dir.join(name)]);
    }
    open(&dir).unwrap();
}

#[test]
fn a_changed_line_is_refused_where_the_tiles_were_taken_away_too() {
    let (_parent, dir) = small();
    let path = dir.join("ledger.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    put(&path, text.replace("clock", "clack").as_bytes());
    fs::remove_dir_all(dir.join("tile")).unwrap();
    assert!(is_unknown(&open_read_only(&dir, |_| {})));
    assert!(is_unknown(&open(&dir)));
    assert!(problems(&dir).contains(&"checkpoint: the lines have another root at size 4".to_owned()));
}

#[test]
fn a_file_cut_at_any_length_is_found_and_refused() {
    let (_parent, dir) = small();
    let path = dir.join("ledger.jsonl");
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        put(&path, &bytes[..length]);
        assert_eq!(verdict(&dir), Verdict::Tampered, "{length}");
        assert!(is_unknown(&open(&dir)), "{length}");
        assert_eq!(fs::read(&path).unwrap().len(), length);
    }
}

#[test]
fn an_old_checkpoint_put_back_does_not_make_the_newer_lines_a_torn_append() {
    let (_parent, dir) = small();
    put(&dir.join("checkpoint"), &fs::read(dir.join("checkpoints/3")).unwrap());
    assert_eq!(verdict(&dir), Verdict::Tampered);
    let before = files(&dir);
    assert!(is_unknown(&open(&dir)));
    assert!(is_unknown(&open_read_only(&dir, |_| {})));
    assert_eq!(files(&dir), before);
}

#[test]
fn known_heads_show_truncation_and_forks() {
    let (parent, dir) = small();
    let four = files(&dir);
    let kept = parent.path().join("kept");
    open(&dir).unwrap().append(vec![note("truth")]).unwrap();
    fs::copy(dir.join("checkpoint"), &kept).unwrap();
    assert_eq!(known(&dir, &kept), (Verdict::Intact, vec![]));

    // The folder as it was before, with everything in it consistent.
    restore(&dir, &four);
    let (verdict, problems) = known(&dir, &kept);
    assert_eq!(verdict, Verdict::Tampered);
    assert!(problems[0].contains("truncated"), "{problems:?}");

    // Another entry in the place of the one that was known.
    open(&dir).unwrap().append(vec![note("story")]).unwrap();
    for more in 0..3 {
        let (verdict, problems) = known(&dir, &kept);
        assert_eq!(verdict, Verdict::Tampered);
        assert!(problems[0].contains("forked"), "after {more}: {problems:?}");
        open(&dir).unwrap().append(notes(1)).unwrap();
    }
    assert_eq!(self::verdict(&dir), Verdict::Undecided);
}

#[test]
fn a_ledger_written_anew_under_another_key_does_not_pass_for_the_one_that_was_known() {
    let (parent, dir) = small();
    let kept = parent.path().join("kept");
    fs::copy(dir.join("checkpoint"), &kept).unwrap();
    let forged = parent.path().join("forged");
    let other = SigningKey::from_bytes(&[6; 32]);
    let mut ledger =
        FileLedger::create(&forged, ORIGIN, other.clone(), context(), Ticking::default(), first()).unwrap();
    ledger.append(notes(5)).unwrap();
    assert_eq!(verdict(&forged), Verdict::Undecided);
    assert_eq!(known(&forged, &kept).0, Verdict::Tampered);
    let given = verifier().to_string();
    assert_eq!(verify(&forged, &[], None, Some(&given)).unwrap().verdict, Verdict::Tampered);
    assert_eq!(verify(&dir, &[], None, Some(&given)).unwrap().verdict, Verdict::Undecided);
    assert!(verify(&dir, &[], None, Some("nonsense")).is_err());
    assert!(verify(&dir, &[parent.path().join("absent")], None, None).is_err());
    assert!(is_unknown(&FileLedger::open(&dir, ORIGIN, other, context(), Ticking::default())));
    assert!(is_unknown(&FileLedger::open(&dir, "example.org/other", key(), context(), Ticking::default())));
}

/// What can be done to a list of lines.
#[derive(Debug, Clone, Copy)]
enum Change {
    Drop,
    Double,
    Swap,
    Insert,
    Truncate,
}

fn changed(lines: &[&str], change: Change, one: usize, other: usize) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let (one, other) = (one % lines.len(), other % lines.len());
    match change {
        Change::Drop => drop(lines.remove(one)),
        Change::Double => lines.insert(one, lines[one].clone()),
        Change::Swap => lines.swap(one, other),
        Change::Insert => lines.insert(one, lines[other].replace("\"value\":\"", "\"value\":\"1")),
        Change::Truncate => lines.truncate(one),
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// One bit anywhere: in a ledger that is long enough for full tiles.
    #[test]
    fn every_single_bit_that_is_flipped_anywhere_is_found(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (_parent, dir) = long();
        let all: Vec<_> = files(&dir).into_iter().collect();
        let (path, bytes) = file.get(&all);
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        put(path, &flipped);
        prop_assert_eq!(verdict(&dir), Verdict::Tampered, "{}", path.display());
    }

    /// Whole lines, with and without the tiles that would give it away.
    #[test]
    fn every_line_that_is_dropped_doubled_swapped_inserted_or_cut_off_is_found(
        change in prop::sample::select(vec![Change::Drop, Change::Double, Change::Swap, Change::Insert, Change::Truncate]),
        one in 0..600_usize,
        other in 0..600_usize,
        without_tiles: bool,
    ) {
        let (_parent, dir) = long();
        let path = dir.join("ledger.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = changed(&lines, change, one, other);
        prop_assume!(changed != lines);
        put(&path, (changed.join("\n") + "\n").as_bytes());
        if without_tiles {
            fs::remove_dir_all(dir.join("tile")).unwrap();
        }
        prop_assert_eq!(verdict(&dir), Verdict::Tampered);
        prop_assert!(is_unknown(&open(&dir)));
    }
}
