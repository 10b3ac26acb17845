//! The vectors of the Civil Act's rules, and exhaustive checks of the inverses.

use std::ops::RangeInclusive;

use chrono::{Days, Months, TimeDelta, TimeZone};
use chrono_tz::{America, Asia, Pacific};
use proptest::prelude::*;

use super::*;

mod countings;
mod earlier;

use crate::domain::policy::{Approval, Basis, Name, Officer};

fn policy(zone: Tz, destroy_within: &str) -> Policy {
    Policy {
        title: "policy".into(),
        version: "1.0".into(),
        announced: date("2021-05-20"),
        effective: date("2021-05-27"),
        timezone: zone,
        counting: Counting::KrCivil,
        destroy_within: destroy_within.parse().unwrap(),
        cooling_off: "24 hours".parse().unwrap(),
        statutes: None,
        holidays: Vec::new(),
        officer: Officer { title: "officer".into(), contact: "privacy@example.com".into(), four_eyes: false },
        rules: Vec::new(),
    }
}

fn rule(keep: &str, basis: Basis) -> Rule {
    Rule {
        id: "rule".into(),
        name: Name { ko: "규칙".into(), en: "rule".into() },
        event: "event".into(),
        keep: keep.parse().unwrap(),
        separate_on: Vec::new(),
        basis,
        reason: None,
        clause: None,
        approval: Approval::None,
    }
}

fn internal(keep: &str) -> Rule {
    rule(keep, Basis::Internal)
}

fn statutory(keep: &str) -> Rule {
    rule(keep, Basis::Statute("kr.ecommerce.contract".into()))
}

fn calendar(zone: Tz) -> Calendar<'static> {
    Calendar::new(&policy(zone, "5 days"), Holidays::korea().unwrap())
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn days(from: &str, to: &str) -> impl Iterator<Item = NaiveDate> {
    let to = date(to);
    date(from).iter_days().take_while(move |&day| day <= to)
}

/// Event, period, last day without article 161, last day with it.
const VECTORS: [(&str, &str, &str, &str); 11] = [
    ("2021-06-01T14:00:00+09:00", "5 days", "2021-06-06", "2021-06-07"),
    ("2020-02-29T12:00:00+09:00", "5 years", "2025-02-28", "2025-02-28"),
    ("2020-02-29T12:00:00+09:00", "4 years", "2024-02-29", "2024-02-29"),
    ("2019-02-28T12:00:00+09:00", "5 years", "2024-02-29", "2024-02-29"),
    ("2023-02-28T12:00:00+09:00", "1 year", "2024-02-29", "2024-02-29"),
    ("2024-02-28T12:00:00+09:00", "1 year", "2025-02-28", "2025-02-28"),
    ("2022-02-28T12:00:00+09:00", "6 months", "2022-08-31", "2022-08-31"),
    ("2022-04-30T12:00:00+09:00", "3 months", "2022-07-31", "2022-08-01"),
    ("2021-08-30T12:00:00+09:00", "6 months", "2022-02-28", "2022-02-28"),
    ("2020-10-04T12:00:00+09:00", "5 years", "2025-10-04", "2025-10-10"),
    ("2021-12-31T15:30:00Z", "1 year", "2023-01-01", "2023-01-02"),
];

#[test]
fn the_vectors_of_the_civil_act_come_out_with_and_without_article_161() {
    let calendar = calendar(Asia::Seoul);
    for (number, (event, keep, plain, extended)) in (1..).zip(VECTORS) {
        let event = calendar.date_of(at(event));
        let term = calendar.term(&internal(keep), event);
        assert_eq!(term.last, date(plain), "vector {number} without 161");
        assert_eq!(term.first, event.succ_opt().unwrap());
        assert_eq!(term.due, at(&format!("{}T00:00:00+09:00", date(plain).succ_opt().unwrap())));
        assert_eq!(calendar.term(&statutory(keep), event).last, date(extended), "vector {number} with 161");
    }
}

#[test]
fn a_week_ends_on_the_same_day_of_the_week_as_its_event() {
    let term = calendar(Asia::Seoul).term(&internal("2 weeks"), date("2021-06-02"));
    assert_eq!(term.last, date("2021-06-16"));
}

#[test]
fn latest_is_counted_from_the_date_of_due_in_every_unit() {
    let latest = |within: &str, event: &str| {
        let calendar = Calendar::new(&policy(Asia::Seoul, within), Holidays::korea().unwrap());
        calendar.term(&internal("1 day"), date(event)).latest
    };
    assert_eq!(latest("5 days", "2021-06-01"), at("2021-06-08T00:00:00+09:00"));
    assert_eq!(latest("0 days", "2021-06-01"), at("2021-06-03T00:00:00+09:00"));
    assert_eq!(latest("1 week", "2021-06-01"), at("2021-06-10T00:00:00+09:00"));
    assert_eq!(latest("1 month", "2021-01-29"), at("2021-02-28T00:00:00+09:00"));
    assert_eq!(latest("1 year", "2020-02-27"), at("2021-02-28T00:00:00+09:00"));
}

#[test]
fn a_record_is_due_at_due_and_overdue_only_after_latest() {
    let calendar = calendar(Asia::Seoul);
    let rule = internal("5 days");
    let event = at("2021-06-01T05:00:00Z");
    let term = calendar.term(&rule, calendar.date_of(event));
    let tick = TimeDelta::nanoseconds(1);
    assert!(event >= calendar.due_before(&rule, term.due - tick) && !term.is_due(term.due - tick));
    assert!(event < calendar.due_before(&rule, term.due) && term.is_due(term.due));
    assert!(event >= calendar.overdue_before(&rule, term.latest) && !term.is_overdue(term.latest));
    assert!(event < calendar.overdue_before(&rule, term.latest + tick) && term.is_overdue(term.latest + tick));
}

/// Checks the term of every event date of these years, and both inverses at
/// the second before, at and after each due and latest, against a search in the
/// list of all terms.
fn check_every_date(calendar: &Calendar<'_>, rule: &Rule, years: RangeInclusive<i32>) {
    // Event dates around the range, so that every answer lies in the list.
    let around = [format!("{}-06-01", years.start() - 1), format!("{}-06-30", years.end() + 1)];
    let terms: Vec<Term> = days(&around[0], &around[1]).map(|event| calendar.term(rule, event)).collect();
    assert!(terms.is_sorted_by_key(|term| term.due), "{}", rule.keep);
    assert!(terms.is_sorted_by_key(|term| term.latest), "{}", rule.keep);
    let start = |index: usize| calendar.start_of(terms[index].event);
    let mut index = 0;
    let first = terms.partition_point(|term| term.event.year() < *years.start());
    let end = terms.partition_point(|term| term.event.year() <= *years.end());
    while first + index < end {
        let term = terms[first + index];
        // Dates that share an end share the answers.
        index += terms[first + index..].partition_point(|other| (other.due, other.latest) == (term.due, term.latest));
        // At each due itself for every date; around it, and overdue, for one in three.
        let around: &[i64] = if index % 3 == 0 { &[-1, 0, 1] } else { &[0] };
        for second in around.iter().copied().map(TimeDelta::seconds) {
            let now = term.due + second;
            let open = terms.partition_point(|term| term.due <= now);
            assert_eq!(calendar.due_before(rule, now), start(open), "{} due, {now}", rule.keep);
            if around.len() == 1 {
                continue;
            }
            let now = term.latest + second;
            let open = terms.partition_point(|term| term.latest < now);
            assert_eq!(calendar.overdue_before(rule, now), start(open), "{} overdue, {now}", rule.keep);
        }
    }
}

#[test]
fn day_and_week_periods_are_monotone_and_inverted_exactly_for_every_event_date() {
    let calendar = calendar(Asia::Seoul);
    check_every_date(&calendar, &internal("0 days"), 1960..=2100);
    for keep in ["5 days", "1 week"] {
        check_every_date(&calendar, &internal(keep), 1960..=2100);
        check_every_date(&calendar, &statutory(keep), 1960..=2100);
    }
}

#[test]
fn month_periods_are_monotone_and_inverted_exactly_for_every_event_date() {
    let calendar = calendar(Asia::Seoul);
    for keep in ["1 month", "6 months"] {
        check_every_date(&calendar, &internal(keep), 1960..=2100);
        check_every_date(&calendar, &statutory(keep), 1960..=2100);
    }
}

#[test]
fn year_periods_are_monotone_and_inverted_exactly_for_every_event_date() {
    let within_a_month = policy(Asia::Seoul, "1 month");
    let calendar = Calendar::new(&within_a_month, Holidays::korea().unwrap());
    for keep in ["1 year", "5 years"] {
        check_every_date(&calendar, &internal(keep), 1960..=2100);
        check_every_date(&calendar, &statutory(keep), 1960..=2100);
    }
}

#[test]
fn inverses_are_exact_where_days_start_late_twice_or_not_at_all() {
    for zone in [America::Sao_Paulo, America::St_Johns, Pacific::Apia] {
        check_every_date(&calendar(zone), &internal("6 months"), 1987..=2020);
    }
}

/// Early against the rule: how many of the events 2020-2023 naive arithmetic
/// would destroy before their last day is over.
#[test]
fn naive_arithmetic_is_early_on_as_many_dates_as_the_notes_say() {
    let calendar = calendar(Asia::Seoul);
    let early = |keep: &str, naive: &dyn Fn(NaiveDate) -> NaiveDate| {
        let rule = internal(keep);
        days("2020-01-01", "2023-12-31").filter(|&event| naive(event) < calendar.term(&rule, event).last).count()
    };
    assert_eq!(days("2020-01-01", "2023-12-31").count(), 1_461);
    assert_eq!(early("5 years", &|event| event + Days::new(1_825)), 1_461);
    assert_eq!(early("6 months", &|event| event + Days::new(180)), 1_461);
    assert_eq!(early("6 months", &|event| event + Months::new(6)), 20);
    assert_eq!(early("5 years", &|event| event + Months::new(60)), 1);
}

#[test]
fn seoul_has_the_offsets_it_had() {
    let calendar = calendar(Asia::Seoul);
    assert_eq!(calendar.start_of(date("1988-07-01")), at("1988-07-01T00:00:00+10:00"));
    assert_eq!(calendar.start_of(date("1960-01-01")), at("1960-01-01T00:00:00+08:30"));
    assert_eq!(calendar.start_of(date("2021-06-01")), at("2021-06-01T00:00:00+09:00"));
    assert_eq!(calendar.date_of(at("1988-06-30T14:00:00Z")), date("1988-07-01"));
    assert_eq!(calendar.date_of(at("1960-01-01T15:15:00Z")), date("1960-01-01"));
}

#[test]
fn a_date_starts_at_its_first_instant() {
    // New York changes at two in the morning.
    assert_eq!(start_of(America::New_York, date("2021-03-14")), at("2021-03-14T00:00:00-05:00"));
    assert_eq!(start_of(America::New_York, date("2021-03-15")), at("2021-03-15T00:00:00-04:00"));
    // São Paulo went from 00:00 to 01:00, and back from 00:00 to 23:00.
    assert_eq!(start_of(America::Sao_Paulo, date("2018-11-04")), at("2018-11-04T01:00:00-02:00"));
    assert_eq!(start_of(America::Sao_Paulo, date("2018-02-18")), at("2018-02-18T00:00:00-03:00"));
    // Havana goes back from 01:00 to 00:00: midnight comes twice.
    assert_eq!(start_of(America::Havana, date("2021-11-07")), at("2021-11-07T00:00:00-04:00"));
    // Apia had no 30 December 2011.
    assert_eq!(start_of(Pacific::Apia, date("2011-12-30")), at("2011-12-30T10:00:00Z"));
    assert_eq!(start_of(Pacific::Apia, date("2011-12-31")), at("2011-12-30T10:00:00Z"));
    assert_eq!(first_date_from(Pacific::Apia, at("2011-12-30T10:00:00Z")), date("2011-12-30"));
}

#[test]
fn a_date_that_comes_back_for_some_minutes_does_not_run_back() {
    // St. John's went back from 00:01 to 23:01 of the day before.
    let zone = America::St_Johns;
    let first_midnight = at("2010-11-07T02:30:00Z");
    assert_eq!(start_of(zone, date("2010-11-07")), first_midnight);
    let again_yesterday = first_midnight + TimeDelta::minutes(30);
    assert_eq!(zone.from_utc_datetime(&again_yesterday.naive_utc()).date_naive(), date("2010-11-06"));
    assert_eq!(zone::date_of(zone, again_yesterday), date("2010-11-07"));
}

#[test]
fn beyond_the_range_of_dates_nothing_is_due() {
    for zone in [Asia::Seoul, America::Los_Angeles] {
        let calendar = calendar(zone);
        for rule in [internal("1000 years"), statutory("365000 days"), internal("12000 months")] {
            let term = calendar.term(&rule, NaiveDate::MAX);
            assert_eq!((term.last, term.due, term.latest), (NaiveDate::MAX, DateTime::<Utc>::MAX_UTC, term.due));
            assert!(calendar.term(&rule, NaiveDate::MIN).due > calendar.start_of(NaiveDate::MIN));
            assert_eq!(calendar.due_before(&rule, DateTime::<Utc>::MIN_UTC), DateTime::<Utc>::MIN_UTC);
            assert!(calendar.due_before(&rule, DateTime::<Utc>::MAX_UTC) < DateTime::<Utc>::MAX_UTC);
            assert!(calendar.overdue_before(&rule, DateTime::<Utc>::MAX_UTC) < DateTime::<Utc>::MAX_UTC);
        }
        let mut endless = internal("1 year");
        endless.keep.count = u32::MAX;
        assert_eq!(calendar.term(&endless, date("2021-06-01")).due, DateTime::<Utc>::MAX_UTC);
        for instant in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let date = calendar.date_of(instant);
            assert!(calendar.start_of(date) <= instant && first_date_from(zone, instant) >= date);
        }
        let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC].map(|end| first_naive_from(zone, end));
        assert!(ends[0] < ends[1]);
    }
}

/// Instants within two days of a change of offset, in zones with strange ones.
fn strange_instant() -> impl Strategy<Value = (Tz, DateTime<Utc>)> {
    let changes = [
        (America::Sao_Paulo, "2018-11-04T03:00:00Z"),
        (America::Sao_Paulo, "2018-02-18T02:00:00Z"),
        (America::St_Johns, "2010-11-07T02:31:00Z"),
        (America::St_Johns, "2010-03-14T03:31:00Z"),
        (America::Havana, "2021-11-07T05:00:00Z"),
        (America::New_York, "2021-11-07T06:00:00Z"),
        (Pacific::Apia, "2011-12-30T10:00:00Z"),
        (Asia::Seoul, "1988-10-08T17:00:00Z"),
        (chrono_tz::Australia::Lord_Howe, "2021-04-03T15:00:00Z"),
        (America::Juneau, "1867-10-18T00:30:00Z"),
    ];
    let near = prop_oneof![-120..120_i64, -172_800..172_800_i64];
    (prop::sample::select(changes.to_vec()), near, prop_oneof![Just(0), 0..1_000_000_000_i64]).prop_map(
        |((zone, change), seconds, nanos)| {
            (zone, at(change) + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn an_instant_is_before_a_date_exactly_if_its_own_date_is(
        (zone, instant) in strange_instant(), days in -3..=3_i64,
    ) {
        let other = zone::date_of(zone, instant) + TimeDelta::days(days);
        prop_assert_eq!(instant < start_of(zone, other), zone::date_of(zone, instant) < other);
        prop_assert_eq!(start_of(zone, other) < instant, other < first_date_from(zone, instant));
    }

    #[test]
    fn a_naive_value_is_below_the_bound_exactly_if_its_instant_is_before(
        (zone, instant) in strange_instant(),
        naive_second in -172_800..172_800_i64, close in -2..=2_i64,
    ) {
        let bound = first_naive_from(zone, instant);
        for naive in [bound + TimeDelta::seconds(naive_second), bound + TimeDelta::nanoseconds(close)] {
            prop_assert_eq!(naive < bound, instant_of(zone, naive) < instant, "{} in {}", naive, zone);
        }
    }
}
