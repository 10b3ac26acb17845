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
    daemon::eventually,
    servers::{Database, Engine, Server},
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
