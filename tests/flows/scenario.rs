//! A life in the shop, in steps that are repeated until they succeed: two
//! cycles before anything is due, a restoration, and the destructions.

use retentiond::{
    domain::index::Locator,
    flow::{restore::Request, run::Report},
    ports::Failure,
};

use super::{
    faults::{Call, Fault},
    shop,
    truth::Place,
    world::World,
};

/// Attempts that a step has after one or two faults.
const ATTEMPTS_MAX: usize = 5;

type Step = fn(&World) -> Result<(), String>;

/// A world, and what happens in it.
pub struct Scenario {
    world: fn() -> World,
    steps: &'static [Step],
}

/// Everything that can happen, once.
pub const WHOLE_LIFE: Scenario = Scenario {
    world: World::new,
    steps: &[first_cycle, a_day_later, restoration, a_week_later, cycle, a_day_later, cycle],
};

/// One batch that is separated and destroyed.
pub const VISITS_ONLY: Scenario = Scenario { world: visits_only, steps: &[first_cycle, a_day_later, cycle] };

fn visits_only() -> World {
    let (mut policy, mut deployment) = (shop::policy(), shop::deployment());
    policy.rules.retain(|rule| rule.id.as_str() == "visit");
    deployment.datasets.retain(|dataset| dataset.table == "visits");
    World::of(policy, deployment)
}

/// Prints where a failure happened.
struct Situation<'a>(&'a [(usize, Fault)], &'a World);

impl Drop for Situation<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let trace = &self.1.disk.faults.borrow().trace;
            let injected: Vec<_> =
                self.0.iter().map(|(n, fault)| (n, fault, trace.get(*n).map(|call| call.name))).collect();
            println!("with {injected:?}; {} calls; last {:?}", trace.len(), trace.last());
        }
    }
}

/// Lives the scenario with these faults; returns every call that was made.
pub fn live(scenario: &Scenario, faults: &[(usize, Fault)]) -> (World, Vec<Call>) {
    let world = (scenario.world)();
    world.disk.faults.borrow_mut().trace.clear();
    world.disk.faults.borrow_mut().planned = faults.iter().copied().collect();
    let situation = Situation(faults, &world);
    for (number, step) in scenario.steps.iter().enumerate() {
        let mut said = Vec::new();
        while let Err(reason) = step(&world) {
            said.push(reason);
            assert!(said.len() < ATTEMPTS_MAX, "step {number} never succeeds: {said:#?}");
        }
        assert!(said.is_empty() || !faults.is_empty(), "step {number} fails without a fault: {said:?}");
    }
    world.disk.check_settled();
    drop(situation);
    let trace = world.disk.faults.borrow().trace.clone();
    (world, trace)
}

fn finished(world: &World, result: Result<Report, Failure>) -> Result<(), String> {
    let report = result.map_err(|failure| failure.to_string())?;
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    if let Some(failed) = report.failed.first() {
        return Err(failed.reason.clone());
    }
    let owed = !world.disk.ledger.borrow().history.open_wipes.is_empty();
    if owed { Err("a wipe is owed".to_owned()) } else { Ok(()) }
}

fn first_cycle(world: &World) -> Result<(), String> {
    let planned = world.planned(None).map_err(|failure| failure.to_string())?;
    if let Some(failed) = planned.failed.first() {
        return Err(failed.failure.to_string());
    }
    finished(world, world.run_plan(&planned.plan))
}

fn cycle(world: &World) -> Result<(), String> {
    finished(world, world.cycle())
}

fn a_day_later(world: &World) -> Result<(), String> {
    world.advance(1);
    Ok(())
}

fn a_week_later(world: &World) -> Result<(), String> {
    world.advance(7);
    Ok(())
}

fn restoration(world: &World) -> Result<(), String> {
    let request = Request {
        by: Locator::Subject,
        locator: b"person-2",
        rule: None,
        name: "agent",
        reason: "withdrew by mistake",
        keep_event: false,
    };
    match world.restore(&request) {
        Ok(_) => Ok(()),
        // An earlier attempt that was reported as failed had succeeded.
        Err(Failure::Refused(reason)) if reason.starts_with("nothing to restore") => {
            assert_eq!(world.disk.place_of("members/person-2"), Place::Source, "{reason}");
            Ok(())
        }
        Err(failure) => Err(failure.to_string()),
    }
}
