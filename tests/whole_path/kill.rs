//! Killed in the middle, again and again: every row is in one place, once.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use super::{
    files::found,
    shop::Rows,
    world::{DEPLOYMENT, LATER, NOW, RULES, World, succeeds},
};

/// Visits that are due, and orders of 2018 with their lines and payments.
const VISITS: u64 = 600;
const TRIES: u32 = 20;

/// A template: reviewed once, with work for a cycle of many batches.
struct Template {
    world: World,
    plan: &'static str,
}

impl Template {
    fn new() -> Self {
        let deployment = DEPLOYMENT.replace("[guards]", "[limits]\nbatch_rows = 50\n\n[guards]\nmedian_factor = 1000");
        let world = World::with(&deployment, RULES);
        world.at(NOW, &["init", "--simulation"]).ends_with(0);
        world.reviewed_run(NOW).ends_with(0);
        world.sql(&format!(
            "BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 1000 + {VISITS})
             INSERT INTO visits SELECT i, 1, 'agent/' || i, date('2020-01-01', (i % 30) || ' days') || ' 10:00:00' FROM n;
             WITH RECURSIVE n(i) AS (SELECT 100001 UNION ALL SELECT i + 1 FROM n WHERE i < 100080)
             INSERT INTO orders SELECT i, 20, '2018-02-03 10:00:00', 'memo/' || i FROM n;
             INSERT INTO order_lines SELECT id * 10, id, 'product/' || id, 2 FROM orders WHERE id > 100000;
             INSERT INTO payments SELECT id * 10, id, 20, 'card/' || id, ordered_at FROM orders WHERE id > 100000;
             UPDATE members SET withdrawn_at = '2026-11-21 09:00:00' WHERE id BETWEEN 21 AND 35;
             COMMIT;"
        ));
        Self { world, plan: "plan.json" }
    }

    /// A deployment like the template, to be ruined.
    fn copy(&self) -> World {
        let copy = World::with(DEPLOYMENT, RULES);
        let target = copy.path(".");
        for folder in ["shop", "vault"] {
            copy.remove(folder);
        }
        let mut command = std::process::Command::new("cp");
        succeeds(command.arg("-a").arg(self.world.path(".")).arg(target));
        copy
    }
}

/// A generator of delays that is the same on every machine.
struct Delays(u64);

impl Delays {
    fn next_below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        limit.mul_f64((self.0 >> 40) as f64 / f64::from(1 << 24))
    }
}

/// Records in the vault by rule.
fn in_vault(world: &World, now: &str) -> Vec<(String, u64)> {
    let status = world.status(now);
    let rules = status["vault"].as_array().unwrap().iter();
    rules.map(|rule| (rule["rule"].as_str().unwrap().to_owned(), rule["records"].as_u64().unwrap())).collect()
}

const OPEN: [&str; 4] = ["separations", "restorations", "destructions", "wipes"];

/// Roots of every rule, in the source and in the vault together.
fn everywhere(world: &World, rows: &Rows, now: &str) -> Vec<u64> {
    let tables = [("member", "members"), ("contract", "orders"), ("payment", "payments"), ("visit-log", "visits")];
    let vault = in_vault(world, now);
    let held = |rule: &str| vault.iter().find(|(name, _)| name == rule).unwrap().1;
    tables.iter().map(|(rule, table)| rows.count(table) as u64 + held(rule)).collect()
}

#[track_caller]
fn settled(world: &World, now: &str) {
    let open = &world.status(now)["open"];
    assert!(OPEN.iter().all(|kind| open[kind] == 0), "{open}");
    world.run(&["ledger", "verify"]).ends_with(0);
    assert_eq!(world.sql("PRAGMA integrity_check; PRAGMA foreign_key_check;"), "ok\n");
}

/// Starts a command and kills it after a while. True if it was still at work.
fn killed_after(world: &World, arguments: &[&str], delay: Duration) -> bool {
    let mut child = world.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

#[test]
fn a_separation_killed_at_any_moment_loses_and_doubles_no_row() {
    let template = Template::new();
    let before = template.world.rows();
    let all = everywhere(&template.world, &before, NOW);

    let whole = template.copy();
    let started = Instant::now();
    whole.at(NOW, &["run"]).ends_with(0);
    let takes = started.elapsed();
    let after = whole.rows();
    assert_eq!(everywhere(&whole, &after, NOW), all);
    assert_eq!(after.count("visits") as u64, before.count("visits") as u64 - VISITS);

    let mut delays = Delays(20_261_122);
    let mut interrupted = 0;
    for number in 0..TRIES {
        let world = template.copy();
        let delay = delays.next_below(takes);
        let killed = if number % 2 == 0 {
            world.plan(NOW);
            let run = ["run", "--plan", template.plan, "--by", "officer", "--now", NOW];
            killed_after(&world, &run, delay)
        } else {
            killed_after(&world, &["run", "--now", NOW], delay)
        };
        interrupted += u32::from(killed);
        world.at(NOW, &["run"]).ends_with(0);
        assert_eq!(world.rows(), after, "try {number}, after {delay:?}");
        assert_eq!(everywhere(&world, &after, NOW), all, "try {number}, after {delay:?}");
        settled(&world, NOW);
    }
    assert!(interrupted >= TRIES / 4, "only {interrupted} of {TRIES} were still at work when they were killed");
}

#[test]
fn killed_again_and_again_a_cycle_comes_to_its_end() {
    let template = Template::new();
    let all = everywhere(&template.world, &template.world.rows(), NOW);
    let world = template.copy();
    let mut delays = Delays(7);
    let mut killed = 0;
    for _ in 0..12 {
        killed +=
            u32::from(killed_after(&world, &["run", "--now", NOW], delays.next_below(Duration::from_millis(250))));
    }
    assert!(killed > 0);
    world.at(NOW, &["run"]).ends_with(0);
    assert_eq!(everywhere(&world, &world.rows(), NOW), all);
    settled(&world, NOW);
}

#[test]
fn a_destruction_killed_at_any_moment_is_finished_by_the_next_run() {
    let template = Template::new();
    template.world.at(NOW, &["run"]).ends_with(0);
    let rows = template.world.rows();
    let whole = template.copy();
    let started = Instant::now();
    whole.at(LATER, &["run"]).ends_with(0);
    let takes = started.elapsed();
    let left = in_vault(&whole, LATER);

    let mut delays = Delays(42);
    for number in 0..10 {
        let world = template.copy();
        let delay = delays.next_below(takes);
        killed_after(&world, &["run", "--now", LATER], delay);
        world.at(LATER, &["run"]).ends_with(0);
        assert_eq!(in_vault(&world, LATER), left, "try {number}, after {delay:?}");
        assert_eq!(world.rows(), rows);
        settled(&world, LATER);
        // What is not due can still be had.
        world.at(LATER, &["restore", "--rule", "contract", "--key", "211", "--by", "desk", "--reason", "asked"]);
    }
}

#[test]
fn a_restoration_killed_at_any_moment_is_finished_or_undone() {
    let world = World::simulation();
    let before = world.rows();
    world.reviewed_run(NOW).ends_with(0);
    let separated = world.rows();
    for folder in ["shop", "vault", "state"] {
        world.copy(folder, &format!("kept-{folder}"));
    }
    let restore = ["restore", "--subject", "1", "--by", "desk", "--reason", "asked", "--keep-event", "--now", NOW];
    let started = Instant::now();
    world.run(&restore).ends_with(0);
    let takes = started.elapsed();
    let mut restored = separated.clone();
    restored.0.extend(before.of_member(1).0);
    assert_eq!(world.rows(), restored);

    let mut delays = Delays(99);
    for number in 0..10 {
        for folder in ["shop", "vault", "state"] {
            world.remove(folder);
            world.copy(&format!("kept-{folder}"), folder);
        }
        let delay = delays.next_below(takes);
        killed_after(&world, &restore, delay);
        // A cycle settles what is open; the one who came back has left still, and moves again.
        world.at(NOW, &["run"]).ends_with(0);
        assert_eq!(world.rows(), separated, "try {number}, after {delay:?}");
        settled(&world, NOW);
        world.run(&restore).ends_with(0);
        assert_eq!(world.rows(), restored, "try {number}, after {delay:?}");
        assert_eq!(found(&world.files("vault"), &before.of_member(1).texts()).len(), 0);
    }
}
