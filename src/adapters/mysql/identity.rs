//! What tells the rows of a table apart, and which tables have nothing of the kind.

use crate::adapters::sql::{Identity, Kind, Table};

pub(super) const PRIMARY: &str = "PRIMARY";

/// Tables whose rows cannot be moved, whatever their keys.
pub(super) fn unusable(kind: &str, engine: &str) -> Identity {
    if kind == "SYSTEM VERSIONED" {
        let hint = "ALTER TABLE … DROP SYSTEM VERSIONING, or delete its history by hand";
        return Identity::None("keeps every deleted row as history", hint);
    }
    if kind == "BASE TABLE" && !engine.eq_ignore_ascii_case("InnoDB") && !has_no_transactions(engine) {
        let hint = "ALTER TABLE … ENGINE = InnoDB";
        return Identity::None("is kept by an engine of which nothing is known here", hint);
    }
    Identity::Key(Vec::new())
}

/// Engines that delete row by row, and undo nothing.
pub(super) fn has_no_transactions(engine: &str) -> bool {
    ["MyISAM", "Aria"].iter().any(|weak| engine.eq_ignore_ascii_case(weak))
}

/// Finds what tells the rows of a table apart: its primary key, or a unique
/// index over columns that are never NULL.
pub(super) fn identify(table: &mut Table) {
    if table.kind != Kind::Table || matches!(table.identity, Identity::None(..)) {
        return;
    }
    let key = identity_index(table).map(|(_, columns)| columns);
    table.identity = match key {
        None => Identity::None(
            "has no primary key and no unique index over columns that are NOT NULL",
            "add one: without it, rows that are alike cannot be told apart",
        ),
        Some(key) if key.iter().any(|name| table.column(name).is_some_and(|column| !column.stored)) => Identity::None(
            "is identified by a generated column",
            "add a unique index over columns that are NOT NULL and not generated",
        ),
        Some(key) => Identity::Key(key),
    };
}

/// The index that identifies rows, and its columns.
pub(super) fn identity_index(table: &Table) -> Option<(&str, Vec<String>)> {
    let primary: Vec<String> = table.primary_key().into_iter().map(str::to_owned).collect();
    if !primary.is_empty() {
        return Some((PRIMARY, primary));
    }
    let never_null = |name: &String| table.column(name).is_some_and(|column| column.not_null && column.stored);
    table.indexes.iter().filter(|index| index.unique && !index.partial).find_map(|index| {
        let columns: Vec<String> = index.columns.iter().cloned().collect::<Option<_>>()?;
        columns.iter().all(never_null).then_some((index.name.as_str(), columns))
    })
}

/// Columns by which rows of a table point at others of it, and that may be NULL.
/// The server checks keys row by row: of two rows that go or come together, one
/// would point at nothing for a moment.
pub(super) fn self_links(table: &Table) -> Vec<&str> {
    let own = table.foreign_keys.iter().filter(|key| key.parent == table.name);
    let columns = own.flat_map(|key| &key.on).filter_map(|(here, _)| table.column(here));
    let mut links: Vec<&str> = Vec::new();
    for column in columns.filter(|column| !column.not_null && column.key == 0 && column.stored) {
        if !links.contains(&column.name.as_str()) {
            links.push(&column.name);
        }
    }
    links
}
