//! Counts rows whose events say nothing that can be acted on.

use super::{
    Session,
    census::counted,
    event::{EventSql, just_after},
    fit::{Fitted, FittedEvent, Place},
    relation::{joined, relation},
    selection::ROOT,
    text::{Sql, column},
};
use crate::{
    domain::{
        census::{Anomaly, AnomalyKind},
        id::EventName,
        selection::Scope,
    },
    ports::SourceError,
};

const PARENT: &str = "p";

/// Anomalies of the period's own event and of all events of `separate_on`; only
/// kinds of which there are rows.
pub(crate) async fn count(
    session: &mut impl Session,
    fitted: &Fitted<'_>,
    scope: &Scope<'_>,
) -> Result<Vec<Anomaly>, SourceError> {
    let mut anomalies = Vec::new();
    let mut seen: Vec<&EventName> = Vec::new();
    for name in std::iter::once(scope.event).chain(scope.separate_on) {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let kinds = kinds(fitted, fitted.event(name)?, scope, must_be_there(fitted, name, scope));
        let row = session.one(statement(fitted, name, scope, &kinds)?).await?;
        for (position, (kind, _)) in kinds.iter().enumerate() {
            let rows = counted(&row, position)?;
            if rows > 0 {
                anomalies.push(Anomaly { event: name.clone(), kind: *kind, rows });
            }
        }
    }
    Ok(anomalies)
}

/// What is wrong with an event of the records that `here` names, if anything is.
pub(super) async fn of_record(
    session: &mut impl Session,
    fitted: &Fitted<'_>,
    name: &EventName,
    scope: &Scope<'_>,
    here: &Sql,
) -> Result<Option<AnomalyKind>, SourceError> {
    let kinds = kinds(fitted, fitted.event(name)?, scope, must_be_there(fitted, name, scope));
    let mut sql = statement(fitted, name, scope, &kinds)?;
    sql.push(" AND ").append(here.clone());
    let row = session.one(sql).await?;
    for (position, (kind, _)) in kinds.iter().enumerate() {
        if counted(&row, position)? > 0 {
            return Ok(Some(*kind));
        }
    }
    Ok(None)
}

/// An event that moves records has simply not happened yet while its column is
/// empty, unless the dataset is narrowed to rows of which it has.
fn must_be_there(fitted: &Fitted<'_>, name: &EventName, scope: &Scope<'_>) -> bool {
    name == scope.event && (!scope.separate_on.contains(name) || fitted.dataset.condition.is_some())
}

fn kinds(fitted: &Fitted<'_>, event: &FittedEvent<'_>, scope: &Scope<'_>, required: bool) -> Vec<(AnomalyKind, Sql)> {
    let (alias, links) = match event.place {
        Place::Own => (ROOT, &[][..]),
        Place::Through { on, .. } => (PARENT, on),
    };
    let dialect = fitted.schema.dialect;
    let sql = EventSql::new(dialect, event, alias, scope.zone);
    let each = |test: &str, columns: Vec<String>| {
        let tests = columns.into_iter().map(|column| Sql::new(format!("{column} {test}")));
        tests.collect::<Vec<_>>()
    };
    let here = || links.iter().map(|(here, _)| column(dialect, ROOT, here)).collect::<Vec<_>>();
    let there = || links.iter().map(|(_, there)| column(dialect, PARENT, there)).collect::<Vec<_>>();
    let found = Sql::all(each("IS NOT NULL", there()));
    let all = |parts: Vec<Sql>| Sql::all(std::iter::once(found.clone()).chain(parts));
    let (ancient, future) = (scope.bounds.not_before, just_after(scope.bounds.now));
    let mut kinds = vec![
        (AnomalyKind::Malformed, all(vec![sql.absent().negated(), sql.well_formed().negated()])),
        (AnomalyKind::Ancient, all(vec![sql.well_formed(), sql.before(ancient)])),
        (AnomalyKind::Future, all(vec![sql.well_formed(), sql.before(future).negated()])),
    ];
    if !links.is_empty() {
        let missing = Sql::all(each("IS NULL", there()));
        kinds.push((AnomalyKind::Orphan, Sql::all(each("IS NOT NULL", here()).into_iter().chain([missing]))));
    }
    if required {
        let unlinked = Sql::any(each("IS NULL", here()));
        kinds.push((AnomalyKind::Missing, Sql::any([unlinked, all(vec![sql.absent()])])));
    }
    kinds
}

fn statement(
    fitted: &Fitted<'_>,
    name: &EventName,
    scope: &Scope<'_>,
    kinds: &[(AnomalyKind, Sql)],
) -> Result<Sql, SourceError> {
    let event = fitted.event(name)?;
    let mut sql = Sql::new("SELECT ");
    for (position, (_, condition)) in kinds.iter().enumerate() {
        sql.push(if position > 0 { ", " } else { "" }).push("count(CASE WHEN ");
        sql.append(condition.clone()).push(" THEN 1 END)");
    }
    sql.push(" FROM ").push(&relation(fitted.root, fitted.dataset.condition.as_deref(), ROOT));
    let alias = match event.place {
        Place::Own => ROOT,
        Place::Through { table, on } => {
            let link = joined(fitted.schema.dialect, (table, PARENT), (fitted.root, ROOT), on);
            sql.push(&format!(" LEFT JOIN {} AS {PARENT} ON {link}", table.sql));
            PARENT
        }
    };
    // Most rows are in order and are tested once.
    let (ancient, future) = (scope.bounds.not_before, just_after(scope.bounds.now));
    let empty = alias == PARENT || must_be_there(fitted, name, scope);
    let of_event = EventSql::new(fitted.schema.dialect, event, alias, scope.zone);
    sql.push(" WHERE ").append(of_event.outside(ancient, future, empty));
    Ok(sql)
}
