//! Values between SQLite and records, by the storage class of each value: the
//! declared type of a column says nothing about what a row holds.
//!
//! Text is taken and given as bytes; it need not be valid UTF-8 and may hold
//! NUL.

use sqlx::{
    Decode, Row as _, Sqlite, TypeInfo as _, ValueRef as _,
    error::BoxDynError,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow, SqliteValueRef},
};

use super::failure;
use crate::{
    adapters::sql::StoredRow,
    domain::record::{self, Cell},
    ports::SourceError,
};

enum Stored<'r> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'r [u8]),
    Blob(&'r [u8]),
}

fn stored<'r>(value: SqliteValueRef<'r>) -> Result<Stored<'r>, BoxDynError> {
    if value.is_null() {
        return Ok(Stored::Null);
    }
    // The class is known before the value is consumed; no text is made of it.
    let decode: fn(SqliteValueRef<'r>) -> Result<Stored<'r>, BoxDynError> = match value.type_info().name() {
        "INTEGER" => |value| Ok(Stored::Integer(<i64 as Decode<Sqlite>>::decode(value)?)),
        "REAL" => |value| Ok(Stored::Real(<f64 as Decode<Sqlite>>::decode(value)?)),
        "TEXT" => |value| Ok(Stored::Text(<&[u8] as Decode<Sqlite>>::decode(value)?)),
        "BLOB" => |value| Ok(Stored::Blob(<&[u8] as Decode<Sqlite>>::decode(value)?)),
        other => return Err(format!("storage class {other} is not known").into()),
    };
    decode(value)
}

fn at<'r>(row: &'r SqliteRow, position: usize) -> Result<Stored<'r>, sqlx::Error> {
    if position >= row.len() {
        return Err(sqlx::Error::ColumnIndexOutOfBounds { index: position, len: row.len() });
    }
    stored(row.try_get_raw(position)?).map_err(sqlx::Error::Decode)
}

/// The value in column `position` of a row.
pub(super) fn cell(row: &SqliteRow, position: usize) -> Result<Cell, sqlx::Error> {
    Ok(match at(row, position)? {
        Stored::Null => Cell::Null,
        Stored::Integer(value) => Cell::Integer(value),
        Stored::Real(value) => Cell::Real(value),
        Stored::Text(bytes) => Cell::Text(bytes.to_vec()),
        Stored::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    })
}

/// All values of a row.
pub(super) fn cells(row: &SqliteRow) -> Result<Vec<Cell>, sqlx::Error> {
    (0..row.len()).map(|position| cell(row, position)).collect()
}

/// Hands the bytes of a text or blob in column `position` to `take`.
pub(super) fn bytes(row: &SqliteRow, position: usize, mut take: impl FnMut(&[u8])) -> Result<(), sqlx::Error> {
    match at(row, position)? {
        Stored::Text(bytes) | Stored::Blob(bytes) => take(bytes),
        Stored::Null | Stored::Integer(_) | Stored::Real(_) => {}
    }
    Ok(())
}

/// Writes the value in column `position` straight into a record.
pub(super) fn encode(out: &mut Vec<u8>, row: &SqliteRow, position: usize) -> Result<(), sqlx::Error> {
    match at(row, position)? {
        Stored::Null => record::encode_cell(out, &Cell::Null),
        Stored::Integer(value) => record::encode_cell(out, &Cell::Integer(value)),
        Stored::Real(value) => record::encode_cell(out, &Cell::Real(value)),
        Stored::Text(bytes) => record::encode_text(out, bytes),
        Stored::Blob(bytes) => record::encode_blob(out, bytes),
    }
    Ok(())
}

/// Names in the schema and counts: text that is known to be UTF-8.
pub(super) fn text(row: &SqliteRow, position: usize) -> Result<String, sqlx::Error> {
    match at(row, position)? {
        Stored::Null => Ok(String::new()),
        Stored::Text(bytes) => {
            String::from_utf8(bytes.to_vec()).map_err(|_| sqlx::Error::Decode("a name is not valid UTF-8".into()))
        }
        _ => Err(sqlx::Error::Decode("expected text".into())),
    }
}

/// A count or a flag; NULL is 0.
pub(super) fn integer(row: &SqliteRow, position: usize) -> Result<i64, sqlx::Error> {
    match at(row, position)? {
        Stored::Null => Ok(0),
        Stored::Integer(value) => Ok(value),
        _ => Err(sqlx::Error::Decode("expected an integer".into())),
    }
}

/// A count of rows.
pub(super) fn count(row: &SqliteRow, position: usize) -> Result<u64, sqlx::Error> {
    u64::try_from(integer(row, position)?).map_err(|_| sqlx::Error::Decode("a count is negative".into()))
}

type Arguments<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds a value as its own storage class. Text that is not UTF-8 is
/// bound as a blob under a cast (`Dialect::mark`).
pub(super) fn bind(query: Arguments<'_>, value: Cell) -> Arguments<'_> {
    match value {
        Cell::Null => query.bind(None::<i64>),
        Cell::Integer(value) => query.bind(value),
        Cell::Real(value) => query.bind(value),
        Cell::Blob(bytes) => query.bind(bytes),
        Cell::Text(bytes) => match String::from_utf8(bytes) {
            Ok(text) => query.bind(text),
            Err(error) => query.bind(error.into_bytes()),
        },
    }
}

/// A returned row.
pub(super) struct Returned<'r>(pub(super) &'r SqliteRow);

impl StoredRow for Returned<'_> {
    fn cell(&self, position: usize) -> Result<Cell, SourceError> {
        cell(self.0, position).map_err(failure::engine)
    }

    fn encode(&self, out: &mut Vec<u8>, position: usize) -> Result<(), SourceError> {
        encode(out, self.0, position).map_err(failure::engine)
    }
}
