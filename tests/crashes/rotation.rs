//! A rotation of the signing key, killed at every failpoint that it gets to.

use std::{collections::BTreeSet, fs};

use crate::world::{Fault, World};

const NOW: [&str; 2] = ["--now", "2026-11-22T03:00:00+09:00"];

fn begun() -> World<'static> {
    let world = World::in_files();
    world.done(&[&["init", "--simulation"], &NOW[..]].concat());
    fs::copy(world.path("state/ledger/ledger.vkey"), world.path("first.vkey")).unwrap();
    world
}

#[test]
fn a_rotation_killed_anywhere_is_settled_by_the_next_command_that_writes() {
    let rotate = [&["ledger", "rotate-key", "--by", "officer"], &NOW[..]].concat();
    let points = begun().points_of(&rotate);
    let names: BTreeSet<&String> = points.iter().collect();
    for own in ["ledger.handed-over", "signing-key.erased"] {
        assert!(names.iter().any(|name| *name == own), "{own} is not among {names:?}");
    }
    let mut killed = 0;
    for name in names {
        let last = points.iter().filter(|point| *point == name).count();
        for arrival in BTreeSet::from([1, last]) {
            let world = begun();
            let fault = Fault::At(name.clone(), u32::try_from(arrival).unwrap());
            assert!(world.suffer(&rotate, &fault), "{fault:?}");
            killed += 1;
            // Whoever only reads is not kept out, and whoever writes goes on.
            world.done(&[&["status"], &NOW[..]].concat());
            world.done(&[&["report", "--format", "json"], &NOW[..]].concat());
            world.done(&rotate);
            world.done(&[&["status"], &NOW[..]].concat());
            assert!(!world.path("state/ledger.key.next").exists(), "{fault:?}");
            for key in ["first.vkey", "state/ledger/ledger.vkey"] {
                let verified = world.json(&["ledger", "verify", "--key", key, "--format", "json"]);
                assert_eq!(verified["problems"], serde_json::json!([]), "{fault:?}");
                let handovers = verified["handovers"].as_array().unwrap();
                assert!((1..=2).contains(&handovers.len()), "{fault:?}: {handovers:?}");
            }
        }
    }
    println!("killed at {killed} arrivals");
}
