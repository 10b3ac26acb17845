//! `approve` and `confirm`: the privacy officer's approval of a plan before it is
//! carried out, and of a run's result after.

use std::path::PathBuf;

use clap::Args;

use super::{
    args::{Cli, Format, FormatArgs, not_blank},
    error::CommandError,
    exit::Exit,
    open, output, run,
};
use crate::{
    domain::id::RunId,
    flow::{approve, clock::doubt},
    ports::Clock as _,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond approve --plan plan.json --by \"K. Officer\"")]
pub struct ApproveArgs {
    /// The plan that is approved, and no other.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Who approves it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond confirm --run 019aa000-0000-7000-8000-000000000005 --by \"K. Officer\"")]
pub struct ConfirmArgs {
    /// The run whose result was looked at.
    #[arg(long, value_name = "ID", value_parser = not_blank)]
    run: String,
    /// Who confirms it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    #[command(flatten)]
    output: FormatArgs,
}

pub async fn approve(cli: &Cli, args: &ApproveArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let plan = run::read_plan(&args.plan)?;
    let mut writing = open::writing(cli, &settings).await?;
    let book = open::rulebook(&settings, writing.simulation);
    let now = writing.clock.read();
    doubt(&book, &mut writing.custody, now, &[])?;
    approve::approve(&book, &mut writing.custody, &plan, &args.by, now)?;
    writing.close().await?;
    match args.output.format {
        Format::Json => output::json(&serde_json::json!({ "approved": plan.digest, "by": args.by }))?,
        Format::Text => output::data(&format!(
            "plan {} is approved by {}; next: `retentiond run --plan {} --by NAME`",
            plan.digest,
            args.by,
            args.plan.display()
        ))?,
    }
    Ok(Exit::Done)
}

pub async fn confirm(cli: &Cli, args: &ConfirmArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let mut writing = open::writing(cli, &settings).await?;
    let book = open::rulebook(&settings, writing.simulation);
    let now = writing.clock.read();
    doubt(&book, &mut writing.custody, now, &[])?;
    let confirmed = RunId(args.run.clone());
    let destroyed = approve::confirm(&mut writing.custody, &confirmed, &args.by)?;
    writing.close().await?;
    match args.output.format {
        Format::Json => {
            output::json(&serde_json::json!({ "confirmed": confirmed, "destroyed": destroyed, "by": args.by }))?;
        }
        Format::Text => output::data(&format!(
            "run {confirmed}, which destroyed {}, is confirmed by {}",
            output::plural(destroyed, "record"),
            args.by
        ))?,
    }
    Ok(Exit::Done)
}
