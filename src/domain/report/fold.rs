//! From entries to evidence, one entry at a time.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    Destruction, Evidence, Held, Location, Manual, OpenIntent, Part, Period, PolicyView, Refusal, Rekeyed, Wipe,
    held::People, lingering::Lingering, open_batch,
};
use crate::domain::{
    id::{BatchId, Digest, OperationId, RunId, SourceName},
    ledger::{
        event::{DestroyIntent, DestroyOutcome, DestroyResult, Entry, Event},
        verify::Pruned,
    },
    verdict::{Finding, Verdict},
};

/// What the store does after the keys are gone; `ciphertext.deleted` stands in
/// the ledger only once it was listed again and found empty.
const ERASED: &str = "ciphertext and index rows deleted, erased from the store's files, and listed again";

/// A reading in progress.
#[derive(Debug)]
pub struct Fold {
    zone: Tz,
    evidence: Evidence,
    runs: HashMap<RunId, RunFacts>,
    batches: HashMap<BatchId, OpenIntent>,
    destructions: HashMap<OperationId, Unfinished>,
    people: People,
    lingering: Lingering,
    /// The newest word about each table's traces.
    wiped: HashMap<(SourceName, String), Part>,
}

#[derive(Debug, Default)]
struct RunFacts {
    plan: Option<Digest>,
    by: Option<String>,
}

#[derive(Debug)]
struct Unfinished {
    seq: u64,
    time: DateTime<Utc>,
    policy: Digest,
    intent: DestroyIntent,
    keys: Option<Part>,
    erased: Option<u64>,
}

impl Fold {
    /// `zone`: of the policy, in which the period's dates are meant.
    #[must_use]
    pub fn new(period: Period, zone: Tz) -> Self {
        let evidence = Evidence {
            origin: String::new(),
            simulation: false,
            opened: None,
            period,
            timezone: zone.name().to_owned(),
            policies: Vec::new(),
            destructions: Vec::new(),
            manual: Vec::new(),
            accesses: Vec::new(),
            holds: Vec::new(),
            refusals: Vec::new(),
            wipes: Vec::new(),
            residues: Vec::new(),
            handovers: Vec::new(),
            pruned: Vec::new(),
            open: Vec::new(),
        };
        Self {
            zone,
            evidence,
            runs: HashMap::new(),
            batches: HashMap::new(),
            destructions: HashMap::new(),
            people: People::default(),
            lingering: Lingering::default(),
            wiped: HashMap::new(),
        }
    }

    /// Takes one more entry into account, in ledger order.
    pub fn entry(&mut self, entry: &Entry) {
        let within = self.within(entry.time);
        match &entry.event {
            Event::LedgerOpened { origin, simulation, .. } => {
                self.evidence.origin.clone_from(origin);
                self.evidence.simulation = *simulation;
                self.evidence.opened = Some(entry.time);
            }
            Event::PolicyAdopted { title, version, effective, document, .. } => {
                let mut view = PolicyView {
                    digest: entry.policy,
                    title: title.clone(),
                    version: version.clone(),
                    effective: *effective,
                    adopted: entry.time,
                    counting: None,
                    officer: None,
                    rules: Vec::new(),
                };
                document.iter().for_each(|document| view.read(document));
                self.evidence.policies.push(view);
            }
            Event::RunStarted { plan, by, .. } => {
                self.runs.insert(entry.run.clone(), RunFacts { plan: *plan, by: by.clone() });
            }
            Event::SeparateIntent(intent) => {
                let open = open_batch(entry.seq, entry.time, &intent.batch, &intent.rule);
                self.batches.insert(intent.batch.clone(), open);
            }
            Event::SeparateOutcome { batch, .. } => {
                self.batches.remove(batch);
            }
            Event::ManualRecorded(record) if self.dated_within(record.destroyed) => {
                let (actor, host) = (entry.actor.clone(), entry.host.clone());
                let record = record.clone();
                self.evidence.manual.push(Manual { seq: entry.seq, time: entry.time, record, actor, host });
            }
            Event::Refused { what, rule, limit, value } if within => self.evidence.refusals.push(Refusal {
                seq: entry.seq,
                time: entry.time,
                what: what.clone(),
                rule: rule.clone(),
                limit: limit.clone(),
                value: value.clone(),
            }),
            Event::LedgerRekeyed { by, previous, next } => self.evidence.handovers.push(Rekeyed {
                seq: entry.seq,
                time: entry.time,
                by: by.clone(),
                previous: previous.clone(),
                next: next.clone(),
            }),
            Event::LedgerPruned(pruned) => self.evidence.pruned.push(Pruned::of(entry.seq, entry.time, pruned)),
            Event::LedgerDropped(_) => {
                if let Some(last) = self.evidence.pruned.last_mut() {
                    last.gone = Some(entry.time);
                }
            }
            Event::WipeStarted { .. } | Event::WipeFinished { .. } => self.wipe(entry),
            Event::ResidueScanned(_) | Event::ResidueClosed { .. } => self.lingering.entry(entry),
            Event::DestroyIntent(_)
            | Event::KeyDestroyed { .. }
            | Event::CiphertextDeleted { .. }
            | Event::DestroyOutcome(_) => self.destruction(entry),
            _ => self.people.entry(entry),
        }
    }

    fn within(&self, time: DateTime<Utc>) -> bool {
        self.dated_within(time.with_timezone(&self.zone).date_naive())
    }

    fn dated_within(&self, date: NaiveDate) -> bool {
        let Period { from, to } = self.evidence.period;
        from <= date && date <= to
    }

    fn wipe(&mut self, entry: &Entry) {
        match &entry.event {
            Event::WipeStarted { source, tables, .. } => {
                let owed = Finding::unknown("a wipe was begun and not finished");
                self.note_wipe(source, tables, "", None, &owed);
            }
            Event::WipeFinished { source, tables, method, tool, finding, .. } => {
                self.note_wipe(source, tables, method, Some(tool.clone()), finding);
                if self.within(entry.time) {
                    self.evidence.wipes.push(Wipe {
                        seq: entry.seq,
                        time: entry.time,
                        source: source.clone(),
                        tables: tables.clone(),
                        method: method.clone(),
                        tool: tool.clone(),
                        finding: finding.clone(),
                    });
                }
            }
            _ => {}
        }
    }

    fn note_wipe(
        &mut self,
        source: &SourceName,
        tables: &[String],
        method: &str,
        tool: Option<String>,
        finding: &Finding,
    ) {
        for table in tables {
            let location = Location::Source(format!("{source}.{table}"));
            let (method, tool, finding) = (method.to_owned(), tool.clone(), finding.clone());
            let part = Part { location, method, tool, finding, until: None };
            self.wiped.insert((source.clone(), table.clone()), part);
        }
    }

    fn destruction(&mut self, entry: &Entry) {
        match &entry.event {
            Event::DestroyIntent(intent) => {
                let (seq, time, policy, keys, erased) = (entry.seq, entry.time, entry.policy, None, None);
                let unfinished = Unfinished { seq, time, policy, intent: intent.clone(), keys, erased };
                self.destructions.insert(intent.operation.clone(), unfinished);
            }
            Event::KeyDestroyed { operation, method, finding, .. } => {
                if let Some(unfinished) = self.destructions.get_mut(operation) {
                    let (method, finding) = (method.clone(), finding.clone());
                    unfinished.keys = Some(Part { location: Location::Keys, method, tool: None, finding, until: None });
                }
            }
            Event::CiphertextDeleted { operation, bytes, .. } => {
                if let Some(unfinished) = self.destructions.get_mut(operation) {
                    unfinished.erased = Some(*bytes);
                }
            }
            Event::DestroyOutcome(outcome) => {
                let unfinished = self.destructions.remove(&outcome.operation);
                if let Some(unfinished) = unfinished.filter(|_| outcome.result == DestroyResult::Destroyed)
                    && self.within(entry.time)
                {
                    let destruction = self.destroyed(entry, unfinished, outcome);
                    self.evidence.destructions.push(destruction);
                }
            }
            _ => {}
        }
    }

    fn destroyed(&self, entry: &Entry, unfinished: Unfinished, outcome: &DestroyOutcome) -> Destruction {
        let Unfinished { seq: intent_seq, policy, intent, keys, erased, .. } = unfinished;
        let parts = self.parts(&intent, keys, erased);
        let finding = outcome.finding.clone();
        let run = self.runs.get(&entry.run);
        Destruction {
            seq: entry.seq,
            intent: intent_seq,
            operation: outcome.operation.clone(),
            run: entry.run.clone(),
            rule: outcome.rule.clone(),
            hold: intent.hold,
            policy,
            fields: intent.fields,
            buckets: outcome.buckets,
            records: outcome.records,
            children: outcome.children.clone(),
            first: outcome.first,
            last: outcome.last,
            first_day: self.first_day(policy, outcome),
            last_day: outcome.due.map(|due| self.last_day(due)),
            holidays: intent.holidays,
            due: outcome.due,
            latest: outcome.latest,
            time: entry.time,
            late_seconds: outcome.late_seconds,
            segments: intent.segments,
            bytes: erased.unwrap_or_default(),
            verdict: Verdict::Unknown,
            finding,
            parts,
            plan: run.and_then(|run| run.plan),
            reviewed_by: run.and_then(|run| run.by.clone()),
            approved_by: self.people.approved(run.and_then(|run| run.plan)),
            confirmed_by: None,
            confirmed: None,
            actor: entry.actor.clone(),
            host: entry.host.clone(),
        }
    }

    /// Keys, store, and every table that the records came from. A place of which
    /// the ledger says nothing is not verified.
    fn parts(&self, intent: &DestroyIntent, keys: Option<Part>, erased: Option<u64>) -> Vec<Part> {
        let silent = |location, what: &str| Part {
            location,
            method: String::new(),
            tool: None,
            finding: Finding::unknown(format!("the ledger has no {what}")),
            until: None,
        };
        let vault = match erased {
            Some(_) => {
                let (method, finding) = (ERASED.to_owned(), Finding::pass());
                Part { location: Location::Vault, method, tool: None, finding, until: None }
            }
            None => silent(Location::Vault, "ciphertext.deleted"),
        };
        let mut parts = vec![keys.unwrap_or_else(|| silent(Location::Keys, "key.destroyed")), vault];
        for name in intent.fields.keys() {
            let (source, table) = name.split_once('.').unwrap_or((name, ""));
            let wiped = self.wiped.get(&(SourceName(source.to_owned()), table.to_owned())).cloned();
            parts.push(wiped.unwrap_or_else(|| silent(Location::Source(name.clone()), "wipe of this table")));
        }
        parts
    }

    /// The day before the due instant, in the policy's zone.
    fn last_day(&self, due: DateTime<Utc>) -> NaiveDate {
        (due - TimeDelta::nanoseconds(1)).with_timezone(&self.zone).date_naive()
    }

    fn first_day(&self, policy: Digest, outcome: &DestroyOutcome) -> Option<NaiveDate> {
        let policy = self.evidence.policies.iter().rev().find(|view| view.digest == policy)?;
        match policy.counting.as_deref()? {
            "kr-civil" | "eu-1182" => outcome.first.succ_opt(),
            _ => Some(outcome.first),
        }
    }

    /// What is open at the ledger's end is part of the evidence.
    #[must_use]
    pub fn finish(mut self) -> Evidence {
        let mut open: BTreeMap<u64, OpenIntent> = self.batches.drain().map(|(_, open)| (open.seq, open)).collect();
        for (id, unfinished) in self.destructions.drain() {
            let Unfinished { seq, time, intent, .. } = unfinished;
            let rule = Some(intent.rule);
            open.insert(seq, OpenIntent { seq, time, kind: "destroy.intent", id: id.to_string(), rule });
        }
        open.extend(self.people.open().map(|open| (open.seq, open)));
        self.evidence.open = open.into_values().collect();
        // What was found after a destruction is a part of its evidence too.
        for destruction in &mut self.evidence.destructions {
            self.people.confirm(destruction);
            destruction.parts.extend(self.lingering.parts(destruction));
            let parts = destruction.parts.iter().map(|part| part.finding.verdict).max();
            destruction.verdict = parts.unwrap_or(Verdict::Unknown).max(destruction.finding.verdict);
        }
        let Period { from, to } = self.evidence.period;
        let zone = self.zone;
        let date = |time: DateTime<Utc>| time.with_timezone(&zone).date_naive();
        let within = |time: DateTime<Utc>| (from..=to).contains(&date(time));
        let in_force = |held: &Held| date(held.time) <= to && held.lifted.is_none_or(|lifted| date(lifted) >= from);
        (self.evidence.accesses, self.evidence.holds) = self.people.finish(within, in_force);
        self.evidence.residues = self.lingering.into_cases(within);
        self.evidence
    }
}
