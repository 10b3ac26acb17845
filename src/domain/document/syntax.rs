//! What the TOML parser has to say, put so that a reader who has never heard of
//! TOML knows what to do.

use std::ops::Range;

use toml::de::Error;

/// The parser's word for a key or table that is there already. It is the one
/// complaint after which nothing of the document is missing.
const DUPLICATE: &str = "duplicate key";

/// A place that is no TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    pub span: Range<usize>,
    pub message: String,
    pub hint: String,
    /// Readable all the same: the first of both stands.
    pub is_duplicate: bool,
}

/// Where the error is, what it is and what to do about it.
pub fn explain(text: &str, error: &Error) -> Flaw {
    let span = error.span().unwrap_or(0..0);
    let cited = text.get(span.clone()).unwrap_or_default();
    let message = error.message();
    let (message, hint) = if message == DUPLICATE {
        duplicate(text, &span, cited)
    } else if message.starts_with("string values must be quoted") {
        unquoted(cited)
    } else if message.starts_with("invalid basic string") || message.starts_with("invalid literal string") {
        (message.to_owned(), "text stands between two quotation marks on one line: \"…\"".to_owned())
    } else if message.starts_with("invalid multi-line") {
        (lower_first(message), "a text that begins with three quotation marks ends with three".to_owned())
    } else if message.starts_with("missing comma") {
        (lower_first(message), "put a comma between the entries".to_owned())
    } else if message.starts_with("key with no value") {
        ("this line has no value".to_owned(), "write `key = value`; a comment starts with `#`".to_owned())
    } else if message.starts_with("invalid date") || message.starts_with("invalid time") {
        (lower_first(message), "a date is written year, month, day: 2021-05-20".to_owned())
    } else {
        (lower_first(message), "the file cannot be read here; compare the line with its neighbours".to_owned())
    };
    Flaw { span, message, hint, is_duplicate: error.message() == DUPLICATE }
}

/// A list or table whose end is missing, so that the lines below it were read as
/// parts of it.
pub fn unclosed(span: Range<usize>) -> Flaw {
    Flaw {
        span,
        message: "what begins on this line is not closed".to_owned(),
        hint: "add the missing `]` or `}`".to_owned(),
        is_duplicate: false,
    }
}

fn duplicate(text: &str, span: &Range<usize>, cited: &str) -> (String, String) {
    let is_header = text.get(..span.start).is_some_and(|before| before.trim_end().ends_with('['));
    let hint = if is_header {
        format!("write `[{cited}]` once and all its lines under it; a list that repeats takes two brackets: `[[…]]`")
    } else {
        "keep one of the lines and remove the other".to_owned()
    };
    (format!("`{cited}` is given twice"), hint)
}

fn unquoted(cited: &str) -> (String, String) {
    if cited.trim().is_empty() {
        return ("the value is missing".to_owned(), "write it behind the `=`".to_owned());
    }
    // The value itself is not repeated: it may be a password.
    (
        "text must stand in quotation marks".to_owned(),
        "put a `\"` before and behind it; only numbers and dates (2021-05-20) stand without".to_owned(),
    )
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
