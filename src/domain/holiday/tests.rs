//! The shipped table against another source, and what a table may look like.
//!
//! The second source is independent of the first: lunar dates come from the
//! tables of the astronomical institute, substitute days are derived from the
//! text of the regulation, and what no rule gives is listed with its reason.

use chrono::Days;

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn korea() -> &'static Holidays {
    Holidays::korea().unwrap()
}

/// Elections at the end of a term, and days that the cabinet declared once.
const DECLARED: [&str; 24] = [
    "2000-04-13",
    "2002-06-13",
    "2002-07-01",
    "2002-12-19",
    "2004-04-15",
    "2006-05-31",
    "2007-12-19",
    "2008-04-09",
    "2010-06-02",
    "2012-04-11",
    "2012-12-19",
    "2014-06-04",
    "2015-08-14",
    "2016-04-13",
    "2016-05-06",
    "2017-05-09",
    "2017-10-02",
    "2018-06-13",
    "2020-04-15",
    "2020-08-17",
    "2022-03-09",
    "2022-06-01",
    "2023-10-02",
    "2024-04-10",
];
const DECLARED_LATER: [&str; 4] = ["2024-10-01", "2025-01-27", "2025-06-03", "2026-06-03"];

/// What a holiday that falls on a day of rest is moved for.
#[derive(Clone, Copy, PartialEq)]
enum Substitute {
    Never,
    /// Falls on a Sunday or on another holiday (Seollal, Chuseok).
    Sunday,
    /// Falls on a Saturday, a Sunday or another holiday.
    Weekend,
}

/// Month, day, the years in which it is a holiday, since when it is substituted.
const FIXED: [(u32, u32, i32, i32, i32); 12] = [
    (1, 1, 0, 9999, 9999),
    (3, 1, 0, 9999, 2022),
    (4, 5, 0, 2005, 9999),
    (5, 1, 2026, 9999, 2026),
    (5, 5, 0, 9999, 2014),
    (6, 6, 0, 9999, 9999),
    (7, 17, 0, 2007, 9999),
    (7, 17, 2026, 9999, 2026),
    (8, 15, 0, 9999, 2021),
    (10, 3, 0, 9999, 2021),
    (10, 9, 2013, 9999, 2021),
    (12, 25, 0, 9999, 2023),
];

/// The holidays of a year by the regulation, each with how it is substituted, in
/// the order of the calendar.
fn by_regulation(year: i32, lunar: &BTreeMap<i32, [NaiveDate; 3]>) -> Vec<(NaiveDate, Substitute)> {
    let mut days = Vec::new();
    for (month, day, from, to, substituted) in FIXED {
        if (from..=to).contains(&year) {
            let kind = if year >= substituted { Substitute::Weekend } else { Substitute::Never };
            days.push((NaiveDate::from_ymd_opt(year, month, day).unwrap(), kind));
        }
    }
    let [seollal, buddha, chuseok] = lunar[&year];
    let festival = if year >= 2014 { Substitute::Sunday } else { Substitute::Never };
    for middle in [seollal, chuseok] {
        days.extend([middle - Days::new(1), middle, middle + Days::new(1)].map(|day| (day, festival)));
    }
    days.push((buddha, if year >= 2023 { Substitute::Weekend } else { Substitute::Never }));
    days.sort_by_key(|(day, _)| *day);
    days
}

/// Adds the substitute days: the next day that is no holiday and no weekend, one
/// for each holiday that was lost.
fn with_substitutes(days: &[(NaiveDate, Substitute)]) -> BTreeSet<NaiveDate> {
    let mut all: BTreeSet<NaiveDate> = days.iter().map(|(day, _)| *day).collect();
    for (index, (day, kind)) in days.iter().enumerate() {
        let lost = match kind {
            Substitute::Never => false,
            Substitute::Sunday => day.weekday() == Weekday::Sun,
            Substitute::Weekend => matches!(day.weekday(), Weekday::Sat | Weekday::Sun),
        };
        let meets_another = *kind != Substitute::Never && index > 0 && days[index - 1].0 == *day;
        if lost || meets_another {
            let free = |day: &NaiveDate| !all.contains(day) && !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
            let next = day.iter_days().find(free).unwrap();
            all.insert(next);
        }
    }
    all
}

#[test]
fn the_table_is_what_lunar_dates_of_another_source_and_the_regulation_give() {
    let text = include_str!("../../../tests/cases/holidays/lunar.txt");
    let lunar: BTreeMap<i32, [NaiveDate; 3]> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap().parse().unwrap(), std::array::from_fn(|_| date(words.next().unwrap())))
        })
        .collect();
    let mut derived: BTreeSet<NaiveDate> = DECLARED.iter().chain(&DECLARED_LATER).map(|text| date(text)).collect();
    for year in 2000..=2027 {
        derived.extend(with_substitutes(&by_regulation(year, &lunar)));
    }
    let missing: Vec<_> = derived.difference(&korea().days).collect();
    let too_many: Vec<_> = korea().days.difference(&derived).collect();
    assert!(missing.is_empty() && too_many.is_empty(), "missing {missing:?}, too many {too_many:?}");
    assert_eq!(korea().horizon(), Some(date("2027-12-31")));
}

#[test]
fn chuseok_2025_has_no_working_day_from_the_3rd_to_the_9th() {
    let rest: Vec<_> = date("2025-10-02").iter_days().take(9).map(|day| korea().rest_day(day)).collect();
    assert_eq!(rest, [false, true, true, true, true, true, true, true, false]);
}

#[test]
fn beyond_the_years_of_the_table_only_weekends_are_rest_days() {
    for text in ["1999-03-01", "2028-03-01", "2050-10-03"] {
        assert!(!korea().is_holiday(date(text)), "{text}");
    }
    assert!(korea().rest_day(date("2028-01-01")), "a Saturday");
    let none = Holidays::default();
    assert!(none.rest_day(date("2022-07-31")) && none.rest_day(date("2022-07-30")));
    assert!(!none.rest_day(date("2022-08-01")) && !none.rest_day(date("2025-10-03")));
    assert_eq!(none.horizon(), None);
}

#[test]
fn a_day_can_be_added_and_none_taken_away() {
    let more = korea().with(&[date("2028-01-27")]);
    assert!(more.is_holiday(date("2028-01-27")) && !korea().is_holiday(date("2028-01-27")));
    assert!(korea().days.is_subset(&more.days));
    assert_eq!(more.horizon(), korea().horizon(), "one day does not make a year certain");
    assert_ne!(more.digest().unwrap(), korea().digest().unwrap());
    assert_eq!(korea().with(&[date("2027-12-25")]).digest().unwrap(), korea().digest().unwrap());
}

#[test]
fn a_table_with_a_gap_or_a_day_of_another_year_is_refused() {
    let table = |last: i32, days: &str| {
        Holidays::parse(&format!("country = \"KR\"\nrevised = 2026-11-25\nfirst = 2026\nlast = {last}\n{days}"))
    };
    assert!(table(2026, "[days.2026]\n2026-01-01 = \"신정\"").is_ok());
    assert_eq!(table(2027, "[days.2026]\n2026-01-01 = \"신정\""), Err(NotATable::YearMissing(2027)));
    for (year, day) in [("2026", "2027-01-01"), ("2026", "2026-02-30"), ("2027", "2027-01-01")] {
        let text = format!("[days.2026]\n[days.{year}]\n{day} = \"신정\"").replacen(
            "[days.2026]\n[days.2026]",
            "[days.2026]",
            1,
        );
        assert_eq!(table(2026, &text), Err(NotATable::NotADay { year: year.into(), day: day.into() }));
    }
    assert!(matches!(table(2026, "[days.2026]\n2026-01-01 = 1"), Err(NotATable::Syntax(_))));
}
