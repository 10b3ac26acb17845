//! What only a vault on PostgreSQL does.

use retentiond::{
    adapters::vault::PostgresVault,
    ports::{Vault as _, VaultError},
};

use crate::{
    places::{Place as _, Postgres, claim, server_of},
    scenarios::{DEPLOYMENT, HEAD, ORIGIN, bucket, now, segment},
    servers::{Engine, Server},
};

#[tokio::test]
async fn whether_there_is_a_vault_is_asked_of_the_server() {
    let place = Postgres::new();
    assert!(!PostgresVault::exists(&place.server()).await.unwrap());
    let error = place.open(ORIGIN, DEPLOYMENT).await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }) && error.to_string().contains("hint:"), "{error}");
    place.create(ORIGIN, false, DEPLOYMENT).await.unwrap().close().await.unwrap();
    assert!(PostgresVault::exists(&place.server()).await.unwrap());
    place.run("DROP TABLE retentiond.segment").await;
    assert!(PostgresVault::exists(&place.server()).await.unwrap(), "what is left of a vault is not nothing");

    let url = place.database.url();
    let (before, _) = url.rsplit_once('/').unwrap();
    let nowhere = server_of(&format!("{before}/nowhere"));
    let error = PostgresVault::exists(&nowhere).await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    let nobody = server_of("postgres://admin@127.0.0.1:1/x");
    let error = PostgresVault::exists(&nobody).await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }) && error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_second_writer_is_told_that_another_is_at_work() {
    let place = Postgres::new();
    let first = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap();
    let error = place.open_as(&claim("host-2")).await.unwrap_err();
    assert!(matches!(error, VaultError::Locked { .. }), "{error}");
    place.open_read_only(ORIGIN, DEPLOYMENT).await.unwrap();
    first.close().await.unwrap();
    place.open(ORIGIN, DEPLOYMENT).await.unwrap();
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_opened_anew_and_its_lock_with_it() {
    let place = Postgres::new();
    let mut vault = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "a", "one")], &HEAD, now()).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'retentiond vault' \
        AND datname = current_database()";
    place.run(end).await;
    let lost = vault.store(&[segment(&bucket("member", 1), "b", "two")], &HEAD, now()).await.unwrap_err();
    assert!(matches!(lost, VaultError::Unreachable { .. }), "{lost}");
    assert_eq!(vault.batch(&"b".into()).await.unwrap(), []);
    assert_eq!(vault.batch(&"a".into()).await.unwrap().len(), 1);
    let error = place.open_as(&claim("host-2")).await.unwrap_err();
    assert!(matches!(error, VaultError::Locked { .. }), "{error}");
}

#[tokio::test]
async fn a_crash_of_the_server_loses_no_segment_and_gives_no_number_twice() {
    let server = Server::start(Engine::Postgres, &[]);
    let database = server.database();
    let mut vault =
        PostgresVault::create(&server_of(&database.url()), ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "a", "one")], &HEAD, now()).await.unwrap();
    let number = vault.batch(&"a".into()).await.unwrap()[0].0;
    server.kill();
    let error = vault.batch(&"a".into()).await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    server.restart();
    assert_eq!(vault.batch(&"a".into()).await.unwrap().len(), 1);
    vault.drop_batch(&"a".into()).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "b", "two")], &HEAD, now()).await.unwrap();
    assert!(vault.batch(&"b".into()).await.unwrap()[0].0 > number);
}

#[tokio::test]
async fn segments_beyond_the_size_of_one_statement_are_stored_together_in_their_order() {
    let place = Postgres::new();
    let mut vault = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap();
    let mut batch: Vec<_> = (1..=9).map(|day| segment(&bucket("member", day), "a", &format!("{day}"))).collect();
    for (sealed, fill) in batch.iter_mut().zip(b'1'..) {
        sealed.body.resize(9 << 20, fill);
    }
    vault.store(&batch, &HEAD, now()).await.unwrap();
    let stored: Vec<_> = vault.batch(&"a".into()).await.unwrap().into_iter().map(|(_, sealed)| sealed).collect();
    assert!(stored == batch, "every segment as it was, in its order");
}
