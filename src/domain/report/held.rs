//! What people did to the separate store: holds, looks into it, approvals before
//! and confirmations after. Each with who, when, from where and why.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::{Access, AccessKind, Destruction, Held, OpenIntent};
use crate::domain::{
    id::{Digest, OperationId, RunId},
    ledger::event::{Entry, Event, RestoreResult, StepResult},
};

#[derive(Debug, Default)]
pub(super) struct People {
    holds: Vec<Held>,
    /// Accesses that wait for their outcome.
    begun: BTreeMap<u64, (OperationId, Access)>,
    accesses: Vec<Access>,
    approved: HashMap<Digest, String>,
    confirmed: HashMap<RunId, (String, DateTime<Utc>)>,
}

impl People {
    pub(super) fn entry(&mut self, entry: &Entry) {
        match &entry.event {
            Event::RestoreIntent(intent) => {
                let access = access(entry, AccessKind::Restored, &intent.by, &intent.reason, intent.digest);
                let access = Access { records: intent.records.clone(), ..access };
                self.begun.insert(entry.seq, (intent.operation.clone(), access));
            }
            Event::RestoreOutcome { operation, result, .. } => {
                let outcome = match result {
                    RestoreResult::Committed => "committed",
                    RestoreResult::RolledBack => "rolled-back",
                };
                self.ended(operation, outcome, None);
            }
            Event::ReadIntent(intent) => {
                let access = access(entry, AccessKind::Read, &intent.by, &intent.reason, intent.whose);
                self.begun.insert(entry.seq, (intent.operation.clone(), access));
            }
            Event::ReadOutcome { operation, records, result } => {
                let outcome = match result {
                    StepResult::Done => "done",
                    StepResult::Interrupted => "interrupted",
                };
                self.ended(operation, outcome, Some(*records));
            }
            Event::HoldPlaced(placed) => {
                let (lifted, lifted_by, lift_reason) = (None, None, None);
                let (seq, time, placed) = (entry.seq, entry.time, placed.clone());
                self.holds.push(Held { seq, time, placed, lifted, lifted_by, lift_reason });
            }
            Event::HoldLifted { hold, by, reason } => {
                if let Some(held) = self.holds.iter_mut().rfind(|held| held.placed.hold == *hold) {
                    held.lifted = Some(entry.time);
                    held.lifted_by = Some(by.clone());
                    held.lift_reason = Some(reason.clone());
                }
            }
            Event::PlanApproved { plan, by } => {
                self.approved.insert(*plan, by.clone());
            }
            Event::RunConfirmed { confirmed, by } => {
                self.confirmed.insert(confirmed.clone(), (by.clone(), entry.time));
            }
            _ => {}
        }
    }

    fn ended(&mut self, operation: &OperationId, outcome: &'static str, shown: Option<u64>) {
        let begun = self.begun.extract_if(.., |_, (begun, _)| begun == operation).next();
        self.accesses.extend(begun.map(|(_, (_, access))| Access { outcome: Some(outcome), shown, ..access }));
    }

    /// Who approved before it, as far as the ledger says at that moment.
    pub(super) fn approved(&self, plan: Option<Digest>) -> Option<String> {
        self.approved.get(&plan?).cloned()
    }

    /// Who confirmed after it.
    pub(super) fn confirm(&self, destruction: &mut Destruction) {
        if let Some((by, at)) = self.confirmed.get(&destruction.run) {
            destruction.confirmed_by = Some(by.clone());
            destruction.confirmed = Some(*at);
        }
    }

    /// What has no outcome at the ledger's end.
    pub(super) fn open(&self) -> impl Iterator<Item = OpenIntent> + '_ {
        self.begun.iter().map(|(seq, (id, access))| {
            let kind = match access.kind {
                AccessKind::Restored => "restore.intent",
                AccessKind::Read => "read.intent",
            };
            OpenIntent { seq: *seq, time: access.time, kind, id: id.to_string(), rule: None }
        })
    }

    /// Accesses in the period and holds in force in it.
    pub(super) fn finish(
        self,
        within: impl Fn(DateTime<Utc>) -> bool,
        in_force: impl Fn(&Held) -> bool,
    ) -> (Vec<Access>, Vec<Held>) {
        let without = self.begun.into_values().map(|(_, access)| access);
        let mut accesses: Vec<Access> =
            self.accesses.into_iter().chain(without).filter(|access| within(access.time)).collect();
        accesses.sort_by_key(|access| access.seq);
        (accesses, self.holds.into_iter().filter(in_force).collect())
    }
}

fn access(entry: &Entry, kind: AccessKind, by: &str, reason: &str, digest: Digest) -> Access {
    Access {
        seq: entry.seq,
        kind,
        time: entry.time,
        by: by.to_owned(),
        actor: entry.actor.clone(),
        host: entry.host.clone(),
        digest,
        reason: reason.to_owned(),
        records: BTreeMap::new(),
        shown: None,
        outcome: None,
    }
}
