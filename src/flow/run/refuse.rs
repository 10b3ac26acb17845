//! What a cycle refuses before it touches anything. Each refusal stands in the
//! ledger with its numbers and says in one sentence what to do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{super::message, Instructions, Refusal};
use crate::{
    domain::{
        approval::judge,
        guard::{self, Guard},
        id::{Digest, RuleId},
        ledger::event::Event,
        plan::Plan,
        policy::Approval,
    },
    flow::{custody::Custody, rulebook::Rulebook},
    ports::{Failure, Ledger},
};

/// Bytes of what changed that an entry lists: its line must stay under 64 KiB.
const DRIFT_BYTES_MAX: usize = 16 << 10;

/// Stops while the first policy has not taken effect. One that took the place of
/// another holds back by itself what it shortened (`Calendar::after`).
pub fn before_effect<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if book.calendar.date_of(now) >= book.policy.effective || book.calendar.arms_at().is_some() {
        return Ok(());
    }
    record_once(custody, "effective", book.policy.effective.to_string(), book.digest.to_string())?;
    Err(Failure::Refused(format!(
        "policy version {} takes effect on {}; nothing is done under it before",
        book.policy.version, book.policy.effective
    )))
}

/// Puts on record that there is a rules file which nobody has adopted: what was
/// adopted goes on without it.
pub fn unadopted<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    proposed: Option<Digest>,
) -> Result<(), Failure> {
    proposed.map_or(Ok(()), |file| record_once(custody, "policy", book.digest.to_string(), file.to_string()))
}

/// Stops if the reviewed plan is not what holds, or if none was ever reviewed.
pub fn plan<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    instructions: &Instructions<'_>,
    fresh: &Plan,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    match instructions.reviewed {
        Some(reviewed) => reviewed_plan(book, custody, instructions, reviewed, fresh, now),
        None => first_plan(book, custody, fresh),
    }
}

fn reviewed_plan<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    instructions: &Instructions<'_>,
    reviewed: &Plan,
    fresh: &Plan,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let again = "hint: make a new plan with `plan --out FILE` and review it";
    if let Some(objection) = objection(book, reviewed, now) {
        record(custody, "plan", None, book.digest.to_string(), reviewed.digest.to_string())?;
        return Err(Failure::Refused(format!("{objection}; {again}")));
    }
    let drift = reviewed.drift(fresh);
    if !drift.is_empty() {
        let changes = drift.join("; ");
        record(custody, "drift", None, reviewed.digest.to_string(), drifted(fresh.digest, &drift))?;
        return Err(Failure::Refused(format!("the data changed since the plan was made: {changes}; {again}")));
    }
    let open: Vec<&guard::Hit> =
        fresh.guards.iter().filter(|hit| !instructions.accepted.contains(&hit.guard)).collect();
    for hit in &open {
        record(custody, hit.guard.name(), Some(&hit.rule), hit.limit.to_string(), hit.value.to_string())?;
    }
    if open.is_empty() {
        return Ok(());
    }
    let hits: Vec<String> = open.iter().map(|hit| describe(hit)).collect();
    Err(Failure::Refused(format!(
        "the plan runs into guards: {}; hint: if that is meant, add `--accept-guard {} --by NAME`",
        hits.join("; "),
        open[0].guard
    )))
}

/// Why the plan itself, whatever the data, is not one to carry out.
pub fn objection(book: &Rulebook<'_>, reviewed: &Plan, now: DateTime<Utc>) -> Option<String> {
    if reviewed.computed_digest().ok() != Some(reviewed.digest) {
        return Some("the plan file was changed after it was made".to_owned());
    }
    if reviewed.policy.digest != book.digest || reviewed.simulation != book.simulation {
        return Some("the plan was made under another policy or vault".to_owned());
    }
    (reviewed.now.to_utc() > now).then(|| format!("the plan is of {}, which has not come yet", reviewed.now))
}

/// Under a policy that was just adopted nothing moves until a person has
/// reviewed a plan and run it once.
fn first_plan<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    fresh: &Plan,
) -> Result<(), Failure> {
    if fresh.rows() == 0 || custody.ledger.history().reviewed == Some(book.digest) {
        return Ok(());
    }
    record(custody, "review", None, "a reviewed plan".to_owned(), format!("{} rows", fresh.rows()))?;
    Err(Failure::Refused(format!(
        "no plan was reviewed under policy version {} yet, and this cycle would move or destroy {} rows; hint: run \
         `retentiond plan --out plan.json`, review it, then `retentiond run --plan plan.json --by NAME`; from then on \
         cycles run by themselves",
        book.policy.version,
        fresh.rows()
    )))
}

/// Guards that keep one rule out of this cycle.
pub fn guards<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    plan: &Plan,
    rule: &RuleId,
    accepted: &[Guard],
) -> Result<Vec<Refusal>, Failure> {
    let mut refusals = Vec::new();
    for hit in plan.stopped_by(rule, accepted) {
        record(custody, hit.guard.name(), Some(rule), hit.limit.to_string(), hit.value.to_string())?;
        let reason = format!(
            "{}; hint: make a plan with `plan --out FILE`, review it, and run it with `run --plan FILE \
             --accept-guard {} --by NAME`",
            describe(hit),
            hit.guard
        );
        let message_id = message::REFUSED;
        tracing::warn!(message_id, %rule, guard = %hit.guard, limit = hit.limit, value = hit.value, "guard refuses the rule");
        let (rule, dataset) = (rule.clone(), book.deployment.only_table_of(rule).map(str::to_owned));
        let (rows, children) = planned(plan, &rule);
        let guard = Some(hit.guard.name().to_owned());
        refusals.push(Refusal { rule: Some(rule), dataset, rows, children, guard, reason });
    }
    Ok(refusals)
}

/// Destruction of a rule that asks for the officer's approval waits for it,
/// visibly; the rule's separation does not.
pub fn unapproved<V, K, L: Ledger>(
    book: &Rulebook<'_>,
    custody: &mut Custody<V, K, L>,
    plan: &Plan,
    instructions: &Instructions<'_>,
) -> Result<Vec<Refusal>, Failure> {
    let asks = |rule: &RuleId| book.policy.rule(rule).is_some_and(|rule| rule.approval == Approval::Officer);
    let waiting = plan.destructions().filter(|item| item.rows > 0 && asks(&item.rule));
    let mut refusals = Vec::new();
    for item in waiting {
        let approvals = &custody.ledger.history().approvals;
        let of_plan =
            instructions.reviewed.map(|plan| approvals.get(&plan.digest).map(Vec::as_slice).unwrap_or_default());
        let Err(why) = judge(&book.policy.officer, of_plan, instructions.by) else { continue };
        let rule = item.rule.clone();
        record(custody, "approval", Some(&rule), "the officer's approval".to_owned(), format!("{} rows", item.rows))?;
        let reason = format!(
            "the destruction of {} rows waits: {why}; hint: `plan --out FILE`, `approve --plan FILE --by OFFICER`, then \
             `run --plan FILE --by NAME`",
            item.rows
        );
        let (message_id, rows) = (message::REFUSED, item.rows);
        tracing::warn!(message_id, %rule, rows, reason = %why, "the destruction waits for the officer's approval");
        let (guard, children) = (Some("approval".to_owned()), BTreeMap::new());
        refusals.push(Refusal { rule: Some(rule), dataset: None, rows: item.rows, children, guard, reason });
    }
    Ok(refusals)
}

/// Rows that a plan has for a rule, to separate and to destroy.
fn planned(plan: &Plan, rule: &RuleId) -> (u64, BTreeMap<String, u64>) {
    let mut children: BTreeMap<String, u64> = BTreeMap::new();
    let mut rows = plan.destructions().filter(|item| item.rule == *rule).map(|item| item.rows).sum();
    for item in plan.separations().filter(|item| item.rule == *rule) {
        rows += item.rows;
        for (table, count) in &item.children {
            *children.entry(table.clone()).or_default() += count;
        }
    }
    (rows, children)
}

/// The plan as it would be now, and which counts changed.
fn drifted(fresh: Digest, changes: &[String]) -> String {
    let mut text = fresh.to_string();
    for (number, change) in changes.iter().enumerate() {
        if text.len() + change.len() > DRIFT_BYTES_MAX {
            return format!("{text}; and {} more", changes.len() - number);
        }
        text = format!("{text}; {change}");
    }
    text
}

fn describe(hit: &guard::Hit) -> String {
    format!("{} of rule {} is {} and the plan has {}", hit.guard, hit.rule, hit.limit, hit.value)
}

/// Like `record` for what stays as it is until a person does something: it stands
/// in the ledger once under each policy, and not with every cycle.
fn record_once<V, K, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    what: &str,
    limit: String,
    value: String,
) -> Result<(), Failure> {
    let last = custody.ledger.history().refusals.get(what);
    if last.is_some_and(|last| (&last.0, &last.1) == (&limit, &value)) {
        return Ok(());
    }
    record(custody, what, None, limit, value)
}

fn record<V, K, L: Ledger>(
    custody: &mut Custody<V, K, L>,
    what: &str,
    rule: Option<&RuleId>,
    limit: String,
    value: String,
) -> Result<(), Failure> {
    custody.ledger.append(vec![Event::Refused { what: what.to_owned(), rule: rule.cloned(), limit, value }])?;
    Ok(())
}
