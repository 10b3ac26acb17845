//! `policy render`: what the public policy says in sections 5 and 6.

use clap::{Args, ValueEnum};

use crate::{
    cli::{args::Cli, error::CommandError, exit::Exit, open, output},
    domain::policy::{
        render::{self, Language},
        statute::Catalogue,
    },
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retentiond policy render --lang ko > section-5-and-6.txt")]
pub struct RenderArgs {
    /// The language of the text.
    #[arg(long, value_enum, default_value_t = Lang::Ko)]
    lang: Lang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    Ko,
    En,
}

pub fn render(cli: &Cli, args: &RenderArgs) -> Result<Exit, CommandError> {
    let settings = open::files(cli)?;
    let catalogue = Catalogue::korea().map_err(|error| CommandError::new(Exit::Configuration, error.to_string()))?;
    let language = match args.lang {
        Lang::Ko => Language::Korean,
        Lang::En => Language::English,
    };
    output::data(&render::render(&settings.policy, catalogue, language))?;
    Ok(Exit::Done)
}
