//! Local time in an IANA zone, where a day may start late, start twice or not
//! exist at all.
//!
//! Every function here is total: what lies beyond the calendar's range becomes
//! its first or last instant. Nothing here knows of periods or of formats.

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta};
use chrono::{TimeZone, Utc};
use chrono_tz::Tz;

/// More than any two offsets of one zone lie apart: the widest step on record
/// is the 24 hours of a change of side at the date line.
const STEP_MAX: TimeDelta = TimeDelta::hours(50);

/// The first instant at which the clock of `zone` shows `date`. Where midnight
/// does not exist it is the end of the gap; where it comes twice, the first. A
/// date that was skipped starts with the date after it. Never decreases from
/// one date to the next.
#[must_use]
pub fn start_of(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    if date == NaiveDate::MIN {
        return DateTime::<Utc>::MIN_UTC;
    }
    let midnight = date.and_time(NaiveTime::MIN);
    match zone.offset_from_local_datetime(&midnight) {
        MappedLocalTime::Single(offset) => utc_of(midnight, offset.fix()),
        MappedLocalTime::Ambiguous(one, other) => utc_of(midnight, one.fix()).min(utc_of(midnight, other.fix())),
        MappedLocalTime::None => end_of_gap(zone, midnight),
    }
}

/// The date of an instant: the last date that has started by then. It is what
/// the clock shows, save where a clock is set back over midnight: the minutes
/// of yesterday that come again count as today, so that dates never run back
/// and `instant < start_of(date)` says exactly `date_of(instant) < date`.
#[must_use]
pub fn date_of(zone: Tz, instant: DateTime<Utc>) -> NaiveDate {
    let shown = shown_at(zone, instant).date();
    match shown.succ_opt() {
        Some(next) if start_of(zone, next) <= instant => next,
        _ => shown,
    }
}

/// The first date that does not start before `instant`: dates below it, and no
/// others, start before. The calendar's last date where there is none.
#[must_use]
pub fn first_date_from(zone: Tz, instant: DateTime<Utc>) -> NaiveDate {
    let mut date = date_of(zone, instant);
    if start_of(zone, date) < instant {
        return date.succ_opt().unwrap_or(NaiveDate::MAX);
    }
    // A skipped date starts together with the one after it.
    while let Some(before) = date.pred_opt().filter(|&before| start_of(zone, before) >= instant) {
        date = before;
    }
    date
}

/// The instant that a naive value names. In a gap it is the gap's end; a value
/// that comes twice is the later one, so that nothing is due early. Never
/// decreases from one naive value to the next.
#[must_use]
pub fn instant_of(zone: Tz, naive: NaiveDateTime) -> DateTime<Utc> {
    match zone.offset_from_local_datetime(&naive) {
        MappedLocalTime::Single(offset) => utc_of(naive, offset.fix()),
        MappedLocalTime::Ambiguous(one, other) => utc_of(naive, one.fix()).max(utc_of(naive, other.fix())),
        MappedLocalTime::None => end_of_gap(zone, naive),
    }
}

/// The smallest naive value that does not name an instant before `instant`.
#[must_use]
pub fn first_naive_from(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    let shown = shown_at(zone, instant);
    let before = |naive| instant_of(zone, naive) < instant;
    if before(shown) {
        // Only beyond the calendar's range, where `instant_of` saturates.
        return NaiveDateTime::MAX;
    }
    let Some(low) = shown.checked_sub_signed(STEP_MAX).filter(|&low| before(low)) else {
        return NaiveDateTime::MIN;
    };
    let (mut below, mut from) = (low, shown);
    while from - below > TimeDelta::nanoseconds(1) {
        let middle = below + (from - below) / 2;
        if before(middle) { below = middle } else { from = middle }
    }
    from
}

/// The latest time of day that the clock of `zone` has shown by then: what it
/// shows, save where it was set back and shows some of it again. Never decreases
/// from one instant to the next.
#[must_use]
pub fn latest_shown(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    let shown = shown_at(zone, instant);
    let first = match zone.offset_from_local_datetime(&shown) {
        MappedLocalTime::Ambiguous(one, other) => utc_of(shown, one.fix()).min(utc_of(shown, other.fix())),
        MappedLocalTime::Single(_) | MappedLocalTime::None => return shown,
    };
    if first == instant {
        return shown;
    }
    // The clock goes through the same minutes for the second time: up to the last
    // of them, all have been shown already.
    let comes_later = |naive: NaiveDateTime| match zone.offset_from_local_datetime(&naive) {
        MappedLocalTime::Ambiguous(..) => false,
        MappedLocalTime::Single(_) | MappedLocalTime::None => true,
    };
    let (mut shown, mut later) = (shown, shown.checked_add_signed(STEP_MAX).unwrap_or(NaiveDateTime::MAX));
    while later - shown > TimeDelta::nanoseconds(1) {
        let middle = shown + (later - shown) / 2;
        if comes_later(middle) { later = middle } else { shown = middle }
    }
    shown
}

/// What the clock of `zone` shows.
fn shown_at(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    let utc = instant.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset).unwrap_or(if offset.local_minus_utc() > 0 {
        NaiveDateTime::MAX
    } else {
        NaiveDateTime::MIN
    })
}

fn utc_of(naive: NaiveDateTime, offset: FixedOffset) -> DateTime<Utc> {
    match naive.checked_sub_offset(offset) {
        Some(utc) => utc.and_utc(),
        None if offset.local_minus_utc() > 0 => DateTime::<Utc>::MIN_UTC,
        None => DateTime::<Utc>::MAX_UTC,
    }
}

/// The instant at which the clock jumps over `naive`, to the second: zones
/// change at whole seconds.
fn end_of_gap(zone: Tz, naive: NaiveDateTime) -> DateTime<Utc> {
    let guess = naive.and_utc().timestamp();
    let step = STEP_MAX.num_seconds();
    let beyond = if guess < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    let at = |second| DateTime::from_timestamp(second, 0).unwrap_or(beyond);
    let (mut before, mut after) = (guess - step, guess + step);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if shown_at(zone, at(middle)) < naive { before = middle } else { after = middle }
    }
    at(after)
}
