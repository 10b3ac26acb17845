//! Told to stop or to pause with a batch open: it is finished, no further one is
//! begun.

use std::process::{Child, Command, Stdio};

use super::{
    daemon::{AFTERWARDS, Daemon, EVERY_SECOND, deployment, eventually, of_ledger, world},
    world::{LATER, World},
};

/// Whether somebody is writing to the shop, with a transaction open.
fn is_locked(world: &World) -> bool {
    let mut command = Command::new("sqlite3");
    command.arg(world.path("shop/shop.db")).arg("BEGIN IMMEDIATE; ROLLBACK;");
    !command.stderr(Stdio::null()).status().unwrap().success()
}

const VISITS: u64 = 4_000;

fn insert_visits(world: &World) {
    world.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 1000 + {VISITS})
         INSERT INTO visits SELECT i, 1, 'agent/' || i, date('2020-01-01', (i % 30) || ' days') || ' 10:00:00' FROM n;"
    ));
}

/// A daemon that is frozen in the middle of a batch, one of many: what it hears
/// now it hears with the batch open. Also, how many visits have moved before.
fn frozen(world: &World) -> (Daemon<'_>, u64) {
    let daemon = Daemon::start(world);
    daemon.signal("USR1");
    daemon.waits_for_phase("paused");
    let (before, _) = of_ledger(world, "visit-log");
    insert_visits(world);
    daemon.signal("USR2");
    freeze(world, |name| daemon.signal(name));
    (daemon, before)
}

/// Stops a process while it has a batch open.
fn freeze(world: &World, signal: impl Fn(&str)) {
    eventually("an open batch", || {
        if !is_locked(world) {
            return None;
        }
        signal("STOP");
        let open = is_locked(world);
        if !open {
            signal("CONT");
        }
        open.then_some(())
    });
}

/// Visits that have moved since: whole batches, and not all of them.
fn moved_since(world: &World, before: u64) -> u64 {
    let (after, _) = of_ledger(world, "visit-log");
    let moved = after - before;
    assert!((100..VISITS).contains(&moved) && moved.is_multiple_of(100), "whole batches, and not all: {moved}");
    let left: u64 = world.sql("SELECT count(*) FROM visits WHERE id > 1000").trim().parse().unwrap();
    assert_eq!(left, VISITS - moved, "each row is in one place");
    moved
}

fn all_move(world: &World) {
    eventually("the rest", || (world.sql("SELECT count(*) FROM visits WHERE id > 1000").trim() == "0").then_some(()));
}

#[test]
fn a_daemon_that_is_paused_finishes_its_open_batch_and_goes_on_when_it_is_resumed() {
    let world = world(EVERY_SECOND);
    let (mut daemon, before) = frozen(&world);
    daemon.signal("USR1");
    daemon.signal("CONT");
    daemon.waits_for_phase("paused");
    let moved = moved_since(&world, before);
    assert_eq!(moved_since(&world, before), moved);
    daemon.signal("USR2");
    all_move(&world);
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(0));
}

#[test]
fn a_daemon_that_is_told_to_stop_finishes_its_open_batch_and_begins_no_other() {
    let world = world(EVERY_SECOND);
    let (mut daemon, before) = frozen(&world);
    daemon.signal("TERM");
    daemon.signal("CONT");
    daemon.hears("STOPPING=1");
    daemon.hears("EXTEND_TIMEOUT_USEC=30000000");
    assert_eq!(daemon.ends().code(), Some(0));
    let told = daemon.log();
    assert!(told.iter().any(|line| line["stopped"] == "the daemon was told to stop"), "{}", daemon.log_text());

    moved_since(&world, before);
    let open = world.run(&["status", "--format", "json"]).ends_with(0).json()["open"].clone();
    assert_eq!((&open["separations"], &open["destructions"]), (&0.into(), &0.into()), "{open}");

    // The next daemon goes on where this one stopped.
    let mut next = Daemon::start_at(&world, AFTERWARDS);
    all_move(&world);
    next.signal("TERM");
    assert_eq!(next.ends().code(), Some(0));
}

#[test]
fn a_defect_in_a_cycle_ends_the_daemon_with_70_and_the_next_start_recovers() {
    let world = world("cycle = \"0 0 3 1 1 *\"");
    insert_visits(&world);
    world.write("retentiond.toml", &deployment(EVERY_SECOND));
    let defect = [("RETENTIOND_FAILPOINT", "panic:source.commit after#2")];
    let mut daemon = Daemon::launch_with(&world, LATER, &defect);
    assert_eq!(daemon.ends().code(), Some(70), "{}", daemon.log_text());
    let text = daemon.log_text();
    for said in ["a defect at source.commit after", "please report it", "hint: the next start recovers"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let open = world.at(AFTERWARDS, &["status", "--format", "json"]).ends_with(0).json()["open"].clone();
    assert_eq!(open["separations"], 2, "both batches of the transaction: {open}");

    let mut next = Daemon::start_at(&world, AFTERWARDS);
    all_move(&world);
    next.signal("TERM");
    assert_eq!(next.ends().code(), Some(0));
    let open = world.run(&["status", "--format", "json"]).ends_with(0).json()["open"].clone();
    assert_eq!((&open["separations"], &open["destructions"]), (&0.into(), &0.into()), "{open}");
}

/// A cycle of a person's own with a batch open, which gets this signal then.
fn interrupted(world: &World, signal: &str) {
    let (before, _) = of_ledger(world, "visit-log");
    insert_visits(world);
    let mut command = world.command(&["run", "--now", LATER, "--format", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let send = |child: &Child, name: &str| {
        assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
    };
    freeze(world, |name| send(&child, name));
    send(&child, signal);
    send(&child, "CONT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(report["stopped"], "a signal told it to stop", "{said}");
    let moved = moved_since(world, before);
    assert_eq!(report["separated"][0]["rows"], moved, "the report has what the ledger has");
    assert_eq!(report["destroyed"], serde_json::json!([]), "nothing irreversible begins after the signal");
    world.at(AFTERWARDS, &["run"]).ends_with(0);
    all_move(world);
}

#[test]
fn a_cycle_of_a_person_that_is_interrupted_or_terminated_finishes_its_open_batch_and_says_so() {
    for signal in ["INT", "TERM"] {
        interrupted(&world("cycle = \"0 0 3 1 1 *\""), signal);
    }
}
