//! Plan: count what a cycle would do, without being able to do it. All this
//! flow gets of a source is `Scan`, which cannot write.

use chrono::{DateTime, Utc};

use super::{
    hold::Covered,
    rulebook::{Rulebook, with_others},
    sources::Sources,
};
use crate::{
    domain::{
        census::Census,
        deployment::Dataset,
        destroy::BucketFacts,
        id::RuleId,
        ledger::history::History,
        plan::{DatasetFacts, Frame, Plan, make},
        selection::Scope,
    },
    ports::{Failure, Scan},
};

/// A plan, and the datasets that could not be planned.
#[derive(Debug)]
pub struct Planned {
    pub plan: Plan,
    pub failed: Vec<FailedDataset>,
}

/// A dataset that this cycle leaves alone, and why.
#[derive(Debug)]
pub struct FailedDataset {
    pub rule: RuleId,
    /// `None` where it is the rule's destruction that failed.
    pub dataset: Option<String>,
    pub failure: Failure,
}

/// Makes the plan at `now`, of all rules or of one.
pub async fn plan<S: Scan>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    (buckets, covered): (&[BucketFacts], &Covered),
    history: &History,
    now: DateTime<Utc>,
    only: Option<&RuleId>,
) -> Result<Planned, Failure> {
    let runs = |dataset: &Dataset| only.is_none_or(|only| *only == dataset.rule);
    let held = book.held(&covered.holds);
    let mut scopes = book.scopes(now, &held)?;
    for (dataset, scope) in &mut scopes {
        if !runs(dataset) {
            *scope = scope.idle();
        }
    }
    let all: Vec<&Dataset> = scopes.iter().map(|(dataset, _)| *dataset).collect();
    let mut facts = Vec::new();
    let mut failed = Vec::new();
    for (dataset, scope) in &scopes {
        if !runs(dataset) {
            continue;
        }
        match count(sources, dataset, &all, &with_others(dataset, &scopes)?).await {
            Ok(census) => facts.push(DatasetFacts { dataset, bounds: scope.bounds, census }),
            Err(failure @ Failure::StateUnknown(_)) => return Err(failure),
            Err(failure) => {
                let (rule, table) = (dataset.rule.clone(), Some(dataset.table.clone()));
                failed.push(FailedDataset { rule, dataset: table, failure });
            }
        }
    }
    let frame = Frame {
        policy: book.policy,
        digest: book.digest,
        calendar: &book.calendar,
        guards: &book.deployment.guards,
        now,
        simulation: book.simulation,
        rule: only,
        holds: &covered.holds,
        held: &covered.in_buckets,
    };
    let plan = make(&frame, &facts, buckets, |rule| history.separated_before(rule).collect())
        .map_err(|error| Failure::StateUnknown(error.to_string()))?;
    Ok(Planned { plan, failed })
}

/// Counts one dataset, if it fits the live schema.
pub async fn count<S: Scan>(
    sources: &mut Sources<S>,
    dataset: &Dataset,
    all: &[&Dataset],
    scope: &Scope<'_>,
) -> Result<Census, Failure> {
    let source = sources.get(&dataset.source)?;
    let beside: Vec<&Dataset> = all.iter().copied().filter(|other| other.source == dataset.source).collect();
    let findings = source.inspect(dataset, &beside).await?;
    if let Some(finding) = findings.iter().find(|finding| finding.error) {
        return Err(Failure::Rule(format!("{}; hint: {}", finding.message, finding.hint)));
    }
    Ok(source.census(dataset, scope).await?)
}
