//! Pace: how fast a cycle may go on a live database. Pure: it takes the limits,
//! what the source says of its strain, and what the last batch took, and returns
//! the size of the next batch or the reason to wait.
//!
//! A batch is as large as a time target allows and never larger than the
//! configuration does: a transaction that lasts is what an application feels.
//! From half of the lag that is allowed on, batches get smaller, so that a replica
//! that has trouble is eased before it is waited for.

use std::{collections::VecDeque, fmt};

use chrono::TimeDelta;

use super::deployment::Limits;

/// How long one batch may keep its rows locked, before the next one is smaller.
pub const BATCH_TARGET_MS: u64 = 1_000;

/// A batch of fewer rows costs more in round trips than it spares in waiting.
const BATCH_ROWS_MIN: u32 = 100;

/// How soon strain is looked at again.
const LOOK_AGAIN_MS: u64 = 500;

/// What a source says of the strain it is under; `None`: it has no such thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strain {
    /// How far the slowest replica is behind.
    pub replica_lag: Option<TimeDelta>,
    /// The number that the operator's own query returned, and its limit.
    pub load: Option<Load>,
    /// Why it cannot be known, where it should be.
    pub unknown: Option<String>,
}

/// A load signal against its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub value: f64,
    pub max: f64,
}

/// Why a cycle waits between two batches.
#[derive(Debug, Clone, PartialEq)]
pub enum Waiting {
    ReplicaLag { lag: TimeDelta, max: TimeDelta },
    Unknown(String),
    Load(Load),
    Rate { rows_per_second: u32 },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReplicaLag { lag, max } => write!(
                f,
                "a replica is {:.1} seconds behind; replica_lag_max is {} seconds",
                lag.num_milliseconds() as f64 / 1e3,
                max.num_seconds()
            ),
            Self::Unknown(reason) => f.write_str(reason),
            Self::Load(load) => write!(f, "the load signal is {}, its limit is {}", load.value, load.max),
            Self::Rate { rows_per_second } => write!(f, "rows_per_second is {rows_per_second}"),
        }
    }
}

/// What to do before the next batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take up to this many rows.
    Go { rows_max: u32 },
    /// Wait this long, then look again.
    Wait { waiting: Waiting, wait_ms: u64 },
}

/// The size of the next batch, and what the rate limit still owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    rows: u32,
    /// Before this instant (milliseconds since the cycle began) the rate limit
    /// allows no further row.
    free_at_ms: u64,
}

impl Pace {
    /// A cycle begins with a transaction of one batch.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self { rows: limits.batch_rows, free_at_ms: 0 }
    }

    /// Decides at `now_ms` since the cycle began.
    #[must_use]
    pub fn step(&self, limits: &Limits, strain: &Strain, now_ms: u64) -> Step {
        if let Some(waiting) = strained(limits, strain) {
            return Step::Wait { waiting, wait_ms: LOOK_AGAIN_MS };
        }
        if limits.rows_per_second > 0 && now_ms < self.free_at_ms {
            let waiting = Waiting::Rate { rows_per_second: limits.rows_per_second };
            return Step::Wait { waiting, wait_ms: (self.free_at_ms - now_ms).min(LOOK_AGAIN_MS) };
        }
        let rows = self.rows.min(limits.transaction_rows()).min(one_second_of(limits));
        Step::Go { rows_max: eased(rows, limits, strain).max(1) }
    }

    /// Learns what a batch of `rows` took that ended at `now_ms`.
    #[must_use]
    pub fn after(self, limits: &Limits, rows: u64, elapsed_ms: u64, now_ms: u64) -> Self {
        let began_ms = now_ms.saturating_sub(elapsed_ms);
        // Rounded up: what is rounded down adds up, over small batches, to a faster rate.
        let rate = u64::from(limits.rows_per_second);
        let owed_ms = if rate == 0 { 0 } else { (rows * 1_000).div_ceil(rate) };
        Self { rows: resized(self.rows, limits, elapsed_ms), free_at_ms: self.free_at_ms.max(began_ms) + owed_ms }
    }
}

/// Turns positions in a primary's log into a lag in time, by remembering when
/// the primary was where. It needs no answer of a replica, so that one that hangs
/// is seen as well as one that is slow.
#[derive(Debug, Clone, Default)]
pub struct LagTracker {
    /// Instants (milliseconds) and positions of the primary, both growing.
    seen: VecDeque<(u64, u64)>,
}

/// Positions that are remembered; beyond them the oldest gives a lower bound.
const SEEN_MAX: usize = 4_096;

impl LagTracker {
    /// The lag of a replica that has replayed up to `replayed`, with the primary
    /// at `current` now.
    pub fn lag_ms(&mut self, now_ms: u64, current: u64, replayed: u64) -> u64 {
        if self.seen.back().is_none_or(|(_, position)| *position < current) {
            self.seen.push_back((now_ms, current));
        }
        while self.seen.front().is_some_and(|(_, position)| *position <= replayed) || self.seen.len() > SEEN_MAX {
            self.seen.pop_front();
        }
        // What is left, the replica has not replayed: the first of it is how late it is.
        self.seen.front().map_or(0, |(at_ms, _)| now_ms.saturating_sub(*at_ms))
    }
}

/// A batch over the target shrinks in proportion, one under half of it doubles.
fn resized(rows: u32, limits: &Limits, elapsed_ms: u64) -> u32 {
    let wanted = if elapsed_ms > BATCH_TARGET_MS {
        u32::try_from(u64::from(rows) * BATCH_TARGET_MS / elapsed_ms).unwrap_or(rows)
    } else if elapsed_ms * 2 < BATCH_TARGET_MS {
        rows.saturating_mul(2)
    } else {
        rows
    };
    wanted.clamp(BATCH_ROWS_MIN.min(limits.batch_rows), limits.transaction_rows())
}

/// All rows up to half of the lag that is allowed, then fewer in proportion, down
/// to the smallest batch at the limit itself.
fn eased(rows: u32, limits: &Limits, strain: &Strain) -> u32 {
    let max_ms = limits.replica_lag_max.0.num_milliseconds();
    let lag_ms = strain.replica_lag.map_or(0, |lag| lag.num_milliseconds());
    if lag_ms * 2 <= max_ms {
        return rows;
    }
    let left = i64::from(rows) * (max_ms - lag_ms).max(0) * 2 / max_ms.max(1);
    u32::try_from(left).unwrap_or(rows).clamp(BATCH_ROWS_MIN.min(rows), rows)
}

/// Under a rate limit no batch holds more than the rows of one second.
const fn one_second_of(limits: &Limits) -> u32 {
    if limits.rows_per_second == 0 { u32::MAX } else { limits.rows_per_second }
}

fn strained(limits: &Limits, strain: &Strain) -> Option<Waiting> {
    let max = limits.replica_lag_max.0;
    if let Some(reason) = &strain.unknown {
        return Some(Waiting::Unknown(reason.clone()));
    }
    if let Some(lag) = strain.replica_lag.filter(|lag| *lag > max) {
        return Some(Waiting::ReplicaLag { lag, max });
    }
    // A signal that is no number says nothing good.
    strain.load.filter(|load| load.value.is_nan() || load.value > load.max).map(Waiting::Load)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::period::TimeSpan;

    fn limits(batch_rows: u32, rows_per_second: u32) -> Limits {
        let span = |seconds| TimeSpan(TimeDelta::seconds(seconds));
        Limits {
            batch_rows,
            rows_per_second,
            replica_lag_max: span(5),
            lock_timeout: span(2),
            statement_timeout: span(0),
        }
    }

    fn lagging(seconds: i64) -> Strain {
        Strain { replica_lag: Some(TimeDelta::seconds(seconds)), ..Strain::default() }
    }

    fn rows(step: Step) -> u32 {
        match step {
            Step::Go { rows_max } => rows_max,
            Step::Wait { waiting, .. } => panic!("waits: {waiting}"),
        }
    }

    #[test]
    fn in_any_window_no_more_rows_are_committed_than_its_seconds_and_two_more_allow() {
        for (batch_rows, rate) in [(100, 3_000), (5_000, 700), (37, 999), (1, 1)] {
            let limits = limits(batch_rows, rate);
            let (mut pace, mut now_ms, mut commits) = (Pace::new(&limits), 0, Vec::new());
            for round in 0..9_000_u64 {
                let rows_max = loop {
                    match pace.step(&limits, &Strain::default(), now_ms) {
                        Step::Go { rows_max } => break u64::from(rows_max),
                        Step::Wait { wait_ms, .. } => now_ms += wait_ms,
                    }
                };
                // Quick ones, and at first now and then one that takes seconds.
                let elapsed_ms = if round < 1_000 && round % 50 == 7 { 2_900 } else { round % 13 };
                now_ms += elapsed_ms;
                pace = pace.after(&limits, rows_max, elapsed_ms, now_ms);
                commits.push((now_ms, rows_max));
            }
            for (first, (from_ms, _)) in commits.iter().enumerate().step_by(97) {
                let mut rows = 0;
                for (to_ms, more) in &commits[first..] {
                    rows += more;
                    let allowed_ms = to_ms - from_ms + 2_000;
                    assert!(rows * 1_000 <= u64::from(rate) * allowed_ms, "{rows} rows in {allowed_ms} ms at {rate}");
                }
            }
        }
    }

    #[test]
    fn from_half_of_the_allowed_lag_on_batches_get_smaller_and_at_the_limit_none_begins() {
        let limits = limits(5_000, 0);
        let pace = Pace::new(&limits);
        let at = |ms: i64| {
            let strain = Strain { replica_lag: Some(TimeDelta::milliseconds(ms)), ..Strain::default() };
            pace.step(&limits, &strain, 0)
        };
        let sizes: Vec<u32> = [0, 2_500, 3_000, 3_750, 4_900, 5_000].map(|ms| rows(at(ms))).to_vec();
        assert_eq!(sizes, [5_000, 5_000, 4_000, 2_500, 200, 100]);
        assert!(matches!(at(5_001), Step::Wait { waiting: Waiting::ReplicaLag { .. }, .. }));
        // A batch that is small anyway is not made larger by it.
        let small = Pace { rows: 40, free_at_ms: 0 };
        let strain = Strain { replica_lag: Some(TimeDelta::seconds(5)), ..Strain::default() };
        assert_eq!(rows(small.step(&limits, &strain, 0)), 40);
    }

    #[test]
    fn a_batch_over_the_time_target_shrinks_and_a_quick_one_grows_up_to_the_limit() {
        let limits = limits(5_000, 0);
        let mut pace = Pace::new(&limits);
        assert_eq!(rows(pace.step(&limits, &Strain::default(), 0)), 5_000);
        pace = pace.after(&limits, 5_000, 4_000, 4_000);
        assert_eq!(rows(pace.step(&limits, &Strain::default(), 4_000)), 1_250);
        pace = pace.after(&limits, 1_250, 900, 5_000);
        assert_eq!(rows(pace.step(&limits, &Strain::default(), 5_000)), 1_250, "near the target");
        for _ in 0..9 {
            pace = pace.after(&limits, 1_250, 100, 6_000);
        }
        assert_eq!(rows(pace.step(&limits, &Strain::default(), 6_000)), 20_000, "never more than four batches");
        pace = pace.after(&limits, 5_000, u64::MAX / 4, 6_000);
        assert_eq!(rows(pace.step(&limits, &Strain::default(), 6_000)), BATCH_ROWS_MIN, "never below the useful");
    }

    #[test]
    fn the_configured_size_is_the_limit_also_where_it_is_below_the_useful_minimum() {
        let limits = limits(7, 0);
        let pace = Pace::new(&limits).after(&limits, 7, 60_000, 60_000);
        assert_eq!(rows(pace.step(&limits, &Strain::default(), 60_000)), 7);
    }

    #[test]
    fn a_rate_limit_holds_over_any_row_of_batches() {
        let limits = limits(5_000, 300);
        let (mut pace, mut now_ms, mut moved) = (Pace::new(&limits), 0, 0_u64);
        while moved < 3_000 {
            match pace.step(&limits, &Strain::default(), now_ms) {
                Step::Go { rows_max } => {
                    assert!(rows_max <= 300, "a batch is of one second at most");
                    now_ms += 40;
                    moved += u64::from(rows_max);
                    pace = pace.after(&limits, u64::from(rows_max), 40, now_ms);
                }
                Step::Wait { waiting, wait_ms } => {
                    assert_eq!(waiting, Waiting::Rate { rows_per_second: 300 });
                    now_ms += wait_ms;
                }
            }
            assert!(moved <= 300 * (now_ms / 1_000 + 1), "{moved} rows after {now_ms} ms");
        }
        assert!(now_ms < 11_000, "the limit is used: {now_ms} ms");
    }

    #[test]
    fn a_lag_at_the_limit_passes_and_one_above_it_waits() {
        let limits = limits(100, 0);
        let pace = Pace::new(&limits);
        assert_eq!(rows(pace.step(&limits, &lagging(5), 0)), 100);
        let Step::Wait { waiting, .. } = pace.step(&limits, &lagging(6), 0) else { panic!("goes on") };
        assert_eq!(waiting.to_string(), "a replica is 6.0 seconds behind; replica_lag_max is 5 seconds");
    }

    #[test]
    fn a_lag_is_the_time_since_the_primary_was_where_the_replica_is_not_yet() {
        let mut tracker = LagTracker::default();
        assert_eq!(tracker.lag_ms(0, 100, 100), 0, "all is replayed");
        assert_eq!(tracker.lag_ms(1_000, 200, 100), 0, "just written");
        assert_eq!(tracker.lag_ms(3_000, 300, 100), 2_000);
        assert_eq!(tracker.lag_ms(4_000, 300, 200), 1_000, "the first write has arrived, the second has not");
        assert_eq!(tracker.lag_ms(9_000, 300, 200), 6_000, "a replica that hangs falls behind though nobody writes");
        assert_eq!(tracker.lag_ms(9_500, 300, 300), 0);
    }

    #[test]
    fn a_strain_that_cannot_be_known_and_a_load_above_its_limit_or_without_a_number_wait() {
        let limits = limits(100, 0);
        let pace = Pace::new(&limits);
        let load = |value| Strain { load: Some(Load { value, max: 80.0 }), ..Strain::default() };
        assert_eq!(rows(pace.step(&limits, &load(80.0), 0)), 100);
        let unknown = Strain { unknown: Some("no replica answers".to_owned()), ..Strain::default() };
        for strain in [load(80.5), load(f64::NAN), unknown] {
            assert!(matches!(pace.step(&limits, &strain, 0), Step::Wait { .. }), "{strain:?}");
        }
    }
}
