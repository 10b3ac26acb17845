//! `hold`: stops destruction, lists what stops it, and lets it go again.
//!
//! Placing a hold and asking for its lift need no lock: both stand in the
//! register when the command ends, also while a cycle runs. The ledger is brought
//! up to it at once where that is possible, and otherwise by the cycle.

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use uuid::Uuid;

use super::{
    args::{Cli, Format, FormatArgs, not_blank},
    error::CommandError,
    exit::Exit,
    held, open, output, restore,
};
use crate::{
    adapters::clock::AnyClock,
    domain::{
        hold::{Category, Hold, Lift, Reach, Whose},
        id::{HoldId, RuleId},
        record::{Cell, locator},
    },
    flow::{clock::doubt, hold::in_force},
    ports::Clock as _,
    settings::Settings,
};

/// How long after its placing a hold is looked at again, unless `--review` says.
const REVIEW_DAYS: u64 = 90;

#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Places a hold; it is in force when the command ends.
    Add(AddArgs),
    /// Lists the holds in force.
    List(ListArgs),
    /// Lifts holds; what they covered is destroyed with its own due and a new deadline.
    Lift(LiftArgs),
}

/// What a hold covers: whatever fits all that is given.
#[derive(Debug, Args)]
pub struct ReachArgs {
    /// Everything of this person, as the datasets' `subject` columns write it.
    #[arg(long, value_name = "S", conflicts_with = "key", value_parser = not_blank)]
    subject: Option<String>,
    /// Records of this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Records of the dataset with this table.
    #[arg(long, value_name = "TABLE")]
    dataset: Option<String>,
    /// One record by its key; a composite key is a JSON array of its columns.
    #[arg(long, value_name = "K", value_parser = not_blank)]
    key: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  retentiond hold add --subject 1042 --by NAME --reason \"case 2026-118\"\n  retentiond hold add --rule contract --by NAME --reason inquiry --review 2027-01-31"
)]
#[command(group = clap::ArgGroup::new("reach").required(true).multiple(true).args(["subject", "rule", "dataset", "key"]))]
pub struct AddArgs {
    #[command(flatten)]
    reach: ReachArgs,
    /// Who places it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    /// Why; kept sealed, and not in the ledger.
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    reason: String,
    /// Why, as far as the ledger says.
    #[arg(long, value_enum, default_value_t = CategoryName::Other)]
    category: CategoryName,
    /// When it is looked at again; it does not end by itself. 90 days from now
    /// unless given.
    #[arg(long, value_name = "DATE")]
    review: Option<NaiveDate>,
    /// Also stop separation: the records stay in their source as they are.
    #[arg(long)]
    freeze: bool,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retentiond hold list --rule contract")]
pub struct ListArgs {
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  retentiond hold lift --subject 1042 --by NAME --reason \"case 2026-118 is closed\""
)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["id", "subject", "rule", "dataset", "key"]))]
pub struct LiftArgs {
    /// The hold; or say what it covers, exactly as it was placed.
    #[arg(value_name = "ID", conflicts_with_all = ["subject", "rule", "dataset", "key"])]
    id: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
    /// Who lifts it.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: String,
    /// Why; stands in the ledger, so that it may name nobody.
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    reason: String,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CategoryName {
    Litigation,
    Investigation,
    Dispute,
    Correction,
    Other,
}

impl From<CategoryName> for Category {
    fn from(name: CategoryName) -> Self {
        match name {
            CategoryName::Litigation => Self::Litigation,
            CategoryName::Investigation => Self::Investigation,
            CategoryName::Dispute => Self::Dispute,
            CategoryName::Correction => Self::Correction,
            CategoryName::Other => Self::Other,
        }
    }
}

pub async fn hold(cli: &Cli, command: &HoldCommand) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let reading = open::reading(&settings).await?;
    if reading.ledger.is_none() {
        let message = "there is no vault yet; hint: `retentiond init` creates vault, keystore and ledger";
        return Err(CommandError::new(Exit::Configuration, message));
    }
    let clock = open::writing_clock(cli, &settings, reading.simulation())?;
    let placed = held::in_force(&settings, &reading)?;
    reading.close().await?;
    match command {
        HoldCommand::Add(args) => add(&settings, args, clock).await,
        HoldCommand::List(args) => list(&settings, args, &placed, clock.read()),
        HoldCommand::Lift(args) => lift(&settings, args, &placed, clock).await,
    }
}

async fn add(settings: &Settings, args: &AddArgs, clock: AnyClock) -> Result<Exit, CommandError> {
    let reach = reach(settings, &args.reach)?;
    let now = clock.read();
    let today = now.with_timezone(&settings.policy.timezone).date_naive();
    let review = args.review.or_else(|| today.checked_add_days(chrono::Days::new(REVIEW_DAYS))).unwrap_or(today);
    if review < today {
        return Err(CommandError::new(Exit::Usage, format!("--review {review} has passed; hint: give a day to come")));
    }
    let hold = Hold {
        id: HoldId(Uuid::now_v7().to_string()),
        reach,
        freeze: args.freeze,
        category: args.category.into(),
        review,
        placed_at: now,
        by: args.by.clone(),
        reason: args.reason.clone(),
    };
    held::register(settings)?.place(&hold)?;
    let recorded = record(settings, clock).await?;
    match args.output.format {
        Format::Json => output::json(&Changed { holds: vec![hold.id.clone()], recorded })?,
        Format::Text => output::data(&format!("hold {} is in force; review on {review}", hold.id))?,
    }
    Ok(Exit::Done)
}

fn list(settings: &Settings, args: &ListArgs, placed: &[Hold], now: DateTime<Utc>) -> Result<Exit, CommandError> {
    let wanted = wanted(&args.reach)?;
    let fits = |hold: &&Hold| {
        let reach = &hold.reach;
        (wanted.rule.is_none() || wanted.rule == reach.rule)
            && (wanted.dataset.is_none() || wanted.dataset == reach.dataset)
            && (wanted.whose.is_none() || wanted.whose == reach.whose)
    };
    let today = now.with_timezone(&settings.policy.timezone).date_naive();
    let shown: Vec<Shown<'_>> =
        placed.iter().filter(fits).map(|hold| Shown { hold, review_due: hold.review <= today }).collect();
    match args.output.format {
        Format::Json => output::json(&serde_json::json!({ "holds": shown }))?,
        Format::Text if shown.is_empty() => output::data("no hold is in force")?,
        Format::Text => output::data(&table(&shown, settings))?,
    }
    Ok(Exit::Done)
}

async fn lift(settings: &Settings, args: &LiftArgs, placed: &[Hold], clock: AnyClock) -> Result<Exit, CommandError> {
    let wanted = wanted(&args.reach)?;
    let meant = |hold: &&Hold| args.id.as_ref().map_or_else(|| hold.reach == wanted, |id| hold.id.as_str() == id);
    let lifted: Vec<HoldId> = placed.iter().filter(meant).map(|hold| hold.id.clone()).collect();
    if lifted.is_empty() {
        return Err(CommandError::new(
            Exit::Usage,
            "no hold in force has this id or covers exactly that; hint: `retentiond hold list`",
        ));
    }
    let register = held::register(settings)?;
    for hold in &lifted {
        register.lift(&Lift { hold: hold.clone(), by: args.by.clone(), reason: args.reason.clone() })?;
    }
    let recorded = record(settings, clock).await?;
    match args.output.format {
        Format::Json => output::json(&Changed { holds: lifted, recorded })?,
        Format::Text => {
            let ids: Vec<&str> = lifted.iter().map(HoldId::as_str).collect();
            let said = if recorded { "lifted" } else { "asked to be lifted; the next cycle lifts it" };
            output::data(&format!("hold {} {said}", ids.join(", ")))?;
        }
    }
    Ok(Exit::Done)
}

/// Brings the ledger up to the register. Where somebody else holds the lock, or
/// the store cannot be opened, the register stands all the same, and whoever may
/// write the ledger next does it.
async fn record(settings: &Settings, clock: AnyClock) -> Result<bool, CommandError> {
    let later = |reason: &str| {
        output::note(&format!("note: the ledger has no entry of it yet ({reason}); the next cycle makes it"))
    };
    let mut writing = match open::writing_at(settings, clock).await {
        Ok(writing) => writing,
        Err(error) => {
            later(&error.message)?;
            return Ok(false);
        }
    };
    let book = open::rulebook(settings, writing.simulation);
    let brought_up = match doubt(&book, &mut writing.custody, clock.read(), &[]) {
        Ok(()) => in_force(&mut writing.custody).map(drop),
        Err(failure) => Err(failure),
    };
    let recorded = match brought_up {
        Ok(()) => true,
        Err(failure) => {
            later(&failure.to_string())?;
            false
        }
    };
    writing.close().await?;
    Ok(recorded)
}

/// What a new hold covers, checked against the deployment.
fn reach(settings: &Settings, args: &ReachArgs) -> Result<Reach, CommandError> {
    let reach = wanted(args)?;
    if let Some(rule) = &args.rule {
        open::rule(settings, rule)?;
    }
    let usage = |message: String| Err(CommandError::new(Exit::Usage, message));
    let covered = |dataset: &&crate::domain::deployment::Dataset| {
        reach.dataset.as_ref().is_none_or(|table| *table == dataset.table)
            && reach.rule.as_ref().is_none_or(|rule| *rule == dataset.rule)
    };
    let mut datasets = settings.deployment.datasets.iter().filter(covered).peekable();
    if datasets.peek().is_none() && reach.dataset.is_some() {
        return usage("there is no such dataset; hint: --dataset is the table of a [[dataset]] of the rule".to_owned());
    }
    match &reach.whose {
        Some(Whose::Key(_)) if reach.rule.is_none() && reach.dataset.is_none() => {
            usage("--key needs --rule or --dataset; hint: the same key means something else in each".to_owned())
        }
        Some(Whose::Subject(_)) if datasets.all(|dataset| dataset.subject.is_none()) => {
            usage("no dataset that is meant has a `subject`; hint: hold by --key".to_owned())
        }
        _ => Ok(reach),
    }
}

fn wanted(args: &ReachArgs) -> Result<Reach, CommandError> {
    let text = |locator: Vec<u8>| {
        String::from_utf8(locator).map_err(|_| CommandError::new(Exit::Usage, "the key is not valid UTF-8"))
    };
    let subject = args.subject.as_ref().map(|subject| locator(&[Cell::Text(subject.as_bytes().to_vec())]));
    let key = args.key.as_deref().map(restore::key_locator).transpose()?;
    let whose = match (subject, key) {
        (Some(subject), _) => Some(Whose::Subject(text(subject)?)),
        (None, Some(key)) => Some(Whose::Key(text(key)?)),
        (None, None) => None,
    };
    Ok(Reach { rule: args.rule.as_deref().map(RuleId::from), dataset: args.dataset.clone(), whose })
}

/// What `add` and `lift` did.
#[derive(Serialize)]
struct Changed {
    holds: Vec<HoldId>,
    /// The ledger has an entry of it already.
    recorded: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    hold: &'a Hold,
    review_due: bool,
}

fn table(shown: &[Shown<'_>], settings: &Settings) -> String {
    let header = ["hold", "covers", "", "placed", "by", "review", "reason"];
    let rows = shown.iter().map(|shown| {
        let hold = shown.hold;
        let mut parts: Vec<String> = hold.reach.rule.iter().map(|rule| format!("rule {rule}")).collect();
        parts.extend(hold.reach.dataset.iter().map(|table| format!("dataset {table}")));
        parts.extend(hold.reach.whose.iter().map(|whose| match whose {
            Whose::Subject(text) => format!("subject {text}"),
            Whose::Key(text) => format!("key {}", text.replace('\u{1f}', ", ")),
        }));
        vec![
            hold.id.to_string(),
            parts.join(", "),
            if hold.freeze { "frozen" } else { "" }.to_owned(),
            open::local(hold.placed_at, settings),
            hold.by.clone(),
            format!("{}{}", hold.review, if shown.review_due { " (DUE)" } else { "" }),
            hold.reason.clone(),
        ]
    });
    output::table(&header, header.len(), rows.collect())
}
