//! A daemon under test: its process, what it tells its service manager, its log.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixDatagram, UnixStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World};

/// An hour after `LATER`, for a second daemon.
pub const AFTERWARDS: &str = "2026-11-29T04:00:00+09:00";

/// How long anything may take on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(30);

pub const CYCLE_STARTED: &str = "b53a6bce833842598f934be9da7feeb1";
pub const CYCLE_FINISHED: &str = "718c9d3778f8469cb9dcb7e7b607203b";
pub const CYCLE_FAILED: &str = "2684ab790f9240d6a8a2d79575f39361";
pub const RELOADED: &str = "22d12efac8a14b9d92de0b6d1b840b93";
pub const RELOAD_REFUSED: &str = "50025178d2914822886f72663ca91de5";

/// The deployment of the tests with a cycle every second and metrics on a socket.
pub fn deployment(schedule: &str) -> String {
    let operation = format!(
        "[schedule]\n{schedule}\n\n[limits]\nbatch_rows = 100\n\n[metrics]\nlisten = \"unix:metrics.sock\"\n\n[guards]\n\
         median_factor = 1000000"
    );
    DEPLOYMENT.replace("[guards]", &operation)
}

pub const EVERY_SECOND: &str = "cycle = \"* * * * * *\"";

/// A simulation after its first, reviewed cycle, under this schedule.
pub fn world(schedule: &str) -> World {
    let world = World::with(&deployment(schedule), RULES);
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    world.reviewed_run(NOW).ends_with(0);
    world
}

/// Waits until `look` finds something.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "it did not happen in {DEADLINE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

pub struct Daemon<'a> {
    world: &'a World,
    child: Child,
    manager: UnixDatagram,
    told: Arc<Mutex<Vec<String>>>,
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // Already gone where the test went well.
        self.child.kill().ok();
        self.child.wait().ok();
        self.manager.shutdown(Shutdown::Both).ok();
        if thread::panicking() {
            let text = self.log_text();
            let tail: Vec<&str> = text.lines().rev().take(12).collect();
            eprintln!("the daemon's last words, the newest first:\n{}", tail.join("\n"));
        }
    }
}

impl<'a> Daemon<'a> {
    /// Starts it a week after the first cycle, and waits for READY.
    pub fn start(world: &'a World) -> Self {
        Self::start_at(world, LATER)
    }

    /// The same at another time: a ledger does not go back.
    pub fn start_at(world: &'a World, now: &str) -> Self {
        let mut daemon = Self::launch(world, now);
        daemon.hears("READY=1");
        daemon
    }

    pub fn launch(world: &'a World, now: &str) -> Self {
        Self::launch_with(world, now, &[])
    }

    pub fn launch_with(world: &'a World, now: &str, environment: &[(&str, &str)]) -> Self {
        let socket = world.path("notify.sock");
        fs::remove_file(&socket).ok();
        let manager = UnixDatagram::bind(&socket).unwrap();
        let told = listen(manager.try_clone().unwrap());
        let mut command = world.command(&["daemon", "--now", now]);
        command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "4000000").env_remove("JOURNAL_STREAM");
        command.envs(environment.iter().copied());
        command.stdout(Stdio::null()).stderr(File::create(world.path("log.json")).unwrap());
        let child = command.spawn().unwrap();
        Self { world, child, manager, told }
    }

    /// Waits for a message to the manager that has this line, and returns it. Each
    /// message is found once.
    #[track_caller]
    pub fn hears(&mut self, line: &str) -> String {
        eventually(line, || {
            if let Some(status) = self.child.try_wait().unwrap() {
                let said = self.told.lock().unwrap().iter().any(|message| message.lines().any(|one| one == line));
                assert!(said, "the daemon ended with {status}:\n{}", self.log_text());
            }
            let mut told = self.told.lock().unwrap();
            let found = told.iter().position(|message| message.lines().any(|one| one == line))?;
            Some(told.remove(found))
        })
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(self.world.path("log.json")).unwrap()
    }

    /// Lines of the log that are finished, each an object.
    pub fn log(&self) -> Vec<Value> {
        let text = self.log_text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// How many messages have this id.
    pub fn count(&self, message_id: &str) -> usize {
        self.log().iter().filter(|line| line["message_id"] == message_id).count()
    }

    /// Waits for so many more messages of this id.
    #[track_caller]
    pub fn logs(&self, message_id: &str, more: usize) {
        let wanted = self.count(message_id) + more;
        eventually(message_id, || (self.count(message_id) >= wanted).then_some(()));
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        eventually("the end of the daemon", || self.child.try_wait().unwrap())
    }

    /// What `status` says of it.
    pub fn status(&self) -> Value {
        self.world.run(&["status", "--format", "json"]).ends_with(0).json()
    }

    #[track_caller]
    pub fn waits_for_phase(&self, phase: &str) -> Value {
        eventually(phase, || Some(self.status()).filter(|status| status["daemon"]["phase"] == phase))
    }

    /// Asks for a page of the metrics socket: code and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(self.world.path("metrics.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split_whitespace().nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// A metric by its name with its labels; panics where there is none.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let (code, body) = self.get("/metrics");
        assert_eq!(code, 200);
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{body}")).parse().unwrap()
    }
}

/// Takes what a manager is told, as it comes: one that does not listen stops the
/// daemon, since only so many messages wait.
fn listen(manager: UnixDatagram) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&told);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Nothing is what a socket says that was shut down.
        while let Ok(length @ 1..) = manager.recv(&mut buffer) {
            heard.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    });
    told
}

/// Records of a rule that the ledger says were separated and destroyed.
pub fn of_ledger(world: &World, rule: &str) -> (u64, u64) {
    let entries = world.run(&["ledger", "list", "--format", "json"]).ends_with(0).json();
    let entries = entries.as_array().unwrap();
    let of_rule =
        |kind: &str| entries.iter().filter(move |entry| entry["type"] == kind && entry["rule"] == rule).collect();
    let committed = |batch: &Value| {
        entries.iter().any(|entry| {
            entry["type"] == "separate.outcome" && entry["batch"] == *batch && entry["result"] == "committed"
        })
    };
    let intents: Vec<&Value> = of_rule("separate.intent");
    let separated = intents.iter().filter(|intent| committed(&intent["batch"]));
    let destroyed: Vec<&Value> = of_rule("destroy.outcome");
    let destroyed = destroyed.iter().filter(|outcome| outcome["result"] == "destroyed");
    let records = |entry: &&&Value| entry["records"].as_u64().unwrap();
    (separated.map(|entry| records(&entry)).sum(), destroyed.map(|entry| records(&entry)).sum())
}
