//! The roles that `grants` prints are enough, and no more than enough.

use retentiond::{
    adapters::{
        engine::{Server, grants},
        postgres::{PostgresScan, PostgresSource},
        vault::{Claim, PostgresVault},
    },
    domain::{
        deployment::{Address, Dataset, Edge, Engine, EventPlace, ServerAddress},
        event::Format,
        id::EventName,
        selection::Cause,
    },
    ports::{Presence, Restoration, Scan as _, Source as _, Vault as _},
};

use crate::fixture::{Database, WAIT, bounds, child, column, dataset, move_all, pairs, receipt, scope};

const SETUP: &str = "CREATE TABLE member (id int PRIMARY KEY, gone_at timestamptz, name text, address_id int);
    CREATE TABLE address (id int PRIMARY KEY, street text);
    ALTER TABLE member ADD FOREIGN KEY (address_id) REFERENCES address;
    CREATE TABLE office (id int PRIMARY KEY, secret text, address_id int REFERENCES address);
    CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, member_id int REFERENCES member) PARTITION BY RANGE (id);
    CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (5);
    CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (5) TO (100);
    CREATE TABLE line (id int PRIMARY KEY, t_id bigint REFERENCES t, kind text);
    CREATE TABLE review (id int PRIMARY KEY, t_id bigint REFERENCES t, body text);
    CREATE TABLE other (id int PRIMARY KEY, secret text);
    INSERT INTO address VALUES (1, 'one'), (2, 'two');
    INSERT INTO member VALUES (1, '2026-01-01', 'a', 1), (2, NULL, 'b', 2);
    INSERT INTO office VALUES (1, 's', 2);
    INSERT INTO t (at, member_id) SELECT '2020-01-01', 1 + n % 2 FROM generate_series(1, 9) AS n;
    INSERT INTO line SELECT n, 1 + n % 9, 'k' FROM generate_series(0, 17) AS n;
    INSERT INTO review SELECT n, n, 'r' FROM generate_series(1, 9) AS n";

fn as_user(database: &Database<'_>, user: &str) -> Server {
    let mut server = database.server();
    server.address = ServerAddress { user: user.to_owned(), ..server.address };
    server
}

#[tokio::test]
async fn a_cycle_runs_with_exactly_the_grants_that_are_printed() {
    let database = Database::new(SETUP);
    let mut orders = dataset("t", &["id"]);
    orders.events.insert(
        "withdrawal".into(),
        EventPlace::Through {
            table: "member".to_owned(),
            on: pairs(&[("member_id", "id")]),
            column: column("gone_at", Format::Auto),
        },
    );
    let mut narrowed = child("line", "t", &[("t_id", "id")], Edge::Own);
    narrowed.condition = Some("kind <> 'x'".to_owned());
    orders.children = vec![narrowed, child("review", "t", &[("t_id", "id")], Edge::Unlink)];
    let mut members = dataset("member", &["id"]);
    members.events = [("withdrawal".into(), EventPlace::Own(column("gone_at", Format::Auto)))].into();
    members.children = vec![child("address", "member", &[("id", "address_id")], Edge::Reference)];

    let address = |database: &Database<'_>, user: &str| Address::Server(as_user(database, user).address);
    let name = format!("mover_{}", database.raw.name());
    let sql = grants::source(&address(&database, &name), &[&orders, &members]).unwrap();
    database.raw.run(&sql);
    database.raw.run(&sql);

    let (recorded, withdrawal) = (EventName::from("recorded"), EventName::from("withdrawal"));
    let separate_on = [withdrawal.clone()];
    let member_scope = scope(&withdrawal, &separate_on, &[]);
    let order_scope = scope(&recorded, &separate_on, &[]);
    let others = [(&orders, order_scope), (&members, member_scope)];
    let (order_scope, member_scope) =
        (scope(&recorded, &separate_on, &others), scope(&withdrawal, &separate_on, &others));

    let mut scan = PostgresScan::open("shop".into(), &as_user(&database, &format!("{name}_scan")), WAIT).await.unwrap();
    for (of, scope) in [(&orders, &order_scope), (&members, &member_scope)] {
        let found = scan.inspect(of, &[&orders, &members]).await.unwrap();
        assert!(!found.iter().any(|finding| finding.error), "{found:?}");
        scan.census(of, scope).await.unwrap();
    }
    let census = scan.census(&members, &member_scope).await.unwrap();
    assert_eq!((census.rows, census.waiting), (1, 0));

    let mut source = PostgresSource::open("shop".into(), &as_user(&database, &name), WAIT).await.unwrap();
    let moved = move_all(&mut source, &orders, &order_scope, 4).await;
    assert_eq!(moved.counts(), [9, 18, 9]);
    let left = move_all(&mut source, &members, &member_scope, 4).await;
    assert_eq!(left.counts(), [1, 1]);
    for (dataset, moved) in [(&members, &left), (&orders, &moved)] {
        let record = Restoration { dataset, tables: &moved.tables, rows: moved.rows(), blank: Vec::new() };
        source.put_back(std::slice::from_ref(&record)).await.unwrap();
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Same);
    }
    assert_eq!(database.raw.number("SELECT count(t_id) FROM review"), 9);
    source.take(&orders, &order_scope, &Cause::Due, 2).await.unwrap().unwrap();
    source.rollback().await.unwrap();
    assert!(source.commit(receipt()).await.is_err());
    assert!(bounds().now > bounds().due_before);

    let can = |user: &str, what: &str, table: &str| {
        database.raw.query(&format!("SELECT has_table_privilege('{user}', '{table}', '{what}') OR has_any_column_privilege('{user}', '{table}', '{}')",
            if what == "DELETE" { "UPDATE" } else { what }))
    };
    let scanner = format!("{name}_scan");
    for table in ["t", "line", "review", "member", "address", "office", "other"] {
        for what in ["INSERT", "UPDATE", "DELETE"] {
            assert_eq!(can(&scanner, what, table), "f", "{what} on {table}");
        }
    }
    for (user, table) in [(&scanner, "other"), (&name, "other")] {
        assert_eq!(can(user, "SELECT", table), "f");
    }
    let reads = |user: &str, table: &str, column: &str| {
        database.raw.query(&format!("SELECT has_column_privilege('{user}', '{table}', '{column}', 'SELECT')"))
    };
    assert_eq!(reads(&scanner, "member", "name"), "f", "a plan reads no names");
    assert_eq!(reads(&scanner, "office", "secret"), "f");
    assert_eq!(reads(&name, "office", "secret"), "f");
    assert_eq!(can(&name, "DELETE", "office"), "f");
}

#[tokio::test]
async fn the_vaults_role_makes_and_keeps_a_vault() {
    let database = Database::new("");
    let user = format!("keeper_{}", database.raw.name());
    let server = as_user(&database, &user);
    let lasts = std::time::Duration::from_secs(60);
    let claim = Claim { holder: "host, process 1".to_owned(), seat: "seat".to_owned(), lasts };
    assert!(PostgresVault::create(&server, "o", false, "d", &claim).await.is_err());
    database.raw.run(&grants::vault(&Address::Server(server.address.clone())).unwrap());
    let mut vault = PostgresVault::create(&server, "o", false, "d", &claim).await.unwrap();
    assert!(vault.buckets().await.unwrap().is_empty());
    assert_eq!(
        database.raw.query(&format!("SELECT has_database_privilege('{user}', current_database(), 'CREATE')")),
        "f"
    );
    vault.close().await.unwrap();
    // Whoever follows ends the session of a runner that does not wake up.
    let gone = Claim { lasts: std::time::Duration::ZERO, ..claim.clone() };
    let _former = PostgresVault::open(&server, "o", "d", &gone).await.unwrap();
    let elsewhere = Claim { seat: "elsewhere".to_owned(), ..claim };
    PostgresVault::open(&server, "o", "d", &elsewhere).await.unwrap();
}

#[test]
fn sqlite_has_no_roles() {
    assert_eq!(grants::source(&Address::File("shop.db".to_owned()), &[]), None);
    let mysql = ServerAddress::parse(Engine::Mysql, "mover@db/shop").unwrap();
    let sql = grants::source(&Address::Server(mysql), &[&dataset("t", &["id"])]).unwrap();
    assert!(sql.contains("GRANT SELECT ON `shop`.`t` TO 'mover_scan'@'%';"), "{sql}");
}

#[tokio::test]
async fn columns_that_the_scanning_role_may_not_read_are_said_with_the_grant() {
    let database = Database::new(SETUP);
    database.raw.run("CREATE SCHEMA \"Old \"\"shop\"; CREATE TABLE \"Old \"\"shop\".\"T\" (\"Id\" int PRIMARY KEY, at timestamptz, kind text)");
    let mut members = dataset("member", &["id"]);
    members.events = [("withdrawal".into(), EventPlace::Own(column("gone_at", Format::Auto)))].into();
    members.children = vec![
        child("address", "member", &[("id", "address_id")], Edge::Reference),
        child("t", "member", &[("member_id", "id")], Edge::Wait),
    ];
    let mut old = dataset("Old \"shop.T", &["Id"]);
    old.condition = Some("kind <> 'x'".to_owned());
    let name = format!("mover_{}", database.raw.name());
    let address = Address::Server(as_user(&database, &name).address);
    database.raw.run(&grants::source(&address, &[&members, &old]).unwrap());
    let scanner = as_user(&database, &format!("{name}_scan"));
    let errors = async |of: &Dataset| {
        let mut scan = PostgresScan::open("shop".into(), &scanner, WAIT).await.unwrap();
        let found = scan.inspect(of, &[&members, &old]).await.unwrap();
        let errors = found.into_iter().filter(|finding| finding.error);
        errors.map(|finding| (finding.message, finding.hint)).collect::<Vec<_>>()
    };
    let taken_away = [
        (
            &members,
            "REVOKE SELECT (gone_at, address_id) ON member",
            "\"gone_at\", \"address_id\" of \"public\".\"member\"",
        ),
        (&members, "REVOKE SELECT (id) ON address", "\"id\" of \"public\".\"address\""),
        (&old, "REVOKE SELECT ON \"Old \"\"shop\".\"T\"", "\"Id\", \"at\", \"kind\" of"),
        (&old, "REVOKE USAGE ON SCHEMA \"Old \"\"shop\"", "the schema of"),
    ];
    for (of, revoke, expected) in taken_away {
        assert_eq!(errors(of).await, [], "before {revoke}");
        database.raw.run(&format!("{revoke} FROM {name}_scan"));
        let found = errors(of).await;
        assert!(found[0].0.contains(expected), "{found:?}");
        for (_, grant) in &found {
            database.raw.run(grant);
        }
        assert_eq!(errors(of).await, [], "after what was said for {revoke}");
    }
}
