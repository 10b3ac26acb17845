//! Reads the sources and fails on what the house style rules out: an import
//! that crosses the layers, a function or file that is too long, a module that
//! does not say what it is, unfinished work, leftovers of a run.

#[cfg(test)]
#[path = "tidy/faults.rs"]
mod faults;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/reader.rs"]
mod reader;

use std::{
    collections::BTreeSet,
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use layers::module_of;
use reader::{inspect, test_modules};

const FIXTURE_BYTES_MAX: u64 = 1 << 20;

/// Spelled in two parts, so that this file does not hold them.
const UNFINISHED: [&str; 5] = [
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("#[", "ignore"),
];

const LEFTOVERS: [&str; 14] = [
    "bak",
    "orig",
    "rej",
    "tmp",
    "log",
    "swp",
    "new",
    "db",
    "sqlite",
    "sqlite3",
    "db-wal",
    "db-shm",
    "db-journal",
    "profraw",
];

/// Something to put right.
#[derive(Debug)]
pub struct Complaint {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Complaints about unfinished work, line by line.
fn unfinished(file: &str, text: &str) -> Vec<Complaint> {
    let found = (1..).zip(text.lines()).flat_map(|(number, line)| {
        UNFINISHED.iter().filter(move |needle| line.contains(**needle)).map(move |needle| (number, needle))
    });
    found.map(|(line, needle)| Complaint { file: file.to_owned(), line, what: format!("holds `{needle}`") }).collect()
}

/// A file that a run of something left behind.
fn leftover(file: &str, bytes: u64) -> Option<Complaint> {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let what = if LEFTOVERS.contains(&extension) || file.ends_with('~') {
        "is a leftover of a run".to_owned()
    } else if bytes > FIXTURE_BYTES_MAX {
        format!("has {bytes} bytes; fixtures are made by the test that needs them")
    } else {
        return None;
    };
    Some(Complaint { file: file.to_owned(), line: 1, what })
}

/// All files below a folder, in order; none where there is no such folder.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

fn report(complaints: &[Complaint]) {
    let lines: Vec<_> = complaints.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} complaints:\n{}\n", lines.len(), lines.join("\n"));
}

#[test]
fn the_sources_keep_to_the_layers_and_the_limits() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = Vec::new();
    for path in files_below(&root)? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push((path.strip_prefix(&root)?.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    assert!(texts.len() > 20, "no sources found below {}", root.display());
    let mut for_tests = BTreeSet::new();
    for (file, text) in &texts {
        for_tests.extend(test_modules(file, &syn::parse_file(text)?));
    }
    let mut complaints = Vec::new();
    for (file, text) in &texts {
        let module = module_of(file);
        let is_for_tests = (1..=module.len()).any(|length| for_tests.contains(&module[..length]));
        complaints.extend(inspect(file, text, is_for_tests)?);
    }
    report(&complaints);
    Ok(())
}

#[test]
fn nothing_is_left_unfinished_and_nothing_is_left_behind() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut complaints = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in files_below(&root.join(folder))? {
            let file = path.strip_prefix(root)?.display().to_string();
            complaints.extend(leftover(&file, fs::metadata(&path)?.len()));
            if path.extension().is_some_and(|extension| extension == "rs") {
                complaints.extend(unfinished(&file, &fs::read_to_string(&path)?));
            }
        }
    }
    report(&complaints);
    Ok(())
}

/// What a release must not have: a way to end it from outside at a chosen point.
#[test]
fn failpoints_are_armed_in_builds_for_tests_only() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let door = fs::read_to_string(root.join("adapters/failpoint.rs"))?;
    let declared = door.matches("mod armed;").count();
    let guarded = door.matches("#[cfg(debug_assertions)]\nmod armed;").count();
    assert_eq!((declared, guarded), (1, 1), "the module that acts on a failpoint is in every build");
    let calls = door.matches("armed::").count();
    let inside = door.split("#[cfg(debug_assertions)]\npub ").skip(1);
    let inside: usize = inside.map(|rest| rest.split("\n}\n").next().unwrap_or("").matches("armed::").count()).sum();
    assert_eq!(calls, inside, "a function of every build acts on a failpoint");
    let mut reading = Vec::new();
    for path in files_below(&root)? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            if text.contains("RETENTIOND_FAILPOINT") || text.contains("failpoint::armed") {
                reading.push(path.strip_prefix(&root)?.display().to_string());
            }
        }
    }
    assert_eq!(reading, ["adapters/failpoint/armed.rs"]);
    Ok(())
}
