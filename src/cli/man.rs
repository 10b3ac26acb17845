//! `man`: manual pages, made of the same texts as `--help`, with the exit codes
//! and the files that `--help` has no room for.

use std::{fs, path::PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{args::Cli, error::CommandError, exit::Exit, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  retentiond man | man -l -
  retentiond man --dir /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write a page for each command into this folder; without it, the page of
    /// the program is printed.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Files by their place and meaning; `docs/OPERATIONS.md` says what to back up.
const FILES: [(&str, &str); 8] = [
    ("config/retentiond.toml", "where the records are, and what operations allow (--config)"),
    ("retention-rules.toml", "the retention table that the configuration names"),
    ("STATE_DIR/ledger/", "the signed ledger"),
    ("STATE_DIR/keys/", "data keys; never back up keys/anchor"),
    ("STATE_DIR/schedule", "the last planned cycle of the daemon"),
    ("STATE_DIR/pause", "while it exists, nothing is separated or destroyed"),
    ("STATE_DIR/daemon.json", "what the running daemon does"),
    ("STATE_DIR/lock, STATE_DIR/daemon.lock", "locks of the runner and of the daemon"),
];

const ENVIRONMENT: [(&str, &str); 3] = [
    ("RETENTIOND_LOG", "what is logged: error, warn, info, debug, or a filter such as retentiond::flow=debug"),
    ("NO_COLOR", "no colours, if it is set to anything"),
    ("CREDENTIALS_DIRECTORY", "credentials that systemd loaded"),
];

pub fn man(args: &ManArgs) -> Result<Exit, CommandError> {
    let mut command = Cli::command();
    command.build();
    match &args.dir {
        None => output::bytes(&page(&command)?)?,
        Some(dir) => {
            fs::create_dir_all(dir)?;
            write_all(&command, dir)?;
        }
    }
    Ok(Exit::Done)
}

/// `retentiond-ledger-verify.1` and so on, as far down as there are commands.
fn write_all(command: &Command, dir: &std::path::Path) -> Result<(), CommandError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    fs::write(dir.join(format!("{name}.1")), page(command)?)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
        write_all(sub, dir)?;
    }
    Ok(())
}

fn page(command: &Command) -> Result<Vec<u8>, CommandError> {
    let man = Man::new(command.clone()).section("1").manual("retentiond");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut page)?;
    }
    let exits = Exit::ALL.map(|exit| (exit.code().to_string(), exit.meaning().to_owned()));
    section(&mut page, "EXIT STATUS", exits.iter().map(|(code, meaning)| (code.as_str(), meaning.as_str())))?;
    section(&mut page, "FILES", FILES.into_iter())?;
    section(&mut page, "ENVIRONMENT", ENVIRONMENT.into_iter())?;
    Ok(page)
}

fn section<'a>(
    page: &mut Vec<u8>,
    title: &str,
    items: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), CommandError> {
    let mut roff = Roff::default();
    roff.control("SH", [title]);
    for (term, text) in items {
        roff.control("TP", []).text([bold(term)]).text([roman(text)]);
    }
    Ok(roff.to_writer(page)?)
}
