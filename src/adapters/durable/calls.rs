//! The calls that change what is on disk, one function each, and nothing between
//! them and the kernel but, in unit tests, a layer that makes any of them fail or
//! forgets what was never flushed (`file_faults`).

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

#[cfg(test)]
use crate::adapters::file_faults::call;

/// What is about to be done.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "only the layer of tests looks at it"))]
pub enum Call<'a> {
    /// A new, empty file.
    Create(&'a Path),
    /// Bytes at the end of the file.
    Append(&'a File, &'a [u8]),
    /// Bytes in place of those at the beginning.
    Overwrite(&'a File, &'a [u8]),
    SetLength(&'a File, u64),
    /// Contents become durable.
    Sync(&'a [&'a File]),
    /// The names in a folder become durable.
    SyncFolder(&'a Path),
    Rename(&'a Path, &'a Path),
    Link(&'a Path, &'a Path),
    Remove(&'a Path),
    MakeFolder(&'a Path),
}

#[cfg(not(test))]
fn call<T>(_what: &Call<'_>, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    make()
}

/// Makes a new file for writing; a symbolic link is not followed.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    call(&Call::Create(path), || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
    })
}

pub fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    call(&Call::Append(file, bytes), || file.write_all(bytes))
}

pub fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    call(&Call::Overwrite(file, bytes), || file.write_all_at(bytes, 0))
}

pub fn set_length(file: &File, length: u64) -> io::Result<()> {
    call(&Call::SetLength(file, length), || file.set_len(length))
}

pub fn sync(file: &File) -> io::Result<()> {
    call(&Call::Sync(&[file]), || file.sync_all())
}

/// Like `sync` where nothing but contents and length has changed.
pub fn sync_data(file: &File) -> io::Result<()> {
    call(&Call::Sync(&[file]), || file.sync_data())
}

/// Flushes all of these at the same time.
pub fn sync_together(files: &[&File]) -> io::Result<()> {
    call(&Call::Sync(files), || {
        std::thread::scope(|scope| {
            let flushes: Vec<_> = files.iter().map(|file| scope.spawn(|| file.sync_all())).collect();
            flushes
                .into_iter()
                .try_for_each(|flush| flush.join().unwrap_or_else(|_| Err(io::Error::other("a flush panicked"))))
        })
    })
}

pub fn sync_folder(folder: &Path) -> io::Result<()> {
    call(&Call::SyncFolder(folder), || File::open(folder).and_then(|folder| folder.sync_all()))
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    call(&Call::Rename(from, to), || fs::rename(from, to))
}

/// Refuses where the name is taken.
pub fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    call(&Call::Rename(from, to), || Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?))
}

pub fn link(file: &Path, second: &Path) -> io::Result<()> {
    call(&Call::Link(file, second), || fs::hard_link(file, second))
}

pub fn remove(path: &Path) -> io::Result<()> {
    call(&Call::Remove(path), || fs::remove_file(path))
}

pub fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    call(&Call::MakeFolder(path), || DirBuilder::new().mode(mode).create(path))
}
