//! The policy in force with the deployment that carries it out: what every flow
//! reads and none changes.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        calendar::Calendar,
        deployment::{Dataset, Deployment},
        hold::{Held, Holds},
        id::{Digest, RuleId, SourceName},
        plan::{OrderCycle, in_order},
        policy::{Policy, Rule},
        selection::{Bounds, Scope},
    },
    ports::Failure,
};

#[derive(Debug)]
pub struct Rulebook<'a> {
    pub policy: &'a Policy,
    pub digest: Digest,
    pub calendar: Calendar<'a>,
    pub deployment: &'a Deployment,
    pub simulation: bool,
}

impl<'a> Rulebook<'a> {
    /// The rule of a dataset; the deployment was checked against the policy, so
    /// that a missing one is a state nobody foresaw.
    pub fn rule(&self, id: &RuleId) -> Result<&'a Rule, Failure> {
        let missing = || Failure::StateUnknown(format!("rule {id} is not in the policy in force"));
        self.policy.rule(id).ok_or_else(missing)
    }

    /// The dataset that a ledger entry or a segment names.
    pub fn dataset(&self, rule: &RuleId, source: &SourceName, table: &str) -> Result<&'a Dataset, Failure> {
        let named = |dataset: &&Dataset| dataset.rule == *rule && dataset.source == *source && dataset.table == table;
        self.deployment.datasets.iter().find(named).ok_or_else(|| {
            Failure::StateUnknown(format!(
                "dataset {table} of rule {rule} in source {source} is no longer configured, and records of it are \
                 under way; hint: put the [[dataset]] back"
            ))
        })
    }

    /// All datasets in the order in which they may move.
    pub fn datasets_in_order(&self) -> Result<Vec<&'a Dataset>, OrderCycle> {
        in_order(&self.deployment.datasets.iter().collect::<Vec<_>>())
    }

    pub fn bounds(&self, rule: &Rule, now: DateTime<Utc>) -> Bounds {
        Bounds::of(&self.calendar, rule, self.deployment.guards.not_before, now)
    }

    /// What holds cover of every dataset, in the order of the deployment.
    pub fn held(&self, holds: &Holds) -> Vec<Held> {
        self.deployment.datasets.iter().map(|dataset| holds.within(dataset)).collect()
    }

    /// Every dataset with the scope that it has by itself under what is `held`;
    /// `Scope::others` of each is filled in by `with_others`.
    pub fn scopes<'s>(&self, now: DateTime<Utc>, held: &'s [Held]) -> Result<Vec<(&'a Dataset, Scope<'s>)>, Failure>
    where
        'a: 's,
    {
        let scope = |(dataset, held): (&'a Dataset, &'s Held)| {
            let rule = self.rule(&dataset.rule)?;
            let bounds = self.bounds(rule, now);
            let (separate_on, event, zone) = (rule.separate_on.as_slice(), &rule.event, self.policy.timezone);
            Ok((dataset, Scope { bounds, separate_on, event, zone, held, others: &[] }))
        };
        self.deployment.datasets.iter().zip(held).map(scope).collect()
    }
}

/// The scope of one dataset with all datasets beside it.
pub fn with_others<'s>(dataset: &Dataset, scopes: &'s [(&'s Dataset, Scope<'s>)]) -> Result<Scope<'s>, Failure> {
    let own = scopes.iter().find(|(other, _)| std::ptr::eq(*other, dataset));
    let (_, scope) = own.ok_or_else(|| Failure::StateUnknown(format!("dataset {} has no scope", dataset.table)))?;
    Ok(Scope { others: scopes, ..*scope })
}
