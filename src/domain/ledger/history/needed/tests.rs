//! A history of what was kept answers for everything that lives as the history of
//! all lines does: over random sequences that a history accepts.

use std::collections::HashSet;

use chrono::{DateTime, Days, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::domain::{
    deployment::WipeLevel,
    hold::Category,
    ledger::event::{
        DestroyIntent, HoldPlaced, ReadIntent, RestoreIntent, RestoreResult, StepResult, VERSION, VaultAcknowledged,
    },
    residue::{ClosedBy, Sample},
    selection::Cause,
    verdict::Finding,
};

fn day(number: u8) -> NaiveDate {
    NaiveDate::default() + Days::new(number.into())
}

fn rule(number: u8) -> RuleId {
    ["member", "contract"][usize::from(number % 2)].into()
}

fn tables(number: u8) -> Vec<String> {
    [vec!["a"], vec!["b"], vec!["a", "b"]][usize::from(number % 3)].iter().map(|name| (*name).to_owned()).collect()
}

fn finding(number: u8) -> Finding {
    match number % 8 {
        0 => Finding::fail("found again"),
        1 => Finding::unknown("flash"),
        _ => Finding::pass(),
    }
}

fn result(done: u8) -> StepResult {
    if done.is_multiple_of(2) { StepResult::Done } else { StepResult::Interrupted }
}

/// What separates, puts back and destroys. Small numbers, so that things meet.
fn moved(kind: u8, one: u8, two: u8) -> Event {
    let (id, records) = (format!("{}", one % 5), u64::from(two) + 1);
    match kind {
        0 => Event::SeparateIntent(SeparateIntent {
            batch: id.as_str().into(),
            rule: rule(two),
            source: "shop".into(),
            dataset: "a".into(),
            cause: Cause::Due,
            records,
            children: BTreeMap::new(),
            buckets: 1,
            first: day(one),
            last: day(one.saturating_add(two % 3)),
            again: 0,
            digest: Digest::of(b"d"),
        }),
        1 => {
            let result = if two.is_multiple_of(4) { SeparateResult::RolledBack } else { SeparateResult::Committed };
            Event::SeparateOutcome { batch: id.as_str().into(), result, reason: None }
        }
        2 => Event::RestoreIntent(RestoreIntent {
            operation: id.as_str().into(),
            by: "b".into(),
            reason: "r".into(),
            source: "shop".into(),
            records: BTreeMap::from([(rule(two), 1)]),
            keep_event: false,
            segments: vec![],
            digest: Digest::of(b"d"),
        }),
        3 => Event::RestoreOutcome { operation: id.as_str().into(), result: RestoreResult::Committed, reason: None },
        4 => Event::DestroyIntent(DestroyIntent {
            operation: id.as_str().into(),
            rule: rule(two),
            hold: None,
            dates: vec![day(one), day(two)],
            segments: 1,
            records,
            children: BTreeMap::new(),
            epoch: u64::from(two),
            fields: BTreeMap::new(),
            holidays: None,
        }),
        5 => Event::KeyDestroyed {
            operation: id.as_str().into(),
            epoch: u64::from(two),
            keys: 1,
            method: "m".into(),
            finding: finding(two),
        },
        6 => Event::CiphertextDeleted { operation: id.as_str().into(), segments: 1, bytes: 2 },
        _ => Event::DestroyOutcome(DestroyOutcome {
            operation: id.as_str().into(),
            rule: rule(two),
            result: if two.is_multiple_of(5) { DestroyResult::Abandoned } else { DestroyResult::Destroyed },
            buckets: 1,
            records,
            children: BTreeMap::new(),
            first: day(one),
            last: day(two),
            due: None,
            latest: None,
            late_seconds: 0,
            finding: finding(two),
        }),
    }
}

/// What is wiped and searched for, and what people do.
fn done(kind: u8, one: u8, two: u8, runs: u32) -> Event {
    let id = format!("{}", one % 4);
    let (found, by) = (Digest::of(&[one % 2]), "b".to_owned());
    match kind {
        8 => Event::WipeStarted { source: "shop".into(), tables: tables(one), level: WipeLevel::Engine },
        9 => Event::WipeFinished {
            source: "shop".into(),
            tables: tables(one),
            method: "m".into(),
            tool: "t".into(),
            rewritten: u64::from(two),
            elapsed_ms: 1,
            owed: two.is_multiple_of(3),
            finding: finding(two),
        },
        10 => Event::ResidueScanned(Scan {
            case: id.as_str().into(),
            source: "shop".into(),
            rules: vec![rule(two)],
            tables: tables(one),
            batches: vec![],
            sample: Sample { rows: 1, values: 2, short: 0, living: 0 },
            locations: vec![],
            elapsed_ms: u64::from(two),
            finding: finding(two),
        }),
        11 => Event::ResidueClosed { case: id.as_str().into(), by: ClosedBy::Scan, finding: finding(two) },
        12 => Event::HoldPlaced(HoldPlaced {
            hold: format!("h{}", one % 32).as_str().into(),
            rule: Some(rule(two)),
            dataset: None,
            whose: None,
            category: Category::Other,
            review: day(two),
            freeze: false,
            by,
            placed: DateTime::UNIX_EPOCH,
        }),
        13 => Event::HoldLifted { hold: format!("h{}", one % 32).as_str().into(), by, reason: "r".into() },
        14 => Event::HoldSealing {
            operation: id.as_str().into(),
            hold: "h1".into(),
            rule: rule(two),
            date: day(two),
            records: 1,
        },
        15 => Event::HoldSealed { operation: id.as_str().into(), records: 1, result: result(two) },
        16 => Event::PlanApproved { plan: found, by },
        17 => Event::RunConfirmed { confirmed: format!("r{}", u32::from(one) % runs.max(1)).as_str().into(), by },
        18 => {
            let (operation, whose) = (id.as_str().into(), Digest::of(b"w"));
            Event::ReadIntent(ReadIntent { operation, by, reason: "r".into(), rule: None, whose })
        }
        19 => Event::ReadOutcome { operation: id.as_str().into(), records: 1, result: result(two) },
        20 => Event::VaultAcknowledged(VaultAcknowledged {
            found,
            by,
            reason: "r".into(),
            knows: u64::from(two),
            missing: BTreeMap::new(),
            destroyed: 0,
        }),
        21 => {
            let in_vault = BTreeMap::from([(rule(one), u64::from(two))]);
            Event::VaultCleared { found, buckets: 0, segments: 0, records: 0, in_vault }
        }
        22 => {
            let (what, limit, value) =
                (["clock", "policy"][usize::from(one % 2)].to_owned(), "1".into(), two.to_string());
            Event::Refused { what, rule: two.is_multiple_of(3).then(|| rule(one)), limit, value }
        }
        _ => Event::Heartbeat {},
    }
}

fn of_a_run(kind: u8, one: u8, two: u8) -> Event {
    match kind {
        24 | 25 => Event::RunStarted {
            plan: one.is_multiple_of(2).then(|| Digest::of(&[one / 2 % 2])),
            by: None,
            accepted_guards: vec![],
            rule: two.is_multiple_of(4).then(|| rule(one)),
        },
        26 | 27 => Event::RunFinished {
            verdict: Verdict::Pass,
            separated: 1,
            left: 0,
            destroyed: u64::from(two % 2),
            failed: vec![],
            refused: vec![],
        },
        _ => Event::PolicyAdopted {
            title: "t".into(),
            version: two.to_string(),
            effective: day(two),
            by: None,
            document: None,
        },
    }
}

/// A ledger of those of these events that can follow each other.
fn story(kinds: &[(u8, u8, u8)]) -> Vec<Entry> {
    let opened = Event::LedgerOpened { origin: "example.org/shop".into(), simulation: true, version: "0".into() };
    let (mut history, mut entries, mut runs) = (History::default(), Vec::<Entry>::new(), 0_u32);
    let told = kinds.iter().map(|(kind, one, two)| (*kind, *one, *two));
    for (kind, one, two) in [(28, 0, 0)].into_iter().chain(told) {
        let event = match kind {
            _ if entries.is_empty() => opened.clone(),
            0..8 => moved(kind, one, two),
            8..24 => done(kind, one, two, runs),
            _ => of_a_run(kind, one, two),
        };
        let starts = matches!(event, Event::RunStarted { .. });
        // Between two cycles commands are at work.
        let run =
            if starts || two % 7 > 0 { format!("r{}", runs - u32::from(runs > 0 && !starts)) } else { "c".into() };
        let seq = history.entries;
        let time = DateTime::UNIX_EPOCH + TimeDelta::hours(i64::try_from(seq).unwrap());
        let (policy, actor, host) = (Digest::of(b"p"), "root".to_owned(), "h".to_owned());
        let entry = Entry { v: VERSION, seq, time, event, run: run.as_str().into(), policy, actor, host };
        if history.record(&entry).is_ok() {
            runs += u32::from(starts);
            entries.push(entry);
        }
    }
    entries
}

/// What is not kept, since it does not live: holds that were lifted, approvals that
/// a run has used, and ends of runs that destroyed nothing and nobody confirms.
fn living(mut history: History, entries: &[Entry]) -> String {
    history.lifted.clear();
    history.unconfirmed.retain(|_, destroyed| *destroyed > 0);
    let used: HashSet<Digest> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::RunStarted { plan, .. } => *plan,
            _ => None,
        })
        .collect();
    history.approvals.retain(|plan, _| !used.contains(plan));
    format!("{history:#?}")
}

fn told(entries: &[Entry]) -> History {
    let mut history = History::default();
    entries.iter().for_each(|entry| history.record(entry).unwrap());
    history
}

/// What is left after a cut.
#[derive(Clone)]
struct Left {
    kept: Vec<Entry>,
    carried: Option<Carried>,
    rest: Vec<Entry>,
}

impl Left {
    fn whole(entries: &[Entry]) -> Self {
        Self { kept: Vec::new(), carried: None, rest: entries.to_vec() }
    }

    fn cut(&self, cut: u64, buckets: &BTreeSet<(RuleId, NaiveDate)>) -> Self {
        let confirmed = self.rest.iter().filter(|entry| entry.seq >= cut).filter_map(|entry| match &entry.event {
            Event::RunConfirmed { confirmed, .. } => Some(confirmed.clone()),
            _ => None,
        });
        let alive = Alive { buckets: buckets.clone(), confirmed: confirmed.collect() };
        let mut needed = Needed::new(&alive);
        self.kept.iter().for_each(|entry| needed.entry(entry).unwrap());
        self.carried.iter().for_each(|carried| needed.carry(carried));
        let (before, rest): (Vec<_>, Vec<_>) = self.rest.iter().cloned().partition(|entry| entry.seq < cut);
        before.iter().for_each(|entry| needed.entry(entry).unwrap());
        let wanted = needed.lines();
        let carried = Some(needed.history.carried());
        let kept = self.kept.iter().chain(&before).filter(|entry| wanted.contains(&entry.seq)).cloned().collect();
        Self { kept, carried, rest }
    }

    fn history(&self) -> History {
        let mut history = History::default();
        for entry in &self.kept {
            history.resume_at(entry.seq);
            history.record(entry).unwrap_or_else(|error| panic!("{error}: {entry:?} of {:#?}", self.kept));
        }
        self.carried.iter().for_each(|carried| history.carry(carried));
        self.rest.iter().for_each(|entry| history.record(entry).unwrap());
        history
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_kept_tells_of_everything_that_lives_what_all_lines_tell(
        kinds in prop::collection::vec((0..30_u8, any::<u8>(), any::<u8>()), 1..600),
        first in any::<prop::sample::Index>(),
        second in any::<prop::sample::Index>(),
        buckets in prop::collection::btree_set((0..2_u8, any::<u8>()), 0..6),
    ) {
        let entries = story(&kinds);
        let buckets: BTreeSet<_> = buckets.into_iter().map(|(of, date)| (rule(of), day(date))).collect();
        let place = |index: prop::sample::Index| index.index(entries.len()) as u64 + 1;
        let (one, two) = (place(first).min(place(second)), place(first).max(place(second)));
        let whole = told(&entries);
        let once = Left::whole(&entries).cut(one, &buckets);
        prop_assert_eq!(living(once.history(), &entries), living(whole.clone(), &entries));
        // What an earlier cut has left is cut again, and comes to the same.
        let twice = once.cut(two, &buckets);
        prop_assert_eq!(living(twice.history(), &entries), living(whole, &entries));
        prop_assert!(twice.kept.iter().map(|entry| entry.seq).is_sorted());
    }
}

#[test]
fn a_case_has_nothing_of_what_was_destroyed_before_the_last_run_began() {
    let destroyed = [(4, 136, 0), (5, 31, 0), (6, 181, 0), (10, 18, 109), (7, 131, 107)];
    let entries = story(&[&destroyed[..], &[(24, 0, 0), (10, 3, 119), (24, 0, 0), (23, 0, 0)]].concat());
    let whole = told(&entries);
    assert_eq!(whole.residues.cases.iter().map(|case| case.destroyed.len()).collect::<Vec<_>>(), [1, 0]);
    for cut in 1..=entries.len() as u64 {
        let left = Left::whole(&entries).cut(cut, &BTreeSet::new());
        assert_eq!(living(left.history(), &entries), living(whole.clone(), &entries), "{cut}");
    }
}

fn entry_of(entries: &[Entry], event: Event, run: &str) -> Entry {
    let seq = entries.len() as u64;
    let time = DateTime::UNIX_EPOCH + TimeDelta::hours(i64::try_from(seq).unwrap());
    let (policy, actor, host) = (Digest::of(b"p"), "root".to_owned(), "h".to_owned());
    Entry { v: VERSION, seq, time, event, run: run.into(), policy, actor, host }
}

#[test]
fn closed_buckets_runs_and_heartbeats_go_and_what_the_vault_holds_stays() {
    let run = [(24, 1, 1), (0, 1, 2), (1, 1, 1), (0, 2, 2), (1, 2, 1), (8, 0, 1), (9, 0, 4), (26, 0, 2)];
    let mut entries: Vec<Entry> = Vec::new();
    let begin = Event::LedgerOpened { origin: "o".into(), simulation: true, version: "0".into() };
    entries.push(entry_of(&entries, begin, "init"));
    for number in 0..3_u8 {
        let name = format!("r{number}");
        for (kind, one, two) in run {
            let event = if kind >= 24 {
                of_a_run(kind, one, two)
            } else if kind < 8 {
                moved(kind, one, two)
            } else {
                done(kind, one, two, 1)
            };
            entries.push(entry_of(&entries, event, &name));
        }
        entries.push(entry_of(&entries, Event::Heartbeat {}, "daemon"));
    }
    // Batch 1 of each run is of days 1 to 3, batch 2 of days 2 to 4.
    let cut = entries.len() as u64;
    let kinds = |buckets: &[(RuleId, NaiveDate)]| -> Vec<u64> {
        let left = Left::whole(&entries).cut(cut, &buckets.iter().cloned().collect());
        left.kept.iter().map(|entry| entry.seq).collect()
    };
    // The last run and its wipe.
    assert_eq!(kinds(&[]), [0, 19, 24, 25, 26]);
    let rule = rule(2);
    assert_eq!(kinds(&[(rule.clone(), day(5))]), [0, 19, 24, 25, 26]);
    // Batches of the first day, each with its run.
    let first = kinds(&[(rule, day(1))]);
    assert_eq!(first, [0, 1, 2, 3, 8, 10, 11, 12, 17, 19, 20, 21, 24, 25, 26]);
}
