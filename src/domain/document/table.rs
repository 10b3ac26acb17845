//! One table of a document: keys are asked for by name, and `finish` reports
//! those that nobody asked for.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{Findings, Text, Value, suggest};

/// A table that is being read. Ask for each key once, then `finish`.
#[derive(Debug)]
pub struct Table<'d> {
    /// As a reader of the file would call it: `[policy]`, `[[rule]]`, `on`.
    name: String,
    span: Range<usize>,
    entries: &'d DeTable<'d>,
    findings: &'d Findings,
    asked: Vec<&'static str>,
    /// Required keys that are not there.
    missing: Vec<Missing>,
}

#[derive(Debug)]
struct Missing {
    key: &'static str,
    message: String,
    hint: String,
}

impl<'d> Table<'d> {
    pub(super) fn root(entries: &'d DeTable<'d>, findings: &'d Findings) -> Self {
        Self::new("this file".to_owned(), 0..0, entries, findings)
    }

    pub(super) fn new(name: String, span: Range<usize>, entries: &'d DeTable<'d>, findings: &'d Findings) -> Self {
        Self { name, span, entries, findings, asked: Vec::new(), missing: Vec::new() }
    }

    /// Where the table's header (or, for an inline table, the table) stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A key that may be left out.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'d>> {
        self.asked.push(key);
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Value::new(key.get_ref(), value.get_ref(), value.span(), self.findings))
    }

    /// A key that must be there; `example` is a line that would do.
    pub fn need(&mut self, key: &'static str, example: &str) -> Option<Value<'d>> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("`{key}` is missing in {}", self.name);
            self.missing.push(Missing { key, message, hint: format!("add it, for example `{example}`") });
        }
        value
    }

    /// A table that may be left out.
    pub fn take_table(&mut self, key: &'static str) -> Option<Table<'d>> {
        self.take(key).and_then(|value| value.table())
    }

    /// A table that must be there; `example` is a line that could stand in it.
    pub fn need_table(&mut self, key: &'static str, example: &str) -> Option<Table<'d>> {
        let value = self.take(key);
        if value.is_none() {
            let hint = format!("add `[{key}]`, and under it for example `{example}`");
            self.missing.push(Missing { key, message: format!("`[{key}]` is missing in {}", self.name), hint });
        }
        value.and_then(|value| value.table())
    }

    /// The tables of a list such as `[[rule]]`, in the order of the file; none
    /// where the key is left out. `full` is how the header of one is written.
    pub fn tables(&mut self, key: &'static str, full: &str) -> Option<Vec<Table<'d>>> {
        let Some(value) = self.take(key) else { return Some(Vec::new()) };
        let DeValue::Array(list) = value.raw() else {
            let hint = format!("it is a list: write each entry under `[[{full}]]`, with two brackets");
            return value.refuse(format!("`{key}` is not a list of tables"), hint);
        };
        let mut tables = Vec::new();
        for entry in list {
            if let DeValue::Table(entries) = entry.get_ref() {
                tables.push(Table::new(format!("[[{full}]]"), entry.span(), entries, self.findings));
            } else {
                let hint = format!("write each entry under `[[{full}]]`");
                self.findings.error(entry.span(), format!("this entry of `{key}` is not a table"), hint);
            }
        }
        Some(tables)
    }

    /// All entries in the order of the file, for tables whose keys are free.
    pub fn free_entries(self) -> Vec<(Text<'d>, Value<'d>)> {
        let findings = self.findings;
        let entry = |(key, value): (&'d Spanned<DeString<'d>>, &'d Spanned<DeValue<'d>>)| {
            let name = key.get_ref().as_ref();
            (Text::new(key.span(), name), Value::new(name, value.get_ref(), value.span(), findings))
        };
        let mut entries: Vec<_> = self.entries.iter().map(entry).collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// True when there are keys that nobody asked for so far.
    pub fn has_unknown(&self) -> bool {
        self.unknown().next().is_some()
    }

    /// Keeps the values of keys that nobody asked for out of every report.
    pub fn conceal_unknown(&self) {
        for (_, value) in self.unknown() {
            self.findings.conceal(&value.span());
        }
    }

    fn unknown(&self) -> impl Iterator<Item = (&'d Spanned<DeString<'d>>, &'d Spanned<DeValue<'d>>)> {
        self.entries.iter().filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref()))
    }

    /// Reports the keys that nobody asked for and the required ones that are not
    /// there. A slip of the pen is one error, not an unknown key and a missing one.
    pub fn finish(mut self) {
        for (key, _) in self.unknown().collect::<Vec<_>>() {
            let given = key.get_ref();
            let free: Vec<&str> =
                self.asked.iter().copied().filter(|known| !self.entries.contains_key(*known)).collect();
            if let Some(meant) = suggest::closest(given, free.iter().copied()) {
                self.missing.retain(|missing| missing.key != meant);
            }
            let hint =
                match suggest::closest(given, free).or_else(|| suggest::closest(given, self.asked.iter().copied())) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("its keys are {}", suggest::quoted_list(&self.asked)),
                };
            self.findings.error(key.span(), format!("`{given}` is not a key of {}", self.name), hint);
        }
        for missing in self.missing {
            self.findings.missing(self.span.clone(), missing.message, missing.hint);
        }
    }
}
