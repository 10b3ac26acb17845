//! Which rows a batch is made of: chosen and locked, skipping those that the
//! application holds. A record of which any row is held stays whole.

use std::collections::{HashMap, HashSet};

use super::{
    batch::{self, Spot, Start},
    copy::Form,
    link::Link,
    take::Order,
};
use crate::{
    adapters::sql::{Fitted, FittedChild, Level, Place, Selection, Table, carried, headings, miscounted},
    domain::{deployment::Edge, record::Cell},
    ports::SourceError,
};

/// The rows of a batch, by table number, each with the number of its record.
pub(super) struct Chosen {
    pub(super) rows: Vec<Vec<(Spot, usize)>>,
    /// What is carried of each record's event, by record number.
    pub(super) carried: Vec<Vec<Cell>>,
    /// The last root in the order of the scan.
    pub(super) reached: Option<Start>,
    /// No other root is left behind these.
    pub(super) complete: bool,
    /// Rows that belong to a record, by whatever way.
    seen: HashSet<Spot>,
}

impl Chosen {
    /// Roots, each of a record of its own.
    pub(super) fn of_roots(fitted: &Fitted<'_>, roots: Vec<(Spot, usize)>) -> Self {
        let seen = roots.iter().map(|(spot, _)| *spot).collect();
        let mut rows = vec![Vec::new(); headings(fitted).len()];
        if let Some(first) = rows.first_mut() {
            *first = roots;
        }
        Self { rows, carried: Vec::new(), reached: None, complete: true, seen }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.first().is_none_or(Vec::is_empty)
    }

    pub(super) fn spots(&self, number: usize) -> Vec<Spot> {
        self.rows.get(number).into_iter().flatten().map(|(spot, _)| *spot).collect()
    }

    /// Leaves records out, and numbers the others anew.
    fn drop_records(&mut self, held: &HashSet<usize>) {
        let mut numbers = HashMap::new();
        let records = self.rows.first().map_or(&[][..], Vec::as_slice);
        for (_, record) in records.iter().filter(|(_, record)| !held.contains(record)) {
            let next = numbers.len();
            numbers.insert(*record, next);
        }
        for rows in &mut self.rows {
            rows.retain_mut(|(_, record)| numbers.get(record).map(|number| *record = *number).is_some());
        }
        let mut position = 0;
        self.carried.retain(|_| {
            position += 1;
            !held.contains(&(position - 1))
        });
    }
}

/// Chooses and locks up to `limit` records. Records of which the application
/// holds a row are passed over, and others are looked for until there is none.
pub(super) async fn choose(
    link: &mut Link,
    selection: &Selection<'_>,
    order: Order<'_>,
    start: Option<&Start>,
) -> Result<Chosen, SourceError> {
    let mut passed: Vec<Spot> = Vec::new();
    loop {
        let mut chosen = choose_roots(link, selection, order, start, &passed).await?;
        if chosen.is_empty() {
            return Ok(chosen);
        }
        let fitted = &selection.of.fitted;
        let held = match fitted.levels().first() {
            Some(level) => choose_level(link, fitted, level, &mut chosen).await?,
            None => HashSet::new(),
        };
        if held.is_empty() {
            return Ok(chosen);
        }
        let roots = chosen.rows.first().into_iter().flatten();
        passed.extend(roots.filter(|(_, record)| held.contains(record)).map(|(spot, _)| *spot));
        chosen.drop_records(&held);
        if !chosen.is_empty() {
            return Ok(chosen);
        }
    }
}

async fn choose_roots(
    link: &mut Link,
    selection: &Selection<'_>,
    order: Order<'_>,
    start: Option<&Start>,
    but: &[Spot],
) -> Result<Chosen, SourceError> {
    let fitted = &selection.of.fitted;
    let own = fitted.event(selection.of.scope.event)?;
    let (driven, held) = (selection.driven(order.cause)?, selection.held_strictly()?);
    let statement = batch::choose_roots(fitted, driven, own, held, start, (order.limit, but));
    let holder = match own.place {
        Place::Through { table, .. } => table,
        Place::Own => fitted.root,
    };
    let forms: Vec<Form> =
        own.columns.names().iter().map(|name| holder.column(name).map_or(Form::Text, Form::of)).collect();
    let (mut roots, mut values, mut reached) = (Vec::new(), Vec::new(), None);
    link.each(&statement, |line| {
        let spot = Spot::read(line, 0)?;
        roots.push((spot, roots.len()));
        reached = Some(match start {
            Some(Start::Place(_)) => Start::Place(spot),
            Some(Start::Event(_)) | None => Start::Event(line.cell(2, Form::Text)?),
        });
        let carried = forms.iter().take(carried(own)).enumerate().map(|(at, form)| line.cell(3 + at, *form));
        values.push(carried.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    })
    .await?;
    let complete = (roots.len() as u64) < u64::from(order.limit);
    Ok(Chosen { carried: values, reached, complete, ..Chosen::of_roots(fitted, roots) })
}

/// Chooses and locks the rows that hang on rows of a level; a row that was
/// reached before, by any way, stays with the record that reached it first.
/// Returns the records of which the application holds a row.
pub(super) async fn choose_level(
    link: &mut Link,
    fitted: &Fitted<'_>,
    level: &Level<'_, '_>,
    chosen: &mut Chosen,
) -> Result<HashSet<usize>, SourceError> {
    let mut held = HashSet::new();
    for child in level.own.iter().chain(&level.unlinked).chain(&level.candidates) {
        let Some(number) = child.number else { continue };
        let found = find(link, fitted, child, chosen).await?;
        let spots: Vec<Spot> = found.iter().map(|(spot, _)| *spot).collect();
        let locked = lock(link, child.table, &spots).await?;
        held.extend(found.iter().filter(|(spot, _)| !locked.contains(spot)).map(|(_, record)| *record));
        if let Some(rows) = chosen.rows.get_mut(number) {
            *rows = found;
        }
    }
    Ok(held)
}

/// Rows that hang on chosen rows by one edge, with their records. Rows that move
/// are noted; a row may lose several links.
pub(super) async fn find(
    link: &mut Link,
    fitted: &Fitted<'_>,
    child: &FittedChild<'_>,
    chosen: &mut Chosen,
) -> Result<Vec<(Spot, usize)>, SourceError> {
    let tables = fitted.tables();
    let mut found: Vec<(Spot, usize)> = Vec::new();
    let mut unlinked: HashSet<Spot> = HashSet::new();
    for above in numbers_of(&tables, child.parent) {
        let (parents, spots) = (chosen.rows.get(above).cloned().unwrap_or_default(), chosen.spots(above));
        if spots.is_empty() {
            continue;
        }
        link.each(&batch::choose_children(child, &spots), |line| {
            let spot = Spot::read(line, 0)?;
            let parent = parents.get(line.number::<usize>(2)?.wrapping_sub(1));
            let (_, record) = parent.ok_or_else(|| miscounted(&child.table.name, "a row hangs below none"))?;
            let is_new = match child.edge {
                Edge::Unlink => !chosen.seen.contains(&spot) && unlinked.insert(spot),
                _ => chosen.seen.insert(spot),
            };
            if is_new {
                found.push((spot, *record));
            }
            Ok(())
        })
        .await?;
    }
    Ok(found)
}

pub(super) async fn lock(link: &mut Link, table: &Table, spots: &[Spot]) -> Result<HashSet<Spot>, SourceError> {
    let mut locked = HashSet::with_capacity(spots.len());
    for some in batch::by_table(spots) {
        link.each(&batch::lock(table, &some), |line| {
            locked.insert(Spot::read(line, 0)?);
            Ok(())
        })
        .await?;
    }
    Ok(locked)
}

fn numbers_of<'t>(tables: &'t [&Table], table: &'t Table) -> impl Iterator<Item = usize> + 't {
    tables.iter().enumerate().filter(|(_, other)| other.is(table)).map(|(number, _)| number)
}
