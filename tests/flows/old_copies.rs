//! An older copy of the vault beside the newest ledger and keys.

use chrono::NaiveDate;
use retentiond::{
    domain::{
        id::{BucketId, Digest},
        ledger::event::{Event, LedgerDropped, LedgerPruned, Missing, SeparateResult},
        old_copy::OldCopy,
    },
    flow::old_copy::{acknowledge, clear, survey},
    ports::{Failure, Keyring as _, Ledger as _},
};

use super::{
    faults::Fault,
    memory_vault::VaultState,
    restoring::subject,
    tables::text,
    truth::Place,
    world::{World, now_or_never},
};

const VISITS: usize = 2;

fn copy(world: &World) -> VaultState {
    world.disk.vault.borrow().clone()
}

/// Puts a copy back; what it lacks is lost, and no test says otherwise.
fn put_back(world: &World, copy: VaultState) {
    *world.disk.vault.borrow_mut() = copy;
    world.learn();
}

fn found(world: &World) -> Option<OldCopy> {
    now_or_never(survey(&mut world.process())).unwrap()
}

fn acknowledged(world: &World, found: Digest) -> Result<OldCopy, Failure> {
    let mut process = world.process();
    now_or_never(async {
        let copy = acknowledge(&mut process, found, "operator", "no newer copy").await?;
        if !process.ledger.history().has_open_intents() {
            clear(&mut process).await?;
        }
        Ok(copy)
    })
}

#[track_caller]
fn stops<T>(result: Result<T, Failure>, because: &str) {
    match result {
        Err(Failure::StateUnknown(reason)) => assert!(reason.contains(because), "{reason}"),
        _ => panic!("it went on"),
    }
}

/// One visit in the copy, and two that were separated after it was made.
fn two_visits_lost() -> World {
    let world = World::new();
    world.count_as_reviewed(&world.plan());
    assert_eq!(world.separate_at_most(VISITS, 1), 1);
    let copy = copy(&world);
    assert_eq!(world.separate_at_most(VISITS, 2), 2);
    put_back(&world, copy);
    world
}

#[test]
fn an_older_copy_stops_every_cycle_and_restoration_and_is_told_what_it_lacks() {
    let world = two_visits_lost();
    let (entries, places) = (world.events().len(), world.disk.places());
    for _ in 0..2 {
        stops(world.cycle(), "the vault holds 1 records of rule visit, and by the ledger it must hold 3");
        stops(world.reviewed_cycle(), "an old copy of the vault was put back");
        stops(world.restore(&subject("person-2")), "put the newest copy back");
    }
    assert_eq!(world.events().len(), entries, "nothing is on record");
    assert_eq!(world.disk.places(), places, "nothing moved");
    let found = found(&world).unwrap();
    let [visits] = &found.rules[..] else { panic!("{found:?}") };
    assert_eq!((visits.by_ledger, visits.in_vault, visits.missing), (3, 1, Missing { at_least: 2, at_most: 2 }));
    let [since] = &found.separated[..] else { panic!("{found:?}") };
    assert_eq!((since.records, since.dataset.as_str()), (2, "visits"));
    assert_eq!((since.first.to_string(), since.last.to_string()), ("2026-01-01".into(), "2026-02-02".into()));
}

/// What the copy lacks cannot be told once the entries that say so are gone.
#[test]
fn a_copy_that_is_older_than_what_was_dropped_on_record_is_refused_and_not_acknowledged() {
    let world = two_visits_lost();
    let shown = found(&world).unwrap().digest().unwrap();
    let pruned = LedgerPruned {
        by: "officer".to_owned(),
        before: NaiveDate::default(),
        cut: 256,
        dropped: 200,
        kept: 56,
        file: shown,
        root: shown,
    };
    let gone = Event::LedgerDropped(LedgerDropped { cut: 256, lines: 200 });
    let days = (0..300).map(|_| Event::Heartbeat {}).chain([Event::LedgerPruned(pruned), gone]);
    world.process().ledger.append(days.collect()).unwrap();
    let entries = world.events().len();
    stops(world.cycle(), "dropped on record");
    stops(acknowledged(&world, shown), "put a newer copy back");
    assert_eq!(world.events().len(), entries, "nothing is on record");
}

#[test]
fn only_the_very_state_that_was_shown_is_acknowledged_and_then_cycles_go_on() {
    let world = two_visits_lost();
    let shown = found(&world).unwrap().digest().unwrap();
    let entries = world.events().len();
    let other = acknowledged(&world, Digest::of(b"another state"));
    assert!(matches!(&other, Err(Failure::Refused(reason)) if reason.contains("not what was shown")), "{other:?}");
    let segment = world.disk.vault.borrow_mut().segments.pop_first().unwrap();
    let changed = acknowledged(&world, shown);
    assert!(matches!(&changed, Err(Failure::Refused(reason)) if reason.contains("status")), "{changed:?}");
    world.disk.vault.borrow_mut().segments.insert(segment.0, segment.1);
    assert_eq!(world.events().len(), entries, "nothing is on record");

    acknowledged(&world, shown).unwrap();
    let on_record = world.events().into_iter().find_map(|event| match event {
        Event::VaultAcknowledged(acknowledged) => Some(acknowledged),
        _ => None,
    });
    let on_record = on_record.unwrap();
    assert_eq!((on_record.found, on_record.by.as_str()), (shown, "operator"));
    assert_eq!(on_record.missing[&"visit".into()], Missing { at_least: 2, at_most: 2 });
    assert!(found(&world).is_none());
    assert!(matches!(acknowledged(&world, shown), Err(Failure::Refused(_))), "there is nothing more to acknowledge");
    world.cycle().unwrap();
    world.advance(1);
    let destroyed = world.cycle().unwrap().destroyed;
    assert!(destroyed.iter().any(|item| item.rule.as_str() == "visit" && item.rows == 1), "{destroyed:?}");
    world.disk.check_settled();
}

#[test]
fn counts_that_agree_by_accident_hide_nothing() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let copy = copy(&world);
    world.restore(&subject("person-2")).unwrap();
    world.edit("shop", |shop| {
        shop.table_mut("members").rows.push(["person-6", "name-6", "2026-11-21 01:00:00"].map(text).to_vec());
        for order in ["purchase-7", "purchase-8"] {
            shop.table_mut("orders").rows.push([order, "person-6", "2026-05-01 10:00:00"].map(text).to_vec());
        }
    });
    world.learn();
    let counts = world.disk.ledger.borrow().history.in_vault.clone();
    world.cycle().unwrap();
    put_back(&world, copy);
    assert_ne!(world.disk.ledger.borrow().history.in_vault, counts);
    let by_ledger: u64 = world.disk.ledger.borrow().history.in_vault.values().sum();
    let in_vault: u64 = world.disk.vault.borrow().segments.values().map(|(sealed, _)| sealed.records).sum();
    assert_eq!(by_ledger, in_vault, "the accident");
    stops(world.cycle(), "an old copy of the vault");
    let found = found(&world).unwrap();
    let member = found.rules.iter().find(|counts| counts.rule.as_str() == "member").unwrap();
    assert_eq!((member.restored, member.missing), (1, Missing { at_least: 0, at_most: 1 }));
    acknowledged(&world, found.digest().unwrap()).unwrap();
    world.cycle().unwrap();
    assert_eq!(world.place("orders/purchase-3"), Place::Both, "what came back with the copy goes when it is due");
}

#[test]
fn a_destroyed_bucket_that_comes_back_stays_dead_and_is_removed_again_on_record() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let copy = copy(&world);
    world.advance(1);
    assert!(!world.cycle().unwrap().destroyed.is_empty());
    let destroyed = world.disk.destroyed_buckets();
    put_back(&world, copy);
    stops(world.cycle(), "an old copy of the vault");
    let found = found(&world).unwrap();
    let mut expected: Vec<BucketId> = destroyed.clone();
    expected.sort();
    assert_eq!(found.destroyed, expected);
    assert!(found.missing().is_empty(), "{found:?}");
    acknowledged(&world, found.digest().unwrap()).unwrap();
    let cleared = world.events().into_iter().rev().find_map(|event| match event {
        Event::VaultCleared { buckets, records, .. } => Some((buckets, records)),
        _ => None,
    });
    assert_eq!(cleared.map(|(buckets, _)| buckets), Some(destroyed.len() as u64));
    assert!(cleared.unwrap().1 > 0);
    world.cycle().unwrap();
    world.disk.check_settled();
}

#[test]
fn a_destroyed_bucket_that_a_key_opens_after_all_is_not_removed_and_stops_everything() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let (copy, keys) = (copy(&world), world.process().keyring.buckets());
    let keys: Vec<(BucketId, u64)> = keys
        .into_iter()
        .map(|bucket| {
            let key = world.disk.keys.borrow_mut().lose(&bucket);
            world.disk.keys.borrow_mut().find_again(&bucket, key);
            (bucket, key)
        })
        .collect();
    world.advance(1);
    world.cycle().unwrap();
    let victim = world.disk.destroyed_buckets().into_iter().next().unwrap();
    let key = keys.into_iter().find(|(bucket, _)| *bucket == victim).unwrap().1;
    put_back(&world, copy);
    world.disk.keys.borrow_mut().find_again(&BucketId { rule: "copy".into(), date: victim.date }, key);
    let shown = found(&world).unwrap().digest().unwrap();
    stops(acknowledged(&world, shown), "a segment of it that came back opens");
    stops(world.cycle(), "a segment of it that came back opens");
}

#[test]
fn what_only_an_older_ledger_or_keystore_explains_is_never_acknowledged() {
    let world = two_visits_lost();
    let bucket = world.process().keyring.buckets().into_iter().next().unwrap();
    let digest = found(&world).unwrap().digest().unwrap();
    let key = world.disk.keys.borrow_mut().lose(&bucket);
    stops(acknowledged(&world, digest), "an old copy of the keystore was put back");
    stops(world.cycle(), "an old copy of the keystore was put back");
    world.disk.keys.borrow_mut().find_again(&bucket, key);

    let twice = world.disk.vault.borrow().segments.values().next().unwrap().clone();
    for number in [101, 102, 103] {
        world.disk.vault.borrow_mut().segments.insert(number, twice.clone());
    }
    let digest = found(&world).unwrap().digest().unwrap();
    stops(acknowledged(&world, digest), "an old copy of the ledger was put back");
    stops(world.cycle(), "an old copy of the ledger was put back");
    assert!(!world.events().iter().any(|event| matches!(event, Event::VaultAcknowledged(_))));
}

#[test]
fn a_batch_that_was_open_when_the_copy_came_is_not_said_to_be_in_the_source() {
    let world = World::new();
    world.count_as_reviewed(&world.plan());
    world.separate_at_most(VISITS, 1);
    let copy = copy(&world);
    world.separate_at_most(VISITS, 1);
    world.fail("source.commit", 0, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    assert_eq!(world.disk.ledger.borrow().history.open_separations.len(), 2);
    put_back(&world, copy);
    stops(world.recover(), "an old copy of the vault");
    let found = found(&world).unwrap();
    assert_eq!(found.open, 2);
    acknowledged(&world, found.digest().unwrap()).unwrap();
    world.recover().unwrap();
    let last = world.events().into_iter().rev().find_map(|event| match event {
        Event::SeparateOutcome { result, reason, .. } => Some((result, reason.unwrap_or_default())),
        _ => None,
    });
    let (result, reason) = last.unwrap();
    assert_eq!(result, SeparateResult::RolledBack);
    assert!(reason.contains("not known whether the source has its rows"), "{reason}");
    world.cycle().unwrap();
    world.disk.check_settled();
}

#[test]
fn the_newest_copy_is_taken_also_after_the_older_one_was_acknowledged() {
    let world = World::new();
    world.count_as_reviewed(&world.plan());
    world.separate_at_most(VISITS, 1);
    let older = copy(&world);
    world.separate_at_most(VISITS, 2);
    let newest = copy(&world);
    put_back(&world, older);
    let shown = found(&world).unwrap().digest().unwrap();
    now_or_never(acknowledge(&mut world.process(), shown, "operator", "in haste")).unwrap();
    put_back(&world, newest);
    world.recover().unwrap();
    assert_eq!(world.disk.ledger.borrow().history.in_vault[&"visit".into()], 3);
    world.cycle().unwrap();
}

#[test]
fn a_crash_at_any_call_of_the_acknowledgement_is_gone_on_from() {
    for fault in Fault::OF_WRITES {
        for call in 0..40 {
            let world = World::new();
            world.count_as_reviewed(&world.plan());
            world.separate_at_most(VISITS, 3);
            let copy = copy(&world);
            world.advance(1);
            world.cycle().unwrap();
            put_back(&world, copy);
            let shown = found(&world).unwrap().digest().unwrap();
            let calls = world.disk.faults.borrow().trace.len();
            world.disk.faults.borrow_mut().planned = [(calls + call, fault)].into();
            let first = acknowledged(&world, shown);
            world.disk.faults.borrow_mut().planned.clear();
            if first.is_err() && !world.events().iter().any(|event| matches!(event, Event::VaultAcknowledged(_))) {
                acknowledged(&world, shown).unwrap();
            }
            world.cycle().unwrap();
            world.disk.check_settled();
            let cleared = world.events().iter().filter(|event| matches!(event, Event::VaultCleared { .. })).count();
            assert_eq!(cleared, 1, "{fault:?} at call {call}");
        }
    }
}
