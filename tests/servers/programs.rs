//! The programs of both engines: where they are, and how they are called.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{Engine, account::Account, display, tail};

/// The user that may do everything, with the same name on both engines.
pub const ADMINISTRATOR: &str = "admin";

const PACKAGES: &str = "apt-get install --no-install-recommends postgresql mariadb-server";

/// Fails with what to do when the engine is not installed.
pub fn require(engine: Engine) {
    let needed: &[&str] = match engine {
        Engine::Postgres => &["initdb", "postgres", "psql", "pg_isready"],
        Engine::MariaDb => &["mariadb-install-db", "mariadbd", "mariadb"],
    };
    for name in needed.iter().chain(&["setpriv"]) {
        assert!(find(name).is_some(), "{name} is missing; run: {PACKAGES}");
    }
}

/// A program on the PATH, or where Debian keeps those of servers. Of several
/// versions of PostgreSQL the newest is taken.
fn find(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = versions.into_iter().rev().map(|(_, bin)| bin);
    let folders = folders.chain(std::env::split_paths(&path)).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

pub fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is missing; run: {PACKAGES}"))
}

/// Makes the files of a new server.
pub fn make_data(engine: Engine, account: &Account, folder: &Path) {
    let data = folder.join("data");
    match engine {
        Engine::Postgres => {
            let mut command = account.command(program("initdb"));
            command.arg("-D").arg(&data).args(["-U", ADMINISTRATOR, "-A", "trust", "-E", "UTF8"]);
            must(command.args(["--locale=C.UTF-8", "--no-sync"]));
        }
        Engine::MariaDb => {
            install_mariadb(account, folder, &data);
            let user = format!("CREATE USER IF NOT EXISTS {ADMINISTRATOR}@'%';");
            let grant = format!("GRANT ALL ON *.* TO {ADMINISTRATOR}@'%' WITH GRANT OPTION;");
            fs::write(folder.join("init.sql"), format!("{user}\n{grant}\n")).unwrap();
        }
    }
}

/// Copies a running PostgreSQL server so that the copy streams from it.
pub fn copy_data(port: u16, account: &Account, folder: &Path) {
    let mut command = account.command(program("pg_basebackup"));
    command.arg("-D").arg(folder.join("data")).args(["-h", "127.0.0.1", "-U", ADMINISTRATOR, "-R", "-X", "stream"]);
    must(command.arg("-p").arg(port.to_string()).args(["--checkpoint=fast", "--no-sync"]));
}

/// The command that runs the server in the foreground.
pub fn server(
    engine: Engine,
    account: &Account,
    folder: &Path,
    socket: &Path,
    port: u16,
    options: &[String],
) -> Command {
    let data = folder.join("data");
    let mut command = match engine {
        Engine::Postgres => {
            let mut command = account.command(program("postgres"));
            command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"]);
            command.arg("-k").arg(socket).args(["-c", "full_page_writes=off"]);
            command
        }
        Engine::MariaDb => {
            let mut command = account.command(program("mariadbd"));
            command.args(["--no-defaults", "--skip-name-resolve", "--bind-address=127.0.0.1"]);
            command.arg(format!("--datadir={}", display(&data))).arg(format!("--socket={}", display(socket)));
            command.arg(format!("--port={port}")).arg(format!("--pid-file={}", display(&folder.join("mariadbd.pid"))));
            command.arg(format!("--init-file={}", display(&folder.join("init.sql"))));
            command.arg(format!("--tmpdir={}", display(&data)));
            // Every commit is written, and nothing waits for the disk.
            command.args(["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=1"]);
            command.arg("--innodb-buffer-pool-size=128M");
            command
        }
    };
    command.args(options).current_dir(folder);
    command
}

/// Whether the server takes connections.
pub fn answers(engine: Engine, port: u16, socket: &Path) -> bool {
    match engine {
        Engine::Postgres => {
            let mut command = Command::new(program("pg_isready"));
            command.arg("-q").arg("-h").arg(socket).args(["-p", &port.to_string()]);
            command.status().is_ok_and(|status| status.success())
        }
        Engine::MariaDb => {
            // It greets who connects, and opens its port when it is ready.
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
            let mut greeting = [0; 5];
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            // Another program may have taken the port: 10 is the protocol's version.
            stream.read_exact(&mut greeting).is_ok() && greeting[4] == 10 && socket.exists()
        }
    }
}

/// MariaDB's own installer has been seen to crash now and then while it fills the
/// system tables, which says nothing about what is tested: it starts over.
fn install_mariadb(account: &Account, folder: &Path, data: &Path) {
    const ATTEMPTS_MAX: u32 = 3;
    let mut said = String::new();
    for _ in 0..ATTEMPTS_MAX {
        if data.exists() {
            fs::remove_dir_all(data).unwrap();
        }
        let mut command = account.command(program("mariadb-install-db"));
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        command.arg("--innodb-flush-method=nosync").arg(format!("--datadir={}", display(data)));
        match output_of(command.arg(format!("--tmpdir={}", display(folder)))) {
            Ok(()) => return,
            Err(text) => said = text,
        }
    }
    panic!("mariadb-install-db failed {ATTEMPTS_MAX} times:\n{said}");
}

fn must(command: &mut Command) {
    if let Err(said) = output_of(command) {
        panic!("{command:?} failed:\n{said}");
    }
}

/// What a command that failed said last.
fn output_of(command: &mut Command) -> Result<(), String> {
    let output = command.current_dir("/").stdin(Stdio::null()).output().expect("setpriv (util-linux) runs");
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(tail(&String::from_utf8_lossy(&said))) }
}
