//! Heartbeat: says in the ledger that somebody was there, at least daily, so that
//! silence is evidence.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::ledger::event::Event,
    ports::{Ledger, LedgerError},
};

/// How long a ledger may be silent. Less than a day: whoever asks hourly leaves
/// no gap of a day.
const SILENCE_MAX: TimeDelta = TimeDelta::hours(20);

/// Writes a heartbeat where the last entry is older than `SILENCE_MAX`; says
/// whether it did. A clock that went back is no reason to write one.
pub fn heartbeat(ledger: &mut impl Ledger, now: DateTime<Utc>) -> Result<bool, LedgerError> {
    let silent = ledger.history().last_time.is_none_or(|last| now - last >= SILENCE_MAX);
    if silent {
        ledger.append(vec![Event::Heartbeat {}])?;
    }
    Ok(silent)
}
