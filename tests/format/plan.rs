//! The reviewed plan of the worked example.

use retentiond::domain::{
    guard::{Guard, Hit},
    id::Digest,
    plan::{Destruction, Item, Plan, PolicyRef, Separation},
};

use crate::example::{at, children, rule, withdrawn};

/// The plan of 2026-11-17 at 03:05 in Seoul.
pub fn plan(policy: Digest) -> Plan {
    let separation = Separation {
        rule: rule(),
        dataset: "members".to_owned(),
        source: "shop".into(),
        rows: 2,
        children: children(),
        unlinked: Default::default(),
        shared: Default::default(),
        sooner: Default::default(),
        outlived: 0,
        weak: Default::default(),
        held: 0,
        waiting: 0,
        overdue: 0,
        cutoff: at("2026-11-11T15:00:00Z"),
        oldest: Some(withdrawn()),
    };
    let destruction = Destruction { rule: rule(), buckets: 0, rows: 0, held: 0, waiting: 0, overdue: 0 };
    let mut plan = Plan {
        now: "2026-11-17T03:05:00+09:00".parse().unwrap(),
        simulation: false,
        policy: PolicyRef { version: "1.0".to_owned(), digest: policy },
        rule: None,
        items: vec![Item::Separate(separation), Item::Destroy(destruction)],
        anomalies: Vec::new(),
        guards: vec![Hit { guard: Guard::TableShareMax, rule: rule(), limit: 0.2, value: 0.25 }],
        digest: Digest([0; 32]),
    };
    plan.digest = plan.computed_digest().unwrap();
    plan
}
