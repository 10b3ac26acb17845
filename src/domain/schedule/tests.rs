//! The days on which clocks change, missed nights, windows and jitter.

use super::*;
use crate::domain::{fixture::at, period::TimeSpan};

fn schedule(cycle: &str, missed: Missed, window: Option<&str>, jitter_seconds: i64) -> Schedule {
    let jitter = TimeSpan(TimeDelta::seconds(jitter_seconds));
    Schedule { cycle: Some(cycle.to_owned()), missed, window: window.map(|text| text.parse().unwrap()), jitter }
}

fn planner(cycle: &str, zone: Tz) -> Planner {
    Planner::new(&schedule(cycle, Missed::RunOnce, None, 0), zone, "a").unwrap().unwrap()
}

const SEOUL: Tz = chrono_tz::Asia::Seoul;
const BERLIN: Tz = chrono_tz::Europe::Berlin;

fn memory(planner: &Planner, planned: &str) -> Memory {
    planner.ended(&Next { planned: at(planned), start: at(planned) }, false)
}

/// The instants of a schedule, each computed from the one before.
fn series(planner: &Planner, from: &str, count: usize) -> Vec<String> {
    let mut kept = memory(planner, from);
    let mut instants = Vec::new();
    for _ in 0..count {
        let next = planner.next(&kept, kept.planned).unwrap();
        instants.push(next.planned.with_timezone(&planner.zone).to_rfc3339());
        kept = planner.ended(&next, false);
    }
    instants
}

#[test]
fn the_next_cycle_follows_the_planned_one_and_not_when_it_was_noticed() {
    let planner = planner("0 0 3 * * *", SEOUL);
    let kept = memory(&planner, "2026-11-22T03:00:00+09:00");
    for now in ["2026-11-22T03:00:00.7+09:00", "2026-11-22T05:12:00+09:00", "2026-11-23T02:59:59+09:00"] {
        assert_eq!(planner.next(&kept, at(now)).unwrap().planned, at("2026-11-23T03:00:00+09:00"), "{now}");
    }
}

#[test]
fn a_cycle_planned_in_the_hour_that_summer_time_leaves_out_comes_once_right_after_it() {
    let days = series(&planner("0 30 2 * * *", BERLIN), "2026-03-27T12:00:00+01:00", 3);
    assert_eq!(days, ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
}

#[test]
fn a_cycle_planned_in_the_hour_that_comes_twice_runs_once() {
    let days = series(&planner("0 30 2 * * *", BERLIN), "2026-10-24T12:00:00+02:00", 3);
    assert_eq!(days, ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00", "2026-10-27T02:30:00+01:00"]);
}

#[test]
fn a_daily_cycle_keeps_its_local_time_over_both_changes_of_the_clocks() {
    let planner = planner("0 0 4 * * *", BERLIN);
    for day in ["2026-03-28", "2026-10-24"] {
        let from = format!("{day}T12:00:00+01:00");
        let times = series(&planner, &from, 3);
        assert!(times.iter().all(|time| time.contains("T04:00:00")), "{times:?}");
    }
}

#[test]
fn missed_cycles_run_once_or_not_at_all() {
    let schedule = |missed| schedule("0 0 3 * * *", missed, None, 0);
    let now = at("2026-11-25T10:00:00+09:00");
    let next = |missed| {
        let planner = Planner::new(&schedule(missed), SEOUL, "a").unwrap().unwrap();
        planner.next(&memory(&planner, "2026-11-20T03:00:00+09:00"), now).unwrap()
    };
    let once = next(Missed::RunOnce);
    assert_eq!((once.planned, once.start), (at("2026-11-25T03:00:00+09:00"), now), "five nights, one cycle");
    let skipped = next(Missed::Skip);
    assert_eq!((skipped.planned, skipped.start), (at("2026-11-26T03:00:00+09:00"), at("2026-11-26T03:00:00+09:00")));
}

#[test]
fn after_the_cycle_that_was_made_up_for_the_schedule_goes_on_as_planned() {
    let planner = planner("0 0 3 * * *", SEOUL);
    let now = at("2026-11-25T10:00:00+09:00");
    let late = planner.next(&memory(&planner, "2026-11-20T03:00:00+09:00"), now).unwrap();
    let next = planner.next(&planner.ended(&late, false), now).unwrap();
    assert_eq!(next.start, at("2026-11-26T03:00:00+09:00"));
}

#[test]
fn a_timer_that_fires_a_little_late_is_no_missed_cycle_and_one_after_a_sleep_is() {
    let next = Next { planned: at("2026-11-22T03:00:00Z"), start: at("2026-11-22T03:00:00Z") };
    assert!(!next.is_missed_at(at("2026-11-22T03:01:00Z")));
    assert!(next.is_missed_at(at("2026-11-22T03:01:01Z")));
}

#[test]
fn a_cycle_outside_of_its_window_waits_for_it() {
    let schedule = schedule("0 0 * * * *", Missed::RunOnce, Some("01:00-05:00"), 0);
    let planner = Planner::new(&schedule, SEOUL, "a").unwrap().unwrap();
    let start = |now: &str| planner.next(&memory(&planner, now), at(now)).unwrap().start;
    assert_eq!(start("2026-11-22T02:10:00+09:00"), at("2026-11-22T03:00:00+09:00"));
    assert_eq!(start("2026-11-22T04:00:00+09:00"), at("2026-11-23T01:00:00+09:00"), "05:00 is outside again");
    assert_eq!(start("2026-11-22T00:10:00+09:00"), at("2026-11-22T01:00:00+09:00"));
}

#[test]
fn a_window_past_midnight_is_open_on_both_sides_of_it() {
    let window: Window = "23:30-02:00".parse().unwrap();
    let open = |time: &str| is_within(window, SEOUL, at(&format!("2026-11-22T{time}+09:00")));
    assert_eq!(
        ["23:29:59", "23:30:00", "00:00:00", "01:59:59", "02:00:00"].map(open),
        [false, true, true, true, false]
    );
}

#[test]
fn a_window_that_opens_in_the_hour_left_out_opens_right_after_it() {
    let window: Window = "02:30-05:00".parse().unwrap();
    assert_eq!(opening(window, BERLIN, at("2026-03-29T00:10:00Z")), at("2026-03-29T01:00:00Z"), "03:00 summer time");
}

#[test]
fn a_cycle_that_was_stopped_goes_on_when_the_window_opens_again_also_before_the_schedule() {
    let schedule = schedule("0 0 3 * * Sun", Missed::Skip, Some("01:00-05:00"), 0);
    let planner = Planner::new(&schedule, SEOUL, "a").unwrap().unwrap();
    let sunday = Next { planned: at("2026-11-22T03:00:00+09:00"), start: at("2026-11-22T03:00:00+09:00") };
    let stopped = planner.ended(&sunday, true);
    let next = planner.next(&stopped, at("2026-11-22T05:00:00+09:00")).unwrap();
    assert_eq!((next.planned, next.start), (sunday.planned, at("2026-11-23T01:00:00+09:00")), "on Monday night");
    let finished = planner.ended(&sunday, false);
    let next = planner.next(&finished, at("2026-11-22T05:00:00+09:00")).unwrap();
    assert_eq!(next.start, at("2026-11-29T03:00:00+09:00"), "a week later");
}

#[test]
fn a_stopped_cycle_without_a_window_goes_on_at_once() {
    let planner = planner("0 0 3 * * *", SEOUL);
    let next = Next { planned: at("2026-11-22T03:00:00+09:00"), start: at("2026-11-22T03:00:00+09:00") };
    let now = at("2026-11-22T03:10:00+09:00");
    assert_eq!(planner.next(&planner.ended(&next, true), now).unwrap().start, now);
}

#[test]
fn jitter_stays_within_its_span_and_the_window_is_the_same_each_time_and_differs_by_deployment() {
    let schedule = schedule("0 0 3 * * *", Missed::RunOnce, Some("03:00-03:05"), 600);
    let start = |seed: &str, day: u32| {
        let planner = Planner::new(&schedule, SEOUL, seed).unwrap().unwrap();
        let kept = memory(&planner, &format!("2026-11-{day:02}T03:00:00+09:00"));
        let next = planner.next(&kept, kept.planned).unwrap();
        assert_eq!(next.planned, kept.planned + TimeDelta::days(1), "the jitter is not in the plan");
        let late = next.start - next.planned;
        assert!(late >= TimeDelta::zero() && late < TimeDelta::minutes(5), "{late}");
        late
    };
    let of = |seed: &str| (1..20).map(|day| start(seed, day)).collect::<Vec<_>>();
    assert_eq!(of("a"), of("a"));
    assert_ne!(of("a"), of("b"));
    assert!(of("a").iter().any(|late| *late > TimeDelta::zero()));
}

#[test]
fn another_schedule_has_missed_nothing_and_a_memory_of_the_future_is_not_believed() {
    let (old, new) = (planner("0 0 3 * * *", SEOUL), planner("0 0 4 * * *", SEOUL));
    let now = at("2026-11-25T10:00:00+09:00");
    let kept = memory(&old, "2026-11-20T03:00:00+09:00");
    assert_eq!(old.resume(Some(kept.clone()), now), kept);
    assert_eq!(new.resume(Some(kept), now).planned, now);
    assert_eq!(old.resume(Some(memory(&old, "2038-01-19T03:00:00+09:00")), now).planned, now);
    assert_eq!(old.resume(None, now).planned, now);
}

#[test]
fn a_schedule_of_seconds_misses_none_while_it_is_watched() {
    let planner = planner("*/2 * * * * *", SEOUL);
    let kept = memory(&planner, "2026-11-22T03:00:00Z");
    let next = planner.next(&kept, at("2026-11-22T03:00:01.9Z")).unwrap();
    assert_eq!(next.start, at("2026-11-22T03:00:02Z"));
    let late = planner.next(&kept, at("2026-11-22T03:00:09.2Z")).unwrap();
    assert_eq!((late.planned, late.start), (at("2026-11-22T03:00:08Z"), at("2026-11-22T03:00:09.2Z")));
}
