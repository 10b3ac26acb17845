//! `[[dataset.child]]`: what goes with a record, keeps it waiting, or loses its
//! link to it. `[[dataset.reference]]`: what a record points at.

use std::ops::Range;

use super::{condition::condition, event::links};
use crate::domain::{
    deployment::{Child, Edge},
    document::{Findings, Table, optional, owned, suggest},
};

const EDGES: [(&str, Option<Edge>); 3] =
    [("own", Some(Edge::Own)), ("wait", Some(Edge::Wait)), ("unlink", Some(Edge::Unlink))];

const REFERENCES: [(&str, Option<Edge>); 1] = [("own", Some(Edge::Reference))];

/// A child with the place that names its parent.
struct Read {
    child: Child,
    span: Range<usize>,
    parent_span: Range<usize>,
}

/// Reads what hangs on the records of table `root`, and puts what stands above
/// before what hangs below it.
pub fn children(
    children: Vec<Table<'_>>,
    references: Vec<Table<'_>>,
    root: Option<&str>,
    findings: &Findings,
) -> Option<Vec<Child>> {
    let children = children.into_iter().map(|table| child(table, root, findings));
    let mut read: Vec<Option<Read>> = children.collect();
    read.extend(references.into_iter().map(|table| reference(table, root, findings)));
    let read = read.into_iter().collect::<Option<Vec<Read>>>()?;
    order(read, root?, findings)
}

/// The table above and where it is named.
fn above(table: &mut Table<'_>, root: Option<&str>) -> (Option<Option<String>>, Range<usize>) {
    let parent = table.take("parent");
    let span = parent.as_ref().map_or_else(|| table.span(), |value| value.span());
    (optional(parent, root.map(str::to_owned), |value| value.line().map(|parent| Some(owned(parent)))), span)
}

fn child(mut table: Table<'_>, root: Option<&str>, findings: &Findings) -> Option<Read> {
    let span = table.span();
    let name = table.need("table", "table = \"addresses\"").and_then(|value| value.line());
    let (parent, parent_span) = above(&mut table, root);
    let on = table.need("on", "on = { member_id = \"id\" }").and_then(|value| links(&value));
    let condition = optional(table.take("where"), None, |value| condition(value).map(Some));
    let edge = table.need("edge", "edge = \"own\"").and_then(|value| value.choice(&EDGES));
    table.finish();

    let name = name?;
    let (parent, edge) = (parent??, edge?);
    let to_itself = Some(*name.get_ref()) == root || *name.get_ref() == parent;
    if to_itself && (edge != Edge::Unlink || *name.get_ref() != parent) {
        let message = format!("`{}` would hang below itself", name.get_ref());
        let hint = "rows that point at rows of their own table can only lose their link: `edge = \"unlink\"`, without \
                    `parent` where it is the dataset's own table";
        findings.error(name.span(), message, hint);
        return None;
    }
    let child = Child { table: owned(name), parent, on: on?, condition: condition?, edge };
    Some(Read { child, span, parent_span })
}

fn reference(mut table: Table<'_>, root: Option<&str>, findings: &Findings) -> Option<Read> {
    let span = table.span();
    let name = table.need("table", "table = \"addresses\"").and_then(|value| value.line());
    let (parent, parent_span) = above(&mut table, root);
    let on = table.need("on", "on = { address_id = \"id\" }").and_then(|value| links(&value));
    let condition = optional(table.take("where"), None, |value| condition(value).map(Some));
    let edge = table.need("edge", "edge = \"own\"").and_then(|value| value.choice(&REFERENCES));
    table.finish();

    let name = name?;
    let parent = parent??;
    if Some(*name.get_ref()) == root || *name.get_ref() == parent {
        let message = format!("`{}` would be a reference of itself", name.get_ref());
        let hint = "rows of one table that point at each other move each by its own event; remove this reference";
        findings.error(name.span(), message, hint);
        return None;
    }
    // From the side of the table pointed at, as all edges are.
    let on = on?.into_iter().map(|(here, there)| (there, here)).collect();
    let child = Child { table: owned(name), parent, on, condition: condition?, edge: edge? };
    Some(Read { child, span, parent_span })
}

fn order(mut rest: Vec<Read>, root: &str, findings: &Findings) -> Option<Vec<Child>> {
    let sound = check_parents(&rest, root, findings) & check_repeats(&rest, findings);
    let mut placed: Vec<Child> = Vec::with_capacity(rest.len());
    let stands = |placed: &[Child], parent: &str| {
        parent == root || placed.iter().any(|above| above.edge.moves() && above.table == parent)
    };
    while let Some(at) = rest.iter().position(|read| stands(&placed, &read.child.parent)) {
        placed.push(rest.remove(at).child);
    }
    if sound {
        for read in &rest {
            let message = format!("`{}` stands below itself", read.child.table);
            let hint = format!("its parents never lead to `{root}`; `parent` names the table above");
            findings.error(read.parent_span.clone(), message, hint);
        }
    }
    (sound && rest.is_empty()).then_some(placed)
}

/// Every parent is the dataset's table or one that moves with the record.
fn check_parents(all: &[Read], root: &str, findings: &Findings) -> bool {
    let mut sound = true;
    for read in all.iter().filter(|read| read.child.parent != root) {
        let parent = &read.child.parent;
        let mut above = all.iter().filter(|other| &other.child.table == parent).peekable();
        let is_there = above.peek().is_some();
        if above.any(|other| other.child.edge.moves()) {
            continue;
        }
        let (message, hint) = if is_there {
            (
                format!("`{parent}` does not move with the record, so nothing below it can"),
                "what only keeps a record waiting, or loses its link, has no tables below it; remove this one"
                    .to_owned(),
            )
        } else {
            let mut tables: Vec<&str> = all.iter().map(|other| other.child.table.as_str()).collect();
            tables.push(root);
            tables.retain(|table| *table != read.child.table);
            (
                format!("`{parent}` is not a table of this dataset"),
                suggest::hint(parent, &tables, "its parent is one of"),
            )
        };
        findings.error(read.parent_span.clone(), message, hint);
        sound = false;
    }
    sound
}

/// The same table may hang on two links, but not twice on the same one.
fn check_repeats(all: &[Read], findings: &Findings) -> bool {
    let is_same =
        |a: &Child, b: &Child| a.table == b.table && a.parent == b.parent && a.on == b.on && a.condition == b.condition;
    let mut sound = true;
    for (at, read) in all.iter().enumerate() {
        if let Some(first) = all.iter().take(at).find(|earlier| is_same(&earlier.child, &read.child)) {
            let line = findings.line_of(first.span.start);
            let hint = format!("the first one is on line {line}; remove one of the two");
            findings.error(read.span.clone(), format!("child `{}` is there twice", read.child.table), hint);
            sound = false;
        }
    }
    sound
}
