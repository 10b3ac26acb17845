//! A command that only reads, beside one that writes.

use std::process::Stdio;

use crate::{life::Life, world::World};

#[test]
fn a_cycle_between_two_looks_of_a_reader_is_no_old_copy_of_the_ledger() {
    let life = Life::begin(World::in_files());
    let later = ["--now", "2026-11-22T18:00:00Z"];
    let mut status = life.world.command(&[&["status"], &later[..]].concat());
    status.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = World::halted(status, "reading.between", || {
        life.world.done(&[&["run"], &later[..]].concat());
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}
