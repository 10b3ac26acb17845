//! Dropping old lines, killed at every failpoint that it gets to.

use std::{
    collections::BTreeSet,
    fs::{self, File},
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
use serde_json::json;

use crate::world::{Fault, World};

const NOW: [&str; 2] = ["--now", "2026-11-22T03:00:00+09:00"];
const LATER: [&str; 2] = ["--now", "2032-11-22T03:00:00+09:00"];

/// A deployment with a full tile of entries that are five years old.
fn begun() -> World<'static> {
    let world = World::in_files();
    world.done(&[&["init", "--simulation"], &NOW[..]].concat());
    let seed = fs::read(world.path("state/ledger.key")).unwrap();
    let key = SigningKey::from_bytes(&seed.try_into().unwrap());
    let listed = world.json(&["ledger", "list", "--format", "json"]);
    let policy: Digest = listed[0]["policy"].as_str().unwrap().parse().unwrap();
    let context = Context { run: "days".into(), policy, actor: "retentiond".into(), host: "db1".into() };
    let at: DateTime<Utc> = "2026-12-20T00:00:00Z".parse().unwrap();
    let folder = world.path("state/ledger");
    let mut ledger = FileLedger::open(&folder, "retention.example/crash", key, context, FixedClock(at)).unwrap();
    ledger.append((0..300).map(|_| Event::Heartbeat {}).collect()).unwrap();
    world
}

#[test]
fn a_prune_killed_anywhere_has_dropped_all_or_nothing_once_somebody_writes() {
    let prune = ["ledger", "prune", "--before", "2027-01-01", "--by", "officer", "--yes", "--format", "json"];
    let prune = [&prune[..], &LATER[..]].concat();
    let points = begun().points_of(&prune);
    let names: BTreeSet<&String> = points.iter().collect();
    for own in ["before-written", "prune-on-record", "pruned", "bundles-removed", "lines-gone"] {
        assert!(names.contains(&format!("ledger.{own}")), "{own} is not among {names:?}");
    }
    let mut killed = 0;
    for name in names {
        let last = points.iter().filter(|point| *point == name).count();
        for arrival in BTreeSet::from([1, last]) {
            let world = begun();
            let fault = Fault::At(name.clone(), u32::try_from(arrival).unwrap());
            assert!(world.suffer(&prune, &fault), "{fault:?}");
            killed += 1;
            // Whoever only reads is not kept out, and whoever writes goes on.
            world.done(&[&["status"], &LATER[..]].concat());
            world.done(&[&["report", "--format", "json"], &LATER[..]].concat());
            world.json(&prune);
            let verified = world.json(&["ledger", "verify", "--format", "json"]);
            assert_eq!(verified["problems"], json!([]), "{fault:?}");
            assert_eq!(verified["pruned"].as_array().unwrap().len(), 1, "{fault:?}");
            let again = world.json(&prune);
            assert_eq!((&again["done"], &again["dropped"]), (&json!(false), &json!(0)), "{fault:?}");
            let gone = world.json(&["ledger", "list", "--type", "ledger.dropped", "--format", "json"]);
            assert_eq!(gone.as_array().unwrap().len(), 1, "{fault:?}: {gone}");
            assert_eq!(gone[0]["lines"], verified["pruned"][0]["dropped"], "{fault:?}");
            assert_eq!(gone[0]["time"], verified["pruned"][0]["gone"], "{fault:?}");
        }
    }
    println!("killed at {killed} arrivals");
}

#[test]
fn whoever_writes_after_a_prune_that_was_killed_says_first_and_once_that_the_lines_are_gone() {
    let prune = ["ledger", "prune", "--before", "2027-01-01", "--by", "officer", "--yes"];
    let prune = [&prune[..], &LATER[..]].concat();
    let show = [&["ledger", "prune", "--before", "2027-01-01"], &LATER[..]].concat();
    for (point, dropped) in [("ledger.prune-on-record", false), ("ledger.lines-gone", true)] {
        let world = begun();
        assert!(world.suffer(&prune, &Fault::At(point.to_owned(), 1)));
        let verified = || world.output(&["ledger", "verify", "--format", "json"]);
        let problems = String::from_utf8(verified().stdout).unwrap();
        let untold = problems.contains("no entry ledger.dropped says so yet; after a crash the next");
        assert_eq!(untold, dropped, "{point}: {problems}");
        // Until then it is open, and nothing more may be dropped.
        let shown = world.output(&show);
        assert_eq!(shown.status.code(), Some(77), "{point}");
        assert!(String::from_utf8_lossy(&shown.stderr).contains("something is under way"), "{point}");
        for _ in 0..2 {
            world.output(&[&["run"], &LATER[..]].concat());
        }
        let listed = world.json(&["ledger", "list", "--format", "json"]);
        let kinds: Vec<&str> = listed.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
        let place = kinds.iter().position(|kind| *kind == "ledger.pruned").unwrap();
        assert_eq!(kinds[place + 1], "ledger.dropped", "{point}: {kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| **kind == "ledger.dropped").count(), 1, "{point}: {kinds:?}");
        assert!(kinds.len() > place + 2, "{point}: {kinds:?}");
        assert_eq!(world.json(&["ledger", "verify", "--format", "json"])["problems"], json!([]), "{point}");
        world.done(&show);
    }
}

#[test]
fn readers_see_a_ledger_from_before_a_prune_or_from_after_it() {
    let prune = ["ledger", "prune", "--before", "2027-01-01", "--by", "officer", "--yes"];
    let prune = [&prune[..], &LATER[..]].concat();
    for point in ["ledger.prune-on-record", "ledger.pruned", "ledger.bundles-removed", "ledger.lines-gone"] {
        let world = begun();
        let may_read = || File::open(world.path("state/ledger/ledger.jsonl")).unwrap().try_lock_shared().is_ok();
        let mut seen = None;
        let ended = World::halted(world.command(&prune), point, || seen = Some(may_read()));
        assert_eq!(seen, Some(false), "{point}");
        assert!(ended.status.success() && may_read(), "{point}: {ended:?}");
    }
}
