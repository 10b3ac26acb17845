//! `demo`: the first thing that people run.

use std::fs;

use super::world::{World, outcome};

fn demo(world: &World, folder: &str) -> super::world::Outcome {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_retentiond"));
    command.current_dir(world.path(".")).env("NO_COLOR", "1").args(["demo", "--dir", folder, "--members", "200"]);
    outcome(&mut command)
}

#[test]
fn the_demonstration_shows_everything_and_can_be_repeated_in_its_folder() {
    let world = World::new();
    let first = demo(&world, "shown").ends_with(0);
    let (_, summary) = first.stdout.rsplit_once("== ").unwrap();
    assert!(summary.starts_with("Summary\n"), "{summary}");
    for part in ["rows destroyed", "; 0 of the", "ledger intact", "Next:"] {
        assert!(summary.contains(part), "{part:?} is not in {summary}");
    }
    let config = ["--config", "shown/retentiond.toml"];
    let of_demo = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_retentiond"));
        outcome(command.current_dir(world.path(".")).args(config).args(arguments)).ends_with(0)
    };
    assert_eq!(of_demo(&["status", "--format", "json"]).json()["simulation"], true);
    of_demo(&["ledger", "verify"]);
    let plan = of_demo(&["plan", "--now", "2027-06-01", "--format", "json"]).json();
    assert!(super::world::rows_in(&plan["items"]) > 0, "{plan}");

    fs::write(world.path("shown/of-the-first"), "").unwrap();
    demo(&world, "shown").ends_with(0);
    assert!(!world.path("shown/of-the-first").exists());
}

#[test]
fn a_folder_that_is_no_demonstration_is_refused_and_untouched() {
    let world = World::new();
    fs::create_dir(world.path("precious")).unwrap();
    world.write("precious/file", "precious");
    let refused = demo(&world, "precious").says(&["no demonstration", "hint:"]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(world.files("precious").0.len(), 1);
    assert_eq!(fs::read_to_string(world.path("precious/file")).unwrap(), "precious");
}
