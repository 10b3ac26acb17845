//! Lines of one kind are alike but for a few numbers, times and identities. A
//! mould is what they have in common, learned from a line that was read in full: a
//! line that fits it is an entry for the same reasons, and need not be taken apart.
//!
//! A mould accepts nothing that the full reading refuses. Whatever does not fit,
//! such as an escape or a form that it does not know, is left to the full reading.

use std::str;

use chrono::{DateTime, Utc};

use super::{
    LineError, decode,
    fields::{instant, quoted_date},
    scan::{self, INTEGER_MAX, plain_bytes},
};
use crate::domain::ledger::{
    event::{Entry, VERSION},
    history::{Step, StepKind},
};

/// Moulds that are kept. A ledger has few; all are learned anew where somebody makes
/// every line different.
const MOULDS_MAX: usize = 64;
/// A longer line makes no mould.
const LEARNED_BYTES_MAX: usize = 4096;

/// What a line says of a step, without the rest of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<'a> {
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub step: Step<'a>,
}

/// The moulds of the lines so far.
#[derive(Debug, Default)]
pub struct Moulds {
    known: Vec<Mould>,
    /// Steps come in turn: the mould that is tried first.
    next: usize,
}

impl Moulds {
    /// What a line says that fits one of them.
    pub fn told<'a>(&mut self, line: &'a [u8]) -> Option<Told<'a>> {
        super::check_length(line).ok()?;
        let (before, after) = self.known.split_at_checked(self.next)?;
        let mut in_turn = after.iter().chain(before).enumerate();
        let (tried, told) = in_turn.find_map(|(tried, mould)| Some((tried, mould.told(line)?)))?;
        self.next = (self.next + tried + 1) % self.known.len();
        Some(told)
    }

    /// Reads a line in full, as `line::read` does, and learns from it.
    pub fn read(&mut self, line: &[u8]) -> Result<Entry, LineError> {
        super::check_length(line)?;
        let fields = scan::fields(line)?;
        let mould = may_be_step(&fields).then(|| Making::of(&fields));
        let entry = decode::entry(fields)?;
        if let (Some(mould), Some(step)) = (mould, Step::of(&entry.event))
            && entry.v == VERSION
            && line.len() <= LEARNED_BYTES_MAX
        {
            self.learn(mould.finish(step.kind));
        }
        Ok(entry)
    }

    fn learn(&mut self, mould: Mould) {
        if self.known.len() == MOULDS_MAX {
            self.known.clear();
        }
        self.known.push(mould);
        self.next = 0;
    }
}

/// A step has one of these fields; few other lines do.
fn may_be_step(fields: &[(&str, &str)]) -> bool {
    fields.iter().any(|(key, _)| matches!(*key, "batch" | "operation"))
}

/// Fixed bytes with places between them.
#[derive(Debug)]
struct Mould {
    kind: StepKind,
    places: Vec<Place>,
    end: Box<[u8]>,
}

/// Fixed bytes, and what stands behind them.
#[derive(Debug)]
struct Place {
    before: Box<[u8]>,
    form: Form,
}

/// What may stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text without escapes, up to its closing quote.
    Text,
    /// The identity of the step, as text.
    Identity,
    Number,
    Seq,
    /// An instant, up to its closing quote.
    Moment,
    Time,
    /// `2026-11-22`, with its quotes.
    Date,
    /// `sha256:` and 64 lower-case digits, with their quotes.
    Digest,
}

impl Mould {
    fn told<'a>(&self, line: &'a [u8]) -> Option<Told<'a>> {
        let (mut seq, mut time, mut id) = (None, None, None);
        let mut rest = line;
        for place in &self.places {
            rest = rest.strip_prefix(&*place.before)?;
            let (value, after) = rest.split_at_checked(place.form.length(rest))?;
            rest = after;
            match place.form {
                Form::Text => drop(str::from_utf8(value).ok()?),
                Form::Identity => id = Some(str::from_utf8(value).ok()?),
                Form::Number => drop(integer(value)?),
                Form::Seq => seq = Some(integer(value)?),
                Form::Moment => drop(instant(value)?),
                Form::Time => time = Some(instant(value)?),
                Form::Date => drop(quoted_date(value)?),
                Form::Digest => is_quoted_digest(value).then_some(())?,
            }
        }
        let step = Step { kind: self.kind, id: id? };
        (rest == &*self.end).then_some(Told { seq: seq?, time: time?, step })
    }
}

impl Form {
    /// Bytes at the beginning of `rest` that may be of this form.
    fn length(self, rest: &[u8]) -> usize {
        match self {
            Self::Text | Self::Identity | Self::Moment | Self::Time => plain_bytes(rest),
            Self::Number | Self::Seq => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
            Self::Date => "\"2026-11-22\"".len(),
            Self::Digest => DIGEST_BYTES,
        }
    }
}

/// Of the largest integer that a line may have.
const INTEGER_DIGITS_MAX: usize = 16;

/// `sha256:` and 64 digits between quotes.
const DIGEST_BYTES: usize = 1 + 7 + 64 + 1;

fn is_quoted_digest(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"\"sha256:").and_then(|value| value.strip_suffix(b"\""));
    digits
        .is_some_and(|digits| digits.len() == 64 && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// An integer in its one form.
fn integer(digits: &[u8]) -> Option<u64> {
    let is_plain = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.len() <= INTEGER_DIGITS_MAX;
    let value = || digits.iter().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    is_plain.then(value).filter(|value| *value <= INTEGER_MAX)
}

/// A mould while it is made.
#[derive(Debug, Default)]
struct Making {
    places: Vec<Place>,
    before: Vec<u8>,
}

impl Making {
    /// Of the sorted fields of a canonical line.
    fn of(fields: &[(&str, &str)]) -> Self {
        let mut making = Self::default();
        for (number, (key, value)) in fields.iter().enumerate() {
            making.before.extend_from_slice(if number == 0 { b"{\"" } else { b",\"" });
            making.before.extend_from_slice(key.as_bytes());
            making.before.extend_from_slice(b"\":");
            making.value(key, value);
        }
        making.before.push(b'}');
        making
    }

    /// Makes places of what differs from line to line; all else is fixed.
    fn value(&mut self, key: &str, value: &str) {
        let form = match key {
            "seq" => Form::Seq,
            "time" => Form::Time,
            "batch" | "operation" => Form::Identity,
            "run" | "reason" => Form::Text,
            "again" | "buckets" | "bytes" | "epoch" | "keys" | "late_seconds" | "records" | "segments" => Form::Number,
            "due" | "latest" => Form::Moment,
            "first" | "last" => Form::Date,
            "digest" => Form::Digest,
            "children" => return self.counts(value),
            "dates" => return self.dates(value),
            _ => return self.fixed(value),
        };
        match form {
            Form::Text | Form::Identity | Form::Moment | Form::Time if value.starts_with('"') => {
                self.fixed("\"");
                self.place(form);
                self.fixed("\"");
            }
            Form::Number | Form::Seq | Form::Date | Form::Digest => self.place(form),
            _ => self.fixed(value),
        }
    }

    /// Numbers by names, which are fixed.
    fn counts(&mut self, value: &str) {
        if value.contains('\\') {
            return self.fixed(value);
        }
        let mut is_quoted = false;
        let mut rest = value.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            let digits = if is_quoted { 0 } else { Form::Number.length(rest) };
            if digits > 0 {
                self.place(Form::Number);
                rest = rest.get(digits..).unwrap_or_default();
            } else {
                is_quoted ^= *byte == b'"';
                self.before.push(*byte);
                rest = after;
            }
        }
    }

    /// As many dates.
    fn dates(&mut self, value: &str) {
        let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or_default();
        if inner.split(',').any(|date| quoted_date(date.as_bytes()).is_none()) {
            return self.fixed(value);
        }
        for (number, _) in inner.split(',').enumerate() {
            self.fixed(if number == 0 { "[" } else { "," });
            self.place(Form::Date);
        }
        self.fixed("]");
    }

    fn fixed(&mut self, text: &str) {
        self.before.extend_from_slice(text.as_bytes());
    }

    fn place(&mut self, form: Form) {
        let before = std::mem::take(&mut self.before).into();
        self.places.push(Place { before, form });
    }

    fn finish(self, kind: StepKind) -> Mould {
        Mould { kind, places: self.places, end: self.before.into() }
    }
}

#[cfg(test)]
mod tests;
