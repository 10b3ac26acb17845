//! Another runner takes over in the middle: whoever had the vault before loses
//! nothing, destroys nothing and stops.

use retentiond::{
    domain::ledger::event::{DestroyResult, Event, RestoreResult},
    ports::{Failure, Keyring as _},
};

use super::{restoring::subject, truth::Place, world::World};

/// Somebody opens the vault right before the call of this name, after `skip`
/// others of it.
fn taken_over_at(world: &World, call: &'static str, skip: usize) {
    world.disk.faults.borrow_mut().meanwhile(call, skip, |disk| disk.vault.borrow_mut().lease += 1);
}

fn is_taken_over<T>(result: Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::TakenOver(reason)) if reason.contains("another runner took over"))
}

#[test]
fn what_the_vault_refuses_to_store_stays_in_the_source() {
    for call in ["vault.store", "vault.keep_lease"] {
        let world = World::new();
        taken_over_at(&world, call, 0);
        assert!(is_taken_over(world.reviewed_cycle()), "{call}");
        assert!(world.all_at(Place::Vault).is_empty(), "{call}");
        let stored = world.all_at(Place::Both).len();
        assert_eq!(stored > 0, call == "vault.keep_lease", "the source commits only under the lease");
        // Both batches of the transaction were announced, or only the first one.
        assert_eq!(world.recover().unwrap().separations, if stored > 0 { 2 } else { 1 });
        assert!(world.all_at(Place::Both).is_empty(), "{call}");
        world.disk.check_settled();
    }
}

#[test]
fn no_key_is_destroyed_without_the_lease() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.advance(1);
    let (places, epoch) = (world.disk.places(), world.process().keyring.epoch());
    taken_over_at(&world, "vault.keep_lease", 0);
    assert!(is_taken_over(world.cycle()));
    assert_eq!((world.disk.places(), world.process().keyring.epoch()), (places.clone(), epoch));
    let results = world.events().into_iter().filter_map(|event| match event {
        Event::DestroyOutcome(outcome) => Some(outcome.result),
        _ => None,
    });
    assert_eq!(results.collect::<Vec<_>>(), [DestroyResult::Abandoned]);
    world.disk.check_settled();
    assert!(!world.cycle().unwrap().destroyed.is_empty());
    assert_ne!(world.disk.places(), places);
}

#[test]
fn nothing_goes_back_to_a_source_without_the_lease() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let places = world.disk.places();
    let request = subject("person-2");
    taken_over_at(&world, "vault.keep_lease", 0);
    assert!(is_taken_over(world.restore(&request)));
    assert_eq!(world.disk.places(), places);
    let undone = |event: &Event| matches!(event, Event::RestoreOutcome { result: RestoreResult::RolledBack, .. });
    assert!(world.events().iter().any(undone));
    world.disk.check_settled();
    world.restore(&request).unwrap();
    assert_eq!(world.place("members/person-2"), Place::Source);
}

/// The truth about every record is checked at every write by the memory ports.
#[test]
fn a_take_over_before_any_write_stops_the_former_runner_and_the_next_one_comes_to_the_same_end() {
    let whole = World::new();
    whole.reviewed_cycle().unwrap();
    whole.advance(1);
    whole.cycle().unwrap();
    let faults = whole.disk.faults.borrow();
    let writes = faults.trace.iter().filter(|call| call.writes).map(|call| call.name);
    let mut calls: Vec<&str> = writes.collect();
    calls.sort_unstable();
    for counted in calls.chunk_by(|one, next| one == next) {
        for skip in 0..counted.len() {
            let world = World::new();
            taken_over_at(&world, counted[0], skip);
            let ends = [settled(&world, World::reviewed_cycle), {
                world.advance(1);
                settled(&world, World::cycle)
            }];
            assert!(ends.iter().all(|end| *end), "{} after {skip}", counted[0]);
            assert_eq!(world.disk.places(), whole.disk.places(), "{} after {skip}", counted[0]);
        }
    }
}

/// Runs it, and once more where it was stopped for the other runner's sake.
fn settled<T>(world: &World, cycle: impl Fn(&World) -> Result<T, Failure>) -> bool {
    match cycle(world) {
        Ok(_) => true,
        Err(Failure::TakenOver(_) | Failure::StateUnknown(_)) => cycle(world).is_ok(),
        Err(_) => false,
    }
}
