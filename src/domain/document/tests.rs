//! Broken documents: one finding per cause, at its place, without secrets.

use super::*;

/// Reads two texts and a list, as a small format would.
fn small(mut root: Table<'_>, _: &Findings) -> Option<(String, String)> {
    let a = root.need("a", "a = \"…\"").and_then(|value| value.text());
    let b = root.need("b", "b = \"…\"").and_then(|value| value.text());
    let list = root.take("list").and_then(|value| value.distinct_lines());
    root.finish();
    list.into_iter().flatten().collect::<Option<Vec<Text<'_>>>>()?;
    Some((owned(a?), owned(b?)))
}

fn errors(text: &str) -> Vec<(usize, usize, String)> {
    let report = read("f", text, small).unwrap_err();
    let at = |finding: &Diagnostic| {
        let (line, column) = report.position(finding.span.start);
        (line, column, finding.message.clone())
    };
    report.findings.iter().map(at).collect()
}

fn error(line: usize, column: usize, message: &str) -> (usize, usize, String) {
    (line, column, message.to_owned())
}

#[test]
fn a_sound_document_is_read() {
    let read = read("f", "a = \"x\"\nb = 'y'\nlist = [\"p\", \"q\"]\n", small).unwrap();
    assert_eq!(read.value, ("x".to_owned(), "y".to_owned()));
    assert!(read.warnings.findings.is_empty());
}

#[test]
fn wrong_types_unknown_keys_and_missing_keys_are_found_in_one_pass() {
    assert_eq!(
        errors("a = 5\nzebra = 1\nlist = [\"p\", 1, \"p\"]\n"),
        [
            error(1, 1, "`b` is missing in this file"),
            error(1, 5, "`a` must be a text in quotation marks, not a whole number"),
            error(2, 1, "`zebra` is not a key of this file"),
            error(3, 14, "`list` must be a text in quotation marks, not a whole number"),
            error(3, 17, "`p` stands twice in `list`"),
        ]
    );
}

#[test]
fn a_line_without_a_value_hides_no_error_behind_it() {
    assert_eq!(
        errors("a \"x\"\nb = y\nc\nd = 1\nd = 2\n"),
        [
            error(1, 3, "this line has no value"),
            error(2, 5, "text must stand in quotation marks"),
            error(3, 2, "this line has no value"),
            error(4, 1, "`d` is not a key of this file"),
            error(5, 1, "`d` is given twice"),
        ]
    );
}

#[test]
fn nothing_is_said_to_be_missing_from_a_file_that_could_not_be_read_whole() {
    assert_eq!(errors("b = \"y\"\na = \"x\n"), [error(2, 7, "invalid basic string, expected `\"`")]);
    assert_eq!(errors("b = \"y\"\nc = [\n"), [error(2, 1, "what begins on this line is not closed")]);
}

#[test]
fn a_list_without_its_end_swallows_nothing() {
    assert_eq!(
        errors("a = \"x\"\nlist = [\"p\"\nb = \"y\"\nc = [\"q\", ]\n[t]\nd = [\"p\" \"q\"]\nx = y\n"),
        [
            error(2, 1, "what begins on this line is not closed"),
            error(4, 1, "`c` is not a key of this file"),
            error(5, 2, "`t` is not a key of this file"),
            error(6, 10, "missing comma between array elements, expected `,`"),
            error(7, 5, "text must stand in quotation marks"),
        ]
    );
}

#[test]
fn a_key_that_is_there_twice_is_one_error_and_the_file_is_still_whole() {
    assert_eq!(
        errors("a = \"x\"\na = \"y\"\n"),
        [error(1, 1, "`b` is missing in this file"), error(2, 1, "`a` is given twice")]
    );
}

#[test]
fn a_slip_in_a_required_key_is_one_error() {
    let text = "alpha = \"x\"\nbeta = \"y\"\n";
    let report = read("f", text, |mut root, _| {
        let alpha = root.need("alpha", "alpha = \"…\"").map(|_| ());
        let beta = root.need("betta", "betta = \"…\"").map(|_| ());
        root.finish();
        alpha.and(beta)
    });
    let report = report.unwrap_err();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].hint.as_deref(), Some("did you mean `betta`?"));
}

#[test]
fn a_reader_that_gives_up_without_a_word_is_an_error() {
    assert!(read("f", "a = 1\n", |_, _| None::<()>).unwrap_err().has_errors());
}

#[test]
fn whatever_is_read_the_report_can_be_rendered() {
    for text in [
        "",
        "\u{feff}",
        "=",
        "[",
        "[[",
        "a",
        "a =",
        "\"",
        "[a]\n[a",
        "한 = '",
        "a = {",
        "a.b = 1\na = 2\n[a]\n",
        "\r\n\ra",
        "\0",
    ] {
        if let Err(report) = read("f", text, small) {
            assert!(!report.to_string().is_empty(), "{text:?}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_or_the_rendering_panic(text in "([a-c]|[\\[\\]{}=\"'.,\n #]|한|\\PC){0,60}") {
        if let Err(report) = read("f", &text, small) {
            proptest::prop_assert!(report.has_errors());
            proptest::prop_assert_eq!(report.text.len(), text.len());
            proptest::prop_assert!(!report.to_string().is_empty());
        }
    }
}
