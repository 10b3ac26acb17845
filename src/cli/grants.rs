//! `grants`: the SQL that creates the least-privilege roles. It asks no database,
//! so that an administrator can read it before anything is granted.

use clap::Args;

use super::{args::Cli, error::CommandError, exit::Exit, open, output};
use crate::{adapters::engine::grants, domain::deployment::Dataset};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond grants --source shop | psql -d shop")]
pub struct GrantsArgs {
    /// The source whose roles are wanted; the vault's follows.
    #[arg(long, value_name = "NAME")]
    pub source: String,
}

pub fn grants(cli: &Cli, args: &GrantsArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let deployment = &settings.deployment;
    let Some(source) = deployment.sources.iter().find(|source| source.name.as_str() == args.source) else {
        let known: Vec<&str> = deployment.sources.iter().map(|source| source.name.as_str()).collect();
        let message = format!("there is no source {}; hint: one of {}", args.source, known.join(", "));
        return Err(CommandError::new(Exit::Usage, message));
    };
    let datasets: Vec<&Dataset> = deployment.datasets.iter().filter(|dataset| dataset.source == source.name).collect();
    let no_roles = |what: &str| {
        format!("-- {what} is a SQLite file: SQLite has no roles. Its file's permissions are what protects it.")
    };
    let source_sql = grants::source(&source.database.address, &datasets);
    let vault_sql = grants::vault(&deployment.vault.address);
    output::data(&source_sql.unwrap_or_else(|| no_roles(&format!("source {}", source.name))))?;
    output::data("")?;
    output::data(&vault_sql.unwrap_or_else(|| no_roles("the vault")))?;
    Ok(Exit::Done)
}
