//! A segment's index: who is in it, for those who hold the bucket's key.
//!
//! Two sorted lists, keys then subjects, each behind its length (u32, little
//! endian); an entry is the first 16 bytes of a keyed digest and the number of
//! the record (u32, little endian). Without the data key it is noise.

/// Bytes of a keyed digest that an entry keeps: 128 bits make an accidental
/// match in a vault of any size negligible, and a match is checked by decrypting.
pub const DIGEST_BYTES: usize = 16;
const ENTRY_BYTES: usize = DIGEST_BYTES + 4;

/// Digests of one record: of its key and, where there is one, of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    pub key: [u8; 32],
    pub subject: Option<[u8; 32]>,
}

/// By what a record is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locator {
    Key,
    Subject,
}

impl Locator {
    /// Separates the keyed digests of keys from those of subjects.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Subject => "subject",
        }
    }
}

/// Bytes that are not an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("segment index is cut short or malformed")]
pub struct MalformedIndex;

/// Builds the index of a segment whose records are located so, in order.
#[must_use]
pub fn build(records: &[Located]) -> Vec<u8> {
    let numbered = || records.iter().zip(0_u32..);
    let mut keys: Vec<_> = numbered().map(|(record, number)| (record.key, number)).collect();
    let mut subjects: Vec<_> =
        numbered().filter_map(|(record, number)| record.subject.map(|subject| (subject, number))).collect();
    let mut index = Vec::with_capacity(8 + ENTRY_BYTES * (keys.len() + subjects.len()));
    for list in [&mut keys, &mut subjects] {
        list.sort_unstable();
        index.extend_from_slice(&(list.len() as u32).to_le_bytes());
        for (digest, number) in list {
            index.extend_from_slice(&digest[..DIGEST_BYTES]);
            index.extend_from_slice(&number.to_le_bytes());
        }
    }
    index
}

/// Numbers of the records with this digest, in order.
pub fn find(index: &[u8], by: Locator, digest: &[u8; 32]) -> Result<Vec<u32>, MalformedIndex> {
    let (keys, rest) = list(index)?;
    let (subjects, rest) = list(rest)?;
    if !rest.is_empty() {
        return Err(MalformedIndex);
    }
    let entries = match by {
        Locator::Key => keys,
        Locator::Subject => subjects,
    };
    let wanted = &digest[..DIGEST_BYTES];
    let first = entries.partition_point(|entry| entry[..DIGEST_BYTES] < *wanted);
    let mut numbers: Vec<u32> = entries[first..]
        .iter()
        .take_while(|entry| entry[..DIGEST_BYTES] == *wanted)
        .map(|entry| number(entry) as u32)
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The located digests of all records, in order, as far as an index keeps them:
/// the bytes it left out are zero. What is built of them anew is the same index.
pub fn read(index: &[u8], records: u64) -> Result<Vec<Located>, MalformedIndex> {
    let (keys, rest) = list(index)?;
    let (subjects, rest) = list(rest)?;
    if !rest.is_empty() || keys.len() as u64 != records {
        return Err(MalformedIndex);
    }
    let mut located = vec![Located { key: [0; 32], subject: None }; keys.len()];
    for entry in keys {
        located.get_mut(number(entry)).ok_or(MalformedIndex)?.key = digest(entry);
    }
    for entry in subjects {
        located.get_mut(number(entry)).ok_or(MalformedIndex)?.subject = Some(digest(entry));
    }
    Ok(located)
}

fn digest(entry: &[u8; ENTRY_BYTES]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..DIGEST_BYTES].copy_from_slice(&entry[..DIGEST_BYTES]);
    digest
}

fn number(entry: &[u8; ENTRY_BYTES]) -> usize {
    entry[DIGEST_BYTES..].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn list(bytes: &[u8]) -> Result<(&[[u8; ENTRY_BYTES]], &[u8]), MalformedIndex> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(MalformedIndex)?;
    let length = u32::from_le_bytes(*length) as usize;
    let size = length.checked_mul(ENTRY_BYTES).filter(|size| *size <= rest.len()).ok_or(MalformedIndex)?;
    let (entries, rest) = rest.split_at(size);
    Ok((entries.as_chunks().0, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(key: u8, subject: Option<u8>) -> Located {
        Located { key: [key; 32], subject: subject.map(|byte| [byte; 32]) }
    }

    #[test]
    fn records_are_found_by_key_and_by_subject() {
        let index = build(&[located(9, Some(1)), located(3, None), located(5, Some(1)), located(7, Some(2))]);
        assert_eq!(find(&index, Locator::Subject, &[1; 32]), Ok(vec![0, 2]));
        assert_eq!(find(&index, Locator::Key, &[3; 32]), Ok(vec![1]));
        assert_eq!(find(&index, Locator::Subject, &[9; 32]), Ok(vec![]), "a key is not a subject");
        assert_eq!(find(&build(&[]), Locator::Key, &[0; 32]), Ok(vec![]));
    }

    #[test]
    fn what_is_read_builds_the_same_index() {
        let index = build(&[located(9, Some(1)), located(3, None), located(5, Some(1))]);
        assert_eq!(build(&read(&index, 3).unwrap()), index);
        assert_eq!(read(&index, 4), Err(MalformedIndex));
    }

    #[test]
    fn an_index_cut_anywhere_is_refused() {
        let index = build(&[located(1, Some(2)), located(3, Some(4))]);
        for end in 0..index.len() {
            assert_eq!(find(&index[..end], Locator::Key, &[1; 32]), Err(MalformedIndex), "{end}");
        }
    }
}
