//! The program, as an operator runs it: from a reviewed plan to the end of the
//! cycle, with its start, its keys, its ledger and its reading back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::measure::{Outcome, Run, program};

/// The instant at which half of the rows are due.
pub const NOW: &str = "2026-11-22T03:00:00+09:00";

/// Rows visited before this are due at `NOW`: three years, counted by the Civil
/// Act in the policy's zone.
pub const CUTOFF: &str = "2023-11-22 00:00:00";

const RULES: &str = r#"
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
keep  = "3 years"
basis = "internal"
"#;

/// A deployment in a folder of its own.
#[derive(Debug)]
pub struct Deployment {
    folder: PathBuf,
}

impl Deployment {
    /// Writes both files. `table` is the name of the visits in the source.
    pub fn new(folder: &Path, source: &str, vault: &str, table: &str) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("retention-rules.toml"), RULES)?;
        let deployment = format!(
            "policy    = \"retention-rules.toml\"\nstate_dir = \"state\"\n\
             [[source]]\nname = \"shop\"\nurl = \"{source}\"\n\
             [vault]\nurl = \"{vault}\"\n\
             [ledger]\norigin = \"bench.example/shop\"\n\
             [limits]\nbatch_rows = 10000\n\
             [guards]\nrows_max = 1000000000\ntable_share_max = 1\n\
             [[dataset]]\nrule = \"visit-log\"\nsource = \"shop\"\ntable = \"{table}\"\nkey = [\"id\"]\n\
             subject = \"member_id\"\nevents.recorded = \"visited_at\"\nwipe = \"none\"\n"
        );
        fs::write(folder.join("retentiond.toml"), deployment)?;
        let deployment = Self { folder: folder.to_owned() };
        program(&mut deployment.command(&["init", "--simulation"]), 0)?;
        Ok(deployment)
    }

    /// Counts what is due and writes the plan to run.
    pub fn plan(&self, rows: u64) -> Outcome<Run> {
        let plan = self.plan_file();
        program(&mut self.command(&["plan", "--out", &plan]), rows)
    }

    /// Separates what the plan says.
    pub fn separate(&self, rows: u64) -> Outcome<Run> {
        let plan = self.plan_file();
        program(&mut self.command(&["run", "--plan", &plan, "--by", "bench"]), rows)
    }

    fn plan_file(&self) -> String {
        self.folder.join("plan.json").display().to_string()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.args(["--now", NOW, "--config"]).arg(self.folder.join("retentiond.toml")).args(arguments);
        command
    }
}
