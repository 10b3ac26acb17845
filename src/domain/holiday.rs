//! Days on which a statutory period does not end (Civil Act, article 161).
//!
//! This version carries a table of Korean public holidays in the program: the
//! ones with a fixed date in every year, and for 2020 to 2027 also the lunar
//! ones, the substitutes, election days and days declared once. It stands in
//! until the table is read from a dated data file. Outside those years only
//! weekends and fixed dates move a period. Cross-checked on 2026-11-22 with the
//! country KR of the PyPI package `holidays` 0.109.
//!
//! A day too many keeps a record a day longer; a day too few destroys it early.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::LazyLock};

use chrono::{Datelike, NaiveDate, Weekday};

/// Public holidays of a country. The default knows of weekends only.
#[derive(Debug, Clone, Default)]
pub struct Holidays {
    yearly: Vec<Yearly>,
    dated: BTreeSet<NaiveDate>,
}

/// A holiday that comes on the same date in every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Yearly {
    month: u32,
    day: u32,
    /// The first year in which it is one, where that matters.
    since: Option<i32>,
}

impl Holidays {
    /// The built-in table of the Republic of Korea.
    #[must_use]
    pub fn korea() -> &'static Self {
        static KOREA: LazyLock<Holidays> = LazyLock::new(|| Holidays {
            yearly: KOREA_YEARLY.iter().map(|&(month, day, since)| Yearly { month, day, since }).collect(),
            dated: KOREA_DATED
                .iter()
                .flat_map(|&(year, days)| days.iter().map(move |&(month, day)| (year, month, day)))
                .filter_map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day))
                .collect(),
        });
        &KOREA
    }

    /// A public holiday, whatever day of the week it falls on.
    #[must_use]
    pub fn is_holiday(&self, date: NaiveDate) -> bool {
        let yearly = |holiday: &Yearly| {
            (holiday.month, holiday.day) == (date.month(), date.day())
                && holiday.since.is_none_or(|since| since <= date.year())
        };
        self.yearly.iter().any(yearly) || self.dated.contains(&date)
    }

    /// A Saturday, a Sunday or a public holiday.
    #[must_use]
    pub fn rest_day(&self, date: NaiveDate) -> bool {
        matches!(date.weekday(), Weekday::Sat | Weekday::Sun) || self.is_holiday(date)
    }

    /// The years whose lunar and substitute holidays are known.
    #[must_use]
    pub fn years_known(&self) -> Option<RangeInclusive<i32>> {
        Some(self.dated.first()?.year()..=self.dated.last()?.year())
    }
}

/// Month, day, first year. Days that were no holidays in some past year stand
/// here without one: no period that still runs ends in those years.
const KOREA_YEARLY: &[(u32, u32, Option<i32>)] = &[
    (1, 1, None),
    (3, 1, None),
    // Labour Day and Constitution Day: Public Holidays Act as amended in 2026.
    (5, 1, Some(2026)),
    (5, 5, None),
    (6, 6, None),
    (7, 17, Some(2026)),
    (8, 15, None),
    (10, 3, None),
    (10, 9, None),
    (12, 25, None),
];

/// What is not in `KOREA_YEARLY`, year by year.
#[rustfmt::skip]
const KOREA_DATED: &[(i32, &[(u32, u32)])] = &[
    (2020, &[(1, 24), (1, 25), (1, 26), (1, 27), (4, 15), (4, 30), (8, 17), (9, 30), (10, 1), (10, 2)]),
    (2021, &[(2, 11), (2, 12), (2, 13), (5, 19), (8, 16), (9, 20), (9, 21), (9, 22), (10, 4), (10, 11)]),
    (2022, &[(1, 31), (2, 1), (2, 2), (3, 9), (5, 8), (6, 1), (9, 9), (9, 10), (9, 11), (9, 12), (10, 10)]),
    (2023, &[(1, 21), (1, 22), (1, 23), (1, 24), (5, 27), (5, 29), (9, 28), (9, 29), (9, 30), (10, 2)]),
    (2024, &[(2, 9), (2, 10), (2, 11), (2, 12), (4, 10), (5, 6), (5, 15), (9, 16), (9, 17), (9, 18), (10, 1)]),
    (2025, &[(1, 27), (1, 28), (1, 29), (1, 30), (3, 3), (5, 6), (6, 3), (10, 5), (10, 6), (10, 7), (10, 8)]),
    (2026, &[(2, 16), (2, 17), (2, 18), (3, 2), (5, 24), (5, 25), (6, 3), (8, 17), (9, 24), (9, 25), (9, 26), (10, 5)]),
    (2027, &[(2, 6), (2, 7), (2, 8), (2, 9), (5, 3), (5, 13), (7, 19), (8, 16), (9, 14), (9, 15), (9, 16), (10, 4),
             (10, 11), (12, 27)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// All dates of the years that are known.
    fn known_days() -> impl Iterator<Item = NaiveDate> {
        date("2020-01-01").iter_days().take_while(|day| day.year() <= 2027)
    }

    #[test]
    fn every_entry_of_the_table_is_a_date_and_none_stands_twice() {
        let entries: usize = KOREA_DATED.iter().map(|(_, days)| days.len()).sum();
        assert_eq!(Holidays::korea().dated.len(), entries);
        let plain = Holidays { dated: BTreeSet::new(), ..Holidays::korea().clone() };
        assert!(Holidays::korea().dated.iter().all(|&day| !plain.is_holiday(day)));
        assert_eq!(Holidays::korea().years_known(), Some(2020..=2027));
    }

    #[test]
    fn each_year_has_as_many_holidays_as_were_published() {
        let count = |year| known_days().filter(|&day| day.year() == year && Holidays::korea().is_holiday(day)).count();
        let counts: Vec<_> = (2020..=2027).map(count).collect();
        assert_eq!(counts, [18, 18, 19, 18, 19, 19, 22, 24]);
    }

    #[test]
    fn chuseok_2025_has_no_working_day_from_the_3rd_to_the_9th() {
        let rest: Vec<_> = known_days()
            .filter(|day| (date("2025-10-02")..=date("2025-10-10")).contains(day))
            .map(|day| Holidays::korea().rest_day(day))
            .collect();
        assert_eq!(rest, [false, true, true, true, true, true, true, true, false]);
    }

    #[test]
    fn new_years_day_is_a_holiday_in_years_that_nobody_has_published() {
        for text in ["1975-01-01", "2019-03-01", "2050-12-25"] {
            assert!(Holidays::korea().is_holiday(date(text)), "{text}");
        }
        assert!(!Holidays::korea().is_holiday(date("2025-07-17")));
        assert!(Holidays::korea().is_holiday(date("2031-07-17")));
    }

    #[test]
    fn without_a_table_only_weekends_are_rest_days() {
        let none = Holidays::default();
        assert!(none.rest_day(date("2022-07-31")) && none.rest_day(date("2022-07-30")));
        assert!(!none.rest_day(date("2022-08-01")) && !none.rest_day(date("2025-10-03")));
        assert_eq!(none.years_known(), None);
    }
}
