//! Holds: nothing that one covers is destroyed, on no path, from the batch after
//! it was placed until it is lifted.

use retentiond::{
    domain::{
        hold::{Category, Hold, Lift, Reach, Whose},
        index::Locator,
        ledger::event::{Event, StepResult},
    },
    flow::restore::Request,
    ports::Failure,
};

use super::{
    disk::Disk,
    faults::Fault,
    truth::Place,
    world::{World, at},
};

/// Two visits of one day, of two people, and everything else that is due, lie in
/// the vault, and cooling-off is over.
fn ready() -> World {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.advance(1);
    world
}

fn hold(id: &str, reach: Reach) -> Hold {
    Hold {
        id: id.into(),
        reach,
        freeze: false,
        category: Category::Litigation,
        review: "2027-05-20".parse().unwrap(),
        placed_at: at("2026-11-22T04:00:00+09:00"),
        by: "counsel".to_owned(),
        reason: "case of person-1".to_owned(),
    }
}

fn person(subject: &str) -> Reach {
    Reach { whose: Some(Whose::Subject(subject.to_owned())), ..Reach::default() }
}

fn rule(rule: &str) -> Reach {
    Reach { rule: Some(rule.into()), ..Reach::default() }
}

fn place(disk: &Disk, hold: Hold) {
    disk.keys.borrow_mut().register.holds.push(hold);
}

fn lift(disk: &Disk, hold: &str) {
    let lift = Lift { hold: hold.into(), by: "counsel".to_owned(), reason: "settled".to_owned() };
    disk.keys.borrow_mut().register.lifts.push(lift);
}

#[test]
fn held_records_leave_a_due_bucket_before_its_key_dies_and_the_others_are_destroyed() {
    let world = ready();
    place(&world.disk, hold("h", person("person-1")));
    let plan = world.plan();
    let visits = plan.destructions().find(|item| item.rule.as_str() == "visit").unwrap();
    assert_eq!((visits.rows, visits.held, visits.overdue), (2, 1, 2), "{visits:?}");
    let report = world.cycle().unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
    assert_eq!(world.place("visits/visit-2"), Place::Nowhere);
    assert_eq!(world.place("orders/purchase-2"), Place::Vault, "every record of the person is held");
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
    let sealed = |event: &Event| matches!(event, Event::HoldSealed { records: 1, result: StepResult::Done, .. });
    assert_eq!(world.events().iter().filter(|event| sealed(event)).count(), 1, "the order lay alone in its bucket");
    world.disk.check_settled();
}

/// A source whose collation calls both the same has one person there, and the
/// vault cannot know.
#[test]
fn a_hold_covers_every_writing_that_a_collation_may_call_the_same() {
    let world = ready();
    place(&world.disk, hold("h", person("Ｐerson-1 ")));
    world.cycle().unwrap();
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
    assert_eq!(world.place("orders/purchase-2"), Place::Vault);
    assert_eq!(world.place("visits/visit-2"), Place::Nowhere);
}

#[test]
fn a_record_is_put_back_only_to_who_is_written_exactly_so() {
    let world = ready();
    let request = |locator| Request {
        by: Locator::Subject,
        locator,
        rule: None,
        name: "agent",
        reason: "by mistake",
        keep_event: false,
    };
    let Err(Failure::Refused(reason)) = world.restore(&request(b"PERSON-2")) else { panic!("somebody else's") };
    assert!(reason.contains("differs only in case"), "{reason}");
    assert_eq!(world.place("members/person-2"), Place::Vault);
    world.restore(&request(b"person-2")).unwrap();
    assert_eq!(world.place("members/person-2"), Place::Source);
}

#[test]
fn a_held_record_is_never_overdue_and_is_destroyed_after_its_hold_was_lifted_with_a_deadline_of_its_own() {
    let world = ready();
    place(&world.disk, hold("h", person("person-1")));
    world.cycle().unwrap();
    world.advance(7);
    world.cycle().unwrap();
    let held = || {
        world.plan().destructions().map(|item| (item.held, item.overdue)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    assert_eq!(held(), (2, 0));
    lift(&world.disk, "h");
    let recovered = world.recover().unwrap();
    assert_eq!(recovered.destructions, 0);
    assert!(world.disk.keys.borrow().register.holds.is_empty(), "the register lets go of a lifted hold");
    let plan = world.plan();
    let visits = plan.destructions().find(|item| item.rule.as_str() == "visit").unwrap();
    assert_eq!((visits.rows, visits.held, visits.overdue), (1, 0, 0), "its deadline is counted from the lift");
    world.advance(7);
    assert_eq!(world.plan().destructions().find(|item| item.rule.as_str() == "visit").unwrap().overdue, 1);
    world.cycle().unwrap();
    assert_eq!(world.place("visits/visit-1"), Place::Nowhere);
    world.disk.check_settled();
}

#[test]
fn a_hold_on_a_rule_keeps_every_bucket_of_it_and_no_other() {
    let world = ready();
    place(&world.disk, hold("h", rule("visit")));
    world.cycle().unwrap();
    assert_eq!(world.place("visits/visit-2"), Place::Vault);
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
    let on_record = |event: &Event| matches!(event, Event::HoldPlaced(placed) if placed.rule == Some("visit".into()));
    assert_eq!(world.events().iter().filter(|event| on_record(event)).count(), 1);
}

#[test]
fn a_record_of_two_holds_stays_until_both_are_lifted() {
    let world = ready();
    place(&world.disk, hold("h", person("person-1")));
    place(&world.disk, hold("i", Reach { whose: Some(Whose::Key("visit-1".to_owned())), ..rule("visit") }));
    world.cycle().unwrap();
    lift(&world.disk, "h");
    world.advance(1);
    world.cycle().unwrap();
    assert_eq!(world.place("visits/visit-1"), Place::Vault, "the second hold still covers it");
    assert_eq!(world.place("orders/purchase-2"), Place::Nowhere);
    lift(&world.disk, "i");
    world.cycle().unwrap();
    assert_eq!(world.place("visits/visit-1"), Place::Nowhere);
    world.disk.check_settled();
}

#[test]
fn a_freeze_keeps_a_record_in_its_source_and_a_plain_hold_lets_it_move() {
    let world = World::new();
    place(&world.disk, Hold { freeze: true, ..hold("h", person("person-3")) });
    place(&world.disk, hold("i", person("person-1")));
    let plan = world.plan();
    let visits = plan.separations().find(|item| item.dataset == "visits").unwrap();
    assert_eq!((visits.rows, visits.held), (2, 2), "visit-1 moves and is held, visit-4 is frozen");
    world.run_plan(&plan).unwrap();
    assert_eq!(world.place("visits/visit-4"), Place::Source);
    assert_eq!(world.place("orders/purchase-4"), Place::Source);
    assert_eq!(world.place("members/person-3"), Place::Source);
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
}

#[test]
fn a_freeze_that_is_placed_while_a_cycle_runs_takes_effect_with_the_next_batch() {
    let world = World::new();
    let frozen = Hold { freeze: true, ..hold("h", rule("contract")) };
    let plan = world.plan();
    // Two batches of orders in one transaction: the hold comes when both are taken.
    world.disk.faults.borrow_mut().meanwhile("vault.store", 0, move |disk| place(disk, frozen));
    world.run_plan(&plan).unwrap();
    let orders = world.all_at(Place::Vault).iter().filter(|name| name.starts_with("orders/")).count();
    assert_eq!(orders, 4, "the batches that were under way, and none after them");
}

#[test]
fn a_hold_that_is_placed_after_the_order_was_issued_keeps_the_keys() {
    let world = ready();
    // The first order is that of the members.
    let late = hold("h", rule("member"));
    world.disk.faults.borrow_mut().meanwhile("vault.sample", 0, move |disk| place(disk, late));
    let report = world.cycle().unwrap();
    assert!(report.failed.iter().any(|failed| failed.reason.contains("a hold was placed")), "{:?}", report.failed);
    assert_eq!(world.place("members/person-3"), Place::Vault);
    assert_eq!(world.place("visits/visit-2"), Place::Nowhere, "other rules go on");
    world.disk.check_settled();
}

#[test]
fn a_destruction_that_a_crash_interrupted_before_its_keys_went_gives_way_to_a_hold() {
    let world = ready();
    world.fail("keyring.write_next", 0, Fault::CrashBefore);
    world.cycle().unwrap_err();
    place(&world.disk, hold("h", rule("member")));
    place(&world.disk, hold("i", rule("contract")));
    place(&world.disk, hold("j", rule("visit")));
    world.recover().unwrap();
    assert_eq!(world.place("orders/purchase-4"), Place::Vault);
    world.cycle().unwrap();
    assert_eq!(world.place("orders/purchase-4"), Place::Vault);
    world.disk.check_settled();
}

#[test]
fn a_destruction_whose_keys_are_gone_is_finished_also_under_a_later_hold() {
    let world = ready();
    world.fail("vault.erase", 0, Fault::CrashBefore);
    world.cycle().unwrap_err();
    for (id, of) in [("h", "member"), ("i", "contract"), ("j", "visit")] {
        place(&world.disk, hold(id, rule(of)));
    }
    world.recover().unwrap();
    world.disk.check_settled();
}

#[test]
fn a_registered_hold_that_is_gone_stops_everything() {
    let world = ready();
    place(&world.disk, hold("h", person("person-1")));
    world.cycle().unwrap();
    world.disk.keys.borrow_mut().register.holds.clear();
    world.advance(1);
    let Err(Failure::StateUnknown(reason)) = world.cycle() else { panic!("a lost hold was not noticed") };
    assert!(reason.contains("register of holds"), "{reason}");
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
}

#[test]
fn a_register_that_was_put_back_does_not_bring_a_lifted_hold_back() {
    let world = ready();
    place(&world.disk, hold("h", person("person-1")));
    world.cycle().unwrap();
    let copy = world.disk.keys.borrow().register.clone();
    lift(&world.disk, "h");
    world.recover().unwrap();
    world.disk.keys.borrow_mut().register = copy;
    world.cycle().unwrap();
    assert_eq!(world.place("visits/visit-1"), Place::Nowhere);
}

#[test]
fn a_held_record_that_is_not_due_can_be_restored() {
    let world = ready();
    place(&world.disk, hold("h", person("person-2")));
    let request = Request {
        by: Locator::Subject,
        locator: b"person-2",
        rule: None,
        name: "agent",
        reason: "by mistake",
        keep_event: false,
    };
    world.restore(&request).unwrap();
    assert_eq!(world.place("members/person-2"), Place::Source);
}

/// Every fault at every call while held records are sealed apart, their hold is
/// lifted and they are destroyed.
#[test]
fn any_fault_while_records_are_held_and_released_loses_none_and_destroys_none_early() {
    let life = |fault: Option<(usize, Fault)>| {
        let world = ready();
        place(&world.disk, hold("h", person("person-1")));
        world.disk.faults.borrow_mut().trace.clear();
        world.disk.faults.borrow_mut().planned = fault.into_iter().collect();
        let until = |what: &dyn Fn() -> bool| {
            for attempt in 0.. {
                let ended = world.cycle();
                if ended.as_ref().is_ok_and(|report| report.failed.is_empty()) && what() {
                    return;
                }
                assert!(attempt < 5, "{fault:?}: {ended:?}");
            }
        };
        until(&|| world.place("visits/visit-2") == Place::Nowhere);
        for kept in ["visits/visit-1", "orders/purchase-2"] {
            assert_eq!(world.place(kept), Place::Vault, "{fault:?}");
        }
        lift(&world.disk, "h");
        until(&|| world.place("visits/visit-1") == Place::Nowhere);
        world.disk.check_settled();
        world.disk.faults.borrow().trace.clone()
    };
    let trace = life(None);
    for name in ["vault.replace", "keyring.register", "keyring.strike", "keyring.open_buckets"] {
        assert!(trace.iter().any(|call| call.name == name), "{name} is never called");
    }
    for (number, call) in trace.into_iter().enumerate() {
        for fault in Fault::of(call) {
            life(Some((number, *fault)));
        }
    }
}
