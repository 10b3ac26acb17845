//! A database of plain tables with foreign keys.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use chrono::{DateTime, Utc};
use retentiond::domain::{
    deployment::{Dataset, WipeLevel},
    record::{Cell, encode_cell, encode_row_start},
    verdict::Finding,
};

#[derive(Debug, Clone)]
pub struct Table {
    /// The first column is the primary key.
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A link that the engine enforces.
#[derive(Debug, Clone, Copy)]
pub struct ForeignKey {
    pub table: &'static str,
    pub column: &'static str,
    pub parent: &'static str,
}

#[derive(Debug, Clone)]
pub struct Database {
    pub tables: BTreeMap<String, Table>,
    pub foreign_keys: Vec<ForeignKey>,
    /// What a wipe answers.
    pub wipe_finding: Finding,
    pub wiped: Vec<(Vec<String>, WipeLevel)>,
    /// What a search finds.
    pub left: Left,
    /// What `inspect` says of a dataset's table.
    pub unfit: Option<String>,
    /// How far its server's clock is ahead; `None`: it has none.
    pub ahead: Option<TimeDelta>,
    /// A query with a mistake: it takes every record whose event can be read.
    pub greedy: bool,
    /// Rows that the application has locked, by table and key.
    pub locked: BTreeSet<(&'static str, &'static str)>,
}

/// What a search of the files finds of any value.
#[derive(Debug, Clone, Copy)]
pub enum Left {
    Nothing,
    /// All of them, gone by the date if there is one.
    Values(Option<DateTime<Utc>>),
    /// It may not read them.
    Unreadable,
    /// None, where its tables were written anew; else it cannot tell.
    Compressed,
}

impl Table {
    pub fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|column| *column == name).unwrap_or_else(|| panic!("no column {name}"))
    }

    pub fn by_key(&self, key: &Cell) -> Option<&Vec<Cell>> {
        self.rows.iter().find(|row| row[0] == *key)
    }
}

impl Database {
    pub fn table(&self, name: &str) -> &Table {
        self.tables.get(name).unwrap_or_else(|| panic!("no table {name}"))
    }

    pub fn table_mut(&mut self, name: &str) -> &mut Table {
        self.tables.get_mut(name).unwrap_or_else(|| panic!("no table {name}"))
    }

    /// Sets one cell, as the application would.
    pub fn set(&mut self, table: &str, key: &str, column: &str, value: Cell) {
        let table = self.table_mut(table);
        let column = table.column(column);
        let row = table.rows.iter_mut().find(|row| row[0] == text(key)).expect("the row is there");
        row[column] = value;
    }

    pub fn has(&self, table: &str, key: &str) -> bool {
        self.table(table).by_key(&text(key)).is_some()
    }

    /// The application has locked a row of this record.
    pub fn locks(&self, dataset: &Dataset, root: &[Cell]) -> bool {
        let locks = |table: &str, row: &Vec<Cell>| {
            self.locked.iter().any(|(locked, key)| *locked == table && row[0] == text(key))
        };
        let rows = self.record(dataset, root);
        dataset.tables().into_iter().zip(&rows).any(|(table, rows)| rows.iter().any(|row| locks(table, row)))
    }

    /// The first foreign key that does not hold.
    pub fn violated(&self) -> Option<ForeignKey> {
        self.foreign_keys.iter().copied().find(|key| {
            let table = self.table(key.table);
            let column = table.column(key.column);
            let dangling =
                |row: &Vec<Cell>| row[column] != Cell::Null && self.table(key.parent).by_key(&row[column]).is_none();
            table.rows.iter().any(dangling)
        })
    }

    /// The rows of one record by table number: the root, then its own children.
    pub fn record(&self, dataset: &Dataset, root: &[Cell]) -> Vec<Vec<Vec<Cell>>> {
        let names = dataset.tables();
        let mut rows = vec![vec![root.to_vec()]];
        for child in dataset.own_children() {
            let above = names.iter().position(|name| *name == child.parent).expect("the parent stands before");
            let (table, parent) = (self.table(&child.table), self.table(&child.parent));
            let linked = |row: &&Vec<Cell>| rows[above].iter().any(|up| linked(table, row, parent, up, &child.on));
            let found = table.rows.iter().filter(linked).cloned().collect();
            rows.push(found);
        }
        rows
    }
}

/// True if all columns of a link agree and are not null.
pub fn linked(table: &Table, row: &[Cell], parent: &Table, up: &[Cell], on: &[(String, String)]) -> bool {
    on.iter().all(|(here, there)| {
        let cell = &row[table.column(here)];
        *cell != Cell::Null && *cell == up[parent.column(there)]
    })
}

/// A record's rows as they travel.
pub fn encode(rows: &[Vec<Vec<Cell>>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, rows) in rows.iter().enumerate() {
        for row in rows {
            encode_row_start(&mut out, number);
            row.iter().for_each(|cell| encode_cell(&mut out, cell));
        }
    }
    out
}

pub fn text(text: &str) -> Cell {
    Cell::Text(text.as_bytes().to_vec())
}
