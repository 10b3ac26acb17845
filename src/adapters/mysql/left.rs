//! Which records a cycle passes over since the application holds a row of them.
//!
//! A root counts that could not be locked and is still there to move after that,
//! and one below which rows are locked, or were added at this moment.

use std::collections::HashSet;

use super::{
    batch::{self, KEYS_MAX},
    chosen::{Chosen, Row, Taking, key_classes, literals},
    connection::Link,
    take::refused,
    value::Class,
};
use crate::{
    adapters::sql::{Driven, Selection, Table, movable, waiting},
    domain::{deployment::Dataset, selection::Scope},
    ports::{Left, SourceError},
};

/// Runs inside an open transaction, and locks whatever it can.
pub(super) async fn left(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Left, SourceError> {
    let catalogue = link.catalogue().await?;
    let selection = Selection::new(dataset, scope, &catalogue.schema)?;
    let root = selection.of.fitted.root;
    let mut locked = 0;
    for driven in movable(&selection)? {
        let mut behind: Option<Vec<String>> = None;
        loop {
            let found = find(link, &selection, &driven, (behind.as_deref(), None)).await?;
            let free = lock(link, root, &found).await?;
            let keys: HashSet<&[String]> = free.rows.iter().map(|row| row.key.as_slice()).collect();
            let held: Vec<&[String]> = found.iter().map(Vec::as_slice).filter(|key| !keys.contains(key)).collect();
            if !held.is_empty() {
                locked += find(link, &selection, &driven, (None, Some(&held))).await?.len() as u64;
            }
            if !free.rows.is_empty() {
                locked += Taking::new(link, &catalogue, &selection).choose_whole(free).await?.len() as u64;
            }
            if found.len() < KEYS_MAX {
                break;
            }
            behind = found.into_iter().next_back();
        }
    }
    Ok(Left { locked, waiting: waiting(link, &selection).await? })
}

/// Keys of roots, whoever has locked them.
async fn find(
    link: &mut Link,
    selection: &Selection<'_>,
    driven: &Driven<'_>,
    narrowed: (Option<&[String]>, Option<&[&[String]]>),
) -> Result<Vec<Vec<String>>, SourceError> {
    let fitted = &selection.of.fitted;
    let (classes, key) = key_of(fitted.root);
    let rows = link.all(&batch::find_roots(fitted, driven, narrowed, KEYS_MAX)).await.map_err(refused)?;
    rows.iter().map(|row| literals(row, &classes, &key)).collect()
}

/// Locks those of these roots that nobody else holds.
async fn lock<'t>(link: &mut Link, root: &'t Table, keys: &[Vec<String>]) -> Result<Chosen<'t>, SourceError> {
    let (classes, key) = key_of(root);
    let mut rows = Vec::new();
    if !keys.is_empty() {
        let keys: Vec<&[String]> = keys.iter().map(Vec::as_slice).collect();
        for row in link.all(&batch::lock_roots(root, &keys)).await.map_err(refused)? {
            let key = literals(&row, &classes, &key)?;
            rows.push(Row { record: rows.len(), row, key });
        }
    }
    Ok(Chosen { table: root, classes, rows })
}

fn key_of(table: &Table) -> (Vec<Class>, Vec<usize>) {
    let classes = key_classes(table);
    let key = (0..classes.len()).collect();
    (classes, key)
}
