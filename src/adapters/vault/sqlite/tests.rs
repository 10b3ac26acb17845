//! What needs a look inside: running out of room, readers in the way, and which
//! index answers.

use std::time::Duration;

use chrono::TimeZone as _;
use chrono_tz::Tz;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;

use super::*;
use crate::domain::{
    calendar::{Calendar, Counting},
    canonical,
    destroy::Order,
    hold::{Clearance, Holds},
    holiday::Holidays,
    id::{Digest, EventName, SourceName},
    period::TimeSpan,
    policy::{Approval, Basis, Name, Officer, Policy, Rule},
    segment::FORMAT,
    selection::Cause,
    verdict::Finding,
};

const ORIGIN: &str = "retention.example/shop";
const DEPLOYMENT: &str = "01890000-0000-7000-8000-000000000000";
const HEAD: Head = Head { size: 7, root: Digest([7; 32]) };

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 3, 0, 0).unwrap()
}

fn segment(batch: &str, day: u32, number: u8, body_bytes: usize) -> Sealed {
    let bucket = BucketId { rule: "member".into(), date: chrono::NaiveDate::from_ymd_opt(2020, 1, day).unwrap() };
    let header = Header {
        format: FORMAT.to_owned(),
        origin: ORIGIN.to_owned(),
        bucket: bucket.clone(),
        rule: bucket.rule.clone(),
        policy: Digest([0; 32]),
        source: SourceName::from("shop"),
        dataset: "members".to_owned(),
        batch: BatchId::from(batch),
        cause: Cause::Due,
        tables: Vec::new(),
        records: 1,
        codec: "zstd".to_owned(),
    };
    Sealed {
        bucket,
        batch: BatchId::from(batch),
        header: canonical::bytes(&header).unwrap(),
        body: vec![number; body_bytes],
        index: vec![number; 40],
        records: 1,
    }
}

fn policy() -> Policy {
    let days = "5 days".parse().unwrap();
    Policy {
        title: "test".to_owned(),
        version: "1".to_owned(),
        announced: chrono::NaiveDate::from_ymd_opt(2019, 1, 1).unwrap(),
        effective: chrono::NaiveDate::from_ymd_opt(2019, 2, 1).unwrap(),
        timezone: Tz::Asia__Seoul,
        counting: Counting::KrCivil,
        destroy_within: days,
        cooling_off: TimeSpan(chrono::TimeDelta::zero()),
        statutes: None,
        holidays: Vec::new(),
        officer: Officer { title: "officer".to_owned(), contact: "privacy@example.com".to_owned(), four_eyes: false },
        rules: vec![Rule {
            id: "member".into(),
            name: Name { ko: "회원 정보".to_owned(), en: "Member account".to_owned() },
            event: EventName::from("withdrawal"),
            keep: days,
            separate_on: Vec::new(),
            basis: Basis::Internal,
            reason: Some("test".to_owned()),
            clause: None,
            approval: Approval::None,
        }],
    }
}

fn keys_gone(buckets: Vec<BucketFacts>) -> KeysGone {
    let (policy, holidays) = (policy(), Holidays::default());
    let calendar = Calendar::new(&policy, &holidays);
    let mut clearance = Clearance::default();
    buckets.iter().for_each(|facts| clearance.note(&facts.bucket, 0));
    let searched = (&Holds::default(), &clearance);
    let order = Order::issue("op".into(), &"member".into(), (&policy, &calendar), searched, buckets, now()).unwrap();
    order.keys_gone(Finding::pass())
}

async fn new_vault(folder: &TempDir) -> SqliteVault {
    let lasts = Duration::from_secs(60);
    let claim = Claim { holder: "host, process 1".to_owned(), seat: "seat".to_owned(), lasts };
    SqliteVault::create(&folder.path().join("vault.db"), ORIGIN, false, DEPLOYMENT, &claim).await.unwrap()
}

async fn pages(vault: &mut SqliteVault) -> u32 {
    let connection = vault.connection.as_mut().unwrap();
    sqlx::query_scalar("PRAGMA page_count").fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_stores_nothing_and_later_stores_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = new_vault(&folder).await;
    vault.store(&[segment("first", 1, 1, 50_000)], &HEAD, now()).await.unwrap();
    let before = vault.buckets().await.unwrap();

    vault.file.pages_max = Some(pages(&mut vault).await + 20);
    vault.connection = None;
    let batch: Vec<_> = (0..10).map(|number| segment("second", 2, number, 100_000)).collect();
    let later = Head { size: 8, root: Digest([8; 32]) };
    for _ in 0..2 {
        let error = vault.store(&batch, &later, now()).await.unwrap_err();
        assert!(matches!(error, VaultError::Full { .. }), "{error}");
        assert_eq!(vault.buckets().await.unwrap(), before);
        assert!(vault.batch(&"second".into()).await.unwrap().is_empty());
        assert_eq!(vault.remembered_head().await.unwrap(), Some(HEAD));
    }
    vault.store(&[segment("small", 3, 1, 1_000)], &HEAD, now()).await.unwrap();

    vault.file.pages_max = None;
    vault.connection = None;
    vault.store(&batch, &later, now()).await.unwrap();
    assert_eq!(vault.batch(&"second".into()).await.unwrap().len(), 10);
    assert_eq!(vault.remembered_head().await.unwrap(), Some(later));
}

#[tokio::test]
async fn erasing_says_so_when_a_reader_keeps_the_ciphertext_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = new_vault(&folder).await;
    vault.file.patience = Duration::from_millis(20);
    vault.connection = None;
    vault.store(&[segment("batch", 1, 1, 5_000)], &HEAD, now()).await.unwrap();
    let buckets = vault.buckets().await.unwrap();

    let url = format!("sqlite://{}?mode=ro", folder.path().join("vault.db").display());
    let mut reader = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT count(*) FROM segment").fetch_one(&mut reader).await.unwrap();
    let error = vault.erase(&keys_gone(buckets.clone())).await.unwrap_err();
    assert!(error.to_string().contains("a reader keeps"), "{error}");

    sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
    assert_eq!(vault.erase(&keys_gone(buckets)).await.unwrap(), Erased { segments: 0, bytes: 0 });
    assert_eq!(std::fs::metadata(folder.path().join("vault.db-wal")).unwrap().len(), 0);
}

#[tokio::test]
async fn buckets_are_counted_from_an_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = new_vault(&folder).await;
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", schema::BUCKETS));
    let plan = sqlx::query(explain).fetch_all(vault.connection.as_mut().unwrap()).await.unwrap();
    let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
    let of_segments: Vec<&String> = steps.iter().filter(|step| step.contains("segment")).collect();
    assert_eq!(of_segments, ["SCAN segment USING COVERING INDEX segment_by_bucket"], "{steps:?}");
}

#[tokio::test]
async fn commits_are_durable_and_deletions_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = new_vault(&folder).await;
    let connection = vault.connection.as_mut().unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
    let secure_delete: i64 = sqlx::query_scalar("PRAGMA secure_delete").fetch_one(&mut *connection).await.unwrap();
    let page_size: u32 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await.unwrap();
    assert_eq!((mode.as_str(), synchronous, secure_delete, page_size), ("wal", 2, 1, 16_384));
}
