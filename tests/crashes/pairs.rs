//! A life without a fault from each engine to each, as the users that `grants` prints: they
//! may do enough, whichever engines meet.

use std::fs;

use tempfile::TempDir;

use crate::{
    life::{Faults, Life},
    servers::{Engine, Server, mariadb, postgres},
    store::Store,
    world::World,
};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    fn store(self, folder: &TempDir, role: &str) -> Store<'static> {
        let server = match self {
            Self::Sqlite => {
                fs::create_dir(folder.path().join(role)).unwrap();
                return Store::File(folder.path().join(role).join("data.db"));
            }
            Self::Postgres => postgres(),
            Self::MariaDb => mariadb(),
        };
        let database = server.database();
        let user = format!("{role}_of_{}", database.name());
        Store::Granted(database, user)
    }
}

fn live(source: Kind, vault: Kind) {
    let mut life = Life::begin(World::new(|folder| (source.store(folder, "source"), vault.store(folder, "vault"))));
    for _ in 0..2 {
        life.round(&Faults::new(), &mut None);
    }
    life.end();
}

#[test]
fn records_live_from_sqlite_to_every_engine() {
    [Kind::Sqlite, Kind::Postgres, Kind::MariaDb].into_iter().for_each(|vault| live(Kind::Sqlite, vault));
}

#[test]
fn records_live_from_postgresql_to_every_engine() {
    [Kind::Sqlite, Kind::Postgres, Kind::MariaDb].into_iter().for_each(|vault| live(Kind::Postgres, vault));
}

#[test]
fn records_live_from_mariadb_to_every_engine() {
    [Kind::Sqlite, Kind::Postgres, Kind::MariaDb].into_iter().for_each(|vault| live(Kind::MariaDb, vault));
}

/// Both in one database, or in two of one server.
fn beside_each_other(server: &'static Server) {
    let one = server.database();
    let url = one.url();
    let world = World::new(|_| (Store::Server(one), Store::Server(server.database())));
    world.source.query("CREATE TABLE members (id INTEGER PRIMARY KEY, withdrawn_at TIMESTAMP NULL)");
    let said = |arguments: &[&str]| {
        let output = world.output(arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, warned) = said(&["check", "--offline"]);
    assert!(warned.contains("on the same server"), "{warned}");
    let path = world.path("retentiond.toml");
    let text = fs::read_to_string(&path).unwrap();
    // By another name of the same machine.
    let vault = format!("[vault]\nurl = \"{}\"", world.vault.url());
    let same = format!("[vault]\nurl = \"{}\"", url.replace("127.0.0.1", "localhost"));
    assert!(text.contains(&vault));
    fs::write(&path, text.replace(&vault, &same)).unwrap();
    for arguments in [&["check", "--offline"][..], &["init"], &["plan"]] {
        let (code, refused) = said(arguments);
        assert_eq!(code, Some(78), "{arguments:?}: {refused}");
        assert!(refused.contains("the same database"), "{arguments:?}: {refused}");
    }
    let here = if server.engine() == Engine::MariaDb { "database()" } else { "'retentiond'" };
    let made = format!(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = {here} AND table_name <> 'members'"
    );
    assert_eq!(world.source.query(&made), "0");
}

#[test]
fn vault_and_source_may_share_a_server_with_a_warning_and_no_database() {
    for server in [postgres(), mariadb()] {
        beside_each_other(server);
    }
}
