//! Every event as a line and back; every line that is not canonical refused.

mod kinds;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use serde_json::Value;

use super::{scan::INTEGER_MAX, *};
use crate::domain::{
    id::Digest,
    ledger::event::{Event, SeparateIntent, VERSION},
    selection::Cause,
};
pub(in crate::domain::ledger) use kinds::every_kind;

pub(super) fn entry_of(event: Event) -> Entry {
    Entry {
        v: VERSION,
        seq: 12,
        time: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
        event,
        run: "r".into(),
        policy: Digest::of(b"p"),
        actor: "root".into(),
        host: "h".into(),
    }
}

fn entry(tables: &[(&str, u64)]) -> Entry {
    entry_of(Event::SeparateIntent(SeparateIntent {
        batch: "b".into(),
        rule: "member".into(),
        source: "shop".into(),
        dataset: "회원 \"정보\"\n".into(),
        cause: Cause::Event("withdrawal".into()),
        records: INTEGER_MAX,
        children: tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect(),
        buckets: 0,
        first: NaiveDate::from_ymd_opt(2020, 2, 29).unwrap(),
        last: NaiveDate::from_ymd_opt(2021, 2, 28).unwrap(),
        again: 0,
        digest: Digest::of(b""),
    }))
}

#[test]
fn every_kind_of_event_is_read_as_the_derived_reading_reads_it() {
    assert_eq!(every_kind().len(), 32);
    for event in every_kind() {
        let entry = entry_of(event);
        let line = canonical::bytes(&entry).unwrap();
        assert_eq!(read(&line).unwrap(), entry);
        assert_eq!(serde_json::from_slice::<Entry>(&line).unwrap(), entry);
    }
    let bare = entry_of(Event::RunStarted { plan: None, by: None, accepted_guards: vec![], rule: None });
    assert_eq!(read(&write(&bare).unwrap()).unwrap(), bare);
}

fn may_be_left_out(kind: &Value, name: &str) -> bool {
    let names: &[&str] = match kind.as_str().unwrap() {
        "policy.adopted" => &["by", "document"],
        "run.started" => &["by", "plan", "rule", "accepted_guards"],
        "run.finished" => &["left"],
        "destroy.intent" => &["fields", "hold", "holidays"],
        "hold.placed" => &["dataset", "rule", "whose"],
        "read.intent" => &["rule"],
        "manual.recorded" => &["attachment", "created", "fields", "reason", "rule"],
        "separate.outcome" | "restore.outcome" => &["reason"],
        "refused" => &["rule"],
        "wipe.finished" => &["owed", "rewritten"],
        _ => &[],
    };
    names.contains(&name)
}

#[test]
fn an_entry_with_a_field_more_or_less_is_refused() {
    for event in every_kind() {
        let line = write(&entry_of(event)).unwrap();
        let value: BTreeMap<String, Value> = serde_json::from_slice(&line).unwrap();
        for name in value.keys().filter(|name| !may_be_left_out(&value["type"], name)) {
            let mut less = value.clone();
            less.remove(name);
            assert!(read(&canonical::bytes(&less).unwrap()).is_err(), "without {name}");
        }
        for name in ["aaa", "m", "zzz"] {
            let mut more = value.clone();
            more.insert(name.into(), 1.into());
            assert!(read(&canonical::bytes(&more).unwrap()).is_err(), "with {name}");
        }
    }
}

#[test]
fn times_have_one_form() {
    let line = String::from_utf8(write(&entry(&[])).unwrap()).unwrap();
    let with = |time: &str| read(line.replace("2023-11-14T22:13:20.123Z", time).as_bytes());
    for time in ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.120Z", "1960-01-01T00:00:00.001Z"] {
        assert_eq!(with(time).unwrap().time, time.parse::<DateTime<chrono::Utc>>().unwrap());
    }
    for time in [
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:13:20.12Z",
        "2023-11-14T22:13:20.1234Z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20+00:00",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20Z",
        "2023-11-14T22:13:61Z",
        "2023-13-14T22:13:20Z",
        "+023-11-14T22:13:20Z",
        "2023-11-14T22:13Z",
    ] {
        assert_eq!(with(time), Err(LineError::Field { name: "time" }), "{time}");
    }
}

fn check(line: &[u8]) -> Result<(), LineError> {
    scan::fields(line).map(|_| ())
}

#[test]
fn an_entry_comes_back_from_its_line() {
    let entry = entry(&[("\u{ff21}", 1), ("\u{1d11e}", 2), ("a\"b", 3), ("a\tb", 4), ("", 5)]);
    let line = write(&entry).unwrap();
    assert!(line.starts_with(br#"{"actor":"root","batch":"b","buckets":0,"cause":"#));
    assert!(line.windows(36).any(|part| part == br#""time":"2023-11-14T22:13:20.123Z","t"#));
    assert_eq!(read(&line).unwrap(), entry);
}

#[test]
fn numbers_that_other_readers_would_round_are_refused() {
    let large = entry(&[("t", INTEGER_MAX + 1)]);
    assert!(matches!(write(&large), Err(LineError::NotCanonical { .. })));
    let largest = entry(&[("t", u64::MAX)]);
    assert!(matches!(write(&largest), Err(LineError::NotCanonical { .. })));
}

#[test]
fn a_line_may_have_65535_bytes_and_not_one_more() {
    let of = |bytes: usize| {
        let mut long = entry(&[]);
        let empty = write(&long).unwrap().len() - long.host.len();
        long.host = "h".repeat(bytes - empty);
        write(&long)
    };
    assert_eq!(of(65_535).unwrap().len(), 65_535);
    assert_eq!(of(65_536), Err(LineError::TooLong { bytes: 65_536 }));
}

#[test]
fn canonical_objects_pass() {
    for line in [
        "{}",
        r#"{"a":[],"b":{},"c":[1,-2,true,false,null,"x"]}"#,
        r#"{"a":0,"b":9007199254740991,"c":-9007199254740991}"#,
        r#"{"":"\b\t\n\f\r\"\\\u0000\u001f\u000b/é"}"#,
        "{\"\u{1d11e}\":1,\"\u{ff21}\":2}",
        r#"{"a":1,"aa":1,"b":1}"#,
    ] {
        assert_eq!(check(line.as_bytes()), Ok(()), "{line}");
    }
}

#[test]
fn other_spellings_of_the_same_object_do_not() {
    for line in [
        "",
        "1",
        "[]",
        "{} ",
        " {}",
        "{}{}",
        "{\"a\" :1}",
        "{\"a\": 1}",
        "{\"b\":1,\"a\":1}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":-0}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":1.0}",
        "{\"a\":1e2}",
        "{\"a\":9007199254740992}",
        "{\"a\":99999999999999999999}",
        "{\"a\":\"\\/\"}",
        "{\"a\":\"\\u0041\"}",
        "{\"a\":\"\\u000A\"}",
        "{\"a\":\"\\u000a\"}",
        "{\"a\":\"\\u001F\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"",
        "{\"a\":tru}",
        "{\"a\":[1 ,2]}",
        "{\"a\":[1,]}",
        "{\"a\"}",
        "{a:1}",
        "{\"\u{ff21}\":1,\"\u{1d11e}\":2}",
    ] {
        assert!(check(line.as_bytes()).is_err(), "{line}");
    }
    assert!(check(b"{\"a\":\"\xff\"}").is_err());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(99_999), "]".repeat(99_999));
    assert!(check(deep.as_bytes()).is_err());
}

#[test]
fn a_control_character_is_noticed_wherever_it_stands() {
    for at in 0..20 {
        for byte in 0..0x80_u8 {
            let mut text: Vec<char> = "é€x".repeat(7).chars().collect();
            text.insert(at, char::from(byte));
            let text = String::from_iter(text).into_bytes();
            let line = [b"{\"a\":\"".as_slice(), &text, b"\"}"].concat();
            let plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            assert_eq!(check(&line).is_ok(), plain, "byte {byte:#x} at {at}");
        }
    }
}

/// JSON with integers only.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_check_accepts_what_the_canonicalizer_writes(
        map in prop::collection::btree_map(any::<String>(), json(), 0..6)
    ) {
        let line = canonical::bytes(&map).unwrap();
        prop_assert_eq!(check(&line), Ok(()));
    }

    #[test]
    fn what_the_check_accepts_is_what_the_canonicalizer_would_write(
        map in prop::collection::btree_map(any::<String>(), json(), 0..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut line = canonical::bytes(&map).unwrap();
        let at = at.index(line.len());
        line[at] = byte;
        if check(&line).is_ok() {
            let value: Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(canonical::bytes(&value).unwrap(), line);
        }
    }
}
