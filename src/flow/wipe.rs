//! Wipe: erase what deleted rows left in the files of their source, once per
//! source and cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::{custody::Custody, rulebook::Rulebook, sources::Sources};
use crate::{
    domain::{
        deployment::{VerifyLevel, WipeLevel},
        id::SourceName,
        ledger::event::Event,
        verdict::Finding,
    },
    ports::{Clock, Failure, Ledger, Source},
};

/// Tables that lost rows, by source and level of wiping.
#[derive(Debug, Default)]
pub struct Touched {
    tables: BTreeMap<(SourceName, WipeLevel), BTreeSet<String>>,
    scans_missing: bool,
}

impl Touched {
    /// Notes that rows left a dataset.
    pub fn note(&mut self, dataset: &crate::domain::deployment::Dataset) {
        let tables = self.tables.entry((dataset.source.clone(), dataset.wipe)).or_default();
        tables.extend(dataset.tables().into_iter().map(str::to_owned));
        self.scans_missing |= dataset.verify == VerifyLevel::ResidueScan;
    }

    /// Notes tables whose wipe an earlier cycle announced and did not finish.
    pub fn note_unfinished(&mut self, book: &Rulebook<'_>, source: &SourceName, tables: &BTreeSet<String>) {
        let of_source = book.deployment.datasets.iter().filter(|dataset| dataset.source == *source);
        for dataset in of_source {
            if dataset.tables().iter().any(|table| tables.contains(*table)) {
                self.note(dataset);
            }
        }
    }
}

/// Wipes every touched source as its datasets ask. A source that cannot be
/// wiped makes the finding worse, never the cycle.
pub async fn wipe<S: Source, V, K, L: Ledger>(
    touched: &Touched,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
) -> Result<Finding, Failure> {
    let mut finding = Finding::pass();
    for ((name, level), tables) in &touched.tables {
        let tables: Vec<String> = tables.iter().cloned().collect();
        if *level == WipeLevel::None {
            finding = finding.and(Finding::unknown(format!(
                "source {name}: wipe = \"none\", so that deleted rows stay in its files until they are overwritten"
            )));
            continue;
        }
        let source = match sources.get(name) {
            Ok(source) => source,
            // A wipe that an earlier cycle began; it stays open in the ledger.
            Err(failure) => {
                finding = finding.and(Finding::fail(format!("source {name} could not be wiped: {failure}")));
                continue;
            }
        };
        custody.ledger.append(vec![Event::WipeStarted {
            source: name.clone(),
            tables: tables.clone(),
            level: *level,
        }])?;
        let started = clock.read();
        let (method, tool, result) = match source.wipe(&tables, *level).await {
            Ok(wiped) => (wiped.method, wiped.tool, wiped.finding),
            Err(error) => ("none".to_owned(), String::new(), Finding::fail(error.to_string())),
        };
        let elapsed_ms = (clock.read() - started).num_milliseconds().max(0).unsigned_abs();
        custody.ledger.append(vec![Event::WipeFinished {
            source: name.clone(),
            tables,
            method,
            tool,
            elapsed_ms,
            finding: result.clone(),
        }])?;
        finding = finding.and(result);
    }
    if touched.scans_missing {
        finding = finding.and(Finding::unknown(
            "verify = \"residue-scan\" is not supported by this version: the files of the source were not searched",
        ));
    }
    Ok(finding)
}

/// Leaves every wipe to the next cycle: announced in the ledger and not finished,
/// it is taken up there like one that a crash interrupted.
pub fn owe<V, K, L: Ledger>(touched: &Touched, custody: &mut Custody<V, K, L>) -> Result<(), Failure> {
    for ((source, level), tables) in touched.tables.iter().filter(|((_, level), _)| *level != WipeLevel::None) {
        let tables = tables.iter().cloned().collect();
        custody.ledger.append(vec![Event::WipeStarted { source: source.clone(), tables, level: *level }])?;
    }
    Ok(())
}
