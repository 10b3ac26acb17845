//! What people get wrong: each mistake has its code and says what to do.

use std::{fs, os::unix::fs::symlink};

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World, set_mode};

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// Line and column of a text in a file, as an editor counts them.
#[track_caller]
fn place(text: &str, part: &str) -> String {
    let before = &text[..text.find(part).unwrap()];
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    format!("{}:{column}", before.matches('\n').count() + 1)
}

/// Every command ends with 78 and says these.
fn wrong_files(world: &World, parts: &[&str]) {
    let commands: [&[&str]; 6] = [&["check", "--offline"], &["check"], &["plan"], &["init"], &["run"], &["status"]];
    for command in commands {
        let outcome = world.run(command).ends_with(78).says(parts);
        assert_eq!(outcome.stdout, "", "{command:?}");
    }
    assert!(!world.path("state").exists() && !world.path("vault/vault.db").exists());
}

#[test]
fn an_unknown_key_is_found_with_its_place_and_a_suggestion() {
    let rules = replaced(RULES, "clause      = \"5\"", "clausse = \"5\"");
    let world = World::with(DEPLOYMENT, &rules);
    wrong_files(&world, &["clausse", &format!("retention-rules.toml:{}", place(&rules, "clausse")), "`clause`"]);
}

#[test]
fn a_rule_without_a_period_is_an_error() {
    let rules = replaced(RULES, "keep   = \"3 years\"\n", "");
    let world = World::with(DEPLOYMENT, &rules);
    wrong_files(&world, &["keep", "retention-rules.toml:"]);
}

#[test]
fn errors_in_both_files_are_reported_together_each_with_its_place() {
    let rules = replaced(RULES, "keep        = \"5 days\"", "keep        = \"5 m\"");
    let rules = replaced(&rules, "timezone       = \"Asia/Seoul\"", "timezone       = \"Asia/Soul\"");
    let deployment = replaced(DEPLOYMENT, "edge  = \"wait\"", "edge  = \"waits\"");
    let deployment = replaced(&deployment, "state_dir =", "state_dri =");
    let world = World::with(&deployment, &rules);
    let places = [
        format!("retention-rules.toml:{}", place(&rules, "\"5 m\"")),
        format!("retention-rules.toml:{}", place(&rules, "\"Asia/Soul\"")),
        format!("retentiond.toml:{}", place(&deployment, "\"waits\"")),
        format!("retentiond.toml:{}", place(&deployment, "state_dri")),
    ];
    wrong_files(&world, &places.each_ref().map(String::as_str));
}

#[test]
fn a_missing_column_is_named_by_check_and_stops_the_rule_only() {
    let deployment = replaced(DEPLOYMENT, "events.recorded = \"visited_at\"", "events.recorded = \"seen_at\"");
    let world = World::with(&deployment, RULES);
    let rows = world.rows();
    let check = world.run(&["check"]).ends_with(78);
    assert!(check.stdout.contains("visits") && check.stdout.contains("seen_at"), "{}", check.stdout);
    world.run(&["check", "--offline"]).ends_with(0);
    world.at(NOW, &["plan"]).ends_with(1).says(&["visit-log", "seen_at"]);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.at(NOW, &["plan", "--out", "plan.json"]).ends_with(1);
    let run = world.at(NOW, &["run", "--plan", "plan.json", "--format", "json"]).ends_with(1).json();
    assert_eq!((&run["failed"][0]["rule"], &run["verdict"]), (&"visit-log".into(), &"FAIL".into()));
    let (go, _) = rows.parted();
    assert_eq!(world.rows().count("members"), 40 - go.count("members"));
    assert_eq!(world.rows().count("visits"), 60);
}

#[test]
fn a_missing_table_is_named() {
    let deployment = replaced(DEPLOYMENT, "table = \"addresses\"", "table = \"adresses\"");
    let world = World::with(&deployment, RULES);
    let check = world.run(&["check"]).ends_with(78);
    assert!(check.stdout.contains("adresses"), "{}", check.stdout);
    world.at(NOW, &["plan"]).ends_with(1).says(&["adresses"]);
}

#[test]
fn a_foreign_key_that_no_edge_covers_is_an_error() {
    let world = World::new();
    world
        .sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id) ON DELETE CASCADE);");
    let check = world.run(&["check"]).ends_with(78);
    assert!(check.stdout.contains("notes") && check.stdout.contains("hint:"), "{}", check.stdout);
    world.at(NOW, &["plan"]).ends_with(1).says(&["notes"]);
}

#[test]
fn a_database_that_is_not_there_or_is_none_cannot_be_reached() {
    let world = World::new();
    world.copy("shop", "aside");
    world.remove("shop/shop.db");
    for command in [&["check"][..], &["plan"]] {
        world.run(command).ends_with(69);
        assert!(!world.path("shop/shop.db").exists(), "a source was made");
    }
    world.write(
        "shop/shop.db",
        "this is no database, and it is longer than the hundred bytes of a header, as it should be here",
    );
    world.run(&["check"]).ends_with(69);
    world.run(&["plan"]).ends_with(69);
    world.remove("shop/shop.db");
    fs::create_dir(world.path("shop/shop.db")).unwrap();
    world.run(&["plan"]).ends_with(69);
}

#[test]
fn a_source_that_disappears_after_the_review_ends_with_69_and_destroys_nothing_less() {
    let world = World::separated();
    world.copy("shop", "aside");
    world.remove("shop");
    let run = world.at(LATER, &["run", "--format", "json"]).ends_with(69).json();
    assert!(run["failed"].as_array().unwrap().iter().all(|failed| failed["unreachable"] == true), "{run}");
    world.copy("aside", "shop");
    world.at(LATER, &["run"]).ends_with(0);
}

#[test]
fn a_vault_in_its_sources_own_file_is_refused_by_every_name_of_that_file() {
    let same = replaced(DEPLOYMENT, "sqlite://vault/vault.db", "sqlite://shop/shop.db");
    let detour = replaced(DEPLOYMENT, "sqlite://vault/vault.db", "sqlite://vault/../shop/shop.db");
    let linked = DEPLOYMENT.to_owned();
    type Linking = fn(&World);
    let cases: [(&str, Linking); 4] = [
        (&same, |_| {}),
        (&detour, |_| {}),
        (&linked, |world| symlink(world.path("shop/shop.db"), world.path("vault/vault.db")).unwrap()),
        (&linked, |world| fs::hard_link(world.path("shop/shop.db"), world.path("vault/vault.db")).unwrap()),
    ];
    for (number, (deployment, link)) in cases.into_iter().enumerate() {
        let world = World::with(deployment, RULES);
        link(&world);
        let rows = world.rows();
        for command in [&["init"][..], &["plan"], &["check"]] {
            let said = if number == 0 { ["same database", "help:"] } else { ["same file", "hint:"] };
            world.run(command).ends_with(78).says(&said);
        }
        assert!(!world.path("state").exists(), "case {number}");
        assert_eq!(world.rows(), rows, "case {number}");
    }
}

#[test]
fn files_that_others_may_change_are_refused() {
    for (name, mode) in [("retention-rules.toml", 0o664), ("retention-rules.toml", 0o646), ("retentiond.toml", 0o620)] {
        let world = World::new();
        set_mode(&world.path(name), mode);
        wrong_files(&world, &[name, "chmod go-w"]);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let world = World::new();
    world.remove("retention-rules.toml");
    wrong_files(&world, &["retention-rules.toml", "cannot be read"]);
}

#[test]
fn another_instant_is_for_reading_only_unless_the_vault_is_a_simulation() {
    let world = World::new();
    world.at(NOW, &["init"]).ends_with(2).says(&["--simulation"]);
    assert!(!world.path("state").exists());
    world.run(&["init"]).ends_with(0);
    let (rows, state) = (world.rows(), world.files("state"));
    world.at(LATER, &["plan", "--out", "plan.json"]).ends_with(0);
    world.at(LATER, &["status"]).ends_with(0);
    world.at(LATER, &["run"]).ends_with(77).says(&["not a simulation"]);
    world.at(LATER, &["run", "--plan", "plan.json", "--by", "officer"]).ends_with(77);
    world.at(LATER, &["restore", "--subject", "1", "--by", "desk", "--reason", "asked"]).ends_with(77);
    assert_eq!((world.rows(), world.files("state")), (rows, state));
    world.at("next tuesday", &["plan"]).ends_with(2).says(&["hint:"]);
}

#[test]
fn a_plan_before_init_works_and_says_that_nothing_is_initialised() {
    let world = World::new();
    let plan = world.at(NOW, &["plan", "--format", "json"]).ends_with(0).says(&["retentiond init"]);
    assert_eq!(plan.json()["simulation"], false);
    assert!(!world.path("state").exists() && !world.path("vault/vault.db").exists());
    assert_eq!(world.status(NOW)["initialised"], false);
    world.run(&["run"]).ends_with(78).says(&["retentiond init"]);
    let restore = ["restore", "--subject", "1", "--by", "desk", "--reason", "asked"];
    world.run(&restore).ends_with(78).says(&["retentiond init"]);
    assert!(!world.path("state").exists() && !world.path("vault/vault.db").exists());
}

#[test]
fn a_file_that_is_no_plan_is_a_mistake_on_the_command_line() {
    let world = World::simulation();
    world.plan(NOW);
    let plan = fs::read_to_string(world.path("plan.json")).unwrap();
    let rows = world.rows();
    let broken = [
        "{".to_owned(),
        String::new(),
        "[]".to_owned(),
        plan[..plan.len() / 2].to_owned(),
        replaced(&plan, "\"simulation\": true", "\"simulation\": true, \"more\": 1"),
        replaced(&plan, "sha256:", "md5:"),
    ];
    for text in broken {
        world.write("plan.json", &text);
        world.at(NOW, &["run", "--plan", "plan.json"]).ends_with(2).says(&["plan.json", "hint:"]);
    }
    world.at(NOW, &["run", "--plan", "elsewhere.json"]).ends_with(2).says(&["elsewhere.json"]);
    assert_eq!(world.rows(), rows);
}

#[test]
fn an_unknown_rule_command_or_flag_is_a_mistake_on_the_command_line() {
    let world = World::separated();
    for command in [&["plan", "--rule", "contracts"][..], &["run", "--rule", "contracts"]] {
        world.at(NOW, command).ends_with(2).says(&["no rule contracts", "visit-log"]);
    }
    let commands: [&[&str]; 6] = [
        &["destroy"],
        &["run", "--force"],
        &["plan", "--fail-on", "everything"],
        &["plan", "--format", "yaml"],
        &["run", "--rule", "member", "--plan", "plan.json"],
        &["ledger"],
    ];
    for command in commands {
        world.run(command).ends_with(2);
    }
}

#[test]
fn a_command_that_there_is_not_is_a_usage_error() {
    World::new().run(&["destroy"]).ends_with(2).says(&["unrecognized subcommand"]);
}
