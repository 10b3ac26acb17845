//! What the coordinator does when a signal asks it: end, reload, pause, resume.

use std::sync::Arc;

use super::{
    super::{
        message,
        pause::{pause, paused, resume},
        reload, systemd,
    },
    Coordinator,
};
use crate::cli::error::CommandError;

impl Coordinator {
    pub(super) fn terminate(&mut self) {
        self.terminating = true;
        let status = if self.is_cycle_at_work() { "finishing the open batch" } else { "stopping" };
        systemd::stopping(status);
        systemd::extend();
        tracing::info!(message_id = message::DRAINING, "{status}");
        self.stop.send_replace(Some("the daemon was told to stop".to_owned()));
    }

    /// A bad file keeps what is in force, and says so.
    pub(super) async fn reload(&mut self) -> Result<(), CommandError> {
        systemd::reloading();
        match reload::load(&self.config, &self.settings) {
            Ok(settings) => {
                self.settings = Arc::new(settings);
                self.shown.reload_refused = None;
                self.take_schedule()?;
                self.arm().await?;
                tracing::info!(message_id = message::RELOADED, policy = %self.settings.digest, "configuration reloaded");
            }
            Err(error) => {
                tracing::error!(
                    message_id = message::RELOAD_REFUSED,
                    "the old configuration stays in force: {}",
                    error.message
                );
                self.shown.reload_refused = Some(error.message);
            }
        }
        self.publish()?;
        systemd::ready(&self.status_line());
        Ok(())
    }

    /// Why no cycle begins, if none does.
    pub(super) fn paused(&self) -> Option<String> {
        paused(&self.settings.pause_file())
    }

    pub(super) async fn pause(&mut self) -> Result<(), CommandError> {
        let file = self.settings.pause_file();
        pause(&file)?;
        // Somebody may have removed it by now.
        if let Some(reason) = paused(&file) {
            tracing::warn!(message_id = message::PAUSED, "{reason}");
        }
        self.arm().await
    }

    pub(super) async fn resume(&mut self) -> Result<(), CommandError> {
        resume(&self.settings.pause_file())?;
        tracing::info!(message_id = message::RESUMED, "resumed");
        self.arm().await
    }
}
