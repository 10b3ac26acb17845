//! The shop's policy, its datasets and its rows.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use retentiond::domain::{
    calendar::Counting,
    deployment::{
        Address, Child, Dataset, Deployment, Edge, EventPlace, Guards, Keys, Limits, Missed, Mode, Schedule,
        VerifyLevel, WipeLevel,
    },
    event::{Column, EventColumn, Format},
    id::SourceName,
    period::TimeSpan,
    policy::{Approval, Basis, Name, Officer, Policy, Rule},
    record::Cell,
    verdict::Finding,
};

use super::tables::{Database, ForeignKey, Left, Table, text};

fn rule(id: &str, event: &str, keep: &str, separate_on: &[&str]) -> Rule {
    Rule {
        id: id.into(),
        name: Name { ko: id.to_owned(), en: id.to_owned() },
        event: event.into(),
        keep: keep.parse().expect("a period"),
        separate_on: separate_on.iter().map(|event| (*event).into()).collect(),
        basis: Basis::Internal,
        reason: None,
        clause: None,
        approval: Approval::None,
    }
}

pub fn policy() -> Policy {
    Policy {
        title: "Policy".to_owned(),
        version: "1.0".to_owned(),
        announced: NaiveDate::from_ymd_opt(2021, 5, 20).expect("a date"),
        effective: NaiveDate::from_ymd_opt(2021, 5, 27).expect("a date"),
        timezone: chrono_tz::Asia::Seoul,
        counting: Counting::KrCivil,
        destroy_within: "5 days".parse().expect("a period"),
        cooling_off: "24 hours".parse().expect("a span"),
        statutes: None,
        holidays: Vec::new(),
        officer: Officer { title: "officer".to_owned(), contact: "privacy@example.com".to_owned(), four_eyes: false },
        rules: vec![
            rule("member", "withdrawal", "5 days", &["withdrawal"]),
            rule("contract", "contract", "5 years", &["withdrawal"]),
            rule("visit", "recorded", "3 months", &[]),
        ],
    }
}

pub fn guards() -> Guards {
    let days = |days| TimeSpan(TimeDelta::days(days));
    Guards {
        rows_max: 1_000_000,
        table_share_max_ppm: 1_000_000,
        median_factor: 1_000,
        clock_skew_max: days(1),
        clock_jump_max: days(8),
        not_before: NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date"),
    }
}

fn own_column(name: &str) -> EventColumn {
    EventColumn { column: Column::One(name.to_owned()), format: Format::Timestamp, zone: None, absent: Vec::new() }
}

fn on(here: &str, there: &str) -> Vec<(String, String)> {
    vec![(here.to_owned(), there.to_owned())]
}

fn child(table: &str, parent: &str, column: &str, edge: Edge) -> Child {
    Child { table: table.to_owned(), parent: parent.to_owned(), on: on(column, "id"), condition: None, edge }
}

fn dataset(rule: &str, source: &str, table: &str, subject: &str, event: &str, column: &str) -> Dataset {
    Dataset {
        rule: rule.into(),
        source: source.into(),
        table: table.to_owned(),
        key: vec!["id".to_owned()],
        subject: Some(subject.to_owned()),
        events: BTreeMap::from([(event.into(), EventPlace::Own(own_column(column)))]),
        condition: None,
        mode: Mode::Move,
        wipe: WipeLevel::Engine,
        verify: VerifyLevel::None,
        sample: 200,
        children: Vec::new(),
    }
}

/// Members stand before the orders that must move before them.
pub fn datasets() -> Vec<Dataset> {
    let mut members = dataset("member", "shop", "members", "id", "withdrawal", "withdrawn_at");
    members.children.push(child("addresses", "members", "member_id", Edge::Own));
    let mut orders = dataset("contract", "shop", "orders", "member_id", "contract", "ordered_at");
    let through = EventPlace::Through {
        table: "members".to_owned(),
        on: on("member_id", "id"),
        column: own_column("withdrawn_at"),
    };
    orders.events.insert("withdrawal".into(), through);
    orders.children.push(child("order_lines", "orders", "order_id", Edge::Own));
    orders.children.push(child("line_prices", "order_lines", "line_id", Edge::Own));
    let visits = dataset("visit", "log", "visits", "member_id", "recorded", "visited_at");
    vec![members, orders, visits]
}

pub fn deployment() -> Deployment {
    let zero = TimeSpan(TimeDelta::zero());
    Deployment {
        policy: String::new(),
        state_dir: String::new(),
        sources: Vec::new(),
        vault: retentiond::domain::deployment::Database { address: Address::File(String::new()), password: None },
        keys: Keys { kek: None },
        ledger_origin: "example.org/shop".to_owned(),
        schedule: Schedule { cycle: None, missed: Missed::RunOnce, window: None, jitter: zero },
        limits: Limits {
            batch_rows: 3,
            rows_per_second: 0,
            replica_lag_max: zero,
            lock_timeout: zero,
            statement_timeout: zero,
        },
        guards: guards(),
        metrics: None,
        datasets: datasets(),
    }
}

fn table(columns: &[&'static str], rows: &[&[&str]]) -> Table {
    let cell = |value: &&str| if value.is_empty() { Cell::Null } else { text(value) };
    let row = |row: &&[&str]| row.iter().map(cell).collect();
    Table { columns: columns.to_vec(), rows: rows.iter().map(row).collect() }
}

fn database(tables: Vec<(&str, Table)>, foreign_keys: Vec<ForeignKey>) -> Database {
    Database {
        tables: tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect(),
        foreign_keys,
        wipe_finding: Finding::pass(),
        wiped: Vec::new(),
        left: Left::Nothing,
        unfit: None,
        greedy: false,
        locked: std::collections::BTreeSet::new(),
        ahead: None,
    }
}

fn shop() -> Database {
    let members = table(
        &["id", "name", "withdrawn_at"],
        &[
            &["person-1", "name-1", ""],
            &["person-2", "name-2", "2026-11-20 12:00:00"],
            &["person-3", "name-3", "2026-10-01 09:00:00"],
            &["person-4", "name-4", "2026-11-20 15:00:00"],
            &["person-5", "name-5", "2026-11-21 00:00:00"],
        ],
    );
    let addresses = table(
        &["id", "member_id", "street"],
        &[
            &["address-1", "person-1", "street-1"],
            &["address-2", "person-2", "street-2"],
            &["address-3", "person-2", "street-3"],
            &["address-4", "person-3", "street-4"],
        ],
    );
    let orders = table(
        &["id", "member_id", "ordered_at"],
        &[
            &["purchase-1", "person-1", "2026-01-05 10:00:00"],
            &["purchase-2", "person-1", "2019-03-01 10:00:00"],
            &["purchase-3", "person-2", "2026-05-01 10:00:00"],
            &["purchase-4", "person-3", "2020-02-02 10:00:00"],
            &["purchase-5", "person-3", "2025-07-07 10:00:00"],
            &["purchase-6", "person-2", "2026-05-01 11:00:00"],
        ],
    );
    let lines = table(
        &["id", "order_id", "product"],
        &[
            &["line-a", "purchase-1", "product-a"],
            &["line-b", "purchase-3", "product-b"],
            &["line-c", "purchase-3", "product-c"],
            &["line-d", "purchase-4", "product-d"],
        ],
    );
    let prices =
        table(&["id", "line_id", "price"], &[&["price-a", "line-a", "won-1"], &["price-b", "line-b", "won-2"]]);
    let key = |table, column, parent| ForeignKey { table, column, parent };
    let foreign_keys = vec![
        key("addresses", "member_id", "members"),
        key("orders", "member_id", "members"),
        key("order_lines", "order_id", "orders"),
        key("line_prices", "line_id", "order_lines"),
    ];
    let tables = vec![
        ("members", members),
        ("addresses", addresses),
        ("orders", orders),
        ("order_lines", lines),
        ("line_prices", prices),
    ];
    database(tables, foreign_keys)
}

fn log() -> Database {
    let visits = table(
        &["id", "member_id", "visited_at"],
        &[
            &["visit-1", "person-1", "2026-01-01 08:00:00"],
            &["visit-2", "person-2", "2026-01-01 09:00:00"],
            &["visit-3", "person-1", "2026-11-01 08:00:00"],
            &["visit-4", "person-3", "2026-02-02 08:00:00"],
        ],
    );
    database(vec![("visits", visits)], Vec::new())
}

pub fn sources() -> BTreeMap<SourceName, Database> {
    BTreeMap::from([("shop".into(), shop()), ("log".into(), log())])
}
