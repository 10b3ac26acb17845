//! What a start finds when a crash, a full disk or another process got in the way.

use std::{fs, path::Path};

use retentiond::{
    adapters::ledger::{open_read_only, verify},
    domain::ledger::verify::Verdict,
    ports::{Ledger, LedgerError},
};

use crate::fixture::*;

#[test]
fn an_append_torn_at_any_length_is_cut_off_by_the_next_start() {
    let (parent, dir) = small();
    let before = files(&dir);
    let kept = parent.path().join("kept");
    fs::copy(dir.join("checkpoint"), &kept).unwrap();
    open(&dir).unwrap().append(notes(2)).unwrap();
    let path = dir.join("ledger.jsonl");
    let (old, new) = (before[&path].len(), fs::read(&path).unwrap());
    for length in old + 1..=new.len() {
        restore(&dir, &before);
        put(&path, &new[..length]);
        assert!(problems(&dir).iter().any(|text| text.contains("after a crash")), "{length}");
        assert_eq!(open_read_only(&dir, |_| {}).unwrap().head.size, 4);
        assert_eq!(fs::read(&path).unwrap().len(), length);
        assert_eq!(open(&dir).unwrap().head().size, 4);
        assert_eq!(files(&dir), before);
    }
    assert_eq!(known(&dir, &kept).0, Verdict::Intact);
}

/// Every state that a crash can leave: the writes of an append in their order,
/// each done or not, and tiles' names lost although later writes were not.
#[test]
fn a_crash_after_any_step_of_an_append_leaves_the_old_or_the_new_ledger() {
    for size in [4, 254, 255, 256] {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ledger");
        create(&dir).append(notes(size - 2)).unwrap();
        let before = files(&dir);
        let old = open(&dir).unwrap().append(notes(2)).unwrap().size - 2;
        let after = files(&dir);
        let order = |path: &Path| {
            let name = path.strip_prefix(&dir).unwrap();
            ["ledger.jsonl", "tile", "checkpoint", "checkpoints"].iter().position(|step| name.starts_with(step))
        };
        let mut steps: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).collect();
        steps.sort_by_key(|(path, _)| order(path));
        let signing = steps.iter().position(|(path, _)| path.ends_with("checkpoint")).unwrap();
        for done in 0..=steps.len() {
            for tiles_lost in [false, true] {
                restore(&dir, &before);
                for (path, bytes) in &steps[..done] {
                    if !(tiles_lost && path.strip_prefix(&dir).unwrap().starts_with("tile")) {
                        put(path, bytes);
                    }
                }
                put(&dir.join(".checkpoint.tmp"), b"half");
                let mut ledger = open(&dir).unwrap();
                let expected = if done > signing { old + 2 } else { old };
                assert_eq!(ledger.head().size, expected, "size {size}, {done} steps");
                assert_eq!(problems(&dir), Vec::<String>::new(), "size {size}, {done} steps");
                assert!(!dir.join(".checkpoint.tmp").exists());
                ledger.append(notes(1)).unwrap();
                assert_eq!(problems(&dir), Vec::<String>::new(), "size {size}, {done} steps");
            }
        }
    }
}

#[test]
fn tiles_that_are_missing_are_made_again_and_others_are_noticed() {
    let (_parent, dir) = small();
    let before = files(&dir);
    fs::remove_dir_all(dir.join("tile")).unwrap();
    assert_eq!(problems(&dir).len(), 2);
    open_read_only(&dir, |_| {}).unwrap();
    assert!(!dir.join("tile").exists());
    open(&dir).unwrap();
    assert_eq!(files(&dir), before);
    for name in ["tile/0/000", "tile/0/001.p/1", "tile/3/000.p/1", "tile/0/abc", "checkpoints/abc", "checkpoints/04"] {
        put(&dir.join(name), b"x");
        assert_eq!(verdict(&dir), Verdict::Tampered, "{name}");
        fs::remove_file(dir.join(name)).unwrap();
    }
    // An earlier unfinished tile that was left is fine as long as it says the same.
    put(&dir.join("tile/0/000.p/3"), &before[&dir.join("tile/0/000.p/4")][..96]);
    assert_eq!(verdict(&dir), Verdict::Undecided);
    put(&dir.join("tile/0/000.p/3"), &before[&dir.join("tile/0/000.p/4")][..64]);
    assert_eq!(verdict(&dir), Verdict::Tampered);
}

#[test]
fn after_a_failed_step_nothing_is_appended_until_a_start_has_read_everything() {
    for obstacle in [".checkpoint.tmp", "checkpoints/5", "tile/0/000.p/.5.tmp"] {
        let (_parent, dir) = small();
        let mut ledger = open(&dir).unwrap();
        let head = ledger.head();
        fs::create_dir(dir.join(obstacle)).unwrap();
        assert!(matches!(ledger.append(notes(1)), Err(LedgerError::Write { .. })), "{obstacle}");
        fs::remove_dir(dir.join(obstacle)).unwrap();
        assert!(is_unknown(&ledger.append(notes(1))), "{obstacle}");
        assert!(is_unknown(&ledger.append(vec![])), "{obstacle}");
        assert_eq!(ledger.head(), head);
        let mut ledger = open(&dir).unwrap();
        ledger.append(notes(1)).unwrap();
        assert_eq!(problems(&dir), Vec::<String>::new(), "{obstacle}");
    }
}

#[test]
fn a_second_writer_is_noticed_before_it_can_do_harm() {
    let (_parent, dir) = small();
    let (mut one, mut two) = (open(&dir).unwrap(), open(&dir).unwrap());
    one.append(notes(1)).unwrap();
    let before = files(&dir);
    assert!(two.append(notes(1)).is_err());
    assert_eq!(files(&dir), before);
    assert_eq!(problems(&dir), Vec::<String>::new());
}

#[test]
fn an_auditor_who_reads_while_the_daemon_writes_sees_whole_appends_only() {
    let (_parent, dir) = small();
    let reader = {
        let dir = dir.clone();
        std::thread::spawn(move || {
            let mut sizes = Vec::new();
            while sizes.last() != Some(&304) {
                let found = verify(&dir, &[], None, None).unwrap();
                assert_eq!(found.problems, Vec::<String>::new());
                assert_eq!(open_read_only(&dir, |_| {}).map(|view| view.head.size >= found.entries).ok(), Some(true));
                sizes.push(found.entries);
            }
            sizes
        })
    };
    let mut ledger = open(&dir).unwrap();
    for _ in 0..100 {
        ledger.append(notes(3)).unwrap();
    }
    let sizes = reader.join().unwrap();
    assert!(sizes.is_sorted());
}
