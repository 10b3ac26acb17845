//! Which sealed records a request means: found through the keyed indexes, kept
//! if they are not due, grouped by source with parents first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::Request;
use crate::{
    domain::{
        id::{RuleId, SourceName},
        index::Locator,
        plan::OrderCycle,
        segment::Header,
        selection::Cause,
    },
    flow::{custody::Custody, locate, part::Part, rulebook::Rulebook, seal},
    ports::{Failure, IndexRow, Keyring, Vault},
};

#[derive(Debug, Default)]
pub struct Found {
    pub by_source: BTreeMap<SourceName, Vec<Part>>,
    /// Records that are due: their destruction is owed, and nothing brings them back.
    pub due: u64,
    /// Records whose key or subject is written otherwise only by case, accents or
    /// spaces: they are somebody else's or not, and stay.
    pub alike: u64,
}

pub async fn find<V: Vault, K: Keyring, L>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    request: &Request<'_>,
    now: DateTime<Utc>,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    for row in indexes(custody, request.rule).await? {
        let alike = locate::alike(&custody.keyring, &row, request.by, request.locator)?;
        if alike.is_empty() {
            continue;
        }
        // One that is gone since the indexes were read cannot be meant.
        let Some(segment) = custody.vault.segment(row.id).await? else { continue };
        let opened = seal::open(&custody.keyring, &segment)?;
        if request.rule.is_none() && opened.header.cause == Cause::Due {
            continue;
        }
        let numbers = locate::exactly(book, &opened, &alike, request.by, request.locator)?;
        found.alike += (alike.len() - numbers.len()) as u64;
        if numbers.is_empty() {
            continue;
        }
        let rule = book.rule(&row.bucket.policy_rule())?;
        if now >= book.calendar.term(rule, row.bucket.date).due {
            found.due += numbers.len() as u64;
            continue;
        }
        let matches = found.by_source.entry(opened.header.source.clone()).or_default();
        matches.push(Part { id: row.id, segment, opened, numbers });
    }
    if found.by_source.is_empty() {
        return Err(nothing(&found));
    }
    one_dataset(request, &found)?;
    let order = parents_first(book).map_err(|error| Failure::StateUnknown(error.to_string()))?;
    for matches in found.by_source.values_mut() {
        matches.sort_by_key(|found| order.iter().position(|name| *name == place(&found.opened.header)));
    }
    Ok(found)
}

/// Indexes of all segments, or of one rule's, those that holds keep apart
/// included.
pub async fn indexes<V: Vault, K, L>(
    custody: &mut Custody<V, K, L>,
    rule: Option<&RuleId>,
) -> Result<Vec<IndexRow>, Failure> {
    let Some(rule) = rule else { return Ok(custody.vault.indexes(None).await?) };
    let buckets = custody.vault.buckets().await?;
    let of_rule = buckets.into_iter().map(|facts| facts.bucket).filter(|bucket| bucket.policy_rule() == *rule);
    let compartments: BTreeSet<RuleId> = of_rule.map(|bucket| bucket.rule).collect();
    let mut rows = Vec::new();
    for compartment in &compartments {
        rows.extend(custody.vault.indexes(Some(compartment)).await?);
    }
    Ok(rows)
}

/// A key names a record of one dataset. Where a rule has several, the same key
/// may belong to somebody else in another.
fn one_dataset(request: &Request<'_>, found: &Found) -> Result<(), Failure> {
    let matches = found.by_source.values().flatten().map(|found| &found.opened.header);
    let datasets: BTreeSet<_> = matches.map(|header| (&header.source, &header.dataset)).collect();
    if request.by == Locator::Subject || datasets.len() < 2 {
        return Ok(());
    }
    Err(Failure::Refused(
        "records of several datasets of the rule have this key, and it cannot be told which is meant; hint: restore \
         by --subject"
            .to_owned(),
    ))
}

fn place(header: &Header) -> (String, String) {
    (header.rule.to_string(), header.dataset.clone())
}

/// Datasets in the opposite order of their separation.
fn parents_first(book: &Rulebook<'_>) -> Result<Vec<(String, String)>, OrderCycle> {
    let ordered = book.datasets_in_order()?;
    Ok(ordered.iter().rev().map(|dataset| (dataset.rule.to_string(), dataset.table.clone())).collect())
}

fn nothing(found: &Found) -> Failure {
    Failure::Refused(if found.alike > 0 {
        format!("nothing to restore as it is written; {}", locate::near(found.alike))
    } else if found.due == 0 {
        "nothing to restore: the vault holds no such record; hint: it is still in the source, was destroyed, or the \
         key or subject is written differently there"
            .to_owned()
    } else {
        format!(
            "nothing to restore: the {} records that match are due for destruction, and a record can be restored \
             only until it is due",
            found.due
        )
    })
}
