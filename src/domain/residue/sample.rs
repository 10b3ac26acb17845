//! Which values of removed rows are searched for. They are plaintext of people:
//! they live in memory that is overwritten, are never printed, and are gone when
//! the cycle ends.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::{
    record::{Cell, Row},
    segment::Table,
};

/// A shorter value is found by chance, and says nothing.
pub const VALUE_BYTES_MIN: usize = 8;

/// Rows that a sample is chosen from, per dataset.
pub const POOL_ROWS_MAX: usize = 4_000;

/// A longer value does not make its row longer: it is stored apart from it.
const APART_BYTES: usize = 2_000;

/// A value to search for, with the column that held it.
#[derive(Clone)]
pub struct Value {
    pub table: String,
    pub column: String,
    /// The column's type, as the source declares it.
    pub declared: String,
    /// Text; `false` for bytes.
    pub is_text: bool,
    /// Bytes of its row, as far as they are known, without values that are too long
    /// for one (`APART_BYTES`): an engine may compress the values of a long row.
    pub row_bytes: usize,
    bytes: Zeroizing<Vec<u8>>,
}

impl Value {
    #[must_use]
    pub fn new(table: &str, column: &str, declared: &str, is_text: bool, bytes: &[u8]) -> Self {
        let (table, column, declared) = (table.to_owned(), column.to_owned(), declared.to_owned());
        Self { table, column, declared, is_text, row_bytes: bytes.len(), bytes: Zeroizing::new(bytes.to_vec()) }
    }

    /// Whoever asks must not keep a copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({}.{}, ..)", self.table, self.column)
    }
}

/// What was searched for, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Rows that the values are from.
    pub rows: u64,
    pub values: u64,
    /// Values of those rows that were too short to say anything.
    pub short: u64,
    /// Of `values`, those that say nothing: rows which are there hold them as
    /// well, or they are stored in a form that cannot be searched for.
    pub living: u64,
}

impl Sample {
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            values: self.values + other.values,
            short: self.short + other.short,
            living: self.living + other.living,
        }
    }
}

/// Rows of one dataset from which a sample is chosen.
#[derive(Debug, Default)]
pub struct Pool {
    rows: Vec<Vec<Value>>,
    short: Vec<u64>,
}

impl Pool {
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.len() >= POOL_ROWS_MAX
    }

    /// Adds one row of a table. Rows that stayed in the source are no candidates.
    pub fn add(&mut self, tables: &[Table], row: &Row) {
        let Some(table) = tables.get(row.table).filter(|table| !table.unlinked) else { return };
        let mut values = Vec::new();
        let (mut short, mut row_bytes) = (0, 0);
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            let (is_text, bytes) = match cell {
                Cell::Text(bytes) => (true, bytes),
                Cell::Blob(bytes) => (false, bytes),
                Cell::Null => continue,
                Cell::Integer(_) | Cell::Real(_) => {
                    short += 1;
                    continue;
                }
            };
            row_bytes += if bytes.len() > APART_BYTES { 0 } else { bytes.len() };
            if says_something(bytes) {
                values.push(Value::new(&table.name, &column.name, &column.declared, is_text, bytes));
            } else {
                short += 1;
            }
        }
        values.iter_mut().for_each(|value| value.row_bytes = row_bytes);
        self.rows.push(values);
        self.short.push(short);
    }

    /// Up to `rows_max` rows, half of them those with the longest values and half
    /// spread over the pool; of each the shortest and the two longest of the
    /// values that no other row of the pool has.
    #[must_use]
    pub fn choose(self, rows_max: usize) -> (Vec<Value>, Sample) {
        let mut seen: BTreeMap<&[u8], u64> = BTreeMap::new();
        for value in self.rows.iter().flatten() {
            *seen.entry(value.expose()).or_default() += 1;
        }
        let rare = |row: &'_ [Value]| -> Vec<usize> {
            let mut rare: Vec<usize> = (0..row.len()).filter(|at| seen.get(row[*at].expose()) == Some(&1)).collect();
            rare.sort_by_key(|at| row[*at].expose().len());
            rare
        };
        let rare: Vec<Vec<usize>> = self.rows.iter().map(|row| rare(row)).collect();
        let mut values = Vec::new();
        let mut sample = Sample::default();
        for row in chosen(&self.rows, &rare, rows_max) {
            let some = rare[row].iter().take(1).chain(rare[row].iter().skip(1).rev().take(2));
            values.extend(some.map(|at| self.rows[row][*at].clone()));
            sample.rows += 1;
            sample.short += self.short[row];
        }
        sample.values = values.len() as u64;
        (values, sample)
    }
}

/// Numbers of the rows that are sampled, each once.
fn chosen(rows: &[Vec<Value>], rare: &[Vec<usize>], rows_max: usize) -> Vec<usize> {
    let mut by_length: Vec<usize> = (0..rows.len()).filter(|row| !rare[*row].is_empty()).collect();
    if by_length.len() <= rows_max {
        return by_length;
    }
    let all = by_length.clone();
    let longest = |row: &usize| rare[*row].last().map_or(0, |at| rows[*row][*at].expose().len());
    by_length.sort_by_key(|row| std::cmp::Reverse(longest(row)));
    by_length.truncate(rows_max.div_ceil(2));
    let others: Vec<usize> = all.into_iter().filter(|row| !by_length.contains(row)).collect();
    let left = rows_max - by_length.len();
    by_length.extend(super::spread(&others, left).into_iter().take(left));
    by_length
}

/// Long enough, and not one byte over and over.
fn says_something(bytes: &[u8]) -> bool {
    bytes.len() >= VALUE_BYTES_MIN && bytes.iter().any(|byte| *byte != bytes[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::segment::Column;

    fn pool(rows: &[&[&str]]) -> Pool {
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let column = |number: usize| Column { name: format!("c{number}"), declared: "TEXT".to_owned() };
        let tables =
            [Table { name: "t".to_owned(), columns: (0..width).map(column).collect(), rows: 0, unlinked: false }];
        let mut pool = Pool::default();
        for row in rows {
            let cells = row.iter().map(|text| Cell::Text(text.as_bytes().to_vec())).collect();
            pool.add(&tables, &Row { table: 0, cells });
        }
        pool
    }

    fn texts(values: &[Value]) -> Vec<&str> {
        values.iter().map(|value| std::str::from_utf8(value.expose()).unwrap()).collect()
    }

    #[test]
    fn the_shortest_and_the_longest_rare_values_of_a_row_are_taken() {
        let row = ["a much longer text", "something", "in between", "eight888", "seven77", "a longer text"];
        let (values, sample) = pool(&[row.as_slice(), &["something"]]).choose(10);
        assert_eq!(texts(&values), ["eight888", "a much longer text", "a longer text"]);
        assert_eq!(sample, Sample { rows: 1, values: 3, short: 1, living: 0 });
    }

    #[test]
    fn numbers_and_repeated_bytes_say_nothing_and_are_counted() {
        let columns = ["n", "r", "x", "z"].map(|name| Column { name: name.to_owned(), declared: String::new() });
        let tables = [Table { name: "t".to_owned(), columns: columns.to_vec(), rows: 0, unlinked: false }];
        let mut pool = Pool::default();
        let cells = vec![Cell::Integer(7), Cell::Real(0.5), Cell::Blob(vec![0; 40]), Cell::Blob(b"12345678".to_vec())];
        pool.add(&tables, &Row { table: 0, cells });
        let (values, sample) = pool.choose(1);
        assert_eq!((texts(&values), sample.short), (vec!["12345678"], 3));
    }

    #[test]
    fn of_many_rows_the_longest_are_in_the_sample_and_the_others_are_spread() {
        let texts_of: Vec<String> = (0..100).map(|row| format!("value-{row:04}{}", "x".repeat(row % 7 * 10))).collect();
        let rows: Vec<[&str; 1]> = texts_of.iter().map(|text| [text.as_str()]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 1]>::as_slice).collect();
        let (values, sample) = pool(&rows).choose(20);
        assert_eq!((values.len(), sample.rows), (20, 20));
        assert_eq!(values.iter().filter(|value| value.expose().len() == 70).count(), 10, "{:?}", texts(&values));
        let distinct: std::collections::BTreeSet<_> = values.iter().map(Value::expose).collect();
        assert_eq!(distinct.len(), 20);
    }

    #[test]
    fn a_value_is_never_printed() {
        let (values, _) = pool(&[&["a secret text"]]).choose(1);
        assert_eq!(format!("{values:?}"), "[Value(t.c0, ..)]");
    }
}
