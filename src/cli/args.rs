//! The command line as it is typed.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{hold::HoldCommand, ledger::LedgerCommand, output::ReportFormatArgs, report::ReportArgs};

/// Carries out a published retention table: separates due records into an
/// encrypted vault, destroys them irreversibly when their period is over, and
/// proves it.
#[derive(Debug, Parser)]
#[command(name = "retentiond", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "First look: `retentiond demo`. Exit codes are in `retentiond run --help`, files in `retentiond man`."
)]
pub struct Cli {
    /// The deployment file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config/retentiond.toml")]
    pub config: PathBuf,

    /// Work as if it were this instant (RFC 3339, or a local date or time in the
    /// policy's zone). For commands that write, only in a simulation.
    #[arg(long, global = true, value_name = "INSTANT")]
    pub now: Option<String>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the whole job on a database made for it, in seconds.
    Demo(DemoArgs),
    /// Creates vault, keystore and ledger, and adopts the policy.
    Init(InitArgs),
    /// Checks both files, and the databases against them.
    Check(CheckArgs),
    /// Counts what a cycle would do; cannot write.
    Plan(PlanArgs),
    /// Runs one cycle now.
    Run(RunArgs),
    /// Runs cycles on the schedule, until it is told to stop.
    Daemon(super::daemon::DaemonArgs),
    /// Says what was done last, what is open and what comes next.
    #[command(after_help = "Example:\n  retentiond status --format json")]
    Status(FormatArgs),
    /// Shows, compares, adopts and renders the policy.
    #[command(subcommand)]
    Policy(super::policy::PolicyCommand),
    /// Says why one record is kept, waiting, held or due, and until when.
    Explain(super::explain::ExplainArgs),
    /// Prints the JSON Schema of both files.
    Schema(super::schema::SchemaArgs),
    /// Stops destruction, lists what stops it, and lets it go again.
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Approves a plan before it is carried out.
    Approve(super::approve::ApproveArgs),
    /// Confirms the result of a run.
    Confirm(super::approve::ConfirmArgs),
    /// Prints a person's separated records, on record.
    Read(super::read::ReadArgs),
    /// Puts a person's separated records back while they are not due.
    Restore(RestoreArgs),
    /// Writes the register of destructions and its evidence for a period.
    Report(ReportArgs),
    /// Verifies and reads the ledger, records destructions by hand, rotates its key.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Prints the SQL that creates the least-privilege roles of a source and the
    /// vault.
    Grants(super::grants::GrantsArgs),
    /// Searches a source for what is left of a value.
    #[command(subcommand)]
    Residue(super::residue::ResidueCommand),
    /// Prints completions for a shell.
    Completions(super::completions::CompletionsArgs),
    /// Prints manual pages.
    Man(super::man::ManArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct FormatArgs {
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  retentiond demo --dir /tmp/demo --members 500")]
pub struct DemoArgs {
    /// Folder for the demo's files; must not exist yet or be one of an earlier demo.
    #[arg(long, value_name = "DIR", default_value = "retentiond-demo")]
    pub dir: PathBuf,
    /// Members of the demo's service.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(50..=1_000_000))]
    pub members: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  retentiond init
  retentiond --config trial.toml init --simulation --now 2026-11-22")]
pub struct InitArgs {
    /// Accept `--now` from every command, on record: for trials, never for real data.
    #[arg(long)]
    pub simulation: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  retentiond check --offline
  retentiond check --format sarif > retentiond.sarif")]
pub struct CheckArgs {
    /// Check the files only.
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub output: ReportFormatArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Overdue,
    Anomaly,
    Waiting,
    Guard,
    Any,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  retentiond plan --out plan.json
  retentiond plan --fail-on overdue,anomaly --format junit > plan.xml")]
pub struct PlanArgs {
    /// Plan one rule only.
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// Also write the plan (JSON) to this file, for `run --plan`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Count instead what becomes due up to this day, by rule and month.
    #[arg(long, value_name = "DATE", conflicts_with_all = ["rule", "out", "fail_on"])]
    pub until: Option<NaiveDate>,
    /// End with code 1 if the plan has any of these.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
    #[command(flatten)]
    pub output: ReportFormatArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum GuardName {
    RowsMax,
    TableShareMax,
    MedianFactor,
    ClockJumpMax,
}

#[derive(Debug, Args)]
#[command(after_help = exit_codes())]
pub struct RunArgs {
    /// Run one rule only.
    #[arg(long, value_name = "ID", conflicts_with = "plan")]
    pub rule: Option<String>,
    /// Run exactly this reviewed plan; refused if the data changed since.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Let the reviewed plan pass this guard, on record.
    #[arg(long, value_name = "NAME", requires = "plan", requires = "by")]
    pub accept_guard: Vec<GuardName>,
    /// Who reviewed the plan.
    #[arg(long, value_name = "NAME", requires = "plan")]
    pub by: Option<String>,
    #[command(flatten)]
    pub output: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  retentiond restore --subject 1042 --by NAME --reason \"ticket 5521\"
  retentiond restore --rule contract --key 88001 --by NAME --reason \"ticket 5530\"")]
#[command(group = clap::ArgGroup::new("who").required(true).args(["subject", "key"]))]
pub struct RestoreArgs {
    /// The person, as the dataset's `subject` column writes it.
    #[arg(long, value_name = "S")]
    pub subject: Option<String>,
    /// Only records of this rule.
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// One record by its key; a composite key is a JSON array of its columns.
    #[arg(long, value_name = "K", requires = "rule")]
    pub key: Option<String>,
    /// Who asks for it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    pub by: String,
    /// Why; stands in the ledger.
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub reason: String,
    /// Leave the column of the event that moved the records as it was.
    #[arg(long)]
    pub keep_event: bool,
    #[command(flatten)]
    pub output: FormatArgs,
}

pub fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn exit_codes() -> String {
    let lines = super::exit::Exit::ALL.map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()));
    format!(
        "Examples:\n  retentiond run\n  retentiond run --plan plan.json --by NAME\n\nExit codes:\n{}",
        lines.join("\n")
    )
}
