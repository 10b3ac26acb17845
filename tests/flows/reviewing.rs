//! What a person must have seen before anything moves.

use retentiond::{
    domain::{
        id::Digest,
        ledger::event::Event,
        plan::{Item, Plan},
        verdict::Verdict,
    },
    flow::run::Instructions,
    ports::Failure,
};

use super::{faults::Call, tables::text, truth::Place, world::World};

fn refused(result: Result<impl std::fmt::Debug, Failure>) -> String {
    match result {
        Err(Failure::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn assert_untouched(world: &World) {
    assert!(world.disk.places().iter().all(|(_, place)| *place == Place::Source));
    assert!(world.disk.vault.borrow().segments.is_empty());
    assert!(!world.events().iter().any(|event| matches!(event, Event::RunStarted { .. })));
}

fn recorded(world: &World, what: &str) -> bool {
    world.events().iter().any(|event| matches!(event, Event::Refused { what: said, .. } if said == what))
}

#[test]
fn a_dry_run_calls_nothing_that_writes() {
    let world = World::new();
    world.disk.faults.borrow_mut().trace.clear();
    let plan = world.plan();
    assert!(plan.rows() > 0);
    assert!(world.disk.faults.borrow().trace.iter().all(|call: &Call| !call.writes));
}

#[test]
fn a_first_run_without_a_reviewed_plan_is_refused_and_changes_nothing() {
    let world = World::new();
    let reason = refused(world.cycle());
    assert!(reason.contains("no plan was reviewed") && reason.contains("plan --out"), "{reason}");
    assert_untouched(&world);
    assert!(recorded(&world, "review"));
}

#[test]
fn a_cycle_that_would_move_nothing_needs_no_review() {
    let world = World::new();
    for source in ["shop", "log"] {
        world.edit(source, |database| database.tables.values_mut().for_each(|table| table.rows.clear()));
    }
    world.learn();
    assert_eq!(world.cycle().unwrap().verdict, Verdict::Pass);
    world.edit("shop", |shop| {
        shop.table_mut("members").rows.push(vec![text("late"), text("n"), text("2026-11-01 00:00:00")])
    });
    refused(world.cycle());
}

#[test]
fn after_a_reviewed_plan_ran_later_cycles_run_by_themselves() {
    let world = World::new();
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Pass);
    assert_eq!(
        world.events().iter().filter(|event| matches!(event, Event::RunStarted { plan: Some(_), .. })).count(),
        1
    );
    world.advance(1);
    assert!(!world.cycle().unwrap().destroyed.is_empty());
}

#[test]
fn a_reviewed_run_that_never_finished_counts_for_nothing() {
    let world = World::new();
    world.fail("source.take", 2, super::faults::Fault::CrashBefore);
    assert!(world.reviewed_cycle().is_err());
    refused(world.cycle());
    world.reviewed_cycle().unwrap();
}

#[test]
fn a_reviewed_plan_of_one_rule_does_not_review_the_others() {
    let world = World::new();
    let rule = "visit".into();
    let plan = world.planned(Some(&rule)).unwrap().plan;
    assert!(plan.rows() > 0);
    world.run_plan(&plan).unwrap();
    refused(world.cycle());
    world.reviewed_cycle().unwrap();
}

#[test]
fn nothing_is_done_before_the_policy_takes_effect() {
    let mut world = World::new();
    world.policy.effective = chrono::NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
    world.adopt();
    let reason = refused(world.reviewed_cycle());
    assert!(reason.contains("takes effect on 2026-12-01"), "{reason}");
    assert_untouched(&world);
    refused(world.cycle());
    refused(world.reviewed_cycle());
    assert_eq!(refusals(&world, "effective").len(), 1, "it is on record, and not with every cycle");
    assert_eq!(refusals(&world, "effective")[0].0, "2026-12-01");
}

#[test]
fn a_rules_file_that_nobody_has_adopted_stands_in_the_ledger_once() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let with = |file: &[u8]| Instructions { proposed: Some(Digest::of(file)), ..Instructions::default() };
    for _ in 0..3 {
        world.run(&with(b"a change")).unwrap();
    }
    let adopted = world.book().digest.to_string();
    assert_eq!(refusals(&world, "policy"), [(adopted, Digest::of(b"a change").to_string())]);
    world.run(&with(b"another change")).unwrap();
    world.run(&with(b"another change")).unwrap();
    assert_eq!(refusals(&world, "policy").len(), 2);
    world.adopt();
    world.reviewed_cycle().unwrap();
    world.run(&with(b"another change")).unwrap();
    assert_eq!(refusals(&world, "policy").len(), 3, "under the policy that was adopted since it is another refusal");
}

/// Limits and values of what was refused.
fn refusals(world: &World, of: &str) -> Vec<(String, String)> {
    let refusal = |event| match event {
        Event::Refused { what, rule: None, limit, value } if what == of => Some((limit, value)),
        _ => None,
    };
    world.events().into_iter().filter_map(refusal).collect()
}

#[test]
fn another_policy_asks_for_another_review() {
    let mut world = World::new();
    world.reviewed_cycle().unwrap();
    world.policy.version = "1.1".to_owned();
    world.adopt();
    world.advance(1);
    refused(world.cycle());
    world.reviewed_cycle().unwrap();
}

#[test]
fn drift_is_refused_and_names_what_changed() {
    let world = World::new();
    let plan = world.plan();
    world.edit("log", |log| log.set("visits", "visit-1", "visited_at", text("2026-11-02 00:00:00")));
    world.learn();
    let reason = refused(world.run_plan(&plan));
    assert!(reason.contains("visit/visits: separate rows 3 -> 2"), "{reason}");
    assert!(!reason.contains("contract"), "{reason}");
    assert!(recorded(&world, "drift"));
    let (reviewed, value) = refusals(&world, "drift").remove(0);
    assert_eq!(reviewed, plan.digest.to_string());
    assert!(value.starts_with("sha256:") && value.contains("; visit/visits: separate rows 3 -> 2"), "{value}");
    assert_untouched(&world);
}

#[test]
fn a_plan_still_holds_days_later_if_nothing_it_counts_has_changed() {
    let world = World::new();
    let plan = world.plan();
    world.advance(2);
    let report = world.run_plan(&plan).unwrap();
    assert_eq!(report.now, plan.now);
    assert_eq!(report.separated.iter().map(|item| item.rows).sum::<u64>(), plan.rows());
}

fn assert_refused(world: &World, plan: &Plan, because: &str) {
    let reason = refused(world.run_plan(plan));
    assert!(reason.contains(because), "{reason}");
    assert!(recorded(world, "plan"), "{because}: not on record");
    assert_untouched(world);
}

#[test]
fn an_edited_plan_file_is_refused() {
    let world = World::new();
    let mut edited = world.plan();
    let Some(Item::Separate(item)) = edited.items.first_mut() else { panic!("nothing to separate") };
    item.rows += 1;
    assert_refused(&world, &edited, "was changed after it was made");
}

#[test]
fn a_plan_that_was_made_under_another_policy_is_refused() {
    let mut world = World::new();
    let plan = world.plan();
    world.policy.version = "1.1".to_owned();
    world.adopt();
    assert_refused(&world, &plan, "another policy or vault");
}

#[test]
fn a_plan_of_a_simulated_vault_is_refused_by_a_real_one() {
    let mut world = World::new();
    world.simulation = true;
    let plan = world.plan();
    world.simulation = false;
    assert_refused(&world, &plan, "another policy or vault");
}

#[test]
fn a_plan_of_an_instant_that_has_not_come_is_refused() {
    let world = World::new();
    world.advance(2);
    let plan = world.plan();
    world.advance(-1);
    assert_refused(&world, &plan, "has not come yet");
}

#[test]
fn a_plan_of_one_rule_moves_and_destroys_nothing_else() {
    let world = World::new();
    let plan = world.planned(Some(&"visit".into())).unwrap().plan;
    let report = world.run_plan(&plan).unwrap();
    assert!(report.separated.iter().all(|item| item.rule.as_str() == "visit"));
    assert_eq!(world.all_at(Place::Vault), ["visits/visit-1", "visits/visit-2", "visits/visit-4"]);
    world.count_as_reviewed(&plan);
    world.advance(1);
    let only = "member".into();
    let report = world.run(&Instructions { rule: Some(&only), ..Instructions::default() }).unwrap();
    assert!(report.destroyed.is_empty());
}

#[test]
fn a_plan_of_one_rule_does_not_count_on_rows_that_only_another_rule_moves() {
    let world = World::new();
    let only = world.planned(Some(&"member".into())).unwrap().plan;
    let planned = only.separations().next().unwrap();
    let report = world.run_plan(&only).unwrap();
    assert_eq!((planned.rows, planned.waiting), (2, 2), "two members have orders that stay");
    assert_eq!(report.separated[0].rows, planned.rows);
}
