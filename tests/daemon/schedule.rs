//! What is remembered of the schedule between two daemons.

use super::{
    daemon::{AFTERWARDS, CYCLE_FINISHED, CYCLE_STARTED, Daemon, eventually, world},
    world::World,
};

const YEARLY: &str = "cycle = \"0 0 3 1 1 *\"";

fn kept(world: &World) -> String {
    std::fs::read_to_string(world.path("state/schedule")).unwrap()
}

fn stopped(mut daemon: Daemon<'_>) {
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(0));
}

#[test]
fn a_first_start_has_missed_nothing_and_a_missed_cycle_runs_once() {
    let world = world(YEARLY);
    let daemon = Daemon::start(&world);
    daemon.waits_for_phase("idle");
    let next = daemon.status()["daemon"]["next"].as_str().unwrap().to_owned();
    assert_eq!(next, "2026-12-31T18:00:00Z", "New Year, three in the morning in Seoul");
    assert_eq!(daemon.count(CYCLE_STARTED), 0);
    stopped(daemon);

    // As if it had been off since last year.
    let old = kept(&world).replace("2026-11-2", "2024-11-2");
    assert_ne!(old, kept(&world), "{old}");
    std::fs::write(world.path("state/schedule"), old).unwrap();
    let daemon = Daemon::start_at(&world, AFTERWARDS);
    daemon.logs(CYCLE_FINISHED, 1);
    eventually("the memory of it", || kept(&world).contains("2025-12-31T18:00:00Z").then_some(()));
    daemon.waits_for_phase("idle");
    assert_eq!(daemon.count(CYCLE_STARTED), 1, "two missed ones are one cycle");
    stopped(daemon);
}

#[test]
fn a_missed_cycle_is_skipped_where_the_schedule_says_so() {
    let world = world(&format!("{YEARLY}\nmissed = \"skip\""));
    stopped(Daemon::start(&world));
    let old = kept(&world).replace("2026-11-2", "2024-11-2");
    std::fs::write(world.path("state/schedule"), old).unwrap();
    let daemon = Daemon::start_at(&world, AFTERWARDS);
    // The start counts what is owed, and is idle after that.
    eventually("the count", || (!daemon.status()["daemon"]["owed"].is_null()).then_some(()));
    assert_eq!(daemon.status()["daemon"]["next"], "2026-12-31T18:00:00Z");
    assert_eq!(daemon.count(CYCLE_STARTED), 0);
    stopped(daemon);
}

#[test]
fn outside_of_its_window_a_daemon_waits_for_it() {
    // It is three in the morning.
    let world = world("cycle = \"* * * * * *\"\nwindow = \"04:30-05:00\"");
    let daemon = Daemon::start(&world);
    eventually("the count", || (!daemon.status()["daemon"]["owed"].is_null()).then_some(()));
    assert_eq!(daemon.status()["daemon"]["next"], "2026-11-28T19:30:00Z");
    assert_eq!(daemon.count(CYCLE_STARTED), 0);
    stopped(daemon);
}
