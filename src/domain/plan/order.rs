//! In which order the datasets of a cycle move.
//!
//! No catalogue is asked here: a table may be written with its schema in one
//! place and without it in another, and in any letter case.

use crate::domain::deployment::{Dataset, Edge, EventPlace};

/// Datasets of a cycle in an order that never leaves a record waiting for one
/// that moves later: datasets whose events come through a table, and the rows a
/// root waits for or cuts off, stand before that table's own dataset.
///
/// Names that may mean one table are taken to do so. Where that would be a circle
/// which is none as the names are written, they are different tables.
pub fn in_order<'a>(datasets: &[&'a Dataset]) -> Result<Vec<&'a Dataset>, OrderCycle> {
    ordered(datasets, may_be_one).or_else(|_| ordered(datasets, |one, other| one == other))
}

fn ordered<'a>(datasets: &[&'a Dataset], same: fn(&str, &str) -> bool) -> Result<Vec<&'a Dataset>, OrderCycle> {
    let mut left: Vec<&Dataset> = datasets.to_vec();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().position(|dataset| !left.iter().any(|other| goes_before(other, dataset, same)));
        let Some(free) = free else {
            return Err(OrderCycle { tables: left.iter().map(|dataset| dataset.table.clone()).collect() });
        };
        ordered.push(left.remove(free));
    }
    Ok(ordered)
}

/// Datasets that need each other to move first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("datasets wait for each other: {}", tables.join(", "))]
pub struct OrderCycle {
    pub tables: Vec<String>,
}

/// `member`, `Member` and `public.member` may be one table; `public.member` and
/// `archive.member` are not.
fn may_be_one(one: &str, other: &str) -> bool {
    let parts = |name: &str| {
        let (schema, bare) = name.rsplit_once('.').map_or((None, name), |(schema, bare)| (Some(schema), bare));
        (schema.map(str::to_lowercase), bare.to_lowercase())
    };
    let ((schema, bare), (other_schema, other_bare)) = (parts(one), parts(other));
    bare == other_bare && (schema.is_none() || other_schema.is_none() || schema == other_schema)
}

fn goes_before(first: &Dataset, second: &Dataset, same: fn(&str, &str) -> bool) -> bool {
    let same_source = first.source == second.source && !std::ptr::eq(first, second);
    let through = |place: &EventPlace| match place {
        EventPlace::Through { table, .. } => same(table, &second.table),
        EventPlace::Own(_) => false,
    };
    // A row that moves by itself takes its link along: it goes before it is cut,
    // and before what it belongs to.
    let before = |edge: Edge| match edge {
        Edge::Wait | Edge::Unlink => true,
        Edge::Own => !same(&first.table, &second.table),
        Edge::Reference => false,
    };
    let linked = second.children.iter().any(|child| before(child.edge) && same(&child.table, &first.table));
    same_source && (first.events.values().any(through) || linked)
}
