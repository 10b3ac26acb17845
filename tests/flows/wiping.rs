//! What deleted rows leave in the files of their source.

use retentiond::domain::{
    deployment::WipeLevel,
    ledger::event::Event,
    verdict::{Finding, Verdict},
};

use super::{faults::Fault, world::World};

fn wiped(world: &World, source: &str) -> Vec<(Vec<String>, WipeLevel)> {
    world.disk.sources.borrow()[&source.into()].wiped.clone()
}

#[test]
fn every_table_that_lost_rows_is_wiped_once() {
    let world = World::new();
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Pass);
    let tables = ["addresses", "line_prices", "members", "order_lines", "orders"].map(str::to_owned).to_vec();
    assert_eq!(wiped(&world, "shop"), [(tables, WipeLevel::Engine)]);
    assert_eq!(wiped(&world, "log"), [(vec!["visits".to_owned()], WipeLevel::Engine)]);
    world.cycle().unwrap();
    assert_eq!(wiped(&world, "shop").len(), 1, "nothing was deleted since");
}

#[test]
fn a_finding_of_the_engine_makes_the_verdict_worse() {
    for (finding, verdict) in [(Finding::unknown("flash"), Verdict::Unknown), (Finding::fail("busy"), Verdict::Fail)] {
        let world = World::new();
        let reason = finding.reasons[0].clone();
        world.edit("log", |log| log.wipe_finding = finding);
        let report = world.reviewed_cycle().unwrap();
        assert_eq!((report.verdict, report.reasons), (verdict, vec![reason]));
    }
}

#[test]
fn a_wipe_that_fails_is_on_record_and_fails_the_verdict_but_not_the_cycle() {
    let world = World::new();
    world.fail("source.wipe", 0, Fault::NotApplied);
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    let failed =
        |event: &Event| matches!(event, Event::WipeFinished { finding, .. } if finding.verdict == Verdict::Fail);
    assert!(world.events().iter().any(failed));
}

#[test]
fn a_wipe_that_failed_is_done_again_by_the_next_cycle() {
    let world = World::new();
    world.fail("source.wipe", 0, Fault::NotApplied);
    world.reviewed_cycle().unwrap();
    assert!(wiped(&world, "log").is_empty(), "sources are wiped in the order of their names");
    let report = world.cycle().unwrap();
    assert_eq!((report.verdict, wiped(&world, "log").len(), wiped(&world, "shop").len()), (Verdict::Pass, 1, 1));
    world.cycle().unwrap();
    assert_eq!(wiped(&world, "log").len(), 1);
}

#[test]
fn no_wipe_leaves_the_verdict_unknown() {
    let mut world = World::new();
    for dataset in &mut world.deployment.datasets {
        dataset.wipe = WipeLevel::None;
    }
    assert_eq!(world.reviewed_cycle().unwrap().verdict, Verdict::Unknown);
    assert!(wiped(&world, "shop").is_empty());
}

#[test]
fn an_interrupted_wipe_is_done_again_by_the_next_cycle() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let world = World::new();
        world.fail("source.wipe", 1, fault);
        assert!(world.reviewed_cycle().is_err());
        let before = wiped(&world, "shop").len();
        world.reviewed_cycle().unwrap();
        assert_eq!(wiped(&world, "shop").len(), before + 1, "{fault:?}");
        world.disk.check_settled();
    }
}

#[test]
fn an_unfinished_wipe_of_a_source_that_is_down_worsens_the_verdict_and_stays_owed() {
    let mut world = World::new();
    world.fail("source.wipe", 1, Fault::CrashBefore);
    assert!(world.reviewed_cycle().is_err());
    world.down = vec!["shop".into()];
    let report = world.reviewed_cycle().unwrap();
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(report.reasons.iter().any(|reason| reason.contains("wipe")), "{:?}", report.reasons);
    world.down.clear();
    world.cycle().unwrap();
    assert_eq!(wiped(&world, "shop").len(), 1);
    world.disk.check_settled();
}
