//! Values that measure something: dates, numbers, lengths of time, zones.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use chrono::NaiveDate;
use chrono_tz::Tz;
use toml::de::DeValue;

use super::{Value, suggest};
use crate::domain::period::{NotALength, Period, TimeSpan};

const PERIOD_UNITS: [&str; 4] = ["days", "weeks", "months", "years"];
const TIME_SPAN_UNITS: [&str; 5] = ["seconds", "minutes", "hours", "days", "weeks"];

impl Value<'_> {
    /// A TOML local date.
    pub fn date(&self) -> Option<NaiveDate> {
        const HINT: &str = "write year, month and day without quotation marks: 2021-05-20";
        let DeValue::Datetime(given) = self.raw() else {
            return self.wrong_type("a date", HINT);
        };
        let (Some(date), None, None) = (given.date, given.time, given.offset) else {
            return self.refuse(format!("`{}` must be a date without a time of day", self.key()), HINT);
        };
        let date = NaiveDate::from_ymd_opt(i32::from(date.year), u32::from(date.month), u32::from(date.day));
        date.or_else(|| self.refuse(format!("`{}` is a day that does not exist", self.key()), HINT))
    }

    /// A whole number of `range`.
    pub fn whole<N: TryFrom<u64> + PartialOrd + Display>(&self, range: RangeInclusive<N>) -> Option<N> {
        let hint = format!("write a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(given) = self.raw() else {
            return self.wrong_type("a whole number", &hint);
        };
        let number = u64::from_str_radix(given.as_str(), given.radix()).ok();
        let number = number.and_then(|number| N::try_from(number).ok()).filter(|number| range.contains(number));
        number.or_else(|| self.refuse(format!("`{}` is out of range", self.key()), &hint))
    }

    /// A share from 0 to 1, in parts per million.
    pub fn share_ppm(&self) -> Option<u32> {
        const HINT: &str = "write a number from 0 to 1: 0.2 is one fifth";
        let written = match self.raw() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => return self.wrong_type("a number from 0 to 1", HINT),
        };
        let share = f64::from_str(written).ok().filter(|share| (0.0..=1.0).contains(share));
        let Some(share) = share else {
            return self.refuse(format!("`{}` is not a share", self.key()), HINT);
        };
        // Within 0..=1_000_000 by the check above.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked above")]
        Some((share * 1_000_000.0).round() as u32)
    }

    /// A calendar period of at least 1.
    pub fn period(&self) -> Option<Period> {
        let period: Period = self.length(&PERIOD_UNITS, "5 days")?;
        if period.count == 0 {
            let hint = "what is not to be kept at all needs no rule; write at least `1 day`";
            return self.refuse(format!("`{}` is no time at all", self.key()), hint);
        }
        Some(period)
    }

    /// A span of elapsed time.
    pub fn time_span(&self) -> Option<TimeSpan> {
        self.length(&TIME_SPAN_UNITS, "24 hours")
    }

    fn length<T: FromStr<Err = NotALength>>(&self, units: &[&str], example: &str) -> Option<T> {
        if matches!(self.raw(), DeValue::Integer(_)) {
            let hint =
                format!("write it with its unit, in quotation marks, such as \"{example}\"; {}", units_are(units));
            return self.refuse(format!("`{}` has no unit", self.key()), hint);
        }
        let written = *self.text()?.get_ref();
        written
            .parse()
            .map_or_else(|reason: NotALength| self.refuse(reason.to_string(), hint(&reason, units, example)), Some)
    }

    /// A zone of the IANA database.
    pub fn zone(&self) -> Option<Tz> {
        let given = *self.line()?.get_ref();
        given.parse().map_or_else(
            |_| {
                let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
                let hint = match suggest::closest(given, names) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "write the zone's IANA name, such as `Asia/Seoul`".to_owned(),
                };
                self.refuse(format!("`{given}` is not a known time zone"), hint)
            },
            Some,
        )
    }
}

fn units_are(units: &[&str]) -> String {
    format!("units are {}", suggest::quoted_list(units))
}

fn hint(reason: &NotALength, units: &[&str], example: &str) -> String {
    let form = format!("write a number, a space and a unit: \"{example}\"");
    match reason {
        NotALength::UnitMissing(_) => format!("{form}; {}", units_are(units)),
        NotALength::UnitUnknown { unit, .. } if unit.eq_ignore_ascii_case("m") => {
            format!("`m` could be minutes or months; write the unit out: {}", suggest::quoted_list(units))
        }
        NotALength::UnitUnknown { unit, .. } => {
            let both = units.iter().flat_map(|unit| [*unit, unit.trim_end_matches('s')]);
            suggest::closest(unit, both).map_or_else(|| units_are(units), |unit| format!("did you mean `{unit}`?"))
        }
        NotALength::NotANumber(_) => format!("{form}; fractions and words are not numbers here"),
        NotALength::OutOfRange(_) => "the longest is 1000 years".to_owned(),
    }
}
