//! Datasets, scopes and batches, the same for every engine.

use chrono::{DateTime, Utc};
use retentiond::{
    domain::{
        deployment::{Child, Dataset, Edge, EventPlace, Events, Mode, VerifyLevel, WipeLevel},
        event::{Column, EventColumn, Format, Reading},
        hold::UNHELD,
        id::{BatchId, Digest, EventName},
        record::{Row, decode_rows},
        seal::SealReceipt,
        segment,
        selection::{Bounds, Cause, Scope},
    },
    ports::{Batch, Source, Taken},
};

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

/// A dataset whose event `recorded` is its column `at`, a naive timestamp.
pub fn dataset(table: &str, key: &[&str]) -> Dataset {
    let own = EventPlace::Own(column("at", Format::Timestamp));
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

pub fn through(table: &str, on: &[(&str, &str)], name: &str) -> EventPlace {
    EventPlace::Through { table: table.to_owned(), on: pairs(on), column: column(name, Format::Timestamp) }
}

pub fn receipt() -> SealReceipt {
    receipt_for(1)
}

/// One receipt for a transaction of so many batches.
pub fn receipt_for(batches: usize) -> SealReceipt {
    let one = |_| SealReceipt::compare(BatchId::from("b"), Digest::of(b""), Digest::of(b"")).unwrap();
    (0..batches).map(one).fold(None, |all, one| Some(SealReceipt::joined(all, one))).unwrap()
}

/// Records taken, with the tables they were taken from.
#[derive(Default)]
pub struct Moved {
    pub tables: Vec<segment::Table>,
    pub records: Vec<Taken>,
    pub batches: usize,
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

/// The causes of a scope in the order in which a cycle takes them.
pub fn causes(scope: &Scope<'_>) -> Vec<Cause> {
    scope.separate_on.iter().cloned().map(Cause::Event).chain([Cause::Due]).collect()
}

/// Batches of one transaction of `move_all`, in turn.
const BATCHES: [usize; 3] = [2, 1, 3];

/// Takes and commits until nothing is left, and checks each record on the way.
pub async fn move_all(source: &mut impl Source, dataset: &Dataset, scope: &Scope<'_>, limit: u32) -> Moved {
    let mut moved = Moved::default();
    for cause in causes(scope) {
        for batches in BATCHES.into_iter().cycle() {
            let Some(first) = source.take(dataset, scope, &cause, limit).await.unwrap() else { break };
            let mut taken = vec![first];
            while taken.len() < batches && taken.last().is_some_and(|batch| !batch.last) {
                let Some(next) = source.take_on(dataset, scope, &cause, limit).await.unwrap() else { break };
                taken.push(next);
            }
            source.commit(receipt_for(taken.len())).await.unwrap();
            let last = taken.last().is_some_and(|batch| batch.last);
            for batch in taken {
                check(&batch, scope, &cause, limit);
                moved.tables = batch.tables;
                moved.records.extend(batch.records);
                moved.batches += 1;
            }
            if last {
                assert!(source.take(dataset, scope, &cause, limit).await.unwrap().is_none());
                break;
            }
        }
    }
    moved
}

fn check(batch: &Batch, scope: &Scope<'_>, cause: &Cause, limit: u32) {
    assert!(!batch.records.is_empty() && batch.records.len() <= limit as usize);
    let columns: Vec<usize> = batch.tables.iter().map(|table| table.columns.len()).collect();
    for taken in &batch.records {
        let rows = decode_rows(&taken.rows, &columns).unwrap();
        for (number, count) in taken.counts.iter().enumerate() {
            assert_eq!(rows.iter().filter(|row| row.table == number).count() as u64, *count);
        }
        assert_eq!(taken.counts[0], 1);
        let Reading::At(event) = taken.event else { panic!("a record without its event was taken") };
        assert!(event >= scope.bounds.not_before && event <= scope.bounds.now);
        assert!(*cause != Cause::Due || event < scope.bounds.due_before);
    }
}
