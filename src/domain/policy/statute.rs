//! Duties to keep and to destroy, and what they say about a rule.
//!
//! The catalogue is data, `config/statutes-kr.toml`: each duty bears its article,
//! the day it was looked up and how it was verified, so that an auditor sees what
//! a finding rests on. Nothing here is legal advice, and nothing decides for a
//! person: where duties contradict each other, that is an error.

use std::{fmt, sync::LazyLock};

use chrono::NaiveDate;
use serde::Deserialize;

use crate::domain::{
    calendar::Counting,
    diagnostic::Severity,
    period::{NotALength, Period},
};

/// The duties of a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    pub duties: Vec<Duty>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    pub id: String,
    pub name: DutyName,
    pub kind: Kind,
    pub article: String,
    pub as_of: NaiveDate,
    pub verified: Verified,
    /// Duties of one group fall on the same kind of company.
    pub together: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DutyName {
    pub ko: String,
    pub en: String,
}

/// What a duty asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Min(Period),
    Max(Period),
    Exact(Period),
    /// Asks for nothing any more.
    Repealed {
        on: NaiveDate,
        asked: Period,
    },
}

/// How the entry was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Verified {
    #[serde(rename = "V")]
    PrimaryText,
    #[serde(rename = "S")]
    SecondarySource,
    #[serde(rename = "M")]
    Memory,
}

/// A catalogue that cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACatalogue {
    #[error("the catalogue of statutes cannot be read: {0}")]
    Syntax(String),
    #[error("duty {id}: {reason}")]
    Period { id: String, reason: NotALength },
    #[error("duty {id}: a repealed duty, and no other, has the day of its repeal")]
    Repeal { id: String },
    #[error("duty {id} stands twice")]
    Twice { id: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "country")]
    _country: String,
    as_of: toml::value::Date,
    duty: Vec<RawDuty>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDuty {
    id: String,
    name: DutyName,
    kind: RawKind,
    keep: String,
    repealed: Option<toml::value::Date>,
    article: String,
    verified: Verified,
    together: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Min,
    Max,
    Exact,
    Repealed,
}

impl Catalogue {
    /// The catalogue of the Republic of Korea that the program carries.
    pub fn korea() -> Result<&'static Self, &'static NotACatalogue> {
        static KOREA: LazyLock<Result<Catalogue, NotACatalogue>> =
            LazyLock::new(|| Catalogue::parse(include_str!("../../../config/statutes-kr.toml")));
        KOREA.as_ref()
    }

    pub fn parse(text: &str) -> Result<Self, NotACatalogue> {
        let raw: Raw = toml::from_str(text).map_err(|error| NotACatalogue::Syntax(error.to_string()))?;
        let as_of = date(raw.as_of);
        let mut duties: Vec<Duty> = Vec::with_capacity(raw.duty.len());
        for duty in raw.duty {
            let id = duty.id.clone();
            if duties.iter().any(|other| other.id == id) {
                return Err(NotACatalogue::Twice { id });
            }
            duties.push(duty.check(as_of.ok_or(NotACatalogue::Syntax("`as_of` is no day".to_owned()))?)?);
        }
        Ok(Self { duties })
    }

    #[must_use]
    pub fn duty(&self, id: &str) -> Option<&Duty> {
        self.duties.iter().find(|duty| duty.id == id)
    }
}

impl RawDuty {
    fn check(self, as_of: NaiveDate) -> Result<Duty, NotACatalogue> {
        let keep: Period = match self.keep.parse() {
            Ok(keep) => keep,
            Err(reason) => return Err(NotACatalogue::Period { id: self.id, reason }),
        };
        let kind = match (self.kind, self.repealed.and_then(date)) {
            (RawKind::Min, None) => Kind::Min(keep),
            (RawKind::Max, None) => Kind::Max(keep),
            (RawKind::Exact, None) => Kind::Exact(keep),
            (RawKind::Repealed, Some(on)) => Kind::Repealed { on, asked: keep },
            _ => return Err(NotACatalogue::Repeal { id: self.id }),
        };
        let Self { id, name, article, verified, together, .. } = self;
        Ok(Duty { id, name, kind, article, as_of, verified, together })
    }
}

fn date(given: toml::value::Date) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(i32::from(given.year), u32::from(given.month), u32::from(given.day))
}

impl Duty {
    /// The least that must be kept, if it asks for any.
    #[must_use]
    pub const fn min(&self) -> Option<Period> {
        match self.kind {
            Kind::Min(period) | Kind::Exact(period) => Some(period),
            Kind::Max(_) | Kind::Repealed { .. } => None,
        }
    }

    /// The most that may be kept, if it says so.
    #[must_use]
    pub const fn max(&self) -> Option<Period> {
        match self.kind {
            Kind::Max(period) | Kind::Exact(period) => Some(period),
            Kind::Min(_) | Kind::Repealed { .. } => None,
        }
    }

    /// `전자상거래법 시행령 제6조제1항제2호 (kr.ecommerce.contract)`.
    #[must_use]
    pub fn cited(&self) -> String {
        format!("{} ({})", self.article, self.id)
    }

    fn looked_up(&self) -> String {
        format!("looked up on {}, {}", self.as_of, self.verified)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrimaryText => "read in a copy of the primary text",
            Self::SecondarySource => "read in a secondary source",
            Self::Memory => "from memory",
        })
    }
}

/// Which part of a rule an objection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Keep,
    Basis,
}

/// What a duty has against a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    pub severity: Severity,
    pub about: About,
    pub message: String,
    pub hint: String,
}

/// Compares a rule's period with the duties that it cites. Where several ask for
/// a minimum the longest counts; a minimum against a maximum is for a person.
#[must_use]
pub fn judge(counting: Counting, rule: &str, keep: Period, duties: &[&Duty]) -> Vec<Objection> {
    let conflict = duties.iter().find_map(|low| {
        let against = |high: &&&Duty| {
            low.min().zip(high.max()).is_some_and(|(min, max)| low.id != high.id && counting.ever_shorter(max, min))
        };
        duties.iter().find(against).map(|high| contradiction(low, high))
    });
    if let Some(conflict) = conflict {
        return vec![conflict];
    }
    let alone = duties.len() == 1;
    duties.iter().filter_map(|duty| judge_one(counting, rule, keep, duty, alone)).collect()
}

fn contradiction(low: &Duty, high: &Duty) -> Objection {
    let (min, max) = (low.min().map_or_else(String::new, |min| min.to_string()), high.max());
    Objection {
        severity: Severity::Error,
        about: About::Basis,
        message: format!(
            "two duties contradict each other: {} asks for at least {min}, {} for at most {}",
            low.cited(),
            high.cited(),
            max.map_or_else(String::new, |max| max.to_string())
        ),
        hint: "a person has to settle which of them covers these records; name that one".to_owned(),
    }
}

fn judge_one(counting: Counting, rule: &str, keep: Period, duty: &Duty, alone: bool) -> Option<Objection> {
    let object = |severity, about, message: String, hint: &str| {
        Some(Objection { severity, about, message, hint: format!("{hint} ({})", duty.looked_up()) })
    };
    if let Kind::Repealed { on, asked } = duty.kind {
        let message = format!(
            "the duty that rule `{rule}` cites was repealed on {on}: {} asked for {asked} until then",
            duty.cited()
        );
        let hint = "name a duty that is in force, or `basis = \"internal\"` and say in `reason` what for";
        return object(Severity::Warning, About::Basis, message, hint);
    }
    if let Some(min) = duty.min().filter(|min| counting.ever_shorter(keep, *min)) {
        let message = format!("rule `{rule}` keeps {keep}, and {} asks for at least {min}", duty.cited());
        return object(Severity::Error, About::Keep, message, &format!("write at least `{min}`"));
    }
    if let Some(max) = duty.max().filter(|max| counting.ever_shorter(*max, keep)) {
        let message = format!("rule `{rule}` keeps {keep}, and {} allows {max} at most", duty.cited());
        return object(Severity::Error, About::Keep, message, &format!("write at most `{max}`"));
    }
    let min = duty.min().filter(|min| alone && counting.ever_shorter(min.times(2), keep))?;
    let message =
        format!("rule `{rule}` keeps {keep}, far longer than the only duty it cites: {} asks for {min}", duty.cited());
    object(
        Severity::Warning,
        About::Keep,
        message,
        "keep them no longer than you need them, or say in `reason` what for",
    )
}

/// Duties of a group of which the policy cites some, that no rule cites.
#[must_use]
pub fn left_out<'c>(catalogue: &'c Catalogue, cited: &[&str]) -> Vec<&'c Duty> {
    let is_cited = |duty: &Duty| cited.contains(&duty.id.as_str());
    let in_use =
        |group: &String| catalogue.duties.iter().any(|duty| duty.together.as_ref() == Some(group) && is_cited(duty));
    let duties = catalogue.duties.iter();
    duties.filter(|duty| !is_cited(duty) && duty.together.as_ref().is_some_and(in_use)).collect()
}

/// What is said about a duty that no rule carries out.
#[must_use]
pub fn nothing_keeps(duty: &Duty) -> (String, String) {
    let asked = duty.min().map_or_else(String::new, |min| format!(" asks for {min}"));
    (
        format!("no rule keeps {}: {}{asked}, and this policy cites duties beside it", duty.name.ko, duty.cited()),
        format!("add a [[rule]] with `basis = \"{}\"` if there are such records ({})", duty.id, duty.looked_up()),
    )
}
