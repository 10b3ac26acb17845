//! One demonstration for all tests: a real ledger with separations, a restoration
//! and destructions, made once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

pub const UNTIL: &str = "2026-12-10";

/// The folder of the demonstration. Tests read it and write beside it.
pub fn demonstration() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, dir) = MADE.get_or_init(|| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("demo");
        run(&["demo", "--members", "60", "--dir", &dir.display().to_string()]);
        let config = config(&dir);
        let paper = ["ledger", "record", "--what", "=paper", "--method", "분쇄", "--count", "3", "--place", "archive"];
        let people = ["--by", "P. Archive", "--witness", "K. Officer", "--fields", "name,address"];
        let now = ["--config", &config, "--now", "2026-11-29T04:00:00+09:00"];
        run(&[&now[..], &paper[..], &people[..]].concat());
        let hold = ["hold", "add", "--rule", "visit-log", "--category", "litigation", "--by", "C. Counsel"];
        run(&[&now[..], &hold[..], &["--reason", "case 2026-1"]].concat());
        (parent, dir)
    });
    dir
}

/// Copies a folder with the modes of its files.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

pub fn config(dir: &Path) -> String {
    dir.join("retentiond.toml").display().to_string()
}

pub fn verifier_key() -> String {
    fs::read_to_string(demonstration().join("state/ledger/ledger.vkey")).unwrap()
}

/// A report of the demonstration, as it is printed.
pub fn report(arguments: &[&str]) -> String {
    let config = config(demonstration());
    run(&[&["--config", &config, "--now", UNTIL, "report"], arguments].concat())
}

pub fn run(arguments: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_retentiond")).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}
