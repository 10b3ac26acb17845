//! What is wrong with a file, and where: data first, text at the border.
//!
//! A report holds all findings of one file in the order of the file. Its text is
//! the file's with every secret blotted out (`document::conceal`), so that neither
//! a rendering nor a debug print can carry one.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

/// One finding in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// All findings of one file, with the text they cite.
#[derive(Debug, Clone)]
pub struct Report {
    pub file: String,
    /// The file, byte for byte as long as it is, without its secrets.
    pub text: String,
    /// By position.
    pub findings: Vec<Diagnostic>,
}

/// A value that passed every check, with what may still be said about it.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    pub value: T,
    /// Holds no error.
    pub warnings: Report,
}

impl Report {
    /// Puts the findings in the order of the file.
    #[must_use]
    pub fn new(file: &str, text: String, mut findings: Vec<Diagnostic>) -> Self {
        findings.sort_by_key(|finding| (finding.span.start, finding.severity, finding.span.end));
        Self { file: file.to_owned(), text, findings }
    }

    /// How many findings are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Line and column of a byte, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Every finding as `file:line:column` with the line it is about, and a hint.
    /// Colours are ANSI escapes, for a terminal only.
    #[must_use]
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let findings: Vec<String> = self.findings.iter().map(|finding| self.render_one(&renderer, finding)).collect();
        findings.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, finding: &Diagnostic) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let start = self.text.floor_char_boundary(finding.span.start);
        let end = self.text.ceil_char_boundary(finding.span.end).max(start);
        let snippet =
            Snippet::source(&self.text).path(self.file.as_str()).annotation(AnnotationKind::Primary.span(start..end));
        let mut group = level.primary_title(&finding.message).element(snippet);
        if let Some(hint) = &finding.hint {
            group = group.element(Level::HELP.message(normalize_untrusted_str(hint)));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, found: &str) -> Report {
        let start = text.find(found).unwrap();
        let finding = Diagnostic {
            severity: Severity::Error,
            span: start..start + found.len(),
            message: "wrong".to_owned(),
            hint: Some("do it right".to_owned()),
        };
        Report::new("rules.toml", text.to_owned(), vec![finding])
    }

    #[test]
    fn columns_count_characters_and_the_caret_stands_under_its_text_behind_korean() {
        let text = "a = 1\nname = { ko = \"회원 정보\", en = 5 }\n";
        let report = report(text, "5");
        assert_eq!(report.position(report.findings[0].span.start), (2, 29));
        // 28 characters stand before it, four of them Hangul, two cells wide each.
        let carets = format!("  | {}^", " ".repeat(28 + 4));
        let expected = [
            "error: wrong",
            " --> rules.toml:2:29",
            "  |",
            "2 | name = { ko = \"회원 정보\", en = 5 }",
            carets.as_str(),
            "  |",
            "  = help: do it right",
        ];
        assert_eq!(report.to_string(), expected.join("\n"));
    }

    #[test]
    fn findings_stand_in_the_order_of_the_file_and_only_errors_are_counted() {
        let at = |start, severity| Diagnostic { severity, span: start..start + 1, message: String::new(), hint: None };
        let findings = vec![at(4, Severity::Error), at(0, Severity::Warning), at(2, Severity::Error)];
        let report = Report::new("f", "a\nb\nc\n".to_owned(), findings);
        assert_eq!(report.findings.iter().map(|finding| finding.span.start).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(report.errors(), 2);
    }

    #[test]
    fn only_a_coloured_rendering_holds_escapes() {
        let report = report("a = 1\n", "1");
        assert!(!report.render(false).contains('\u{1b}'));
        assert!(report.render(true).contains('\u{1b}'));
    }

    #[test]
    fn a_finding_at_the_very_end_is_rendered() {
        let end = Diagnostic { severity: Severity::Error, span: 3..3, message: "early".to_owned(), hint: None };
        let report = Report::new("f", "a =".to_owned(), vec![end]);
        assert!(report.to_string().contains("f:1:4"), "{report}");
    }
}
