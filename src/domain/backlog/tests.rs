//! What is owed, out of a plan and buckets, and how a rule stands.

use super::*;
use crate::domain::{
    census::AnomalyKind,
    fixture::{at, bucket, dataset, date, policy},
    holiday::Holidays,
    id::Digest,
    plan::{Anomaly, Destruction, Item, PolicyRef, Separation},
};

const NOW: &str = "2026-11-22T03:00:00+09:00";

fn facts(rule: &str, day: &str, records: u64) -> BucketFacts {
    BucketFacts { bucket: bucket(rule, day), segments: 1, records, bytes: 0, sealed_last: at(NOW) }
}

fn separation(overdue: u64, oldest: &str) -> Item {
    Item::Separate(Separation {
        rule: "member".into(),
        dataset: "members".to_owned(),
        source: "shop".into(),
        rows: 10,
        children: BTreeMap::new(),
        unlinked: BTreeMap::new(),
        shared: BTreeMap::new(),
        sooner: Default::default(),
        outlived: 0,
        weak: BTreeMap::new(),
        held: 1,
        waiting: 2,
        overdue,
        cutoff: at(NOW),
        oldest: Some(date(oldest)),
    })
}

fn destruction(overdue: u64) -> Item {
    Item::Destroy(Destruction { rule: "member".into(), buckets: 1, rows: 5, held: 3, waiting: 0, overdue })
}

/// The backlog of members, who are kept five days and five more at the latest.
fn members(items: Vec<Item>, buckets: &[BucketFacts]) -> Backlog {
    let (policy, holidays) = (policy(), Holidays::default());
    let calendar = Calendar::new(&policy, &holidays);
    let anomaly =
        Anomaly { dataset: "members".to_owned(), event: "withdrawal".into(), kind: AnomalyKind::Missing, rows: 4 };
    let plan = Plan {
        now: DateTime::parse_from_rfc3339(NOW).unwrap(),
        simulation: false,
        policy: PolicyRef { version: "1.0".to_owned(), digest: Digest([0; 32]) },
        rule: None,
        items,
        anomalies: vec![anomaly],
        guards: Vec::new(),
        digest: Digest([0; 32]),
    };
    let datasets = [dataset("member", "members"), dataset("contract", "orders")];
    let all = backlog(&policy, &calendar, &datasets, &plan, buckets);
    assert_eq!(all.len(), 2, "every rule of the policy");
    assert_eq!((all[1].anomalies, all[1].in_vault), (0, 0), "the other rule has none of it");
    all[0].clone()
}

#[test]
fn source_and_vault_are_added_up_and_the_first_to_become_overdue_counts() {
    // A bucket that a hold keeps lies in the vault and is overdue since nothing.
    let held = facts("member+h1", "2026-01-01", 3);
    let buckets = [facts("member", "2026-11-01", 5), facts("member", "2026-11-20", 7), held];
    let backlog = members(vec![separation(6, "2026-10-01"), destruction(5)], &buckets);
    assert_eq!((backlog.overdue, backlog.due_in_source, backlog.due_in_vault), (11, 10, 5));
    assert_eq!((backlog.held, backlog.waiting, backlog.anomalies), (4, 2, 4));
    assert_eq!((backlog.in_vault, backlog.due_soon), (15, 7));
    // 1 October, five days, five more: overdue since the 12th in Seoul.
    assert_eq!(backlog.overdue_since, Some(at("2026-10-12T00:00:00+09:00")));
    assert_eq!(backlog.next_due, Some(at("2026-11-26T00:00:00+09:00")));
}

#[test]
fn without_overdue_rows_nothing_is_overdue_since_anything() {
    let backlog = members(vec![separation(0, "2026-10-01"), destruction(0)], &[facts("member", "2026-11-01", 5)]);
    assert_eq!((backlog.overdue, backlog.overdue_since), (0, None));
    let buckets = [facts("member+h1", "2026-01-01", 3), facts("member", "2026-11-01", 5)];
    let backlog = members(vec![destruction(5)], &buckets);
    assert_eq!(backlog.overdue_since, Some(at("2026-11-12T00:00:00+09:00")), "not since the held one");
}

#[test]
fn a_paused_failing_refused_overdue_or_held_rule_is_never_green() {
    let quiet = Backlog::of(&"member".into());
    let (this, other) = (["member".into()], ["contract".into()]);
    let of = |backlog: &Backlog, paused, failing: &[RuleId], refused: &[RuleId]| {
        Standing::of(backlog, paused, failing, refused)
    };
    assert_eq!(of(&quiet, false, &[], &[]), Standing::Green);
    assert_eq!(of(&quiet, false, &other, &other), Standing::Green, "another rule's trouble");
    assert_eq!(of(&quiet, true, &[], &[]), Standing::Paused);
    assert_eq!(of(&quiet, false, &this, &[]), Standing::Failing);
    assert_eq!(of(&quiet, false, &[], &this), Standing::Refused);
    assert_eq!(of(&Backlog { overdue: 1, held: 1, ..quiet.clone() }, false, &[], &[]), Standing::Overdue);
    assert_eq!(of(&Backlog { held: 1, ..quiet.clone() }, false, &[], &[]), Standing::Held);
    assert_eq!(of(&quiet, true, &this, &this), Standing::Paused, "the worst is named");
}

#[test]
fn every_standing_has_the_name_that_it_is_stored_under() {
    for standing in Standing::ALL {
        assert_eq!(serde_json::to_value(standing).unwrap(), standing.name());
    }
}
