//! What keeps a daemon from starting, and what does not.

use std::net::TcpListener;

use super::{
    daemon::{CYCLE_FAILED, CYCLE_FINISHED, Daemon, EVERY_SECOND, deployment, eventually, world},
    world::{LATER, NOW, RULES, World, set_mode},
};

#[test]
fn a_second_daemon_ends_with_75_and_commands_work_beside_the_first() {
    let world = world("cycle = \"0 0 3 1 1 *\"");
    let mut daemon = Daemon::start(&world);
    daemon.waits_for_phase("idle");
    world.at(LATER, &["daemon"]).ends_with(75).says(&["another daemon is at work here"]);
    eventually("the count", || (!daemon.status()["daemon"]["owed"].is_null()).then_some(()));
    // Later than the daemon's clock: a ledger does not go back.
    let now = "2026-11-29T05:00:00+09:00";
    let before = world.rows();
    for command in [&["run"][..], &["run", "--rule", "visit-log"]] {
        world.at(now, command).ends_with(75).says(&["a daemon runs the cycles here", "its next one starts", "--plan"]);
    }
    assert_eq!(world.rows(), before, "it has begun nothing");
    for command in [
        &["status"][..],
        &["plan", "--out", "plan.json"],
        &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"],
        &["read", "--subject", "2", "--by", "desk", "--reason", "asked"],
        &["hold", "add", "--subject", "3", "--by", "counsel", "--reason", "a case", "--review", "2027-05-20"],
        &["hold", "list"],
        &["ledger", "verify"],
    ] {
        let code = world.at(now, command).code;
        // What is asked for may be due, gone or nobody's; never is it another runner's.
        assert!(code.is_some_and(|code| code != 75 && code != 70), "{command:?} ends with {code:?}");
    }
    world.at(now, &["plan", "--out", "plan.json"]).ends_with(0);
    world.at(now, &["approve", "--plan", "plan.json", "--by", "K. Officer"]).ends_with(0);
    world.at(now, &["run", "--plan", "plan.json", "--by", "officer"]).ends_with(0);
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(0));
    world.at(now, &["run"]).ends_with(0);
}

#[test]
fn where_nothing_is_initialised_or_a_file_is_wrong_nothing_starts() {
    let world = World::with(&deployment(EVERY_SECOND), RULES);
    world.run(&["daemon"]).ends_with(78).says(&["there is no vault yet"]);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    set_mode(&world.path("retention-rules.toml"), 0o666);
    world.at(NOW, &["daemon"]).ends_with(78).says(&["may be changed by others"]);
}

#[test]
fn under_a_changed_rules_file_the_daemon_keeps_the_adopted_policy_and_ends_with_77() {
    let world = world("cycle = \"0 0 3 1 1 *\"");
    world.write("retention-rules.toml", &RULES.replace("\"5 days\"", "\"6 days\""));
    let mut daemon = Daemon::start(&world);
    daemon.waits_for_phase("idle");
    assert_eq!(daemon.status()["policy"]["adopted"], false);
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(77));
}

#[test]
fn a_credential_that_cannot_be_had_stops_the_start() {
    let world = world(EVERY_SECOND);
    let keys = "[keys]\nkek = { credential = \"retentiond-kek\" }\n\n[ledger]";
    world.write("retentiond.toml", &deployment(EVERY_SECOND).replace("[ledger]", keys));
    world.at(LATER, &["daemon"]).ends_with(78).says(&["secret retentiond-kek cannot be had"]);
}

#[test]
fn a_port_in_use_stops_the_start_and_only_this_host_may_be_listened_at() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let world = world(EVERY_SECOND);
    let listen = |place: &str| deployment(EVERY_SECOND).replace("unix:metrics.sock", place);
    world.write("retentiond.toml", &listen(&address));
    world.at(LATER, &["daemon"]).ends_with(78).says(&["metrics cannot be served at", &address, "hint:"]);
    world.write("retentiond.toml", &listen("0.0.0.0:9187"));
    world.at(LATER, &["daemon"]).ends_with(78).says(&["is not a loopback address"]);
}

#[test]
fn a_missing_ledger_stops_the_start_with_70_instead_of_being_made_anew() {
    let world = world(EVERY_SECOND);
    world.remove("state/ledger");
    world.at(LATER, &["daemon"]).ends_with(70).says(&["missing, while the other parts exist"]);
    assert!(!world.path("state/ledger").exists());
}

#[test]
fn a_source_that_is_down_at_the_start_is_tried_again_and_the_others_run() {
    let other = "[[source]]\nname = \"log\"\nurl  = \"sqlite://shop/log.db\"\n\n[vault]";
    let text = deployment(EVERY_SECOND).replacen("[vault]", other, 1);
    let visits = "source  = \"shop\"\ntable   = \"visits\"";
    let text = text.replace(visits, "source  = \"log\"\ntable   = \"visits\"");
    let world = World::with(&text, RULES);
    let create = "CREATE TABLE visits (id INTEGER PRIMARY KEY, member_id INTEGER, agent TEXT, visited_at DATETIME);
                  CREATE INDEX visits_visited_at ON visits (visited_at);
                  INSERT INTO visits VALUES (1, 1, 'agent/1', '2020-01-01 10:00:00');";
    super::world::sqlite3(&world.path("shop/log.db"), &[], create);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.reviewed_run(NOW).ends_with(0);
    let (shop, away) = (world.path("shop/shop.db"), world.path("away.db"));
    std::fs::rename(&shop, &away).unwrap();
    super::world::sqlite3(
        &world.path("shop/log.db"),
        &[],
        "INSERT INTO visits VALUES (2, 1, 'agent/2', '2020-02-01 10:00:00');",
    );

    let mut daemon = Daemon::start(&world);
    daemon.logs(CYCLE_FAILED, 1);
    let left = super::world::sqlite3(&world.path("shop/log.db"), &["-readonly"], "SELECT count(*) FROM visits");
    assert_eq!(left.trim(), "0", "the rule of the other source ran");
    eventually("the degraded source", || (daemon.metric("retentiond_source_up{source=\"shop\"}") == 0.0).then_some(()));
    assert_eq!(daemon.metric("retentiond_source_up{source=\"log\"}"), 1.0);
    let (code, body) = daemon.get("/readyz");
    assert_eq!((code, body.contains("source shop cannot be reached")), (503, true), "{body}");

    std::fs::rename(&away, &shop).unwrap();
    daemon.logs(CYCLE_FINISHED, 1);
    eventually("the source", || (daemon.metric("retentiond_source_up{source=\"shop\"}") == 1.0).then_some(()));
    daemon.signal("TERM");
    assert_eq!(daemon.ends().code(), Some(0));
}
