//! Restore: put a person's records back into their source while they are not
//! due, with a name and a reason on record.

mod find;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    custody::Custody,
    rulebook::Rulebook,
    seal::{self, Opened, Unsealed},
    sources::Sources,
};
use crate::{
    domain::{
        deployment::EventPlace,
        id::{Digest, EventName, RuleId, SourceName},
        index::{Located, Locator},
        ledger::event::{Event, RestoreIntent, RestoreResult},
        record,
        segment::{Header, Sealed},
        selection::Cause,
    },
    ports::{Failure, Keyring, Ledger, Restoration, Source, SourceError, Vault},
};

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
}

/// Records of one segment that go back.
#[derive(Debug)]
struct Match {
    id: i64,
    segment: Sealed,
    opened: Opened,
    numbers: Vec<u32>,
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
    let mut restored = Restored { rows: BTreeMap::new(), due: found.due };
    for (source, matches) in found.by_source {
        let intent = intent(custody, request, &source, &matches)?;
        custody.ledger.append(vec![Event::RestoreIntent(intent.clone())])?;
        match put_back(book, sources, &source, &matches, !request.keep_event).await {
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
    matches: &[Match],
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

async fn put_back<S: Source>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    source: &SourceName,
    matches: &[Match],
    blank: bool,
) -> Result<(), NotBack> {
    let mut restorations = Vec::with_capacity(matches.len());
    for found in matches {
        restorations.push(found.restoration(book, blank)?);
    }
    sources.get(source)?.put_back(&restorations).await.map_err(|error| match error {
        SourceError::RolledBack { .. } | SourceError::Schema { .. } => NotBack::Undone(error.into()),
        SourceError::Unreachable { .. } | SourceError::Engine { .. } => NotBack::Unknown(error),
    })
}

/// Takes the restored records out of their segments. What stays in a segment is
/// sealed anew; the old ciphertext goes.
async fn remove_from_vault<V: Vault, K: Keyring, L>(
    custody: &mut Custody<V, K, L>,
    matches: &[Match],
) -> Result<(), Failure> {
    let mut changes = Vec::with_capacity(matches.len());
    for found in matches {
        changes.push((found.id, found.remainder(&custody.keyring)?));
    }
    Ok(custody.vault.replace(&changes).await?)
}

impl Match {
    fn chosen(&self) -> Result<Vec<&[u8]>, Failure> {
        let records = self.opened.records()?;
        let missing = || Failure::StateUnknown(format!("a segment of bucket {} has lost records", self.segment.bucket));
        self.numbers.iter().map(|number| records.get(*number as usize).copied().ok_or_else(missing)).collect()
    }

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
            Cause::Event(_) | Cause::Due => Vec::new(),
        };
        Ok(Restoration { dataset, tables: &header.tables, rows, blank })
    }

    /// The segment without the chosen records, or `None` if nothing is left.
    fn remainder<K: Keyring>(&self, keyring: &K) -> Result<Option<Sealed>, Failure> {
        let gone: BTreeSet<u32> = self.numbers.iter().copied().collect();
        let records = self.opened.records()?;
        let kept = |number: &u32| !gone.contains(number);
        let numbers: Vec<u32> = (0..records.len() as u32).filter(kept).collect();
        if numbers.is_empty() {
            return Ok(None);
        }
        let left: Vec<&[u8]> = numbers.iter().map(|number| records[*number as usize]).collect();
        let mut header: Header = self.opened.header.clone();
        header.records = left.len() as u64;
        for table in &mut header.tables {
            table.rows = 0;
        }
        for record in &left {
            for row in self.opened.rows(record)? {
                header.tables[row.table].rows += 1;
            }
        }
        let located: Vec<Located> = self.located(&numbers)?;
        let bucket = self.segment.bucket.clone();
        let body = record::join(left);
        let sealed = Unsealed::of(header, body.clone(), located, bucket).seal(keyring)?;
        // It takes the place of the only copy, so that it must open again first.
        if *seal::open(keyring, &sealed)?.body != *body {
            let bucket = &self.segment.bucket;
            return Err(Failure::StateUnknown(format!("a segment of bucket {bucket} does not open as it was sealed")));
        }
        Ok(Some(sealed))
    }

    /// Index entries of the records that stay, from the old index.
    fn located(&self, numbers: &[u32]) -> Result<Vec<Located>, Failure> {
        let malformed =
            |_| Failure::StateUnknown(format!("a segment of bucket {} has a malformed index", self.segment.bucket));
        let all = crate::domain::index::read(&self.segment.index, self.segment.records).map_err(malformed)?;
        let missing = || malformed(crate::domain::index::MalformedIndex);
        numbers.iter().map(|number| all.get(*number as usize).copied().ok_or_else(missing)).collect()
    }
}
