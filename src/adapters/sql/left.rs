//! What a cycle was to move and did not: which roots could move at this moment,
//! and which wait for rows that were to move before them. Who has locked one of
//! the first is for each engine to find out.

use super::{
    Session,
    census::counted,
    selection::{Driven, ROOT, Selection},
    text::Sql,
};
use crate::ports::SourceError;

/// Roots that nothing but a lock keeps from moving, cause by cause; a root that
/// moves for several stands with the first.
pub(crate) fn movable<'s>(selection: &'s Selection<'_>) -> Result<Vec<Driven<'s>>, SourceError> {
    let free = selection.held_strictly()?.map(Sql::negated);
    each_once(selection, |driven| driven.conditions.extend(free.clone()))
}

/// Roots that would move in this cycle and that rows hold back which would move
/// before them, and are still there.
pub(crate) async fn waiting(session: &mut impl Session, selection: &Selection<'_>) -> Result<u64, SourceError> {
    let Some(held) = selection.held_strictly()? else { return Ok(0) };
    let in_cycle = selection.held_in_cycle(ROOT)?.map(Sql::negated);
    let mut rows = 0;
    for driven in each_once(selection, |driven| {
        driven.conditions.push(held.clone());
        driven.conditions.extend(in_cycle.clone());
    })? {
        let mut sql = Sql::new(format!("SELECT count(*) FROM {} WHERE ", driven.from));
        sql.append(Sql::all(driven.conditions));
        rows += counted(&session.one(sql).await?, 0)?;
    }
    Ok(rows)
}

fn each_once<'s>(
    selection: &'s Selection<'_>,
    narrow: impl Fn(&mut Driven<'s>),
) -> Result<Vec<Driven<'s>>, SourceError> {
    let mut earlier: Vec<Sql> = Vec::new();
    let mut all = Vec::new();
    for cause in Selection::causes(&selection.of.scope) {
        let mut driven = selection.driven(&cause)?;
        driven.conditions.extend(earlier.iter().cloned().map(Sql::negated));
        narrow(&mut driven);
        earlier.push(selection.moves_for(&cause)?);
        all.push(driven);
    }
    Ok(all)
}
