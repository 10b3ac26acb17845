//! Killed at every failpoint that a life gets to, in each of its steps: at the first
//! and at the last arrival.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    life::{Faults, Life, Points, STEPS},
    servers::{Engine, Server, mariadb, postgres},
    store::Store,
    world::{Fault, World},
};

/// A ledger grows, and opening it takes longer.
const ROUNDS_OF_A_LIFE: usize = 12;

/// The first and the last arrival at each point of each step.
fn arrivals(points: &Points, wanted: impl Fn(&str) -> bool) -> Vec<Vec<(&'static str, Fault)>> {
    let of_step = |step: &'static str| {
        let names: BTreeSet<&String> = points[step].iter().filter(|name| wanted(name)).collect();
        let mut faults = Vec::new();
        for name in names {
            let last = u32::try_from(points[step].iter().filter(|point| *point == name).count()).unwrap();
            faults.extend(BTreeSet::from([1, last]).into_iter().map(|number| (step, Fault::At(name.clone(), number))));
        }
        faults
    };
    STEPS.into_iter().map(of_step).collect()
}

/// Lives until every fault has happened, one of each step in a round.
fn live_through<'s>(make: impl Fn() -> World<'s>, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut life = Life::begin(make());
    let mut points = Some(Points::new());
    life.round(&Faults::new(), &mut points);
    let points = points.unwrap();
    let steps = arrivals(&points, wanted);
    let faults: usize = steps.iter().map(Vec::len).sum();
    let mut killed = 0;
    for round in 0..steps.iter().map(Vec::len).max().unwrap() {
        if round > 0 && round % ROUNDS_OF_A_LIFE == 0 {
            killed += life.killed;
            std::mem::replace(&mut life, Life::begin(make())).end();
        }
        let faults: Faults = steps.iter().filter_map(|faults| faults.get(round).cloned()).collect();
        life.round(&faults, &mut None);
    }
    killed += life.killed;
    life.end();
    // The last arrival of a point may not come to be after an earlier round left
    // less to do; the first always does.
    assert!(killed as usize * 10 >= faults * 9, "only {killed} of {faults} faults happened");
    println!("killed at {killed} of {faults} arrivals");
    points.into_values().flatten().collect()
}

/// Names of the points in the sources.
fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (call, sides) in [("failpoint::reach(", &[""][..]), ("failpoint::around(", &[" before", " after"])] {
            for rest in text.split(call).skip(1) {
                let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()).unwrap();
                names.extend(sides.iter().map(|side| format!("{name}{side}")));
            }
        }
    }
    names
}

/// Points that a life without a fault on files does not get to: those inside of a
/// server's tables, those of `init`, of reading, of a rotation of the signing
/// key and of dropping old lines, which have tests of their own, and those of undoing a batch, which have a
/// place in the table of faults.
const ELSEWHERE: [&str; 19] = [
    "source.deleted-some",
    "source.inserted-some",
    "ledger.handed-over",
    "signing-key.erased",
    "file.rest-flushed",
    "ledger.before-written",
    "ledger.prune-on-record",
    "ledger.pruned",
    "ledger.bundles-removed",
    "ledger.lines-gone",
    "reading.between",
    "init.keyring",
    "init.signing-key",
    "init.ledger",
    "init.vault",
    "source.rollback before",
    "source.rollback after",
    "vault.drop_batch before",
    "vault.drop_batch after",
];

#[test]
fn killed_at_every_failpoint_a_life_on_files_comes_to_the_same_end() {
    let reached = live_through(World::in_files, |_| true);
    let missed: Vec<String> = declared().difference(&reached).cloned().collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.into();
    assert!(missed.iter().all(|name| elsewhere.contains(name.as_str())), "no test gets to {missed:?}");
}

fn of_a_database(point: &str) -> bool {
    point.starts_with("source.") || point.starts_with("vault.")
}

#[test]
fn killed_at_every_call_of_a_database_a_life_from_postgresql_to_mariadb_comes_to_the_same_end() {
    let make = || World::new(|_| (Store::Server(postgres().database()), Store::Server(mariadb().database())));
    live_through(make, of_a_database);
}

#[test]
fn killed_at_every_call_of_a_database_a_life_from_mariadb_to_postgresql_comes_to_the_same_end() {
    let make = || World::new(|_| (Store::Server(mariadb().database()), Store::Server(postgres().database())));
    live_through(make, of_a_database);
}

#[test]
fn killed_between_any_two_deletions_a_life_of_tables_without_transactions_comes_to_the_same_end() {
    let server = Server::start(Engine::MariaDb, &["--default-storage-engine=MyISAM"]);
    let make = || World::new(|_| (Store::Server(server.database()), Store::Server(postgres().database())));
    let reached = live_through(make, of_a_database);
    assert!(reached.contains("source.deleted-some") && reached.contains("source.inserted-some"), "{reached:?}");
    let kept = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema LIKE 't%' AND table_type = 'BASE TABLE'";
    assert_eq!(server.query(kept), "MyISAM");
}

#[test]
fn an_init_killed_anywhere_is_finished_or_named_and_never_taken_for_whole() {
    let now = ["--now", "2026-11-22T03:00:00+09:00"];
    let init = [&["init", "--simulation"], &now[..]].concat();
    let points = World::in_files().points_of(&init);
    let names: BTreeSet<String> = points.iter().cloned().collect();
    for name in names {
        let last = points.iter().filter(|point| **point == name).count();
        for arrival in BTreeSet::from([1, last]) {
            let world = World::in_files();
            let fault = Fault::At(name.clone(), u32::try_from(arrival).unwrap());
            assert!(world.suffer(&init, &fault), "{fault:?}");
            // Either nothing is there, and it can be made; or all is; or the
            // command says what is missing and ends with 70.
            let status = world.output(&[&["status"], &now[..]].concat());
            match status.status.code() {
                Some(0) => {
                    let again = world.output(&init);
                    let said = String::from_utf8_lossy(&again.stderr).into_owned();
                    assert!(again.status.success() || said.contains("hint:"), "{fault:?}: {said}");
                    world.done(&["ledger", "verify"]);
                }
                Some(70) => assert!(String::from_utf8_lossy(&status.stderr).contains("hint:"), "{fault:?}"),
                code => panic!("{fault:?}: {code:?}: {}", String::from_utf8_lossy(&status.stderr)),
            }
        }
    }
}
