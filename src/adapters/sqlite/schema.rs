//! The live schema as facts: tables, columns, keys, indexes, foreign keys,
//! triggers. Names compare as SQLite compares them, without regard to ASCII
//! case.
//!
//! Nothing here judges; `fit`, `links` and `inspect` do.

use sqlx::sqlite::SqliteRow;

use super::{connection::Link, sql::Sql, value};

#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) tables: Vec<Table>,
    /// `sqlite_stat4` is there: samples of index keys outside the tables.
    pub(super) key_samples: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) columns: Vec<Column>,
    pub(super) identity: Identity,
    pub(super) indexes: Vec<Index>,
    /// Foreign keys of this table's own columns.
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) triggers: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    View,
    /// A virtual table or one of the tables behind it.
    Virtual,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) declared: String,
    pub(super) not_null: bool,
    /// Position in the primary key from 1; 0 outside it.
    pub(super) key: i64,
    /// Holds a value of its own: neither generated nor hidden.
    pub(super) stored: bool,
}

/// How one row is told from all others while a transaction is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// A name of the rowid that no column hides.
    RowId(&'static str),
    /// The primary key of a table WITHOUT ROWID.
    Key(Vec<String>),
    /// Columns hide every name of the rowid.
    Hidden,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    pub(super) partial: bool,
    /// `None` for an expression.
    pub(super) columns: Vec<Option<String>>,
}

#[derive(Debug)]
pub(super) struct ForeignKey {
    pub(super) parent: String,
    /// Column here, column there.
    pub(super) on: Vec<(String, String)>,
    pub(super) on_delete: String,
}

/// What a column's declared type does to values (SQLite, "Determination of
/// column affinity").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Text,
    Number,
    None,
}

pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// True when both lists pair the same columns, in any order.
pub(super) fn same_link(one: &[(String, String)], other: &[(String, String)]) -> bool {
    let holds = |list: &[(String, String)], pair: &(String, String)| {
        list.iter().any(|(here, there)| same(here, &pair.0) && same(there, &pair.1))
    };
    one.len() == other.len() && one.iter().all(|pair| holds(other, pair)) && other.iter().all(|pair| holds(one, pair))
}

impl Column {
    pub(super) fn affinity(&self) -> Affinity {
        let declared = self.declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Affinity::Number
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || declared.is_empty() || declared == "ANY" {
            Affinity::None
        } else {
            Affinity::Number
        }
    }
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| same(&column.name, name))
    }

    /// The columns that a record takes along.
    pub(super) fn stored(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.stored)
    }

    /// Position of a stored column among the stored ones.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.stored().position(|column| same(&column.name, name))
    }

    /// Columns of the declared primary key, in its order.
    pub(super) fn primary_key(&self) -> Vec<&str> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }

    /// True when no two rows agree in these columns: they are the primary key or
    /// all columns of a unique index over whole rows.
    pub(super) fn is_unique(&self, columns: &[&str]) -> bool {
        let same_set = |found: &[&str]| {
            found.len() == columns.len() && found.iter().all(|one| columns.iter().any(|other| same(one, other)))
        };
        same_set(&self.primary_key())
            || self.indexes.iter().filter(|index| index.unique && !index.partial).any(|index| {
                let names: Option<Vec<&str>> = index.columns.iter().map(Option::as_deref).collect();
                names.is_some_and(|names| same_set(&names))
            })
    }

    /// True when an index over all rows begins with these columns, in any order.
    pub(super) fn begins_an_index(&self, columns: &[&str]) -> bool {
        let begins = |found: &[&str]| {
            found.len() >= columns.len()
                && found[..columns.len()].iter().all(|one| columns.iter().any(|other| same(one, other)))
        };
        begins(&self.primary_key())
            || self.indexes.iter().filter(|index| !index.partial).any(|index| {
                let names: Vec<&str> = index.columns.iter().map_while(Option::as_deref).collect();
                begins(&names)
            })
    }
}

impl Schema {
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| same(&table.name, name))
    }

    /// Foreign keys that point at `parent`, with the tables they belong to.
    pub(super) fn pointing_at<'s>(&'s self, parent: &str) -> Vec<(&'s Table, &'s ForeignKey)> {
        let of = |table: &'s Table| table.foreign_keys.iter().map(move |key| (table, key));
        self.tables.iter().flat_map(of).filter(|(_, key)| same(&key.parent, parent)).collect()
    }

    pub(super) async fn read(link: &mut Link) -> Result<Self, sqlx::Error> {
        let mut schema = Self::default();
        for row in link.all(Sql::new(TABLES)).await? {
            let (name, kind) = (value::text(&row, 0)?, value::text(&row, 1)?);
            schema.key_samples |= name == "sqlite_stat4";
            let kind = match kind.as_str() {
                "table" => Kind::Table,
                "view" => Kind::View,
                _ => Kind::Virtual,
            };
            let without_rowid = value::integer(&row, 2)? != 0;
            let identity = if without_rowid { Identity::Key(Vec::new()) } else { Identity::Hidden };
            let (columns, indexes, foreign_keys, triggers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            schema.tables.push(Table { name, kind, columns, identity, indexes, foreign_keys, triggers });
        }
        schema.fill(link, COLUMNS, add_column).await?;
        schema.fill(link, INDEXES, add_index_column).await?;
        schema.fill(link, FOREIGN_KEYS, add_foreign_key_column).await?;
        schema.fill(link, TRIGGERS, add_trigger).await?;
        schema.tables.iter_mut().for_each(identify);
        schema.complete_references();
        Ok(schema)
    }

    async fn fill(
        &mut self,
        link: &mut Link,
        query: &str,
        add: fn(&mut Table, &SqliteRow) -> Result<(), sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        for row in link.all(Sql::new(query)).await? {
            let owner = value::text(&row, 0)?;
            if let Some(table) = self.tables.iter_mut().find(|table| same(&table.name, &owner)) {
                add(table, &row)?;
            }
        }
        Ok(())
    }

    /// A foreign key without columns of the parent means its primary key.
    fn complete_references(&mut self) {
        let keys: Vec<(String, Vec<String>)> = self
            .tables
            .iter()
            .map(|table| (table.name.clone(), table.primary_key().into_iter().map(str::to_owned).collect()))
            .collect();
        for foreign in self.tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
            let Some((_, key)) = keys.iter().find(|(name, _)| same(name, &foreign.parent)) else { continue };
            for ((_, there), column) in foreign.on.iter_mut().zip(key) {
                if there.is_empty() {
                    there.clone_from(column);
                }
            }
        }
    }
}

fn add_column(table: &mut Table, row: &SqliteRow) -> Result<(), sqlx::Error> {
    table.columns.push(Column {
        name: value::text(row, 1)?,
        declared: value::text(row, 2)?,
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

fn identify(table: &mut Table) {
    table.identity = match table.identity {
        Identity::Key(_) => Identity::Key(table.primary_key().into_iter().map(str::to_owned).collect()),
        _ => ["_rowid_", "rowid", "oid"]
            .into_iter()
            .find(|alias| table.column(alias).is_none())
            .map_or(Identity::Hidden, Identity::RowId),
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
