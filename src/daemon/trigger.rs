//! Wakes the daemon. `tokio-cron-scheduler` is the trigger and nothing more: it
//! gets one one-shot at a time whose closure only sends. When, whether at all and
//! what is done then is decided by those who wait for it. It may fire up to a
//! second early, so that they look at the clock again.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use uuid::Uuid;

/// A longer wait is cut: the clock may be set meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

pub struct Trigger {
    scheduler: JobScheduler,
    armed: Option<Uuid>,
    sender: mpsc::Sender<Uuid>,
    fired: mpsc::Receiver<Uuid>,
}

impl std::fmt::Debug for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trigger").field("armed", &self.armed).finish_non_exhaustive()
    }
}

impl Trigger {
    pub async fn start() -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        let (sender, fired) = mpsc::channel(8);
        Ok(Self { scheduler, armed: None, sender, fired })
    }

    /// Wakes after this time; what was armed before does not wake any more.
    pub async fn arm(&mut self, wait: Duration) -> Result<(), JobSchedulerError> {
        self.disarm().await?;
        let sender = self.sender.clone();
        let job = Job::new_one_shot_async(wait.min(WAIT_MAX), move |id, _| {
            let sender = sender.clone();
            Box::pin(async move {
                // Nobody listens any more: then nobody needs waking.
                sender.send(id).await.ok();
            })
        })?;
        self.armed = Some(self.scheduler.add(job).await?);
        Ok(())
    }

    pub async fn disarm(&mut self) -> Result<(), JobSchedulerError> {
        match self.armed.take() {
            Some(id) => self.scheduler.remove(&id).await,
            None => Ok(()),
        }
    }

    /// Returns when what is armed has fired.
    pub async fn fired(&mut self) {
        while let Some(id) = self.fired.recv().await {
            if self.armed == Some(id) {
                self.armed = None;
                return;
            }
        }
    }
}
