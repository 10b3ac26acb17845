//! A life in the shop, in steps that are repeated until they succeed: two
//! cycles before anything is due, a restoration, and the destructions.

use chrono::TimeDelta;
use retentiond::{
    domain::{
        deployment::VerifyLevel,
        hold::{Category, Hold, Lift, Reach, Whose},
        index::Locator,
        ledger::event::StepResult,
        policy::Approval,
    },
    flow::{
        approve::{approve, confirm},
        old_copy::{acknowledge, clear, survey},
        read,
        restore::Request,
        run::Report,
    },
    ports::{Failure, Ledger as _},
};

use super::{
    faults::{Call, Fault},
    shop,
    truth::Place,
    world::{World, now_or_never},
};

/// Attempts that a step has after one or two faults.
const ATTEMPTS_MAX: usize = 5;

type Step = fn(&World) -> Result<(), String>;

/// A world, and what happens in it.
pub struct Scenario {
    world: fn() -> World,
    steps: &'static [Step],
    /// Whether also what is only computed fails, such as a digest.
    computing: bool,
}

/// Everything that can happen, once.
pub const WHOLE_LIFE: Scenario = Scenario {
    world: World::new,
    steps: &[first_cycle, a_day_later, restoration, a_week_later, cycle, a_day_later, cycle],
    computing: false,
};

/// Everything that people do as well: they approve, confirm, read, hold and lift,
/// put an old copy back, and set a clock wrong.
pub const FULL_LIFE: Scenario = Scenario {
    world: watched,
    steps: &[
        a_cycle_undone,
        a_cycle_interrupted,
        approved_cycle,
        restoration,
        a_day_later,
        reading,
        a_clock_gone_back,
        copy_to_the_shelf,
        approved_cycle,
        copy_from_the_shelf,
        acknowledgement,
        confirmation,
        hold_on_a_member,
        a_week_later,
        approved_cycle,
        lift_of_the_hold,
        a_day_later,
        recovery,
        approved_cycle,
    ],
    computing: true,
};

fn watched() -> World {
    let (mut policy, mut deployment) = (shop::policy(), shop::deployment());
    policy.rules[1].approval = Approval::Officer;
    for dataset in &mut deployment.datasets {
        dataset.verify = VerifyLevel::ResidueScan;
    }
    World::of(policy, deployment)
}

/// One batch that is separated and destroyed.
pub const VISITS_ONLY: Scenario =
    Scenario { world: visits_only, steps: &[first_cycle, a_day_later, cycle], computing: false };

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
    world.disk.faults.borrow_mut().computing = scenario.computing;
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

fn said<T>(result: Result<T, Failure>) -> Result<T, String> {
    result.map_err(|failure| failure.to_string())
}

/// Planned, approved, and carried out by somebody.
fn approved_cycle(world: &World) -> Result<(), String> {
    let planned = said(world.planned(None))?;
    if let Some(failed) = planned.failed.first() {
        return Err(failed.failure.to_string());
    }
    said(approve(&world.book(), &mut world.process(), &planned.plan, "officer", world.disk.now.get()))?;
    finished(world, world.run_plan(&planned.plan))
}

/// Brings the ledger up to the register of holds, so that a plan counts by it.
fn recovery(world: &World) -> Result<(), String> {
    said(world.recover()).map(drop)
}

/// The vault has no room for a batch, and the source undoes it.
fn a_cycle_undone(world: &World) -> Result<(), String> {
    world.fail("vault.store", 0, Fault::NotApplied);
    assert!(approved_cycle(world).is_err(), "nothing went wrong");
    Ok(())
}

/// The process ends with a batch open, which the next cycle settles.
fn a_cycle_interrupted(world: &World) -> Result<(), String> {
    world.fail("source.commit", 0, Fault::CrashBefore);
    assert!(approved_cycle(world).is_err(), "nothing went wrong");
    Ok(())
}

fn confirmation(world: &World) -> Result<(), String> {
    let mut process = world.process();
    let run = process.ledger.history().unconfirmed.keys().next().cloned();
    run.map_or(Ok(()), |run| said(confirm(&mut process, &run, "officer")).map(drop))
}

fn reading(world: &World) -> Result<(), String> {
    let (mut process, book) = (world.process(), world.book());
    let request = read::Request { subject: "person-3", rule: None, by: "support", reason: "their own request" };
    let reading = said(now_or_never(read::read(&book, &mut process, &request)))?;
    assert!(!reading.records.is_empty(), "nothing was read");
    said(read::conclude(&mut process, reading, StepResult::Done))
}

/// Nothing is done under it, and it is set right.
fn a_clock_gone_back(world: &World) -> Result<(), String> {
    let now = world.disk.now.get();
    world.disk.now.set(now - TimeDelta::days(400));
    let refused = world.cycle();
    world.disk.now.set(now);
    match refused {
        Err(Failure::Refused(_)) => Ok(()),
        Err(failure) => Err(failure.to_string()),
        Ok(_) => panic!("a cycle ran under a clock that went back"),
    }
}

fn copy_to_the_shelf(world: &World) -> Result<(), String> {
    *world.disk.shelf.borrow_mut() = Some(world.disk.vault.borrow().clone());
    Ok(())
}

/// Of what it holds, everything is still there or was destroyed since.
fn copy_from_the_shelf(world: &World) -> Result<(), String> {
    if let Some(copy) = world.disk.shelf.borrow_mut().take() {
        *world.disk.vault.borrow_mut() = copy;
    }
    Ok(())
}

fn acknowledgement(world: &World) -> Result<(), String> {
    let mut process = world.process();
    now_or_never(async {
        if let Some(found) = said(survey(&mut process).await)? {
            // What was restored before the copy was made may have been restored after it.
            assert!(found.missing().values().all(|missing| missing.at_least == 0), "{found:?}");
            assert!(!found.destroyed.is_empty(), "{found:?}");
            let digest = found.digest().map_err(|error| error.to_string())?;
            said(acknowledge(&mut process, digest, "operator", "the newest disk is broken").await)?;
        }
        said(clear(&mut process).await)
    })
}

fn hold_on_a_member(world: &World) -> Result<(), String> {
    let hold = Hold {
        id: "hold".into(),
        reach: Reach { whose: Some(Whose::Subject("person-4".to_owned())), ..Reach::default() },
        freeze: false,
        category: Category::Litigation,
        review: "2027-05-20".parse().expect("a date"),
        placed_at: world.disk.now.get(),
        by: "counsel".to_owned(),
        reason: "a case".to_owned(),
    };
    world.disk.keys.borrow_mut().register.holds.push(hold);
    Ok(())
}

fn lift_of_the_hold(world: &World) -> Result<(), String> {
    assert_eq!(world.disk.place_of("members/person-4"), Place::Vault, "the hold kept it");
    let lift = Lift { hold: "hold".into(), by: "counsel".to_owned(), reason: "settled".to_owned() };
    world.disk.keys.borrow_mut().register.lifts.push(lift);
    Ok(())
}
