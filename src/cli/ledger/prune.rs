//! `ledger prune`: drops lines that have been kept long enough, on record. Shows
//! what it would do, and does it with `--yes`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use clap::Args;
use serde::Serialize;

use crate::{
    adapters::ledger::{Outlook, outlook},
    cli::{
        args::{Cli, Format, FormatArgs, not_blank},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::{
        destroy::BucketFacts,
        id::RuleId,
        ledger::{
            history::History,
            prune::{PrunePermit, PruneRefused},
        },
    },
    flow::clock::doubt,
    ports::{Clock, Ledger, Vault},
    settings::Settings,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond ledger prune --before 2026-01-01
  retentiond ledger prune --before 2026-01-01 --by \"K. Officer\" --yes")]
pub struct PruneArgs {
    /// Drop lines that are older than this date, which lies at least five years back.
    #[arg(long, value_name = "DATE")]
    before: NaiveDate,
    /// Who wants it; stands in the ledger.
    #[arg(long, value_name = "NAME", value_parser = not_blank, required_if_eq("yes", "true"))]
    by: Option<String>,
    /// Do it; without this, only what would be dropped is shown.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Serialize)]
struct Told {
    before: NaiveDate,
    /// The first entry that stays whatever it says.
    cut: u64,
    dropped: u64,
    kept: u64,
    done: bool,
}

pub async fn prune(cli: &Cli, args: &PruneArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    if args.yes { drop_lines(cli, args, &settings).await } else { show(cli, args, &settings).await }
}

async fn show(cli: &Cli, args: &PruneArgs, settings: &Settings) -> Result<Exit, CommandError> {
    let now = open::now(&open::reading_clock(cli, settings)?);
    let mut reading = open::reading(settings).await?;
    let buckets = living(reading.buckets().await?);
    let history = reading.history();
    reading.close().await?;
    if history.opened.is_none() {
        let message = "there is no ledger yet; hint: `retentiond init` makes one";
        return Err(CommandError::new(Exit::Configuration, message));
    }
    let permit = permit(args, settings, &history, now)?;
    let found = outlook(&settings.ledger_dir(), &permit, buckets)?;
    tell(args, found.as_ref())
}

async fn drop_lines(cli: &Cli, args: &PruneArgs, settings: &Settings) -> Result<Exit, CommandError> {
    let mut writing = open::writing(cli, settings).await?;
    let now = writing.clock.read();
    let book = open::rulebook(settings, writing.simulation);
    doubt(&book, &mut writing.custody, now, &[])?;
    // An earlier one that was interrupted is over first.
    writing.custody.ledger.finish_prune()?;
    let permit = permit(args, settings, writing.custody.ledger.history(), now)?;
    let buckets = living(writing.custody.vault.buckets().await?);
    let found = outlook(&settings.ledger_dir(), &permit, buckets)?;
    if let (Some(found), Some(by)) = (&found, &args.by) {
        writing.custody.ledger.prune(found, by)?;
        let head = writing.custody.ledger.head();
        writing.custody.vault.remember_head(&head).await?;
    }
    writing.close().await?;
    tell(args, found.as_ref())
}

/// Buckets that the vault holds, those of a hold by the rule that they came from.
fn living(buckets: Vec<BucketFacts>) -> BTreeSet<(RuleId, NaiveDate)> {
    buckets.into_iter().map(|facts| (facts.bucket.policy_rule(), facts.bucket.date)).collect()
}

fn permit(
    args: &PruneArgs,
    settings: &Settings,
    history: &History,
    now: DateTime<Utc>,
) -> Result<PrunePermit, CommandError> {
    PrunePermit::issue(args.before, now, settings.policy.timezone, history).map_err(|refused| {
        let hint = match refused {
            PruneRefused::TooYoung { newest, .. } => format!("--before {newest} or earlier"),
            PruneRefused::Open | PruneRefused::OlderCopy => "`retentiond run`".to_owned(),
        };
        CommandError::new(Exit::Refused, format!("{refused}; nothing is dropped; hint: {hint}"))
    })
}

fn tell(args: &PruneArgs, found: Option<&Outlook>) -> Result<Exit, CommandError> {
    let done = args.yes && found.is_some();
    let (cut, dropped, kept) = found.map_or((0, 0, 0), |found| (found.cut, found.dropped, found.kept));
    match (args.output.format, found) {
        (Format::Json, _) => output::json(&Told { before: args.before, cut, dropped, kept, done })?,
        (Format::Text, None) => output::data("nothing to drop: lines go in groups of 256, all of them old enough")?,
        (Format::Text, Some(_)) => output::data(&format!(
            "{}   {} of the lines before entry {}; {} of them are still needed and stay, word for word",
            if done { "dropped   " } else { "would drop" },
            output::count(dropped),
            output::count(cut),
            output::count(kept)
        ))?,
    }
    if found.is_some() && !done {
        output::note(
            "note: their hashes stay, what they say is gone for good; hint: keep a copy, then --by NAME --yes",
        )?;
    }
    Ok(Exit::Done)
}
