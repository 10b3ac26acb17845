//! Which roots move, by the rules that `selection` and `ports` state, on plain
//! tables: the same conditions for a census and for a batch.

use std::collections::BTreeMap;

use retentiond::domain::{
    census::{Anomaly, AnomalyKind, Census},
    deployment::{Dataset, Edge, EventPlace},
    event::{Column, EventColumn, Reading, interpret},
    hold::Cover,
    id::EventName,
    record::{Cell, locator},
    selection::{Bounds, Cause, Scope},
};
use retentiond::ports::Left;

use super::tables::{Database, linked};

pub fn reading(db: &Database, dataset: &Dataset, root: &[Cell], event: &EventName, scope: &Scope<'_>) -> Reading {
    let table = db.table(&dataset.table);
    match dataset.events.get(event) {
        None => Reading::Absent,
        Some(EventPlace::Own(column)) => read_cell(&root[table.column(name(column))], column, scope),
        Some(EventPlace::Through { table: parent, on, column }) => {
            let parent = db.table(parent);
            let up = parent.rows.iter().find(|up| linked(table, root, parent, up, on));
            up.map_or(Reading::Absent, |up| read_cell(&up[parent.column(name(column))], column, scope))
        }
    }
}

fn name(column: &EventColumn) -> &str {
    match &column.column {
        Column::One(name) => name,
        Column::DateAndTime { .. } => panic!("the tables of these tests have no pairs"),
    }
}

fn read_cell(cell: &Cell, column: &EventColumn, scope: &Scope<'_>) -> Reading {
    interpret(cell, column.format, column.zone.unwrap_or(scope.zone), &column.absent)
}

fn happened(reading: Reading, bounds: &Bounds) -> bool {
    matches!(reading, Reading::At(at) if bounds.not_before <= at && at <= bounds.now)
}

/// True if one of these holds covers the root.
fn covered(db: &Database, dataset: &Dataset, cover: &Cover, root: &[Cell]) -> bool {
    let table = db.table(&dataset.table);
    let locate = |name: &String| root[table.column(name)].clone();
    let subject = dataset.subject.as_ref().map(|name| locator(&[locate(name)]));
    cover.covers(&locator(&dataset.key.iter().map(locate).collect::<Vec<_>>()), subject.as_deref())
}

/// True if the root moves for this cause, once nothing makes it wait.
pub fn selects(db: &Database, dataset: &Dataset, scope: &Scope<'_>, root: &[Cell], cause: &Cause) -> bool {
    !covered(db, dataset, &scope.held.frozen, root) && eligible(db, dataset, scope, root, cause)
}

/// True if the root would move if nothing were frozen.
fn eligible(db: &Database, dataset: &Dataset, scope: &Scope<'_>, root: &[Cell], cause: &Cause) -> bool {
    let own = reading(db, dataset, root, scope.event, scope);
    let moved = match cause {
        Cause::Due => matches!(own, Reading::At(at) if at < scope.bounds.due_before),
        Cause::Event(event) => happened(reading(db, dataset, root, event, scope), &scope.bounds),
        // No scenario has records that belong to another dataset's.
        Cause::WithParent => false,
    };
    happened(own, &scope.bounds) && moved
}

fn any_cause(scope: &Scope<'_>, mut what: impl FnMut(&Cause) -> bool) -> bool {
    scope.separate_on.iter().cloned().map(Cause::Event).chain([Cause::Due]).any(|cause| what(&cause))
}

fn selected(db: &Database, dataset: &Dataset, scope: &Scope<'_>, root: &[Cell]) -> bool {
    any_cause(scope, |cause| selects(db, dataset, scope, root, cause))
}

/// Rows that must be gone before the root may move: of `wait` children, and of
/// datasets whose events come through it.
fn blockers<'d>(
    db: &'d Database,
    dataset: &Dataset,
    others: &[(&Dataset, Scope<'_>)],
    root: &[Cell],
) -> Vec<(String, &'d Vec<Cell>)> {
    let own = db.table(&dataset.table);
    let waits = dataset.children.iter().filter(|child| child.edge == Edge::Wait);
    let mut links: Vec<(&str, &[(String, String)])> = waits.map(|child| (&*child.table, &*child.on)).collect();
    let beside = others.iter().filter(|(other, _)| other.source == dataset.source && !std::ptr::eq(*other, dataset));
    for (other, _) in beside {
        for place in other.events.values() {
            if let EventPlace::Through { table, on, .. } = place
                && *table == dataset.table
            {
                links.push((&other.table, on));
            }
        }
    }
    let rows = links.into_iter().flat_map(|(name, on)| {
        let table = db.table(name);
        table.rows.iter().filter(move |row| linked(table, row, own, root, on)).map(move |row| (name.to_owned(), row))
    });
    rows.collect()
}

pub fn waits(db: &Database, dataset: &Dataset, scope: &Scope<'_>, root: &[Cell]) -> bool {
    !blockers(db, dataset, scope.others, root).is_empty()
}

/// True if everything a root waits for moves before it in the same cycle.
fn way_clears(db: &Database, dataset: &Dataset, others: &[(&Dataset, Scope<'_>)], root: &[Cell]) -> bool {
    blockers(db, dataset, others, root).into_iter().all(|(table, row)| {
        let mut movers = others.iter().filter(|(other, _)| other.source == dataset.source && other.table == table);
        movers.any(|(other, scope)| selected(db, other, scope, row) && way_clears(db, other, others, row))
    })
}

pub fn left(db: &Database, dataset: &Dataset, scope: &Scope<'_>) -> Left {
    let mut left = Left::default();
    let moving = db.table(&dataset.table).rows.iter().filter(|root| selected(db, dataset, scope, root));
    for root in moving.filter(|root| way_clears(db, dataset, scope.others, root)) {
        if waits(db, dataset, scope, root) {
            left.waiting += 1;
        } else if db.locks(dataset, root) {
            left.locked += 1;
        }
    }
    left
}

pub fn census(db: &Database, dataset: &Dataset, scope: &Scope<'_>) -> Census {
    let table = db.table(&dataset.table);
    let mut census = Census { table_rows: table.rows.len() as u64, ..Census::default() };
    let mut odd: BTreeMap<AnomalyKind, u64> = BTreeMap::new();
    for root in &table.rows {
        let own = reading(db, dataset, root, scope.event, scope);
        if let Some(kind) = anomaly(own, scope) {
            *odd.entry(kind).or_default() += 1;
        }
        if !any_cause(scope, |cause| eligible(db, dataset, scope, root, cause)) {
            continue;
        }
        let frozen = covered(db, dataset, &scope.held.frozen, root);
        if !way_clears(db, dataset, scope.others, root) {
            census.waiting += u64::from(!frozen);
            continue;
        }
        let held = covered(db, dataset, &scope.held.any, root);
        census.held += u64::from(held);
        if frozen {
            continue;
        }
        let Reading::At(at) = own else { continue };
        census.rows += 1;
        census.overdue += u64::from(!held && at < scope.bounds.overdue_before);
        census.oldest = Some(census.oldest.map_or(at, |oldest| oldest.min(at)));
        for (name, rows) in dataset.tables().into_iter().zip(db.record(dataset, root)).skip(1) {
            *census.children.entry(name.to_owned()).or_default() += rows.len() as u64;
        }
    }
    let anomaly = |(kind, rows)| Anomaly { event: scope.event.clone(), kind, rows };
    census.anomalies = odd.into_iter().map(anomaly).collect();
    census
}

fn anomaly(own: Reading, scope: &Scope<'_>) -> Option<AnomalyKind> {
    match own {
        Reading::Absent if scope.separate_on.contains(scope.event) => None,
        Reading::Absent => Some(AnomalyKind::Missing),
        Reading::Malformed => Some(AnomalyKind::Malformed),
        Reading::At(at) if at < scope.bounds.not_before => Some(AnomalyKind::Ancient),
        Reading::At(at) if at > scope.bounds.now => Some(AnomalyKind::Future),
        Reading::At(_) => None,
    }
}
