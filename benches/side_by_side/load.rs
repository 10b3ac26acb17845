//! An application at work on the live rows: a few connections, each of which reads a
//! row by its key and changes one, at a steady rate. What is late counts from when
//! it should have begun, so that a pause is not hidden by asking less.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    hand::Connection,
    measure::{Outcome, middle_number},
    visits::Shape,
};

pub const CONNECTIONS: u32 = 4;

/// One transaction: when it should have begun, and how long it took from then.
#[derive(Debug, Clone, Copy)]
struct Sample {
    due: Instant,
    took: Duration,
}

/// A load under way.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<Result<Vec<Sample>, String>>>,
}

/// What the application did.
#[derive(Debug)]
pub struct Served {
    samples: Vec<Sample>,
}

impl Load {
    /// `per_second`: transactions of all connections together; `None` is as many as
    /// are served.
    pub fn start(url: &str, shape: Shape, per_second: Option<u32>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let pause = per_second.map(|rate| Duration::from_secs(1) * CONNECTIONS / rate);
        let client = |number| {
            let (url, stop) = (url.to_owned(), Arc::clone(&stop));
            thread::spawn(move || client(&url, shape, number, (begin, pause), &stop).map_err(|error| error.to_string()))
        };
        Self { clients: (0..CONNECTIONS).map(client).collect(), stop }
    }

    pub fn stop(self) -> Outcome<Served> {
        self.stop.store(true, Ordering::Relaxed);
        let mut samples = Vec::new();
        for client in self.clients {
            samples.extend(client.join().map_err(|_| "a client of the load panicked")??);
        }
        Ok(Served { samples })
    }
}

impl Served {
    pub fn transactions(&self) -> u64 {
        self.samples.len() as u64
    }

    /// Median and 99th percentile of what should have begun between two instants, in
    /// milliseconds.
    pub fn between(&self, from: Instant, to: Instant) -> Outcome<Percentiles> {
        let inside = self.samples.iter().filter(|sample| (from..to).contains(&sample.due));
        let mut ms: Vec<f64> = inside.map(|sample| sample.took.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        let at = |percent: usize| ms.get((ms.len() * percent / 100).min(ms.len().saturating_sub(1))).copied();
        let none = "the application did nothing meanwhile";
        Ok(Percentiles { p50: at(50).ok_or(none)?, p99: at(99).ok_or(none)? })
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
}

impl Percentiles {
    /// Those in the middle of several rounds.
    pub fn middle(rounds: &[Self]) -> Outcome<Self> {
        Ok(Self {
            p50: middle_number(rounds.iter().map(|one| one.p50).collect())?,
            p99: middle_number(rounds.iter().map(|one| one.p99).collect())?,
        })
    }
}

/// A thread of its own, since a timer of the runtime is as coarse as a transaction
/// is long.
fn client(
    url: &str,
    shape: Shape,
    number: u32,
    (begin, pause): (Instant, Option<Duration>),
    stop: &AtomicBool,
) -> Outcome<Vec<Sample>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut connection = runtime.block_on(Connection::open(url))?;
    // A small generator of its own: it is only to spread over the keys.
    let mut random = u64::from(number) + 1;
    let mut due = begin + pause.unwrap_or_default() * number / CONNECTIONS;
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = shape.live_key((random >> 33) % shape.due);
        let changed = runtime.block_on(connection.visit(i64::try_from(key)?))?;
        if changed != 1 {
            return Err(format!("the row {key} of the application was changed {changed} times").into());
        }
        samples.push(Sample { due, took: due.elapsed() });
        due = pause.map_or_else(Instant::now, |pause| due + pause);
    }
    runtime.block_on(connection.close())?;
    Ok(samples)
}
