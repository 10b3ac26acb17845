//! What only reads leaves no trace: not a byte, not a time.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::world::{LATER, NOW, World, outcome};

/// Bytes and times of change of everything under a folder.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::metadata(&path).unwrap();
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            seen.insert(path.clone(), (fs::read(&path).unwrap(), meta.mtime(), meta.mtime_nsec()));
        }
    }
    seen
}

const READERS: [&[&str]; 11] = [
    &["plan"],
    &["plan", "--format", "json", "--rule", "member"],
    &["check"],
    &["status"],
    &["policy", "show"],
    &["policy", "diff"],
    &["plan", "--until", "2027-03-01"],
    &["explain", "--dataset", "members", "--key", "1"],
    &["status", "--format", "json"],
    &["ledger", "verify"],
    &["ledger", "list"],
];

/// Runs every command that reads and fails where a file changed.
fn reads_only(world: &World, now: &str) {
    let folders = ["shop", "vault", "state"].map(|folder| world.path(folder));
    for command in READERS {
        let before = folders.each_ref().map(|folder| snapshot(folder));
        world.at(now, command).ends_with(0);
        for (folder, before) in folders.iter().zip(before) {
            let after = snapshot(folder);
            for (path, was) in &before {
                // The index of a write-ahead log is shared memory; locks are taken in it.
                if path.extension().is_some_and(|extension| extension == "db-shm") {
                    continue;
                }
                assert!(after.get(path) == Some(was), "{command:?} changed {}", path.display());
            }
            for (path, (bytes, ..)) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
                let shared = path.extension().is_some_and(|extension| extension == "db-shm");
                assert!(shared || bytes.is_empty(), "{command:?} made {}", path.display());
            }
        }
    }
}

#[test]
fn commands_that_read_change_no_file() {
    let world = World::separated();
    reads_only(&world, NOW);
    // Due for destruction, and still only counted.
    reads_only(&world, LATER);
}

#[test]
fn commands_that_read_change_no_file_where_the_source_keeps_a_rollback_journal() {
    let world = World::separated();
    world.sql("PRAGMA journal_mode = DELETE;");
    reads_only(&world, LATER);
}

#[test]
fn commands_that_read_leave_the_log_of_a_writer_alone() {
    let world = World::separated();
    // A writer that is still there: its rows stand in the write-ahead log only.
    let mut writer = Command::new("sqlite3");
    let mut child = writer.arg(world.path("shop/shop.db")).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let script = "INSERT INTO visits VALUES (777, 1, 'agent', '2022-01-01 00:00:00');\n.shell touch shop-written\n";
    let script = script.replace("shop-written", world.path("shop-written").to_str().unwrap());
    std::io::Write::write_all(&mut input, script.as_bytes()).unwrap();
    while !world.path("shop-written").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    assert!(fs::metadata(world.path("shop/shop.db-wal")).unwrap().len() > 0);
    reads_only(&world, NOW);
    let plan = world.at(NOW, &["plan", "--format", "json"]).ends_with(0).json();
    assert_eq!(super::world::rows_in(&plan["items"]), 1, "a plan sees what the writer committed");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_plan_can_be_made_where_nothing_can_be_written() {
    let world = World::separated();
    world.sql("PRAGMA journal_mode = DELETE;");
    // As root, modes stop nobody: a read-only mount does.
    let script = "
        for folder in shop state; do
            mount --bind $folder $folder && mount -o remount,bind,ro $folder || exit 99
        done
        if touch shop/file 2>/dev/null; then exit 98; fi
        exec \"$@\"";
    let command = world.command(&["plan", "--format", "json", "--now", LATER]);
    let mut in_namespace = Command::new("unshare");
    in_namespace.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
    in_namespace.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    let plan = outcome(&mut in_namespace).ends_with(0).json();
    assert!(super::world::rows_in(&plan["items"]) > 0);
}
