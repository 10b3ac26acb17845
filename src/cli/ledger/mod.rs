//! `ledger`: verify, list, record. Verifying and listing need the ledger's folder
//! only.

mod list;
mod record;
mod verify;

use clap::Subcommand;

use super::{args::Cli, error::CommandError, exit::Exit};

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Checks every line, tile and checkpoint.
    Verify(verify::VerifyArgs),
    /// Prints the entries.
    List(list::ListArgs),
    /// Records a destruction by hand: paper, media.
    Record(record::RecordArgs),
}

pub async fn ledger(cli: &Cli, command: &LedgerCommand) -> Result<Exit, CommandError> {
    match command {
        LedgerCommand::Verify(args) => verify::verify(cli, args),
        LedgerCommand::List(args) => list::list(cli, args),
        LedgerCommand::Record(args) => record::record(cli, args).await,
    }
}
