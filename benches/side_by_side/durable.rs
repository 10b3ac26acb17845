//! Servers that keep what they committed through a loss of power, as those of an
//! operator do: one for the source, one for the vault.

use super::servers::{Engine, Server};

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
    pub fn start(engine: Engine) -> Self {
        let options = if engine == Engine::Postgres { POSTGRES } else { MARIADB };
        Self { live: Server::start(engine, options), separate: Server::start(engine, options) }
    }
}
