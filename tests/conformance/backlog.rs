//! A backlog: rows of many dates, which lie all over a table, are taken as they
//! lie and not by their dates. What moves is the same.

use std::collections::BTreeSet;

use retentiond::{
    domain::{deployment::Dataset, record::decode_rows, selection::Cause},
    ports::{Batch, Left, Route, Source},
};

use super::{
    engine::{Application, Database},
    fixture::{dataset, move_all, receipt, receipt_for, scope},
    steps::{census, event},
};

/// A table of well over a thousand pages on each engine.
const ROWS: u64 = 16_000;
const OLD: [&str; 3] = ["'2020-03-01 00:00:00'", "'2020-01-01 00:00:00'", "'2020-02-01 00:00:00'"];
const YOUNG: &str = "'2026-01-01 00:00:00'";

/// Three of four rows are due, by dates in no order.
async fn backlog<D: Database>() -> (D, Dataset) {
    let days = OLD.into_iter().chain([YOUNG]).enumerate().map(|(rest, at)| format!("({rest}, {at})"));
    let (days, wide) = (days.collect::<Vec<_>>().join(", "), "x".repeat(1_200));
    let database = D::new(&format!(
        "CREATE TABLE digit (i INTEGER); INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
         CREATE TABLE day (rest INTEGER, at DATETIME); INSERT INTO day VALUES {days};
         CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, word VARCHAR(2000)); CREATE INDEX by_event ON t (at);
         INSERT INTO t SELECT n.i, day.at, '{wide}' FROM (SELECT 1 + a.i + 10 * b.i + 100 * c.i + 1000 * d.i + 10000 * e.i \
         AS i FROM digit a, digit b, digit c, digit d, digit e WHERE e.i < 2) n JOIN day ON day.rest = n.i % 4 \
         WHERE n.i <= {ROWS} ORDER BY n.i"
    ))
    .await;
    database.run(D::ANALYZE_T).await;
    (database, dataset("t", &["id"]))
}

fn due() -> impl Iterator<Item = u64> + Clone {
    (1..=ROWS).filter(|id| id % 4 != 3)
}

fn ids(batch: &Batch) -> Vec<u64> {
    let keys = batch.records.iter().map(|record| std::str::from_utf8(&record.key).unwrap());
    keys.map(|key| key.parse().unwrap()).collect()
}

pub async fn what_a_day_brings_is_taken_by_date_and_a_backlog_as_it_lies<D: Database>() {
    let (database, t) = backlog::<D>().await;
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let planned = census(&database, &t).await.rows;
    assert_eq!(planned, due().count() as u64);
    for (rows, route) in [(900, Route::ByEvent), (planned, Route::ByPlace), (0, Route::ByEvent)] {
        assert_eq!(source.set_out(&t, &scope, &Cause::Due, rows).await.unwrap(), route, "{rows}");
        let batch = source.take(&t, &scope, &Cause::Due, 500).await.unwrap().unwrap();
        let first: BTreeSet<u64> = match route {
            Route::ByPlace => due().take(500).collect(),
            // All of the earliest date.
            Route::ByEvent => ids(&batch).into_iter().filter(|id| id % 4 == 1).collect(),
        };
        assert!(ids(&batch).into_iter().collect::<BTreeSet<_>>() == first, "{route:?}");
        assert_eq!(first.len(), 500);
        source.rollback().await.unwrap();
    }
}

pub async fn a_backlog_moves_as_a_whole_whatever_is_undone_or_comes_behind<D: Database>() {
    let (database, t) = backlog::<D>().await;
    moves_as_a_whole(&database, &t).await;
}

pub async fn so_does_one_that_a_condition_narrows<D: Database>() {
    let (database, mut t) = backlog::<D>().await;
    t.condition = Some("id > 0".to_owned());
    moves_as_a_whole(&database, &t).await;
}

async fn moves_as_a_whole<D: Database>(database: &D, t: &Dataset) {
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    assert_eq!(source.set_out(t, &scope, &Cause::Due, ROWS).await.unwrap(), Route::ByPlace);
    let mut expected = due();
    for undone in [true, false] {
        let before = expected.clone();
        for batch in 0..2 {
            let taken = match batch {
                0 => source.take(t, &scope, &Cause::Due, 1_000).await,
                _ => source.take_on(t, &scope, &Cause::Due, 1_000).await,
            };
            let batch = taken.unwrap().unwrap();
            assert!(ids(&batch) == expected.by_ref().take(1_000).collect::<Vec<_>>(), "as they lie");
            let width = batch.tables[0].columns.len();
            let rows = decode_rows(&batch.records[7].rows, &[width]).unwrap();
            assert_eq!((rows.len(), rows[0].cells.len()), (1, 3));
        }
        if undone {
            source.rollback().await.unwrap();
            expected = before;
        } else {
            source.commit(receipt_for(2)).await.unwrap();
        }
    }
    // Before the place that was reached, and due all the same; and one that is no longer.
    database
        .run(&format!("UPDATE t SET at = {} WHERE id = 3; UPDATE t SET at = {YOUNG} WHERE id = 15001", OLD[0]))
        .await;
    let moved = move_all(&mut source, t, &scope, 2_500).await;
    let moved: BTreeSet<u64> = moved.keys().iter().map(|key| key.parse().unwrap()).collect();
    let rest: BTreeSet<u64> = expected.chain([3]).filter(|id| *id != 15_001).collect();
    assert!(moved == rest, "{:?}", moved.symmetric_difference(&rest).take(9).collect::<Vec<_>>());
    assert_eq!(database.ask("SELECT count(*) FROM t").await, [(ROWS / 4).to_string()]);
}

pub async fn a_backlog_is_taken_around_what_is_locked<D: Database>() {
    let (database, t) = backlog::<D>().await;
    let event = event();
    let scope = scope(&event, &[], &[]);
    let mut application = database.application().await;
    for statement in
        ["BEGIN", "SELECT id FROM t WHERE id IN (2, 9) FOR UPDATE", "UPDATE t SET word = '' WHERE id = 4001"]
    {
        application.execute(statement).await.unwrap();
    }
    let mut source = database.source().await;
    source.set_out(&t, &scope, &Cause::Due, ROWS).await.unwrap();
    let mut batch = source.take(&t, &scope, &Cause::Due, 1_000).await.unwrap().unwrap();
    let free = due().filter(|id| ![2, 9].contains(id)).take(1_000);
    assert!(ids(&batch) == free.collect::<Vec<_>>(), "as they lie");
    source.commit(receipt()).await.unwrap();
    let mut moved = ids(&batch).len() as u64;
    while !batch.last {
        let Some(next) = source.take(&t, &scope, &Cause::Due, 4_000).await.unwrap() else { break };
        source.commit(receipt()).await.unwrap();
        moved += ids(&next).len() as u64;
        batch = next;
    }
    assert_eq!(moved, due().count() as u64 - 3);
    assert_eq!(source.left(&t, &scope).await.unwrap(), Left { locked: 3, waiting: 0 });
    application.execute("COMMIT").await.unwrap();
    assert_eq!(move_all(&mut source, &t, &scope, 1_000).await.keys(), ["2", "4001", "9"]);
}
