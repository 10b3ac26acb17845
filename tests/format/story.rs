//! The ledger of the worked example: every type of entry at least once, in an
//! order in which a program writes them, run by run.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use retentiond::domain::{
    deployment::WipeLevel,
    id::{Digest, RuleId, RunId},
    ledger::event::{
        DestroyIntent, DestroyOutcome, DestroyResult, Event, ManualRecord, RestoreIntent, RestoreResult,
        SeparateIntent, SeparateResult,
    },
    residue::{self, ClosedBy, Location, Sample, State},
    selection::Cause,
    verdict::{Finding, Verdict},
};

use crate::{
    document::case_text,
    example::{BATCH, ORIGIN, at, batch_digest, children, policy, restored_digest, rule, withdrawn},
};

/// What one command appended: each inner list at once.
pub struct Command {
    pub run: RunId,
    pub time: DateTime<Utc>,
    pub appends: Vec<Vec<Event>>,
}

const ON_FLASH: &str = "the root lay on flash, and flash may keep old copies of a block";
const NOT_DECLARED: &str = "source shop: what becomes of freed blocks below the engine is not declared (medium)";
const CASE: &str = "019aa000-0000-7000-8000-000000000003.2";
const RESTORATION: &str = "019aa000-0000-7000-8000-000000000004.1";
const DESTRUCTION: &str = "019aa000-0000-7000-8000-000000000005.1";

fn command(number: u8, time: &str, appends: Vec<Vec<Event>>) -> Command {
    Command { run: RunId(format!("019aa000-0000-7000-8000-00000000000{number}")), time: at(time), appends }
}

/// One entry an append, as flows write them.
fn single(events: Vec<Event>) -> Vec<Vec<Event>> {
    events.into_iter().map(|event| vec![event]).collect()
}

pub fn commands(plan: Digest) -> Vec<Command> {
    let review = Event::Refused {
        what: "review".to_owned(),
        rule: None,
        limit: "a reviewed plan".to_owned(),
        value: "2 rows".to_owned(),
    };
    vec![
        command(1, "2026-11-15T23:00:00Z", vec![vec![opened(), adopted()]]),
        command(2, "2026-11-16T18:00:00Z", single(vec![review])),
        command(3, "2026-11-16T18:10:00Z", single(separation(plan))),
        command(4, "2026-11-18T01:00:00Z", single(restoration())),
        command(5, "2026-11-20T18:00:00Z", single(destruction())),
        command(6, "2026-11-21T18:00:00Z", single(vec![Event::Heartbeat {}])),
        command(7, "2026-11-24T02:00:00Z", single(vec![Event::ManualRecorded(on_paper())])),
    ]
}

fn opened() -> Event {
    Event::LedgerOpened { origin: ORIGIN.to_owned(), simulation: false, version: "0.1.0".to_owned() }
}

fn adopted() -> Event {
    Event::policy_adopted(&policy(&case_text("rules.toml")).0, None).unwrap()
}

fn separation(plan: Digest) -> Vec<Event> {
    let intent = SeparateIntent {
        batch: BATCH.into(),
        rule: rule(),
        source: "shop".into(),
        dataset: "members".to_owned(),
        cause: Cause::Event("withdrawal".into()),
        records: 2,
        children: children(),
        buckets: 1,
        first: withdrawn(),
        last: withdrawn(),
        again: 0,
        digest: batch_digest(),
    };
    let tables = || vec!["addresses".to_owned(), "members".to_owned()];
    vec![
        Event::RunStarted {
            plan: Some(plan),
            by: Some("K. Officer".to_owned()),
            accepted_guards: vec!["table_share_max".to_owned()],
            rule: None,
        },
        Event::SeparateIntent(intent),
        Event::SeparateOutcome { batch: BATCH.into(), result: SeparateResult::Committed, reason: None },
        Event::WipeStarted { source: "shop".into(), tables: tables(), level: WipeLevel::Rewrite },
        Event::WipeFinished {
            source: "shop".into(),
            tables: tables(),
            method: "secure_delete, VACUUM, truncating checkpoint".to_owned(),
            tool: "SQLite 3.50.4".to_owned(),
            rewritten: 8_192,
            elapsed_ms: 14,
            owed: false,
            finding: Finding::pass(),
        },
        Event::ResidueScanned(searched(tables())),
        Event::ResidueClosed { case: CASE.into(), by: ClosedBy::Scan, finding: Finding::unknown(NOT_DECLARED) },
        finished(Verdict::Unknown, 2, 0),
    ]
}

fn searched(tables: Vec<String>) -> residue::Scan {
    let clean = |name: &str, bytes| Location {
        state: State::Clean,
        files: u64::from(bytes > 0),
        bytes,
        reason: None,
        ..Location::unsearched(name, "")
    };
    residue::Scan {
        case: CASE.into(),
        source: "shop".into(),
        rules: vec![rule()],
        tables,
        batches: vec![BATCH.into()],
        sample: Sample { rows: 3, values: 4, short: 5, living: 0 },
        locations: vec![clean("main", 8_192), clean("wal", 0), clean("journal", 0)],
        elapsed_ms: 2,
        finding: Finding::unknown(NOT_DECLARED),
    }
}

fn restoration() -> Vec<Event> {
    let intent = RestoreIntent {
        operation: RESTORATION.into(),
        by: "L. Support".to_owned(),
        reason: "ticket 5521: the member did not withdraw".to_owned(),
        source: "shop".into(),
        records: BTreeMap::from([(rule(), 1)]),
        keep_event: false,
        segments: vec![(1, vec![1])],
        digest: restored_digest(),
    };
    vec![
        Event::RestoreIntent(intent),
        Event::RestoreOutcome { operation: RESTORATION.into(), result: RestoreResult::Committed, reason: None },
    ]
}

fn destruction() -> Vec<Event> {
    let intent = DestroyIntent {
        operation: DESTRUCTION.into(),
        rule: rule(),
        hold: None,
        dates: vec![withdrawn()],
        segments: 1,
        records: 1,
        children: children(),
        epoch: 1,
        fields: BTreeMap::from([
            (
                "shop.addresses".to_owned(),
                ["door", "id", "latitude", "member_id", "note", "street"].map(str::to_owned).to_vec(),
            ),
            ("shop.members".to_owned(), ["email", "id", "withdrawn_at"].map(str::to_owned).to_vec()),
        ]),
        holidays: None,
    };
    let outcome = DestroyOutcome {
        operation: DESTRUCTION.into(),
        rule: rule(),
        result: DestroyResult::Destroyed,
        buckets: 1,
        records: 1,
        children: children(),
        first: withdrawn(),
        last: withdrawn(),
        due: Some(at("2026-11-20T15:00:00Z")),
        latest: Some(at("2026-11-25T15:00:00Z")),
        late_seconds: 0,
        finding: Finding::unknown(ON_FLASH),
    };
    vec![
        Event::RunStarted { plan: None, by: None, accepted_guards: Vec::new(), rule: None },
        Event::DestroyIntent(intent),
        Event::KeyDestroyed {
            operation: DESTRUCTION.into(),
            epoch: 1,
            keys: 1,
            method: "key epoch replaced; root overwritten, read back and unlinked".to_owned(),
            finding: Finding::unknown(ON_FLASH),
        },
        Event::CiphertextDeleted { operation: DESTRUCTION.into(), segments: 1, bytes: 941 },
        Event::DestroyOutcome(outcome),
        finished(Verdict::Unknown, 0, 1),
    ]
}

fn on_paper() -> ManualRecord {
    ManualRecord {
        operation: "019aa000-0000-7000-8000-000000000007.1".into(),
        what: "membership applications on paper".to_owned(),
        rule: Some(rule()),
        fields: vec!["name".to_owned(), "address".to_owned()],
        method: "shredded".to_owned(),
        count: 3,
        unit: "boxes".to_owned(),
        created: Some(withdrawn()),
        destroyed: withdrawn() + TimeDelta::days(9),
        place: "archive, Seoul".to_owned(),
        by: "P. Archive".to_owned(),
        witness: "K. Officer".to_owned(),
        reason: Some("period over".to_owned()),
        attachment: Some(Digest::of(b"a photograph")),
    }
}

fn finished(verdict: Verdict, separated: u64, destroyed: u64) -> Event {
    let none: Vec<RuleId> = Vec::new();
    Event::RunFinished { verdict, separated, left: 0, destroyed, failed: none.clone(), refused: none }
}
