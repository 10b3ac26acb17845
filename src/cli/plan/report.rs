//! A plan as pipelines read it: notes with stable codes, errors where `--fail-on`
//! asks for one.

use super::{
    super::{
        args::{Cli, FailOn, PlanArgs},
        error::CommandError,
        output::{self, Code, Level, Note, Notes, ReportFormat},
    },
    row, text, wrong,
};
use crate::{
    domain::plan::{Item, Plan},
    flow::plan::Planned,
};

pub fn print(cli: &Cli, args: &PlanArgs, planned: &Planned) -> Result<(), CommandError> {
    let (notes, cases) = (notes(planned, &args.fail_on), cases(&planned.plan));
    let file = cli.config.display().to_string();
    let found = Notes { title: "plan", file: &file, notes: &notes, cases: &cases };
    match args.output.format {
        ReportFormat::Text => output::data(&text(&planned.plan))?,
        ReportFormat::Json => output::json(&planned.plan)?,
        ReportFormat::Markdown => output::data(&markdown(&planned.plan, &found))?,
        ReportFormat::Sarif => output::json(&found.sarif())?,
        ReportFormat::Junit => output::data(&found.junit())?,
    }
    Ok(())
}

fn notes(planned: &Planned, fail_on: &[FailOn]) -> Vec<Note> {
    let plan = &planned.plan;
    let note = |condition, code, subject: String, message: String| {
        let fails = fail_on.iter().any(|one| *one == condition || *one == FailOn::Any);
        let level = if fails { Level::Error } else { Level::Warning };
        Note { level, code, subject, message, hint: None, place: None }
    };
    let failed = planned.failed.iter().map(|failed| {
        let dataset = failed.dataset.as_ref().map_or_else(String::new, |dataset| format!("{dataset}: "));
        let (subject, message) = (format!("rule {}", failed.rule), format!("{dataset}{}", failed.failure));
        Note { level: Level::Error, code: Code::Failed, subject, message, hint: None, place: None }
    });
    let mut notes: Vec<Note> = failed.collect();
    for item in &plan.items {
        let (rule, whence, overdue, waiting) = match item {
            Item::Separate(item) => (&item.rule, item.dataset.as_str(), item.overdue, item.waiting),
            Item::Destroy(item) => (&item.rule, "the vault", item.overdue, item.waiting),
        };
        let overdue = (FailOn::Overdue, Code::Overdue, overdue, "overdue");
        let waiting = (FailOn::Waiting, Code::Waiting, waiting, "waiting");
        for (condition, code, rows, is) in [overdue, waiting].into_iter().filter(|(_, _, rows, _)| *rows > 0) {
            let message = format!("{} of {whence} {is}", output::plural(rows, "row"));
            notes.push(note(condition, code, format!("rule {rule}"), message));
        }
    }
    notes.extend(
        plan.anomalies.iter().map(|anomaly| {
            note(FailOn::Anomaly, Code::Anomaly, format!("dataset {}", anomaly.dataset), wrong(anomaly))
        }),
    );
    notes.extend(plan.guards.iter().map(|hit| {
        let message = format!("{} is {} and the plan has {}", hit.guard, hit.limit, hit.value);
        note(FailOn::Guard, Code::Guard, format!("rule {}", hit.rule), message)
    }));
    notes
}

/// Every rule is looked at for everything that a plan may say of it.
fn cases(plan: &Plan) -> Vec<(String, Code)> {
    let mut cases = Vec::new();
    for item in &plan.items {
        let (rule, dataset) = match item {
            Item::Separate(item) => (&item.rule, Some(&item.dataset)),
            Item::Destroy(item) => (&item.rule, None),
        };
        let of_rule = [Code::Overdue, Code::Waiting, Code::Guard].map(|code| (format!("rule {rule}"), code));
        let of_dataset = dataset.map(|dataset| (format!("dataset {dataset}"), Code::Anomaly));
        for case in of_rule.into_iter().chain(of_dataset) {
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
    }
    cases
}

fn markdown(plan: &Plan, found: &Notes<'_>) -> String {
    let mut lines = vec![
        format!("### Plan at {}, policy version {}", plan.now.to_rfc3339(), output::cell(&plan.policy.version)),
        String::new(),
        "| rule | does | dataset | rows | with them | waiting | overdue | oldest |".to_owned(),
        "|---|---|---|--:|--:|--:|--:|---|".to_owned(),
    ];
    let cells = |cells: Vec<String>| cells.iter().map(|text| output::cell(text)).collect::<Vec<_>>().join(" | ");
    lines.extend(plan.items.iter().filter_map(row).map(|row| format!("| {} |", cells(row))));
    if plan.rows() == 0 {
        lines.extend([String::new(), "Nothing is due.".to_owned()]);
    }
    lines.extend([String::new(), found.markdown(), String::new(), format!("`{}`", plan.digest)]);
    lines.join("\n")
}
