//! Explain: one record, live or in the vault, under every rule that covers it. All
//! it gets of a source is `Scan`; of the vault and the keys it only reads.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    hold, locate,
    rulebook::{Rulebook, with_others},
    seal,
    sources::Sources,
};
use crate::{
    domain::{
        deployment::Dataset,
        destroy::{BucketFacts, decide},
        explain::{self, Explanation, HoldShown},
        hold::Holds,
        id::RuleId,
        index::Locator,
        selection::Scope,
    },
    ports::{Failure, Keyring, Scan, Vault},
};

/// The record that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// A table of the deployment.
    pub dataset: &'a str,
    /// `record::locator` of its key.
    pub key: &'a str,
}

/// Explains the record in its source, under every rule with a dataset on the table.
pub async fn live<S: Scan>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    holds: &Holds,
    asked: Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Explanation>, Failure> {
    let held = book.held(holds);
    let scopes = book.scopes(now, &held)?;
    let mut found = Vec::new();
    for (dataset, _) in scopes.iter().filter(|(dataset, _)| dataset.table == asked.dataset) {
        let scope = with_others(dataset, &scopes)?;
        let source = sources.get(&dataset.source)?;
        if let Some(facts) = source.look(dataset, &scope, asked.key).await? {
            let holds =
                if facts.held { covering(source, dataset, &scope, holds, asked.key).await? } else { Vec::new() };
            found.push(explain::live(&book.calendar, book.rule(&dataset.rule)?, &facts, holds, now));
        }
    }
    explain::settle(&mut found);
    Ok(found)
}

/// Which holds cover the live record: the source is asked of each by itself, since
/// only it can tell whose the record is.
async fn covering<S: Scan>(
    source: &mut S,
    dataset: &Dataset,
    scope: &Scope<'_>,
    holds: &Holds,
    key: &str,
) -> Result<Vec<HoldShown>, Failure> {
    let mut covering = Vec::new();
    for hold in holds.named() {
        let held = Holds::only(hold).within(dataset);
        let scope = Scope { held: &held, ..*scope };
        if source.look(dataset, &scope, key).await?.is_some_and(|facts| facts.held) {
            covering.push(hold.into());
        }
    }
    Ok(covering)
}

/// Explains the record in the vault, found by the keyed indexes.
pub async fn sealed<V: Vault, K: Keyring>(
    book: &Rulebook<'_>,
    (vault, keyring): (&mut V, &K),
    holds: &Holds,
    asked: Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Explanation>, Failure> {
    let datasets = book.deployment.datasets.iter().filter(|dataset| dataset.table == asked.dataset);
    let rules: BTreeSet<&RuleId> = datasets.map(|dataset| &dataset.rule).collect();
    let buckets: Vec<BucketFacts> = vault.buckets().await?;
    let mut found = Vec::new();
    for row in vault.indexes(None).await? {
        let id = row.bucket.policy_rule();
        if !rules.contains(&id) {
            continue;
        }
        let numbers = locate::alike(keyring, &row, Locator::Key, asked.key.as_bytes())?;
        if numbers.is_empty() {
            continue;
        }
        // One that is gone since the indexes were read cannot be meant.
        let Some(segment) = vault.segment(row.id).await? else { continue };
        let opened = seal::open(keyring, &segment)?;
        if opened.header.dataset != asked.dataset {
            continue;
        }
        let numbers = locate::exactly(book, &opened, &numbers, Locator::Key, asked.key.as_bytes())?;
        if numbers.is_empty() {
            continue;
        }
        let Some(facts) = buckets.iter().find(|facts| facts.bucket == row.bucket) else { continue };
        let decision = decide(book.policy, &book.calendar, holds, facts, now);
        let mut covering: Vec<HoldShown> = Vec::new();
        for hold in hold::concerning(holds, &id) {
            let covered = hold::covered(vault, keyring, hold, &row).await?;
            if numbers.iter().any(|number| covered.contains(number)) {
                covering.push(hold.into());
            }
        }
        found.push(explain::sealed(&book.calendar, book.rule(&id)?, row.bucket.date, &decision, covering, now));
    }
    explain::settle(&mut found);
    Ok(found)
}
