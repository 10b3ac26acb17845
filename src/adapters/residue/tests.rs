//! Every value is found wherever it stands, and nothing else is.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn value(bytes: &[u8]) -> Value {
    Value::new("t", "c", "TEXT", true, bytes)
}

fn matcher(values: &[&[u8]]) -> Matcher {
    let values: Vec<Value> = values.iter().map(|bytes| value(bytes)).collect();
    Matcher::new(Patterns::plain(&values))
}

fn found(matcher: &Matcher, text: &[u8]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    matcher.search(text, &mut found);
    found.into_iter().map(|pattern| matcher.patterns().value(pattern)).collect()
}

#[test]
fn every_value_is_found_wherever_it_stands() {
    let values: [&[u8]; 4] =
        [b"alice@example.com", "홍길동의 주소".as_bytes(), b"01012345678", b"\x00\x01\x02\x03\xff\xfe\xfd\xfc"];
    let matcher = matcher(&values);
    for (number, value) in values.iter().enumerate() {
        for before in 0..40 {
            for after in [0, 1, 50] {
                let text = [vec![b'x'; before].as_slice(), value, &vec![0; after]].concat();
                assert_eq!(found(&matcher, &text), BTreeSet::from([number]), "{before} {after}");
            }
        }
        assert!(found(&matcher, &value[..value.len() - 1]).is_empty());
        assert!(found(&matcher, &value[1..]).is_empty());
    }
    assert_eq!(found(&matcher, &values.concat()).len(), 4);
}

#[test]
fn a_value_on_the_edge_of_two_chunks_is_found() {
    let matcher = matcher(&[b"needle-in-the-stack"]);
    let needle = b"needle-in-the-stack";
    for before in [CHUNK_BYTES - 10, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES - 3] {
        let text = [vec![7; before].as_slice(), needle, &[7; 100]].concat();
        let mut pushed = Stream::new(&matcher);
        text.chunks(100_003).for_each(|part| pushed.push(part));
        assert_eq!((pushed.found.len(), pushed.bytes), (1, text.len() as u64), "{before}");
        let (mut read, mut rest) = (Stream::new(&matcher), text.as_slice());
        read.read_all(|space| std::io::Read::read(&mut rest, space)).unwrap();
        assert_eq!(read.found, pushed.found);
    }
}

#[test]
fn the_end_of_one_file_and_the_beginning_of_the_next_are_no_value() {
    let matcher = matcher(&[b"needle-in-the-stack"]);
    let mut stream = Stream::new(&matcher);
    stream.push(b"needle-in-");
    stream.begin();
    stream.push(b"the-stack");
    assert!(stream.found.is_empty());
}

#[test]
fn a_long_value_is_found_by_any_of_its_parts() {
    let long: Vec<u8> = (0..5_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
    let matcher = matcher(&[&long]);
    for part in [&long[..60], &long[long.len() / 2 - 60..long.len() / 2 + 60], &long[long.len() - 60..]] {
        assert_eq!(found(&matcher, part).len(), 1);
    }
    assert!(found(&matcher, &long[100..160]).is_empty());
}

#[test]
fn a_value_all_of_whose_parts_stand_in_living_rows_proves_nothing() {
    let long = [b"abcdefgh".repeat(20), b"12345678".repeat(20)].concat();
    let values = [value(&long), value(b"something else")];
    let patterns = Patterns::plain(&values);
    assert_eq!(living_values(&patterns, &BTreeSet::from([0, 1])), BTreeSet::new());
    assert_eq!(living_values(&patterns, &BTreeSet::from([0, 1, 2])), BTreeSet::from([0]));
    let mut tally = Tally::new("heap");
    tally.add("1234", 10, BTreeSet::from([0, 3]));
    let searched = tally.finish(&patterns, &BTreeSet::from([0]));
    assert_eq!((searched.found, searched.files), (BTreeSet::from([1]), 1));
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_a_plain_search(
        values in proptest::collection::vec(proptest::collection::vec(0..4_u8, 8..40), 1..30),
        text in proptest::collection::vec(0..4_u8, 0..3_000),
    ) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).filter(|value| value.iter().any(|byte| *byte != value[0])).collect();
        prop_assume!(!values.is_empty());
        let there = |value: &&[u8]| text.windows(value.len()).any(|window| window == *value);
        let expected: BTreeSet<usize> = (0..values.len()).filter(|number| there(&values[*number])).collect();
        prop_assert_eq!(found(&matcher(&values), &text), expected);
    }
}

/// Prints the speed; the bar of 1 GB/s a core is for an optimised build.
#[test]
fn many_values_are_searched_for_in_one_pass() {
    let values: Vec<Vec<u8>> = (0..1_200_u32)
        .map(|number| format!("value-{:08x}@example.com", number.wrapping_mul(2_654_435_761)).into_bytes())
        .collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let matcher = matcher(&values);
    let mut state = 1_u64;
    let mut text: Vec<u8> = (0..8 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    text[5_000_000..5_000_000 + values[7].len()].copy_from_slice(values[7]);
    let started = Instant::now();
    assert_eq!(found(&matcher, &text), BTreeSet::from([7]));
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.2} GB/s", text.len() as f64 / seconds / 1e9);
}

#[test]
fn a_file_that_cannot_be_read_leaves_its_location_unsearched() {
    let folder = tempfile::tempdir().unwrap();
    let matcher = matcher(&[b"needle-in-the-stack"]);
    std::fs::write(folder.path().join("one"), b"the needle-in-the-stack is here").unwrap();
    let mut tally = Tally::new("wal");
    files::search(&matcher, &folder.path().join("one"), "one", &mut tally);
    files::search(&matcher, &folder.path().join("gone"), "gone", &mut tally);
    assert_eq!((tally.found.len(), &tally.searched.unsearched), (1, &None), "what vanished holds nothing");
    // A folder opens, and does not read.
    files::search(&matcher, folder.path(), "folder", &mut tally);
    assert!(tally.searched.unsearched.as_ref().unwrap().contains("folder cannot be read"));
    let below = files::below(folder.path()).unwrap();
    assert_eq!(below, [folder.path().join("one")]);
}
