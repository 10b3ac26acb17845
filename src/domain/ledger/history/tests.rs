//! What a history remembers, and the sequences that it refuses.

use chrono::{NaiveDate, TimeDelta};

use super::*;
use crate::domain::{
    deployment::WipeLevel,
    ledger::event::{DestroyIntent, RestoreResult, SeparateResult},
    selection::Cause,
    verdict::{Finding, Verdict},
};

/// Builds entries with running numbers and times.
struct Script {
    history: History,
    run: &'static str,
    policy: Digest,
}

impl Script {
    /// A ledger that was opened and adopted policy `a`.
    fn opened() -> Self {
        let mut script = Self { history: History::default(), run: "init", policy: Digest::of(b"a") };
        script.say(Event::LedgerOpened { origin: "example.org/shop".into(), simulation: true, version: "0".into() });
        script.say(adopted());
        script
    }

    fn entry(&self, event: Event) -> Entry {
        let seq = self.history.entries;
        let time = DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(seq).unwrap());
        let (run, actor, host) = (self.run.into(), "root".into(), "h".into());
        Entry { v: VERSION, seq, time, event, run, policy: self.policy, actor, host }
    }

    fn try_say(&mut self, event: Event) -> Result<(), HistoryError> {
        let entry = self.entry(event);
        let before = format!("{:?}", self.history);
        let result = self.history.record(&entry);
        if result.is_err() {
            assert_eq!(before, format!("{:?}", self.history), "an error changed the history");
        }
        result
    }

    fn say(&mut self, event: Event) {
        self.try_say(event).unwrap();
    }

    fn start(&mut self, run: &'static str, plan: Option<Digest>) {
        self.run = run;
        self.say(Event::RunStarted { plan, by: None, accepted_guards: vec![], rule: None });
    }

    fn finish(&mut self) {
        self.say(finished());
    }

    /// A whole batch of `rule` with `records`.
    fn move_batch(&mut self, batch: &str, rule: &str, records: u64, result: SeparateResult) {
        self.say(separate(batch, rule, records));
        self.say(separated(batch, result));
    }
}

fn adopted() -> Event {
    Event::PolicyAdopted {
        title: "t".into(),
        version: "1".into(),
        effective: NaiveDate::default(),
        by: None,
        document: None,
    }
}

fn finished() -> Event {
    Event::RunFinished { verdict: Verdict::Pass, separated: 3, left: 0, destroyed: 0, failed: vec![], refused: vec![] }
}

fn separate(batch: &str, rule: &str, records: u64) -> Event {
    Event::SeparateIntent(SeparateIntent {
        batch: batch.into(),
        rule: rule.into(),
        source: "shop".into(),
        dataset: "members".into(),
        cause: Cause::Due,
        records,
        children: BTreeMap::new(),
        buckets: 1,
        first: NaiveDate::default(),
        last: NaiveDate::default(),
        again: 0,
        digest: Digest::of(b""),
    })
}

fn separated(batch: &str, result: SeparateResult) -> Event {
    Event::SeparateOutcome { batch: batch.into(), result, reason: None }
}

fn restore(operation: &str) -> Event {
    Event::RestoreIntent(RestoreIntent {
        operation: operation.into(),
        by: "officer".into(),
        reason: "withdrawn by mistake".into(),
        source: "shop".into(),
        records: BTreeMap::new(),
        keep_event: false,
        segments: vec![],
        digest: Digest::of(b""),
    })
}

fn destroy(operation: &str) -> Event {
    let (rule, dates) = ("member".into(), vec![NaiveDate::default()]);
    Event::DestroyIntent(DestroyIntent {
        operation: operation.into(),
        rule,
        hold: None,
        dates,
        segments: 1,
        records: 1,
        children: BTreeMap::new(),
        epoch: 1,
        fields: BTreeMap::new(),
        holidays: None,
    })
}

fn key_destroyed(operation: &str) -> Event {
    let (operation, method) = (operation.into(), "file".into());
    Event::KeyDestroyed { operation, epoch: 1, keys: 1, method, finding: Finding::unknown("flash") }
}

fn ciphertext_deleted(operation: &str) -> Event {
    Event::CiphertextDeleted { operation: operation.into(), segments: 1, bytes: 10 }
}

fn destroyed(operation: &str, result: DestroyResult) -> Event {
    Event::DestroyOutcome(DestroyOutcome {
        operation: operation.into(),
        rule: "member".into(),
        result,
        buckets: 1,
        records: 1,
        children: BTreeMap::new(),
        first: NaiveDate::default(),
        last: NaiveDate::default(),
        due: None,
        latest: None,
        late_seconds: 0,
        finding: Finding::pass(),
    })
}

fn wipe_started(table: &str) -> Event {
    Event::WipeStarted { source: "shop".into(), tables: vec![table.into()], level: WipeLevel::Rewrite }
}

fn wipe_finished(table: &str) -> Event {
    let (source, tables) = ("shop".into(), vec![table.into()]);
    let (method, tool, finding) = ("vacuum".into(), "sqlite".into(), Finding::pass());
    Event::WipeFinished { source, tables, method, tool, rewritten: 0, elapsed_ms: 1, owed: false, finding }
}

#[test]
fn the_first_entry_opens_the_ledger_and_no_other_does() {
    let mut empty = Script { history: History::default(), run: "r", policy: Digest::of(b"a") };
    assert_eq!(empty.try_say(adopted()), Err(HistoryError::NotOpened));
    let mut script = Script::opened();
    assert!(script.history.opened.as_ref().unwrap().simulation);
    let again = Event::LedgerOpened { origin: "o".into(), simulation: false, version: "0".into() };
    assert_eq!(script.try_say(again), Err(HistoryError::OpenedTwice));
}

#[test]
fn numbers_times_and_versions_that_do_not_follow_are_refused() {
    let mut script = Script::opened();
    let good = script.entry(adopted());
    let refused = |history: &mut History, change: &dyn Fn(&mut Entry)| {
        let mut entry = good.clone();
        change(&mut entry);
        history.record(&entry).unwrap_err()
    };
    let history = &mut script.history;
    assert_eq!(refused(history, &|e| e.seq = 3), HistoryError::Sequence { expected: 2, found: 3 });
    assert_eq!(refused(history, &|e| e.seq = 1), HistoryError::Sequence { expected: 2, found: 1 });
    assert_eq!(refused(history, &|e| e.v = 2), HistoryError::Version { found: 2 });
    assert!(matches!(refused(history, &|e| e.time -= TimeDelta::seconds(5)), HistoryError::TimeWentBack { .. }));
    history.record(&good).unwrap();
}

#[test]
fn a_policy_counts_as_reviewed_when_a_run_with_a_plan_has_finished_under_it() {
    let mut script = Script::opened();
    script.start("r1", None);
    script.finish();
    assert_eq!(script.history.reviewed, None);
    script.start("r2", Some(Digest::of(b"plan")));
    assert_eq!(script.history.reviewed, None);
    script.finish();
    assert_eq!(script.history.reviewed, Some(Digest::of(b"a")));
}

#[test]
fn adopting_a_policy_asks_for_a_new_review() {
    let mut script = Script::opened();
    script.start("r1", Some(Digest::of(b"plan")));
    script.finish();
    script.policy = Digest::of(b"b");
    script.say(adopted());
    assert_eq!(script.history.policy.as_ref().unwrap().digest, Digest::of(b"b"));
    assert_eq!(script.history.reviewed, None);
}

#[test]
fn a_reviewed_run_that_a_new_policy_interrupts_reviews_neither_policy() {
    let mut script = Script::opened();
    script.start("r1", Some(Digest::of(b"plan")));
    script.policy = Digest::of(b"b");
    script.say(adopted());
    script.finish();
    assert_eq!(script.history.reviewed, None);
}

#[test]
fn a_reviewed_run_that_never_finished_does_not_count_when_the_next_one_finishes() {
    let mut script = Script::opened();
    script.start("crashed", Some(Digest::of(b"plan")));
    script.start("next", None);
    script.finish();
    assert_eq!(script.history.reviewed, None);
}

#[test]
fn a_run_finishes_once_and_only_after_it_has_started() {
    let mut script = Script::opened();
    script.run = "r1";
    assert!(matches!(script.try_say(finished()), Err(HistoryError::WithoutIntent { .. })));
    script.start("r1", None);
    let again = Event::RunStarted { plan: None, by: None, accepted_guards: vec![], rule: None };
    assert!(matches!(script.try_say(again), Err(HistoryError::Repeated { .. })));
    script.finish();
    assert_eq!(script.history.last_finished.as_ref().unwrap().separated, 3);
    assert!(matches!(script.try_say(finished()), Err(HistoryError::WithoutIntent { .. })));
}

#[test]
fn intents_stay_open_in_order_until_their_own_outcome() {
    let mut script = Script::opened();
    script.start("r1", None);
    script.say(separate("b1", "member", 1));
    script.say(separate("b2", "member", 1));
    script.say(restore("o1"));
    assert!(script.history.has_open_intents());
    script.say(separated("b1", SeparateResult::RolledBack));
    let open: Vec<_> = script.history.open_separations.iter().map(|open| open.intent.batch.as_str()).collect();
    assert_eq!(open, ["b2"]);
    assert_eq!(script.history.open_separations[0].run, RunId::from("r1"));
    script.say(separated("b2", SeparateResult::Committed));
    script.say(Event::RestoreOutcome { operation: "o1".into(), result: RestoreResult::Committed, reason: None });
    assert!(!script.history.has_open_intents());
}

#[test]
fn an_outcome_without_an_intent_is_a_broken_ledger() {
    let mut script = Script::opened();
    let restored = Event::RestoreOutcome { operation: "o".into(), result: RestoreResult::Committed, reason: None };
    for event in [
        separated("b", SeparateResult::Committed),
        restored,
        key_destroyed("o"),
        ciphertext_deleted("o"),
        destroyed("o", DestroyResult::Abandoned),
        wipe_finished("members"),
    ] {
        assert!(matches!(script.try_say(event), Err(HistoryError::WithoutIntent { .. })));
    }
}

#[test]
fn an_intent_that_is_still_open_may_not_be_repeated() {
    let mut script = Script::opened();
    for intent in [separate("b", "member", 1), restore("o"), destroy("d")] {
        script.say(intent.clone());
        assert!(matches!(script.try_say(intent), Err(HistoryError::Repeated { .. })));
    }
}

#[test]
fn a_destruction_goes_key_then_ciphertext_then_outcome() {
    let mut script = Script::opened();
    script.say(destroy("d"));
    assert!(matches!(script.try_say(ciphertext_deleted("d")), Err(HistoryError::OutOfOrder { .. })));
    assert!(matches!(script.try_say(destroyed("d", DestroyResult::Destroyed)), Err(HistoryError::OutOfOrder { .. })));
    script.say(key_destroyed("d"));
    assert!(matches!(script.try_say(key_destroyed("d")), Err(HistoryError::Repeated { .. })));
    assert!(matches!(script.try_say(destroyed("d", DestroyResult::Abandoned)), Err(HistoryError::OutOfOrder { .. })));
    let step = &script.history.open_destructions[0];
    assert_eq!(step.key_destroyed.as_ref().unwrap().finding, Finding::unknown("flash"));
    assert_eq!(step.ciphertext_deleted, None);
    assert!(matches!(script.try_say(destroyed("d", DestroyResult::Destroyed)), Err(HistoryError::OutOfOrder { .. })));
    script.say(ciphertext_deleted("d"));
    assert!(matches!(script.try_say(ciphertext_deleted("d")), Err(HistoryError::Repeated { .. })));
    script.say(destroyed("d", DestroyResult::Destroyed));
    assert!(script.history.open_destructions.is_empty());
}

#[test]
fn a_destruction_is_abandoned_only_while_the_keys_are_there() {
    let mut script = Script::opened();
    script.say(destroy("d"));
    script.say(destroyed("d", DestroyResult::Abandoned));
    assert!(!script.history.has_open_intents());
}

#[test]
fn a_wipe_is_open_for_the_tables_that_were_not_finished() {
    let mut script = Script::opened();
    script.say(wipe_started("members"));
    script.say(wipe_started("orders"));
    script.say(wipe_started("orders"));
    script.say(wipe_finished("members"));
    assert_eq!(script.history.open_wipes[&SourceName::from("shop")], BTreeSet::from(["orders".to_owned()]));
    assert!(matches!(script.try_say(wipe_finished("members")), Err(HistoryError::WithoutIntent { .. })));
    script.say(wipe_finished("orders"));
    assert!(script.history.open_wipes.is_empty());
}

#[test]
fn a_wipe_that_failed_is_still_open() {
    let mut script = Script::opened();
    script.say(wipe_started("members"));
    let Event::WipeFinished { source, tables, method, tool, elapsed_ms, .. } = wipe_finished("members") else {
        unreachable!("it is a wipe")
    };
    let finding = Finding::fail("a reader kept the log");
    script.say(Event::WipeFinished { source, tables, method, tool, rewritten: 0, elapsed_ms, owed: false, finding });
    assert!(!script.history.open_wipes.is_empty());
    script.say(wipe_started("members"));
    script.say(wipe_finished("members"));
    assert!(script.history.open_wipes.is_empty());
}

#[test]
fn finished_runs_are_remembered_by_rule_with_what_they_committed() {
    let mut script = Script::opened();
    script.start("r1", None);
    script.move_batch("b1", "member", 10, SeparateResult::Committed);
    script.move_batch("b2", "member", 5, SeparateResult::Committed);
    script.move_batch("b3", "contract", 7, SeparateResult::RolledBack);
    let member = RuleId::from("member");
    assert_eq!(script.history.separated_before(&member).count(), 0);
    script.finish();
    script.start("idle", None);
    script.finish();
    script.start("crashed", None);
    script.move_batch("b4", "member", 99, SeparateResult::Committed);
    script.start("r3", None);
    script.move_batch("b5", "member", 2, SeparateResult::Committed);
    script.finish();
    assert_eq!(script.history.separated_before(&member).collect::<Vec<_>>(), [15, 2]);
    assert_eq!(script.history.separated_before(&"contract".into()).count(), 0);
}

#[test]
fn only_the_last_runs_are_remembered() {
    let mut script = Script::opened();
    for number in 0..35 {
        let run: &'static str = Box::leak(format!("r{number}").into_boxed_str());
        script.start(run, None);
        script.move_batch(run, "member", number + 1, SeparateResult::Committed);
        script.finish();
    }
    let remembered: Vec<_> = script.history.separated_before(&"member".into()).collect();
    assert_eq!(remembered, (6..=35).collect::<Vec<u64>>());
}

#[test]
fn a_policy_stands_in_the_ledger_only_under_its_own_digest() {
    let mut script = Script::opened();
    let document = serde_json::json!({ "version": "2" });
    let adopted = |document: &serde_json::Value| Event::PolicyAdopted {
        title: "t".into(),
        version: "2".into(),
        effective: NaiveDate::default(),
        by: Some("officer".into()),
        document: Some(document.clone()),
    };
    assert_eq!(script.try_say(adopted(&document)), Err(HistoryError::OtherPolicy));
    script.policy = canonical::digest(&document).unwrap();
    script.say(adopted(&document));
}
