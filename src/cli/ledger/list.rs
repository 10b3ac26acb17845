//! `ledger list`: the signed entries, for people and for programs.

use chrono::NaiveDate;
use clap::Args;

use crate::{
    adapters::ledger::open_read_only,
    cli::{
        args::{Cli, Format, FormatArgs},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::ledger::event::Entry,
    settings::Settings,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond ledger list --type destroy.outcome --from 2026-11-01")]
pub struct ListArgs {
    /// From this date on.
    #[arg(long, value_name = "DATE")]
    pub from: Option<NaiveDate>,
    /// Up to and with this date.
    #[arg(long, value_name = "DATE")]
    pub to: Option<NaiveDate>,
    /// Entries of this type only, such as `destroy.outcome`.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    #[command(flatten)]
    pub output: FormatArgs,
}

pub fn list(cli: &Cli, args: &ListArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let entries = entries(&settings, args)?;
    match args.output.format {
        Format::Json => output::json(&entries)?,
        Format::Text => {
            for entry in &entries {
                output::data(&line(entry, &settings)?)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The signed entries that the arguments ask for.
fn entries(settings: &Settings, args: &ListArgs) -> Result<Vec<Entry>, CommandError> {
    let zone = settings.policy.timezone;
    let mut wanted = Vec::new();
    open_read_only(&settings.ledger_dir(), |entry| {
        let date = entry.time.with_timezone(&zone).date_naive();
        let in_range = args.from.is_none_or(|from| date >= from) && args.to.is_none_or(|to| date <= to);
        if in_range && args.kind.as_ref().is_none_or(|kind| *kind == kind_of(entry)) {
            wanted.push(entry.clone());
        }
    })?;
    Ok(wanted)
}

fn kind_of(entry: &Entry) -> String {
    let value = serde_json::to_value(&entry.event).unwrap_or_default();
    value.get("type").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned()
}

/// One entry for people: number, time, type, and its own fields.
fn line(entry: &Entry, settings: &Settings) -> Result<String, CommandError> {
    let mut value = serde_json::to_value(&entry.event)?;
    let kind = kind_of(entry);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("type");
    }
    Ok(format!("{:>6}  {}  {kind:<19} {value}", entry.seq, open::local(entry.time, settings)))
}
