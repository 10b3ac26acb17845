//! Bounded blast: nothing moves before a person has reviewed a plan, a reviewed
//! plan is carried out exactly or not at all, and guards hold.

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World, rows_in};

#[test]
fn a_plain_run_after_init_is_refused_and_says_how_to_go_on() {
    let world = World::simulation();
    let (rows, vault) = (world.rows(), world.status(NOW)["vault"].clone());
    let report = world.at(NOW, &["run", "--format", "json"]).ends_with(77).json();
    assert_eq!((&report["separated"], &report["verdict"]), (&serde_json::json!([]), &"UNKNOWN".into()));
    assert!(report["refused"][0]["reason"].as_str().unwrap().contains("no plan was reviewed"), "{report}");
    let refused = world.at(NOW, &["run"]).ends_with(77);
    let refused = refused.says(&["no plan was reviewed", "retentiond plan --out", "retentiond run --plan"]);
    assert_eq!(refused.stdout, "");
    assert_eq!((world.rows(), world.status(NOW)["vault"].clone()), (rows, vault));
    let listed = world.run(&["ledger", "list", "--type", "refused", "--format", "json"]).ends_with(0).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["what"]), (2, &"review".into()), "one a refusal");
}

#[test]
fn after_one_reviewed_cycle_the_next_ones_run_by_themselves() {
    let world = World::separated();
    assert_eq!(world.status(NOW)["policy"]["reviewed"], true);
    world.sql("UPDATE members SET withdrawn_at = '2026-11-21 08:00:00' WHERE id = 30;");
    let run = world.at(NOW, &["run", "--format", "json"]).ends_with(0).json();
    assert_eq!(rows_in(&run["separated"]), 3, "a member, an order, a payment");
}

#[test]
fn the_reviewer_stands_in_the_ledger() {
    let world = World::separated();
    let digest = world.plan(NOW)["digest"].clone();
    let list = || world.run(&["ledger", "list", "--type", "run.started", "--format", "json"]).ends_with(0).json();
    assert_eq!(list()[0]["by"], "officer");
    assert_ne!(list()[0]["plan"], digest);
    world.at(NOW, &["run", "--plan", "plan.json", "--by", "another"]).ends_with(0);
    assert_eq!((&list()[1]["by"], &list()[1]["plan"]), (&"another".into(), &digest));
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let world = World::simulation();
    world.plan(NOW);
    let plan = std::fs::read_to_string(world.path("plan.json")).unwrap();
    let rows = world.rows();
    for (from, to) in [("\"rows\": 12", "\"rows\": 13"), ("\"overdue\": 2", "\"overdue\": 0"), ("1.0", "1.1")] {
        assert!(plan.contains(from), "{from}");
        world.write("plan.json", &plan.replace(from, to));
        world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(77).says(&["changed after it was made", "hint:"]);
    }
    assert_eq!(world.rows(), rows);
    world.write("plan.json", &plan);
    world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(0);
}

#[test]
fn a_plan_over_other_data_is_refused_with_the_count_that_changed() {
    let world = World::simulation();
    world.plan(NOW);
    world.sql("INSERT INTO visits VALUES (999, 1, 'agent', '2022-01-01 00:00:00');");
    let rows = world.rows();
    let drift = world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(77);
    drift.says(&["the data changed", "visit-log/visits: separate rows 12 -> 13", "hint:"]);
    assert_eq!(world.rows(), rows);
    world.reviewed_run(NOW).ends_with(0);
}

#[test]
fn a_child_row_that_came_later_is_drift_too() {
    let world = World::simulation();
    world.plan(NOW);
    world.sql("INSERT INTO order_lines VALUES (999999, 11, 'one more', 1);");
    let rows = world.rows();
    world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(77).says(&["order_lines 22 -> 23"]);
    assert_eq!(world.rows(), rows);
}

#[test]
fn a_plan_of_another_deployment_or_of_the_future_is_refused() {
    let world = World::simulation();
    let rows = world.rows();
    world.plan(LATER);
    world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(77).says(&["has not come yet"]);

    let other = World::with(DEPLOYMENT, &RULES.replace("\"3 years\"", "\"2 years\""));
    other.plan(NOW);
    std::fs::copy(other.path("plan.json"), world.path("plan.json")).unwrap();
    world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(77).says(&["another policy"]);
    assert_eq!(world.rows(), rows);
}

#[test]
fn a_plan_that_was_carried_out_is_not_carried_out_again() {
    let world = World::separated();
    let rows = world.rows();
    world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(77).says(&["the data changed"]);
    assert_eq!(world.rows(), rows);
}

fn guarded(guards: &str) -> World {
    let world = World::with(&DEPLOYMENT.replace("table_share_max = 1.0", guards), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world
}

#[test]
fn a_plan_over_a_guard_is_refused_whole_unless_the_guard_is_accepted_by_name() {
    let world = guarded("table_share_max = 0.18");
    let plan = world.plan(NOW);
    let hits = plan["guards"].as_array().unwrap();
    // 12 of 60 visits and 11 of 45 orders; 6 of 40 members are within.
    assert!(hits.iter().all(|hit| hit["guard"] == "table_share_max" && hit["limit"] == 0.18), "{hits:?}");
    let rules: Vec<&str> = hits.iter().map(|hit| hit["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"visit-log") && rules.contains(&"contract") && !rules.contains(&"member"), "{rules:?}");
    assert_eq!(hits.iter().find(|hit| hit["rule"] == "visit-log").unwrap()["value"], 0.2);
    let rows = world.rows();
    let run = ["run", "--plan", "plan.json", "--by", "officer"];
    world.at(NOW, &run).ends_with(77).says(&["table_share_max", "--accept-guard table_share_max"]);
    world.at(NOW, &[&run[..], &["--accept-guard", "rows_max"]].concat()).ends_with(77).says(&["table_share_max"]);
    assert_eq!(world.rows(), rows);
    world.at(NOW, &["plan", "--fail-on", "guard"]).ends_with(1);

    world.at(NOW, &[&run[..], &["--accept-guard", "table_share_max"]].concat()).ends_with(0);
    assert_eq!(world.rows(), rows.parted().1);
    let started = world.run(&["ledger", "list", "--type", "run.started", "--format", "json"]).ends_with(0).json();
    let last = started.as_array().unwrap().last().unwrap();
    assert_eq!((&last["accepted_guards"], &last["by"]), (&serde_json::json!(["table_share_max"]), &"officer".into()));
}

#[test]
fn a_rule_over_a_guard_sits_out_a_plain_cycle_and_the_others_go_on() {
    let world = guarded("table_share_max = 1.0\nrows_max = 13");
    world.reviewed_run(NOW).ends_with(0);
    world.sql(
        "UPDATE visits SET visited_at = '2021-01-01 00:00:00' WHERE id > 40;
         UPDATE members SET withdrawn_at = '2026-11-21 08:00:00' WHERE id = 30;",
    );
    let run = world.at(NOW, &["run", "--format", "json"]).ends_with(77).json();
    let refused = run["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!((&refused[0]["rule"], &refused[0]["guard"]), (&"visit-log".into(), &"rows_max".into()));
    assert!(refused[0]["reason"].as_str().unwrap().contains("--accept-guard rows_max"));
    assert_eq!(rows_in(&run["separated"]), 3);
    assert_eq!(world.rows().count("visits"), 48);
    assert!(!world.rows().0.contains_key(&("members".to_owned(), 30)));
}

#[test]
fn a_guard_is_accepted_only_with_a_plan_and_a_name() {
    let world = World::simulation();
    world.plan(NOW);
    let rows = world.rows();
    let commands: [&[&str]; 4] = [
        &["run", "--accept-guard", "rows_max"],
        &["run", "--accept-guard", "rows_max", "--by", "officer"],
        &["run", "--plan", "plan.json", "--accept-guard", "rows_max"],
        &["run", "--plan", "plan.json", "--by", "officer", "--accept-guard", "everything"],
    ];
    for command in commands {
        world.at(NOW, command).ends_with(2);
    }
    assert_eq!(world.rows(), rows);
}
