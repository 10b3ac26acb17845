//! `ledger rotate-key`: hands the ledger over to a new signing key, on record.

use clap::Args;

use crate::{
    adapters::ledger::signing_key,
    cli::{
        args::{Cli, not_blank},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    flow::clock::doubt,
    ports::Clock,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond ledger rotate-key --by NAME")]
pub struct RotateKeyArgs {
    /// Who wants it; stands in the ledger.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
}

pub async fn rotate_key(cli: &Cli, args: &RotateKeyArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let mut writing = open::writing(cli, &settings).await?;
    let now = writing.clock.read();
    let book = open::rulebook(&settings, writing.simulation);
    doubt(&book, &mut writing.custody, now, &[])?;
    let file = settings.signing_key();
    let next = signing_key::generate(&signing_key::next(&file))?;
    let ledger = &mut writing.custody.ledger;
    let head = ledger.rekey(next, &args.by)?;
    let key = ledger.keys().current().clone();
    signing_key::settle(&file, &key)?;
    writing.close().await?;
    output::data(&format!(
        "rotated    entry {} of the ledger, signed by the old key and the new one\nkey        {key}",
        head.size - 1
    ))?;
    output::note(&format!(
        "note: give auditors {} again, back up {} and destroy the old copies of it",
        settings.ledger_dir().join("ledger.vkey").display(),
        file.display()
    ))?;
    Ok(Exit::Done)
}
