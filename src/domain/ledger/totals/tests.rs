//! What counts, and what does not.

use super::*;
use crate::domain::{
    fixture::{at, date},
    id::{Digest, OperationId, RunId},
    ledger::event::{DestroyOutcome, SeparateIntent, VERSION},
    selection::Cause,
    verdict::{Finding, Verdict},
};

fn total(events: Vec<Event>) -> Totals {
    let mut totals = Totals::default();
    for (seq, event) in (0..).zip(events) {
        totals.add(&Entry {
            v: VERSION,
            seq,
            time: at("2026-11-22T03:00:00Z"),
            event,
            run: RunId("run".to_owned()),
            policy: Digest([0; 32]),
            actor: String::new(),
            host: String::new(),
        });
    }
    totals
}

fn intent(batch: &str, records: u64) -> Event {
    Event::SeparateIntent(SeparateIntent {
        batch: BatchId(batch.to_owned()),
        rule: "member".into(),
        source: "shop".into(),
        dataset: "members".to_owned(),
        cause: Cause::Due,
        records,
        children: BTreeMap::new(),
        buckets: 1,
        first: date("2026-11-01"),
        last: date("2026-11-01"),
        again: 0,
        digest: Digest([0; 32]),
    })
}

fn outcome(batch: &str, result: SeparateResult) -> Event {
    Event::SeparateOutcome { batch: BatchId(batch.to_owned()), result, reason: None }
}

fn finished(failed: &[&str], refused: &[&str]) -> Event {
    let rules = |rules: &[&str]| rules.iter().map(|rule| (*rule).into()).collect();
    let (failed, refused) = (rules(failed), rules(refused));
    Event::RunFinished { verdict: Verdict::Pass, separated: 0, left: 0, destroyed: 0, failed, refused }
}

#[test]
fn only_committed_batches_count_whenever_their_outcome_comes() {
    let totals = total(vec![
        intent("one", 5),
        intent("two", 7),
        outcome("two", SeparateResult::RolledBack),
        intent("three", 11),
        outcome("one", SeparateResult::Committed),
    ]);
    assert_eq!(totals.separated, BTreeMap::from([("member".into(), 5)]), "an open batch has not left yet");
    assert_eq!(totals.entries, 5);
}

#[test]
fn a_destruction_counts_with_its_lateness_and_an_abandoned_one_does_not() {
    let outcome = |result, records, late_seconds| {
        Event::DestroyOutcome(DestroyOutcome {
            operation: OperationId("op".to_owned()),
            rule: "member".into(),
            result,
            buckets: 1,
            records,
            children: BTreeMap::new(),
            first: date("2026-11-01"),
            last: date("2026-11-01"),
            due: None,
            latest: None,
            late_seconds,
            finding: Finding::pass(),
        })
    };
    let totals = total(vec![outcome(DestroyResult::Destroyed, 5, 60), outcome(DestroyResult::Abandoned, 7, 0)]);
    assert_eq!((totals.destroyed[&"member".into()], totals.late_seconds), (5, vec![60]));
}

#[test]
fn a_cycle_in_which_a_rule_failed_or_was_refused_is_no_success() {
    assert!(total(vec![finished(&[], &[])]).last_success.is_some());
    for (failed, refused) in [(&["member"][..], &[][..]), (&[][..], &["member"][..])] {
        let totals = total(vec![finished(failed, refused)]);
        assert_eq!((totals.last_success, totals.last_finished.is_some()), (None, true));
    }
    let totals = total(vec![finished(&["member"], &[]), finished(&[], &[])]);
    assert!(totals.failed.is_empty(), "the last cycle is what counts");
}
