//! A deployment in a temporary folder, its source on a server of its own, and the
//! binary.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    servers::{Database, Engine, Server},
    traces::Traces,
};

const RULES: &str = r#"[policy]
title          = "테스트"
version        = "1.0"
announced      = 2021-05-20
effective      = 2021-05-27
timezone       = "Asia/Seoul"
counting       = "kr-civil"
destroy_within = "5 days"
cooling_off    = "24 hours"
statutes       = "kr"

[officer]
title   = "개인정보 보호책임자"
contact = "privacy@example.com"

[[rule]]
id          = "member"
name        = { ko = "회원 정보", en = "Member account" }
event       = "withdrawal"
keep        = "5 days"
separate_on = ["withdrawal"]
basis       = "internal"
clause      = "5"
"#;

/// Outside of the window.
pub const FRIDAY: &str = "2026-11-20T03:00:00+09:00";
/// Within it, once the cooling-off is over and before anything is due.
pub const SUNDAY: &str = "2026-11-22T03:00:00+09:00";
pub const SUNDAY_LATER: &str = "2026-11-22T04:00:00+09:00";
/// Everything is due.
pub const NEXT_SUNDAY: &str = "2026-11-29T03:00:00+09:00";
/// When those who leave have left.
pub const LEFT: &str = "2026-11-19 01:00:00";

/// What an operator says of the places that nobody can look into.
pub const DECLARED: &str = "medium = \"encrypted\"\nbackups.kept = \"none\"\n";

pub struct World<'s> {
    folder: TempDir,
    pub database: Database<'s>,
    vault: Database<'s>,
}

impl<'s> World<'s> {
    /// Below `parent` lie the ledger and the keys.
    pub fn new(source: &'s Server, vault: &'s Server, parent: &Path) -> Self {
        let folder = TempDir::new_in(parent).unwrap();
        let world = Self { folder, database: source.database(), vault: vault.database() };
        fs::write(world.path("rules.toml"), RULES).unwrap();
        world
    }

    pub fn engine(&self) -> Engine {
        self.database.server().engine()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the deployment file. `url`: how the source is reached.
    pub fn deploy(&self, url: &str, wipe: &str, declared: &str) {
        let deployment = format!(
            "policy = \"rules.toml\"\nstate_dir = \"state\"\n\n[[source]]\nname = \"shop\"\nurl = \"{url}\"\n\
             maintenance.window = \"Sun 02:00-05:00\"\n{declared}\n[vault]\nurl = \"{}\"\n\n\
             [ledger]\norigin = \"retention.example/erasure\"\n\n\
             [guards]\ntable_share_max = 1.0\nmedian_factor = 1000000\n\n\
             [[dataset]]\nrule = \"member\"\nsource = \"shop\"\ntable = \"members\"\nkey = [\"id\"]\n\
             subject = \"id\"\nevents.withdrawal = \"withdrawn_at\"\nwipe = \"{wipe}\"\nverify = \"residue-scan\"\n\n  \
             [[dataset.child]]\n  table = \"notes\"\n  on = {{ member_id = \"id\" }}\n  edge = \"own\"\n",
            self.vault.url()
        );
        fs::write(self.path("retentiond.toml"), deployment).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.current_dir(self.folder.path()).env_remove("RETENTIOND_LOG").env("NO_COLOR", "1");
        command.args(["--config", "retentiond.toml"]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command that must end with this code, and returns what it printed.
    #[track_caller]
    pub fn ends(&self, code: i32, mut command: Command) -> String {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let (printed, said) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(code), "{:?}\n{printed}\n{said}", command.get_args().collect::<Vec<_>>());
        printed
    }

    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        self.ends(0, self.command(arguments))
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    /// Initialises and carries out the first plan as it was reviewed. `code`: how
    /// the cycle ends.
    #[track_caller]
    pub fn first_cycle(&self, now: &str, code: i32) -> Value {
        self.done(&["init", "--simulation", "--now", now]);
        self.done(&["plan", "--out", "plan.json", "--now", now]);
        let run = ["run", "--plan", "plan.json", "--by", "officer", "--format", "json", "--now", now];
        serde_json::from_str(&self.ends(code, self.command(&run))).unwrap()
    }

    #[track_caller]
    pub fn cycle(&self, now: &str) -> Value {
        self.json(&["run", "--now", now])
    }

    /// The newest entry of a kind.
    #[track_caller]
    pub fn newest(&self, kind: &str) -> Value {
        let all = self.json(&["ledger", "list", "--type", kind]);
        all.as_array().unwrap().last().unwrap_or_else(|| panic!("no {kind}")).clone()
    }

    /// The state of each location in the newest search.
    #[track_caller]
    pub fn states(&self) -> Vec<(String, String)> {
        let scan = self.newest("residue.scanned");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let state = |location: &Value| (text(&location["name"]), text(&location["state"]));
        scan["locations"].as_array().unwrap().iter().map(state).collect()
    }

    /// Whose marks stand in the files of the source's engine.
    pub fn traces(&self) -> Traces {
        Traces::below(&self.database.server().data())
    }

    /// Neither the separate store nor the ledger and the keys ever hold a value.
    #[track_caller]
    pub fn assert_sealed(&self) {
        for folder in [self.vault.server().data(), self.path("state")] {
            assert_eq!(Traces::below(&folder), Traces::default(), "{}", folder.display());
        }
    }
}

/// The reasons of a report, in order.
pub fn reasons(report: &Value) -> Vec<&str> {
    report["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect()
}
