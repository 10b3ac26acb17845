//! The coordinator: the one task that decides what the daemon does next. The
//! trigger, signals, the cycle's end and a tick each second come to it; it owns
//! the schedule, overlap (there is none), missed runs, pauses, reloads and the
//! end.

mod asked;
mod show;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    attend::Watched,
    cycle::{Job, Outcome, Work},
    http::{self, Board, Server},
    message,
    signals::Signals,
    state::{self, LastCycle, Owed, Phase, Published},
    systemd::{self, Watchdog},
    trigger::Trigger,
};
use crate::{
    adapters::clock::AnyClock,
    cli::{error::CommandError, exit::Exit},
    domain::schedule::{Memory, Next, Planner},
    flow::run::Report,
    ports::Clock,
    settings::Settings,
};

/// After a database could not be reached, or another command was at work: the
/// first retry, and the longest time between two.
const RETRY_MIN: TimeDelta = TimeDelta::seconds(30);
const RETRY_MAX: TimeDelta = TimeDelta::hours(1);

/// How often what is owed is counted anew while no cycle runs.
const SURVEY_EVERY: Duration = Duration::from_secs(3_600);

const TICK: Duration = Duration::from_secs(1);

/// What came in.
#[derive(Debug)]
enum Happened {
    Triggered,
    Ended(Box<Outcome>),
    Terminate,
    Reload,
    Pause,
    Resume,
    Tick,
}

/// The daemon between its start and its end.
#[derive(Debug)]
pub struct Coordinator {
    config: PathBuf,
    settings: Arc<Settings>,
    clock: AnyClock,
    planner: Option<Planner>,
    memory: Option<Memory>,
    next: Option<Next>,
    trigger: Trigger,
    signals: Signals,
    ticks: Interval,
    /// The thread at work; with the cycle that it carries out, if it is one.
    work: Option<(Work, Option<Next>)>,
    board: Arc<Board>,
    _server: Option<Server>,
    surveyed: Instant,
    watched: Arc<Watched>,
    stop: watch::Sender<Option<String>>,
    /// Whether it was paused when the trigger was set last.
    armed_paused: bool,
    /// When a cycle that could not reach something is tried again, and after how
    /// long the time after that.
    retry: Option<(DateTime<Utc>, TimeDelta)>,
    shown: Published,
    /// What `daemon.json` says.
    published: Option<Published>,
    watchdog: Watchdog,
    terminating: bool,
}

impl Coordinator {
    pub async fn new(config: PathBuf, settings: Settings, clock: AnyClock) -> Result<Self, CommandError> {
        let trigger = Trigger::start().await.map_err(|error| broken(&error))?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shown = Published {
            pid: std::process::id(),
            phase: Phase::Idle,
            waiting: None,
            step: None,
            next: None,
            last_cycle: None,
            owed: None,
            reload_refused: None,
        };
        let board = Arc::<Board>::default();
        let server = http::serve(&settings, Arc::clone(&board)).await?;
        let mut coordinator = Self {
            config,
            settings: Arc::new(settings),
            clock,
            planner: None,
            memory: None,
            next: None,
            trigger,
            signals: Signals::new()?,
            ticks,
            work: None,
            board,
            _server: server,
            surveyed: Instant::now(),
            watched: Arc::default(),
            stop: watch::channel(None).0,
            armed_paused: false,
            retry: None,
            shown,
            published: None,
            watchdog: Watchdog::default(),
            terminating: false,
        };
        coordinator.take_schedule()?;
        Ok(coordinator)
    }

    /// Runs until the daemon is told to end. Says READY first.
    pub async fn run(&mut self) -> Result<Exit, CommandError> {
        self.work(None)?;
        self.arm().await?;
        self.publish()?;
        systemd::ready(&self.status_line());
        tracing::info!(message_id = message::READY, next = ?self.shown.next, "ready");
        loop {
            match self.wait().await {
                Happened::Triggered => self.due().await?,
                Happened::Ended(outcome) => self.ended(*outcome).await?,
                Happened::Terminate => self.terminate(),
                Happened::Reload => self.reload().await?,
                Happened::Pause => self.pause().await?,
                Happened::Resume => self.resume().await?,
                Happened::Tick => self.tick().await?,
            }
            if self.terminating && self.work.is_none() {
                tracing::info!(message_id = message::STOPPED, "stopped");
                // A person has to decide about a rules file that nobody has adopted.
                return Ok(if self.settings.proposed.is_some() { Exit::Refused } else { Exit::Done });
            }
            self.publish()?;
        }
    }

    async fn wait(&mut self) -> Happened {
        let signals = &mut self.signals;
        let work = self.work.as_mut();
        let ended = async {
            match work {
                Some((work, _)) => work.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = signals.terminate.recv() => Happened::Terminate,
            _ = signals.interrupt.recv() => Happened::Terminate,
            outcome = ended => Happened::Ended(Box::new(outcome)),
            _ = signals.reload.recv() => Happened::Reload,
            _ = signals.pause.recv() => Happened::Pause,
            _ = signals.resume.recv() => Happened::Resume,
            () = self.trigger.fired() => Happened::Triggered,
            _ = self.ticks.tick() => Happened::Tick,
        }
    }

    /// Reads the schedule of the settings in force, and goes on where the last
    /// daemon left it.
    fn take_schedule(&mut self) -> Result<(), CommandError> {
        let deployment = &self.settings.deployment;
        let zone = self.settings.policy.timezone;
        self.planner = Planner::new(&deployment.schedule, zone, &deployment.ledger_origin)
            .map_err(|error| CommandError::new(Exit::Configuration, format!("[schedule] cycle: {error}")))?;
        let Some(planner) = &self.planner else {
            (self.memory, self.next) = (None, None);
            return Ok(());
        };
        let kept = state::memory(&self.settings)?;
        let memory = planner.resume(kept.clone(), self.clock.read());
        if kept.as_ref() != Some(&memory) {
            state::remember(&self.settings, &memory)?;
        }
        self.memory = Some(memory);
        Ok(())
    }

    /// Computes the next cycle and sets the trigger to it. While a cycle is at
    /// work or everything is paused, nothing is armed.
    async fn arm(&mut self) -> Result<(), CommandError> {
        self.next = self.upcoming()?;
        self.armed_paused = self.paused().is_some();
        match self.next {
            Some(next) if self.work.is_none() && self.paused().is_none() && !self.terminating => {
                let wait = (next.start - self.clock.read()).to_std().unwrap_or(Duration::ZERO);
                self.trigger.arm(wait).await.map_err(|error| broken(&error))
            }
            _ => self.trigger.disarm().await.map_err(|error| broken(&error)),
        }
    }

    /// The next cycle by the schedule, or the retry where that comes first.
    fn upcoming(&self) -> Result<Option<Next>, CommandError> {
        let (Some(planner), Some(memory)) = (&self.planner, &self.memory) else { return Ok(None) };
        let next = planner.next(memory, self.clock.read()).map_err(|error| broken(&error))?;
        Ok(Some(match self.retry {
            Some((start, _)) if start < next.start && planner.is_open(start) => Next { planned: memory.planned, start },
            _ => next,
        }))
    }

    /// The trigger fired: perhaps early, perhaps long after.
    async fn due(&mut self) -> Result<(), CommandError> {
        let Some(mut next) = self.next else { return Ok(()) };
        let now = self.clock.read();
        if now < next.start {
            let rest = (next.start - now).to_std().unwrap_or(Duration::ZERO);
            if rest > TICK {
                return self.arm().await;
            }
            tokio::time::sleep(rest).await;
        } else if next.is_missed_at(now) {
            tracing::warn!(planned = %next.planned, "a cycle was missed");
            match self.upcoming()? {
                Some(again) if again.start <= now => next = again,
                _ => return self.arm().await,
            }
        }
        if self.work.is_some() || self.paused().is_some() || self.terminating {
            return Ok(());
        }
        tracing::info!(message_id = message::CYCLE_STARTED, planned = %next.planned, "cycle started");
        self.work(Some(next))
    }

    /// Starts the thread: a cycle, or only a count of what is owed.
    fn work(&mut self, next: Option<Next>) -> Result<(), CommandError> {
        self.stop.send_replace(None);
        let job = Job {
            cycle: next.is_some(),
            settings: Arc::clone(&self.settings),
            clock: self.clock,
            planner: self.planner.clone(),
            stop: self.stop.subscribe(),
            watched: Arc::clone(&self.watched),
        };
        self.work = Some((Work::start(job)?, next));
        Ok(())
    }

    async fn ended(&mut self, outcome: Outcome) -> Result<(), CommandError> {
        let Some((work, next)) = self.work.take() else { return Ok(()) };
        work.join();
        match outcome.survey {
            Some(Ok(survey)) => {
                self.shown.owed = Some(Owed { at: survey.at, backlog: survey.backlog.clone() });
                self.board.change(|shown| shown.survey = Some(Arc::new(survey)));
            }
            Some(Err(error)) => tracing::warn!("what is owed cannot be counted: {}", error.message),
            None => {}
        }
        self.surveyed = Instant::now();
        match (next, outcome.report) {
            (Some(next), Some(report)) => self.cycle_ended(&next, report)?,
            // Between two cycles: what no cycle could be carried out with either.
            (None, Some(Err(error))) if error.exit == Exit::StateUnknown => return Err(error),
            (None, Some(Err(error))) => tracing::warn!("no heartbeat: {}", error.message),
            _ => {}
        }
        self.arm().await
    }

    fn cycle_ended(&mut self, next: &Next, result: Result<Report, CommandError>) -> Result<(), CommandError> {
        let (exit, problem) = message::judged(&result);
        let time = self.clock.read();
        match &result {
            Ok(report) => message::cycle_finished(report, exit, problem.as_deref()),
            Err(error) => message::cycle_failed(error),
        }
        self.shown.last_cycle = Some(LastCycle { time, exit: exit.code(), problem });
        self.retry = self.retry_after(exit, time);
        let stopped = match result {
            Ok(report) => report.stopped.is_some(),
            Err(error) if error.exit == Exit::StateUnknown => return Err(error),
            Err(_) => false,
        };
        // Another command was at work: this cycle has not been.
        if exit != Exit::Locked
            && let Some(planner) = &self.planner
        {
            let memory = planner.ended(next, stopped);
            state::remember(&self.settings, &memory)?;
            self.memory = Some(memory);
        }
        Ok(())
    }

    /// Twice as long each time, until something was reached.
    fn retry_after(&self, exit: Exit, now: DateTime<Utc>) -> Option<(DateTime<Utc>, TimeDelta)> {
        if !matches!(exit, Exit::Unreachable | Exit::Locked) {
            return None;
        }
        let wait = self.retry.map_or(RETRY_MIN, |(_, wait)| (wait * 2).min(RETRY_MAX));
        Some((now + wait, wait))
    }

    /// Looks at what nobody sends: the pause file, and whether anything moves.
    async fn tick(&mut self) -> Result<(), CommandError> {
        if self.work.is_none() && self.paused().is_some() != self.armed_paused {
            self.arm().await?;
        }
        if self.work.is_none() && !self.terminating && self.surveyed.elapsed() >= SURVEY_EVERY {
            self.work(None)?;
        }
        let moved = self.watchdog.feed((self.work.is_some()).then(|| self.watched.beats()));
        if self.terminating && moved {
            systemd::extend();
        }
        Ok(())
    }

    fn is_cycle_at_work(&self) -> bool {
        self.work.as_ref().is_some_and(|(_, next)| next.is_some())
    }
}

fn broken(error: &impl std::fmt::Display) -> CommandError {
    CommandError::new(Exit::StateUnknown, format!("the schedule cannot be kept: {error}"))
}
