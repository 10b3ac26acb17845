//! Moving records: in which order, and what is undone when a step goes wrong.

use retentiond::{
    domain::{
        census::AnomalyKind,
        ledger::event::{Event, SeparateResult},
        period::TimeSpan,
        record::Cell,
        selection::Cause,
        verdict::Verdict,
    },
    flow::run::Report,
    ports::{Failure, Route},
};

use super::{
    faults::Fault,
    tables::{ForeignKey, Table, text},
    truth::Place,
    world::World,
};

fn failed_rules(report: &Report) -> Vec<&str> {
    report.failed.iter().map(|failed| failed.rule.as_str()).collect()
}

fn outcomes(world: &World) -> Vec<(SeparateResult, Option<String>)> {
    let outcome = |event: Event| match event {
        Event::SeparateOutcome { result, reason, .. } => Some((result, reason)),
        _ => None,
    };
    world.events().into_iter().filter_map(outcome).collect()
}

fn assert_all_in_source(world: &World) {
    assert_eq!(world.all_at(Place::Source).len(), world.disk.places().len());
    assert!(world.disk.vault.borrow().segments.is_empty());
    assert!(outcomes(world).iter().all(|(result, _)| *result == SeparateResult::RolledBack));
    world.disk.check_settled();
}

#[test]
fn orders_move_before_their_member_whatever_the_order_of_the_file() {
    for reversed in [false, true] {
        let mut world = World::new();
        if reversed {
            world.deployment.datasets.reverse();
        }
        world.reviewed_cycle().unwrap();
        let events = world.events();
        let moved = events.iter().filter_map(|event| match event {
            Event::SeparateIntent(intent) if intent.dataset != "visits" => Some(intent.dataset.as_str()),
            _ => None,
        });
        assert_eq!(moved.collect::<Vec<_>>(), ["orders", "orders", "orders", "members", "members"]);
    }
}

#[test]
fn no_more_rows_move_than_were_planned() {
    let world = World::new();
    let visits = world.deployment.datasets.iter().position(|dataset| dataset.table == "visits").unwrap();
    assert_eq!(world.separate_at_most(visits, 2), 2);
    assert_eq!(world.all_at(Place::Vault).len(), 2);
    assert_eq!(world.separate_at_most(visits, 100), 1, "the third is still due");
}

/// Twenty due visits of four dates, in batches of three and transactions of four batches.
fn backlog(route: Route) -> (Vec<u64>, World) {
    let world = World::new();
    world.edit("log", |log| {
        let visits = &mut log.tables.get_mut("visits").unwrap().rows;
        visits.clear();
        for number in 0..20 {
            let day = format!("2026-01-0{} 08:00:00", 1 + number % 4);
            visits.push(vec![text(&format!("visit-{number}")), text("person-1"), text(&day)]);
        }
    });
    world.learn();
    world.disk.route.set(route);
    let visits = world.deployment.datasets.iter().position(|dataset| dataset.table == "visits").unwrap();
    assert_eq!(world.separate_at_most(visits, 20), 20);
    world.disk.check_settled();
    let batches = world.events().into_iter().filter_map(|event| match event {
        Event::SeparateIntent(intent) => Some(intent.records),
        _ => None,
    });
    (batches.collect(), world)
}

#[test]
fn what_is_taken_by_place_is_sealed_at_once_when_batches_have_few_records_a_date() {
    assert_eq!(backlog(Route::ByEvent).0, [3, 3, 3, 3, 3, 3, 2]);
    let (batches, world) = backlog(Route::ByPlace);
    assert_eq!(batches, [3, 3, 3, 3, 8]);
    let vault = world.disk.vault.borrow();
    let records: Vec<u64> = vault.segments.values().map(|(segment, _)| segment.records).collect();
    assert_eq!(records.iter().sum::<u64>(), 20);
    assert!(records.iter().all(|records| *records <= 3), "{records:?}");
}

#[test]
fn a_segment_has_no_more_records_than_a_batch_may_have() {
    let mut world = World::new();
    world.deployment.limits.batch_rows = 2;
    world.disk.route.set(Route::ByPlace);
    world.edit("log", |log| {
        let visits = &mut log.tables.get_mut("visits").unwrap().rows;
        visits.clear();
        let visit = |number| vec![text(&format!("visit-{number}")), text("person-1"), text("2026-01-01 08:00:00")];
        visits.extend((0..15).map(visit));
    });
    world.learn();
    let visits = world.deployment.datasets.iter().position(|dataset| dataset.table == "visits").unwrap();
    assert_eq!(world.separate_at_most(visits, 15), 15);
    let vault = world.disk.vault.borrow();
    assert!(vault.segments.values().all(|(segment, _)| segment.records <= 2));
    assert_eq!(vault.segments.values().map(|(segment, _)| segment.records).sum::<u64>(), 15);
}

#[test]
fn an_intent_says_what_moves_and_why() {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    let causes = |event: Event| match event {
        Event::SeparateIntent(intent) if intent.dataset == "orders" => Some((intent.cause, intent.records)),
        _ => None,
    };
    let causes: Vec<_> = world.events().into_iter().filter_map(causes).collect();
    let event = Cause::Event("withdrawal".into());
    assert_eq!(causes, [(event.clone(), 3), (event, 1), (Cause::Due, 1)]);
}

#[test]
fn a_report_counts_what_its_plan_counted() {
    let world = World::new();
    let plan = world.plan();
    let report = world.run_plan(&plan).unwrap();
    for item in plan.separations() {
        let moved = report.separated.iter().find(|moved| moved.dataset == item.dataset).unwrap();
        assert_eq!((moved.rows, &moved.children), (item.rows, &item.children), "{}", item.dataset);
    }
}

#[test]
fn what_the_application_holds_is_left_counted_and_named_and_moves_in_the_next_cycle() {
    let world = World::new();
    let held = ("orders", "purchase-6");
    world.edit("shop", |shop| assert!(shop.locked.insert(held)));
    let report = world.reviewed_cycle().unwrap();
    let left: Vec<_> = report.left.iter().map(|left| (left.dataset.as_str(), left.locked, left.waiting)).collect();
    assert_eq!(left, [("orders", 1, 0), ("members", 0, 1)], "the member waits for the order");
    assert!(report.failed.is_empty() && report.refused.is_empty(), "it is no failure");
    assert_eq!(report.verdict, Verdict::Unknown, "a cycle that did less than planned proves less");
    let reason = "contract: 1 of orders were left for the next cycle: the application holds rows of 1";
    assert!(report.reasons.iter().any(|found| found == reason), "{:?}", report.reasons);
    let on_record = |event: Event| if let Event::RunFinished { left, .. } = event { Some(left) } else { None };
    assert_eq!(world.events().into_iter().filter_map(on_record).next_back(), Some(2));
    assert_eq!((world.place("orders/purchase-6"), world.place("members/person-2")), (Place::Source, Place::Source));
    world.edit("shop", |shop| assert!(shop.locked.remove(&held)));
    let report = world.cycle().unwrap();
    assert!(report.left.is_empty(), "{:?}", report.left);
    assert_eq!(world.events().into_iter().filter_map(on_record).next_back(), Some(0));
    assert_eq!((world.place("orders/purchase-6"), world.place("members/person-2")), (Place::Vault, Place::Vault));
}

#[test]
fn a_cycle_that_did_what_it_planned_asks_for_nothing_left() {
    let world = World::new();
    world.fail("source.left", 0, Fault::NotApplied);
    let report = world.reviewed_cycle().unwrap();
    assert!(report.failed.is_empty() && report.left.is_empty());
    let world = World::new();
    world.edit("log", |log| assert!(log.locked.insert(("visits", "visit-1"))));
    world.fail("source.left", 0, Fault::NotApplied);
    assert_eq!(failed_rules(&world.reviewed_cycle().unwrap()), ["visit"], "what cannot be counted is not passed over");
}

#[test]
fn a_member_whose_order_cannot_move_waits_and_the_anomaly_is_reported() {
    let world = World::new();
    world.edit("shop", |shop| shop.set("orders", "purchase-3", "ordered_at", text("2021-13-45 00:00:00")));
    world.edit("shop", |shop| shop.set("orders", "purchase-1", "ordered_at", Cell::Null));
    world.learn();
    let plan = world.plan();
    let kinds: Vec<_> = plan.anomalies.iter().map(|anomaly| (anomaly.kind, anomaly.rows)).collect();
    assert_eq!(kinds, [(AnomalyKind::Missing, 1), (AnomalyKind::Malformed, 1)]);
    assert_eq!(plan.separations().find(|item| item.dataset == "members").unwrap().waiting, 1);
    world.run_plan(&plan).unwrap();
    assert_eq!(world.place("members/person-2"), Place::Source);
    assert_eq!(world.place("orders/purchase-6"), Place::Vault);
    assert_eq!(world.place("members/person-3"), Place::Vault);
}

#[test]
fn a_copy_that_reads_back_differently_is_dropped_and_nothing_is_deleted() {
    let world = World::new();
    world.disk.vault.borrow_mut().spoil = Some(|sealed| *sealed.body.last_mut().unwrap() ^= 1);
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(failed_rules(&report), ["contract", "member", "visit"]);
    assert!(report.failed[0].reason.contains("not what was taken"), "{}", report.failed[0].reason);
    assert_all_in_source(&world);
}

#[test]
fn a_copy_whose_index_reads_back_differently_is_dropped_and_nothing_is_deleted() {
    let world = World::new();
    world.disk.vault.borrow_mut().spoil = Some(|sealed| sealed.index[4] ^= 1);
    assert_eq!(world.reviewed_cycle().unwrap().failed.len(), 3);
    assert_all_in_source(&world);
}

#[test]
fn a_copy_that_does_not_open_is_dropped_and_stops_everything() {
    let world = World::new();
    world.disk.vault.borrow_mut().spoil = Some(|sealed| sealed.body[0] ^= 1);
    assert!(matches!(world.reviewed_cycle(), Err(Failure::StateUnknown(_))));
    assert_eq!(outcomes(&world).len(), 1);
    assert_all_in_source(&world);
}

#[test]
fn a_body_that_was_sealed_wrongly_is_dropped_and_nothing_is_deleted() {
    let world = World::new();
    world.disk.keys.borrow_mut().spoil = Some(|body| body[0] ^= 1);
    assert_eq!(world.reviewed_cycle().unwrap().failed.len(), 3);
    assert_all_in_source(&world);
}

#[test]
fn a_full_vault_undoes_the_batch_and_later_there_is_room() {
    let world = World::new();
    world.disk.vault.borrow_mut().full = true;
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(failed_rules(&report), ["contract", "member", "visit"]);
    assert_all_in_source(&world);
    world.disk.vault.borrow_mut().full = false;
    assert!(world.cycle().unwrap().failed.is_empty());
    assert_eq!(world.place("orders/purchase-4"), Place::Vault);
}

#[test]
fn a_record_that_the_policy_does_not_move_undoes_the_batch_that_has_it() {
    let world = World::new();
    world.edit("log", |log| log.greedy = true);
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(failed_rules(&report), ["visit"]);
    assert!(report.failed[0].reason.contains("it is not due"), "{}", report.failed[0].reason);
    assert_eq!(world.place("visits/visit-3"), Place::Source);
    assert_eq!(world.place("orders/purchase-4"), Place::Vault);
    world.disk.check_settled();
}

#[test]
fn a_commit_that_the_source_undid_drops_the_copy_and_fails_only_its_rule() {
    let world = World::new();
    world.edit("log", |log| {
        let rows = vec![vec![text("tag-1"), text("visit-1")]];
        log.tables.insert("tags".to_owned(), Table { columns: vec!["id", "visit_id"], rows });
        log.foreign_keys.push(ForeignKey { table: "tags", column: "visit_id", parent: "visits" });
    });
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(failed_rules(&report), ["visit"]);
    assert_eq!(world.place("visits/visit-1"), Place::Source);
    assert_eq!(world.place("members/person-4"), Place::Vault);
    let undone: Vec<_> =
        outcomes(&world).into_iter().filter(|(result, _)| *result == SeparateResult::RolledBack).collect();
    assert!(undone.len() == 1 && undone[0].1.as_ref().is_some_and(|reason| reason.contains("tags")), "{undone:?}");
    world.disk.check_settled();
}

#[test]
fn a_batch_that_cannot_be_stored_takes_its_whole_transaction_back() {
    for (call, skip) in [("vault.store", 1), ("source.take_on", 0), ("vault.batch", 1), ("ledger.append", 2)] {
        let world = World::new();
        world.fail(call, skip, Fault::NotApplied);
        // A ledger that cannot be written stops everything, the rest fails a rule.
        assert_eq!(world.reviewed_cycle().is_err(), call == "ledger.append", "{call}");
        let orders: Vec<String> = world.all_at(Place::Source);
        assert_eq!(orders.iter().filter(|name| name.starts_with("orders/")).count(), 6, "{call}: {orders:?}");
        world.recover().unwrap();
        world.disk.check_settled();
    }
}

#[test]
fn a_commit_nobody_knows_of_stops_everything_and_keeps_both_copies() {
    let world = World::new();
    world.fail("source.commit", 0, Fault::NotApplied);
    let Err(Failure::StateUnknown(reason)) = world.reviewed_cycle() else { panic!("it went on") };
    assert!(reason.contains("the vault keeps its copy"), "{reason}");
    assert_eq!(world.all_at(Place::Both).len(), 4);
    assert!(world.disk.ledger.borrow().history.has_open_intents());
    world.reviewed_cycle().unwrap();
    world.disk.check_settled();
}

#[test]
fn a_batch_that_cannot_be_undone_stops_everything() {
    let world = World::new();
    world.disk.vault.borrow_mut().full = true;
    world.fail("source.rollback", 0, Fault::NotApplied);
    assert!(matches!(world.reviewed_cycle(), Err(Failure::StateUnknown(_))));
    world.disk.vault.borrow_mut().full = false;
    world.reviewed_cycle().unwrap();
    world.disk.check_settled();
}

#[test]
fn a_rule_that_fails_does_not_stop_the_others() {
    let world = World::new();
    world.edit("shop", |shop| shop.unfit = Some("members".to_owned()));
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(failed_rules(&report), ["member"]);
    assert!(report.failed[0].reason.contains("hint: add it"));
    assert_eq!(world.place("members/person-4"), Place::Source);
    assert_eq!(world.place("orders/purchase-4"), Place::Vault);
    assert_eq!(world.place("visits/visit-1"), Place::Vault);
}

#[test]
fn a_source_that_cannot_be_reached_fails_only_its_rules() {
    let mut world = World::new();
    world.down = vec!["log".into()];
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(failed_rules(&report), ["visit"]);
    assert!(report.failed[0].unreachable);
    assert_eq!(world.place("visits/visit-1"), Place::Source);
    assert_eq!(world.place("members/person-4"), Place::Vault);
}

#[test]
fn what_a_cycle_separates_it_does_not_destroy_even_without_cooling_off() {
    let mut world = World::new();
    world.reviewed_cycle().unwrap();
    world.policy.cooling_off = TimeSpan(chrono::TimeDelta::zero());
    world.adopt();
    world.edit("log", |log| {
        let row = vec![text("visit-9"), text("person-1"), text("2026-01-05 08:00:00")];
        log.table_mut("visits").rows.push(row);
    });
    world.advance(1);
    let plan = world.plan();
    let planned: u64 = plan.destructions().map(|item| item.rows).sum();
    let report = world.run_plan(&plan).unwrap();
    assert_eq!(report.destroyed.iter().map(|item| item.rows).sum::<u64>(), planned);
}
