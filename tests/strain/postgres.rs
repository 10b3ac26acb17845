//! A streaming standby of PostgreSQL, seen from the primary and from itself.

use chrono::TimeDelta;
use retentiond::{
    adapters::{engine::Server as Place, strain::Probe},
    domain::{
        deployment::{Engine as Kind, Limits, LoadSignal, ServerAddress},
        pace::{Pace, Step, Strain, Waiting},
    },
};

use super::{
    daemon::{CYCLE_FINISHED, Daemon, deployment, eventually},
    servers::{Database, Engine, Server},
    world::{NOW, RULES, World},
};

fn address(database: &Database<'_>, user: &str) -> ServerAddress {
    let url = database.url_of(user);
    ServerAddress::parse(Kind::Postgres, url.strip_prefix("postgres://").unwrap()).unwrap()
}

fn place(database: &Database<'_>, user: &str) -> Place {
    Place { address: address(database, user), root_certificate: None, password: None }
}

fn read(probe: &mut Probe) -> Strain {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe.read())
}

/// The limit of the tests is one second.
fn step(strain: &Strain) -> Step {
    let mut limits = Limits::default();
    limits.replica_lag_max.0 = TimeDelta::seconds(1);
    Pace::new(&limits).step(&limits, strain, 0)
}

#[test]
fn a_standby_that_stops_replaying_is_waited_for_until_it_has_caught_up() {
    let primary = Server::start(Engine::Postgres, &[]);
    let database = primary.database();
    database.run("CREATE TABLE t (i int); CREATE ROLE plain LOGIN; CREATE ROLE monitor LOGIN IN ROLE pg_monitor");
    let standby = Server::standby_of(&primary);
    let behind = || standby.query_of(&database, "SELECT pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()");

    let mut streaming = Probe::new(place(&database, "monitor"), None, None);
    let itself = standby.address_of(&database, "monitor");
    let itself = ServerAddress::parse(Kind::Postgres, itself.strip_prefix("postgres://").unwrap()).unwrap();
    let mut asked = Probe::new(place(&database, "monitor"), Some(&[itself]), None);
    eventually("a standby that has caught up", || {
        let strain = read(&mut streaming);
        (strain.replica_lag == Some(TimeDelta::zero()) && strain.unknown.is_none()).then_some(())
    });

    standby.query_of(&database, "SELECT pg_wal_replay_pause()");
    database.run("INSERT INTO t SELECT generate_series(1, 1000)");
    eventually("the lag as the primary sees it", || {
        matches!(step(&read(&mut streaming)), Step::Wait { waiting: Waiting::ReplicaLag { .. }, .. }).then_some(())
    });
    eventually("the lag as the standby sees it", || {
        matches!(step(&read(&mut asked)), Step::Wait { waiting: Waiting::ReplicaLag { .. }, .. }).then_some(())
    });
    assert_eq!(behind(), "t");

    standby.query_of(&database, "SELECT pg_wal_replay_resume()");
    for probe in [&mut streaming, &mut asked] {
        eventually("the end of the lag", || matches!(step(&read(probe)), Step::Go { .. }).then_some(()));
    }
    assert_eq!(behind(), "f");

    // Who may not see the lag is not told that there is none.
    let strain = read(&mut Probe::new(place(&database, "plain"), None, None));
    assert!(strain.unknown.as_ref().is_some_and(|reason| reason.contains("GRANT pg_monitor")), "{strain:?}");
    assert!(matches!(step(&strain), Step::Wait { .. }));

    // The primary is no replica, and a standby that is gone does not answer.
    let mut wrong = Probe::new(place(&database, "monitor"), Some(&[address(&database, "monitor")]), None);
    assert!(read(&mut wrong).unknown.unwrap().contains("is no replica"));
    standby.stop();
    eventually("the silence", || read(&mut asked).unknown);

    // A source that is gone is no strained one: its next batch says so.
    primary.stop();
    for probe in [&mut streaming, &mut asked] {
        assert!(matches!(step(&read(probe)), Step::Go { .. }));
    }
}

#[test]
fn the_operators_own_signal_is_compared_with_its_limit_and_cannot_write() {
    let server = super::servers::postgres();
    let database = server.database();
    database.run("CREATE TABLE t AS SELECT 1 AS i");
    let probe = |sql: &str, max| {
        let load = LoadSignal { sql: sql.to_owned(), max };
        read(&mut Probe::new(place(&database, "admin"), Some(&[]), Some(load)))
    };
    assert!(matches!(step(&probe("SELECT 40.5", 41)), Step::Go { .. }));
    assert!(matches!(step(&probe("SELECT 40.5", 40)), Step::Wait { waiting: Waiting::Load(_), .. }));
    assert!(matches!(step(&probe("SELECT 'much'", 40)), Step::Wait { waiting: Waiting::Load(_), .. }), "no number");
    let strain = probe("INSERT INTO t VALUES (2) RETURNING 1", 40);
    assert!(strain.unknown.is_some(), "{strain:?}");
    assert_eq!(database.number("SELECT count(*) FROM t"), 1);
}

const ROWS: i64 = 4_000;
const ROWS_PER_SECOND: i64 = 1_000;

/// Only visits, in batches of 100, from a PostgreSQL server that knows its standbys.
fn text(source: &str) -> String {
    let all = deployment("cycle = \"* * * * * *\"");
    let (head, _) = all.split_once("[[dataset]]").unwrap();
    let head = head.replace("url  = \"sqlite://shop/shop.db\"", &format!("url  = \"{source}\""));
    let limits = format!("[limits]\nreplica_lag_max = \"1 second\"\nrows_per_second = {ROWS_PER_SECOND}");
    let head = head.replace("[limits]", &limits);
    format!(
        "{head}[[dataset]]\nrule    = \"visit-log\"\nsource  = \"shop\"\ntable   = \"visits\"\nkey     = [\"id\"]\n\
         subject = \"member_id\"\nevents.recorded = \"visited_at\"\nwipe    = \"none\"\n"
    )
}

/// How many seconds a replica is behind, by the reason of the wait; with the words
/// that name the limit.
fn lag_waited_for(daemon: &Daemon<'_>) -> Option<f64> {
    let status = daemon.status();
    let reason = status["daemon"]["waiting"].as_str()?.to_owned();
    let (lag, rest) = reason.strip_prefix("a replica is ")?.split_once(" seconds behind; ")?;
    assert_eq!(rest, "replica_lag_max is 1 seconds");
    lag.parse().ok()
}

#[test]
fn a_cycle_that_a_standby_cannot_follow_stops_in_its_middle_and_the_lag_is_not_fed_until_it_has_caught_up() {
    let primary = Server::start(Engine::Postgres, &[]);
    let database = primary.database();
    database.run(
        "CREATE TABLE visits (id BIGINT PRIMARY KEY, member_id BIGINT, visited_at TIMESTAMP NOT NULL);
         CREATE INDEX ON visits (visited_at)",
    );
    let insert = |from: i64, count: i64| {
        let to = from + count - 1;
        database.run(&format!(
            "INSERT INTO visits SELECT i, 1, '2020-01-02 10:00:00' FROM generate_series({from}, {to}) i"
        ));
    };
    let left = || database.number("SELECT count(*) FROM visits");
    let standby = Server::standby_of(&primary);
    let on_standby = || standby.query_of(&database, "SELECT count(*) FROM visits");
    let world = World::with(&text(&database.url()), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    insert(1, 10);
    eventually("the rows on the standby", || (on_standby() == "10").then_some(()));
    world.reviewed_run(NOW).ends_with(0);

    insert(1_001, ROWS);
    eventually("the rows on the standby", || (on_standby() == ROWS.to_string()).then_some(()));
    let mut daemon = Daemon::start(&world);
    // In the middle of the cycle the standby stops to replay: it still receives
    // everything, and what it shows gets older.
    eventually("the first batches", || (left() < ROWS).then_some(()));
    standby.query("SELECT pg_wal_replay_pause()");
    let first = eventually("the wait for the standby", || lag_waited_for(&daemon));
    let at_the_wait = left();
    // What was moved between the pause and the limit: the rows of a second, of the
    // batch that was open, and of the time between two looks at the lag.
    assert!(at_the_wait > 0, "the cycle was over before the lag was seen: nothing is shown");
    eventually("a lag of three times the limit", || lag_waited_for(&daemon).filter(|lag| *lag > first.max(3.0)));
    assert_eq!(left(), at_the_wait, "not a row moved while the standby was beyond its limit");
    assert!(on_standby().parse::<i64>().unwrap() > at_the_wait, "the standby shows an older state");
    assert!(daemon.log().iter().all(|line| line["message_id"] != CYCLE_FINISHED), "the cycle is still open");

    standby.query("SELECT pg_wal_replay_resume()");
    eventually("the rest of the cycle", || (left() == 0).then_some(()));
    eventually("the standby", || (on_standby() == "0").then_some(()));
    eventually("the end of the cycle", || (daemon.count(CYCLE_FINISHED) > 0).then_some(()));
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(0));
}
