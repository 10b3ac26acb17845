//! What the flows need from the world, and what each side may rely on.
//!
//! Contracts stand on the methods. An adapter that cannot keep one returns an
//! error; it never returns `Ok` for something it did not do.

#![allow(async_fn_in_trait, reason = "flows are generic over ports and run on one task; no `Send` bound is needed")]

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::domain::{
    census::Census,
    deployment::Dataset,
    destroy::{BucketFacts, KeysGone, Order},
    explain::RecordFacts,
    hold::{Hold, Lift, Whose},
    id::{BatchId, BucketId, Digest, HoldId, RuleId, SourceName},
    ledger::{
        Head,
        event::{Entry, Event},
        history::History,
    },
    seal::SealReceipt,
    segment::{Header, Sealed},
    selection::{Cause, Scope},
};

mod failure;
mod moving;
mod wiping;

pub use failure::{Failure, KeyringError, LedgerError, SourceError, VaultError};
pub use moving::{Batch, Left, Presence, Restoration, Route, Taken};
pub use wiping::{Locking, Search, SearchJob, Searched, WipeJob, Wiped};

/// Tells the time. Flows take the instant of a cycle as a value; this is for the
/// checks that must be made again later.
pub trait Clock {
    fn read(&self) -> DateTime<Utc>;
}

/// Something `check` has to say about a dataset and its live schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFinding {
    pub dataset: String,
    pub error: bool,
    pub message: String,
    pub hint: String,
}

/// The read-only view of a source: all that `plan` and `check` are given.
/// An implementation opens its connection so that it cannot write.
pub trait Scan {
    fn name(&self) -> &SourceName;

    /// Compares a dataset with the live schema: tables, columns, event formats,
    /// keys, indexes, foreign keys that no edge covers. `all` are the datasets of
    /// this source, since one dataset's link may cover another's.
    async fn inspect(&mut self, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError>;

    /// Looks at the record with this key (`record::locator`) by the conditions of
    /// `census`, in one read-only transaction; `None` where there is none.
    async fn look(
        &mut self,
        dataset: &Dataset,
        _scope: &Scope<'_>,
        _key: &str,
    ) -> Result<Option<RecordFacts>, SourceError> {
        let reason = format!("single records of {} cannot be looked at in this kind of source", dataset.table);
        Err(SourceError::Engine { reason })
    }

    /// What the server's clock says; `None` where there is no server that has one.
    async fn clock(&mut self) -> Result<Option<DateTime<Utc>>, SourceError> {
        Ok(None)
    }

    /// Counts what a plan at `bounds` would do. Uses the same conditions as
    /// `Source::take`, in one read-only transaction.
    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError>;
}

/// A source from which records move. At most one transaction is open at a time.
pub trait Source: Scan {
    /// Chooses the route of the calls of `take` to come, when about `rows` records
    /// are expected to move for `cause`.
    async fn set_out(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        rows: u64,
    ) -> Result<Route, SourceError>;

    /// Opens a transaction, deletes up to `limit` records that move for `cause`,
    /// children first, and returns every column of every deleted row, exactly
    /// once. Where a deletion could not be undone, it is left to `commit`, which
    /// deletes only what is still the same to the byte. `None`: nothing moves any
    /// more, no transaction is open.
    async fn take(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError>;

    /// Like `take`, within the transaction that `take` opened, for the same
    /// dataset and cause. `None`: nothing more can be taken in it. After an error
    /// there is nothing left to do but `rollback`.
    async fn take_on(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError>;

    /// Counts the records that `take` passes over at this moment, without waiting
    /// for any lock. Where whoever writes holds the whole database `take` fails
    /// instead, and nothing is passed over.
    async fn left(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Left, SourceError>;

    /// Makes the deletions of the open transaction permanent, whose batches the
    /// receipt must all name. On an error it is not known whether they are, or how
    /// many of them, unless the error says `RolledBack`.
    async fn commit(&mut self, receipt: SealReceipt) -> Result<(), SourceError>;

    /// Undoes everything since `take`.
    async fn rollback(&mut self) -> Result<(), SourceError>;

    /// Looks up rows by their identity and compares them with what `put_back`
    /// would write.
    async fn presence(&mut self, record: &Restoration<'_>) -> Result<Presence, SourceError>;

    /// Goes on with a deletion that `commit` left half done, where a source can
    /// delete only row by row: deletes what is there of these rows. False, with
    /// nothing deleted, where a row is there otherwise than it was sealed, and in
    /// a source whose deletions are all or nothing.
    async fn finish_removal(
        &mut self,
        receipt: SealReceipt,
        _records: &[Restoration<'_>],
    ) -> Result<bool, SourceError> {
        drop(receipt);
        Ok(false)
    }

    /// Goes on with a `put_back` that was left half done, in the same sources:
    /// inserts what is missing of these rows. False, with nothing inserted, as above.
    async fn finish_restoration(&mut self, _records: &[Restoration<'_>]) -> Result<bool, SourceError> {
        Ok(false)
    }

    /// Puts rows back, parents first, datasets in the order given, in one
    /// transaction. On an error it is not known whether they are back, unless the
    /// error says `RolledBack` or `Schema`: then none of them is.
    async fn put_back(&mut self, records: &[Restoration<'_>]) -> Result<(), SourceError>;

    /// Erases what deleted rows left in the engine's files, as far as the job's
    /// level goes. What cannot be done now is said to be owed, not an error.
    async fn wipe(&mut self, job: &WipeJob<'_>) -> Result<Wiped, SourceError>;

    /// Searches all files of the engine for values of removed rows. A location
    /// that was not read to its end is said to be unsearched, whatever was found
    /// in the part that was.
    async fn search(&mut self, job: &SearchJob<'_>) -> Result<Search, SourceError> {
        let reason = format!("{} values could not be searched for: not in this version", job.values.len());
        Ok(Search::nowhere(&reason))
    }
}

/// A segment's index with what is needed to search it.
#[derive(Debug, Clone)]
pub struct IndexRow {
    pub id: i64,
    pub bucket: BucketId,
    pub index: Vec<u8>,
}

/// The separate store. It holds sealed segments only. Whoever writes has its
/// lease: every call that changes something fails with `TakenOver`, and changes
/// nothing, once somebody else has it.
pub trait Vault {
    /// Stores all segments in one durable transaction, or none, together with
    /// the ledger head that was current.
    async fn store(&mut self, segments: &[Sealed], head: &Head, now: DateTime<Utc>) -> Result<(), VaultError>;

    /// The segments of a batch, as stored.
    async fn batch(&mut self, batch: &BatchId) -> Result<Vec<(i64, Sealed)>, VaultError>;

    /// Removes the segments of a batch whose source deletion was undone.
    async fn drop_batch(&mut self, batch: &BatchId) -> Result<(), VaultError>;

    /// All buckets, in order.
    async fn buckets(&mut self) -> Result<Vec<BucketFacts>, VaultError>;

    /// One segment of a bucket, for tests of its key.
    async fn sample(&mut self, bucket: &BucketId) -> Result<Option<Sealed>, VaultError>;

    /// The headers of a bucket's segments.
    async fn headers(&mut self, bucket: &BucketId) -> Result<Vec<Header>, VaultError>;

    /// Deletes the ciphertext and index of buckets whose keys are gone, erases
    /// them from the store's own files, and lists them again to see that they are.
    async fn erase(&mut self, gone: &KeysGone) -> Result<Erased, VaultError>;

    /// Index blobs of all segments, or of one rule's.
    async fn indexes(&mut self, rule: Option<&RuleId>) -> Result<Vec<IndexRow>, VaultError>;

    /// Index blobs of one bucket's segments.
    async fn indexes_of(&mut self, bucket: &BucketId) -> Result<Vec<IndexRow>, VaultError>;

    /// The segment with this number. Numbers are never used twice.
    async fn segment(&mut self, id: i64) -> Result<Option<Sealed>, VaultError>;

    /// Replaces each of these segments by others, or removes it where there are
    /// none, in one transaction. What replaces a segment gets a number of its own
    /// and keeps the time at which the old one was sealed; the old one is gone.
    async fn replace(&mut self, changes: &[(i64, Vec<Sealed>)]) -> Result<(), VaultError>;

    /// The newest ledger head that the vault was told.
    async fn remembered_head(&mut self) -> Result<Option<Head>, VaultError>;

    async fn remember_head(&mut self, head: &Head) -> Result<(), VaultError>;

    /// Confirms that this is still the only runner and will be for some time to
    /// come: asked right before a step that cannot be undone and that is not the
    /// vault's own. Every other call that writes confirms it in its transaction.
    async fn keep_lease(&mut self) -> Result<(), VaultError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    pub segments: u64,
    pub bytes: u64,
}

/// A body, sealed or not, with what it is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub bucket: &'a BucketId,
    /// Canonical JSON.
    pub header: &'a [u8],
    pub body: &'a [u8],
}

/// The keys of all live buckets. Keys never leave it.
pub trait Keyring {
    fn epoch(&self) -> u64;

    /// Makes a data key for each bucket that has none, and returns only when the
    /// keys are durable and were read back.
    fn open_buckets(&mut self, buckets: &[BucketId]) -> Result<(), KeyringError>;

    /// Compresses and encrypts `body` under the bucket's key, bound to `header`
    /// (canonical JSON).
    fn seal(&self, bucket: &BucketId, header: &[u8], body: &[u8]) -> Result<Vec<u8>, KeyringError>;

    /// The inverse of `seal`.
    fn unseal(&self, bucket: &BucketId, header: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError>;

    /// Whether any key there is, of whatever bucket, sealed this segment. For the
    /// negative test after a destruction; checks the commitment only.
    fn opens_with_any_key(&self, header: &[u8], sealed: &[u8]) -> bool;

    /// A keyed digest under a key derived from the bucket's data key. `purpose`
    /// separates rows, keys and subjects from each other.
    fn digest(&self, bucket: &BucketId, purpose: &str, bytes: &[u8]) -> Result<[u8; 32], KeyringError>;

    /// `digest` of many, in their order.
    fn digests(&self, purpose: &str, of: &[(&BucketId, &[u8])]) -> Result<Vec<[u8; 32]>, KeyringError> {
        of.iter().map(|(bucket, bytes)| self.digest(bucket, purpose, bytes)).collect()
    }

    /// `seal` of many, in their order.
    fn seal_all(&self, bodies: &[Message<'_>]) -> Result<Vec<Vec<u8>>, KeyringError> {
        bodies.iter().map(|body| self.seal(body.bucket, body.header, body.body)).collect()
    }

    /// The digests of what these bodies are when they are unsealed, in their order.
    fn digests_unsealed(&self, purpose: &str, sealed: &[Message<'_>]) -> Result<Vec<[u8; 32]>, KeyringError> {
        let digest = |sealed: &Message<'_>| {
            let body = self.unseal(sealed.bucket, sealed.header, sealed.body)?;
            self.digest(sealed.bucket, purpose, &body)
        };
        sealed.iter().map(digest).collect()
    }

    /// Buckets that have a key, in order.
    fn buckets(&self) -> Vec<BucketId>;

    /// True while the bucket's key exists.
    fn holds(&self, bucket: &BucketId) -> bool;

    /// The point of no return. Starts a new epoch without the order's buckets,
    /// compares every survivor, destroys the old epoch's root, and proves that
    /// the old keystore does not open any more. May be called again after a
    /// crash at any point: it goes on from where it was. `KeyringError::Write`
    /// means that every key is still there.
    fn destroy(&mut self, order: Order) -> Result<KeysGone, KeyringError>;

    /// The register of holds, read anew: others add to it at any time, without
    /// any lock. A hold that cannot be read is an error.
    fn register(&mut self) -> Result<Register, KeyringError>;

    /// Removes a lifted hold and the request to lift it from the register,
    /// durably. May be called again.
    fn strike(&mut self, hold: &HoldId) -> Result<(), KeyringError>;

    /// A digest of a person or a record under the register's key, which outlives
    /// every bucket's.
    fn whose(&self, whose: &Whose) -> Result<Digest, KeyringError>;
}

/// Holds as they were placed, and lifts that were asked for, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register {
    pub holds: Vec<Hold>,
    pub lifts: Vec<Lift>,
}

/// The append-only, signed log.
pub trait Ledger {
    /// Appends events as entries and returns when they and a signed checkpoint
    /// over them are durable.
    fn append(&mut self, events: Vec<Event>) -> Result<Head, LedgerError>;

    /// Like `append`, under a clock that is in doubt: the entries bear the time of
    /// the one before them.
    fn append_in_doubt(&mut self, events: Vec<Event>) -> Result<Head, LedgerError>;

    fn head(&self) -> Head;

    /// What the ledger says so far.
    fn history(&self) -> &History;

    /// Reads every entry again, in order, for what `history` does not remember.
    fn replay(&self, each: impl FnMut(&Entry)) -> Result<(), LedgerError>;
}

/// Hears how far a cycle is. For people at a terminal.
pub trait Progress {
    fn begin(&mut self, what: &str, total: u64);
    fn advance(&mut self, rows: u64);
    fn end(&mut self);
}

/// What a cycle may do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The next batch, of so many rows at most.
    Go { rows_max: u32 },
    /// The cycle ends here, for this reason; the next one goes on.
    Stop(String),
}

/// Decides when a cycle goes on. Asked before each batch and each destruction,
/// while no transaction and no intent is open.
pub trait Pace {
    /// Returns when `source` can bear another batch; at once for a destruction,
    /// which is no business of a source (`None`).
    async fn turn(&mut self, _source: Option<&SourceName>) -> Turn {
        Turn::Go { rows_max: u32::MAX }
    }

    /// A batch of so many rows is finished.
    fn moved(&mut self, _rows: u64) {}
}
