//! One record looked at by its key: what its events say, by the conditions of the
//! census.

use retentiond::{
    domain::{
        census::AnomalyKind,
        deployment::{Dataset, Edge},
        explain::{Happened, RecordFacts},
    },
    ports::Scan,
};

use super::{
    engine::Database,
    fixture::{at, child, dataset, scope},
    steps::{census, event},
};

async fn look<D: Database>(database: &D, dataset: &Dataset, key: &str) -> Option<RecordFacts> {
    let event = event();
    database.scan().await.look(dataset, &scope(&event, &[], &[]), key).await.unwrap()
}

pub async fn a_record_is_looked_at_by_its_key<D: Database>() {
    let database = D::new(
        "CREATE TABLE trips (line INTEGER, no VARCHAR(9), at DATETIME, PRIMARY KEY (line, no));
         CREATE TABLE stops (id INTEGER, line INTEGER, no VARCHAR(9), PRIMARY KEY (id),
            FOREIGN KEY (line, no) REFERENCES trips (line, no));
         INSERT INTO trips VALUES (1, 'a', '2020-01-01 00:00:00'), (1, 'b', '2026-01-01 09:30:00'), (2, 'a', NULL),
            (12, 'a', '2027-01-01 00:00:00'), (3, 'it''s', '2020-01-01 00:00:00');
         INSERT INTO stops VALUES (1, 3, 'it''s')",
    )
    .await;
    let mut trips = dataset("trips", &["line", "no"]);
    trips.children = vec![child("stops", "trips", &[("line", "line"), ("no", "no")], Edge::Wait)];
    let happened = async |key: &str| look(&database, &trips, key).await.unwrap().events[&event()];
    assert_eq!(happened("1\u{1f}a").await, Happened::At(at("2019-12-31T15:00:00Z")));
    assert_eq!(happened("1\u{1f}b").await, Happened::At(at("2026-01-01T00:30:00Z")));
    assert_eq!(happened("2\u{1f}a").await, Happened::Anomaly(AnomalyKind::Missing));
    assert_eq!(happened("12\u{1f}a").await, Happened::Anomaly(AnomalyKind::Future));
    for nobody in ["1\u{1f}c", "1", "a\u{1f}1", "1\u{1f}a' OR '1'='1"] {
        assert_eq!(look(&database, &trips, nobody).await, None, "{nobody:?}");
    }
    let free = look(&database, &trips, "1\u{1f}a").await.unwrap();
    assert!(free.waits_for.is_empty() && !free.outlived && !free.held);
    assert_eq!(look(&database, &trips, "3\u{1f}it's").await.unwrap().waits_for, ["stops"]);
    let counted = census(&database, &trips).await;
    assert_eq!((counted.rows, counted.waiting), (1, 1), "as the census has it");
}
