//! Who the servers run as. Neither engine runs as root, so root starts them as
//! `nobody`, who can write to no data but theirs.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use super::Engine;

const NAME: &str = "nobody";

#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// User and group to become; `None` for whoever runs the tests.
    ids: Option<(u32, u32)>,
}

impl Account {
    pub fn unprivileged() -> Self {
        let own = fs::metadata("/proc/self").expect("/proc is mounted").uid();
        Self { ids: (own == 0).then(|| (id("-u"), id("-g"))) }
    }

    /// A command that will run under this account, killed when the thread that
    /// starts it ends.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((user, group)) = self.ids {
            command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(program.as_ref());
        command
    }

    /// A new folder that belongs to the account. Its name is short: a socket's
    /// path may have 107 bytes.
    pub fn temporary_folder(&self, engine: Engine) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let kind = if engine == Engine::Postgres { "pg" } else { "my" };
        let folder = std::env::temp_dir().join(format!("rtd-{kind}-{}-{number}", std::process::id()));
        if folder.exists() {
            // Of a process that had this number before and whose watchdog was killed.
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((user, group)) = self.ids {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        folder
    }
}

fn id(what: &str) -> u32 {
    let output = Command::new("id").args([what, NAME]).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("there is no account {NAME:?} to run servers as"))
}
