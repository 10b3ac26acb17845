//! Reads from a row of `sqlite_schema` where a table or an index begins. Names
//! and statements are passed over.

use super::layout::varint;

/// What is read of one row at most: `sqlite3_limit` allows statements, and with
/// them names, of a million bytes.
pub(super) const ROW_BYTES_MAX: usize = 1 << 20;

/// `sqlite_schema` is `type, name, tbl_name, rootpage, sql`.
const ROOT_PAGE: usize = 3;

/// The root page that the row names; 0 for a view, a trigger or a virtual table.
/// `row` may be cut off behind that column.
pub(super) fn root_page(row: &[u8]) -> Result<u32, &'static str> {
    column(row, ROOT_PAGE).ok_or("a row of the schema cannot be read")
}

fn column(row: &[u8], wanted: usize) -> Option<u32> {
    let (header_bytes, mut next) = varint(row, 0)?;
    let mut value_at = usize::try_from(header_bytes).ok()?;
    for _ in 0..wanted {
        let (serial, length) = varint(row, next)?;
        next += length;
        value_at = value_at.checked_add(usize::try_from(value_bytes(serial)?).ok()?)?;
    }
    let (serial, _) = varint(row, next)?;
    match serial {
        0 | 8 => Some(0),
        9 => Some(1),
        1..=6 => {
            let end = value_at.checked_add(usize::try_from(value_bytes(serial)?).ok()?)?;
            let value = row.get(value_at..end)?;
            let number = value.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            u32::try_from(number).ok()
        }
        _ => None,
    }
}

/// Length of a value by its serial type (SQLite, "Database File Format", 2.1).
fn value_bytes(serial: u64) -> Option<u64> {
    match serial {
        0 | 8 | 9 => Some(0),
        1..=4 => Some(serial),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => Some((serial - 12) / 2),
    }
}
