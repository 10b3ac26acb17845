//! MariaDB: a server of its own for each test, and the separate store on
//! PostgreSQL.

use std::path::Path;

use super::{
    life::{fill, from_the_closed_window_to_the_certificate},
    rows::{LEAVING, flush},
    servers::{Engine, Server, postgres},
    traces::Traces,
    world::{DECLARED, NEXT_SUNDAY, SUNDAY, SUNDAY_LATER, World, reasons},
};

/// Memory without a disk below it: what is overwritten there is gone.
const MEMORY: &str = "/dev/shm";

fn classes(world: &World<'_>) -> Vec<(&'static str, Vec<String>)> {
    let tables = ["members", "notes"].map(|table| format!("{}/{table}", world.database.name()));
    vec![
        ("tables", tables.to_vec()),
        ("undo and doublewrite", vec!["ibdata".to_owned()]),
        ("redo", vec!["ib_logfile".to_owned()]),
        ("statistics", vec!["mysql/column_stats".to_owned()]),
    ]
}

#[test]
fn a_rewrite_leaves_nothing_from_the_closed_window_to_the_certificate() {
    let server = Server::start(Engine::MariaDb, &[]);
    let world = World::new(&server, postgres(), Path::new(MEMORY));
    from_the_closed_window_to_the_certificate(&world, true, classes);
}

#[test]
fn what_a_rebuild_leaves_in_the_logs_is_found_and_fails_the_cycle() {
    let server = Server::start(Engine::MariaDb, &[]);
    let world = World::new(&server, postgres(), Path::new(MEMORY));
    fill(&world);
    world.deploy(&world.database.url(), "engine", DECLARED);
    let cycle = world.first_cycle(SUNDAY, 1);
    assert_eq!(cycle["verdict"], "FAIL", "{cycle}");
    flush(&world);
    let left = world.traces();
    let classes = classes(&world);
    let of = |class: &str| left.in_class(&classes, class).len();
    assert_eq!(of("tables"), 0, "{left:?}");
    assert_eq!(of("redo"), LEAVING, "{left:?}");
    assert!(of("statistics") > 0, "{left:?}");
    let states = world.states();
    let state = |name: &str| states.iter().find(|(location, _)| location == name).unwrap().1.as_str();
    for (location, expected) in [("ibd", "clean"), ("redo", "residue"), ("column_stats", "residue")] {
        assert_eq!(state(location), expected, "{location}: {states:?}");
    }
    world.assert_sealed();
}

#[test]
fn a_binary_log_keeps_the_case_open_until_it_is_purged_or_its_date_has_passed() {
    let options = ["--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--binlog-expire-logs-seconds=864000"];
    let server = Server::start(Engine::MariaDb, &options);
    let world = World::new(&server, postgres(), Path::new(MEMORY));
    fill(&world);
    world.deploy(&world.database.url(), "rewrite", DECLARED);
    let cycle = world.first_cycle(SUNDAY, 0);
    assert_eq!(cycle["verdict"], "UNKNOWN", "{cycle}");
    let said = reasons(&cycle);
    assert!(said.len() == 1 && said[0].contains("binlog") && said[0].ends_with("gone by 2026-12-01"), "{cycle}");
    let left = world.traces();
    assert_eq!(left.of(|file| file.starts_with("binlog")).len(), LEAVING);
    assert!(left.0.keys().all(|file| file.starts_with("binlog")), "{:?}", left.0.keys());
    let open = &world.json(&["status", "--now", SUNDAY])["residue"][0];
    assert_eq!(open["closes"], "2026-12-01T18:00:00Z", "{open}");

    world.cycle(SUNDAY_LATER);
    assert_eq!(world.json(&["status", "--now", SUNDAY_LATER])["residue"].as_array().unwrap().len(), 1);
    world.database.run("FLUSH BINARY LOGS;");
    let newest = world.database.query("SHOW MASTER STATUS").split('\t').next().unwrap().to_owned();
    world.database.run(&format!("PURGE BINARY LOGS TO '{newest}';"));
    assert_eq!(world.traces(), Traces::default());
    world.cycle(SUNDAY_LATER);
    let closed = world.newest("residue.closed");
    assert_eq!((&closed["by"], &closed["finding"]["verdict"]), (&"scan".into(), &"PASS".into()), "{closed}");
    world.cycle(NEXT_SUNDAY);
    assert_eq!(world.json(&["status", "--now", NEXT_SUNDAY])["residue"], serde_json::json!([]));
}
