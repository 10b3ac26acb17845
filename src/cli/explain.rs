//! `explain`: why one record is kept, waiting, held or due, and until when.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{
    args::{Cli, Format, FormatArgs},
    error::CommandError,
    exit::Exit,
    held, open, output,
    restore::key_locator,
};
use crate::{
    adapters::keyring::FileKeyring,
    domain::{
        census::AnomalyKind,
        explain::{Explanation, Happened, HoldShown, Place, State, TermShown},
        policy::statute::Catalogue,
    },
    flow::explain::{Asked, live, sealed},
    settings::Settings,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  retentiond explain --dataset orders --key 1204\n  \
                        retentiond explain --dataset order_lines --key '[\"1204\", 3]'")]
pub struct ExplainArgs {
    /// The table of a dataset.
    #[arg(long, value_name = "D")]
    dataset: String,
    /// The record's key; a composite key is a JSON array of its columns.
    #[arg(long, value_name = "K")]
    key: String,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Serialize)]
struct Explained {
    now: DateTime<Utc>,
    dataset: String,
    found: bool,
    /// Every rule that covers the record; one of them decides.
    rules: Vec<Explanation>,
}

pub async fn explain(cli: &Cli, args: &ExplainArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    known(&settings, &args.dataset)?;
    let locator = key_locator(&args.key)?;
    let key = String::from_utf8(locator)
        .map_err(|_| CommandError::new(Exit::Usage, "--key is not text; hint: write it as the database shows it"))?;
    let now = open::now(&open::reading_clock(cli, &settings)?);
    let asked = Asked { dataset: &args.dataset, key: &key };
    let mut reading = open::reading(&settings).await?;
    let book = open::rulebook(&settings, reading.simulation());
    let buckets = reading.buckets().await?;
    let holds = held::covered(&settings, &mut reading, &book, &buckets, now).await?.holds;
    let mut sources = open::scans(&settings).await?;
    let mut rules = live(&book, &mut sources, &holds, asked, now).await?;
    if let Some(vault) = reading.vault.as_mut().filter(|_| rules.is_empty()) {
        let origin = &settings.deployment.ledger_origin;
        let keyring = FileKeyring::open_read_only(&settings.keyring_dir(), origin, open::kek(&settings)?)?;
        rules = sealed(&book, (vault, &keyring), &holds, asked, now).await?;
    }
    reading.close().await?;
    let explained = Explained { now, dataset: args.dataset.clone(), found: !rules.is_empty(), rules };
    match args.output.format {
        Format::Json => output::json(&explained)?,
        Format::Text => output::data(&text(&explained, &settings))?,
    }
    Ok(if explained.found { Exit::Done } else { Exit::Failed })
}

fn known(settings: &Settings, table: &str) -> Result<(), CommandError> {
    let tables: Vec<&str> = settings.deployment.datasets.iter().map(|dataset| dataset.table.as_str()).collect();
    if tables.contains(&table) {
        return Ok(());
    }
    let hint = format!("hint: one of {}", tables.join(", "));
    Err(CommandError::new(Exit::Usage, format!("no dataset has the table {table}; {hint}")))
}

fn text(explained: &Explained, settings: &Settings) -> String {
    if !explained.found {
        return format!("no such record in {}: neither in the source nor in the vault", explained.dataset);
    }
    let several = explained.rules.len() > 1;
    let parts = explained.rules.iter().map(|rule| one(rule, several, settings));
    parts.collect::<Vec<_>>().join("\n\n")
}

fn one(explanation: &Explanation, several: bool, settings: &Settings) -> String {
    let wins = match (several, explanation.decides) {
        (false, _) => "",
        (true, true) => " (decides: it keeps the record longest)",
        (true, false) => " (another rule keeps it longer)",
    };
    let mut lines = vec![format!("rule       {}, {}{wins}", explanation.rule, explanation.name.ko)];
    lines.push(format!("basis      {}", basis(explanation)));
    for (event, happened) in &explanation.events {
        lines.push(format!("event      {event}: {}", what(*happened, settings)));
    }
    lines.push(format!(
        "period     {} from {}, counted by {}",
        explanation.keep, explanation.event, explanation.counting
    ));
    if let Some(term) = &explanation.term {
        lines.extend(dates(term, settings));
    }
    let place = if explanation.place == Place::Vault { "in the vault" } else { "live" };
    lines.push(format!("now        {place}: {}", state(explanation.state)));
    if !explanation.waits_for.is_empty() {
        lines.push(format!("waits for  rows of {}", explanation.waits_for.join(", ")));
    }
    lines.extend(explanation.holds.iter().map(hold));
    lines.join("\n")
}

fn hold(hold: &HoldShown) -> String {
    let freezes = if hold.freeze { "; it also stops separation" } else { "" };
    format!("hold       {} ({}), by {}, to be reviewed on {}{freezes}", hold.id, hold.category, hold.by, hold.review)
}

fn basis(explanation: &Explanation) -> String {
    let cited = |id: &String| {
        let duty = Catalogue::korea().ok().and_then(|catalogue| catalogue.duty(id));
        duty.map_or_else(|| id.clone(), |duty| duty.cited())
    };
    let articles: Vec<String> = explanation.basis.iter().map(cited).collect();
    if articles.is_empty() { "internal".to_owned() } else { articles.join(", ") }
}

fn dates(term: &TermShown, settings: &Settings) -> Vec<String> {
    let mut lines = vec![format!("first day  {}", term.first), format!("last day   {}", term.last)];
    if !term.rest_days.is_empty() {
        let days: Vec<String> = term.rest_days.iter().map(ToString::to_string).collect();
        lines.push(format!("           moved from {} past rest days: {}", term.last_plain, days.join(", ")));
    }
    lines.push(format!("due        {}", open::local(term.due, settings)));
    lines.push(format!("latest     {}", open::local(term.latest, settings)));
    lines
}

fn what(happened: Happened, settings: &Settings) -> String {
    match happened {
        Happened::At(at) => open::local(at, settings),
        Happened::NotYet => "has not happened".to_owned(),
        Happened::Anomaly(kind) => match kind {
            AnomalyKind::Missing => "is missing".to_owned(),
            AnomalyKind::Malformed => "cannot be read".to_owned(),
            AnomalyKind::Ancient => "is absurdly old".to_owned(),
            AnomalyKind::Future => "lies in the future".to_owned(),
            AnomalyKind::Orphan => "stands in a row that does not exist".to_owned(),
        },
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::NotBegun => "kept, its period has not begun",
        State::Kept => "kept, its period is not over",
        State::Separated => "an event has happened that moves it to the vault; the next cycle does",
        State::Due => "due",
        State::Overdue => "OVERDUE",
        State::CoolingOff => "due, and cooling off after its separation",
        State::Waiting => "would move, and waits for rows that have not moved",
        State::Outlived => "would move, and another rule keeps the same row longer",
        State::Held => "held: not destroyed while the hold lasts",
        State::Anomaly => "never moved until a person settles its event",
    }
}
