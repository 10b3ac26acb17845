//! PostgreSQL: a cluster of its own for each test, since the write-ahead log is
//! one for all databases.

use std::{fs, io::Write as _};

use retentiond::{
    adapters::postgres::{residue::search, wipe::wipe},
    domain::{deployment::WipeLevel, residue::Value, verdict::Verdict},
    ports::Locking,
};
use sqlx::{Connection as _, PgConnection};

use super::{
    canaries::{
        GONE, assert_clean, found, inserts, now, searching, searching_anew, tables, unsearched, values, wiping, within,
    },
    servers::{Database, Engine, Server},
};

const SCHEMA: &str = "
    CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(40), token TEXT UNIQUE, korean TEXT, big TEXT);
    ALTER TABLE people ALTER COLUMN big SET STORAGE EXTERNAL;
    CREATE INDEX people_name ON people (name);";

const DECLARED: [&str; 4] = ["character varying(40)", "text", "text", "text"];

fn filled(server: &Server) -> Database<'_> {
    let database = server.database();
    database.run(&format!("{SCHEMA} {} ANALYZE people; CHECKPOINT;", inserts()));
    database
}

async fn connect(database: &Database<'_>) -> PgConnection {
    PgConnection::connect(&database.url()).await.unwrap()
}

#[tokio::test]
async fn a_rewrite_leaves_no_canary_in_any_file_of_the_cluster_and_a_vacuum_does() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = filled(&server);
    let (tables, values) = (tables(), values(DECLARED));
    database.run(&format!("{GONE} CHECKPOINT;"));
    let mut session = connect(&database).await;
    let before = search(&mut session, &searching(&tables, &values)).await.unwrap();
    for location in ["heap", "indexes", "toast", "wal"] {
        assert!(found(&before, location) > 50, "{location}: {}", found(&before, location));
    }
    assert!(found(&before, "statistics") > 0, "the histogram holds names");

    let engine = wipe(&mut session, &wiping(&tables, WipeLevel::Engine, Locking::NoWindow)).await.unwrap();
    assert_eq!((engine.finding.verdict, engine.owed), (Verdict::Unknown, false), "{engine:?}");
    assert!(engine.method.contains("INDEX_CLEANUP ON") && engine.method.contains("REINDEX CONCURRENTLY"), "{engine:?}");
    let after = search(&mut session, &searching(&tables, &values)).await.unwrap();
    assert_eq!(found(&after, "indexes"), 0);
    assert_eq!(found(&after, "toast"), found(&before, "toast"), "not one out-of-line value is gone");
    assert!(found(&after, "heap") > 0, "holes in pages are not zeroed");
    assert!(unsearched(&after, "statistics").unwrap().contains("wipe = \"rewrite\""), "{after:?}");

    let rewritten = wipe(&mut session, &wiping(&tables, WipeLevel::Rewrite, within())).await.unwrap();
    assert_eq!((rewritten.finding.verdict, rewritten.owed), (Verdict::Pass, false), "{rewritten:?}");
    assert!(rewritten.bytes > 1 << 20 && rewritten.tool.starts_with("PostgreSQL 1"), "{rewritten:?}");
    assert_clean(&search(&mut session, &searching_anew(&tables, &values)).await.unwrap());
    assert_eq!(database.number("SELECT count(*) FROM people"), 200);
}

#[tokio::test]
async fn a_planted_value_is_found_in_a_log_file_in_a_forgotten_file_and_through_the_servers_functions() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = filled(&server);
    let (tables, values) = (tables(), values(DECLARED));
    database.run(GONE);
    let mut session = connect(&database).await;
    wipe(&mut session, &wiping(&tables, WipeLevel::Rewrite, within())).await.unwrap();
    let token = std::str::from_utf8(values[1].expose()).unwrap();
    fs::write(server.data().join("pg_wal/000000010000000000000001.old"), format!("..{token}..")).unwrap();
    fs::write(server.data().join("base/forgotten"), format!("..{token}..")).unwrap();
    let planted = search(&mut session, &searching(&tables, &values)).await.unwrap();
    assert_eq!((found(&planted, "wal"), found(&planted, "others"), found(&planted, "heap")), (1, 1, 0));
    for (relation, location) in [("people", "heap"), ("people_name", "indexes"), ("pg_statistic", "statistics")] {
        let file = database.query(&format!("SELECT pg_relation_filepath('{relation}')"));
        let mut end = fs::OpenOptions::new().append(true).open(server.data().join(&file)).unwrap();
        // A page behind the last one, as a crash may leave it.
        end.write_all(format!("..{token}..").as_bytes()).unwrap();
        let search = search(&mut session, &searching(&tables, &values)).await.unwrap();
        assert_eq!(found(&search, location), 1, "{file}: {search:?}");
    }
    let others = planted.places.iter().find(|place| place.name == "others").unwrap();
    assert!(others.places.contains("base/forgotten"), "{:?}", others.places);

    // A role that may not know where the data lies reads it through the server.
    database.run(
        "CREATE ROLE reader LOGIN; GRANT pg_read_server_files TO reader;
         GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean), pg_ls_dir(text),
             pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean) TO reader;
         GRANT SELECT ON people TO reader;",
    );
    let mut reader = PgConnection::connect(&database.url_of("reader")).await.unwrap();
    let through = search(&mut reader, &searching(&tables, &values)).await.unwrap();
    assert_eq!((found(&through, "wal"), found(&through, "others")), (1, 1));
}

#[tokio::test]
async fn a_role_without_the_privilege_searches_nothing_and_never_says_clean() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = filled(&server);
    database.run("CREATE ROLE plain LOGIN; GRANT SELECT ON people TO plain;");
    let mut plain = PgConnection::connect(&database.url_of("plain")).await.unwrap();
    let (tables, values) = (tables(), values(DECLARED));
    let search = search(&mut plain, &searching(&tables, &values)).await.unwrap();
    assert!(search.places.iter().all(|place| place.unsearched.is_some()), "{search:?}");
    assert!(search.places[0].unsearched.as_ref().unwrap().contains("pg_read_server_files"), "{search:?}");
    let wiped = wipe(&mut plain, &wiping(&tables, WipeLevel::Rewrite, within())).await.unwrap();
    assert_ne!(wiped.finding.verdict, Verdict::Pass, "{wiped:?}");
}

#[tokio::test]
async fn a_rewrite_is_owed_without_a_window_outside_of_it_too_short_a_one_and_under_an_older_snapshot() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = filled(&server);
    database.run(GONE);
    let tables = tables();
    let mut session = connect(&database).await;
    let size = database.number("SELECT pg_relation_filenode('people')");
    let short = Locking::Until(now());
    for (locking, says) in [
        (Locking::NoWindow, "maintenance.window"),
        (Locking::From(now()), "begins at"),
        (short, "make the window longer"),
    ] {
        let mut job = wiping(&tables, WipeLevel::Rewrite, locking);
        job.bytes_per_second = Some(1);
        let wiped = wipe(&mut session, &job).await.unwrap();
        assert!(wiped.owed && wiped.finding.reasons[0].contains(says), "{wiped:?}");
        assert!(wiped.finding.reasons[0].contains(" s (1 bytes/s, as measured)"), "{wiped:?}");
    }
    let mut older = connect(&database).await;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM people")
        .execute(&mut older)
        .await
        .unwrap();
    let wiped = wipe(&mut session, &wiping(&tables, WipeLevel::Rewrite, within())).await.unwrap();
    assert!(wiped.owed && wiped.finding.reasons[0].contains("older transactions"), "{wiped:?}");
    assert_eq!(database.number("SELECT pg_relation_filenode('people')"), size, "nothing was rewritten");
}

#[tokio::test]
async fn what_may_be_compressed_is_unsearched_and_what_lives_is_no_residue() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = server.database();
    database.run(&format!("{SCHEMA} ALTER TABLE people ALTER COLUMN big SET STORAGE EXTENDED; {}", inserts()));
    let (tables, values) = (tables(), values(DECLARED));
    let mut session = connect(&database).await;
    let all_there = search(&mut session, &searching_anew(&tables, &values)).await.unwrap();
    assert!(all_there.places.iter().all(|place| place.found.is_empty()), "every row is there: {all_there:?}");
    assert_eq!(all_there.living.len(), values.len());
    assert!(unsearched(&all_there, "toast").unwrap().contains("compressed"), "{all_there:?}");
    assert_eq!(unsearched(&all_there, "heap"), None, "a name is never compressed, and shows where its row is");

    // Of these rows nothing is known but a value that the engine may have compressed.
    let mut long: Vec<_> = values.into_iter().filter(|value| value.column == "korean").collect();
    long.iter_mut().for_each(|value| value.row_bytes = 2_000);
    let hidden = search(&mut session, &searching_anew(&tables, &long)).await.unwrap();
    for location in ["heap", "toast", "wal"] {
        assert!(unsearched(&hidden, location).unwrap().contains("column korean"), "{location}: {hidden:?}");
    }
    assert_eq!(unsearched(&hidden, "statistics"), None);
}

/// The histogram of a column is longer than a row may be, so that the engine
/// compresses it: a search of its bytes finds less than is there.
#[tokio::test]
async fn compressed_statistics_and_log_pages_are_never_called_clean() {
    let server = Server::start(Engine::Postgres, &["-c", "wal_compression=on"]);
    let database = server.database();
    database.run(
        "CREATE TABLE people (id INT PRIMARY KEY, name TEXT);
         INSERT INTO people SELECT i, repeat('canary of the same family ', 4) || i FROM generate_series(1, 500) AS i;
         ANALYZE people; DELETE FROM people; VACUUM people; CHECKPOINT;",
    );
    let kept = "SELECT count(*) FROM unnest((SELECT histogram_bounds::text::text[] FROM pg_stats WHERE tablename = \
                'people' AND attname = 'name'))";
    assert!(database.number(kept) > 50, "the engine keeps values of rows that are gone");
    let value = |i: i64| format!("{}{i}", "canary of the same family ".repeat(4));
    let values: Vec<Value> =
        (1..=500).map(|i| Value::new("people", "name", "text", true, value(i).as_bytes())).collect();
    let mut session = connect(&database).await;
    let tables = tables();
    let search = search(&mut session, &searching(&tables, &values)).await.unwrap();
    assert!(found(&search, "statistics") < 50, "this shows nothing if the histogram is not compressed: {search:?}");
    assert!(unsearched(&search, "statistics").unwrap().contains("compressed"), "{search:?}");
    assert!(unsearched(&search, "wal").unwrap().contains("wal_compression = "), "{search:?}");
}
