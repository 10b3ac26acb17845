//! Days on which a statutory period does not end (Civil Act, article 161).
//!
//! The table is data, `config/holidays-kr.toml`, and part of the program: a
//! program and its table are tested and rolled out as one, and a missing file
//! cannot end periods early. Days that a government declares later stand in
//! `holidays` of the rules file, which adds days and can take none away: a
//! recomputation moves an end only later. Beyond the years of the table only
//! weekends are rest days.
//!
//! A day too many keeps a record a day longer; a day too few destroys it early.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use super::{
    canonical::{self, NotCanonical},
    id::Digest,
};

/// Public holidays of a country. The default knows of weekends only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Holidays {
    days: BTreeSet<NaiveDate>,
    /// The last year whose days are all known.
    last_year: Option<i32>,
}

/// A table of holidays that cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATable {
    #[error("the table of holidays cannot be read: {0}")]
    Syntax(String),
    #[error("the table of holidays has no year {0}")]
    YearMissing(i32),
    #[error("the table of holidays has {day:?} under year {year}")]
    NotADay { year: String, day: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "country")]
    _country: String,
    #[serde(rename = "revised")]
    _revised: toml::value::Date,
    first: i32,
    last: i32,
    days: BTreeMap<String, BTreeMap<String, String>>,
}

impl Holidays {
    /// The table of the Republic of Korea that the program carries.
    pub fn korea() -> Result<&'static Self, &'static NotATable> {
        static KOREA: LazyLock<Result<Holidays, NotATable>> =
            LazyLock::new(|| Holidays::parse(include_str!("../../config/holidays-kr.toml")));
        KOREA.as_ref()
    }

    /// Reads a table; every year from its first to its last must be there.
    pub fn parse(text: &str) -> Result<Self, NotATable> {
        let raw: Raw = toml::from_str(text).map_err(|error| NotATable::Syntax(error.to_string()))?;
        if let Some(missing) = (raw.first..=raw.last).find(|year| !raw.days.contains_key(&year.to_string())) {
            return Err(NotATable::YearMissing(missing));
        }
        let mut days = BTreeSet::new();
        for (year, of_year) in &raw.days {
            for day in of_year.keys() {
                let date = day.parse::<NaiveDate>().ok();
                let date = date
                    .filter(|date| date.year().to_string() == *year && (raw.first..=raw.last).contains(&date.year()));
                days.insert(date.ok_or_else(|| NotATable::NotADay { year: year.clone(), day: day.clone() })?);
            }
        }
        Ok(Self { days, last_year: Some(raw.last) })
    }

    /// The table with more days. None can be taken away.
    #[must_use]
    pub fn with(&self, more: &[NaiveDate]) -> Self {
        Self { days: self.days.iter().chain(more).copied().collect(), last_year: self.last_year }
    }

    /// A public holiday, whatever day of the week it falls on.
    #[must_use]
    pub fn is_holiday(&self, date: NaiveDate) -> bool {
        self.days.contains(&date)
    }

    /// A Saturday, a Sunday or a public holiday.
    #[must_use]
    pub fn rest_day(&self, date: NaiveDate) -> bool {
        matches!(date.weekday(), Weekday::Sat | Weekday::Sun) || self.is_holiday(date)
    }

    /// The last date of which it is known whether it is a holiday.
    #[must_use]
    pub fn horizon(&self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(self.last_year?, 12, 31)
    }

    /// What a destruction cites as the table that it went by.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        canonical::digest(self)
    }
}

#[cfg(test)]
mod tests;
