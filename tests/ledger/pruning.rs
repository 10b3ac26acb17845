//! Old lines that are dropped on record: what is left verifies, continues and
//! answers, and what is missing without a record is tampering.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use retentiond::{
    adapters::ledger::{FileLedger, Outlook, Read, founding_key, open_read_only, outlook, read_whole, verify},
    domain::{
        hold::Category,
        id::Digest,
        ledger::{
            event::{Event, HoldPlaced, LedgerDropped, LedgerPruned},
            prune::PrunePermit,
            verify::Verdict,
        },
    },
    ports::{Clock, Ledger, LedgerError},
};

use crate::fixture::*;

/// A day for each append.
#[derive(Debug, Clone, Copy)]
pub struct Daily(pub u64);

impl Clock for Daily {
    fn read(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Days::new(self.0)
    }
}

pub fn date(day: u64) -> NaiveDate {
    NaiveDate::default() + Days::new(day)
}

pub fn opened(dir: &Path, day: u64) -> Result<FileLedger<Daily>, LedgerError> {
    FileLedger::open(dir, ORIGIN, key(), context(), Daily(day))
}

fn hold(name: &str) -> Event {
    Event::HoldPlaced(HoldPlaced {
        hold: name.into(),
        rule: Some("member".into()),
        dataset: None,
        whose: None,
        category: Category::Litigation,
        review: date(1),
        freeze: false,
        by: "C. Counsel".into(),
        placed: DateTime::UNIX_EPOCH,
    })
}

/// Entries of each day.
const DAILY: usize = 37;
pub const DAYS: u64 = 40;

/// A ledger of 40 days and 1,484 entries, in it two holds, one of them lifted. The files of one are
/// made once.
pub fn months() -> (tempfile::TempDir, PathBuf) {
    static FILES: std::sync::OnceLock<BTreeMap<PathBuf, Vec<u8>>> = std::sync::OnceLock::new();
    let made = FILES.get_or_init(|| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ledger");
        let mut ledger = FileLedger::create(&dir, ORIGIN, key(), context(), Daily(0), first()).unwrap();
        ledger.append(vec![hold("stands"), hold("lifted")]).unwrap();
        for day in 0..DAYS {
            let mut ledger = opened(&dir, day).unwrap();
            ledger.append(notes(DAILY)).unwrap();
            if day == 3 {
                let lifted = Event::HoldLifted { hold: "lifted".into(), by: "b".into(), reason: "r".into() };
                ledger.append(vec![lifted]).unwrap();
            }
        }
        let name = |path: PathBuf| path.strip_prefix(parent.path()).unwrap().to_owned();
        files(&dir).into_iter().map(|(path, bytes)| (name(path), bytes)).collect()
    });
    let parent = tempfile::tempdir().unwrap();
    made.iter().for_each(|(name, bytes)| put(&parent.path().join(name), bytes));
    let dir = parent.path().join("ledger");
    (parent, dir)
}

/// What may be dropped of lines before a day, five years after it.
pub fn look(dir: &Path, day: u64) -> Option<Outlook> {
    let history = open_read_only(dir, |_| {}).unwrap().history;
    let now = Daily(day).read() + Months::new(60);
    let permit = PrunePermit::issue(date(day), now, chrono_tz::UTC, &history).unwrap();
    outlook(dir, &permit, BTreeSet::new()).unwrap()
}

pub fn prune(dir: &Path, day: u64) -> u64 {
    let mut ledger = opened(dir, DAYS + day).unwrap();
    let found = look(dir, day).unwrap();
    ledger.prune(&found, "K. Officer").unwrap();
    found.cut
}

pub fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_left_verifies_against_every_checkpoint_and_says_what_was_dropped() {
    let (_parent, dir) = months();
    let kept_elsewhere: Vec<PathBuf> = files(&dir.join("checkpoints")).into_keys().collect();
    let old = lines(&dir.join("ledger.jsonl"));
    assert_eq!(prune(&dir, 20), 512);
    let left = lines(&dir.join("ledger.jsonl"));
    assert_eq!(left[..left.len() - 2], old[512..]);
    let last = left.last().unwrap();
    assert!(last.contains("\"type\":\"ledger.dropped\"") && last.contains("\"cut\":512"), "{last}");
    let before = lines(&dir.join("before/512"));
    assert_eq!(before[1..4], old[..3], "opened, policy and the hold that stands");
    assert!(!before.iter().any(|line| line.contains("\"hold\":\"lifted\"")));
    assert!(!dir.join("tile/entries/001").exists() && dir.join("tile/entries/002").exists());
    assert!(dir.join("tile/0/001").exists());

    let found = verify(&dir, &kept_elsewhere, None, None).unwrap();
    assert_eq!((found.verdict, &found.problems), (Verdict::Intact, &vec![]));
    assert_eq!(found.entries, old.len() as u64 + 2);
    let [told] = &found.pruned[..] else { panic!("{:?}", found.pruned) };
    assert_eq!((told.cut, told.dropped, told.kept), (512, 513 - before.len() as u64, before.len() as u64 - 1));
    assert_eq!((told.by.as_str(), told.before, told.seq), ("K. Officer", date(20), old.len() as u64));
    assert_eq!(told.gone, Some(Daily(DAYS + 20).read()));
    assert!(last.contains(&format!("\"lines\":{}", told.dropped)), "{last}");

    // It continues, and every reader finds what it needs.
    let mut ledger = opened(&dir, 70).unwrap();
    assert!(ledger.history().holds.contains_key(&"stands".into()));
    ledger.append(notes(300)).unwrap();
    assert_eq!(problems(&dir), Vec::<String>::new());
    assert_eq!(founding_key(&dir).unwrap(), verifier().to_string());
    let mut seen = (0, 0);
    read_whole(&dir, |read| match read {
        Read::Line(..) => seen.0 += 1,
        Read::Dropped(_) => seen.1 += 1,
        Read::Carried(carried) => assert_eq!((carried.cut, seen), (512, (told.kept, told.dropped))),
    })
    .unwrap();
    assert_eq!(seen, (old.len() as u64 + 302 - told.dropped, told.dropped));
}

#[test]
fn a_second_prune_goes_on_from_the_first_and_the_same_one_again_finds_nothing() {
    let (parent, dir) = months();
    let kept = parent.path().join("kept");
    fs::copy(dir.join("checkpoints/4"), &kept).unwrap();
    prune(&dir, 10);
    assert_eq!((look(&dir, 10), look(&dir, 0)), (None, None));
    assert_eq!(prune(&dir, 30), 1024);
    assert_eq!(fs::read_dir(dir.join("before")).unwrap().count(), 1);
    let found = verify(&dir, &[kept], None, None).unwrap();
    assert_eq!((found.verdict, found.problems), (Verdict::Intact, vec![]));
    assert_eq!(found.pruned.len(), 2);
    let dropped: u64 = found.pruned.iter().map(|pruned| pruned.dropped).sum();
    assert_eq!(dropped + found.pruned[1].kept, 1024);
    assert_eq!(prune(&dir, DAYS + 20), 1280);
    assert_eq!(problems(&dir), Vec::<String>::new());
    // By now the first two are before the cut, both entries of each, and still there.
    opened(&dir, 140).unwrap().append(notes(300)).unwrap();
    assert_eq!(prune(&dir, 150), 1536);
    let found = verify(&dir, &[], None, None).unwrap();
    assert_eq!(found.pruned.len(), 4);
    assert!(found.pruned.iter().all(|pruned| pruned.gone.is_some()), "{:?}", found.pruned);
    let kept = fs::read_to_string(dir.join("before/1536")).unwrap();
    assert_eq!(["ledger.pruned", "ledger.dropped"].map(|kind| kept.matches(kind).count()), [3, 3]);
    assert_eq!(problems(&dir), Vec::<String>::new());
}

#[test]
fn lines_are_dropped_with_a_permit_for_the_ledger_as_it_is_or_not_at_all() {
    let (_parent, dir) = months();
    let found = look(&dir, 20).unwrap();
    let mut ledger = opened(&dir, DAYS).unwrap();
    ledger.append(notes(1)).unwrap();
    let before = files(&dir);
    let refused = ledger.prune(&found, "K. Officer").unwrap_err();
    assert!(matches!(&refused, LedgerError::Write { reason } if reason.contains("since")), "{refused}");
    let pruned = LedgerPruned {
        by: "K. Officer".into(),
        before: date(20),
        cut: 512,
        dropped: 512,
        kept: 0,
        file: Digest::of(b""),
        root: Digest::of(b""),
    };
    for event in [Event::LedgerPruned(pruned), Event::LedgerDropped(LedgerDropped { cut: 512, lines: 512 })] {
        for refused in [ledger.append(vec![note("a"), event.clone()]), ledger.append_in_doubt(vec![event.clone()])] {
            assert!(matches!(&refused, Err(LedgerError::Write { reason }) if reason.contains("permit")), "{refused:?}");
        }
    }
    assert!(files(&dir) == before, "something was written");
    ledger.prune(&look(&dir, 20).unwrap(), "K. Officer").unwrap();
    assert_eq!(problems(&dir), Vec::<String>::new());
}

#[test]
fn handovers_before_the_cut_are_still_followed() {
    let (_parent, dir) = months();
    let next = SigningKey::from_bytes(&[8; 32]);
    let mut ledger = opened(&dir, DAYS).unwrap();
    ledger.rekey(next.clone(), "K. Officer").unwrap();
    drop(ledger);
    let again = |day| FileLedger::open(&dir, ORIGIN, next.clone(), context(), Daily(day)).unwrap();
    again(DAYS).append(notes(400)).unwrap();
    let found = look(&dir, DAYS + 1).unwrap();
    assert_eq!(found.cut, 1792);
    again(90).prune(&found, "K. Officer").unwrap();
    let given = verifier().to_string();
    let found = verify(&dir, &[], None, Some(&given)).unwrap();
    assert_eq!((found.problems, found.handovers.len()), (vec![], 1));
    assert_eq!(founding_key(&dir).unwrap(), given);
}

/// Tampered: by the verdict, and by a start that refuses.
fn tampered(dir: &Path, what: &str) {
    assert_eq!(verdict(dir), Verdict::Tampered, "{what}");
    assert!(is_unknown(&opened(dir, 99)), "{what}");
    assert!(is_unknown(&open_read_only(dir, |_| {})), "{what}");
}

#[test]
fn lines_that_are_missing_without_a_record_are_tampering() {
    let (_parent, dir) = months();
    let path = dir.join("ledger.jsonl");
    let old = lines(&path);
    let keep = |from: usize| put(&path, (old[from..].join("\n") + "\n").as_bytes());
    for from in [1, 255, 256, 512] {
        keep(from);
        tampered(&dir, &format!("lines before {from} are missing"));
    }
    // A file of kept lines that nobody has signed does not help.
    keep(0);
    prune(&dir, 20);
    let before = fs::read(dir.join("before/512")).unwrap();
    let pruned = lines(&path);
    let (_other, dir) = months();
    let path = dir.join("ledger.jsonl");
    put(&dir.join("before/512"), &before);
    put(&path, (pruned[..pruned.len() - 2].join("\n") + "\n").as_bytes());
    for bundle in ["tile/entries/000", "tile/entries/001"] {
        fs::remove_file(dir.join(bundle)).unwrap();
    }
    tampered(&dir, "no entry says so");
    assert!(problems(&dir).iter().any(|text| text.contains("no entry ledger.pruned")), "{:?}", problems(&dir));
}

#[test]
fn more_or_less_than_the_record_says_is_tampering() {
    let (_parent, dir) = months();
    prune(&dir, 20);
    let (path, kept) = (dir.join("ledger.jsonl"), dir.join("before/512"));
    let (rest, before) = (lines(&path), lines(&kept));
    let put_lines = |path: &Path, lines: &[String]| put(path, (lines.join("\n") + "\n").as_bytes());
    put_lines(&path, &rest[256..]);
    tampered(&dir, "256 more lines are gone");
    put_lines(&path, &rest);
    for without in 0..before.len() {
        let mut fewer = before.clone();
        fewer.remove(without);
        put_lines(&kept, &fewer);
        tampered(&dir, &format!("kept line {without} is gone"));
    }
    fs::remove_file(&kept).unwrap();
    tampered(&dir, "what was kept is gone");
    put_lines(&kept, &before);
    // Sums that nobody has signed.
    put_lines(
        &kept,
        &[vec![before[0].replace("\"in_vault\":{}", "\"in_vault\":{\"member\":1}")], before[1..].to_vec()].concat(),
    );
    tampered(&dir, "other sums");
    put_lines(&kept, &before);
    let tile = dir.join("tile/0/001");
    let hashes = fs::read(&tile).unwrap();
    fs::remove_file(&tile).unwrap();
    tampered(&dir, "hashes of dropped lines are gone");
    put(&tile, &hashes);
    assert_eq!(verdict(&dir), Verdict::Undecided);
    opened(&dir, 99).unwrap();
}

#[test]
fn an_auditor_who_reads_while_lines_are_dropped_sees_no_tampering() {
    let (_parent, dir) = months();
    let reader = {
        let dir = dir.clone();
        std::thread::spawn(move || {
            loop {
                let found = verify(&dir, &[], None, None).unwrap();
                assert_eq!(found.problems, Vec::<String>::new());
                open_read_only(&dir, |_| {}).unwrap();
                if found.entries > 1700 {
                    return;
                }
            }
        })
    };
    for day in [10, 20, 30, 38] {
        prune(&dir, day);
    }
    opened(&dir, 99).unwrap().append(notes(300)).unwrap();
    reader.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_single_bit_that_is_flipped_in_a_pruned_ledger_is_found(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (_parent, dir) = months();
        prune(&dir, 25);
        let all: Vec<_> = files(&dir).into_iter().collect();
        let (path, bytes) = file.get(&all);
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        put(path, &flipped);
        prop_assert_eq!(verdict(&dir), Verdict::Tampered, "{}", path.display());
    }
}
