//! Event columns and links: `events.withdrawal = …` and `on = { … }`.

use crate::domain::{
    deployment::EventPlace,
    document::{Findings, Table, Value, optional, owned},
    event::{Column, EventColumn, Format},
};

const FORMATS: [(&str, Option<Format>); 9] = [
    ("auto", Some(Format::Auto)),
    ("date", Some(Format::Date)),
    ("timestamp", Some(Format::Timestamp)),
    ("timestamptz", Some(Format::TimestampTz)),
    ("epoch-s", Some(Format::EpochSeconds)),
    ("epoch-ms", Some(Format::EpochMillis)),
    ("yyyymmdd", Some(Format::YyyyMmDd)),
    ("yyyymmddhhmmss", Some(Format::YyyyMmDdHhMmSs)),
    ("iso8601", Some(Format::Iso8601)),
];

const LINK_EXAMPLE: &str = "on = { member_id = \"id\" }";

/// How a column is to be read, as written: beside the column or, for a column of
/// another table, inside or beside its own table.
struct Reading<'d> {
    format: Option<Value<'d>>,
    zone: Option<Value<'d>>,
    absent: Option<Value<'d>>,
}

/// Where an event's instant is found.
pub fn place(value: &Value<'_>, findings: &Findings) -> Option<EventPlace> {
    if !value.is_table() {
        let column = Column::One(owned(value.line()?));
        return Some(EventPlace::Own(EventColumn { column, format: Format::Auto, zone: None, absent: Vec::new() }));
    }
    let mut table = value.table()?;
    if table.has("through") || table.has("on") {
        return through(table, findings);
    }
    let column = columns(&mut table);
    let reading = Reading::of(&mut table);
    table.finish();
    reading.column(column).map(EventPlace::Own)
}

fn through(mut table: Table<'_>, findings: &Findings) -> Option<EventPlace> {
    let parent = table.need("through", "through = \"members\"").and_then(|value| value.line());
    let on = table.need("on", LINK_EXAMPLE).and_then(|value| links(&value));
    let there = table.need("column", "column = \"withdrawn_at\"");
    let beside = Reading::of(&mut table);
    let inner = there.as_ref().filter(|value| value.is_table()).and_then(Value::table);
    let (column, reading) = if let Some(mut inner) = inner {
        let column = columns(&mut inner);
        let reading = Reading::of(&mut inner).or(beside, findings);
        inner.finish();
        (column, reading)
    } else {
        (there.and_then(|value| value.line()).map(|column| Column::One(owned(column))), beside)
    };
    table.finish();
    let column = reading.column(column);
    Some(EventPlace::Through { table: owned(parent?), on: on?, column: column? })
}

/// `column`, or `date` and `time`.
fn columns(table: &mut Table<'_>) -> Option<Column> {
    if !table.has("date") && !table.has("time") {
        let column = table.need("column", "column = \"withdrawn_at\"").and_then(|value| value.line());
        return column.map(|column| Column::One(owned(column)));
    }
    let alone = optional(table.take("column"), (), |value| {
        value.refuse("one column or two make an instant, not three", "keep `column`, or keep `date` and `time`")
    });
    let date = table.need("date", "date = \"visit_date\"").and_then(|value| value.line());
    let time = table.need("time", "time = \"visit_time\"").and_then(|value| value.line());
    alone?;
    Some(Column::DateAndTime { date: owned(date?), time: owned(time?) })
}

impl<'d> Reading<'d> {
    fn of(table: &mut Table<'d>) -> Self {
        Self { format: table.take("format"), zone: table.take("zone"), absent: table.take("absent") }
    }

    /// This one's parts, and those of `outer` where it has none.
    fn or(self, outer: Self, findings: &Findings) -> Self {
        let one = |inner: Option<Value<'d>>, outer: Option<Value<'d>>| {
            if let (Some(inner), Some(outer)) = (&inner, &outer) {
                let line = findings.line_of(outer.span().start);
                let hint = format!("keep one of the two; the other is on line {line}");
                findings.error(inner.span(), format!("`{}` is given for the column and beside it", inner.key()), hint);
            }
            inner.or(outer)
        };
        Self {
            format: one(self.format, outer.format),
            zone: one(self.zone, outer.zone),
            absent: one(self.absent, outer.absent),
        }
    }

    fn column(self, column: Option<Column>) -> Option<EventColumn> {
        let format = optional(self.format, Format::Auto, |value| value.choice(&FORMATS));
        let zone = optional(self.zone, None, |value| value.zone().map(Some));
        // An absent value may be empty: many schemas write '' for "never".
        let absent = optional(self.absent, Vec::new(), |value| {
            let values: Vec<_> = value.list()?.iter().map(|entry| entry.string().map(owned)).collect();
            values.into_iter().collect()
        });
        Some(EventColumn { column: column?, format: format?, zone: zone?, absent: absent? })
    }
}

/// `on`: column here, column there; at least one pair, in the order of the file.
pub fn links(value: &Value<'_>) -> Option<Vec<(String, String)>> {
    if !value.is_table() {
        return value.refuse(format!("`{}` must be pairs of columns", value.key()), format!("write `{LINK_EXAMPLE}`"));
    }
    let entries = value.table()?.free_entries();
    if entries.is_empty() {
        return value
            .refuse(format!("`{}` links no column", value.key()), format!("write for example `{LINK_EXAMPLE}`"));
    }
    let pairs: Vec<_> = entries.into_iter().map(|(here, there)| Some((owned(here), owned(there.line()?)))).collect();
    pairs.into_iter().collect()
}
