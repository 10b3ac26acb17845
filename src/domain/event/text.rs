//! The spellings of dates and times that event columns may use.
//!
//! Byte by byte and without a locale: only ASCII digits, no blanks around, years
//! 0001 to 9999. `None` is a value that is not spelled so, or that names a day
//! or time that does not exist.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// The largest hour of an offset; no zone is further from UTC today.
const OFFSET_HOURS_MAX: u32 = 14;

/// `YYYY-MM-DD`
pub(super) fn date(bytes: &[u8]) -> Option<NaiveDate> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return None };
    year_month_day(&[y1, y2, y3, y4], &[m1, m2], &[d1, d2])
}

/// `YYYYMMDD`
pub(super) fn yyyymmdd(bytes: &[u8]) -> Option<NaiveDate> {
    let &[y1, y2, y3, y4, m1, m2, d1, d2] = bytes else { return None };
    year_month_day(&[y1, y2, y3, y4], &[m1, m2], &[d1, d2])
}

/// `YYYYMMDDHHMMSS`
pub(super) fn yyyymmddhhmmss(bytes: &[u8]) -> Option<NaiveDateTime> {
    let (day, &[h1, h2, m1, m2, s1, s2]) = bytes.split_at_checked(8)? else { return None };
    let time = NaiveTime::from_hms_opt(number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?)?;
    Some(yyyymmdd(day)?.and_time(time))
}

/// `YYYY-MM-DD HH:MM[:SS[.f]]`, `T` in place of the blank if one likes.
pub(super) fn timestamp(bytes: &[u8]) -> Option<NaiveDateTime> {
    let (day, rest) = bytes.split_at_checked(10)?;
    let (b' ' | b'T', rest) = rest.split_first()? else { return None };
    Some(date(day)?.and_time(time(rest)?))
}

/// A timestamp followed by its distance from UTC.
pub(super) fn timestamp_with_zone(bytes: &[u8]) -> Option<DateTime<Utc>> {
    let (naive, offset) = match bytes.split_last()? {
        (b'Z', naive) => (naive, FixedOffset::east_opt(0)?),
        _ => {
            // The last sign; those of the date stand before it.
            let sign = bytes.iter().rposition(|byte| matches!(byte, b'+' | b'-'))?;
            let (naive, offset) = bytes.split_at_checked(sign)?;
            (naive, self::offset(offset)?)
        }
    };
    Some(timestamp(naive)?.checked_sub_offset(offset)?.and_utc())
}

fn offset(bytes: &[u8]) -> Option<FixedOffset> {
    let (sign, rest) = bytes.split_first()?;
    let (hours, minutes) = match *rest {
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (number(&[h1, h2])?, number(&[m1, m2])?),
        [h1, h2] => (number(&[h1, h2])?, 0),
        _ => return None,
    };
    if hours > OFFSET_HOURS_MAX || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
    FixedOffset::east_opt(if *sign == b'-' { -seconds } else { seconds })
}

/// `HH:MM[:SS[.f]]` with one to nine digits after the point.
fn time(bytes: &[u8]) -> Option<NaiveTime> {
    let (&[h1, h2, b':', m1, m2], rest) = bytes.split_first_chunk()? else { return None };
    let (second, nanosecond) = match *rest {
        [] => (0, 0),
        [b':', s1, s2] => (number(&[s1, s2])?, 0),
        [b':', s1, s2, b'.', ref digits @ ..] => (number(&[s1, s2])?, nanoseconds(digits)?),
        _ => return None,
    };
    NaiveTime::from_hms_nano_opt(number(&[h1, h2])?, number(&[m1, m2])?, second, nanosecond)
}

fn nanoseconds(digits: &[u8]) -> Option<u32> {
    let places = u32::try_from(digits.len()).ok().filter(|places| (1..=9).contains(places))?;
    Some(number(digits)? * 10_u32.pow(9 - places))
}

fn year_month_day(year: &[u8], month: &[u8], day: &[u8]) -> Option<NaiveDate> {
    let year = i32::try_from(number(year)?).ok().filter(|&year| year > 0)?;
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)
}

/// Up to nine ASCII digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}
