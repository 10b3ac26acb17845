//! `ledger`: verify, list, record, rotate the signing key, drop old lines,
//! acknowledge an older copy of the vault. Verifying and listing need the ledger's folder only.

mod acknowledge;
mod list;
mod prune;
mod record;
mod rotate_key;
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
    /// Hands over to a new signing key, on record.
    RotateKey(rotate_key::RotateKeyArgs),
    /// Drops lines older than five years, on record.
    Prune(prune::PruneArgs),
    /// Lets cycles go on with an older copy of the vault, on record.
    Acknowledge(acknowledge::AcknowledgeArgs),
}

pub async fn ledger(cli: &Cli, command: &LedgerCommand) -> Result<Exit, CommandError> {
    match command {
        LedgerCommand::Verify(args) => verify::verify(cli, args),
        LedgerCommand::List(args) => list::list(cli, args),
        LedgerCommand::Record(args) => record::record(cli, args).await,
        LedgerCommand::RotateKey(args) => rotate_key::rotate_key(cli, args).await,
        LedgerCommand::Prune(args) => prune::prune(cli, args).await,
        LedgerCommand::Acknowledge(args) => acknowledge::acknowledge(cli, args).await,
    }
}
