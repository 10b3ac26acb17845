//! Single fields of a line, each in the one form that it may have.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::de::DeserializeOwned;

use super::LineError;

/// The fields of an event that were not read yet, sorted by key.
pub(super) struct Fields<'a> {
    pub(super) rest: &'a [(&'a str, &'a str)],
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &'static str) -> Option<&'a str> {
        match self.rest.split_first() {
            Some((&(key, value), rest)) if key == name => {
                self.rest = rest;
                Some(value)
            }
            _ => None,
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, LineError> {
        json(name, present(name, self.take(name))?)
    }

    /// An integer, which the line's form already bounds.
    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, LineError> {
        parsed(name, present(name, self.take(name))?)
    }

    /// What is written as text without escapes.
    pub(super) fn word<T: FromStr>(&mut self, name: &'static str) -> Result<T, LineError> {
        word(name, present(name, self.take(name))?)
    }

    /// A date. The common form is read by itself, any other as before.
    pub(super) fn date(&mut self, name: &'static str) -> Result<NaiveDate, LineError> {
        let value = present(name, self.take(name))?;
        quoted_date(value.as_bytes()).map_or_else(|| word(name, value), Ok)
    }

    pub(super) fn dates(&mut self, name: &'static str) -> Result<Vec<NaiveDate>, LineError> {
        let value = present(name, self.take(name))?;
        let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
        let dates = inner.and_then(|inner| inner.split(',').map(|date| quoted_date(date.as_bytes())).collect());
        dates.map_or_else(|| json(name, value), Ok)
    }

    /// An instant or `null`.
    pub(super) fn instant(&mut self, name: &'static str) -> Result<Option<DateTime<Utc>>, LineError> {
        let value = present(name, self.take(name))?;
        unquoted(value)
            .and_then(|text| instant(text.as_bytes()))
            .map_or_else(|| json(name, value), |instant| Ok(Some(instant)))
    }

    pub(super) fn text<T: for<'x> From<&'x str>>(&mut self, name: &'static str) -> Result<T, LineError> {
        text(name, present(name, self.take(name))?)
    }

    /// A field that is left out when there is nothing to say. `null` says
    /// nothing in another way, and is refused.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, LineError> {
        self.take(name).map(|value| json(name, value)).transpose()
    }
}

pub(super) fn present<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, LineError> {
    value.ok_or(LineError::Field { name })
}

fn json<T: DeserializeOwned>(name: &'static str, value: &str) -> Result<T, LineError> {
    serde_json::from_str(value).map_err(|_| LineError::Field { name })
}

pub(super) fn parsed<T: FromStr>(name: &'static str, value: &str) -> Result<T, LineError> {
    value.parse().map_err(|_| LineError::Field { name })
}

pub(super) fn word<T: FromStr>(name: &'static str, value: &str) -> Result<T, LineError> {
    unquoted(value).ok_or(LineError::Field { name }).and_then(|text| parsed(name, text))
}

pub(super) fn text<T: for<'x> From<&'x str>>(name: &'static str, value: &str) -> Result<T, LineError> {
    unquoted(value).map_or_else(|| json::<String>(name, value).map(|text| T::from(&text)), |text| Ok(T::from(text)))
}

/// What stands between quotes, if nothing in it is escaped.
pub(super) fn unquoted(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    // Without leaving early, which is faster for what is short.
    let escaped = text.bytes().fold(false, |found, byte| found | (byte == b'\\'));
    (!escaped).then_some(text)
}

/// `2026-11-22T03:00:00Z` or `2026-11-22T03:00:00.123Z`, and no other form.
pub(super) fn instant(text: &[u8]) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_at_checked(19)?;
    let &[y, e, a, r, b'-', m, n, b'-', d, f, b'T', h, i, b':', j, k, b':', s, t] = whole else { return None };
    let millis = match fraction {
        b"Z" => 0,
        // A fraction of nothing is left out.
        [b'.', tenths, hundredths, thousandths, b'Z'] => {
            Some(number(&[*tenths, *hundredths, *thousandths])?).filter(|millis| *millis > 0)?
        }
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(number(&[y, e, a, r])?.cast_signed(), number(&[m, n])?, number(&[d, f])?)?;
    Some(date.and_hms_milli_opt(number(&[h, i])?, number(&[j, k])?, number(&[s, t])?, millis)?.and_utc())
}

/// `"2026-11-22"`, and no other form.
pub(super) fn quoted_date(bytes: &[u8]) -> Option<NaiveDate> {
    let &[b'"', y, e, a, r, b'-', m, n, b'-', d, f, b'"'] = bytes else { return None };
    NaiveDate::from_ymd_opt(number(&[y, e, a, r])?.cast_signed(), number(&[m, n])?, number(&[d, f])?)
}

/// The number that a few digits are.
fn number(digits: &[u8]) -> Option<u32> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
}
