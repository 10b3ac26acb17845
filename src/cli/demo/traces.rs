//! Values by which a row is recognised wherever its bytes lie, and the search
//! for them in files: what shows whether a destroyed record is gone.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use anyhow::{Context as _, ensure};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

/// A value that stands in one row of the shop and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace {
    pub table: &'static str,
    pub id: i64,
    pub value: String,
}

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// Bytes searched.
    pub bytes: u64,
    /// Positions, in the list searched for, of the values that occur; ascending.
    pub values: Vec<usize>,
}

/// Per table the columns whose values are nobody else's. A product is one only
/// where it bears an engraving.
const DISTINCTIVE: [(&str, &str); 9] = [
    ("members", "SELECT id, email FROM members UNION ALL SELECT id, phone FROM members"),
    ("addresses", "SELECT id, street FROM addresses UNION ALL SELECT id, phone FROM addresses"),
    ("orders", "SELECT id, order_no FROM orders"),
    ("order_lines", "SELECT id, product FROM order_lines WHERE product LIKE '%「%」'"),
    ("payments", "SELECT id, card_masked FROM payments WHERE card_masked IS NOT NULL"),
    (
        "complaints",
        "SELECT id, body FROM complaints UNION ALL SELECT id, answer FROM complaints WHERE answer IS NOT NULL",
    ),
    ("identity_checks", "SELECT id, ci FROM identity_checks"),
    ("visits", "SELECT id, path FROM visits"),
    ("abuse_logs", "SELECT id, detail FROM abuse_logs"),
];

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A value shorter than this occurs by chance.
const VALUE_BYTES_MIN: usize = 8;

/// Takes the distinctive values of every row that is in the shop's database
/// now. What is missing from a later snapshot belongs to rows that have left.
pub async fn distinctive_values(path: &Path) -> anyhow::Result<Vec<Trace>> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut connection = options.connect().await.with_context(|| format!("{} cannot be read", path.display()))?;
    let mut traces = Vec::new();
    for (table, statement) in DISTINCTIVE {
        let rows: Vec<(i64, String)> = sqlx::query_as(statement).fetch_all(&mut connection).await?;
        traces.extend(rows.into_iter().map(|(id, value)| Trace { table, id, value }));
    }
    connection.close().await?;
    Ok(traces)
}

/// Searches files for values, each file once, and says which values occur in it
/// at least once. A value that lies across two pages of a database file is in
/// two pieces and not found; the values used here are far shorter than a page.
///
/// A file that is gone by now has nothing in it: SQLite removes its log when the
/// last connection closes, after what it held went into the database.
pub fn search<V: AsRef<[u8]>>(paths: &[PathBuf], values: &[V]) -> anyhow::Result<Vec<Found>> {
    let lengths = || values.iter().map(|value| value.as_ref().len());
    ensure!(lengths().all(|length| length >= VALUE_BYTES_MIN), "a value to search for is too short to tell anything");
    let longest = lengths().max().unwrap_or(0);
    // Tens of thousands of values: the compact automaton is built in a fraction
    // of the time and memory of the fastest one.
    let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(values)?;
    let look_into = |path: &PathBuf| {
        let file = File::open(path).and_then(|file| search_file(file, &automaton, values.len(), longest));
        let file = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((0, Vec::new())),
            file => file,
        };
        let (bytes, values) = file.with_context(|| format!("{} cannot be searched", path.display()))?;
        Ok(Found { path: path.clone(), bytes, values })
    };
    paths.iter().map(look_into).collect()
}

/// Reads a file chunk by chunk. The end of each chunk, one byte shorter than the
/// longest value, is searched again with the next.
fn search_file(
    mut file: impl Read,
    automaton: &AhoCorasick,
    values: usize,
    longest: usize,
) -> io::Result<(u64, Vec<usize>)> {
    let carried = longest.saturating_sub(1);
    let mut seen = vec![false; values];
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + carried);
    let mut bytes = 0;
    loop {
        let read = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut buffer)?;
        bytes += read as u64;
        for found in automaton.find_overlapping_iter(&buffer) {
            if let Some(seen) = seen.get_mut(found.pattern().as_usize()) {
                *seen = true;
            }
        }
        if read == 0 {
            break;
        }
        buffer.drain(..buffer.len().saturating_sub(carried));
    }
    Ok((bytes, (0..values).filter(|&value| seen.get(value) == Some(&true)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(content: &[u8], values: &[&str]) -> Found {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        search(std::slice::from_ref(&path), values).unwrap().remove(0)
    }

    #[test]
    fn values_are_found_across_the_border_of_two_chunks_and_at_both_ends() {
        let values = ["at-the-start", "across-the-border", "at-the-very-end", "nowhere-at-all"];
        for shift in 0..values[1].len() {
            let mut content = vec![0; 2 * CHUNK_BYTES + 100];
            content[..values[0].len()].copy_from_slice(values[0].as_bytes());
            let border = CHUNK_BYTES - shift;
            content[border..border + values[1].len()].copy_from_slice(values[1].as_bytes());
            let end = content.len() - values[2].len();
            content[end..].copy_from_slice(values[2].as_bytes());
            let found = searched(&content, &values);
            assert_eq!((found.bytes, found.values), (content.len() as u64, vec![0, 1, 2]), "shift {shift}");
        }
    }

    #[test]
    fn values_that_overlap_or_contain_each_other_are_all_found() {
        let found =
            searched("x 서울특별시 마포구 x".as_bytes(), &["서울특별시 마포구", "특별시 마", "마포구 x", "마포구 y"]);
        assert_eq!(found.values, [0, 1, 2]);
        assert!(searched(b"", &["something"]).values.is_empty());
    }

    #[test]
    fn a_value_that_would_occur_by_chance_is_refused() {
        search(&[], &["", "long enough"]).unwrap_err();
        assert!(search::<&str>(&[], &[]).unwrap().is_empty());
        assert_eq!(search(&[PathBuf::from("/no/such/file")], &["long enough"]).unwrap()[0].bytes, 0);
        search(&[std::env::temp_dir()], &["long enough"]).unwrap_err();
    }
}
