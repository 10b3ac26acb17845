//! What every vault must do, through its port only.

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use retentiond::{
    domain::{
        calendar::{Calendar, Counting},
        canonical,
        destroy::{BucketFacts, KeysGone, Order},
        hold::{Clearance, Holds},
        holiday::Holidays,
        id::{BatchId, BucketId, Digest, EventName, SourceName},
        ledger::Head,
        period::TimeSpan,
        policy::{Approval, Basis, Name, Officer, Policy, Rule},
        segment::{Column, FORMAT, Header, Sealed, Table},
        selection::Cause,
        verdict::Finding,
    },
    ports::{Vault, VaultError},
};

use crate::places::Place;

pub const ORIGIN: &str = "retention.example/shop";
pub const DEPLOYMENT: &str = "01890000-0000-7000-8000-000000000000";
pub const HEAD: Head = Head { size: 7, root: Digest([7; 32]) };

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 3, 0, 0).unwrap() + TimeDelta::nanoseconds(123_456_789)
}

pub fn bucket(rule: &str, day: u32) -> BucketId {
    BucketId { rule: rule.into(), date: NaiveDate::from_ymd_opt(2020, 1, day).unwrap() }
}

/// A segment whose body and index can be recognised by `mark`.
pub fn segment(bucket: &BucketId, batch: &str, mark: &str) -> Sealed {
    let header = Header {
        format: FORMAT.to_owned(),
        origin: ORIGIN.to_owned(),
        bucket: bucket.clone(),
        rule: bucket.rule.clone(),
        policy: Digest([0; 32]),
        source: SourceName::from("shop"),
        dataset: "members".to_owned(),
        batch: BatchId::from(batch),
        cause: Cause::Event(EventName::from("withdrawal")),
        tables: vec![Table {
            name: "members".to_owned(),
            columns: vec![Column { name: "id".to_owned(), declared: "INTEGER".to_owned() }],
            rows: 3,
            unlinked: false,
        }],
        records: 3,
        codec: "zstd".to_owned(),
    };
    Sealed {
        bucket: bucket.clone(),
        batch: BatchId::from(batch),
        header: canonical::bytes(&header).unwrap(),
        body: format!("{mark}-body ").repeat(5_000).into_bytes(),
        index: format!("{mark}-index ").repeat(20).into_bytes(),
        records: 3,
    }
}

fn policy() -> Policy {
    let days = "5 days".parse().unwrap();
    let rule = |id: &str| Rule {
        id: id.into(),
        name: Name { ko: "회원 정보".to_owned(), en: "Member account".to_owned() },
        event: EventName::from("withdrawal"),
        keep: days,
        separate_on: vec![EventName::from("withdrawal")],
        basis: Basis::Internal,
        reason: Some("test".to_owned()),
        clause: Some("5".to_owned()),
        approval: Approval::None,
    };
    Policy {
        title: "test".to_owned(),
        version: "1".to_owned(),
        announced: NaiveDate::from_ymd_opt(2019, 1, 1).unwrap(),
        effective: NaiveDate::from_ymd_opt(2019, 2, 1).unwrap(),
        timezone: Tz::Asia__Seoul,
        counting: Counting::KrCivil,
        destroy_within: days,
        cooling_off: TimeSpan(TimeDelta::hours(24)),
        statutes: None,
        holidays: Vec::new(),
        officer: Officer { title: "officer".to_owned(), contact: "privacy@example.com".to_owned(), four_eyes: false },
        rules: vec![rule("member"), rule("visit")],
    }
}

pub fn keys_gone(rule: &str, buckets: Vec<BucketFacts>) -> KeysGone {
    let (policy, holidays) = (policy(), Holidays::default());
    let calendar = Calendar::new(&policy, &holidays);
    let later = now() + TimeDelta::days(2);
    let mut clearance = Clearance::default();
    buckets.iter().for_each(|facts| clearance.note(&facts.bucket, 0));
    let searched = (&Holds::default(), &clearance);
    let order = Order::issue("op".into(), &rule.into(), (&policy, &calendar), searched, buckets, later).unwrap();
    order.keys_gone(Finding::pass())
}

async fn new_vault<P: Place>(place: &P) -> P::Store {
    place.create(ORIGIN, false, DEPLOYMENT).await.unwrap()
}

pub async fn what_was_stored_is_read_back_even_after_reopening(place: &impl Place) {
    let mut vault = new_vault(place).await;
    let one = segment(&bucket("member", 1), "a", "one");
    let two = segment(&bucket("member", 2), "a", "two");
    let other = segment(&bucket("visit", 1), "b", "other");
    vault.store(&[one.clone(), two.clone()], &HEAD, now()).await.unwrap();
    vault.store(std::slice::from_ref(&other), &HEAD, now() + TimeDelta::nanoseconds(1)).await.unwrap();
    drop(vault);

    let mut vault = place.open(ORIGIN, DEPLOYMENT).await.unwrap();
    let stored = vault.batch(&"a".into()).await.unwrap();
    assert_eq!(stored.iter().map(|(_, sealed)| sealed.clone()).collect::<Vec<_>>(), [one.clone(), two.clone()]);
    assert_eq!(vault.segment(stored[1].0).await.unwrap().as_ref(), Some(&two));
    assert_eq!(vault.sample(&bucket("visit", 1)).await.unwrap(), Some(other.clone()));
    assert_eq!(vault.sample(&bucket("visit", 9)).await.unwrap(), None);
    assert_eq!(vault.headers(&bucket("member", 1)).await.unwrap(), [serde_json::from_slice(&one.header).unwrap()]);
    assert_eq!(vault.remembered_head().await.unwrap(), Some(HEAD));

    let indexes = vault.indexes(Some(&"member".into())).await.unwrap();
    assert_eq!(indexes.iter().map(|row| &row.index).collect::<Vec<_>>(), [&one.index, &two.index]);
    assert_eq!(vault.indexes(None).await.unwrap().len(), 3);
    assert_eq!(vault.segment(99).await.unwrap(), None);
}

pub async fn buckets_are_summed_up_in_order(place: &impl Place) {
    let mut vault = new_vault(place).await;
    let youngest = now() + TimeDelta::nanoseconds(1);
    let first = segment(&bucket("visit", 1), "a", "first");
    let second = segment(&bucket("visit", 1), "b", "second!");
    vault.store(std::slice::from_ref(&first), &HEAD, youngest).await.unwrap();
    vault.store(&[second.clone(), segment(&bucket("member", 31), "b", "x")], &HEAD, now()).await.unwrap();

    let facts = vault.buckets().await.unwrap();
    assert_eq!(
        facts.iter().map(|facts| facts.bucket.to_string()).collect::<Vec<_>>(),
        ["member/2020-01-31", "visit/2020-01-01"]
    );
    let bytes = [&first, &second].map(|sealed| sealed.header.len() + sealed.body.len() + sealed.index.len());
    assert_eq!(
        facts[1],
        BucketFacts {
            bucket: bucket("visit", 1),
            segments: 2,
            records: 6,
            bytes: (bytes[0] + bytes[1]) as u64,
            sealed_last: youngest,
        }
    );
}

pub async fn a_store_that_fails_in_the_middle_stores_nothing(place: &impl Place) {
    let mut vault = new_vault(place).await;
    vault.store(&[segment(&bucket("member", 1), "a", "kept")], &HEAD, now()).await.unwrap();
    let before = vault.buckets().await.unwrap();
    let good = segment(&bucket("member", 2), "b", "good");
    let later = Head { size: 8, root: Digest([8; 32]) };

    let mut miscounted = segment(&bucket("member", 2), "b", "miscounted");
    miscounted.records = 4;
    let mut misplaced = segment(&bucket("member", 3), "b", "misplaced");
    misplaced.bucket = bucket("member", 4);
    let mut headless = segment(&bucket("member", 3), "b", "headless");
    headless.header.truncate(10);
    for bad in [miscounted, misplaced, headless, good.clone()] {
        let batch = [good.clone(), bad, segment(&bucket("member", 5), "b", "last")];
        let error = vault.store(&batch, &later, now()).await.unwrap_err();
        assert!(matches!(error, VaultError::Engine { .. }), "{error}");
        assert_eq!(vault.buckets().await.unwrap(), before);
        assert_eq!(vault.remembered_head().await.unwrap(), Some(HEAD));
    }
    vault.store(std::slice::from_ref(&good), &later, now()).await.unwrap();
    assert!(vault.store(&[good], &later, now()).await.is_err(), "a batch that is stored is not stored again");
    assert_eq!(vault.batch(&"b".into()).await.unwrap().len(), 1);
}

pub async fn a_store_that_is_dropped_half_way_stores_nothing(place: &impl Place) {
    let mut vault = new_vault(place).await;
    let batch: Vec<_> = (1..=20).map(|day| segment(&bucket("member", day), "a", &format!("number-{day}"))).collect();
    for polls in 1..12 {
        let mut left = polls;
        tokio::select! {
            biased;
            _ = vault.store(&batch, &HEAD, now()) => panic!("stored within {polls} polls"),
            () = std::future::poll_fn(|context| {
                left -= 1;
                context.waker().wake_by_ref();
                if left == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            }) => {}
        }
        assert!(vault.buckets().await.unwrap().is_empty());
    }
    vault.store(&batch, &HEAD, now()).await.unwrap();
    assert_eq!(vault.batch(&"a".into()).await.unwrap().len(), 20);
}

pub async fn erasing_takes_the_buckets_of_the_order_and_no_others(place: &impl Place) {
    let mut vault = new_vault(place).await;
    let victims = [
        segment(&bucket("member", 1), "a", "victim-1"),
        segment(&bucket("member", 1), "b", "victim-2"),
        segment(&bucket("member", 3), "a", "victim-3"),
    ];
    let others = [segment(&bucket("member", 2), "a", "other-1"), segment(&bucket("visit", 1), "a", "other-2")];
    vault.store(&victims, &HEAD, now()).await.unwrap();
    vault.store(&others, &HEAD, now()).await.unwrap();

    let facts = vault.buckets().await.unwrap();
    let (order, rest): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|facts| [bucket("member", 1), bucket("member", 3)].contains(&facts.bucket));
    let bytes: u64 = order.iter().map(|facts| facts.bytes).sum();
    let erased = vault.erase(&keys_gone("member", order.clone())).await.unwrap();
    assert_eq!((erased.segments, erased.bytes), (3, bytes));
    assert_eq!(vault.buckets().await.unwrap(), rest);
    assert_eq!(vault.sample(&bucket("member", 2)).await.unwrap(), Some(others[0].clone()));
    assert_eq!(vault.sample(&bucket("visit", 1)).await.unwrap(), Some(others[1].clone()));

    let again = vault.erase(&keys_gone("member", order)).await.unwrap();
    assert_eq!((again.segments, again.bytes), (0, 0));
    assert_eq!(vault.buckets().await.unwrap(), rest);
}

pub async fn replacing_is_all_or_nothing_gives_a_new_number_and_keeps_the_time_of_sealing(place: &impl Place) {
    let mut vault = new_vault(place).await;
    let old = [segment(&bucket("member", 1), "a", "old-1"), segment(&bucket("member", 2), "a", "old-2")];
    vault.store(&old, &HEAD, now()).await.unwrap();
    let ids: Vec<i64> = vault.batch(&"a".into()).await.unwrap().iter().map(|(id, _)| *id).collect();
    let new = segment(&bucket("member", 1), "a", "new");

    vault.replace(&[(ids[0], vec![new.clone()]), (99, Vec::new())]).await.unwrap_err();
    assert_eq!(vault.segment(ids[0]).await.unwrap().as_ref(), Some(&old[0]));

    vault.replace(&[(ids[0], vec![new.clone()]), (ids[1], Vec::new())]).await.unwrap();
    let left = vault.batch(&"a".into()).await.unwrap();
    assert!(!ids.contains(&left[0].0), "an interrupted restoration is settled by the number that is gone");
    assert_eq!(left.iter().map(|(_, sealed)| sealed).collect::<Vec<_>>(), [&new]);
    assert_eq!(vault.segment(ids[0]).await.unwrap(), None);
    assert_eq!(vault.buckets().await.unwrap()[0].sealed_last, now());

    vault.store(&[segment(&bucket("member", 3), "b", "next")], &HEAD, now()).await.unwrap();
    let next = vault.batch(&"b".into()).await.unwrap()[0].0;
    assert!(!ids.contains(&next), "an id is not given twice");
}

pub async fn dropping_a_batch_leaves_the_others(place: &impl Place) {
    let mut vault = new_vault(place).await;
    vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "b", "b")], &HEAD, now()).await.unwrap();
    vault.drop_batch(&"a".into()).await.unwrap();
    assert!(vault.batch(&"a".into()).await.unwrap().is_empty());
    assert_eq!(vault.batch(&"b".into()).await.unwrap().len(), 1);
}

pub async fn the_newest_head_is_remembered_and_a_fork_is_noticed(place: &impl Place) {
    let mut vault = new_vault(place).await;
    assert_eq!(vault.remembered_head().await.unwrap(), None);
    vault.remember_head(&HEAD).await.unwrap();
    vault.remember_head(&Head { size: 6, root: Digest([6; 32]) }).await.unwrap();
    assert_eq!(vault.remembered_head().await.unwrap(), Some(HEAD));
    let fork = vault.remember_head(&Head { size: 7, root: Digest([1; 32]) }).await.unwrap_err();
    assert!(matches!(fork, VaultError::Foreign { .. }), "{fork}");
    assert_eq!(vault.remembered_head().await.unwrap(), Some(HEAD));
}

pub async fn a_vault_opens_only_for_its_own_origin_and_deployment(place: &impl Place) {
    drop(place.create(ORIGIN, true, DEPLOYMENT).await.unwrap());
    for (origin, deployment) in [("retention.example/other", DEPLOYMENT), (ORIGIN, "another")] {
        let error = place.open(origin, deployment).await.unwrap_err();
        assert!(matches!(error, VaultError::Foreign { .. }), "{error}");
    }
    assert!(place.is_simulation(&place.open(ORIGIN, DEPLOYMENT).await.unwrap()));

    place.run(&place.change_format("retentiond/vault@v2")).await;
    let error = place.open(ORIGIN, DEPLOYMENT).await.unwrap_err();
    assert!(matches!(error, VaultError::Foreign { .. }) && error.to_string().contains("format"), "{error}");
}

pub async fn a_vault_is_never_made_over_another(place: &impl Place) {
    let mut vault = new_vault(place).await;
    vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();
    let error = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap_err();
    assert!(matches!(error, VaultError::Foreign { .. }), "{error}");
    assert_eq!(vault.buckets().await.unwrap().len(), 1);
}

pub async fn a_reader_sees_what_was_committed_and_cannot_write(place: &impl Place) {
    let mut vault = new_vault(place).await;
    vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();
    let mut reader = place.open_read_only(ORIGIN, DEPLOYMENT).await.unwrap();
    assert_eq!(reader.buckets().await.unwrap().len(), 1);
    vault.drop_batch(&"a".into()).await.unwrap();
    assert!(reader.buckets().await.unwrap().is_empty());

    let error = reader.store(&[segment(&bucket("member", 1), "b", "b")], &HEAD, now()).await.unwrap_err();
    assert!(matches!(error, VaultError::Engine { .. }), "{error}");
    reader.drop_batch(&"a".into()).await.unwrap_err();
    assert!(vault.batch(&"b".into()).await.unwrap().is_empty());
}

/// The longest body that a segment of one very large record may have here.
pub async fn long_segments_come_back_as_they_were(place: &impl Place) {
    let mut vault = new_vault(place).await;
    let long: Vec<Sealed> = (1..=3)
        .map(|day| {
            let mut sealed = segment(&bucket("member", day), "a", "long");
            let mut state = u64::from(day);
            sealed.body = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .take((6 << 20) + day as usize)
            .collect();
            sealed
        })
        .collect();
    vault.store(&long, &HEAD, now()).await.unwrap();
    let stored = vault.batch(&"a".into()).await.unwrap();
    assert!(stored.iter().map(|(_, sealed)| sealed).eq(&long), "a long body came back changed");
}
