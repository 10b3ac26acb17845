//! Locate: which sealed records a key or a subject means.
//!
//! An index is asked for all writings that a database may call the same. A hold
//! covers what it finds. Where a record is shown or put back, the record itself
//! is looked at, and only what is written exactly so is meant.

use crate::{
    domain::{
        id::BucketId,
        index::{self, Located, Locator},
        locator::{folded, legible},
        record::{self, Cell, Row},
    },
    flow::{rulebook::Rulebook, seal::Opened},
    ports::{Failure, IndexRow, Keyring, KeyringError},
};

/// What an index knows a key or a subject by.
pub fn digest<K: Keyring>(
    keyring: &K,
    bucket: &BucketId,
    by: Locator,
    locator: &[u8],
) -> Result<[u8; 32], KeyringError> {
    keyring.digest(bucket, by.purpose(), &folded(locator))
}

/// The same of many, in their order.
pub fn digests<'l, K: Keyring>(
    keyring: &K,
    by: Locator,
    locators: impl Iterator<Item = (&'l BucketId, &'l [u8])>,
) -> Result<Vec<[u8; 32]>, KeyringError> {
    let folded: Vec<_> = locators.map(|(bucket, locator)| (bucket, folded(locator))).collect();
    let folded: Vec<(&BucketId, &[u8])> = folded.iter().map(|(bucket, locator)| (*bucket, &**locator)).collect();
    keyring.digests(by.purpose(), &folded)
}

/// A record's place in an index.
pub fn located<K: Keyring>(
    keyring: &K,
    bucket: &BucketId,
    key: &[u8],
    subject: Option<&[u8]>,
) -> Result<Located, KeyringError> {
    let subject = subject.map(|subject| digest(keyring, bucket, Locator::Subject, subject)).transpose()?;
    Ok(Located { key: digest(keyring, bucket, Locator::Key, key)?, subject })
}

/// Numbers of the records of a segment that are written so, or alike.
pub fn alike<K: Keyring>(keyring: &K, row: &IndexRow, by: Locator, locator: &[u8]) -> Result<Vec<u32>, Failure> {
    let digest = digest(keyring, &row.bucket, by, locator)?;
    index::find(&row.index, by, &digest)
        .map_err(|_| Failure::StateUnknown(format!("a segment of bucket {} has a malformed index", row.bucket)))
}

/// Of records that are written alike, those that are written exactly so.
pub fn exactly(
    book: &Rulebook<'_>,
    opened: &Opened,
    numbers: &[u32],
    by: Locator,
    locator: &[u8],
) -> Result<Vec<u32>, Failure> {
    let records = opened.records()?;
    let mut exact = Vec::with_capacity(numbers.len());
    for number in numbers {
        let record = records.get(*number as usize).ok_or_else(|| lost(opened))?;
        let (key, subject) = written(book, opened, record)?;
        let found = if by == Locator::Key { Some(key) } else { subject };
        if found.as_deref() == Some(locator) {
            exact.push(*number);
        }
    }
    Ok(exact)
}

/// Says of records that are written alike that they are left alone.
#[must_use]
pub fn near(records: u64) -> String {
    format!(
        "{records} records have a key or subject that differs only in case, accents, width or spaces; hint: if the \
         source calls them the same, ask for them as it writes them"
    )
}

/// Key and subject of a sealed record, as they were taken.
pub fn written(book: &Rulebook<'_>, opened: &Opened, record: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), Failure> {
    let header = &opened.header;
    let dataset = book.dataset(&header.rule, &header.source, &header.dataset)?;
    let rows = opened.rows(record)?;
    let root = rows.iter().find(|row| row.table == 0).ok_or_else(|| lost(opened))?;
    let key = dataset.key.iter().map(|name| cell(opened, root, name)).collect::<Result<Vec<_>, _>>()?;
    let subject = dataset.subject.as_ref().map(|name| cell(opened, root, name)).transpose()?;
    let subject = subject.filter(|cell| *cell != Cell::Null).map(|cell| record::locator(&[cell]));
    Ok((record::locator(&key), subject))
}

fn cell(opened: &Opened, row: &Row, name: &str) -> Result<Cell, Failure> {
    // Engines that ignore the case of a column's name give back their own.
    let column = opened.header.tables.first().and_then(|table| {
        let at = |same: &dyn Fn(&str) -> bool| table.columns.iter().position(|column| same(&column.name));
        let position = at(&|known| known == name).or_else(|| at(&|known| known.eq_ignore_ascii_case(name)))?;
        Some((table.columns.get(position)?, row.cells.get(position)?))
    });
    column.map(|(column, cell)| legible(&column.declared, cell.clone())).ok_or_else(|| {
        Failure::StateUnknown(format!(
            "records of bucket {} have no column {name}; hint: put the key and subject of dataset {} back as they were \
             when it was separated",
            opened.header.bucket, opened.header.dataset
        ))
    })
}

fn lost(opened: &Opened) -> Failure {
    Failure::StateUnknown(format!("a segment of bucket {} has lost records", opened.header.bucket))
}
