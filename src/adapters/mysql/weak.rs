//! Tables without transactions: which datasets have one, what such a dataset may
//! not have, and what is remembered of its batch until the receipt comes.
//!
//! Of such a batch nothing is deleted before the sealed copy was compared. A
//! deletion of it cannot be undone, only finished.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::catalogue::Catalogue;
use crate::{
    adapters::sql::{Fitted, Misfit, Table},
    domain::{
        deployment::{Dataset, Edge},
        record::{Row, decode_rows},
        segment,
    },
    ports::{Batch, SourceError},
};

/// Tables of a dataset that lose rows and cannot undo it, each once, with their
/// engines.
fn tables<'f>(catalogue: &'f Catalogue, fitted: &Fitted<'f>) -> Vec<(&'f Table, &'f str)> {
    let mut found: Vec<(&Table, &str)> = Vec::new();
    for table in fitted.tables().into_iter().chain(fitted.unlinked().map(|child| child.table)) {
        let Some(engine) = catalogue.weak_engine(table) else { continue };
        if !found.iter().any(|(known, _)| known.is(table)) {
            found.push((table, engine));
        }
    }
    found
}

/// A batch of this dataset cannot be undone.
pub(super) fn has_any(catalogue: &Catalogue, fitted: &Fitted<'_>) -> bool {
    !tables(catalogue, fitted).is_empty()
}

/// The engine of each such table.
pub(super) fn engines(catalogue: &Catalogue, fitted: &Fitted<'_>) -> BTreeMap<String, String> {
    let named = |(table, engine): (&Table, &str)| (table.name.clone(), engine.to_owned());
    tables(catalogue, fitted).into_iter().map(named).collect()
}

/// Says of each such table that it is moved in the weaker way.
pub(super) fn warnings(catalogue: &Catalogue, fitted: &Fitted<'_>) -> Vec<Misfit> {
    let warning = |(table, engine): (&Table, &str)| {
        Misfit::new(
            format!(
                "table {} is kept by {engine}, which has no transactions: the weaker mode; rows are sealed, stored and \
                 read back first, and then deleted by key, if all of them are still what was sealed, while the tables \
                 of the dataset are locked",
                table.name
            ),
            "ALTER TABLE … ENGINE = InnoDB is better; otherwise the user needs the privilege LOCK TABLES on the \
             database",
        )
    };
    tables(catalogue, fitted).into_iter().map(warning).collect()
}

/// Why a dataset cannot be moved in the weaker way: what follows from a deletion
/// would have to be found out before it.
pub(super) fn refused(catalogue: &Catalogue, fitted: &Fitted<'_>) -> Option<Misfit> {
    let (table, engine) = tables(catalogue, fitted).into_iter().next()?;
    let edge = fitted.children.iter().find(|child| matches!(child.edge, Edge::Unlink | Edge::Reference))?;
    let what = if edge.edge == Edge::Unlink { "an `unlink` edge" } else { "a `reference` edge" };
    Some(Misfit::new(
        format!(
            "table {} is kept by {engine}, which has no transactions, and {} has {what}: such a batch could not be \
             finished after a crash",
            table.name, edge.table.name
        ),
        "ALTER TABLE … ENGINE = InnoDB for every table of the dataset, or have `own` and `wait` edges only",
    ))
}

/// A batch that was read, and of which nothing is deleted yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) dataset: Dataset,
    pub(super) tables: Vec<segment::Table>,
    records: Vec<Zeroizing<Vec<u8>>>,
}

impl Pending {
    pub(super) fn of(dataset: &Dataset, batch: &Batch) -> Self {
        Self {
            dataset: dataset.clone(),
            tables: batch.tables.clone(),
            records: batch.records.iter().map(|taken| taken.rows.clone()).collect(),
        }
    }

    pub(super) fn rows(&self) -> Result<Vec<Row>, SourceError> {
        let columns: Vec<usize> = self.tables.iter().map(|table| table.columns.len()).collect();
        let mut rows = Vec::new();
        for record in &self.records {
            let strange = |error| SourceError::Engine { reason: format!("a record that was just read: {error}") };
            rows.extend(decode_rows(record, &columns).map_err(strange)?);
        }
        Ok(rows)
    }
}
