//! The ledger as an auditor meets it: a folder that somebody may have edited.

use std::fs;

use retentiond::adapters::ledger::verify;
use serde_json::Value;

use super::world::{LATER, NOW, World};

fn verified(world: &World, code: i32) -> Value {
    world.run(&["ledger", "verify", "--format", "json"]).ends_with(code).json()
}

#[test]
fn a_flipped_byte_anywhere_in_the_ledger_is_tampering() {
    let world = World::separated();
    let path = world.path("state/ledger/ledger.jsonl");
    let whole = fs::read(&path).unwrap();
    for sample in 0..20 {
        let position = (whole.len() - 1) * sample / 19;
        let mut edited = whole.clone();
        edited[position] ^= 0x01;
        fs::write(&path, edited).unwrap();
        let report = verified(&world, 1);
        assert_eq!(report["verdict"], "tampered", "byte {position}");
        assert!(!report["problems"].as_array().unwrap().is_empty(), "byte {position}");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(verified(&world, 0)["verdict"], "undecided");
}

#[test]
fn every_single_byte_of_a_small_ledger_counts() {
    let world = World::simulation();
    let folder = world.path("state/ledger");
    let path = folder.join("ledger.jsonl");
    let whole = fs::read(&path).unwrap();
    let verdict = || serde_json::to_value(verify(&folder, &[], None, None).unwrap()).unwrap()["verdict"].clone();
    assert_eq!(verdict(), "undecided");
    for position in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut edited = whole.clone();
            edited[position] ^= bit;
            fs::write(&path, edited).unwrap();
            assert_eq!(verdict(), "tampered", "byte {position}, bit {bit:#x}");
        }
    }
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(verdict(), "tampered", "cut to {length} bytes");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(verdict(), "undecided");
}

#[test]
fn over_an_edited_line_nothing_runs_and_nothing_changes() {
    let world = World::separated();
    let path = world.path("state/ledger/ledger.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"by\":\"officer\""));
    fs::write(&path, text.replace("\"by\":\"officer\"", "\"by\":\"nobody!\"")).unwrap();
    let (rows, vault, state) = (world.rows(), world.vault(), world.files("state"));
    world.at(LATER, &["run"]).ends_with(70);
    world.at(LATER, &["status"]).ends_with(70);
    world.at(LATER, &["plan"]).ends_with(70);
    world.at(NOW, &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"]).ends_with(70);
    assert_eq!(verified(&world, 1)["verdict"], "tampered");
    assert_eq!((world.rows(), world.vault()), (rows, vault));
    assert_eq!(world.files("state"), state);
}

#[test]
fn an_older_copy_of_the_ledger_put_back_stops_everything() {
    let world = World::simulation();
    world.copy("state/ledger", "old-ledger");
    world.reviewed_run(NOW).ends_with(0);
    world.copy("state/ledger", "new-ledger");
    world.remove("state/ledger");
    world.copy("old-ledger", "state/ledger");
    let (rows, vault, state) = (world.rows(), world.vault(), world.files("state"));
    for command in [&["run"][..], &["status"], &["plan"]] {
        world.at(LATER, command).ends_with(70).says(&["shorter than the vault remembers", "hint:"]);
    }
    assert_eq!((world.rows(), world.vault()), (rows, vault));
    assert_eq!(world.files("state"), state);
    // By itself the old ledger is sound; only who kept a newer checkpoint sees it.
    assert_eq!(verified(&world, 0)["verdict"], "undecided");
    let known = ["ledger", "verify", "--known", "new-ledger/checkpoint", "--format", "json"];
    assert_eq!(world.run(&known).ends_with(1).json()["verdict"], "tampered");
    world.remove("state/ledger");
    world.copy("new-ledger", "state/ledger");
    world.at(LATER, &["run"]).ends_with(0);
}

#[test]
fn a_ledger_of_another_deployment_is_not_accepted() {
    let (world, other) = (World::separated(), World::separated());
    world.remove("state/ledger");
    std::process::Command::new("cp")
        .args(["-a", "-T"])
        .arg(other.path("state/ledger"))
        .arg(world.path("state/ledger"))
        .status()
        .unwrap();
    let rows = world.rows();
    world.at(LATER, &["run"]).ends_with(70);
    assert_eq!(world.rows(), rows);
}

#[test]
fn a_checkpoint_kept_elsewhere_makes_the_verdict_intact_or_tells_a_fork() {
    let world = World::simulation();
    world.copy("state/ledger/checkpoint", "kept");
    world.reviewed_run(NOW).ends_with(0);
    let known = ["ledger", "verify", "--known", "kept", "--format", "json"];
    let report = world.run(&known).ends_with(0).json();
    assert_eq!((&report["verdict"], &report["problems"]), (&"intact".into(), &serde_json::json!([])));
    let entries = fs::read_to_string(world.path("state/ledger/ledger.jsonl")).unwrap().lines().count();
    assert_eq!(report["entries"], entries);

    let other = World::simulation();
    fs::copy(other.path("state/ledger/checkpoint"), world.path("kept")).unwrap();
    assert_eq!(world.run(&known).ends_with(1).json()["verdict"], "tampered");
}

#[test]
fn entries_are_listed_by_type_and_date() {
    let world = World::separated();
    world.at(LATER, &["run"]).ends_with(0);
    let list = |arguments: &[&str]| {
        let outcome = world.run(&[&["ledger", "list", "--format", "json"], arguments].concat()).ends_with(0);
        outcome.json().as_array().unwrap().clone()
    };
    let all = list(&[]);
    assert_eq!(all[0]["type"], "ledger.opened");
    assert_eq!(all[0]["simulation"], true);
    assert_eq!(all[1]["type"], "policy.adopted");
    for (seq, entry) in all.iter().enumerate() {
        assert_eq!(entry["seq"], seq);
        for field in ["v", "time", "run", "policy", "actor", "host"] {
            assert!(!entry[field].is_null(), "{field} of {entry}");
        }
    }
    let kinds = |kind: &str| all.iter().filter(|entry| entry["type"] == kind).count();
    assert_eq!(kinds("separate.intent"), kinds("separate.outcome"));
    assert_eq!(kinds("destroy.intent"), 4);
    for kind in ["key.destroyed", "ciphertext.deleted", "destroy.outcome"] {
        assert_eq!(kinds(kind), 4, "{kind}");
    }
    assert_eq!(list(&["--type", "destroy.intent"]).len(), 4);
    assert_eq!(list(&["--from", "2026-11-29"]).len() + list(&["--to", "2026-11-28"]).len(), all.len());
    assert!(!list(&["--from", "2026-11-29"]).is_empty());
    assert_eq!(list(&["--from", "2026-11-30"]).len(), 0);
}

#[test]
fn what_was_destroyed_by_hand_stands_in_the_ledger_with_place_witness_and_digest() {
    let world = World::simulation();
    fs::write(world.path("photo.jpg"), b"a photograph").unwrap();
    let photo = world.path("photo.jpg").display().to_string();
    let paper = ["ledger", "record", "--rule", "member", "--method", "분쇄", "--count", "3", "--unit", "boxes"];
    let people = ["--place", "archive", "--by", "P. Archive", "--witness", "K. Officer", "--fields", "name,address"];
    let record = [&paper[..], &people[..], &["--attach", &photo, "--destroyed", "2026-11-21"]].concat();
    assert!(world.at(NOW, &record).ends_with(0).stdout.contains("entry 2 of the ledger"));
    let list = world.run(&["ledger", "list", "--type", "manual.recorded", "--format", "json"]).ends_with(0).json();
    let entry = &list[0];
    assert_eq!((&entry["what"], &entry["method"], &entry["count"]), (&"회원 정보".into(), &"분쇄".into(), &3.into()));
    assert_eq!((&entry["place"], &entry["witness"]), (&"archive".into(), &"K. Officer".into()));
    assert_eq!(
        (&entry["fields"], &entry["destroyed"]),
        (&serde_json::json!(["name", "address"]), &"2026-11-21".into())
    );
    assert_eq!(entry["attachment"], retentiond::domain::id::Digest::of(b"a photograph").to_string());
    assert_eq!(verified(&world, 0)["verdict"], "undecided");

    // Nothing is destroyed tomorrow, and nothing before it was made.
    let tomorrow = [&paper[..], &people[..], &["--destroyed", "2026-11-23"]].concat();
    world.at(NOW, &tomorrow).ends_with(2);
    let unmade = [&paper[..], &people[..], &["--destroyed", "2026-11-21", "--created", "2026-11-22"]].concat();
    world.at(NOW, &unmade).ends_with(2);
    world.at(NOW, &["ledger", "record", "--rule", "member", "--method", "분쇄", "--count", "3"]).ends_with(2);
    let list = world.run(&["ledger", "list", "--type", "manual.recorded", "--format", "json"]).ends_with(0).json();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn nothing_is_pruned_while_an_intent_is_open_nor_within_five_years() {
    let world = World::separated();
    world.sql("INSERT INTO visits VALUES (900001, 1, 'agent', '2020-03-03 08:00:00')");
    let mut killed = world.command(&["run", "--now", LATER]);
    let status = killed.env("RETENTIOND_FAILPOINT", "kill:source.commit after#1").status().unwrap();
    assert!(!status.success());
    let prune = |before: &str| {
        let (ledger, words) = (world.files("state/ledger"), ["--by", "officer", "--yes"]);
        let outcome = world.at(LATER, &[&["ledger", "prune", "--before", before][..], &words].concat()).ends_with(77);
        assert!(world.files("state/ledger") == ledger, "something was dropped or written");
        outcome
    };
    prune("2021-01-01").says(&["something is under way"]);
    world.at(LATER, &["run"]).ends_with(0);
    prune("2021-12-01").says(&["less than that ago", "--before 2021-11-2"]);
}
