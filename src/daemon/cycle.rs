//! One cycle of the daemon, on a thread and a runtime of its own: a flow belongs
//! to one task and may keep a processor busy for as long as a batch takes, while
//! signals, the watchdog and the metrics must be answered. What it opens it
//! closes; the next cycle opens everything anew and recovers like any other.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::{
    attend::{Attendant, StopSignal, Watched},
    survey::survey,
};
use crate::{
    adapters::{apart, clock::AnyClock, metrics::Survey},
    cli::{error::CommandError, exit::Exit, open},
    domain::schedule::Planner,
    flow::{
        clock::doubt,
        heartbeat::heartbeat,
        run::{Instructions, Report, run},
    },
    ports::Clock,
    settings::Settings,
};

/// What the thread is given.
#[derive(Debug)]
pub struct Job {
    /// Whether a cycle runs; what is owed is counted in any case.
    pub cycle: bool,
    pub settings: Arc<Settings>,
    pub clock: AnyClock,
    pub planner: Option<Planner>,
    pub stop: StopSignal,
    pub watched: Arc<Watched>,
}

/// What came out of it.
#[derive(Debug)]
pub struct Outcome {
    /// `None`: no cycle was to run.
    pub report: Option<Result<Report, CommandError>>,
    /// `None`: nothing was counted, since nobody knows what holds.
    pub survey: Option<Result<Survey, CommandError>>,
}

/// A thread at work. Nothing else reads or writes the vault meanwhile: a reader
/// beside a destruction would keep old bytes in the store's files.
#[derive(Debug)]
pub struct Work {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<Outcome>,
}

impl Work {
    pub fn start(job: Job) -> io::Result<Self> {
        let (sender, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("cycle".to_owned()).spawn(move || {
            let outcome = match apart::runtime() {
                Ok(runtime) => runtime.block_on(work(&job)),
                Err(error) => Outcome { report: Some(Err(error.into())), survey: None },
            };
            // A daemon that is gone has nobody to tell.
            drop(sender.send(outcome));
        })?;
        Ok(Self { thread, ended })
    }

    /// What came out of it. May be dropped and called again.
    pub async fn ended(&mut self) -> Outcome {
        let panicked = || {
            CommandError::new(
                Exit::StateUnknown,
                "the cycle ended in the middle of a step (a defect: please report it with the lines above); hint: the \
                 next start recovers what it left",
            )
        };
        (&mut self.ended).await.unwrap_or_else(|_| Outcome { report: Some(Err(panicked())), survey: None })
    }

    /// Waits for the thread, which has nothing left to do.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the cycle's thread panicked");
        }
    }
}

async fn work(job: &Job) -> Outcome {
    let report = if job.cycle { Some(cycle(job).await) } else { beat(job).await.err().map(Err) };
    let unknown = |error: &CommandError| error.exit == Exit::StateUnknown;
    if report.as_ref().is_some_and(|report| report.as_ref().is_err_and(unknown)) {
        return Outcome { report, survey: None };
    }
    Outcome { report, survey: Some(survey(&job.settings, job.clock).await) }
}

/// Says in the ledger that somebody is here, where it has been silent for long.
async fn beat(job: &Job) -> Result<(), CommandError> {
    let mut writing = match open::writing_at(&job.settings, job.clock).await {
        Ok(writing) => writing,
        // Another command is at work, and what it does is on record.
        Err(error) if error.exit == Exit::Locked => return Ok(()),
        Err(error) => return Err(error),
    };
    let book = open::rulebook(&job.settings, writing.simulation);
    let now = job.clock.read();
    let result = match doubt(&book, &mut writing.custody, now, &[]) {
        Ok(()) => heartbeat(&mut writing.custody.ledger, now).map(|_| ()).map_err(Into::into),
        Err(failure) => Err(failure.into()),
    };
    writing.close().await?;
    result
}

async fn cycle(job: &Job) -> Result<Report, CommandError> {
    let settings = &job.settings;
    let mut writing = open::writing_at(settings, job.clock).await?;
    let mut sources = open::sources(settings).await?;
    let book = open::rulebook(settings, writing.simulation);
    let mut attendant = Attendant::new(settings, job.clock, job.stop.clone(), Arc::clone(&job.watched))
        .within(job.planner.clone())
        .asking(open::probes(settings)?);
    let proposed = settings.proposed.as_ref().map(|file| file.digest);
    let instructions = Instructions { proposed, ..Instructions::default() };
    let result = run(&book, &mut sources, &mut writing.custody, &writing.clock, &instructions, &mut attendant).await;
    let closed = writing.close().await;
    let report = result?;
    closed?;
    Ok(report)
}
