//! What each format reads, and that bounds agree with reading.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use chrono_tz::{America, Asia, Pacific, Tz};
use proptest::prelude::*;

use super::*;

fn text(value: &str) -> Cell {
    Cell::Text(value.as_bytes().to_vec())
}

fn at(value: &str) -> DateTime<Utc> {
    value.parse().unwrap()
}

fn read(format: Format, cell: &Cell) -> Reading {
    interpret(cell, format, Asia::Seoul, &[])
}

const ALL: [Format; 9] = [
    Format::Auto,
    Format::Date,
    Format::Timestamp,
    Format::TimestampTz,
    Format::EpochSeconds,
    Format::EpochMillis,
    Format::YyyyMmDd,
    Format::YyyyMmDdHhMmSs,
    Format::Iso8601,
];

#[test]
fn each_format_reads_its_own_spellings() {
    let read_as = |format, cells: &[Cell], instant: &str| {
        for cell in cells {
            assert_eq!(read(format, cell), Reading::At(at(instant)), "{format:?} {cell:?}");
        }
    };
    read_as(Format::Date, &[text("2021-06-01")], "2021-05-31T15:00:00Z");
    read_as(Format::YyyyMmDd, &[text("20210601"), Cell::Integer(20_210_601)], "2021-05-31T15:00:00Z");
    read_as(Format::YyyyMmDdHhMmSs, &[text("20210601093000")], "2021-06-01T00:30:00Z");
    let naive = ["2021-06-01 09:30", "2021-06-01T09:30:00", "2021-06-01 09:30:00.0", "2021-06-01 09:30:00.000000000"];
    read_as(Format::Timestamp, &naive.map(text), "2021-06-01T00:30:00Z");
    read_as(Format::Timestamp, &[text("2021-06-01 09:30:01.25")], "2021-06-01T00:30:01.25Z");
    let zoned = ["2021-06-01 00:30Z", "2021-06-01T09:30:00+09:00", "2021-06-01 09:30+09", "2021-05-31T20:00:00.0-0430"];
    read_as(Format::TimestampTz, &zoned.map(text), "2021-06-01T00:30:00Z");
    read_as(Format::Iso8601, &naive.map(text), "2021-06-01T00:30:00Z");
    read_as(Format::Iso8601, &zoned.map(text), "2021-06-01T00:30:00Z");
    read_as(Format::Iso8601, &[text("2021-06-01")], "2021-05-31T15:00:00Z");
    read_as(Format::EpochSeconds, &[Cell::Integer(1_622_507_400)], "2021-06-01T00:30:00Z");
    read_as(Format::EpochMillis, &[Cell::Integer(1_622_507_400_000)], "2021-06-01T00:30:00Z");
    read_as(Format::EpochSeconds, &[Cell::Integer(0)], "1970-01-01T00:00:00Z");
    read_as(Format::EpochMillis, &[Cell::Integer(-1)], "1969-12-31T23:59:59.999Z");
}

#[test]
fn the_first_and_the_last_year_are_read_and_their_neighbours_are_not() {
    let years = |format, within: &[Cell], beyond: &[Cell]| {
        assert!(within.iter().all(|cell| matches!(read(format, cell), Reading::At(_))), "{format:?}");
        assert!(beyond.iter().all(|cell| read(format, cell) == Reading::Malformed), "{format:?}");
    };
    let texts = |values: &[&str]| values.iter().map(|value| text(value)).collect::<Vec<_>>();
    years(Format::Date, &texts(&["0001-01-01", "9999-12-31"]), &texts(&["0000-12-31", "10000-01-01"]));
    let fourteen = texts(&["00010101000000", "99991231235959"]);
    years(Format::YyyyMmDdHhMmSs, &fourteen, &texts(&["00001231235959", "100000101000000"]));
    years(Format::YyyyMmDd, &texts(&["00010101", "99991231"]), &[text("00001231"), Cell::Integer(10_101)]);
    let [first, last] = ["0001-01-01 00:00", "9999-12-31 23:59:59.999999999"];
    years(Format::Timestamp, &texts(&[first, last]), &texts(&["0000-12-31 23:59", "-001-01-01 00:00"]));
    let zoned = ["0001-01-01 00:00+14:59", "9999-12-31 23:59:59.999999999-14:59"];
    years(Format::TimestampTz, &texts(&zoned), &texts(&["0000-12-31 23:59Z"]));
    let ends = [-62_135_596_800, 253_402_300_799].map(Cell::Integer);
    let past = [-62_135_596_801, 253_402_300_800, i64::MIN, i64::MAX].map(Cell::Integer);
    years(Format::EpochSeconds, &ends, &past);
    let ends = [-62_135_596_800_000, 253_402_300_799_999].map(Cell::Integer);
    let past = [-62_135_596_800_001, 253_402_300_800_000, i64::MIN, i64::MAX].map(Cell::Integer);
    years(Format::EpochMillis, &ends, &past);
}

#[test]
fn what_is_no_date_or_time_is_malformed_in_every_format() {
    let nasty = [
        "",
        " ",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "2021-02-30",
        "2021-02-30 10:00",
        "2021-13-01",
        "2021-06-31",
        "2021-00-10",
        "2021-06-00",
        "2021-06-01 25:00",
        "2021-06-01 24:00:00",
        "2021-06-01 10:60",
        "20210230",
        "2021-06-01 10:00:60",
        "2021-06-01 10:00:60Z",
        "2021-06-01 1:00",
        "2021-6-1",
        "21-06-01",
        "2021/06/01",
        " 2021-06-01",
        "2021-06-01 ",
        " 2021-06-01 10:00",
        "2021-06-01 10:00 ",
        "2021-06-01  10:00",
        "2021-06-01t10:00",
        "2021-06-01 10:00:00.",
        "2021-06-01 10:00:00.0000000000",
        "2021-06-01 10:00.5",
        "2021-06-01 10:00:00,5",
        "2021-06-01 10:00z",
        "2021-06-01 10:00 Z",
        "2021-06-01 10:00 +09:00",
        "2021-06-01 10:00+9",
        "2021-06-01 10:00+",
        "2021-06-01 10:00+15:00",
        "2021-06-01 10:00+09:60",
        "2021-06-01 10:00+09:00:00",
        "2021-06-01Z",
        "2021-06-01+09:00",
        "2021-06-01 10:00+-9:00",
        "2021-06-01 10:00++9:0",
        "infinity",
        "-infinity",
        "now",
        "1622507400",
        "202106011",
        "20210230100000",
        "20210601240000",
        "20210601106000",
        "20210601100060",
        "2021060110000",
        "202106011000000",
        "00000000000000",
        "2021060110000\0",
        "2021061",
        "２０２１-０６-０１",
        "٢٠٢١-٠٦-٠١",
        "2021-06-01 BC",
        "-2021-06-01",
        "+2021-06-01",
        "2021-06-01\0",
        "2021-06-01T",
        "2021-06-01 10",
        "2021-06-01 10:",
        "2021-06-01 10:00:",
        "2021-06-01 +1:00",
        "2021-152",
        "2021-W22-2",
    ];
    for format in ALL {
        for value in nasty {
            assert_eq!(read(format, &text(value)), Reading::Malformed, "{format:?} {value:?}");
        }
        assert_eq!(read(format, &Cell::Text(vec![0xff; 10])), Reading::Malformed);
    }
}

#[test]
fn a_value_of_another_format_or_storage_class_is_malformed() {
    let samples = [
        text("2021-06-01"),
        text("2021-06-01 10:00:00"),
        text("2021-06-01T10:00:00Z"),
        text("20210601"),
        text("1622507400"),
        Cell::Integer(20_210_601),
        Cell::Integer(-20_210_601),
        Cell::Real(1_622_507_400.0),
        Cell::Blob(b"2021-06-01".to_vec()),
        text("20210601100000"),
        Cell::Integer(2_021_060_110_000_000),
    ];
    let accepted = |format| samples.iter().map(|cell| matches!(read(format, cell), Reading::At(_))).collect::<Vec<_>>();
    let positions = |format| accepted(format).iter().enumerate().filter(|(_, yes)| **yes).map(|(at, _)| at).collect();
    for format in ALL {
        let expected: Vec<usize> = match format {
            Format::Auto => vec![],
            Format::Date => vec![0],
            Format::Timestamp => vec![1],
            Format::TimestampTz => vec![2],
            Format::EpochSeconds | Format::EpochMillis => vec![5, 6],
            Format::YyyyMmDd => vec![3, 5],
            Format::YyyyMmDdHhMmSs => vec![9],
            Format::Iso8601 => vec![0, 1, 2],
        };
        let positions: Vec<usize> = positions(format);
        assert_eq!(positions, expected, "{format:?}");
    }
}

#[test]
fn null_and_the_columns_absent_values_are_absent_in_every_format() {
    let absent = ["", "00000000", "0", "0.0", "9999-12-31"].map(String::from);
    for format in ALL {
        let read = |cell| interpret(&cell, format, Asia::Seoul, &absent);
        assert_eq!(read(Cell::Null), Reading::Absent);
        for cell in [text(""), text("00000000"), text("9999-12-31"), Cell::Integer(0), Cell::Real(0.0)] {
            assert_eq!(read(cell), Reading::Absent, "{format:?}");
        }
        assert_eq!(read(Cell::Blob(Vec::new())), Reading::Malformed);
        assert_eq!(read(text("0000000")), Reading::Malformed);
    }
}

#[test]
fn naive_times_in_gaps_and_folds_are_never_read_too_early() {
    let read = |zone: Tz, format, value: &str| interpret(&text(value), format, zone, &[]);
    let new_york = |value| read(America::New_York, Format::Timestamp, value);
    assert_eq!(new_york("2021-03-14 02:30"), Reading::At(at("2021-03-14T07:00:00Z")));
    assert_eq!(new_york("2021-11-07 01:30"), Reading::At(at("2021-11-07T06:30:00Z")));
    assert_eq!(read(Pacific::Apia, Format::Timestamp, "2011-12-30 12:00"), Reading::At(at("2011-12-30T10:00:00Z")));
    assert_eq!(read(America::Sao_Paulo, Format::Date, "2018-11-04"), Reading::At(at("2018-11-04T03:00:00Z")));
    assert_eq!(read(Asia::Seoul, Format::Date, "1988-07-01"), Reading::At(at("1988-06-30T14:00:00Z")));
}

#[test]
fn bounds_are_spelled_as_short_as_they_can_be() {
    let spelled = |format, instant: &str| bound_text(format, at(instant), Asia::Seoul);
    assert_eq!(spelled(Format::Timestamp, "2021-05-31T15:00:00Z"), text("2021-06-01"));
    assert_eq!(spelled(Format::Timestamp, "2021-06-01T00:30:00Z"), text("2021-06-01 09:30"));
    assert_eq!(spelled(Format::Timestamp, "2021-06-01T00:30:01Z"), text("2021-06-01 09:30:01"));
    assert_eq!(spelled(Format::Timestamp, "2021-06-01T00:30:00.050Z"), text("2021-06-01 09:30:00.05"));
    assert_eq!(spelled(Format::Date, "2021-05-31T15:00:00Z"), text("2021-06-01"));
    assert_eq!(spelled(Format::Date, "2021-05-31T15:00:00.000000001Z"), text("2021-06-02"));
    assert_eq!(spelled(Format::YyyyMmDd, "2021-05-31T15:00:00Z"), text("20210601"));
    let digits = |instant| spelled(Format::YyyyMmDdHhMmSs, instant);
    assert_eq!(digits("2021-06-01T00:30:00Z"), text("20210601093000"));
    assert_eq!(digits("2021-06-01T14:59:59.000000001Z"), text("20210602000000"));
    assert_eq!(spelled(Format::EpochSeconds, "1969-12-31T23:59:59.5Z"), Cell::Integer(0));
    assert_eq!(spelled(Format::Auto, "2021-05-31T15:00:00Z"), Cell::Null);
    assert_eq!(naive_bound(at("2021-05-31T15:00:00Z"), Asia::Seoul), "2021-06-01T00:00:00".parse().unwrap());
}

/// `value < bound` as SQLite decides it within one storage class.
fn below(value: &Cell, bound: &Cell) -> bool {
    match (value, bound) {
        (Cell::Text(value), Cell::Text(bound)) => value < bound,
        (Cell::Integer(value), Cell::Integer(bound)) => value < bound,
        _ => panic!("{value:?} and {bound:?} are of different classes"),
    }
}

fn exact_bound(format: Format, value: &Cell, instant: DateTime<Utc>, zone: Tz) -> Cell {
    match value {
        Cell::Integer(_) => Cell::Integer(bound_integer(format, instant, zone).unwrap()),
        _ => bound_text(format, instant, zone),
    }
}

#[test]
fn bounds_beyond_the_years_lie_outside_every_value() {
    let ends = [
        (Format::Date, text("0001-01-01"), text("9999-12-31")),
        (Format::Timestamp, text("0001-01-01 00:00"), text("9999-12-31T23:59:59.999999999")),
        (Format::YyyyMmDd, text("00010101"), text("99991231")),
        (Format::YyyyMmDd, Cell::Integer(10_000_101), Cell::Integer(99_991_231)),
        (Format::YyyyMmDdHhMmSs, text("00010101000000"), text("99991231235959")),
        (Format::EpochSeconds, Cell::Integer(-62_135_596_800), Cell::Integer(253_402_300_799)),
        (Format::EpochMillis, Cell::Integer(-62_135_596_800_000), Cell::Integer(253_402_300_799_999)),
        (Format::Iso8601, text("0001-01-01"), text("9999-12-31")),
    ];
    for (format, first, last) in ends {
        for zone in [Asia::Seoul, America::Los_Angeles] {
            let bound = |instant| exact_bound(format, &first, instant, zone);
            assert!(!below(&first, &bound(DateTime::<Utc>::MIN_UTC)), "{format:?}");
            assert!(below(&last, &bound(DateTime::<Utc>::MAX_UTC)), "{format:?}");
        }
    }
}

const ZONES: [Tz; 7] = [
    Asia::Seoul,
    America::New_York,
    America::Sao_Paulo,
    America::St_Johns,
    America::Havana,
    Pacific::Apia,
    chrono_tz::UTC,
];

fn spell_time(naive: NaiveDateTime, separator: char, places: usize) -> String {
    let text = naive.format("%Y-%m-%d %H:%M:%S.%f").to_string().replace(' ', &separator.to_string());
    let length = if places == 0 { 19 } else { 20 + places };
    // Places beyond the ninth stand for leaving the seconds out.
    text[..if places > 9 { 16 } else { length }].to_owned()
}

/// A well-formed value of a format with exact bounds, blanks in timestamps.
fn exact_value() -> impl Strategy<Value = (Format, Cell)> {
    let moment = prop_oneof![
        -10_000_000_000..60_000_000_000_i64,
        1_325_100_000..1_325_300_000_i64,
        1_541_250_000..1_541_420_000_i64,
        1_289_090_000..1_289_130_000_i64,
    ];
    (moment, 0..1_000_000_000_u32, 0..6_usize, 0..11_usize).prop_map(|(seconds, nanos, format, places)| {
        let utc = DateTime::from_timestamp(seconds, nanos).unwrap();
        match format {
            0 => (Format::Date, text(&utc.format("%Y-%m-%d").to_string())),
            1 => (Format::Timestamp, text(&spell_time(utc.naive_utc(), ' ', places))),
            2 => (Format::EpochSeconds, Cell::Integer(seconds)),
            3 => (Format::EpochMillis, Cell::Integer(utc.timestamp_millis())),
            4 => (Format::YyyyMmDd, text(&utc.format("%Y%m%d").to_string())),
            _ => {
                let date: i64 = utc.format("%Y%m%d").to_string().parse().unwrap();
                (Format::YyyyMmDd, Cell::Integer(date))
            }
        }
    })
}

fn instant_read(format: Format, cell: &Cell, zone: Tz) -> DateTime<Utc> {
    match interpret(cell, format, zone, &[]) {
        Reading::At(at) => at,
        other => panic!("{format:?} {cell:?} is {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn a_value_is_below_a_bound_exactly_if_it_is_read_as_before(
        (format, value) in exact_value(),
        (_, other) in exact_value(),
        zone in prop::sample::select(ZONES.to_vec()),
        distance in prop_oneof![-2..=2_i64, -100_000_000_000_000..100_000_000_000_000_i64],
    ) {
        let read = instant_read(format, &value, zone);
        let bound = exact_bound(format, &value, read + TimeDelta::nanoseconds(distance), zone);
        prop_assert_eq!(below(&value, &bound), distance > 0, "{:?} under {:?}", value, bound);
        if let Reading::At(other) = interpret(&other, Format::Iso8601, zone, &[]) {
            let bound = exact_bound(format, &value, other, zone);
            prop_assert_eq!(below(&value, &bound), read < other, "{:?} under {:?}", value, bound);
        }
    }

    #[test]
    fn t_spelled_values_are_never_below_a_bound_too_early_and_exact_at_midnight(
        seconds in 1_500_000_000..1_700_000_000_i64, places in 0..11_usize, distance in -200_000..200_000_i64,
    ) {
        let naive = DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
        let value = text(&spell_time(naive, 'T', places));
        let read = instant_read(Format::Timestamp, &value, Asia::Seoul);
        let instant = read + TimeDelta::seconds(distance);
        prop_assert!(!below(&value, &bound_text(Format::Timestamp, instant, Asia::Seoul)) || distance > 0);
        let midnight = calendar::start_of(Asia::Seoul, bound_date(instant, Asia::Seoul));
        prop_assert_eq!(below(&value, &bound_text(Format::Timestamp, midnight, Asia::Seoul)), read < midnight);
    }

    #[test]
    fn values_with_a_zone_that_are_before_lie_below_the_prefilter(
        seconds in -10_000_000_000..60_000_000_000_i64, offset in -899..=899_i32, distance in -300_000..300_000_i64,
    ) {
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        let local = at.with_timezone(&chrono::FixedOffset::east_opt(offset * 60).unwrap());
        let value = text(&local.format("%Y-%m-%dT%H:%M:%S%:z").to_string());
        prop_assert_eq!(instant_read(Format::TimestampTz, &value, Asia::Seoul), at);
        prop_assert_eq!(instant_read(Format::Iso8601, &value, Asia::Seoul), at);
        let bound = bound_text(Format::TimestampTz, at + TimeDelta::seconds(distance), Asia::Seoul);
        prop_assert!(below(&value, &bound) || distance <= 0);
        prop_assert!(!below(&value, &bound) || distance > -3 * 86_400);
    }

    #[test]
    fn what_is_rendered_is_read_as_the_same_instant(
        seconds in -62_000_000_000..253_000_000_000_i64, nanos in 0..1_000_000_000_u32,
        zone in prop::sample::select(ZONES.to_vec()),
    ) {
        let instant = DateTime::from_timestamp(seconds, nanos).unwrap();
        let shown = instant.with_timezone(&zone).naive_local();
        // In a fold the earlier of two instants is read as the later one.
        let later = zone_later(zone, shown).max(instant);
        for separator in [' ', 'T'] {
            prop_assert_eq!(instant_read(Format::Timestamp, &text(&spell_time(shown, separator, 9)), zone), later);
        }
        let day: NaiveDate = shown.date();
        let start = instant_read(Format::Date, &text(&day.format("%Y-%m-%d").to_string()), zone);
        prop_assert!(start <= instant && start.with_timezone(&zone).date_naive() == day);
        prop_assert_eq!(instant_read(Format::YyyyMmDd, &text(&day.format("%Y%m%d").to_string()), zone), start);
        let epoch = Cell::Integer(instant.timestamp_millis());
        prop_assert_eq!(instant_read(Format::EpochMillis, &epoch, zone).timestamp_millis(), instant.timestamp_millis());
    }

    #[test]
    fn no_bytes_whatever_make_reading_fail(bytes in prop::collection::vec(any::<u8>(), 0..40), number in any::<i64>()) {
        for format in ALL {
            prop_assert_ne!(read(format, &Cell::Text(bytes.clone())), Reading::Absent);
            prop_assert_ne!(read(format, &Cell::Integer(number)), Reading::Absent);
        }
    }
}

/// The later of the instants that chrono-tz gives for a naive value.
fn zone_later(zone: Tz, naive: NaiveDateTime) -> DateTime<Utc> {
    naive.and_local_timezone(zone).latest().unwrap().to_utc()
}
