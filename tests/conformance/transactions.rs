//! Several batches in one transaction: all of them, or none.

use retentiond::{
    domain::{deployment::Edge, selection::Cause},
    ports::Source,
};

use super::{
    engine::Database,
    fixture::{child, dataset, receipt, receipt_for, scope},
    steps::event,
};

const OLD: &str = "'2020-01-01 00:00:00'";

/// Five due rows, of which the third and the fifth share what they point at.
async fn five<D: Database>() -> D {
    D::new(&format!(
        "CREATE TABLE place (id INTEGER PRIMARY KEY);
         CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, place_id INTEGER,
             FOREIGN KEY (place_id) REFERENCES place (id));
         INSERT INTO place VALUES (1), (2);
         INSERT INTO t VALUES (1, {OLD}, 1), (2, {OLD}, NULL), (3, {OLD}, 2), (4, {OLD}, NULL), (5, {OLD}, 2)"
    ))
    .await
}

pub async fn a_transaction_of_several_batches_moves_all_of_them_or_none<D: Database>() {
    let database = five::<D>().await;
    let (t, event) = (dataset("t", &["id"]), event());
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    assert!(source.take_on(&t, &scope, &Cause::Due, 2).await.is_err(), "no transaction is open");
    for undone in [true, false] {
        let mut rows = source.take(&t, &scope, &Cause::Due, 2).await.unwrap().unwrap().records.len();
        let mut batches = 1;
        while let Some(batch) = source.take_on(&t, &scope, &Cause::Due, 2).await.unwrap() {
            rows += batch.records.len();
            batches += 1;
        }
        assert_eq!((rows, batches), (5, 3));
        assert!(source.commit(receipt()).await.is_err(), "a receipt for one of three batches");
        if undone {
            source.rollback().await.unwrap();
            assert_eq!(database.ask("SELECT count(*) FROM t").await, ["5"]);
        } else {
            source.commit(receipt_for(batches)).await.unwrap();
        }
    }
    assert_eq!(database.ask("SELECT count(*) FROM t").await, ["0"]);
    assert!(source.take(&t, &scope, &Cause::Due, 2).await.unwrap().is_none());
}

pub async fn what_batches_of_one_transaction_share_goes_with_the_last_of_them<D: Database>() {
    let database = five::<D>().await;
    let event = event();
    let mut t = dataset("t", &["id"]);
    t.children = vec![child("place", "t", &[("id", "place_id")], Edge::Reference)];
    let scope = scope(&event, &[], &[]);
    let mut source = database.source().await;
    let mut places = Vec::new();
    let mut next = source.take(&t, &scope, &Cause::Due, 1).await.unwrap();
    while let Some(batch) = next {
        places.extend(batch.records.iter().map(|record| record.counts[1]));
        next = source.take_on(&t, &scope, &Cause::Due, 1).await.unwrap();
    }
    source.commit(receipt_for(5)).await.unwrap();
    assert_eq!(places.iter().sum::<u64>(), 2, "each place once: {places:?}");
    assert_eq!(database.ask("SELECT count(*) FROM place").await, ["0"]);
}
