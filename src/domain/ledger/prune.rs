//! The decision that old lines may be dropped, and the permit that carries it.

use chrono::{DateTime, Months, NaiveDate, Utc};
use chrono_tz::Tz;

use super::history::History;
use crate::domain::calendar::start_of;

/// A ledger is kept at least so long (지침, five years).
const KEPT_MONTHS: u32 = 5 * 12;

/// Permission to drop lines that are older than a date, of a ledger as it stood.
/// Only `issue` makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrunePermit {
    before: NaiveDate,
    until: DateTime<Utc>,
    entries: u64,
}

/// Why nothing may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PruneRefused {
    #[error("a ledger is kept for five years, and {before} is less than that ago")]
    TooYoung {
        before: NaiveDate,
        /// The newest date that is allowed.
        newest: NaiveDate,
    },
    /// An intent has no outcome, or an earlier prune was interrupted.
    #[error("something is under way that has to be settled first")]
    Open,
    /// An older copy of the vault was acknowledged, and what came back with it is not
    /// cleared yet.
    #[error("something is under way that has to be settled first")]
    OlderCopy,
}

impl PrunePermit {
    /// Permits dropping what is older than `before` in the policy's zone, if at `now`
    /// that date is five years ago there and nothing is open.
    pub fn issue(before: NaiveDate, now: DateTime<Utc>, zone: Tz, history: &History) -> Result<Self, PruneRefused> {
        let today = now.with_timezone(&zone).date_naive();
        let newest = today.checked_sub_months(Months::new(KEPT_MONTHS)).unwrap_or(NaiveDate::MIN);
        if before > newest {
            return Err(PruneRefused::TooYoung { before, newest });
        }
        if history.has_open_intents() || history.open_prune().is_some() {
            return Err(PruneRefused::Open);
        }
        if history.acknowledged.is_some() {
            return Err(PruneRefused::OlderCopy);
        }
        Ok(Self { before, until: start_of(zone, before), entries: history.entries })
    }

    #[must_use]
    pub const fn before(&self) -> NaiveDate {
        self.before
    }

    /// Midnight before the date: what is older may be dropped.
    #[must_use]
    pub const fn until(&self) -> DateTime<Utc> {
        self.until
    }

    /// Whether it was issued on this history: no entry came since.
    #[must_use]
    pub const fn still_holds(&self, history: &History) -> bool {
        self.entries == history.entries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{
        fixture::{at, date},
        id::Digest,
        ledger::event::{
            Entry, Event, LedgerDropped, LedgerPruned, RestoreIntent, RestoreResult, VERSION, VaultAcknowledged,
        },
    };

    const SEOUL: Tz = chrono_tz::Asia::Seoul;

    fn say(history: &mut History, event: Event) {
        let seq = history.entries;
        let (time, policy) = (at("2020-01-01T00:00:00Z"), Digest::of(b"p"));
        let (run, actor, host) = ("r".into(), "a".into(), "h".into());
        history.record(&Entry { v: VERSION, seq, time, event, run, policy, actor, host }).unwrap();
    }

    fn opened() -> History {
        let mut history = History::default();
        say(&mut history, Event::LedgerOpened { origin: "o".into(), simulation: true, version: "0".into() });
        history
    }

    /// At noon on a date that the clock of `zone` shows.
    fn issued(before: &str, today: &str, history: &History) -> Result<PrunePermit, PruneRefused> {
        PrunePermit::issue(date(before), at(&format!("{today}T12:00:00+09:00")), SEOUL, history)
    }

    #[test]
    fn a_date_is_permitted_from_the_day_five_years_after_it() {
        let history = opened();
        let (before, newest) = (date("2027-03-15"), date("2027-03-14"));
        assert_eq!(issued("2027-03-15", "2032-03-14", &history), Err(PruneRefused::TooYoung { before, newest }));
        let permit = issued("2027-03-15", "2032-03-15", &history).unwrap();
        assert_eq!((permit.before(), permit.until()), (before, at("2027-03-15T00:00:00+09:00")));
        assert!(issued("2027-03-14", "2032-03-15", &history).is_ok());
        // A leap day is over for five years when February is.
        let (before, newest) = (date("2028-02-29"), date("2028-02-28"));
        assert_eq!(issued("2028-02-29", "2033-02-28", &history), Err(PruneRefused::TooYoung { before, newest }));
        assert!(issued("2028-02-29", "2033-03-01", &history).is_ok());
        // And one on which it is asked permits no day more.
        assert!(issued("2027-02-28", "2032-02-29", &history).is_ok());
        assert!(issued("2027-03-01", "2032-02-29", &history).is_err());
    }

    #[test]
    fn the_day_begins_in_the_zone_of_the_policy() {
        let history = opened();
        let issue = |now: &str, zone| PrunePermit::issue(date("2027-03-15"), at(now), zone, &history);
        assert!(issue("2032-03-14T14:59:59.999999999Z", SEOUL).is_err());
        assert!(issue("2032-03-14T15:00:00Z", SEOUL).is_ok());
        assert!(issue("2032-03-14T15:00:00Z", Tz::UTC).is_err());
        let permit = issue("2032-03-15T00:00:00Z", Tz::UTC).unwrap();
        assert_eq!(permit.until(), at("2027-03-15T00:00:00Z"));
    }

    #[test]
    fn nothing_is_permitted_while_an_intent_is_open() {
        let mut history = opened();
        let intent = RestoreIntent {
            operation: "o".into(),
            by: "b".into(),
            reason: "r".into(),
            source: "s".into(),
            records: BTreeMap::new(),
            keep_event: false,
            segments: vec![],
            digest: Digest::of(b"d"),
        };
        say(&mut history, Event::RestoreIntent(intent));
        assert_eq!(issued("2021-01-01", "2027-01-01", &history), Err(PruneRefused::Open));
        let (result, reason) = (RestoreResult::Committed, None);
        say(&mut history, Event::RestoreOutcome { operation: "o".into(), result, reason });
        assert!(issued("2021-01-01", "2027-01-01", &history).is_ok());
    }

    #[test]
    fn nothing_is_permitted_while_an_earlier_prune_has_not_ended() {
        let mut history = opened();
        (0..256).for_each(|_| say(&mut history, Event::Heartbeat {}));
        let (by, before, digest) = ("b".into(), date("2020-01-02"), Digest::of(b"d"));
        let pruned = LedgerPruned { by, before, cut: 256, dropped: 255, kept: 1, file: digest, root: digest };
        say(&mut history, Event::LedgerPruned(pruned));
        assert_eq!(issued("2021-01-01", "2027-01-01", &history), Err(PruneRefused::Open));
        say(&mut history, Event::LedgerDropped(LedgerDropped { cut: 256, lines: 255 }));
        assert!(issued("2021-01-01", "2027-01-01", &history).is_ok());
    }

    #[test]
    fn nothing_is_permitted_while_an_older_copy_of_the_vault_is_not_cleared() {
        let mut history = opened();
        let found = Digest::of(b"found");
        let (by, reason) = ("b".into(), "r".into());
        let acknowledged = VaultAcknowledged { found, by, reason, knows: 1, missing: BTreeMap::new(), destroyed: 0 };
        say(&mut history, Event::VaultAcknowledged(acknowledged));
        assert_eq!(issued("2021-01-01", "2027-01-01", &history), Err(PruneRefused::OlderCopy));
        let in_vault = BTreeMap::new();
        say(&mut history, Event::VaultCleared { found, buckets: 0, segments: 0, records: 0, in_vault });
        assert!(issued("2021-01-01", "2027-01-01", &history).is_ok());
    }

    #[test]
    fn it_holds_until_the_next_entry() {
        let mut history = opened();
        let permit = issued("2021-01-01", "2027-01-01", &history).unwrap();
        assert!(permit.still_holds(&history));
        say(&mut history, Event::Heartbeat {});
        assert!(!permit.still_holds(&history));
    }
}
