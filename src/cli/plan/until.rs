//! `plan --until`: a calendar of what becomes due.

use chrono::NaiveDate;

use crate::{
    cli::{
        args::{Cli, PlanArgs},
        error::CommandError,
        exit::Exit,
        open,
        output::{self, ReportFormat},
    },
    flow::foresight::{Due, Foresight, foresee},
    ports::Failure,
};

pub async fn until(cli: &Cli, args: &PlanArgs, until: NaiveDate) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let mut reading = open::reading(&settings).await?;
    let now = open::now(&open::reading_clock(cli, &settings)?);
    if until < now.with_timezone(&settings.policy.timezone).date_naive() {
        return Err(CommandError::new(Exit::Usage, format!("{until} is over; hint: --until is a day to come")));
    }
    let buckets = reading.buckets().await?;
    let book = open::rulebook(&settings, reading.simulation());
    reading.close().await?;
    let mut sources = open::scans(&settings).await?;
    let foresight = foresee(&book, &mut sources, &buckets, now, until).await?;
    match args.output.format {
        ReportFormat::Json => output::json(&foresight)?,
        ReportFormat::Text => output::data(&text(&foresight))?,
        _ => return Err(CommandError::new(Exit::Usage, "--until is printed as text or json")),
    }
    for failed in &foresight.failed {
        let dataset = failed.dataset.as_deref().unwrap_or_default();
        output::note(&format!("retentiond: rule {} ({dataset}): {}", failed.rule, failed.failure))?;
    }
    let unreachable = foresight.failed.iter().any(|failed| matches!(failed.failure, Failure::Unreachable(_)));
    Ok(match (unreachable, foresight.failed.is_empty()) {
        (true, _) => Exit::Unreachable,
        (false, false) => Exit::Failed,
        (false, true) => Exit::Done,
    })
}

fn text(foresight: &Foresight) -> String {
    let row = |month: &str, due: &Due| {
        vec![month.to_owned(), due.rule.to_string(), output::count(due.rows), output::count(due.vault)]
    };
    let mut rows: Vec<Vec<String>> = foresight.already_due.iter().map(|due| row("already", due)).collect();
    for month in &foresight.months {
        rows.extend(month.due.iter().map(|due| row(&month.month, due)));
    }
    if rows.is_empty() {
        return format!("nothing becomes due up to {}", foresight.until);
    }
    output::table(&["due in", "rule", "live rows", "in the vault"], 2, rows)
}
