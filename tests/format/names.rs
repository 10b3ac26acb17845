//! `docs/ARCHITECTURE.md` names files and tests; all of them exist.

use std::{collections::BTreeSet, fs, path::Path};

use crate::document::root;

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A test's name is a sentence: at least four words.
fn is_sentence(name: &str) -> bool {
    name.split('_').count() >= 4 && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn functions_below(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_test_and_every_file_that_the_architecture_names_exists() {
    let document = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let prose = document.split("```").step_by(2).collect::<String>();
    let mut functions = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions_below(&root().join(folder), &mut functions);
    }
    let sentences: Vec<&str> = quoted(&prose).filter(|name| is_sentence(name)).collect();
    assert!(sentences.len() > 30, "{sentences:?}");
    let missing: Vec<&&str> = sentences.iter().filter(|name| !functions.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    let paths = quoted(&prose).filter(|name| ["src/", "tests/", "docs/"].iter().any(|folder| name.starts_with(folder)));
    let missing: Vec<&str> = paths.filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "no such files: {missing:#?}");
}
