//! A database with a source over it, and what is taken from it and put back.

use std::time::Duration;

use retentiond::{
    adapters::{
        engine::{Patience, Server},
        mysql::{MySqlScan, MySqlSource},
    },
    domain::{
        deployment::{Dataset, Engine, ServerAddress},
        id::EventName,
        selection::Cause,
    },
    ports::{Batch, Presence, Restoration, Scan as _, Source as _, SourceError},
};

use crate::{
    fixture::{Moved, move_all, scope},
    servers::{self, Database},
};

pub const WAIT: Patience = Patience { lock: Duration::from_secs(1), statement: Duration::ZERO };

pub fn event() -> EventName {
    EventName::from("recorded")
}

pub fn database(setup: &str) -> Database<'static> {
    let database = servers::mariadb().database();
    database.run(setup);
    database
}

pub fn server(database: &Database<'_>) -> Server {
    let url = database.url();
    let address = ServerAddress::parse(Engine::Mysql, url.split_once("://").unwrap().1).unwrap();
    Server { address, root_certificate: None, password: None }
}

pub async fn source(database: &Database<'_>) -> MySqlSource {
    MySqlSource::open("shop".into(), &server(database), WAIT).await.unwrap()
}

pub async fn scan(database: &Database<'_>) -> MySqlScan {
    MySqlScan::open("shop".into(), &server(database), WAIT).await.unwrap()
}

pub async fn take(source: &mut MySqlSource, dataset: &Dataset, limit: u32) -> Result<Option<Batch>, SourceError> {
    let event = event();
    source.take(dataset, &scope(&event, &[], &[]), &Cause::Due, limit).await
}

pub async fn moved(database: &Database<'_>, dataset: &Dataset, limit: u32) -> Moved {
    let event = event();
    move_all(&mut source(database).await, dataset, &scope(&event, &[], &[]), limit).await
}

/// What `check` finds wrong, with the hints.
pub async fn errors(database: &Database<'_>, dataset: &Dataset) -> String {
    let found = scan(database).await.inspect(dataset, &[dataset]).await.unwrap();
    let errors = found.iter().filter(|finding| finding.error);
    errors.map(|found| format!("{}; {}\n", found.message, found.hint)).collect()
}

/// Puts everything back and looks that it is there.
pub async fn put_back(database: &Database<'_>, dataset: &Dataset, moved: &Moved) {
    let record = Restoration { dataset, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
    let mut source = source(database).await;
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Absent);
    source.put_back(std::slice::from_ref(&record)).await.unwrap();
    assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
}
