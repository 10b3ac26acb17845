//! What an interrupted process left open.

use std::collections::BTreeSet;

use retentiond::{flow::run::Report, ports::Failure};

use super::{faults::Fault, tables::text, truth::Place, world::World};

fn interrupted_at(name: &'static str, fault: Fault) -> World {
    let world = World::new();
    world.fail(name, 0, fault);
    assert!(world.reviewed_cycle().is_err());
    world
}

fn stops<T>(result: Result<T, Failure>, because: &str) {
    match result {
        Err(Failure::StateUnknown(reason)) => assert!(reason.contains(because), "{reason}"),
        _ => panic!("it went on"),
    }
}

#[test]
fn a_source_that_did_not_commit_keeps_its_rows_and_the_vault_lets_go() {
    let world = interrupted_at("source.commit", Fault::CrashBefore);
    assert_eq!(world.all_at(Place::Both).len(), 4, "both batches of the transaction");
    assert_eq!(world.recover().unwrap().separations, 2);
    assert!(world.all_at(Place::Vault).is_empty());
    world.disk.check_settled();
}

#[test]
fn a_source_that_committed_leaves_the_only_copy_to_the_vault() {
    let world = interrupted_at("source.commit", Fault::CrashAfter);
    assert_eq!(world.recover().unwrap().separations, 2);
    assert_eq!(world.all_at(Place::Vault).len(), 4);
    world.disk.check_settled();
}

#[test]
fn recovering_twice_is_recovering_once() {
    let world = interrupted_at("source.commit", Fault::CrashAfter);
    world.recover().unwrap();
    let entries = world.events().len();
    assert_eq!(world.recover().unwrap(), Default::default());
    assert_eq!(world.events().len(), entries);
}

#[test]
fn rows_that_changed_since_the_crash_keep_both_copies_and_it_goes_on_saying_so() {
    let world = interrupted_at("source.commit", Fault::CrashBefore);
    let before = world.disk.sources.borrow().clone();
    world.edit("shop", |shop| shop.set("order_lines", "line-d", "product", text("changed")));
    for _ in 0..3 {
        stops(world.reviewed_cycle(), "both copies are kept");
        assert!(world.has_row("shop", "orders", "purchase-4"));
        assert_eq!(world.disk.vault.borrow().segments.len(), 4, "one of each batch and bucket");
        assert!(world.disk.ledger.borrow().history.has_open_intents());
    }
    *world.disk.sources.borrow_mut() = before;
    world.reviewed_cycle().unwrap();
    world.disk.check_settled();
}

#[test]
fn rows_of_which_some_are_gone_keep_both_copies() {
    let world = interrupted_at("source.commit", Fault::CrashBefore);
    world.edit("shop", |shop| shop.table_mut("order_lines").rows.retain(|row| row[0] != text("line-d")));
    stops(world.recover(), "neither all in source shop as they were nor all gone");
}

#[test]
fn a_restoration_whose_rows_changed_since_the_crash_keeps_both_copies() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.fail("source.put_back", 0, Fault::CrashAfter);
    assert!(world.restore(&super::restoring::subject("person-2")).is_err());
    world.edit("shop", |shop| shop.set("members", "person-2", "name", text("changed")));
    for _ in 0..2 {
        stops(world.recover(), "both copies are kept");
    }
    world.edit("shop", |shop| shop.set("members", "person-2", "name", text("name-2")));
    world.recover().unwrap();
    assert_eq!(world.place("members/person-2"), Place::Source);
    world.disk.check_settled();
}

/// Names of the rules that failed because a database cannot be reached.
fn unreachable_rules(report: &Report) -> Vec<&str> {
    let down = report.failed.iter().filter(|failed| failed.unreachable).map(|failed| failed.rule.as_str());
    down.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn an_open_intent_at_a_source_that_is_down_stops_its_rules_and_no_others() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let mut world = interrupted_at("source.commit", fault);
        let both = world.all_at(Place::Both);
        world.down = vec!["shop".into()];
        let report = world.reviewed_cycle().unwrap();
        assert_eq!(unreachable_rules(&report), ["contract", "member"]);
        assert!(report.failed.iter().any(|failed| failed.reason.contains("is settled once it can be reached")));
        assert_eq!(report.separated.iter().map(|item| item.dataset.as_str()).collect::<Vec<_>>(), ["visits"]);
        assert_eq!(world.disk.ledger.borrow().history.open_separations.len(), 2);

        // Days later the orders in the vault are due, and nobody knows whether the source has them too.
        world.advance(3);
        let report = world.cycle().unwrap();
        assert_eq!(report.destroyed.iter().map(|item| item.rule.as_str()).collect::<Vec<_>>(), ["visit"]);
        assert_eq!(world.all_at(Place::Both), both);
        assert!(matches!(world.restore(&super::restoring::subject("person-2")), Err(Failure::Unreachable(_))));

        world.down.clear();
        world.cycle().unwrap();
        assert!(world.disk.ledger.borrow().history.open_separations.is_empty());
        world.disk.check_settled();
    }
}

#[test]
fn an_open_restoration_at_a_source_that_is_down_keeps_its_records_from_being_destroyed() {
    let mut world = World::new();
    world.reviewed_cycle().unwrap();
    world.fail("source.put_back", 0, Fault::CrashAfter);
    assert!(world.restore(&super::restoring::subject("person-2")).is_err());
    world.down = vec!["shop".into()];
    world.advance(7);
    let report = world.cycle().unwrap();
    assert_eq!(report.destroyed.iter().map(|item| item.rule.as_str()).collect::<Vec<_>>(), ["visit"]);
    assert_eq!(unreachable_rules(&report), ["contract", "member"]);
    world.down.clear();
    world.cycle().unwrap();
    assert_eq!(world.place("members/person-2"), Place::Source, "it was back all the time");
    world.disk.check_settled();
}

#[test]
fn a_dataset_that_is_gone_from_the_configuration_stops_with_a_hint() {
    let mut world = interrupted_at("source.commit", Fault::CrashBefore);
    let datasets = world.deployment.datasets.clone();
    world.deployment.datasets.retain(|dataset| dataset.table != "orders");
    stops(world.recover(), "put the [[dataset]] back");
    world.deployment.datasets = datasets;
    world.recover().unwrap();
    world.disk.check_settled();
}

#[test]
fn a_keyring_of_an_epoch_that_a_destruction_ended_stops_everything() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.advance(1);
    assert!(!world.cycle().unwrap().destroyed.is_empty());
    let newest = world.disk.keys.borrow().epoch;
    world.disk.keys.borrow_mut().epoch = newest - 1;
    stops(world.cycle(), "was ended by a destruction");
    world.disk.keys.borrow_mut().epoch = newest;
    world.cycle().unwrap();
}

#[test]
fn a_vault_that_has_lost_a_segment_stops_everything() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let lost = world.disk.vault.borrow_mut().segments.pop_first().unwrap();
    stops(world.recover(), "by the ledger it must hold");
    world.disk.vault.borrow_mut().segments.insert(lost.0, lost.1);
    world.recover().unwrap();
}
