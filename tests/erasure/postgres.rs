//! PostgreSQL: a cluster of its own for each test, and the separate store on
//! MariaDB.

use std::env::temp_dir;

use retentiond::domain::verdict::Verdict;

use super::{
    life::{fill, from_the_closed_window_to_the_certificate, report},
    rows::{LEAVING, flush},
    servers::{Engine, Server, mariadb},
    traces::Traces,
    world::{DECLARED, NEXT_SUNDAY, SUNDAY, SUNDAY_LATER, World, reasons},
};

/// Files of a relation, asked of the server: their names change with each rewrite.
fn files(world: &World<'_>, which: &str) -> Vec<String> {
    let ask = format!("SELECT pg_relation_filepath(c.oid) FROM pg_class AS c WHERE {which}");
    world.database.query(&ask).lines().map(str::to_owned).collect()
}

const TOAST: &str = "c.oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'members')";

fn classes(world: &World<'_>) -> Vec<(&'static str, Vec<String>)> {
    let of = |which: &str| files(world, which);
    vec![
        ("heap", of("relname IN ('members', 'notes')")),
        ("indexes", of("relname LIKE 'members\\_%'")),
        ("toast", of(TOAST)),
        ("statistics", of("relname = 'pg_statistic'")),
        ("wal", vec!["pg_wal/".to_owned()]),
    ]
}

#[test]
fn a_rewrite_leaves_nothing_from_the_closed_window_to_the_certificate() {
    let server = Server::start(Engine::Postgres, &[]);
    let world = World::new(&server, mariadb(), &temp_dir());
    from_the_closed_window_to_the_certificate(&world, false, classes);
}

#[test]
fn what_a_vacuum_leaves_is_found_and_fails_the_cycle() {
    let server = Server::start(Engine::Postgres, &[]);
    let world = World::new(&server, mariadb(), &temp_dir());
    fill(&world);
    let out_of_line = world.traces().in_class(&classes(&world), "toast").len();
    assert_eq!(out_of_line, LEAVING / 4);
    world.deploy(&world.database.url(), "engine", DECLARED);
    let cycle = world.first_cycle(SUNDAY, 1);
    assert_eq!(cycle["verdict"], "FAIL", "{cycle}");
    flush(&world);
    let left = world.traces();
    let of = |class: &str| left.in_class(&classes(&world), class).len();
    assert_eq!((of("indexes"), of("toast")), (0, out_of_line), "indexes are new, and no page out of line is");
    assert!(of("heap") > 0 && of("wal") > 0, "{left:?}");
    let states = world.states();
    let state = |name: &str| states.iter().find(|(location, _)| location == name).unwrap().1.as_str();
    for (location, expected) in [("heap", "residue"), ("toast", "residue"), ("wal", "residue"), ("indexes", "clean")] {
        assert_eq!(state(location), expected, "{location}: {states:?}");
    }
    world.assert_sealed();
}

#[test]
fn a_slot_that_holds_the_log_keeps_the_case_open_and_is_named() {
    let server = Server::start(Engine::Postgres, &[]);
    let world = World::new(&server, mariadb(), &temp_dir());
    fill(&world);
    world.database.run("SELECT pg_create_physical_replication_slot('lost_standby', true);");
    world.deploy(&world.database.url(), "rewrite", DECLARED);
    let cycle = world.first_cycle(SUNDAY, 1);
    let named =
        reasons(&cycle).iter().any(|reason| reason.contains("replicas") && reason.contains("slot lost_standby"));
    assert!(named, "{cycle}");
    let files = world.traces();
    assert!(!files.0.is_empty() && files.0.keys().all(|file| file.starts_with("pg_wal/")), "{:?}", files.0.keys());
    let status = world.json(&["status", "--now", SUNDAY]);
    let open = &status["residue"][0];
    assert!(open["closes"].is_null() && open["reasons"].to_string().contains("lost_standby"), "{open}");
    world.cycle(SUNDAY_LATER);
    assert_eq!(world.json(&["status", "--now", SUNDAY_LATER])["residue"].as_array().unwrap().len(), 1);
    // The slot goes, and the application writes on until the log has gone round.
    world.database.run("SELECT pg_drop_replication_slot('lost_standby'); CHECKPOINT;");
    for _ in 0..server.query("SELECT count(*) + 1 FROM pg_ls_waldir()").parse().unwrap() {
        server.query("SELECT pg_switch_wal(); CHECKPOINT;");
    }
    assert_eq!(world.traces(), Traces::default());
    world.cycle(SUNDAY_LATER);
    assert_eq!(world.newest("residue.closed")["by"], "scan");
    assert_eq!(world.json(&["status", "--now", SUNDAY_LATER])["residue"], serde_json::json!([]));
}

#[test]
fn a_destruction_whose_source_could_not_be_searched_is_never_complete() {
    let server = Server::start(Engine::Postgres, &[]);
    let world = World::new(&server, mariadb(), std::path::Path::new("/dev/shm"));
    fill(&world);
    world.database.run(
        "CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA public TO plain; ALTER TABLE members OWNER TO plain;
         ALTER TABLE notes OWNER TO plain;",
    );
    world.deploy(&world.database.url_of("plain"), "engine", DECLARED);
    let cycle = world.first_cycle(SUNDAY, 0);
    assert_eq!(cycle["verdict"], "UNKNOWN", "{cycle}");
    assert!(world.states().iter().all(|(_, state)| state == "unsearched"), "{:?}", world.states());
    world.cycle(NEXT_SUNDAY);
    let report = report(&world);
    let done = &report["destructions"][0];
    let residue = done["parts"].as_array().unwrap().iter().find(|part| part["location"]["residue"] == "shop").unwrap();
    assert_eq!(residue["finding"]["verdict"], serde_json::to_value(Verdict::Unknown).unwrap(), "{residue}");
    assert!(residue["finding"]["reasons"].to_string().contains("was not searched"), "{residue}");
    assert_ne!(done["verdict"], "PASS", "{done}");
    assert_eq!(report["certificates"][0]["completed"], false);
    let open = &world.json(&["status", "--now", NEXT_SUNDAY])["residue"][0];
    assert_eq!(open["destructions"][0]["records"], LEAVING, "{open}");
}
