//! A small policy and its datasets, for the tests of decisions.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    calendar::Counting,
    deployment::{Child, Dataset, Edge, EventPlace, Guards, Mode, VerifyLevel, WipeLevel},
    event::{Column, EventColumn, Format},
    id::BucketId,
    policy::{Approval, Basis, Name, Officer, Policy, Rule},
};

pub fn at(instant: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(instant).unwrap().to_utc()
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn bucket(rule: &str, day: &str) -> BucketId {
    BucketId { rule: rule.into(), date: date(day) }
}

fn rule(id: &str, event: &str, keep: &str) -> Rule {
    Rule {
        id: id.into(),
        name: Name { ko: id.to_owned(), en: id.to_owned() },
        event: event.into(),
        keep: keep.parse().unwrap(),
        separate_on: vec!["withdrawal".into()],
        basis: Basis::Internal,
        reason: None,
        clause: None,
        approval: Approval::None,
    }
}

/// Members five days after their withdrawal, contracts five years.
pub fn policy() -> Policy {
    Policy {
        title: "Policy".to_owned(),
        version: "1.0".to_owned(),
        announced: date("2021-05-20"),
        effective: date("2021-05-27"),
        timezone: chrono_tz::Asia::Seoul,
        counting: Counting::KrCivil,
        destroy_within: "5 days".parse().unwrap(),
        cooling_off: "24 hours".parse().unwrap(),
        statutes: None,
        holidays: Vec::new(),
        officer: Officer { title: "officer".to_owned(), contact: "privacy@example.com".to_owned(), four_eyes: false },
        rules: vec![rule("member", "withdrawal", "5 days"), rule("contract", "contract", "5 years")],
    }
}

pub fn guards() -> Guards {
    Guards {
        rows_max: 100,
        table_share_max_ppm: 200_000,
        median_factor: 10,
        clock_skew_max: "30 seconds".parse().unwrap(),
        clock_jump_max: "8 days".parse().unwrap(),
        not_before: date("2000-01-01"),
    }
}

fn column(name: &str) -> EventColumn {
    EventColumn { column: Column::One(name.to_owned()), format: Format::Timestamp, zone: None, absent: Vec::new() }
}

pub fn dataset(rule: &str, table: &str) -> Dataset {
    Dataset {
        rule: rule.into(),
        source: "shop".into(),
        table: table.to_owned(),
        key: vec!["id".to_owned()],
        subject: None,
        events: BTreeMap::from([("withdrawal".into(), EventPlace::Own(column("withdrawn_at")))]),
        condition: None,
        mode: Mode::Move,
        wipe: WipeLevel::Engine,
        verify: VerifyLevel::None,
        sample: 200,
        children: Vec::new(),
    }
}

/// A dataset whose withdrawal is found through another table.
pub fn through(rule: &str, table: &str, parent: &str) -> Dataset {
    let place = EventPlace::Through {
        table: parent.to_owned(),
        on: vec![("parent_id".to_owned(), "id".to_owned())],
        column: column("withdrawn_at"),
    };
    Dataset { events: BTreeMap::from([("withdrawal".into(), place)]), ..dataset(rule, table) }
}

pub fn waiting_for(table: &str, parent: &str) -> Child {
    let on = vec![("parent_id".to_owned(), "id".to_owned())];
    Child { table: table.to_owned(), parent: parent.to_owned(), on, condition: None, edge: Edge::Wait }
}
