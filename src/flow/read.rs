//! Read: show a person's separated records for a lawful request, and never
//! without saying so in the ledger, before and after.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::{custody::Custody, locate, restore::indexes, rulebook::Rulebook, seal};
use crate::{
    domain::{
        hold::{Holds, Whose},
        id::{OperationId, RuleId, SourceName},
        index::Locator,
        ledger::event::{Event, ReadIntent, StepResult},
        record::Cell,
    },
    ports::{Failure, IndexRow, Keyring, Ledger, Vault},
};

/// Whose records, for whom and why.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As an operator writes it; never logged.
    pub subject: &'a str,
    pub rule: Option<&'a RuleId>,
    pub by: &'a str,
    pub reason: &'a str,
}

/// One separated record, in the clear.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub rule: RuleId,
    pub source: SourceName,
    pub dataset: String,
    /// The date of the event from which its period is counted.
    pub event: NaiveDate,
    pub due: DateTime<Utc>,
    /// It is past its due and kept by a hold.
    pub held: bool,
    /// Rows by table, each with its columns.
    pub rows: BTreeMap<String, Vec<Vec<(String, Cell)>>>,
}

/// A reading under way: it must be concluded.
#[derive(Debug)]
#[must_use]
pub struct Reading {
    operation: OperationId,
    pub records: Vec<Shown>,
    /// Records whose subject is written otherwise by case, accents or spaces only.
    pub alike: u64,
}

/// Announces the reading and opens every separated record of the person.
pub async fn read<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    request: &Request<'_>,
) -> Result<Reading, Failure> {
    let operation = custody.next_operation();
    let intent = ReadIntent {
        operation: operation.clone(),
        by: request.by.to_owned(),
        reason: request.reason.to_owned(),
        rule: request.rule.cloned(),
        whose: custody.keyring.whose(&Whose::Subject(request.subject.to_owned()))?,
    };
    custody.ledger.append(vec![Event::ReadIntent(intent)])?;
    match open(book, custody, request).await {
        Ok((records, alike)) => Ok(Reading { operation, records, alike }),
        Err(failure) => {
            conclude(custody, Reading { operation, records: Vec::new(), alike: 0 }, StepResult::Interrupted)?;
            Err(failure)
        }
    }
}

/// Says in the ledger how many records were shown.
pub fn conclude<V, K, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    reading: Reading,
    result: StepResult,
) -> Result<(), Failure> {
    let records = reading.records.len() as u64;
    custody.ledger.append(vec![Event::ReadOutcome { operation: reading.operation, records, result }])?;
    Ok(())
}

async fn open<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    request: &Request<'_>,
) -> Result<(Vec<Shown>, u64), Failure> {
    let holds = Holds::on_record(custody.ledger.history());
    let (mut shown, mut others) = (Vec::new(), 0);
    for row in indexes(custody, request.rule).await? {
        let alike = locate::alike(&custody.keyring, &row, Locator::Subject, request.subject.as_bytes())?;
        if !alike.is_empty() {
            let records = records(book, custody, &holds, &row, (&alike, request.subject)).await?;
            others += (alike.len() - records.len()) as u64;
            shown.extend(records);
        }
    }
    Ok((shown, others))
}

async fn records<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    holds: &Holds,
    row: &IndexRow,
    (alike, subject): (&[u32], &str),
) -> Result<Vec<Shown>, Failure> {
    // One that is gone since the indexes were read holds nothing to show.
    let Some(segment) = custody.vault.segment(row.id).await? else { return Ok(Vec::new()) };
    let opened = seal::open(&custody.keyring, &segment)?;
    let header = &opened.header;
    let rule = book.rule(&row.bucket.policy_rule())?;
    let all = opened.records()?;
    let numbers = locate::exactly(book, &opened, alike, Locator::Subject, subject.as_bytes())?;
    let mut shown = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let lost = || Failure::StateUnknown(format!("a segment of bucket {} has lost records", row.bucket));
        let record = all.get(*number as usize).ok_or_else(lost)?;
        let mut rows: BTreeMap<String, Vec<Vec<(String, Cell)>>> = BTreeMap::new();
        for found in opened.rows(record)? {
            let table = header.tables.get(found.table).ok_or_else(lost)?;
            let names = table.columns.iter().map(|column| column.name.clone());
            rows.entry(table.name.clone()).or_default().push(names.zip(found.cells).collect());
        }
        shown.push(Shown {
            rule: rule.id.clone(),
            source: header.source.clone(),
            dataset: header.dataset.clone(),
            event: row.bucket.date,
            due: book.calendar.term(rule, row.bucket.date).due,
            held: holds.keep(&row.bucket),
            rows,
        });
    }
    Ok(shown)
}
