//! Which columns a plan reads, so that `check` can say which grant is missing
//! before a plan fails for want of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fit::{Fitted, Place},
    schema::Table,
};
use crate::domain::deployment::{Dataset, EventPlace};

/// Columns of one table. An operator's condition may name any.
#[derive(Debug, Default)]
pub(crate) struct Reads<'f> {
    columns: BTreeSet<&'f str>,
    any: bool,
}

impl Reads<'_> {
    pub(crate) fn has(&self, column: &str) -> bool {
        self.any || self.columns.contains(column)
    }
}

/// By `Table::sql`.
pub(crate) fn reads<'f>(fitted: &'f Fitted<'_>) -> BTreeMap<&'f str, Reads<'f>> {
    let mut reads: BTreeMap<&str, Reads<'_>> = BTreeMap::new();
    let mut note = |table: &'f Table, names: Vec<&'f str>, any: bool| {
        let read = reads.entry(&table.sql).or_default();
        read.columns.extend(names);
        read.any |= any;
    };
    let (dataset, root) = (fitted.dataset, fitted.root);
    let own = dataset.key.iter().chain(&dataset.subject).map(String::as_str).collect();
    note(root, own, dataset.condition.is_some());
    for (_, event) in &fitted.events {
        let holder = match event.place {
            Place::Own => root,
            Place::Through { table, on } => {
                note(root, on.iter().map(|(here, _)| here.as_str()).collect(), false);
                note(table, on.iter().map(|(_, there)| there.as_str()).collect(), false);
                table
            }
        };
        note(holder, event.columns.names(), false);
    }
    for child in &fitted.children {
        note(child.table, child.on.iter().map(|(here, _)| here.as_str()).collect(), child.condition.is_some());
        note(child.parent, child.on.iter().map(|(_, there)| there.as_str()).collect(), false);
    }
    reads
}

/// Names of all tables that a dataset speaks of, as they are written.
pub(crate) fn tables_named(dataset: &Dataset) -> BTreeSet<&str> {
    let through = dataset.events.values().filter_map(|place| match place {
        EventPlace::Through { table, .. } => Some(table.as_str()),
        EventPlace::Own(_) => None,
    });
    let children = dataset.children.iter().map(|child| child.table.as_str());
    std::iter::once(dataset.table.as_str()).chain(children).chain(through).collect()
}
