//! Back into the source, with a name and a reason, until due.

use super::{
    shop::Rows,
    world::{LATER, NOW, Outcome, World},
};

const BY: [&str; 6] = ["--by", "desk", "--reason", "도용에 의한 탈퇴", "--format", "json"];

fn restore(world: &World, now: &str, target: &[&str]) -> Outcome {
    world.at(now, &[&["restore"], target, &BY].concat())
}

/// The row of a member as it was, but for the event that moved it.
fn not_withdrawn(rows: &Rows, member: u32) -> Rows {
    let mut rows = rows.clone();
    let row = rows.0.get_mut(&("members".to_owned(), member)).unwrap();
    let (kept, _) = row.rsplit_once(',').unwrap();
    *row = format!("{kept},NULL);");
    rows
}

#[test]
fn by_subject_everything_of_a_person_comes_back_byte_for_byte_without_the_withdrawal() {
    let world = World::simulation();
    let before = world.rows();
    world.reviewed_run(NOW).ends_with(0);
    let separated = world.rows();
    let restored = restore(&world, NOW, &["--subject", "1"]).ends_with(0).json();
    assert_eq!(restored["restored"], serde_json::json!({"contract": 1, "member": 1, "payment": 1}));
    assert_eq!(restored["due"], 0);

    let person = before.of_member(1);
    assert_eq!(person.0.len(), 1 + 2 + 1 + 2 + 1, "member, addresses, order, lines, payment");
    let mut expected = separated;
    expected.0.extend(not_withdrawn(&person, 1).0);
    assert_eq!(world.rows(), expected);
    assert_eq!(world.sql("PRAGMA integrity_check; PRAGMA foreign_key_check;"), "ok\n");

    let entries = world.run(&["ledger", "list", "--type", "restore.intent", "--format", "json"]).ends_with(0);
    assert!(entries.stdout.contains("desk") && entries.stdout.contains("도용에 의한 탈퇴"), "{}", entries.stdout);
    // A member who is back stays.
    let run = world.at(NOW, &["run", "--format", "json"]).ends_with(0).json();
    assert_eq!(run["separated"], serde_json::json!([]));
    assert_eq!(world.rows(), expected);
}

#[test]
fn the_event_can_be_kept_and_then_the_next_cycle_moves_the_person_again() {
    let world = World::simulation();
    let before = world.rows();
    world.reviewed_run(NOW).ends_with(0);
    let separated = world.rows();
    restore(&world, NOW, &["--subject", "1", "--keep-event"]).ends_with(0);
    let mut expected = separated.clone();
    expected.0.extend(before.of_member(1).0);
    assert_eq!(world.rows(), expected);
    world.at(NOW, &["run"]).ends_with(0);
    assert_eq!(world.rows(), separated);
    restore(&world, NOW, &["--subject", "1"]).ends_with(0);
}

#[test]
fn one_record_comes_back_by_rule_and_key() {
    let world = World::simulation();
    let before = world.rows();
    world.reviewed_run(NOW).ends_with(0);
    let separated = world.rows();
    let restored = restore(&world, NOW, &["--rule", "member", "--key", "4"]).ends_with(0).json();
    assert_eq!(restored["restored"], serde_json::json!({"member": 1}));
    let mut person = not_withdrawn(&before.of_member(4), 4);
    person.0.retain(|(table, _), _| matches!(table.as_str(), "members" | "addresses"));
    let mut expected = separated;
    expected.0.extend(person.0);
    assert_eq!(world.rows(), expected);
    // The others of his records are still there to come back.
    let rest = restore(&world, NOW, &["--subject", "4"]).ends_with(0).json();
    assert_eq!(rest["restored"], serde_json::json!({"contract": 1, "payment": 1}));
}

#[test]
fn records_of_a_person_that_are_due_stay_in_the_vault_and_are_counted() {
    let world = World::separated();
    let restored = restore(&world, NOW, &["--subject", "2"]).ends_with(0).json();
    assert_eq!(restored["restored"], serde_json::json!({"contract": 1, "member": 1, "payment": 1}));
    assert_eq!(restored["due"], 2, "an order of 2018 and its payment");
}

#[test]
fn a_second_restoration_is_refused_and_changes_nothing() {
    let world = World::separated();
    restore(&world, NOW, &["--subject", "1"]).ends_with(0);
    let rows = world.rows();
    restore(&world, NOW, &["--subject", "1"]).ends_with(77).says(&["nothing to restore"]);
    restore(&world, NOW, &["--rule", "member", "--key", "1"]).ends_with(77);
    assert_eq!(world.rows(), rows);
}

#[test]
fn what_is_due_is_not_restored() {
    let world = World::separated();
    let rows = world.rows();
    // Overdue from the start, and due a minute later.
    restore(&world, NOW, &["--subject", "5", "--rule", "member"]).ends_with(77).says(&["due for destruction"]);
    restore(&world, "2026-11-26T00:00:00+09:00", &["--subject", "1", "--rule", "member"]).ends_with(77);
    assert_eq!(world.rows(), rows);
}

#[test]
fn until_the_last_moment_before_it_is_due_a_record_is_restored() {
    let world = World::separated();
    restore(&world, "2026-11-25T23:59:59+09:00", &["--subject", "1", "--rule", "member"]).ends_with(0);
    restore(&world, "2026-11-26T00:00:00+09:00", &["--subject", "3", "--rule", "member"]).ends_with(77);
}

#[test]
fn a_key_that_was_taken_meanwhile_refuses_the_whole_restoration() {
    let world = World::separated();
    world.sql("INSERT INTO members VALUES (1, 'new', 'someone else', NULL, NULL, NULL);");
    let rows = world.rows();
    let outcome = restore(&world, NOW, &["--subject", "1"]);
    assert!(matches!(outcome.code, Some(1 | 77)), "{outcome:?}");
    assert_eq!(world.rows(), rows);
    assert_eq!(world.status(NOW)["open"]["restorations"], 0);
    world.sql("DELETE FROM members WHERE id = 1;");
    restore(&world, NOW, &["--subject", "1"]).ends_with(0);
}

#[test]
fn nobody_restores_without_a_name_a_reason_or_a_target() {
    let world = World::separated();
    let rows = world.rows();
    let ledger = world.files("state/ledger");
    let commands: [&[&str]; 7] = [
        &["restore", "--subject", "1", "--reason", "asked"],
        &["restore", "--subject", "1", "--by", "desk"],
        &["restore", "--subject", "1", "--by", "", "--reason", "asked"],
        &["restore", "--subject", "1", "--by", "desk", "--reason", " "],
        &["restore", "--by", "desk", "--reason", "asked"],
        &["restore", "--key", "1", "--by", "desk", "--reason", "asked"],
        &["restore", "--subject", "1", "--key", "1", "--rule", "member", "--by", "desk", "--reason", "asked"],
    ];
    for command in commands {
        world.at(NOW, command).ends_with(2);
    }
    restore(&world, LATER, &["--subject", "1", "--rule", "nothing"]).ends_with(2).says(&["no rule nothing"]);
    assert_eq!((world.rows(), world.files("state/ledger")), (rows, ledger));
}
