//! Bringing a person's records back while they are not due.

use retentiond::{
    domain::{
        id::BucketId,
        index::Locator,
        ledger::event::{Event, RestoreIntent, RestoreResult},
        record::Cell,
    },
    flow::restore::Request,
    ports::Failure,
};

use super::{faults::Fault, tables::text, truth::Place, world::World};

pub fn subject(locator: &str) -> Request<'_> {
    Request {
        by: Locator::Subject,
        locator: locator.as_bytes(),
        rule: None,
        name: "agent",
        reason: "withdrew by mistake",
        keep_event: false,
    }
}

fn separated() -> World {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world
}

fn cell(world: &World, table: &str, key: &str, column: &str) -> Cell {
    let sources = world.disk.sources.borrow();
    let table = sources[&"shop".into()].table(table);
    table.by_key(&text(key)).unwrap()[table.column(column)].clone()
}

fn outcomes(world: &World) -> Vec<RestoreResult> {
    let outcome = |event: Event| match event {
        Event::RestoreOutcome { result, .. } => Some(result),
        _ => None,
    };
    world.events().into_iter().filter_map(outcome).collect()
}

fn intent(world: &World) -> RestoreIntent {
    let intent = |event: Event| match event {
        Event::RestoreIntent(intent) => Some(intent),
        _ => None,
    };
    world.events().into_iter().find_map(intent).unwrap()
}

#[test]
fn everything_that_the_same_event_moved_comes_back_and_the_event_is_undone() {
    let world = separated();
    let restored = world.restore(&subject("person-2")).unwrap();
    assert_eq!((restored.rows[&"member".into()], restored.rows[&"contract".into()], restored.due), (1, 2, 0));
    assert_eq!(cell(&world, "members", "person-2", "withdrawn_at"), Cell::Null);
    for name in ["members/person-2", "orders/purchase-3", "orders/purchase-6"] {
        assert_eq!(world.place(name), Place::Source, "{name}");
    }
    for (table, key) in [("addresses", "address-3"), ("order_lines", "line-c"), ("line_prices", "price-b")] {
        assert!(world.has_row("shop", table, key), "{key}");
    }
    assert_eq!(world.place("visits/visit-2"), Place::Vault, "it moved because it was due");
    let intent = intent(&world);
    assert_eq!((intent.by.as_str(), intent.reason.as_str()), ("agent", "withdrew by mistake"));
    world.disk.check_settled();
    assert!(world.cycle().unwrap().separated.is_empty(), "the withdrawal is undone");
}

#[test]
fn others_in_the_same_segment_stay_and_are_still_found() {
    let world = separated();
    let of_members = |world: &World| {
        let vault = world.disk.vault.borrow();
        let members = vault.segments.values().filter(|(sealed, _)| sealed.bucket.to_string() == "member/2026-11-20");
        members.map(|(sealed, _)| sealed.records).collect::<Vec<_>>()
    };
    assert_eq!(of_members(&world), [2], "both lie in one segment");
    world.restore(&subject("person-2")).unwrap();
    assert_eq!(of_members(&world), [1]);
    assert_eq!(world.place("members/person-4"), Place::Vault);
    assert_eq!(world.restore(&subject("person-4")).unwrap().rows[&"member".into()], 1);
    assert_eq!(world.place("members/person-4"), Place::Source);
}

#[test]
fn the_key_of_a_bucket_that_restoring_emptied_is_destroyed_when_the_bucket_is_due() {
    let world = separated();
    let bucket: BucketId = "member/2026-11-20".parse().unwrap();
    let holds = |world: &World| world.disk.keys.borrow().holds(&bucket);
    world.restore(&subject("person-2")).unwrap();
    world.restore(&subject("person-4")).unwrap();
    assert!(!world.disk.vault.borrow().segments.values().any(|(sealed, _)| sealed.bucket == bucket));
    world.advance(1);
    world.cycle().unwrap();
    assert!(holds(&world), "old copies of the vault may be read until the bucket is due");
    world.advance(7);
    world.cycle().unwrap();
    assert!(!holds(&world));
}

#[test]
fn a_kept_event_moves_the_record_again() {
    let world = separated();
    world.restore(&Request { keep_event: true, ..subject("person-2") }).unwrap();
    assert_eq!(cell(&world, "members", "person-2", "withdrawn_at"), text("2026-11-20 12:00:00"));
    assert!(intent(&world).keep_event);
    let report = world.cycle().unwrap();
    assert_eq!(report.separated.iter().map(|item| item.rows).sum::<u64>(), 3);
    assert_eq!(world.place("members/person-2"), Place::Vault);
}

#[test]
fn one_record_comes_back_by_its_key() {
    let world = separated();
    let rule = "member".into();
    let request = Request { by: Locator::Key, rule: Some(&rule), ..subject("person-2") };
    assert_eq!(world.restore(&request).unwrap().rows.len(), 1);
    assert_eq!(world.place("members/person-2"), Place::Source);
    assert_eq!(world.place("orders/purchase-3"), Place::Vault);
}

#[test]
fn a_key_that_records_of_two_datasets_have_is_refused() {
    let mut world = World::new();
    let mut guests = world.deployment.datasets.iter().find(|dataset| dataset.table == "members").unwrap().clone();
    (guests.table, guests.children) = ("guests".to_owned(), Vec::new());
    world.deployment.datasets.push(guests);
    world.edit("shop", |shop| {
        let guests = shop.table("members").clone();
        shop.tables.insert("guests".to_owned(), guests);
    });
    world.learn();
    world.reviewed_cycle().unwrap();
    let rule = "member".into();
    let request = Request { by: Locator::Key, rule: Some(&rule), ..subject("person-2") };
    match world.restore(&request) {
        Err(Failure::Refused(reason)) => assert!(reason.contains("several datasets"), "{reason}"),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(world.place("members/person-2"), Place::Vault);
    assert!(outcomes(&world).is_empty());
}

#[test]
fn records_that_are_due_stay_and_are_counted() {
    let world = World::new();
    world.edit("shop", |shop| shop.set("orders", "purchase-3", "ordered_at", text("2020-01-01 00:00:00")));
    world.learn();
    world.reviewed_cycle().unwrap();
    let restored = world.restore(&subject("person-2")).unwrap();
    assert_eq!((restored.due, restored.rows[&"contract".into()]), (1, 1));
    assert_eq!(world.place("orders/purchase-3"), Place::Vault);
    assert_eq!(world.place("orders/purchase-6"), Place::Source);
}

#[test]
fn nothing_found_is_refused_and_leaves_no_trace() {
    let world = separated();
    let entries = world.events().len();
    let rule = "visit".into();
    for (request, because) in [
        (subject("nobody"), "the vault holds no such record"),
        (subject("person-1"), "the vault holds no such record"),
        (Request { rule: Some(&rule), ..subject("person-2") }, "1 records that match are due"),
    ] {
        match world.restore(&request) {
            Err(Failure::Refused(reason)) => assert!(reason.contains(because), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.events().len(), entries);
}

#[test]
fn a_row_that_exists_again_undoes_the_restoration() {
    let world = separated();
    world.edit("shop", |shop| {
        shop.table_mut("members").rows.push(vec![text("person-2"), text("another"), Cell::Null]);
    });
    assert!(matches!(world.restore(&subject("person-2")), Err(Failure::Rule(_))));
    assert_eq!(outcomes(&world), [RestoreResult::RolledBack]);
    assert_eq!(world.place("orders/purchase-3"), Place::Vault);
    world.disk.check_settled();
}

#[test]
fn an_order_whose_member_is_gone_stays_in_the_vault() {
    let world = separated();
    let rule = "contract".into();
    let request = Request { rule: Some(&rule), ..subject("person-2") };
    assert!(matches!(world.restore(&request), Err(Failure::Rule(_))));
    assert_eq!(outcomes(&world), [RestoreResult::RolledBack]);
    assert_eq!(world.place("orders/purchase-3"), Place::Vault);
}

#[test]
fn a_source_that_cannot_be_reached_closes_the_intent_and_the_vault_keeps_its_copy() {
    let mut world = separated();
    world.down = vec!["shop".into()];
    assert!(matches!(world.restore(&subject("person-2")), Err(Failure::Unreachable(_))));
    assert_eq!(outcomes(&world), [RestoreResult::RolledBack]);
    world.disk.check_settled();
}

#[test]
fn a_source_that_took_the_rows_and_said_otherwise_is_looked_at() {
    let world = separated();
    world.fail("source.put_back", 0, Fault::AppliedButFailed);
    assert_eq!(world.restore(&subject("person-2")).unwrap().rows.len(), 2);
    assert_eq!(outcomes(&world), [RestoreResult::Committed]);
    assert_eq!(world.place("members/person-2"), Place::Source);
    world.disk.check_settled();
}

#[test]
fn what_stays_behind_replaces_the_old_segment_only_if_it_opens_again() {
    let world = separated();
    world.disk.keys.borrow_mut().spoil = Some(|body| body[0] ^= 1);
    assert!(matches!(world.restore(&subject("person-2")), Err(Failure::StateUnknown(_))));
    assert_eq!(world.place("members/person-4"), Place::Vault);
    world.disk.keys.borrow_mut().spoil = None;
    world.recover().unwrap();
    assert_eq!(world.place("members/person-4"), Place::Vault);
    assert_eq!(world.place("members/person-2"), Place::Source);
    world.disk.check_settled();
}
