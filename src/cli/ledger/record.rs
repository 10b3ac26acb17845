//! `ledger record`: what people destroyed by hand. It stands in the same register
//! as what the program destroyed, and says who saw it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::NaiveDate;
use clap::Args;

use crate::{
    cli::{
        args::{Cli, not_blank},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::{
        id::Digest,
        ledger::event::{Event, ManualRecord},
    },
    flow::clock::doubt,
    ports::{Clock, Ledger},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond ledger record --method shredding --count 40 --unit boxes --place archive --by NAME --witness NAME")]
pub struct RecordArgs {
    /// How: 분쇄, 소각, shredded, burnt, degaussed, …
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    method: String,
    /// How many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    count: u64,
    /// What is counted: sheets, boxes, disks, …
    #[arg(long, value_name = "TEXT", default_value = "sheets", value_parser = not_blank)]
    unit: String,
    /// Name of the file or medium (개인정보파일명); the rule's name where it is left out.
    #[arg(long, value_name = "TEXT", value_parser = not_blank, required_unless_present = "rule")]
    what: Option<String>,
    /// The rule whose period was over.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Names of the fields on it (자료의 종류), never values.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = not_blank)]
    fields: Vec<String>,
    /// When it was made.
    #[arg(long, value_name = "DATE")]
    created: Option<NaiveDate>,
    /// When it was destroyed; today where it is left out.
    #[arg(long, value_name = "DATE")]
    destroyed: Option<NaiveDate>,
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    place: String,
    /// Who destroyed it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    /// Who saw it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    witness: String,
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    reason: Option<String>,
    /// A photograph or receipt; its digest stands in the ledger, the file stays with you.
    #[arg(long, value_name = "FILE")]
    attach: Option<PathBuf>,
}

pub async fn record(cli: &Cli, args: &RecordArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let rule = args.rule.as_deref().map(|id| open::rule(&settings, id)).transpose()?;
    let named = rule.as_ref().and_then(|rule| settings.policy.rule(rule)).map(|rule| rule.name.ko.clone());
    let attachment = args.attach.as_deref().map(digest).transpose()?;
    let mut writing = open::writing(cli, &settings).await?;
    let now = writing.clock.read();
    let book = open::rulebook(&settings, writing.simulation);
    doubt(&book, &mut writing.custody, now, &[])?;
    let today = now.with_timezone(&settings.policy.timezone).date_naive();
    let destroyed = args.destroyed.unwrap_or(today);
    if destroyed > today || args.created.is_some_and(|created| created > destroyed) {
        let message = "a destruction lies in the past, after what was destroyed was made; hint: --created, --destroyed";
        return Err(CommandError::new(Exit::Usage, message));
    }
    let record = ManualRecord {
        operation: writing.custody.next_operation(),
        what: args.what.clone().or(named).unwrap_or_default(),
        rule,
        fields: args.fields.clone(),
        method: args.method.clone(),
        count: args.count,
        unit: args.unit.clone(),
        created: args.created,
        destroyed,
        place: args.place.clone(),
        by: args.by.clone(),
        witness: args.witness.clone(),
        reason: args.reason.clone(),
        attachment,
    };
    let head = writing.custody.ledger.append(vec![Event::ManualRecorded(record)])?;
    writing.close().await?;
    output::data(&format!("recorded   entry {} of the ledger", head.size - 1))?;
    Ok(Exit::Done)
}

fn digest(path: &Path) -> Result<Digest, CommandError> {
    let bytes =
        fs::read(path).map_err(|error| CommandError::new(Exit::Usage, format!("{}: {error}", path.display())))?;
    Ok(Digest::of(&bytes))
}
