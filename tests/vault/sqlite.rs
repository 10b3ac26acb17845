//! What only a vault in a file does.

use std::path::{Path, PathBuf};

use retentiond::{
    adapters::vault::SqliteVault,
    ports::{Vault as _, VaultError},
};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::places::claim;
use crate::scenarios::{DEPLOYMENT, HEAD, ORIGIN, bucket, keys_gone, now, segment};

fn vault_path(folder: &TempDir) -> PathBuf {
    folder.path().join("vault.db")
}

async fn new_vault(folder: &TempDir) -> SqliteVault {
    SqliteVault::create(&vault_path(folder), ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap()
}

fn found_in_files(folder: &Path, mark: &str) -> usize {
    let found = |path: PathBuf| memchr::memmem::find_iter(&std::fs::read(path).unwrap(), mark.as_bytes()).count();
    std::fs::read_dir(folder).unwrap().map(|entry| found(entry.unwrap().path())).sum()
}

#[tokio::test]
async fn what_was_erased_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = new_vault(&folder).await;
    vault.store(&[segment(&bucket("member", 1), "a", "victim")], &HEAD, now()).await.unwrap();
    vault.store(&[segment(&bucket("member", 2), "a", "other")], &HEAD, now()).await.unwrap();
    assert!(found_in_files(folder.path(), "victim-") > 0, "the search finds what is there");
    let facts = vault.buckets().await.unwrap().into_iter().take(1).collect();
    vault.erase(&keys_gone("member", facts)).await.unwrap();
    assert_eq!(found_in_files(folder.path(), "victim-"), 0);
    assert!(found_in_files(folder.path(), "other-") > 0);
}

#[tokio::test]
async fn what_is_not_a_vault_is_neither_opened_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.db");
    let mut raw = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", plain.display())).await.unwrap();
    sqlx::query("CREATE TABLE meta (key TEXT, value TEXT)").execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database at all ".repeat(100)).unwrap();
    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();

    for path in [&plain, &text, &empty] {
        let before = std::fs::read(path).unwrap();
        let error = SqliteVault::open(path, ORIGIN, DEPLOYMENT, &claim("host-1")).await.unwrap_err();
        assert!(matches!(error, VaultError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
    let missing = folder.path().join("missing.db");
    let error = SqliteVault::open(&missing, ORIGIN, DEPLOYMENT, &claim("host-1")).await.unwrap_err();
    assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_vault_is_never_made_over_something() {
    let folder = tempfile::tempdir().unwrap();
    let orphan = folder.path().join("orphan.db");
    std::fs::write(folder.path().join("orphan.db-wal"), "the last that is left").unwrap();
    SqliteVault::create(&orphan, ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap_err();
    assert!(!orphan.exists());

    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    SqliteVault::create(&empty, ORIGIN, false, DEPLOYMENT, &claim("host-1")).await.unwrap();
}

#[tokio::test]
async fn a_second_reader_sees_only_what_was_committed_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = vault_path(&folder);
    let mut vault = new_vault(&folder).await;
    vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();

    let mut writer = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
    sqlx::query("DELETE FROM segment").execute(&mut writer).await.unwrap();
    let mut reader = SqliteVault::open_read_only(&path, ORIGIN, DEPLOYMENT).await.unwrap();
    assert_eq!(reader.buckets().await.unwrap().len(), 1);
    sqlx::query("COMMIT").execute(&mut writer).await.unwrap();
    assert!(reader.buckets().await.unwrap().is_empty());

    let error = reader.store(&[segment(&bucket("member", 1), "b", "b")], &HEAD, now()).await.unwrap_err();
    assert!(matches!(error, VaultError::Engine { .. }), "{error}");
    reader.drop_batch(&"a".into()).await.unwrap_err();
    assert!(vault.batch(&"b".into()).await.unwrap().is_empty());
}
