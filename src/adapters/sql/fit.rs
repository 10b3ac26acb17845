//! A dataset laid over the live schema: every table, column and link found, and
//! every event format resolved. Queries are built from this only, so that they
//! never meet a name that is not there.
//!
//! What does not fit is said with a hint; nothing here connects.

use chrono_tz::Tz;

use super::{
    edges::{FittedChild, children},
    schema::{Column as SchemaColumn, Holds, Identity, Kind, Schema, Table},
};
use crate::{
    domain::{
        deployment::{Dataset, EventPlace},
        event::{Column, EventColumn, Format},
        id::EventName,
        locator,
        selection::Cause,
    },
    ports::SourceError,
};

/// Why a dataset does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Misfit {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    pub(crate) fn into_error(self, dataset: &Dataset) -> SourceError {
        SourceError::Schema {
            dataset: dataset.table.clone(),
            reason: format!("{}; hint: {}", self.message, self.hint.replace('\n', " ")),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Fitted<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) schema: &'a Schema,
    pub(crate) root: &'a Table,
    pub(crate) events: Vec<(EventName, FittedEvent<'a>)>,
    /// Everything that hangs on a record, in the order of the dataset.
    pub(crate) children: Vec<FittedChild<'a>>,
}

#[derive(Debug)]
pub(crate) struct FittedEvent<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) columns: Columns<'a>,
    /// Never `Auto`.
    pub(crate) format: Format,
    pub(crate) zone: Option<Tz>,
    pub(crate) absent: &'a [String],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Own,
    Through {
        table: &'a Table,
        /// Column here, column there.
        on: &'a [(String, String)],
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Columns<'a> {
    One { name: &'a str, holds: Holds },
    DateAndTime { date: &'a str, time: &'a str },
}

impl<'a> Columns<'a> {
    /// The column that an index on the event begins with.
    pub(crate) fn first(&self) -> &'a str {
        match self {
            Self::One { name, .. } | Self::DateAndTime { date: name, .. } => name,
        }
    }

    pub(crate) fn names(&self) -> Vec<&'a str> {
        match self {
            Self::One { name, .. } => vec![name],
            Self::DateAndTime { date, time } => vec![date, time],
        }
    }
}

impl<'a> Fitted<'a> {
    /// Fits all of a dataset or says everything that does not.
    pub(crate) fn new(dataset: &'a Dataset, schema: &'a Schema) -> Result<Self, Vec<Misfit>> {
        let mut misfits = Vec::new();
        let Some(root) = keep(table(schema, &dataset.table), &mut misfits) else { return Err(misfits) };
        keep(key(dataset, root), &mut misfits);
        if let Some(subject) = &dataset.subject {
            keep(legible(root, subject), &mut misfits);
        }
        let mut events = Vec::new();
        for (name, place) in &dataset.events {
            if let Some(event) = keep(event(schema, root, name, place), &mut misfits) {
                events.push((name.clone(), event));
            }
        }
        let children = children(dataset, schema, root, &mut misfits);
        let fitted = Self { dataset, schema, root, events, children };
        if misfits.is_empty() { Ok(fitted) } else { Err(misfits) }
    }

    /// Fits a dataset for a query; the first misfit is the error.
    pub(crate) fn for_query(dataset: &'a Dataset, schema: &'a Schema) -> Result<Self, SourceError> {
        Self::new(dataset, schema).map_err(|misfits| {
            let first = misfits.into_iter().next();
            first.unwrap_or_else(|| Misfit::new("it does not fit", "run check")).into_error(dataset)
        })
    }

    pub(crate) fn event(&self, name: &EventName) -> Result<&FittedEvent<'a>, SourceError> {
        self.events.iter().find(|(known, _)| known == name).map(|(_, event)| event).ok_or_else(|| {
            Misfit::new(
                format!("event {name} has no column"),
                format!("add `events.{name} = \"<column>\"` to the dataset"),
            )
            .into_error(self.dataset)
        })
    }

    /// Nothing hangs on a record, and its own row alone says whether it moves for
    /// `cause`; `own` starts its period.
    pub(crate) fn stands_alone(&self, own: &EventName, cause: &Cause) -> Result<bool, SourceError> {
        let by_own_event = match cause {
            Cause::Due | Cause::WithParent => true,
            Cause::Event(name) => name == own,
        };
        let hangs = self.children.iter().any(|child| child.number.is_some());
        Ok(by_own_event && !hangs && matches!(self.event(own)?.place, Place::Own))
    }

    /// Own tables by number; 0 is the root.
    pub(crate) fn tables(&self) -> Vec<&'a Table> {
        std::iter::once(self.root).chain(self.own().map(|child| child.table)).collect()
    }
}

pub(super) fn keep<T>(outcome: Result<T, Misfit>, misfits: &mut Vec<Misfit>) -> Option<T> {
    outcome.map_err(|misfit| misfits.push(misfit)).ok()
}

pub(super) fn table<'a>(schema: &'a Schema, name: &str) -> Result<&'a Table, Misfit> {
    let found = schema.table(name).ok_or_else(|| {
        let hint = "write the name as it is in the database, with its schema where it is not in the usual one";
        Misfit::new(format!("table {name} does not exist"), hint)
    })?;
    let (what, hint) = match (found.kind, &found.identity) {
        (Kind::View, _) => ("is a view", "name the table behind it"),
        (Kind::Virtual, _) => ("is a virtual table", "name the table that it indexes"),
        (Kind::Table, Identity::None(what, hint)) => (*what, *hint),
        (Kind::Table, Identity::System(_) | Identity::Key(_)) => return Ok(found),
    };
    Err(Misfit::new(format!("{name} {what}"), hint))
}

pub(super) fn column<'a>(table: &'a Table, name: &str) -> Result<&'a SchemaColumn, Misfit> {
    table.column(name).ok_or_else(|| {
        let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        Misfit::new(
            format!("table {} has no column {name}", table.name),
            format!("its columns are {}", known.join(", ")),
        )
    })
}

/// A column that a record takes along, so that it can be read from the row that
/// was deleted.
fn stored<'a>(table: &'a Table, name: &str) -> Result<&'a SchemaColumn, Misfit> {
    let found = column(table, name)?;
    if found.stored {
        return Ok(found);
    }
    Err(Misfit::new(format!("column {name} of table {} is generated", table.name), "name the column it is made from"))
}

/// A column by which a person can look a record up.
fn legible<'a>(table: &'a Table, name: &str) -> Result<&'a SchemaColumn, Misfit> {
    let found = stored(table, name)?;
    match locator::charset(&found.declared).filter(|charset| !locator::is_legible(charset)) {
        None => Ok(found),
        Some(charset) => Err(Misfit::new(
            format!(
                "column {name} of table {} is in character set {charset}, in which nobody can look for a text",
                table.name
            ),
            "convert the column to utf8mb4",
        )),
    }
}

fn key(dataset: &Dataset, root: &Table) -> Result<(), Misfit> {
    for name in &dataset.key {
        legible(root, name)?;
    }
    let names: Vec<&str> = dataset.key.iter().map(String::as_str).collect();
    let primary = root.primary_key();
    let is_primary = primary.len() == names.len()
        && primary.iter().all(|one| names.iter().any(|other| root.column_names.same(one, other)));
    let nullable = names.iter().any(|name| root.column(name).is_some_and(|column| !column.not_null));
    if is_primary || (root.is_unique(&names) && !nullable) {
        return Ok(());
    }
    let primary =
        if primary.is_empty() { "it has no primary key".to_owned() } else { format!("its primary key is {primary:?}") };
    Err(Misfit::new(
        format!("key {names:?} does not tell the rows of {} apart", root.name),
        format!("{primary}; a unique index over columns that are NOT NULL will do as well"),
    ))
}

fn event<'a>(
    schema: &'a Schema,
    root: &'a Table,
    name: &EventName,
    place: &'a EventPlace,
) -> Result<FittedEvent<'a>, Misfit> {
    let (holder, place, event_column) = match place {
        EventPlace::Own(column) => (root, Place::Own, column),
        EventPlace::Through { table: parent, on, column } => {
            let parent = table(schema, parent)?;
            through(root, parent, on)?;
            (parent, Place::Through { table: parent, on }, column)
        }
    };
    let columns = match &event_column.column {
        Column::One(one) => {
            let found = stored(holder, one)?;
            Columns::One { name: &found.name, holds: found.holds }
        }
        Column::DateAndTime { date, time } => {
            Columns::DateAndTime { date: &stored(holder, date)?.name, time: &stored(holder, time)?.name }
        }
    };
    let format = resolve(schema, holder, name, event_column)?;
    readable(schema, holder, name, columns, format)?;
    Ok(FittedEvent { place, columns, format, zone: event_column.zone, absent: &event_column.absent })
}

fn through(root: &Table, parent: &Table, on: &[(String, String)]) -> Result<(), Misfit> {
    for (here, there) in on {
        column(root, here)?;
        column(parent, there)?;
    }
    if root.is(parent) {
        return Err(Misfit::new(
            format!("an event of {} is found through the table itself", root.name),
            "no record can wait for another of its own dataset: copy the event into the row's own column",
        ));
    }
    let there: Vec<&str> = on.iter().map(|(_, there)| there.as_str()).collect();
    if parent.is_unique(&there) {
        return Ok(());
    }
    Err(Misfit::new(
        format!("columns {there:?} of {} may hold several rows for one row of {}", parent.name, root.name),
        "link to its primary key or to a unique index",
    ))
}

fn resolve(schema: &Schema, holder: &Table, name: &EventName, event: &EventColumn) -> Result<Format, Misfit> {
    let Column::One(column) = &event.column else {
        return match event.format {
            Format::Auto => Ok(Format::Timestamp),
            Format::Timestamp | Format::TimestampTz | Format::Iso8601 => Ok(event.format),
            _ => Err(Misfit::new(
                format!("event {name} has a date and a time column in a format without a time"),
                "leave `format` out or write \"timestamp\", \"timestamptz\" or \"iso8601\"",
            )),
        };
    };
    if event.format != Format::Auto {
        return Ok(event.format);
    }
    let declared = holder.column(column).map(|column| column.declared.as_str()).unwrap_or_default();
    holder.column(column).and_then(|column| schema.dialect.format_of(column)).ok_or_else(|| {
        Misfit::new(
            format!(
                "the format of event {name} does not follow from the type of {}.{column} ({declared:?})",
                holder.name
            ),
            "say it with `format`: date, timestamp, timestamptz, epoch-s, epoch-ms, yyyymmdd, yyyymmddhhmmss or iso8601",
        )
    })
}

/// A format in which no value of the column's type is an instant would make an
/// anomaly of every row.
fn readable(
    schema: &Schema,
    holder: &Table,
    name: &EventName,
    columns: Columns<'_>,
    format: Format,
) -> Result<(), Misfit> {
    if !schema.dialect.shapes(columns, format).is_empty() {
        return Ok(());
    }
    let first = columns.first();
    let declared = holder.column(first).map(|column| column.declared.as_str()).unwrap_or_default();
    Err(Misfit::new(
        format!("event {name} cannot be read from {}.{first} ({declared:?}) in this format", holder.name),
        "leave `format` out, or write the one in which the column holds its values",
    ))
}
