//! What happens when the application or the server is in the way: nothing is
//! lost, nothing is guessed, and the rest goes on.

use std::time::{Duration, Instant};

use retentiond::{
    adapters::{
        engine::Patience,
        mysql::{MySqlScan, MySqlSource},
    },
    domain::deployment::{Dataset, Edge},
    ports::{Presence, Restoration, Scan as _, Source as _, SourceError},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection};

use crate::{
    fixture::{child, dataset, receipt, scope},
    servers::{Database, Engine, Server},
    world::{WAIT, database, errors, event, moved, put_back, scan, server, source, take},
};

const ROWS: &str = "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, memo VARCHAR(20), KEY (at));
     CREATE TABLE c (id INT PRIMARY KEY, t_id INT, word VARCHAR(20), FOREIGN KEY (t_id) REFERENCES t (id));
     INSERT INTO t VALUES (1, '2020-01-01', 'one'), (2, '2020-01-02', 'two'), (3, '2020-01-03', 'three');
     INSERT INTO c VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z')";

fn with_child() -> Dataset {
    let mut whole = dataset("t", &["id"]);
    whole.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    whole
}

async fn application(database: &Database<'_>, statements: &str) -> MySqlConnection {
    let mut connection = MySqlConnection::connect(&database.url()).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.unwrap();
    connection
}

#[tokio::test]
async fn a_record_of_which_the_application_has_locked_a_row_is_left_out_and_comes_later() {
    for locked in ["SELECT 1 FROM t WHERE id = 2 FOR UPDATE", "UPDATE c SET word = 'new' WHERE id = 2"] {
        let database = database(ROWS);
        let lock = application(&database, &format!("START TRANSACTION; {locked}")).await;
        let start = Instant::now();
        let first = moved(&database, &with_child(), 10).await;
        assert_eq!((first.counts(), first.keys().len()), (vec![2, 2], 2), "{locked}");
        assert!(start.elapsed() < WAIT.lock, "nothing waited for the lock");
        assert_eq!(database.query("SELECT t.id, c.id FROM t JOIN c ON t_id = t.id"), "2\t2");
        drop(lock);
        while database.query("SELECT id FROM t FOR UPDATE").is_empty() {}
        assert_eq!(moved(&database, &with_child(), 10).await.counts(), [1, 1]);
        assert_eq!(database.query("SELECT * FROM t, c"), "");
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_broken_off_and_nothing_of_the_batch_is_gone() {
    let database = database(ROWS);
    let before = database.query("SELECT * FROM t");
    let hasty = Patience { statement: Duration::from_millis(500), ..WAIT };
    let mut source = MySqlSource::open("shop".into(), &server(&database), hasty).await.unwrap();
    let slow = Dataset { condition: Some("SLEEP(0.4) = 0".to_owned()), ..dataset("t", &["id"]) };
    let error = take(&mut source, &slow, 10).await.unwrap_err().to_string();
    assert!(error.contains("max_statement_time") && error.contains("limits.statement_timeout"), "{error}");
    assert_eq!(database.query("SELECT * FROM t"), before);
    // Each statement has its time anew, and the session goes on.
    assert_eq!(take(&mut source, &with_child(), 10).await.unwrap().unwrap().records.len(), 3);
    source.commit(receipt()).await.unwrap();
}

#[tokio::test]
async fn one_locked_row_among_many_batches_stops_none_of_them() {
    let database = database(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME); \
         INSERT INTO t SELECT seq, '2020-01-01' + INTERVAL seq DIV 7 MINUTE FROM seq_1_to_500",
    );
    let _lock = application(&database, "START TRANSACTION; SELECT 1 FROM t WHERE id IN (3, 250, 499) FOR UPDATE").await;
    let first = moved(&database, &dataset("t", &["id"]), 20).await;
    assert_eq!((first.records.len(), database.query("SELECT id FROM t").as_str()), (497, "3\n250\n499"));
}

#[tokio::test]
async fn an_undone_a_dropped_and_a_disconnected_batch_leave_every_row() {
    let database = database(ROWS);
    let rows = "SELECT count(*) FROM t JOIN c ON t_id = t.id";
    let mut one = source(&database).await;
    assert_eq!(take(&mut one, &with_child(), 10).await.unwrap().unwrap().records.len(), 3);
    assert!(matches!(take(&mut one, &with_child(), 10).await, Err(SourceError::Engine { .. })), "one at a time");
    one.rollback().await.unwrap();
    assert_eq!(database.number(rows), 3);
    assert_eq!(take(&mut one, &with_child(), 10).await.unwrap().unwrap().records.len(), 3);
    drop(one);
    let mut one = source(&database).await;
    while take(&mut one, &with_child(), 10).await.unwrap().is_none_or(|batch| batch.records.len() < 3) {
        one.rollback().await.unwrap();
    }
    // The server ends the connection while the batch waits for its receipt.
    let id = database.query(
        "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_state = 'RUNNING' \
         AND trx_mysql_thread_id IN (SELECT id FROM information_schema.processlist WHERE db = database()) LIMIT 1",
    );
    database.run(&format!("KILL {id}"));
    let error = one.commit(receipt()).await.unwrap_err();
    assert!(!matches!(error, SourceError::RolledBack { .. }), "nobody knows: {error}");
    assert_eq!(database.number(rows), 3);
    // The next one connects anew.
    assert_eq!(take(&mut one, &with_child(), 10).await.unwrap().unwrap().records.len(), 3);
    one.commit(receipt()).await.unwrap();
    assert_eq!(database.number(rows), 0);
}

#[tokio::test]
async fn a_take_that_is_given_up_halfway_is_undone_before_the_next() {
    let database = database(ROWS);
    let (event, dataset) = (event(), with_child());
    let scope = scope(&event, &[], &[]);
    let mut source = source(&database).await;
    for polls in (1..200).step_by(7) {
        {
            let cause = retentiond::domain::selection::Cause::Due;
            let mut future = std::pin::pin!(source.take(&dataset, &scope, &cause, 10));
            for _ in 0..polls {
                let done =
                    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready()));
                if done.await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        source.rollback().await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM t JOIN c ON t_id = t.id"), 3);
    }
    drop(source);
    // What the server still undoes is locked until it has.
    while database.query("SELECT id FROM t ORDER BY id FOR UPDATE") != "1\n2\n3" {}
    assert_eq!(moved(&database, &dataset, 10).await.counts(), [3, 3]);
}

#[tokio::test]
async fn a_server_that_crashes_with_an_open_batch_has_every_row_and_the_cycle_goes_on() {
    let server_of_its_own = Server::start(Engine::MariaDb, &[]);
    let database = server_of_its_own.database();
    database.run(ROWS);
    let mut source = source(&database).await;
    assert_eq!(take(&mut source, &with_child(), 10).await.unwrap().unwrap().records.len(), 3);
    server_of_its_own.kill();
    assert!(source.commit(receipt()).await.is_err());
    let error = take(&mut source, &with_child(), 10).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    server_of_its_own.restart();
    assert_eq!(database.number("SELECT count(*) FROM t JOIN c ON t_id = t.id"), 3);
    assert_eq!(take(&mut source, &with_child(), 10).await.unwrap().unwrap().records.len(), 3);
    source.commit(receipt()).await.unwrap();
    server_of_its_own.kill();
    server_of_its_own.restart();
    assert_eq!(database.number("SELECT count(*) FROM t"), 0);
}

#[tokio::test]
async fn presence_waits_for_a_deletion_that_is_not_settled_yet() {
    let database = database("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME); INSERT INTO t VALUES (1, '2020-01-01')");
    let t = dataset("t", &["id"]);
    let moved = moved(&database, &t, 10).await;
    put_back(&database, &t, &moved).await;
    let record = Restoration { dataset: &t, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
    let mut unsettled = application(&database, "START TRANSACTION; DELETE FROM t").await;
    let mut looking = source(&database).await;
    let (presence, ()) = tokio::join!(looking.presence(&record), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        unsettled.execute("COMMIT").await.unwrap();
    });
    assert_eq!(presence.unwrap(), Presence::Absent);
}

#[tokio::test]
async fn tables_and_columns_that_cannot_be_moved_whole_are_refused_with_what_to_do() {
    let database = database(
        "CREATE TABLE volatile (id INT PRIMARY KEY, at DATETIME) ENGINE = MEMORY; \
         CREATE TABLE twins (id INT, at DATETIME); CREATE TABLE kept (id INT PRIMARY KEY, at DATETIME) WITH SYSTEM VERSIONING; \
         CREATE TABLE base (id INT PRIMARY KEY, at DATETIME); CREATE VIEW seen AS SELECT * FROM base; \
         CREATE TABLE wide (id INT PRIMARY KEY, at CHAR(19) CHARACTER SET utf16)",
    );
    for (table, wanted) in [
        ("volatile", "ENGINE = InnoDB"),
        ("twins", "no primary key"),
        ("kept", "SYSTEM VERSIONING"),
        ("seen", "is a view"),
        ("wide", "cannot be read"),
    ] {
        let found = errors(&database, &dataset(table, &["id"])).await;
        assert!(found.contains(wanted), "{table}: {found}");
        let mut source = source(&database).await;
        let error = take(&mut source, &dataset(table, &["id"]), 10).await.unwrap_err();
        assert!(matches!(error, SourceError::Schema { .. }), "{table}: {error}");
    }
}

#[tokio::test]
async fn a_key_that_the_user_may_not_see_is_an_error_and_no_process_privilege_a_warning() {
    let database = database(ROWS);
    let (name, mine) = (database.name(), server(&database));
    let other = database.server().database();
    other.run(&format!(
        "CREATE TABLE hidden (t_id INT, FOREIGN KEY (t_id) REFERENCES {name}.t (id) ON DELETE CASCADE); \
         CREATE TABLE {name}.far (id INT PRIMARY KEY); CREATE TABLE {name}.near (far INT, FOREIGN KEY (far) REFERENCES {name}.far (id)); \
         CREATE USER seeing_{name}@'%'; GRANT SELECT, DELETE ON {name}.t TO seeing_{name}@'%'; GRANT SELECT, DELETE ON {name}.c TO seeing_{name}@'%'; GRANT PROCESS ON *.* TO seeing_{name}@'%'; \
         CREATE USER blind_{name}@'%'; GRANT SELECT, DELETE ON {name}.* TO blind_{name}@'%'"
    ));
    for (user, is_error) in [("seeing", true), ("blind", false)] {
        let mut server = mine.clone();
        server.address.user = format!("{user}_{name}");
        let mut scan = MySqlScan::open("shop".into(), &server, WAIT).await.unwrap();
        let dataset = with_child();
        let found = scan.inspect(&dataset, &[&dataset]).await.unwrap();
        let hidden = found.iter().find(|finding| finding.message.contains("foreign keys")).unwrap();
        assert_eq!(hidden.error, is_error, "{hidden:?}");
        if is_error {
            let mut source = MySqlSource::open("shop".into(), &server, WAIT).await.unwrap();
            let error = take(&mut source, &dataset, 10).await.unwrap_err();
            assert!(matches!(&error, SourceError::Schema { reason, .. } if reason.contains("hidden")), "{error}");
        }
    }
    // Who sees everything is told of the key itself.
    assert!(errors(&database, &with_child()).await.contains("ON DELETE CASCADE"));
    let dataset = with_child();
    let seen = scan(&database).await.inspect(&dataset, &[&dataset]).await.unwrap();
    assert!(seen.iter().any(|finding| finding.message.contains("hidden")), "{seen:?}");
    // Keys between tables that no record is in are nobody's business; those that are
    // shown are known with what they do.
    database.run("CREATE TABLE d (t_id INT, FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE SET NULL)");
    database.run(&format!("GRANT SELECT ON d TO seeing_{name}@'%'"));
    other.run("DROP TABLE hidden");
    let mut server = mine.clone();
    server.address.user = format!("seeing_{name}");
    let mut scan = MySqlScan::open("shop".into(), &server, WAIT).await.unwrap();
    let found = scan.inspect(&dataset, &[&dataset]).await.unwrap();
    assert!(found.iter().all(|finding| !finding.message.contains("foreign keys")), "{found:?}");
    assert!(found.iter().any(|finding| finding.error && finding.message.contains("ON DELETE SET NULL")), "{found:?}");
}

#[tokio::test]
async fn a_schema_that_changes_between_two_batches_is_seen_before_anything_is_deleted() {
    let database = database(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME); \
         INSERT INTO t VALUES (1, '2020-01-01'), (2, '2020-01-01'), (3, '2020-01-01')",
    );
    let t = dataset("t", &["id"]);
    let mut source = source(&database).await;
    let columns = |batch: &retentiond::ports::Batch| batch.tables[0].columns.len();
    let first = take(&mut source, &t, 1).await.unwrap().unwrap();
    source.commit(receipt()).await.unwrap();
    database.run("ALTER TABLE t ADD COLUMN note VARCHAR(9) DEFAULT 'new'");
    let second = take(&mut source, &t, 1).await.unwrap().unwrap();
    source.commit(receipt()).await.unwrap();
    assert_eq!((columns(&first), columns(&second)), (2, 3));
    database.run("CREATE TABLE c (t_id INT, FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE CASCADE)");
    let error = take(&mut source, &t, 1).await.unwrap_err();
    assert!(matches!(&error, SourceError::Schema { reason, .. } if reason.contains("CASCADE")), "{error}");
    assert_eq!(database.number("SELECT count(*) FROM t"), 1);
}
