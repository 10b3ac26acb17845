//! Holds from the command line: in force at once, kept sealed, lifted on record.

use std::fs::OpenOptions;

use serde_json::{Value, json};

use super::world::{LATER, NOW, Outcome, World};

/// Twelve days after `LATER`: long past every deadline of what was due then.
const MUCH_LATER: &str = "2026-12-11T03:00:00+09:00";

/// Names a person, as reasons do.
const REASON: &str = "소송 2026가단1234 원고 홍길동전";
const BY: [&str; 6] = ["--by", "counsel", "--reason", REASON, "--format", "json"];
const LIFTED: [&str; 4] = ["--by", "counsel", "--reason", "settled"];

fn add(world: &World, now: &str, what: &[&str]) -> Outcome {
    world.at(now, &[&["hold", "add"], what, &BY].concat())
}

fn item<'a>(plan: &'a Value, rule: &str, action: &str) -> &'a Value {
    let items = plan["items"].as_array().unwrap();
    items.iter().find(|item| item["rule"] == rule && item["action"] == action).unwrap()
}

fn events(world: &World, kind: &str) -> Vec<Value> {
    let list = world.run(&["ledger", "list", "--type", kind, "--format", "json"]).ends_with(0).json();
    list.as_array().unwrap().clone()
}

#[test]
fn a_held_person_outlives_the_due_bucket_and_goes_when_the_hold_is_lifted() {
    let world = World::separated();
    let added = add(&world, NOW, &["--subject", "5", "--review", "2027-05-20"]).ends_with(0).json();
    assert_eq!(added["recorded"], true);
    let plan = world.at(LATER, &["plan", "--format", "json"]).ends_with(0).json();
    let members = item(&plan, "member", "destroy");
    assert_eq!((&members["rows"], &members["held"]), (&json!(5), &json!(1)), "{members}");
    world.at(LATER, &["run"]).ends_with(0);
    assert_eq!(world.status(LATER)["vault"][0]["records"], 1, "only the held member is left");

    let later = world.at(MUCH_LATER, &["plan", "--format", "json", "--fail-on", "overdue"]).ends_with(0).json();
    assert_eq!(item(&later, "member", "destroy")["held"], 1);
    world.at(MUCH_LATER, &[&["hold", "lift", "--subject", "5"], &LIFTED[..]].concat()).ends_with(0);
    let freed = world.at(MUCH_LATER, &["plan", "--format", "json"]).ends_with(0).json();
    let freed = item(&freed, "member", "destroy");
    assert_eq!((&freed["rows"], &freed["held"], &freed["overdue"]), (&json!(1), &json!(0), &json!(0)), "{freed}");
    world.at(MUCH_LATER, &["run"]).ends_with(0);
    assert_eq!(world.status(MUCH_LATER)["vault"][0]["records"], 0);
    assert_eq!((events(&world, "hold.placed").len(), events(&world, "hold.lifted").len()), (1, 1));
    assert_eq!(events(&world, "hold.sealed")[0]["records"], 1);
    world.run(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn a_hold_on_a_rule_or_a_dataset_keeps_all_of_it_and_a_freeze_keeps_it_in_the_source() {
    let world = World::simulation();
    add(&world, NOW, &["--rule", "visit-log"]).ends_with(0);
    add(&world, NOW, &["--dataset", "members", "--freeze"]).ends_with(0);
    let plan = world.plan(NOW);
    let members = item(&plan, "member", "separate");
    assert_eq!((&members["rows"], &members["held"]), (&json!(0), &json!(6)), "{members}");
    let visits = item(&plan, "visit-log", "separate");
    assert_eq!((&visits["rows"], &visits["held"]), (&json!(12), &json!(12)), "{visits}");
    world.at(NOW, &["run", "--plan", "plan.json", "--by", "officer"]).ends_with(0);
    assert_eq!(world.sql("SELECT count(*) FROM members;"), "40\n");
    world.at(LATER, &["run"]).ends_with(0);
    let kept = world.at(LATER, &["plan", "--format", "json"]).ends_with(0).json();
    let kept = item(&kept, "visit-log", "destroy");
    assert_eq!((&kept["rows"], &kept["held"]), (&json!(0), &json!(12)), "{kept}");
}

#[test]
fn a_hold_is_placed_and_lifted_while_another_runner_holds_the_lock() {
    let world = World::separated();
    let lock = OpenOptions::new().write(true).open(world.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let added = add(&world, NOW, &["--subject", "5"]).ends_with(0);
    assert_eq!(added.json()["recorded"], false);
    let id = added.json()["holds"][0].as_str().unwrap().to_owned();
    let listed = world.at(NOW, &["hold", "list", "--format", "json"]).ends_with(0).json();
    assert_eq!(listed["holds"][0]["id"], id.as_str());
    assert!(events(&world, "hold.placed").is_empty());
    drop(lock);
    world.at(LATER, &["run"]).ends_with(0);
    assert_eq!(world.status(LATER)["vault"][0]["records"], 1);
    assert_eq!(events(&world, "hold.placed")[0]["hold"], id.as_str());

    let lock = OpenOptions::new().write(true).open(world.path("state/lock")).unwrap();
    lock.lock().unwrap();
    world.at(LATER, &[&["hold", "lift", &id], &LIFTED[..]].concat()).ends_with(0).says(&["next cycle"]);
    drop(lock);
    world.at(LATER, &["run"]).ends_with(0);
    assert_eq!(world.status(LATER)["vault"][0]["records"], 0);
    assert!(world.files("state/keys/holds").0.is_empty(), "the register lets go of lifted holds");
}

#[test]
fn whom_a_hold_is_about_stands_nowhere_in_the_clear() {
    let world = World::separated();
    add(&world, NOW, &["--subject", "person-who-is-held@example.com"]).ends_with(0);
    let files = world.files("state");
    let found = |text: &str| {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        files.0.iter().filter(|(_, bytes)| holds(bytes)).count()
    };
    assert_eq!((found("person-who-is-held"), found("홍길동전")), (0, 0));
    assert!(found("hold.placed") > 0, "the ledger does say that there is one");
    let listed = world.at(NOW, &["hold", "list"]).ends_with(0).stdout;
    assert!(listed.contains("person-who-is-held@example.com") && listed.contains(REASON), "{listed}");
}

#[test]
fn a_hold_that_covers_nothing_that_there_is_says_so() {
    let world = World::separated();
    for (what, said) in [
        (&["--rule", "nothing"][..], "there is no rule"),
        (&["--dataset", "nothing"], "no such dataset"),
        (&["--key", "5"], "--key needs --rule or --dataset"),
        (&["--subject", "5", "--review", "2020-01-01"], "has passed"),
        (&[], "required"),
    ] {
        add(&world, NOW, what).ends_with(2).says(&[said]);
    }
    world.at(NOW, &[&["hold", "lift", "--rule", "member"], &LIFTED[..]].concat()).ends_with(2).says(&["hold list"]);
    assert!(world.at(NOW, &["hold", "list", "--format", "json"]).ends_with(0).json()["holds"] == json!([]));
}

#[test]
fn a_register_that_lost_a_hold_or_was_tampered_with_destroys_nothing() {
    let world = World::separated();
    add(&world, NOW, &["--subject", "5"]).ends_with(0);
    world.copy("state/keys/holds", "holds.bak");
    let before = (world.rows(), world.vault());
    world.remove("state/keys/holds");
    world.at(LATER, &["run"]).ends_with(70).says(&["register of holds", "hint:"]);
    world.copy("holds.bak", "state/keys/holds");
    let hold = world.files("state/keys/holds").0[0].0.clone();
    let mut bytes = std::fs::read(world.path(hold.to_str().unwrap())).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(world.path(hold.to_str().unwrap())).unwrap();
    std::fs::write(world.path(hold.to_str().unwrap()), &bytes).unwrap();
    world.at(LATER, &["run"]).ends_with(70).says(&["cannot be read", "hint:"]);
    assert_eq!((world.rows(), world.vault()), before);
}
