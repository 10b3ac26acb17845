//! What fits a mould says what the full reading says, and nothing fits that the
//! full reading refuses.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::{
    canonical,
    id::Digest,
    ledger::line::{
        self,
        tests::{entry_of, every_kind},
    },
};

fn steps() -> Vec<Entry> {
    every_kind().into_iter().filter(|event| Step::of(event).is_some()).map(entry_of).collect()
}

/// A line of another entry that differs in what entries of one kind differ in.
fn another(entry: &Entry, number: u64) -> Vec<u8> {
    let line = line::write(&Entry { seq: number, time: entry.time + TimeDelta::seconds(5), ..entry.clone() }).unwrap();
    let mut value: Value = serde_json::from_slice(&line).unwrap();
    for (key, field) in value.as_object_mut().unwrap() {
        match key.as_str() {
            "batch" | "operation" | "run" => *field = format!("019aa000-0000-7000-8000-{number:012}.1").into(),
            "bytes" | "buckets" | "epoch" | "keys" | "late_seconds" | "records" | "segments" => *field = number.into(),
            "children" => field.as_object_mut().unwrap().values_mut().for_each(|rows| *rows = number.into()),
            "first" | "last" => *field = "2031-12-31".into(),
            "digest" => *field = Digest::of(&number.to_be_bytes()).to_string().into(),
            _ => {}
        }
    }
    canonical::bytes(&value).unwrap()
}

fn told_of(line: &[u8]) -> (u64, DateTime<Utc>, StepKind, String) {
    let entry = line::read(line).unwrap();
    let step = Step::of(&entry.event).unwrap();
    (entry.seq, entry.time, step.kind, step.id.to_owned())
}

#[test]
fn a_line_like_one_before_it_is_told_without_reading_it_in_full() {
    assert!(steps().len() >= 6);
    for number in [0, 9, 10, 12_345, INTEGER_MAX] {
        let (mut moulds, lines) = learned(number);
        for line in lines {
            assert!(fits(&mut moulds, &line), "{}", String::from_utf8_lossy(&line));
        }
    }
}

#[test]
fn moulds_are_of_steps_only_and_few() {
    let mut moulds = Moulds::default();
    for event in every_kind().into_iter().filter(|event| Step::of(event).is_none()) {
        let line = line::write(&entry_of(event)).unwrap();
        moulds.read(&line).unwrap();
        assert_eq!(moulds.told(&line), None);
    }
    for host in 0..200 {
        for entry in steps() {
            moulds.read(&line::write(&Entry { host: format!("h{host}"), ..entry }).unwrap()).unwrap();
            assert!(moulds.known.len() <= MOULDS_MAX);
        }
    }
}

#[test]
fn another_version_and_a_long_line_make_no_mould() {
    let mut moulds = Moulds::default();
    for entry in steps() {
        let newer = canonical::bytes(&Entry { v: VERSION + 1, ..entry.clone() }).unwrap();
        moulds.read(&newer).unwrap();
        let long = line::write(&Entry { host: "h".repeat(LEARNED_BYTES_MAX), ..entry }).unwrap();
        moulds.read(&long).unwrap();
    }
    assert!(moulds.known.is_empty());
}

/// What was learned from every kind of step, and lines that fit.
fn learned(number: u64) -> (Moulds, Vec<Vec<u8>>) {
    let mut moulds = Moulds::default();
    let entries = steps();
    for entry in &entries {
        moulds.read(&line::write(entry).unwrap()).unwrap();
    }
    (moulds, entries.iter().map(|entry| another(entry, number)).collect())
}

/// Whether it fits; then the full reading must say the same.
fn fits(moulds: &mut Moulds, line: &[u8]) -> bool {
    let told = moulds.told(line);
    if let Some(told) = &told {
        let told = (told.seq, told.time, told.step.kind, told.step.id.to_owned());
        assert_eq!(told, told_of(line), "{}", String::from_utf8_lossy(line));
    }
    told.is_some()
}

#[test]
fn with_any_one_byte_more_less_or_changed_a_line_fits_only_if_it_is_read_in_full() {
    let mut found = 0;
    for number in [12, INTEGER_MAX] {
        let (mut moulds, lines) = learned(number);
        for line in lines {
            for at in 0..line.len() {
                for byte in *b"079-+:,\"\\}]Z.aF \x1f\xc3" {
                    let (mut changed, mut more) = (line.clone(), line.clone());
                    changed[at] = byte;
                    more.insert(at, byte);
                    found += usize::from(fits(&mut moulds, &changed)) + usize::from(fits(&mut moulds, &more));
                }
                let mut less = line.clone();
                less.remove(at);
                found += usize::from(fits(&mut moulds, &less));
            }
        }
    }
    assert!(found > 1_000, "{found}");
}

#[test]
fn a_number_of_many_digits_does_not_fit() {
    let (mut moulds, lines) = learned(INTEGER_MAX);
    for line in lines {
        let longer = String::from_utf8(line).unwrap().replace(&INTEGER_MAX.to_string(), &"9".repeat(40));
        assert!(!fits(&mut moulds, longer.as_bytes()), "{longer}");
    }
}

proptest! {
    /// Bytes of a line are changed, taken out and put in, alone and together.
    #[test]
    fn nothing_fits_that_the_full_reading_refuses_or_reads_otherwise(
        which in any::<prop::sample::Index>(),
        number in 0..=INTEGER_MAX,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, edit()), 1..4),
    ) {
        let (mut moulds, lines) = learned(number);
        let mut line = which.get(&lines).clone();
        for (at, what, byte) in edits {
            let at = at.index(line.len());
            match what {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                _ => drop(line.remove(at)),
            }
        }
        fits(&mut moulds, &line);
    }
}

/// Bytes that mean something in a line, and any other.
fn edit() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"0123456789-:,\"\\{}[]Z.T \x00\x1f\x7f\xc3\xa9".to_vec()), any::<u8>()]
}
