//! A cycle that waits, goes in smaller steps, or is told to stop.

use retentiond::{
    domain::{id::SourceName, ledger::event::Event, verdict::Verdict},
    flow::run::Instructions,
    ports::{Pace, Progress, Turn},
};

use super::{truth::Place, world::World};

/// Goes on for some turns, and then stops.
struct Patient {
    rows_max: u32,
    turns_left: usize,
    turns: usize,
    largest: u64,
}

impl Patient {
    const fn new(rows_max: u32, turns_left: usize) -> Self {
        Self { rows_max, turns_left, turns: 0, largest: 0 }
    }
}

impl Progress for Patient {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64) {}
    fn end(&mut self) {}
}

impl Pace for Patient {
    async fn turn(&mut self, _: Option<&SourceName>) -> Turn {
        if self.turns_left == 0 {
            return Turn::Stop("the window is over".to_owned());
        }
        self.turns_left -= 1;
        self.turns += 1;
        Turn::Go { rows_max: self.rows_max }
    }

    fn moved(&mut self, rows: u64) {
        self.largest = self.largest.max(rows);
    }
}

/// Two cycles, a week apart, the second at this pace: it separates and destroys.
fn second_cycle(pace: &mut Patient) -> (World, Result<retentiond::flow::run::Report, retentiond::ports::Failure>) {
    let world = World::new();
    world.reviewed_cycle().unwrap();
    world.advance(7);
    let report = world.run_at(&Instructions::default(), pace);
    (world, report)
}

#[test]
fn a_batch_is_never_larger_than_the_pace_allows() {
    let (world, mut pace) = (World::new(), Patient::new(1, usize::MAX));
    let plan = world.plan();
    let report = world.run_at(&Instructions { reviewed: Some(&plan), ..Instructions::default() }, &mut pace).unwrap();
    let moved: u64 = report.separated.iter().map(|item| item.rows).sum();
    assert_eq!((pace.largest, report.stopped), (1, None));
    assert!(moved > 3 && pace.turns as u64 >= moved, "{moved} rows in {} turns", pace.turns);
}

#[test]
fn a_cycle_stopped_at_any_turn_leaves_nothing_open_and_the_next_one_finishes_it() {
    let (whole, _) = second_cycle(&mut Patient::new(1, usize::MAX));
    let mut endless = Patient::new(1, usize::MAX);
    let (end, _) = (whole.disk.places(), second_cycle(&mut endless));
    assert!(endless.turns >= 2, "{} turns", endless.turns);
    for turns in 0..endless.turns {
        let (world, report) = second_cycle(&mut Patient::new(1, turns));
        let report = report.unwrap();
        assert_eq!(report.stopped.as_deref(), Some("the window is over"), "after {turns} turns");
        assert_eq!(report.verdict, Verdict::Unknown, "less was done than planned");
        world.disk.check_settled();
        let rest = world.cycle().unwrap();
        assert_eq!((rest.stopped, world.disk.places()), (None, end.clone()), "after {turns} turns");
    }
}

#[test]
fn a_stopped_cycle_destroys_and_wipes_nothing_and_owes_the_wipe_on_record() {
    let world = World::new();
    let plan = world.plan();
    let instructions = Instructions { reviewed: Some(&plan), ..Instructions::default() };
    let report = world.run_at(&instructions, &mut Patient::new(u32::MAX, 1)).unwrap();
    assert_eq!(report.separated.len(), 1, "one batch was finished");
    assert!(!world.all_at(Place::Vault).is_empty());
    let events = world.events();
    assert!(events.iter().any(|event| matches!(event, Event::WipeStarted { .. })));
    assert!(!events.iter().any(|event| matches!(event, Event::WipeFinished { .. } | Event::DestroyIntent(_))));
    world.cycle().unwrap();
    assert!(world.disk.sources.borrow().values().any(|source| !source.wiped.is_empty()), "the next cycle wipes");
}
