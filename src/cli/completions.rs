//! `completions`: what a shell needs to complete commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{args::Cli, error::CommandError, exit::Exit, output};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond completions bash > /etc/bash_completion.d/retentiond")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

pub fn completions(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "retentiond", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Done)
}
