//! Dropping old lines, killed at every failpoint that it gets to.

use std::{collections::BTreeSet, fs};

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
    for own in ["before-written", "prune-on-record", "pruned", "bundles-removed"] {
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
        }
    }
    println!("killed at {killed} arrivals");
}
