//! What the daemon keeps and shows in `state_dir`: `schedule` survives it, and is
//! what the next cycle is computed from; `daemon.json` says what it is doing, for
//! `status`, and means nothing while nobody holds `daemon.lock`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::attend::Doing;
use crate::{
    adapters::durable,
    cli::{error::CommandError, exit::Exit},
    domain::{backlog::Backlog, schedule::Memory},
    settings::Settings,
};

/// What the daemon does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waits for the next cycle.
    Idle,
    /// A cycle is at work.
    Running,
    /// Nothing starts until the pause file is gone.
    Paused,
    /// The cycle at work was told to stop, and the daemon with it.
    Draining,
}

/// How the last cycle of this daemon ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCycle {
    pub time: DateTime<Utc>,
    pub exit: u8,
    /// What kept it from being a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What was owed when it was counted last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    pub at: DateTime<Utc>,
    pub backlog: Vec<Backlog>,
}

/// `daemon.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    pub pid: u32,
    pub phase: Phase,
    /// Why it waits, whenever it does.
    pub waiting: Option<String>,
    pub step: Option<String>,
    /// When the next cycle starts.
    pub next: Option<DateTime<Utc>>,
    pub last_cycle: Option<LastCycle>,
    pub owed: Option<Owed>,
    /// Why the files on disk are not those in force.
    pub reload_refused: Option<String>,
}

impl Published {
    /// The same with what the cycle at work is at.
    #[must_use]
    pub fn with(mut self, doing: &Doing) -> Self {
        self.step = (!doing.step.is_empty()).then(|| doing.step.clone());
        self.waiting = doing.waiting.clone().or(self.waiting);
        self
    }
}

/// The daemon's own lock: two daemons on one deployment are one too many, also
/// between cycles.
pub fn lock(settings: &Settings) -> Result<File, CommandError> {
    let path = settings.daemon_lock();
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    // Whoever only looks (`status`) holds it for an instant.
    for attempt in 0..5 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if attempt < 4 => std::thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(CommandError::new(
        Exit::Locked,
        format!("another daemon is at work here ({} is locked); hint: `retentiond status`", path.display()),
    ))
}

/// Whether a daemon runs here. Changes nothing.
pub fn is_running(settings: &Settings) -> bool {
    let Ok(file) = File::open(settings.daemon_lock()) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// What the daemon of this deployment shows, if one runs.
pub fn published(settings: &Settings) -> Option<Published> {
    if !is_running(settings) {
        return None;
    }
    serde_json::from_slice(&fs::read(settings.published_file()).ok()?).ok()
}

pub fn publish(settings: &Settings, published: &Published) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(published)?;
    Ok(durable::place(&settings.published_file(), text.as_bytes(), durable::MODE_PRIVATE)?)
}

/// What was kept of the schedule; a file that cannot be read is an error, since
/// a missed cycle would be forgotten with it.
pub fn memory(settings: &Settings) -> Result<Option<Memory>, CommandError> {
    let path = settings.schedule_file();
    let unreadable = |reason: String| {
        let hint = "hint: remove it; a cycle that was missed is then not made up for";
        CommandError::new(Exit::StateUnknown, format!("{} cannot be read: {reason}; {hint}", path.display()))
    };
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

pub fn remember(settings: &Settings, memory: &Memory) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(memory)?;
    Ok(durable::write_atomic(&settings.schedule_file(), text.as_bytes(), durable::MODE_PRIVATE)?)
}
