//! Servers that keep what they committed through a loss of power, as those of an
//! operator do: one for the source, one for the vault.

use super::{
    servers::{Database, Engine, Server},
    visits::Kind,
};

const POSTGRES: &[&str] = &[
    "-c",
    "fsync=on",
    "-c",
    "synchronous_commit=on",
    "-c",
    "full_page_writes=on",
    "-c",
    "shared_buffers=1GB",
    "-c",
    "max_wal_size=4GB",
];

const MARIADB: &[&str] = &[
    "--innodb-flush-method=fsync",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=1G",
    "--innodb-log-file-size=1G",
    "--max-allowed-packet=64M",
];

/// A pair of servers: live data, and the place that it moves to.
#[derive(Debug)]
pub struct Pair {
    pub live: Server,
    pub separate: Server,
}

impl Pair {
    fn start(engine: Engine) -> Self {
        let options = if engine == Engine::Postgres { POSTGRES } else { MARIADB };
        Self { live: Server::start(engine, options), separate: Server::start(engine, options) }
    }
}

/// The pair that the works of one engine share. Nothing of another engine runs
/// beside it.
#[derive(Debug, Default)]
pub struct Servers {
    running: Option<(Kind, Pair)>,
}

impl Servers {
    /// Starts what `kind` needs, and stops everything else.
    pub fn only(&mut self, kind: Kind) {
        if self.running.as_ref().is_some_and(|(running, _)| *running == kind) {
            return;
        }
        self.running = None;
        let engine = match kind {
            Kind::Sqlite => return,
            Kind::MariaDb => Engine::MariaDb,
            Kind::Postgres => Engine::Postgres,
        };
        self.running = Some((kind, Pair::start(engine)));
    }

    /// `None` where the engine has no server.
    pub fn pair(&self) -> Option<&Pair> {
        self.running.as_ref().map(|(_, pair)| pair)
    }
}

/// Gives back the room that a database takes, some gigabytes at full size.
pub fn remove(database: &Database<'_>) {
    let forced = if database.server().engine() == Engine::Postgres { " WITH (FORCE)" } else { "" };
    database.server().query(&format!("DROP DATABASE {}{forced}", database.name()));
}
