//! A ledger of which old lines were dropped, in the report, in the page, and in the
//! hands of somebody else's tools.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use chrono::{DateTime, Utc};
use ed25519_dalek::SigningKey;
use retentiond::{
    adapters::{
        clock::FixedClock,
        ledger::{Context, FileLedger},
    },
    domain::{id::Digest, ledger::event::Event},
    ports::Ledger as _,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    browser::Browser,
    page::{Page, press_verify},
    shop::{config, copy, demonstration, run, verifier_key},
    tools::audit,
};

/// Five years later.
const UNTIL: &str = "2032-02-10";

/// Enough days of silence for a full tile, and of the policy in force.
fn fill(dir: &Path) {
    let seed = fs::read(dir.join("state/ledger.key")).unwrap();
    let key = SigningKey::from_bytes(&seed.try_into().unwrap());
    let lines = fs::read_to_string(dir.join("state/ledger/ledger.jsonl")).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let policy: Digest = last["policy"].as_str().unwrap().parse().unwrap();
    let context = Context { run: "days".into(), policy, actor: "retentiond".into(), host: "db1".into() };
    let at: DateTime<Utc> = "2026-12-20T00:00:00Z".parse().unwrap();
    let origin = verifier_key().split_once('+').unwrap().0.to_owned();
    let mut ledger = FileLedger::open(&dir.join("state/ledger"), &origin, key, context, FixedClock(at)).unwrap();
    ledger.append((0..300).map(|_| Event::Heartbeat {}).collect()).unwrap();
}

const PRUNE: [&str; 9] = ["--now", UNTIL, "ledger", "prune", "--before", "2027-01-01", "--by", "K. Officer", "--yes"];

/// A copy of the demonstration, five years later, in which dropping its old lines was
/// killed when they were gone, before the entry that says so.
fn interrupted() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("demo");
    copy(demonstration(), &dir);
    fill(&dir);
    let mut prune = Command::new(env!("CARGO_BIN_EXE_retentiond"));
    prune.args(["--config", &config(&dir)]).args(PRUNE).env("RETENTIOND_FAILPOINT", "kill:ledger.lines-gone#1");
    assert_eq!(prune.output().unwrap().status.code(), None);
    (parent, dir)
}

/// A copy of the demonstration, five years later, with its old lines dropped.
fn pruned() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, dir) = MADE.get_or_init(|| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("demo");
        copy(demonstration(), &dir);
        fill(&dir);
        let config = config(&dir);
        let prune = [&["--config", &config][..], &PRUNE].concat();
        assert!(run(&prune[..prune.len() - 3]).contains("would drop"));
        assert!(run(&prune).contains("dropped"));
        (parent, dir)
    });
    dir
}

fn report(arguments: &[&str]) -> String {
    let config = config(pruned());
    run(&[&["--config", &config, "--now", UNTIL, "report"], arguments].concat())
}

#[test]
fn beside_a_register_for_a_spreadsheet_stands_that_entries_were_dropped() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
    command.args(["--config", &config(pruned()), "--now", UNTIL, "report", "--format", "csv"]);
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("entries before 2027-01-01 were dropped on record"), "{said}");
}

#[test]
fn the_page_verifies_what_is_left_and_tells_what_was_dropped_and_by_whom() {
    let page = Page::of(report(&["--lang", "en"]));
    let browser = Browser::open(1000);
    assert_eq!(press_verify(&browser, &page, &verifier_key()), "intact", "{}", browser.text("#verdict"));
    assert!(browser.text("#verdict").contains("only the hash is left"), "{}", browser.text("#verdict"));
    let sections = browser.text("#sections");
    assert!(sections.contains("Dropped entries") && sections.contains("K. Officer"), "{sections}");
    // A checkpoint from before the cut is compared with the hashes.
    browser.go(&page.file);
    browser.write("#key", verifier_key().trim());
    let kept = fs::read_to_string(demonstration().join("state/ledger/checkpoints/5")).unwrap();
    browser.write("#known", kept.trim());
    browser.click("#verify-button");
    browser.wait("!['none', 'running'].includes(document.getElementById('verdict').dataset.verdict)");
    assert_eq!(browser.script("return document.getElementById('verdict').dataset.verdict"), "intact");

    let line = |lines: &str, mark: &str| lines.lines().find(|line| line.contains(mark)).unwrap().to_owned() + "\n";
    let hashes = page.html.split_once("\"dropped\":\"").unwrap().1[..64].to_owned();
    let head = "\"carried\":\"{\\\"cut\\\":256";
    for (what, doctored) in [
        ("a kept line is gone", page.with_entries(|lines| lines.replacen(&line(lines, "policy.adopted"), "", 1))),
        ("the record is gone", page.with_entries(|lines| lines.replacen(&line(lines, "ledger.pruned"), "", 1))),
        ("another hash", page.doctored(&hashes, &"A".repeat(64))),
        ("another cut", page.doctored(head, "\"carried\":\"{\\\"cut\\\":257")),
        ("another end", page.doctored("\"gone\":\"2032", "\"gone\":\"2033")),
        ("another name", page.doctored("\"by\":\"K. Officer\",\"before\"", "\"by\":\"nobody\",\"before\"")),
    ] {
        assert_eq!(press_verify(&browser, &doctored, &verifier_key()), "tampered", "{what}");
    }
}

#[test]
fn before_the_entry_that_lines_are_gone_page_and_go_say_that_it_is_missing() {
    let (_parent, dir) = interrupted();
    let html = |dir: &Path| run(&["--config", &config(dir), "--now", UNTIL, "report", "--lang", "en"]);
    let page = Page::of(html(&dir));
    let browser = Browser::open(1000);
    let missing = "no entry after";
    assert_eq!(press_verify(&browser, &page, &verifier_key()), "intact", "{}", browser.text("#verdict"));
    assert!(browser.text("#verdict").contains(missing), "{}", browser.text("#verdict"));
    let key = dir.join("ledger.vkey");
    fs::write(&key, verifier_key()).unwrap();
    let said = audit(&dir.join("state/ledger"), &key, &[]).unwrap();
    assert!(said.contains("pruned       open") && said.contains("pruned       ok"), "{said}");
    // Once it is there, nothing is missing.
    run(&[&["--config", &config(&dir)][..], &PRUNE].concat());
    let page = Page::of(html(&dir));
    assert_eq!(press_verify(&browser, &page, &verifier_key()), "intact", "{}", browser.text("#verdict"));
    assert!(!browser.text("#verdict").contains(missing), "{}", browser.text("#verdict"));
    assert!(!audit(&dir.join("state/ledger"), &key, &[]).unwrap().contains("open"));
}

#[test]
fn go_accepts_what_is_left_and_refuses_what_is_missing_beyond_the_record() {
    let ledger = pruned().join("state/ledger");
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("ledger.vkey");
    fs::write(&key, verifier_key()).unwrap();
    let kept = demonstration().join("copies-before-destruction/checkpoint");
    let said = audit(&ledger, &key, &[&kept]).unwrap();
    assert!(said.contains("pruned       ok") && said.contains("consistency  ok"), "{said}");
    let doctored = dir.path().join("ledger");
    copy(&ledger, &doctored);
    let path = doctored.join("before/256");
    let text = fs::read_to_string(&path).unwrap();
    let without: Vec<&str> =
        text.lines().enumerate().filter(|(number, _)| *number != 2).map(|(_, line)| line).collect();
    fs::remove_file(&path).unwrap();
    fs::write(&path, without.join("\n") + "\n").unwrap();
    let refused = audit(&doctored, &key, &[]).unwrap_err();
    assert!(refused.contains("no entry says that these were dropped"), "{refused}");
    for (what, by) in [("\"lines\":", "\"lines\":1"), ("ledger.dropped", "ledger.pruned")] {
        fs::remove_dir_all(&doctored).unwrap();
        copy(&ledger, &doctored);
        let path = doctored.join("ledger.jsonl");
        let text = fs::read_to_string(&path).unwrap().replacen(what, by, 1);
        fs::remove_file(&path).unwrap();
        fs::write(&path, text).unwrap();
        let refused = audit(&doctored, &key, &[]).unwrap_err();
        assert!(refused.contains("what does not follow"), "{refused}");
    }
}

#[test]
fn the_certificates_of_what_is_left_lead_to_the_signed_root() {
    let report: Value = serde_json::from_str(&report(&["--format", "json"])).unwrap();
    let pruned = &report["pruned"][0];
    assert_eq!((&pruned["cut"], &pruned["by"]), (&256.into(), &"K. Officer".into()));
    assert!(pruned["gone"].as_str().unwrap().starts_with("2032-02-"), "{pruned}");
    let (dropped, kept) = (pruned["dropped"].as_u64().unwrap(), pruned["kept"].as_u64().unwrap());
    assert!(dropped + kept == 256 && dropped > 100, "{pruned}");
    assert!(report["ledger"]["entries"].as_u64().unwrap() > 256);
    let config = config(demonstration());
    // On the whole ledger the same date is refused while it is not five years ago.
    let early = ["--config", &config, "--now", "2031-12-31", "ledger", "prune", "--before", "2027-01-01"];
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_retentiond")).args(early).output().unwrap();
    assert_eq!(ended.status.code(), Some(77));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("five years"));
}
