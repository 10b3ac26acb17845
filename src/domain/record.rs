//! Rows as they travel from the source to the vault and back: every value in
//! the engine's own form, so that what is restored is what was taken.
//!
//! Layout of a row: table number (varint), then per column a tag byte and, for
//! text and blobs, a varint length and the bytes. Varints are unsigned LEB128.
//! The layout is part of `docs/FORMAT.md`.

use zeroize::Zeroizing;

/// One value. `Text` and `Blob` are raw bytes: an engine may hold text that is
/// not valid in its own encoding, and it must come back as it was.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A decoded row of the table with this number in the segment header.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub table: usize,
    pub cells: Vec<Cell>,
}

/// Bytes that are not a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record is cut short or malformed at byte {offset}")]
pub struct MalformedRecord {
    pub offset: usize,
}

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Starts a row of table number `table`; `encode_cell` follows once per column.
pub fn encode_row_start(out: &mut Vec<u8>, table: usize) {
    encode_length(out, table);
}

pub fn encode_cell(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => out.push(NULL),
        Cell::Integer(value) => {
            out.push(INTEGER);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Cell::Real(value) => {
            out.push(REAL);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Cell::Text(bytes) => encode_bytes(out, TEXT, bytes),
        Cell::Blob(bytes) => encode_bytes(out, BLOB, bytes),
    }
}

/// Text without building a `Cell` first: the hot path of a separation.
pub fn encode_text(out: &mut Vec<u8>, bytes: &[u8]) {
    encode_bytes(out, TEXT, bytes);
}

/// A blob without building a `Cell` first.
pub fn encode_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    encode_bytes(out, BLOB, bytes);
}

fn encode_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    encode_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Bytes of the longest length.
const LENGTH_BYTES_MAX: usize = 10;

/// Unsigned LEB128.
pub fn encode_length(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Decodes all rows of one record. `columns[t]` is the column count of table `t`.
pub fn decode_rows(bytes: &[u8], columns: &[usize]) -> Result<Vec<Row>, MalformedRecord> {
    let mut reader = Reader { bytes, offset: 0 };
    let mut rows = Vec::new();
    while !reader.is_empty() {
        let offset = reader.offset;
        let table = reader.length()?;
        let width = *columns.get(table).ok_or(MalformedRecord { offset })?;
        let cells = (0..width).map(|_| reader.cell()).collect::<Result<_, _>>()?;
        rows.push(Row { table, cells });
    }
    Ok(rows)
}

/// Joins records into a segment body, each behind its length.
#[must_use]
pub fn join<'a>(records: impl Iterator<Item = &'a [u8]> + Clone) -> Zeroizing<Vec<u8>> {
    // A body that grows would leave copies of rows behind that nobody overwrites.
    let bytes = records.clone().map(|record| record.len() + LENGTH_BYTES_MAX).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(bytes));
    for record in records {
        encode_length(&mut body, record.len());
        body.extend_from_slice(record);
    }
    body
}

/// The records of a segment body, in order.
pub fn split(body: &[u8]) -> Result<Vec<&[u8]>, MalformedRecord> {
    let mut reader = Reader { bytes: body, offset: 0 };
    let mut records = Vec::new();
    while !reader.is_empty() {
        let length = reader.length()?;
        records.push(reader.take(length)?);
    }
    Ok(records)
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.offset == self.bytes.len()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], MalformedRecord> {
        let end = self.offset.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(MalformedRecord { offset: self.offset })?;
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedRecord> {
        let offset = self.offset;
        self.take(N)?.try_into().map_err(|_| MalformedRecord { offset })
    }

    fn length(&mut self) -> Result<usize, MalformedRecord> {
        let offset = self.offset;
        let mut value = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let [byte] = self.array()?;
            let bits = usize::from(byte & 0x7f);
            value |= bits.checked_shl(shift).filter(|v| v >> shift == bits).ok_or(MalformedRecord { offset })?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(MalformedRecord { offset })
    }

    fn cell(&mut self) -> Result<Cell, MalformedRecord> {
        let offset = self.offset;
        let [tag] = self.array()?;
        Ok(match tag {
            NULL => Cell::Null,
            INTEGER => Cell::Integer(i64::from_le_bytes(self.array()?)),
            REAL => Cell::Real(f64::from_le_bytes(self.array()?)),
            TEXT => {
                let length = self.length()?;
                Cell::Text(self.take(length)?.to_vec())
            }
            BLOB => {
                let length = self.length()?;
                Cell::Blob(self.take(length)?.to_vec())
            }
            _ => return Err(MalformedRecord { offset }),
        })
    }
}

/// How a key or a subject is written for look-ups: the text an operator would
/// type, columns of a composite key joined by U+001F. Blobs are lower-case hex.
#[must_use]
pub fn locator(cells: &[Cell]) -> Vec<u8> {
    let mut text = Vec::new();
    for (position, cell) in cells.iter().enumerate() {
        if position > 0 {
            text.push(0x1f);
        }
        match cell {
            Cell::Null => {}
            Cell::Integer(value) => decimal(&mut text, *value),
            Cell::Real(value) => text.extend_from_slice(value.to_string().as_bytes()),
            Cell::Text(bytes) => text.extend_from_slice(bytes),
            Cell::Blob(bytes) => text.extend_from_slice(hex::encode(bytes).as_bytes()),
        }
    }
    text
}

/// Without a text of its own: most keys are numbers.
fn decimal(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let start = out.len();
    let mut rest = value.unsigned_abs();
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[start..].reverse();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell() -> impl Strategy<Value = Cell> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Integer),
            any::<f64>().prop_filter("NaN is not equal to itself", |value| !value.is_nan()).prop_map(Cell::Real),
            bytes().prop_map(Cell::Text),
            bytes().prop_map(Cell::Blob),
        ]
    }

    /// Column counts of some tables, and rows that fit them.
    fn rows() -> impl Strategy<Value = (Vec<usize>, Vec<Row>)> {
        proptest::collection::vec(0..6_usize, 1..200).prop_flat_map(|widths| {
            let tables = widths.clone();
            let row = (0..tables.len()).prop_flat_map(move |table| {
                let cells = proptest::collection::vec(cell(), tables[table]);
                cells.prop_map(move |cells| Row { table, cells })
            });
            (Just(widths), proptest::collection::vec(row, 0..8))
        })
    }

    fn encode(rows: &[Row]) -> Vec<u8> {
        let mut out = Vec::new();
        for row in rows {
            encode_row_start(&mut out, row.table);
            row.cells.iter().for_each(|cell| encode_cell(&mut out, cell));
        }
        out
    }

    proptest! {
        #[test]
        fn a_number_is_located_as_it_is_written(value in any::<i64>()) {
            prop_assert_eq!(locator(&[Cell::Integer(value)]), value.to_string().into_bytes());
        }

        #[test]
        fn what_is_encoded_is_decoded_again((widths, rows) in rows()) {
            prop_assert_eq!(decode_rows(&encode(&rows), &widths), Ok(rows));
        }

        #[test]
        fn what_is_joined_is_split_again(records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let body = join(records.iter().map(Vec::as_slice));
            prop_assert_eq!(split(&body).unwrap(), records);
        }

        #[test]
        fn bytes_that_are_no_rows_are_refused_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            widths in proptest::collection::vec(0..4_usize, 0..4),
        ) {
            if let Err(error) = decode_rows(&bytes, &widths) {
                prop_assert!(error.offset <= bytes.len());
            }
            if let Ok(records) = split(&bytes) {
                prop_assert!(records.iter().map(|record| record.len()).sum::<usize>() <= bytes.len());
            }
        }

        #[test]
        fn a_record_that_is_cut_anywhere_is_refused_or_has_fewer_rows((widths, rows) in rows(), at in any::<prop::sample::Index>()) {
            let encoded = encode(&rows);
            prop_assume!(!encoded.is_empty());
            let cut = &encoded[..at.index(encoded.len())];
            prop_assert!(decode_rows(cut, &widths).is_ok_and(|left| left.len() < rows.len()) || decode_rows(cut, &widths).is_err());
        }
    }

    #[test]
    fn every_storage_class_has_its_bytes() {
        let cells =
            [Cell::Null, Cell::Integer(-2), Cell::Real(-0.0), Cell::Text(vec![0xff, 0]), Cell::Blob(Vec::new())];
        let mut out = Vec::new();
        encode_row_start(&mut out, 300);
        cells.iter().for_each(|cell| encode_cell(&mut out, cell));
        let integer = [&[1, 0xfe][..], &[0xff; 7]].concat();
        let real = [2, 0, 0, 0, 0, 0, 0, 0, 0x80];
        assert_eq!(out, [&[0xac, 0x02, 0][..], &integer, &real, &[3, 2, 0xff, 0], &[4, 0]].concat());
    }

    #[test]
    fn text_and_blob_are_written_alike_with_and_without_a_cell() {
        let (mut cells, mut direct) = (Vec::new(), Vec::new());
        encode_cell(&mut cells, &Cell::Text(b"text".to_vec()));
        encode_cell(&mut cells, &Cell::Blob(b"blob".to_vec()));
        encode_text(&mut direct, b"text");
        encode_blob(&mut direct, b"blob");
        assert_eq!(cells, direct);
    }

    #[test]
    fn a_length_that_no_memory_could_hold_is_refused() {
        let huge = [&[3][..], &[0xff; 9], &[1]].concat();
        assert!(decode_rows(&[&[0][..], &huge].concat(), &[1]).is_err());
        assert!(split(&[0xff; 11]).is_err(), "more than 64 bits");
    }

    #[test]
    fn a_locator_is_what_an_operator_types() {
        let key = [Cell::Integer(-7), Cell::Text(b"a".to_vec()), Cell::Blob(vec![0xab, 1]), Cell::Null];
        assert_eq!(locator(&key), b"-7\x1fa\x1fab01\x1f");
        assert_ne!(
            locator(&[Cell::Text(b"ab".to_vec())]),
            locator(&[Cell::Text(b"a".to_vec()), Cell::Text(b"b".to_vec())])
        );
    }
}
