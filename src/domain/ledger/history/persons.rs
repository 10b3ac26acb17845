//! What people decided and looked at: holds, approvals, confirmations, readings.

use super::{Approved, History, HistoryError, HoldOnRecord, repeated};
use crate::domain::ledger::{
    event::{Entry, Event, HoldPlaced},
    keys::Handover,
};

impl History {
    pub(super) fn person(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        match &entry.event {
            Event::HoldPlaced(placed) => self.hold_placed(placed),
            Event::HoldLifted { hold, .. } => {
                let without = || HistoryError::WithoutIntent { kind: "hold.lifted", id: hold.to_string() };
                let placed = self.holds.remove(hold).ok_or_else(without)?;
                self.lifted.insert(hold.clone(), (placed, entry.time));
                Ok(())
            }
            Event::HoldSealing { operation, .. } => {
                if self.open_sealings.insert(operation.clone()) {
                    return Ok(());
                }
                Err(repeated("hold.sealing", operation))
            }
            Event::HoldSealed { operation, .. } => {
                let without = || HistoryError::WithoutIntent { kind: "hold.sealed", id: operation.to_string() };
                self.open_sealings.take(operation).map(drop).ok_or_else(without)
            }
            Event::PlanApproved { plan, by } => {
                let approved = Approved { by: by.clone(), time: entry.time };
                self.approvals.entry(*plan).or_default().push(approved);
                Ok(())
            }
            Event::LedgerRekeyed { previous, next, .. } => {
                let handover = Handover::parse(entry.seq, previous, next)?;
                // An entry before `ledger.opened` was refused.
                let origin = self.opened.as_ref().map_or("", |opened| &opened.origin);
                Ok(self.handovers.add(origin, handover)?)
            }
            Event::LedgerPruned(pruned) => self.pruned(entry, pruned),
            Event::LedgerDropped(dropped) => self.dropped(entry, *dropped),
            Event::RunConfirmed { confirmed, .. } => {
                let without = || HistoryError::WithoutIntent { kind: "run.confirmed", id: confirmed.to_string() };
                self.unconfirmed.remove(confirmed).map(drop).ok_or_else(without)
            }
            Event::ReadIntent(intent) => {
                if self.open_reads.insert(intent.operation.clone()) {
                    return Ok(());
                }
                Err(repeated("read.intent", &intent.operation))
            }
            Event::ReadOutcome { operation, .. } => {
                let without = || HistoryError::WithoutIntent { kind: "read.outcome", id: operation.to_string() };
                self.open_reads.take(operation).map(drop).ok_or_else(without)
            }
            _ => Ok(()),
        }
    }

    fn hold_placed(&mut self, placed: &HoldPlaced) -> Result<(), HistoryError> {
        if self.holds.contains_key(&placed.hold) || self.lifted.contains_key(&placed.hold) {
            return Err(HistoryError::Repeated { kind: "hold.placed", id: placed.hold.to_string() });
        }
        let on_record = HoldOnRecord {
            rule: placed.rule.clone(),
            dataset: placed.dataset.clone(),
            whose: placed.whose,
            category: placed.category,
            review: placed.review,
            freeze: placed.freeze,
            by: placed.by.clone(),
            placed: placed.placed,
        };
        self.holds.insert(placed.hold.clone(), on_record);
        Ok(())
    }
}
