//! The text format of COPY: one line per row, values as the engine writes them
//! itself, so that what is read is what goes back.

use zeroize::Zeroizing;

use crate::{
    adapters::sql::{Column, Holds, StoredRow, Table},
    domain::record::{self, Cell},
    ports::SourceError,
};

/// The cell that a value of a column becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Integer,
    /// `\x` and hex digits.
    Bytes,
}

impl Form {
    pub(super) fn of(column: &Column) -> Self {
        match column.holds {
            Holds::Number => Self::Integer,
            _ if column.declared == "bytea" => Self::Bytes,
            _ => Self::Text,
        }
    }

    pub(super) fn of_stored(table: &Table) -> Vec<Self> {
        table.stored().map(Self::of).collect()
    }
}

/// One row, its values unescaped.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Zeroizing<Vec<u8>>,
    /// `None` for NULL.
    fields: Vec<Option<(usize, usize)>>,
}

impl Line {
    /// Reads a line of the text format, with or without its line feed.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(), SourceError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.bytes.clear();
        self.fields.clear();
        // Neither a NULL nor anything that is escaped: most lines.
        if memchr::memchr(b'\\', line).is_none() {
            self.bytes.extend_from_slice(line);
            let mut from = 0;
            for to in memchr::memchr_iter(b'\t', line).chain([line.len()]) {
                self.fields.push(Some((from, to)));
                from = to + 1;
            }
            return Ok(());
        }
        for field in line.split(|byte| *byte == b'\t') {
            if field == b"\\N" {
                self.fields.push(None);
                continue;
            }
            let from = self.bytes.len();
            unescape(&mut self.bytes, field)?;
            self.fields.push(Some((from, self.bytes.len())));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn width(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn field(&self, at: usize) -> Result<Option<&[u8]>, SourceError> {
        let field = self.fields.get(at).ok_or_else(|| strange("a row has fewer values than columns"))?;
        Ok(field.and_then(|(from, to)| self.bytes.get(from..to)))
    }

    pub(super) fn text(&self, at: usize) -> Result<&str, SourceError> {
        let bytes = self.field(at)?.unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| strange("a name is not UTF-8"))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, at: usize) -> Result<T, SourceError> {
        self.text(at)?.parse().map_err(|_| strange("a number is none"))
    }

    pub(super) fn cell(&self, at: usize, form: Form) -> Result<Cell, SourceError> {
        let Some(bytes) = self.field(at)? else { return Ok(Cell::Null) };
        Ok(match form {
            Form::Text => Cell::Text(bytes.to_vec()),
            Form::Integer => Cell::Integer(self.number(at)?),
            Form::Bytes => Cell::Blob(from_hex(bytes)?),
        })
    }
}

pub(super) fn strange(what: &str) -> SourceError {
    SourceError::Engine { reason: format!("the server answered with something unexpected: {what}") }
}

fn from_hex(bytes: &[u8]) -> Result<Vec<u8>, SourceError> {
    let digits = bytes.strip_prefix(b"\\x").ok_or_else(|| strange("a bytea is not in hex"))?;
    hex::decode(digits).map_err(|_| strange("a bytea is not in hex"))
}

fn unescape(out: &mut Vec<u8>, field: &[u8]) -> Result<(), SourceError> {
    let mut rest = field;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let Some(escaped) = rest.get(at + 1) else { return Err(strange("an escape is cut short")) };
        out.push(match escaped {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'\\' => b'\\',
            _ => return Err(strange("an escape that the server does not write")),
        });
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Appends a value to a line for COPY FROM.
pub(super) fn write(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => out.extend_from_slice(b"\\N"),
        Cell::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Cell::Real(value) => out.extend_from_slice(format!("{value:?}").as_bytes()),
        Cell::Text(bytes) => escape(out, bytes),
        Cell::Blob(bytes) => {
            out.extend_from_slice(b"\\\\x");
            out.extend_from_slice(hex::encode(bytes).as_bytes());
        }
    }
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.push(*byte),
        }
    }
}

/// A deleted row as it was returned, behind `skip` values of ours, and what is
/// carried of its event from another table.
#[derive(Debug)]
pub(super) struct Returned<'a> {
    pub(super) line: &'a Line,
    pub(super) skip: usize,
    pub(super) forms: &'a [Form],
    pub(super) carried: &'a [Cell],
}

impl StoredRow for Returned<'_> {
    fn cell(&self, position: usize) -> Result<Cell, SourceError> {
        match self.forms.get(position) {
            Some(form) => self.line.cell(self.skip + position, *form),
            None => {
                let carried = self.carried.get(position - self.forms.len());
                carried.cloned().ok_or_else(|| strange("a value of an event is missing"))
            }
        }
    }

    fn encode(&self, out: &mut Vec<u8>, position: usize) -> Result<(), SourceError> {
        match (self.forms.get(position), self.line.field(self.skip + position)?) {
            (Some(Form::Text), Some(bytes)) => record::encode_text(out, bytes),
            _ => record::encode_cell(out, &self.cell(position)?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(1..=255_u8, 0..40)), 1..6)) {
            let mut line = Vec::new();
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    line.push(b'\t');
                }
                write(&mut line, &value.clone().map_or(Cell::Null, Cell::Text));
            }
            line.push(b'\n');
            let mut read = Line::default();
            read.read(&line).unwrap();
            prop_assert_eq!(read.width(), values.len());
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(read.field(at).unwrap(), value.as_deref());
            }
        }

        #[test]
        fn bytes_that_are_no_line_are_refused_without_panic(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut read = Line::default();
            if read.read(&line).is_ok() {
                prop_assert!(read.width() > 0);
            }
        }
    }

    #[test]
    fn null_is_not_the_text_that_looks_like_it() {
        let mut read = Line::default();
        read.read(b"\\N\t\\\\N\t\t42\t\\\\x00ff\n").unwrap();
        let cells = [Form::Text, Form::Text, Form::Text, Form::Integer, Form::Bytes].into_iter().enumerate();
        let cells: Vec<Cell> = cells.map(|(at, form)| read.cell(at, form).unwrap()).collect();
        let text = |text: &str| Cell::Text(text.as_bytes().to_vec());
        assert_eq!(cells, [Cell::Null, text("\\N"), text(""), Cell::Integer(42), Cell::Blob(vec![0, 0xff])]);
    }
}
