//! Heartbeats: a ledger is never silent for a day while the daemon lives.

use chrono::TimeDelta;
use retentiond::{domain::ledger::event::Event, flow::heartbeat::heartbeat, ports::Ledger};

use super::world::World;

#[test]
fn who_asks_every_hour_writes_a_heartbeat_only_into_silence() {
    let world = World::new();
    let start = world.process().ledger.history().last_time.unwrap();
    let mut beats = Vec::new();
    for hour in 0..72 {
        let now = start + TimeDelta::hours(hour);
        world.disk.now.set(now);
        if heartbeat(&mut world.process().ledger, now).unwrap() {
            beats.push(hour);
        }
    }
    assert_eq!(beats, [20, 40, 60]);
    let written = world.events().iter().filter(|event| matches!(event, Event::Heartbeat {})).count();
    assert_eq!(written, 3);
}
