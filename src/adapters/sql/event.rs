//! Event columns as SQL conditions that agree with `domain::event::interpret`
//! on every value that the engine can hold.
//!
//! A format is one or several shapes. A shape says which values it takes and
//! which of them lie before an instant; both are exact. `within` puts a plain
//! comparison of the column in front, which an index can answer and which the
//! exact condition implies.

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    dialect::{Dialect, Passed, Shape},
    fit::{FittedEvent, Place},
    text::{Sql, column},
};
use crate::domain::{
    event::{self, Format, Reading},
    record::Cell,
};

/// An event column of the table behind `alias`.
#[derive(Debug)]
pub(crate) struct EventSql<'a> {
    dialect: &'static dyn Dialect,
    event: &'a FittedEvent<'a>,
    alias: &'a str,
    zone: Tz,
}

/// The first instant after `instant`, as exact as instants are.
pub(crate) fn just_after(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.checked_add_signed(TimeDelta::nanoseconds(1)).unwrap_or(instant)
}

/// Reads an event from its column, or from its pair of columns.
#[derive(Debug)]
pub(crate) struct Reader {
    format: Format,
    zone: Tz,
    absent: Vec<String>,
}

impl Reader {
    pub(crate) fn new(event: &FittedEvent<'_>, zone: Tz) -> Self {
        Self { format: event.format, zone: event.zone.unwrap_or(zone), absent: event.absent.to_vec() }
    }

    /// What the values of its columns say, in the order of `Columns::names`.
    pub(crate) fn read(&self, cells: &[Cell]) -> Reading {
        let interpret = |cell: &Cell, absent| event::interpret(cell, self.format, self.zone, absent);
        match cells {
            [cell] => interpret(cell, &self.absent),
            [date, time] => {
                // The date alone says whether there is anything to read.
                if interpret(date, &self.absent) == Reading::Absent {
                    return Reading::Absent;
                }
                let (Cell::Text(date), Cell::Text(time)) = (date, time) else { return Reading::Malformed };
                interpret(&Cell::Text([date, time].map(Vec::as_slice).join(&b' ')), &[])
            }
            _ => Reading::Malformed,
        }
    }
}

/// Values of the event's columns that a batch reads from another table.
pub(crate) fn carried(event: &FittedEvent<'_>) -> usize {
    match event.place {
        Place::Own => 0,
        Place::Through { .. } => event.columns.names().len(),
    }
}

impl<'a> EventSql<'a> {
    pub(crate) fn new(dialect: &'static dyn Dialect, event: &'a FittedEvent<'a>, alias: &'a str, zone: Tz) -> Self {
        Self { dialect, event, alias, zone: event.zone.unwrap_or(zone) }
    }

    /// The column as it is: what an index on it is sorted by.
    pub(crate) fn plain(&self) -> String {
        column(self.dialect, self.alias, self.event.columns.first())
    }

    fn value(&self) -> String {
        self.dialect.value(self.alias, self.event.columns)
    }

    pub(crate) fn shapes(&self) -> &'static [Shape] {
        self.dialect.shapes(self.event.columns, self.event.format)
    }

    fn takes(&self, shape: Shape, value: &str) -> Sql {
        Sql::new(self.dialect.takes(shape, self.event.columns, value))
    }

    /// NULL or one of the values that mean the same.
    pub(crate) fn absent(&self) -> Sql {
        let plain = self.plain();
        let is_null = Sql::new(format!("{plain} IS NULL"));
        let spelled = self.dialect.spelled(&plain, self.event.columns, self.event.absent);
        Sql::any(std::iter::once(is_null).chain(spelled))
    }

    /// Holds an instant; neither absent nor malformed.
    pub(crate) fn well_formed(&self) -> Sql {
        let value = self.value();
        let shaped = Sql::any(self.shapes().iter().map(|shape| self.takes(*shape, &value))).certain();
        if self.event.absent.is_empty() {
            return shaped;
        }
        Sql::all([shaped, self.absent().negated()])
    }

    /// Of well-formed values: lies before `instant`.
    pub(crate) fn before(&self, instant: DateTime<Utc>) -> Sql {
        let value = self.value();
        let before = |shape: &Shape| {
            let before = self.dialect.before(*shape, self.event.columns, &value, instant, self.zone);
            // Where there is one shape, well-formed says that it is this one.
            if self.shapes().len() == 1 { before } else { Sql::all([self.takes(*shape, &value), before]) }
        };
        Sql::any(self.shapes().iter().map(before)).certain()
    }

    /// Well-formed and in `from <= event < until`, found through an index on the
    /// column where there is one.
    pub(crate) fn within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Sql {
        let mut parts = self.dialect.prefilter(self.event, &self.plain(), from, until, self.zone);
        match self.passed(from, until) {
            Passed::Surely => {}
            Passed::InRange => parts.push(self.well_formed()),
            Passed::Perhaps => parts.push(self.exactly_within(from, until)),
        }
        Sql::all(parts)
    }

    /// What is not `within`, through an index where one can answer that. Whoever does
    /// not need `empty` columns may get them or not.
    pub(crate) fn outside(&self, from: DateTime<Utc>, until: DateTime<Utc>, empty: bool) -> Sql {
        match self.passed(from, until) {
            Passed::Surely => {}
            Passed::InRange => return self.within(from, until).negated(),
            // Every row is looked at: no comparison for an index helps.
            Passed::Perhaps => return self.exactly_within(from, until).negated(),
        }
        let plain = self.plain();
        let bounds = self.dialect.prefilter(self.event, &plain, from, until, self.zone).into_iter();
        // Engines turn this into the opposite comparison, which an index answers.
        let beyond = bounds.map(|bound| {
            let mut beyond = Sql::new("NOT (");
            beyond.append(bound).push(")");
            beyond
        });
        Sql::any(beyond.chain(empty.then(|| Sql::new(format!("{plain} IS NULL")))))
    }

    /// What two plain comparisons say. The values that mean nothing may lie between
    /// them, and the engine writes no bound outside of its years.
    fn passed(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Passed {
        let plain = self.event.absent.is_empty() && from.year() > 1 && until.year() < 9999;
        if plain { self.dialect.prefilter_says(self.event.columns) } else { Passed::Perhaps }
    }

    /// `within` for an event that is only to be tested: no index on it tempts
    /// the planner away from a better one.
    pub(crate) fn exactly_within(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Sql {
        Sql::all([self.before(until), self.before(from).negated(), self.well_formed()])
    }

    /// Per shape, the smallest value in a form that `Shape::read_oldest` reads.
    /// All rows of the query are well-formed.
    pub(crate) fn oldest(&self) -> Vec<Sql> {
        let value = self.value();
        let several = self.shapes().len() > 1;
        let oldest = |shape: &Shape| {
            let order = self.dialect.order(*shape, self.event.columns, &value);
            if !several {
                return Sql::new(format!("min({order})"));
            }
            let mut smallest = Sql::new("min(CASE WHEN ");
            smallest.append(self.takes(*shape, &value)).push(&format!(" THEN {order} END)"));
            smallest
        };
        self.shapes().iter().map(oldest).collect()
    }

    /// The instant of what `oldest` found.
    pub(crate) fn read_oldest(&self, shape: Shape, cell: &Cell) -> Option<DateTime<Utc>> {
        shape.read_oldest(cell, self.zone)
    }
}
