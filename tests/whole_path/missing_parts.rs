//! Vault, keystore and ledger belong together. Where one is missing, damaged or
//! older than the others, nothing is made anew and nothing is done.

use super::world::{LATER, NOW, World};

/// Everything that could do harm, each of which must end with 70.
fn everything_stops(world: &World, what: &str) {
    for command in [&["run"][..], &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"]] {
        world.at(LATER, command).ends_with(70).says(&[what, "hint:"]);
    }
    for command in [&["status"][..], &["plan"]] {
        world.at(LATER, command).ends_with(70).says(&[what]);
    }
}

fn missing(part: &str, path: &str, name: &str) {
    let world = World::separated();
    let rows = world.rows();
    world.copy(path, "aside");
    world.remove(path);
    everything_stops(&world, name);
    assert!(!world.path(path).exists(), "{part} was made anew");
    world.at(LATER, &["init", "--simulation"]).ends_with(77);
    assert!(!world.path(path).exists(), "{part} was made anew by init");
    assert_eq!(world.rows(), rows);
    world.copy("aside", path);
    world.at(LATER, &["run"]).ends_with(0);
}

#[test]
fn a_missing_ledger_is_never_made_anew() {
    missing("ledger", "state/ledger", "the ledger");
}

#[test]
fn a_missing_keystore_is_never_made_anew() {
    missing("keystore", "state/keys", "the keystore");
}

#[test]
fn a_missing_vault_is_never_made_anew() {
    let world = World::separated();
    let rows = world.rows();
    world.copy("vault", "aside");
    world.remove("vault");
    std::fs::create_dir(world.path("vault")).unwrap();
    everything_stops(&world, "the vault");
    world.at(LATER, &["init", "--simulation"]).ends_with(77);
    assert_eq!(std::fs::read_dir(world.path("vault")).unwrap().count(), 0, "a vault was made anew");
    assert_eq!(world.rows(), rows);
    world.remove("vault");
    world.copy("aside", "vault");
    world.at(LATER, &["run"]).ends_with(0);
}

#[test]
fn without_its_anchor_key_or_signing_key_nothing_is_done() {
    for secret in ["state/keys/anchor", "state/kek", "state/ledger.key"] {
        let world = World::separated();
        let rows = world.rows();
        world.copy(secret, "aside");
        world.remove(secret);
        world.at(LATER, &["run"]).ends_with(70);
        world.at(NOW, &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"]).ends_with(70);
        assert!(!world.path(secret).exists(), "{secret} was made anew");
        assert_eq!(world.rows(), rows);
        world.copy("aside", secret);
        world.at(LATER, &["run"]).ends_with(0);
    }
}

#[test]
fn a_file_of_the_ledger_that_is_missing_stops_everything() {
    for name in ["state/ledger/ledger.jsonl", "state/ledger/checkpoint"] {
        let world = World::separated();
        let rows = world.rows();
        world.remove(name);
        world.at(LATER, &["run"]).ends_with(70);
        assert!(!world.path(name).exists(), "{name} was made anew");
        assert_eq!(world.rows(), rows);
    }
}

#[test]
fn init_never_replaces_what_is_there() {
    let world = World::separated();
    let (state, vault) = (world.files("state"), world.files("vault"));
    world.at(NOW, &["init", "--simulation"]).ends_with(77).says(&["never replaces", "hint:"]);
    world.run(&["init"]).ends_with(77);
    assert_eq!((world.files("state"), world.files("vault")), (state, vault));
}

#[test]
fn a_vault_of_another_deployment_is_not_accepted() {
    let (world, other) = (World::separated(), World::separated());
    world.remove("vault");
    crate::world::succeeds(
        std::process::Command::new("cp").args(["-a", "-T"]).arg(other.path("vault")).arg(world.path("vault")),
    );
    let rows = world.rows();
    world.at(LATER, &["run"]).ends_with(70);
    assert_eq!(world.rows(), rows);
}

#[test]
fn a_vault_file_that_is_no_database_is_not_replaced() {
    let world = World::separated();
    let rows = world.rows();
    world.remove("vault");
    std::fs::create_dir(world.path("vault")).unwrap();
    world.write(
        "vault/vault.db",
        "not a database, and longer than a header of a hundred bytes has to be, by far and wide",
    );
    let outcome = world.at(LATER, &["run"]);
    assert!(matches!(outcome.code, Some(69 | 70)), "{outcome:?}");
    assert_eq!(world.rows(), rows);
    assert!(std::fs::read_to_string(world.path("vault/vault.db")).unwrap().starts_with("not a database"));
}
