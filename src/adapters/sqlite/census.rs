//! Counts what a cycle would move, by the conditions of `selection`. Only
//! `SELECT`, in one read transaction, so that all counts are of one state.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    connection::Link,
    failure,
    fit::{Fitted, FittedChild},
    schema::{Table, same},
    selection::{Driven, ROOT, Selection, identity, joined, relation},
    sql::{Sql, main_table},
    value,
};
use crate::{
    domain::{census::Census, deployment::Dataset, selection::Scope},
    ports::SourceError,
};

pub(super) async fn census(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
    link.begin_reading().await.map_err(failure::engine)?;
    let counted = count(link, dataset, scope).await;
    // Nothing was written; ending it either way only lets go of the snapshot.
    let ended = link.roll_back().await.map_err(failure::engine);
    let census = counted?;
    ended?;
    Ok(census)
}

async fn count(link: &mut Link, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
    let schema = link.schema().await.map_err(failure::engine)?;
    let selection = Selection::new(dataset, scope, &schema)?;
    super::check_conditions(link, &selection.of.fitted).await?;
    let mut census = Census::default();
    // A record that moves for several causes is taken, and counted, for the first.
    let mut earlier: Vec<Sql> = Vec::new();
    let held = selection.held_in_cycle(ROOT)?;
    let mut movers = Vec::new();
    for cause in Selection::causes(scope) {
        let mut driven = selection.driven(&cause)?;
        driven.conditions.extend(earlier.iter().cloned().map(Sql::negated));
        earlier.push(selection.moves_for(&cause)?);
        roots(link, &driven, held.as_ref(), scope, &mut census).await?;
        movers.push((driven.from, driven.conditions));
    }
    census.children = children(link, &selection, &movers, held.as_ref()).await?;
    let table = Sql::new(format!("SELECT count(*) FROM {}", main_table(&selection.of.fitted.root.name)));
    census.table_rows = single(link, table).await?;
    census.anomalies = super::anomaly::count(link, &selection.of.fitted, scope).await?;
    Ok(census)
}

async fn single(link: &mut Link, sql: Sql) -> Result<u64, SourceError> {
    let row = link.one(sql).await.map_err(failure::engine)?;
    value::count(&row, 0).map_err(failure::engine)
}

/// `FROM … WHERE …` of the roots of one cause.
fn source(from: &str, conditions: &[Sql], held: Option<&Sql>) -> Sql {
    let moving = conditions.iter().cloned().chain(held.cloned().map(Sql::negated));
    let mut sql = Sql::new(format!(" FROM {from} WHERE "));
    sql.append(Sql::all(moving));
    sql
}

async fn roots(
    link: &mut Link,
    driven: &Driven<'_>,
    held: Option<&Sql>,
    scope: &Scope<'_>,
    census: &mut Census,
) -> Result<(), SourceError> {
    let mut moving = Sql::new("SELECT count(*), count(*) FILTER (WHERE ");
    moving.append(driven.own.before(scope.bounds.overdue_before)).push(")");
    for oldest in driven.own.oldest() {
        moving.push(", ").append(oldest);
    }
    moving.append(source(&driven.from, &driven.conditions, held));
    let row = link.one(moving).await.map_err(failure::engine)?;
    let rows = value::count(&row, 0).map_err(failure::engine)?;
    census.rows += rows;
    census.overdue += value::count(&row, 1).map_err(failure::engine)?;
    for (position, shape) in driven.own.shapes().iter().enumerate() {
        let cell = value::cell(&row, position + 2).map_err(failure::engine)?;
        let found: Option<DateTime<Utc>> = driven.own.read_oldest(*shape, &cell);
        census.oldest = census.oldest.into_iter().chain(found).min();
    }
    if held.is_some() {
        let mut all = Sql::new("SELECT count(*)");
        all.append(source(&driven.from, &driven.conditions, None));
        census.waiting += single(link, all).await?.saturating_sub(rows);
    }
    Ok(())
}

async fn children(
    link: &mut Link,
    selection: &Selection<'_>,
    movers: &[(String, Vec<Sql>)],
    held: Option<&Sql>,
) -> Result<BTreeMap<String, u64>, SourceError> {
    let fitted = &selection.of.fitted;
    let mut counts = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (child, name) in fitted.own().zip(fitted.dataset.tables().into_iter().skip(1)) {
        if !seen.insert(child.table.name.to_ascii_lowercase()) {
            continue;
        }
        let rows = match single_way(fitted, child) {
            Some(way) => {
                let mut rows = 0;
                for (from, conditions) in movers {
                    let mut sql = Sql::new("SELECT count(*)");
                    sql.append(source(&format!("{from}{way}"), conditions, held));
                    rows += single(link, sql).await?;
                }
                rows
            }
            None => single(link, every_row_once(selection, child.table)?).await?,
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
        if fitted.own().filter(|own| same(&own.table.name, &next.table.name)).count() != 1 || !is_plain_key(next) {
            return None;
        }
        way.push(next);
        match fitted.own().find(|own| same(&own.table.name, &next.parent.name)) {
            Some(above) => next = above,
            None => break,
        }
    }
    let mut joins = String::new();
    let mut above = ROOT.to_owned();
    for (position, step) in way.into_iter().rev().enumerate() {
        let alias = format!("c{position}");
        let found = relation(step.table, step.condition, &alias);
        joins += &format!(" JOIN {found} ON {}", joined(&above, &alias, step.on));
        above = alias;
    }
    Some(joins)
}

/// The link leads to a unique key whose values compare as the child's do.
fn is_plain_key(child: &FittedChild<'_>) -> bool {
    let there: Vec<&str> = child.on.iter().map(|(_, there)| there.as_str()).collect();
    let affinity = |table: &Table, name: &str| table.column(name).map(super::schema::Column::affinity);
    child.parent.is_unique(&there)
        && child.on.iter().all(|(here, there)| affinity(child.table, here) == affinity(child.parent, there))
}

/// Counts rows of a table that are reached by any way, each once.
fn every_row_once(selection: &Selection<'_>, table: &Table) -> Result<Sql, SourceError> {
    let alias = "c";
    let mut ways = Vec::new();
    for child in selection.of.fitted.own().filter(|own| same(&own.table.name, &table.name)) {
        let belongs = selection.belongs(child, alias)?;
        ways.push(match child.condition {
            None => belongs,
            Some(condition) => {
                let rows = identity(table, None, alias).join(", ");
                let narrowed = identity(table, Some(condition), "n").join(", ");
                let mut sql = Sql::new(format!(
                    "(({rows}) IN (SELECT {narrowed} FROM {}) AND ",
                    relation(table, Some(condition), "n")
                ));
                sql.append(belongs).push(")");
                sql
            }
        });
    }
    let mut sql = Sql::new(format!("SELECT count(*) FROM {} WHERE ", relation(table, None, alias)));
    sql.append(Sql::any(ways));
    Ok(sql)
}
