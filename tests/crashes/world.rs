//! A deployment in a temporary folder, and its commands with a fault in them.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tempfile::TempDir;

use crate::store::{PASSWORD, Store};

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

[[rule]]
id     = "visit-log"
name   = { ko = "방문 기록", en = "Visits" }
event  = "recorded"
keep   = "3 years"
basis  = "kr.telecom-secrets.internet"
clause = "5.다"
"#;

/// What happens to a command while it is at work.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is killed when it gets to this point for the n-th time.
    At(String, u32),
    /// It is killed after this time.
    After(Duration),
    /// The server is killed and started again while it is at this point.
    OutageAt(Side, String),
    /// The server is killed after this time, and started again.
    OutageAfter(Side, Duration),
}

/// Whose server.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Source,
    Vault,
}

pub struct World<'s> {
    folder: TempDir,
    pub source: Store<'s>,
    pub vault: Store<'s>,
}

fn password(store: &Store<'_>) -> &'static str {
    if matches!(store, Store::Granted(..)) { "password = { env = \"TEST_PASSWORD\" }\n" } else { "" }
}

impl<'s> World<'s> {
    pub fn new(place: impl FnOnce(&TempDir) -> (Store<'s>, Store<'s>)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (source, vault) = place(&folder);
        let world = Self { folder, source, vault };
        let deployment = format!(
            "policy = \"rules.toml\"\nstate_dir = \"state\"\n\n[[source]]\nname = \"shop\"\nurl = \"{}\"\n{}\n\
             [vault]\nurl = \"{}\"\n{}\n[ledger]\norigin = \"retention.example/crash\"\n\n\
             [limits]\nbatch_rows = 15\n\n[guards]\ntable_share_max = 1.0\nmedian_factor = 1000000\n\
             clock_jump_max = \"4000 days\"\n\n\
             [[dataset]]\nrule = \"member\"\nsource = \"shop\"\ntable = \"members\"\nkey = [\"id\"]\n\
             subject = \"id\"\nevents.withdrawal = \"withdrawn_at\"\n\n  [[dataset.child]]\n  \
             table = \"addresses\"\n  on = {{ member_id = \"id\" }}\n  edge = \"own\"\n\n\
             [[dataset]]\nrule = \"visit-log\"\nsource = \"shop\"\ntable = \"visits\"\nkey = [\"id\"]\n\
             subject = \"member_id\"\nevents.recorded = \"visited_at\"\n",
            world.source.url(),
            password(&world.source),
            world.vault.url(),
            password(&world.vault)
        );
        fs::write(world.path("retentiond.toml"), deployment).unwrap();
        fs::write(world.path("rules.toml"), RULES).unwrap();
        world
    }

    /// Lets an administrator run what `grants` prints, for the roles of both sides.
    pub fn grant(&self) {
        let printed = self.done(&["grants", "--source", "shop"]);
        let (source, vault) = printed.split_once("-- The vault").unwrap_or((&printed, ""));
        for (store, sql) in [(&self.source, source), (&self.vault, vault)] {
            if let Store::Granted(database, _) = store {
                database.run(&format!("-- {sql}"));
            }
        }
    }

    /// On SQLite.
    pub fn in_files() -> World<'static> {
        World::new(|folder| {
            let file = |name: &str| {
                fs::create_dir(folder.path().join(name)).unwrap();
                Store::File(folder.path().join(name).join("data.db"))
            };
            (file("source"), file("vault"))
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.current_dir(self.folder.path()).env_remove("RETENTIOND_LOG").env("NO_COLOR", "1");
        command.env("TEST_PASSWORD", PASSWORD);
        command.args(["--config", "retentiond.toml"]).args(arguments).stdin(Stdio::null());
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must end well.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// Runs a command with a fault in it. True if it was killed.
    #[track_caller]
    pub fn suffer(&self, arguments: &[&str], fault: &Fault) -> bool {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = match fault {
            Fault::At(point, arrival) => {
                command.env("RETENTIOND_FAILPOINT", format!("kill:{point}#{arrival}")).status().unwrap()
            }
            Fault::After(time) => {
                let mut child: Child = command.spawn().unwrap();
                // The instant is the fault itself; nothing waits for it.
                std::thread::sleep(*time);
                child.kill().unwrap();
                child.wait().unwrap()
            }
            Fault::OutageAt(side, point) => Self::halted(command, point, || self.outage(*side)).status,
            Fault::OutageAfter(side, time) => {
                let mut child = command.spawn().unwrap();
                std::thread::sleep(*time);
                self.outage(*side);
                child.wait().unwrap()
            }
        };
        assert!(status.signal().is_none_or(|signal| signal == 9), "{arguments:?}, {fault:?}: {status}");
        status.signal().is_some()
    }

    /// Does something while a command is halted at a point, and lets it go on.
    #[track_caller]
    pub fn halted(mut command: Command, point: &str, meanwhile: impl FnOnce()) -> Output {
        let child = command.env("RETENTIOND_FAILPOINT", format!("stop:{point}#1")).spawn().unwrap();
        let id = Pid::from_child(&child);
        let (_, halted) = waitpid(Some(id), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(halted.stopped(), "{command:?} never came to {point}: {halted:?}");
        meanwhile();
        kill_process(id, Signal::CONT).unwrap();
        child.wait_with_output().unwrap()
    }

    fn outage(&self, side: Side) {
        let store = match side {
            Side::Source => &self.source,
            Side::Vault => &self.vault,
        };
        let Store::Server(database) = store else { panic!("a file has no server") };
        database.server().kill();
        database.server().restart();
    }

    /// Runs a command that must end well and tells at which points it was.
    pub fn points_of(&self, arguments: &[&str]) -> Vec<String> {
        let seen = self.path("seen");
        let output = self.command(arguments).env("RETENTIOND_FAILPOINTS_SEEN", &seen).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        let points = fs::read_to_string(&seen).expect("failpoints are in builds with debug assertions only");
        fs::remove_file(seen).unwrap();
        points.lines().map(str::to_owned).collect()
    }
}
