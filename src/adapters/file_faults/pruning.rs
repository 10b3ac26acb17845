//! Dropping old lines of the ledger on a disk that fails.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Days, Months, NaiveDate, Utc};

use super::{
    FAULTS, Image, Loss, folder,
    image::LOSSES,
    ledgers::{ORIGIN, context, entries, key},
    with,
};
use crate::{
    adapters::ledger::{FileLedger, Outlook, open_read_only, outlook, verify},
    domain::ledger::{event::Event, history::History, prune::PrunePermit},
    ports::{Clock, Ledger, LedgerError},
};

/// The old lines are of the first day, and what comes after of a later one.
struct Day(u64);

impl Clock for Day {
    fn read(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Days::new(self.0)
    }
}

fn open(dir: &Path) -> Result<FileLedger<Day>, LedgerError> {
    FileLedger::open(dir, ORIGIN, key(), context(), Day(9))
}

/// Two full bundles of old lines, of which the first was dropped already.
fn create(dir: &Path) {
    let opened = Event::LedgerOpened { origin: ORIGIN.into(), simulation: true, version: "0".into() };
    let mut ledger = FileLedger::create(dir, ORIGIN, key(), context(), Day(0), vec![opened]).unwrap();
    ledger.append(entries(299)).unwrap();
    let found = look(dir);
    ledger.prune(&found, "K. Officer").unwrap();
    ledger.append(entries(300)).unwrap();
    open(dir).unwrap().append(entries(3)).unwrap();
}

fn look(dir: &Path) -> Outlook {
    let history = open_read_only(dir, |_| {}).unwrap().history;
    let date = NaiveDate::default() + Days::new(1);
    let now = Day(1).read() + Months::new(60);
    let permit = PrunePermit::issue(date, now, chrono_tz::UTC, &history).unwrap();
    outlook(dir, &permit, BTreeSet::new()).unwrap().unwrap()
}

fn prune(dir: &Path) -> Result<(), LedgerError> {
    open(dir)?.prune(&look(dir), "K. Officer")
}

/// Bundles of lines, and files of what was kept, that an entry says are gone.
fn left_of_the_gone(dir: &Path, history: &History) -> Vec<PathBuf> {
    let Some(last) = history.pruned.iter().rfind(|pruned| pruned.gone.is_some()) else { return Vec::new() };
    let bundles = (0..last.pruned.cut / 256).map(|index| dir.join(format!("tile/entries/{index:03}")));
    let before = history.pruned.iter().filter(|pruned| pruned.pruned.cut < last.pruned.cut);
    let before = before.map(|pruned| dir.join(format!("before/{}", pruned.pruned.cut)));
    bundles.chain(before).filter(|path| path.exists()).collect()
}

/// Nothing or all of it is dropped, in the end, and said once; the same entries are
/// there to be read.
fn recover(dir: &Path, done: bool, situation: &str) {
    let seen = open_read_only(dir, |_| {}).unwrap_or_else(|error| panic!("{situation}: {error}"));
    assert_eq!(left_of_the_gone(dir, &seen.history), Vec::<PathBuf>::new(), "{situation}");
    let mut ledger = open(dir).unwrap_or_else(|error| panic!("{situation}: {error}"));
    let pruned = ledger.history().pruned.len();
    assert_eq!(ledger.head().size, seen.head.size, "{situation}");
    assert!(pruned == 2 || (pruned == 1 && !done), "{situation}: {pruned}");
    let untold = usize::from(ledger.history().open_prune().is_some());
    assert!(untold == 0 || !done, "{situation}");
    let problems = verify(dir, &[], None, None).unwrap().problems;
    assert_eq!(problems.len(), untold, "{situation}: {problems:?}");
    ledger.append(entries(1)).unwrap_or_else(|error| panic!("{situation}, again: {error}"));
    assert_eq!(ledger.head().size, seen.head.size + 1 + untold as u64, "{situation}");
    if pruned == 1 {
        prune(dir).unwrap_or_else(|error| panic!("{situation}, again: {error}"));
    }
    let problems = verify(dir, &[], None, None).unwrap().problems;
    assert_eq!(problems, Vec::<String>::new(), "{situation}");
}

#[test]
fn no_loss_of_power_at_any_call_of_a_prune_takes_a_line_that_is_not_on_record() {
    let scratch = folder();
    let dir = scratch.path().join("ledger");
    with(None, || create(&dir));
    let before = Image::of(&dir);
    let (result, calls) = with(None, || prune(&dir));
    result.unwrap();
    assert!(calls.len() > 20, "{calls:?}");
    for made in 0..=calls.len() {
        for loss in LOSSES {
            let situation = format!("power lost after {made} of {} calls, {loss:?}", calls.len());
            before.clone().after(&calls[..made]).write(loss);
            with(None, || recover(&dir, made == calls.len(), &situation));
        }
    }
}

#[test]
fn a_call_of_a_prune_that_fails_is_reported_and_a_start_goes_on_from_there() {
    let scratch = folder();
    let dir = scratch.path().join("ledger");
    with(None, || create(&dir));
    let before = Image::of(&dir);
    let calls = with(None, || prune(&dir)).1.len();
    for call in 0..calls {
        for fault in FAULTS {
            let situation = format!("{fault:?} at call {call}");
            before.write(Loss::Nothing);
            let (result, _) = with(Some((call, fault)), || prune(&dir));
            assert!(result.is_err(), "{situation}");
            with(None, || recover(&dir, false, &situation));
        }
    }
}
