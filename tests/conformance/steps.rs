//! Steps that scenarios have in common.

use retentiond::{
    domain::{census::Census, deployment::Dataset, id::EventName, record::Row, segment},
    ports::{Presence, Restoration, Scan, Source},
};

use super::{
    engine::Database,
    fixture::{Moved, move_all, scope},
};

/// The event of `fixture::dataset`.
pub fn event() -> EventName {
    EventName::from("recorded")
}

pub async fn census(database: &impl Database, dataset: &Dataset) -> Census {
    let event = event();
    database.scan().await.census(dataset, &scope(&event, &[], &[])).await.unwrap()
}

/// Moves all that is due, in batches of `limit`.
pub async fn move_due(database: &impl Database, dataset: &Dataset, limit: u32) -> Moved {
    let event = event();
    move_all(&mut database.source().await, dataset, &scope(&event, &[], &[]), limit).await
}

/// Restores rows that are not there, and sees that they are.
pub async fn put_back(database: &impl Database, dataset: &Dataset, tables: &[segment::Table], rows: Vec<Row>) {
    let record = Restoration { dataset, tables, rows, blank: Vec::new() };
    let mut source = database.source().await;
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Absent);
    source.put_back(std::slice::from_ref(&record)).await.unwrap();
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
}

/// What `check` refuses.
pub async fn errors(database: &impl Database, dataset: &Dataset) -> String {
    let found = database.scan().await.inspect(dataset, &[dataset]).await.unwrap();
    let texts =
        found.iter().filter(|finding| finding.error).map(|found| format!("{}\n{}\n", found.message, found.hint));
    texts.collect()
}
