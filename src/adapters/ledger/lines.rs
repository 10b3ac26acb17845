//! Reads lines of bounded length from a file, one at a time, exact bytes. It
//! interprets nothing and keeps one line in memory.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Take},
};

use crate::domain::ledger::tile::LINE_BYTES_MAX;

/// Bytes that are read from the file at once.
const READ_BYTES: usize = 1 << 20;

/// What comes next in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A whole line, without its newline.
    Line(&'a [u8]),
    /// The last bytes, without a newline after them.
    Unfinished,
    /// No newline within the longest line allowed.
    TooLong,
    End,
}

/// A file up to a length that was taken when nobody was writing.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<Take<File>>,
    line: Vec<u8>,
    /// Bytes of the whole lines returned so far, with their newlines.
    pub(super) offset: u64,
}

impl Lines {
    pub(super) fn new(file: File, length: u64) -> Self {
        let reader = BufReader::with_capacity(READ_BYTES, file.take(length));
        Self { reader, line: Vec::with_capacity(LINE_BYTES_MAX + 1), offset: 0 }
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        let longest = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.reader).take(longest).read_until(b'\n', &mut self.line)?;
        match self.line.split_last() {
            None => Ok(Next::End),
            Some((b'\n', line)) => {
                self.offset += read as u64;
                Ok(Next::Line(line))
            }
            Some(_) if read as u64 == longest => Ok(Next::TooLong),
            Some(_) => Ok(Next::Unfinished),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(bytes: &[u8], length: usize) -> Lines {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        Lines::new(file, length as u64)
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_length_given() {
        let mut lines = lines(b"ab\n\ncd\nef\n", 8);
        assert_eq!(lines.next().unwrap(), Next::Line(b"ab"));
        assert_eq!(lines.next().unwrap(), Next::Line(b""));
        assert_eq!(lines.next().unwrap(), Next::Line(b"cd"));
        assert_eq!(lines.offset, 7);
        assert_eq!(lines.next().unwrap(), Next::Unfinished);
        assert_eq!(lines.offset, 7);
        assert_eq!(lines.next().unwrap(), Next::End);
    }

    #[test]
    fn the_longest_line_is_read_and_a_longer_one_is_not() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX];
        bytes.push(b'\n');
        let end = bytes.len();
        bytes.extend(vec![b'x'; LINE_BYTES_MAX + 1]);
        bytes.push(b'\n');
        let mut lines = lines(&bytes, bytes.len());
        assert!(matches!(lines.next().unwrap(), Next::Line(line) if line.len() == LINE_BYTES_MAX));
        assert_eq!(lines.offset, end as u64);
        assert_eq!(lines.next().unwrap(), Next::TooLong);
    }
}
