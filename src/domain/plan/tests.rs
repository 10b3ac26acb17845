//! The plan as a value: its order, its drift, its digest.

use super::*;
use crate::domain::{
    census,
    deployment::{Child, Edge},
    fixture::{at, bucket, dataset, guards, policy, through, waiting_for},
    holiday::Holidays,
    policy::Policy,
};

/// Members who withdrew before the 15th are due.
const NOW: &str = "2026-01-20T03:00:00+09:00";

fn census() -> Census {
    Census {
        rows: 10,
        children: BTreeMap::from([("addresses".to_owned(), 12)]),
        held: 4,
        waiting: 1,
        overdue: 2,
        oldest: Some(at("2025-12-31T15:00:00Z")),
        table_rows: 1_000,
        anomalies: vec![census::Anomaly { event: "withdrawal".into(), kind: AnomalyKind::Malformed, rows: 3 }],
        ..Census::default()
    }
}

fn facts(rule: &str, day: &str, records: u64, sealed_last: &str) -> BucketFacts {
    BucketFacts { bucket: bucket(rule, day), segments: 1, records, bytes: 1, sealed_last: at(sealed_last) }
}

fn made(policy: &Policy, census: Census, buckets: &[BucketFacts], rule: Option<&RuleId>) -> Plan {
    let holidays = Holidays::default();
    let calendar = Calendar::new(policy, &holidays);
    let guards = guards();
    let frame = Frame {
        policy,
        digest: policy.digest().unwrap(),
        calendar: &calendar,
        guards: &guards,
        now: at(NOW),
        simulation: false,
        rule,
        holds: &Holds::default(),
        held: &BTreeMap::new(),
    };
    let dataset = dataset("member", "members");
    let bounds = Bounds::of(&calendar, &policy.rules[0], guards.not_before, at(NOW));
    make(&frame, &[DatasetFacts { dataset: &dataset, bounds, census }], buckets, |_| vec![1, 1, 1]).unwrap()
}

fn plan() -> Plan {
    let buckets = [
        facts("member", "2025-12-01", 100, "2025-12-02T00:00:00Z"),
        facts("member", "2026-01-10", 20, "2026-01-11T00:00:00Z"),
        facts("member", "2026-01-11", 3, "2026-01-19T12:00:00Z"),
        facts("member", "2026-01-18", 4, "2026-01-19T00:00:00Z"),
        facts("dropped", "2020-01-01", 5, "2020-01-02T00:00:00Z"),
    ];
    made(&policy(), census(), &buckets, None)
}

#[test]
fn a_plan_counts_what_it_separates_and_what_it_destroys() {
    let plan = plan();
    let separation = plan.separations().next().unwrap();
    assert_eq!((separation.rows, separation.waiting, separation.overdue), (10, 1, 2));
    assert_eq!(separation.oldest, Some("2026-01-01".parse().unwrap()));
    assert_eq!(separation.cutoff, at("2026-01-15T00:00:00+09:00"));
    let figures = |item: &Destruction| (item.rule.to_string(), item.buckets, item.rows, item.waiting, item.overdue);
    let destructions: Vec<_> = plan.destructions().map(figures).collect();
    let member = ("member".to_owned(), 2, 120, 3, 100);
    assert_eq!(destructions, [member, ("contract".to_owned(), 0, 0, 0, 0), ("dropped".to_owned(), 0, 0, 5, 0)]);
    assert_eq!((plan.rows(), plan.overdue(), plan.waiting()), (130, 102, 9));
    assert_eq!(plan.anomalies[0].rows, 3);
}

#[test]
fn a_plan_of_one_rule_has_no_other() {
    let only = "contract".into();
    let plan = made(&policy(), census(), &[facts("member", "2025-12-01", 1, "2025-12-02T00:00:00Z")], Some(&only));
    assert!(plan.separations().next().is_none() && plan.anomalies.is_empty() && plan.guards.is_empty());
    assert!(plan.destructions().all(|item| item.rule == only));
    assert_eq!(plan.rule, Some(only));
}

#[test]
fn guards_are_hit_by_their_own_figures() {
    let hits: Vec<_> = plan().guards.into_iter().map(|hit| (hit.guard, hit.value)).collect();
    assert_eq!(hits, [(guard::Guard::RowsMax, 120.0)], "the destruction");
    let many = Census { rows: 300, ..census() };
    let plan = made(&policy(), many, &[], None);
    let hits: Vec<_> = plan.guards.iter().map(|hit| hit.guard).collect();
    assert_eq!(hits, [guard::Guard::TableShareMax, guard::Guard::RowsMax, guard::Guard::MedianFactor]);
    let (member, contract) = ("member".into(), "contract".into());
    assert_eq!(plan.stopped_by(&member, &[]).count(), 3);
    assert_eq!(plan.stopped_by(&member, &[guard::Guard::RowsMax]).count(), 2);
    assert_eq!(plan.stopped_by(&contract, &[]).count(), 0);
}

#[test]
fn the_same_facts_give_the_same_plan_and_it_comes_back_from_its_file() {
    let plan = plan();
    assert_eq!(plan, self::plan());
    assert_eq!(plan.computed_digest().unwrap(), plan.digest);
    let file = serde_json::to_string(&plan).unwrap();
    let read: Plan = serde_json::from_str(&file).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.computed_digest().unwrap(), plan.digest);
}

/// Changes every number, text and truth value of a JSON document, one at a time.
fn changes(value: &serde_json::Value) -> Vec<serde_json::Value> {
    use serde_json::Value;
    match value {
        Value::Null => vec![Value::from("2020-01-01")],
        Value::Bool(truth) => vec![Value::from(!truth)],
        Value::Number(number) => vec![number.as_u64().map_or(Value::from(0.5), |number| Value::from(number + 1))],
        Value::String(text) => vec![changed_text(text)],
        Value::Array(items) => {
            let mut all: Vec<Value> = (0..items.len())
                .map(|gone| {
                    let kept = items.iter().enumerate().filter(|(at, _)| *at != gone);
                    Value::Array(kept.map(|(_, item)| item.clone()).collect())
                })
                .collect();
            for (position, item) in items.iter().enumerate() {
                all.extend(changes(item).into_iter().map(|changed| {
                    let mut items = items.clone();
                    items[position] = changed;
                    Value::Array(items)
                }));
            }
            all
        }
        Value::Object(fields) => {
            let mut all = Vec::new();
            for (name, field) in fields {
                all.extend(changes(field).into_iter().map(|changed| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), changed);
                    Value::Object(fields)
                }));
            }
            all
        }
    }
}

/// Another text of the same kind: a digit more or less, or a longer word.
fn changed_text(text: &str) -> serde_json::Value {
    let swapped: String = text
        .char_indices()
        .map(
            |(at, letter)| {
                if Some(at) == text.find(['1', '2']) { if letter == '1' { '2' } else { '1' } } else { letter }
            },
        )
        .collect();
    serde_json::Value::from(if swapped == text { format!("{text}x") } else { swapped })
}

#[test]
fn the_digest_changes_with_every_field() {
    let hit = guard::rows(&guards(), &"member".into(), 101).unwrap();
    let mut plan = Plan { rule: Some("member".into()), guards: vec![hit], ..plan() };
    plan.digest = plan.computed_digest().unwrap();
    let mut document = serde_json::to_value(&plan).unwrap();
    document.as_object_mut().unwrap().remove("digest");
    let mut compared = 0;
    for mut changed in changes(&document) {
        changed["digest"] = serde_json::Value::from(plan.digest.to_string());
        // What is not a plan any more is refused before its digest matters.
        let Ok(changed) = serde_json::from_value::<Plan>(changed) else { continue };
        assert_ne!(changed.computed_digest().unwrap(), plan.digest, "{changed:?}");
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn drift_names_what_changed_and_nothing_else() {
    let plan = plan();
    assert!(plan.drift(&plan).is_empty());
    let mut children = census();
    children.children = BTreeMap::from([("notes".to_owned(), 1)]);
    children.rows = 11;
    let fresh = made(&policy(), children, &[facts("member", "2025-12-01", 100, "2025-12-02T00:00:00Z")], None);
    assert_eq!(
        plan.drift(&fresh),
        [
            "member/members: separate addresses 12 -> 0",
            "member/members: separate notes 0 -> 1",
            "member/members: separate rows 10 -> 11",
            "member: destroy buckets 2 -> 1",
            "member: destroy rows 120 -> 100",
        ]
    );
}

#[test]
fn a_dataset_that_is_not_planned_any_more_is_drift() {
    let plan = plan();
    let fresh = Plan { items: Vec::new(), ..plan.clone() };
    assert!(plan.drift(&fresh).contains(&"member/members: separate rows 10 -> 0".to_owned()));
}

fn order(datasets: &[&Dataset]) -> Result<Vec<String>, OrderCycle> {
    in_order(datasets).map(|ordered| ordered.into_iter().map(|dataset| dataset.table.clone()).collect())
}

#[test]
fn datasets_whose_events_come_through_a_table_stand_before_it() {
    let members = dataset("member", "members");
    let (orders, payments) = (through("contract", "orders", "members"), through("payment", "payments", "orders"));
    assert_eq!(order(&[&members, &orders, &payments]).unwrap(), ["payments", "orders", "members"]);
}

#[test]
fn rows_that_a_root_waits_for_stand_before_it() {
    let mut members = dataset("member", "members");
    members.children.push(waiting_for("complaints", "members"));
    let complaints = dataset("complaint", "complaints");
    assert_eq!(order(&[&members, &complaints]).unwrap(), ["complaints", "members"]);
}

#[test]
fn rows_whose_link_would_be_cut_move_before_it_is() {
    let mut members = dataset("member", "members");
    members.children.push(Child { edge: Edge::Unlink, ..waiting_for("complaints", "members") });
    let complaints = dataset("complaint", "complaints");
    assert_eq!(order(&[&members, &complaints]).unwrap(), ["complaints", "members"]);
}

#[test]
fn datasets_that_do_not_concern_each_other_keep_the_order_of_the_file() {
    let (visits, logs) = (dataset("visit", "visits"), dataset("log", "logs"));
    assert_eq!(order(&[&visits, &logs]).unwrap(), ["visits", "logs"]);
    let elsewhere = Dataset { source: "other".into(), ..through("contract", "orders", "members") };
    let members = dataset("member", "members");
    assert_eq!(order(&[&members, &elsewhere]).unwrap(), ["members", "orders"], "another source's members");
}

#[test]
fn a_table_is_the_same_with_and_without_its_schema_and_in_any_case() {
    for (here, there) in [("members", "public.members"), ("public.members", "members"), ("Members", "MEMBERS")] {
        let members = dataset("member", here);
        let orders = through("contract", "orders", there);
        assert_eq!(order(&[&members, &orders]).unwrap(), ["orders", here], "{here} and {there}");
        let mut members = dataset("member", here);
        members.children.push(waiting_for("complaints", here));
        let complaints = dataset("complaint", "PUBLIC.Complaints");
        assert_eq!(order(&[&members, &complaints]).unwrap(), ["PUBLIC.Complaints", here]);
    }
    let members = dataset("member", "public.members");
    let archived = through("contract", "orders", "archive.members");
    assert_eq!(order(&[&members, &archived]).unwrap(), ["public.members", "orders"], "another schema's");
    // What only looks like a circle is none.
    let (ours, theirs) = (through("a", "a", "archive.b"), through("b", "b", "a"));
    assert_eq!(order(&[&ours, &theirs]).unwrap(), ["b", "a"]);
}

#[test]
fn datasets_that_need_each_other_first_are_named() {
    let (a, b) = (through("a", "a", "b"), through("b", "b", "a"));
    let free = dataset("free", "free");
    let cycle = order(&[&a, &free, &b]).unwrap_err();
    assert_eq!(cycle, OrderCycle { tables: vec!["a".to_owned(), "b".to_owned()] });
    assert_eq!(cycle.to_string(), "datasets wait for each other: a, b");
}
