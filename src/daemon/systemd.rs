//! What the service manager is told (`sd_notify(3)`). Without one, nothing is
//! told to anybody.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// How much longer a stop may take each time that it makes progress.
const EXTENSION: Duration = Duration::from_secs(30);

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Everything was checked, cycles run from now on.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Both lines in one message: a manager takes the time for that of this reload.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
    }
}

pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// A batch is still open, and it moves on.
pub fn extend() {
    tell(&[NotifyState::ExtendTimeoutUsec(EXTENSION.as_micros().try_into().unwrap_or(u32::MAX))]);
}

/// Feeds the manager's watchdog, and only with something that happened.
#[derive(Debug)]
pub struct Watchdog {
    seen: u64,
    fed: Instant,
    /// Something happened since it was fed.
    food: bool,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { seen: 0, fed: Instant::now(), food: false }
    }
}

impl Watchdog {
    /// To be called every second with the beats of the thread at work; `None`: it
    /// is right that nothing happens. Says whether something did since the last
    /// call. Feeds when half of the manager's patience is over.
    pub fn feed(&mut self, beats: Option<u64>) -> bool {
        let moved = beats.is_none_or(|beats| beats != self.seen);
        self.seen = beats.unwrap_or(self.seen);
        self.food |= moved;
        let limit = sd_notify::watchdog_enabled();
        if limit.is_some_and(|limit| self.food && self.fed.elapsed() + Duration::from_secs(1) >= limit / 2) {
            tell(&[NotifyState::Watchdog]);
            (self.fed, self.food) = (Instant::now(), false);
        }
        moved
    }
}
