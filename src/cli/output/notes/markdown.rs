//! Notes as GitHub and GitLab show them in a comment.

use super::Notes;

pub fn render(found: &Notes<'_>) -> String {
    if found.notes.is_empty() {
        return format!("**retentiond {}**: nothing to report", found.title);
    }
    let mut lines = vec![
        format!("**retentiond {}**", found.title),
        String::new(),
        "| | code | where | what |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for note in found.notes {
        let place = note.place.as_ref().map(|place| format!("{}:{}", place.file, place.line));
        lines.push(format!(
            "| {} | `{}` | {} | {} |",
            note.level.name(),
            note.code.name(),
            cell(place.as_ref().unwrap_or(&note.subject)),
            cell(&note.with_hint())
        ));
    }
    lines.join("\n")
}

/// A text that stays within its cell.
pub fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}
