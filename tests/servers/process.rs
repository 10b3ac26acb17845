//! Processes: the server's, and the watchdog that cleans up after all of us.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

/// A server that was started and has not been ended yet.
#[derive(Debug)]
pub struct Running {
    id: u32,
    /// Gets the server's status when it has ended.
    ended: mpsc::Receiver<ExitStatus>,
    gone: bool,
}

impl Running {
    /// Starts `command` from a thread that lives as long as the process: the
    /// signal of `--pdeathsig` comes when the thread that started it ends.
    pub fn start(mut command: Command, folder: &Path) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let (tell_id, id) = mpsc::channel();
        let (tell_end, ended) = mpsc::channel();
        thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                let mut child: Child = command.spawn().expect("setpriv (util-linux) starts the server");
                tell_id.send(child.id()).unwrap();
                let status = child.wait().unwrap();
                // Nobody listens any more when the server outlived its tests.
                tell_end.send(status).unwrap_or(());
            })
            .unwrap();
        let id = id.recv().expect("the server's thread started it");
        fs::write(folder.join("pid"), id.to_string()).unwrap();
        Self { id, ended, gone: false }
    }

    pub fn has_ended(&mut self) -> bool {
        self.gone = self.gone || self.ended.try_recv().is_ok();
        self.gone
    }

    /// Sends a signal and waits for the end.
    pub fn end(self, signal: &str) {
        send(signal, &[self.id]);
        self.ended.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("SIG{signal} did not end it"));
    }

    /// Kills the server and its children, the first one first, so that it sees
    /// nothing of their end.
    pub fn kill(self) {
        let children = children(self.id);
        send("KILL", &[self.id]);
        self.ended.recv_timeout(Duration::from_secs(60)).expect("a killed process ends");
        send("KILL", &children);
        while children.iter().any(|id| Path::new(&format!("/proc/{id}")).exists()) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Only ever called with processes that this one started, and their children.
/// One that has ended meanwhile is none to complain about.
fn send(signal: &str, ids: &[u32]) {
    if ids.is_empty() {
        return;
    }
    let ids = ids.iter().map(ToString::to_string);
    let mut command = Command::new("kill");
    command.args(["-s", signal]).args(ids).stderr(Stdio::null());
    command.status().expect("kill runs");
}

fn children(parent: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Waits for the test process to end, then ends the server and removes the folder.
#[derive(Debug)]
pub struct Watchdog {
    /// The end of a pipe that nobody else has: closed by whatever ends us.
    pipe: Mutex<Option<ChildStdin>>,
    child: Mutex<Child>,
}

/// `$1` is the folder. The server is ended by the number in its `pid` file, and
/// only if that process still works in the folder.
const WATCH: &str = r#"
trap '' INT TERM HUP QUIT
read -r _
if read -r pid 2>/dev/null <"$1/pid" || [ -n "$pid" ]; then
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$1"; then
        kill -s QUIT "$pid" 2>/dev/null
        kill -s KILL "$pid" 2>/dev/null
    fi
    while [ -e "/proc/$pid" ] && grep -qF "$1" "/proc/$pid/cmdline" 2>/dev/null; do sleep 0.05; done
fi
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" 2>/dev/null && break
    sleep 0.2
done
"#;

impl Watchdog {
    pub fn over(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(WATCH).arg("watchdog").arg(folder);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts the watchdog");
        Self { pipe: Mutex::new(child.stdin.take()), child: Mutex::new(child) }
    }

    /// Lets it do its work and waits until the folder is gone.
    pub fn release(&self) {
        drop(self.pipe.lock().unwrap().take());
        self.child.lock().unwrap().wait().expect("the watchdog ends");
    }
}
