//! Every call of every port, with every way in which it can go wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    faults::Fault,
    scenario::{FULL_LIFE, Scenario, VISITS_ONLY, WHOLE_LIFE, live},
    truth::Place,
};

/// Every fault at every call.
fn faults_of(scenario: &Scenario) -> Vec<(usize, Fault)> {
    let (_, trace) = live(scenario, &[]);
    let of_call = |(number, call)| Fault::of(call).iter().map(move |fault| (number, *fault));
    trace.into_iter().enumerate().flat_map(of_call).collect()
}

/// Every fault at the first arrivals of each call, and at every seventh after them:
/// the life without people goes through all.
fn thinned(scenario: &Scenario) -> Vec<(usize, Fault)> {
    const FIRST: usize = 6;
    let (_, trace) = live(scenario, &[]);
    let mut arrivals: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (number, call) in trace.into_iter().enumerate() {
        let arrival = arrivals.entry(call.name).or_default();
        *arrival += 1;
        if *arrival <= FIRST || arrival.is_multiple_of(7) {
            faults.extend(Fault::of(call).iter().map(|fault| (number, *fault)));
        }
    }
    faults
}

/// Lives through the faults and ends where a life without them ends.
fn assert_same_end(scenario: &Scenario, expected: &[(String, Place)], faults: &[(usize, Fault)]) {
    let (world, _) = live(scenario, faults);
    assert_eq!(world.disk.places(), expected, "{faults:?}");
}

#[test]
fn without_a_fault_everything_ends_where_it_belongs() {
    let (world, trace) = live(&WHOLE_LIFE, &[]);
    let place = |name: &str| world.disk.place_of(name);
    for name in ["members/person-1", "members/person-2", "orders/purchase-1", "orders/purchase-3", "orders/purchase-6"]
    {
        assert_eq!(place(name), Place::Source, "{name}");
    }
    for name in ["members/person-3", "members/person-4", "members/person-5", "orders/purchase-2", "orders/purchase-4"] {
        assert_eq!(place(name), Place::Nowhere, "{name}");
    }
    assert_eq!(place("orders/purchase-5"), Place::Vault);
    assert_eq!(place("visits/visit-3"), Place::Source);
    let called: BTreeSet<&str> = trace.iter().map(|call| call.name).collect();
    for name in ["source.commit", "source.put_back", "source.wipe", "vault.store", "vault.erase", "vault.replace"] {
        assert!(called.contains(name), "the scenario never calls {name}");
    }
}

#[test]
fn any_single_fault_anywhere_loses_nothing_destroys_nothing_early_and_is_recovered_from() {
    let (world, _) = live(&WHOLE_LIFE, &[]);
    let expected = world.disk.places();
    let faults = faults_of(&WHOLE_LIFE);
    assert!(faults.len() > 400, "{}", faults.len());
    for fault in faults {
        assert_same_end(&WHOLE_LIFE, &expected, &[fault]);
    }
}

#[test]
fn nor_does_any_single_fault_where_people_hold_approve_read_and_put_old_copies_back() {
    let (world, _) = live(&FULL_LIFE, &[]);
    let expected = world.disk.places();
    let faults = thinned(&FULL_LIFE);
    assert!(faults.len() > 300, "{}", faults.len());
    for fault in faults {
        assert_same_end(&FULL_LIFE, &expected, &[fault]);
    }
}

/// A sample that differs from fault to fault: the next few calls are where
/// undoing and recovering happen.
#[test]
fn a_second_fault_soon_after_the_first_changes_nothing() {
    let (world, _) = live(&WHOLE_LIFE, &[]);
    let expected = world.disk.places();
    for (turn, (number, fault)) in faults_of(&WHOLE_LIFE).into_iter().enumerate() {
        for offset in [1 + turn % 5, 6 + turn % 17] {
            let second = (number + offset, Fault::OF_WRITES[(turn + offset) % Fault::OF_WRITES.len()]);
            assert_same_end(&WHOLE_LIFE, &expected, &[(number, fault), second]);
        }
    }
}

/// Calls after a first fault within which every second fault is tried; later
/// ones meet a world that has recovered.
const CALLS_UNDER_RECOVERY: usize = 10;

#[test]
fn every_pair_of_faults_close_together_in_the_life_of_one_batch_changes_nothing() {
    let (world, _) = live(&VISITS_ONLY, &[]);
    let expected = world.disk.places();
    for (number, fault) in faults_of(&VISITS_ONLY) {
        let (_, trace) = live(&VISITS_ONLY, &[(number, fault)]);
        for (second, call) in trace.into_iter().enumerate().skip(number + 1).take(CALLS_UNDER_RECOVERY) {
            for other in Fault::of(call) {
                assert_same_end(&VISITS_ONLY, &expected, &[(number, fault), (second, *other)]);
            }
        }
    }
}
