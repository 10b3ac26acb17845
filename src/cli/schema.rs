//! `schema`: JSON Schema of both files, for editors and for CI. What needs more than
//! one place of a file, or the policy's own arithmetic, is for `check`.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{error::CommandError, exit::Exit, output};

const RULES: &str = include_str!("../../config/retention-rules.schema.json");
const DEPLOYMENT: &str = include_str!("../../config/retentiond.schema.json");

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retentiond schema rules > retention-rules.schema.json")]
pub struct SchemaArgs {
    /// The schema of one file; both in one object unless given.
    #[arg(value_enum, value_name = "FILE")]
    file: Option<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum File {
    /// retention-rules.toml
    Rules,
    /// retentiond.toml
    Deployment,
}

pub fn schema(args: &SchemaArgs) -> Result<Exit, CommandError> {
    match args.file {
        Some(File::Rules) => output::data(RULES.trim_end())?,
        Some(File::Deployment) => output::data(DEPLOYMENT.trim_end())?,
        None => {
            let (rules, deployment): (Value, Value) = (serde_json::from_str(RULES)?, serde_json::from_str(DEPLOYMENT)?);
            output::json(&json!({ "retention-rules.toml": rules, "retentiond.toml": deployment }))?;
        }
    }
    Ok(Exit::Done)
}
