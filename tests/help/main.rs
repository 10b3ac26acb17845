//! Help, man pages and completions: each says everything, and all say the same.
//! That the README does too is tested with the whole path (`documents`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use retentiond::cli::exit::Exit;

/// Columns and lines of the screen that a help text must fit.
const COLUMNS: &str = "100";
const LINES_MAX: usize = 40;

fn program(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
    let output = command.args(arguments).env("COLUMNS", COLUMNS).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn help(command: &[String]) -> String {
    let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    program(&words)
}

/// The commands below one, by its help.
fn below(command: &[String]) -> Vec<Vec<String>> {
    let text = help(command);
    let Some((_, list)) = text.split_once("Commands:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| {
        // A description that goes on in the next line stands further in.
        line.strip_prefix("  ").filter(|line| !line.starts_with(' ')).and_then(|line| line.split_whitespace().next())
    });
    let names: Vec<String> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    names.into_iter().map(|name| command.iter().cloned().chain([name]).collect()).collect()
}

/// Every command, with those that only group others.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut at = 0;
    while at < found.len() {
        let more = below(&found[at]);
        found.extend(more);
        at += 1;
    }
    found
}

/// Long flags that a help text defines, each at the start of its line.
fn flags(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start);
    let lines = lines.map(|line| line.strip_prefix("-h, ").or(line.strip_prefix("-V, ")).unwrap_or(line));
    let names = lines.filter(|line| line.starts_with("--"));
    names.map(|line| line.split([' ', '=']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_help_fits_a_screen_and_every_command_has_an_example_of_itself() {
    let commands = commands();
    assert!(commands.len() >= 14, "{commands:?}");
    for command in &commands {
        let text = help(command);
        assert!(text.lines().count() <= LINES_MAX, "{command:?} has {} lines:\n{text}", text.lines().count());
        if below(command).is_empty() {
            let (_, examples) =
                text.split_once("Example").unwrap_or_else(|| panic!("{command:?} has no example:\n{text}"));
            let last = command.last().unwrap();
            let shown = examples.lines().skip(1).take_while(|line| !line.is_empty());
            assert!(shown.clone().any(|line| line.contains(last.as_str())), "{command:?}: {examples}");
        }
    }
}

#[test]
fn a_man_page_of_each_command_has_all_of_its_help_and_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    program(&["man", "--dir", folder.path().to_str().unwrap()]);
    let commands = commands();
    for command in &commands {
        let name = ["retentiond".to_owned()].iter().chain(command).cloned().collect::<Vec<_>>().join("-");
        let path = folder.path().join(format!("{name}.1"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "");
        for flag in flags(&help(command)) {
            assert!(plain.contains(&flag), "{flag} is not in {name}.1");
        }
        for exit in Exit::ALL {
            assert!(plain.contains(exit.meaning()), "{} is not in {name}.1", exit.code());
        }
        for needed in [".SH FILES", ".SH ENVIRONMENT", "STATE_DIR/pause"] {
            assert!(page.contains(needed), "{needed} is not in {name}.1");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), commands.len(), "a page for each command and no other");
    let whole = fs::read_to_string(folder.path().join("retentiond.1")).unwrap();
    assert_eq!(program(&["man"]), whole, "without a folder the first page is printed");
}

#[test]
fn man_finds_nothing_wrong_with_the_pages() {
    let folder = tempfile::tempdir().unwrap();
    program(&["man", "--dir", folder.path().to_str().unwrap()]);
    for page in fs::read_dir(folder.path()).unwrap() {
        let path = page.unwrap().path();
        let mut command = Command::new("man");
        let output = command.args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}

#[test]
fn completions_know_every_command_and_the_shells_can_read_them() {
    for (shell, checker) in [("bash", Some(["bash", "-n"])), ("zsh", None), ("fish", None)] {
        let script = program(&["completions", shell]);
        for command in commands().iter().filter(|command| !command.is_empty()) {
            assert!(script.contains(command.last().unwrap().as_str()), "{command:?} is not completed in {shell}");
        }
        let Some([program, flag]) = checker else { continue };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("completion");
        fs::write(&path, script).unwrap();
        let output = Command::new(program).arg(flag).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn nothing_is_coloured_where_it_is_piped_or_nobody_wants_colours() {
    for colour in [None, Some("1")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.args(["--config", "/nowhere/retentiond.toml", "check"]).env("CLICOLOR_FORCE", "0");
        match colour {
            Some(value) => command.env("NO_COLOR", value),
            None => command.env_remove("NO_COLOR"),
        };
        let output = command.output().unwrap();
        for stream in [output.stdout, output.stderr] {
            assert!(!stream.contains(&0x1b), "{}", String::from_utf8_lossy(&stream));
        }
    }
    assert!(!program(&["--help"]).contains('\u{1b}'));
}

#[test]
fn the_shipped_examples_call_commands_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known: BTreeSet<String> = commands().iter().filter_map(|command| command.first().cloned()).collect();
    let mut seen = 0;
    for file in ["config/ci/github.yml", "config/ci/gitlab.yml"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let Some((_, call)) = line.split_once("retentiond --config ") else { continue };
            let name = call.split_whitespace().nth(1).unwrap();
            assert!(known.contains(name), "{file} calls `{name}`");
            seen += 1;
        }
    }
    assert!(seen >= 4, "the examples call too little to be any");
}
