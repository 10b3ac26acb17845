//! Doubt the clock before anything is written: a ledger that took an entry from
//! 2038 would refuse every later one.

use chrono::{DateTime, Utc};

use super::{custody::Custody, rulebook::Rulebook};
use crate::{
    domain::{
        guard::{self, ClockDoubt, Guard},
        ledger::event::Event,
    },
    ports::{Failure, Ledger},
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
