//! The officer's approval before, and the confirmation after.

use retentiond::{
    domain::{ledger::event::Event, plan::Plan, policy::Approval},
    flow::{
        approve::{approve, confirm},
        run::{Instructions, Report},
    },
    ports::Failure,
};

use super::{shop, truth::Place, world::World};

/// Orders are destroyed only with the officer's approval; they are due, and
/// their cooling-off is over.
fn ready(four_eyes: bool) -> World {
    let mut policy = shop::policy();
    policy.officer.four_eyes = four_eyes;
    policy.rules[1].approval = Approval::Officer;
    let world = World::of(policy, shop::deployment());
    let first = world.reviewed_cycle().unwrap();
    assert!(first.refused.is_empty(), "nothing is destroyed in the first cycle: {:?}", first.refused);
    assert_eq!(world.place("orders/purchase-4"), Place::Vault, "approval is for destroying, not for separating");
    world.advance(1);
    world
}

fn approved(world: &World, plan: &Plan, by: &str) -> Result<(), Failure> {
    approve(&world.book(), &mut world.process(), plan, by, world.disk.now.get())
}

fn run_by(world: &World, plan: &Plan, by: Option<&str>) -> Report {
    world.run(&Instructions { reviewed: Some(plan), by, ..Instructions::default() }).unwrap()
}

fn waits(report: &Report) -> bool {
    report.refused.iter().any(|refusal| {
        refusal.rule == Some("contract".into()) && refusal.guard.as_deref() == Some("approval") && refusal.rows > 0
    })
}

#[test]
fn a_rule_that_asks_for_approval_waits_visibly_and_the_others_do_not() {
    let world = ready(false);
    let report = world.cycle().unwrap();
    assert!(waits(&report), "{:?}", report.refused);
    assert_eq!(world.place("orders/purchase-4"), Place::Vault);
    assert_eq!(world.place("visits/visit-2"), Place::Nowhere);
    let refused = |event: &Event| matches!(event, Event::Refused { what, .. } if what == "approval");
    assert_eq!(world.events().iter().filter(|event| refused(event)).count(), 1);
}

#[test]
fn approval_is_of_one_plan_and_of_no_other() {
    let world = ready(false);
    let plan = world.plan();
    assert!(waits(&run_by(&world, &plan, Some("ops"))), "nobody has approved it");
    let plan = world.plan();
    approved(&world, &plan, "officer").unwrap();
    approved(&world, &plan, "officer").unwrap();
    let on_record = |event: &Event| matches!(event, Event::PlanApproved { plan: digest, .. } if *digest == plan.digest);
    assert_eq!(world.events().iter().filter(|event| on_record(event)).count(), 1);
    assert!(waits(&world.cycle().unwrap()), "a cycle of its own carries out no approved plan");
    let report = run_by(&world, &plan, Some("ops"));
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
    world.disk.check_settled();
}

#[test]
fn with_four_eyes_the_same_person_does_not_approve_and_execute() {
    let world = ready(true);
    let plan = world.plan();
    approved(&world, &plan, "Kim Officer").unwrap();
    assert!(waits(&run_by(&world, &plan, None)), "nobody says who carries it out");
    for by in ["Kim Officer", "kim  officer"] {
        // The other rules' share is done; what is left needs a plan of its own.
        let left = world.plan();
        approved(&world, &left, "Kim Officer").unwrap();
        assert!(waits(&run_by(&world, &left, Some(by))), "{by}");
        assert_eq!(world.place("orders/purchase-4"), Place::Vault, "{by}");
    }
    let left = world.plan();
    approved(&world, &left, "Kim Officer").unwrap();
    assert!(run_by(&world, &left, Some("Lee Operator")).refused.is_empty());
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
}

#[test]
fn an_edited_plan_is_not_approved() {
    let world = ready(false);
    let mut plan = world.plan();
    plan.simulation = !plan.simulation;
    let Err(Failure::Refused(reason)) = approved(&world, &plan, "officer") else { panic!("it was approved") };
    assert!(reason.contains("was changed after it was made"), "{reason}");
}

#[test]
fn a_finished_run_is_confirmed_once_and_one_that_never_ran_is_not() {
    let world = ready(false);
    let report = world.cycle().unwrap();
    assert!(confirm(&mut world.process(), &report.run, "officer").unwrap() > 0);
    for run in [&report.run, &"never".into()] {
        let refused = confirm(&mut world.process(), run, "officer");
        assert!(matches!(refused, Err(Failure::Refused(_))), "{run}");
    }
    let confirmed = |event: &Event| matches!(event, Event::RunConfirmed { confirmed, .. } if *confirmed == report.run);
    assert_eq!(world.events().iter().filter(|event| confirmed(event)).count(), 1);
}
