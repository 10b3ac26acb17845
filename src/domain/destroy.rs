//! The decision to destroy, and the tokens that carry it from step to step.
//!
//! `Order` permits destroying keys; only `decide` makes one. `KeysGone` permits
//! deleting ciphertext; only a keyring that tested it makes one from an `Order`.
//! Each is taken by move, so that a step cannot be skipped or repeated.

use chrono::{DateTime, Utc};

use super::{
    calendar::{Calendar, Term},
    hold::{Clearance, Holds},
    id::{BucketId, OperationId, RuleId},
    policy::Policy,
    verdict::Finding,
};

/// What the vault knows of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFacts {
    pub bucket: BucketId,
    pub segments: u64,
    pub records: u64,
    pub bytes: u64,
    /// When its youngest segment was sealed.
    pub sealed_last: DateTime<Utc>,
}

impl BucketFacts {
    /// A bucket of which the vault has nothing any more.
    #[must_use]
    pub const fn erased(bucket: BucketId) -> Self {
        Self { bucket, segments: 0, records: 0, bytes: 0, sealed_last: DateTime::UNIX_EPOCH }
    }
}

/// Whether a bucket may be destroyed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Destroy(Term),
    Keep(KeepReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepReason {
    /// Its period is not over.
    NotDue(Term),
    /// The undo window after its separation is not over.
    CoolingOff { until: DateTime<Utc>, term: Term },
    /// A hold keeps it, or a record in it.
    Held(Term),
    /// Its rule is not in the policy in force: a person must decide.
    RuleUnknown,
}

/// Decides one bucket under the policy and the holds in force. Holds on single
/// records are none of its business: an order needs a `Clearance` for them.
#[must_use]
pub fn decide(
    policy: &Policy,
    calendar: &Calendar<'_>,
    holds: &Holds,
    facts: &BucketFacts,
    now: DateTime<Utc>,
) -> Decision {
    let Some(rule) = policy.rule(&facts.bucket.policy_rule()) else {
        return Decision::Keep(KeepReason::RuleUnknown);
    };
    let term = holds.term(calendar, &facts.bucket, calendar.term(rule, facts.bucket.date));
    if now < term.due {
        return Decision::Keep(KeepReason::NotDue(term));
    }
    if holds.keep(&facts.bucket) {
        return Decision::Keep(KeepReason::Held(term));
    }
    let until = facts.sealed_last + policy.cooling_off.0;
    if now < until {
        return Decision::Keep(KeepReason::CoolingOff { until, term });
    }
    Decision::Destroy(term)
}

/// Permission to destroy the keys of these buckets of one rule.
#[derive(Debug)]
pub struct Order {
    id: OperationId,
    /// As the buckets have it: a rule of the policy, or `rule+hold`.
    rule: RuleId,
    buckets: Vec<(BucketFacts, Term)>,
}

/// A destruction that may not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bucket {bucket} may not be destroyed any more")]
pub struct NotPermitted {
    pub bucket: BucketId,
    pub reason: KeepReason,
}

impl Order {
    /// Decides every bucket anew and permits their destruction only if each one
    /// may be destroyed now and was searched for held records.
    pub fn issue(
        id: OperationId,
        rule: &RuleId,
        (policy, calendar): (&Policy, &Calendar<'_>),
        (holds, clearance): (&Holds, &Clearance),
        buckets: Vec<BucketFacts>,
        now: DateTime<Utc>,
    ) -> Result<Self, NotPermitted> {
        let mut permitted = Vec::with_capacity(buckets.len());
        for facts in buckets {
            match decide(policy, calendar, holds, &facts, now) {
                Decision::Destroy(term) if !clearance.has(&facts.bucket) => {
                    return Err(NotPermitted { bucket: facts.bucket, reason: KeepReason::Held(term) });
                }
                Decision::Destroy(term) if facts.bucket.rule == *rule => permitted.push((facts, term)),
                Decision::Destroy(_) => {
                    return Err(NotPermitted { bucket: facts.bucket, reason: KeepReason::RuleUnknown });
                }
                Decision::Keep(reason) => {
                    return Err(NotPermitted { bucket: facts.bucket, reason });
                }
            }
        }
        Ok(Self { id, rule: rule.clone(), buckets: permitted })
    }

    #[must_use]
    pub const fn id(&self) -> &OperationId {
        &self.id
    }

    #[must_use]
    pub const fn rule(&self) -> &RuleId {
        &self.rule
    }

    #[must_use]
    pub fn buckets(&self) -> &[(BucketFacts, Term)] {
        &self.buckets
    }

    pub fn bucket_ids(&self) -> impl Iterator<Item = &BucketId> {
        self.buckets.iter().map(|(facts, _)| &facts.bucket)
    }

    /// The keys are gone: what a keyring says after its negative test.
    #[must_use]
    pub fn keys_gone(self, finding: Finding) -> KeysGone {
        KeysGone { order: self, finding }
    }
}

/// The keys of an order's buckets are gone; their ciphertext may be deleted.
#[derive(Debug)]
pub struct KeysGone {
    order: Order,
    /// What the anchor's medium can promise.
    pub finding: Finding,
}

impl KeysGone {
    #[must_use]
    pub const fn order(&self) -> &Order {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        fixture::{at, bucket, policy},
        holiday::Holidays,
    };

    /// A member who withdrew on the 10th is due on the 16th at midnight.
    const DUE: &str = "2026-01-16T00:00:00+09:00";

    fn sealed(rule: &str, at: DateTime<Utc>) -> BucketFacts {
        let bucket = bucket(rule, "2026-01-10");
        BucketFacts { bucket, segments: 1, records: 2, bytes: 3, sealed_last: at }
    }

    fn decided(policy: &Policy, facts: &BucketFacts, now: &str) -> Decision {
        decide(policy, &Calendar::new(policy, &Holidays::default()), &Holds::default(), facts, at(now))
    }

    #[test]
    fn a_bucket_is_kept_to_the_last_instant_before_its_due() {
        let (policy, facts) = (policy(), sealed("member", at("2026-01-10T12:00:00Z")));
        let kept = decided(&policy, &facts, "2026-01-15T23:59:59.999999999+09:00");
        assert!(matches!(kept, Decision::Keep(KeepReason::NotDue(term)) if term.due == at(DUE)), "{kept:?}");
        assert!(matches!(decided(&policy, &facts, DUE), Decision::Destroy(term) if term.due == at(DUE)));
    }

    #[test]
    fn a_due_bucket_is_kept_while_its_youngest_segment_cools_off() {
        let (policy, facts) = (policy(), sealed("member", at("2026-03-01T00:00:00Z")));
        let kept = decided(&policy, &facts, "2026-03-01T23:59:59.999Z");
        let until = at("2026-03-02T00:00:00Z");
        assert!(matches!(kept, Decision::Keep(KeepReason::CoolingOff { until: end, .. }) if end == until), "{kept:?}");
        assert!(matches!(decided(&policy, &facts, "2026-03-02T00:00:00Z"), Decision::Destroy(_)));
    }

    #[test]
    fn a_bucket_of_a_rule_that_the_policy_does_not_have_is_kept_for_ever() {
        let facts = sealed("dropped", at("2026-01-10T12:00:00Z"));
        assert_eq!(decided(&policy(), &facts, "2999-01-01T00:00:00Z"), Decision::Keep(KeepReason::RuleUnknown));
    }

    fn issued(buckets: Vec<BucketFacts>, now: &str) -> Result<Order, NotPermitted> {
        let (policy, holidays) = (policy(), Holidays::default());
        let calendar = Calendar::new(&policy, &holidays);
        let mut clearance = Clearance::default();
        buckets.iter().for_each(|facts| clearance.note(&facts.bucket, 0));
        let searched = (&Holds::default(), &clearance);
        Order::issue("o".into(), &"member".into(), (&policy, &calendar), searched, buckets, at(now))
    }

    #[test]
    fn an_order_is_issued_for_what_may_be_destroyed_and_carries_its_terms() {
        let order = issued(vec![sealed("member", at("2026-01-10T12:00:00Z"))], DUE).unwrap();
        assert_eq!((order.id().as_str(), order.rule().as_str()), ("o", "member"));
        assert_eq!(order.buckets()[0].1.due, at(DUE));
        let gone = order.keys_gone(Finding::unknown("flash"));
        assert_eq!(gone.order().bucket_ids().collect::<Vec<_>>(), [&bucket("member", "2026-01-10")]);
        assert_eq!(gone.finding, Finding::unknown("flash"));
    }

    #[test]
    fn one_bucket_that_must_be_kept_refuses_the_whole_order() {
        let early = at("2026-01-10T12:00:00Z");
        let cooling = BucketFacts { bucket: bucket("member", "2026-01-09"), ..sealed("member", at(DUE)) };
        let refused = issued(vec![sealed("member", early), cooling.clone()], DUE).unwrap_err();
        assert_eq!(refused.bucket, cooling.bucket);
        assert!(matches!(refused.reason, KeepReason::CoolingOff { .. }));
    }

    #[test]
    fn an_order_never_holds_a_bucket_of_another_rule() {
        let facts = sealed("contract", at("2026-01-10T12:00:00Z"));
        assert_eq!(issued(vec![facts.clone()], "2036-01-01T00:00:00Z").unwrap_err().bucket, facts.bucket);
    }

    #[test]
    fn a_bucket_that_is_erased_already_may_be_named_again_by_recovery() {
        assert!(issued(vec![BucketFacts::erased(bucket("member", "2026-01-10"))], DUE).is_ok());
        assert!(issued(vec![BucketFacts::erased(bucket("member", "2026-01-11"))], DUE).is_err());
    }
}
