//! What a failpoint does in a build for tests. `RETENTIOND_FAILPOINT` names the
//! n-th arrival at a point: `kill:NAME#N` ends the process there with SIGKILL,
//! `stop:NAME#N` halts it with SIGSTOP until it is told to go on, and
//! `panic:NAME#N` is a defect of the thread that gets there.
//! `RETENTIOND_FAILPOINTS_SEEN=FILE` writes down every arrival, and
//! `RETENTIOND_FREE_BYTES=N` is what the disk is said to have left. What cannot be done
//! as it was asked aborts the process: a test would pass without its fault.

use std::{
    collections::BTreeMap,
    env,
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    process::abort,
    sync::{LazyLock, Mutex, PoisonError},
};

use rustix::process::{Signal, getpid, kill_process};

static ARRIVALS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
static ORDER: LazyLock<Option<Order>> =
    LazyLock::new(|| env::var("RETENTIOND_FAILPOINT").ok().map(|text| Order::read(&text).unwrap_or_else(|| abort())));
static SEEN: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os("RETENTIOND_FAILPOINTS_SEEN").map(PathBuf::from));

#[derive(PartialEq)]
enum Action {
    Signal(Signal),
    Panic,
}

struct Order {
    action: Action,
    point: String,
    arrival: u32,
}

impl Order {
    fn read(text: &str) -> Option<Self> {
        let (action, at) = text.split_once(':')?;
        let (point, arrival) = at.rsplit_once('#')?;
        let action = match action {
            "kill" => Action::Signal(Signal::KILL),
            "stop" => Action::Signal(Signal::STOP),
            "panic" => Action::Panic,
            _ => return None,
        };
        Some(Self { action, point: point.to_owned(), arrival: arrival.parse().ok()? })
    }
}

pub(super) fn free_bytes() -> Option<u64> {
    let text = env::var("RETENTIOND_FREE_BYTES").ok()?;
    Some(text.parse().unwrap_or_else(|_| abort()))
}

pub(super) fn reach(point: &str, side: &str) {
    if ORDER.is_none() && SEEN.is_none() {
        return;
    }
    let name = format!("{point}{side}");
    if let Some(path) = &*SEEN {
        // A point that could not be written down is one that the test would miss.
        let file = OpenOptions::new().create(true).append(true).open(path);
        if file.and_then(|mut file| writeln!(file, "{name}")).is_err() {
            abort();
        }
    }
    let mut arrivals = ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner);
    let arrival = arrivals.entry(name.clone()).or_default();
    *arrival += 1;
    if let Some(order) = ORDER.as_ref().filter(|order| order.point == name && order.arrival == *arrival) {
        drop(arrivals);
        order.action.carry_out(&name);
    }
}

impl Action {
    #[expect(clippy::panic, reason = "a test asks for it")]
    fn carry_out(&self, point: &str) {
        let Self::Signal(signal) = self else { panic!("a defect at {point}, as asked") };
        // Nothing is flushed, dropped or rolled back.
        if kill_process(getpid(), *signal).is_err() {
            abort();
        }
        if *signal == Signal::KILL {
            loop {
                std::thread::park();
            }
        }
    }
}
