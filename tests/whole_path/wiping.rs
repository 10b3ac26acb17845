//! What is left of moved rows in the source's own file, where the application
//! wrote it as SQLite does by default: without `secure_delete`.

use super::{
    files::found,
    world::{DEPLOYMENT, NOW, RULES, World, outcome},
};

/// Visits enough for many pages, inserted out of order, so that pages were split
/// and rows copied; every second one is due.
const VISITS: &str = "
    PRAGMA secure_delete = OFF;
    DELETE FROM visits;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO visits
        SELECT i * 7919 % 3001, 1, printf('agent/%05d/canary', i * 7919 % 3001),
            iif(i % 2, '2022-06-01 10:00:00', '2026-06-01 10:00:00') FROM n;";

/// Moves the due visits under a level of wiping. Returns how many of their texts
/// are still in the source's files, and what the ledger says of the wipe.
fn left_after(level: &str) -> (usize, String) {
    let deployment = DEPLOYMENT.replace("[[dataset]]\n", &format!("[[dataset]]\nwipe = \"{level}\"\n"));
    let world = World::with(&deployment, RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.sql(VISITS);
    let before = world.rows();
    world.reviewed_run(NOW).ends_with(0);
    let after = world.rows();
    let mut gone = before;
    gone.0.retain(|key, _| !after.0.contains_key(key));
    assert!(gone.count("visits") == 1_500, "{gone:?}");
    let wiped = world.run(&["ledger", "list", "--type", "wipe.finished", "--format", "json"]).ends_with(0).json();
    let verdict = match wiped.as_array().unwrap().as_slice() {
        [] => "none".to_owned(),
        [wiped] => wiped["finding"]["verdict"].as_str().unwrap().to_owned(),
        more => panic!("{more:?}"),
    };
    (found(&world.files("shop"), &gone.texts()).len(), verdict)
}

#[test]
fn a_rewrite_leaves_no_text_of_a_moved_row_in_the_source() {
    assert_eq!(left_after("rewrite"), (0, "PASS".to_owned()));
}

#[test]
fn a_wipe_notices_what_the_application_left_behind_and_rewrites_a_small_file() {
    assert_eq!(left_after("engine"), (0, "PASS".to_owned()));
    // Without it, the application's page splits leave copies, or this shows nothing.
    let (left, verdict) = left_after("none");
    assert!(left > 0);
    assert_eq!(verdict, "none");
}

#[test]
fn a_rewrite_for_which_there_is_no_room_is_owed_and_done_when_there_is() {
    let deployment = DEPLOYMENT.replace("[[dataset]]\n", "[[dataset]]\nwipe = \"rewrite\"\n");
    let world = World::with(&deployment, RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.sql(VISITS);
    world.plan(NOW);
    let mut crowded = world.command(&["run", "--plan", "plan.json", "--by", "officer", "--now", NOW]);
    outcome(crowded.env("RETENTIOND_FREE_BYTES", "1000")).ends_with(0);
    let wipes = || world.run(&["ledger", "list", "--type", "wipe.finished", "--format", "json"]).ends_with(0).json();
    let (full, said) = (wipes(), wipes().to_string());
    assert_eq!((&full[0]["owed"], &full[0]["method"]), (&true.into(), &"none".into()), "{full}");
    assert!(said.contains("needs room for a copy") && said.contains("and 1000 are free"), "{said}");
    world.at(NOW, &["run"]).ends_with(0);
    let done = wipes();
    assert_eq!(
        (&done[1]["owed"], &done[1]["finding"]["verdict"]),
        (&serde_json::Value::Null, &"PASS".into()),
        "{done}"
    );
}
