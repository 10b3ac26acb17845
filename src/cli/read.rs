//! `read`: a person's separated records as JSON, for a lawful request. Who, when,
//! from where, whose and what for stand in the ledger before anything is shown.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    args::{Cli, FormatArgs, not_blank},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    domain::{ledger::event::StepResult, record::Cell},
    flow::{
        clock::{compare, doubt},
        locate::near,
        read::{Request, Shown, conclude, read as open_records},
    },
    ports::Clock as _,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond read --subject 4711 --by \"L. Support\" --reason \"request of the person, ticket 5522\"")]
pub struct ReadArgs {
    /// The person, as the datasets' `subject` columns write it.
    #[arg(long, value_name = "S", value_parser = not_blank)]
    subject: String,
    /// Only records of this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Who reads.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    /// What for; stands in the ledger.
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    reason: String,
    /// The output is JSON in either case.
    #[command(flatten)]
    output: FormatArgs,
}

pub async fn read(cli: &Cli, args: &ReadArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let rule = args.rule.as_deref().map(|id| open::rule(&settings, id)).transpose()?;
    let mut writing = open::writing(cli, &settings).await?;
    let book = open::rulebook(&settings, writing.simulation);
    doubt(&book, &mut writing.custody, writing.clock.read(), &[])?;
    compare(&book, &mut open::scans(&settings).await?, &mut writing.custody, &writing.clock).await?;
    let request = Request { subject: &args.subject, rule: rule.as_ref(), by: &args.by, reason: &args.reason };
    let reading = open_records(&book, &mut writing.custody, &request).await?;
    if reading.alike > 0 {
        output::note(&near(reading.alike))?;
    }
    let shown: Vec<Value> = reading.records.iter().map(record).collect();
    // What was on its way to a closed pipe may have been seen all the same.
    let printed = output::json(&json!({ "subject": args.subject, "records": shown }));
    let result = if printed.is_ok() { StepResult::Done } else { StepResult::Interrupted };
    conclude(&mut writing.custody, reading, result)?;
    writing.close().await?;
    printed?;
    Ok(Exit::Done)
}

fn record(shown: &Shown) -> Value {
    let row = |row: &Vec<(String, Cell)>| {
        Value::Object(row.iter().map(|(name, cell)| (name.clone(), value(cell))).collect::<Map<_, _>>())
    };
    let rows: Map<String, Value> =
        shown.rows.iter().map(|(table, rows)| (table.clone(), rows.iter().map(row).collect())).collect();
    json!({
        "rule": shown.rule,
        "source": shown.source,
        "dataset": shown.dataset,
        "event": shown.event,
        "due": shown.due,
        "held": shown.held,
        "rows": rows,
    })
}

/// What JSON has no form for is given as hexadecimal bytes.
fn value(cell: &Cell) -> Value {
    let hexadecimal = |bytes: &[u8]| json!({ "hex": hex::encode(bytes) });
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => json!(number),
        Cell::Real(number) => json!(number),
        Cell::Text(bytes) => std::str::from_utf8(bytes).map_or_else(|_| hexadecimal(bytes), |text| json!(text)),
        Cell::Blob(bytes) => hexadecimal(bytes),
    }
}
