//! Destroying buckets: not before they are due, keys first, all on record.

use chrono::{DateTime, TimeDelta};
use retentiond::{
    domain::{
        ledger::event::{DestroyOutcome, DestroyResult, Event},
        verdict::{Finding, Verdict},
    },
    ports::Failure,
};

use super::{
    faults::Fault,
    memory_keyring::Leaves,
    truth::Place,
    world::{World, at},
};

/// Everything that is due lies in the vault, and cooling-off is over.
fn ready() -> World {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.advance(1);
    world
}

fn outcomes(world: &World) -> Vec<DestroyOutcome> {
    let outcome = |event: Event| match event {
        Event::DestroyOutcome(outcome) => Some(outcome),
        _ => None,
    };
    world.events().into_iter().filter_map(outcome).collect()
}

fn intents(world: &World) -> usize {
    world.events().iter().filter(|event| matches!(event, Event::DestroyIntent(_))).count()
}

#[test]
fn cooling_off_keeps_a_due_bucket_until_its_last_second() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let sealed = world.disk.now.get();
    for seconds in [0, 1, 86_399] {
        world.disk.now.set(sealed + TimeDelta::seconds(seconds));
        assert!(world.cycle().unwrap().destroyed.is_empty(), "{seconds}");
        assert_eq!(world.place("orders/purchase-4"), Place::Vault);
    }
    world.disk.now.set(sealed + TimeDelta::seconds(86_400));
    assert!(!world.cycle().unwrap().destroyed.is_empty());
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
}

#[test]
fn a_bucket_is_destroyed_from_its_due_instant_on_and_not_before() {
    let world = ready();
    for (now, place) in [("2026-11-25T23:59:59+09:00", Place::Vault), ("2026-11-26T00:00:00+09:00", Place::Nowhere)] {
        world.disk.now.set(at(now));
        world.cycle().unwrap();
        assert_eq!(world.place("members/person-4"), place, "{now}");
    }
    assert_eq!(world.place("members/person-5"), Place::Vault);
    assert_eq!(world.place("orders/purchase-5"), Place::Vault);
}

#[test]
fn an_outcome_says_what_was_destroyed_and_how_late() {
    let world = ready();
    let report = world.cycle().unwrap();
    let outcome = outcomes(&world).into_iter().find(|outcome| outcome.rule.as_str() == "contract").unwrap();
    assert_eq!((outcome.result, outcome.buckets, outcome.records), (DestroyResult::Destroyed, 2, 2));
    assert_eq!(outcome.children.get("order_lines"), Some(&1));
    assert_eq!(
        (outcome.first.to_string(), outcome.last.to_string()),
        ("2019-03-01".to_owned(), "2020-02-02".to_owned())
    );
    let latest = outcome.latest.unwrap();
    assert_eq!(latest, at("2024-03-07T00:00:00+09:00"));
    let late = (world.disk.now.get() - latest).num_seconds();
    assert_eq!(i64::try_from(outcome.late_seconds).unwrap(), late);
    let destroyed = report.destroyed.iter().find(|item| item.rule.as_str() == "contract").unwrap();
    assert_eq!((destroyed.rows, destroyed.buckets), (2, 2));
    world.disk.check_settled();
}

#[test]
fn a_clock_that_goes_back_after_the_plan_keeps_the_keys() {
    let world = ready();
    let before: DateTime<_> = world.disk.now.get() - TimeDelta::hours(2);
    // The first look at the buckets is for the plan, the second one to destroy.
    world.disk.faults.borrow_mut().meanwhile("vault.buckets", 1, move |disk| disk.now.set(before));
    let report = world.cycle().unwrap();
    assert_eq!(report.failed.len(), 3, "{:?}", report.failed);
    assert!(report.failed[0].reason.contains("may not be destroyed any more"), "{}", report.failed[0].reason);
    assert_eq!((intents(&world), world.all_at(Place::Nowhere).len()), (0, 0));
}

#[test]
fn an_interrupted_destruction_is_abandoned_if_the_policy_now_keeps_longer() {
    let mut world = ready();
    world.fail("keyring.write_next", 0, Fault::CrashBefore);
    assert!(world.cycle().is_err());
    keep_for_thirty_years(&mut world);
    world.recover().unwrap();
    assert_eq!(outcomes(&world).iter().map(|outcome| outcome.result).collect::<Vec<_>>(), [DestroyResult::Abandoned]);
    assert!(world.all_at(Place::Nowhere).is_empty());
    world.disk.check_settled();
}

#[test]
fn a_destruction_whose_keys_began_to_go_is_never_called_abandoned() {
    let mut world = ready();
    world.fail("keyring.install_next", 0, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    keep_for_thirty_years(&mut world);
    for _ in 0..2 {
        let Err(Failure::StateUnknown(reason)) = world.recover() else { panic!("it was settled") };
        assert!(reason.contains("after its keys began to go"), "{reason}");
    }
    assert!(outcomes(&world).is_empty());
}

#[test]
fn a_full_disk_while_a_destruction_is_taken_up_again_does_not_abandon_it() {
    let world = ready();
    world.fail("keyring.install_next", 0, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    world.disk.keys.borrow_mut().full = true;
    assert!(matches!(world.recover(), Err(Failure::StateUnknown(_))));
    assert!(outcomes(&world).is_empty());
    world.disk.keys.borrow_mut().full = false;
    world.recover().unwrap();
    assert_eq!(outcomes(&world)[0].result, DestroyResult::Destroyed);
    world.disk.check_settled();
}

fn keep_for_thirty_years(world: &mut World) {
    for rule in &mut world.policy.rules {
        rule.keep = "30 years".parse().unwrap();
    }
    world.adopt();
}

#[test]
fn keys_that_cannot_be_written_abandon_one_destruction_and_the_next_rule_goes_on() {
    let world = ready();
    world.fail("keyring.write_next", 0, Fault::NotApplied);
    let report = world.cycle().unwrap();
    assert_eq!(report.failed.len(), 1);
    let results: Vec<_> = outcomes(&world).iter().map(|outcome| outcome.result).collect();
    assert_eq!(results, [DestroyResult::Abandoned, DestroyResult::Destroyed, DestroyResult::Destroyed]);
    world.disk.check_settled();
    assert!(world.cycle().unwrap().failed.is_empty());
    assert_eq!(world.place("members/person-3"), Place::Nowhere);
}

#[test]
fn a_vault_that_cannot_be_read_after_the_intent_abandons_the_destruction() {
    let world = ready();
    world.fail("vault.sample", 0, Fault::NotApplied);
    let report = world.cycle().unwrap();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(outcomes(&world)[0].result, DestroyResult::Abandoned);
    world.disk.check_settled();
}

#[test]
fn a_segment_that_its_key_does_not_open_stops_its_destruction() {
    let world = ready();
    for (sealed, _) in world.disk.vault.borrow_mut().segments.values_mut() {
        if sealed.bucket.rule.as_str() == "visit" {
            sealed.body[0] ^= 1;
        }
    }
    assert!(matches!(world.cycle(), Err(Failure::StateUnknown(_))));
    let keys = world.disk.keys.borrow();
    let vault = world.disk.vault.borrow();
    let mut visits = vault.segments.values().filter(|(sealed, _)| sealed.bucket.rule.as_str() == "visit");
    assert!(visits.all(|(sealed, _)| keys.holds(&sealed.bucket)));
}

#[test]
fn a_key_that_still_opens_a_victim_stops_everything_and_its_ciphertext_stays() {
    for leaves in [Leaves::Keys, Leaves::Copies] {
        let world = ready();
        let segments = world.disk.vault.borrow().segments.len();
        world.disk.keys.borrow_mut().leaves = leaves;
        let Err(Failure::StateUnknown(reason)) = world.cycle() else { panic!("{leaves:?} pass for a destruction") };
        assert!(reason.contains("still opens"), "{reason}");
        assert_eq!(world.disk.vault.borrow().segments.len(), segments);
        assert!(!world.events().iter().any(|event| matches!(event, Event::KeyDestroyed { .. })));
    }
}

#[test]
fn ciphertext_that_cannot_be_deleted_stops_everything_until_it_is() {
    let world = ready();
    world.fail("vault.erase", 0, Fault::NotApplied);
    let Err(Failure::StateUnknown(reason)) = world.cycle() else { panic!("it went on") };
    assert!(reason.contains("recovery deletes it"), "{reason}");
    world.cycle().unwrap();
    world.disk.check_settled();
    assert!(outcomes(&world).iter().all(|outcome| outcome.result == DestroyResult::Destroyed));
}

#[test]
fn what_the_medium_cannot_promise_is_unknown_and_never_pass() {
    let world = ready();
    world.disk.keys.borrow_mut().finding = Finding::unknown("flash may keep old copies of a block");
    let report = world.cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.reasons.contains(&"flash may keep old copies of a block".to_owned()));
    assert!(outcomes(&world).iter().all(|outcome| outcome.finding.verdict == Verdict::Unknown));
}

#[test]
fn buckets_of_a_rule_that_the_policy_no_longer_has_wait_for_a_person() {
    let mut world = ready();
    world.policy.rules.retain(|rule| rule.id.as_str() != "visit");
    world.deployment.datasets.retain(|dataset| dataset.table != "visits");
    world.adopt();
    let plan = world.plan();
    let visits = plan.destructions().find(|item| item.rule.as_str() == "visit").unwrap();
    assert_eq!((visits.rows, visits.waiting), (0, 3));
    world.run_plan(&plan).unwrap();
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
}

#[test]
fn an_intent_names_the_columns_that_were_held_and_the_holidays_that_counted() {
    let world = ready();
    world.disk.now.set(at("2026-11-26T00:00:00+09:00"));
    world.cycle().unwrap();
    let intents = world.events().into_iter().filter_map(|event| match event {
        Event::DestroyIntent(intent) => Some(intent),
        _ => None,
    });
    let mut seen = 0;
    for intent in intents {
        let statutory = world.policy.rule(&intent.rule).unwrap().basis.extends_past_holidays();
        assert_eq!(intent.holidays.is_some(), statutory, "{}", intent.rule);
        for (table, fields) in &intent.fields {
            let (_, name) = table.split_once('.').unwrap();
            assert!(!fields.is_empty() && !name.is_empty(), "{table}");
        }
        assert_eq!(intent.fields.len(), 1 + intent.children.len(), "{intent:?}");
        seen += 1;
    }
    assert!(seen > 1);
}
