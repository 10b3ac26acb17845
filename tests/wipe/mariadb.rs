//! MariaDB: a server of its own for each test, since its logs are one for all
//! databases.

use std::{fs, time::Duration};

use retentiond::{
    adapters::{
        engine::{Patience, Server as Address},
        mysql::MySqlSource,
    },
    domain::{
        deployment::{Engine as Kind, ServerAddress, WipeLevel},
        verdict::Verdict,
    },
    ports::{Locking, Source as _},
};

use super::{
    canaries::{GONE, assert_clean, found, inserts, now, searching, tables, values, wiping},
    servers::{Database, Engine, Server},
};

const SCHEMA: &str = "
    CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(40) CHARACTER SET latin1, token VARCHAR(60) UNIQUE,
        korean VARCHAR(100), big LONGTEXT, KEY people_name (name)) ENGINE=InnoDB;";

const DECLARED: [&str; 4] = [
    "varchar(40) character set latin1 collate latin1_swedish_ci",
    "varchar(60) character set utf8mb4 collate utf8mb4_general_ci",
    "varchar(100) character set utf8mb4 collate utf8mb4_general_ci",
    "longtext character set utf8mb4 collate utf8mb4_general_ci",
];

/// Less than a rewrite takes: none of its statements may be broken off.
const WAIT: Patience = Patience { lock: Duration::from_secs(2), statement: Duration::from_millis(50) };

fn filled(server: &Server) -> Database<'_> {
    let database = server.database();
    database.run(&format!("{SCHEMA} {} ANALYZE TABLE people PERSISTENT FOR ALL;", inserts()));
    database
}

async fn source(database: &Database<'_>) -> MySqlSource {
    let url = database.url();
    let address = ServerAddress::parse(Kind::Mysql, url.split_once("://").unwrap().1).unwrap();
    let server = Address { address, root_certificate: None, password: None };
    MySqlSource::open("shop".into(), &server, WAIT).await.unwrap()
}

#[tokio::test]
async fn a_rewrite_leaves_no_canary_in_any_file_of_the_server_and_a_rebuild_none_in_the_table() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = filled(&server);
    let (tables, values) = (tables(), values(DECLARED));
    let mut source = source(&database).await;
    database.run(GONE);
    let before = source.search(&searching(&tables, &values)).await.unwrap();
    for location in ["ibd", "redo", "column_stats"] {
        assert!(found(&before, location) > 0, "{location}: {before:?}");
    }
    assert!(found(&before, "ibd") >= 100, "every out-of-line value: {}", found(&before, "ibd"));

    let engine = source.wipe(&wiping(&tables, WipeLevel::Engine, Locking::NoWindow)).await.unwrap();
    assert_eq!((engine.finding.verdict, engine.owed), (Verdict::Unknown, false), "{engine:?}");
    let after = source.search(&searching(&tables, &values)).await.unwrap();
    assert_eq!(found(&after, "ibd"), 0, "{after:?}");

    let rewritten = source.wipe(&wiping(&tables, WipeLevel::Rewrite, Locking::NoWindow)).await.unwrap();
    assert_eq!((rewritten.finding.verdict, rewritten.owed), (Verdict::Pass, false), "{rewritten:?}");
    assert_clean(&source.search(&searching(&tables, &values)).await.unwrap());
    assert_eq!(database.number("SELECT count(*) FROM people"), 200);
    assert_eq!(database.query("SHOW TABLES"), "people", "no leftovers");
}

#[tokio::test]
async fn a_binary_log_and_a_forgotten_file_are_searched_and_the_log_has_a_date() {
    let options = ["--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--binlog-expire-logs-seconds=86400"];
    let server = Server::start(Engine::MariaDb, &options);
    let database = filled(&server);
    let (tables, values) = (tables(), values(DECLARED));
    let mut source = source(&database).await;
    database.run(GONE);
    source.wipe(&wiping(&tables, WipeLevel::Rewrite, Locking::NoWindow)).await.unwrap();
    let korean = std::str::from_utf8(values[2].expose()).unwrap();
    fs::write(server.data().join("dump.forgotten"), format!("..{korean}..")).unwrap();
    let search = source.search(&searching(&tables, &values)).await.unwrap();
    assert_eq!((found(&search, "others"), found(&search, "ibd")), (1, 0), "{search:?}");
    assert!(found(&search, "binlog") > 300, "{search:?}");
    let binlog = search.places.iter().find(|place| place.name == "binlog").unwrap();
    assert_eq!(binlog.until, Some(now() + chrono::TimeDelta::days(1)));
}

#[tokio::test]
async fn a_rewrite_outside_of_its_window_is_owed_and_what_lives_is_no_residue() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = filled(&server);
    let (tables, values) = (tables(), values(DECLARED));
    let mut source = source(&database).await;
    let wiped = source.wipe(&wiping(&tables, WipeLevel::Rewrite, Locking::From(now()))).await.unwrap();
    assert!(wiped.owed && wiped.finding.reasons[0].contains("window"), "{wiped:?}");
    let search = source.search(&searching(&tables, &values)).await.unwrap();
    assert!(search.places.iter().all(|place| place.found.is_empty()), "every row is there: {search:?}");
    assert_eq!(search.living.len(), values.len());
}
