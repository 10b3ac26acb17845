//! The life of records whose source is rewritten: the same for every engine.

use retentiond::{
    adapters::keyring::medium::{Facts, judge},
    domain::verdict::Verdict,
};
use serde_json::Value;

use super::{
    rows::{LEAVING, MEMBERS, analyze, flush, members, schema},
    traces::Traces,
    world::{DECLARED, FRIDAY, LEFT, NEXT_SUNDAY, SUNDAY, SUNDAY_LATER, World, reasons},
};

/// The tables with their rows, as the application has them.
pub fn fill(world: &World<'_>) {
    world.database.run(schema(world.engine()));
    world.database.run(&members(1..=MEMBERS, LEFT));
    analyze(world);
    flush(world);
}

fn remaining(world: &World<'_>) -> i64 {
    world.database.number("SELECT count(*) FROM members")
}

/// What a cycle under `wipe = "rewrite"` leaves, from the window that is closed to
/// the certificate. `classes`: files of the engine, by a name, in which something
/// must be left before the rewrite. `declared`: what the operator says of medium and
/// backups from the start, or only of those who leave later.
pub fn from_the_closed_window_to_the_certificate(
    world: &World<'_>,
    declared: bool,
    classes: impl Fn(&World<'_>) -> Vec<(&'static str, Vec<String>)>,
) {
    fill(world);
    let url = world.database.url();
    world.deploy(&url, "rewrite", DECLARED);

    let waits = world.first_cycle(FRIDAY, 0);
    assert_eq!(remaining(world), i64::from(MEMBERS) - LEAVING as i64);
    assert_eq!(waits["verdict"], "UNKNOWN", "{waits}");
    assert!(reasons(&waits)[0].contains("the maintenance window begins at 2026-11-21 17:00 UTC"), "{waits}");
    flush(world);
    let left = world.traces();
    let classes = classes(world);
    for (class, files) in &classes {
        let found = left.in_class(&classes, class);
        assert!(!found.is_empty(), "nothing in {class} ({files:?}): {:?}", left.0.keys());
    }
    let status = world.done(&["status", "--now", FRIDAY]);
    assert!(status.contains("its wipe is owed to a later cycle"), "{status}");
    world.assert_sealed();

    no_room(world);
    rewritten(world, declared);
    let clean = after_another_withdrawal(world);
    assert_eq!(clean["verdict"], "PASS", "{clean}");
    assert_eq!(reasons(&clean), [""; 0]);
    assert_eq!(world.traces(), Traces::default());
    world.assert_sealed();

    let destroyed = world.cycle(NEXT_SUNDAY);
    assert_eq!(destroyed["destroyed"][0]["rows"], LEAVING + 10, "{destroyed}");
    assert_eq!(world.traces(), Traces::default());
    world.assert_sealed();
    certificate(world, &destroyed, declared);
}

/// A disk that is too full for a copy: nothing is begun, and the cycle says so.
fn no_room(world: &World<'_>) {
    let before = world.traces();
    let mut command = world.command(&["run", "--now", SUNDAY, "--format", "json"]);
    command.env("RETENTIOND_FREE_BYTES", "1000");
    let full: Value = serde_json::from_str(&world.ends(0, command)).unwrap();
    assert_eq!(full["verdict"], "UNKNOWN", "{full}");
    let reason = reasons(&full)[0];
    assert!(reason.contains("needs room for a copy") && reason.contains("and 1000 are free"), "{full}");
    let wiped = world.newest("wipe.finished");
    assert_eq!((&wiped["method"], &wiped["owed"]), (&"none".into(), &true.into()), "{wiped}");
    let after = world.traces();
    assert!(before.0.keys().any(|file| after.0.contains_key(file)), "{:?}", after.0.keys());
}

/// All is gone from the files; of what nobody declared the verdict says so.
fn rewritten(world: &World<'_>, declared: bool) {
    world.deploy(&world.database.url(), "rewrite", if declared { DECLARED } else { "" });
    world.cycle(SUNDAY);
    assert_eq!(world.traces(), Traces::default());
    assert!(world.states().iter().all(|(_, state)| state == "clean"), "{:?}", world.states());
    let closed = world.newest("residue.closed");
    assert_eq!(closed["by"], "scan", "{closed}");
    let unknown = [
        "source shop: how long its backups live is not declared (backups.kept)",
        "source shop: what becomes of freed blocks below the engine is not declared (medium)",
    ];
    assert_eq!(reasons(&closed["finding"]), if declared { vec![] } else { unknown.to_vec() }, "{closed}");
}

/// Thirty more members of whom ten leave; now everything is declared.
fn after_another_withdrawal(world: &World<'_>) -> Value {
    world.deploy(&world.database.url(), "rewrite", DECLARED);
    world.database.run(&members(MEMBERS + 1..=MEMBERS + 30, LEFT));
    analyze(world);
    world.cycle(SUNDAY_LATER)
}

/// Every part of the destruction is on the certificate. It is complete where the
/// medium below the keys forgets, and where everything was declared when the rows
/// were searched for.
fn certificate(world: &World<'_>, destroyed: &Value, declared: bool) {
    let keys = judge(&Facts::of(&world.path("state/keys/anchor")).unwrap());
    let said = serde_json::json!(keys.reasons);
    assert_eq!(destroyed["destroyed"][0]["reasons"], said, "{destroyed}");
    let report = report(world);
    let done = &report["destructions"][0];
    let parts: Vec<(String, &Value)> =
        done["parts"].as_array().unwrap().iter().map(|part| (name(&part["location"]), part)).collect();
    let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["keys", "vault", "source shop.members", "source shop.notes", "residue shop"], "{done}");
    let mut worst = keys.verdict;
    for (name, part) in &parts {
        let mut expected = if name == "keys" { keys.verdict } else { Verdict::Pass };
        if name == "residue shop" && !declared {
            expected = Verdict::Unknown;
        }
        worst = worst.max(expected);
        assert_eq!(part["finding"]["verdict"], serde_json::to_value(expected).unwrap(), "{part}");
        assert!(!part["method"].as_str().unwrap().is_empty(), "{part}");
        assert_eq!(part["tool"].is_string(), name.starts_with("source"), "{part}");
    }
    assert_eq!(parts[0].1["finding"]["reasons"], said, "{done}");
    assert_eq!(done["verdict"], serde_json::to_value(worst).unwrap(), "{done}");
    assert_eq!(report["certificates"][0]["completed"], worst == Verdict::Pass, "{report}");
}

fn name(location: &Value) -> String {
    let of = |(kind, of): (&String, &Value)| format!("{kind} {}", of.as_str().unwrap());
    location.as_str().map_or_else(|| location.as_object().unwrap().iter().map(of).collect(), str::to_owned)
}

pub fn report(world: &World<'_>) -> Value {
    let out = world.path("report.json");
    let period = ["--from", "2026-11-01", "--to", "2026-12-31", "--now", NEXT_SUNDAY];
    let command = [&["report", "--format", "json", "--out", out.to_str().unwrap()], &period[..]].concat();
    world.done(&command);
    serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap()
}
