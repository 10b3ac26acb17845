//! Runs contestants in turn, several times, and keeps what each needed.

use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// What one run of one contestant took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub rows: u64,
    pub elapsed: Duration,
    /// Largest resident set of the contestant's own process, in KiB; `None` where
    /// the work is done inside the server.
    pub peak_kib: Option<u64>,
}

impl Run {
    pub fn inside_server(rows: u64, elapsed: Duration) -> Self {
        Self { rows, elapsed, peak_kib: None }
    }

    pub fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs a program to its end and watches its memory.
pub fn program(command: &mut Command, rows: u64) -> Outcome<Run> {
    let shown = format!("{command:?}");
    let errors = tempfile::NamedTempFile::new()?;
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(errors.reopen()?)).spawn()?;
    let mut peak_kib = 0;
    let status = loop {
        // Read before the end is waited for: afterwards there is nothing to read.
        peak_kib = resident_peak_kib(child.id()).unwrap_or(peak_kib);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let elapsed = started.elapsed();
    if !status.success() {
        return Err(format!("{shown}: {status}: {}", fs::read_to_string(errors.path())?).into());
    }
    Ok(Run { rows, elapsed, peak_kib: Some(peak_kib) })
}

fn resident_peak_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The run in the middle by time.
pub fn median(mut runs: Vec<Run>) -> Option<Run> {
    runs.sort_by_key(|run| run.elapsed);
    runs.get(runs.len() / 2).copied()
}
