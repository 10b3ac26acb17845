//! `run`: one cycle now.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use super::{
    args::{Cli, Format, GuardName, RunArgs},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    daemon::{Attendant, is_running, paused, published, stop_on_signal},
    domain::{guard::Guard, plan::Plan},
    flow::run::{Instructions, Refusal, Report, run as run_cycle},
    ports::Failure,
    settings::Settings,
};

pub async fn run(cli: &Cli, args: &RunArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let reviewed = args.plan.as_deref().map(read_plan).transpose()?;
    let rule = args.rule.as_deref().map(|id| open::rule(&settings, id)).transpose()?;
    let accepted: Vec<Guard> = args.accept_guard.iter().map(|name| guard(*name)).collect();
    if let Some(reason) = paused(&settings.pause_file()) {
        return Err(CommandError::new(Exit::Refused, reason));
    }
    not_beside_a_daemon(&settings, reviewed.as_ref())?;
    let stop = stop_on_signal()?;
    let mut writing = open::writing(cli, &settings).await?;
    let mut sources = open::sources(&settings).await?;
    let book = open::rulebook(&settings, writing.simulation);
    let instructions = Instructions {
        rule: rule.as_ref(),
        reviewed: reviewed.as_ref(),
        accepted: &accepted,
        by: args.by.as_deref(),
        proposed: settings.proposed.as_ref().map(|file| file.digest),
    };
    let mut progress = Attendant::new(&settings, writing.clock, stop, Arc::default()).asking(open::probes(&settings)?);
    let result =
        run_cycle(&book, &mut sources, &mut writing.custody, &writing.clock, &instructions, &mut progress).await;
    if let (Err(Failure::Refused(reason)), Format::Json) = (&result, args.output.format) {
        let now = open::now(&writing.clock);
        output::json(&Report::of_refusal(&book, now, writing.custody.run(), reason.clone()))?;
    }
    let mut report = result?;
    report.refused.extend(refused_file(&settings));
    writing.close().await?;
    match args.output.format {
        Format::Json => output::json(&report)?,
        Format::Text => output::data(&text(&report))?,
    }
    Ok(exit(&report))
}

/// While a daemon lives its cycles are its own, also between two of them. What a
/// person has reviewed it cannot know of, and that is carried out beside it.
fn not_beside_a_daemon(settings: &Settings, reviewed: Option<&Plan>) -> Result<(), CommandError> {
    if reviewed.is_some() || !is_running(settings) {
        return Ok(());
    }
    let next = published(settings).and_then(|daemon| daemon.next).map_or_else(
        || "`retentiond status` says what it does".to_owned(),
        |next| format!("its next one starts {}", open::local(next, settings)),
    );
    Err(CommandError::new(
        Exit::Locked,
        format!(
            "a daemon runs the cycles here, and {next}; hint: wait for it; or stop it for a cycle by hand (`systemctl \
             stop retentiond`); a plan that was reviewed runs beside it: `run --plan FILE --by NAME`"
        ),
    ))
}

/// A rules file that nobody has adopted: the cycle went by the policy in force, and
/// a person has to decide about the other one.
pub fn refused_file(settings: &Settings) -> Option<Refusal> {
    let proposed = settings.proposed.as_ref()?;
    let reason = format!(
        "the rules file (version {}, {}) is not adopted; this cycle went by version {}, which stays in force; hint: \
         `retentiond policy diff`, then `retentiond policy adopt`",
        proposed.version, proposed.digest, settings.policy.version
    );
    Some(Refusal { rule: None, dataset: None, rows: 0, children: BTreeMap::new(), guard: None, reason })
}

pub fn read_plan(path: &Path) -> Result<Plan, CommandError> {
    let refuse = |reason: String| {
        let hint = "hint: `retentiond plan --out FILE` makes one";
        CommandError::new(Exit::Usage, format!("{} is no plan: {reason}; {hint}", path.display()))
    };
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))
}

const fn guard(name: GuardName) -> Guard {
    match name {
        GuardName::RowsMax => Guard::RowsMax,
        GuardName::TableShareMax => Guard::TableShareMax,
        GuardName::MedianFactor => Guard::MedianFactor,
        GuardName::ClockJumpMax => Guard::ClockJumpMax,
    }
}

/// A refused rule weighs more than a failed one: somebody has to decide.
pub fn exit(report: &Report) -> Exit {
    if !report.refused.is_empty() {
        return Exit::Refused;
    }
    if !report.failed.is_empty() && report.failed.iter().all(|failed| failed.unreachable) {
        return Exit::Unreachable;
    }
    let failed = !report.failed.is_empty() || report.verdict == crate::domain::verdict::Verdict::Fail;
    if failed { Exit::Failed } else { Exit::Done }
}

/// The report for people.
pub fn text(report: &Report) -> String {
    let simulation = if report.simulation { " (SIMULATION)" } else { "" };
    let mut lines = vec![format!("run {} at {}{simulation}", report.run, report.now.to_rfc3339())];
    for item in &report.separated {
        let rows = output::count(item.rows);
        lines.push(format!("separated  {:<15} {rows} of {}{}", item.rule, item.dataset, with(&item.children)));
    }
    for item in &report.left {
        let (rule, rows, reason) = (&item.rule, output::count(item.rows), item.reason());
        lines.push(format!("left       {rule:<15} {rows} of {}: {reason}; the next cycle takes them", item.dataset));
    }
    for item in &report.destroyed {
        let (rows, buckets) = (output::count(item.rows), output::count(item.buckets));
        lines.push(format!("destroyed  {:<15} {rows} in {buckets} buckets{}", item.rule, with(&item.children)));
    }
    for item in &report.failed {
        lines.push(format!("failed     {:<15} {}", item.rule, item.reason));
    }
    for item in &report.refused {
        lines.push(format!("refused    {:<15} {}", item.rule.as_ref().map_or("", |rule| rule.as_str()), item.reason));
    }
    if let Some(reason) = &report.stopped {
        lines.push(format!("stopped    {reason}; the next cycle goes on"));
    }
    if report.separated.is_empty() && report.destroyed.is_empty() {
        lines.push("nothing moved, nothing was destroyed".to_owned());
    }
    let verdict = serde_json::to_value(report.verdict).ok();
    lines.push(format!("verdict    {}", verdict.as_ref().and_then(|verdict| verdict.as_str()).unwrap_or_default()));
    lines.extend(report.reasons.iter().map(|reason| format!("           because {reason}")));
    lines.join("\n")
}

fn with(children: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = children
        .iter()
        .filter(|(_, rows)| **rows > 0)
        .map(|(table, rows)| format!("{} {table}", output::count(*rows)))
        .collect();
    if parts.is_empty() { String::new() } else { format!(", with {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{id::RunId, plan::PolicyRef, verdict::Verdict},
        flow::run::LeftDataset,
    };

    #[test]
    fn what_is_left_is_told_to_people_and_to_programs_and_is_no_failure() {
        let plan: Plan = serde_json::from_str(include_str!("../../tests/cases/format/plan.json")).unwrap();
        let policy = PolicyRef { version: "1.0".to_owned(), digest: plan.digest };
        let mut report = Report::empty(plan.now, false, policy, RunId::from("r"));
        let (rule, dataset, source) = ("contract".into(), "orders".to_owned(), "shop".into());
        report.left.push(LeftDataset { rule, dataset, source, rows: 3, locked: 2, waiting: 1 });
        let told = text(&report);
        let line = "contract 3 of orders: the application holds rows of 2, 1 wait for rows that were left; the next \
                    cycle takes them";
        assert!(told.contains(line), "{told}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["left"][0]["rows"], &json["left"][0]["locked"]), (&3.into(), &2.into()));
        assert_eq!((report.verdict, exit(&report)), (Verdict::Unknown, Exit::Done));
    }
}
