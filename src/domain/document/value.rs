//! One value of a document, and the types it may be asked for.

use std::ops::Range;

use toml::de::DeValue;

use super::{Findings, Table, suggest};

/// A text with the place where it stands.
pub type Text<'d> = toml::Spanned<&'d str>;

/// The text without its place.
pub fn owned(text: Text<'_>) -> String {
    (*text.get_ref()).to_owned()
}

/// The default where a key is left out; `None` where its value is wrong.
pub fn optional<'d, T>(value: Option<Value<'d>>, default: T, read: impl FnOnce(&Value<'d>) -> Option<T>) -> Option<T> {
    value.map_or(Some(default), |value| read(&value))
}

/// The value of a key. Each reader returns `None` after it has noted why.
#[derive(Debug)]
pub struct Value<'d> {
    key: &'d str,
    raw: &'d DeValue<'d>,
    span: Range<usize>,
    findings: &'d Findings,
}

impl<'d> Value<'d> {
    pub(super) fn new(key: &'d str, raw: &'d DeValue<'d>, span: Range<usize>, findings: &'d Findings) -> Self {
        Self { key, raw, span, findings }
    }

    pub fn key(&self) -> &'d str {
        self.key
    }

    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn raw(&self) -> &'d DeValue<'d> {
        self.raw
    }

    /// Notes an error about this value and returns the `None` that stands for it.
    pub fn refuse<T>(&self, message: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.findings.error(self.span(), message, hint);
        None
    }

    pub(super) fn wrong_type<T>(&self, wanted: &str, hint: &str) -> Option<T> {
        self.refuse(format!("`{}` must be {wanted}, not {}", self.key, kind(self.raw)), hint)
    }

    pub fn is_table(&self) -> bool {
        matches!(self.raw, DeValue::Table(_))
    }

    /// Exactly this text.
    pub fn is_text(&self, text: &str) -> bool {
        matches!(self.raw, DeValue::String(written) if written == text)
    }

    pub fn is_list(&self) -> bool {
        matches!(self.raw, DeValue::Array(_))
    }

    /// Keeps this value out of every report.
    pub fn conceal(&self) {
        self.findings.conceal(&self.span);
    }

    /// A text, possibly empty.
    pub fn string(&self) -> Option<Text<'d>> {
        match self.raw {
            DeValue::String(text) => Some(Text::new(self.span(), text.as_ref())),
            _ => self.wrong_type("a text in quotation marks", "put a `\"` before and behind it"),
        }
    }

    /// A text that says something.
    pub fn text(&self) -> Option<Text<'d>> {
        let text = self.string()?;
        if text.get_ref().trim().is_empty() {
            return self.refuse(format!("`{}` is empty", self.key), "write a text between the quotation marks");
        }
        Some(text)
    }

    /// A text that may be printed on one line: a name of a column, a table, a file.
    pub fn line(&self) -> Option<Text<'d>> {
        let text = self.text()?;
        if text.get_ref().chars().any(char::is_control) {
            return self
                .refuse(format!("`{}` holds control characters", self.key), "write it on one line, without tabs");
        }
        Some(text)
    }

    pub fn boolean(&self) -> Option<bool> {
        match self.raw {
            DeValue::Boolean(truth) => Some(*truth),
            _ => self.wrong_type("true or false", "write it without quotation marks"),
        }
    }

    /// A list of values.
    pub fn list(&self) -> Option<Vec<Value<'d>>> {
        match self.raw {
            DeValue::Array(list) => {
                let entries = list.iter();
                Some(entries.map(|entry| Self::new(self.key, entry.get_ref(), entry.span(), self.findings)).collect())
            }
            _ => self.wrong_type("a list", "put it between brackets: `[…]`"),
        }
    }

    /// A list of texts that say something, none of them twice. An entry that is
    /// wrong is `None`.
    pub fn distinct_lines(&self) -> Option<Vec<Option<Text<'d>>>> {
        let mut seen: Vec<&'d str> = Vec::new();
        let mut distinct = |entry: &Value<'d>| {
            let text = entry.line()?;
            if seen.contains(text.get_ref()) {
                let message = format!("`{}` stands twice in `{}`", text.get_ref(), self.key);
                return entry.refuse(message, "remove one of the two");
            }
            seen.push(text.get_ref());
            Some(text)
        };
        Some(self.list()?.iter().map(&mut distinct).collect())
    }

    pub fn table(&self) -> Option<Table<'d>> {
        match self.raw {
            DeValue::Table(entries) => {
                let is_inline = self.findings.text_at(&self.span).starts_with('{');
                let name = if is_inline { format!("`{}`", self.key) } else { format!("[{}]", self.header()) };
                Some(Table::new(name, self.span(), entries, self.findings))
            }
            DeValue::Array(_) => {
                let hint = format!("there is only one: write `[{}]`, with one bracket", self.key);
                self.refuse(format!("`{}` is not a list", self.key), hint)
            }
            _ => self.wrong_type("a table", "write `{ … }`"),
        }
    }

    /// One of a few words. `None` beside a word: the format knows it, this version
    /// does not carry it out yet.
    pub fn choice<T: Copy>(&self, choices: &[(&str, Option<T>)]) -> Option<T> {
        let given = *self.text()?.get_ref();
        let supported: Vec<&str> = choices.iter().filter(|(_, value)| value.is_some()).map(|(word, _)| *word).collect();
        match choices.iter().find(|(word, _)| *word == given) {
            Some((_, Some(value))) => Some(*value),
            Some((_, None)) => self.refuse(
                format!("{} `{given}` is not supported by this version yet", self.key),
                format!("this version supports {}", suggest::quoted_list(&supported)),
            ),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                let hint = suggest::hint(given, &words, "it is one of");
                self.refuse(format!("`{given}` is not a value of `{}`", self.key), hint)
            }
        }
    }

    fn header(&self) -> String {
        let written = self.findings.text_at(&self.span);
        let inner = written.trim_matches(['[', ']', ' ']);
        if inner.is_empty() { self.key.to_owned() } else { inner.to_owned() }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
