//! The README and the program say the same.

use std::{collections::BTreeSet, process::Command};

use retentiond::cli::exit::Exit;

use super::world::outcome;

const README: &str = include_str!("../../README.md");

/// Cells of the table under a heading, row by row, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| split_cells(row.trim_matches('|'))).collect()
}

/// A bar within a command is written `\|`.
fn split_cells(row: &'static str) -> Vec<&'static str> {
    let mut cells = Vec::new();
    let (mut start, bytes) = (0, row.as_bytes());
    for at in 0..bytes.len() {
        if bytes[at] == b'|' && bytes[at - 1] != b'\\' {
            cells.push(row[start..at].trim());
            start = at + 1;
        }
    }
    cells.push(row[start..].trim());
    cells
}

fn help(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_retentiond"));
    outcome(program.args(command).arg("--help").env("COLUMNS", "200")).ends_with(0).stdout
}

/// Long flags in a text, in its order.
fn flags(text: &str) -> Vec<&str> {
    let starts = text.match_indices("--").map(|(at, _)| &text[at..]);
    let end =
        |rest: &str| rest.find(|letter: char| letter != '-' && !letter.is_ascii_lowercase()).unwrap_or(rest.len());
    starts.map(|rest| &rest[..end(rest)]).filter(|flag| flag.len() > 2).collect()
}

/// The commands of the README: words before the first flag or bracket, and the
/// text in which their flags stand.
fn commands() -> Vec<(Vec<&'static str>, &'static str)> {
    let mut commands = Vec::new();
    for row in table("Commands") {
        for text in row[0].split('`').filter(|part| !part.trim_matches([',', ' ']).is_empty()) {
            // Words may have a hyphen, as in `rotate-key`; flags begin with one.
            let plain = |word: &str| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
            let words = text.split_whitespace().take_while(|word| plain(word) && !word.starts_with('-'));
            commands.push((words.collect(), text));
        }
    }
    commands
}

/// Long flags that a help text defines: each stands at the start of its line.
fn defined(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().map(str::trim_start);
    let lines = lines.map(|line| line.strip_prefix("-h, ").or(line.strip_prefix("-V, ")).unwrap_or(line));
    lines.filter(|line| line.starts_with("--")).flat_map(|line| flags(line).into_iter().take(1)).collect()
}

#[test]
fn every_command_and_flag_of_the_readme_is_in_the_programs_help() {
    let commands = commands();
    assert!(commands.len() >= 9, "{commands:?}");
    for (words, text) in commands {
        let help = help(&words);
        for flag in flags(text) {
            assert!(defined(&help).contains(flag), "{flag} of {words:?} is not in its help:\n{help}");
        }
    }
}

#[test]
fn every_command_and_flag_of_the_program_is_in_the_readme() {
    let everywhere = BTreeSet::from(["--config", "--now", "--format", "--help", "--version"]);
    let commands = commands();
    for (words, text) in &commands {
        let help = help(words);
        let of_readme = BTreeSet::from_iter(flags(text));
        for flag in defined(&help).difference(&everywhere) {
            assert!(of_readme.contains(flag), "{flag} of {words:?} is not in the README");
        }
    }
    let top = help(&[]);
    let (_, list) = top.split_once("Commands:\n").unwrap();
    let names =
        list.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    let mut seen = 0;
    for name in names.filter(|name| *name != "help") {
        assert!(commands.iter().any(|(words, _)| words[0] == name), "{name} is not in the README");
        seen += 1;
    }
    assert!(seen >= 8, "{top}");
    for flag in ["--config", "--now", "--format"] {
        assert!(README.contains(flag), "{flag}");
    }
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_program() {
    let of_readme: Vec<(String, String)> =
        table("Exit codes").into_iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let of_program: Vec<(String, String)> =
        Exit::ALL.iter().map(|exit| (exit.code().to_string(), exit.meaning().to_owned())).collect();
    assert_eq!(of_readme, of_program);
    let help = help(&["run"]);
    for (code, meaning) in of_program {
        assert!(help.contains(&format!("{code}  {meaning}")), "{code} is not in `run --help`:\n{help}");
    }
}
