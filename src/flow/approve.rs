//! Approve: what the privacy officer decides about a plan before it is carried
//! out, and about its result after.

use chrono::{DateTime, Utc};

use super::{custody::Custody, rulebook::Rulebook, run::objection};
use crate::{
    domain::{approval::same_person, id::RunId, ledger::event::Event, plan::Plan},
    ports::{Failure, Ledger},
};

/// Approves a plan on record, once for each person.
pub fn approve<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    plan: &Plan,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if let Some(objection) = objection(book, plan, now) {
        return Err(Failure::Refused(format!(
            "{objection}; hint: make a new plan with `plan --out FILE`, review it and approve that one"
        )));
    }
    let approvals = custody.ledger.history().approvals.get(&plan.digest);
    if approvals.is_some_and(|approvals| approvals.iter().any(|approved| same_person(&approved.by, by))) {
        return Ok(());
    }
    custody.ledger.append(vec![Event::PlanApproved { plan: plan.digest, by: by.to_owned() }])?;
    Ok(())
}

/// Confirms the result of a finished run on record. Returns how many records it
/// had destroyed.
pub fn confirm<V, K, L: Ledger>(custody: &mut Custody<V, K, L>, run: &RunId, by: &str) -> Result<u64, Failure> {
    let Some(destroyed) = custody.ledger.history().unconfirmed.get(run).copied() else {
        return Err(Failure::Refused(format!(
            "no finished run {run} waits for a confirmation; hint: `ledger list --type run.finished` has the ids; one \
             run is confirmed once"
        )));
    };
    custody.ledger.append(vec![Event::RunConfirmed { confirmed: run.clone(), by: by.to_owned() }])?;
    Ok(destroyed)
}
