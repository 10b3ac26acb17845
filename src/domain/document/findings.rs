//! Collects what is wrong with one file while it is read.

use std::{cell::RefCell, collections::BTreeSet, ops::Range};

use super::{conceal, syntax::Flaw};
use crate::domain::diagnostic::{Diagnostic, Report, Severity};

/// The findings of one file. Readers share it, so it can be added to behind a
/// shared reference; it is read only once, at the end.
#[derive(Debug)]
pub struct Findings {
    file: String,
    /// Already without secrets.
    text: RefCell<String>,
    found: RefCell<Vec<Diagnostic>>,
    /// Lines that are no TOML. What was recovered from them is guesswork.
    broken_lines: BTreeSet<usize>,
}

impl Findings {
    pub(super) fn new(file: &str, text: &str, flaws: Vec<Flaw>) -> Self {
        let broken = flaws.iter().filter(|flaw| !flaw.is_duplicate);
        let broken_lines = broken.map(|flaw| line_of(text, flaw.span.start)).collect();
        let explained = flaws.into_iter().map(|flaw| Diagnostic {
            severity: Severity::Error,
            span: flaw.span,
            message: flaw.message,
            hint: Some(flaw.hint),
        });
        Self {
            file: file.to_owned(),
            text: RefCell::new(conceal::conceal(text)),
            found: RefCell::new(explained.collect()),
            broken_lines,
        }
    }

    /// True when every line could be read. Only then can something be said to be
    /// missing: otherwise it may stand in a line that was not understood.
    pub fn is_whole(&self) -> bool {
        self.broken_lines.is_empty()
    }

    pub fn error(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), hint.into());
    }

    pub fn warning(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, span, message.into(), hint.into());
    }

    /// An error about something that is not there, said only of a whole file.
    pub fn missing(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        if self.is_whole() {
            self.error(span, message, hint);
        }
    }

    fn add(&self, severity: Severity, span: Range<usize>, message: String, hint: String) {
        if !self.broken_lines.contains(&self.line_of(span.start)) {
            self.found.borrow_mut().push(Diagnostic { severity, span, message, hint: Some(hint) });
        }
    }

    /// Keeps what stands at `span` out of every report.
    pub fn conceal(&self, span: &Range<usize>) {
        let blotted = conceal::blot(&self.text.borrow(), span);
        self.text.replace(blotted);
    }

    /// The text of a span, without its secrets.
    pub(super) fn text_at(&self, span: &Range<usize>) -> String {
        self.text.borrow().get(span.clone()).unwrap_or_default().to_owned()
    }

    /// The line of a byte, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        line_of(&self.text.borrow(), offset)
    }

    pub(super) fn into_report(self) -> Report {
        Report::new(&self.file, self.text.into_inner(), self.found.into_inner())
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
