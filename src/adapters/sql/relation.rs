//! Tables as they stand behind FROM, what tells their rows apart, and how they
//! are joined.
//!
//! An operator's condition is evaluated inside its own subquery, where only the
//! columns of its table are in scope.

use super::{
    dialect::Dialect,
    schema::{Identity, Table},
    text::{Sql, column, parenthesised},
};

/// A table as a relation: all of it, or the rows of a condition. A narrowed one
/// shows the engine's own columns under names of ours.
pub(crate) fn relation(table: &Table, condition: Option<&str>, alias: &str) -> String {
    let name = &table.sql;
    let Some(condition) = condition else { return format!("{name} AS {alias}") };
    let shown = match &table.identity {
        Identity::System(columns) => {
            let shown = columns.iter().enumerate().map(|(at, column)| format!("{column} AS {}, ", shown_as(at)));
            shown.collect::<String>()
        }
        Identity::Key(_) | Identity::None(..) => String::new(),
    };
    format!("(SELECT {shown}* FROM {name} WHERE {}) AS {alias}", parenthesised(condition))
}

fn shown_as(position: usize) -> String {
    format!("retentiond_row_{position}")
}

/// What identifies a row of `relation`.
pub(crate) fn identity(dialect: &dyn Dialect, table: &Table, condition: Option<&str>, alias: &str) -> Vec<String> {
    match &table.identity {
        Identity::System(columns) if condition.is_some() => {
            (0..columns.len()).map(|at| format!("{alias}.{}", shown_as(at))).collect()
        }
        Identity::System(columns) => columns.iter().map(|column| format!("{alias}.{column}")).collect(),
        Identity::Key(key) => key.iter().map(|name| column(dialect, alias, name)).collect(),
        Identity::None(..) => Vec::new(),
    }
}

/// `parent.there = child.here …`: the parent's collation decides, as it does for
/// a foreign key.
pub(crate) fn joined(
    dialect: &dyn Dialect,
    (above, parent): (&Table, &str),
    (below, child): (&Table, &str),
    on: &[(String, String)],
) -> String {
    let pairs = on.iter().map(|(here, there)| {
        let (at_parent, at_child) = (column(dialect, parent, there), column(dialect, child, here));
        match (above.column(there), below.column(here)) {
            (Some(there), Some(here)) => dialect.equal((there, &at_parent), (here, &at_child)),
            // `Fitted` has refused it.
            _ => format!("{at_parent} = {at_child}"),
        }
    });
    pairs.collect::<Vec<_>>().join(" AND ")
}

pub(super) fn exists(relation: &str, conditions: Vec<Sql>) -> Sql {
    let mut sql = Sql::new(format!("EXISTS (SELECT 1 FROM {relation} WHERE "));
    sql.append(Sql::all(conditions)).push(")");
    sql
}
