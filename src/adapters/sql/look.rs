//! Looks at one record: what its events say, and what keeps it from moving. By the
//! same conditions as the census, narrowed to a key.

use std::collections::BTreeMap;

use super::{
    Session, anomaly,
    census::counted,
    check_conditions,
    cover::covered,
    event::EventSql,
    fit::{Fitted, Place},
    relation::{joined, relation},
    schema::Schema,
    selection::{ROOT, Selection},
    text::Sql,
};
use crate::{
    domain::{
        deployment::Dataset,
        explain::{Happened, RecordFacts},
        hold::Cover,
        id::EventName,
        selection::Scope,
    },
    ports::SourceError,
};

/// The record with this key (`record::locator`), within one read transaction of
/// the session; `None` where there is none.
pub(crate) async fn look(
    session: &mut impl Session,
    schema: &Schema,
    dataset: &Dataset,
    scope: &Scope<'_>,
    key: &str,
) -> Result<Option<RecordFacts>, SourceError> {
    let selection = Selection::new(dataset, scope, schema)?;
    let fitted = &selection.of.fitted;
    check_conditions(session, fitted).await?;
    let cover = Cover { keys: [key.to_owned()].into(), ..Cover::default() };
    let Some(here) = covered(fitted, &cover, ROOT) else { return Ok(None) };
    let from = relation(fitted.root, fitted.dataset.condition.as_deref(), ROOT);
    if count(session, &from, [here.clone()]).await? == 0 {
        return Ok(None);
    }
    let mut events = BTreeMap::new();
    for name in std::iter::once(scope.event).chain(scope.separate_on) {
        if !events.contains_key(name) {
            events.insert(name.clone(), happened(session, fitted, name, scope, &here).await?);
        }
    }
    let mut is = async |condition: Option<Sql>| match condition {
        Some(condition) => Ok::<_, SourceError>(count(session, &from, [here.clone(), condition]).await? > 0),
        None => Ok(false),
    };
    let outlived = is(selection.outlived(&selection.of, ROOT)?).await?;
    let held = is(covered(fitted, &scope.held.any, ROOT)).await?;
    let mut waits_for = Vec::new();
    for (table, condition) in selection.waits_in_cycle(ROOT)? {
        if !waits_for.contains(&table.name) && is(Some(condition)).await? {
            waits_for.push(table.name.clone());
        }
    }
    Ok(Some(RecordFacts { events, waits_for, outlived, held }))
}

async fn count(
    session: &mut impl Session,
    from: &str,
    conditions: impl IntoIterator<Item = Sql>,
) -> Result<u64, SourceError> {
    let mut sql = Sql::new(format!("SELECT count(*) FROM {from} WHERE "));
    sql.append(Sql::all(conditions));
    counted(&session.one(sql).await?, 0)
}

/// What one event of the record says.
async fn happened(
    session: &mut impl Session,
    fitted: &Fitted<'_>,
    name: &EventName,
    scope: &Scope<'_>,
    here: &Sql,
) -> Result<Happened, SourceError> {
    if let Some(kind) = anomaly::of_record(session, fitted, name, scope, here).await? {
        return Ok(Happened::Anomaly(kind));
    }
    let event = fitted.event(name)?;
    let mut from = relation(fitted.root, fitted.dataset.condition.as_deref(), ROOT);
    let alias = match event.place {
        Place::Own => ROOT,
        Place::Through { table, on } => {
            let link = joined(fitted.schema.dialect, (table, "p"), (fitted.root, ROOT), on);
            from += &format!(" JOIN {} AS p ON {link}", table.sql);
            "p"
        }
    };
    let column = EventSql::new(fitted.schema.dialect, event, alias, scope.zone);
    let mut sql = Sql::new("SELECT ");
    for (position, oldest) in column.oldest().into_iter().enumerate() {
        sql.push(if position > 0 { ", " } else { "" }).append(oldest);
    }
    sql.push(&format!(" FROM {from} WHERE ")).append(Sql::all([here.clone(), column.well_formed()]));
    let row = session.one(sql).await?;
    let found = column.shapes().iter().zip(&row).filter_map(|(shape, cell)| column.read_oldest(*shape, cell));
    Ok(found.min().map_or(Happened::NotYet, Happened::At))
}
