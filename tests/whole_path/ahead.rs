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
fn a_cycle_of_the_members_alone_takes_what_they_leave_with_and_nothing_else_of_its_rule() {
    let world = World::with(&deployment(), RULES);
    world.sql("DELETE FROM payments; DELETE FROM order_lines; DELETE FROM orders;");
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.at(NOW, &["plan", "--rule", "member", "--out", "plan.json"]).ends_with(0);
    let run = ["run", "--plan", "plan.json", "--by", "officer", "--format", "json"];
    let report = world.at(NOW, &run).ends_with(0).json();
    assert_eq!(rows_of(&report, "separated", "members"), 6, "{report}");
    assert_eq!(world.sql(YOUNG), "");
    assert_eq!(world.sql("SELECT count(*) FROM visits WHERE id <= 12").trim(), "7", "old ones of those who stay");
}

/// After a first cycle: three members have left, each with a young visit, and more
/// old visits of others are there than the guard lets pass; and the other way round.
fn guarded(members: &str, old_visits: u32) -> World {
    let world = World::with(&deployment(), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.reviewed_run(NOW).ends_with(0);
    world.write("retentiond.toml", &deployment().replace("[guards]", "[guards]\nrows_max = 15"));
    world.sql(&format!("UPDATE members SET withdrawn_at = '2026-11-23 10:00:00' WHERE id {members};"));
    for visit in 0..old_visits {
        world.sql(&format!("INSERT INTO visits VALUES ({}, 39, 'old', '2020-01-01 10:00:00');", 1000 + visit));
    }
    world
}

fn refused(report: &Value) -> Vec<&str> {
    report["refused"].as_array().unwrap().iter().filter_map(|item| item["rule"].as_str()).collect()
}

#[test]
fn a_member_waits_for_visits_whose_rule_is_refused() {
    let world = guarded("BETWEEN 7 AND 9", 16);
    let visits = world.sql("SELECT count(*) FROM visits");
    let report = world.at(LATER, &["run", "--format", "json"]).ends_with(77).json();
    assert_eq!(refused(&report), ["visit-log"], "{report}");
    assert_eq!((rows_of(&report, "separated", "visits"), rows_of(&report, "separated", "members")), (0, 0), "{report}");
    assert_eq!(rows_of(&report, "separated", "orders"), 3, "the others went on: {report}");
    assert_eq!(world.sql("SELECT count(*) FROM visits"), visits);
}

#[test]
fn visits_stay_with_members_whose_rule_is_refused() {
    let world = guarded("BETWEEN 7 AND 22", 2);
    let report = world.at(LATER, &["run", "--format", "json"]).ends_with(77).json();
    assert!(refused(&report).contains(&"member") && !refused(&report).contains(&"visit-log"), "{report}");
    assert_eq!((rows_of(&report, "separated", "visits"), rows_of(&report, "separated", "members")), (2, 0), "{report}");
}
