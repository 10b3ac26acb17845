//! The command line: parses, opens what a command needs, prints what came out,
//! and ends with the right code.

mod approve;
pub(crate) mod args;
mod check;
mod completions;
mod daemon;
mod demo;
pub(crate) mod error;
pub mod exit;
mod explain;
mod grants;
pub(crate) mod held;
mod hold;
mod init;
pub(crate) mod instant;
mod ledger;
mod log;
mod man;
pub(crate) mod open;
mod output;
mod plan;
mod policy;
pub(crate) mod progress;
mod read;
mod report;
mod residue;
mod restore;
pub(crate) mod run;
mod schema;
mod status;

use clap::Parser;

use args::{Cli, Command};
use error::CommandError;
use exit::Exit;

use crate::adapters::{
    apart,
    process::{self, Memory},
};

/// Hardens the process and runs the command.
pub fn start() -> Exit {
    let memory = match process::harden() {
        Ok(memory) => memory,
        Err(error) => {
            drop(output::note(&format!("retentiond: the process cannot be hardened: {error}")));
            return Exit::StateUnknown;
        }
    };
    match apart::runtime() {
        Ok(runtime) => runtime.block_on(main(memory)),
        Err(error) => {
            drop(output::note(&format!("retentiond: cannot start: {error}")));
            Exit::StateUnknown
        }
    }
}

/// Parses the command line, carries the command out, and says how it ended.
async fn main(memory: Memory) -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    log::start(matches!(cli.command, Command::Daemon(_)));
    if memory == Memory::Swappable && opens_records(&cli.command) {
        tracing::warn!("memory is not locked: the swap may get keys and values of rows; hint: {LOCK_HINT}");
    }
    match dispatch(&cli).await {
        Ok(exit) => exit,
        Err(error) => {
            // Where even stderr is closed, the code has to say it.
            drop(output::note(&format!("retentiond: {}", error.message)));
            error.exit
        }
    }
}

const LOCK_HINT: &str = "LimitMEMLOCK=infinity in the unit (ulimit -l unlimited in a shell), or a host without swap";

/// Whether a command holds data keys, or values of rows.
const fn opens_records(command: &Command) -> bool {
    use Command::{Daemon, Read, Residue, Restore, Run};
    matches!(command, Run(_) | Daemon(_) | Restore(_) | Read(_) | Residue(_))
}

/// Prints what is wrong with the command line, or the help that it asked for.
fn explain(error: &clap::Error) -> Exit {
    if error.print().is_err() || error.use_stderr() { Exit::Usage } else { Exit::Done }
}

async fn dispatch(cli: &Cli) -> Result<Exit, CommandError> {
    match &cli.command {
        Command::Demo(args) => demo::demo(args).await,
        Command::Init(args) => init::init(cli, args).await,
        Command::Check(args) => check::check(cli, args).await,
        Command::Plan(args) => plan::plan(cli, args).await,
        Command::Grants(args) => grants::grants(cli, args),
        Command::Run(args) => run::run(cli, args).await,
        Command::Daemon(_) => daemon::daemon(cli).await,
        Command::Status(args) => status::status(cli, args).await,
        Command::Policy(command) => policy::policy(cli, command).await,
        Command::Explain(args) => explain::explain(cli, args).await,
        Command::Schema(args) => schema::schema(args),
        Command::Hold(command) => hold::hold(cli, command).await,
        Command::Approve(args) => approve::approve(cli, args).await,
        Command::Confirm(args) => approve::confirm(cli, args).await,
        Command::Read(args) => read::read(cli, args).await,
        Command::Restore(args) => restore::restore(cli, args).await,
        Command::Report(args) => report::report(cli, args).await,
        Command::Ledger(command) => ledger::ledger(cli, command).await,
        Command::Residue(command) => residue::residue(cli, command).await,
        Command::Completions(args) => completions::completions(args),
        Command::Man(args) => man::man(args),
    }
}
