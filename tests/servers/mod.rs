//! PostgreSQL and MariaDB for tests: servers of our own, in a temporary folder,
//! on a free loopback port, under an account without privileges.
//!
//! `postgres()` and `mariadb()` start one server per test binary at the first
//! call; each test takes a `database()` of its own in it. A test that stops or
//! kills its server takes one that nobody else uses, with `Server::start`.
//!
//! A watchdog that outlives the test process waits for it to end, in whatever
//! way: then it kills the server and removes the folder. Servers that are not
//! ours are never touched.
//!
//! What a killed server has committed survives, since it went to the operating
//! system; nothing is promised about a loss of power, and that is what makes
//! these servers fast.

#![allow(dead_code, reason = "each test binary uses its own part")]

mod account;
mod database;
mod process;
mod programs;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

pub use database::Database;

use account::Account;
use process::{Running, Watchdog};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    MariaDb,
}

/// A server of this test binary.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    folder: PathBuf,
    account: Account,
    options: Vec<String>,
    port: Mutex<u16>,
    running: Mutex<Option<Running>>,
    watchdog: Watchdog,
    databases: AtomicU32,
}

const START_TIME_MAX: Duration = Duration::from_secs(60);
const START_ATTEMPTS_MAX: u32 = 8;

/// The PostgreSQL server that the tests of this binary share.
pub fn postgres() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(Engine::Postgres, &[]))
}

/// The MariaDB server that the tests of this binary share.
pub fn mariadb() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(Engine::MariaDb, &[]))
}

impl Server {
    /// Makes a server of its own. `options` go to its command line, for example
    /// `-c`, `wal_level=logical` or `--log-bin=binlog`.
    pub fn start(engine: Engine, options: &[&str]) -> Self {
        Self::start_over(engine, options, |account, folder| programs::make_data(engine, account, folder))
    }

    /// A PostgreSQL server that streams from another one.
    pub fn standby_of(primary: &Self) -> Self {
        let port = primary.port();
        Self::start_over(Engine::Postgres, &[], |account, folder| programs::copy_data(port, account, folder))
    }

    fn start_over(engine: Engine, options: &[&str], make_data: impl FnOnce(&Account, &Path)) -> Self {
        programs::require(engine);
        let account = Account::unprivileged();
        let folder = account.temporary_folder(engine);
        // From here on the folder is removed whatever happens.
        let watchdog = Watchdog::over(&folder);
        make_data(&account, &folder);
        let server = Self {
            engine,
            folder,
            account,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            port: Mutex::new(0),
            running: Mutex::new(None),
            watchdog,
            databases: AtomicU32::new(0),
        };
        for _ in 0..START_ATTEMPTS_MAX {
            *server.port.lock().unwrap() = free_port();
            if server.try_to_start() {
                return server;
            }
        }
        panic!("{engine:?} did not start on any of {START_ATTEMPTS_MAX} ports:\n{}", server.log());
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// On 127.0.0.1. Stays the same over a restart.
    pub fn port(&self) -> u16 {
        *self.port.lock().unwrap()
    }

    /// What a client is told as the socket: PostgreSQL wants the folder.
    pub fn socket(&self) -> PathBuf {
        match self.engine {
            Engine::Postgres => self.folder.clone(),
            Engine::MariaDb => self.folder.join("socket"),
        }
    }

    /// The files of the engine, to look for residue in.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A new, empty database.
    pub fn database(&self) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        Database::create(self, format!("test{number}"))
    }

    /// Asks the server to stop and waits until it has.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap().take().expect("the server runs");
        // SIGINT is PostgreSQL's fast shutdown, which does not wait for clients.
        let signal = if self.engine == Engine::Postgres { "INT" } else { "TERM" };
        running.end(signal);
    }

    /// Kills the server and all its processes, as a crash would.
    pub fn kill(&self) {
        self.running.lock().unwrap().take().expect("the server runs").kill();
    }

    /// Starts a stopped or killed server again, on the same port.
    pub fn restart(&self) {
        let started = Instant::now();
        // After a crash the engine may have to wait for what it left behind.
        while !self.try_to_start() {
            assert!(started.elapsed() < START_TIME_MAX, "{:?} did not start again:\n{}", self.engine, self.log());
        }
    }

    /// False when the server ended instead of taking connections.
    fn try_to_start(&self) -> bool {
        let command =
            programs::server(self.engine, &self.account, &self.folder, &self.socket(), self.port(), &self.options);
        let mut running = Running::start(command, &self.folder);
        let started = Instant::now();
        while !programs::answers(self.engine, self.port(), &self.socket()) {
            if running.has_ended() {
                return false;
            }
            assert!(started.elapsed() < START_TIME_MAX, "{:?} does not answer:\n{}", self.engine, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        *self.running.lock().unwrap() = Some(running);
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.watchdog.release();
    }
}

/// Below the ports that connections get for their own end, so that none of them
/// takes it while the server restarts.
fn free_port() -> u16 {
    let seed = std::process::id().wrapping_mul(2_654_435_761);
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from((seed >> 8).wrapping_add(step.wrapping_mul(37)) % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The last lines of a text, for messages.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
