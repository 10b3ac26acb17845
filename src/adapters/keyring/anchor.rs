//! The file anchor: where the roots of key epochs live, and die.
//!
//! One file `root.<n>` an epoch (mode 0400, 32 random bytes) in a folder that its
//! owner alone may enter. Nothing of this folder may ever be backed up. Every
//! root that leaves it is overwritten first, also one that was never used: a crash
//! or a failed attempt leaves `root.<n>.new`, which `clear_leftovers` erases.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    num::NonZeroU64,
    os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use rustix::{
    fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate},
    io::Errno,
};
use zeroize::Zeroizing;

use super::{
    keystore::numbered,
    medium::{self, Facts},
    secret::{SECRET_BYTES, Secret},
};
use crate::{
    adapters::{
        durable::{self, calls},
        failpoint,
    },
    domain::verdict::Finding,
};

const FILE_PREFIX: &str = "root.";
const LEFTOVER_SUFFIX: &str = ".new";
/// How a file system says that it cannot rename without replacing.
const UNSUPPORTED: [Errno; 3] = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
/// What is longer than a page is not a root.
const FILE_BYTES_MAX: u64 = 4096;

/// A folder of roots.
#[derive(Debug, Clone)]
pub struct FileAnchor {
    dir: PathBuf,
}

/// Why the anchor did not do what was asked. After an error the caller must not
/// assume anything about the root in question.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("anchor folder {path} may be entered by its group or by others\nhint: chmod 0700 {path}", path = .0.display())]
    Exposed(PathBuf),
    #[error("root {0} is already installed")]
    Installed(u64),
    #[error("root {0} is damaged: it does not have {SECRET_BYTES} bytes")]
    Damaged(u64),
    #[error("root file {path} is not a plain file of at most {FILE_BYTES_MAX} bytes", path = .0.display())]
    NotARoot(PathBuf),
    #[error("root file {path} was overwritten, but its old contents are still there", path = .0.display())]
    NotOverwritten(PathBuf),
    #[error("root file {path} was removed, but it is still there", path = .0.display())]
    NotRemoved(PathBuf),
    #[error("the system gave no random bytes")]
    NoRandomness,
    #[error("anchor {path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Cache Directory Tagging Specification (bford.info/cachedir), which tar, borg,
/// restic and others follow when asked to.
const TAG_NAME: &str = "CACHEDIR.TAG";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # Roots of the key epochs of retentiond. Never copy this folder: whoever has a copy can open what was destroyed.\n";

impl FileAnchor {
    /// Makes the folder. Its parent must exist, the folder must not. A tag asks
    /// backup tools to leave it out: a copied root would undo a destruction.
    pub fn create(dir: &Path) -> Result<Self, AnchorError> {
        durable::create_dir_private(dir).map_err(at(dir))?;
        let tag = dir.join(TAG_NAME);
        durable::write_new(&tag, TAG.as_bytes(), durable::MODE_READ_ONLY).map_err(at(&tag))?;
        Ok(Self { dir: dir.into() })
    }

    /// Takes an existing folder, if nobody but its owner may enter it.
    pub fn open(dir: &Path) -> Result<Self, AnchorError> {
        let mode = fs::metadata(dir).map_err(at(dir))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(AnchorError::Exposed(dir.into()));
        }
        Ok(Self { dir: dir.into() })
    }

    /// Epochs whose root is here.
    pub fn epochs(&self) -> Result<BTreeSet<u64>, AnchorError> {
        Ok(self.names()?.iter().filter_map(|name| numbered(name, FILE_PREFIX)).collect())
    }

    /// Stores the root of an epoch, and returns when it is durable. A root that
    /// is there already is never replaced.
    pub fn install(&self, epoch: u64, root: &Secret) -> Result<(), AnchorError> {
        let (leftover, path) = (self.leftover(epoch), self.path(epoch));
        if exists(&path)? {
            return Err(AnchorError::Installed(epoch));
        }
        erase_if_present(&leftover)?;
        write_exclusively(&leftover, root).map_err(at(&leftover))?;
        failpoint::reach("anchor.written");
        // Not a link and an unlink: after a crash between them, erasing the
        // leftover name would erase the installed root.
        rename_to_new(&leftover, &path).map_err(at(&path))?;
        durable::sync_dir(&self.dir).map_err(at(&self.dir))
    }

    pub fn load(&self, epoch: u64) -> Result<Secret, AnchorError> {
        let path = self.path(epoch);
        let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES + 1));
        let file = open_plainly(OpenOptions::new().read(true), &path).map_err(at(&path))?;
        file.take(SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(at(&path))?;
        Secret::copy_of(&bytes).ok_or(AnchorError::Damaged(epoch))
    }

    /// What this folder's medium can promise about an erased root.
    pub fn medium(&self) -> Result<Finding, AnchorError> {
        Facts::of(&self.dir).map(|facts| medium::judge(&facts)).map_err(at(&self.dir))
    }

    /// Destroys the root of an epoch: overwrites it, sees that the old bytes are
    /// gone, gives the blocks back and removes the name. May be called again
    /// after a crash at any point. A root that is already gone cannot be seen to
    /// have been overwritten, and the finding says so.
    pub fn destroy(&self, epoch: u64) -> Result<Finding, AnchorError> {
        let path = self.path(epoch);
        if !exists(&path)? {
            return Ok(self.medium()?.and(Finding::unknown(format!(
                "the root of key epoch {epoch} was already gone when its destruction was resumed, \
                 so that its overwriting was not seen"
            ))));
        }
        let finding = Facts::of(&path).map(|facts| medium::judge(&facts)).map_err(at(&path))?;
        erase(&path)?;
        Ok(finding)
    }

    /// Takes back a root under which nothing was ever destroyed. From the rename
    /// on it is not installed any more, whatever happens next.
    pub fn withdraw(&self, epoch: u64) -> Result<(), AnchorError> {
        let (leftover, path) = (self.leftover(epoch), self.path(epoch));
        if exists(&path)? {
            erase_if_present(&leftover)?;
            durable::rename_synced(&path, &leftover).map_err(at(&path))?;
        }
        erase_if_present(&leftover)
    }

    /// Erases what crashed or withdrawn installations left behind.
    pub fn clear_leftovers(&self) -> Result<(), AnchorError> {
        for name in self.names()? {
            let number = name.strip_suffix(LEFTOVER_SUFFIX).and_then(|name| numbered(name, FILE_PREFIX));
            if let Some(epoch) = number {
                erase_if_present(&self.leftover(epoch))?;
            }
        }
        Ok(())
    }

    fn path(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("{FILE_PREFIX}{epoch}"))
    }

    fn leftover(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("{FILE_PREFIX}{epoch}{LEFTOVER_SUFFIX}"))
    }

    fn names(&self) -> Result<Vec<String>, AnchorError> {
        let entries = fs::read_dir(&self.dir).map_err(at(&self.dir))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let names = names.filter(|name| !matches!(name, Ok(name) if name == TAG_NAME));
        names.collect::<io::Result<_>>().map_err(at(&self.dir))
    }
}

/// A root file whose old bytes are gone, and whose name is not. Only `overwrite`
/// makes one, so that nothing is removed that was not overwritten.
#[derive(Debug)]
struct Overwritten {
    path: PathBuf,
    file: File,
    length: u64,
}

fn erase(path: &Path) -> Result<(), AnchorError> {
    remove(overwrite(path)?)
}

/// Overwrites a root in place with random bytes, flushes them, and reads them
/// back.
fn overwrite(path: &Path) -> Result<Overwritten, AnchorError> {
    let metadata = fs::symlink_metadata(path).map_err(at(path))?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(AnchorError::NotARoot(path.into()));
    }
    // A root is not writable, not even for its owner.
    fs::set_permissions(path, Permissions::from_mode(durable::MODE_PRIVATE)).map_err(at(path))?;
    let file = open_plainly(OpenOptions::new().read(true).write(true), path).map_err(at(path))?;
    let length = metadata.len().max(SECRET_BYTES as u64);
    let mut noise = vec![0; usize::try_from(length).map_err(|_| AnchorError::NotARoot(path.into()))?];
    rand::fill(&mut noise).map_err(|_| AnchorError::NoRandomness)?;
    calls::overwrite(&file, &noise).and_then(|()| calls::sync(&file)).map_err(at(path))?;
    if read_from_device(&file, noise.len()).map_err(at(path))? != noise {
        return Err(AnchorError::NotOverwritten(path.into()));
    }
    Ok(Overwritten { path: path.into(), file, length })
}

fn read_from_device(file: &File, length: usize) -> io::Result<Vec<u8>> {
    // Drops the cached page, so that the bytes come from the device again. Where
    // the file system does not do it the cache answers; nothing else changes.
    match fadvise(file, 0, NonZeroU64::new(length as u64), Advice::DontNeed) {
        Ok(()) | Err(_) => {}
    }
    let mut found = vec![0; length];
    file.read_exact_at(&mut found, 0)?;
    Ok(found)
}

/// Gives the blocks back, removes the name, and looks again.
fn remove(overwritten: Overwritten) -> Result<(), AnchorError> {
    let Overwritten { path, file, length } = overwritten;
    failpoint::reach("anchor.overwritten");
    punch_hole(&file, length).map_err(at(&path))?;
    failpoint::reach("anchor.punched");
    durable::remove_synced(&path).map_err(at(&path))?;
    if exists(&path)? { Err(AnchorError::NotRemoved(path)) } else { Ok(()) }
}

/// Gives the blocks back, so that a device that can discard hears of it. The old
/// bytes are overwritten by now; not every file system has holes.
fn punch_hole(file: &File, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, length) {
        Ok(()) => calls::sync(file),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn write_exclusively(path: &Path, root: &Secret) -> io::Result<()> {
    let file = calls::create(path, durable::MODE_READ_ONLY)?;
    file.set_permissions(Permissions::from_mode(durable::MODE_READ_ONLY))?;
    calls::append(&file, root.expose())?;
    calls::sync(&file)
}

fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match calls::rename_to_new(from, to) {
        // Some network file systems cannot refuse by themselves. The caller has
        // looked, and nobody else writes here.
        Err(error) if UNSUPPORTED.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) => {
            calls::rename(from, to)
        }
        done => done,
    }
}

/// Opens without following a symbolic link.
fn open_plainly(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)
}

fn erase_if_present(path: &Path) -> Result<(), AnchorError> {
    if exists(path)? { erase(path) } else { Ok(()) }
}

fn exists(path: &Path) -> Result<bool, AnchorError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at(path)(error)),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> AnchorError {
    move |error| AnchorError::Io { path: path.into(), error }
}

#[cfg(test)]
mod tests;
