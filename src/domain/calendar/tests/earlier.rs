//! A policy that takes the place of another one: what it shortens waits until it
//! arms, what it lengthens is longer at once.

use super::*;

const ARMS: &str = "2026-03-01T12:00:00+09:00";

fn with_rule(zone: Tz, counting: Counting, rule: Rule) -> Policy {
    Policy { counting, rules: vec![rule], ..policy(zone, "5 days") }
}

fn replaced<'a>(old: &'a Policy, new: &'a Policy) -> Calendar<'a> {
    let holidays = Holidays::korea().unwrap();
    Calendar::new(new, holidays).after(old, Calendar::new(old, holidays), at(ARMS))
}

#[test]
fn a_shortened_period_ends_when_the_policy_arms_and_a_lengthened_one_is_longer_at_once() {
    let (long, short) = ("1 year", "6 months");
    let policy_of = |keep: &str| with_rule(Asia::Seoul, Counting::KrCivil, internal(keep));
    let due = |from: &str, to: &str, event: &str| {
        let (old, new) = (policy_of(from), policy_of(to));
        let term = replaced(&old, &new).term(&new.rules[0], date(event));
        assert!(term.latest > term.due);
        term.due
    };
    // Due under the old policy already: nothing waits.
    assert_eq!(due(long, short, "2025-01-10"), at("2026-01-11T00:00:00+09:00"));
    // Due under the new one in the past, under the old one later: when it arms.
    assert_eq!(due(long, short, "2025-05-10"), at(ARMS));
    // Due under the new one after it has armed: then.
    assert_eq!(due(long, short, "2025-10-10"), at("2026-04-11T00:00:00+09:00"));
    assert_eq!(due(short, long, "2025-05-10"), at("2026-05-11T00:00:00+09:00"));
    assert_eq!(due(long, long, "2025-05-10"), at("2026-05-11T00:00:00+09:00"));
}

#[test]
fn a_new_rule_has_nothing_due_before_the_policy_arms() {
    let new = with_rule(Asia::Seoul, Counting::KrCivil, internal("5 days"));
    let old = Policy { rules: Vec::new(), ..new.clone() };
    let calendar = replaced(&old, &new);
    let rule = &new.rules[0];
    assert_eq!(calendar.term(rule, date("2025-01-01")).due, at(ARMS));
    assert_eq!(calendar.due_before(rule, at(ARMS) - TimeDelta::nanoseconds(1)), DateTime::<Utc>::MIN_UTC);
    assert_eq!(calendar.due_before(rule, at(ARMS)), at("2026-02-24T00:00:00+09:00"));
    assert_eq!(calendar.arms_at(), Some(at(ARMS)));
}

#[test]
fn a_policy_adopted_while_another_one_arms_waits_for_both() {
    let policy_of = |keep: &str| with_rule(Asia::Seoul, Counting::KrCivil, internal(keep));
    let (first, second, third) = (policy_of("1 year"), policy_of("6 months"), policy_of("1 month"));
    let holidays = Holidays::korea().unwrap();
    let until = |hours: i64| at(ARMS) + TimeDelta::hours(hours);
    let middle = Calendar::new(&second, holidays).after(&first, Calendar::new(&first, holidays), until(0));
    let calendar = Calendar::new(&third, holidays).after(&second, middle, until(10));
    let due = |event: &str| calendar.term(&third.rules[0], date(event)).due;
    assert_eq!(due("2025-05-10"), until(0), "six months are over, and armed first");
    assert_eq!(due("2026-01-10"), until(10), "only the month is over");
    assert_eq!(due("2025-01-10"), at("2026-01-11T00:00:00+09:00"));
}

#[test]
fn inverses_are_exact_while_a_policy_arms() {
    for (from, to) in [("1 year", "6 months"), ("6 months", "1 year"), ("184 days", "6 months")] {
        for counting in [Counting::KrCivil, Counting::Calendar] {
            let old = with_rule(Asia::Seoul, Counting::KrCivil, internal(from));
            let new = with_rule(Asia::Seoul, counting, internal(to));
            let (calendar, rule) = (replaced(&old, &new), &new.rules[0]);
            let terms: Vec<Term> = days("2024-06-01", "2026-06-30")
                .map(|event| calendar.term_at(rule, calendar.start_of(event)))
                .collect();
            assert!(terms.is_sorted_by_key(|term| term.due), "{from} to {to}");
            assert!(terms.is_sorted_by_key(|term| term.latest), "{from} to {to}");
            for now in days("2026-02-20", "2026-03-10").map(|day| calendar.start_of(day)).chain([at(ARMS)]) {
                for now in [-1, 0, 1].map(|second| now + TimeDelta::seconds(second)) {
                    let (due, overdue) = (calendar.due_before(rule, now), calendar.overdue_before(rule, now));
                    for term in &terms {
                        let event = calendar.start_of(term.event);
                        assert_eq!(event < due, term.due <= now, "{} at {now}, {from} to {to}", term.event);
                        assert_eq!(event < overdue, term.latest < now, "{} at {now}, {from} to {to}", term.event);
                    }
                }
            }
        }
    }
}
