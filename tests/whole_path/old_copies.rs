//! An older copy of the vault, of the keystore, of the ledger: found by the
//! program, told by `status`, and gone on with only where a person says so.

use super::world::{LATER, NOW, Outcome, World};

/// A vault of the first cycle beside ledger and keys of the second, which
/// destroyed members and separated a visit.
fn older_vault() -> World {
    let world = World::separated();
    world.copy("vault", "older");
    world.sql("INSERT INTO visits VALUES (900001, 1, 'agent', '2020-03-03 08:00:00')");
    world.at(LATER, &["run"]).ends_with(0);
    world.copy("vault", "newest");
    world.remove("vault");
    world.copy("older", "vault");
    world
}

fn found(status: &Outcome) -> String {
    status.json()["old_copy"]["found"].as_str().unwrap().to_owned()
}

#[test]
fn an_older_vault_is_told_of_acknowledged_by_its_digest_and_cleared_of_what_was_destroyed() {
    let world = older_vault();
    let (rows, vault) = (world.rows(), world.vault());
    for command in [&["run"][..], &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"]] {
        world.at(LATER, command).ends_with(70).says(&["an old copy of the vault was put back", "status"]);
    }
    assert!(world.rows() == rows && world.vault() == vault, "something was done");
    let status = world.at(LATER, &["status", "--format", "json"]).ends_with(70);
    let (copy, digest) = (status.json()["old_copy"].clone(), found(&status));
    assert!(!copy["destroyed"].as_array().unwrap().is_empty(), "{copy}");
    let since = &copy["separated"].as_array().unwrap()[0];
    assert_eq!((since["dataset"].as_str(), since["records"].as_u64()), (Some("visits"), Some(1)), "{copy}");
    let visits = copy["rules"].as_array().unwrap().iter().find(|counts| counts["rule"] == "visit-log").unwrap();
    assert_eq!((visits["missing"]["at_least"].as_u64(), visits["missing"]["at_most"].as_u64()), (Some(1), Some(1)));
    let text = world.at(LATER, &["status"]).ends_with(70).stdout;
    for part in
        ["OLD COPY", "1 missing", "buckets of 2020-03-03 to 2020-03-03", "ciphertext that nothing opens", &digest]
    {
        assert!(text.contains(part), "{part}: {text}");
    }

    let acknowledge = |found: &str| {
        let by = ["--by", "operator", "--reason", "the newest disk is lost"];
        world.at(LATER, &[&["ledger", "acknowledge", "--found", found][..], &by].concat())
    };
    let other = format!("sha256:{}", digest[7..].replace(|digit: char| digit.is_ascii_digit(), "0"));
    acknowledge(&other).ends_with(77).says(&["not what was shown"]);
    acknowledge("yes").ends_with(2);
    world.at(LATER, &["ledger", "acknowledge", "--found", &digest, "--by", "operator"]).ends_with(2);
    assert!(acknowledge(&digest).ends_with(0).stdout.contains("cycles go on"));
    acknowledge(&digest).ends_with(77).says(&["there is no old copy"]);
    assert!(world.status(LATER)["old_copy"].is_null());
    world.at(LATER, &["run"]).ends_with(0);
    world.at(LATER, &["ledger", "verify"]).ends_with(0);
    let cleared = world.at(LATER, &["ledger", "list", "--type", "vault.cleared", "--format", "json"]).json();
    assert_eq!(cleared[0]["buckets"].as_u64(), Some(copy["destroyed"].as_array().unwrap().len() as u64));
    let on_record = world.at(LATER, &["ledger", "list", "--type", "vault.acknowledged", "--format", "json"]).json();
    assert_eq!((on_record[0]["found"].as_str(), on_record[0]["by"].as_str()), (Some(&*digest), Some("operator")));
    assert_eq!(on_record[0]["missing"]["visit-log"]["at_least"].as_u64(), Some(1));
}

#[test]
fn the_newest_vault_put_back_needs_no_acknowledgement() {
    let world = older_vault();
    world.at(LATER, &["run"]).ends_with(70);
    world.remove("vault");
    world.copy("newest", "vault");
    world.at(LATER, &["run"]).ends_with(0);
    assert!(world.status(LATER)["old_copy"].is_null());
}

#[test]
fn an_older_ledger_is_never_acknowledged() {
    let world = World::separated();
    world.copy("state/ledger", "older");
    world.at(LATER, &["run"]).ends_with(0);
    world.remove("state/ledger");
    world.copy("older", "state/ledger");
    let (rows, ledger) = (world.rows(), world.files("state/ledger"));
    world.at(LATER, &["run"]).ends_with(70).says(&["shorter than the vault remembers"]);
    world.at(LATER, &["status"]).ends_with(70).says(&["shorter than the vault remembers"]);
    let digest = format!("sha256:{}", "0".repeat(64));
    let words = ["ledger", "acknowledge", "--found", &digest, "--by", "operator", "--reason", "why not"];
    world.at(LATER, &words).ends_with(70).says(&["shorter than the vault remembers"]);
    assert!(world.rows() == rows && world.files("state/ledger") == ledger, "something was done");
}

/// Its root is destroyed, so that it opens with nothing.
#[test]
fn an_older_keystore_stops_everything_and_is_never_acknowledged() {
    let world = World::separated();
    world.copy("state/keys", "older");
    world.at(LATER, &["run"]).ends_with(0);
    world.copy("state/keys/anchor", "anchor");
    world.remove("state/keys");
    world.copy("older", "state/keys");
    world.remove("state/keys/anchor");
    world.copy("anchor", "state/keys/anchor");
    let rows = world.rows();
    for command in [&["run"][..], &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"]] {
        world.at(LATER, command).ends_with(70).says(&["keystore"]);
    }
    let digest = format!("sha256:{}", "0".repeat(64));
    let words = ["ledger", "acknowledge", "--found", &digest, "--by", "operator", "--reason", "why not"];
    world.at(LATER, &words).ends_with(70).says(&["keystore"]);
    assert_eq!(world.rows(), rows);
}

/// It knows the root that the destruction ended.
#[test]
fn a_state_folder_put_back_with_its_anchor_is_found_by_the_vault() {
    let world = World::separated();
    world.copy("state", "older");
    world.at(LATER, &["run"]).ends_with(0);
    world.remove("state");
    world.copy("older", "state");
    world.at(LATER, &["run"]).ends_with(70).says(&["shorter than the vault remembers"]);
    world.at(NOW, &["run"]).ends_with(70);
}

/// Records that moved and, of them, those that had moved before, by the intents of
/// the newest run.
fn moved_again(world: &World) -> (u64, u64) {
    let intents = world.at(LATER, &["ledger", "list", "--type", "separate.intent", "--format", "json"]).json();
    let intents = intents.as_array().unwrap();
    let newest = intents.last().unwrap()["run"].clone();
    let of_run = intents.iter().filter(|intent| intent["run"] == newest);
    of_run.fold((0, 0), |(records, again), intent| {
        (records + intent["records"].as_u64().unwrap(), again + intent["again"].as_u64().unwrap_or(0))
    })
}

#[test]
fn what_an_older_copy_of_the_source_brings_back_leaves_again_and_the_ledger_says_so() {
    let world = World::simulation();
    world.copy("shop", "older");
    let put_back = || {
        world.remove("shop");
        world.copy("older", "shop");
    };
    world.reviewed_run(NOW).ends_with(0);
    let (rows, (records, again)) = (world.rows(), moved_again(&world));
    assert!(records > 0 && again == 0, "{records} {again}");

    // The vault holds all of them.
    put_back();
    world.at(NOW, &["run"]).ends_with(0);
    assert_eq!(moved_again(&world), (records, records));
    assert_eq!(world.rows(), rows);

    // Some were destroyed since, and the vault holds the others.
    world.at(LATER, &["run"]).ends_with(0);
    put_back();
    world.at(LATER, &["run"]).ends_with(0);
    let (moved, again) = moved_again(&world);
    assert!(moved >= records && again == moved, "{moved} {again}");
    world.at(LATER, &["ledger", "verify"]).ends_with(0);
}
