//! `check`: both files, and the databases against them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    args::{CheckArgs, Cli, Format},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    domain::{deployment::Dataset, diagnostic::Severity},
    ports::{Failure, Scan},
    settings::Settings,
};

/// One thing that `check` found.
#[derive(Debug, Serialize)]
struct Finding {
    severity: &'static str,
    dataset: Option<String>,
    message: String,
    hint: Option<String>,
}

pub async fn check(cli: &Cli, args: &CheckArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let mut findings = file_warnings(&settings);
    let now = open::now(&open::reading_clock(cli, &settings)?);
    findings.extend(horizon(&settings, now)?);
    let mut exit = Exit::Done;
    open::rulebook(&settings, false)
        .datasets_in_order()
        .map_err(|error| CommandError::new(Exit::Configuration, error.to_string()))?;
    if !args.offline {
        exit = databases(&settings, &mut findings).await?;
    }
    match args.output.format {
        Format::Json => output::json(&findings)?,
        Format::Text => show(&settings, args, &findings)?,
    }
    Ok(exit)
}

/// What the files themselves gave rise to; already shown on stderr as text.
fn file_warnings(settings: &Settings) -> Vec<Finding> {
    let reports = settings.warnings.iter();
    reports
        .flat_map(|report| {
            report.findings.iter().map(move |finding| {
                let (line, column) = report.position(finding.span.start);
                Finding {
                    severity: if finding.severity == Severity::Error { "error" } else { "warning" },
                    dataset: None,
                    message: format!("{}:{line}:{column}: {}", report.file, finding.message),
                    hint: finding.hint.clone(),
                }
            })
        })
        .collect()
}

/// Warns in time before the table of holidays ends: the calendar of a year is
/// published months before it begins.
fn horizon(settings: &Settings, now: DateTime<Utc>) -> Result<Option<Finding>, CommandError> {
    const AHEAD: TimeDelta = TimeDelta::days(60);
    let policy = &settings.policy;
    let extended = policy.rules.iter().any(|rule| policy.counting.extends(rule));
    let today = now.with_timezone(&policy.timezone).date_naive();
    let Some(end) = settings.holidays.horizon().filter(|end| extended && *end < today + AHEAD) else {
        return Ok(None);
    };
    let finding = Finding {
        severity: "warning",
        dataset: None,
        message: format!(
            "the table of public holidays ends with {end}; after that only weekends move the end of a period"
        ),
        hint: Some("install a newer version, or list the holidays in `holidays` of the rules file".to_owned()),
    };
    output::note(&format!("warning: {}\n  hint: {}", finding.message, finding.hint.as_deref().unwrap_or_default()))?;
    Ok(Some(finding))
}

async fn databases(settings: &Settings, findings: &mut Vec<Finding>) -> Result<Exit, CommandError> {
    let mut sources = open::scans(settings).await?;
    let mut exit = Exit::Done;
    for dataset in &settings.deployment.datasets {
        let datasets = settings.deployment.datasets.iter();
        let beside: Vec<&Dataset> = datasets.filter(|other| other.source == dataset.source).collect();
        let inspected = match sources.get(&dataset.source) {
            Ok(source) => source.inspect(dataset, &beside).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match inspected {
            Ok(found) => {
                for finding in found {
                    if finding.error && exit == Exit::Done {
                        exit = Exit::Configuration;
                    }
                    findings.push(Finding {
                        severity: if finding.error { "error" } else { "warning" },
                        dataset: Some(finding.dataset),
                        message: finding.message,
                        hint: Some(finding.hint),
                    });
                }
            }
            Err(failure @ Failure::Unreachable(_)) => {
                exit = Exit::Unreachable;
                let (dataset, message) = (Some(dataset.table.clone()), failure.to_string());
                findings.push(Finding { severity: "error", dataset, message, hint: None });
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(exit)
}

fn show(settings: &Settings, args: &CheckArgs, findings: &[Finding]) -> Result<(), CommandError> {
    for finding in findings.iter().filter(|finding| finding.dataset.is_some()) {
        let dataset = finding.dataset.as_deref().unwrap_or_default();
        let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
        output::data(&format!("{}: {dataset}: {}{hint}", finding.severity, finding.message))?;
    }
    let errors = findings.iter().filter(|finding| finding.severity == "error").count();
    output::data(&format!(
        "policy version {} ({}): {} rules, {} datasets{}; {errors} errors, {} warnings",
        settings.policy.version,
        settings.digest,
        settings.policy.rules.len(),
        settings.deployment.datasets.len(),
        if args.offline { ", databases not looked at" } else { "" },
        findings.len() - errors
    ))?;
    Ok(())
}
