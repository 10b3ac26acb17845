//! Rows of one rule that leave with a record of another, which keeps for a
//! shorter time.

use serde_json::Value;

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World};

/// Visits of a member go with the member; three years are theirs.
fn deployment() -> String {
    let child = "  [[dataset.child]]\n  table = \"visits\"\n  on    = { member_id = \"id\" }\n  edge  = \"own\"\n\n";
    DEPLOYMENT.replacen(
        "[[dataset]]\nrule    = \"contract\"",
        &format!("{child}[[dataset]]\nrule    = \"contract\""),
        1,
    )
}

/// Of the members who left. The six younger ones are not due before 2029.
const YOUNG: &str = "SELECT * FROM visits WHERE id BETWEEN 40 AND 45";

fn rows_of(report: &Value, what: &str, dataset: &str) -> u64 {
    let items = report[what].as_array().unwrap();
    items.iter().filter(|item| item["dataset"] == dataset).map(|item| item["rows"].as_u64().unwrap()).sum()
}

#[test]
fn what_leaves_with_a_member_is_kept_for_its_own_rule_when_the_member_is_destroyed() {
    let world = World::with(&deployment(), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    let young = world.sql(YOUNG);
    let plan = world.plan(NOW);
    let members = plan["items"].as_array().unwrap().iter().find(|item| item["dataset"] == "members").unwrap();
    assert_eq!(members["sooner"]["visits"], 6, "{members}");

    let report = world.reviewed_run(NOW).ends_with(0).json();
    assert_eq!(rows_of(&report, "separated", "visits"), 12 + 6, "{report}");
    assert_eq!(world.sql(YOUNG), "", "none is left behind without its member");
    let causes = world.run(&["ledger", "list", "--type", "separate.intent", "--format", "json"]).ends_with(0).stdout;
    assert!(causes.contains(r#""with-parent""#), "{causes}");

    let report = world.at(LATER, &["run", "--format", "json"]).ends_with(0).json();
    assert_eq!(
        (rows_of(&report, "destroyed", "members"), rows_of(&report, "destroyed", "visits")),
        (6, 12),
        "{report}"
    );
    for visit in 40..=45 {
        let by = ["--by", "support", "--reason", "정보주체의 열람 요구"];
        let key = visit.to_string();
        world.at(LATER, &[&["restore", "--rule", "visit-log", "--key", &key], &by[..]].concat()).ends_with(0);
    }
    assert_eq!(world.sql(YOUNG), young, "to the byte");
}

#[test]
fn a_member_waits_for_visits_whose_rule_does_not_run() {
    let world = World::with(&deployment().replace("[guards]", "[guards]\nrows_max = 11"), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    let before = world.sql(YOUNG);
    world.plan(NOW);
    let run = ["run", "--plan", "plan.json", "--by", "officer", "--format", "json"];
    let report = world.at(NOW, &run).ends_with(77).json();
    assert_eq!((rows_of(&report, "separated", "visits"), rows_of(&report, "separated", "members")), (0, 0), "{report}");
    assert_eq!(world.sql(YOUNG), before);
}
