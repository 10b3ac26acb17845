//! The users that `grants` prints are enough, and no more than enough.

use retentiond::{
    adapters::{
        engine::{Password, Server, grants},
        mysql::{MySqlScan, MySqlSource},
        vault::{Claim, MySqlVault},
    },
    domain::{
        deployment::{Address, Dataset, Edge, EventPlace, WipeLevel},
        event::Format,
        id::EventName,
    },
    ports::{Locking, Presence, Restoration, Scan as _, Source as _, SourceError, Vault as _, WipeJob},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, mysql::MySqlConnectOptions};

use crate::{
    fixture::{at, child, column, dataset, move_all, pairs, scope},
    servers::Database,
    world::{self, WAIT},
};

const SETUP: &str = "CREATE TABLE address (id INT PRIMARY KEY, street VARCHAR(20));
    CREATE TABLE member (id INT PRIMARY KEY, gone_at DATETIME, name VARCHAR(20), address_id INT,
      FOREIGN KEY (address_id) REFERENCES address (id));
    CREATE TABLE office (id INT PRIMARY KEY, secret VARCHAR(20), address_id INT, FOREIGN KEY (address_id) REFERENCES address (id));
    CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, member_id INT, FOREIGN KEY (member_id) REFERENCES member (id));
    CREATE TABLE line (id INT PRIMARY KEY, t_id INT, kind VARCHAR(9), FOREIGN KEY (t_id) REFERENCES t (id));
    CREATE TABLE review (id INT PRIMARY KEY, t_id INT, body VARCHAR(9), FOREIGN KEY (t_id) REFERENCES t (id));
    CREATE TABLE other (id INT PRIMARY KEY, secret VARCHAR(20));
    CREATE TRIGGER counting AFTER DELETE ON line FOR EACH ROW SET @gone = 1;
    INSERT INTO address VALUES (1, 'one'), (2, 'two');
    INSERT INTO member VALUES (1, '2026-01-01', 'a', 1), (2, NULL, 'b', 2);
    INSERT INTO office VALUES (1, 's', 2);
    INSERT INTO t SELECT seq, '2020-01-01', 1 + seq % 2 FROM seq_1_to_9;
    INSERT INTO line SELECT seq, 1 + seq % 9, 'k' FROM seq_0_to_17;
    INSERT INTO review SELECT seq, seq, 'r' FROM seq_1_to_9";

/// As `grants` leaves the password to be filled in.
const PASSWORD: &str = "<password>";

fn as_user(database: &Database<'_>, user: &str) -> Server {
    let mut server = world::server(database);
    user.clone_into(&mut server.address.user);
    server.password = Some(Password::new(PASSWORD.to_owned().into()));
    server
}

fn datasets() -> (Dataset, Dataset) {
    let mut orders = dataset("t", &["id"]);
    orders.events.insert(
        "withdrawal".into(),
        EventPlace::Through {
            table: "member".to_owned(),
            on: pairs(&[("member_id", "id")]),
            column: column("gone_at", Format::Timestamp),
        },
    );
    let mut narrowed = child("line", "t", &[("t_id", "id")], Edge::Own);
    narrowed.condition = Some("kind <> 'x'".to_owned());
    orders.children = vec![narrowed, child("review", "t", &[("t_id", "id")], Edge::Unlink)];
    let mut members = dataset("member", &["id"]);
    members.wipe = WipeLevel::None;
    members.events = [("withdrawal".into(), EventPlace::Own(column("gone_at", Format::Timestamp)))].into();
    members.children = vec![child("address", "member", &[("id", "address_id")], Edge::Reference)];
    (orders, members)
}

/// What a user is refused, statement by statement.
async fn allowed(server: &Server, statements: &[&str]) -> Vec<String> {
    let address = &server.address;
    let retentiond::domain::deployment::Host::Tcp { name, port } = &address.host else { panic!("{address:?}") };
    let options = MySqlConnectOptions::new().host(name).port(*port).username(&address.user).password(PASSWORD);
    let mut connection = options.database(&address.database).connect().await.unwrap();
    let mut done = Vec::new();
    for statement in statements {
        if connection.execute(sqlx::raw_sql(AssertSqlSafe((*statement).to_owned()))).await.is_ok() {
            done.push((*statement).to_owned());
        }
    }
    done
}

#[tokio::test]
async fn a_cycle_runs_with_exactly_the_grants_that_are_printed() {
    let database = world::database(SETUP);
    let (orders, members) = datasets();
    let name = format!("mover_{}", database.name());
    let sql = grants::source(&Address::Server(as_user(&database, &name).address), &[&orders, &members]).unwrap();
    database.run(&sql);
    database.run(&sql);
    // The one that only a database administrator can know.
    database.run(&format!("GRANT SELECT ON office TO '{name}'@'%', '{name}_scan'@'%'"));

    let (recorded, withdrawal) = (EventName::from("recorded"), EventName::from("withdrawal"));
    let separate_on = [withdrawal.clone()];
    let (member_scope, order_scope) = (scope(&withdrawal, &separate_on, &[]), scope(&recorded, &separate_on, &[]));
    let others = [(&orders, order_scope), (&members, member_scope)];
    let (order_scope, member_scope) =
        (scope(&recorded, &separate_on, &others), scope(&withdrawal, &separate_on, &others));

    let scanner = as_user(&database, &format!("{name}_scan"));
    let mut scan = MySqlScan::open("shop".into(), &scanner, WAIT).await.unwrap();
    for (of, scope) in [(&orders, &order_scope), (&members, &member_scope)] {
        let found = scan.inspect(of, &[&orders, &members]).await.unwrap();
        assert!(!found.iter().any(|finding| finding.error), "{found:?}");
        assert!(!found.iter().any(|finding| finding.message.contains("cannot be seen")), "{found:?}");
        scan.census(of, scope).await.unwrap();
    }
    assert_eq!(scan.census(&members, &member_scope).await.unwrap().rows, 1);

    let mover = as_user(&database, &name);
    let mut source = MySqlSource::open("shop".into(), &mover, WAIT).await.unwrap();
    let found = source.inspect(&orders, &[&orders, &members]).await.unwrap();
    assert!(found.iter().any(|finding| finding.message.contains("has triggers")), "{found:?}");
    let moved = move_all(&mut source, &orders, &order_scope, 4).await;
    assert_eq!(moved.counts(), [9, 18, 9]);
    let left = move_all(&mut source, &members, &member_scope, 4).await;
    assert_eq!(left.counts(), [1, 1]);
    for (dataset, moved) in [(&members, &left), (&orders, &moved)] {
        let record = Restoration { dataset, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
        source.put_back(std::slice::from_ref(&record)).await.unwrap();
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
    }
    assert_eq!(database.number("SELECT count(t_id) FROM review"), 9);
    let tables = ["t".to_owned(), "line".to_owned()];
    let level = WipeLevel::Engine;
    let now = at("2026-11-21T15:00:00Z");
    let job = WipeJob { tables: &tables, level, locking: Locking::NoWindow, bytes_per_second: None, now };
    let wiped = source.wipe(&job).await.unwrap();
    assert!(wiped.method.contains("ALTER TABLE FORCE") && wiped.method.contains("pages flushed"), "{wiped:?}");
    assert!(!wiped.finding.reasons.iter().any(|reason| reason.contains("not done")), "{wiped:?}");

    let nobody =
        ["SELECT * FROM other", "DROP TABLE t", "CREATE TABLE x (id INT)", "DELETE FROM office", "DELETE FROM review"];
    assert_eq!(allowed(&mover, &nobody).await, [""; 0]);
    let writes = [
        "DELETE FROM t",
        "INSERT INTO line VALUES (99, 1, 'k')",
        "UPDATE review SET t_id = NULL",
        "ALTER TABLE t FORCE",
    ];
    assert_eq!(allowed(&scanner, &[&nobody[..], &writes].concat()).await, [""; 0]);
}

#[tokio::test]
async fn tables_without_transactions_move_with_the_grant_that_is_printed_for_them() {
    let database = world::database(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME) ENGINE = MyISAM; INSERT INTO t VALUES (1, '2020-01-01')",
    );
    let t = Dataset { wipe: WipeLevel::None, ..dataset("t", &["id"]) };
    let name = format!("mover_{}", database.name());
    let sql = grants::source(&Address::Server(as_user(&database, &name).address), &[&t]).unwrap();
    let only = "-- Only where a table is kept by MyISAM or Aria: ";
    assert!(sql.contains(only), "{sql}");
    database.run(&sql.replace(only, ""));
    let mut source = MySqlSource::open("shop".into(), &as_user(&database, &name), WAIT).await.unwrap();
    let event = world::event();
    let moved = move_all(&mut source, &t, &scope(&event, &[], &[]), 4).await;
    assert_eq!((moved.records.len(), database.number("SELECT count(*) FROM t")), (1, 0));
    let record = Restoration { dataset: &t, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
    source.put_back(std::slice::from_ref(&record)).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM t"), 1);
}

#[tokio::test]
async fn the_vaults_user_makes_and_keeps_a_vault_in_its_own_database_only() {
    let database = world::database("");
    // A name in which an unquoted underscore would stand for any letter.
    let (own, near) = (format!("va_lt_{}", database.name()), format!("va0lt_{}", database.name()));
    database.run(&format!("CREATE DATABASE {own}; CREATE DATABASE {near}; CREATE TABLE {near}.x (id INT)"));
    let mut server = as_user(&database, &format!("keeper_{}", database.name()));
    server.address.database.clone_from(&own);
    let lasts = std::time::Duration::from_secs(60);
    let claim = Claim { holder: "host, process 1".to_owned(), seat: "seat".to_owned(), lasts };
    assert!(MySqlVault::create(&server, "o", false, "d", &claim).await.is_err());
    database.run(&grants::vault(&Address::Server(server.address.clone())).unwrap());
    let mut vault = MySqlVault::create(&server, "o", false, "d", &claim).await.unwrap();
    assert!(vault.buckets().await.unwrap().is_empty());
    vault.close().await.unwrap();
    let mut again = MySqlVault::open(&server, "o", "d", &claim).await.unwrap();
    assert!(again.buckets().await.unwrap().is_empty());
    let elsewhere = [
        format!("SELECT * FROM {near}.x"),
        format!("DROP TABLE {own}.segment"),
        format!("CREATE TABLE {near}.y (id INT)"),
    ];
    let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
    assert_eq!(allowed(&server, &elsewhere).await, [""; 0]);
}

#[tokio::test]
async fn a_grant_that_is_missing_is_said_and_nothing_is_moved() {
    let database = world::database(SETUP);
    let (orders, members) = datasets();
    let name = format!("mover_{}", database.name());
    let sql = grants::source(&Address::Server(as_user(&database, &name).address), &[&orders, &members]).unwrap();
    database.run(&sql);
    database.run(&format!("REVOKE DELETE ON line FROM '{name}'@'%'"));
    let mut source = MySqlSource::open("shop".into(), &as_user(&database, &name), WAIT).await.unwrap();
    let error = world::take(&mut source, &orders, 4).await.unwrap_err();
    assert!(matches!(&error, SourceError::Engine { reason } if reason.contains("denied")), "{error}");
    source.rollback().await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM t JOIN line ON t_id = t.id"), 18);
}

/// Of a table of which some columns are granted the server shows those only, and not
/// what tells its rows apart: `check` says what to grant, and not that a column is missing.
#[tokio::test]
async fn columns_that_the_scanning_user_may_not_read_are_said_with_the_grant() {
    let database = world::database(SETUP);
    let (orders, members) = datasets();
    let name = format!("mover_{}", database.name());
    database.run(&grants::source(&Address::Server(as_user(&database, &name).address), &[&orders, &members]).unwrap());
    database.run(&format!("GRANT SELECT ON office TO '{name}_scan'@'%'"));
    let scanner = as_user(&database, &format!("{name}_scan"));
    let errors = async || {
        let mut scan = MySqlScan::open("shop".into(), &scanner, WAIT).await.unwrap();
        let found = scan.inspect(&members, &[&orders, &members]).await.unwrap();
        let errors = found.into_iter().filter(|finding| finding.error);
        errors.map(|finding| (finding.message, finding.hint)).collect::<Vec<_>>()
    };
    assert_eq!(errors().await, []);
    let narrower = ["", "GRANT SELECT (id) ON member TO", "GRANT SELECT (id, gone_at, address_id) ON member TO"];
    for some in narrower {
        database.run(&format!("REVOKE SELECT ON member FROM '{name}_scan'@'%'"));
        if !some.is_empty() {
            database.run(&format!("{some} '{name}_scan'@'%'"));
        }
        let found = errors().await;
        assert_eq!(found.len(), 1, "{some}: {found:?}");
        assert_eq!(found[0].0, "this user may not read all columns of member");
        let (grant, _) = found[0].1.split_once(": ").unwrap();
        assert_eq!(grant, format!("GRANT SELECT ON `member` TO '{name}_scan'@'%'"));
        database.run(grant);
        assert_eq!(errors().await, [], "{some}");
    }
}
