//! Statements of a batch: which rows belong to it, by the place where each lies,
//! and their deletion by that place. Rows are locked before, so that none of
//! them moves, and no condition is evaluated a second time.

use super::{
    copy::Line,
    dialect::{POSTGRES, quote},
    link::Link,
};
use crate::{
    adapters::sql::{
        Driven, Fitted, FittedChild, FittedEvent, ROOT, Selection, Sql, Table, carried, column, identity, joined,
        relation,
    },
    domain::record::Cell,
    ports::SourceError,
};

/// Where a row lies: its table or partition, block and line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) table: u32,
    block: u32,
    line: u16,
}

impl Spot {
    /// Two values of a row, from `at`: `tableoid` and `ctid`.
    pub(super) fn read(line: &Line, at: usize) -> Result<Self, SourceError> {
        let table = line.field(at)?.and_then(digits);
        Ok(Self { table: table.ok_or_else(nowhere)?, ..Self::alone(line, at + 1)? })
    }

    /// One value of a row, `ctid`, where there is but one table.
    pub(super) fn alone(line: &Line, at: usize) -> Result<Self, SourceError> {
        let read = |ctid: &[u8]| {
            let inner = ctid.strip_prefix(b"(")?.strip_suffix(b")")?;
            let comma = memchr::memchr(b',', inner)?;
            let (block, number) = (digits(inner.get(..comma)?)?, digits(inner.get(comma + 1..)?)?);
            Some(Self { table: 0, block, line: u16::try_from(number).ok()? })
        };
        line.field(at)?.and_then(read).ok_or_else(nowhere)
    }
}

/// The place of a row under a name of ours.
const PLACE: &str = "retentiond_place";

fn nowhere() -> SourceError {
    super::copy::strange("a row has no place")
}

fn digits(text: &[u8]) -> Option<u32> {
    let add = |number: u32, digit: &u8| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, add) }
}

/// Where the next batch begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// At this value of the driving event, the earliest first.
    Event(Cell),
    /// Behind this place, in the order in which the rows lie.
    Place(Spot),
}

impl Start {
    /// Before the first row of a table.
    pub(super) const FIRST_PLACE: Self = Self::Place(Spot { table: 0, block: 0, line: 0 });

    /// Which rows come from here on, and in which order.
    fn onwards(start: Option<&Self>, event: &str, place: &str) -> (Option<Sql>, String) {
        let by_event = format!(" ORDER BY {event}");
        match start {
            None => (None, by_event),
            Some(Self::Event(value)) => {
                let mut reached = Sql::new(format!("{event} >= "));
                reached.bind(value.clone());
                (Some(reached), by_event)
            }
            // The server reads the table from there; were it to sort, it would sort
            // the rest of the table for each batch.
            Some(Self::Place(last)) => {
                (Some(Sql::new(format!("{place} > '({},{})'::tid", last.block, last.line))), String::new())
            }
        }
    }
}

/// `'{"(0,1)",…}'::tid[]`
fn places(spots: &[Spot]) -> String {
    let listed = spots.iter().map(|spot| format!("\"({},{})\"", spot.block, spot.line)).collect::<Vec<_>>().join(",");
    format!("'{{{listed}}}'::tid[]")
}

fn tables(spots: &[Spot]) -> String {
    let listed = spots.iter().map(|spot| spot.table.to_string()).collect::<Vec<_>>().join(",");
    format!("'{{{listed}}}'::oid[]")
}

/// Roots with their place, the value of their driving event, and what is carried of
/// their own, from `start` on. `but` are left out.
pub(super) fn choose_roots(
    fitted: &Fitted<'_>,
    driven: Driven<'_>,
    own: &FittedEvent<'_>,
    held: Option<Sql>,
    start: Option<&Start>,
    (limit, but): (u32, &[Spot]),
) -> String {
    let condition = fitted.dataset.condition.as_deref();
    let event = driven.driving.plain();
    let mut taken = identity(&POSTGRES, fitted.root, condition, ROOT);
    let place = taken.get(1).cloned().unwrap_or_default();
    let (onwards, order) = Start::onwards(start, &event, &place);
    taken.push(event);
    if carried(own) > 0 {
        taken.extend(own.columns.names().into_iter().map(|name| column(&POSTGRES, "o", name)));
    }
    let mut conditions = driven.conditions;
    conditions.extend(held.map(Sql::negated));
    conditions.extend(onwards);
    if !but.is_empty() {
        conditions.push(Sql::new(format!("{place} <> ALL ({})", places(but))));
    }
    let mut sql = Sql::new(format!("SELECT {} FROM {} WHERE ", taken.join(", "), driven.from));
    sql.append(Sql::all(conditions));
    sql.push(&format!("{order} LIMIT {limit} FOR UPDATE OF {ROOT} SKIP LOCKED"));
    Link::text(sql)
}

/// Up to `limit` places of roots, whoever has locked them, in order and behind
/// `behind`.
pub(super) fn find_roots(fitted: &Fitted<'_>, driven: &Driven<'_>, behind: Option<Spot>, limit: usize) -> String {
    let place = identity(&POSTGRES, fitted.root, fitted.dataset.condition.as_deref(), ROOT).join(", ");
    let further =
        behind.map(|last| Sql::new(format!("({place}) > ({}, '({},{})'::tid)", last.table, last.block, last.line)));
    let mut sql = Sql::new(format!("SELECT {place} FROM {} WHERE ", driven.from));
    sql.append(Sql::all(driven.conditions.iter().cloned().chain(further)));
    sql.push(&format!(" ORDER BY {place} LIMIT {limit}"));
    Link::text(sql)
}

/// Those of `spots`, all of one table or partition, at which there is still a row.
pub(super) fn still_there(table: &Table, spots: &[Spot]) -> String {
    format!("SELECT tableoid, ctid FROM {} WHERE {}", table.sql, at("", spots))
}

/// Deletes roots in one statement, from `start` on, and returns all stored columns of
/// each, and behind them its place.
pub(super) fn delete_at_once(
    fitted: &Fitted<'_>,
    driven: Driven<'_>,
    held: Option<Sql>,
    start: Option<&Start>,
    limit: u32,
) -> String {
    let rows = identity(&POSTGRES, fitted.root, fitted.dataset.condition.as_deref(), ROOT);
    let place = rows.get(1).cloned().unwrap_or_default();
    let (onwards, order) = Start::onwards(start, &driven.driving.plain(), &place);
    let mut conditions = driven.conditions;
    conditions.extend(held.map(Sql::negated));
    let (from, place) = match (start, onwards) {
        // The index on the event would lead past all rows that were deleted before, in
        // each batch anew. Behind OFFSET the server knows of no condition for it.
        (Some(Start::Place(_)), Some(onwards)) => {
            let onwards = Link::text(onwards);
            let rows = format!("SELECT {place} AS {PLACE}, {ROOT}.* FROM {} WHERE {onwards} OFFSET 0", driven.from);
            (format!("({rows}) AS {ROOT}"), format!("{ROOT}.{PLACE}"))
        }
        (_, onwards) => {
            conditions.extend(onwards);
            (driven.from, place)
        }
    };
    let columns: String = fitted.root.stored().map(|stored| format!("d.{}, ", quote(&stored.name))).collect();
    let mut sql = Sql::new(format!(
        "DELETE FROM {} AS d WHERE d.ctid = ANY (ARRAY (SELECT {place} FROM {from} WHERE ",
        fitted.root.sql
    ));
    sql.append(Sql::all(conditions));
    sql.push(&format!("{order} LIMIT {limit})) RETURNING {columns}d.ctid"));
    Link::text(sql)
}

/// Rows of a child that hang below rows of its parent, each with the position of
/// that row in `above`.
pub(super) fn choose_children(child: &FittedChild<'_>, above: &[Spot]) -> String {
    let rows = identity(&POSTGRES, child.table, child.condition, "c").join(", ");
    format!(
        "SELECT {rows}, t.position FROM unnest({}, {}) WITH ORDINALITY AS t (which, place, position) \
         JOIN {} AS p ON p.ctid = t.place AND p.tableoid = t.which JOIN {} ON {}",
        tables(above),
        places(above),
        child.parent.sql,
        relation(child.table, child.condition, "c"),
        joined(&POSTGRES, (child.parent, "p"), (child.table, "c"), child.on),
    )
}

/// Locks those of `spots`, all of one table or partition, that nobody else holds.
pub(super) fn lock(table: &Table, spots: &[Spot]) -> String {
    format!("SELECT tableoid, ctid FROM {} WHERE {} FOR UPDATE SKIP LOCKED", table.sql, at("", spots))
}

/// Deletes `spots`, all of one table or partition, and returns the place and all
/// stored columns of each.
pub(super) fn delete(table: &Table, spots: &[Spot]) -> String {
    let columns: String = table.stored().map(|stored| format!(", d.{}", quote(&stored.name))).collect();
    format!("DELETE FROM {} AS d WHERE {} RETURNING d.tableoid, d.ctid{columns}", table.sql, at("d.", spots))
}

/// Those of `spots`, all of one table or partition, at which something points.
pub(super) fn still_referenced(
    selection: &Selection<'_>,
    reference: &FittedChild<'_>,
    spots: &[Spot],
) -> Result<String, SourceError> {
    let place = at("c.", spots);
    let mut sql = Sql::new(format!("SELECT c.tableoid, c.ctid FROM {} AS c WHERE {place} AND ", reference.table.sql));
    sql.append(selection.referenced(reference, "c")?);
    Ok(Link::text(sql))
}

/// Keys and links of rows whose link is cut, behind the place of each.
pub(super) fn links(child: &FittedChild<'_>, spots: &[Spot]) -> String {
    let (key, link) = child.link_columns();
    let columns: String = key.into_iter().chain(link).map(|name| format!(", c.{}", quote(name))).collect();
    format!("SELECT c.tableoid, c.ctid{columns} FROM {} AS c WHERE {}", child.table.sql, at("c.", spots))
}

/// Cuts the links of rows.
pub(super) fn cut(child: &FittedChild<'_>, spots: &[Spot]) -> String {
    let (_, link) = child.link_columns();
    let cut = link.into_iter().map(|name| format!("{} = NULL", quote(name))).collect::<Vec<_>>().join(", ");
    format!("UPDATE {} AS c SET {cut} WHERE {} RETURNING c.tableoid", child.table.sql, at("c.", spots))
}

fn at(alias: &str, spots: &[Spot]) -> String {
    let table = spots.first().map_or(0, |spot| spot.table);
    format!("{alias}ctid = ANY ({}) AND {alias}tableoid = {table}", places(spots))
}

/// The spots of each table or partition.
pub(super) fn by_table(spots: &[Spot]) -> Vec<Vec<Spot>> {
    let mut sorted = spots.to_vec();
    sorted.sort_unstable();
    sorted.chunk_by(|one, other| one.table == other.table).map(<[Spot]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_written_alike() {
        let mut line = Line::default();
        line.read(b"16401\t(7,12)\n").unwrap();
        let spot = Spot::read(&line, 0).unwrap();
        assert_eq!(spot, Spot { table: 16401, block: 7, line: 12 });
        assert_eq!(places(&[spot, spot]), "'{\"(7,12)\",\"(7,12)\"}'::tid[]");
        for strange in ["16401\tnowhere", "16401\t(7)", "16401\t(,12)", "16401\t(7,70000)", "\t(7,12)", "16401\t\\N"] {
            line.read(strange.as_bytes()).unwrap();
            assert!(Spot::read(&line, 0).is_err(), "{strange}");
        }
    }

    #[test]
    fn places_are_taken_together_by_partition() {
        let spot = |table, block| Spot { table, block, line: 1 };
        let grouped = by_table(&[spot(2, 1), spot(1, 5), spot(2, 0)]);
        assert_eq!(grouped, [vec![spot(1, 5)], vec![spot(2, 0), spot(2, 1)]]);
        assert!(by_table(&[]).is_empty());
    }
}
