//! Keys and values of rows in memory: kept off the swap where that is allowed, and
//! said where it is not.

use std::{fs, os::unix::fs::MetadataExt as _, process::Command};

use super::world::{LATER, NOW, Outcome, World, outcome};

const WARNING: [&str; 2] = ["memory is not locked", "LimitMEMLOCK=infinity"];

/// A command under a limit of 64 KiB that it may not raise.
fn limited(world: &World, arguments: &[&str]) -> Outcome {
    let plain = world.command(arguments);
    let own = fs::metadata("/proc/self").unwrap().uid();
    let drop: &[&str] = if own == 0 { &["setpriv", "--bounding-set=-sys_resource,-ipc_lock", "--"] } else { &[] };
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -l 64 && exec \"$@\"", "sh"]).args(drop);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(world.path(".")).env("NO_COLOR", "1");
    outcome(command.env_remove("RETENTIOND_LOG"))
}

#[test]
fn a_cycle_whose_memory_cannot_be_locked_says_what_to_set_and_goes_on() {
    let world = World::simulation();
    world.plan(NOW);
    limited(&world, &["run", "--plan", "plan.json", "--by", "officer", "--now", NOW]).ends_with(0).says(&WARNING);
    limited(&world, &["run", "--now", LATER]).ends_with(0).says(&WARNING);
    // What opens neither keys nor rows has nothing to warn of.
    let status = limited(&world, &["status", "--now", LATER]).ends_with(0);
    assert!(!status.stderr.contains(WARNING[0]), "{}", status.stderr);
}
