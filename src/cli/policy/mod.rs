//! `policy`: the table, what a changed one would do, and putting it in force.

mod adopt;
mod diff;
mod render;
mod show;

use clap::Subcommand;

use super::{args::Cli, error::CommandError, exit::Exit};

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Prints the table of the policy in force.
    #[command(after_help = "Example:\n  retentiond policy show")]
    Show(super::args::FormatArgs),
    /// Compares the rules file with another one, or with the policy in force: rules,
    /// rows and segments.
    Diff(diff::DiffArgs),
    /// Shows the difference, and puts the rules file in force.
    Adopt(adopt::AdoptArgs),
    /// Prints sections 5 and 6 of the public policy, from the rules file.
    Render(render::RenderArgs),
}

pub async fn policy(cli: &Cli, command: &PolicyCommand) -> Result<Exit, CommandError> {
    match command {
        PolicyCommand::Show(args) => show::show(cli, *args),
        PolicyCommand::Diff(args) => diff::diff(cli, args).await,
        PolicyCommand::Adopt(args) => adopt::adopt(cli, args).await,
        PolicyCommand::Render(args) => render::render(cli, args),
    }
}
