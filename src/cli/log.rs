//! Logs are for operators. Under systemd they go to the journal with their
//! fields, on a terminal to people, and anywhere else the daemon's go out as JSON,
//! one object a line.

use std::{
    env,
    io::{self, IsTerminal},
};

use rustix::fs::{fstat, major, minor};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use super::output;

/// Starts logging: warnings and worse for a command, more for the daemon, unless
/// `RETENTIOND_LOG` asks otherwise.
pub fn start(daemon: bool) {
    let default = if daemon { "info,tokio_cron_scheduler=warn" } else { "warn" };
    let filter = EnvFilter::try_from_env("RETENTIOND_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let journal = if journal_is_stderr() { tracing_journald::layer().ok() } else { None };
    let layer = match journal {
        Some(layer) => layer.with_field_prefix(None).with_syslog_identifier("retentiond".to_owned()).boxed(),
        None if daemon && !io::stderr().is_terminal() => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
        }
        None => tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(output::coloured())
            .without_time()
            .boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
}

/// Whether stderr is the journal's stream (`JOURNAL_STREAM`, systemd.exec(5)): a
/// file that a shell put in its place is not.
fn journal_is_stderr() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = fstat(io::stderr()) else { return false };
    // Kernel and systemd write a device as one number.
    let device = rustix::fs::makedev(major(stat.st_dev), minor(stat.st_dev));
    stream == format!("{device}:{}", stat.st_ino)
}
