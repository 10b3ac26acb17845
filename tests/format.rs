//! `docs/FORMAT.md` tells the truth: every example in it is opened, verified or
//! made anew with the library, and the document shows exactly those bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "format/document.rs"]
mod document;
#[path = "format/example.rs"]
mod example;
#[path = "format/ledger.rs"]
mod ledger;
#[path = "format/names.rs"]
mod names;
#[path = "format/persons.rs"]
mod persons;
#[path = "format/plan.rs"]
mod plan;
#[path = "format/story.rs"]
mod story;
#[path = "format/vault.rs"]
mod vault;

use retentiond::{
    adapters::keyring::{keystore, secret::Secret},
    domain::{
        canonical,
        id::Digest,
        index::{self, Locator},
        plan::Plan,
        record::{self, Cell},
        segment::Header,
    },
};

use document::{case, case_text, document, expected, shown};
use example::{data_key, label, policy, wrapping_key};

/// Files whose bytes the document has to show.
const SHOWN: [&str; 12] = [
    "keystore.1",
    "ledger/checkpoint",
    "ledger/checkpoints/3",
    "ledger/ledger.jsonl",
    "ledger/ledger.vkey",
    "plan.json",
    "policy.json",
    "rules.toml",
    "segment.body",
    "segment.header.json",
    "segment.index",
    "segment.plain",
];

pub fn policy_digest() -> Digest {
    policy(&case_text("rules.toml")).1
}

#[test]
fn the_document_shows_the_bytes_of_every_example() {
    let document = document();
    let shown = shown(&document);
    for shown in &shown {
        assert_eq!(shown.text, expected(shown), "{} in docs/FORMAT.md", shown.file);
    }
    let width = case_text("ledger/ledger.jsonl").lines().count();
    let tile = format!("ledger/tile/0/000.p/{width}");
    let mut files: Vec<&str> = shown.iter().map(|shown| shown.file.as_str()).collect();
    files.sort_unstable();
    let mut wanted = [&SHOWN[..], &[tile.as_str()]].concat();
    wanted.sort_unstable();
    assert_eq!(files, wanted);
}

#[test]
fn the_document_states_the_keys_and_digests_of_the_example() {
    let document = document();
    let keyed = |purpose: &str, text: &[u8]| data_key().digest(purpose, text).unwrap();
    let values = [
        ("signing key", example::SIGNING_SEED),
        ("key-encryption key", example::KEK),
        ("root", example::ROOT),
        ("wrapping key", *wrapping_key().expose()),
        ("data key", *data_key().secret().expose()),
        ("digest of key 7", keyed("key", b"7")),
        ("digest of subject 7", keyed("subject", b"7")),
        ("digest of the body", keyed("rows", &example::body())),
    ];
    for (what, value) in values {
        assert!(document.contains(&hex::encode(value)), "{what} {} is not in docs/FORMAT.md", hex::encode(value));
    }
    for digest in [example::batch_digest(), example::restored_digest(), policy_digest()] {
        assert!(document.contains(&digest.to_string()), "{digest} is not in docs/FORMAT.md");
    }
}

#[test]
fn the_policy_has_the_digest_that_the_ledger_carries() {
    let (policy, digest) = policy(&case_text("rules.toml"));
    let canonical = canonical::bytes(&policy).unwrap();
    assert_eq!(String::from_utf8(canonical.clone()).unwrap(), case_text("policy.json"));
    assert_eq!(Digest::of(&canonical), digest);
    let commented = case_text("rules.toml").replace("keep        = \"5 days\"", "# a comment\nkeep = \"5 days\"");
    assert_eq!(example::policy(&commented).1, digest);
    let longer = case_text("rules.toml").replace("keep        = \"5 days\"", "keep = \"6 days\"");
    assert_ne!(example::policy(&longer).1, digest);
}

#[test]
fn the_plan_is_read_and_carries_its_own_digest() {
    let made = plan::plan(policy_digest());
    assert_eq!(serde_json::to_string_pretty(&made).unwrap() + "\n", case_text("plan.json"));
    let read: Plan = serde_json::from_str(&case_text("plan.json")).unwrap();
    assert_eq!(read.computed_digest().unwrap(), read.digest);
    let edited: Plan = serde_json::from_str(&case_text("plan.json").replace("\"rows\": 2", "\"rows\": 3")).unwrap();
    assert_ne!(edited.computed_digest().unwrap(), edited.digest);
}

#[test]
fn the_segment_opens_to_the_rows_that_the_document_describes() {
    let header = case("segment.header.json");
    assert_eq!(header, example::header(policy_digest()));
    let body = data_key().unseal(&header, &case("segment.body")).unwrap();
    assert_eq!(*body, example::body());
    assert_eq!(case("segment.plain"), example::body());
    let read: Header = serde_json::from_slice(&header).unwrap();
    let widths: Vec<usize> = read.tables.iter().map(|table| table.columns.len()).collect();
    let records = record::split(&body).unwrap();
    assert_eq!(records, example::records());
    let rows = record::decode_rows(records[0], &widths).unwrap();
    assert_eq!(rows.iter().map(|row| row.table).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(rows[1].cells[1], Cell::Text(b"haneul@example.com".to_vec()));
    assert_eq!(rows[0].cells[3..], [Cell::Real(37.5), Cell::Blob(vec![0xca, 0xfe]), Cell::Null]);
}

#[test]
fn the_segment_opens_under_no_other_header_and_no_other_key() {
    let header = case_text("segment.header.json");
    let moved = header.replace("member/2026-11-15", "member/2026-11-16");
    assert_ne!(header, moved);
    assert!(data_key().unseal(moved.as_bytes(), &case("segment.body")).is_err());
    let other = Secret::copy_of(&[7; 32]).unwrap().into();
    let opened =
        retentiond::adapters::keyring::data_key::DataKey::unseal(&other, header.as_bytes(), &case("segment.body"));
    assert!(opened.is_err());
}

#[test]
fn the_index_finds_records_by_key_and_by_subject() {
    let index = case("segment.index");
    assert_eq!(index, example::index());
    for (by, id, expected) in [
        (Locator::Key, &b"7"[..], &[0][..]),
        (Locator::Key, b"8", &[1]),
        (Locator::Subject, b"8", &[1]),
        (Locator::Key, b"9", &[]),
    ] {
        let digest = data_key().digest(by.purpose(), id).unwrap();
        assert_eq!(index::find(&index, by, &digest).unwrap(), expected, "{by:?}");
    }
}

#[test]
fn the_keystore_opens_with_root_and_key_encryption_key_and_holds_the_data_key() {
    let file = case("keystore.1");
    let keys = keystore::Body::open(&file, &label(), &wrapping_key()).unwrap().keys().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[&example::bucket()], data_key());
    assert!(!keystore::fits(&file, &Secret::copy_of(&[7; 32]).unwrap()));
}
