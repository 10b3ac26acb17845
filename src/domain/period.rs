//! Lengths of time as a policy writes them: whole calendar periods, and spans
//! of hours for what is shorter than a day. A number without a unit is nothing.

use std::{fmt, str::FromStr};

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The calendar unit of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    Days,
    Weeks,
    Months,
    Years,
}

/// A calendar period such as `5 years`. Counted by `calendar`, never in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    pub count: u32,
    pub unit: Unit,
}

impl Period {
    /// Several of it, one after the other.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self { count: self.count.saturating_mul(count), unit: self.unit }
    }
}

/// A span of elapsed time such as `24 hours`; a day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub TimeDelta);

/// Text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALength {
    #[error("{0:?} has no unit")]
    UnitMissing(String),
    #[error("{unit:?} is not a unit of {of}")]
    UnitUnknown { unit: String, of: &'static str },
    #[error("{0:?} is not a whole number")]
    NotANumber(String),
    #[error("{0:?} is out of range")]
    OutOfRange(String),
}

/// More than a thousand years is a typing error, in every unit.
const YEARS_MAX: u32 = 1_000;

impl FromStr for Period {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Self, NotALength> {
        let (count, unit) = count_and_unit(text)?;
        let (unit, max) = match unit {
            "day" | "days" => (Unit::Days, YEARS_MAX * 365),
            "week" | "weeks" => (Unit::Weeks, YEARS_MAX * 52),
            "month" | "months" => (Unit::Months, YEARS_MAX * 12),
            "year" | "years" => (Unit::Years, YEARS_MAX),
            _ => return Err(NotALength::UnitUnknown { unit: unit.to_owned(), of: "a period" }),
        };
        if count > max {
            return Err(NotALength::OutOfRange(text.to_owned()));
        }
        Ok(Self { count, unit })
    }
}

impl FromStr for TimeSpan {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Self, NotALength> {
        let (count, unit) = count_and_unit(text)?;
        let seconds = match unit {
            "second" | "seconds" => 1,
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3_600,
            "day" | "days" => 86_400,
            "week" | "weeks" => 604_800,
            _ => return Err(NotALength::UnitUnknown { unit: unit.to_owned(), of: "a time span" }),
        };
        let span = TimeDelta::try_seconds(i64::from(count) * seconds);
        span.filter(|span| *span <= TimeDelta::days(i64::from(YEARS_MAX) * 366))
            .map(Self)
            .ok_or_else(|| NotALength::OutOfRange(text.to_owned()))
    }
}

fn count_and_unit(text: &str) -> Result<(u32, &str), NotALength> {
    let text = text.trim();
    let (count, unit) = text.split_once(' ').ok_or_else(|| NotALength::UnitMissing(text.to_owned()))?;
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotALength::NotANumber(count.to_owned()));
    }
    let count = count.parse().map_err(|_| NotALength::OutOfRange(text.to_owned()))?;
    Ok((count, unit.trim()))
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Days => "days",
            Self::Weeks => "weeks",
            Self::Months => "months",
            Self::Years => "years",
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = self.unit.to_string();
        let unit = if self.count == 1 { plural.trim_end_matches('s') } else { &plural };
        write!(f, "{} {unit}", self.count)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let (count, unit) = [(3_600, "hour"), (60, "minute")]
            .into_iter()
            .find(|(length, _)| seconds != 0 && seconds % length == 0)
            .map_or((seconds, "second"), |(length, unit)| (seconds / length, unit));
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_written() {
        for text in ["5 days", "1 week", "6 months", "3 years", "1 day"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for text in ["24 hours", "1 minute", "45 seconds"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
        assert_eq!("1 day".parse::<TimeSpan>().unwrap().to_string(), "24 hours");
    }

    #[test]
    fn what_has_no_clear_unit_is_refused() {
        for text in ["5", "5d", "5 m", "six months", "-5 days", "5.5 years", "", " ", "99999999999 days", "1001 years"]
        {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
        assert!("5 months".parse::<TimeSpan>().is_err());
        assert!("99999999 weeks".parse::<TimeSpan>().is_err());
    }
}
