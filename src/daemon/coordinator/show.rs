//! What the coordinator shows: `daemon.json`, the service manager's status line,
//! the board behind the metrics.

use super::{
    super::{
        state::{self, Phase},
        systemd,
    },
    Coordinator,
};
use crate::{adapters::metrics::Live, cli::error::CommandError};

impl Coordinator {
    pub(super) fn phase(&self) -> Phase {
        match (self.is_cycle_at_work(), self.terminating) {
            (true, true) => Phase::Draining,
            (true, false) => Phase::Running,
            (false, _) if self.paused().is_some() => Phase::Paused,
            (false, _) => Phase::Idle,
        }
    }

    /// Shows what changed.
    pub(super) fn publish(&mut self) -> Result<(), CommandError> {
        let phase = self.phase();
        let mut shown = self.shown.clone();
        shown.phase = phase;
        shown.next = self.next.map(|next| next.start).filter(|_| phase == Phase::Idle);
        shown.waiting = match phase {
            Phase::Paused => self.paused(),
            Phase::Idle if self.planner.is_none() => Some("[schedule] has no cycle".to_owned()),
            _ => None,
        };
        shown.step = None;
        if self.is_cycle_at_work() {
            shown = shown.with(&self.watched.doing());
        }
        if self.published.as_ref() != Some(&shown) {
            state::publish(&self.settings, &shown)?;
            self.published = Some(shown.clone());
            self.shown = shown;
            systemd::status(&self.status_line());
        }
        let live = Live {
            paused: self.paused().is_some(),
            running: phase == Phase::Running || phase == Phase::Draining,
            next: self.shown.next,
            reload_refused: self.shown.reload_refused.is_some(),
        };
        let problems = self.problems();
        self.board.change(|board| (board.live, board.problems) = (live, problems));
        Ok(())
    }

    /// What keeps the daemon from being ready.
    fn problems(&self) -> Vec<String> {
        let paused = self.paused().filter(|_| self.shown.phase == Phase::Paused);
        let draining = self.terminating.then(|| "stopping".to_owned());
        let last = self.shown.last_cycle.as_ref().and_then(|last| last.problem.as_ref());
        let last = last.map(|problem| format!("the last cycle: {problem}"));
        let refused = self.shown.reload_refused.as_ref();
        let refused = refused.map(|reason| format!("the old configuration stays in force: {reason}"));
        [paused, draining, last, refused].into_iter().flatten().collect()
    }

    /// One line for `systemctl status`.
    pub(super) fn status_line(&self) -> String {
        let zone = self.settings.policy.timezone;
        let next = self.shown.next.map(|next| next.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string());
        match (self.shown.phase, &self.shown.waiting) {
            (_, Some(waiting)) => waiting.clone(),
            (Phase::Idle, None) => format!("next cycle {}", next.unwrap_or_else(|| "none".to_owned())),
            (Phase::Draining, None) => "finishing the open batch".to_owned(),
            (_, None) => self.shown.step.clone().unwrap_or_else(|| "cycle at work".to_owned()),
        }
    }
}
