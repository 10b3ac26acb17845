//! From entries to evidence: what a certificate may say, who stands on it, and
//! which entries a period has.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Asia::Seoul;

use super::{AccessKind, Evidence, Fold, Location, Period};
use crate::domain::{
    deployment::WipeLevel,
    hold::Category,
    id::Digest,
    ledger::event::{
        DestroyIntent, DestroyOutcome, DestroyResult, Entry, Event, HoldPlaced, ReadIntent, StepResult, VERSION,
    },
    residue::{self, ClosedBy, Sample, Scan, State},
    verdict::{Finding, Verdict},
};

const DAY: &str = "2026-11-20";

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Folds events that follow each other by a second, in run `r`.
fn evidence(events: Vec<Event>) -> Evidence {
    let mut fold = Fold::new(Period { from: date(DAY), to: date(DAY) }, Seoul);
    for (seq, event) in (0..).zip(events) {
        let time = at("2026-11-20T01:00:00Z") + TimeDelta::seconds(i64::try_from(seq).unwrap());
        let (run, policy) = ("r".into(), Digest::of(b"p"));
        fold.entry(&Entry { v: VERSION, seq, time, event, run, policy, actor: "root".into(), host: "h".into() });
    }
    fold.finish()
}

fn started() -> Event {
    Event::RunStarted {
        plan: Some(Digest::of(b"plan")),
        by: Some("K. Officer".into()),
        accepted_guards: vec![],
        rule: None,
    }
}

fn wiped(finding: Finding) -> Vec<Event> {
    let tables = || vec!["members".to_owned()];
    let (method, tool) = ("VACUUM".to_owned(), "SQLite".to_owned());
    vec![
        Event::WipeStarted { source: "shop".into(), tables: tables(), level: WipeLevel::Rewrite },
        Event::WipeFinished {
            source: "shop".into(),
            tables: tables(),
            method,
            tool,
            rewritten: 0,
            elapsed_ms: 1,
            owed: false,
            finding,
        },
    ]
}

fn scanned(until: Option<&str>) -> Event {
    let state = if until.is_some() { State::Residue } else { State::Clean };
    let location = residue::Location { state, until: until.map(at), ..residue::Location::unsearched("wal", "kept") };
    Event::ResidueScanned(Scan {
        case: "c".into(),
        source: "shop".into(),
        rules: vec!["member".into()],
        tables: vec!["members".into()],
        batches: vec![],
        sample: Sample::default(),
        locations: vec![location],
        elapsed_ms: 1,
        finding: if until.is_some() { Finding::unknown("in the wal") } else { Finding::pass() },
    })
}

fn destroyed(finding: Finding) -> Vec<Event> {
    let operation = || "o".into();
    let children = BTreeMap::new();
    vec![
        Event::DestroyIntent(DestroyIntent {
            operation: operation(),
            rule: "member".into(),
            hold: None,
            dates: vec![date("2026-11-10")],
            segments: 1,
            records: 2,
            children: children.clone(),
            epoch: 1,
            fields: BTreeMap::from([("shop.members".to_owned(), vec!["email".to_owned()])]),
            holidays: None,
        }),
        Event::KeyDestroyed { operation: operation(), epoch: 1, keys: 1, method: "m".into(), finding: finding.clone() },
        Event::CiphertextDeleted { operation: operation(), segments: 1, bytes: 9 },
        Event::DestroyOutcome(DestroyOutcome {
            operation: operation(),
            rule: "member".into(),
            result: DestroyResult::Destroyed,
            buckets: 1,
            records: 2,
            children,
            first: date("2026-11-10"),
            last: date("2026-11-10"),
            due: Some(at("2026-11-15T15:00:00Z")),
            latest: Some(at("2026-11-20T15:00:00Z")),
            late_seconds: 0,
            finding,
        }),
    ]
}

fn closed() -> Event {
    Event::ResidueClosed { case: "c".into(), by: ClosedBy::Scan, finding: Finding::pass() }
}

fn all(parts: Vec<Vec<Event>>) -> Vec<Event> {
    parts.into_iter().flatten().collect()
}

#[test]
fn a_destruction_is_complete_only_where_every_part_of_it_was_verified() {
    let pass = Finding::pass;
    let whole = || vec![vec![started()], wiped(pass()), vec![scanned(None)], destroyed(pass()), vec![closed()]];
    let verdict = |parts: Vec<Vec<Event>>| {
        let done = evidence(all(parts)).destructions.remove(0);
        assert_eq!(done.completed(), done.verdict == Verdict::Pass);
        done.verdict
    };
    assert_eq!(verdict(whole()), Verdict::Pass);
    for missing in [1, 2, 4] {
        let mut parts = whole();
        parts.remove(missing);
        assert_eq!(verdict(parts), Verdict::Unknown, "without part {missing}");
    }
    for (place, other) in [(1, wiped(Finding::unknown("busy"))), (3, destroyed(Finding::unknown("flash")))] {
        let mut parts = whole();
        parts[place] = other;
        assert_eq!(verdict(parts), Verdict::Unknown, "part {place}");
    }
    let mut parts = whole();
    parts[1] = wiped(Finding::fail("refused"));
    assert_eq!(verdict(parts), Verdict::Fail);
    // A wipe that was begun again and not ended takes back what was said before.
    let mut parts = whole();
    parts.insert(2, wiped(pass()).into_iter().take(1).collect());
    assert_eq!(verdict(parts), Verdict::Unknown);
}

#[test]
fn what_lingers_has_a_date_and_is_over_when_its_case_is_closed() {
    let until = "2026-12-25T00:00:00Z";
    let open = all(vec![wiped(Finding::pass()), vec![scanned(Some(until))], destroyed(Finding::pass())]);
    let told = evidence(open.clone());
    let part = told.destructions[0].parts.last().unwrap();
    assert_eq!(part.location, Location::Residue("shop".into()));
    assert_eq!((part.until, part.finding.verdict), (Some(at(until)), Verdict::Unknown));
    assert_eq!((told.residues.len(), told.residues[0].until), (1, Some(at(until))));
    let told = evidence(all(vec![open, vec![closed()]]));
    assert_eq!(told.destructions[0].verdict, Verdict::Pass);
    assert_eq!(told.residues[0].closed, Some(ClosedBy::Scan));
}

#[test]
fn a_certificate_names_who_reviewed_and_approved_before_and_who_confirmed_after() {
    let approved = Event::PlanApproved { plan: Digest::of(b"plan"), by: "A. Officer".into() };
    let confirmed = Event::RunConfirmed { confirmed: "r".into(), by: "C. Officer".into() };
    let told = evidence(all(vec![vec![approved, started()], destroyed(Finding::pass()), vec![confirmed]]));
    let done = &told.destructions[0];
    assert_eq!(done.reviewed_by.as_deref(), Some("K. Officer"));
    assert_eq!(done.approved_by.as_deref(), Some("A. Officer"));
    assert_eq!(done.confirmed_by.as_deref(), Some("C. Officer"));
    assert_eq!(done.confirmed, Some(at("2026-11-20T01:00:06Z")));
    let bare = evidence(all(vec![vec![started()], destroyed(Finding::pass())]));
    assert_eq!((&bare.destructions[0].approved_by, &bare.destructions[0].confirmed_by), (&None, &None));
}

#[test]
fn a_look_into_the_store_has_its_five_fields_and_its_outcome() {
    let intent = ReadIntent {
        operation: "o".into(),
        by: "L. Desk".into(),
        reason: "court order".into(),
        rule: None,
        whose: Digest::of(b"person"),
    };
    let outcome = Event::ReadOutcome { operation: "o".into(), records: 3, result: StepResult::Done };
    let told = evidence(vec![Event::ReadIntent(intent.clone()), outcome]);
    let access = &told.accesses[0];
    assert_eq!((access.kind, access.by.as_str(), access.reason.as_str()), (AccessKind::Read, "L. Desk", "court order"));
    assert_eq!((access.actor.as_str(), access.host.as_str(), access.digest), ("root", "h", Digest::of(b"person")));
    assert_eq!((access.shown, access.outcome), (Some(3), Some("done")));
    let open = evidence(vec![Event::ReadIntent(intent)]);
    assert_eq!((open.accesses[0].outcome, open.open[0].kind), (None, "read.intent"));
}

#[test]
fn a_hold_is_shown_while_it_was_in_force_and_with_who_lifted_it() {
    let placed = || {
        Event::HoldPlaced(HoldPlaced {
            hold: "h1".into(),
            rule: Some("member".into()),
            dataset: None,
            whose: None,
            category: Category::Litigation,
            review: date("2027-01-01"),
            freeze: false,
            by: "C. Counsel".into(),
            placed: at("2026-11-20T01:00:00Z"),
        })
    };
    let lifted = Event::HoldLifted { hold: "h1".into(), by: "J. Judge".into(), reason: "settled".into() };
    let told = evidence(vec![placed()]);
    assert_eq!((told.holds.len(), &told.holds[0].lifted_by), (1, &None));
    let told = evidence(vec![placed(), lifted]);
    assert_eq!(told.holds[0].lifted_by.as_deref(), Some("J. Judge"));
    assert_eq!(told.holds[0].lift_reason.as_deref(), Some("settled"));
}

#[test]
fn a_period_has_its_own_days_in_the_policys_zone_and_what_is_open_whatever_its_date() {
    let mut fold = Fold::new(Period { from: date(DAY), to: date(DAY) }, Seoul);
    // 00:00 of the 20th in Seoul is 15:00 of the 19th in UTC.
    let times = ["2026-11-19T14:59:59Z", "2026-11-19T15:00:00Z", "2026-11-20T14:59:59Z", "2026-11-20T15:00:00Z"];
    for (seq, time) in (0..).zip(times) {
        let event = Event::Refused { what: "clock".into(), rule: None, limit: "1".into(), value: "2".into() };
        let (run, policy) = ("r".into(), Digest::of(b"p"));
        let (actor, host) = ("root".into(), "h".into());
        fold.entry(&Entry { v: VERSION, seq, time: at(time), event, run, policy, actor, host });
    }
    let told = fold.finish();
    assert_eq!(told.refusals.iter().map(|refusal| refusal.seq).collect::<Vec<_>>(), [1, 2]);
    let open = evidence(destroyed(Finding::pass()).into_iter().take(2).collect());
    assert_eq!((open.destructions.len(), open.open.len(), open.open[0].kind), (0, 1, "destroy.intent"));
}
