//! The forms of notes, and that no text of a note breaks them.

use super::*;

fn note(level: Level, message: &str, place: Option<Place>) -> Note {
    let hint = Some("write <b> | \"c\"".to_owned());
    Note { level, code: Code::Overdue, subject: "rule member".to_owned(), message: message.to_owned(), hint, place }
}

fn found<'a>(notes: &'a [Note], cases: &'a [(String, Code)]) -> Notes<'a> {
    Notes { title: "plan", file: "./config/retentiond.toml", notes, cases }
}

#[test]
fn a_case_without_an_error_passes_and_one_with_it_fails() {
    let cases = [("rule member".to_owned(), Code::Overdue), ("rule contract".to_owned(), Code::Overdue)];
    let notes = [note(Level::Error, "5 rows\u{1b} & more", None), note(Level::Warning, "odd", None)];
    let text = found(&notes, &cases).junit();
    assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
    assert!(text.contains("message=\"5 rows\u{fffd} &amp; more; hint: write &lt;b&gt; | &quot;c&quot;\""), "{text}");
    assert!(text.contains("<system-out>odd; hint"), "{text}");
    assert_eq!(text.matches("<testcase").count(), 2);
}

#[test]
fn a_result_stands_at_its_place_or_at_the_top_of_the_deployment_file() {
    let place = Place { file: "retention-rules.toml".to_owned(), line: 7, column: 3 };
    let notes = [note(Level::Error, "wrong", Some(place)), note(Level::Warning, "late", None)];
    let sarif = found(&notes, &[]).sarif();
    let results = &sarif["runs"][0]["results"];
    let location = |at: usize| &results[at]["locations"][0]["physicalLocation"];
    assert_eq!(location(0)["artifactLocation"]["uri"], "retention-rules.toml");
    assert_eq!(location(0)["region"]["startLine"], 7);
    assert_eq!(location(1)["artifactLocation"]["uri"], "config/retentiond.toml");
    assert_eq!((&results[0]["level"], &results[1]["level"]), (&"error".into(), &"warning".into()));
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == results[0]["ruleId"]));
}

#[test]
fn a_row_of_a_comment_stays_one_row() {
    let notes = [note(Level::Error, "a | b\nc <script>", None)];
    let text = found(&notes, &[]).markdown();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.ends_with("a \\| b c &lt;script>; hint: write &lt;b> \\| \"c\" |"), "{text}");
    assert_eq!(found(&[], &[]).markdown(), "**retentiond plan**: nothing to report");
}

#[test]
fn the_names_of_codes_are_those_of_the_json() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
}
