//! A ledger whose signing key has handed over twice, read by somebody else's tools
//! and by the page, with the first key and with the last.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    browser::Browser,
    page::{Page, press_verify},
    shop::{UNTIL, config, copy, demonstration, run, verifier_key},
    tools::{audit, check_signature},
};

/// A copy of the demonstration after two rotations.
fn rekeyed() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, dir) = MADE.get_or_init(|| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("demo");
        copy(demonstration(), &dir);
        for officer in ["K. Officer", "L. Officer"] {
            run(&["--config", &config(&dir), "--now", UNTIL, "ledger", "rotate-key", "--by", officer]);
        }
        (parent, dir)
    });
    dir
}

fn newest_key() -> String {
    fs::read_to_string(rekeyed().join("state/ledger/ledger.vkey")).unwrap()
}

/// The size of the checkpoint in which the first key hands over.
fn handover_size() -> usize {
    let lines = fs::read_to_string(rekeyed().join("state/ledger/ledger.jsonl")).unwrap();
    lines.lines().position(|line| line.contains("\"type\":\"ledger.rekeyed\"")).unwrap() + 1
}

#[test]
fn go_and_openssl_follow_the_handovers_from_the_first_key_and_accept_the_last() {
    let ledger = rekeyed().join("state/ledger");
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first.vkey");
    fs::write(&first, verifier_key()).unwrap();
    for key in [&first, &ledger.join("ledger.vkey")] {
        let said = audit(&ledger, key, &[&demonstration().join("state/ledger/checkpoint")]).unwrap();
        assert_eq!(said.matches("handover     ok").count(), 2, "{said}");
    }
    let handover = ledger.join(format!("checkpoints/{}", handover_size()));
    check_signature(&handover, &first).unwrap();
    assert!(check_signature(&ledger.join("checkpoint"), &first).is_err());
    check_signature(&ledger.join("checkpoint"), &ledger.join("ledger.vkey")).unwrap();

    // Without the old key's signature the handover is nobody's word but the new one's.
    let doctored = dir.path().join("ledger");
    copy(&ledger, &doctored);
    let path = doctored.join(format!("checkpoints/{}", handover_size()));
    let signed = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = signed.lines().collect();
    assert_eq!(lines.len(), 6);
    lines.remove(4);
    fs::remove_file(&path).unwrap();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let refused = audit(&doctored, &first, &[]).unwrap_err();
    assert!(refused.contains("NOT VERIFIED"), "{refused}");
    // A key of another ledger leads nowhere.
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/format/ledger/ledger.vkey");
    assert!(audit(&ledger, &other, &[]).is_err());
}

#[test]
fn the_page_follows_the_handovers_from_the_key_that_the_auditor_kept() {
    let report = ["--config", &config(rekeyed()), "--now", UNTIL, "report", "--lang", "en"];
    let page = Page::of(run(&report));
    let browser = Browser::open(1000);
    for key in [verifier_key(), newest_key()] {
        assert_eq!(press_verify(&browser, &page, &key), "intact", "{}", browser.text("#verdict"));
        assert_eq!(browser.text("#verdict").matches("hands over").count(), 2);
    }
    assert!(browser.text("#sections").contains("Signing keys"));
    let other = include_str!("../cases/format/ledger/ledger.vkey");
    assert_eq!(press_verify(&browser, &page, other), "tampered");

    let signatures: Vec<&str> = page.html.match_indices("\\n— ").map(|(at, _)| &page.html[at..at + 60]).collect();
    assert!(signatures.len() >= 5, "{signatures:?}");
    // The first of the two notes, without its first signature; a name; and a key.
    let (_, note) = page.html.split_once("\"handovers\":[\"").unwrap();
    let line = note.split("\\n").nth(4).unwrap();
    for (text, instead) in [
        (format!("{line}\\n"), ""),
        ("\"by\":\"K. Officer\"".to_owned(), "\"by\":\"nobody\""),
        (newest_key().trim().to_owned(), "x"),
    ] {
        let doctored = page.doctored(&text, instead);
        assert_eq!(press_verify(&browser, &doctored, &verifier_key()), "tampered", "{text}");
    }
}
