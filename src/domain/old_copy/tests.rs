//! What an older copy is told by, and what is said of it.

use super::*;
use crate::domain::{
    fixture::{at, bucket},
    ledger::{
        event::{VERSION, VaultAcknowledged},
        history::HistoryError,
    },
    selection::Cause,
};

fn entry(seq: u64, event: Event) -> Entry {
    let time = at("2026-01-01T00:00:00Z") + chrono::TimeDelta::seconds(i64::try_from(seq).unwrap());
    let (policy, actor, host) = (Digest::of(b"p"), "root".into(), "h".into());
    Entry { v: VERSION, seq, time, event, run: "run".into(), policy, actor, host }
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
}

fn separation(batch: &str, records: u64, day: u32) -> [Event; 2] {
    let intent = SeparateIntent {
        batch: batch.into(),
        rule: "member".into(),
        source: "shop".into(),
        dataset: "members".into(),
        cause: Cause::Due,
        records,
        children: BTreeMap::new(),
        buckets: 1,
        first: date(day),
        last: date(day),
        again: 0,
        digest: Digest::of(b"rows"),
    };
    let outcome = Event::SeparateOutcome { batch: batch.into(), result: SeparateResult::Committed, reason: None };
    [Event::SeparateIntent(intent), outcome]
}

/// A ledger that was opened and says these events.
fn ledger(events: Vec<Event>) -> (Vec<Entry>, History) {
    let opened = Event::LedgerOpened { origin: "o".into(), simulation: false, version: "0".into() };
    let entries: Vec<Entry> =
        (0..).zip([opened].into_iter().chain(events)).map(|(seq, event)| entry(seq, event)).collect();
    let mut history = History::default();
    entries.iter().for_each(|entry| history.record(entry).unwrap());
    (entries, history)
}

fn holding(day: u32, records: u64) -> BucketFacts {
    BucketFacts { records, segments: 1, ..BucketFacts::erased(bucket("member", &date(day).to_string())) }
}

fn compared(knows: u64, (entries, history): &(Vec<Entry>, History), buckets: &[BucketFacts]) -> OldCopy {
    let mut comparison = Comparison::from(knows);
    entries.iter().for_each(|entry| comparison.entry(entry));
    comparison.conclude(history, buckets)
}

#[test]
fn a_vault_that_knows_of_the_last_batch_and_holds_what_it_must_is_no_old_copy() {
    let (_, history) = ledger(separation("a", 2, 3).to_vec());
    assert!(!suspected(&history, 2, &[holding(3, 2)]));
    assert!(suspected(&history, 1, &[holding(3, 2)]), "it does not know of the batch");
    assert!(suspected(&history, 2, &[holding(3, 1)]), "a record is missing");
    assert!(suspected(&history, 2, &[holding(3, 3)]), "there is one too many");
}

#[test]
fn with_an_intent_open_the_counts_say_nothing_yet() {
    let [intent, _] = separation("b", 5, 4);
    let (_, history) = ledger([separation("a", 2, 3).to_vec(), vec![intent]].concat());
    assert!(!suspected(&history, 2, &[holding(3, 1)]));
    assert!(suspected(&history, 1, &[holding(3, 1)]));
}

#[test]
fn what_was_separated_since_is_missing_and_named_by_its_dates() {
    let story = ledger([separation("a", 2, 3), separation("b", 5, 4), separation("c", 6, 9)].concat());
    let copy = compared(2, &story, &[holding(3, 2)]);
    assert_eq!(copy.since, Some(at("2026-01-01T00:00:01Z")));
    assert_eq!(copy.missing(), BTreeMap::from([("member".into(), Missing { at_least: 11, at_most: 11 })]));
    let [since] = &copy.separated[..] else { panic!("{copy:?}") };
    assert_eq!((since.records, since.first, since.last), (11, date(4), date(9)));
    assert!(copy.unexplained().is_none());
    let lines = copy.lines().join("\n");
    for part in ["2 entries", "11 missing", "11 records of members in shop", "2026-01-04 to 2026-01-09"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}

#[test]
fn an_open_batch_widens_the_bounds_of_what_is_missing() {
    let [intent, _] = separation("c", 3, 9);
    let story = ledger([separation("a", 2, 3).to_vec(), separation("b", 5, 4).to_vec(), vec![intent]].concat());
    let copy = compared(2, &story, &[holding(3, 2)]);
    assert_eq!(copy.missing()[&"member".into()], Missing { at_least: 5, at_most: 8 });
    assert_eq!(copy.open, 1);
}

#[test]
fn more_than_an_older_copy_can_hold_is_not_explained() {
    let story = ledger(separation("a", 2, 3).to_vec());
    let copy = compared(2, &story, &[holding(3, 2), holding(5, 1)]);
    assert_eq!(copy.unexplained().map(|counts| counts.unexplained), Some(1));
}

#[test]
fn another_state_has_another_digest() {
    let story = ledger([separation("a", 2, 3), separation("b", 5, 4)].concat());
    let digest = |knows, records| compared(knows, &story, &[holding(3, records)]).digest().unwrap();
    assert_eq!(digest(2, 2), digest(2, 2));
    assert_ne!(digest(2, 2), digest(2, 1));
    assert_ne!(digest(2, 2), digest(1, 2));
}

#[test]
fn from_its_clearing_on_the_vault_is_what_it_is_and_no_clearing_stands_alone() {
    let (found, rule) = (Digest::of(b"found"), RuleId::from("member"));
    let missing = BTreeMap::from([(rule.clone(), Missing { at_least: 5, at_most: 5 })]);
    let acknowledged = VaultAcknowledged { found, by: "b".into(), reason: "r".into(), knows: 2, missing, destroyed: 0 };
    let cleared = |found| Event::VaultCleared {
        found,
        buckets: 0,
        segments: 0,
        records: 0,
        in_vault: BTreeMap::from([(rule.clone(), 2)]),
    };
    let story = [separation("a", 2, 3), separation("b", 5, 4)].concat();
    let story = [story, vec![Event::VaultAcknowledged(acknowledged)]].concat();
    let (_, open) = ledger(story.clone());
    assert_eq!(open.acknowledged.map(|copy| (copy.found, copy.knows)), Some((found, 2)));
    assert!(suspected(&open, 2, &[holding(3, 2)]), "it is not cleared yet");
    let mut refused = open.clone();
    let other = entry(6, cleared(Digest::of(b"another")));
    assert!(matches!(refused.record(&other), Err(HistoryError::WithoutIntent { kind: "vault.cleared", .. })));
    let (_, after) = ledger([story, vec![cleared(found)]].concat());
    assert_eq!((after.acknowledged, after.stored_last), (None, None));
    assert!(!suspected(&after, 2, &[holding(3, 2)]));
    let mut again = after.clone();
    assert!(again.record(&entry(7, cleared(found))).is_err());
}
