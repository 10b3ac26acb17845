//! One event of every kind.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};

use super::entry;
use crate::domain::{
    deployment::WipeLevel,
    hold::Category,
    id::Digest,
    ledger::event::{
        DestroyIntent, DestroyOutcome, DestroyResult, Event, HoldPlaced, LedgerDropped, LedgerPruned, ManualRecord,
        Missing, ReadIntent, RestoreIntent, RestoreResult, SeparateResult, StepResult, VaultAcknowledged,
    },
    residue::{self, ClosedBy, State},
    verdict::{Finding, Verdict},
};

fn destroy_outcome() -> DestroyOutcome {
    DestroyOutcome {
        operation: "o".into(),
        rule: "r".into(),
        result: DestroyResult::Abandoned,
        buckets: 1,
        records: 2,
        children: BTreeMap::from([("t".to_owned(), 1)]),
        first: NaiveDate::default(),
        last: NaiveDate::default(),
        due: Some(DateTime::UNIX_EPOCH),
        latest: None,
        late_seconds: 3,
        finding: Finding::unknown("flash \"disk\""),
    }
}

fn manual_record() -> ManualRecord {
    ManualRecord {
        operation: "o".into(),
        what: "가입 신청서".into(),
        rule: Some("member".into()),
        fields: vec!["이름".into()],
        method: "분쇄".into(),
        count: 3,
        unit: "boxes".into(),
        created: Some(NaiveDate::default()),
        destroyed: NaiveDate::default(),
        place: "p".into(),
        by: "b".into(),
        witness: "w".into(),
        reason: Some("period over".into()),
        attachment: Some(Digest::of(b"photograph")),
    }
}

fn residue_scan() -> residue::Scan {
    let until = Some(DateTime::UNIX_EPOCH);
    let found = residue::Location { state: State::Residue, files: 1, bytes: 2, found: 3, until, ..unsearched("wal") };
    let unsearched = residue::Location { places: vec!["pg_wal/1".to_owned()], ..unsearched("others") };
    residue::Scan {
        case: "c".into(),
        source: "s".into(),
        rules: vec!["r".into()],
        tables: vec!["t".to_owned()],
        batches: vec!["b".into()],
        sample: residue::Sample { rows: 1, values: 2, short: 3, living: 4 },
        locations: vec![found, unsearched],
        elapsed_ms: 5,
        finding: Finding::fail("3 sampled values"),
    }
}

fn unsearched(name: &str) -> residue::Location {
    residue::Location::unsearched(name, "no \"privilege\"")
}

/// The kind before, so that a new kind of event cannot be forgotten here.
fn kind_before(event: &Event) -> Option<Event> {
    let (digest, date) = (Digest::of(b"d"), NaiveDate::default());
    let finding = Finding::unknown("flash \"disk\"");
    let (some, tables) = (Some("why".to_owned()), vec!["members".to_owned()]);
    Some(match event {
        Event::VaultCleared { .. } => Event::VaultAcknowledged(VaultAcknowledged {
            found: digest,
            by: "b".into(),
            reason: "r".into(),
            knows: 1,
            missing: BTreeMap::from([("member".into(), Missing { at_least: 2, at_most: 3 })]),
            destroyed: 4,
        }),
        Event::VaultAcknowledged(_) => {
            Event::ReadOutcome { operation: "o".into(), records: 1, result: StepResult::Done }
        }
        Event::ReadOutcome { .. } => Event::ReadIntent(ReadIntent {
            operation: "o".into(),
            by: "b".into(),
            reason: "r".into(),
            rule: some.map(|rule| rule.as_str().into()),
            whose: digest,
        }),
        Event::ReadIntent(_) => Event::RunConfirmed { confirmed: "r".into(), by: "b".into() },
        Event::RunConfirmed { .. } => Event::PlanApproved { plan: digest, by: "b".into() },
        Event::PlanApproved { .. } => {
            Event::HoldSealed { operation: "o".into(), records: 1, result: StepResult::Interrupted }
        }
        Event::HoldSealed { .. } => {
            Event::HoldSealing { operation: "o".into(), hold: "h".into(), rule: "r".into(), date, records: 1 }
        }
        Event::HoldSealing { .. } => Event::HoldLifted { hold: "h".into(), by: "b".into(), reason: "r".into() },
        Event::HoldLifted { .. } => Event::HoldPlaced(HoldPlaced {
            hold: "h".into(),
            rule: Some("r".into()),
            dataset: some,
            whose: Some(digest),
            category: Category::Litigation,
            review: date,
            freeze: true,
            by: "b".into(),
            placed: DateTime::UNIX_EPOCH,
        }),
        Event::HoldPlaced(_) => Event::LedgerRekeyed { by: "b".into(), previous: "k".into(), next: "n".into() },
        Event::LedgerRekeyed { .. } => Event::LedgerDropped(LedgerDropped { cut: 256, lines: 200 }),
        Event::LedgerDropped(_) => Event::LedgerPruned(LedgerPruned {
            by: "b".into(),
            before: date,
            cut: 256,
            dropped: 200,
            kept: 56,
            file: digest,
            root: digest,
        }),
        Event::LedgerPruned(_) => Event::Heartbeat {},
        Event::Heartbeat {} => Event::ManualRecorded(manual_record()),
        Event::ManualRecorded(_) => {
            Event::Refused { what: "guard".into(), rule: Some("r".into()), limit: "1".into(), value: "2".into() }
        }
        Event::Refused { .. } => Event::ResidueClosed { case: "c".into(), by: ClosedBy::Date, finding },
        Event::ResidueClosed { .. } => Event::ResidueScanned(residue_scan()),
        Event::ResidueScanned(_) => Event::WipeFinished {
            source: "s".into(),
            tables,
            method: "m".into(),
            tool: "t".into(),
            rewritten: 5,
            elapsed_ms: 1,
            owed: true,
            finding,
        },
        Event::WipeFinished { .. } => Event::WipeStarted { source: "s".into(), tables, level: WipeLevel::Engine },
        Event::WipeStarted { .. } => Event::DestroyOutcome(destroy_outcome()),
        Event::DestroyOutcome(_) => Event::CiphertextDeleted { operation: "o".into(), segments: 1, bytes: 2 },
        Event::CiphertextDeleted { .. } => {
            Event::KeyDestroyed { operation: "o".into(), epoch: 1, keys: 2, method: "m".into(), finding }
        }
        Event::KeyDestroyed { .. } => Event::DestroyIntent(DestroyIntent {
            operation: "o".into(),
            rule: "r".into(),
            hold: Some("h".into()),
            dates: vec![date],
            segments: 1,
            records: 2,
            children: BTreeMap::from([("t".to_owned(), 1)]),
            epoch: 3,
            fields: BTreeMap::from([("shop.members".to_owned(), vec!["email".to_owned()])]),
            holidays: Some(digest),
        }),
        Event::DestroyIntent(_) => {
            Event::RestoreOutcome { operation: "o".into(), result: RestoreResult::RolledBack, reason: some }
        }
        Event::RestoreOutcome { .. } => Event::RestoreIntent(RestoreIntent {
            operation: "o".into(),
            by: "b".into(),
            reason: "r".into(),
            source: "s".into(),
            records: BTreeMap::from([("member".into(), 1)]),
            keep_event: true,
            segments: vec![(1, vec![2, 3])],
            digest,
        }),
        Event::RestoreIntent(_) => {
            Event::SeparateOutcome { batch: "b".into(), result: SeparateResult::Committed, reason: None }
        }
        Event::SeparateOutcome { .. } => entry(&[("t", 1)]).event,
        Event::SeparateIntent(_) => Event::RunFinished {
            verdict: Verdict::Unknown,
            separated: 1,
            left: 4,
            destroyed: 2,
            failed: vec!["f".into()],
            refused: vec![],
        },
        Event::RunFinished { .. } => Event::RunStarted {
            plan: Some(digest),
            by: some,
            accepted_guards: vec!["rows_max".into()],
            rule: Some("r".into()),
        },
        Event::RunStarted { .. } => {
            let document = Some(serde_json::json!({ "rules": [{ "id": "member", "reason": null }] }));
            Event::PolicyAdopted { title: "제목".into(), version: "1".into(), effective: date, by: some, document }
        }
        Event::PolicyAdopted { .. } => {
            Event::LedgerOpened { origin: "o".into(), simulation: true, version: "0".into() }
        }
        Event::LedgerOpened { .. } => return None,
    })
}

pub(in crate::domain::ledger) fn every_kind() -> Vec<Event> {
    let (found, in_vault) = (Digest::of(b"d"), BTreeMap::from([("member".into(), 1)]));
    let last = Event::VaultCleared { found, buckets: 1, segments: 2, records: 3, in_vault };
    std::iter::successors(Some(last), kind_before).collect()
}
