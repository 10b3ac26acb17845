//! Values between the server and records: as the bytes of the text protocol, by
//! the type of their column.
//!
//! Text is taken and given in the column's own character set, byte for byte, and
//! need not be valid in it. A float's text is rounded, so that floats are fetched
//! as doubles, whose text is exact. An instant gets a `Z`, since the session is
//! in UTC.

use sqlx::{Decode, MySql, Row as _, TypeInfo as _, ValueRef as _, mysql::MySqlRow};

use crate::{
    adapters::sql::{Column, StoredRow, Table},
    domain::{
        locator::charset,
        record::{self, Cell},
    },
    ports::SourceError,
};

use super::failure;

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Real,
    /// In this character set.
    Text(String),
    Bytes,
    /// `TIMESTAMP`.
    Instant,
    /// Everything else, whose text is ASCII: decimals, dates, times, UUID, …
    Ascii,
}

/// What stands in a column's declaration before its character set.
const CHARSET: &str = " character set ";

/// A column's declaration as a record keeps it.
pub(super) fn declared(column_type: &str, charset: &str, collation: &str) -> String {
    if charset.is_empty() {
        return column_type.to_owned();
    }
    format!("{column_type}{CHARSET}{charset} collate {collation}")
}

pub(super) fn class(declared: &str) -> Class {
    let kind = declared.split(['(', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    match kind.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => Class::Integer,
        "float" | "double" | "real" => Class::Real,
        "timestamp" => Class::Instant,
        "json" => Class::Text("utf8mb4".to_owned()),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "bit" | "geometry" | "point"
        | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection"
        | "geomcollection" | "vector" => Class::Bytes,
        _ => charset(declared).map_or(Class::Ascii, |charset| Class::Text(charset.to_owned())),
    }
}

/// Character set and collation in a declaration.
pub(super) fn collation(declared: &str) -> Option<(&str, &str)> {
    let (_, behind) = declared.rsplit_once(CHARSET)?;
    behind.split_once(" collate ")
}

/// The classes of a table's stored columns, in order.
pub(super) fn classes(table: &Table) -> Vec<Class> {
    table.stored().map(|column| class(&column.declared)).collect()
}

/// A column as it is fetched.
pub(super) fn fetched(column: &Column, written: &str) -> String {
    match class(&column.declared) {
        Class::Real => format!("CAST({written} AS DOUBLE)"),
        Class::Integer | Class::Text(_) | Class::Bytes | Class::Instant | Class::Ascii => written.to_owned(),
    }
}

/// Times that mean "none" are no instants.
fn is_zero(text: &[u8]) -> bool {
    text.starts_with(b"0000-00-00")
}

fn cell(class: &Class, bytes: Option<&[u8]>) -> Result<Cell, SourceError> {
    let Some(bytes) = bytes else { return Ok(Cell::Null) };
    Ok(match class {
        // Beyond 2^63 an unsigned integer is kept as its digits.
        Class::Integer => parsed(bytes).map_or_else(|| Cell::Text(bytes.to_vec()), Cell::Integer),
        Class::Real => Cell::Real(parsed(bytes).ok_or_else(unreadable)?),
        Class::Bytes => Cell::Blob(bytes.to_vec()),
        Class::Instant if !is_zero(bytes) => Cell::Text([bytes, b"Z"].concat()),
        Class::Text(_) | Class::Instant | Class::Ascii => Cell::Text(bytes.to_vec()),
    })
}

fn parsed<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn unreadable() -> SourceError {
    SourceError::Engine { reason: "a number cannot be read".to_owned() }
}

/// The bytes of a value; `None` for NULL.
pub(super) fn raw(row: &MySqlRow, position: usize) -> Result<Option<&[u8]>, SourceError> {
    let value = row.try_get_raw(position).map_err(failure::engine)?;
    // In the text protocol only NULL has no bytes.
    if value.is_null() {
        return Ok(None);
    }
    <&[u8] as Decode<MySql>>::decode(value).map(Some).map_err(|error| failure::engine(sqlx::Error::Decode(error)))
}

/// A text of the catalogue or a name; NULL is ''.
pub(super) fn text(row: &MySqlRow, position: usize) -> Result<String, SourceError> {
    let bytes = raw(row, position)?.unwrap_or_default();
    String::from_utf8(bytes.to_vec())
        .map_err(|_| SourceError::Engine { reason: "a name is not valid UTF-8".to_owned() })
}

pub(super) fn number(row: &MySqlRow, position: usize) -> Result<i64, SourceError> {
    parsed(raw(row, position)?.unwrap_or_default()).ok_or_else(unreadable)
}

/// The values of a query of our own, by the types of its result.
pub(super) fn cells(row: &MySqlRow) -> Result<Vec<Cell>, SourceError> {
    let one = |position: usize| {
        let value = row.try_get_raw(position).map_err(failure::engine)?;
        let kind = value.type_info().name().to_ascii_lowercase();
        let class = if kind.contains("int") { Class::Integer } else { Class::Ascii };
        cell(&class, raw(row, position)?)
    };
    (0..row.len()).map(one).collect()
}

/// A fetched row: one column of ours, then the stored ones, then others.
///
/// The first column is ours because a row that began with a value of 16 MiB or
/// more would be taken for the end of the result (its length begins with 0xfe).
pub(super) struct Fetched<'r> {
    pub(super) row: &'r MySqlRow,
    /// Of all columns behind ours.
    pub(super) classes: &'r [Class],
}

/// What stands first in every row that is fetched.
pub(super) const FIRST: &str = "0";
pub(super) const BEHIND_FIRST: usize = 1;

impl Fetched<'_> {
    pub(super) fn class(&self, position: usize) -> Result<&Class, SourceError> {
        self.classes.get(position).ok_or_else(|| SourceError::Engine { reason: "a column is not returned".to_owned() })
    }
}

impl StoredRow for Fetched<'_> {
    fn cell(&self, position: usize) -> Result<Cell, SourceError> {
        cell(self.class(position)?, raw(self.row, position + BEHIND_FIRST)?)
    }

    fn encode(&self, out: &mut Vec<u8>, position: usize) -> Result<(), SourceError> {
        match (self.class(position)?, raw(self.row, position + BEHIND_FIRST)?) {
            (Class::Text(_) | Class::Ascii, Some(bytes)) => record::encode_text(out, bytes),
            (Class::Bytes, Some(bytes)) => record::encode_blob(out, bytes),
            (class, bytes) => record::encode_cell(out, &cell(class, bytes)?),
        }
        Ok(())
    }
}

/// A value as text of a statement, for a column of a class. Nothing that a value
/// holds can end it: what is not plain is written in hexadecimal digits.
pub(super) fn literal(value: &Cell, class: &Class) -> String {
    match (value, class) {
        (Cell::Null, _) => "NULL".to_owned(),
        (Cell::Integer(number), _) => number.to_string(),
        (Cell::Real(number), _) => format!("{number:e}"),
        (Cell::Blob(bytes), _) => hexadecimal(bytes),
        (Cell::Text(bytes), Class::Integer) if bytes.iter().all(u8::is_ascii_digit) && !bytes.is_empty() => {
            plain(bytes)
        }
        (Cell::Text(bytes), Class::Instant) => ascii(bytes.strip_suffix(b"Z").unwrap_or(bytes)),
        (Cell::Text(bytes), Class::Text(charset)) => format!("_{charset} {}", hexadecimal(bytes)),
        (Cell::Text(bytes), Class::Bytes) => hexadecimal(bytes),
        (Cell::Text(bytes), Class::Integer | Class::Real | Class::Ascii) => ascii(bytes),
    }
}

/// A value of our own that is compared with whatever: its text is ASCII, or is
/// said to be in UTF-8 if it is.
pub(super) fn free_literal(value: &Cell) -> String {
    match value {
        Cell::Text(bytes) if is_plain(bytes) => ascii(bytes),
        Cell::Text(bytes) if std::str::from_utf8(bytes).is_ok() => format!("_utf8mb4 {}", hexadecimal(bytes)),
        Cell::Text(bytes) => hexadecimal(bytes),
        _ => literal(value, &Class::Ascii),
    }
}

fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b" .:+-_".contains(byte))
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ascii(bytes: &[u8]) -> String {
    if is_plain(bytes) { format!("'{}'", plain(bytes)) } else { format!("_latin1 {}", hexadecimal(bytes)) }
}

fn hexadecimal(bytes: &[u8]) -> String {
    format!("x'{}'", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_follows_from_the_declaration_that_a_record_keeps() {
        let latin = declared("varchar(20)", "latin1", "latin1_swedish_ci");
        assert_eq!(class(&latin), Class::Text("latin1".to_owned()));
        assert_eq!(
            class(&declared("enum(' character set x','b')", "utf8mb4", "utf8mb4_bin")),
            Class::Text("utf8mb4".to_owned())
        );
        assert_eq!(class("bigint(20) unsigned"), Class::Integer);
        assert_eq!(class("double(10,2)"), Class::Real);
        assert_eq!(class("timestamp(3)"), Class::Instant);
        assert_eq!(class("datetime(6)"), Class::Ascii);
        assert_eq!(class("varbinary(9)"), Class::Bytes);
    }

    #[test]
    fn no_text_can_end_a_literal() {
        let hostile = Cell::Text(b"' OR 1=1 -- \\".to_vec());
        for class in [Class::Ascii, Class::Instant, Class::Integer, Class::Text("latin1".to_owned()), Class::Bytes] {
            let written = literal(&hostile, &class);
            assert_eq!(written.matches('\'').count(), 2, "{written}");
            assert!(!written.contains("OR"), "{written}");
        }
        assert_eq!(free_literal(&hostile).matches('\'').count(), 2);
        assert_eq!(literal(&Cell::Text(b"2021-01-01 00:00:00Z".to_vec()), &Class::Instant), "'2021-01-01 00:00:00'");
    }
}
