//! `policy diff`: what changes from one policy to another, in rules and, with
//! databases at hand, in rows and segments.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::{
    cli::{
        args::{Cli, Format, FormatArgs},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::{
        calendar::Calendar,
        deployment::Deployment,
        holiday::Holidays,
        id::Digest,
        plan::PolicyRef,
        policy::{
            Policy,
            compare::{Change, ChangeKind, changes},
        },
    },
    flow::{
        impact::{self, Amount, Impact, Rows, Sealed},
        rulebook::Rulebook,
    },
    ports::Failure,
    settings::{self, Settings},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  retentiond policy diff\n  retentiond policy diff old-rules.toml --offline")]
pub struct DiffArgs {
    /// The rules file to compare with; the policy in force unless given.
    #[arg(value_name = "OLD")]
    old: Option<PathBuf>,
    /// Compare the rules only, and leave the databases alone.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    output: FormatArgs,
}

/// What a changed policy does.
#[derive(Debug, Serialize)]
pub struct Difference {
    pub old: PolicyRef,
    pub new: PolicyRef,
    pub changes: Vec<Change>,
    /// `None` where the databases were left alone.
    pub rows: Option<Vec<Rows>>,
    pub vault: Option<Vec<Sealed>>,
    /// What could not be counted, and why.
    pub failed: Vec<String>,
    #[serde(skip)]
    pub unreachable: bool,
}

pub async fn diff(cli: &Cli, args: &DiffArgs) -> Result<Exit, CommandError> {
    let settings = open::files(cli)?;
    let old = match &args.old {
        Some(path) => settings::rules(path)?,
        None => in_force(&settings)?,
    };
    let now = open::now(&open::reading_clock(cli, &settings)?);
    let difference = between(&settings, &old, now, args.offline).await?;
    match args.output.format {
        Format::Json => output::json(&difference)?,
        Format::Text => output::data(&text(&difference))?,
    }
    for failed in &difference.failed {
        output::note(&format!("retentiond: not counted: {failed}"))?;
    }
    Ok(match (difference.unreachable, difference.failed.is_empty()) {
        (true, _) => Exit::Unreachable,
        (false, false) => Exit::Failed,
        (false, true) => Exit::Done,
    })
}

/// The policy in force, to compare the rules file with.
fn in_force(settings: &Settings) -> Result<Policy, CommandError> {
    open::adopted(settings)?.ok_or_else(|| {
        CommandError::new(
            Exit::Usage,
            "no policy is in force here yet; hint: name the rules file to compare with: `policy diff OLD`",
        )
    })
}

/// Compares the rules file with an older policy.
pub async fn between(
    settings: &Settings,
    old: &Policy,
    now: DateTime<Utc>,
    offline: bool,
) -> Result<Difference, CommandError> {
    let digest = old.digest().map_err(|error| CommandError::new(Exit::Configuration, error.to_string()))?;
    let mut difference = Difference {
        old: PolicyRef { version: old.version.clone(), digest },
        new: PolicyRef { version: settings.policy.version.clone(), digest: settings.digest },
        changes: changes(old, &settings.policy),
        rows: None,
        vault: None,
        failed: Vec::new(),
        unreachable: false,
    };
    if !offline {
        let Impact { rows, vault, failed } = count(settings, old, digest, now).await?;
        difference.unreachable = failed.iter().any(|failed| matches!(failed.failure, Failure::Unreachable(_)));
        let named = failed.iter().map(|failed| {
            format!("rule {} ({}): {}", failed.rule, failed.dataset.as_deref().unwrap_or_default(), failed.failure)
        });
        difference.failed = named.collect();
        difference.failed.dedup();
        (difference.rows, difference.vault) = (Some(rows), Some(vault));
    }
    Ok(difference)
}

/// Counts under both policies as they are by themselves, once they have armed.
async fn count(settings: &Settings, old: &Policy, digest: Digest, now: DateTime<Utc>) -> Result<Impact, CommandError> {
    let old_holidays = settings::holidays(old)?;
    let deployments = [old, &settings.policy].map(|policy| fitting(&settings.deployment, policy));
    let mut reading = open::reading(settings).await?;
    let buckets = reading.buckets().await?;
    let simulation = reading.simulation();
    reading.close().await?;
    let book = |policy, digest, holidays, deployment| bare(policy, digest, holidays, deployment, simulation);
    let old = book(old, digest, &old_holidays, &deployments[0]);
    let new = book(&settings.policy, settings.digest, &settings.holidays, &deployments[1]);
    let mut sources = open::scans(settings).await?;
    Ok(impact::impact(&old, &new, &mut sources, &buckets, now).await?)
}

fn bare<'a>(
    policy: &'a Policy,
    digest: Digest,
    holidays: &'a Holidays,
    deployment: &'a Deployment,
    simulation: bool,
) -> Rulebook<'a> {
    Rulebook { policy, digest, calendar: Calendar::new(policy, holidays), deployment, simulation }
}

/// The deployment with the datasets that a policy can go by: it has their rule, and
/// they have its events.
fn fitting(deployment: &Deployment, policy: &Policy) -> Deployment {
    let mut fitting = deployment.clone();
    fitting.datasets.retain(|dataset| {
        policy.rule(&dataset.rule).is_some_and(|rule| {
            std::iter::once(&rule.event).chain(&rule.separate_on).all(|event| dataset.events.contains_key(event))
        })
    });
    fitting
}

/// The difference for people.
pub fn text(difference: &Difference) -> String {
    let Difference { old, new, .. } = difference;
    let mut parts = vec![format!(
        "policy version {} ({})\n    to version {} ({})",
        old.version, old.digest, new.version, new.digest
    )];
    if difference.changes.is_empty() {
        parts.push("the rules are the same".to_owned());
    } else {
        let header = ["rule", "change", "from", "to"];
        parts.push(output::table(&header, header.len(), difference.changes.iter().map(change).collect()));
    }
    if let Some(rows) = &difference.rows {
        let header = ["rule", "dataset", "due before", "due after", "newly due", "no longer due"];
        parts.push(output::table(&header, 2, rows.iter().map(row).collect()));
    }
    if let Some(vault) = difference.vault.as_ref().filter(|vault| !vault.is_empty()) {
        let header = ["in the vault", "newly due", "no longer due", "due on another day"];
        parts.push(output::table(&header, header.len(), vault.iter().map(sealed).collect()));
    }
    parts.join("\n")
}

fn change(change: &Change) -> Vec<String> {
    let kind = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Lengthened => "lengthened",
        ChangeKind::Shortened => "SHORTENED",
        ChangeKind::Event => "event",
        ChangeKind::SeparateOn => "separate_on",
        ChangeKind::Basis => "basis",
        ChangeKind::Approval => "approval",
        ChangeKind::Words => "words",
        ChangeKind::Policy => "policy",
    };
    let rule = change.rule.as_ref().map_or_else(String::new, ToString::to_string);
    vec![rule, kind.to_owned(), change.old.clone(), change.new.clone()]
}

fn row(rows: &Rows) -> Vec<String> {
    let counts = [rows.before, rows.after, rows.newly_due, rows.no_longer_due].map(output::count);
    [rows.rule.to_string(), rows.dataset.clone()].into_iter().chain(counts).collect()
}

fn sealed(sealed: &Sealed) -> Vec<String> {
    let amount = |amount: &Amount| {
        let (records, segments) =
            (output::plural(amount.records, "record"), output::plural(amount.segments, "segment"));
        if amount.records == 0 { String::new() } else { format!("{records} in {segments}") }
    };
    vec![sealed.rule.to_string(), amount(&sealed.newly_due), amount(&sealed.no_longer_due), amount(&sealed.moved)]
}
