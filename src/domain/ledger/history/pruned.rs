//! Lines that were dropped on record, and what a history goes on from.

use chrono::{DateTime, Utc};

use super::{History, HistoryError};
use crate::domain::ledger::{
    carried::{Carried, FORMAT, days, ranges},
    event::{Entry, LedgerDropped, LedgerPruned},
    tile::WIDTH,
};

/// An entry `ledger.pruned`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedOnRecord {
    pub seq: u64,
    pub time: DateTime<Utc>,
    pub pruned: LedgerPruned,
    /// When the entry `ledger.dropped` says that nothing is left of the lines.
    pub gone: Option<DateTime<Utc>>,
}

impl History {
    pub(super) fn pruned(&mut self, entry: &Entry, pruned: &LedgerPruned) -> Result<(), HistoryError> {
        if self.open_prune().is_some() {
            return Err(HistoryError::OutOfOrder { kind: "ledger.pruned", id: pruned.cut.to_string() });
        }
        let before = self.pruned.last();
        let cut_before = before.map_or(0, |before| before.pruned.cut);
        let missing_before: u64 = self.pruned.iter().map(|before| before.pruned.dropped).sum();
        let adds_up = missing_before.checked_add(pruned.dropped).and_then(|all| all.checked_add(pruned.kept));
        let whole_tiles = pruned.cut.is_multiple_of(WIDTH as u64) && pruned.cut > cut_before;
        if !whole_tiles || pruned.cut > entry.seq || adds_up != Some(pruned.cut) {
            return Err(HistoryError::Pruned { cut: pruned.cut });
        }
        self.pruned.push(PrunedOnRecord { seq: entry.seq, time: entry.time, pruned: pruned.clone(), gone: None });
        Ok(())
    }

    pub(super) fn dropped(&mut self, entry: &Entry, dropped: LedgerDropped) -> Result<(), HistoryError> {
        let (kind, id) = ("ledger.dropped", dropped.cut.to_string());
        let Some(last) = self.pruned.last_mut().filter(|last| last.pruned.cut == dropped.cut) else {
            return Err(HistoryError::WithoutIntent { kind, id });
        };
        if last.gone.is_some() {
            return Err(HistoryError::Repeated { kind, id });
        }
        if last.pruned.dropped != dropped.lines {
            return Err(HistoryError::OutOfOrder { kind, id });
        }
        last.gone = Some(entry.time);
        Ok(())
    }

    /// The prune on record of which it does not stand yet that its lines are gone.
    #[must_use]
    pub fn open_prune(&self) -> Option<&PrunedOnRecord> {
        self.pruned.last().filter(|last| last.gone.is_none())
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

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::domain::{
        id::Digest,
        ledger::event::{Event, VERSION},
    };

    fn say(history: &mut History, event: Event) -> Result<(), HistoryError> {
        let (seq, time, policy) = (history.entries, DateTime::UNIX_EPOCH, Digest::of(b"p"));
        let (run, actor, host) = ("r".into(), "a".into(), "h".into());
        history.record(&Entry { v: VERSION, seq, time, event, run, policy, actor, host })
    }

    /// A ledger with three full tiles.
    fn long() -> History {
        let mut history = History::default();
        let opened = Event::LedgerOpened { origin: "o".into(), simulation: true, version: "0".into() };
        say(&mut history, opened).unwrap();
        (0..800).for_each(|_| say(&mut history, Event::Heartbeat {}).unwrap());
        history
    }

    fn pruned(cut: u64, dropped: u64, kept: u64) -> Event {
        let (by, before, digest) = ("b".into(), NaiveDate::default(), Digest::of(b"d"));
        Event::LedgerPruned(LedgerPruned { by, before, cut, dropped, kept, file: digest, root: digest })
    }

    fn dropped(cut: u64, lines: u64) -> Event {
        Event::LedgerDropped(LedgerDropped { cut, lines })
    }

    #[test]
    fn each_prune_ends_with_one_entry_of_its_own_cut_and_lines() {
        let mut history = long();
        let kind = "ledger.dropped";
        let without = |cut: u64| Err(HistoryError::WithoutIntent { kind, id: cut.to_string() });
        let id = || "256".to_owned();
        assert_eq!(say(&mut history, dropped(256, 250)), without(256));
        say(&mut history, pruned(256, 250, 6)).unwrap();
        assert_eq!(say(&mut history, dropped(512, 250)), without(512));
        assert_eq!(say(&mut history, dropped(256, 249)), Err(HistoryError::OutOfOrder { kind, id: id() }));
        assert_eq!(history.open_prune().map(|open| open.pruned.cut), Some(256));
        say(&mut history, dropped(256, 250)).unwrap();
        assert_eq!((history.open_prune(), history.pruned[0].gone), (None, history.last_time));
        assert_eq!(say(&mut history, dropped(256, 250)), Err(HistoryError::Repeated { kind, id: id() }));
    }

    #[test]
    fn a_second_prune_waits_for_the_end_of_the_first() {
        let mut history = long();
        say(&mut history, pruned(256, 250, 6)).unwrap();
        say(&mut history, Event::Heartbeat {}).unwrap();
        let refused = HistoryError::OutOfOrder { kind: "ledger.pruned", id: "512".to_owned() };
        assert_eq!(say(&mut history, pruned(512, 250, 12)), Err(refused));
        say(&mut history, dropped(256, 250)).unwrap();
        say(&mut history, pruned(512, 250, 12)).unwrap();
        assert_eq!(
            say(&mut history, dropped(256, 250)).unwrap_err().to_string(),
            "ledger.dropped of 256 has no open intent"
        );
        say(&mut history, dropped(512, 250)).unwrap();
        assert!(history.pruned.iter().all(|pruned| pruned.gone.is_some()));
    }
}
