//! `policy adopt`: puts the rules file in force, after it has shown what that does.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::diff::{self, Difference};
use crate::{
    cli::{
        args::{Cli, Format, FormatArgs, not_blank},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::{
        ledger::event::Event,
        policy::{
            Policy,
            compare::{Objection, objections},
            statute::Catalogue,
        },
    },
    ports::{Clock, Ledger, Vault},
    settings::Settings,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  retentiond policy adopt --by \"K. Officer\"")]
pub struct AdoptArgs {
    /// Show the change of rules only, and leave the sources alone.
    #[arg(long)]
    offline: bool,
    /// Who puts it in force; stands in the ledger.
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    by: Option<String>,
    #[command(flatten)]
    output: FormatArgs,
}

#[derive(Debug, Serialize)]
struct Adoption<'a> {
    #[serde(flatten)]
    difference: &'a Difference,
    adopted: bool,
    /// Days between announcement and effect, and whether they are enough.
    notice_days: i64,
    notice: &'static str,
    /// What the new policy shortened is due from this instant on, and not before.
    arms_at: Option<DateTime<Utc>>,
}

/// Days between the announcement of a policy and its effect.
const NOTICE_DAYS: i64 = 7;

pub async fn adopt(cli: &Cli, args: &AdoptArgs) -> Result<Exit, CommandError> {
    let settings = open::files(cli)?;
    let Some(old) = open::adopted(&settings)? else {
        return Err(CommandError::new(
            Exit::Configuration,
            "there is no policy in force to take the place of; hint: `retentiond init` adopts the first one",
        ));
    };
    let now = open::now(&open::reading_clock(cli, &settings)?);
    let difference = diff::between(&settings, &old, now, args.offline).await?;
    let adopted = difference.old.digest != difference.new.digest;
    // A person sees what it does before it is done.
    if args.output.format == Format::Text {
        output::data(&diff::text(&difference))?;
    }
    for failed in &difference.failed {
        output::note(&format!("retentiond: not counted: {failed}"))?;
    }
    let arms_at = if adopted { Some(put_in_force(cli, &settings, &old, args.by.as_deref()).await?) } else { None };
    let notice_days = (settings.policy.effective - settings.policy.announced).num_days();
    let notice = if notice_days >= NOTICE_DAYS { "ok" } else { "short" };
    match args.output.format {
        Format::Json => {
            output::json(&Adoption { difference: &difference, adopted, notice_days, notice, arms_at })?;
        }
        Format::Text => output::data(&text(&settings, notice_days, notice, arms_at))?,
    }
    Ok(Exit::Done)
}

/// Writes the adoption into the ledger and returns when the policy arms.
async fn put_in_force(
    cli: &Cli,
    settings: &Settings,
    old: &Policy,
    by: Option<&str>,
) -> Result<DateTime<Utc>, CommandError> {
    let mut writing = open::adopting(cli, settings).await?;
    let history = writing.custody.ledger.history();
    if history.has_open_intents() {
        let message = "something is under way that has to be settled under the old policy; hint: `retentiond run` with \
                       the adopted rules file in its place";
        return Err(CommandError::new(Exit::Refused, message));
    }
    let catalogue = Catalogue::korea().map_err(|error| CommandError::new(Exit::Configuration, error.to_string()))?;
    let in_vault = |rule: &_| history.in_vault.get(rule).copied().unwrap_or(0);
    refuse(&objections(old, &settings.policy, catalogue, in_vault))?;
    let event = Event::policy_adopted(&settings.policy, by)
        .map_err(|error| CommandError::new(Exit::Configuration, error.to_string()))?;
    let at = writing.clock.read();
    let head = writing.custody.ledger.append(vec![event])?;
    writing.custody.vault.remember_head(&head).await?;
    tracing::info!(version = %settings.policy.version, digest = %settings.digest, "policy adopted");
    let arms_at = open::arms_at(&settings.policy, at)?;
    writing.close().await?;
    Ok(arms_at)
}

fn refuse(objections: &[Objection]) -> Result<(), CommandError> {
    if objections.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = objections.iter().map(ToString::to_string).collect();
    Err(CommandError::new(Exit::Refused, format!("the policy is not adopted: {}", reasons.join("\n"))))
}

fn text(settings: &Settings, days: i64, notice: &str, arms_at: Option<DateTime<Utc>>) -> String {
    let policy = &settings.policy;
    let Some(arms_at) = arms_at else {
        return format!("policy version {} is in force already", policy.version);
    };
    let notice = format!(
        "notice    {days} days from {} to {}: {notice}{}",
        policy.announced,
        policy.effective,
        if notice == "ok" { "" } else { "; a change is announced at least 7 days before it takes effect" }
    );
    [
        notice,
        format!("adopted   policy version {} ({})", policy.version, settings.digest),
        format!("arms      {}: what it shortened is not due before", open::local(arms_at, settings)),
        "Next: `retentiond plan --out plan.json`, review it, `retentiond run --plan plan.json --by NAME`.".to_owned(),
    ]
    .join("\n")
}
