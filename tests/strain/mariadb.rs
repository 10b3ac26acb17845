//! The whole way on MariaDB: a daemon whose source has a replica that falls behind.

use std::time::Duration;

use super::{
    daemon::{CYCLE_FINISHED, Daemon, deployment, eventually},
    servers::{Engine, Server},
    world::{NOW, RULES, World},
};

const ROWS: i64 = 2_000;

/// Only visits, in batches of 100, from a MariaDB server with a replica.
fn text(source: &str, replica: &str) -> String {
    let all = deployment("cycle = \"* * * * * *\"");
    let (head, _) = all.split_once("[[dataset]]").unwrap();
    let url = format!("url  = \"{source}\"\nreplicas = [\"{replica}\"]");
    let head = head.replace("url  = \"sqlite://shop/shop.db\"", &url);
    let head = head.replace("[limits]", "[limits]\nreplica_lag_max = \"1 second\"");
    format!(
        "{head}[[dataset]]\nrule    = \"visit-log\"\nsource  = \"shop\"\ntable   = \"visits\"\nkey     = [\"id\"]\n\
         subject = \"member_id\"\nevents.recorded = \"visited_at\"\nwipe    = \"none\"\n"
    )
}

#[test]
fn a_cycle_waits_for_a_replica_that_falls_behind_says_so_and_goes_on_when_it_has_caught_up() {
    let primary = Server::start(Engine::MariaDb, &["--log-bin=binlog", "--server-id=1"]);
    let replica = Server::start(Engine::MariaDb, &["--server-id=2"]);
    let database = primary.database();
    database.run(
        "CREATE TABLE visits (id BIGINT PRIMARY KEY, member_id BIGINT, visited_at DATETIME NOT NULL, KEY (visited_at))",
    );
    let port = primary.port();
    replica.query(&format!(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='admin', \
         MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START REPLICA"
    ));
    let there = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'visits'";
    eventually("a replica", || (replica.query(there) == "1").then_some(()));

    let world = World::with(&text(&database.url(), &replica.address_of(&database, "admin")), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    let insert = |from: i64, count: i64| {
        let to = from + count - 1;
        database.run(&format!("INSERT INTO visits SELECT seq, 1, '2020-01-02 10:00:00' FROM seq_{from}_to_{to}"));
    };
    insert(1, 10);
    eventually("the rows on the replica", || {
        (replica.query_of(&database, "SELECT count(*) FROM visits") == "10").then_some(())
    });
    world.reviewed_run(NOW).ends_with(0);

    // The replica stops: the daemon sees work, and does none of it.
    replica.query("STOP REPLICA SQL_THREAD");
    insert(1_001, ROWS);
    let mut daemon = Daemon::start(&world);
    let reason = |daemon: &Daemon<'_>| daemon.status()["daemon"]["waiting"].as_str().map(str::to_owned);
    eventually("the reason of the wait", || reason(&daemon).filter(|reason| reason.contains("is stopped")));
    assert_eq!(database.number("SELECT count(*) FROM visits"), ROWS);

    // It runs again, and an hour behind: what it gets now, it applies later.
    replica.query("STOP REPLICA; CHANGE MASTER TO MASTER_DELAY=3600; START REPLICA");
    // Until it has received something, such a server says that it is up to date.
    let lag = || reason(&daemon).filter(|reason| reason.contains("seconds behind; replica_lag_max is 1"));
    eventually("the lag", lag);
    let left = database.number("SELECT count(*) FROM visits");
    assert!(left > 0, "the cycle is not over");
    std::thread::sleep(Duration::from_secs(2));
    eventually("the same lag", lag);
    assert_eq!(database.number("SELECT count(*) FROM visits"), left, "nothing moves while it waits");

    replica.query("STOP REPLICA; CHANGE MASTER TO MASTER_DELAY=0; START REPLICA");
    eventually("the rest of the cycle", || (database.number("SELECT count(*) FROM visits") == 0).then_some(()));
    eventually("the replica", || (replica.query_of(&database, "SELECT count(*) FROM visits") == "0").then_some(()));
    daemon.logs(CYCLE_FINISHED, 1);
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(0));
}
