//! The other ways to count: vectors of each, and the same sweeps over every date.

use chrono_tz::Europe;

use super::*;

fn counted(zone: Tz, counting: Counting) -> Calendar<'static> {
    let policy = Policy { counting, ..policy(zone, "5 days") };
    Calendar::new(&policy, Holidays::korea().unwrap())
}

/// Event, period, last day under each counting but the civil one, whose vectors
/// are above. Korean holidays, whatever the zone.
const LAST_DAYS: [(&str, &str, &str, &str, &str); 12] = [
    // event, period, kr-administrative, eu-1182, calendar
    ("2021-06-01", "5 days", "2021-06-05", "2021-06-07", "2021-06-06"),
    ("2021-06-01", "1 week", "2021-06-07", "2021-06-08", "2021-06-08"),
    ("2020-02-29", "5 years", "2025-02-28", "2025-02-28", "2025-02-28"),
    ("2020-02-29", "4 years", "2024-02-28", "2024-02-29", "2024-02-29"),
    ("2019-02-28", "5 years", "2024-02-27", "2024-02-28", "2024-02-28"),
    ("2022-02-28", "6 months", "2022-08-27", "2022-08-29", "2022-08-28"),
    ("2021-08-31", "6 months", "2022-02-28", "2022-02-28", "2022-02-28"),
    ("2020-10-04", "5 years", "2025-10-03", "2025-10-10", "2025-10-04"),
    // A Friday: the two days have only one working day, and the third is one.
    ("2024-11-15", "1 day", "2024-11-15", "2024-11-18", "2024-11-16"),
    ("2024-11-15", "2 days", "2024-11-16", "2024-11-19", "2024-11-17"),
    ("2024-11-15", "3 days", "2024-11-17", "2024-11-19", "2024-11-18"),
    ("2024-12-31", "1 month", "2025-01-30", "2025-01-31", "2025-01-31"),
];

#[test]
fn each_counting_ends_on_the_day_that_its_law_says() {
    for (event, keep, administrative, eu, plain) in LAST_DAYS {
        for rule in [internal(keep), statutory(keep)] {
            for (counting, last) in
                [(Counting::KrAdministrative, administrative), (Counting::Eu1182, eu), (Counting::Calendar, plain)]
            {
                let calendar = counted(Asia::Seoul, counting);
                let term = calendar.term(&rule, date(event));
                assert_eq!(term.last, date(last), "{event} and {keep}, {counting:?}");
                assert_eq!(term.due, calendar.start_of(date(last).succ_opt().unwrap()));
                let same_day = matches!(counting, Counting::KrAdministrative | Counting::Calendar);
                assert_eq!(term.first == date(event), same_day, "{counting:?}");
            }
        }
    }
}

#[test]
fn the_calendar_counting_ends_at_the_events_own_time_of_day() {
    let calendar = counted(Europe::Berlin, Counting::Calendar);
    let due = |event: &str, keep: &str| calendar.term_at(&internal(keep), at(event)).due;
    assert_eq!(due("2021-06-01T14:00:00+02:00", "5 days"), at("2021-06-06T14:00:00+02:00"));
    assert_eq!(due("2021-10-29T14:00:00+02:00", "5 days"), at("2021-11-03T14:00:00+01:00"), "the clock was set back");
    // February has no 30th: the end of its last day, after the 28th at any time.
    assert_eq!(due("2023-01-28T23:59:59+01:00", "1 month"), at("2023-02-28T23:59:59+01:00"));
    assert_eq!(due("2023-01-30T10:00:00+01:00", "1 month"), at("2023-03-01T00:00:00+01:00"));
    // Half past two does not exist on that day, and comes twice on this one.
    assert_eq!(due("2023-03-25T02:30:00+01:00", "1 day"), at("2023-03-26T03:00:00+02:00"));
    assert_eq!(due("2023-10-28T02:30:00+02:00", "1 day"), at("2023-10-29T02:30:00+01:00"));
    // An event in the hour that comes twice counts as the last of that hour.
    assert_eq!(due("2023-10-29T02:30:00+02:00", "1 day"), at("2023-10-30T02:30:00+01:00"));
    assert_eq!(due("2023-10-29T02:30:00+01:00", "1 day"), at("2023-10-30T02:59:59.999999999+01:00"));
    let term = calendar.term_at(&internal("5 days"), at("2021-06-01T14:00:00+02:00"));
    assert_eq!(term.latest, at("2021-06-11T14:00:00+02:00"));
    assert_eq!(calendar.term(&internal("5 days"), date("2021-06-01")).due, at("2021-06-07T00:00:00+02:00"));
}

/// The date by which a law that counts the same way can call the period over at
/// the soonest: nothing may be due before.
fn soonest(counting: Counting, keep: &str, event: NaiveDate) -> NaiveDate {
    let keep: Period = keep.parse().unwrap();
    let plain = counting::plus(event, keep).unwrap();
    // Only the administrative counting takes the day of the event as the first.
    if counting == Counting::KrAdministrative { plain.pred_opt().unwrap() } else { plain }
}

#[test]
fn no_counting_ends_early_or_goes_back_on_any_date_from_1960_to_2100() {
    for counting in Counting::ALL {
        let calendar = counted(Asia::Seoul, counting);
        for keep in ["1 day", "5 days", "2 weeks", "1 month", "6 months", "1 year", "5 years"] {
            let rule = statutory(keep);
            let mut before = DateTime::<Utc>::MIN_UTC;
            for event in days("1960-01-01", "2100-12-31") {
                let term = calendar.term(&rule, event);
                assert!(term.last >= soonest(counting, keep, event), "{event} and {keep}, {counting:?}");
                assert!(term.due >= before && term.latest > term.due, "{event} and {keep}, {counting:?}");
                before = term.due;
            }
        }
    }
}

#[test]
fn every_counting_is_inverted_exactly_for_every_event_date() {
    for (counting, keep) in [
        (Counting::KrAdministrative, "6 months"),
        (Counting::KrAdministrative, "5 years"),
        (Counting::Eu1182, "5 days"),
        (Counting::Eu1182, "1 year"),
    ] {
        check_every_date(&counted(Asia::Seoul, counting), &internal(keep), 1960..=2100);
    }
    for zone in [America::Sao_Paulo, America::St_Johns, Pacific::Apia, Europe::Dublin] {
        for counting in [Counting::KrAdministrative, Counting::Eu1182] {
            check_every_date(&counted(zone, counting), &internal("1 month"), 2009..=2019);
        }
    }
}

/// Both inverses at the last instant that is not due, and at the first that is.
fn check_inverse(calendar: &Calendar<'_>, rule: &Rule, event: DateTime<Utc>) {
    let tick = TimeDelta::nanoseconds(1);
    let term = calendar.term_at(rule, event);
    assert!(event < calendar.due_before(rule, term.due), "{event} and {}", rule.keep);
    assert!(event >= calendar.due_before(rule, term.due - tick), "{event} and {}", rule.keep);
    assert!(event < calendar.overdue_before(rule, term.latest + tick), "{event} and {}", rule.keep);
    assert!(event >= calendar.overdue_before(rule, term.latest), "{event} and {}", rule.keep);
    let whole_day = calendar.term(rule, calendar.date_of(event));
    assert!(term.due <= whole_day.due && term.latest <= whole_day.latest, "{event}: a bucket is due before its record");
}

#[test]
fn times_of_day_are_inverted_exactly_through_the_years() {
    for (zone, keep) in [(Asia::Seoul, "5 days"), (Europe::Berlin, "1 month"), (America::St_Johns, "1 year")] {
        let (calendar, rule) = (counted(zone, Counting::Calendar), internal(keep));
        // A step that reaches every day, and goes through all times of day.
        let step = TimeDelta::seconds(23 * 3_600 + 47 * 60 + 13);
        let mut event = at("1960-01-01T00:00:00Z");
        while event < at("2100-12-31T00:00:00Z") {
            check_inverse(&calendar, &rule, event);
            event += step;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn times_of_day_are_monotone_and_inverted_where_clocks_are_strange(
        (zone, event) in strange_instant(),
        (_, later) in strange_instant(),
        keep in prop::sample::select(vec!["1 day", "1 month", "6 months", "1 year"]),
    ) {
        let (calendar, rule) = (counted(zone, Counting::Calendar), internal(keep));
        check_inverse(&calendar, &rule, event);
        let (first, second) = (event.min(later), event.max(later));
        prop_assert!(calendar.term_at(&rule, first).due <= calendar.term_at(&rule, second).due);
        prop_assert!(calendar.term_at(&rule, first).latest <= calendar.term_at(&rule, second).latest);
    }
}

/// How many events of 2020 to 2023 `date + 1825 days`, `+ 180 days`, `+ 6 months`
/// and `+ 5 years` would destroy before each law's last day is over.
#[test]
fn naive_arithmetic_is_early_under_each_counting() {
    let early = |counting: Counting, keep: &str, naive: &dyn Fn(NaiveDate) -> NaiveDate| {
        let (calendar, rule) = (counted(Asia::Seoul, counting), internal(keep));
        days("2020-01-01", "2023-12-31").filter(|&event| naive(event) < calendar.term(&rule, event).last).count()
    };
    let counts = |counting| {
        [
            early(counting, "5 years", &|event| event + Days::new(1_825)),
            early(counting, "6 months", &|event| event + Days::new(180)),
            early(counting, "6 months", &|event| event + Months::new(6)),
            early(counting, "5 years", &|event| event + Months::new(60)),
        ]
    };
    assert_eq!(counts(Counting::KrCivil), [1_461, 1_461, 20, 1]);
    assert_eq!(counts(Counting::Calendar), [1_461, 1_461, 0, 0]);
    assert_eq!(counts(Counting::KrAdministrative), [366, 1_104, 0, 0]);
    let eu = counts(Counting::Eu1182);
    assert!(eu.iter().all(|&early| early > 400), "rest days move the end: {eu:?}");
}
