//! Wipe: erase what deleted rows left in the files of their source, once per
//! source, level and cycle.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::{custody::Custody, rulebook::Rulebook, sources::Sources};
use crate::{
    domain::{
        deployment::{Dataset, WipeLevel},
        id::SourceName,
        ledger::{event::Event, history::History},
        verdict::Finding,
    },
    ports::{Clock, Failure, Ledger, Locking, Source, WipeJob, Wiped},
};

/// Tables that lost rows, by source and level of wiping.
#[derive(Debug, Default)]
pub struct Touched {
    tables: BTreeMap<(SourceName, WipeLevel), BTreeSet<String>>,
}

impl Touched {
    /// What earlier cycles left to do: wipes that were announced and not done, and
    /// rows that left before a cycle ended that wiped nothing.
    #[must_use]
    pub fn owed(book: &Rulebook<'_>, history: &History) -> Self {
        let mut touched = Self::default();
        for dataset in &book.deployment.datasets {
            let open = history.open_wipes.get(&dataset.source);
            let announced =
                open.is_some_and(|tables| dataset.changed_tables().iter().any(|table| tables.contains(*table)));
            let left = history.residues.taken.iter().any(|taken| {
                taken.rule == dataset.rule && taken.source == dataset.source && taken.dataset == dataset.table
            });
            if announced || left {
                touched.note(dataset);
            }
        }
        touched
    }

    /// Notes that rows left a dataset.
    pub fn note(&mut self, dataset: &Dataset) {
        let tables = self.tables.entry((dataset.source.clone(), dataset.wipe)).or_default();
        tables.extend(dataset.changed_tables().into_iter().map(str::to_owned));
    }
}

/// Wipes every touched source as its datasets ask. A source that cannot be
/// wiped makes the finding worse, never the cycle.
pub async fn wipe<S: Source, V, K, L: Ledger>(
    book: &Rulebook<'_>,
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
        let now = clock.read();
        let job = WipeJob {
            tables: &tables,
            level: *level,
            locking: locking(book, name, now),
            bytes_per_second: custody.ledger.history().residues.rewrite_rate(name),
            now,
        };
        finding.absorb(wipe_one(name, source, &job, custody, clock).await?);
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

async fn wipe_one<S: Source, V, K, L: Ledger>(
    name: &SourceName,
    source: &mut S,
    job: &WipeJob<'_>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
) -> Result<Finding, Failure> {
    let (started, tables) = (clock.read(), job.tables.to_vec());
    custody.ledger.append(vec![Event::WipeStarted {
        source: name.clone(),
        tables: tables.clone(),
        level: job.level,
    }])?;
    let wiped = source.wipe(job).await.unwrap_or_else(|error| Wiped {
        method: "none".to_owned(),
        tool: String::new(),
        bytes: 0,
        owed: true,
        finding: Finding::fail(error.to_string()),
    });
    let elapsed_ms = (clock.read() - started).num_milliseconds().max(0).unsigned_abs();
    custody.ledger.append(vec![Event::WipeFinished {
        source: name.clone(),
        tables,
        method: wiped.method,
        tool: wiped.tool,
        rewritten: wiped.bytes,
        elapsed_ms,
        owed: wiped.owed,
        finding: wiped.finding.clone(),
    }])?;
    Ok(wiped.finding)
}

/// Where the maintenance window of a source stands. It is written in the
/// policy's time zone.
fn locking(book: &Rulebook<'_>, name: &SourceName, now: DateTime<Utc>) -> Locking {
    let source = book.deployment.sources.iter().find(|source| source.name == *name);
    let Some(window) = source.and_then(|source| source.maintenance_window) else { return Locking::NoWindow };
    let zone = book.policy.timezone;
    let local = now.with_timezone(&zone).naive_local();
    match window.end_at(local) {
        Some(end) => Locking::Until(instant(zone, end)),
        None => Locking::From(instant(zone, window.next_after(local))),
    }
}

/// In an hour that a change of the clocks skips, the wall clock's instant is
/// taken as if it were UTC's: a window that is off by hours once a year.
fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    zone.from_local_datetime(&local).earliest().map_or_else(|| local.and_utc(), |instant| instant.to_utc())
}
