//! Which rows leave with the records of a cycle: children, rows that are pointed
//! at, and rows that several datasets speak of.

use super::{
    edges::FittedChild,
    event::just_after,
    fit::{FittedEvent, Place},
    relation::{exists, identity, joined, relation},
    schema::Table,
    selection::{Member, Selection},
    text::Sql,
};
use crate::{
    domain::{deployment::Edge, selection::Cause},
    ports::SourceError,
};

/// What of a cycle has happened when a condition is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// Nothing is assumed.
    Done,
    /// What may move in this cycle has moved.
    OfCycle,
}

/// Rows that keep what they point at.
struct Pointing<'s> {
    table: &'s Table,
    /// Column of the pointing row, column of the row pointed at.
    on: Vec<(String, String)>,
}

impl<'a> Selection<'a> {
    /// The row behind `row`, of `relation(table, condition, …)`, is also one of
    /// the rows that `wanted` narrows the table to, and `inner` holds for it.
    pub(super) fn again(
        &self,
        table: &Table,
        (condition, row): (Option<&str>, &str),
        wanted: Option<&str>,
        inner: impl FnOnce(&str) -> Result<Sql, SourceError>,
    ) -> Result<Sql, SourceError> {
        if wanted.is_none() {
            return inner(row);
        }
        let again = self.alias();
        let this = identity(self.dialect(), table, condition, row);
        let pairs = identity(self.dialect(), table, wanted, &again).into_iter().zip(this);
        let same_row = pairs.map(|(one, other)| Sql::new(format!("{one} = {other}")));
        let inner = inner(&again)?;
        Ok(exists(&relation(table, wanted, &again), same_row.chain([inner]).collect()))
    }

    /// The row behind `alias`, of the whole table, leaves with a record in this
    /// cycle, by any way.
    pub(super) fn leaves(&self, table: &Table, alias: &str, seen: &[&Table]) -> Result<Sql, SourceError> {
        let fitted = &self.of.fitted;
        let mut ways = Vec::new();
        if table.is(fitted.root) {
            let condition = fitted.dataset.condition.as_deref();
            ways.push(self.again(table, (None, alias), condition, |row| self.moves_in_cycle(row))?);
        }
        for child in fitted.own().filter(|own| own.table.is(table)) {
            ways.push(self.again(table, (None, alias), child.condition, |row| self.belongs(child, row, seen))?);
        }
        Ok(Sql::any(ways))
    }

    /// The row behind `alias`, of `child`, hangs on a record that moves in this
    /// cycle; of a reference: and nothing that stays points at it. `seen` are the
    /// references that are being decided already.
    pub(super) fn belongs(&self, child: &FittedChild<'a>, alias: &str, seen: &[&Table]) -> Result<Sql, SourceError> {
        let hangs = self.hangs(child, alias, seen)?;
        if child.edge != Edge::Reference {
            return Ok(hangs);
        }
        let outlasts = self.outlasting(&self.of, child.table, (child.condition, alias), Steps::Done)?.map(Sql::negated);
        Ok(Sql::all([hangs, self.kept(child.table, alias, seen)?.negated()].into_iter().chain(outlasts)))
    }

    /// The row behind `alias` is linked to a row that leaves in this cycle.
    pub(super) fn hangs(&self, child: &FittedChild<'a>, alias: &str, seen: &[&Table]) -> Result<Sql, SourceError> {
        let fitted = &self.of.fitted;
        let parent = self.alias();
        let link = Sql::new(joined(self.dialect(), (child.parent, &parent), (child.table, alias), child.on));
        if child.parent.is(fitted.root) {
            let found = relation(fitted.root, fitted.dataset.condition.as_deref(), &parent);
            return Ok(exists(&found, vec![link, self.moves_in_cycle(&parent)?]));
        }
        let mut ways = Vec::new();
        for above in fitted.own().filter(|own| own.table.is(child.parent)) {
            let found = relation(above.table, above.condition, &parent);
            ways.push(exists(&found, vec![link.clone(), self.belongs(above, &parent, seen)?]));
        }
        Ok(Sql::any(ways))
    }

    /// Something that stays in this cycle points at the row behind `alias`.
    pub(super) fn kept(&self, table: &Table, alias: &str, seen: &[&Table]) -> Result<Sql, SourceError> {
        // References in a circle keep each other.
        if seen.iter().any(|other| other.is(table)) {
            return Ok(Sql::new("1 = 1"));
        }
        let seen: Vec<&Table> = seen.iter().copied().chain([table]).collect();
        let mut reasons = Vec::new();
        for pointing in self.pointing(table) {
            let row = self.alias();
            let link = Sql::new(joined(self.dialect(), (table, alias), (pointing.table, &row), &pointing.on));
            let stays = self.leaves(pointing.table, &row, &seen)?.negated();
            reasons.push(exists(&relation(pointing.table, None, &row), vec![link, stays]));
        }
        Ok(Sql::any(reasons))
    }

    /// A row is there that points at the row behind `alias`, or a rule that has it
    /// to its own end. Asked when the records are deleted: only what stays still
    /// points.
    pub(crate) fn referenced(&self, reference: &FittedChild<'a>, alias: &str) -> Result<Sql, SourceError> {
        let pointing = self.pointing(reference.table).into_iter().map(|pointing| {
            let row = self.alias();
            let on = joined(self.dialect(), (reference.table, alias), (pointing.table, &row), &pointing.on);
            exists(&relation(pointing.table, None, &row), vec![Sql::new(on)])
        });
        let pointing: Vec<Sql> = pointing.collect();
        let outlasts = self.outlasting(&self.of, reference.table, (None, alias), Steps::Done)?;
        Ok(Sql::any(pointing.into_iter().chain(outlasts)))
    }

    /// All that may point at rows of a table and is not taken along or cut off
    /// with them: foreign keys, and references that the database does not know.
    fn pointing(&self, table: &'a Table) -> Vec<Pointing<'a>> {
        let schema = self.of.fitted.schema;
        let mut pointing: Vec<Pointing<'a>> = Vec::new();
        for (child, key) in schema.pointing_at(&table.name) {
            let below = |edge: &&FittedChild<'a>| {
                matches!(edge.edge, Edge::Own | Edge::Unlink)
                    && edge.condition.is_none()
                    && edge.covers(table, child, key)
            };
            if !self.of.fitted.children.iter().any(|edge| below(&edge)) {
                pointing.push(Pointing { table: child, on: key.on.clone() });
            }
        }
        for member in std::iter::once(&self.of).chain(&self.others) {
            let references = member.fitted.children.iter();
            for edge in references.filter(|edge| edge.edge == Edge::Reference && edge.table.is(table)) {
                let on: Vec<_> = edge.on.iter().map(|(there, here)| (here.clone(), there.clone())).collect();
                let known = |known: &Pointing<'_>| {
                    known.table.is(edge.parent) && edge.parent.column_names.same_link(&known.on, &on)
                };
                if !pointing.iter().any(known) {
                    pointing.push(Pointing { table: edge.parent, on });
                }
            }
        }
        pointing
    }

    /// Another dataset has the root behind `alias` too, and keeps it longer: the
    /// latest due wins. Where both count from the same event the longer period
    /// does; else a row that is not due under the other stays.
    pub(crate) fn outlived(&self, member: &Member<'a>, alias: &str) -> Result<Option<Sql>, SourceError> {
        let root = member.fitted.root;
        let mine = (member.fitted.dataset.condition.as_deref(), alias);
        let mut reasons = Vec::new();
        for other in std::iter::once(&self.of).chain(&self.others) {
            let same = std::ptr::eq(other, member) || other.fitted.dataset.rule == member.fitted.dataset.rule;
            if same || !other.fitted.root.is(root) {
                continue;
            }
            let condition = other.fitted.dataset.condition.as_deref();
            if let Some(longer) = self.longer(other, member)? {
                if longer {
                    reasons.push(self.again(root, mine, condition, |_| Ok(Sql::new("1 = 1")))?);
                }
                continue;
            }
            reasons.push(self.not_due(other, mine)?);
        }
        Ok((!reasons.is_empty()).then(|| Sql::any(reasons)))
    }

    /// The row is one of another dataset's, and not due under it.
    fn not_due(&self, other: &Member<'a>, row: (Option<&str>, &str)) -> Result<Sql, SourceError> {
        let bounds = other.scope.bounds;
        let until = bounds.due_to_others_before().min(just_after(bounds.now));
        self.again(other.fitted.root, row, other.fitted.dataset.condition.as_deref(), |row| {
            let due = self.event_within(other, other.scope.event, row, bounds.not_before, until)?;
            Ok(due.negated())
        })
    }

    /// The row behind `row`, which hangs on a member's records, is a record of
    /// another dataset that has to keep it, or freezes it. It moves before what it
    /// belongs to; with the steps of the cycle behind it, only what cannot move is
    /// left. `None`: no other dataset has such rows.
    pub(super) fn outlasting(
        &self,
        member: &Member<'a>,
        table: &Table,
        row: (Option<&str>, &str),
        steps: Steps,
    ) -> Result<Option<Sql>, SourceError> {
        let mut reasons = Vec::new();
        for other in std::iter::once(&self.of).chain(&self.others) {
            if std::ptr::eq(other, member) || !other.fitted.root.is(table) {
                continue;
            }
            let mut outlasts = vec![self.not_due(other, row)?];
            if steps == Steps::OfCycle {
                outlasts.push(self.may_go_ahead(other, row)?.negated());
            }
            reasons.push(Sql::all(outlasts));
            if other.scope.held.frozen.is_empty() {
                continue;
            }
            let condition = other.fitted.dataset.condition.as_deref();
            let frozen = |row: &str| Ok(self.frozen(other, row).unwrap_or_else(|| Sql::new("1 = 0")));
            reasons.push(self.again(table, row, condition, frozen)?);
        }
        Ok((!reasons.is_empty()).then(|| Sql::any(reasons)))
    }

    /// The row's period can be counted, so that its bucket is known.
    fn may_go_ahead(&self, other: &Member<'a>, row: (Option<&str>, &str)) -> Result<Sql, SourceError> {
        let bounds = other.scope.bounds;
        let until = just_after(bounds.latest(&Cause::WithParent));
        self.again(other.fitted.root, row, other.fitted.dataset.condition.as_deref(), |row| {
            self.event_within(other, other.scope.event, row, bounds.not_before, until)
        })
    }

    /// The root behind `alias` belongs to a record of another dataset that moves
    /// in this cycle.
    pub(super) fn parent_leaves(&self, alias: &str) -> Result<Sql, SourceError> {
        let root = self.of.fitted.root;
        let mine = (self.of.fitted.dataset.condition.as_deref(), alias);
        let mut ways = Vec::new();
        for other in &self.others {
            let owned = |child: &&FittedChild<'a>| child.edge == Edge::Own && child.table.is(root);
            for child in other.fitted.own().filter(owned) {
                let taken = |row: &str| self.taken_along(other, child, row, &[root]);
                ways.push(self.again(root, mine, child.condition, taken)?);
            }
        }
        Ok(Sql::any(ways))
    }

    /// The row behind `alias` leaves with a record of this dataset, and is one of
    /// another's, under which it is not due. `None`: no other has such rows.
    pub(super) fn sooner(&self, table: &Table, alias: &str) -> Result<Option<Sql>, SourceError> {
        let others = self.others.iter().filter(|other| other.fitted.root.is(table));
        let reasons = others.map(|other| self.not_due(other, (None, alias))).collect::<Result<Vec<_>, _>>()?;
        if reasons.is_empty() {
            return Ok(None);
        }
        Ok(Some(Sql::all([self.leaves(table, alias, &[])?, Sql::any(reasons)])))
    }

    /// Whether `other` keeps all rows longer than `member`; `None` where they
    /// count from different events.
    fn longer(&self, other: &Member<'a>, member: &Member<'a>) -> Result<Option<bool>, SourceError> {
        let (theirs, ours) = (other.fitted.event(other.scope.event)?, member.fitted.event(member.scope.event)?);
        if !same_event(theirs, ours) {
            return Ok(None);
        }
        let by = |member: &Member<'a>| (member.scope.bounds.overdue_before, member.fitted.dataset.rule.to_string());
        Ok(Some(by(other) < by(member)))
    }
}

fn same_event(one: &FittedEvent<'_>, other: &FittedEvent<'_>) -> bool {
    let place = match (one.place, other.place) {
        (Place::Own, Place::Own) => true,
        (Place::Through { table, on }, Place::Through { table: other, on: others }) => table.is(other) && on == others,
        _ => false,
    };
    place
        && one.columns.names() == other.columns.names()
        && one.format == other.format
        && one.zone == other.zone
        && one.absent == other.absent
}
