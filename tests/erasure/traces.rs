//! A search of its own: whose marks stand in which file of a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use memchr::memmem;

use super::rows::MARKS;

/// Members of whom something was found, by file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traces(pub BTreeMap<String, BTreeSet<u32>>);

impl Traces {
    /// Everything below a folder. A running engine may remove files meanwhile.
    pub fn below(folder: &Path) -> Self {
        let mut traces = Self::default();
        let mut open = vec![folder.to_owned()];
        let mut bytes = 0;
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let Ok(entries) = fs::read_dir(&path) else { continue };
                open.extend(entries.map(|entry| entry.unwrap().path()));
            } else if path.is_file() {
                let Ok(content) = fs::read(&path) else { continue };
                bytes += content.len();
                let found = marks_in(&content);
                if !found.is_empty() {
                    traces.0.insert(path.strip_prefix(folder).unwrap().display().to_string(), found);
                }
            }
        }
        assert!(bytes > 0, "nothing below {}", folder.display());
        traces
    }

    /// Members of whom something stands in some files, as far as it says of whom.
    pub fn of(&self, files: impl Fn(&str) -> bool) -> BTreeSet<u32> {
        let found = self.0.iter().filter(|(name, _)| files(name)).flat_map(|(_, found)| found);
        found.copied().filter(|id| *id > 0).collect()
    }

    /// The same by classes of files.
    pub fn in_class(&self, classes: &[(&str, Vec<String>)], class: &str) -> BTreeSet<u32> {
        let (_, beginnings) = classes.iter().find(|(name, _)| *name == class).unwrap();
        self.of(|name| beginnings.iter().any(|beginning| is_part(name, beginning)))
    }
}

/// `base/5/123.1` and `base/5/123_vm` are parts of `base/5/123`, `base/5/1234` is
/// not; what ends otherwise is the beginning of any name.
fn is_part(name: &str, beginning: &str) -> bool {
    let is_number = beginning.ends_with(|last: char| last.is_ascii_digit());
    let rest = name.strip_prefix(beginning);
    rest.is_some_and(|rest| !(is_number && rest.starts_with(|next: char| next.is_ascii_digit())))
}

fn marks_in(content: &[u8]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for mark in MARKS {
        for at in memmem::find_iter(content, mark.as_bytes()) {
            let start = at + mark.len();
            let digits = content.get(start..start + 5).and_then(|digits| std::str::from_utf8(digits).ok());
            // A mark that is cut off is of somebody too: 0.
            found.insert(digits.and_then(|digits| digits.parse().ok()).unwrap_or_default());
        }
    }
    found
}
