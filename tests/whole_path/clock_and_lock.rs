//! No trust in one clock, and one runner at a time.

use std::fs::OpenOptions;

use super::{
    shop::Rows,
    world::{DEPLOYMENT, Files, LATER, NOW, RULES, Sealed, World, outcome},
};

/// What must not change when a command is refused; the refusal itself stands in
/// the ledger.
fn standing(world: &World) -> (Rows, Files, Sealed) {
    (world.rows(), world.files("state/keys"), world.vault())
}

#[test]
fn over_a_last_entry_in_the_future_nothing_is_done() {
    let world = World::new();
    world.at("2090-01-01T00:00:00+09:00", &["init", "--simulation"]).ends_with(0);
    let before = standing(&world);
    world.run(&["plan", "--out", "plan.json"]).ends_with(0);
    for command in [&["run"][..], &["run", "--plan", "plan.json", "--by", "officer"]] {
        world.run(command).ends_with(77).says(&["clock", "hint:"]);
    }
    assert_eq!(standing(&world), before);
}

#[test]
fn a_clock_that_goes_back_stops_a_simulation_too() {
    let world = World::separated();
    world.at(LATER, &["run"]).ends_with(0);
    world.sql("UPDATE members SET withdrawn_at = '2026-11-21 08:00:00' WHERE id = 30;");
    let before = standing(&world);
    let restore = ["restore", "--subject", "1", "--by", "desk", "--reason", "asked"];
    for now in [NOW, "1970-01-01T00:00:00Z", "2026-11-29T02:59:58+09:00"] {
        world.at(now, &["run"]).ends_with(77).says(&["before the ledger's last entry"]);
        world.at(now, &restore).ends_with(77).says(&["before the ledger's last entry"]);
        assert_eq!(standing(&world), before, "{now}");
    }
    let refused = world.run(&["ledger", "list", "--type", "refused", "--format", "json"]).ends_with(0).json();
    let refused = refused.as_array().unwrap();
    assert_eq!(refused.len(), 6);
    assert!(refused.iter().all(|entry| entry["what"] == "clock"));
    // The doubtful instants did not become the ledger's own.
    world.at(LATER, &["run"]).ends_with(0);
    world.run(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn in_1970_a_plan_can_be_read_and_nothing_can_be_run() {
    let world = World::simulation();
    let before = standing(&world);
    let plan = world.plan("1970-01-01T00:00:00Z");
    assert_eq!(super::world::rows_in(&plan["items"]), 0);
    world.at("1970-01-01T00:00:00Z", &["run", "--plan", "plan.json", "--by", "officer"]).ends_with(77);
    assert_eq!(standing(&world), before);
}

#[test]
fn while_another_runner_holds_the_lock_nothing_that_writes_begins() {
    let world = World::separated();
    let before = standing(&world);
    let ledger = world.files("state/ledger");
    let lock = OpenOptions::new().write(true).open(world.path("state/lock")).unwrap();
    lock.try_lock().unwrap();
    let restore = ["restore", "--subject", "1", "--by", "desk", "--reason", "asked"];
    for command in [&["run"][..], &["run", "--plan", "plan.json"], &restore] {
        world.at(LATER, command).ends_with(75).says(&["another retentiond", "hint:"]);
    }
    // Whoever reads need not wait.
    for command in [&["plan"][..], &["status"], &["ledger", "verify"], &["check"]] {
        world.at(LATER, command).ends_with(0);
    }
    assert_eq!(standing(&world), before);
    assert_eq!(world.files("state/ledger"), ledger);
    drop(lock);
    world.at(LATER, &["run"]).ends_with(0);
}

#[test]
fn of_runners_that_start_together_each_finishes_or_steps_back() {
    let world = World::simulation();
    let (_, stay) = world.rows().parted();
    world.plan(NOW);
    let arguments = ["run", "--plan", "plan.json", "--by", "officer", "--now", NOW];
    let started: Vec<_> = (0..4)
        .map(|_| {
            let mut command = world.command(&arguments);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<i32> = started.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    // The plan is carried out once; whoever comes after it sees that the data changed.
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 75, 77].contains(code)), "{codes:?}");
    assert_eq!(world.rows(), stay);
    world.run(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn a_simulation_moves_its_clock_on_purpose_so_that_a_jump_is_no_doubt() {
    let world = World::separated();
    world.at("2027-11-22T03:00:00+09:00", &["run"]).ends_with(0);
}

#[test]
fn a_real_clock_that_jumped_is_refused_until_a_reviewed_plan_accepts_it_by_name() {
    let jumpy = DEPLOYMENT.replace("[guards]", "[guards]\nclock_jump_max = \"0 seconds\"");
    let world = World::with(&jumpy, RULES);
    world.run(&["init"]).ends_with(0);
    world.run(&["plan", "--out", "plan.json"]).ends_with(0);
    let before = (world.rows(), world.vault());
    let run = ["run", "--plan", "plan.json", "--by", "officer"];
    world.run(&run).ends_with(77).says(&["clock_jump_max", "--accept-guard clock_jump_max"]);
    world.run(&["run"]).ends_with(77).says(&["clock_jump_max"]);
    assert_eq!((world.rows(), world.vault()), before);
    world.run(&[&run[..], &["--accept-guard", "clock_jump_max"]].concat()).ends_with(0);
    assert_ne!(world.rows(), before.0);
}

/// The zones are part of the program: what the host has of them, and what its
/// environment says, changes no date.
#[test]
fn a_host_without_time_zone_data_counts_the_same_days() {
    let (here, bare) = (World::simulation(), World::simulation());
    let plan = here.plan(NOW);
    let mut command = bare.command(&["plan", "--out", "plan.json", "--format", "json", "--now", NOW]);
    command.env("TZDIR", "/nonexistent").env("TZ", "Nowhere/Atlantis");
    let without = outcome(&mut command).ends_with(0).json();
    assert_eq!((&without["items"], &without["now"]), (&plan["items"], &plan["now"]));
    let mut command = bare.command(&["run", "--plan", "plan.json", "--by", "officer", "--now", NOW]);
    outcome(command.env("TZDIR", "/nonexistent").env("TZ", ":/etc/no-such-zone")).ends_with(0);
    here.at(NOW, &["run", "--plan", "plan.json", "--by", "officer"]).ends_with(0);
    assert_eq!(bare.rows(), here.rows());
}

#[test]
fn under_a_zone_that_nobody_knows_nothing_is_done_and_the_line_says_which() {
    let world = World::separated();
    let before = (standing(&world), world.files("state/ledger"));
    world.write("retention-rules.toml", &RULES.replace("Asia/Seoul", "Asia/Atlantis"));
    for command in [&["run"][..], &["plan"], &["check", "--offline"], &["policy", "adopt"]] {
        world.at(LATER, command).ends_with(78).says(&["retention-rules.toml:6", "Asia/Atlantis"]);
    }
    assert_eq!((standing(&world), world.files("state/ledger")), before);
}
