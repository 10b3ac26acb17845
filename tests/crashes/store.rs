//! Where a live database or a vault is: a file, or a database of a server. Rows
//! are written and counted with the engine's own client.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::servers::{Database, Engine};

pub enum Store<'s> {
    File(PathBuf),
    Server(Database<'s>),
    /// As a user who may do what `grants` prints, and nothing else.
    Granted(Database<'s>, String),
}

/// As `grants` leaves the password to be filled in. PostgreSQL's servers for tests ask
/// for none.
pub const PASSWORD: &str = "<password>";

impl Store<'_> {
    pub fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite://{}", path.display()),
            Self::Server(database) => database.url(),
            Self::Granted(database, user) => database.url_of(user),
        }
    }

    pub fn query(&self, sql: &str) -> String {
        match self {
            Self::File(path) => sqlite3(path, sql),
            Self::Server(database) | Self::Granted(database, _) => database.query(sql),
        }
    }

    /// The type of an instant without a zone.
    pub fn instant(&self) -> &'static str {
        match self {
            Self::Server(database) | Self::Granted(database, _) if database.server().engine() == Engine::MariaDb => {
                "DATETIME"
            }
            _ => "TIMESTAMP",
        }
    }
}

fn sqlite3(path: &Path, sql: &str) -> String {
    let mut command = Command::new("sqlite3");
    command.args(["-batch", "-bail", "-tabs", "-cmd", ".timeout 10000"]).arg(path);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}
