//! Doubt the clock before anything is written: a ledger that took an entry from
//! 2038 would refuse every later one.

use chrono::{DateTime, Utc};

use super::{custody::Custody, rulebook::Rulebook, sources::Sources};
use crate::{
    domain::{
        guard::{self, ClockDoubt, Guard},
        ledger::event::Event,
    },
    ports::{Clock, Failure, Ledger, Scan, SourceError},
};

/// Refuses if `now` cannot be trusted. A jump forward passes where a reviewed
/// plan accepts it by name.
pub fn doubt<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    now: DateTime<Utc>,
    accepted: &[Guard],
) -> Result<(), Failure> {
    let Some(last) = custody.ledger.history().last_time else { return Ok(()) };
    let Err(doubt) = guard::clock(&book.deployment.guards, now, last, book.simulation) else { return Ok(()) };
    let (limit, hint) = match doubt {
        ClockDoubt::Backward { .. } => {
            (last.to_rfc3339(), "set the clock right; nothing is done until it is past the last entry")
        }
        ClockDoubt::Jump { .. } if accepted.contains(&Guard::ClockJumpMax) => return Ok(()),
        ClockDoubt::Jump { limit, .. } => (
            limit.to_string(),
            "set the clock right; if nothing ran for that long, make a plan, review it, and run it with `run --plan \
             FILE --accept-guard clock_jump_max --by NAME`",
        ),
    };
    let refused = Event::Refused { what: "clock".to_owned(), rule: None, limit, value: now.to_rfc3339() };
    custody.ledger.append_in_doubt(vec![refused])?;
    Err(Failure::Refused(format!("{doubt}; hint: {hint}")))
}

/// Refuses if a source's server tells another time than the host: it is not known
/// which of them is right. In a simulation the host's is set by hand. A source that
/// cannot be reached fails by itself, with its own rules.
pub async fn compare<S: Scan, V, K, L: Ledger>(
    book: &Rulebook<'_>,
    sources: &mut Sources<S>,
    custody: &mut Custody<V, K, L>,
    clock: &impl Clock,
) -> Result<(), Failure> {
    if book.simulation {
        return Ok(());
    }
    for (name, source) in sources.open() {
        let before = clock.read();
        let theirs = match source.clock().await {
            Ok(Some(theirs)) => theirs,
            Ok(None) | Err(SourceError::Unreachable { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let limit = book.deployment.guards.clock_skew_max;
        if !guard::skewed(&book.deployment.guards, (before, clock.read()), theirs) {
            continue;
        }
        let (limit, value) = (limit.to_string(), format!("{} of source {name}", theirs.to_rfc3339()));
        let refused = Event::Refused { what: "clock".to_owned(), rule: None, limit: limit.clone(), value };
        custody.ledger.append_in_doubt(vec![refused])?;
        return Err(Failure::Refused(format!(
            "the clock says {before}, and that of source {name} {theirs}; clock_skew_max is {limit}; hint: set the \
             wrong one right (NTP on both hosts); nothing is done until they agree"
        )));
    }
    Ok(())
}
