//! Attends a cycle: says how far it is and what it waits for, and decides between
//! batches whether it goes on. The decision about the pace is `domain::pace`;
//! here are the clocks, the pause file and the wish to stop.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::pause::paused;
use crate::{
    adapters::{clock::AnyClock, strain::Probe},
    cli::progress::TerminalProgress,
    domain::{
        deployment::Limits,
        id::SourceName,
        pace::{self, Step, Strain},
        schedule::Planner,
    },
    ports::{Clock, Pace, Progress, Turn},
    settings::Settings,
};

/// What a cycle is at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Doing {
    /// Such as `separate orders`; empty between steps.
    pub step: String,
    pub done: u64,
    pub total: u64,
    /// Why it waits, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}

/// A cycle as others see it, from any thread.
#[derive(Debug, Default)]
pub struct Watched {
    /// Grows with everything that happens: what does not grow hangs.
    beats: AtomicU64,
    doing: Mutex<Doing>,
}

impl Watched {
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    pub fn doing(&self) -> Doing {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Doing)) {
        self.beats.fetch_add(1, Ordering::Relaxed);
        change(&mut self.doing.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Where a cycle is told to stop: the reason, once there is one.
pub type StopSignal = watch::Receiver<Option<String>>;

#[derive(Debug)]
pub struct Attendant {
    limits: Limits,
    pace: pace::Pace,
    began: Instant,
    batch_began: Instant,
    watched: Arc<Watched>,
    stop: StopSignal,
    pause: PathBuf,
    /// Its window ends the cycle; `None`: a person's own cycle has none.
    planner: Option<Planner>,
    clock: AnyClock,
    bar: TerminalProgress,
    /// Ask how strained a source is.
    probes: BTreeMap<SourceName, Probe>,
}

impl Attendant {
    pub fn new(settings: &Settings, clock: AnyClock, stop: StopSignal, watched: Arc<Watched>) -> Self {
        Self::with(settings.deployment.limits.clone(), settings.pause_file(), clock, stop, watched)
    }

    fn with(limits: Limits, pause: PathBuf, clock: AnyClock, stop: StopSignal, watched: Arc<Watched>) -> Self {
        let now = Instant::now();
        Self {
            pace: pace::Pace::new(&limits),
            limits,
            began: now,
            batch_began: now,
            watched,
            stop,
            pause,
            planner: None,
            clock,
            bar: TerminalProgress::default(),
            probes: BTreeMap::new(),
        }
    }

    /// Asks these before each batch of their source.
    #[must_use]
    pub fn asking(self, probes: BTreeMap<SourceName, Probe>) -> Self {
        Self { probes, ..self }
    }

    /// Ends the cycle with the window of the schedule.
    #[must_use]
    pub fn within(self, planner: Option<Planner>) -> Self {
        Self { planner, ..self }
    }

    /// Why the cycle ends here, if it does.
    fn stopped(&self) -> Option<String> {
        if let Some(reason) = self.stop.borrow().clone() {
            return Some(reason);
        }
        if let Some(reason) = paused(&self.pause) {
            return Some(reason);
        }
        let open = self.planner.as_ref().is_none_or(|planner| planner.is_open(self.clock.read()));
        (!open).then(|| "the window of the schedule is over".to_owned())
    }

    async fn wait(&mut self, reason: String, wait_ms: u64) {
        if self.watched.doing().waiting.as_ref() != Some(&reason) {
            tracing::debug!(%reason, "waiting between two batches");
        }
        self.watched.change(|doing| doing.waiting = Some(reason));
        // Whoever wants to stop is heard at once; a sender that is gone says nothing more.
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            Ok(()) = self.stop.changed() => {}
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

/// For a cycle that a person started: the first signal stops it between two
/// batches, the second one at once, and recovery takes it from there.
pub fn stop_on_signal() -> std::io::Result<StopSignal> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (sender, stop) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send_replace(Some("a signal told it to stop".to_owned())).is_some() {
                std::process::exit(130);
            }
            tracing::warn!("stopping after the open batch; the same signal again stops at once");
        }
    });
    Ok(stop)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Progress for Attendant {
    fn begin(&mut self, what: &str, total: u64) {
        self.watched.change(|doing| *doing = Doing { step: what.to_owned(), total, ..Doing::default() });
        self.bar.begin(what, total);
    }

    fn advance(&mut self, rows: u64) {
        self.watched.change(|doing| doing.done += rows);
        self.bar.advance(rows);
    }

    fn end(&mut self) {
        self.watched.change(|doing| *doing = Doing::default());
        self.bar.end();
    }
}

impl Pace for Attendant {
    async fn turn(&mut self, source: Option<&SourceName>) -> Turn {
        loop {
            if let Some(reason) = self.stopped() {
                return Turn::Stop(reason);
            }
            let Some(source) = source else { return Turn::Go { rows_max: u32::MAX } };
            let strain = match self.probes.get_mut(source) {
                Some(probe) => probe.read().await,
                None => Strain::default(),
            };
            match self.pace.step(&self.limits, &strain, self.now_ms()) {
                Step::Go { rows_max } => {
                    self.watched.change(|doing| doing.waiting = None);
                    self.batch_began = Instant::now();
                    return Turn::Go { rows_max };
                }
                Step::Wait { waiting, wait_ms } => self.wait(waiting.to_string(), wait_ms).await,
            }
        }
    }

    fn moved(&mut self, rows: u64) {
        let (elapsed_ms, now_ms) = (millis(self.batch_began.elapsed()), self.now_ms());
        self.pace = self.pace.after(&self.limits, rows, elapsed_ms, now_ms);
    }
}

#[cfg(test)]
mod tests;
