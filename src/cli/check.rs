//! `check`: both files, and the databases against them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    args::{CheckArgs, Cli},
    error::CommandError,
    exit::Exit,
    open,
    output::{self, Code, Level, Note, Notes, Place, ReportFormat},
};
use crate::{
    domain::{
        deployment::Dataset,
        diagnostic::{Report, Severity},
    },
    ports::{Failure, Scan},
    settings::{self, Settings, SettingsError},
};

/// One thing that `check` found.
#[derive(Debug, Serialize)]
struct Finding {
    severity: &'static str,
    code: Code,
    dataset: Option<String>,
    message: String,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

pub async fn check(cli: &Cli, args: &CheckArgs) -> Result<Exit, CommandError> {
    let settings = match settings::load(&cli.config) {
        // A pipeline gets the errors of the files in its own form too.
        Err(SettingsError::Wrong { reports }) if args.output.format != ReportFormat::Text => {
            print(cli, args, &of_files(&reports))?;
            return open::files(cli).map(|_| Exit::Configuration);
        }
        _ => open::files(cli)?,
    };
    let mut findings = of_files(&settings.warnings);
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
        ReportFormat::Text => show(&settings, args, &findings)?,
        _ => print(cli, args, &findings)?,
    }
    Ok(exit)
}

/// The forms for programs.
fn print(cli: &Cli, args: &CheckArgs, findings: &[Finding]) -> Result<(), CommandError> {
    let file = cli.config.display().to_string();
    let notes: Vec<Note> = findings.iter().map(|finding| finding.note(&file)).collect();
    let cases = [(file.clone(), Code::Configuration)];
    let found = Notes { title: "check", file: &file, notes: &notes, cases: &cases };
    match args.output.format {
        ReportFormat::Markdown => output::data(&found.markdown())?,
        ReportFormat::Sarif => output::json(&found.sarif())?,
        ReportFormat::Junit => output::data(&found.junit())?,
        ReportFormat::Json | ReportFormat::Text => output::json(&findings)?,
    }
    Ok(())
}

impl Finding {
    fn note(&self, file: &str) -> Note {
        // The place stands apart there.
        let place = self.place.as_ref();
        let prefix = place.map_or_else(String::new, |at| format!("{}:{}:{}: ", at.file, at.line, at.column));
        Note {
            level: if self.severity == "error" { Level::Error } else { Level::Warning },
            code: self.code,
            subject: self.dataset.as_ref().map_or_else(|| file.to_owned(), |dataset| format!("dataset {dataset}")),
            message: self.message.strip_prefix(&prefix).unwrap_or(&self.message).to_owned(),
            hint: self.hint.clone(),
            place: self.place.clone(),
        }
    }
}

/// What the files themselves gave rise to; stderr has it as text.
fn of_files(reports: &[Report]) -> Vec<Finding> {
    let findings = reports.iter().flat_map(|report| report.findings.iter().map(move |finding| (report, finding)));
    let found = findings.map(|(report, finding)| {
        let (line, column) = report.position(finding.span.start);
        Finding {
            severity: if finding.severity == Severity::Error { "error" } else { "warning" },
            code: Code::Configuration,
            dataset: None,
            message: format!("{}:{line}:{column}: {}", report.file, finding.message),
            hint: finding.hint.clone(),
            place: Some(Place { file: report.file.clone(), line, column }),
        }
    });
    found.collect()
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
        code: Code::Holidays,
        place: None,
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
                        code: Code::Schema,
                        place: None,
                        dataset: Some(finding.dataset),
                        message: finding.message,
                        hint: Some(finding.hint),
                    });
                }
            }
            Err(failure @ Failure::Unreachable(_)) => {
                exit = Exit::Unreachable;
                let (dataset, message) = (Some(dataset.table.clone()), failure.to_string());
                findings.push(Finding {
                    severity: "error",
                    code: Code::Unreachable,
                    dataset,
                    message,
                    hint: None,
                    place: None,
                });
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
