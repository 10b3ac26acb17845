//! The live schema as facts: tables, columns, keys, indexes, foreign keys,
//! triggers. Each engine reads its own catalogue into these.
//!
//! Nothing here judges; `fit`, `links` and `inspect` do.

use super::dialect::Dialect;

#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) tables: Vec<Table>,
    pub(crate) table_names: Names,
    /// The schema whose tables are named without it, where the engine has
    /// schemas. A table may be written either way.
    pub(crate) default: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Table {
    /// As an operator writes it; no other table of the schema has this name.
    pub(crate) name: String,
    /// As statements write it: quoted, and never a table of the same name in
    /// another schema.
    pub(crate) sql: String,
    pub(crate) kind: Kind,
    pub(crate) columns: Vec<Column>,
    pub(crate) column_names: Names,
    pub(crate) identity: Identity,
    pub(crate) indexes: Vec<Index>,
    /// Foreign keys of this table's own columns.
    pub(crate) foreign_keys: Vec<ForeignKey>,
    pub(crate) triggers: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    View,
    /// A virtual or foreign table, or one of the tables behind it: its rows are
    /// kept by something else.
    Virtual,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) declared: String,
    pub(crate) holds: Holds,
    pub(crate) not_null: bool,
    /// Position in the primary key from 1; 0 outside it.
    pub(crate) key: i64,
    /// Holds a value of its own: neither generated nor hidden.
    pub(crate) stored: bool,
}

/// What a column's values are, or are made into, and so how they compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]

pub(crate) enum Holds {
    Text,
    Number,
    /// Values of any kind, each as it is (SQLite without a declared type).
    Any,
    /// The engine's own type for dates.
    Date,
    /// … for instants without a zone.
    Timestamp,
    /// … for instants.
    TimestampTz,
    /// Any other type: JSON, UUID, binary, …
    Other,
}

/// How one row is told from all others while a transaction is open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Columns of the engine's own that no column of the table hides.
    System(&'static [&'static str]),
    /// The primary key, or a unique key without NULL.
    Key(Vec<String>),
    /// Nothing tells its rows apart: what is the matter, and what to do about it.
    None(&'static str, &'static str),
}

#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) partial: bool,
    /// `None` for an expression.
    pub(crate) columns: Vec<Option<String>>,
}

#[derive(Debug)]
pub(crate) struct ForeignKey {
    /// The name of the table pointed at, as `Table::name`.
    pub(crate) parent: String,
    /// Column here, column there.
    pub(crate) on: Vec<(String, String)>,
    /// As the standard spells it: `NO ACTION`, `RESTRICT`, `CASCADE`, …
    pub(crate) on_delete: String,
}

/// How names compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]

pub(crate) enum Names {
    Exact,
    /// Without regard to ASCII case.
    IgnoringCase,
}

impl Names {
    pub(crate) fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Exact => one == other,
            Self::IgnoringCase => one.eq_ignore_ascii_case(other),
        }
    }

    /// True when both lists pair the same columns, in any order.
    pub(crate) fn same_link(self, one: &[(String, String)], other: &[(String, String)]) -> bool {
        let holds = |list: &[(String, String)], pair: &(String, String)| {
            list.iter().any(|(here, there)| self.same(here, &pair.0) && self.same(there, &pair.1))
        };
        one.len() == other.len()
            && one.iter().all(|pair| holds(other, pair))
            && other.iter().all(|pair| holds(one, pair))
    }
}

impl Table {
    /// The same table of the same schema.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| self.column_names.same(&column.name, name))
    }

    /// The columns that a record takes along.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.stored)
    }

    /// Position of a stored column among the stored ones.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.stored().position(|column| self.column_names.same(&column.name, name))
    }

    /// Columns of the declared primary key, in its order.
    pub(crate) fn primary_key(&self) -> Vec<&str> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }

    fn among(&self, name: &str, columns: &[&str]) -> bool {
        columns.iter().any(|other| self.column_names.same(name, other))
    }

    /// True when no two rows agree in these columns: they are the primary key or
    /// all columns of a unique index over whole rows.
    pub(crate) fn is_unique(&self, columns: &[&str]) -> bool {
        let same_set =
            |found: &[&str]| found.len() == columns.len() && found.iter().all(|one| self.among(one, columns));
        same_set(&self.primary_key())
            || self.indexes.iter().filter(|index| index.unique && !index.partial).any(|index| {
                let names: Option<Vec<&str>> = index.columns.iter().map(Option::as_deref).collect();
                names.is_some_and(|names| same_set(&names))
            })
    }

    /// True when an index over all rows begins with these columns, in any order.
    pub(crate) fn begins_an_index(&self, columns: &[&str]) -> bool {
        let begins = |found: &[&str]| {
            found.len() >= columns.len() && found[..columns.len()].iter().all(|one| self.among(one, columns))
        };
        begins(&self.primary_key())
            || self.indexes.iter().filter(|index| !index.partial).any(|index| {
                let names: Vec<&str> = index.columns.iter().map_while(Option::as_deref).collect();
                begins(&names)
            })
    }
}

impl Schema {
    /// The table that an operator, a foreign key or a record means by a name.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        let find = |name: &str| self.tables.iter().find(|table| self.table_names.same(&table.name, name));
        let bare = || name.strip_prefix(self.default.as_deref()?)?.strip_prefix('.');
        find(name).or_else(|| find(bare()?))
    }

    /// Both names mean the same table, also where there is none.
    pub(crate) fn same_table(&self, one: &str, other: &str) -> bool {
        match (self.table(one), self.table(other)) {
            (Some(one), Some(other)) => one.is(other),
            (None, None) => self.table_names.same(one, other),
            _ => false,
        }
    }

    /// Foreign keys that point at `parent`, with the tables they belong to.
    pub(crate) fn pointing_at<'s>(&'s self, parent: &str) -> Vec<(&'s Table, &'s ForeignKey)> {
        let of = |table: &'s Table| table.foreign_keys.iter().map(move |key| (table, key));
        self.tables.iter().flat_map(of).filter(|(_, key)| self.same_table(&key.parent, parent)).collect()
    }
}
