//! Destroyed stays destroyed: old copies put back open nothing.

use super::{
    files::found,
    world::{LATER, NOW, World},
};

/// After the first cycle with everything copied, then destroyed.
fn destroyed_with_copies() -> World {
    let world = World::separated();
    world.copy("vault", "old-vault");
    world.copy("state", "old-state");
    world.remove("old-state/keys/anchor");
    world.at(LATER, &["run"]).ends_with(0);
    world
}

/// Tries to get records of every rule, living and destroyed, and says how each
/// attempt ended and everything that came out.
fn attempts(world: &World, now: &str) -> Vec<(i32, String)> {
    let by = ["--by", "thief", "--reason", "greed", "--now", now];
    let commands: [&[&str]; 6] = [
        &["restore", "--subject", "1"],
        &["restore", "--subject", "5"],
        &["restore", "--rule", "member", "--key", "3"],
        &["restore", "--rule", "contract", "--key", "72"],
        &["restore", "--rule", "visit-log", "--key", "4"],
        &["run"],
    ];
    let ended = commands.map(|command| {
        let flags: &[&str] = if command[0] == "run" { &by[4..] } else { &by };
        let outcome = world.run(&[command, flags].concat());
        (outcome.code.unwrap(), outcome.stdout + &outcome.stderr)
    });
    ended.into_iter().collect()
}

#[test]
fn copies_of_vault_keystore_kek_and_ledger_put_back_together_open_nothing() {
    let world = destroyed_with_copies();
    let rows = world.rows();
    world.copy("state/keys/anchor", "anchor-of-today");
    world.remove("vault");
    world.remove("state");
    world.copy("old-vault", "vault");
    world.copy("old-state", "state");
    world.copy("anchor-of-today", "state/keys/anchor");
    for now in [NOW, LATER] {
        for (code, printed) in attempts(&world, now) {
            assert_eq!(code, 70, "{printed}");
            assert!(!printed.contains("canary"), "{printed}");
        }
    }
    // `status` opens no segment; it may count them, and has nothing to show.
    let status = world.at(LATER, &["status"]);
    assert!(!(status.stdout + &status.stderr).contains("canary"));
    assert_eq!(world.rows(), rows);
}

#[test]
fn without_any_anchor_the_copies_open_nothing_either() {
    let world = destroyed_with_copies();
    let rows = world.rows();
    world.remove("vault");
    world.remove("state");
    world.copy("old-vault", "vault");
    world.copy("old-state", "state");
    for (code, printed) in attempts(&world, NOW) {
        assert_eq!(code, 70, "{printed}");
        assert!(!printed.contains("canary"), "{printed}");
    }
    assert_eq!(world.rows(), rows);
}

#[test]
fn an_old_vault_beside_todays_keys_gives_back_no_destroyed_record() {
    let world = destroyed_with_copies();
    let rows = world.rows();
    world.remove("vault");
    world.copy("old-vault", "vault");
    let by = ["--by", "thief", "--reason", "greed", "--now", LATER];
    for target in [["--rule", "member", "--key", "1"], ["--rule", "visit-log", "--key", "4"]] {
        let outcome = world.run(&[&["restore"], &target[..], &by].concat());
        assert!(matches!(outcome.code, Some(70 | 77)), "{outcome:?}");
    }
    assert_eq!(world.rows(), rows);
}

#[test]
fn the_same_copies_with_the_old_anchor_open_what_they_held_so_that_the_test_can_fail() {
    let world = World::separated();
    let (go, _) = World::new().rows().parted();
    world.copy("vault", "old-vault");
    world.copy("state", "old-state");
    world.at(LATER, &["run"]).ends_with(0);
    world.remove("vault");
    world.remove("state");
    world.copy("old-vault", "vault");
    world.copy("old-state", "state");
    world.run(&["restore", "--subject", "1", "--by", "desk", "--reason", "copied root", "--now", NOW]).ends_with(0);
    let back = go.of_member(1).texts();
    assert_eq!(found(&world.files("shop"), &back).len(), back.len());
}

#[test]
fn destroyed_records_are_not_restorable_and_leave_no_ciphertext() {
    let world = World::separated();
    let vault_before = world.status(NOW)["vault"].clone();
    world.at(LATER, &["run"]).ends_with(0);
    for subject in ["3", "5"] {
        let by = ["--by", "desk", "--reason", "asked", "--rule", "member", "--now", LATER];
        world.run(&[&["restore", "--subject", subject], &by[..]].concat()).ends_with(77).says(&["nothing to restore"]);
    }
    let bytes = |vault: &serde_json::Value| {
        vault.as_array().unwrap().iter().map(|rule| rule["bytes"].as_u64().unwrap()).sum::<u64>()
    };
    let vault_after = world.status(LATER)["vault"].clone();
    assert!(bytes(&vault_after) < bytes(&vault_before));
    let members = vault_after.as_array().unwrap().iter().find(|rule| rule["rule"] == "member").unwrap();
    assert_eq!((&members["buckets"], &members["bytes"]), (&0.into(), &0.into()));
}
