//! When cycles run: the next planned instant is computed from the last *planned*
//! one, never from when something happened to be noticed. Pure: what is
//! remembered between two starts of the daemon is a value, `Memory`.
//!
//! Times are those of the policy's zone. A time that a change of the clocks
//! leaves out comes at the first instant after it, one that comes twice counts
//! once (`croner` follows Vixie's cron there).

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
};
use serde::{Deserialize, Serialize};

use super::{
    deployment::{Missed, Schedule, Window},
    id::Digest,
};

/// A cycle that starts this long after its time was missed, and not just late.
const LATE_MAX: TimeDelta = TimeDelta::seconds(60);

/// Steps in which the first instant after a gap of the clocks is looked for.
const GAP_STEP: TimeDelta = TimeDelta::minutes(15);

/// Reads six cron fields.
pub fn parse(fields: &str) -> Result<Cron, CronError> {
    CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build().parse(fields)
}

/// What is kept of the schedule while no daemon runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The cron fields and the zone that `planned` was computed with: another
    /// schedule has missed nothing yet.
    pub schedule: String,
    /// The planned instant of the last cycle that ended; before the first one,
    /// the instant at which the schedule began.
    pub planned: DateTime<Utc>,
    /// That cycle was stopped before its end: it goes on as soon as it may.
    pub unfinished: bool,
}

/// The cycle to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// What the schedule says.
    pub planned: DateTime<Utc>,
    /// When it starts: later where its time has passed, outside of the window,
    /// and by the jitter.
    pub start: DateTime<Utc>,
}

impl Next {
    /// Whether it starts so late that it counts as missed: the host slept.
    #[must_use]
    pub fn is_missed_at(&self, now: DateTime<Utc>) -> bool {
        now > self.start + LATE_MAX
    }
}

/// A schedule in its zone.
#[derive(Debug, Clone)]
pub struct Planner {
    cron: Cron,
    text: String,
    zone: Tz,
    missed: Missed,
    window: Option<Window>,
    jitter: TimeDelta,
    /// Spreads several deployments of one schedule.
    seed: String,
}

impl Planner {
    /// `None`: the schedule has no cycle.
    pub fn new(schedule: &Schedule, zone: Tz, seed: &str) -> Result<Option<Self>, CronError> {
        let Some(fields) = &schedule.cycle else { return Ok(None) };
        Ok(Some(Self {
            cron: parse(fields)?,
            text: format!("{fields} {zone}"),
            zone,
            missed: schedule.missed,
            window: schedule.window,
            jitter: schedule.jitter.0,
            seed: seed.to_owned(),
        }))
    }

    /// The memory to go on with: what was kept, if it is of this schedule.
    #[must_use]
    pub fn resume(&self, kept: Option<Memory>, now: DateTime<Utc>) -> Memory {
        // A memory from the future is one of a clock that was wrong.
        let same = |kept: &Memory| kept.schedule == self.text && kept.planned <= now;
        let unfinished = kept.as_ref().is_some_and(|kept| kept.unfinished);
        let fresh = Memory { schedule: self.text.clone(), planned: now.trunc_subsecs(0), unfinished };
        kept.filter(same).unwrap_or(fresh)
    }

    /// What to remember once the cycle of `next` has ended.
    #[must_use]
    pub fn ended(&self, next: &Next, unfinished: bool) -> Memory {
        Memory { schedule: self.text.clone(), planned: next.planned, unfinished }
    }

    /// The next cycle, seen from `now`.
    pub fn next(&self, memory: &Memory, now: DateTime<Utc>) -> Result<Next, CronError> {
        let first = self.after(memory.planned)?;
        let planned = match self.missed {
            _ if first > now => first,
            Missed::RunOnce => self.latest(now)?,
            Missed::Skip => self.after(now)?,
        };
        let regular = Next { planned, start: self.within(self.jittered(planned).max(now)) };
        if memory.unfinished && planned > now {
            let start = self.within(now);
            if start < regular.start {
                return Ok(Next { planned: memory.planned, start });
            }
        }
        Ok(regular)
    }

    /// Whether a cycle may be at work at `now`.
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.window.is_none_or(|window| is_within(window, self.zone, now))
    }

    fn after(&self, instant: DateTime<Utc>) -> Result<DateTime<Utc>, CronError> {
        let local = instant.trunc_subsecs(0).with_timezone(&self.zone);
        Ok(self.cron.find_next_occurrence(&local, false)?.to_utc())
    }

    /// The last planned instant up to and with `now`.
    fn latest(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, CronError> {
        let local = now.trunc_subsecs(0).with_timezone(&self.zone);
        Ok(self.cron.find_previous_occurrence(&local, true)?.to_utc())
    }

    /// The same every time for one planned instant, and different for another
    /// deployment. Never out of a window that the planned instant is in.
    fn jittered(&self, planned: DateTime<Utc>) -> DateTime<Utc> {
        let span_ms = self.jitter.num_milliseconds().unsigned_abs();
        if span_ms == 0 {
            return planned;
        }
        let Digest(bytes) = Digest::of(format!("{}\n{}", self.seed, planned.timestamp()).as_bytes());
        let random = bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let moved = planned + TimeDelta::milliseconds(i64::try_from(random % (span_ms + 1)).unwrap_or(0));
        if self.is_open(planned) && !self.is_open(moved) { planned } else { moved }
    }

    /// `instant`, or the next opening of the window.
    fn within(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        match self.window {
            Some(window) if !is_within(window, self.zone, instant) => opening(window, self.zone, instant),
            _ => instant,
        }
    }
}

/// Whether an instant lies in a daily window.
#[must_use]
pub fn is_within(window: Window, zone: Tz, instant: DateTime<Utc>) -> bool {
    let time = instant.with_timezone(&zone).time();
    if window.from < window.until {
        window.from <= time && time < window.until
    } else {
        window.from <= time || time < window.until
    }
}

/// The first opening of a window after an instant outside of it.
fn opening(window: Window, zone: Tz, instant: DateTime<Utc>) -> DateTime<Utc> {
    let today = instant.with_timezone(&zone).date_naive();
    let days = (0..3).filter_map(|days| today.checked_add_days(Days::new(days)));
    let mut openings = days.filter_map(|day| first_instant(day, window.from, zone));
    openings.find(|opening| *opening > instant).unwrap_or(instant)
}

/// A local time of a day; where the clocks leave it out, the first instant after.
fn first_instant(day: NaiveDate, time: NaiveTime, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(time);
    let steps = (0..16).map(|step| local + GAP_STEP * step);
    steps.filter_map(|local| zone.from_local_datetime(&local).earliest()).next().map(|instant| instant.to_utc())
}

#[cfg(test)]
mod tests;
