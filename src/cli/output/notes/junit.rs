//! Notes as a JUnit report: a case for each thing that was looked at, which fails
//! with the errors about it. Warnings stand in its output.

use super::{Level, Note, Notes};

pub fn render(found: &Notes<'_>) -> String {
    let mut cases: Vec<(&str, &str)> =
        found.cases.iter().map(|(subject, code)| (subject.as_str(), code.name())).collect();
    for note in found.notes {
        let case = (note.subject.as_str(), note.code.name());
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    let notes_of = |(subject, code): (&str, &str), level: Level| {
        let of = found.notes.iter().filter(move |note| note.subject == subject && note.code.name() == code);
        of.filter(|note| note.level == level).map(Note::with_hint).collect::<Vec<_>>()
    };
    let failures = cases.iter().filter(|case| !notes_of(**case, Level::Error).is_empty()).count();
    let mut lines = vec![
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
        format!(
            "<testsuite name=\"retentiond {}\" tests=\"{}\" failures=\"{failures}\">",
            escaped(found.title),
            cases.len()
        ),
    ];
    for case in cases {
        let (errors, warnings) = (notes_of(case, Level::Error), notes_of(case, Level::Warning));
        lines.push(format!("  <testcase classname=\"{}\" name=\"{}\">", escaped(case.0), case.1));
        for error in errors {
            lines.push(format!("    <failure message=\"{}\"/>", escaped(&error)));
        }
        if !warnings.is_empty() {
            lines.push(format!("    <system-out>{}</system-out>", escaped(&warnings.join("\n"))));
        }
        lines.push("  </testcase>".to_owned());
    }
    lines.push("</testsuite>".to_owned());
    lines.join("\n")
}

/// XML 1.0 has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push('\t'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
