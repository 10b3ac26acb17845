//! Databases of a server of our own, datasets over them, and a cycle in small.

use std::time::Duration;

use chrono::{DateTime, Utc};
use retentiond::{
    adapters::{
        engine::{Patience, Server},
        postgres::{PostgresScan, PostgresSource},
    },
    domain::{
        deployment::{Child, Dataset, Edge, Engine, EventPlace, Events, Mode, ServerAddress, VerifyLevel, WipeLevel},
        event::{Column, EventColumn, Format, Reading},
        hold::UNHELD,
        id::{BatchId, Digest, EventName},
        record::{Row, decode_rows},
        seal::SealReceipt,
        segment,
        selection::{Bounds, Cause, Scope},
    },
    ports::{Presence, Restoration, Source, Taken},
};

use crate::servers;

pub const WAIT: Patience = Patience { lock: Duration::from_millis(300), statement: Duration::ZERO };

/// A database with what a test puts into it.
pub struct Database<'s> {
    pub raw: servers::Database<'s>,
}

impl Database<'static> {
    pub fn new(setup: &str) -> Self {
        Self::on(servers::postgres(), setup)
    }
}

impl<'s> Database<'s> {
    pub fn on(server: &'s servers::Server, setup: &str) -> Self {
        let raw = server.database();
        raw.run(setup);
        Self { raw }
    }

    pub fn server(&self) -> Server {
        let url = self.raw.url();
        let address = ServerAddress::parse(Engine::Postgres, url.split_once("://").unwrap().1).unwrap();
        Server { address, root_certificate: None, password: None }
    }

    pub async fn source(&self) -> PostgresSource {
        PostgresSource::open("shop".into(), &self.server(), WAIT).await.unwrap()
    }

    pub async fn scan(&self) -> PostgresScan {
        PostgresScan::open("shop".into(), &self.server(), WAIT).await.unwrap()
    }

    /// Every row of a table as one text, in order.
    pub fn dump(&self, table: &str) -> String {
        self.raw.query(&format!("SELECT t::text FROM {table} AS t ORDER BY 1"))
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Midnight of 22 November 2026 in Seoul; due are events before 2021-11-22.
pub fn bounds() -> Bounds {
    Bounds {
        now: at("2026-11-21T15:00:00Z"),
        not_before: at("1999-12-31T15:00:00Z"),
        due_before: at("2021-11-21T15:00:00Z"),
        overdue_before: at("2021-11-16T15:00:00Z"),
    }
}

pub fn scope<'a>(
    event: &'a EventName,
    separate_on: &'a [EventName],
    others: &'a [(&'a Dataset, Scope<'a>)],
) -> Scope<'a> {
    Scope { bounds: bounds(), separate_on, event, zone: chrono_tz::Asia::Seoul, held: &UNHELD, others }
}

pub fn column(name: &str, format: Format) -> EventColumn {
    EventColumn { column: Column::One(name.to_owned()), format, zone: None, absent: Vec::new() }
}

pub fn pairs(on: &[(&str, &str)]) -> Vec<(String, String)> {
    on.iter().map(|(here, there)| ((*here).to_owned(), (*there).to_owned())).collect()
}

/// A dataset whose event `recorded` is its column `at`.
pub fn dataset(table: &str, key: &[&str]) -> Dataset {
    let own = EventPlace::Own(column("at", Format::Auto));
    Dataset {
        rule: table.into(),
        source: "shop".into(),
        table: table.to_owned(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        subject: None,
        events: Events::from([("recorded".into(), own)]),
        condition: None,
        mode: Mode::Move,
        wipe: WipeLevel::Engine,
        verify: VerifyLevel::None,
        sample: 200,
        children: Vec::new(),
    }
}

pub fn child(table: &str, parent: &str, on: &[(&str, &str)], edge: Edge) -> Child {
    Child { table: table.to_owned(), parent: parent.to_owned(), on: pairs(on), condition: None, edge }
}

pub fn receipt() -> SealReceipt {
    SealReceipt::compare(BatchId::from("b"), Digest::of(b""), Digest::of(b"")).unwrap()
}

/// Records taken, with the tables they were taken from.
#[derive(Default)]
pub struct Moved {
    pub tables: Vec<segment::Table>,
    pub records: Vec<Taken>,
}

impl Moved {
    pub fn rows(&self) -> Vec<Row> {
        let columns: Vec<usize> = self.tables.iter().map(|table| table.columns.len()).collect();
        self.records.iter().flat_map(|taken| decode_rows(&taken.rows, &columns).unwrap()).collect()
    }

    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.records.iter().map(|taken| String::from_utf8_lossy(&taken.key).into_owned()).collect();
        keys.sort();
        keys
    }

    /// Rows of each table by the counts that stand with the records.
    pub fn counts(&self) -> Vec<u64> {
        let sum = |number: usize| self.records.iter().map(|taken| taken.counts[number]).sum();
        (0..self.tables.len()).map(sum).collect()
    }
}

/// Takes and commits until nothing is left, and checks each record on the way.
pub async fn move_all(source: &mut PostgresSource, dataset: &Dataset, scope: &Scope<'_>, limit: u32) -> Moved {
    let mut moved = Moved::default();
    for cause in scope.separate_on.iter().cloned().map(Cause::Event).chain([Cause::Due]) {
        while let Some(batch) = source.take(dataset, scope, &cause, limit).await.unwrap() {
            assert!(!batch.records.is_empty() && batch.records.len() <= limit as usize);
            for taken in &batch.records {
                assert_eq!(taken.counts[0], 1);
                let Reading::At(event) = taken.event else { panic!("a record without its event was taken") };
                assert!(event >= scope.bounds.not_before && event <= scope.bounds.now);
                assert!(cause != Cause::Due || event < scope.bounds.due_before);
            }
            source.commit(receipt()).await.unwrap();
            moved.tables = batch.tables;
            moved.records.extend(batch.records);
            if batch.last {
                break;
            }
        }
    }
    moved
}

/// Moves everything out, checks that it is gone, and puts it back.
pub async fn there_and_back(database: &Database<'_>, dataset: &Dataset, counts: &[u64]) {
    let event = EventName::from("recorded");
    let tables = dataset.tables();
    let dump = || tables.iter().map(|table| database.dump(table)).collect::<Vec<_>>().join("\n--\n");
    let before = dump();
    for limit in [1, 3, 1000] {
        let mut source = database.source().await;
        let moved = move_all(&mut source, dataset, &scope(&event, &[], &[]), limit).await;
        assert_eq!(moved.counts(), counts);
        for table in &tables {
            assert_eq!(database.dump(table), "", "{table}");
        }
        let record = Restoration { dataset, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Absent);
        source.put_back(std::slice::from_ref(&record)).await.unwrap();
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
        assert_eq!(dump(), before);
        source.close().await.unwrap();
    }
}
