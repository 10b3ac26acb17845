//! A real ledger with many destructions, written by the program's own append, and
//! the page over it: it opens, turns its pages, and tells every row again from the
//! entries. The suite makes one thousand; `RETENTIOND_DESTRUCTIONS=100000` makes as
//! many as a large company has in years (docs/BENCHMARKS.md).

use std::{collections::BTreeMap, env, fs, path::Path, time::Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use retentiond::{
    adapters::{
        clock::FixedClock,
        ledger::{Context, FileLedger, open_read_only, signing_key},
    },
    domain::{
        id::OperationId,
        ledger::event::{DestroyIntent, DestroyOutcome, DestroyResult, Event},
        verdict::Finding,
    },
    ports::Ledger as _,
};

use crate::{
    browser::Browser,
    page::{Page, press_verify},
    shop::{UNTIL, config, copy, demonstration, run, verifier_key},
};

const TOGETHER: usize = 100;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// What one destruction writes. Dates, counts and verdicts differ.
fn destruction(number: usize) -> Vec<Event> {
    let operation = OperationId(format!("019aa000-0000-7000-8000-{number:012}.1"));
    let date = NaiveDate::from_ymd_opt(2019, 1, 1).unwrap() + Days::new(number as u64 % 2_500);
    let records = 1 + number as u64 % 977;
    let children = BTreeMap::from([("addresses".to_owned(), records * 2)]);
    let columns = ["email", "id", "name", "phone", "withdrawn_at"].map(str::to_owned).to_vec();
    let finding = match number % 3 {
        0 => Finding::pass(),
        _ => Finding::unknown("the root lay on flash, and flash may keep old copies of a block"),
    };
    vec![
        Event::DestroyIntent(DestroyIntent {
            operation: operation.clone(),
            rule: "member".into(),
            hold: None,
            dates: vec![date],
            segments: 1,
            records,
            children: children.clone(),
            epoch: 1_000 + number as u64,
            fields: BTreeMap::from([("shop.members".to_owned(), columns)]),
            holidays: None,
        }),
        Event::KeyDestroyed {
            operation: operation.clone(),
            epoch: 1_000 + number as u64,
            keys: 1,
            method: "key epoch replaced; root overwritten, read back and unlinked".to_owned(),
            finding: finding.clone(),
        },
        Event::CiphertextDeleted { operation: operation.clone(), segments: 1, bytes: records * 130 },
        Event::DestroyOutcome(DestroyOutcome {
            operation,
            rule: "member".into(),
            result: DestroyResult::Destroyed,
            buckets: 1,
            records,
            children,
            first: date,
            last: date,
            due: Some(instant("2026-11-30T15:00:00Z")),
            latest: Some(instant("2026-12-05T15:00:00Z")),
            late_seconds: if number.is_multiple_of(50) { 3_600 } else { 0 },
            finding,
        }),
    ]
}

fn append(state: &Path, destructions: usize) {
    let folder = state.join("ledger");
    let history = open_read_only(&folder, |_| {}).unwrap().history;
    let (opened, policy) = (history.opened.unwrap(), history.policy.unwrap().digest);
    let context = Context { run: "large".into(), policy, actor: "retentiond".into(), host: "db1".into() };
    let key = signing_key::load(&state.join("ledger.key")).unwrap();
    let clock = FixedClock(instant("2026-12-05T18:00:00Z"));
    let mut ledger = FileLedger::open(&folder, &opened.origin, key, context, clock).unwrap();
    let numbers: Vec<usize> = (0..destructions).collect();
    for some in numbers.chunks(TOGETHER) {
        ledger.append(some.iter().flat_map(|number| destruction(*number)).collect()).unwrap();
    }
}

#[test]
fn a_real_ledger_of_many_destructions_opens_and_every_row_follows_from_its_entries() {
    let destructions = env::var("RETENTIOND_DESTRUCTIONS").map_or(1_000, |text| text.parse().unwrap());
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("demo");
    copy(demonstration(), &dir);
    let begun = Instant::now();
    append(&dir.join("state"), destructions);
    println!("{destructions} destructions written in {:?}", begun.elapsed());
    let begun = Instant::now();
    let html = run(&["--config", &config(&dir), "--now", UNTIL, "report", "--lang", "en"]);
    println!("a page of {} bytes in {:?}", html.len(), begun.elapsed());
    if let Ok(place) = env::var("RETENTIOND_PAGE") {
        fs::write(place, &html).unwrap();
    }
    let page = Page::of(html);
    let browser = Browser::open(1280);
    // Printed and not asserted: other tests and browsers run at the same time.
    println!("opened in {:?}", browser.go(&page.file));
    let begun = Instant::now();
    assert_eq!(press_verify(&browser, &page, &verifier_key()), "intact", "{}", browser.text("#verdict"));
    println!("verified in {:?}", begun.elapsed());

    // One count among thousands that no entry bears out.
    let doctored = page.with_entries(|lines| {
        let place = lines.rfind("\"type\":\"destroy.outcome\"").unwrap();
        let line = lines[..place].rfind("\"records\":").unwrap();
        format!("{}\"records\":9{}", &lines[..line], &lines[line + "\"records\":".len()..])
    });
    assert_eq!(press_verify(&browser, &doctored, &verifier_key()), "tampered");
    let said = browser.text("#verdict");
    assert!(said.contains("records"), "{said}");
}
