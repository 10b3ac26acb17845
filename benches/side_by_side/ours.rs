//! The program, as an operator runs it: from a reviewed plan to the end of the
//! cycle, with its start, its keys, its ledger and its reading back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::measure::{Outcome, Run, expect, program, program_output};

/// The instant at which half of the rows are due.
pub const NOW: &str = "2026-11-22T03:00:00+09:00";

/// Rows visited before this are due at `NOW`: three years, counted by the Civil
/// Act in the policy's zone.
pub const CUTOFF: &str = "2023-11-22 00:00:00";

/// What the peers use at their best.
const LARGE_BATCHES: &str = "[limits]\nbatch_rows = 10000";

const POLICY: &str = r#"
[policy]
title     = "benchmark"
version   = "1"
announced = 2021-05-20
effective = 2021-05-27
timezone  = "Asia/Seoul"
[officer]
title   = "officer"
contact = "privacy@example.com"
[[rule]]
id    = "visit-log"
name  = { ko = "방문 기록", en = "Visits" }
event = "recorded"
basis = "internal"
"#;

/// What a work wants in the two files.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    pub source: &'a str,
    pub vault: &'a str,
    /// How long, and lines that a rule may have.
    pub rule: &'a str,
    /// A table of the file; nothing means the program's defaults.
    pub limits: &'a str,
    /// More lines of the guards.
    pub guards: &'a str,
    /// More lines of the dataset.
    pub events: &'a str,
}

impl<'a> Wishes<'a> {
    pub fn new(source: &'a str, vault: &'a str) -> Self {
        Self { source, vault, rule: "keep = \"3 years\"", limits: LARGE_BATCHES, guards: "", events: "" }
    }
}

/// A deployment in a folder of its own.
#[derive(Debug)]
pub struct Deployment {
    folder: PathBuf,
}

impl Deployment {
    /// Makes one, with its vault.
    pub fn new(folder: &Path, wishes: &Wishes<'_>) -> Outcome<Self> {
        let deployment = Self::configured(folder, wishes)?;
        program(&mut deployment.command(NOW, &["init", "--simulation"]), 0)?;
        Ok(deployment)
    }

    /// Writes both files, and nothing else.
    pub fn configured(folder: &Path, wishes: &Wishes<'_>) -> Outcome<Self> {
        let Wishes { source, vault, rule, limits, guards, events } = wishes;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("retention-rules.toml"), format!("{POLICY}{rule}\n"))?;
        let deployment = format!(
            "policy    = \"retention-rules.toml\"\nstate_dir = \"state\"\n\
             [[source]]\nname = \"shop\"\nurl = \"{source}\"\n\
             [vault]\nurl = \"{vault}\"\n\
             [ledger]\norigin = \"{ORIGIN}\"\n{limits}\n\
             [guards]\nrows_max = 1000000000\ntable_share_max = 1\n{guards}\n\
             [[dataset]]\nrule = \"visit-log\"\nsource = \"shop\"\ntable = \"visits\"\nkey = [\"id\"]\n\
             subject = \"member_id\"\nevents.recorded = \"visited_at\"\n{events}\nwipe = \"none\"\n"
        );
        fs::write(folder.join("retentiond.toml"), deployment)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// A deployment that was copied as a whole.
    pub fn copied(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Counts what is due, of a table of so many rows, and writes the plan to run.
    pub fn plan(&self, due: u64, rows: u64) -> Outcome<Run> {
        let file = self.plan_file();
        let run = program(&mut self.command(NOW, &["plan", "--out", &file]), rows)?;
        let plan: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        expect("planned", rows_in(&plan["items"]), due)?;
        Ok(run)
    }

    /// Separates what the plan says.
    pub fn separate(&self, rows: u64) -> Outcome<Run> {
        self.separate_by(&mut self.command(NOW, &[]), rows)
    }

    /// The same with the priorities of the units in `systemd/`.
    pub fn separate_as_a_service(&self, rows: u64) -> Outcome<Run> {
        let program = self.command(NOW, &[]);
        let mut service = Command::new("ionice");
        service.args(["-c", "3", "chrt", "--batch", "0", "nice", "-n", "10"]);
        self.separate_by(service.arg(program.get_program()).args(program.get_args()), rows)
    }

    fn separate_by(&self, program: &mut Command, rows: u64) -> Outcome<Run> {
        program.args(["run", "--plan", &self.plan_file(), "--by", "bench", "--format", "json"]);
        let (run, said) = program_output(program, rows)?;
        let report: Value = serde_json::from_str(&said)?;
        expect("separated", rows_in(&report["separated"]), rows)?;
        Ok(run)
    }

    /// One cycle that has so many rows to destroy and nothing to separate.
    pub fn destroy_at(&self, now: &str, rows: u64) -> Outcome<Run> {
        let (run, said) = program_output(&mut self.command(now, &["run", "--format", "json"]), rows)?;
        let report: Value = serde_json::from_str(&said)?;
        expect("destroyed", rows_in(&report["destroyed"]), rows)?;
        expect("separated beside", rows_in(&report["separated"]), 0)?;
        Ok(run)
    }

    fn plan_file(&self) -> String {
        self.folder.join("plan.json").display().to_string()
    }

    pub fn command(&self, now: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.args(["--now", now, "--config"]).arg(self.folder.join("retentiond.toml")).args(arguments);
        command
    }
}

pub const ORIGIN: &str = "bench.example/shop";

/// The rows of all items of a list.
fn rows_in(items: &Value) -> u64 {
    items.as_array().into_iter().flatten().filter_map(|item| item["rows"].as_u64()).sum()
}
