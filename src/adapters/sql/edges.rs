//! What hangs on a record, laid over the live schema: tables that go with it,
//! that keep it waiting, that lose their link to it, and that it points at.
//!
//! A reference is an edge like the others, from the other side: rows of its
//! table belong to a record when nothing that stays points at them.

use super::{
    fit::{Fitted, Misfit, column, keep, table},
    schema::{ForeignKey, Schema, Table},
};
use crate::domain::deployment::{Child, Dataset, Edge};

#[derive(Debug)]
pub(crate) struct FittedChild<'a> {
    pub(crate) table: &'a Table,
    /// The table above: it may stand in the dataset more than once.
    pub(crate) parent: &'a Table,
    /// Column of this table, column of the one above; of a reference too.
    pub(crate) on: &'a [(String, String)],
    pub(crate) condition: Option<&'a str>,
    pub(crate) edge: Edge,
    /// Table number in a record; `None` for a `wait` edge.
    pub(crate) number: Option<usize>,
}

/// What is chosen and deleted together: level 0 is the record with its own
/// children; a reference and what hangs below it come a level later, when it is
/// known that nothing points at its rows any more.
#[derive(Debug, Default)]
pub(crate) struct Level<'f, 'a> {
    /// The references of this level: their rows were candidates before.
    pub(crate) references: Vec<&'f FittedChild<'a>>,
    /// Own children, each behind all tables it hangs below.
    pub(crate) own: Vec<&'f FittedChild<'a>>,
    /// Rows that lose their link to rows of this level.
    pub(crate) unlinked: Vec<&'f FittedChild<'a>>,
    /// References of the next level.
    pub(crate) candidates: Vec<&'f FittedChild<'a>>,
}

impl Level<'_, '_> {
    /// Table numbers in the order of deletion: what points before what is
    /// pointed at. `root` is set at level 0.
    pub(crate) fn upwards(&self, root: bool) -> Vec<usize> {
        let own = self.own.iter().rev().filter_map(|child| child.number);
        own.chain(root.then_some(0)).chain(self.references.iter().filter_map(|child| child.number)).collect()
    }
}

impl<'a> FittedChild<'a> {
    /// Speaks of the rows of `child` that point at `parent` by this foreign key.
    pub(super) fn covers(&self, parent: &Table, child: &Table, key: &ForeignKey) -> bool {
        self.edge != Edge::Reference
            && self.table.is(child)
            && self.parent.is(parent)
            && child.column_names.same_link(self.on, &key.on)
    }

    /// The columns that identify a row that stays, and those that are set to
    /// NULL.
    pub(crate) fn link_columns(&self) -> (Vec<&'a str>, Vec<&'a str>) {
        let key = self.table.primary_key();
        let nullable = |name: &&'a str| {
            self.table.column(name).is_some_and(|column| !column.not_null && column.key == 0 && column.stored)
        };
        let link = self.on.iter().filter_map(|(here, _)| self.table.column(here)).map(|column| column.name.as_str());
        (key, link.filter(nullable).collect())
    }
}

impl<'a> Fitted<'a> {
    /// What moves with the record, references too.
    pub(crate) fn own(&self) -> impl Iterator<Item = &FittedChild<'a>> {
        self.children.iter().filter(|child| child.edge.moves())
    }

    /// A table's name as the deployment file writes it.
    pub(super) fn written(&self, child: &FittedChild<'_>) -> String {
        let known = |one: &&Child| self.schema.table(&one.table).is_some_and(|table| table.is(child.table));
        self.dataset.children.iter().find(known).map_or_else(|| child.table.name.clone(), |one| one.table.clone())
    }

    pub(crate) fn unlinked(&self) -> impl Iterator<Item = &FittedChild<'a>> {
        self.children.iter().filter(|child| child.edge == Edge::Unlink)
    }

    /// How many references lie between the root and a table.
    fn depth(&self, name: &Table) -> usize {
        if name.is(self.root) {
            return 0;
        }
        let ways = self.own().filter(|child| child.table.is(name));
        ways.map(|child| usize::from(child.edge == Edge::Reference) + self.depth(child.parent)).min().unwrap_or(0)
    }

    pub(crate) fn levels(&self) -> Vec<Level<'_, 'a>> {
        let mut levels: Vec<Level<'_, 'a>> = Vec::new();
        let mut at = |number: usize| -> usize {
            while levels.len() <= number {
                levels.push(Level::default());
            }
            number
        };
        let mut placed: Vec<(usize, &FittedChild<'a>)> = Vec::new();
        for child in self.downwards() {
            let level = at(usize::from(child.edge == Edge::Reference) + self.depth(child.parent));
            placed.push((level, child));
        }
        at(0);
        for (level, child) in placed {
            if child.edge == Edge::Reference {
                levels[level].references.push(child);
                levels[level - 1].candidates.push(child);
            } else {
                levels[level].own.push(child);
            }
        }
        for child in self.unlinked() {
            let level = self.depth(child.parent).min(levels.len() - 1);
            levels[level].unlinked.push(child);
        }
        levels
    }

    /// What moves, so that each stands behind all tables it hangs below, and behind
    /// all that its foreign keys point at: an engine that checks keys at once, or
    /// takes rows along by itself, must find none of them when it comes to the
    /// table pointed at.
    pub(crate) fn downwards(&self) -> Vec<&FittedChild<'a>> {
        let mut waiting: Vec<&FittedChild<'a>> = self.own().collect();
        let mut ordered: Vec<&FittedChild<'a>> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let hangs = |child: &&FittedChild<'a>| waiting.iter().any(|other| other.table.is(child.parent));
            let points =
                |child: &&FittedChild<'a>| waiting.iter().any(|other| self.points_at(child.table, other.table));
            let free = waiting.iter().position(|child| !hangs(child) && !points(child));
            // Keys in a circle have no order, and edges in a circle were refused.
            let next = free.or_else(|| waiting.iter().position(|child| !hangs(child))).unwrap_or(0);
            ordered.push(waiting.remove(next));
        }
        ordered
    }

    fn points_at(&self, one: &Table, other: &Table) -> bool {
        let parent = |key: &ForeignKey| self.schema.table(&key.parent).is_some_and(|parent| parent.is(other));
        !one.is(other) && one.foreign_keys.iter().any(parent)
    }
}

pub(super) fn children<'a>(
    dataset: &'a Dataset,
    schema: &'a Schema,
    root: &'a Table,
    misfits: &mut Vec<Misfit>,
) -> Vec<FittedChild<'a>> {
    let mut fitted = Vec::with_capacity(dataset.children.len());
    let mut numbers = 1..;
    let mut behind = dataset.tables().len()..;
    for child in &dataset.children {
        let number = match child.edge {
            Edge::Own | Edge::Reference => numbers.next(),
            Edge::Unlink => behind.next(),
            Edge::Wait => None,
        };
        let found = table(schema, &child.table).and_then(|found| Ok((found, table(schema, &child.parent)?)));
        let Some((found, parent)) = keep(found, misfits) else { continue };
        for (here, there) in &child.on {
            keep(column(found, here), misfits);
            keep(column(parent, there), misfits);
        }
        let condition = child.condition.as_deref();
        let child_fitted = FittedChild { table: found, parent, on: &child.on, condition, edge: child.edge, number };
        keep(place(dataset, schema, root, child, &child_fitted), misfits);
        fitted.push(child_fitted);
    }
    if let Some(table) = cycle(dataset, schema) {
        misfits.push(Misfit::new(format!("child {table} hangs below itself"), "children form a tree below the root"));
    }
    fitted
}

/// Whether an edge may stand where it does.
fn place(
    dataset: &Dataset,
    schema: &Schema,
    root: &Table,
    child: &Child,
    fitted: &FittedChild<'_>,
) -> Result<(), Misfit> {
    let (found, parent) = (fitted.table, fitted.parent);
    if child.edge != Edge::Unlink && (found.is(root) || found.is(parent)) {
        return Err(Misfit::new(
            format!("table {} would hang below itself", child.table),
            "rows that point at rows of their own table can only lose their link: edge = \"unlink\"",
        ));
    }
    let moves = |edge: fn(Edge) -> bool| {
        let own = dataset.children.iter().filter(move |own| edge(own.edge));
        own.filter_map(|own| schema.table(&own.table)).any(|table| table.is(parent))
    };
    if !parent.is(root) && !moves(Edge::moves) {
        return Err(Misfit::new(
            format!("child {} hangs below {}, which does not move with the record", child.table, child.parent),
            "name the dataset's table, or one that moves with it, as its parent",
        ));
    }
    if child.edge == Edge::Wait && !parent.is(root) && moves(|edge| edge == Edge::Reference) {
        return Err(Misfit::new(
            format!("child {} keeps records waiting below {}, which they point at", child.table, child.parent),
            "remove it: a row that something else points at stays by itself",
        ));
    }
    if child.edge == Edge::Unlink {
        let (key, link) = fitted.link_columns();
        if key.is_empty() {
            return Err(Misfit::new(
                format!("table {} has no primary key, so that a link that was cut could not be restored", child.table),
                "give it a primary key, or let its rows go with the record: edge = \"own\"",
            ));
        }
        if link.is_empty() {
            return Err(Misfit::new(
                format!("no column of the link of {} may be NULL, so that it cannot be cut", child.table),
                "let its rows go with the record (edge = \"own\") or keep it waiting (edge = \"wait\")",
            ));
        }
    }
    Ok(())
}

/// A table that moves and is found again above itself.
fn cycle<'d>(dataset: &'d Dataset, schema: &Schema) -> Option<&'d str> {
    let above = |name: &str| -> Vec<&'d str> {
        let children = dataset.own_children().filter(|child| schema.same_table(&child.table, name));
        children.map(|child| child.parent.as_str()).collect()
    };
    dataset.own_children().map(|child| child.table.as_str()).find(|start| {
        let (mut seen, mut open) = (Vec::new(), above(start));
        while let Some(next) = open.pop() {
            if schema.same_table(next, start) {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.extend(above(next));
            }
        }
        false
    })
}
