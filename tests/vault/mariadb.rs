//! What only a vault on a server does.

use retentiond::{
    adapters::vault::MySqlVault,
    ports::{Vault as _, VaultError},
};

use crate::{
    places::{MariaDb, Place as _, claim, server_of},
    scenarios::{DEPLOYMENT, HEAD, ORIGIN, bucket, now, segment},
    servers::{Engine, Server},
};

#[tokio::test]
async fn a_database_that_holds_something_is_neither_taken_nor_opened() {
    let place = MariaDb::new();
    place.database.run("CREATE TABLE meta (name INT); INSERT INTO meta VALUES (1)");
    let error = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap_err();
    assert!(matches!(error, VaultError::Foreign { .. }) && error.to_string().contains("hint:"), "{error}");
    let error = place.open(ORIGIN, DEPLOYMENT).await.unwrap_err();
    assert!(matches!(error, VaultError::Foreign { .. }), "{error}");
    assert_eq!(place.database.query("SHOW TABLES; SELECT * FROM meta"), "meta\n1");

    let port = place.database.server().port();
    for url in [format!("mysql://admin@127.0.0.1:{port}/nowhere"), "mysql://admin@127.0.0.1:1/x".to_owned()] {
        let error = MySqlVault::open(&server_of(&url), ORIGIN, DEPLOYMENT, &claim("host-1")).await.unwrap_err();
        assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_segment_that_no_statement_can_hold_is_refused_with_the_setting_to_change() {
    let place = MariaDb::new();
    let mut vault = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap();
    let mut sealed = segment(&bucket("member", 1), "a", "long");
    sealed.body.resize(17 << 20, 7);
    let error = vault.store(&[sealed], &HEAD, now()).await.unwrap_err().to_string();
    assert!(error.contains("max_allowed_packet"), "{error}");
    assert_eq!(vault.buckets().await.unwrap(), []);
}

#[tokio::test]
async fn a_server_that_may_forget_what_it_committed_is_refused() {
    let server = Server::start(Engine::MariaDb, &["--log-bin=binlog", "--sync-binlog=0"]);
    let database = server.database();
    let at = server_of(&database.url());
    let refused = MySqlVault::create(&at, ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap_err().to_string();
    assert!(refused.contains("sync_binlog = 1"), "{refused}");
    database.run("SET GLOBAL sync_binlog = 1; SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    let refused = MySqlVault::create(&at, ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap_err().to_string();
    assert!(refused.contains("innodb_flush_log_at_trx_commit = 1"), "{refused}");
    assert_eq!(database.query("SHOW TABLES"), "");
    database.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    MySqlVault::create(&at, ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_a_crash_loses_no_segment_and_gives_no_number_twice() {
    let server = Server::start(Engine::MariaDb, &[]);
    let database = server.database();
    let mut vault =
        MySqlVault::create(&server_of(&database.url()), ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "b", "b")], &HEAD, now()).await.unwrap();
    let last = vault.batch(&"b".into()).await.unwrap()[0].0;
    vault.drop_batch(&"b".into()).await.unwrap();
    server.kill();
    let error = vault.buckets().await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    server.restart();
    vault.store(&[segment(&bucket("member", 1), "c", "c")], &HEAD, now()).await.unwrap();
    assert_eq!(vault.batch(&"a".into()).await.unwrap().len(), 1);
    assert!(vault.batch(&"c".into()).await.unwrap()[0].0 > last, "a number is not given twice");
}

/// What a connection left open when it broke may still be committed by the
/// server: nothing may be read before that is settled.
#[test]
fn a_new_connection_waits_until_an_older_one_can_commit_no_more() {
    let place = MariaDb::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut vault = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap();
        vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();
    });
    // An older writer that takes a second to commit.
    let slow = "START TRANSACTION; SELECT value FROM meta WHERE name = 'last-number' FOR UPDATE; \
                UPDATE segment SET batch = 'late'; SELECT sleep(1); COMMIT";
    let asleep = format!(
        "SELECT count(*) FROM information_schema.processlist WHERE db = '{}' AND state = 'User sleep'",
        place.database.name()
    );
    std::thread::scope(|scope| {
        scope.spawn(|| place.database.run(slow));
        while place.database.number(&asleep) == 0 {}
        let found = runtime.block_on(async {
            let mut vault = place.open(ORIGIN, DEPLOYMENT).await.unwrap();
            vault.batch(&"late".into()).await.unwrap().len()
        });
        assert_eq!(found, 1);
    });
}
