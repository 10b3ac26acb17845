//! The vault's file is what the document says: tables, settings and what it
//! remembers.

use retentiond::{
    adapters::vault::{Claim, SqliteVault},
    domain::{id::Digest, ledger::Head},
    ports::Vault as _,
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{
    document::{document, squeezed},
    example::ORIGIN,
};

#[tokio::test]
async fn the_vault_has_the_tables_and_the_identity_that_the_document_states() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.db");
    let lasts = std::time::Duration::from_secs(60);
    let claim = Claim { holder: "shop-1, process 4711".to_owned(), seat: "boot/64769/131".to_owned(), lasts };
    let mut vault = SqliteVault::create(&path, ORIGIN, false, "verifier key", &claim).await.unwrap();
    vault.remember_head(&Head { size: 17, root: Digest([1; 32]) }).await.unwrap();
    vault.close().await.unwrap();

    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let statements: Vec<String> =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let document = document();
    assert_eq!(statements.len(), 4);
    for statement in &statements {
        assert!(squeezed(&document).contains(&squeezed(statement)), "not in docs/FORMAT.md: {statement}");
    }
    let meta: Vec<(String, String)> =
        sqlx::query_as("SELECT key, value FROM meta").fetch_all(&mut connection).await.unwrap();
    for (key, value) in &meta {
        assert!(document.contains(&format!("| `{key}` |")), "meta key {key} is not in docs/FORMAT.md");
        if key == "format" {
            assert!(document.contains(value), "{value} is not in docs/FORMAT.md");
        }
    }
    let lease = meta.iter().find(|(key, _)| key == "lease").map(|(_, value)| value.as_str());
    assert_eq!(lease, Some("1 0 boot/64769/131 shop-1, process 4711"));
    let head = meta.iter().find(|(key, _)| key == "ledger-head").map(|(_, value)| value.as_str());
    assert_eq!(head, Some(format!("17 {}", Digest([1; 32])).as_str()));
    for (pragma, text) in [("application_id", "1920233078"), ("page_size", "16384"), ("journal_mode", "wal")] {
        let query = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
        let row = sqlx::query(query).fetch_one(&mut connection).await.unwrap();
        let found = sqlx::Row::try_get::<i64, _>(&row, 0)
            .map(|number| number.to_string())
            .unwrap_or_else(|_| sqlx::Row::try_get(&row, 0).unwrap());
        assert_eq!(found, text, "{pragma}");
        assert!(document.contains(&format!("`{text}`")), "{pragma} {text} is not in docs/FORMAT.md");
    }
    connection.close().await.unwrap();
}
