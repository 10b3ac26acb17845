//! Reads the live schema of a SQLite database. Names compare as SQLite compares
//! them, without regard to ASCII case.

use sqlx::sqlite::SqliteRow;

use super::{
    connection::Link,
    dialect::{self, SQLITE},
    value,
};
use crate::adapters::sql::{Column, ForeignKey, Identity, Index, Kind, Names, Schema, Sql, Table};

/// The schema, and what else lies in the file.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) schema: Schema,
    /// `sqlite_stat4` is there: samples of index keys outside the tables.
    pub(super) key_samples: bool,
}

const NAMES: Names = Names::IgnoringCase;

pub(super) async fn read(link: &mut Link) -> Result<Catalogue, sqlx::Error> {
    let mut schema = Schema { dialect: &SQLITE, tables: Vec::new(), table_names: NAMES, default: None };
    let mut key_samples = false;
    for row in link.all(Sql::new(TABLES)).await? {
        let name = value::text(&row, 0)?;
        key_samples |= name == "sqlite_stat4";
        schema.tables.push(table(name, &value::text(&row, 1)?, value::integer(&row, 2)? != 0));
    }
    fill(&mut schema, link, COLUMNS, add_column).await?;
    fill(&mut schema, link, INDEXES, add_index_column).await?;
    fill(&mut schema, link, FOREIGN_KEYS, add_foreign_key_column).await?;
    fill(&mut schema, link, TRIGGERS, add_trigger).await?;
    schema.tables.iter_mut().for_each(identify);
    complete_references(&mut schema);
    Ok(Catalogue { schema, key_samples })
}

fn table(name: String, kind: &str, without_rowid: bool) -> Table {
    Table {
        sql: dialect::main_table(&name),
        name,
        kind: match kind {
            "table" => Kind::Table,
            "view" => Kind::View,
            _ => Kind::Virtual,
        },
        columns: Vec::new(),
        column_names: NAMES,
        identity: if without_rowid { Identity::Key(Vec::new()) } else { HIDDEN },
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        triggers: Vec::new(),
    }
}

async fn fill(
    schema: &mut Schema,
    link: &mut Link,
    query: &str,
    add: fn(&mut Table, &SqliteRow) -> Result<(), sqlx::Error>,
) -> Result<(), sqlx::Error> {
    for row in link.all(Sql::new(query)).await? {
        let owner = value::text(&row, 0)?;
        if let Some(table) = schema.tables.iter_mut().find(|table| NAMES.same(&table.name, &owner)) {
            add(table, &row)?;
        }
    }
    Ok(())
}

/// A foreign key without columns of the parent means its primary key.
fn complete_references(schema: &mut Schema) {
    let keys: Vec<(String, Vec<String>)> = schema
        .tables
        .iter()
        .map(|table| (table.name.clone(), table.primary_key().into_iter().map(str::to_owned).collect()))
        .collect();
    for foreign in schema.tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
        let Some((_, key)) = keys.iter().find(|(name, _)| NAMES.same(name, &foreign.parent)) else { continue };
        for ((_, there), column) in foreign.on.iter_mut().zip(key) {
            if there.is_empty() {
                there.clone_from(column);
            }
        }
    }
}

fn add_column(table: &mut Table, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let declared = value::text(row, 2)?;
    table.columns.push(Column {
        name: value::text(row, 1)?,
        holds: dialect::affinity(&declared),
        declared,
        not_null: value::integer(row, 3)? != 0,
        key: value::integer(row, 4)?,
        stored: value::integer(row, 5)? == 0,
    });
    Ok(())
}

fn add_index_column(table: &mut Table, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let name = value::text(row, 1)?;
    if table.indexes.last().is_none_or(|index| index.name != name) {
        let (unique, partial) = (value::integer(row, 2)? != 0, value::integer(row, 3)? != 0);
        table.indexes.push(Index { name, unique, partial, columns: Vec::new() });
    }
    let column = Some(value::text(row, 4)?).filter(|column| !column.is_empty());
    if let Some(index) = table.indexes.last_mut() {
        index.columns.push(column);
    }
    Ok(())
}

fn add_foreign_key_column(table: &mut Table, row: &SqliteRow) -> Result<(), sqlx::Error> {
    if value::integer(row, 1)? == 0 {
        let (parent, on_delete) = (value::text(row, 2)?, value::text(row, 5)?);
        table.foreign_keys.push(ForeignKey { parent, on: Vec::new(), on_delete });
    }
    if let Some(key) = table.foreign_keys.last_mut() {
        key.on.push((value::text(row, 3)?, value::text(row, 4)?));
    }
    Ok(())
}

fn add_trigger(table: &mut Table, row: &SqliteRow) -> Result<(), sqlx::Error> {
    table.triggers.push(value::text(row, 1)?);
    Ok(())
}

const HIDDEN: Identity =
    Identity::None("has columns that hide rowid, _rowid_ and oid", "rename one of the three columns");

fn identify(table: &mut Table) {
    table.identity = match table.identity {
        Identity::Key(_) => Identity::Key(table.primary_key().into_iter().map(str::to_owned).collect()),
        Identity::System(_) | Identity::None(..) => [&["_rowid_"], &["rowid"], &["oid"]]
            .into_iter()
            .find(|alias| table.column(alias[0]).is_none())
            .map_or(HIDDEN, |alias| Identity::System(alias)),
    };
}

const TABLES: &str = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' ORDER BY name";

const COLUMNS: &str = "SELECT t.name, c.name, c.type, c.\"notnull\", c.pk, c.hidden \
    FROM pragma_table_list AS t, pragma_table_xinfo(t.name, 'main') AS c \
    WHERE t.schema = 'main' AND t.type = 'table' ORDER BY t.name, c.cid";

const INDEXES: &str = "SELECT t.name, i.name, i.\"unique\", i.partial, c.name \
    FROM pragma_table_list AS t, pragma_index_list(t.name, 'main') AS i, pragma_index_xinfo(i.name, 'main') AS c \
    WHERE t.schema = 'main' AND t.type = 'table' AND c.key = 1 ORDER BY t.name, i.seq, c.seqno";

const FOREIGN_KEYS: &str = "SELECT t.name, f.seq, f.\"table\", f.\"from\", f.\"to\", f.on_delete \
    FROM pragma_table_list AS t, pragma_foreign_key_list(t.name, 'main') AS f \
    WHERE t.schema = 'main' AND t.type = 'table' ORDER BY t.name, f.id, f.seq";

const TRIGGERS: &str = "SELECT tbl_name, name FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY name";
