//! Part: some records of a stored segment, to be taken out of it.
//!
//! What stays and what goes are sealed anew, opened again and compared before
//! either takes the place of the only copy.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{
    locate,
    rulebook::Rulebook,
    seal::{self, Opened, Unsealed},
};
use crate::{
    domain::{
        id::BucketId,
        index::{self, Located, Locator, MalformedIndex},
        record,
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
        let (key, subject) = locate::written(book, &self.opened, record)?;
        // What the row says must be what it was stored under.
        let digest = locate::digest(keyring, &self.segment.bucket, Locator::Key, &key)?;
        let known = index::find(&self.segment.index, Locator::Key, &digest).map_err(|error| self.malformed(error))?;
        if known.is_empty() {
            return Err(self.lost());
        }
        Ok(locate::located(keyring, into, &key, subject.as_deref())?)
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
