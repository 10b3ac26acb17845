//! Counts what a cycle would move, by the conditions of `selection`. Only
//! `SELECT`, in one read transaction, so that all counts are of one state.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Session, anomaly, check_conditions,
    edges::FittedChild,
    fit::Fitted,
    relation::{joined, relation},
    schema::{Schema, Table},
    selection::{Driven, ROOT, Selection},
    text::Sql,
};
use crate::{
    domain::{
        census::Census,
        deployment::{Dataset, Edge},
        record::Cell,
        selection::Scope,
    },
    ports::SourceError,
};

/// The alias of the row that is counted.
const ROW: &str = "c";

/// Counts within one read transaction of the session.
pub(crate) async fn census(
    session: &mut impl Session,
    schema: &Schema,
    dataset: &Dataset,
    scope: &Scope<'_>,
) -> Result<Census, SourceError> {
    let selection = Selection::new(dataset, scope, schema)?;
    check_conditions(session, &selection.of.fitted).await?;
    let mut census = Census::default();
    // A record that moves for several causes is taken, and counted, for the first.
    let mut earlier: Vec<Sql> = Vec::new();
    let held = selection.held_in_cycle(ROOT)?;
    let mut movers = Vec::new();
    for cause in Selection::causes(scope) {
        let mut driven = selection.driven_alone(&cause)?;
        for conditions in [&mut driven.conditions, &mut driven.eligible] {
            conditions.extend(earlier.iter().cloned().map(Sql::negated));
        }
        earlier.push(selection.moves_for(&cause)?);
        if let Some(outlived) = selection.outlived(&selection.of, ROOT)? {
            let mut longer = Sql::new("SELECT count(*)");
            let conditions: Vec<Sql> = driven.conditions.iter().cloned().chain([outlived.clone()]).collect();
            longer.append(source(&driven.from, &conditions, None));
            census.outlived += single(session, longer).await?;
            driven.conditions.push(outlived.clone().negated());
            driven.eligible.push(outlived.negated());
        }
        let covered = selection.covered();
        roots(session, &driven, (held.as_ref(), covered.as_ref()), scope, &mut census).await?;
        if let Some(covered) = covered {
            driven.eligible.push(covered);
            let mut all = Sql::new("SELECT count(*)");
            all.append(source(&driven.from, &driven.eligible, held.as_ref()));
            census.held += single(session, all).await?;
        }
        movers.push((driven.from, driven.conditions));
    }
    census.children = children(session, &selection, &movers, held.as_ref()).await?;
    unlinked(session, &selection, &mut census).await?;
    shared(session, &selection, &mut census).await?;
    sooner(session, &selection, &mut census).await?;
    let table = Sql::new(format!("SELECT count(*) FROM {}", selection.of.fitted.root.sql));
    census.table_rows = single(session, table).await?;
    census.anomalies = anomaly::count(session, &selection.of.fitted, scope).await?;
    Ok(census)
}

async fn single(session: &mut impl Session, sql: Sql) -> Result<u64, SourceError> {
    let row = session.one(sql).await?;
    counted(&row, 0)
}

/// A count of rows in a row that was asked for.
pub(super) fn counted(row: &[Cell], position: usize) -> Result<u64, SourceError> {
    let count = match row.get(position) {
        Some(Cell::Integer(count)) => u64::try_from(*count).ok(),
        _ => None,
    };
    count.ok_or_else(|| SourceError::Engine { reason: "a count is not a number of rows".to_owned() })
}

/// `FROM … WHERE …` of the roots of one cause.
fn source(from: &str, conditions: &[Sql], held: Option<&Sql>) -> Sql {
    let moving = conditions.iter().cloned().chain(held.cloned().map(Sql::negated));
    let mut sql = Sql::new(format!(" FROM {from} WHERE "));
    sql.append(Sql::all(moving));
    sql
}

async fn roots(
    session: &mut impl Session,
    driven: &Driven<'_>,
    (held, covered): (Option<&Sql>, Option<&Sql>),
    scope: &Scope<'_>,
    census: &mut Census,
) -> Result<(), SourceError> {
    let mut moving = Sql::new("SELECT count(*), count(CASE WHEN ");
    // What a hold covers is never overdue.
    let free = covered.cloned().map(Sql::negated);
    let overdue = [driven.own.before(scope.bounds.overdue_before)].into_iter().chain(free);
    moving.append(Sql::all(overdue)).push(" THEN 1 END)");
    for oldest in driven.own.oldest() {
        moving.push(", ").append(oldest);
    }
    moving.append(source(&driven.from, &driven.conditions, held));
    let row = session.one(moving).await?;
    let rows = counted(&row, 0)?;
    census.rows += rows;
    census.overdue += counted(&row, 1)?;
    for (shape, cell) in driven.own.shapes().iter().zip(row.iter().skip(2)) {
        let found: Option<DateTime<Utc>> = driven.own.read_oldest(*shape, cell);
        census.oldest = census.oldest.into_iter().chain(found).min();
    }
    if held.is_some() {
        let mut all = Sql::new("SELECT count(*)");
        all.append(source(&driven.from, &driven.conditions, None));
        census.waiting += single(session, all).await?.saturating_sub(rows);
    }
    Ok(())
}

async fn children(
    session: &mut impl Session,
    selection: &Selection<'_>,
    movers: &[(String, Vec<Sql>)],
    held: Option<&Sql>,
) -> Result<BTreeMap<String, u64>, SourceError> {
    let fitted = &selection.of.fitted;
    let mut counts = BTreeMap::new();
    let mut seen: Vec<&Table> = Vec::new();
    for (child, name) in fitted.own().zip(fitted.dataset.tables().into_iter().skip(1)) {
        if seen.iter().any(|other| other.is(child.table)) {
            continue;
        }
        seen.push(child.table);
        let rows = match single_way(fitted, child) {
            Some(way) => {
                let mut rows = 0;
                for (from, conditions) in movers {
                    let mut sql = Sql::new("SELECT count(*)");
                    sql.append(source(&format!("{from}{way}"), conditions, held));
                    rows += single(session, sql).await?;
                }
                rows
            }
            None => single(session, every_row_once(selection, child.table)?).await?,
        };
        counts.insert(name.to_owned(), rows);
    }
    Ok(counts)
}

/// The joins from the root to a child, where every row of it has one way up at
/// most: then no row is counted twice, and the engine may start at either end.
fn single_way(fitted: &Fitted<'_>, child: &FittedChild<'_>) -> Option<String> {
    let mut way: Vec<&FittedChild<'_>> = Vec::new();
    let mut next = child;
    loop {
        if fitted.own().filter(|own| own.table.is(next.table)).count() != 1 || !is_plain_key(next) {
            return None;
        }
        way.push(next);
        match fitted.own().find(|own| own.table.is(next.parent)) {
            Some(above) => next = above,
            None => break,
        }
    }
    if way.iter().any(|step| step.edge == Edge::Reference) {
        return None;
    }
    let mut joins = String::new();
    let dialect = fitted.schema.dialect;
    let mut above = ROOT.to_owned();
    for (position, step) in way.into_iter().rev().enumerate() {
        let alias = format!("c{position}");
        let found = relation(step.table, step.condition, &alias);
        joins += &format!(" JOIN {found} ON {}", joined(dialect, (step.parent, &above), (step.table, &alias), step.on));
        above = alias;
    }
    Some(joins)
}

/// The link leads to a unique key whose values compare as the child's do.
fn is_plain_key(child: &FittedChild<'_>) -> bool {
    let there: Vec<&str> = child.on.iter().map(|(_, there)| there.as_str()).collect();
    let holds = |table: &Table, name: &str| table.column(name).map(|column| column.holds);
    child.parent.is_unique(&there)
        && child.on.iter().all(|(here, there)| holds(child.table, here) == holds(child.parent, there))
}

/// Counts rows of a table that leave, by any way, each once.
fn every_row_once(selection: &Selection<'_>, table: &Table) -> Result<Sql, SourceError> {
    let mut sql = Sql::new(format!("SELECT count(*) FROM {} WHERE ", relation(table, None, ROW)));
    sql.append(selection.leaves(table, ROW, &[])?);
    Ok(sql)
}

/// Rows that stay without their link, by table; each once for every edge.
async fn unlinked(
    session: &mut impl Session,
    selection: &Selection<'_>,
    census: &mut Census,
) -> Result<(), SourceError> {
    let fitted = &selection.of.fitted;
    for child in fitted.unlinked() {
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} WHERE ", relation(child.table, child.condition, ROW)));
        let leaves = selection
            .again(child.table, (child.condition, ROW), None, |row| selection.leaves(child.table, row, &[]))?;
        // Datasets of these rows run before this one.
        let stays = selection.stays((child.table, child.condition), ROW, &[fitted.root])?;
        sql.append(Sql::all([selection.hangs(child, ROW, &[])?, leaves.negated()].into_iter().chain(stays)));
        let rows = single(session, sql).await?;
        *census.unlinked.entry(fitted.written(child)).or_default() += rows;
    }
    Ok(())
}

/// Rows that moving records point at, and rows that stay too.
async fn shared(session: &mut impl Session, selection: &Selection<'_>, census: &mut Census) -> Result<(), SourceError> {
    let fitted = &selection.of.fitted;
    for child in fitted.own().filter(|child| child.edge == Edge::Reference) {
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} WHERE ", relation(child.table, child.condition, ROW)));
        sql.append(Sql::all([selection.hangs(child, ROW, &[])?, selection.kept(child.table, ROW, &[])?]));
        let rows = single(session, sql).await?;
        *census.shared.entry(fitted.written(child)).or_default() += rows;
    }
    Ok(())
}

/// Rows that go with records and that the rule they are records of would keep
/// longer, by table.
async fn sooner(session: &mut impl Session, selection: &Selection<'_>, census: &mut Census) -> Result<(), SourceError> {
    let fitted = &selection.of.fitted;
    for child in fitted.own() {
        let name = fitted.written(child);
        if census.sooner.contains_key(&name) {
            continue;
        }
        let Some(sooner) = selection.sooner(child.table, ROW)? else { continue };
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} WHERE ", relation(child.table, None, ROW)));
        sql.append(sooner);
        census.sooner.insert(name, single(session, sql).await?);
    }
    Ok(())
}
