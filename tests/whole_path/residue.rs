//! What the files of the source hold of rows that left: searched for by a cycle,
//! and by a person.

use serde_json::Value;

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World};

/// Every dataset rewritten and searched for.
fn world(backups: &str) -> World {
    let declared = format!("url  = \"sqlite://shop/shop.db\"\nmedium = \"encrypted\"\nbackups.kept = \"{backups}\"\n");
    let deployment = DEPLOYMENT.replacen("url  = \"sqlite://shop/shop.db\"\n", &declared, 1);
    let verified = "[[dataset]]\nwipe = \"rewrite\"\nverify = \"residue-scan\"\n";
    let world = World::with(&deployment.replace("[[dataset]]\n", verified), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world
}

fn entries(world: &World, kind: &str) -> Vec<Value> {
    let listed = world.run(&["ledger", "list", "--type", kind, "--format", "json"]).ends_with(0).json();
    listed.as_array().unwrap().clone()
}

fn text_of(world: &World, sql: &str) -> String {
    world.sql(sql).trim().to_owned()
}

fn scan(world: &World, value: &str) -> super::world::Outcome {
    world.write("value", &format!("{value}\n"));
    world.run(&["residue", "scan", "--source", "shop", "--value-file", "value", "--format", "json"])
}

#[test]
fn a_cycle_searches_every_file_and_its_certificate_says_what_was_found_where() {
    let world = world("none");
    let due = text_of(&world, "SELECT agent FROM visits ORDER BY visited_at LIMIT 1");
    let living = text_of(&world, "SELECT agent FROM visits ORDER BY visited_at DESC LIMIT 1");
    let report = world.reviewed_run(NOW).ends_with(0).json();
    assert_eq!(report["verdict"], "PASS", "{report}");
    let scans = entries(&world, "residue.scanned");
    assert_eq!(scans.len(), 1);
    let places = scans[0]["locations"].as_array().unwrap();
    let states = places.iter().map(|place| format!("{} {}", place["name"], place["state"])).collect::<Vec<_>>();
    assert_eq!(states, ["\"main\" \"clean\"", "\"wal\" \"clean\"", "\"journal\" \"clean\""]);
    assert!(scans[0]["sample"]["values"].as_u64().unwrap() > 10, "{scans:?}");
    assert_eq!(entries(&world, "residue.closed")[0]["by"], "scan");
    assert_eq!(world.status(NOW)["residue"], serde_json::json!([]));
    // The same question by a person, for a row that left and one that stayed.
    assert!(due != living && due.len() > 8, "{due} {living}");
    let gone = scan(&world, &due).ends_with(0).json();
    assert_eq!((&gone["found"], &gone["living"]), (&false.into(), &false.into()), "{gone}");
    let there = scan(&world, &living).ends_with(1).json();
    assert_eq!((&there["found"], &there["living"]), (&true.into(), &true.into()), "{there}");
    for (name, bytes) in &world.files("state").0 {
        assert!(memchr::memmem::find(bytes, due.as_bytes()).is_none(), "the value is in {}", name.display());
    }
}

#[test]
fn a_value_in_a_forgotten_page_is_found_and_a_short_one_is_refused() {
    let world = world("none");
    world.reviewed_run(NOW).ends_with(0);
    // A page behind the end of the database, as a crash may leave one.
    let mut page = vec![0; 4_096];
    page[1_000..1_017].copy_from_slice(b"alice@example.com");
    let path = world.path("shop/shop.db");
    let before = std::fs::read(&path).unwrap();
    std::fs::write(&path, [before, page].concat()).unwrap();
    let planted = scan(&world, "alice@example.com").ends_with(1).json();
    let main = planted["locations"].as_array().unwrap().iter().find(|place| place["name"] == "main").unwrap();
    assert_eq!((&main["state"], &main["places"][0]), (&"residue".into(), &"shop.db".into()), "{planted}");
    assert_eq!(planted["living"], false);
    scan(&world, "short").ends_with(2).says(&["at least 8"]);
    world.run(&["residue", "scan", "--source", "none", "--value-file", "value"]).ends_with(2).says(&["no source none"]);
}

#[test]
fn a_destruction_is_open_until_the_backups_that_hold_its_rows_are_gone() {
    let world = world("10 days");
    assert_eq!(world.reviewed_run(NOW).ends_with(0).json()["verdict"], "UNKNOWN");
    world.at(LATER, &["run"]).ends_with(0);
    let open = &world.status(LATER)["residue"][0];
    assert_eq!(open["closes"], "2026-12-01T18:00:00Z", "{open}");
    assert!(!open["destructions"].as_array().unwrap().is_empty(), "{open}");
    let shown = world.at(LATER, &["status"]).ends_with(0).stdout;
    assert!(shown.contains("residue") && shown.contains("closes at 2026-12-02 03:00"), "{shown}");
    world.at("2026-12-02T03:00:00+09:00", &["run"]).ends_with(0);
    assert_eq!(world.status(LATER)["residue"], serde_json::json!([]));
    let closed = entries(&world, "residue.closed");
    assert_eq!((closed.len(), &closed[0]["by"]), (1, &"date".into()));
}
