//! Approval, confirmation and reading from the command line.

use serde_json::{Value, json};

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World};

fn with_approval() -> World {
    let rules = RULES
        .replace("contact = \"privacy@example.com\"", "contact = \"privacy@example.com\"\nfour_eyes = true")
        .replace("clause      = \"5\"", "clause      = \"5\"\napproval    = \"officer\"");
    let world = World::with(DEPLOYMENT, &rules);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.reviewed_run(NOW).ends_with(0);
    world
}

fn members(world: &World) -> Value {
    world.status(LATER)["vault"][0]["records"].clone()
}

#[test]
fn members_are_destroyed_when_the_officer_approved_and_another_person_carries_it_out() {
    let world = with_approval();
    let run = world.at(LATER, &["run", "--format", "json"]).ends_with(77).json();
    assert_eq!(run["refused"][0]["guard"], "approval");
    assert_eq!(members(&world), 6);
    world.plan(LATER);
    world.at(LATER, &["run", "--plan", "plan.json", "--by", "lee"]).ends_with(77);
    world.plan(LATER);
    world.at(LATER, &["approve", "--plan", "plan.json", "--by", "Kim"]).ends_with(0);
    world.at(LATER, &["run", "--plan", "plan.json", "--by", "kim"]).ends_with(77);
    assert_eq!(members(&world), 6);
    world.at(LATER, &["approve", "--plan", "plan.json", "--by", "Kim"]).ends_with(0);
    let done = world.at(LATER, &["run", "--plan", "plan.json", "--by", "lee", "--format", "json"]).ends_with(0).json();
    assert_eq!(members(&world), 0);
    let run = done["run"].as_str().unwrap();
    let confirmed = world.at(LATER, &["confirm", "--run", run, "--by", "Kim", "--format", "json"]).ends_with(0).json();
    assert_eq!(confirmed["destroyed"], 6);
    world.at(LATER, &["confirm", "--run", run, "--by", "Kim"]).ends_with(77).says(&["hint:"]);
    world.run(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn a_person_is_read_with_a_reason_and_the_ledger_has_the_five_fields_and_no_subject() {
    let world = World::separated();
    let read = ["read", "--subject", "1", "--by", "support", "--reason", "정보주체의 열람 요구"];
    let shown = world.at(NOW, &read).ends_with(0).json();
    let records = shown["records"].as_array().unwrap();
    let of = |dataset: &str| records.iter().filter(|record| record["dataset"] == dataset).count();
    assert_eq!((of("members"), of("orders"), of("payments")), (1, 1, 1));
    let member = records.iter().find(|record| record["dataset"] == "members").unwrap();
    assert_eq!(member["rows"]["members"][0]["id"], 1);
    assert_eq!(member["rows"]["members"][0]["photo"], json!({ "hex": "00ff0001" }));
    assert_eq!(member["rows"]["addresses"].as_array().unwrap().len(), 2);
    let entries = world.run(&["ledger", "list", "--type", "read.intent", "--format", "json"]).ends_with(0).json();
    let entry = &entries[0];
    assert_eq!((&entry["by"], &entry["reason"]), (&json!("support"), &json!("정보주체의 열람 요구")));
    assert!(entry["time"].is_string() && entry["host"].is_string());
    assert!(entry["whose"].as_str().unwrap().starts_with("sha256:"));
    let outcome = world.run(&["ledger", "list", "--type", "read.outcome", "--format", "json"]).ends_with(0).json();
    assert_eq!(outcome[0]["records"], 3);
    for missing in [&["read", "--subject", "1", "--by", "support"][..], &["read", "--by", "a", "--reason", "b"]] {
        world.at(NOW, missing).ends_with(2);
    }
}
