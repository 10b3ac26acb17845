//! `ledger acknowledge`: a person has seen what an older copy of the vault lacks,
//! and lets cycles go on with it, on record.

use clap::Args;

use crate::{
    cli::{
        args::{Cli, Format, FormatArgs, not_blank},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::id::Digest,
    flow::{clock::doubt, old_copy},
    ports::{Clock, Ledger},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond ledger acknowledge --found sha256:9f86… --by NAME --reason \"no newer copy than that of Tuesday\"")]
pub struct AcknowledgeArgs {
    /// What is acknowledged, and nothing else: the digest that `status` shows.
    #[arg(long, value_name = "DIGEST")]
    found: Digest,
    /// Who has seen it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    /// Why there is no newer copy; stands in the ledger.
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    reason: String,
    #[command(flatten)]
    output: FormatArgs,
}

pub async fn acknowledge(cli: &Cli, args: &AcknowledgeArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let mut writing = open::writing(cli, &settings).await?;
    let now = writing.clock.read();
    let book = open::rulebook(&settings, writing.simulation);
    doubt(&book, &mut writing.custody, now, &[])?;
    let copy = old_copy::acknowledge(&mut writing.custody, args.found, &args.by, &args.reason).await?;
    // What is open needs the sources, and the next cycle asks them.
    let cleared = !writing.custody.ledger.history().has_open_intents();
    if cleared {
        old_copy::clear(&mut writing.custody).await?;
    }
    writing.close().await?;
    let next = if cleared { "cycles go on" } else { "the next `run` settles what is open and goes on" };
    match args.output.format {
        Format::Json => output::json(&serde_json::json!({ "acknowledged": args.found, "missing": copy.missing() }))?,
        Format::Text => output::data(&format!("{}\nacknowledged by {}; {next}", copy.lines().join("\n"), args.by))?,
    }
    Ok(Exit::Done)
}
