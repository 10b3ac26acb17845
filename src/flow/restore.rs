//! Restore: put a person's records back into their source while they are not
//! due, with a name and a reason on record.

mod find;
mod settle;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{custody::Custody, part::Part, rulebook::Rulebook, sources::Sources};
use crate::{
    domain::{
        deployment::EventPlace,
        id::{Digest, EventName, RuleId, SourceName},
        index::Locator,
        ledger::event::{Event, RestoreIntent, RestoreResult},
        selection::Cause,
    },
    ports::{Failure, Keyring, Ledger, Restoration, Source, SourceError, Vault},
};

pub use find::indexes;
pub use settle::settle;

/// What is to be restored, by whom and why.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub by: Locator,
    /// The subject or key as an operator writes it; never logged.
    pub locator: &'a [u8],
    pub rule: Option<&'a RuleId>,
    pub name: &'a str,
    pub reason: &'a str,
    /// Leave the event's column as it was.
    pub keep_event: bool,
}

/// What went back, and what could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    pub rows: BTreeMap<RuleId, u64>,
    /// Records of the person that are due and stay.
    pub due: u64,
    /// Records that are written otherwise by case, accents or spaces only, and stay.
    pub alike: u64,
}

/// Puts the requested records back, source by source, parents first.
pub async fn restore<S: Source, V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    request: &Request<'_>,
    now: DateTime<Utc>,
) -> Result<Restored, Failure> {
    let found = find::find(book, custody, request, now).await?;
    let mut restored = Restored { rows: BTreeMap::new(), due: found.due, alike: found.alike };
    for (source, matches) in found.by_source {
        let intent = intent(custody, request, &source, &matches)?;
        custody.ledger.append(vec![Event::RestoreIntent(intent.clone())])?;
        match put_back(custody, book, sources, &source, &matches, !request.keep_event).await {
            Ok(()) => {}
            Err(NotBack::Undone(failure)) => {
                outcome(custody, &intent, RestoreResult::RolledBack, Some(failure.to_string()))?;
                return Err(failure);
            }
            // Recovery's own question, asked at once: are the rows there?
            Err(NotBack::Unknown(error)) => match settle(book, sources, custody, &intent).await {
                Ok(RestoreResult::Committed) => {
                    restored.count(intent);
                    continue;
                }
                Ok(RestoreResult::RolledBack) => return Err(error.into()),
                Err(failure) => return Err(unsettled(&source, &error, &failure)),
            },
        }
        remove_from_vault(custody, &matches).await.map_err(|failure| {
            Failure::StateUnknown(format!(
                "the records are back in source {source}, but the vault still has its copy: {failure}; hint: run \
                 again, recovery removes it"
            ))
        })?;
        outcome(custody, &intent, RestoreResult::Committed, None)?;
        restored.count(intent);
    }
    Ok(restored)
}

/// How putting back can fail.
#[derive(Debug)]
enum NotBack {
    /// The source has changed nothing.
    Undone(Failure),
    /// It is not known whether the source took the rows.
    Unknown(SourceError),
}

impl From<Failure> for NotBack {
    fn from(failure: Failure) -> Self {
        Self::Undone(failure)
    }
}

impl Restored {
    fn count(&mut self, intent: RestoreIntent) {
        for (rule, rows) in intent.records {
            *self.rows.entry(rule).or_default() += rows;
        }
    }
}

fn unsettled(source: &SourceName, error: &SourceError, failure: &Failure) -> Failure {
    Failure::StateUnknown(format!(
        "it is not known whether source {source} took the records back: {error}; then {failure}; the vault keeps its \
         copy until it is; hint: run again when the source can be reached, recovery compares both"
    ))
}

fn intent<V, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    request: &Request<'_>,
    source: &SourceName,
    matches: &[Part],
) -> Result<RestoreIntent, Failure> {
    let mut records: BTreeMap<RuleId, u64> = BTreeMap::new();
    let mut keyed = Vec::new();
    for found in matches {
        *records.entry(found.opened.header.rule.clone()).or_default() += found.numbers.len() as u64;
        for record in found.chosen()? {
            keyed.extend_from_slice(&custody.keyring.digest(&found.segment.bucket, "rows", record)?);
        }
    }
    Ok(RestoreIntent {
        operation: custody.next_operation(),
        by: request.name.to_owned(),
        reason: request.reason.to_owned(),
        source: source.clone(),
        records,
        keep_event: request.keep_event,
        segments: matches.iter().map(|found| (found.id, found.numbers.clone())).collect(),
        digest: Digest::of(&keyed),
    })
}

fn outcome<V, K, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    intent: &RestoreIntent,
    result: RestoreResult,
    reason: Option<String>,
) -> Result<(), Failure> {
    custody.ledger.append(vec![Event::RestoreOutcome { operation: intent.operation.clone(), result, reason }])?;
    Ok(())
}

async fn put_back<S: Source, V: Vault, K, L>(
    custody: &mut Custody<V, K, L>,
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    source: &SourceName,
    matches: &[Part],
    blank: bool,
) -> Result<(), NotBack> {
    let mut restorations = Vec::with_capacity(matches.len());
    for found in matches {
        restorations.push(found.restoration(book, blank)?);
    }
    custody.vault.keep_lease().await.map_err(Failure::from)?;
    sources.get(source)?.put_back(&restorations).await.map_err(|error| match error {
        SourceError::RolledBack { .. } | SourceError::Schema { .. } => NotBack::Undone(error.into()),
        SourceError::Unreachable { .. } | SourceError::Engine { .. } => NotBack::Unknown(error),
    })
}

/// Takes the restored records out of their segments. What stays in a segment is
/// sealed anew; the old ciphertext goes.
async fn remove_from_vault<V: Vault, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    matches: &[Part],
) -> Result<(), Failure> {
    let mut changes = Vec::with_capacity(matches.len());
    for found in matches {
        changes.push((found.id, found.rest(&custody.keyring)?.into_iter().collect()));
    }
    Ok(custody.vault.replace(&changes).await?)
}

impl Part {
    /// The chosen records' rows as they go back. With `blank`, the event that
    /// moved them is undone in their own column; an event in a parent's column is
    /// undone with the parent.
    fn restoration<'a>(&'a self, book: &Rulebook<'a>, blank: bool) -> Result<Restoration<'a>, Failure> {
        let header = &self.opened.header;
        let dataset = book.dataset(&header.rule, &header.source, &header.dataset)?;
        let mut rows = Vec::new();
        for record in self.chosen()? {
            rows.extend(self.opened.rows(record)?);
        }
        let own = |event: &EventName| matches!(dataset.events.get(event), Some(EventPlace::Own(_)));
        let blank = match &header.cause {
            Cause::Event(event) if blank && own(event) => vec![event.clone()],
            Cause::Event(_) | Cause::Due | Cause::WithParent => Vec::new(),
        };
        Ok(Restoration { dataset, tables: &header.tables, rows, blank })
    }
}
