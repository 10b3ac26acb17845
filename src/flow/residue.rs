//! Residue: search the files of a source for values of the rows that left it,
//! and close what is proven clean.
//!
//! The values come from the vault's own copy, batch by batch: so a cycle that
//! follows a crash, or a maintenance window, can still search for what an
//! earlier one took, as long as the keys live. They are dropped with `Sampled`
//! and stand nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::{custody::Custody, rulebook::Rulebook, seal, sources::Sources};
use crate::{
    domain::{
        deployment::{Dataset, VerifyLevel},
        horizon,
        id::{BatchId, OperationId, RuleId, SourceName},
        ledger::{event::Event, history::Case},
        residue::{
            self, BATCHES_MAX, ClosedBy, Location, PLACES_MAX, Sample, Scan, State, Value,
            sample::{POOL_ROWS_MAX, Pool},
        },
        verdict::Finding,
    },
    ports::{Clock, Failure, Keyring, Ledger, Search, SearchJob, Searched, Source, Vault},
};

/// Values of removed rows, case by case.
#[derive(Debug, Default)]
pub struct Sampled {
    cases: Vec<SampledCase>,
}

#[derive(Debug)]
struct SampledCase {
    id: OperationId,
    /// As the ledger knows it; `None` for what no scan was made of yet.
    known: Option<Case>,
    source: SourceName,
    rules: BTreeSet<RuleId>,
    tables: BTreeSet<String>,
    batches: Vec<BatchId>,
    values: Vec<Value>,
    sample: Sample,
}

/// Takes values of every row that left a source and is not proven gone from its
/// files. Call it before keys are destroyed.
pub async fn sample<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
) -> Result<Sampled, Failure> {
    let mut cases = known_cases(custody.ledger.history().residues.cases.clone());
    cases.extend(fresh_cases(book, custody));
    for case in &mut cases {
        take_values(book, custody, case).await?;
    }
    Ok(Sampled { cases })
}

fn known_cases(cases: Vec<Case>) -> Vec<SampledCase> {
    let known = |case: Case| SampledCase {
        id: case.scan.case.clone(),
        source: case.scan.source.clone(),
        rules: case.scan.rules.iter().cloned().collect(),
        tables: case.scan.tables.iter().cloned().collect(),
        batches: case.scan.batches.clone(),
        values: Vec::new(),
        sample: Sample::default(),
        known: Some(case),
    };
    cases.into_iter().map(known).collect()
}

/// One case for each source that lost rows of a dataset that is verified.
fn fresh_cases<V, K, L: Ledger>(book: &Rulebook<'_>, custody: &mut Custody<V, K, L>) -> Vec<SampledCase> {
    let mut cases: BTreeMap<SourceName, SampledCase> = BTreeMap::new();
    for taken in custody.ledger.history().residues.taken.clone() {
        let Ok(dataset) = book.dataset(&taken.rule, &taken.source, &taken.dataset) else { continue };
        if dataset.verify != VerifyLevel::ResidueScan {
            continue;
        }
        let case = cases.entry(taken.source.clone()).or_insert_with(|| SampledCase {
            id: custody.next_operation(),
            known: None,
            source: taken.source.clone(),
            rules: BTreeSet::new(),
            tables: BTreeSet::new(),
            batches: Vec::new(),
            values: Vec::new(),
            sample: Sample::default(),
        });
        case.rules.insert(taken.rule.clone());
        case.tables.extend(dataset.changed_tables().into_iter().map(str::to_owned));
        case.batches.push(taken.batch.clone());
    }
    let mut cases: Vec<SampledCase> = cases.into_values().collect();
    cases.iter_mut().for_each(|case| case.batches = residue::spread(&case.batches, BATCHES_MAX));
    cases
}

/// Opens what is left of a case's batches in the vault, and chooses.
async fn take_values<V: Vault, K: Keyring, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    case: &mut SampledCase,
) -> Result<(), Failure> {
    let mut pools: BTreeMap<(RuleId, String), Pool> = BTreeMap::new();
    let share = POOL_ROWS_MAX.div_ceil(case.batches.len().max(1));
    for batch in &case.batches {
        let mut left = share;
        for (_, segment) in custody.vault.batch(batch).await? {
            if left == 0 || !custody.keyring.holds(&segment.bucket) {
                continue;
            }
            let opened = seal::open(&custody.keyring, &segment)?;
            let of_dataset = (opened.header.rule.clone(), opened.header.dataset.clone());
            let pool = pools.entry(of_dataset).or_default();
            for record in opened.records()? {
                if left == 0 || pool.is_full() {
                    break;
                }
                for row in opened.rows(record)? {
                    pool.add(&opened.header.tables, &row);
                    left = left.saturating_sub(1);
                }
            }
        }
    }
    for ((rule, table), pool) in pools {
        let dataset = book.dataset(&rule, &case.source, &table).ok();
        let rows_max = dataset.map_or(0, |dataset: &Dataset| dataset.sample);
        let (values, sample) = pool.choose(usize::try_from(rows_max).unwrap_or(usize::MAX));
        case.values.extend(values);
        case.sample = case.sample.and(sample);
    }
    Ok(())
}

/// Searches every source for the values taken from it, and closes the cases that
/// are clean or past their horizon. The finding is on what this cycle took: an
/// older case that is still open stands in the status.
pub async fn verify<S: Source, V, K, L: Ledger>(
    book: &Rulebook<'_>,
    sampled: Sampled,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
) -> Result<Finding, Failure> {
    let mut by_source: BTreeMap<SourceName, Vec<SampledCase>> = BTreeMap::new();
    for case in sampled.cases {
        by_source.entry(case.source.clone()).or_default().push(case);
    }
    let mut finding = Finding::pass();
    for (name, cases) in by_source {
        let mut verification = Verification { book, custody, clock, name: &name, closed_tables: Vec::new() };
        finding.absorb(verification.of_source(cases, sources).await?);
    }
    Ok(finding)
}

const NO_VALUE: &str = "no value of its rows is long and rare enough to be searched for";

/// The verification of one source.
struct Verification<'a, V, K, L, C> {
    book: &'a Rulebook<'a>,
    custody: &'a mut Custody<V, K, L>,
    clock: &'a C,
    name: &'a SourceName,
    /// Tables of the cases that a search of this cycle closed.
    closed_tables: Vec<BTreeSet<String>>,
}

impl<V, K, L: Ledger, C: Clock> Verification<'_, V, K, L, C> {
    async fn of_source<S: Source>(
        &mut self,
        cases: Vec<SampledCase>,
        sources: &mut Sources<S>,
    ) -> Result<Finding, Failure> {
        let (mut open, mut bare) = (Vec::new(), Vec::new());
        for case in cases {
            match &case.known {
                Some(known) if self.close_by_date(known)? => {}
                // Its rows are destroyed: there is no value left to search for.
                Some(_) if case.values.is_empty() => bare.push(case),
                Some(_) if self.is_owed() => {}
                Some(_) | None => open.push(case),
            }
        }
        let mut finding = Finding::pass();
        if !open.is_empty() {
            let (search, elapsed_ms) = self.search(&open, sources).await;
            let mut first = 0;
            for case in open {
                // A search that waited for a wipe found nothing out: the first one counts.
                let unsearched = |location: &Location| location.state == State::Unsearched;
                let is_fresh = case.known.as_ref().is_none_or(|known| known.scan.locations.iter().all(unsearched));
                let of_case = first..first + case.values.len();
                first = of_case.end;
                let result = self.record(case, &search, of_case, elapsed_ms)?;
                finding.absorb(if is_fresh { result } else { Finding::pass() });
            }
        }
        for case in bare {
            self.close_bare(&case)?;
        }
        Ok(finding)
    }

    /// True while a wipe of the source has to be done again: what a search would
    /// find is known beforehand.
    fn is_owed(&self) -> bool {
        self.custody.ledger.history().open_wipes.contains_key(self.name)
    }

    fn close_by_date(&mut self, known: &Case) -> Result<bool, Failure> {
        let now = self.clock.read();
        let Some(by) = residue::closing(&known.scan.locations, now) else { return Ok(false) };
        let finding = residue::judge(&known.scan.locations, now).and(self.undeclared());
        self.custody.ledger.append(vec![Event::ResidueClosed { case: known.scan.case.clone(), by, finding }])?;
        Ok(true)
    }

    /// A clean search for later rows of the same tables shows that their files
    /// hold nothing but rows that are there; it is not the same as having searched
    /// for this case's own values, and the verdict says so.
    fn close_bare(&mut self, case: &SampledCase) -> Result<(), Failure> {
        if !self.closed_tables.iter().any(|tables| case.tables.is_subset(tables)) {
            return Ok(());
        }
        let finding = Finding::unknown(
            "its own values were destroyed before they could be searched for; a later search of the same tables was \
             clean",
        );
        self.custody.ledger.append(vec![Event::ResidueClosed {
            case: case.id.clone(),
            by: ClosedBy::Scan,
            finding,
        }])?;
        Ok(())
    }

    async fn search<S: Source>(&mut self, open: &[SampledCase], sources: &mut Sources<S>) -> (Search, u64) {
        let values: Vec<Value> = open.iter().flat_map(|case| case.values.iter().cloned()).collect();
        if self.is_owed() {
            return (Search::nowhere("its wipe is owed to a later cycle, which searches after it"), 0);
        }
        if values.is_empty() {
            return (Search::nowhere(NO_VALUE), 0);
        }
        let tables: BTreeSet<String> = open.iter().flat_map(|case| case.tables.iter().cloned()).collect();
        let tables: Vec<String> = tables.into_iter().collect();
        let started = self.clock.read();
        let rewritten = self.custody.ledger.history().residues.is_rewritten(self.name, &tables);
        let job = SearchJob { tables: &tables, values: &values, rewritten, now: started };
        let search = match sources.get(self.name) {
            Ok(source) => source.search(&job).await,
            Err(failure) => return (Search::nowhere(&failure.to_string()), 0),
        };
        let elapsed_ms = (self.clock.read() - started).num_milliseconds().max(0).unsigned_abs();
        (search.unwrap_or_else(|error| Search::nowhere(&error.to_string())), elapsed_ms)
    }

    /// Writes what the search says of one case, whose values have the numbers
    /// `of_case`, and closes it if it can be.
    fn record(
        &mut self,
        mut case: SampledCase,
        search: &Search,
        of_case: std::ops::Range<usize>,
        elapsed_ms: u64,
    ) -> Result<Finding, Failure> {
        let now = self.clock.read();
        case.sample.living = search.living.range(of_case.clone()).count() as u64;
        let mut locations: Vec<Location> = search.places.iter().map(|place| location(place, &of_case)).collect();
        if case.sample.values == case.sample.living && !case.values.is_empty() {
            let reason = "every sampled value stands in rows that are there as well";
            locations.push(Location::unsearched("sample", reason));
        }
        // A search for the values of other cases says nothing of this one.
        if case.values.is_empty() && locations.iter().any(|location| location.state == State::Clean) {
            locations.push(Location::unsearched("sample", NO_VALUE));
        }
        let since = case.known.as_ref().map_or(now, |known| known.since);
        let kept = self.deployed().and_then(|source| source.backups_kept);
        horizon::declared(kept, since, &mut locations);
        if let Some(known) = &case.known {
            horizon::keep_dates(&known.scan.locations, &mut locations);
        }
        let finding = residue::judge(&locations, now).and(self.undeclared());
        let mut events = vec![Event::ResidueScanned(Scan {
            case: case.id.clone(),
            source: self.name.clone(),
            rules: case.rules.into_iter().collect(),
            tables: case.tables.iter().cloned().collect(),
            batches: case.batches,
            sample: case.sample,
            locations: locations.clone(),
            elapsed_ms,
            finding: finding.clone(),
        })];
        if let Some(by) = residue::closing(&locations, now) {
            events.push(Event::ResidueClosed { case: case.id, by, finding: finding.clone() });
            self.closed_tables.push(case.tables);
        }
        self.custody.ledger.append(events)?;
        Ok(finding)
    }

    fn deployed(&self) -> Option<&crate::domain::deployment::Source> {
        self.book.deployment.sources.iter().find(|source| source.name == *self.name)
    }

    fn undeclared(&self) -> Finding {
        let of_source = |source: &crate::domain::deployment::Source| {
            horizon::undeclared(&source.name, source.backups_kept, source.medium)
        };
        self.deployed().map_or_else(|| Finding::unknown(format!("source {} is not configured", self.name)), of_source)
    }
}

/// What a searched place says of the values with these numbers.
fn location(place: &Searched, of_case: &std::ops::Range<usize>) -> Location {
    let found = place.found.range(of_case.clone()).count() as u64;
    let state = match (found, &place.unsearched) {
        (0, None) => State::Clean,
        (0, Some(_)) => State::Unsearched,
        _ => State::Residue,
    };
    let places = if found > 0 { place.places.iter().take(PLACES_MAX).cloned().collect() } else { Vec::new() };
    let until = place.until.filter(|_| state != State::Clean);
    let reason = place.unsearched.clone();
    Location { name: place.name.clone(), state, files: place.files, bytes: place.bytes, found, places, reason, until }
}
