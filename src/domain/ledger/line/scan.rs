//! Recognises canonical JSON (RFC 8785) without floats, byte by byte. It knows
//! nothing of entries, and it never repairs what it reads.

use super::LineError;

/// The largest integer that every JSON reader keeps exact: 2^53 - 1.
pub(super) const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Nesting that a line may have; entries have four.
const DEPTH_MAX: u32 = 16;
/// Fields that an entry has at most, so that reading one allocates once.
const FIELDS_EXPECTED: usize = 24;

/// Checks that bytes are one object in canonical form with integers only, and
/// returns its keys and values as they are written, sorted by key.
pub(super) fn fields(line: &[u8]) -> Result<Vec<(&str, &str)>, LineError> {
    let text = std::str::from_utf8(line)
        .map_err(|error| LineError::NotCanonical { at: error.valid_up_to(), reason: "it is not UTF-8" })?;
    // Bytes of ASCII are in the order of their code units.
    let mut scanner = Scanner { text, bytes: line, at: 0, plain: line.is_ascii() };
    if scanner.peek() != Some(b'{') {
        return scanner.refuse("it is not an object");
    }
    let mut fields = Vec::with_capacity(FIELDS_EXPECTED);
    scanner.object(0, &mut fields)?;
    if scanner.at == line.len() { Ok(fields) } else { scanner.refuse("something follows the object") }
}

/// Takes no note of fields.
struct Ignored;

impl<T> Extend<T> for Ignored {
    fn extend<I: IntoIterator<Item = T>>(&mut self, _: I) {}
}

/// Bytes before the first quote, backslash or control character. Looks at eight
/// at a time: most of a line is the inside of strings.
#[inline]
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // The lowest bit set marks the first byte below `limit` (at most 0x80); bits
    // above it may be wrong.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let mut at = 0;
    let mut rest = bytes;
    while let Some((chunk, next)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let special = below(word, 0x20) | quote | backslash;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
        rest = next;
    }
    at + rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')).unwrap_or(rest.len())
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The line is ASCII, and no escape was found so far.
    plain: bool,
}

impl<'a> Scanner<'a> {
    fn refuse<T>(&self, reason: &'static str) -> Result<T, LineError> {
        Err(LineError::NotCanonical { at: self.at, reason })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, expected: u8, reason: &'static str) -> Result<(), LineError> {
        if self.peek() == Some(expected) {
            self.at += 1;
            Ok(())
        } else {
            self.refuse(reason)
        }
    }

    fn value(&mut self, depth: u32) -> Result<(), LineError> {
        match self.peek() {
            Some(_) if depth > DEPTH_MAX => self.refuse("it is nested too deep"),
            Some(b'{') => self.object(depth, &mut Ignored),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: u32, fields: &mut impl Extend<(&'a str, &'a str)>) -> Result<(), LineError> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut previous: Option<&str> = None;
        loop {
            let key = self.string()?;
            if previous.is_some_and(|previous| !if self.plain { previous < key } else { sorted(previous, key) }) {
                return self.refuse("keys are not sorted, or one stands twice");
            }
            previous = Some(key);
            self.take(b':', "a colon is missing")?;
            let start = self.at;
            self.value(depth + 1)?;
            fields.extend(self.text.get(start..self.at).map(|value| (key, value)));
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b'}', "an object does not end"),
            }
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), LineError> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.take(b']', "an array does not end"),
            }
        }
    }

    /// Returns what stands between the quotes, escapes as they are written.
    #[inline]
    fn string(&mut self) -> Result<&'a str, LineError> {
        self.take(b'"', "a string is missing")?;
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += plain_bytes(rest);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return self.refuse("a string does not end or has a control character"),
            }
        }
        let end = self.at;
        self.at += 1;
        self.text.get(start..end).map_or_else(|| self.refuse("a string is cut"), Ok)
    }

    /// RFC 8785 section 3.2.2.2: short escapes where there is one, `\u00xx` in
    /// lower case for other control characters, and no escape for anything else.
    fn escape(&mut self) -> Result<(), LineError> {
        self.plain = false;
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        match rest {
            [b'b' | b't' | b'n' | b'f' | b'r' | b'"' | b'\\', ..] => self.at += 2,
            [b'u', b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
                if *high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd') {
                    return self.refuse("an escape is not the shortest");
                }
                self.at += 6;
            }
            _ => return self.refuse("an escape is not canonical"),
        }
        Ok(())
    }

    fn integer(&mut self) -> Result<(), LineError> {
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return self.refuse("a number is not an integer");
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let canonical = match digits.as_bytes() {
            [b'0'] => !negative,
            [b'1'..=b'9', ..] => digits.len() <= 16 && digits.parse::<u64>().is_ok_and(|number| number <= INTEGER_MAX),
            _ => false,
        };
        if canonical { Ok(()) } else { self.refuse("an integer is not canonical or above 2^53 - 1") }
    }

    fn literal(&mut self) -> Result<(), LineError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match ["true", "false", "null"].iter().find(|literal| rest.starts_with(literal.as_bytes())) {
            Some(literal) => {
                self.at += literal.len();
                Ok(())
            }
            None => self.refuse("a value is missing"),
        }
    }
}

/// RFC 8785 section 3.2.3: keys are sorted by their UTF-16 code units. `a` and
/// `b` are as written in the line; both have the same, shortest escapes.
fn sorted(a: &str, b: &str) -> bool {
    let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii() && byte != b'\\');
    if plain(a) && plain(b) {
        return a < b;
    }
    let decoded = |key: &str| serde_json::from_str::<String>(&format!("\"{key}\"")).ok();
    match (decoded(a), decoded(b)) {
        (Some(a), Some(b)) => a.encode_utf16().lt(b.encode_utf16()),
        _ => false,
    }
}
