//! A case: its folder, the numbers it asks for, and a deployment of the binary.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The folder of a case; `None` says on stderr that it is not run.
pub fn folder(case: &str) -> Option<PathBuf> {
    let Some(cases) = std::env::var_os("RETENTIOND_CASES").filter(|cases| !cases.is_empty()) else {
        // Past the harness, which keeps what tests print to itself.
        let line = format!("case {case} was NOT RUN: RETENTIOND_CASES does not name the folder of real databases\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    };
    let folder = PathBuf::from(cases).join(case);
    assert!(folder.is_dir(), "RETENTIOND_CASES has no case {case}: {}", folder.display());
    Some(folder)
}

/// What a line of a case speaks of: rule, action, and table with its remark.
pub type Line = (String, String, String);

/// The numbers of a reference date, by line.
pub fn expected(folder: &Path, date: &str) -> BTreeMap<Line, u64> {
    let text = fs::read_to_string(folder.join(format!("expected-{date}.tsv"))).unwrap();
    let lines = text.lines().map(|line| {
        let [rule, action, table, rows] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((rule.to_owned(), action.to_owned(), table.to_owned()), rows.parse().unwrap())
    });
    let lines: BTreeMap<Line, u64> = lines.collect();
    assert!(!lines.is_empty());
    lines
}

/// The bytes of a packed file.
pub fn unpacked(path: &Path) -> Vec<u8> {
    let unpacked = Command::new("gzip").args(["-dc"]).arg(path).output().unwrap();
    assert!(unpacked.status.success(), "{}", path.display());
    unpacked.stdout
}

/// A deployment in a folder of its own.
pub struct World {
    folder: TempDir,
}

/// How a command ended.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

impl World {
    pub fn new(rules: &str, deployment: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in [("retention-rules.toml", rules), ("retentiond.toml", deployment)] {
            fs::write(world.path(name), text).unwrap();
            fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the binary as if it were `now`.
    pub fn at(&self, now: &str, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.current_dir(self.folder.path()).args(["--config", "retentiond.toml"]).args(arguments);
        let outcome = command.args(["--now", now]).stdin(Stdio::null()).output().unwrap();
        Outcome {
            code: outcome.status.code().unwrap(),
            out: String::from_utf8(outcome.stdout).unwrap(),
            err: String::from_utf8(outcome.stderr).unwrap(),
        }
    }

    pub fn plan(&self, now: &str, more: &[&str]) -> Value {
        self.at(now, &[&["plan", "--format", "json"], more].concat()).ends_with(0).json()
    }

    /// Makes a plan and carries it out as reviewed.
    pub fn reviewed_run(&self, now: &str) -> Value {
        self.plan(now, &["--out", "plan.json"]);
        let run = ["run", "--plan", "plan.json", "--by", "officer", "--format", "json"];
        self.at(now, &run).ends_with(0).json()
    }
}

/// The item of a plan or report that separates a dataset.
pub fn separation<'a>(items: &'a Value, dataset: &str) -> &'a Value {
    let of = |item: &&Value| item["dataset"] == dataset && item.get("action").is_none_or(|action| action == "separate");
    items.as_array().unwrap().iter().find(of).unwrap_or_else(|| panic!("nothing is said of {dataset}: {items}"))
}

/// Rows of a table that an item speaks of under one of its headings.
pub fn rows(item: &Value, heading: &str, table: &str) -> u64 {
    item[heading][table].as_u64().unwrap_or(0)
}

/// Rows with an anomaly of this kind.
pub fn anomalies(plan: &Value, dataset: &str, kind: &str) -> u64 {
    let of = |anomaly: &&Value| anomaly["dataset"] == dataset && anomaly["kind"] == kind;
    plan["anomalies"].as_array().unwrap().iter().filter(of).map(|anomaly| anomaly["rows"].as_u64().unwrap()).sum()
}
