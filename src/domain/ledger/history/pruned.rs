//! Lines that were dropped on record, and what a history goes on from.

use chrono::{DateTime, Utc};

use super::{History, HistoryError};
use crate::domain::ledger::{
    carried::{Carried, FORMAT, days, ranges},
    event::{Entry, LedgerPruned},
    tile::WIDTH,
};

/// An entry `ledger.pruned`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedOnRecord {
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub pruned: LedgerPruned,
}

impl History {
    pub(super) fn pruned(&mut self, entry: &Entry, pruned: &LedgerPruned) -> Result<(), HistoryError> {
        let before = self.pruned.last();
        let cut_before = before.map_or(0, |before| before.pruned.cut);
        let missing_before: u64 = self.pruned.iter().map(|before| before.pruned.dropped).sum();
        let adds_up = missing_before.checked_add(pruned.dropped).and_then(|all| all.checked_add(pruned.kept));
        let whole_tiles = pruned.cut.is_multiple_of(WIDTH as u64) && pruned.cut > cut_before;
        if !whole_tiles || pruned.cut > entry.seq || adds_up != Some(pruned.cut) {
            return Err(HistoryError::Pruned { cut: pruned.cut });
        }
        self.pruned.push(PrunedOnRecord { seq: entry.seq, time: entry.time, pruned: pruned.clone() });
        Ok(())
    }

    /// Goes on with the entry of this number, where those between were dropped.
    pub const fn resume_at(&mut self, seq: u64) {
        self.entries = seq;
    }

    /// What its entries add up to; the first one after them is `entries`.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried {
            format: FORMAT.to_owned(),
            cut: self.entries,
            time: self.last_time.unwrap_or_default(),
            in_vault: self.in_vault.clone(),
            stored_last: self.stored_last,
            epoch_ended: self.epoch_ended,
            destroyed: self.dates_destroyed.iter().map(|(rule, dates)| (rule.clone(), ranges(dates))).collect(),
            separated: self
                .separated
                .iter()
                .map(|(rule, records)| (rule.clone(), records.iter().copied().collect()))
                .collect(),
            rewrites: self.residues.rewrites.clone(),
            stale: self.residues.stale.clone(),
        }
    }

    /// Takes the sums in the place of what the kept lines add up to.
    pub fn carry(&mut self, carried: &Carried) {
        self.resume_at(carried.cut);
        self.last_time = Some(carried.time);
        self.in_vault.clone_from(&carried.in_vault);
        self.stored_last = carried.stored_last;
        self.epoch_ended = carried.epoch_ended;
        let dates = |ranges: &Vec<_>| ranges.iter().copied().flat_map(days).collect();
        self.dates_destroyed = carried.destroyed.iter().map(|(rule, ranges)| (rule.clone(), dates(ranges))).collect();
        self.separated =
            carried.separated.iter().map(|(rule, records)| (rule.clone(), records.iter().copied().collect())).collect();
        self.residues.rewrites.clone_from(&carried.rewrites);
        self.residues.stale.clone_from(&carried.stale);
    }
}
