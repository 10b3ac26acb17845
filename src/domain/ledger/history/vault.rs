//! What the vault must hold, and what was found where it was an older copy.

use super::{Acknowledged, History, HistoryError, close};
use crate::domain::{
    id::{BatchId, BucketId, OperationId, RuleId},
    ledger::event::{Entry, Event, RestoreResult, SeparateResult},
};

impl History {
    pub(super) fn separated(&mut self, batch: &BatchId, result: SeparateResult) -> Result<(), HistoryError> {
        let position = self.open_separations.iter().position(|open| &open.intent.batch == batch);
        let closed = close(&mut self.open_separations, position, "separate.outcome", batch.as_str())?;
        if result == SeparateResult::Committed {
            *self.in_vault.entry(closed.intent.rule.clone()).or_default() += closed.intent.records;
            self.stored_last = self.stored_last.max(Some(closed.seq));
            self.residues.taken(&closed.intent);
        }
        if let Some((_, moved)) = self.current.as_mut().filter(|(run, _)| *run == closed.run)
            && result == SeparateResult::Committed
            && closed.intent.records > 0
        {
            let records = moved.entry(closed.intent.rule).or_default();
            *records = records.saturating_add(closed.intent.records);
        }
        Ok(())
    }

    /// Whether records of this rule and event date were destroyed before.
    #[must_use]
    pub fn was_destroyed(&self, bucket: &BucketId) -> bool {
        self.dates_destroyed.get(&bucket.policy_rule()).is_some_and(|dates| dates.contains(&bucket.date))
    }

    pub(super) fn restored(&mut self, operation: &OperationId, result: RestoreResult) -> Result<(), HistoryError> {
        let position = self.open_restores.iter().position(|open| &open.intent.operation == operation);
        let closed = close(&mut self.open_restores, position, "restore.outcome", operation.as_str())?;
        if result == RestoreResult::Committed {
            for (rule, records) in &closed.intent.records {
                self.left_vault(rule, *records);
            }
        }
        Ok(())
    }

    pub(super) fn left_vault(&mut self, rule: &RuleId, records: u64) {
        let held = self.in_vault.entry(rule.clone()).or_default();
        *held = held.saturating_sub(records);
    }

    /// From the clearing on, the vault is what it is.
    pub(super) fn old_copy(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        match &entry.event {
            Event::VaultAcknowledged(acknowledged) => {
                // One of another copy takes the place of an earlier one.
                self.acknowledged = Some(Acknowledged { found: acknowledged.found, knows: acknowledged.knows });
            }
            Event::VaultCleared { found, in_vault, .. } => {
                let without = || HistoryError::WithoutIntent { kind: "vault.cleared", id: found.to_string() };
                self.acknowledged.take_if(|open| open.found == *found).ok_or_else(without)?;
                self.in_vault.clone_from(in_vault);
                self.stored_last = None;
            }
            _ => {}
        }
        Ok(())
    }
}
