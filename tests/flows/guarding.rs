//! Guards and the clock: what is too much is refused, explained and on record.

use chrono::TimeDelta;
use retentiond::{
    domain::{guard::Guard, ledger::event::Event, period::TimeSpan, verdict::Verdict},
    flow::run::{Instructions, Refusal, Report},
    ports::Failure,
};

use super::{tables::text, truth::Place, world::World};

/// A world in which cycles run by themselves and most rows have not moved yet.
fn reviewed() -> World {
    let world = World::new();
    let plan = world.planned(Some(&"visit".into())).unwrap().plan;
    world.run_plan(&plan).unwrap();
    world.count_as_reviewed(&plan);
    world
}

fn refused_rules(report: &Report) -> Vec<(String, String)> {
    let names = |refusal: &Refusal| (refusal.rule.clone().unwrap().0, refusal.guard.clone().unwrap());
    report.refused.iter().map(names).collect()
}

fn recorded(world: &World, guard: &str) -> usize {
    let of_guard = |event: &&Event| matches!(event, Event::Refused { what, .. } if what == guard);
    world.events().iter().filter(of_guard).count()
}

fn refused(result: Result<Report, Failure>) -> String {
    match result {
        Err(Failure::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// The rule runs into the guard, the others go on; accepted by name with a
/// reviewed plan it passes, and that stands in the ledger.
fn assert_guards_only(world: &World, guard: Guard, rule: &str, others_moved: &str) {
    let report = world.cycle().unwrap();
    assert_eq!(refused_rules(&report), [(rule.to_owned(), guard.name().to_owned())]);
    assert!(report.refused[0].reason.contains("--accept-guard"), "{}", report.refused[0].reason);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(!report.separated.iter().any(|item| item.rule.as_str() == rule), "{report:?}");
    assert_eq!(world.place(others_moved), Place::Vault);
    assert_eq!(recorded(world, guard.name()), 1);

    let reason = refused(world.reviewed_cycle());
    assert!(reason.contains(&format!("--accept-guard {guard}")), "{reason}");
    assert_eq!(recorded(world, guard.name()), 2);

    let plan = world.plan();
    let accepted = [guard];
    let instructions =
        Instructions { reviewed: Some(&plan), accepted: &accepted, by: Some("officer"), ..Instructions::default() };
    let report = world.run(&instructions).unwrap();
    assert!(report.refused.is_empty() && report.separated.iter().any(|item| item.rule.as_str() == rule), "{report:?}");
    let on_record = |event: &Event| {
        matches!(event, Event::RunStarted { accepted_guards, by: Some(by), .. }
        if *accepted_guards == [guard.name()] && by == "officer")
    };
    assert!(world.events().iter().any(on_record));
}

#[test]
fn too_many_rows_of_a_rule_refuse_that_rule_only() {
    let mut world = reviewed();
    world.deployment.guards.rows_max = 4;
    assert_guards_only(&world, Guard::RowsMax, "contract", "members/person-4");
}

#[test]
fn too_large_a_share_of_a_table_refuses_that_rule_only() {
    let mut world = reviewed();
    world.deployment.guards.table_share_max_ppm = 810_000;
    assert_guards_only(&world, Guard::TableShareMax, "contract", "members/person-4");
}

#[test]
fn far_more_rows_than_in_earlier_cycles_refuse_that_rule_only() {
    let mut world = World::new();
    let visit = |world: &World, number: u32| {
        let row = vec![text(&format!("extra-{number}")), text("person-1"), text("2025-01-01 00:00:00")];
        world.edit("log", |log| log.table_mut("visits").rows.push(row));
    };
    world.edit("log", |log| log.table_mut("visits").rows.clear());
    world.learn();
    for number in 0..3 {
        visit(&world, number);
        let plan = world.planned(Some(&"visit".into())).unwrap().plan;
        world.run_plan(&plan).unwrap();
        world.count_as_reviewed(&plan);
    }
    (10..14).for_each(|number| visit(&world, number));
    world.learn();
    world.deployment.guards.median_factor = 3;
    assert_guards_only(&world, Guard::MedianFactor, "visit", "members/person-4");
}

#[test]
fn too_many_rows_to_destroy_refuse_the_destruction() {
    let mut world = World::new();
    world.reviewed_cycle().unwrap();
    world.advance(1);
    world.deployment.guards.rows_max = 2;
    let report = world.cycle().unwrap();
    assert_eq!(refused_rules(&report), [("visit".to_owned(), "rows_max".to_owned())]);
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
    assert_eq!(world.place("orders/purchase-4"), Place::Nowhere);
}

#[test]
fn without_a_reviewed_plan_no_guard_can_be_accepted() {
    let mut world = reviewed();
    world.deployment.guards.rows_max = 4;
    let report = world.run(&Instructions { accepted: &Guard::ALL, ..Instructions::default() }).unwrap();
    assert_eq!(refused_rules(&report), [("contract".to_owned(), "rows_max".to_owned())]);
    let claims =
        |event: &Event| matches!(event, Event::RunStarted { accepted_guards, .. } if !accepted_guards.is_empty());
    assert!(!world.events().iter().any(claims), "the ledger says that a guard was accepted");
}

#[test]
fn another_guard_than_the_one_that_was_hit_does_not_help() {
    let mut world = reviewed();
    world.deployment.guards.rows_max = 4;
    let plan = world.plan();
    let instructions =
        Instructions { reviewed: Some(&plan), accepted: &[Guard::MedianFactor], ..Instructions::default() };
    refused(world.run(&instructions));
    assert_eq!(world.place("members/person-4"), Place::Source, "a plan is refused as a whole");
}

#[test]
fn a_clock_that_went_back_refuses_everything_even_in_a_simulation() {
    for simulation in [false, true] {
        let mut world = reviewed();
        world.simulation = simulation;
        let entries = world.events().len();
        world.advance(-1);
        let reason = refused(world.cycle());
        assert!(reason.contains("before the ledger's last entry"), "{reason}");
        assert_eq!((world.events().len(), recorded(&world, "clock")), (entries + 1, 1));
        assert_eq!(world.place("members/person-4"), Place::Source);
        world.advance(1);
        world.cycle().unwrap();
    }
}

#[test]
fn a_clock_that_jumped_is_refused_and_leaves_the_ledger_usable() {
    let world = reviewed();
    world.advance(3_000);
    let reason = refused(world.cycle());
    assert!(reason.contains("--accept-guard clock_jump_max"), "{reason}");
    assert_eq!(world.place("members/person-4"), Place::Source);
    world.advance(-3_000);
    world.cycle().unwrap();
}

#[test]
fn a_clock_of_2038_or_of_1970_destroys_nothing_restores_nothing_and_leaves_the_ledger_usable() {
    let world = reviewed();
    let (now, before) = (world.disk.now.get(), world.disk.places());
    for wrong in ["2038-01-19T03:14:08Z", "1970-01-01T00:00:00Z"] {
        world.disk.now.set(super::world::at(wrong));
        refused(world.cycle());
        assert!(matches!(world.restore(&super::restoring::subject("person-2")), Err(Failure::Refused(_))));
        assert_eq!(world.disk.places(), before, "{wrong}");
    }
    world.disk.now.set(now);
    world.cycle().unwrap();
    assert!(world.events().iter().all(|event| !matches!(event, Event::DestroyIntent(_))), "nothing has cooled off yet");
}

#[test]
fn a_jump_of_exactly_the_limit_passes() {
    let mut world = reviewed();
    world.deployment.guards.clock_jump_max = TimeSpan(chrono::TimeDelta::days(5));
    world.advance(5);
    world.cycle().unwrap();
}

#[test]
fn in_a_simulation_the_clock_may_jump() {
    let mut world = World::new();
    world.simulation = true;
    world.reviewed_cycle().unwrap();
    world.advance(3_000);
    world.cycle().unwrap();
}

#[test]
fn a_jump_passes_with_a_reviewed_plan_that_accepts_it_and_only_then() {
    let world = reviewed();
    world.advance(20);
    let plan = world.plan();
    refused(world.run(&Instructions { accepted: &[Guard::ClockJumpMax], ..Instructions::default() }));
    refused(world.run_plan(&plan));
    let instructions =
        Instructions { reviewed: Some(&plan), accepted: &[Guard::ClockJumpMax], ..Instructions::default() };
    assert!(!world.run(&instructions).unwrap().separated.is_empty());
}

#[test]
fn a_server_that_tells_another_time_than_the_host_refuses_everything_either_way() {
    for ahead in [TimeDelta::days(1) + TimeDelta::seconds(1), -TimeDelta::days(1) - TimeDelta::seconds(1)] {
        let world = reviewed();
        world.edit("log", |database| database.ahead = Some(ahead));
        let before = world.disk.places();
        let reason = refused(world.cycle());
        assert!(reason.contains("source log") && reason.contains("clock_skew_max"), "{reason}");
        assert_eq!(recorded(&world, "clock"), 1);
        assert_eq!(world.disk.places(), before);
        world.edit("log", |database| database.ahead = Some(TimeDelta::days(1)));
        world.cycle().unwrap();
        assert_ne!(world.disk.places(), before, "within the limit it runs");
    }
}

#[test]
fn nothing_is_restored_either_while_a_server_tells_another_time() {
    let world = reviewed();
    world.cycle().unwrap();
    for ahead in [TimeDelta::days(2), -TimeDelta::days(2)] {
        world.edit("log", |database| database.ahead = Some(ahead));
        let before = world.disk.places();
        match world.restore(&super::restoring::subject("person-2")) {
            Err(Failure::Refused(reason)) => assert!(reason.contains("clock_skew_max"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(world.disk.places(), before);
    }
    world.edit("log", |database| database.ahead = None);
    world.restore(&super::restoring::subject("person-2")).unwrap();
}

#[test]
fn in_a_simulation_the_servers_clock_does_not_count() {
    let mut world = reviewed();
    world.simulation = true;
    world.edit("log", |database| database.ahead = Some(TimeDelta::days(4_000)));
    world.cycle().unwrap();
}
