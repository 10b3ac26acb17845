//! MariaDB: a server of its own for each test, since its logs are one for all
//! databases.

use std::{fs, io::Write as _, time::Duration};

use retentiond::{
    adapters::{
        engine::{Patience, Server as Address},
        mysql::MySqlSource,
    },
    domain::{
        deployment::{Engine as Kind, ServerAddress, WipeLevel},
        residue::Value,
        verdict::Verdict,
    },
    ports::{Locking, Source as _},
};
use sqlx::{Connection as _, MySqlConnection};

use super::{
    canaries::{GONE, assert_clean, found, inserts, now, searching, tables, unsearched, values, wiping, within},
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
    source_at(&database.url()).await
}

async fn source_at(url: &str) -> MySqlSource {
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
    // Undo pages may still be in memory only; as long as they are, the log has them.
    for location in ["redo", "column_stats"] {
        assert!(found(&after, location) > 0, "a rebuild leaves the log and the statistics: {location}: {after:?}");
    }

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

#[tokio::test]
async fn a_table_of_another_database_is_wiped_and_searched_and_one_that_is_not_there_is_neither() {
    let server = Server::start(Engine::MariaDb, &[]);
    let elsewhere = filled(&server);
    let own = server.database();
    let (named, values) = (vec![format!("{}.people", elsewhere.name())], values(DECLARED));
    let mut source = source(&own).await;
    elsewhere.run(GONE);
    let before = source.search(&searching(&named, &values)).await.unwrap();
    assert!(found(&before, "ibd") >= 100, "every out-of-line value: {before:?}");
    let wiped = source.wipe(&wiping(&named, WipeLevel::Rewrite, Locking::NoWindow)).await.unwrap();
    assert_eq!((wiped.finding.verdict, wiped.owed), (Verdict::Pass, false), "{wiped:?}");
    assert!(wiped.bytes > 1 << 20, "{wiped:?}");
    assert_clean(&source.search(&searching(&named, &values)).await.unwrap());

    for missing in ["people", "nowhere.people"].map(str::to_owned) {
        for level in [WipeLevel::Engine, WipeLevel::Rewrite] {
            let wiped = source.wipe(&wiping(std::slice::from_ref(&missing), level, Locking::NoWindow)).await.unwrap();
            assert_eq!((wiped.finding.verdict, wiped.owed, wiped.method.as_str()), (Verdict::Unknown, true, "none"));
            assert!(wiped.finding.reasons[0].contains(&format!("table {missing} was not found")), "{wiped:?}");
        }
        let searched = source.search(&searching(std::slice::from_ref(&missing), &values)).await.unwrap();
        assert!(searched.places.iter().all(|place| place.unsearched.is_some()), "{missing}: {searched:?}");
    }

    // Without transactions: built anew under a lock only, and nothing tells whose file it is.
    own.run("CREATE TABLE plain (id INT PRIMARY KEY) ENGINE=Aria;");
    let plain = ["plain".to_owned()];
    let wiped = source.wipe(&wiping(&plain, WipeLevel::Engine, Locking::NoWindow)).await.unwrap();
    assert_eq!((wiped.finding.verdict, wiped.owed), (Verdict::Unknown, false), "{wiped:?}");
    assert!(wiped.finding.reasons[0].contains("kept by Aria"), "{wiped:?}");
    let wiped = source.wipe(&wiping(&plain, WipeLevel::Rewrite, Locking::NoWindow)).await.unwrap();
    assert!(wiped.method.contains("ALTER TABLE FORCE"), "{wiped:?}");
    let searched = source.search(&searching(&plain, &values)).await.unwrap();
    assert!(searched.places.iter().all(|place| place.unsearched.is_some()), "{searched:?}");
}

#[tokio::test]
async fn a_role_that_may_not_be_told_whose_files_they_are_searches_nothing() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = filled(&server);
    database.run("CREATE USER plain@'%'; GRANT SELECT, LOCK TABLES ON *.* TO plain@'%';");
    let mut plain = source_at(&database.url_of("plain")).await;
    let search = plain.search(&searching(&tables(), &values(DECLARED))).await.unwrap();
    assert!(search.places.iter().all(|place| place.unsearched.is_some()), "{search:?}");
    assert!(search.places[0].unsearched.as_ref().unwrap().contains("GRANT PROCESS"), "{search:?}");
    let wiped = plain.wipe(&wiping(&tables(), WipeLevel::Rewrite, Locking::NoWindow)).await.unwrap();
    assert_ne!(wiped.finding.verdict, Verdict::Pass, "{wiped:?}");
}

/// The rows of a table are read in one piece, however many there are, under
/// whatever key, and whatever its name and parts.
#[tokio::test]
async fn a_value_of_any_living_row_is_no_residue_and_parts_and_strange_names_are_searched() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = server.database();
    database.run(
        "CREATE TABLE `회원-표` (id INT NOT NULL, text VARCHAR(60), KEY (id)) ENGINE=InnoDB PARTITION BY RANGE (id)
             (PARTITION p0 VALUES LESS THAN (3000), PARTITION p1 VALUES LESS THAN MAXVALUE);
         INSERT INTO `회원-표` SELECT seq, CONCAT('living/', LPAD(seq, 6, '0'), '/row') FROM seq_1_to_7000;",
    );
    let name = vec!["회원-표".to_owned()];
    let declared = "varchar(60) character set utf8mb4 collate utf8mb4_general_ci";
    let text = |number: u32| format!("living/{number:06}/row");
    let value = |number: u32| Value::new(&name[0], "text", declared, true, text(number).as_bytes());
    let values: Vec<Value> = (1..=7000).step_by(7).map(value).collect();
    let mut source = source(&database).await;
    let search = source.search(&searching(&name, &values)).await.unwrap();
    assert_eq!(search.living.len(), values.len(), "{search:?}");
    assert_clean(&search);

    // A page of the table that nobody knows of any more.
    database.run("DELETE FROM `회원-표` WHERE id IN (1, 6994);");
    let search = source.search(&searching(&name, &values)).await.unwrap();
    assert_eq!((search.living.len(), found(&search, "ibd")), (values.len() - 2, 2), "{search:?}");
}

#[tokio::test]
async fn a_rebuild_waits_for_an_older_transaction_and_for_a_window_that_is_long_enough() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = filled(&server);
    database.run(GONE);
    let mut source = source(&database).await;
    let tables = tables();
    let mut job = wiping(&tables, WipeLevel::Rewrite, within());
    job.bytes_per_second = Some(100);
    let short = source.wipe(&job).await.unwrap();
    let reason = &short.finding.reasons[0];
    assert!(short.owed && reason.contains("(100 bytes/s, as measured)"), "{short:?}");
    assert!(reason.contains(" s (") && reason.contains("make the window longer"), "{short:?}");

    let mut older = MySqlConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT count(*) FROM people")
        .execute(&mut older)
        .await
        .unwrap();
    let waits = source.wipe(&wiping(&tables, WipeLevel::Rewrite, within())).await.unwrap();
    assert!(waits.owed && waits.finding.reasons[0].contains("older transactions"), "{waits:?}");
}

/// What is not a file of a table: pages that the engine left behind anywhere.
#[tokio::test]
async fn a_value_in_a_forgotten_page_of_any_class_is_found() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = filled(&server);
    let (tables, values) = (tables(), values(DECLARED));
    let mut source = source(&database).await;
    database.run(GONE);
    source.wipe(&wiping(&tables, WipeLevel::Rewrite, Locking::NoWindow)).await.unwrap();
    let token = std::str::from_utf8(values[1].expose()).unwrap();
    let ibd = format!("{}/people.ibd", database.name());
    // Behind the end of what the engine uses, and in files of its own names.
    for (file, location) in
        [(ibd.as_str(), "ibd"), ("ibdata1", "system"), ("ib_logfile0", "redo"), ("ibtmp1", "others")]
    {
        let mut end = fs::OpenOptions::new().append(true).open(server.data().join(file)).unwrap();
        end.write_all(format!("..{token}..").as_bytes()).unwrap();
        let search = source.search(&searching(&tables, &values)).await.unwrap();
        assert_eq!(found(&search, location), 1, "{file}: {search:?}");
        let place = search.places.iter().find(|place| place.name == location).unwrap();
        assert!(place.places.contains(file), "{place:?}");
    }
}

/// What the engine writes in a form of its own is never called clean.
#[tokio::test]
async fn compressed_tables_columns_and_logs_are_unsearched() {
    let server = Server::start(Engine::MariaDb, &["--log-bin=binlog", "--server-id=1", "--log-bin-compress=ON"]);
    let database = server.database();
    database.run(
        "CREATE TABLE pages (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED;
         CREATE TABLE columns (id INT PRIMARY KEY, t TEXT COMPRESSED) ENGINE=InnoDB;
         CREATE TABLE plain (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB;",
    );
    let mut source = source(&database).await;
    for (table, hidden) in [("pages", true), ("columns", true), ("plain", false)] {
        let declared = "text character set utf8mb4 collate utf8mb4_general_ci";
        let (tables, values) = ([table.to_owned()], [Value::new(table, "t", declared, true, b"never written")]);
        let search = source.search(&searching(&tables, &values)).await.unwrap();
        assert!(unsearched(&search, "binlog").unwrap().contains("log_bin_compress = ON"), "{search:?}");
        for location in ["ibd", "system", "redo"] {
            assert_eq!(unsearched(&search, location).is_some(), hidden, "{table}, {location}: {search:?}");
        }
    }
}
