//! Guards: limits that stop a plan that would do too much (a typo in a period, a
//! clock that jumped). A plan over a guard is refused and explained, never
//! trimmed.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{deployment::Guards, id::RuleId, period::TimeSpan};

/// The guards by the names that the configuration and `--accept-guard` use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Rows of one rule in one cycle.
    RowsMax,
    /// Share of a table that leaves it in one cycle.
    TableShareMax,
    /// Rows of one rule against the median of its earlier cycles.
    MedianFactor,
    /// Time since the ledger's last entry.
    ClockJumpMax,
}

impl Guard {
    pub const ALL: [Self; 4] = [Self::RowsMax, Self::TableShareMax, Self::MedianFactor, Self::ClockJumpMax];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RowsMax => "rows_max",
            Self::TableShareMax => "table_share_max",
            Self::MedianFactor => "median_factor",
            Self::ClockJumpMax => "clock_jump_max",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A guard that a plan runs into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    pub guard: Guard,
    pub rule: RuleId,
    pub limit: f64,
    pub value: f64,
}

/// Cycles that must have moved something before their median says anything.
const MEDIAN_CYCLES_MIN: usize = 3;

/// Hits of the rows that one rule moves or destroys.
#[must_use]
pub fn rows(guards: &Guards, rule: &RuleId, rows: u64) -> Option<Hit> {
    (rows > guards.rows_max).then(|| hit(Guard::RowsMax, rule, guards.rows_max as f64, rows as f64))
}

/// Hits of the share of a table that one dataset takes.
#[must_use]
pub fn share(guards: &Guards, rule: &RuleId, rows: u64, table_rows: u64) -> Option<Hit> {
    let limit = f64::from(guards.table_share_max_ppm) / 1e6;
    let over = u128::from(rows) * 1_000_000 > u128::from(table_rows) * u128::from(guards.table_share_max_ppm);
    let value = (rows as f64 / table_rows.max(1) as f64 * 1e4).round() / 1e4;
    over.then(|| hit(Guard::TableShareMax, rule, limit, value))
}

/// Hits of the rows that one rule separates against its earlier cycles.
#[must_use]
pub fn median(guards: &Guards, rule: &RuleId, rows: u64, earlier: &[u64]) -> Option<Hit> {
    if earlier.len() < MEDIAN_CYCLES_MIN {
        return None;
    }
    let mut sorted = earlier.to_vec();
    sorted.sort_unstable();
    let limit = sorted[sorted.len() / 2].saturating_mul(u64::from(guards.median_factor));
    (rows > limit).then(|| hit(Guard::MedianFactor, rule, limit as f64, rows as f64))
}

fn hit(guard: Guard, rule: &RuleId, limit: f64, value: f64) -> Hit {
    Hit { guard, rule: rule.clone(), limit, value }
}

/// A clock that nothing destructive may trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    #[error("the clock says {now}, before the ledger's last entry of {last}")]
    Backward { now: DateTime<Utc>, last: DateTime<Utc> },
    #[error("the clock says {now}, {} days after the ledger's last entry of {last}; clock_jump_max is {limit}", (*now - *last).num_days())]
    Jump { now: DateTime<Utc>, last: DateTime<Utc>, limit: TimeSpan },
}

/// Whether a server's clock, asked between two readings of the host's, is too far
/// from it.
#[must_use]
pub fn skewed(guards: &Guards, (before, after): (DateTime<Utc>, DateTime<Utc>), theirs: DateTime<Utc>) -> bool {
    let limit = guards.clock_skew_max.0;
    before.checked_sub_signed(limit).is_some_and(|earliest| theirs < earliest)
        || after.checked_add_signed(limit).is_some_and(|latest| theirs > latest)
}

/// Compares the clock with the ledger's last entry. In a simulation the operator
/// moves the clock on purpose, so that only going back is doubtful.
pub fn clock(guards: &Guards, now: DateTime<Utc>, last: DateTime<Utc>, simulation: bool) -> Result<(), ClockDoubt> {
    // Entries carry milliseconds; the clock may carry more.
    if now + TimeDelta::milliseconds(1) < last {
        return Err(ClockDoubt::Backward { now, last });
    }
    if !simulation && now - last > guards.clock_jump_max.0 {
        return Err(ClockDoubt::Jump { now, last, limit: guards.clock_jump_max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::{at, guards};

    fn rule() -> RuleId {
        "member".into()
    }

    #[test]
    fn the_names_are_those_of_the_configuration() {
        for guard in Guard::ALL {
            assert_eq!(serde_json::to_value(guard).unwrap(), guard.name());
        }
    }

    #[test]
    fn rows_at_the_limit_pass_and_one_more_does_not() {
        assert_eq!(rows(&guards(), &rule(), 100), None);
        let hit = rows(&guards(), &rule(), 101).unwrap();
        assert_eq!((hit.guard, hit.limit, hit.value), (Guard::RowsMax, 100.0, 101.0));
    }

    #[test]
    fn a_share_at_the_limit_passes_and_one_row_more_does_not() {
        assert_eq!(share(&guards(), &rule(), 20, 100), None);
        let hit = share(&guards(), &rule(), 21, 100).unwrap();
        assert_eq!((hit.guard, hit.limit, hit.value), (Guard::TableShareMax, 0.2, 0.21));
        assert_eq!(share(&guards(), &rule(), 0, 0), None, "an empty table");
        assert!(share(&guards(), &rule(), u64::MAX, u64::MAX).is_some(), "no overflow");
    }

    #[test]
    fn a_median_says_nothing_before_three_cycles() {
        assert_eq!(median(&guards(), &rule(), 1_000_000, &[1, 1]), None);
        assert_eq!(median(&guards(), &rule(), 10, &[1, 1, 1]), None);
        let hit = median(&guards(), &rule(), 11, &[1, 1, 1]).unwrap();
        assert_eq!((hit.guard, hit.limit, hit.value), (Guard::MedianFactor, 10.0, 11.0));
        assert_eq!(median(&guards(), &rule(), 50, &[900, 5, 1]), None, "the order of cycles does not matter");
    }

    #[test]
    fn a_clock_may_not_go_back_nor_jump_further_than_the_limit() {
        let last = at("2026-01-10T00:00:00Z");
        let says = |now: &str, simulation| clock(&guards(), at(now), last, simulation);
        assert_eq!(says("2026-01-10T00:00:00Z", false), Ok(()));
        assert_eq!(says("2026-01-09T23:59:59.999Z", false), Ok(()), "an entry carries milliseconds");
        for simulation in [false, true] {
            assert!(matches!(says("2026-01-09T23:59:59.998Z", simulation), Err(ClockDoubt::Backward { .. })));
        }
        assert_eq!(says("2026-01-18T00:00:00Z", false), Ok(()));
        assert!(matches!(says("2026-01-18T00:00:00.001Z", false), Err(ClockDoubt::Jump { .. })));
        assert_eq!(says("2038-01-19T00:00:00Z", true), Ok(()));
    }
}
