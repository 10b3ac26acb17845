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
    /// Of the contestant's own process; `None` where the work is done inside the
    /// server.
    pub own: Option<Own>,
}

/// What a process used.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// Largest resident set, in KiB.
    pub peak_kib: u64,
    /// Of all its threads together.
    pub processor: Duration,
}

impl Own {
    /// In megabytes of 10^6 bytes, as the bar is.
    pub fn peak_mb(&self) -> f64 {
        self.peak_kib as f64 * 1024.0 / 1e6
    }
}

impl Run {
    pub fn inside_server(rows: u64, elapsed: Duration) -> Self {
        Self { rows, elapsed, own: None }
    }

    pub fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs a program to its end and watches its memory.
pub fn program(command: &mut Command, rows: u64) -> Outcome<Run> {
    Ok(program_output(command, rows)?.0)
}

/// The same, with what it printed.
pub fn program_output(command: &mut Command, rows: u64) -> Outcome<(Run, String)> {
    let shown = format!("{command:?}");
    let (output, errors) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    let before = processor_of_children()?;
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::from(output.reopen()?)).stderr(Stdio::from(errors.reopen()?));
    let mut child = command.spawn()?;
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
    let processor = processor_of_children()?.saturating_sub(before);
    if !status.success() {
        return Err(format!("{shown}: {status}: {}", fs::read_to_string(errors.path())?).into());
    }
    Ok((Run { rows, elapsed, own: Some(Own { peak_kib, processor }) }, fs::read_to_string(output.path())?))
}

fn resident_peak_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Processor time of the children that were waited for, to a hundredth of a second:
/// the unit of /proc is the same on every Linux.
fn processor_of_children() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| -> Outcome<u64> { Ok(fields.get(place).ok_or("/proc/self/stat is short")?.parse()?) };
    // `cutime` and `cstime`, counted from behind the name.
    Ok(Duration::from_millis(10 * (ticks(13)? + ticks(14)?)))
}

/// The run in the middle by time.
pub fn median(mut runs: Vec<Run>) -> Option<Run> {
    runs.sort_by_key(|run| run.elapsed);
    runs.get(runs.len() / 2).copied()
}

/// The same, where at least one round was run.
pub fn middle(runs: Vec<Run>) -> Outcome<Run> {
    median(runs).ok_or_else(|| "nothing was run".into())
}

/// The number in the middle.
pub fn middle_number(mut numbers: Vec<f64>) -> Outcome<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().ok_or_else(|| "nothing was run".into())
}

/// Rows that were counted must be those that were made.
pub fn expect(what: &str, found: u64, wanted: u64) -> Outcome<()> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found} rows, and {wanted} were to be").into()) }
}
