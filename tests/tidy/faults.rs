//! Small sources that must be found fault with: a check that cannot fail is none.

use crate::{
    leftover,
    reader::{FILE_LINES_MAX, FUNCTION_LINES_MAX, inspect, test_modules},
    unfinished,
};

/// What is said about the body of a well-documented module.
fn said(file: &str, body: &str) -> Vec<String> {
    let source = format!("//! A module.\n\n{body}\n");
    inspect(file, &source, false).unwrap().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(file: &str, body: &str) {
    assert_eq!(said(file, body).len(), 1, "{body:?} in {file}: {:?}", said(file, body));
}

#[track_caller]
fn accepted(file: &str, body: &str) {
    assert_eq!(said(file, body), [""; 0], "{body:?} in {file}");
}

#[test]
fn a_complaint_names_file_and_line() {
    let said = said("domain/plan.rs", "fn a() {}\nuse std::fs;");
    assert_eq!(said, ["src/domain/plan.rs:4: this layer never uses `std::fs`"]);
}

#[test]
fn the_domain_may_not_use_the_world() {
    for path in ["sqlx", "tokio", "tracing", "anyhow", "std::fs", "std::env", "std::net", "std::process"] {
        refused("domain/plan.rs", &format!("use {path}::Thing;"));
        refused("domain/plan.rs", &format!("use {path} as other;"));
        refused("domain/plan.rs", &format!("fn f() {{ {path}::thing(); }}"));
        refused("domain/plan.rs", &format!("fn f(x: {path}::Thing) {{}}"));
        refused("domain/plan.rs", &format!("fn f() -> String {{ format!(\"{{}}\", {path}::thing()) }}"));
    }
    refused("domain/plan.rs", "use std::{fmt, fs::{self}};");
    refused("domain/plan.rs", "use std::fs::*;");
    refused("domain/plan.rs", "fn f() { tracing::info!(\"x\"); }");
    refused("domain/plan.rs", "impl A { fn f(&self) { ::std::env::var(\"x\"); } }");
    accepted("domain/plan.rs", "use std::{fmt, str::FromStr};\nuse chrono::{DateTime, Utc};\nuse sha2::Sha256;");
    accepted("domain/plan.rs", "fn f(environment: u8) -> u8 { vec![environment][0] }");
}

#[test]
fn decisions_are_given_the_time_and_never_ask() {
    for file in ["domain/plan.rs", "flow/plan.rs", "ports.rs"] {
        refused(file, "fn f() { Utc::now(); }");
        refused(file, "fn f() { g(chrono::Local::now()); }");
        refused(file, "fn f() { assert_eq!(Utc::now(), x); }");
        refused(file, "fn f() { x.map_or_else(Utc::now, g); }");
        refused(file, "use std::time::Instant;");
        refused(file, "fn f(at: std::time::SystemTime) {}");
        accepted(file, "fn f(now: DateTime<Utc>, bounds: &Bounds) { g(now, bounds.now); }");
    }
    accepted("adapters/clock.rs", "fn f() { Utc::now(); }");
}

#[test]
fn no_layer_uses_one_above_it() {
    let layers = ["domain", "ports", "flow", "adapters"];
    let above = [
        ("domain/plan.rs", &["ports", "flow", "adapters", "settings", "cli", "daemon"][..]),
        ("ports/failure.rs", &["flow", "adapters", "settings", "cli", "daemon"]),
        ("flow/plan.rs", &["adapters", "settings", "cli", "daemon"]),
        ("adapters/vault/mod.rs", &["flow", "settings", "cli", "daemon"]),
    ];
    for (file, forbidden) in above {
        for layer in forbidden {
            refused(file, &format!("use crate::{layer}::Thing;"));
            refused(file, &format!("fn f() {{ crate::{layer}::thing(); }}"));
        }
    }
    for (position, layer) in layers.iter().enumerate() {
        let file = format!("{layer}/deep/thing.rs");
        for below in layers[..position].iter().filter(|below| (*layer, **below) != ("adapters", "flow")) {
            accepted(&file, &format!("use crate::{below}::Thing;"));
        }
    }
    accepted("cli/run.rs", "use crate::{adapters::durable, flow, settings};\nuse std::{env, fs};\nuse sqlx::Row;");
}

#[test]
fn the_way_up_through_super_is_seen_too() {
    refused("domain/plan.rs", "use super::super::flow::Thing;");
    refused("domain/event/text.rs", "fn f() { super::super::super::cli::run(); }");
    refused("domain/mod.rs", "use super::adapters::Thing;");
    refused("domain/plan.rs", "mod inner { use super::super::super::settings::Thing; }");
    accepted("domain/event/text.rs", "use super::super::flow::Thing;");
    accepted("domain/mod.rs", "use self::cli::Thing;");
}

#[test]
fn only_the_command_line_prints_and_uses_anyhow() {
    for file in ["domain/plan.rs", "ports.rs", "flow/plan.rs", "adapters/clock.rs", "settings.rs"] {
        for printing in ["print", "println", "eprint", "eprintln", "dbg"] {
            refused(file, &format!("fn f() {{ {printing}!(\"x\"); }}"));
        }
        refused(file, "fn f() { std::io::stdout().flush(); }");
        refused(file, "use anyhow::Context;");
    }
    for file in ["cli/run.rs", "cli/mod.rs", "daemon.rs", "main.rs"] {
        accepted(file, "use anyhow::Context;\nfn f() { println!(\"x\"); std::io::stderr().flush(); }");
    }
}

#[test]
fn flows_have_no_files_and_no_sql() {
    for path in ["sqlx", "std::fs", "tokio::fs", "std::env"] {
        refused("flow/separate.rs", &format!("fn f() {{ {path}::thing(); }}"));
    }
    accepted("flow/separate.rs", "use tracing::info;\nuse crate::{domain::plan::Plan, ports::Source};");
}

#[test]
fn code_for_tests_may_use_everything() {
    accepted("domain/plan.rs", "#[cfg(test)]\nmod tests { use std::fs; fn f() { println!(\"{}\", Utc::now()); } }");
    accepted("domain/plan.rs", "#[cfg(test)]\nuse crate::adapters::Thing;");
    refused("domain/plan.rs", "#[cfg(unix)]\nmod tests { use std::fs; }");
    let declaring = syn::parse_file("#[cfg(test)]\nmod tests;\nmod real;").unwrap();
    assert_eq!(test_modules("domain/plan/mod.rs", &declaring), [["domain", "plan", "tests"]]);
    assert_eq!(test_modules("domain/plan.rs", &declaring), [["domain", "plan", "tests"]]);
    let source = "//! Tests.\nuse std::fs;\n";
    assert_eq!(inspect("domain/plan/tests.rs", source, true).unwrap().len(), 0);
    assert_eq!(inspect("domain/plan/tests.rs", source, false).unwrap().len(), 1);
}

#[test]
fn a_function_may_have_70_lines_and_not_71() {
    let function = |lines: usize| format!("fn long() {{\n{}}}", "    step();\n".repeat(lines - 2));
    let method = |lines| format!("impl A {{\n/// Doc.\n#[must_use]\n{}\n}}", function(lines));
    let provided = |lines| format!("trait A {{\n{}\n}}", function(lines));
    accepted("flow/plan.rs", &function(FUNCTION_LINES_MAX));
    refused("flow/plan.rs", &function(FUNCTION_LINES_MAX + 1));
    accepted("flow/plan.rs", &method(FUNCTION_LINES_MAX));
    refused("flow/plan.rs", &method(FUNCTION_LINES_MAX + 1));
    refused("flow/plan.rs", &provided(FUNCTION_LINES_MAX + 1));
    accepted("flow/plan.rs", &format!("#[test]\n{}", function(FUNCTION_LINES_MAX + 1)));
}

#[test]
fn a_file_may_have_400_lines_and_not_401() {
    let source = |lines: usize| format!("//! A module.\n{}", "const A: u8 = 1;\n".repeat(lines - 1));
    assert_eq!(inspect("flow/plan.rs", &source(FILE_LINES_MAX), false).unwrap().len(), 0);
    assert_eq!(inspect("flow/plan.rs", &source(FILE_LINES_MAX + 1), false).unwrap().len(), 1);
    assert_eq!(inspect("flow/plan/tests.rs", &source(FILE_LINES_MAX + 1), true).unwrap().len(), 1);
}

#[test]
fn a_module_says_what_it_is_and_has_a_place_and_a_name() {
    assert_eq!(inspect("flow/plan.rs", "/// Not of the module.\nfn f() {}\n", false).unwrap().len(), 1);
    assert_eq!(inspect("flow/plan.rs", "// A comment.\nfn f() {}\n", false).unwrap().len(), 1);
    for file in ["flow/utils/text.rs", "adapters/helpers.rs", "cli/common/mod.rs", "domain/manager.rs"] {
        refused(file, "fn f() {}");
    }
    refused("elsewhere/plan.rs", "fn f() {}");
    accepted("daemon/mod.rs", "fn f() {}");
}

#[test]
fn unfinished_work_is_found_wherever_it_hides() {
    let pieces =
        [("to", "do!()"), ("unimple", "mented!()"), ("// TO", "DO later"), ("// FIX", "ME"), ("#[igno", "re]")];
    for (one, other) in pieces {
        let found = unfinished("tests/case.rs", &format!("fn a() {{}}\n{one}{other}\n"));
        assert_eq!(found.iter().map(|complaint| complaint.line).collect::<Vec<_>>(), [2], "{one}{other}");
    }
    assert_eq!(unfinished("src/plan.rs", "// nothing is ignored or left to do here\n").len(), 0);
}

#[test]
fn what_a_run_left_behind_is_found() {
    for file in ["tests/cli/shop.sqlite3", "tests/shop.db-wal", "tests/out.log", "src/plan.rs.orig", "tests/a.rs~"] {
        assert!(leftover(file, 10).is_some(), "{file}");
    }
    assert!(leftover("tests/cli/plan.toml", 10).is_none());
    assert!(leftover("tests/cli/plan.toml", 2 << 20).is_some());
}
