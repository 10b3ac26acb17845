//! `plan`: the dry run. Opens everything read-only and has no way to write but
//! the file that `--out` names.

mod report;
mod until;

use std::fs;

use super::{
    args::{Cli, FailOn, PlanArgs},
    error::CommandError,
    exit::Exit,
    held, open, output,
};
use crate::{
    domain::{
        census::AnomalyKind,
        id::RuleId,
        plan::{Anomaly, Item, Plan, Separation},
    },
    flow::plan::{Planned, plan as make_plan},
};

pub async fn plan(cli: &Cli, args: &PlanArgs) -> Result<Exit, CommandError> {
    if let Some(until) = args.until {
        return until::until(cli, args, until).await;
    }
    let settings = open::settings(cli)?;
    let mut reading = open::reading(&settings).await?;
    let clock = open::reading_clock(cli, &settings)?;
    let rule = args.rule.as_deref().map(|id| open::rule(&settings, id)).transpose()?;
    let planned = make(&settings, &mut reading, &clock, rule.as_ref()).await?;
    let initialised = reading.ledger.is_some();
    reading.close().await?;
    if let Some(path) = &args.out {
        let text = serde_json::to_string_pretty(&planned.plan)?;
        fs::write(path, text + "\n").map_err(|error| {
            CommandError::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    report::print(cli, args, &planned)?;
    if !initialised {
        output::note("note: nothing is initialised here yet; hint: `retentiond init` comes before `run`")?;
    }
    for failed in &planned.failed {
        let dataset = failed.dataset.as_deref().unwrap_or_default();
        output::note(&format!("retentiond: rule {} ({dataset}): {}", failed.rule, failed.failure))?;
    }
    Ok(exit(&planned, &args.fail_on))
}

async fn make(
    settings: &crate::settings::Settings,
    reading: &mut open::Reading,
    clock: &impl crate::ports::Clock,
    rule: Option<&RuleId>,
) -> Result<Planned, CommandError> {
    let mut sources = open::scans(settings).await?;
    let book = open::rulebook(settings, reading.simulation());
    let buckets = reading.buckets().await?;
    let now = clock.read();
    let covered = held::covered(settings, reading, &book, &buckets, now).await?;
    Ok(make_plan(&book, &mut sources, (&buckets, &covered), &reading.history(), now, rule).await?)
}

fn exit(planned: &Planned, fail_on: &[FailOn]) -> Exit {
    let unreachable = |failure: &crate::ports::Failure| matches!(failure, crate::ports::Failure::Unreachable(_));
    if planned.failed.iter().any(|failed| unreachable(&failed.failure)) {
        return Exit::Unreachable;
    }
    if !planned.failed.is_empty() || fail_on.iter().any(|condition| matches(&planned.plan, *condition)) {
        return Exit::Failed;
    }
    Exit::Done
}

fn matches(plan: &Plan, condition: FailOn) -> bool {
    match condition {
        FailOn::Overdue => plan.overdue() > 0,
        FailOn::Anomaly => !plan.anomalies.is_empty(),
        FailOn::Waiting => plan.waiting() > 0,
        FailOn::Guard => !plan.guards.is_empty(),
        FailOn::Any => {
            [FailOn::Overdue, FailOn::Anomaly, FailOn::Waiting, FailOn::Guard].iter().any(|one| matches(plan, *one))
        }
    }
}

/// The plan for people.
pub fn text(plan: &Plan) -> String {
    let mut parts = vec![format!(
        "plan at {}{}, policy version {} ({})",
        plan.now.to_rfc3339(),
        if plan.simulation { " (SIMULATION)" } else { "" },
        plan.policy.version,
        plan.policy.digest
    )];
    let header = ["rule", "does", "dataset", "rows", "with them", "held", "waiting", "overdue", "oldest"];
    parts.push(output::table(&header, 3, plan.items.iter().filter_map(row).collect()));
    if plan.rows() == 0 {
        parts.push("nothing is due".to_owned());
    }
    parts.extend(plan.separations().flat_map(stays));
    for anomaly in &plan.anomalies {
        parts.push(format!("anomaly: {}", wrong(anomaly)));
    }
    for hit in &plan.guards {
        parts.push(format!(
            "guard: {} of rule {} is {} and the plan has {}; `run` refuses the rule unless a reviewed plan accepts it",
            hit.guard, hit.rule, hit.limit, hit.value
        ));
    }
    parts.push(format!("digest {}", plan.digest));
    parts.join("\n")
}

/// What a separation leaves behind, or takes before its time, and why.
fn stays(item: &Separation) -> Vec<String> {
    let (rule, dataset) = (&item.rule, &item.dataset);
    let unlinked = item.unlinked.iter().map(|(table, rows)| {
        format!("{rule}: {} of {table} stay and lose their link to {dataset}", output::plural(*rows, "row"))
    });
    let shared = item.shared.iter().map(|(table, rows)| {
        format!("{rule}: {} of {table} stay, since other rows point at them too", output::plural(*rows, "row"))
    });
    let outlived = (item.outlived > 0).then(|| {
        format!(
            "{rule}: {} of {dataset} stay, since another rule has them too and keeps them longer",
            output::plural(item.outlived, "row")
        )
    });
    let sooner = item.sooner.iter().map(|(table, rows)| {
        let rows = output::plural(*rows, "row");
        format!("{rule}: {rows} of {table} leave with {dataset}, and the vault keeps them for another rule, longer")
    });
    let weak = item.weak.iter().filter(|_| item.rows > 0).map(|(table, engine)| {
        format!(
            "{rule}: {table} is kept by {engine}, which has no transactions: the weaker mode, in which a deletion cannot \
             be undone, only finished; `check` says more"
        )
    });
    unlinked.chain(shared).chain(sooner).chain(outlived).chain(weak).collect()
}

fn wrong(anomaly: &Anomaly) -> String {
    format!(
        "{} of {} whose {} {}; never moved, reported until a person settles it",
        output::plural(anomaly.rows, "row"),
        anomaly.dataset,
        anomaly.event,
        what_is_wrong(anomaly.kind)
    )
}

const fn what_is_wrong(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::Missing => "is missing",
        AnomalyKind::Malformed => "cannot be read",
        AnomalyKind::Ancient => "is absurdly old",
        AnomalyKind::Future => "lies in the future",
        AnomalyKind::Orphan => "stands in a row that does not exist",
    }
}

fn row(item: &Item) -> Option<Vec<String>> {
    let count = output::count;
    match item {
        Item::Separate(item) if item.rows + item.held + item.waiting + item.overdue > 0 => Some(vec![
            item.rule.to_string(),
            "separate".to_owned(),
            item.dataset.clone(),
            count(item.rows),
            count(item.children.values().sum()),
            count(item.held),
            count(item.waiting),
            count(item.overdue),
            item.oldest.map_or_else(String::new, |date| date.to_string()),
        ]),
        Item::Destroy(item) if item.rows + item.held + item.waiting + item.overdue > 0 => Some(vec![
            item.rule.to_string(),
            "destroy".to_owned(),
            format!("{} buckets", count(item.buckets)),
            count(item.rows),
            String::new(),
            count(item.held),
            count(item.waiting),
            count(item.overdue),
            String::new(),
        ]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_tables_without_transactions() {
        let file = include_str!("../../tests/cases/format/plan.json");
        let mut plan: Plan = serde_json::from_str(file).unwrap();
        assert!(!text(&plan).contains("weaker mode") && !file.contains("weak"));
        let Some(Item::Separate(item)) = plan.items.first_mut() else { panic!("{plan:?}") };
        item.weak.insert("addresses".to_owned(), "Aria".to_owned());
        let told = text(&plan);
        assert!(
            told.contains("member: addresses is kept by Aria, which has no transactions: the weaker mode"),
            "{told}"
        );
        assert_eq!(serde_json::to_value(&plan).unwrap()["items"][0]["weak"]["addresses"], "Aria");
    }
}
