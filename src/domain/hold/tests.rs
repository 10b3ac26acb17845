//! What a hold covers, which buckets it keeps, and how its end moves a deadline.

use super::*;
use crate::domain::{
    fixture::{at, bucket, dataset, date, policy},
    holiday::Holidays,
};

fn hold(id: &str, reach: Reach) -> Hold {
    Hold {
        id: id.into(),
        reach,
        freeze: false,
        category: Category::Litigation,
        review: date("2026-12-01"),
        placed_at: at("2026-01-10T00:00:00Z"),
        by: "counsel".to_owned(),
        reason: "case 2026-17".to_owned(),
    }
}

fn on_rule(rule: &str) -> Reach {
    Reach { rule: Some(rule.into()), ..Reach::default() }
}

fn on_subject(subject: &str) -> Reach {
    Reach { whose: Some(Whose::Subject(subject.to_owned())), ..Reach::default() }
}

fn registered(holds: Vec<Hold>) -> Holds {
    Holds::registered(&History::default(), holds)
}

#[test]
fn a_hold_on_a_person_covers_their_records_in_every_dataset_that_has_a_subject() {
    let holds = registered(vec![hold("h", on_subject("7"))]);
    let with = Dataset { subject: Some("id".to_owned()), ..dataset("member", "members") };
    let held = holds.within(&with);
    assert!(held.any.covers(b"100", Some(b"7")));
    assert!(!held.any.covers(b"7", Some(b"70")), "a key is no subject");
    assert!(!held.any.covers(b"7", None));
    assert!(held.frozen.is_empty(), "only a freeze keeps a record in its source");
    assert!(holds.within(&dataset("member", "members")).any.is_empty(), "without a subject nobody is named");
}

#[test]
fn every_part_of_a_reach_narrows_it() {
    let reach = Reach { dataset: Some("orders".to_owned()), ..on_rule("contract") };
    let holds = registered(vec![hold("h", reach)]);
    assert!(holds.within(&dataset("contract", "orders")).any.all);
    assert!(holds.within(&dataset("contract", "invoices")).any.is_empty());
    assert!(holds.within(&dataset("member", "orders")).any.is_empty());
    assert!(!holds.keep(&bucket("contract", "2026-01-10")), "other datasets of the rule may lie in it");
}

#[test]
fn a_freeze_covers_what_it_holds_in_the_source_too() {
    let frozen = Hold { freeze: true, ..hold("h", on_subject("7")) };
    let with = Dataset { subject: Some("id".to_owned()), ..dataset("member", "members") };
    let held = registered(vec![frozen, hold("g", on_subject("8"))]).within(&with);
    assert!(held.frozen.covers(b"1", Some(b"7")) && !held.frozen.covers(b"1", Some(b"8")));
    assert!(held.any.covers(b"1", Some(b"7")) && held.any.covers(b"1", Some(b"8")));
}

#[test]
fn a_bucket_is_kept_by_a_hold_on_its_rule_and_by_the_hold_that_it_belongs_to() {
    let holds = registered(vec![hold("h", on_rule("member")), hold("g", on_subject("7"))]);
    let of = |rule: &str, hold: Option<&str>| {
        BucketId::of(&rule.into(), hold.map(HoldId::from).as_ref(), date("2026-01-10"))
    };
    assert!(holds.keep(&of("member", None)));
    assert!(holds.keep(&of("member", Some("ended"))), "its rule is held");
    assert!(holds.keep(&of("contract", Some("g"))));
    assert!(!holds.keep(&of("contract", Some("ended"))));
    assert!(!holds.keep(&of("contract", None)));
}

#[test]
fn a_held_bucket_is_named_after_its_rule_and_its_hold() {
    let held = BucketId::of(&"member".into(), Some(&"h-1".into()), date("2026-01-10"));
    assert_eq!(held.to_string(), "member+h-1/2026-01-10");
    assert_eq!(held.to_string().parse::<BucketId>().unwrap(), held);
    assert_eq!((held.policy_rule(), held.hold()), ("member".into(), Some("h-1".into())));
    assert_eq!(bucket("member", "2026-01-10").hold(), None);
}

#[test]
fn a_lift_counts_the_deadline_anew_and_leaves_the_due_as_it_was() {
    let (policy, holidays) = (policy(), Holidays::default());
    let calendar = Calendar::new(&policy, &holidays);
    let term = calendar.term(&policy.rules[0], date("2026-01-10"));
    let mut holds = registered(Vec::new());
    let ended = Standing { id: "h".into(), whole_rule: None };
    holds.lifted.push((ended, at("2026-03-01T12:00:00+09:00")));
    let own = BucketId::of(&"member".into(), Some(&"h".into()), date("2026-01-10"));
    let moved = holds.term(&calendar, &own, term);
    assert_eq!((moved.due, moved.latest), (term.due, at("2026-03-07T00:00:00+09:00")));
    assert_eq!(holds.term(&calendar, &bucket("member", "2026-01-10"), term), term, "the hold never kept this one");
}

#[test]
fn a_hold_that_the_ledger_says_is_lifted_is_not_in_force() {
    let mut history = History::default();
    let placed = crate::domain::ledger::history::HoldOnRecord {
        rule: Some("member".into()),
        dataset: None,
        whose: None,
        category: Category::Dispute,
        review: date("2026-12-01"),
        freeze: false,
        by: "counsel".to_owned(),
        placed: at("2026-01-10T00:00:00Z"),
    };
    history.lifted.insert("h".into(), (placed, at("2026-02-01T00:00:00Z")));
    let holds = Holds::registered(&history, vec![hold("h", on_rule("member"))]);
    assert!(holds.named().is_empty() && !holds.keep(&bucket("member", "2026-01-10")));
}

#[test]
fn nothing_that_prints_a_hold_says_whom_it_is_about() {
    let shown = format!("{:?}", hold("h", on_subject("haneul@example.com")));
    assert!(!shown.contains("haneul"), "{shown}");
}

#[test]
fn only_a_bucket_without_held_records_is_cleared() {
    let mut clearance = Clearance::default();
    clearance.note(&bucket("member", "2026-01-10"), 0);
    clearance.note(&bucket("member", "2026-01-11"), 1);
    assert!(clearance.has(&bucket("member", "2026-01-10")));
    assert!(!clearance.has(&bucket("member", "2026-01-11")));
    assert!(!clearance.has(&bucket("member", "2026-01-12")), "what was not searched is not cleared");
}
