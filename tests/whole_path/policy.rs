//! A changed policy: compared, adopted, armed; and the one in force until then.

use serde_json::Value;

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World, rows_in};

/// Three months instead of three years for visits, under a version of its own.
fn shorter() -> String {
    RULES.replace("\"3 years\"", "\"3 months\"").replace("version        = \"1.0\"", "version        = \"1.1\"")
}

fn diff(world: &World, arguments: &[&str]) -> Value {
    let arguments = [&["policy", "diff", "--format", "json"], arguments].concat();
    world.at(NOW, &arguments).ends_with(0).json()
}

fn of_rule<'a>(list: &'a Value, rule: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|item| item["rule"] == rule).unwrap()
}

#[test]
fn a_changed_file_is_a_proposal_and_the_adopted_policy_stays_in_force() {
    let world = World::separated();
    world.sql("UPDATE members SET withdrawn_at = '2026-11-21 08:00:00' WHERE id = 30;");
    let visits = world.rows().count("visits");
    world.write("retention-rules.toml", &shorter());
    let status = world.status(NOW);
    assert_eq!((&status["policy"]["adopted"], &status["policy"]["version"]), (&false.into(), &"1.0".into()));
    assert_eq!(status["policy"]["proposed"]["version"], "1.1");
    let text = world.at(NOW, &["status"]).ends_with(0).stdout;
    assert!(text.contains("CHANGED") && text.contains("policy diff"), "{text}");

    // The old policy goes on: the member moves, and no visit that only the new one calls due.
    let run = world.at(NOW, &["run", "--format", "json"]).ends_with(77);
    let run = run.says(&["not adopted", "policy adopt"]).json();
    assert_eq!((rows_in(&run["separated"]), &run["policy"]["version"]), (3, &"1.0".into()));
    assert!(run["refused"][0]["reason"].as_str().unwrap().contains("version 1.1"), "{run}");
    assert_eq!(world.rows().count("visits"), visits);
    world.at(NOW, &["run"]).ends_with(77);
    let refused = world.at(NOW, &["ledger", "list", "--type", "refused", "--format", "json"]).ends_with(0).json();
    let of_file: Vec<&Value> = refused.as_array().unwrap().iter().filter(|entry| entry["what"] == "policy").collect();
    let [of_file] = of_file[..] else { panic!("it stands in the ledger once: {refused}") };
    assert_eq!(
        (&of_file["limit"], &of_file["value"]),
        (&status["policy"]["digest"], &status["policy"]["proposed"]["digest"])
    );
    world.at(NOW, &["restore", "--subject", "30", "--by", "desk", "--reason", "asked"]).ends_with(0);

    // A comment is no change.
    world.write("retention-rules.toml", &format!("# nothing new\n{RULES}"));
    world.at(NOW, &["run"]).ends_with(0);
    assert_eq!(world.status(NOW)["policy"]["proposed"], Value::Null);
}

#[test]
fn a_shortened_period_shows_its_rows_in_the_diff_and_destroys_nothing_until_it_is_adopted_and_has_armed() {
    let world = World::separated();
    world.write("retention-rules.toml", &shorter());
    let difference = diff(&world, &[]);
    let change = of_rule(&difference["changes"], "visit-log");
    assert_eq!((&change["kind"], &change["new"]), (&"shortened".into(), &"3 months from recorded".into()));
    let rows = of_rule(&difference["rows"], "visit-log");
    let newly_due = rows["newly_due"].as_u64().unwrap();
    assert!(newly_due > 0 && rows["no_longer_due"] == 0, "{rows}");
    assert_eq!(of_rule(&difference["rows"], "member")["newly_due"], 0);
    let before = (world.rows(), world.status(NOW)["vault"].clone());

    // Nothing of it happens before it is adopted.
    world.at(NOW, &["run"]).ends_with(77);
    assert_eq!((world.rows(), world.status(NOW)["vault"].clone()), before);
    let adopted = world.at(NOW, &["policy", "adopt", "--format", "json"]).ends_with(0).json();
    assert_eq!((&adopted["adopted"], &adopted["notice"]), (&true.into(), &"ok".into()));
    assert_eq!(of_rule(&adopted["rows"], "visit-log")["newly_due"], newly_due);
    assert_eq!(adopted["arms_at"], "2026-11-22T18:00:00Z", "24 hours later");

    // Nor before a plan was reviewed under it, nor before it has armed.
    let plan = world.plan("2026-11-23T02:59:59+09:00");
    assert_eq!(
        (of_rule(&plan["items"], "visit-log")["rows"].clone(), &plan["policy"]["version"]),
        (0.into(), &"1.1".into())
    );
    assert!(world.status(NOW)["policy"]["arms_at"].is_string());
    let plan = world.plan("2026-11-23T03:00:00+09:00");
    assert_eq!(of_rule(&plan["items"], "visit-log")["rows"], newly_due);
    world.at("2026-11-23T03:00:00+09:00", &["run"]).ends_with(77).says(&["no plan was reviewed"]);
    let run = world.reviewed_run("2026-11-23T03:00:00+09:00").ends_with(0).json();
    assert_eq!(of_rule(&run["separated"], "visit-log")["rows"], newly_due);
    let destroyed = &run["destroyed"];
    assert!(!destroyed.as_array().unwrap().iter().any(|item| item["rule"] == "visit-log" && item["rows"] == newly_due));
    assert_eq!(world.status(LATER)["policy"]["arms_at"], Value::Null);
    world.run(&["ledger", "verify"]).ends_with(0);
}

#[test]
fn what_the_vault_holds_follows_the_new_policy_later_at_once_and_earlier_when_it_has_armed() {
    let world = World::separated();
    // Visits that are due and have cooled off are kept on by a longer period.
    let due = |world: &World| of_rule(&world.plan("2026-11-23T04:00:00+09:00")["items"], "visit-log")["rows"].clone();
    let plan = world.plan("2026-11-23T04:00:00+09:00");
    let items = plan["items"].as_array().unwrap();
    let destroy = items.iter().find(|item| item["rule"] == "visit-log" && item["action"] == "destroy").unwrap();
    assert_eq!(destroy["rows"], 12);
    world.write("retention-rules.toml", &RULES.replace("\"3 years\"", "\"10 years\""));
    let vault = diff(&world, &[]);
    assert_eq!(of_rule(&vault["vault"], "visit-log")["no_longer_due"]["records"], 12);
    world.at(NOW, &["policy", "adopt"]).ends_with(0).says(&[]);
    let plan = world.plan("2026-11-23T04:00:00+09:00");
    let items = plan["items"].as_array().unwrap();
    let destroy = items.iter().find(|item| item["rule"] == "visit-log" && item["action"] == "destroy").unwrap();
    assert_eq!((&destroy["rows"], due(&world)), (&0.into(), 0.into()));

    // And back again: not before that one has armed.
    world.write("retention-rules.toml", RULES);
    assert_eq!(of_rule(&diff(&world, &[])["vault"], "visit-log")["newly_due"]["records"], 12);
    let by = ["policy", "adopt", "--by", "K. Officer"];
    let adopted = world.at("2026-11-23T04:00:00+09:00", &by).ends_with(0).stdout;
    assert!(adopted.contains("SHORTENED") && adopted.contains("arms      2026-11-24 04:00:00"), "{adopted}");
    let on_record = world.run(&["ledger", "list", "--type", "policy.adopted", "--format", "json"]).ends_with(0).json();
    let by: Vec<&Value> = on_record.as_array().unwrap().iter().map(|entry| &entry["by"]).collect();
    assert_eq!(by.last(), Some(&&"K. Officer".into()), "the last one names who");
    assert!(by[0].is_null(), "and who made the vault is the account");
    let rows = |now: &str| {
        let plan = world.plan(now);
        let items = plan["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["rule"] == "visit-log" && item["action"] == "destroy").unwrap()["rows"]
            .clone()
    };
    assert_eq!((rows("2026-11-24T03:59:59+09:00"), rows("2026-11-24T04:00:00+09:00")), (0.into(), 12.into()));
}

#[test]
fn a_policy_that_takes_effect_later_lets_the_old_one_go_on_until_then() {
    let world = World::separated();
    world.sql("UPDATE members SET withdrawn_at = '2026-11-21 08:00:00' WHERE id = 30;");
    let announced = shorter().replace("2021-05-20", "2026-11-22").replace("2021-05-27", "2026-12-01");
    world.write("retention-rules.toml", &announced);
    let adopted = world.at(NOW, &["policy", "adopt", "--format", "json"]).ends_with(0).json();
    assert_eq!((&adopted["arms_at"], &adopted["notice_days"]), (&"2026-11-30T15:00:00Z".into(), &9.into()));
    let run = world.reviewed_run(NOW).ends_with(0).json();
    assert_eq!(rows_in(&run["separated"]), 3, "a member, an order, a payment, and no visit");
    let visits = |now: &str| of_rule(&world.plan(now)["items"], "visit-log")["rows"].as_u64().unwrap();
    assert_eq!(visits("2026-11-30T23:59:59+09:00"), 0);
    assert!(visits("2026-12-01T00:00:00+09:00") > 0);
}

#[test]
fn a_rule_with_records_in_the_vault_is_not_removed_and_an_adoption_twice_is_once() {
    let world = World::separated();
    let renamed = |text: &str| text.replace("\"visit-log\"", "\"visits\"");
    world.write("retention-rules.toml", &renamed(RULES));
    world.write("retentiond.toml", &renamed(DEPLOYMENT));
    let refused = world.at(NOW, &["policy", "adopt"]).ends_with(77);
    refused.says(&["rule visit-log is removed, and the vault holds 12 records", "hint:"]);
    // The deployment fits that one only, and not the policy in force: nothing may be done.
    world.at(NOW, &["run"]).ends_with(77).says(&["does not fit", "policy adopt"]);
    world.write("retentiond.toml", DEPLOYMENT);
    world.write("retention-rules.toml", RULES);
    let again = world.at(NOW, &["policy", "adopt", "--format", "json"]).ends_with(0).json();
    assert_eq!((&again["adopted"], &again["changes"]), (&false.into(), &serde_json::json!([])));
    world.at(NOW, &["run"]).ends_with(0);
}

#[test]
fn the_policy_is_shown_compared_with_a_file_and_rendered() {
    let world = World::simulation();
    let shown = world.run(&["policy", "show", "--format", "json"]).ends_with(0).json();
    assert_eq!(shown["policy"]["rules"].as_array().unwrap().len(), 4);
    let table = world.run(&["policy", "show"]).ends_with(0).stdout;
    assert!(table.contains("visit-log") && table.contains("제41조제2항제2호") && table.contains("3 years"), "{table}");
    world.write("old.toml", &shorter());
    let difference = diff(&world, &["old.toml", "--offline"]);
    assert_eq!(of_rule(&difference["changes"], "visit-log")["kind"], "lengthened");
    assert_eq!(difference["rows"], Value::Null);
    let korean = world.run(&["policy", "render"]).ends_with(0).stdout;
    assert!(korean.contains("제5조") && korean.contains("기록된 날부터 3년") && korean.contains("제6조"), "{korean}");
    let english = world.run(&["policy", "render", "--lang", "en"]).ends_with(0).stdout;
    assert!(english.contains("Section 5") && english.contains("3 years from the day of the record"), "{english}");
    world.run(&["policy", "diff", "missing.toml"]).ends_with(78);
    World::new().run(&["policy", "diff", "--offline"]).ends_with(2).says(&["policy diff OLD"]);
    World::new().run(&["policy", "adopt"]).ends_with(78).says(&["retentiond init"]);
}

#[test]
fn the_calendar_to_come_counts_every_record_once_in_the_month_in_which_it_becomes_due() {
    let world = World::separated();
    let foresee =
        |now: &str, until: &str| world.at(now, &["plan", "--until", until, "--format", "json"]).ends_with(0).json();
    let seen = foresee(NOW, "2031-12-31");
    let months = seen["months"].as_array().unwrap();
    assert_eq!((months.len(), &months[0]["month"], &months[61]["month"]), (62, &"2026-11".into(), &"2031-12".into()));
    let in_month = |month: &str, rule: &str| -> (u64, u64) {
        let month = months.iter().find(|item| item["month"] == month).unwrap();
        let due = month["due"].as_array().unwrap().iter().find(|due| due["rule"] == rule);
        due.map_or((0, 0), |due| (due["rows"].as_u64().unwrap(), due["vault"].as_u64().unwrap()))
    };
    // Members who left on the 20th, and their orders of March 2025, five years later.
    assert_eq!(in_month("2026-11", "member"), (0, 4));
    assert_eq!(in_month("2029-06", "visit-log"), (48, 0));
    let contracts: u64 = months
        .iter()
        .map(|month| in_month(month["month"].as_str().unwrap(), "contract"))
        .map(|(rows, vault)| rows + vault)
        .sum();
    assert_eq!(contracts, 40, "one order of 2025 for every member");
    let already = seen["already_due"].as_array().unwrap();
    assert!(already.iter().any(|due| due["rule"] == "visit-log" && due["vault"] == 12), "{already:?}");

    let short = foresee(NOW, "2026-11-25");
    assert_eq!(short["months"].as_array().unwrap().len(), 1);
    assert_eq!(short["months"][0]["due"], serde_json::json!([]), "the 26th comes later");
    let table = world.at(NOW, &["plan", "--until", "2029-12-31"]).ends_with(0).stdout;
    assert!(table.contains("2029-06") && table.contains("already"), "{table}");
    world.at(NOW, &["plan", "--until", "2026-11-21"]).ends_with(2).says(&["is over"]);
    world.at(NOW, &["plan", "--until", "2027-01-01", "--out", "plan.json"]).ends_with(2);
    // A plan of a day to come is a plan like any other.
    let plan = world.plan("2029-07-01T00:00:00+09:00");
    assert_eq!(of_rule(&plan["items"], "visit-log")["rows"], 48);
}

#[test]
fn check_warns_before_the_table_of_holidays_ends_and_not_where_no_period_needs_it() {
    let world = World::new();
    let findings = |now: &str| {
        let found = world.at(now, &["check", "--offline", "--format", "json"]).ends_with(0).json();
        let texts = found.as_array().unwrap().iter().map(|finding| finding["message"].as_str().unwrap().to_owned());
        texts.filter(|text| text.contains("public holidays")).collect::<Vec<_>>()
    };
    assert!(findings("2027-11-01T12:00:00+09:00").is_empty());
    let late = findings("2027-11-02T12:00:00+09:00");
    assert!(late.len() == 1 && late[0].contains("2027-12-31"), "{late:?}");
    world.write("retention-rules.toml", &RULES.replace("kr-civil", "kr-administrative"));
    assert!(findings("2029-01-01T12:00:00+09:00").is_empty());
}
