//! The rows of a batch: chosen and locked level by level, and deleted by key.
//!
//! Before anything is deleted it is known that every row of every record is
//! locked; records of which one is not are left out.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashSet},
};

use sqlx::mysql::MySqlRow;

use super::{
    batch::{self, KEYS_MAX},
    catalogue::Catalogue,
    connection::Link,
    failure,
    identity::self_links,
    take::{refused, still_narrowed},
    value::{self, BEHIND_FIRST, Class, Fetched, class, literal},
};
use crate::{
    adapters::sql::{Fitted, FittedChild, FittedEvent, Gathered, Selection, StoredRow as _, Table, miscounted},
    domain::{deployment::Edge, selection::Scope},
    ports::{SourceError, Taken},
};

/// A row under lock, with the record it belongs to.
pub(super) struct Row {
    pub(super) record: usize,
    pub(super) row: MySqlRow,
    /// Literals of its key.
    pub(super) key: Vec<String>,
}

/// Locked rows of one table number, with the classes of what was fetched.
pub(super) struct Chosen<'t> {
    pub(super) table: &'t Table,
    pub(super) classes: Vec<Class>,
    pub(super) rows: Vec<Row>,
}

pub(super) fn keys(rows: &[Row]) -> Vec<&[String]> {
    rows.iter().map(|row| row.key.as_slice()).collect()
}

/// Values of a row as literals.
pub(super) fn literals(row: &MySqlRow, classes: &[Class], positions: &[usize]) -> Result<Vec<String>, SourceError> {
    let fetched = Fetched { row, classes };
    let one = |position: &usize| Ok(literal(&fetched.cell(*position)?, fetched.class(*position)?));
    positions.iter().map(one).collect()
}

/// A batch whose roots are chosen.
pub(super) struct Taking<'t, 'a> {
    link: &'t mut Link,
    catalogue: &'t Catalogue,
    selection: &'t Selection<'a>,
    /// By table number: what moves, then what loses its link.
    chosen: Vec<Chosen<'t>>,
    /// Rows that move, by table and key.
    moving: HashSet<(&'t str, Vec<String>)>,
    /// Records of which not every row could be locked.
    torn: BTreeSet<usize>,
}

impl<'t, 'a> Taking<'t, 'a> {
    pub(super) fn new(link: &'t mut Link, catalogue: &'t Catalogue, selection: &'t Selection<'a>) -> Self {
        Self { link, catalogue, selection, chosen: Vec::new(), moving: HashSet::new(), torn: BTreeSet::new() }
    }

    fn fitted(&self) -> &'t Fitted<'a> {
        &self.selection.of.fitted
    }

    pub(super) fn roots(&self) -> usize {
        self.chosen.first().map_or(0, |roots| roots.rows.len())
    }

    /// Chooses what goes with the roots, and leaves out the records of which
    /// somebody else has locked a row: their keys.
    pub(super) async fn choose_whole(&mut self, mut roots: Chosen<'t>) -> Result<Vec<Vec<String>>, SourceError> {
        let fitted = self.fitted();
        let mut left_out = Vec::new();
        loop {
            for (number, row) in roots.rows.iter_mut().enumerate() {
                row.record = number;
            }
            let name = roots.table.sql.as_str();
            self.moving = roots.rows.iter().map(|row| (name, row.key.clone())).collect();
            self.torn.clear();
            let others = fitted.tables().into_iter().skip(1).chain(fitted.unlinked().map(|child| child.table));
            let none = |table: &'t Table| Chosen { table, classes: Vec::new(), rows: Vec::new() };
            self.chosen = std::iter::once(roots).chain(others.map(none)).collect();
            self.choose_level(0).await?;
            if self.torn.is_empty() {
                return Ok(left_out);
            }
            roots = self.chosen.swap_remove(0);
            let torn = roots.rows.extract_if(.., |row| self.torn.contains(&row.record));
            left_out.extend(torn.map(|row| row.key));
            if roots.rows.is_empty() {
                self.chosen.clear();
                return Ok(left_out);
            }
        }
    }

    /// Chooses the rows of a level, and the candidates of the next one.
    async fn choose_level(&mut self, position: usize) -> Result<(), SourceError> {
        let fitted = self.fitted();
        let levels = fitted.levels();
        let Some(level) = levels.get(position) else { return Ok(()) };
        for child in level.own.iter().chain(&level.unlinked).chain(&level.candidates) {
            self.choose(child).await?;
        }
        Ok(())
    }

    /// Chooses the rows of one edge. One that moves already, by whatever way,
    /// stays with the record that reached it first.
    async fn choose(&mut self, child: &FittedChild<'a>) -> Result<(), SourceError> {
        let Some(number) = child.number else { return Ok(()) };
        let name = child.table.sql.as_str();
        let (mut rows, classes) = self.below(child).await?;
        if child.edge == Edge::Unlink {
            let mut seen = HashSet::new();
            rows.retain(|row| !self.moving.contains(&(name, row.key.clone())) && seen.insert(row.key.clone()));
        } else {
            rows.retain(|row| self.moving.insert((name, row.key.clone())));
        }
        if let Some(place) = self.chosen.get_mut(number) {
            (place.rows, place.classes) = (rows, classes);
        }
        Ok(())
    }

    /// Locks the rows of one edge below everything that moves of its parent.
    async fn below(&mut self, child: &FittedChild<'a>) -> Result<(Vec<Row>, Vec<Class>), SourceError> {
        let moving = self.fitted().tables().len();
        let above = self.chosen.iter().take(moving).filter(|place| place.table.is(child.parent));
        let above = above.flat_map(|place| &place.rows);
        let parents: BTreeMap<Vec<String>, usize> = above.map(|row| (row.key.clone(), row.record)).collect();
        let strange = || miscounted(&child.table.name, "a row belongs to no record");
        let mut classes: Vec<Class> = batch::kept_columns(child).iter().map(|column| class(&column.declared)).collect();
        let parent_key: Vec<usize> = (classes.len()..).take(batch::key_positions(child.parent).len()).collect();
        classes.extend(key_classes(child.parent));
        let own_key = batch::kept_key(child);
        let keys: Vec<&[String]> = parents.keys().map(Vec::as_slice).collect();
        let mut rows = Vec::new();
        for keys in keys.chunks(KEYS_MAX) {
            let mut locked: BTreeMap<usize, i64> = BTreeMap::new();
            for row in self.link.all(&batch::choose_children(child, keys)).await.map_err(refused)? {
                let record = *parents.get(&literals(&row, &classes, &parent_key)?).ok_or_else(strange)?;
                *locked.entry(record).or_default() += 1;
                let key = literals(&row, &classes, &own_key)?;
                rows.push(Row { record, row, key });
            }
            let counted = self.link.one(&batch::count_children(child, keys)).await.map_err(failure::engine)?;
            if value::number(&counted, 0)? != locked.values().sum::<i64>() {
                let there = self.count_each(child, keys, &parents).await?;
                self.torn.extend(parents.values().filter(|record| locked.get(record) != there.get(record)));
            }
        }
        if let Some(condition) = child.condition {
            still_narrowed(self.link, child.table, condition, &rows).await?;
        }
        Ok((rows, classes))
    }

    /// Rows of an edge by record, whoever has locked them.
    async fn count_each(
        &mut self,
        child: &FittedChild<'a>,
        keys: &[&[String]],
        parents: &BTreeMap<Vec<String>, usize>,
    ) -> Result<BTreeMap<usize, i64>, SourceError> {
        let classes = key_classes(child.parent);
        let key: Vec<usize> = (0..classes.len()).collect();
        let mut there: BTreeMap<usize, i64> = BTreeMap::new();
        let text = batch::count_children_each(child, keys);
        for row in self.link.all(&text).await.map_err(failure::engine)? {
            let strange = || miscounted(&child.table.name, "a row has no parent");
            let record = *parents.get(&literals(&row, &classes, &key)?).ok_or_else(strange)?;
            *there.entry(record).or_default() += value::number(&row, key.len() + BEHIND_FIRST)?;
        }
        Ok(there)
    }

    /// Deletes what was chosen, level by level: what it points at is looked at
    /// when nothing of it is left. Gathers what was read.
    pub(super) async fn delete_all(
        mut self,
        own: &FittedEvent<'_>,
        scope: &Scope<'_>,
    ) -> Result<Vec<Taken>, SourceError> {
        let fitted = self.fitted();
        for (position, level) in fitted.levels().into_iter().enumerate() {
            if position > 0 {
                for reference in &level.references {
                    self.drop_referenced(reference).await?;
                }
                self.choose_level(position).await?;
                if !self.torn.is_empty() {
                    let reason = "the application holds a lock on a row that a record points at; hint: run again";
                    return Err(SourceError::RolledBack { reason: reason.to_owned() });
                }
            }
            for child in &level.unlinked {
                self.cut(child).await?;
            }
            for number in level.upwards(position == 0) {
                self.delete(number).await?;
            }
        }
        self.gather(own, scope)
    }

    /// What was read of the rows that were chosen.
    pub(super) fn gather(&self, own: &FittedEvent<'_>, scope: &Scope<'_>) -> Result<Vec<Taken>, SourceError> {
        let fitted = self.fitted();
        let mut gathered = Gathered::new(fitted, own, scope, self.roots(), fitted.root.stored().count())?;
        for (number, place) in self.chosen.iter().enumerate() {
            for row in &place.rows {
                gathered.add(row.record, number, &Fetched { row: &row.row, classes: &place.classes })?;
            }
        }
        gathered.finish()
    }

    /// Lets go of the rows of a reference at which something still points.
    async fn drop_referenced(&mut self, reference: &FittedChild<'a>) -> Result<(), SourceError> {
        let Some(place) = reference.number.and_then(|number| self.chosen.get_mut(number)) else { return Ok(()) };
        let classes = key_classes(place.table);
        let key: Vec<usize> = (0..classes.len()).collect();
        let mut kept: HashSet<Vec<String>> = HashSet::new();
        for rows in place.rows.chunks(KEYS_MAX) {
            let text = batch::still_referenced(self.selection, reference, &keys(rows))?;
            for row in self.link.all(&text).await.map_err(refused)? {
                kept.insert(literals(&row, &classes, &key)?);
            }
        }
        place.rows.retain(|row| !kept.contains(&row.key));
        Ok(())
    }

    async fn cut(&mut self, child: &FittedChild<'a>) -> Result<(), SourceError> {
        let Some(place) = child.number.and_then(|number| self.chosen.get(number)) else { return Ok(()) };
        let (_, links) = child.link_columns();
        for rows in place.rows.chunks(KEYS_MAX) {
            let cut = self.link.execute(&batch::cut(place.table, &links, &keys(rows))).await.map_err(refused)?;
            agree(place.table, rows.len(), cut)?;
        }
        Ok(())
    }

    /// Deletes rows that were read. What they were is known by then, also where
    /// they pointed at each other.
    async fn delete(&mut self, number: usize) -> Result<(), SourceError> {
        let Some(place) = self.chosen.get(number) else { return Ok(()) };
        let links = self_links(place.table);
        for rows in place.rows.chunks(KEYS_MAX).filter(|_| !links.is_empty()) {
            let cut = self.link.execute(&batch::cut(place.table, &links, &keys(rows))).await.map_err(refused)?;
            agree(place.table, rows.len(), cut)?;
        }
        // Neighbours share a page, and the index is read in its order.
        let mut keys = keys(&place.rows);
        keys.sort_unstable_by(|one, other| in_order(one, other));
        let chunks = || keys.chunks(KEYS_MAX);
        let small = self.catalogue.is_small(place.table);
        let texts = chunks().map(|keys| batch::delete(place.table, keys, small)).collect();
        let deleted = self.link.execute_each(texts).await.map_err(refused)?;
        chunks().zip(deleted).try_for_each(|(keys, deleted)| agree(place.table, keys.len(), deleted))
    }
}

/// Literals of one class; of numbers, the longer one is the greater.
fn in_order(one: &[String], other: &[String]) -> Ordering {
    let is_number = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
    let pairs = one.iter().zip(other).map(|(one, other)| {
        let length = if is_number(one) && is_number(other) { one.len().cmp(&other.len()) } else { Ordering::Equal };
        length.then_with(|| one.cmp(other))
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}

pub(super) fn agree(table: &Table, rows: usize, changed: u64) -> Result<(), SourceError> {
    if usize::try_from(changed).ok() == Some(rows) {
        return Ok(());
    }
    Err(miscounted(&table.name, "rows read and rows changed differ in number"))
}

pub(super) fn key_classes(table: &Table) -> Vec<Class> {
    let classes = value::classes(table);
    batch::key_positions(table).into_iter().filter_map(|position| classes.get(position).cloned()).collect()
}
