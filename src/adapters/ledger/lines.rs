//! Reads lines of bounded length from a file, one at a time, exact bytes. It
//! interprets nothing and keeps one line in memory.

use std::{
    fs::File,
    io::{self, Read as _, Take},
};

use crate::domain::ledger::tile::LINE_BYTES_MAX;

/// Bytes that are read from the file at once.
const READ_BYTES: usize = 1 << 18;

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

/// A file up to a length that was taken when nobody was writing. Lines are shown
/// where they were read to, and not copied.
#[derive(Debug)]
pub(super) struct Lines {
    file: Take<File>,
    /// What was read and not shown yet is `bytes[start..end]`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the whole lines returned so far, with their newlines.
    pub(super) offset: u64,
}

impl Lines {
    pub(super) fn new(file: File, length: u64) -> Self {
        Self { file: file.take(length), bytes: vec![0; READ_BYTES], start: 0, end: 0, offset: 0 }
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        let mut looked_at = 0;
        let length = loop {
            let unseen = self.bytes.get(self.start + looked_at..self.end).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unseen) {
                break looked_at + at;
            }
            looked_at = self.end - self.start;
            if looked_at > LINE_BYTES_MAX {
                return Ok(Next::TooLong);
            }
            if self.fill()? == 0 {
                self.start = self.end;
                return Ok(if looked_at == 0 { Next::End } else { Next::Unfinished });
            }
        };
        if length > LINE_BYTES_MAX {
            return Ok(Next::TooLong);
        }
        let line = self.start..self.start + length;
        self.start = line.end + 1;
        self.offset += length as u64 + 1;
        Ok(Next::Line(self.bytes.get(line).unwrap_or_default()))
    }

    /// Reads on behind what is there, which is moved to the front. The longest line
    /// is far shorter than all that fits.
    fn fill(&mut self) -> io::Result<usize> {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = self.file.read(self.bytes.get_mut(self.end..).unwrap_or_default())?;
        self.end += read;
        Ok(read)
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
