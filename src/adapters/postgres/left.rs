//! Which records a cycle passes over since the application holds a row of them.
//!
//! A row counts that could not be locked and lies, unchanged, where it lay
//! before: one that the application has changed in the meantime holds no lock.

use std::collections::{HashMap, HashSet};

use super::{
    batch::{self, Spot},
    chosen::{Chosen, find, lock},
    link::Link,
};
use crate::{
    adapters::sql::{Fitted, Selection, Table, movable, waiting},
    domain::{deployment::Dataset, selection::Scope},
    ports::{Left, SourceError},
};

/// How many roots are looked at together.
const ROOTS_MAX: usize = 20_000;

/// Runs inside an open transaction, and locks whatever it can.
pub(super) async fn left(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Left, SourceError> {
    let catalogue = link.catalogue().await?;
    let selection = Selection::new(dataset, scope, &catalogue.schema)?;
    let fitted = &selection.of.fitted;
    let mut locked = 0;
    for driven in movable(&selection)? {
        let mut behind = None;
        loop {
            let mut roots = Vec::new();
            let statement = batch::find_roots(fitted, &driven, behind, ROOTS_MAX);
            link.each(&statement, |line| {
                roots.push(Spot::read(line, 0)?);
                Ok(())
            })
            .await?;
            let is_last = roots.len() < ROOTS_MAX;
            behind = roots.last().copied();
            locked += held(link, fitted, roots).await?;
            if is_last {
                break;
            }
        }
    }
    Ok(Left { locked, waiting: waiting(link, &selection).await? })
}

/// How many of these records the application holds a row of.
async fn held(link: &mut Link, fitted: &Fitted<'_>, roots: Vec<Spot>) -> Result<u64, SourceError> {
    let levels = fitted.levels();
    let Some(level) = levels.first().filter(|_| !roots.is_empty()) else { return Ok(0) };
    let mut roots: Vec<(Spot, usize)> = roots.into_iter().zip(0..).collect();
    let mut held = records_held(link, fitted.root, &roots).await?;
    roots.retain(|(_, record)| !held.contains(record));
    let mut chosen = Chosen::of_roots(fitted, roots);
    for child in level.own.iter().chain(&level.unlinked).chain(&level.candidates) {
        let Some(number) = child.number else { continue };
        let found = find(link, fitted, child, &mut chosen).await?;
        held.extend(records_held(link, child.table, &found).await?);
        if let Some(rows) = chosen.rows.get_mut(number) {
            *rows = found;
        }
    }
    Ok(held.len() as u64)
}

async fn records_held(link: &mut Link, table: &Table, rows: &[(Spot, usize)]) -> Result<HashSet<usize>, SourceError> {
    let spots: Vec<Spot> = rows.iter().map(|(spot, _)| *spot).collect();
    let free = lock(link, table, &spots).await?;
    let records: HashMap<Spot, usize> = rows.iter().copied().filter(|(spot, _)| !free.contains(spot)).collect();
    let others: Vec<Spot> = records.keys().copied().collect();
    let mut held = HashSet::new();
    for some in batch::by_table(&others) {
        link.each(&batch::still_there(table, &some), |line| {
            held.extend(records.get(&Spot::read(line, 0)?));
            Ok(())
        })
        .await?;
    }
    Ok(held)
}
