//! Followed ledgers: what fits, and each way not to.

use proptest::prelude::*;

use super::*;
use crate::domain::{
    id::Digest,
    ledger::{
        event::{DestroyResult, Event, VERSION},
        line::tests::every_kind,
    },
};

/// Lines of a ledger that was opened and then refused things.
fn lines(count: u64) -> Vec<Vec<u8>> {
    let event = |seq| match seq {
        0 => Event::LedgerOpened { origin: "example.org/shop".into(), simulation: false, version: "0".into() },
        _ => Event::Refused { what: "clock".into(), rule: None, limit: "1".into(), value: seq.to_string() },
    };
    let entry = |seq: u64| Entry {
        v: VERSION,
        seq,
        time: DateTime::UNIX_EPOCH + TimeDelta::hours(i64::try_from(seq).unwrap()),
        event: event(seq),
        run: "r".into(),
        policy: Digest::of(b"p"),
        actor: "root".into(),
        host: "h".into(),
    };
    (0..count).map(|seq| line::write(&entry(seq)).unwrap()).collect()
}

fn head(lines: &[Vec<u8>]) -> Head {
    let mut tree = Tree::default();
    lines.iter().for_each(|line| tree.append(line));
    head_of(&tree)
}

fn known(head: Head) -> Claim {
    Claim { head, place: Place::Known("kept.txt".into()) }
}

fn audit(lines: &[Vec<u8>], claims: Vec<Claim>) -> Vec<String> {
    let mut audit = Audit::new(claims, Some("example.org/shop".into()), None);
    for line in lines {
        audit.line(line, |_| {});
    }
    audit.finish().problems.into_texts()
}

#[test]
fn every_earlier_head_of_the_same_ledger_is_consistent_with_it() {
    let lines = lines(20);
    let claims = (0..=20).map(|size| known(head(&lines[..size]))).collect();
    assert_eq!(audit(&lines, claims), Vec::<String>::new());
}

#[test]
fn a_head_newer_than_the_ledger_shows_that_it_was_truncated() {
    let lines = lines(5);
    let problems = audit(&lines[..3], vec![known(head(&lines))]);
    assert_eq!(problems, ["kept.txt: truncated: it was signed at size 5, the ledger has 3"]);
}

#[test]
fn a_head_with_another_root_shows_a_fork() {
    let lines = lines(5);
    for size in 0..=5 {
        let other = Head { root: Digest::of(b"other"), ..head(&lines[..size]) };
        let problems = audit(&lines, vec![known(other)]);
        assert_eq!(problems, [format!("kept.txt: forked: the ledger has another root at size {size}")]);
    }
}

#[test]
fn dropped_swapped_inserted_and_repeated_lines_are_found_by_the_signed_head_and_by_their_numbers() {
    let good = lines(6);
    let signed = Claim { head: head(&good), place: Place::Current };
    let mut changed: Vec<Vec<Vec<u8>>> = Vec::new();
    for at in 0..good.len() {
        let mut dropped = good.clone();
        dropped.remove(at);
        changed.push(dropped);
        let mut repeated = good.clone();
        repeated.insert(at, good[at].clone());
        changed.push(repeated);
        let mut inserted = good.clone();
        inserted.insert(at, lines(9)[8].clone());
        changed.push(inserted);
        for other in 0..at {
            let mut swapped = good.clone();
            swapped.swap(at, other);
            changed.push(swapped);
        }
    }
    for lines in changed {
        assert!(!audit(&lines, vec![signed.clone()]).is_empty());
        // Without the last line dropped, the numbers alone show it.
        assert!(lines == good[..5] || !audit(&lines, vec![]).is_empty());
    }
}

#[test]
fn silence_is_a_problem_only_when_it_is_longer_than_asked_for() {
    let lines = lines(3);
    let silence = |max| {
        let mut audit = Audit::new(vec![], None, Some(max));
        lines.iter().for_each(|line| {
            audit.line(line, |_| {});
        });
        audit.finish().problems.into_texts()
    };
    assert_eq!(silence(TimeDelta::hours(1)), Vec::<String>::new());
    assert_eq!(
        silence(TimeDelta::minutes(59)),
        ["line 2: 3600 seconds of silence before it", "line 3: 3600 seconds of silence before it"]
    );
}

#[test]
fn a_ledger_of_another_origin_is_not_taken_for_ours() {
    let mut audit = Audit::new(vec![], Some("example.org/other".into()), None);
    audit.line(&lines(1)[0], |_| {});
    assert_eq!(audit.finish().problems.into_texts().len(), 1);
}

#[test]
fn problems_are_bounded_and_counted() {
    let garbage = vec![b"{".to_vec(); 250];
    let problems = audit(&garbage, vec![]);
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100], "and 150 more");
}

#[test]
fn the_verdict_needs_a_comparison_from_outside() {
    let head = head(&lines(1));
    let verdict = |problems: &Problems, compared| Verification::conclude(head, problems.clone(), compared, &[]).verdict;
    let mut bad = Problems::default();
    bad.add("x".into());
    assert_eq!(verdict(&Problems::default(), true), Verdict::Intact);
    assert_eq!(verdict(&Problems::default(), false), Verdict::Undecided);
    assert_eq!(verdict(&bad, true), Verdict::Tampered);
    assert_eq!(verdict(&bad, false), Verdict::Tampered);
    let json = serde_json::to_value(Verification::conclude(head, bad, true, &[])).unwrap();
    assert_eq!(json["verdict"], "tampered");
    assert_eq!(json["entries"], 1);
    assert_eq!(json["problems"][0], "x");
    assert_eq!(json["root"].as_str().unwrap().len(), 44);
}

/// Any event, of one of two batches or destructions where it is a step of one.
fn event() -> impl Strategy<Value = Event> {
    let kinds = every_kind();
    (0..kinds.len(), any::<bool>(), any::<bool>()).prop_map(move |(kind, other, destroyed)| {
        let id = if other { "a" } else { "b" };
        let mut event = kinds[kind].clone();
        match &mut event {
            Event::SeparateIntent(intent) => intent.batch = id.into(),
            Event::SeparateOutcome { batch, .. } => *batch = id.into(),
            Event::DestroyIntent(intent) => intent.operation = id.into(),
            Event::KeyDestroyed { operation, .. } | Event::CiphertextDeleted { operation, .. } => {
                *operation = id.into();
            }
            Event::DestroyOutcome(outcome) => {
                outcome.operation = id.into();
                outcome.result = if destroyed { DestroyResult::Destroyed } else { DestroyResult::Abandoned };
            }
            _ => {}
        }
        event
    })
}

proptest! {
    #[test]
    fn pairing_only_finds_the_same_problems(
        events in prop::collection::vec(event().prop_filter("is a step", |event| Step::of(event).is_some()), 1..40),
        stranger in event(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut events = events;
        events.insert(at.index(events.len() + 1), stranger);
        let mut lines = lines(1);
        for (event, seq) in events.into_iter().zip(1..) {
            let mut entry = line::read(&lines[0]).unwrap();
            (entry.seq, entry.event) = (seq, event);
            lines.push(line::write(&entry).unwrap());
        }
        let problems = |audit: Audit| {
            let mut audit = audit;
            lines.iter().for_each(|line| drop(audit.line(line, |_| {})));
            let audited = audit.finish();
            (audited.problems.into_texts(), audited.head)
        };
        let audit = || Audit::new(vec![], Some("example.org/shop".into()), None);
        prop_assert_eq!(problems(audit()), problems(audit().pairing_only()));
    }
}
