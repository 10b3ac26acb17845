//! `daemon`: cycles on the schedule, until it is told to stop.

use clap::Args;

use super::{args::Cli, error::CommandError, exit::Exit};

#[derive(Debug, Args)]
#[command(after_help = "\
SIGTERM finishes the open batch and ends with 0. SIGHUP reads both files anew; bad
ones change nothing. SIGUSR1 pauses, SIGUSR2 resumes (or make and remove the file
`pause` in the state folder).

Examples:
  retentiond --config /etc/retentiond/retentiond.toml daemon
  systemctl enable --now retentiond     # after `init` and a reviewed plan")]
pub struct DaemonArgs {}

pub async fn daemon(cli: &Cli) -> Result<Exit, CommandError> {
    crate::daemon::serve(cli).await
}
