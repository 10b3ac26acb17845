//! The rows, and what is expected of a search for those that are gone.

use chrono::{DateTime, Utc};
use retentiond::{
    domain::{deployment::WipeLevel, residue::Value},
    ports::{Locking, Search, SearchJob, WipeJob},
};

pub const ROWS: usize = 300;
pub const TABLE: &str = "people";

pub fn tables() -> Vec<String> {
    vec![TABLE.to_owned()]
}

/// Statements that fill the table, for any engine.
pub fn inserts() -> String {
    let rows = (1..=ROWS).map(|i| {
        // Out of order, so that pages are split.
        let i = i * 7919 % (ROWS + 1);
        format!("({i}, '{}', '{}', '{}', '{}')", name(i), token(i), korean(i), big(i))
    });
    format!("INSERT INTO {TABLE} (id, name, token, korean, big) VALUES {};", rows.collect::<Vec<_>>().join(", "))
}

fn who(i: usize) -> &'static str {
    if i.is_multiple_of(3) { "canary" } else { "living" }
}

fn name(i: usize) -> String {
    format!("{}-{i:04}", who(i))
}

fn token(i: usize) -> String {
    format!("token/{}/{:08x}", who(i), i * 2_654_435_761 % 4_294_967_291)
}

fn korean(i: usize) -> String {
    format!("서울시 {}구 {i:04}번지", who(i))
}

/// Ten thousand bytes that do not repeat themselves.
fn big(i: usize) -> String {
    let mut state = i as u64 + 1;
    let mut text = format!("{}/{i:04}/", who(i));
    while text.len() < 10_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{:x}", state >> 8));
    }
    text
}

/// What the canaries held. `declared`: the types of name, token, Korean and big.
pub fn values(declared: [&str; 4]) -> Vec<Value> {
    let of = |i: usize| {
        let texts = [name(i), token(i), korean(i), big(i)];
        let columns = ["name", "token", "korean", "big"];
        let all = columns.into_iter().zip(declared).zip(texts);
        all.map(|((column, declared), text)| Value::new(TABLE, column, declared, true, text.as_bytes()))
            .collect::<Vec<_>>()
    };
    (3..=ROWS).step_by(3).flat_map(of).collect()
}

pub const GONE: &str = "DELETE FROM people WHERE id % 3 = 0;";

pub fn wiping(tables: &[String], level: WipeLevel, locking: Locking) -> WipeJob<'_> {
    WipeJob { tables, level, locking, bytes_per_second: None, now: now() }
}

pub fn searching<'a>(tables: &'a [String], values: &'a [Value]) -> SearchJob<'a> {
    SearchJob { tables, values, rewritten: false, now: now() }
}

/// Searches after every table was written anew.
pub fn searching_anew<'a>(tables: &'a [String], values: &'a [Value]) -> SearchJob<'a> {
    SearchJob { rewritten: true, ..searching(tables, values) }
}

/// Why a location was not searched.
pub fn unsearched<'a>(search: &'a Search, location: &str) -> Option<&'a str> {
    let place = search.places.iter().find(|place| place.name == location);
    place.unwrap_or_else(|| panic!("no location {location}: {search:?}")).unsearched.as_deref()
}

pub fn now() -> DateTime<Utc> {
    "2026-11-22T03:00:00Z".parse().unwrap()
}

/// Within a window of three hours.
pub fn within() -> Locking {
    Locking::Until("2026-11-22T06:00:00Z".parse().unwrap())
}

/// Values found at a location.
pub fn found(search: &Search, location: &str) -> usize {
    let place = search.places.iter().find(|place| place.name == location);
    place.unwrap_or_else(|| panic!("no location {location}: {search:?}")).found.len()
}

/// Every location was searched, and nothing was found anywhere.
pub fn assert_clean(search: &Search) {
    for place in &search.places {
        assert_eq!(place.unsearched, None, "{}", place.name);
        assert!(place.found.is_empty(), "{} of {}: {:?}", place.found.len(), place.name, place.places);
    }
    assert!(search.places.len() > 4 && search.places.iter().map(|place| place.bytes).sum::<u64>() > 1 << 20);
}
