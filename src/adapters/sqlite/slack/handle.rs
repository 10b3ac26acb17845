//! Opens a database file beside the engine, in the engine's own process.
//!
//! The locks of SQLite are POSIX record locks, and those belong to a process
//! and a file: closing *any* descriptor of the file drops the locks of every
//! connection that this process has on it (SQLite, "How To Corrupt An SQLite
//! Database File", 2.2). So a file that was opened here is not closed while it
//! has a name; the next search of it takes the same handle.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

struct Opened {
    device: u64,
    inode: u64,
    file: Arc<File>,
}

/// As many as there are sources.
static OPENED: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

/// A handle to read with. Clones of the `Arc` may be dropped at will; the `File`
/// must not be cloned, since closing the clone would drop the locks too.
pub(super) fn open(path: &Path) -> io::Result<Arc<File>> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    // A file without a name is one that no connection will open any more, and
    // holding it would hold its blocks on the disk.
    opened.retain(|one| one.file.metadata().map_or(true, |file| file.nlink() > 0));
    let named = fs::metadata(path)?;
    if let Some(known) = opened.iter().find(|one| (one.device, one.inode) == (named.dev(), named.ino())) {
        return Ok(Arc::clone(&known.file));
    }
    let file = Arc::new(File::open(path)?);
    let found = file.metadata()?;
    // Where a known file took the name in between, it is kept a second time.
    opened.push(Opened { device: found.dev(), inode: found.ino(), file: Arc::clone(&file) });
    Ok(file)
}
