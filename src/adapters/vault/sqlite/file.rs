//! The vault's file: made once, recognised at every opening, and what it
//! remembers of the ledger.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

use super::{
    super::contents::{self, META_HEAD},
    failure::from_sqlite,
    schema,
};
use crate::{domain::ledger::Head, ports::VaultError};

/// Measured with bodies of 1 KiB to 1 MiB: 16 KiB stored and deleted faster than
/// 4 and 8 KiB, wasted less of the file, and larger pages gained nothing.
const PAGE_BYTES: u32 = 16 * 1024;

/// 16 MiB of log between checkpoints: a third fewer writes than with 4 MiB.
const CHECKPOINT_PAGES: u32 = 1024;

/// A log that one large transaction blew up is cut back to this.
const LOG_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// How long a writer waits for another, and a checkpoint for readers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Only the daemon's own user may read the vault.
const FILE_MODE: u32 = 0o600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Where a vault is and whose it must be.
#[derive(Debug)]
pub struct VaultFile {
    /// Absolute, so that a later change of folder leads nowhere else.
    path: PathBuf,
    origin: String,
    deployment_id: String,
    access: Access,
    pub(super) patience: Duration,
    /// A file of this many pages is full: how tests run out of room.
    #[cfg(test)]
    pub(super) pages_max: Option<u32>,
}

impl VaultFile {
    pub fn at(path: &Path, origin: &str, deployment_id: &str, access: Access) -> Result<Self, VaultError> {
        Ok(Self {
            path: std::path::absolute(path).map_err(|error| unreachable_file(path, &error))?,
            origin: origin.to_owned(),
            deployment_id: deployment_id.to_owned(),
            access,
            patience: PATIENCE,
            #[cfg(test)]
            pages_max: None,
        })
    }

    /// Connects and checks that this is the vault it should be. Nothing is
    /// written to a file that is not. Also says whether it is a simulation's.
    pub async fn connect(&self) -> Result<(SqliteConnection, bool), VaultError> {
        fs::metadata(&self.path).map_err(|error| unreachable_file(&self.path, &error))?;
        let mut connection = self.options().connect().await.map_err(from_sqlite)?;
        let simulation = self.recognise(&mut connection).await?;
        if self.access == Access::Write {
            use_log(&mut connection).await?;
        }
        Ok((connection, simulation))
    }

    /// Makes the file, its tables and its identity, and returns when all of it
    /// is durable.
    pub async fn create(&self, simulation: bool) -> Result<(), VaultError> {
        self.claim()?;
        let options = self.options().page_size(PAGE_BYTES);
        let mut connection = options.connect().await.map_err(from_sqlite)?;
        use_log(&mut connection).await?;
        schema::execute(&mut connection, schema::BEGIN).await?;
        for statement in schema::TABLES {
            schema::execute(&mut connection, statement).await?;
        }
        schema::execute(&mut connection, schema::APPLICATION_ID_SET).await?;
        for (key, value) in contents::meta(&self.origin, &self.deployment_id, simulation) {
            put_meta(&mut connection, key, value).await?;
        }
        schema::execute(&mut connection, schema::COMMIT).await?;
        connection.close().await.map_err(from_sqlite)?;
        self.sync_folder().map_err(|error| unreachable_file(&self.path, &error))
    }

    /// Takes the path for a new vault. A file that holds something is left
    /// alone, and so is a write-ahead log without its file: it may be all that
    /// is left of a vault.
    fn claim(&self) -> Result<(), VaultError> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        for path in [self.path.as_path(), Path::new(&log)] {
            match fs::metadata(path) {
                Ok(found) if found.is_file() && found.len() == 0 => {}
                Ok(_) => {
                    return Err(VaultError::Foreign { reason: format!("{} exists already", path.display()) });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreachable_file(path, &error)),
            }
        }
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&self.path)
            .map_err(|error| unreachable_file(&self.path, &error))?;
        Ok(())
    }

    /// A new name is durable when its folder is.
    fn sync_folder(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .read_only(self.access == Access::Read)
            .busy_timeout(self.patience)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
            .pragma("journal_size_limit", LOG_BYTES_MAX.to_string())
            .disable_statement_logging();
        #[cfg(test)]
        if let Some(pages) = self.pages_max {
            return options.pragma("max_page_count", pages.to_string());
        }
        options
    }

    async fn recognise(&self, connection: &mut SqliteConnection) -> Result<bool, VaultError> {
        let id: i32 =
            sqlx::query_scalar(schema::APPLICATION_ID_GET).fetch_one(&mut *connection).await.map_err(from_sqlite)?;
        if id != schema::APPLICATION_ID {
            return Err(VaultError::Foreign { reason: "the file is not a vault".to_owned() });
        }
        let meta: Vec<(String, String)> =
            sqlx::query_as(schema::META_ALL).fetch_all(&mut *connection).await.map_err(from_sqlite)?;
        contents::recognise(&meta, &self.origin, &self.deployment_id)
    }
}

fn unreachable_file(path: &Path, error: &io::Error) -> VaultError {
    VaultError::Unreachable { reason: format!("{}: {error}", path.display()) }
}

/// Some file systems cannot hold a write-ahead log; SQLite then keeps the old
/// mode and reports it as the answer.
async fn use_log(connection: &mut SqliteConnection) -> Result<(), VaultError> {
    let mode: String = sqlx::query_scalar(schema::WAL).fetch_one(connection).await.map_err(from_sqlite)?;
    if mode != "wal" {
        return Err(VaultError::Engine { reason: "the file system does not support a write-ahead log".to_owned() });
    }
    Ok(())
}

/// Moves the write-ahead log into the file and truncates it, so that deleted
/// ciphertext does not live on in it. A reader can prevent that without SQLite
/// calling it an error: the answer tells.
pub async fn empty_log(connection: &mut SqliteConnection) -> Result<(), VaultError> {
    let (busy, pages, _moved): (i64, i64, i64) =
        sqlx::query_as(schema::EMPTY_LOG).fetch_one(connection).await.map_err(from_sqlite)?;
    if busy != 0 || pages != 0 {
        return Err(VaultError::Engine {
            reason: "a reader keeps the write-ahead log from being emptied; what was deleted is still in it".to_owned(),
        });
    }
    Ok(())
}

async fn put_meta(connection: &mut SqliteConnection, key: &str, value: &str) -> Result<(), VaultError> {
    sqlx::query(schema::META_PUT).bind(key).bind(value).execute(connection).await.map_err(from_sqlite)?;
    Ok(())
}

pub async fn remembered_head(connection: &mut SqliteConnection) -> Result<Option<Head>, VaultError> {
    let text: Option<String> =
        sqlx::query_scalar(schema::META_GET).bind(META_HEAD).fetch_optional(connection).await.map_err(from_sqlite)?;
    contents::read_head(text.as_deref())
}

/// Keeps the newest head.
pub async fn remember_head(connection: &mut SqliteConnection, head: &Head) -> Result<(), VaultError> {
    let known = remembered_head(connection).await?;
    match contents::newer_head(known, head)? {
        Some(text) => put_meta(connection, META_HEAD, &text).await,
        None => Ok(()),
    }
}
