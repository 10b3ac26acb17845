//! Searching for what is left of removed rows, and closing what is proven.

use chrono::{DateTime, TimeDelta, Utc};
use retentiond::domain::{
    deployment::{Address, Database, Medium, Source, VerifyLevel, WipeLevel},
    ledger::{event::Event, history::Case},
    residue::{ClosedBy, Scan, State},
    verdict::{Finding, Verdict},
};

use super::{
    faults::Fault,
    tables::{Left, text},
    world::World,
};

/// Every dataset is searched for, and all is declared that can be.
fn declared() -> World {
    let mut world = World::new();
    for dataset in &mut world.deployment.datasets {
        dataset.verify = VerifyLevel::ResidueScan;
    }
    world.deployment.sources = ["shop", "log"].map(source).to_vec();
    world
}

fn source(name: &str) -> Source {
    Source {
        load: None,
        replicas: None,
        name: name.into(),
        database: Database { address: Address::File(String::new()), password: None },
        medium: Medium::Encrypted,
        maintenance_window: None,
        backups_kept: Some("0 days".parse().unwrap()),
    }
}

fn leave(world: &World, left: Left) {
    world.edit("shop", |shop| shop.left = left);
}

fn scans(world: &World) -> Vec<Scan> {
    let scan = |event| if let Event::ResidueScanned(scan) = event { Some(scan) } else { None };
    world.events().into_iter().filter_map(scan).filter(|scan| scan.source.as_str() == "shop").collect()
}

fn closed(world: &World) -> Vec<(ClosedBy, Verdict)> {
    let shop: Vec<_> = scans(world).into_iter().map(|scan| scan.case).collect();
    let closed = |event| match event {
        Event::ResidueClosed { case, by, finding } if shop.contains(&case) => Some((by, finding.verdict)),
        _ => None,
    };
    world.events().into_iter().filter_map(closed).collect()
}

fn open(world: &World) -> Vec<Case> {
    world.disk.ledger.borrow().history.residues.cases.clone()
}

#[test]
fn values_of_the_rows_that_left_are_searched_for_and_stand_nowhere_in_the_ledger() {
    let world = declared();
    assert_eq!(world.reviewed_cycle().unwrap().verdict, Verdict::Pass);
    let searched = world.disk.searched.borrow().clone();
    for value in ["street-2", "street-4", "product-b"] {
        assert!(searched.contains(&value.as_bytes().to_vec()), "{value}");
    }
    for value in ["street-1", "purchase-1"] {
        assert!(!searched.contains(&value.as_bytes().to_vec()), "{value} is still there");
    }
    let ledger = serde_json::to_string(&world.events()).unwrap();
    for value in searched {
        assert!(!ledger.contains(std::str::from_utf8(&value).unwrap()));
    }
    let scan = &scans(&world)[0];
    assert_eq!((scan.finding.verdict, scan.locations[0].state), (Verdict::Pass, State::Clean));
    assert!(scan.sample.values > 0 && scan.sample.rows > 0, "{:?}", scan.sample);
    assert!(open(&world).is_empty());
}

#[test]
fn a_location_that_cannot_be_read_never_passes_and_is_searched_again_while_the_keys_live() {
    let world = declared();
    leave(&world, Left::Unreadable);
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Unknown, "{:?}", report.reasons);
    assert!(report.reasons.iter().any(|reason| reason.contains("no privilege")), "{:?}", report.reasons);
    assert_eq!((scans(&world)[0].locations[0].state, open(&world).len()), (State::Unsearched, 1));
    leave(&world, Left::Nothing);
    world.cycle().unwrap();
    assert_eq!(closed(&world), [(ClosedBy::Scan, Verdict::Pass)]);
    assert_eq!(scans(&world)[0].case, scans(&world)[1].case);
}

#[test]
fn what_the_engine_compressed_counts_as_searched_only_after_a_whole_rewrite_since_rows_left() {
    let cycle = |finding: Finding| {
        let world = declared();
        leave(&world, Left::Compressed);
        world.edit("shop", |shop| shop.wipe_finding = finding);
        world.reviewed_cycle().unwrap();
        world
    };
    assert_eq!(scans(&cycle(Finding::pass()))[0].locations[0].state, State::Clean);
    for finding in [Finding::unknown("the statistics were not rewritten"), Finding::fail("busy")] {
        let world = cycle(finding);
        assert!(scans(&world).iter().all(|scan| scan.locations[0].state == State::Unsearched), "{:?}", scans(&world));
        assert_eq!(open(&world).len(), 1);
    }
}

#[test]
fn residue_without_a_date_fails_and_residue_with_one_closes_when_it_has_passed() {
    let world = declared();
    leave(&world, Left::Values(None));
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(report.reasons[0].contains("sampled values are in file"), "{:?}", report.reasons);

    let world = declared();
    let until: DateTime<Utc> = world.disk.now.get() + TimeDelta::days(3);
    leave(&world, Left::Values(Some(until)));
    assert_eq!(world.reviewed_cycle().unwrap().verdict, Verdict::Unknown);
    leave(&world, Left::Values(Some(until + TimeDelta::days(9))));
    world.advance(2);
    world.cycle().unwrap();
    assert!(closed(&world).is_empty() && !open(&world).is_empty());
    world.disk.now.set(until);
    world.cycle().unwrap();
    assert_eq!(closed(&world), [(ClosedBy::Date, Verdict::Pass)], "a later look does not put the date off");
}

#[test]
fn a_destruction_is_open_until_the_case_of_its_rows_is_closed() {
    let world = declared();
    leave(&world, Left::Values(None));
    world.reviewed_cycle().unwrap();
    world.advance(1);
    assert!(!world.cycle().unwrap().destroyed.is_empty());
    let destroyed: Vec<_> = open(&world).iter().flat_map(|case| case.destroyed.clone()).collect();
    assert!(destroyed.iter().any(|one| one.rule.as_str() == "contract" && one.records > 0), "{destroyed:?}");
}

#[test]
fn what_is_not_declared_keeps_the_verdict_open_but_not_the_case() {
    let mut world = declared();
    for source in &mut world.deployment.sources {
        source.backups_kept = None;
        source.medium = Medium::Unknown;
    }
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.reasons.iter().any(|reason| reason.contains("medium")), "{:?}", report.reasons);
    assert_eq!((closed(&world), open(&world).len()), (vec![(ClosedBy::Scan, Verdict::Unknown)], 0));
}

#[test]
fn a_rewrite_waits_for_its_window_and_the_search_for_the_rewrite() {
    let mut world = declared();
    for dataset in &mut world.deployment.datasets {
        dataset.wipe = WipeLevel::Rewrite;
    }
    // It is a Sunday, three in the morning in Seoul.
    for source in &mut world.deployment.sources {
        source.maintenance_window = Some("Mon 02:00-05:00".parse().unwrap());
    }
    assert_eq!(world.reviewed_cycle().unwrap().verdict, Verdict::Unknown);
    assert!(scans(&world)[0].locations[0].reason.as_ref().unwrap().contains("owed"));
    assert!(!world.disk.ledger.borrow().history.open_wipes.is_empty());
    world.disk.now.set("2026-11-22T17:00:00Z".parse().unwrap());
    world.cycle().unwrap();
    assert!(world.disk.ledger.borrow().history.open_wipes.is_empty());
    assert_eq!(closed(&world), [(ClosedBy::Scan, Verdict::Pass)]);
}

#[test]
fn rows_that_left_before_a_crash_are_wiped_and_searched_for_by_the_next_cycle() {
    let world = declared();
    // The source has committed its batch, and nothing comes after.
    world.fail("source.take", 3, Fault::CrashBefore);
    assert!(world.reviewed_cycle().is_err());
    world.reviewed_cycle().unwrap();
    let wiped: Vec<String> =
        world.disk.sources.borrow()[&"shop".into()].wiped.iter().flat_map(|(tables, _)| tables.clone()).collect();
    let taken = world.disk.ledger.borrow().history.residues.taken.len();
    assert_eq!(taken, 0);
    for table in ["members", "orders"] {
        assert!(wiped.contains(&table.to_owned()), "{table}: {wiped:?}");
    }
    let batches: usize = scans(&world).iter().map(|scan| scan.batches.len()).sum();
    let committed = |event: &Event| matches!(event, Event::SeparateIntent(intent) if intent.source.as_str() == "shop");
    assert_eq!(batches, world.events().iter().filter(|event| committed(event)).count());
}

#[test]
fn values_that_are_destroyed_can_be_searched_for_by_nobody_and_only_a_later_search_closes_their_case() {
    let mut world = declared();
    world.deployment.sources[1].backups_kept = None;
    world.edit("log", |log| log.left = Left::Unreadable);
    world.reviewed_cycle().unwrap();
    let of_log = |world: &World| open(world).into_iter().filter(|case| case.scan.source.as_str() == "log").count();
    world.advance(1);
    world.cycle().unwrap();
    assert_eq!(of_log(&world), 1);
    world.edit("log", |log| log.left = Left::Nothing);
    world.cycle().unwrap();
    assert_eq!(of_log(&world), 1, "nothing was searched for");
    world.edit("log", |log| log.set("visits", "visit-3", "visited_at", text("2026-02-02 08:00:00")));
    world.learn();
    world.cycle().unwrap();
    assert_eq!(of_log(&world), 0);
    let bare = |event: Event| match event {
        Event::ResidueClosed { finding, .. } => finding.reasons.iter().any(|reason| reason.contains("own values")),
        _ => false,
    };
    assert_eq!(world.events().into_iter().filter(|event| bare(event.clone())).count(), 1);
}

#[test]
fn a_case_without_a_value_is_not_clean_because_another_one_was_searched() {
    let mut world = declared();
    leave(&world, Left::Unreadable);
    world.reviewed_cycle().unwrap();
    // One more order falls due, and nothing of it is long enough to be searched for.
    world.edit("shop", |shop| shop.set("orders", "purchase-1", "ordered_at", text("2019-01-05 10:00:00")));
    world.learn();
    for dataset in world.deployment.datasets.iter_mut().filter(|dataset| dataset.table == "orders") {
        dataset.sample = 0;
    }
    leave(&world, Left::Nothing);
    world.cycle().unwrap();
    assert_eq!(closed(&world), [(ClosedBy::Scan, Verdict::Pass)], "the case that was searched");
    let left = open(&world);
    assert_eq!(left.len(), 1, "the case that was not");
    assert!(left[0].scan.locations.iter().any(|location| location.state == State::Unsearched), "{left:?}");
}
