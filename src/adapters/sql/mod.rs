//! What all SQL engines have in common, as pure builders: the live schema as
//! facts, a dataset laid over it, the conditions by which records move, counts,
//! findings, and what becomes of rows that come back.
//!
//! There is no connection here and no driver. What differs between engines
//! stands behind `Dialect`; what has to be asked of one goes through `Session`.
//! How rows are locked and deleted is each engine's own.

#[cfg(test)]
pub(crate) mod agreement;
mod anomaly;
mod belonging;
mod census;
mod cover;
pub(crate) mod dialect;
pub(crate) mod edges;
pub(crate) mod event;
pub(crate) mod fit;
pub(crate) mod gather;
pub(crate) mod inspect;
pub(crate) mod lay;
mod left;
mod links;
mod look;
mod reads;
pub(crate) mod relation;
mod route;
pub(crate) mod schema;
pub(crate) mod selection;
pub(crate) mod text;
mod transaction;

use crate::{
    domain::{deployment::Dataset, record::Cell},
    ports::SourceError,
};

pub(crate) use census::census;
pub(crate) use dialect::{Dialect, Passed, SHIFT, Shape};
pub(crate) use edges::{FittedChild, Level};
pub(crate) use event::carried;
pub(crate) use fit::{Columns, Fitted, FittedEvent, Misfit, Place};
pub(crate) use gather::{Gathered, StoredRow, headings, miscounted};
pub(crate) use inspect::{Inspected, inspect};
pub(crate) use lay::{Laid, blanked, identical, insertion_order, insertion_order_of_all, laid, lay_all, twin};
pub(crate) use left::{movable, waiting};
pub(crate) use look::look;
pub(crate) use reads::{reads, tables_named};
pub(crate) use relation::{identity, joined, relation};
pub(crate) use route::{BY_PLACE_MAX, Furthest, route};
pub(crate) use schema::{Column, ForeignKey, Holds, Identity, Index, Kind, Names, Schema, Table};
pub(crate) use selection::{Driven, ROOT, Selection};
pub(crate) use text::{Sql, column, parenthesised};
pub(crate) use transaction::{Open, Positions, Transaction, position_key, set_out};

/// What the shared reading flows ask of an open transaction.
pub(crate) trait Session {
    /// The only row of a query.
    async fn one(&mut self, sql: Sql) -> Result<Vec<Cell>, SourceError>;

    /// What is wrong with an operator's condition on a table: that it does not
    /// compile, or would take one of our own values.
    async fn condition_misfit(&mut self, table: &Table, condition: &str) -> Result<Option<Misfit>, SourceError>;
}

/// The conditions that an operator wrote, with the tables they narrow.
fn conditions<'f>(fitted: &'f Fitted<'_>) -> Vec<(&'f Table, &'f str)> {
    let of_children = fitted.children.iter().filter_map(|child| Some((child.table, child.condition?)));
    let own = fitted.dataset.condition.as_deref().map(|condition| (fitted.root, condition));
    own.into_iter().chain(of_children).collect()
}

/// Refuses a dataset whose conditions the engine does not take.
pub(crate) async fn check_conditions(session: &mut impl Session, fitted: &Fitted<'_>) -> Result<(), SourceError> {
    for (table, condition) in conditions(fitted) {
        if let Some(misfit) = session.condition_misfit(table, condition).await? {
            return Err(misfit.into_error(fitted.dataset));
        }
    }
    Ok(())
}

/// Refuses a dataset by whose deletions the engine would change rows that nobody
/// sealed.
pub(crate) fn check_links<'d>(
    fitted: &Fitted<'_>,
    schema: &Schema,
    others: impl Iterator<Item = &'d Dataset> + Clone,
) -> Result<(), SourceError> {
    let silent = links::judge(fitted, schema, others).silent.into_iter().next();
    silent.map_or(Ok(()), |misfit| Err(misfit.into_error(fitted.dataset)))
}
