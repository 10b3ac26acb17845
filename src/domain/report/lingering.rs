//! What lingers: cases of residue, and what they say of a destruction. A record is
//! gone only when the places that keep copies of it are clean or past their date.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Destruction, Location, Part, Residue};
use crate::domain::{
    id::{OperationId, SourceName},
    ledger::event::{Entry, Event},
    residue,
    verdict::Finding,
};

const SEARCHED: &str = "files of the source searched for sampled values";

/// All cases so far, by their name.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    cases: BTreeMap<OperationId, Residue>,
}

impl Lingering {
    pub(super) fn entry(&mut self, entry: &Entry) {
        match &entry.event {
            Event::ResidueScanned(scan) => {
                let opened = self.cases.get(&scan.case).map_or(entry.seq, |case| case.opened);
                let case = Residue {
                    seq: entry.seq,
                    time: entry.time,
                    case: scan.case.clone(),
                    source: scan.source.clone(),
                    rules: scan.rules.clone(),
                    tables: scan.tables.clone(),
                    locations: scan.locations.clone(),
                    finding: scan.finding.clone(),
                    closed: None,
                    until: residue::closes(&scan.locations).filter(|until| *until > DateTime::<Utc>::MIN_UTC),
                    opened,
                };
                self.cases.insert(scan.case.clone(), case);
            }
            Event::ResidueClosed { case, by, finding } => {
                if let Some(case) = self.cases.get_mut(case) {
                    case.closed = Some(*by);
                    case.finding.clone_from(finding);
                }
            }
            _ => {}
        }
    }

    /// What the cases say at the ledger's end about where a destruction's rows
    /// came from: one part for each source.
    pub(super) fn parts(&self, destruction: &Destruction) -> Vec<Part> {
        let mut sources: Vec<&str> = destruction
            .fields
            .keys()
            .map(|name| name.split_once('.').map_or(name.as_str(), |(source, _)| source))
            .collect();
        sources.dedup();
        sources.into_iter().map(|source| self.part(source, destruction)).collect()
    }

    fn part(&self, source: &str, destruction: &Destruction) -> Part {
        let concerns = |case: &&Residue| {
            case.source.as_str() == source && case.opened < destruction.seq && case.rules.contains(&destruction.rule)
        };
        let mut part = Part {
            location: Location::Residue(SourceName(source.to_owned())),
            method: SEARCHED.to_owned(),
            tool: None,
            finding: Finding::pass(),
            until: None,
        };
        let mut searched = false;
        for case in self.cases.values().filter(concerns) {
            searched = true;
            part.finding.absorb(case.finding.clone());
            if case.closed.is_none() {
                part.finding.absorb(Finding::unknown(format!("the case {} is open", case.case)));
                part.until = part.until.max(case.until);
            }
        }
        if !searched {
            part.method = String::new();
            part.finding = Finding::unknown("the ledger has no search of this source's files");
        }
        part
    }

    /// The cases that a reader of this period asks about.
    pub(super) fn into_cases(self, within: impl Fn(DateTime<Utc>) -> bool) -> Vec<Residue> {
        let mut cases: Vec<Residue> =
            self.cases.into_values().filter(|case| case.closed.is_none() || within(case.time)).collect();
        cases.sort_by_key(|case| case.seq);
        cases
    }
}
