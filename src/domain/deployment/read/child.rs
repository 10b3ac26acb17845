//! `[[dataset.child]]`: what goes with a record, or keeps it waiting.

use std::ops::Range;

use super::{condition::condition, event::links};
use crate::domain::{
    deployment::{Child, Edge},
    document::{Findings, Table, optional, owned, suggest},
};

const EDGES: [(&str, Option<Edge>); 3] = [("own", Some(Edge::Own)), ("wait", Some(Edge::Wait)), ("unlink", None)];

/// A child with the place that names its parent.
struct Read {
    child: Child,
    span: Range<usize>,
    parent_span: Range<usize>,
}

/// Reads the children of a dataset on table `root` and puts parents before their
/// children.
pub fn children(tables: Vec<Table<'_>>, root: Option<&str>, findings: &Findings) -> Option<Vec<Child>> {
    let read: Vec<Option<Read>> = tables.into_iter().map(|table| child(table, root, findings)).collect();
    let read = read.into_iter().collect::<Option<Vec<Read>>>()?;
    order(read, root?, findings)
}

fn child(mut table: Table<'_>, root: Option<&str>, findings: &Findings) -> Option<Read> {
    let span = table.span();
    let name = table.need("table", "table = \"addresses\"").and_then(|value| value.line());
    let parent = table.take("parent");
    let parent_span = parent.as_ref().map_or_else(|| span.clone(), |value| value.span());
    let parent = optional(parent, root.map(str::to_owned), |value| value.line().map(|parent| Some(owned(parent))));
    let on = table.need("on", "on = { member_id = \"id\" }").and_then(|value| links(&value));
    let condition = optional(table.take("where"), None, |value| condition(value).map(Some));
    let edge = table.need("edge", "edge = \"own\"").and_then(|value| value.choice(&EDGES));
    table.finish();

    let name = name?;
    if Some(*name.get_ref()) == root {
        let hint =
            "this version cannot follow a table into itself; narrow the dataset with `where`, or leave the link out";
        findings.error(name.span(), format!("`{}` is the dataset's own table", name.get_ref()), hint);
        return None;
    }
    let child = Child { table: owned(name), parent: parent??, on: on?, condition: condition?, edge: edge? };
    Some(Read { child, span, parent_span })
}

fn order(mut rest: Vec<Read>, root: &str, findings: &Findings) -> Option<Vec<Child>> {
    let sound = check_parents(&rest, root, findings) & check_repeats(&rest, findings);
    let mut placed: Vec<Child> = Vec::with_capacity(rest.len());
    let stands = |placed: &[Child], parent: &str| parent == root || placed.iter().any(|above| above.table == parent);
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

/// Every parent is the dataset's table or exactly one child that moves.
fn check_parents(all: &[Read], root: &str, findings: &Findings) -> bool {
    let mut sound = true;
    for read in all.iter().filter(|read| read.child.parent != root) {
        let parent = &read.child.parent;
        let above: Vec<&Read> = all.iter().filter(|other| &other.child.table == parent).collect();
        let (message, hint) = match above.as_slice() {
            [one] if one.child.edge == Edge::Own => continue,
            [_] => (
                format!("`{parent}` does not move with the record, so nothing below it can"),
                "what only keeps a record waiting has no tables below it; remove this one".to_owned(),
            ),
            [] => {
                let mut tables: Vec<&str> = all.iter().map(|other| other.child.table.as_str()).collect();
                tables.push(root);
                tables.retain(|table| *table != read.child.table);
                (
                    format!("`{parent}` is not a table of this dataset"),
                    suggest::hint(parent, &tables, "its parent is one of"),
                )
            }
            _ => (
                format!("`{parent}` stands here more than once, so it is not clear which one is meant"),
                "this version needs a single `[[dataset.child]]` for a table that has tables below it".to_owned(),
            ),
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
