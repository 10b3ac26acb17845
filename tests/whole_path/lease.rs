//! Two state folders, one vault: the lock excludes nobody, the lease does.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::{
    shop::Rows,
    world::{DEPLOYMENT, LATER, NOW, Outcome, RULES, Sealed, World, outcome, sqlite3},
};

/// As long as the test may keep the shop from the first runner.
const PATIENT: &str = "[limits]\nlock_timeout = \"300 seconds\"\nbatch_rows = 1\n\n[guards]";

/// A deployment that was copied to another host, but for its vault.
struct Two {
    world: World,
}

impl Two {
    fn new() -> Self {
        let world = World::with(&DEPLOYMENT.replace("[guards]", PATIENT), RULES);
        world.at(NOW, &["init", "--simulation"]).ends_with(0);
        world.reviewed_run(NOW).ends_with(0);
        let copied = DEPLOYMENT.replace("[guards]", PATIENT).replace("\"state\"", "\"copied\"");
        world.write("copied.toml", &copied);
        let two = Self { world };
        two.copy();
        two
    }

    /// Another host's state is the first one's as it is now.
    fn copy(&self) {
        if self.world.path("copied").exists() {
            self.world.remove("copied");
        }
        self.world.copy("state", "copied");
    }

    fn other(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        command.current_dir(self.world.path(".")).env_remove("RETENTIOND_LOG").env("NO_COLOR", "1");
        command.args(["--config", "copied.toml"]).args(arguments).args(["--now", LATER]).stdin(Stdio::null());
        command
    }

    fn other_runs(&self) -> Outcome {
        outcome(&mut self.other(&["run"]))
    }

    fn lease(&self) -> String {
        let lease = "SELECT value FROM meta WHERE key = 'lease';";
        sqlite3(&self.world.path("vault/vault.db"), &["-readonly"], lease).trim().to_owned()
    }

    /// What stands in the lease's expiry becomes this.
    fn expire(&self) {
        let lease = self.lease();
        let (token, rest) = lease.split_once(' ').unwrap();
        let (_, holder) = rest.split_once(' ').unwrap();
        let sql = format!("UPDATE meta SET value = '{token} 1 {holder}' WHERE key = 'lease';");
        sqlite3(&self.world.path("vault/vault.db"), &[], &sql);
    }

    fn standing(&self) -> (Rows, Sealed) {
        (self.world.rows(), self.world.vault())
    }
}

/// Somebody who keeps the shop's write lock, so that a runner waits for it in
/// the middle of its cycle.
struct Application(Child);

impl Application {
    fn at(world: &World) -> Self {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut command = Command::new("sqlite3");
        command.arg("-batch").arg(world.path("shop/shop.db")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "BEGIN IMMEDIATE; SELECT 'locked';").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "locked");
        Self(child)
    }

    fn leaves(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

/// Waits until somebody holds the lease under another number than before.
fn held(two: &Two, before: &str) {
    let number = |lease: &str| lease.split(' ').next().map(str::to_owned);
    let since = Instant::now();
    loop {
        let lease = two.lease();
        if number(&lease) != number(before) && lease.split(' ').nth(1) != Some("0") {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "nobody takes the lease");
        std::thread::yield_now();
    }
}

#[test]
fn a_runner_on_another_host_steps_back_while_one_is_at_work_and_follows_when_its_lease_is_over() {
    let two = Two::new();
    let world = &two.world;
    world.sql("INSERT INTO visits VALUES (777776, 1, 'for the first', '2020-01-01 10:00:00');");
    // It has recovered and planned, and has written nothing yet.
    let mut first = world.command(&["run", "--now", LATER]);
    first.env("RETENTIOND_FAILPOINT", "stop:source.take before#1").stdout(Stdio::piped()).stderr(Stdio::piped());
    let first = first.spawn().unwrap();
    let (_, halted) = waitpid(Some(Pid::from_child(&first)), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(halted.stopped(), "{halted:?}");
    let standing = two.standing();
    let refused = two.other_runs().ends_with(75);
    let refused = refused.says(&["another retentiond is at work in the vault", "holds its lease for another", "hint:"]);
    assert!(refused.stderr.contains(&format!("process {} ", first.id())), "{}", refused.stderr);
    assert_eq!(two.standing(), standing);

    two.expire();
    two.other_runs().ends_with(0);
    world.sql("INSERT INTO visits VALUES (777777, 1, 'left for the next', '2020-01-01 10:00:00');");
    let followed = two.standing();
    kill_process(Pid::from_child(&first), Signal::CONT).unwrap();
    let first = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(75), "{said}");
    assert!(said.contains("another runner took over the vault"), "{said}");
    assert_eq!(two.standing(), followed, "who woke up changed something");
    two.other_runs().ends_with(0);
}

#[test]
fn a_killed_runner_is_followed_at_once_under_its_own_lock_and_elsewhere_when_its_lease_is_over() {
    let two = Two::new();
    let (world, before) = (&two.world, two.lease());
    let application = Application::at(world);
    let mut first = world.command(&["run", "--now", LATER]).stderr(Stdio::null()).spawn().unwrap();
    held(&two, &before);
    first.kill().unwrap();
    first.wait().unwrap();
    application.leaves();
    two.copy();
    two.other_runs().ends_with(75).says(&["holds its lease for another"]);
    world.at(LATER, &["run"]).ends_with(0);
    assert_eq!(two.lease().split(' ').nth(1), Some("0"), "a command that ends gives the lease back");
}
