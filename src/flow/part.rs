//! Part: some records of a stored segment, to be taken out of it.
//!
//! What stays and what goes are sealed anew, opened again and compared before
//! either takes the place of the only copy.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{
    rulebook::Rulebook,
    seal::{self, Opened, Unsealed},
};
use crate::{
    domain::{
        id::BucketId,
        index::{self, Located, Locator, MalformedIndex},
        record::{self, Cell, Row},
        segment::Sealed,
    },
    ports::{Failure, Keyring},
};

/// Records of one segment.
#[derive(Debug)]
pub struct Part {
    pub id: i64,
    pub segment: Sealed,
    pub opened: Opened,
    /// Numbers of the records, ascending.
    pub numbers: Vec<u32>,
}

impl Part {
    /// The encoded records that were chosen.
    pub fn chosen(&self) -> Result<Vec<&[u8]>, Failure> {
        self.records(&self.numbers)
    }

    /// The segment without the chosen records, in the same bucket; `None` if
    /// nothing is left.
    pub fn rest<K: Keyring>(&self, keyring: &K) -> Result<Option<Sealed>, Failure> {
        let gone: BTreeSet<u32> = self.numbers.iter().copied().collect();
        let all = 0..self.opened.records()?.len() as u32;
        let numbers: Vec<u32> = all.filter(|number| !gone.contains(number)).collect();
        if numbers.is_empty() {
            return Ok(None);
        }
        let index = index::read(&self.segment.index, self.segment.records).map_err(|error| self.malformed(error))?;
        let missing = || self.malformed(MalformedIndex);
        let located = numbers.iter().map(|number| index.get(*number as usize).copied().ok_or_else(missing));
        let located: Vec<Located> = located.collect::<Result<_, _>>()?;
        self.sealed(keyring, &self.segment.bucket, &self.records(&numbers)?, located).map(Some)
    }

    /// The chosen records alone, in another bucket, whose key must be there.
    pub fn moved<K: Keyring>(&self, book: &Rulebook<'_>, keyring: &K, into: &BucketId) -> Result<Sealed, Failure> {
        let records = self.chosen()?;
        let mut located = Vec::with_capacity(records.len());
        for record in &records {
            located.push(self.located(book, keyring, into, record)?);
        }
        self.sealed(keyring, into, &records, located)
    }

    /// Who is in a record, under another bucket's key. The index has keyed
    /// digests only, so that it is asked of the row, as when it was taken.
    fn located<K: Keyring>(
        &self,
        book: &Rulebook<'_>,
        keyring: &K,
        into: &BucketId,
        record: &[u8],
    ) -> Result<Located, Failure> {
        let header = &self.opened.header;
        let dataset = book.dataset(&header.rule, &header.source, &header.dataset)?;
        let rows = self.opened.rows(record)?;
        let root = rows.iter().find(|row| row.table == 0).ok_or_else(|| self.lost())?;
        let cells = |names: &[String]| names.iter().map(|name| self.cell(root, name)).collect::<Result<Vec<_>, _>>();
        let key = record::locator(&cells(&dataset.key)?);
        let subject = dataset.subject.as_ref().map(|name| self.cell(root, name)).transpose()?;
        let subject = subject.filter(|cell| *cell != Cell::Null).map(|cell| record::locator(&[cell]));
        self.same_as_indexed(keyring, Locator::Key, &key)?;
        let digest = |by: Locator, text: &[u8]| keyring.digest(into, by.purpose(), text);
        let subject = subject.map(|subject| digest(Locator::Subject, &subject)).transpose()?;
        Ok(Located { key: digest(Locator::Key, &key)?, subject })
    }

    /// What the row says must be what it was stored under.
    fn same_as_indexed<K: Keyring>(&self, keyring: &K, by: Locator, text: &[u8]) -> Result<(), Failure> {
        let digest = keyring.digest(&self.segment.bucket, by.purpose(), text)?;
        let found = index::find(&self.segment.index, by, &digest).map_err(|error| self.malformed(error))?;
        if found.is_empty() { Err(self.lost()) } else { Ok(()) }
    }

    fn cell(&self, row: &Row, name: &str) -> Result<Cell, Failure> {
        let table = self.opened.header.tables.first();
        // Engines that ignore the case of a column's name give back their own.
        let position = table.and_then(|table| {
            let exact = table.columns.iter().position(|column| column.name == name);
            exact.or_else(|| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
        });
        position.and_then(|at| row.cells.get(at).cloned()).ok_or_else(|| {
            Failure::StateUnknown(format!(
                "records of bucket {} have no column {name}; hint: put the key and subject of dataset {} back as they \
                 were when it was separated",
                self.segment.bucket, self.opened.header.dataset
            ))
        })
    }

    fn records(&self, numbers: &[u32]) -> Result<Vec<&[u8]>, Failure> {
        let records = self.opened.records()?;
        numbers.iter().map(|number| records.get(*number as usize).copied().ok_or_else(|| self.lost())).collect()
    }

    fn sealed<K: Keyring>(
        &self,
        keyring: &K,
        bucket: &BucketId,
        records: &[&[u8]],
        located: Vec<Located>,
    ) -> Result<Sealed, Failure> {
        let mut header = self.opened.header.clone();
        header.bucket = bucket.clone();
        header.records = records.len() as u64;
        for table in &mut header.tables {
            table.rows = 0;
        }
        for record in records {
            for row in self.opened.rows(record)? {
                header.tables[row.table].rows += 1;
            }
        }
        let body: Zeroizing<Vec<u8>> = record::join(records.iter().copied());
        let sealed = Unsealed::of(header, body.clone(), located, bucket.clone()).seal(keyring)?;
        // It takes the place of the only copy, so that it must open again first.
        if *seal::open(keyring, &sealed)?.body != *body {
            return Err(Failure::StateUnknown(format!("a segment of bucket {bucket} does not open as it was sealed")));
        }
        Ok(sealed)
    }

    fn lost(&self) -> Failure {
        Failure::StateUnknown(format!("a segment of bucket {} has lost records", self.segment.bucket))
    }

    fn malformed(&self, _: MalformedIndex) -> Failure {
        Failure::StateUnknown(format!("a segment of bucket {} has a malformed index", self.segment.bucket))
    }
}
