//! Which roots of a dataset move, as SQL: the one set of conditions that the
//! census counts by and a batch is taken by.
//!
//! Every condition made here is true or false, never NULL.

use std::cell::Cell as Counter;

use chrono::{DateTime, Utc};

use super::{
    belonging::Steps,
    cover::covered,
    dialect::Dialect,
    edges::FittedChild,
    event::{EventSql, just_after},
    fit::{Fitted, FittedEvent, Place},
    relation::{exists, joined, relation},
    schema::{Schema, Table},
    text::Sql,
};
use crate::{
    domain::{
        deployment::{Dataset, Edge, EventPlace},
        id::EventName,
        selection::{Cause, Scope},
    },
    ports::SourceError,
};

/// A dataset with the scope it runs under.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) fitted: Fitted<'a>,
    pub(crate) scope: Scope<'a>,
}

/// The dataset in question and those of the same source.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) of: Member<'a>,
    pub(super) others: Vec<Member<'a>>,
    aliases: Counter<usize>,
}

/// Rows that hold a root back.
struct Wait<'s> {
    table: &'s Table,
    condition: Option<&'s str>,
    parent: &'s Table,
    on: &'s [(String, String)],
}

/// Roots that move for one cause: `FROM … WHERE …` with the aliases of the rows
/// that hold the dataset's own event and the one that drives the cause.
pub(crate) struct Driven<'s> {
    pub(crate) from: String,
    pub(crate) conditions: Vec<Sql>,
    /// The same without what frozen roots are kept out by.
    pub(crate) eligible: Vec<Sql>,
    pub(crate) own: EventSql<'s>,
    pub(crate) driving: EventSql<'s>,
}

/// The alias of the root in a `Driven`.
pub(crate) const ROOT: &str = "r";

impl<'a> Selection<'a> {
    /// Fits the dataset and its neighbours. A neighbour that does not fit
    /// matters only where it could hold this dataset's records back.
    pub(crate) fn new(dataset: &'a Dataset, scope: &Scope<'a>, schema: &'a Schema) -> Result<Self, SourceError> {
        let of = Member { fitted: Fitted::for_query(dataset, schema)?, scope: *scope };
        let mut others = Vec::with_capacity(scope.others.len());
        for (other, scope) in scope.others {
            if schema.same_table(&other.table, &dataset.table) && other.rule == dataset.rule {
                continue;
            }
            match Fitted::for_query(other, schema) {
                Ok(fitted) => others.push(Member { fitted, scope: *scope }),
                Err(error) if concerns(other, dataset, schema) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(Self { of, others, aliases: Counter::new(0) })
    }

    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        self.of.fitted.schema.dialect
    }

    pub(super) fn alias(&self) -> String {
        self.aliases.set(self.aliases.get() + 1);
        format!("x{}", self.aliases.get())
    }

    /// The causes in the order in which records are taken for them.
    pub(crate) fn causes(scope: &Scope<'_>) -> Vec<Cause> {
        scope.separate_on.iter().cloned().map(Cause::Event).chain([Cause::Due]).collect()
    }

    /// The roots that a batch is taken from, once those that wait are left out.
    pub(crate) fn driven<'s>(&'s self, cause: &Cause) -> Result<Driven<'s>, SourceError> {
        let mut driven = self.driven_alone(cause)?;
        driven.conditions.extend(self.outlived(&self.of, ROOT)?.map(Sql::negated));
        Ok(driven)
    }

    /// The roots of a cause, also those that another dataset keeps longer.
    pub(super) fn driven_alone<'s>(&'s self, cause: &Cause) -> Result<Driven<'s>, SourceError> {
        let (member, zone, dialect) = (&self.of, self.of.scope.zone, self.dialect());
        let root = member.fitted.root;
        let own_event = member.fitted.event(member.scope.event)?;
        let name = event_of(cause, &member.scope);
        let driving_event = member.fitted.event(name)?;
        let mut from = relation(root, member.fitted.dataset.condition.as_deref(), ROOT);
        let mut join = |event: &FittedEvent<'_>, alias: &'static str| match event.place {
            Place::Own => ROOT,
            Place::Through { table, on } => {
                let link = joined(dialect, (table, alias), (root, ROOT), on);
                from += &format!(" JOIN {} AS {alias} ON {link}", table.sql);
                alias
            }
        };
        let own = EventSql::new(dialect, own_event, join(own_event, "o"), zone);
        let is_own = name == member.scope.event;
        let driving = if is_own {
            EventSql::new(dialect, own_event, if matches!(own_event.place, Place::Own) { ROOT } else { "o" }, zone)
        } else {
            EventSql::new(dialect, driving_event, join(driving_event, "e"), zone)
        };
        let (earliest, until) = range(&member.scope, cause);
        let mut conditions = vec![driving.within(earliest, until)];
        if !is_own {
            conditions.push(own.exactly_within(earliest, just_after(member.scope.bounds.now)));
        }
        if *cause == Cause::WithParent {
            conditions.push(self.parent_leaves(ROOT)?);
        }
        let eligible = conditions.clone();
        conditions.extend(self.frozen(member, ROOT).map(Sql::negated));
        Ok(Driven { from, conditions, eligible, own, driving })
    }

    /// The root behind `alias` stays in the source.
    pub(super) fn frozen(&self, member: &Member<'a>, alias: &str) -> Option<Sql> {
        covered(&member.fitted, &member.scope.held.frozen, alias)
    }

    /// A hold of any kind covers the root behind `ROOT`.
    pub(crate) fn covered(&self) -> Option<Sql> {
        covered(&self.of.fitted, &self.of.scope.held.any, ROOT)
    }

    /// The root behind `ROOT` moves for this cause, the period's own event
    /// aside.
    pub(crate) fn moves_for(&self, cause: &Cause) -> Result<Sql, SourceError> {
        self.cause(&self.of, cause, ROOT)
    }

    fn cause(&self, member: &Member<'a>, cause: &Cause, alias: &str) -> Result<Sql, SourceError> {
        let (from, until) = range(&member.scope, cause);
        self.event_within(member, event_of(cause, &member.scope), alias, from, until)
    }

    pub(super) fn event_within(
        &self,
        member: &Member<'a>,
        name: &EventName,
        alias: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Sql, SourceError> {
        let (event, zone) = (member.fitted.event(name)?, member.scope.zone);
        let Place::Through { table, on } = event.place else {
            return Ok(EventSql::new(self.dialect(), event, alias, zone).within(from, until));
        };
        let parent = self.alias();
        let within = EventSql::new(self.dialect(), event, &parent, zone).within(from, until);
        let link = joined(self.dialect(), (table, &parent), (member.fitted.root, alias), on);
        Ok(exists(&relation(table, None, &parent), vec![Sql::new(link), within]))
    }

    /// No row may be left that holds the root behind `ROOT` back.
    pub(crate) fn held_strictly(&self) -> Result<Option<Sql>, SourceError> {
        self.held(&self.of, ROOT, None)
    }

    /// Rows that move before the root in the same cycle do not hold it back.
    pub(crate) fn held_in_cycle(&self, alias: &str) -> Result<Option<Sql>, SourceError> {
        self.held(&self.of, alias, Some(&[self.of.fitted.root]))
    }

    /// The same, by the tables whose rows hold it back.
    pub(crate) fn waits_in_cycle(&self, alias: &str) -> Result<Vec<(&Table, Sql)>, SourceError> {
        self.reasons(&self.of, alias, Some(&[self.of.fitted.root]))
    }

    /// The root behind `alias` moves in this cycle, for any cause.
    pub(crate) fn moves_in_cycle(&self, alias: &str) -> Result<Sql, SourceError> {
        self.moves(&self.of, alias, &[self.of.fitted.root])
    }

    fn moves(&self, member: &Member<'a>, alias: &str, above: &[&Table]) -> Result<Sql, SourceError> {
        let bounds = member.scope.bounds;
        let own = self.event_within(member, member.scope.event, alias, bounds.not_before, just_after(bounds.now))?;
        let causes = Self::causes(&member.scope)
            .iter()
            .map(|cause| self.cause(member, cause, alias))
            .collect::<Result<Vec<_>, _>>()?;
        let held = self.held(member, alias, Some(above))?.map(Sql::negated);
        let outlived = self.outlived(member, alias)?.map(Sql::negated);
        let thawed = self.frozen(member, alias).map(Sql::negated);
        Ok(Sql::all([own, Sql::any(causes)].into_iter().chain(held).chain(outlived).chain(thawed)))
    }

    /// `above` are the tables whose waiting is being decided already (a wait in
    /// a circle ends nowhere); `None` asks for rows of any kind.
    fn held(&self, member: &Member<'a>, alias: &str, above: Option<&[&Table]>) -> Result<Option<Sql>, SourceError> {
        let reasons = self.reasons(member, alias, above)?;
        Ok((!reasons.is_empty()).then(|| Sql::any(reasons.into_iter().map(|(_, reason)| reason))))
    }

    /// Each wait of a member by itself: its table, and that rows of it hold back.
    fn reasons<'s>(
        &'s self,
        member: &'s Member<'a>,
        alias: &str,
        above: Option<&[&Table]>,
    ) -> Result<Vec<(&'s Table, Sql)>, SourceError> {
        let mut reasons = Vec::new();
        for wait in self.waits(member) {
            let row = self.alias();
            let stays = above.map(|above| self.stays((wait.table, wait.condition), &row, above));
            let stays = stays.transpose()?.flatten();
            let found = relation(wait.table, wait.condition, &row);
            let inner = move |parent: &str| {
                let link = joined(self.dialect(), (wait.parent, parent), (wait.table, &row), wait.on);
                let link = Sql::new(link);
                exists(&found, std::iter::once(link).chain(stays.clone()).collect())
            };
            reasons.push((wait.table, self.below(member, alias, wait.parent, &inner)));
        }
        let steps = if above.is_some() { Steps::OfCycle } else { Steps::Done };
        for child in member.fitted.own().filter(|child| child.edge == Edge::Own) {
            let row = self.alias();
            let Some(outlasts) = self.outlasting(member, child.table, (child.condition, &row), steps)? else {
                continue;
            };
            let found = relation(child.table, child.condition, &row);
            let inner = |parent: &str| {
                let link = joined(self.dialect(), (child.parent, parent), (child.table, &row), child.on);
                exists(&found, vec![Sql::new(link), outlasts.clone()])
            };
            reasons.push((child.table, self.below(member, alias, child.parent, &inner)));
        }
        Ok(reasons)
    }

    /// What holds a member's roots back: its `wait` children, and rows of other
    /// datasets that learn their event from this one.
    fn waits<'s>(&'s self, member: &'s Member<'a>) -> Vec<Wait<'s>> {
        let of_child = |child: &'s FittedChild<'a>| Wait {
            table: child.table,
            condition: child.condition,
            parent: child.parent,
            on: child.on,
        };
        let mut waits: Vec<Wait<'s>> =
            member.fitted.children.iter().filter(|child| child.edge == Edge::Wait).map(of_child).collect();
        let tables = member.fitted.tables();
        for other in std::iter::once(&self.of).chain(&self.others) {
            if std::ptr::eq(other, member) || tables.iter().skip(1).any(|own| own.is(other.fitted.root)) {
                continue;
            }
            for (_, event) in &other.fitted.events {
                let Place::Through { table, on } = event.place else { continue };
                let known = |wait: &Wait<'s>| {
                    wait.table.is(other.fitted.root)
                        && wait.parent.is(table)
                        && table.column_names.same_link(wait.on, on)
                        && wait.condition.is_none()
                };
                if tables.iter().any(|own| own.is(table)) && !waits.iter().any(known) {
                    let condition = other.fitted.dataset.condition.as_deref();
                    waits.push(Wait { table: other.fitted.root, condition, parent: table, on });
                }
            }
        }
        waits
    }

    /// The row behind `row` does not move in this cycle, by itself or with a
    /// record of another dataset. `None`: no dataset moves rows of this table.
    pub(super) fn stays(
        &self,
        (table, condition): (&Table, Option<&str>),
        row: &str,
        above: &[&Table],
    ) -> Result<Option<Sql>, SourceError> {
        let mut moving = Vec::new();
        for other in &self.others {
            let root = other.fitted.root;
            if above.iter().any(|table| table.is(root)) {
                continue;
            }
            let above: Vec<&Table> = above.iter().copied().chain([root]).collect();
            if root.is(table) {
                let wanted = other.fitted.dataset.condition.as_deref();
                moving.push(self.again(root, (condition, row), wanted, |row| self.moves(other, row, &above))?);
            }
            for child in other.fitted.own().filter(|child| child.edge == Edge::Own && child.table.is(table)) {
                let taken = |row: &str| self.taken_along(other, child, row, &above);
                moving.push(self.again(child.table, (condition, row), child.condition, taken)?);
            }
        }
        Ok((!moving.is_empty()).then(|| Sql::any(moving).negated()))
    }

    /// The row behind `row`, of a member's child, hangs below a root that moves.
    pub(super) fn taken_along(
        &self,
        member: &Member<'a>,
        child: &FittedChild<'a>,
        row: &str,
        above: &[&Table],
    ) -> Result<Sql, SourceError> {
        let parent = self.alias();
        let link = Sql::new(joined(self.dialect(), (child.parent, &parent), (child.table, row), child.on));
        if child.parent.is(member.fitted.root) {
            let found = relation(child.parent, member.fitted.dataset.condition.as_deref(), &parent);
            return Ok(exists(&found, vec![link, self.moves(member, &parent, above)?]));
        }
        let own = member.fitted.own().filter(|own| own.edge == Edge::Own && own.table.is(child.parent));
        let ways = own.map(|own| {
            let moves = self.taken_along(member, own, &parent, above)?;
            Ok(exists(&relation(own.table, own.condition, &parent), vec![link.clone(), moves]))
        });
        Ok(Sql::any(ways.collect::<Result<Vec<_>, SourceError>>()?))
    }

    /// `inner` holds for a row of `target` that belongs to the root behind
    /// `root`.
    fn below(&self, member: &Member<'a>, root: &str, target: &Table, inner: &dyn Fn(&str) -> Sql) -> Sql {
        if target.is(member.fitted.root) {
            return inner(root);
        }
        let ways = member.fitted.own().filter(|child| child.table.is(target)).map(|child| {
            let alias = self.alias();
            let found = relation(child.table, child.condition, &alias);
            let step = |parent: &str| {
                let link = joined(self.dialect(), (child.parent, parent), (child.table, &alias), child.on);
                exists(&found, vec![Sql::new(link), inner(&alias)])
            };
            self.below(member, root, child.parent, &step)
        });
        Sql::any(ways.collect::<Vec<_>>())
    }
}

fn event_of<'s>(cause: &'s Cause, scope: &Scope<'s>) -> &'s EventName {
    match cause {
        Cause::Due | Cause::WithParent => scope.event,
        Cause::Event(name) => name,
    }
}

/// `from <= event < until` of a cause.
fn range(scope: &Scope<'_>, cause: &Cause) -> (DateTime<Utc>, DateTime<Utc>) {
    let bounds = &scope.bounds;
    let latest = just_after(bounds.latest(cause));
    match cause {
        Cause::Due => (bounds.not_before, bounds.due_before.min(latest)),
        Cause::Event(_) => (bounds.not_before, latest),
        // What is due goes by itself, or with its parent.
        Cause::WithParent => (bounds.due_to_others_before().max(bounds.not_before), latest),
    }
}

/// True when rows of `other` could hold records of `dataset` back.
fn concerns(other: &Dataset, dataset: &Dataset, schema: &Schema) -> bool {
    let ours = |name: &str| {
        schema.same_table(name, &dataset.table)
            || dataset.children.iter().any(|child| schema.same_table(&child.table, name))
    };
    let through = |place: &EventPlace| matches!(place, EventPlace::Through { table, .. } if ours(table));
    ours(&other.table) || other.events.values().any(through)
}
