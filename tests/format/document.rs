//! Reads `docs/FORMAT.md`: its blocks that stand for files, and the rows of its
//! tables. Nothing is interpreted here.

use std::{fs, path::PathBuf};

use retentiond::domain::ledger::merkle::{Hash, node_hash};

/// Where the document's examples lie.
const CASES: &str = "tests/cases/format/";
/// Hexadecimal digits in a line of the document.
const DIGITS: usize = 64;

/// A block of the document that shows a file.
#[derive(Debug)]
pub struct Shown {
    pub file: String,
    /// As hexadecimal digits, in lines.
    pub hexadecimal: bool,
    pub text: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn case(file: &str) -> Vec<u8> {
    let path = root().join(CASES).join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn case_text(file: &str) -> String {
    String::from_utf8(case(file)).unwrap()
}

pub fn document() -> String {
    fs::read_to_string(root().join("docs/FORMAT.md")).unwrap()
}

/// Blocks that follow a line beginning with the path of a case.
pub fn shown(document: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some((file, rest)) = line.strip_prefix('`').and_then(|line| line.strip_prefix(CASES)?.split_once('`'))
        else {
            continue;
        };
        let begins = lines.by_ref().find(|line| !line.is_empty());
        assert!(begins.is_some_and(|line| line.starts_with("```")), "{file}: no block follows");
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let hexadecimal = rest.contains("hexadecimal");
        found.push(Shown { file: file.to_owned(), hexadecimal, text: block.join("\n") });
    }
    found
}

/// What the document must show of a file.
pub fn expected(shown: &Shown) -> String {
    let bytes = case(&shown.file);
    if shown.hexadecimal {
        let digits = hex::encode(bytes);
        let lines: Vec<&str> = digits.as_bytes().chunks(DIGITS).map(|line| str::from_utf8(line).unwrap()).collect();
        return lines.join("\n");
    }
    let text = String::from_utf8(bytes).unwrap();
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// Puts today's bytes into every block, and the hashes of the first three leaves.
pub fn write_anew(leaves: &[Hash]) {
    let mut text = document();
    let width = case_text("ledger/ledger.jsonl").lines().count();
    let tile = text.split("ledger/tile/0/000.p/").nth(1).unwrap().split('`').next().unwrap().to_owned();
    text = text.replace(&format!("000.p/{tile}"), &format!("000.p/{width}"));
    for block in shown(&text.clone()) {
        text = text.replace(&block.text, &expected(&block));
    }
    let pair = node_hash(&leaves[0], &leaves[1]);
    let root_of_three = node_hash(&pair, &leaves[2]);
    let hashes = [leaves[0], leaves[1], leaves[2], pair, root_of_three];
    let names = ["leaf 0 ", "leaf 1 ", "leaf 2 ", "node(0, 1) ", "root of three "];
    let lines = text.lines().map(|line| {
        let named = names.iter().zip(hashes).find(|(name, _)| line.starts_with(**name));
        named.map_or_else(|| line.to_owned(), |(name, hash)| format!("{:<15}{}", name.trim_end(), hex::encode(hash)))
    });
    let text: Vec<String> = lines.collect();
    fs::write(root().join("docs/FORMAT.md"), text.join("\n") + "\n").unwrap();
}

/// The row of a table that begins with this cell.
pub fn row<'d>(document: &'d str, first: &str) -> &'d str {
    let begins = format!("| `{first}` |");
    document.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("no row for {first}"))
}

/// The text with every run of white space as one blank.
pub fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
