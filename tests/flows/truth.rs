//! What must be so at every instant, and what must be so in the end.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use retentiond::domain::{
    deployment::Dataset,
    destroy::Order,
    id::{BatchId, BucketId, OperationId},
    ledger::event::{DestroyResult, Event},
    record::{Cell, split},
    segment::Sealed,
};

use super::{
    disk::Disk,
    tables::{Database, encode, text},
};

/// A record as it was before anything ran.
#[derive(Clone)]
pub struct TrueRecord {
    pub dataset: Dataset,
    pub key: String,
    /// Its rows; what a separation takes and a restoration brings back.
    pub rows: Vec<u8>,
    /// Its rows after a restoration took its event back.
    pub blanked: Option<Vec<u8>>,
    /// Before this instant it must be readable. `None`: always.
    pub due: Option<DateTime<Utc>>,
}

#[derive(Default)]
pub struct Truth {
    pub records: Vec<TrueRecord>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Source,
    Vault,
    Both,
    Nowhere,
}

impl TrueRecord {
    pub fn name(&self) -> String {
        format!("{}/{}", self.dataset.table, self.key)
    }

    fn in_source(&self, database: &Database) -> bool {
        let Some(root) = database.table(&self.dataset.table).by_key(&text(&self.key)) else { return false };
        let rows = encode(&database.record(&self.dataset, root));
        rows == self.rows || Some(&rows) == self.blanked.as_ref()
    }

    fn blanked_in_source(&self, database: &Database) -> bool {
        let root = database.table(&self.dataset.table).by_key(&text(&self.key));
        root.is_some_and(|root| Some(encode(&database.record(&self.dataset, root))) == self.blanked)
    }
}

impl Disk {
    /// All records that the vault holds and its keys open.
    fn readable_in_vault(&self) -> BTreeSet<Vec<u8>> {
        let (vault, keys) = (self.vault.borrow(), self.keys.borrow());
        let open = vault
            .segments
            .values()
            .filter_map(|(sealed, _)| keys.unseal(&sealed.bucket, &sealed.header, &sealed.body).ok());
        open.flat_map(|body| split(&body).unwrap_or_default().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
            .collect()
    }

    /// Nothing is lost, whatever happens next.
    pub fn check_at_every_instant(&self, after: &str) {
        let sealed = self.readable_in_vault();
        let sources = self.sources.borrow();
        for record in &mut self.truth.borrow_mut().records {
            let database = &sources[&record.dataset.source];
            if record.due.is_some() && record.blanked_in_source(database) {
                record.due = None;
            }
            let owed = record.due.is_none_or(|due| self.now.get() < due);
            let safe = !owed || record.in_source(database) || sealed.contains(&record.rows);
            assert!(safe, "{} is lost after {after}", record.name());
        }
    }

    /// Where every record is, by name.
    pub fn places(&self) -> Vec<(String, Place)> {
        let (readable, sources) = (self.readable_in_vault(), self.sources.borrow());
        let place = |record: &TrueRecord| {
            let live = record.in_source(&sources[&record.dataset.source]);
            match (live, readable.contains(&record.rows)) {
                (true, false) => Place::Source,
                (false, true) => Place::Vault,
                (true, true) => Place::Both,
                (false, false) => Place::Nowhere,
            }
        };
        self.truth.borrow().records.iter().map(|record| (record.name(), place(record))).collect()
    }

    pub fn place_of(&self, name: &str) -> Place {
        self.places().into_iter().find(|(record, _)| record == name).unwrap_or_else(|| panic!("no record {name}")).1
    }

    /// What must hold once nothing is under way any more.
    pub fn check_settled(&self) {
        let ledger = self.ledger.borrow();
        assert!(!ledger.history.has_open_intents(), "an intent is still open");
        assert!(ledger.history.open_wipes.is_empty(), "a wipe is still open");
        assert!(!self.keys.borrow().root_pending, "an old root is still there");
        for (name, place) in self.places() {
            assert_ne!(place, Place::Both, "{name} is in the source and in the vault");
        }
        for (sealed, _) in self.vault.borrow().segments.values() {
            assert!(self.keys.borrow().holds(&sealed.bucket), "ciphertext of {} has no key", sealed.bucket);
        }
        for bucket in self.destroyed_buckets() {
            assert!(!self.keys.borrow().holds(&bucket), "{bucket} was destroyed and has a key");
            let left = self.vault.borrow().segments.values().any(|(sealed, _)| sealed.bucket == bucket);
            assert!(!left, "{bucket} was destroyed and has ciphertext");
        }
    }

    /// Buckets whose destruction the ledger says was carried out.
    pub fn destroyed_buckets(&self) -> Vec<BucketId> {
        let ledger = self.ledger.borrow();
        let done = |operation: &OperationId| {
            let mut events = ledger.events();
            events.any(|event| {
                matches!(event, Event::DestroyOutcome(outcome)
                if outcome.operation == *operation && outcome.result == DestroyResult::Destroyed)
            })
        };
        let intents = ledger.events().filter_map(|event| match event {
            Event::DestroyIntent(intent) if done(&intent.operation) => Some(intent),
            _ => None,
        });
        let buckets = intents
            .flat_map(|intent| intent.dates.iter().map(|date| BucketId::of(&intent.rule, intent.hold.as_ref(), *date)));
        buckets.collect()
    }

    /// The source may forget these records: the vault has them and can read them.
    pub fn assert_sealed(&self, batch: &BatchId, records: &[Vec<u8>]) {
        self.assert_separation_is_open(batch);
        let sealed = self.readable_in_vault();
        assert!(records.iter().all(|record| sealed.contains(record)), "the source forgets what the vault cannot read");
    }

    pub fn assert_separation_is_open(&self, batch: &BatchId) {
        let ledger = self.ledger.borrow();
        let open = ledger.history.open_separations.iter().any(|open| open.intent.batch == *batch);
        assert!(open, "batch {batch} has no open intent");
    }

    /// Records leave a segment for the source (a restoration is open), or all of
    /// them stay in the vault (held records are sealed apart).
    pub fn assert_replacement_is_announced(&self, segment: i64, old: &Sealed, replacement: &[Sealed]) {
        let ledger = self.ledger.borrow();
        let mut segments = ledger.history.open_restores.iter().flat_map(|open| &open.intent.segments);
        if segments.any(|(id, _)| *id == segment) {
            assert!(replacement.iter().all(|sealed| sealed.bucket == old.bucket), "restored into another bucket");
            return;
        }
        if replacement.is_empty() && ledger.history.acknowledged.is_some() {
            let dead = !self.keys.borrow().opens(&old.header, &old.body);
            assert!(dead, "segment {segment} came back, and is removed while a key opens it");
            return;
        }
        assert!(!ledger.history.open_sealings.is_empty(), "segment {segment} is replaced without an intent");
        assert_eq!(replacement.iter().map(|sealed| sealed.records).sum::<u64>(), old.records, "records are lost");
        let same = |sealed: &Sealed| sealed.bucket.policy_rule() == old.bucket.policy_rule();
        assert!(replacement.iter().all(|sealed| same(sealed) && sealed.bucket.date == old.bucket.date));
    }

    pub fn assert_destruction_is_open(&self, order: &Order) {
        let ledger = self.ledger.borrow();
        let open = ledger.history.open_destructions.iter().find(|step| step.open.intent.operation == *order.id());
        let open = open.unwrap_or_else(|| panic!("keys are destroyed without an intent"));
        let intent = &open.open.intent;
        let announced = |date| BucketId::of(&intent.rule, intent.hold.as_ref(), date);
        assert!(order.bucket_ids().all(|bucket| intent.dates.iter().any(|date| announced(*date) == *bucket)));
    }

    pub fn assert_keys_on_record_as_gone(&self, operation: &OperationId) {
        let ledger = self.ledger.borrow();
        let open = ledger.history.open_destructions.iter().find(|step| step.open.intent.operation == *operation);
        let open = open.unwrap_or_else(|| panic!("ciphertext is erased without an intent"));
        assert!(open.key_destroyed.is_some(), "ciphertext is erased before key.destroyed is on record");
    }
}

/// The root row with this column set to null.
pub fn blanked(database: &Database, dataset: &Dataset, root: &[Cell], column: &str) -> Vec<u8> {
    let mut rows = database.record(dataset, root);
    rows[0][0][database.table(&dataset.table).column(column)] = Cell::Null;
    encode(&rows)
}
