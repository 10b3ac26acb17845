//! A cycle that is paused, told to stop, or at its limit of rows.

use std::fs;

use super::*;
use crate::{adapters::clock::FixedClock, domain::deployment::Limits, domain::period::TimeSpan};

fn attendant(folder: &std::path::Path, rows_per_second: u32) -> (Attendant, watch::Sender<Option<String>>) {
    let span = |seconds| TimeSpan(chrono::TimeDelta::seconds(seconds));
    let limits = Limits {
        batch_rows: 50,
        rows_per_second,
        replica_lag_max: span(5),
        lock_timeout: span(2),
        statement_timeout: span(0),
    };
    let clock = AnyClock::Fixed(FixedClock("2026-11-22T03:00:00Z".parse().unwrap()));
    let (sender, stop) = watch::channel(None);
    (Attendant::with(limits, folder.join("pause"), clock, stop, Arc::default()), sender)
}

fn turn(attendant: &mut Attendant) -> Turn {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(attendant.turn(Some(&"shop".into())))
}

#[test]
fn a_pause_file_stops_the_cycle_and_its_absence_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (mut attendant, _sender) = attendant(folder.path(), 0);
    assert_eq!(turn(&mut attendant), Turn::Go { rows_max: 50 });
    fs::write(folder.path().join("pause"), "").unwrap();
    let Turn::Stop(reason) = turn(&mut attendant) else { panic!("goes on") };
    assert!(reason.starts_with("paused by "), "{reason}");
}

#[test]
fn whoever_waits_names_the_reason_and_hears_at_once_that_it_is_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (mut attendant, sender) = attendant(folder.path(), 1);
    assert_eq!(turn(&mut attendant), Turn::Go { rows_max: 1 });
    // Three hours of the limit.
    attendant.moved(10_000);
    let watched = Arc::clone(&attendant.watched);
    let (before, began) = (watched.beats(), Instant::now());
    let stopping = std::thread::spawn(move || {
        while watched.doing().waiting.is_none() {
            std::thread::yield_now();
        }
        let doing = watched.doing();
        sender.send_replace(Some("enough".to_owned()));
        (doing, watched.beats())
    });
    assert_eq!(turn(&mut attendant), Turn::Stop("enough".to_owned()));
    let (doing, beats) = stopping.join().unwrap();
    assert_eq!(doing.waiting.as_deref(), Some("rows_per_second is 1"));
    assert!(beats > before, "waiting is no hanging");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn outside_of_the_window_the_cycle_ends() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = |window: &str| crate::domain::deployment::Schedule {
        cycle: Some("0 0 3 * * *".to_owned()),
        missed: crate::domain::deployment::Missed::Skip,
        window: Some(window.parse().unwrap()),
        jitter: TimeSpan(chrono::TimeDelta::zero()),
    };
    // It is noon in Seoul.
    for (window, stops) in [("11:00-12:00", true), ("11:00-12:01", false)] {
        let planner = Planner::new(&schedule(window), chrono_tz::Asia::Seoul, "a").unwrap();
        let (attendant, _sender) = attendant(folder.path(), 0);
        let turn = turn(&mut attendant.within(planner));
        assert_eq!(matches!(turn, Turn::Stop(_)), stops, "{window}: {turn:?}");
    }
}
