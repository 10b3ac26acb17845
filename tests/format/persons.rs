//! Entries in which a person decides or looks at something. They stand beside the
//! ledger of the worked example, each as a line of its own.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use retentiond::domain::{
    hold::Category,
    id::Digest,
    ledger::event::{
        Entry, Event, HoldPlaced, LedgerDropped, LedgerPruned, Missing, ReadIntent, StepResult, VaultAcknowledged,
    },
};

use crate::{
    example::{at, rule, withdrawn},
    policy_digest,
};

const HOLD: &str = "019aa000-0000-7000-8000-000000000006";
const RUN: &str = "019aa000-0000-7000-8000-000000000003";

fn events() -> Vec<Event> {
    let operation = |number: u8| format!("{RUN}.{number}").as_str().into();
    let placed = HoldPlaced {
        hold: HOLD.into(),
        rule: Some(rule()),
        dataset: Some("members".to_owned()),
        whose: Some(Digest::of(b"a keyed digest")),
        category: Category::Litigation,
        review: NaiveDate::from_ymd_opt(2027, 5, 20).unwrap(),
        freeze: false,
        by: "C. Counsel".to_owned(),
        placed: at("2026-11-19T01:00:00Z"),
    };
    let read = ReadIntent {
        operation: operation(2),
        by: "L. Support".to_owned(),
        reason: "request of the person, ticket 5522".to_owned(),
        rule: Some(rule()),
        whose: Digest::of(b"a keyed digest"),
    };
    let found = Digest::of(b"what was shown");
    let acknowledged = VaultAcknowledged {
        found,
        by: "O. Operator".to_owned(),
        reason: "the disk of Tuesday is lost".to_owned(),
        knows: 12,
        missing: BTreeMap::from([(rule(), Missing { at_least: 2, at_most: 3 })]),
        destroyed: 1,
    };
    let pruned = LedgerPruned {
        by: "K. Officer".to_owned(),
        before: NaiveDate::from_ymd_opt(2021, 11, 1).unwrap(),
        cut: 5120,
        dropped: 4711,
        kept: 409,
        file: Digest::of(b"what is kept"),
        root: Digest::of(b"the root"),
    };
    vec![
        Event::HoldPlaced(placed),
        Event::HoldSealing { operation: operation(1), hold: HOLD.into(), rule: rule(), date: withdrawn(), records: 1 },
        Event::HoldSealed { operation: operation(1), records: 1, result: StepResult::Done },
        Event::HoldLifted { hold: HOLD.into(), by: "C. Counsel".to_owned(), reason: "settled".to_owned() },
        Event::PlanApproved { plan: Digest::of(b"a plan"), by: "K. Officer".to_owned() },
        Event::RunConfirmed { confirmed: RUN.into(), by: "K. Officer".to_owned() },
        Event::ReadIntent(read),
        Event::ReadOutcome { operation: operation(2), records: 1, result: StepResult::Done },
        Event::LedgerRekeyed { by: "K. Officer".to_owned(), previous: "a key".to_owned(), next: "the next".to_owned() },
        Event::LedgerPruned(pruned),
        Event::LedgerDropped(LedgerDropped { cut: 5120, lines: 4711 }),
        Event::VaultAcknowledged(acknowledged),
        Event::VaultCleared { found, buckets: 1, segments: 1, records: 2, in_vault: BTreeMap::from([(rule(), 3)]) },
    ]
}

pub fn entries() -> Vec<Entry> {
    let entry = |(seq, event)| Entry {
        v: 1,
        seq,
        time: at("2026-11-19T02:00:00Z"),
        event,
        run: RUN.into(),
        policy: policy_digest(),
        actor: "retentiond".to_owned(),
        host: "db1".to_owned(),
    };
    (0..).zip(events()).map(entry).collect()
}
