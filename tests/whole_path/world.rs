//! A deployment in a temporary folder: two files, a live shop, and the binary.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::shop::{self, Rows};

/// The instant of the first cycle; the shop's rows are laid out around it.
pub const NOW: &str = "2026-11-22T03:00:00+09:00";
/// Cooling-off is over, and so are the five days of those who left on 20 November.
pub const LATER: &str = "2026-11-29T03:00:00+09:00";

pub const RULES: &str = r#"[policy]
title          = "테스트 상점 개인정보 처리방침"
version        = "1.0"
announced      = 2021-05-20
effective      = 2021-05-27
timezone       = "Asia/Seoul"
counting       = "kr-civil"
destroy_within = "5 days"
cooling_off    = "24 hours"
statutes       = "kr"

[officer]
title   = "개인정보 관리책임자"
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
id          = "contract"
name        = { ko = "계약 기록", en = "Contracts" }
event       = "contract"
keep        = "5 years"
separate_on = ["withdrawal"]
basis       = "kr.ecommerce.contract"
clause      = "5.다"

[[rule]]
id          = "payment"
name        = { ko = "결제 기록", en = "Payments" }
event       = "payment"
keep        = "5 years"
separate_on = ["withdrawal"]
basis       = "kr.ecommerce.payment"
clause      = "5.다"

[[rule]]
id     = "visit-log"
name   = { ko = "방문 기록", en = "Visits" }
event  = "recorded"
keep   = "3 years"
basis  = "kr.telecom-secrets.internet"
clause = "5.다"
"#;

pub const DEPLOYMENT: &str = r#"policy    = "retention-rules.toml"
state_dir = "state"

[[source]]
name = "shop"
url  = "sqlite://shop/shop.db"

[vault]
url = "sqlite://vault/vault.db"

[ledger]
origin = "retention.example/test"

[guards]
table_share_max = 1.0

[[dataset]]
rule    = "member"
source  = "shop"
table   = "members"
key     = ["id"]
subject = "id"
events.withdrawal = "withdrawn_at"

  [[dataset.child]]
  table = "addresses"
  on    = { member_id = "id" }
  edge  = "own"

[[dataset]]
rule    = "contract"
source  = "shop"
table   = "orders"
key     = ["id"]
subject = "member_id"
events.contract   = "ordered_at"
events.withdrawal = { through = "members", on = { member_id = "id" }, column = "withdrawn_at" }

  [[dataset.child]]
  table = "order_lines"
  on    = { order_id = "id" }
  edge  = "own"

  [[dataset.child]]
  table = "payments"
  on    = { order_id = "id" }
  edge  = "wait"

[[dataset]]
rule    = "payment"
source  = "shop"
table   = "payments"
key     = ["id"]
subject = "member_id"
events.payment    = "paid_at"
events.withdrawal = { through = "members", on = { member_id = "id" }, column = "withdrawn_at" }

[[dataset]]
rule    = "visit-log"
source  = "shop"
table   = "visits"
key     = ["id"]
subject = "member_id"
events.recorded = "visited_at"
"#;

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub command: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Fails unless the command ended with this code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Fails unless stderr has all of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{}: {part:?} is not in:\n{}", self.command, self.stderr);
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// Files by their names, with their bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Files(pub Vec<(PathBuf, Vec<u8>)>);

/// Names and sizes: bytes would tell nobody anything.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(path, bytes)| (path, bytes.len()))).finish()
    }
}

/// A dump of the vault.
#[derive(PartialEq, Eq)]
pub struct Sealed(String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines of a dump", self.0.lines().count())
    }
}

/// A deployment.
pub struct World {
    folder: TempDir,
}

impl World {
    /// Both files and the shop; nothing is initialised.
    pub fn new() -> Self {
        Self::with(DEPLOYMENT, RULES)
    }

    /// The same with other files.
    pub fn with(deployment: &str, rules: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["shop", "vault"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world.write("retentiond.toml", deployment);
        world.write("retention-rules.toml", rules);
        world.sql(&shop::script());
        world
    }

    /// A simulation that was just initialised.
    pub fn simulation() -> Self {
        let world = Self::new();
        world.at(NOW, &["init", "--simulation"]).ends_with(0);
        world
    }

    /// A simulation after its first, reviewed cycle.
    pub fn separated() -> Self {
        let world = Self::simulation();
        world.reviewed_run(NOW).ends_with(0);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o644);
    }

    /// Runs the binary in the deployment's folder.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(arguments))
    }

    /// Runs the binary as if it were `now`.
    pub fn at(&self, now: &str, arguments: &[&str]) -> Outcome {
        self.run(&[arguments, &["--now", now]].concat())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.current_dir(self.folder.path()).env_remove("RETENTIOND_LOG").env("NO_COLOR", "1");
        command.args(["--config", "retentiond.toml"]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Makes a plan into `plan.json`.
    pub fn plan(&self, now: &str) -> Value {
        self.at(now, &["plan", "--out", "plan.json", "--format", "json"]).ends_with(0).json()
    }

    /// Makes a plan and runs it as reviewed.
    pub fn reviewed_run(&self, now: &str) -> Outcome {
        self.plan(now);
        self.at(now, &["run", "--plan", "plan.json", "--by", "officer", "--format", "json"])
    }

    pub fn status(&self, now: &str) -> Value {
        self.at(now, &["status", "--format", "json"]).ends_with(0).json()
    }

    /// Runs SQL on the shop, able to write.
    pub fn sql(&self, script: &str) -> String {
        sqlite3(&self.path("shop/shop.db"), &[], script)
    }

    /// Every row of the shop.
    pub fn rows(&self) -> Rows {
        Rows::of_dump(&sqlite3(&self.path("shop/shop.db"), &["-readonly"], ".dump"))
    }

    /// Everything that the vault holds, sealed as it is; not whose turn it is.
    pub fn vault(&self) -> Sealed {
        let dump = sqlite3(&self.path("vault/vault.db"), &["-readonly"], ".dump");
        let lines = dump.lines().filter(|line| !line.starts_with("INSERT INTO meta VALUES('lease',"));
        Sealed(lines.collect::<Vec<_>>().join("\n"))
    }

    /// Copies a file or folder within the deployment, with modes and times.
    pub fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        succeeds(Command::new("cp").arg("-a").arg("-T").arg(from).arg(to));
    }

    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Every file under a folder of the deployment with its bytes, by its name
    /// relative to the deployment.
    pub fn files(&self, name: &str) -> Files {
        let mut files = Vec::new();
        let mut open = vec![self.path(name)];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let relative = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                files.push((relative, fs::read(path).unwrap()));
            }
        }
        files.sort();
        Files(files)
    }
}

pub fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        command: format!("{:?}", command.get_args().collect::<Vec<_>>()),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a script through the `sqlite3` program and returns what it prints.
pub fn sqlite3(database: &Path, options: &[&str], script: &str) -> String {
    use std::io::Write as _;
    let mut command = Command::new("sqlite3");
    command.args(["-batch", "-bail", "-cmd", ".timeout 10000"]).args(options).arg(database);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let script = script.to_owned();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Sum of `rows` over the items of a list in a report.
pub fn rows_in(list: &Value) -> u64 {
    list.as_array().unwrap().iter().map(|item| item["rows"].as_u64().unwrap()).sum()
}
