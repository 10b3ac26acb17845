//! What a pipeline gets of `check` and `plan`.

use super::{
    shop,
    world::{NOW, RULES, World},
};

#[test]
fn an_error_of_a_file_is_a_result_at_its_line_in_code_scanning() {
    let world = World::new();
    world.write("retention-rules.toml", &RULES.replace("keep        = \"5 days\"", "keep        = \"5 d\""));
    let line = RULES.lines().position(|line| line.starts_with("keep        = \"5 days\"")).unwrap() + 1;
    let outcome = world.run(&["check", "--offline", "--format", "sarif"]).ends_with(78).says(&["= help:"]);
    let results = &outcome.json()["runs"][0]["results"];
    let errors = results.as_array().unwrap().iter().filter(|result| result["level"] == "error");
    let places: Vec<_> = errors.map(|result| &result["locations"][0]["physicalLocation"]).collect();
    assert_eq!(places.len(), 1, "{results}");
    assert_eq!(places[0]["artifactLocation"]["uri"], "retention-rules.toml");
    assert_eq!(places[0]["region"]["startLine"], line);
    let json = world.run(&["check", "--offline", "--format", "json"]).ends_with(78).json();
    assert!(json.as_array().unwrap().iter().any(|finding| finding["severity"] == "error"));
    let junit = world.run(&["check", "--offline", "--format", "junit"]).ends_with(78).stdout;
    assert!(junit.contains("failures=\"1\"") && junit.contains("<failure message="), "{junit}");
}

#[test]
fn a_plan_fails_a_test_report_where_it_is_asked_to_and_only_there() {
    let world = World::new();
    world.sql("UPDATE orders SET ordered_at = '1999-01-01 10:00:00' WHERE id = (SELECT min(id) FROM orders)");
    let junit = |fail_on: &[&str], code| {
        let arguments = [&["plan", "--format", "junit"], fail_on].concat();
        world.at(NOW, &arguments).ends_with(code).stdout
    };
    let quiet = junit(&[], 0);
    assert!(quiet.contains("failures=\"0\"") && quiet.contains("<system-out>1 row of orders"), "{quiet}");
    let strict = junit(&["--fail-on", "anomaly"], 1);
    assert!(strict.contains("failures=\"1\""), "{strict}");
    assert!(strict.contains("classname=\"dataset orders\" name=\"anomaly\""), "{strict}");
    assert!(strict.contains("classname=\"rule member\" name=\"overdue\""), "what is in order is a case too: {strict}");
}

#[test]
fn a_plan_as_a_comment_has_its_numbers_and_no_text_of_a_record() {
    let world = World::new();
    let plan = world.plan(NOW);
    let comment = world.at(NOW, &["plan", "--format", "markdown"]).ends_with(0).stdout;
    let items = plan["items"].as_array().unwrap();
    let members = items.iter().find(|item| item["dataset"] == "members").unwrap();
    assert!(comment.contains(&format!("| member | separate | members | {} |", members["rows"])), "{comment}");
    assert!(comment.contains(plan["digest"].as_str().unwrap()), "{comment}");
    for id in 1..20 {
        assert!(!comment.contains(&shop::text("name", id)), "{comment}");
    }
}
