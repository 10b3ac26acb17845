//! Finds every syntax error of a text.
//!
//! The parser recovers from most errors by itself, but not from all: behind a key
//! without a value it drops the rest of the file, and a list without its end
//! swallows the lines below it. Here such lines are left blank and the text is
//! parsed again, until nothing stands in the way any more.

use std::ops::Range;

use toml::de::{DeTable, Error};

use super::syntax::{Flaw, explain, unclosed};

/// Parses at most; beyond this many obstacles the file is something else.
const PASSES_MAX: usize = 100;

/// A text of which every line can be read or is blank, as long as the original,
/// and what had to be left out of it.
pub struct Recovered {
    pub readable: String,
    /// At most one a line, except for keys given twice.
    pub flaws: Vec<Flaw>,
}

/// Parses `text` until it can be read to its end.
pub fn recover(text: &str) -> Recovered {
    let mut readable = text.to_owned();
    let mut flaws: Vec<Flaw> = Vec::new();
    for _ in 0..PASSES_MAX {
        let (_, errors) = DeTable::parse_recoverable(&readable);
        let obstacles = errors.iter().filter_map(|error| obstacle(&readable, error));
        let Some((flaw, lines)) = obstacles.min_by_key(|(_, lines)| lines.start) else { break };
        flaws.push(flaw);
        readable = blank(&readable, &lines);
    }
    let (_, errors) = DeTable::parse_recoverable(&readable);
    flaws.extend(errors.iter().map(|error| explain(&readable, error)));
    Recovered { flaws: one_a_line(text, flaws), readable }
}

/// The first flaw of each line; the others follow from it.
fn one_a_line(text: &str, mut flaws: Vec<Flaw>) -> Vec<Flaw> {
    flaws.sort_by_key(|flaw| flaw.span.start);
    let mut last = None;
    flaws.retain(|flaw| {
        let line = line_around(text, flaw.span.start).start;
        flaw.is_duplicate || last.replace(line) != Some(line)
    });
    flaws
}

/// What keeps the parser from reading on, and the lines to leave out.
fn obstacle(text: &str, error: &Error) -> Option<(Flaw, Range<usize>)> {
    let message = error.message();
    let at = error.span()?.start;
    if ["key with no value", "missing value for key"].iter().any(|start| message.starts_with(start)) {
        let line = line_around(text, at);
        return (!is_blank(text, &line)).then(|| (explain(text, error), line));
    }
    let is_inside = ["in array", "array elements", "inline table", "between key-value pairs"];
    if !message.starts_with("unclosed array,") && !is_inside.iter().any(|part| message.contains(part)) {
        return None;
    }
    let start = lines(text).filter(|line| assignment(text, line).is_some_and(|equals| equals < at)).last()?;
    let next = lines(text).find(|line| line.start >= start.end && begins_expression(text, line));
    let end = next.map_or(text.len(), |line| line.start);
    let flaw = if at >= end || message.starts_with("unclosed") {
        unclosed(trimmed(text, &start))
    } else {
        explain(text, error)
    };
    Some((flaw, start.start..end))
}

/// Spans of the lines, each without its end.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let span = start..start + line.trim_end_matches(['\r', '\n']).len();
        start += line.len();
        span
    })
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    lines(text).take_while(|line| line.start <= at).last().unwrap_or(0..0)
}

fn is_blank(text: &str, span: &Range<usize>) -> bool {
    text.get(span.clone()).is_none_or(|line| line.trim().is_empty())
}

fn trimmed(text: &str, span: &Range<usize>) -> Range<usize> {
    let line = text.get(span.clone()).unwrap_or_default();
    let start = span.start + line.len() - line.trim_start().len();
    start..start + line.trim().len()
}

/// Where the `=` of a line `key = …` stands.
fn assignment(text: &str, line: &Range<usize>) -> Option<usize> {
    let written = text.get(line.clone())?;
    let equals = written.find('=')?;
    let key = written.get(..equals)?.trim();
    let is_key = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ' ' | '"' | '\'');
    (!key.is_empty() && key.chars().all(is_key)).then_some(line.start + equals)
}

fn begins_expression(text: &str, line: &Range<usize>) -> bool {
    let written = text.get(line.clone()).unwrap_or_default().trim();
    let is_header =
        written.strip_prefix('[').is_some_and(|rest| !rest.contains([',', '"', '\'']) && rest.contains(']'));
    is_header || assignment(text, line).is_some()
}

fn blank(text: &str, span: &Range<usize>) -> String {
    let mut blanked = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        if span.contains(&at) && letter != '\n' {
            blanked.extend(std::iter::repeat_n(' ', letter.len_utf8()));
        } else {
            blanked.push(letter);
        }
    }
    blanked
}
