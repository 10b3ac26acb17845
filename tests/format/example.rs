//! The worked example of `docs/FORMAT.md`: two members withdraw, one comes back,
//! the other one's records are destroyed. Built from fixed keys with the library,
//! so that the document shows what the program writes.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use retentiond::{
    adapters::keyring::{data_key::DataKey, kek::Kek, keystore::Label, secret::Secret},
    domain::{
        canonical,
        id::{BucketId, Digest, RuleId},
        index::{self, Located, Locator},
        policy::{self, Policy},
        record::{self, Cell},
        segment::{self, Column, Header, Table},
        selection::Cause,
    },
};

pub const ORIGIN: &str = "retention.example/shop";
pub const SIGNING_SEED: [u8; 32] = [0x33; 32];
pub const KEK: [u8; 32] = [0x22; 32];
pub const ROOT: [u8; 32] = [0x11; 32];
pub const EPOCH: u64 = 1;
/// Of the run that separated.
pub const BATCH: &str = "019aa000-0000-7000-8000-000000000003.1";

pub fn data_key() -> DataKey {
    let bytes: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
    DataKey::from(Secret::copy_of(&bytes).unwrap())
}

pub fn label() -> Label<'static> {
    Label::new(ORIGIN, EPOCH)
}

pub fn wrapping_key() -> Secret {
    let root = Secret::copy_of(&ROOT).unwrap();
    label().wrapping_key(&root, &Kek::from_bytes(&KEK).unwrap()).unwrap()
}

pub fn policy(rules: &str) -> (Policy, Digest) {
    let policy = policy::read("rules.toml", rules).unwrap().value;
    let digest = policy.digest().unwrap();
    (policy, digest)
}

pub fn bucket() -> BucketId {
    BucketId { rule: rule(), date: withdrawn() }
}

pub fn rule() -> RuleId {
    "member".into()
}

pub fn withdrawn() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 15).unwrap()
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn text(value: &str) -> Cell {
    Cell::Text(value.as_bytes().to_vec())
}

fn encode(rows: &[(usize, &[Cell])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (table, cells) in rows {
        record::encode_row_start(&mut bytes, *table);
        cells.iter().for_each(|cell| record::encode_cell(&mut bytes, cell));
    }
    bytes
}

/// A member with an address, and one without. Children stand before their root,
/// as they are deleted.
pub fn records() -> [Vec<u8>; 2] {
    let address = [
        Cell::Integer(3),
        Cell::Integer(7),
        text("Jongno 1"),
        Cell::Real(37.5),
        Cell::Blob(vec![0xca, 0xfe]),
        Cell::Null,
    ];
    let seven = [Cell::Integer(7), text("haneul@example.com"), text("2026-11-15 10:00:00")];
    let eight = [Cell::Integer(8), text("bada@example.com"), text("2026-11-15 21:30:00")];
    [encode(&[(1, &address), (0, &seven)]), encode(&[(0, &eight)])]
}

pub fn body() -> Vec<u8> {
    record::join(records().iter().map(Vec::as_slice)).to_vec()
}

pub fn header(policy: Digest) -> Vec<u8> {
    let column = |(name, declared): (&str, &str)| Column { name: name.to_owned(), declared: declared.to_owned() };
    let table = |name: &str, rows, columns: &[(&str, &str)]| Table {
        name: name.to_owned(),
        columns: columns.iter().copied().map(column).collect(),
        rows,
        unlinked: false,
    };
    let members = [("id", "INTEGER"), ("email", "TEXT"), ("withdrawn_at", "TIMESTAMP")];
    let addresses = [
        ("id", "INTEGER"),
        ("member_id", "INTEGER"),
        ("street", "TEXT"),
        ("latitude", "REAL"),
        ("door", "BLOB"),
        ("note", "TEXT"),
    ];
    let header = Header {
        format: segment::FORMAT.to_owned(),
        origin: ORIGIN.to_owned(),
        bucket: bucket(),
        rule: rule(),
        policy,
        source: "shop".into(),
        dataset: "members".to_owned(),
        batch: BATCH.into(),
        cause: Cause::Event("withdrawal".into()),
        tables: vec![table("members", 2, &members), table("addresses", 1, &addresses)],
        records: 2,
        codec: segment::CODEC.to_owned(),
    };
    canonical::bytes(&header).unwrap()
}

/// Key and subject of a member are both its `id`.
pub fn index() -> Vec<u8> {
    let digest =
        |by: Locator, id: i64| data_key().digest(by.purpose(), &record::locator(&[Cell::Integer(id)])).unwrap();
    let located = |id| Located { key: digest(Locator::Key, id), subject: Some(digest(Locator::Subject, id)) };
    index::build(&[located(7), located(8)])
}

/// The digest of a batch: over the keyed digests of its segments' bodies.
pub fn batch_digest() -> Digest {
    let keyed = data_key().digest("rows", &body()).unwrap();
    Digest::of(&[bucket().to_string().as_bytes(), &[0], &keyed].concat())
}

/// The digest of a restoration: over the keyed digests of its records.
pub fn restored_digest() -> Digest {
    Digest::of(&data_key().digest("rows", &records()[1]).unwrap())
}

pub fn children() -> BTreeMap<String, u64> {
    BTreeMap::from([("addresses".to_owned(), 1)])
}
