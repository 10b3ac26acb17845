//! Statements of a batch: which rows belong to it, in temporary tables of row
//! identities and record numbers, and their deletion.
//!
//! The temporary tables lie in memory. They are what is deleted by, so that no
//! condition is evaluated a second time.

use super::dialect::{SQLITE, quote};
use crate::{
    adapters::sql::{
        Driven, Fitted, FittedChild, FittedEvent, Holds, Identity, ROOT, Selection, Sql, Table, carried, column,
        identity, joined, relation,
    },
    domain::record::Cell,
    ports::SourceError,
};

/// The temporary table of table number `number`.
fn chosen(number: usize) -> String {
    format!("temp.\"retentiond batch {number}\"")
}

/// Where the next batch begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// At this value of the driving event, the earliest first.
    Event(Cell),
    /// Behind this row, in the order in which they lie.
    Row(i64),
}

/// Which rows come from a start on, and how they are found.
struct Onwards<'o> {
    condition: Option<Sql>,
    along: &'static str,
    order: &'o str,
}

impl<'o> Onwards<'o> {
    fn from(start: Option<&Start>, event: &'o str, row: &'o str) -> Self {
        let reached = |comparison: String, value: &Cell| {
            let mut reached = Sql::new(comparison);
            reached.bind(value.clone());
            Some(reached)
        };
        match start {
            None => Self { condition: None, along: "", order: event },
            Some(Start::Event(value)) => {
                Self { condition: reached(format!("{event} >= "), value), along: "", order: event }
            }
            // An index on the event leads to rows in another order, all of which would be sorted.
            Some(Start::Row(last)) => {
                let condition = reached(format!("{row} > "), &Cell::Integer(*last));
                Self { condition, along: " NOT INDEXED", order: row }
            }
        }
    }
}

/// What a batch keeps of its roots beside their identity.
const LAST: &str = "driving";
const RECORD: &str = "record";

fn width(table: &Table) -> usize {
    match &table.identity {
        Identity::System(columns) => columns.len(),
        Identity::Key(key) => key.len(),
        Identity::None(..) => 0,
    }
}

fn keys(table: &Table) -> Vec<String> {
    (0..width(table)).map(|position| format!("k{position}")).collect()
}

/// Makes the temporary tables anew. Identities keep the affinity of the columns
/// they come from, or the engine could not look them up.
pub(super) fn prepare(fitted: &Fitted<'_>) -> Vec<String> {
    let mut statements = Vec::new();
    let unlinked = fitted.unlinked().filter_map(|child| Some((child.number?, child.table)));
    for (number, table) in fitted.tables().into_iter().enumerate().chain(unlinked) {
        let affinities: Vec<&str> = match &table.identity {
            Identity::System(columns) => vec!["INTEGER"; columns.len()],
            Identity::Key(key) => key.iter().map(|name| affinity(table, name)).collect(),
            Identity::None(..) => Vec::new(),
        };
        let typed = keys(table).into_iter().zip(affinities).map(|(key, affinity)| format!("{key} {affinity}"));
        let typed = typed.collect::<Vec<_>>().join(", ");
        let extra = if number == 0 { format!(", {LAST}, e0, e1") } else { String::new() };
        statements.push(format!("DROP TABLE IF EXISTS {}", chosen(number)));
        statements.push(format!(
            "CREATE TABLE {} ({typed}, {RECORD}{extra}, PRIMARY KEY ({})) WITHOUT ROWID",
            chosen(number),
            keys(table).join(", ")
        ));
    }
    statements
}

fn affinity(table: &Table, name: &str) -> &'static str {
    match table.column(name).map(|column| column.holds) {
        Some(Holds::Text) => "TEXT",
        Some(Holds::Number) => "NUMERIC",
        _ => "",
    }
}

/// Chooses up to `limit` roots from `start` on.
pub(super) fn choose_roots(
    fitted: &Fitted<'_>,
    driven: Driven<'_>,
    own: &FittedEvent<'_>,
    held: Option<Sql>,
    start: Option<&Start>,
    limit: u32,
) -> Sql {
    let condition = fitted.dataset.condition.as_deref();
    let event = driven.driving.plain();
    let rows = identity(&SQLITE, fitted.root, condition, ROOT);
    let row = rows.first().cloned().unwrap_or_default();
    let mut taken: Vec<String> =
        rows.into_iter().zip(keys(fitted.root)).map(|(row, key)| format!("{row} AS {key}")).collect();
    taken.push(format!("{event} AS {LAST}"));
    let names = own.columns.names();
    for position in 0..2 {
        let carried = names.get(position).filter(|_| carried(own) > 0);
        let value = carried.map_or("NULL".to_owned(), |name| column(&SQLITE, "o", name));
        taken.push(format!("{value} AS e{position}"));
    }
    let mut conditions = driven.conditions;
    conditions.extend(held.map(Sql::negated));
    let Onwards { condition, along, order } = Onwards::from(start, &event, &row);
    conditions.extend(condition);
    let columns = keys(fitted.root).join(", ");
    let mut sql = Sql::new(format!(
        "INSERT INTO {} ({columns}, {RECORD}, {LAST}, e0, e1) SELECT {columns}, row_number() OVER (), {LAST}, e0, e1 \
         FROM (SELECT {} FROM {}{along} WHERE ",
        chosen(0),
        taken.join(", "),
        driven.from
    ));
    sql.append(Sql::all(conditions)).push(&format!(" ORDER BY {order} LIMIT "));
    sql.bind(Cell::Integer(i64::from(limit))).push(")");
    sql
}

/// The latest driving value among the chosen roots.
pub(super) fn position_reached() -> Sql {
    Sql::new(format!("SELECT {LAST} FROM {} ORDER BY {LAST} DESC LIMIT 1", chosen(0)))
}

/// Deletes up to `limit` roots in one statement, from `start` on. Returns all stored
/// columns of each, and behind them its number.
pub(super) fn delete_at_once(
    fitted: &Fitted<'_>,
    driven: Driven<'_>,
    held: Option<Sql>,
    start: Option<&Start>,
    limit: u32,
) -> Sql {
    let root = fitted.root;
    let (event, own) = (driven.driving.plain(), quote(&root.name));
    let number = |condition, alias: &str| identity(&SQLITE, root, condition, alias).concat();
    let row = number(fitted.dataset.condition.as_deref(), ROOT);
    let Onwards { condition, along, order } = Onwards::from(start, &event, &row);
    let there = number(None, &own);
    let mut sql =
        Sql::new(format!("DELETE FROM {} WHERE {there} IN (SELECT {row} FROM {}{along} WHERE ", root.sql, driven.from));
    sql.append(Sql::all(driven.conditions.into_iter().chain(held.map(Sql::negated)).chain(condition)));
    sql.push(&format!(" ORDER BY {order} LIMIT "));
    sql.bind(Cell::Integer(i64::from(limit)));
    let columns: String = root.stored().map(|stored| format!("{}, ", column(&SQLITE, &own, &stored.name))).collect();
    sql.push(&format!(") RETURNING {columns}{there}"));
    sql
}

/// Chooses the rows that hang on chosen rows by one edge; a row that was reached
/// before, by any way, stays with the record that reached it first.
pub(super) fn choose_children(fitted: &Fitted<'_>, child: &FittedChild<'_>, number: usize) -> Vec<Sql> {
    let tables = fitted.tables();
    let rows = identity(&SQLITE, child.table, child.condition, "c");
    let twice: Vec<String> = numbers_of(&tables, child.table)
        .filter(|other| *other != number)
        .map(|other| {
            let pairs = rows.iter().zip(keys(child.table)).map(|(row, key)| format!("{row} = j.{key}"));
            let pairs = pairs.collect::<Vec<_>>().join(" AND ");
            format!(" AND NOT EXISTS (SELECT 1 FROM {} AS j WHERE {pairs})", chosen(other))
        })
        .collect();
    let from = |above: usize| {
        let parent = identity(&SQLITE, child.parent, None, "p");
        let pairs = parent.iter().zip(keys(child.parent)).map(|(row, key)| format!("{row} = t.{key}"));
        Sql::new(format!(
            "INSERT OR IGNORE INTO {} ({}, {RECORD}) SELECT {}, t.{RECORD} FROM {} AS t CROSS JOIN {} AS p ON {} \
             CROSS JOIN {} ON {} WHERE 1{}",
            chosen(number),
            keys(child.table).join(", "),
            rows.join(", "),
            chosen(above),
            child.parent.sql,
            pairs.collect::<Vec<_>>().join(" AND "),
            relation(child.table, child.condition, "c"),
            joined(&SQLITE, (child.parent, "p"), (child.table, "c"), child.on),
            twice.concat()
        ))
    };
    numbers_of(&tables, child.parent).map(from).collect()
}

fn numbers_of<'t>(tables: &'t [&Table], table: &'t Table) -> impl Iterator<Item = usize> + 't {
    tables.iter().enumerate().filter(|(_, other)| other.is(table)).map(|(number, _)| number)
}

/// Lets go of chosen rows of a reference at which something still points, now
/// that the records that did are deleted.
pub(super) fn drop_referenced(
    selection: &Selection<'_>,
    child: &FittedChild<'_>,
    number: usize,
) -> Result<Sql, SourceError> {
    let rows = identity(&SQLITE, child.table, None, "c");
    let pairs = rows.iter().zip(keys(child.table)).map(|(row, key)| format!("{row} = j.{key}"));
    let mut sql = Sql::new(format!(
        "DELETE FROM {} AS j WHERE EXISTS (SELECT 1 FROM {} AS c WHERE {} AND ",
        chosen(number),
        child.table.sql,
        pairs.collect::<Vec<_>>().join(" AND ")
    ));
    sql.append(selection.referenced(child, "c")?).push(")");
    Ok(sql)
}

/// Keys and links of the chosen rows of an edge that is cut, and the record
/// number.
pub(super) fn links(child: &FittedChild<'_>, number: usize) -> Sql {
    let (key, link) = child.link_columns();
    let columns = key.into_iter().chain(link).map(|name| column(&SQLITE, "c", name));
    let rows = identity(&SQLITE, child.table, None, "c");
    let pairs = rows.iter().zip(keys(child.table)).map(|(row, key)| format!("{row} = j.{key}"));
    Sql::new(format!(
        "SELECT {}, j.{RECORD} FROM {} AS j CROSS JOIN {} AS c ON {}",
        columns.collect::<Vec<_>>().join(", "),
        chosen(number),
        child.table.sql,
        pairs.collect::<Vec<_>>().join(" AND ")
    ))
}

/// Cuts the links of the chosen rows.
pub(super) fn cut(child: &FittedChild<'_>, number: usize) -> Sql {
    let (_, link) = child.link_columns();
    let cut = link.into_iter().map(|name| format!("{} = NULL", quote(name)));
    Sql::new(format!(
        "UPDATE {} SET {} WHERE ({}) IN (SELECT {} FROM {})",
        child.table.sql,
        cut.collect::<Vec<_>>().join(", "),
        identity(&SQLITE, child.table, None, &quote(&child.table.name)).join(", "),
        keys(child.table).join(", "),
        chosen(number)
    ))
}

pub(super) fn count(number: usize) -> Sql {
    Sql::new(format!("SELECT count(*) FROM {}", chosen(number)))
}

/// Deletes the chosen rows of a table. Returns all stored columns, the record
/// number and, for the root, what is carried of its event.
pub(super) fn delete(table: &Table, number: usize, carried: usize) -> Sql {
    let own = quote(&table.name);
    let rows = identity(&SQLITE, table, None, &own);
    let pairs = rows.iter().zip(keys(table)).map(|(row, key)| format!("\"batch rows\".{key} = {row}"));
    let pairs = pairs.collect::<Vec<_>>().join(" AND ");
    let looked_up =
        |what: &str| format!("(SELECT \"batch rows\".{what} FROM {} AS \"batch rows\" WHERE {pairs})", chosen(number));
    let columns = table.stored().map(|stored| column(&SQLITE, &own, &stored.name));
    let extra = std::iter::once(RECORD.to_owned()).chain((0..carried).map(|position| format!("e{position}")));
    let returned: Vec<String> = columns.chain(extra.map(|what| looked_up(&what))).collect();
    Sql::new(format!(
        "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {}) RETURNING {}",
        table.sql,
        rows.join(", "),
        keys(table).join(", "),
        chosen(number),
        returned.join(", ")
    ))
}
