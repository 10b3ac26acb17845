//! Foreign keys into a dataset's tables, and what the dataset says about each.
//!
//! A key that nothing covers would refuse a deletion, or, with CASCADE or SET
//! NULL, change rows that nobody sealed.

use super::{
    fit::{Fitted, Misfit},
    schema::{ForeignKey, Schema, Table},
};
use crate::domain::deployment::{Dataset, Edge, EventPlace};

/// What a dataset says about a foreign key.
enum Cover {
    Own,
    /// The link is cut before the record goes.
    Unlink,
    /// The record moves only when no such row is left.
    Wait,
}

/// Judgement on the foreign keys: errors, then warnings.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) errors: Vec<Misfit>,
    pub(crate) warnings: Vec<Misfit>,
    /// Of the errors, those by which the engine would change rows by itself.
    pub(crate) silent: Vec<Misfit>,
}

pub(crate) fn judge<'d>(
    fitted: &Fitted<'_>,
    schema: &Schema,
    others: impl Iterator<Item = &'d Dataset> + Clone,
) -> Links {
    let mut links = Links::default();
    let mut seen: Vec<&Table> = Vec::new();
    for table in fitted.tables() {
        if seen.iter().any(|other| other.is(table)) {
            continue;
        }
        seen.push(table);
        let referred_to =
            !table.is(fitted.root) && !fitted.children.iter().any(|own| own.edge == Edge::Own && own.table.is(table));
        for (child, key) in schema.pointing_at(&table.name) {
            // What points at a row of a reference keeps it, and no key ever acts.
            if referred_to && !fitted.children.iter().any(|edge| edge.covers(table, child, key)) {
                continue;
            }
            judge_one(fitted, table, child, key, others.clone(), &mut links);
        }
    }
    links
}

fn judge_one<'d>(
    fitted: &Fitted<'_>,
    parent: &Table,
    child: &Table,
    key: &ForeignKey,
    others: impl Iterator<Item = &'d Dataset>,
    links: &mut Links,
) {
    let acts = !matches!(key.on_delete.as_str(), "NO ACTION" | "RESTRICT");
    let subject = format!("{}({}) points at {}", child.name, columns(key), parent.name);
    let mut error = |misfit: Misfit| {
        if acts {
            links.silent.push(misfit.clone());
        }
        links.errors.push(misfit);
    };
    // A row that moves anyway is taken along by this way too; one of the same
    // table moves by its own event.
    let usual = match fitted.own().any(|own| own.table.is(child)) {
        _ if child.is(parent) => "unlink",
        true => "own",
        false => "wait",
    };
    match cover(fitted, parent, child, key, others) {
        None if acts => error(Misfit::new(
            format!("{subject} with ON DELETE {}: the engine would change rows that nobody sealed", key.on_delete),
            edge_to_add(fitted, parent, child, key, if child.is(parent) { "unlink" } else { "own" }),
        )),
        None => error(Misfit::new(
            format!("{subject}, and no edge covers it"),
            edge_to_add(fitted, parent, child, key, usual),
        )),
        Some((cover, narrowed)) => {
            if narrowed && acts {
                let message = format!(
                    "{subject} with ON DELETE {}, and the edge is narrowed by `where`: other rows would be changed unsealed",
                    key.on_delete
                );
                error(Misfit::new(message, "take the `where` away, or the action from the foreign key"));
            } else if narrowed {
                links.warnings.push(Misfit::new(
                    format!("{subject}, and the edge is narrowed by `where`: other rows will make the batch roll back"),
                    "take the `where` away, or see that no other rows are there",
                ));
            } else if acts && matches!(cover, Cover::Wait) {
                links.warnings.push(Misfit::new(
                    format!("{subject} with ON DELETE {}; records wait, so that it never acts here", key.on_delete),
                    "the application itself loses these rows when it deletes a record: consider NO ACTION",
                ));
            }
        }
    }
}

/// The edge that covers a key, and whether a condition narrows it.
fn cover<'d>(
    fitted: &Fitted<'_>,
    parent: &Table,
    child: &Table,
    key: &ForeignKey,
    mut others: impl Iterator<Item = &'d Dataset>,
) -> Option<(Cover, bool)> {
    let schema = fitted.schema;
    let edges = fitted.children.iter().filter(|edge| edge.covers(parent, child, key));
    // The widest edge counts.
    if let Some(edge) = edges.min_by_key(|edge| (edge.condition.is_some(), edge.edge == Edge::Wait)) {
        let cover = match edge.edge {
            Edge::Own => Cover::Own,
            Edge::Unlink => Cover::Unlink,
            Edge::Wait | Edge::Reference => Cover::Wait,
        };
        return Some((cover, edge.condition.is_some()));
    }
    let through = |place: &EventPlace| match place {
        EventPlace::Through { table, on, .. } => {
            schema.same_table(table, &parent.name) && child.column_names.same_link(on, &key.on)
        }
        EventPlace::Own(_) => false,
    };
    others
        .find(|other| schema.same_table(&other.table, &child.name) && other.events.values().any(through))
        .map(|other| (Cover::Wait, other.condition.is_some()))
}

fn columns(key: &ForeignKey) -> String {
    key.on.iter().map(|(here, _)| here.as_str()).collect::<Vec<_>>().join(", ")
}

fn edge_to_add(fitted: &Fitted<'_>, parent: &Table, child: &Table, key: &ForeignKey, edge: &str) -> String {
    let on = key.on.iter().map(|(here, there)| format!("{} = {:?}", toml_key(here), there));
    let on = on.collect::<Vec<_>>().join(", ");
    let parent = if parent.is(fitted.root) { String::new() } else { format!("parent = {:?}\n", parent.name) };
    let other = match edge {
        "own" => "or \"wait\" if the record waits for it, or \"unlink\" if it stays without its link",
        "unlink" => "rows of one table can only lose their link",
        _ => "or \"own\" if it moves with the record, or \"unlink\" if it stays without its link",
    };
    format!("add\n[[dataset.child]]\ntable = {:?}\n{parent}on = {{ {on} }}\nedge = {edge:?}  # {other}", child.name)
}

fn toml_key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { name.to_owned() } else { format!("{name:?}") }
}
