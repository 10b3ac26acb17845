//! Deletes and inserts where the engine undoes nothing: under a lock of all tables
//! concerned, after every row was compared, and so that it can be gone on with
//! after a crash.
//!
//! Tables that do have transactions change first and commit last, so that what
//! they refuse is known before the first row is beyond recall.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    batch::{self, KEYS_MAX},
    catalogue::Catalogue,
    chosen::{agree, literals},
    connection::Link,
    failure,
    identity::self_links,
    restore::{self, columns, same_charsets},
    take::refused,
    value::{Class, Fetched, literal},
};
use crate::{
    adapters::{
        failpoint,
        sql::{
            Fitted, Laid, StoredRow as _, Table, blanked, identical, insertion_order_of_all, laid as find_laid, lay_all,
        },
    },
    domain::record::Row,
    ports::{Restoration, SourceError},
};

/// Whether rows are touched for the first time, or a crash left them half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    GoOn,
}

/// Rows of one table, by the literals of their keys.
struct Group<'t> {
    table: &'t Table,
    columns: Vec<(&'t str, Class)>,
    rows: BTreeMap<Vec<String>, Row>,
    /// Keys of rows that are there, to the byte.
    same: Vec<Vec<String>>,
    /// Rows that are there otherwise.
    changed: usize,
}

impl Group<'_> {
    fn absent(&self) -> usize {
        self.rows.len().saturating_sub(self.same.len() + self.changed)
    }
}

/// True where a record has rows in a table without transactions.
pub(super) fn concerns(catalogue: &Catalogue, records: &[Restoration<'_>]) -> bool {
    let names = records.iter().flat_map(|record| record.tables).map(|heading| heading.name.as_str());
    names.filter_map(|name| catalogue.schema.table(name)).any(|table| catalogue.weak_engine(table).is_some())
}

/// Deletes rows, every one of which must be what it was. `GoOn`: those that are
/// gone are gone; false, with nothing deleted, if one is there otherwise.
pub(super) async fn remove(link: &mut Link, records: &[Restoration<'_>], turn: Turn) -> Result<bool, SourceError> {
    lock(link, records).await.map_err(undone)?;
    let removed = remove_locked(link, records, turn).await;
    let kept = match removed {
        Ok(true) => link.command("COMMIT").await.map_err(failure::engine),
        Ok(false) | Err(_) => Ok(()),
    };
    link.unlock_tables().await;
    kept.and(removed)
}

/// Inserts rows, none of which may be there. `GoOn`: those that are there as they
/// are to be stay; false, with nothing inserted, if one is there otherwise.
pub(super) async fn put_back(link: &mut Link, records: &[Restoration<'_>], turn: Turn) -> Result<bool, SourceError> {
    lock(link, records).await.map_err(undone)?;
    let inserted = put_back_locked(link, records, turn).await;
    let kept = match inserted {
        Ok(true) => link.command("COMMIT").await.map_err(failure::engine),
        Ok(false) | Err(_) => Ok(()),
    };
    link.unlock_tables().await;
    kept.and(inserted)
}

/// Locks every table of the records, under its own name.
async fn lock(link: &mut Link, records: &[Restoration<'_>]) -> Result<(), SourceError> {
    let catalogue = link.catalogue().await?;
    let names = records.iter().flat_map(|record| record.tables).map(|heading| heading.name.as_str());
    let tables: BTreeSet<&str> =
        names.filter_map(|name| catalogue.schema.table(name)).map(|table| table.sql.as_str()).collect();
    let locks: Vec<String> = tables.iter().map(|sql| format!("{sql} WRITE")).collect();
    link.lock_tables(&locks.join(", ")).await.map_err(|error| match refused(error) {
        SourceError::Engine { reason } if reason.contains("denied") => SourceError::Engine {
            reason: format!("{reason}; hint: tables without transactions are locked for each batch: GRANT LOCK TABLES"),
        },
        other => other,
    })
}

/// An error before anything was changed.
fn undone(error: SourceError) -> SourceError {
    match error {
        SourceError::RolledBack { .. } => error,
        other => SourceError::RolledBack { reason: other.to_string() },
    }
}

async fn remove_locked(link: &mut Link, records: &[Restoration<'_>], turn: Turn) -> Result<bool, SourceError> {
    let catalogue = link.catalogue().await.map_err(undone)?;
    let groups = examine(link, &catalogue, records).await.map_err(undone)?;
    match turn {
        Turn::First => {
            let touched = groups.iter().find(|group| group.changed > 0 || group.absent() > 0);
            if let Some(group) = touched {
                return Err(changed(group.table));
            }
            nothing_new(link, &catalogue, records, &groups).await.map_err(undone)?;
        }
        Turn::GoOn if groups.iter().any(|group| group.changed > 0) => return Ok(false),
        Turn::GoOn => {}
    }
    let (weak, strong): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        groups.iter().rev().partition(|group| catalogue.weak_engine(group.table).is_some());
    for group in strong {
        delete(link, &catalogue, group).await.map_err(undone)?;
    }
    // The point after which the vault holds the only copy.
    for group in weak {
        delete(link, &catalogue, group).await?;
    }
    Ok(true)
}

fn changed(table: &Table) -> SourceError {
    let reason = format!("the application changed rows of {} just now; nothing was moved; hint: run again", table.name);
    SourceError::RolledBack { reason }
}

/// Rows by table, what is pointed at before what points, with what the source has
/// of them.
async fn examine<'c>(
    link: &mut Link,
    catalogue: &'c Catalogue,
    records: &[Restoration<'_>],
) -> Result<Vec<Group<'c>>, SourceError> {
    let schema = &catalogue.schema;
    let mut laid_out: Vec<Vec<Laid<'c>>> = Vec::with_capacity(records.len());
    for record in records {
        let tables = lay_all(record.dataset, schema, record.tables)?;
        same_charsets(record, &tables)?;
        if let Some(laid) =
            tables.iter().find(|laid| !laid.unlinked && laid.columns.len() != laid.table.stored().count())
        {
            let reason = format!("table {} has columns that the record does not have", laid.table.name);
            return Err(SourceError::Schema { dataset: record.dataset.table.clone(), reason });
        }
        laid_out.push(tables);
    }
    let tables: Vec<&[Laid<'_>]> = laid_out.iter().map(Vec::as_slice).collect();
    let mut groups: Vec<Group<'c>> = Vec::new();
    for (record, number) in insertion_order_of_all(schema, &tables) {
        let laid = &laid_out[record][number];
        let place = groups.iter().position(|group| group.table.is(laid.table)).unwrap_or_else(|| {
            let rows = BTreeMap::new();
            groups.push(Group { table: laid.table, columns: columns(laid), rows, same: Vec::new(), changed: 0 });
            groups.len() - 1
        });
        let rows = blanked(&records[record], schema, laid_out[record].first())?;
        for row in rows.into_iter().filter(|row| row.table == number) {
            find_laid(&laid_out[record], &row)?;
            let key = key_of(&groups[place], &row)?;
            groups[place].rows.insert(key, row);
        }
    }
    for group in &mut groups {
        look(link, group).await?;
    }
    Ok(groups)
}

/// Where the columns of the key stand.
fn key_positions(group: &Group<'_>) -> Result<Vec<usize>, SourceError> {
    let at = |name: &String| group.columns.iter().position(|(known, _)| known == name);
    let positions = batch::key_columns(group.table).iter().map(at).collect::<Option<Vec<_>>>();
    positions.filter(|positions| !positions.is_empty()).ok_or_else(|| SourceError::Engine {
        reason: format!("nothing tells the rows of {} apart any more", group.table.name),
    })
}

fn key_of(group: &Group<'_>, row: &Row) -> Result<Vec<String>, SourceError> {
    let one = |at: usize| Some(literal(row.cells.get(at)?, &group.columns.get(at)?.1));
    let key = key_positions(group)?.into_iter().map(one).collect::<Option<Vec<_>>>();
    key.ok_or_else(|| SourceError::Engine { reason: "a row lacks its key".to_owned() })
}

/// Compares the rows of a group with those that the source has under their keys.
async fn look(link: &mut Link, group: &mut Group<'_>) -> Result<(), SourceError> {
    let positions = key_positions(group)?;
    let classes: Vec<Class> = group.columns.iter().map(|(_, class)| class.clone()).collect();
    let names: Vec<&str> = group.columns.iter().map(|(name, _)| *name).collect();
    let (mut same, mut changed) = (Vec::new(), 0);
    let keys: Vec<&[String]> = group.rows.keys().map(Vec::as_slice).collect();
    for keys in keys.chunks(KEYS_MAX) {
        for row in link.all(&batch::read_by_key(group.table, &names, keys)).await.map_err(refused)? {
            let key = literals(&row, &classes, &positions)?;
            let found = Fetched { row: &row, classes: &classes };
            let mut is_same = group.rows.contains_key(&key);
            for (at, cell) in group.rows.get(&key).into_iter().flat_map(|known| known.cells.iter().enumerate()) {
                is_same = is_same && identical(&found.cell(at)?, cell);
            }
            if is_same {
                same.push(key);
            } else {
                changed += 1;
            }
        }
    }
    (group.same, group.changed) = (same, changed);
    Ok(())
}

/// Sees that no row has come below those that go since they were read.
async fn nothing_new(
    link: &mut Link,
    catalogue: &Catalogue,
    records: &[Restoration<'_>],
    groups: &[Group<'_>],
) -> Result<(), SourceError> {
    let Some(record) = records.first() else { return Ok(()) };
    let fitted = Fitted::for_query(record.dataset, &catalogue.schema)?;
    let of = |table: &Table| groups.iter().find(|group| group.table.is(table));
    for child in fitted.own() {
        let (Some(parents), Some(children)) = (of(child.parent), of(child.table)) else { continue };
        let positions = key_positions(children)?;
        let class = |at: &usize| children.columns.get(*at).map(|(_, class)| class.clone());
        let classes: Vec<Class> = positions.iter().filter_map(class).collect();
        let key: Vec<usize> = (0..classes.len()).collect();
        let above: Vec<&[String]> = parents.rows.keys().map(Vec::as_slice).collect();
        for above in above.chunks(KEYS_MAX) {
            for row in link.all(&batch::keys_below(child, above)).await.map_err(refused)? {
                if !children.rows.contains_key(&literals(&row, &classes, &key)?) {
                    return Err(changed(child.table));
                }
            }
        }
    }
    Ok(())
}

async fn delete(link: &mut Link, catalogue: &Catalogue, group: &Group<'_>) -> Result<(), SourceError> {
    let keys: Vec<&[String]> = group.same.iter().map(Vec::as_slice).collect();
    let links = self_links(group.table);
    for keys in keys.chunks(KEYS_MAX) {
        if !links.is_empty() {
            let cut = link.execute(&batch::cut_locked(group.table, &links, keys)).await.map_err(refused)?;
            agree(group.table, keys.len(), cut)?;
        }
    }
    for keys in keys.chunks(KEYS_MAX) {
        let text = batch::delete(group.table, keys, catalogue.is_small(group.table));
        let deleted = link.execute(&text).await.map_err(refused)?;
        agree(group.table, keys.len(), deleted)?;
        failpoint::reach("source.deleted-some");
    }
    Ok(())
}

async fn put_back_locked(link: &mut Link, records: &[Restoration<'_>], turn: Turn) -> Result<bool, SourceError> {
    let catalogue = link.catalogue().await.map_err(undone)?;
    let groups = examine(link, &catalogue, records).await.map_err(undone)?;
    match turn {
        Turn::First => {
            if let Some(group) = groups.iter().find(|group| group.changed > 0 || !group.same.is_empty()) {
                let reason =
                    format!("table {} has a row with this key already; nothing was restored", group.table.name);
                return Err(SourceError::RolledBack { reason });
            }
        }
        Turn::GoOn if groups.iter().any(|group| group.changed > 0) => return Ok(false),
        Turn::GoOn => {}
    }
    let missing = missing(&catalogue, records, &groups)?;
    let inserted = restore::put_back(link, &missing).await;
    match (inserted, turn) {
        (Ok(()), _) => Ok(true),
        (Err(error), Turn::GoOn) => Err(error),
        (Err(error), Turn::First) => {
            take_out(link, &catalogue, &groups).await?;
            Err(error)
        }
    }
}

/// The records without the rows that are there.
fn missing<'r>(
    catalogue: &Catalogue,
    records: &'r [Restoration<'_>],
    groups: &[Group<'_>],
) -> Result<Vec<Restoration<'r>>, SourceError> {
    let schema = &catalogue.schema;
    let mut missing = Vec::with_capacity(records.len());
    for record in records {
        let tables = lay_all(record.dataset, schema, record.tables)?;
        let mut rows = Vec::new();
        for row in &record.rows {
            let laid = find_laid(&tables, row)?;
            let group = groups.iter().find(|group| group.table.is(laid.table)).filter(|_| !laid.unlinked);
            let is_there = match group {
                Some(group) => group.same.contains(&key_of(group, row)?),
                None => false,
            };
            if !is_there {
                rows.push(row.clone());
            }
        }
        let blank = record.blank.clone();
        missing.push(Restoration { dataset: record.dataset, tables: record.tables, rows, blank });
    }
    Ok(missing)
}

/// Takes rows out again that were inserted just now: under the lock, nobody else
/// can have inserted what was not there before.
async fn take_out(link: &mut Link, catalogue: &Catalogue, groups: &[Group<'_>]) -> Result<(), SourceError> {
    link.command("ROLLBACK").await.map_err(failure::engine)?;
    for group in groups.iter().filter(|group| catalogue.weak_engine(group.table).is_some()) {
        let keys: Vec<&[String]> = group.rows.keys().map(Vec::as_slice).collect();
        for keys in keys.chunks(KEYS_MAX) {
            link.command(&batch::delete(group.table, keys, false)).await.map_err(failure::engine)?;
        }
    }
    Ok(())
}
