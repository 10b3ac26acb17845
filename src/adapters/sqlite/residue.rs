//! Searches the database's own files for values of removed rows: the main file,
//! the write-ahead log and the rollback journal.
//!
//! While a read transaction keeps the file as it is. A value that is found and
//! also stands in a row that is there says nothing and is left out; so the rows
//! are read too, but only where something was found at all.

use std::{collections::BTreeSet, path::Path};

use super::{connection::Link, dialect::main_table, failure, slack, value, wipe::beside};
use crate::{
    adapters::{
        residue::{Matcher, Patterns, Stream, Tally, files, living_values},
        sql::Sql,
    },
    ports::{Search, SearchJob, SourceError},
};

/// The database file, and what lies beside it.
const FILES: [(&str, &str); 3] = [("main", ""), ("wal", "-wal"), ("journal", "-journal")];

pub(super) async fn search(link: &mut Link, job: &SearchJob<'_>) -> Result<Search, SourceError> {
    // The database is in UTF-8: that was checked when it was opened.
    let matcher = Matcher::new(Patterns::plain(job.values));
    link.begin_reading().await.map_err(failure::engine)?;
    let outcome = search_all(link, matcher).await;
    link.roll_back().await.map_err(failure::engine)?;
    outcome.map_err(failure::engine)
}

async fn search_all(link: &mut Link, matcher: Matcher) -> Result<Search, sqlx::Error> {
    // Only a statement takes the snapshot that `BEGIN` announces.
    link.one(Sql::new("SELECT count(*) FROM sqlite_schema")).await?;
    let path = link.path.clone();
    let searched = tokio::task::spawn_blocking(move || {
        let tallies: Vec<Tally> =
            FILES.iter().map(|(name, suffix)| search_file(&matcher, &path, name, suffix)).collect();
        (matcher, tallies)
    });
    let (matcher, tallies) = searched.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    let anything = tallies.iter().any(|tally| !tally.found.is_empty());
    let living = if anything { living(link, &matcher).await? } else { BTreeSet::new() };
    let places = tallies.into_iter().map(|tally| tally.finish(matcher.patterns(), &living)).collect();
    Ok(Search { places, living: living_values(matcher.patterns(), &living) })
}

fn search_file(matcher: &Matcher, path: &Path, name: &str, suffix: &str) -> Tally {
    let mut tally = Tally::new(name);
    let path = beside(path, suffix);
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if suffix.is_empty() {
        match slack::read_through(&path) {
            Ok(file) => files::search_open(matcher, &file, &shown, &mut tally),
            Err(error) => tally.unread(format!("{shown} cannot be read: {error}")),
        }
    } else {
        files::search(matcher, &path, &shown, &mut tally);
    }
    tally
}

/// Patterns that stand in rows of any table.
async fn living(link: &mut Link, matcher: &Matcher) -> Result<BTreeSet<usize>, sqlx::Error> {
    // What the engine remembers of values for its plans is no row that is there.
    let names = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' \
                 AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'";
    let mut tables = Vec::new();
    for row in link.all(Sql::new(names)).await? {
        tables.push(value::text(&row, 0)?);
    }
    let mut stream = Stream::new(matcher);
    for table in tables {
        let select = Sql::new(format!("SELECT * FROM {}", main_table(&table)));
        link.each(select, |row| {
            for column in 0..sqlx::Row::len(row) {
                stream.begin();
                value::bytes(row, column, |bytes| stream.push(bytes))?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(stream.found)
}
