//! `MESSAGE_ID`s: what a rule of an alerting system matches instead of a text
//! (`systemd.journal-fields(7)`). An id never changes and is never given to
//! anything else; `docs/OPERATIONS.md` has the list.

use crate::{
    cli::{error::CommandError, exit::Exit, run},
    flow::run::Report,
};

pub const READY: &str = "5370ca07247e438b99e5774d81f47105";
pub const STOPPED: &str = "711afdee6da9443d841415df85a60e6c";
pub const CYCLE_STARTED: &str = "b53a6bce833842598f934be9da7feeb1";
pub const CYCLE_FINISHED: &str = "718c9d3778f8469cb9dcb7e7b607203b";
pub const CYCLE_FAILED: &str = "2684ab790f9240d6a8a2d79575f39361";
pub const RELOADED: &str = "22d12efac8a14b9d92de0b6d1b840b93";
pub const RELOAD_REFUSED: &str = "50025178d2914822886f72663ca91de5";
pub const PAUSED: &str = "48c184752f854558b2903e04fbef480b";
pub const RESUMED: &str = "26dfa3d83be64f0bbe6984919549b9a3";
pub const DRAINING: &str = "d9f99ef1093346a19021478107c8945c";

/// A cycle that did everything is news, one that did not is a failure.
pub fn cycle_finished(report: &Report, exit: Exit, problem: Option<&str>) {
    let separated: u64 = report.separated.iter().map(|item| item.rows).sum();
    let destroyed: u64 = report.destroyed.iter().map(|item| item.rows).sum();
    let (run, verdict, stopped) = (&report.run, report.verdict, report.stopped.as_deref());
    match problem {
        None => tracing::info!(
            message_id = CYCLE_FINISHED,
            %run, separated, destroyed, ?verdict, stopped,
            "cycle finished"
        ),
        Some(problem) => tracing::error!(
            message_id = CYCLE_FAILED,
            %run, separated, destroyed, ?verdict, stopped, exit = exit.code(),
            "cycle finished, but {problem}"
        ),
    }
}

/// A cycle that has no report.
pub fn cycle_failed(error: &CommandError) {
    tracing::error!(message_id = CYCLE_FAILED, exit = error.exit.code(), "cycle failed: {}", error.message);
}

/// How a cycle ended: its code, and what kept it from success.
pub fn judged(result: &Result<Report, CommandError>) -> (Exit, Option<String>) {
    let report = match result {
        Ok(report) => report,
        Err(error) => return (error.exit, Some(error.message.clone())),
    };
    let exit = run::exit(report);
    if exit == Exit::Done {
        return (exit, None);
    }
    let failed = report.failed.iter().map(|failed| format!("rule {} failed: {}", failed.rule, failed.reason));
    let refused = report.refused.iter().map(|refusal| refusal.reason.clone());
    let mut problems: Vec<String> = failed.chain(refused).collect();
    if problems.is_empty() {
        problems.clone_from(&report.reasons);
    }
    (exit, Some(problems.join("; ")))
}
