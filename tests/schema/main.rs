//! The JSON Schemas of both files agree with the readers: on the keys of every
//! table, on the shipped files, and on the folder of files with something wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod validate;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use retentiond::domain::{deployment, policy};
use serde_json::{Map, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// TOML as an editor's schema sees it: dates are texts.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(list) => list.into_iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect::<Map<_, _>>().into()
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

const FILES: [&str; 2] = ["retention-rules", "retentiond"];

fn schema(name: &str) -> Value {
    serde_json::from_str(&text(&root().join(format!("config/{name}.schema.json")))).unwrap()
}

/// Why a schema does not take a value.
fn takes(file: &str, value: &Value) -> Result<(), String> {
    let whole = schema(file);
    validate::takes(&whole, &whole, value)
}

#[test]
fn the_shipped_files_are_valid_and_name_their_schema() {
    for (path, file, line) in [
        ("retention-rules.toml", "retention-rules", "#:schema ./config/retention-rules.schema.json"),
        ("config/retentiond.toml", "retentiond", "#:schema ./retentiond.schema.json"),
    ] {
        let text = text(&root().join(path));
        assert_eq!(text.lines().next(), Some(line));
        let schema = root().join(path).parent().unwrap().join(line.trim_start_matches("#:schema "));
        assert!(schema.exists(), "{}", schema.display());
        takes(file, &json(toml::from_str(&text).unwrap())).unwrap();
    }
}

/// Cases that a reader refuses and no schema can: they compare places of the file
/// with each other or with the world, or ask for what this version lacks.
const BEYOND_A_SCHEMA: &[&str] = &[
    "deployment-of-a-later-version",
    "deployment-origin",
    "deployment-same-dataset-twice",
    "deployment-stray-parentheses",
    "deployment-unknown-event",
    "deployment-unknown-rule-and-source",
    "deployment-vault-in-a-source",
    "deployment-vault-in-a-sqlite-source",
    "rules-against-statutes",
    "rules-approval-of-a-later-version",
    "rules-cooling-off-too-long",
    "rules-effective-before-announced",
    "rules-same-id-twice",
    "rules-tests-not-met",
    "rules-unknown-zone",
    "rules-zone-offset",
];

#[test]
fn broken_files_are_invalid_and_files_that_are_read_are_valid() {
    let folder = root().join("tests/cases/configuration");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let (mut invalid, mut beyond) = (0, Vec::new());
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let file = FILES[usize::from(case.join("retentiond.toml").exists())];
        let text = text(&case.join(format!("{file}.toml")));
        // A file that is no TOML has no value to compare.
        let Ok(value) = toml::from_str(&text) else { continue };
        let is_refused = text_is_refused(&case, file, &text);
        match (is_refused, takes(file, &json(value))) {
            (false, Err(error)) => panic!("{name} is read, and invalid: {error}"),
            (true, Ok(())) => beyond.push(name),
            (true, Err(_)) => invalid += 1,
            (false, Ok(())) => {}
        }
    }
    assert!(invalid >= 20, "{invalid} cases");
    let known: Vec<&str> = beyond.iter().map(String::as_str).filter(|name| !BEYOND_A_SCHEMA.contains(name)).collect();
    assert!(known.is_empty(), "a schema could say more: {known:?}");
}

fn text_is_refused(case: &Path, file: &str, text: &str) -> bool {
    if file == "retention-rules" {
        return policy::read("rules", text).is_err();
    }
    let own = case.join("retention-rules.toml");
    let rules = if own.exists() { own } else { root().join("retention-rules.toml") };
    let policy = policy::read("rules", &self::text(&rules)).unwrap().value;
    deployment::read("deployment", text, Some(&policy)).is_err()
}

/// The keys that a reader knows of a table, from the hint to a key that none knows.
fn known_keys(read: impl Fn(&str) -> String, before: &str, after: &str) -> BTreeSet<String> {
    let report = read(&format!("{before}\nqqqqqqqqqqqqqqqqqqqq = 1\n{after}"));
    let list = report.split("its keys are ").nth(1).unwrap_or_else(|| panic!("{before}: {report}"));
    list.lines().next().unwrap().split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

fn properties(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let table = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    assert_eq!(table["additionalProperties"], false, "{pointer}");
    table["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_table_of_both_files_has_the_keys_that_its_reader_knows() {
    let rules = schema("retention-rules");
    let read_rules = |text: &str| policy::read("rules", text).unwrap_err().to_string();
    for (header, pointer) in [
        ("", ""),
        ("[policy]", "/properties/policy"),
        ("[officer]", "/properties/officer"),
        ("[[rule]]", "/properties/rule/items"),
        ("[[test]]", "/properties/test/items"),
    ] {
        assert_eq!(known_keys(read_rules, header, ""), properties(&rules, pointer), "{header}");
    }
    let deployment = schema("retentiond");
    let read = |text: &str| deployment::read("deployment", text, None).unwrap_err().to_string();
    for (header, pointer) in [
        ("", ""),
        ("[[source]]", "/properties/source/items"),
        ("[source]\n[[source.x]]\n[vault]", "/properties/vault"),
        ("[keys]", "/properties/keys"),
        ("[ledger]", "/properties/ledger"),
        ("[schedule]", "/properties/schedule"),
        ("[metrics]", "/properties/metrics"),
        ("[limits]", "/properties/limits"),
        ("[guards]", "/properties/guards"),
        ("[[dataset]]", "/properties/dataset/items"),
        ("[[dataset]]\n[[dataset.child]]", "/properties/dataset/items/properties/child/items"),
    ] {
        assert_eq!(known_keys(read, header, ""), properties(&deployment, pointer), "{header}");
    }
}

#[test]
fn the_command_prints_the_schemas_that_are_shipped() {
    let run = |arguments: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_retentiond")).arg("schema").args(arguments).output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let [rules, deployment] = FILES.map(schema);
    assert_eq!((run(&["rules"]), run(&["deployment"])), (rules.clone(), deployment.clone()));
    let both = run(&[]);
    assert_eq!((&both["retention-rules.toml"], &both["retentiond.toml"]), (&rules, &deployment));
}
