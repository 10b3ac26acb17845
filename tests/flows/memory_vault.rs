//! A vault in memory. It refuses what no flow may ask of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use retentiond::{
    domain::{
        destroy::{BucketFacts, KeysGone},
        id::{BatchId, BucketId, RuleId},
        ledger::Head,
        segment::{Header, Sealed},
    },
    ports::{Erased, IndexRow, Vault, VaultError},
};

use super::{disk::SharedDisk, faults::Trouble};

#[derive(Default, Clone)]
pub struct VaultState {
    pub segments: BTreeMap<i64, (Sealed, DateTime<Utc>)>,
    /// Numbers are never used twice.
    last_number: i64,
    remembered: Option<Head>,
    /// Grows with every process that opens the vault.
    pub lease: u64,
    /// No room for another segment.
    pub full: bool,
    /// What happens to segments on their way to the medium.
    pub spoil: Option<fn(&mut Sealed)>,
}

impl VaultState {
    fn insert(&mut self, mut sealed: Sealed, at: DateTime<Utc>) {
        if let Some(spoil) = self.spoil {
            spoil(&mut sealed);
        }
        self.last_number += 1;
        self.segments.insert(self.last_number, (sealed, at));
    }
}

/// A handle of one process, with the lease that it was given.
pub struct MemoryVault(SharedDisk, u64);

impl MemoryVault {
    pub fn open(disk: &SharedDisk) -> Self {
        let mut vault = disk.vault.borrow_mut();
        vault.lease += 1;
        Self(disk.clone(), vault.lease)
    }

    /// What every transaction that writes asks first.
    fn is_holder(&self) -> Result<(), VaultError> {
        if self.0.vault.borrow().lease == self.1 {
            return Ok(());
        }
        Err(VaultError::TakenOver { reason: "another process".to_owned() })
    }
}

fn engine(trouble: Trouble) -> VaultError {
    VaultError::Engine { reason: trouble.to_string() }
}

fn assert_fits_its_header(sealed: &Sealed) {
    let header: Header = serde_json::from_slice(&sealed.header).expect("a header is readable");
    assert_eq!((&header.bucket, &header.batch), (&sealed.bucket, &sealed.batch));
    assert_eq!(header.records, sealed.records);
    assert_eq!(header.rule, header.bucket.policy_rule());
    assert!(sealed.records > 0, "an empty segment");
}

impl Vault for MemoryVault {
    async fn store(&mut self, segments: &[Sealed], head: &Head, now: DateTime<Utc>) -> Result<(), VaultError> {
        self.0.write("vault.store", engine, || {
            self.is_holder()?;
            let mut vault = self.0.vault.borrow_mut();
            assert!(!segments.is_empty(), "nothing to store");
            assert_eq!(*head, self.0.ledger.borrow().head, "the head is not the ledger's");
            for sealed in segments {
                assert_fits_its_header(sealed);
                self.0.assert_separation_is_open(&sealed.batch);
                let twice = vault.segments.values().any(|(stored, _)| stored.batch == sealed.batch);
                assert!(!twice, "batch {} is stored twice", sealed.batch);
            }
            if vault.full {
                return Err(VaultError::Full { reason: "no space left".to_owned() });
            }
            segments.iter().for_each(|sealed| vault.insert(sealed.clone(), now));
            vault.remembered = Some(*head);
            Ok(())
        })
    }

    async fn batch(&mut self, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError> {
        self.0.read("vault.batch", engine, || {
            let vault = self.0.vault.borrow();
            let of_batch = vault.segments.iter().filter(|(_, (sealed, _))| sealed.batch == *batch);
            Ok(of_batch.map(|(id, (sealed, _))| (*id, sealed.clone())).collect())
        })
    }

    async fn drop_batch(&mut self, batch: &BatchId) -> Result<(), VaultError> {
        self.0.write("vault.drop_batch", engine, || {
            self.is_holder()?;
            self.0.assert_separation_is_open(batch);
            self.0.vault.borrow_mut().segments.retain(|_, (sealed, _)| sealed.batch != *batch);
            Ok(())
        })
    }

    async fn buckets(&mut self) -> Result<Vec<BucketFacts>, VaultError> {
        self.0.read("vault.buckets", engine, || {
            let mut facts: BTreeMap<BucketId, BucketFacts> = BTreeMap::new();
            for (sealed, at) in self.0.vault.borrow().segments.values() {
                let erased = || BucketFacts::erased(sealed.bucket.clone());
                let bucket = facts.entry(sealed.bucket.clone()).or_insert_with(erased);
                bucket.segments += 1;
                bucket.records += sealed.records;
                bucket.bytes += sealed.body.len() as u64;
                bucket.sealed_last = bucket.sealed_last.max(*at);
            }
            Ok(facts.into_values().collect())
        })
    }

    async fn sample(&mut self, bucket: &BucketId) -> Result<Option<Sealed>, VaultError> {
        self.0.read("vault.sample", engine, || {
            let vault = self.0.vault.borrow();
            Ok(vault.segments.values().map(|(sealed, _)| sealed).find(|sealed| sealed.bucket == *bucket).cloned())
        })
    }

    async fn headers(&mut self, bucket: &BucketId) -> Result<Vec<Header>, VaultError> {
        self.0.read("vault.headers", engine, || {
            let vault = self.0.vault.borrow();
            let of_bucket = vault.segments.values().map(|(sealed, _)| sealed).filter(|sealed| sealed.bucket == *bucket);
            Ok(of_bucket.map(|sealed| serde_json::from_slice(&sealed.header).expect("a header")).collect())
        })
    }

    async fn erase(&mut self, gone: &KeysGone) -> Result<Erased, VaultError> {
        self.0.write("vault.erase", engine, || {
            self.is_holder()?;
            self.0.assert_keys_on_record_as_gone(gone.order().id());
            let mut vault = self.0.vault.borrow_mut();
            let mut erased = Erased { segments: 0, bytes: 0 };
            for bucket in gone.order().bucket_ids() {
                assert!(!self.0.keys.borrow().holds(bucket), "{bucket} is erased while its key exists");
                let found: Vec<i64> = vault
                    .segments
                    .iter()
                    .filter(|(_, (sealed, _))| sealed.bucket == *bucket)
                    .map(|(id, _)| *id)
                    .collect();
                for id in found {
                    let (sealed, _) = vault.segments.remove(&id).expect("it was found");
                    erased.segments += 1;
                    erased.bytes += sealed.body.len() as u64;
                }
            }
            Ok(erased)
        })
    }

    async fn indexes(&mut self, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError> {
        self.0.read("vault.indexes", engine, || {
            let vault = self.0.vault.borrow();
            let wanted =
                vault.segments.iter().filter(|(_, (sealed, _))| rule.is_none_or(|rule| sealed.bucket.rule == *rule));
            let row = |(id, (sealed, _)): (&i64, &(Sealed, DateTime<Utc>))| IndexRow {
                id: *id,
                bucket: sealed.bucket.clone(),
                index: sealed.index.clone(),
            };
            Ok(wanted.map(row).collect())
        })
    }

    async fn indexes_of(&mut self, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError> {
        self.0.read("vault.indexes_of", engine, || {
            let vault = self.0.vault.borrow();
            let of_bucket = vault.segments.iter().filter(|(_, (sealed, _))| sealed.bucket == *bucket);
            let row = |(id, (sealed, _)): (&i64, &(Sealed, DateTime<Utc>))| IndexRow {
                id: *id,
                bucket: sealed.bucket.clone(),
                index: sealed.index.clone(),
            };
            Ok(of_bucket.map(row).collect())
        })
    }

    async fn segment(&mut self, id: i64) -> Result<Option<Sealed>, VaultError> {
        self.0.read("vault.segment", engine, || {
            Ok(self.0.vault.borrow().segments.get(&id).map(|(sealed, _)| sealed.clone()))
        })
    }

    async fn replace(&mut self, changes: &[(i64, Vec<Sealed>)]) -> Result<(), VaultError> {
        self.0.write("vault.replace", engine, || {
            self.is_holder()?;
            let mut vault = self.0.vault.borrow_mut();
            for (id, replacement) in changes {
                let (old, at) = vault.segments.remove(id).expect("only a segment that exists is replaced");
                self.0.assert_replacement_is_announced(*id, &old, replacement);
                for sealed in replacement {
                    assert_fits_its_header(sealed);
                    vault.insert(sealed.clone(), at);
                }
            }
            Ok(())
        })
    }

    async fn remembered_head(&mut self) -> Result<Option<Head>, VaultError> {
        self.0.read("vault.remembered_head", engine, || Ok(self.0.vault.borrow().remembered))
    }

    async fn keep_lease(&mut self) -> Result<(), VaultError> {
        self.0.note("vault.keep_lease", engine, || self.is_holder())
    }

    async fn remember_head(&mut self, head: &Head) -> Result<(), VaultError> {
        self.0.write("vault.remember_head", engine, || {
            self.is_holder()?;
            assert_eq!(*head, self.0.ledger.borrow().head, "the head is not the ledger's");
            self.0.vault.borrow_mut().remembered = Some(*head);
            Ok(())
        })
    }
}
