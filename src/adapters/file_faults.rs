//! Faults below the durable files, for unit tests of keystore, anchor, register
//! and ledger: every call that changes the disk can be made to fail, and from a
//! record of calls every state is built that a loss of power may leave.
//!
//! What a file system may do is taken at its worst: contents that were not flushed
//! are lost, whole or in part; names whose folder was not flushed are lost, or are
//! there before the contents they stand for. Folders themselves are never lost.

#[path = "file_faults/image.rs"]
mod image;
#[path = "file_faults/keys.rs"]
mod keys;
#[path = "file_faults/ledgers.rs"]
mod ledgers;
#[path = "file_faults/pruning.rs"]
mod pruning;

use std::{
    cell::RefCell,
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::durable::calls::Call;

pub(super) use image::{Image, Loss};

/// A call as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    Create(PathBuf),
    Append(PathBuf, Vec<u8>),
    Overwrite(PathBuf, Vec<u8>),
    SetLength(PathBuf, u64),
    Sync(Vec<PathBuf>),
    SyncFolder(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeFolder(PathBuf),
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is changed.
    NoSpace,
    /// Nothing is changed.
    Input,
    /// Everything is changed and reported as failed.
    InputAfter,
    /// Half of the bytes are written.
    Torn,
}

pub(super) const FAULTS: [Fault; 4] = [Fault::NoSpace, Fault::Input, Fault::InputAfter, Fault::Torn];

/// Where a flush costs nothing, if there is such a place: nothing here depends on it.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[derive(Debug, Default)]
struct Plan {
    made: Vec<Made>,
    fault: Option<(usize, Fault)>,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Does something with this fault at this call of it; returns what came of it and
/// all calls that were made.
pub(super) fn with<T>(fault: Option<(usize, Fault)>, doing: impl FnOnce() -> T) -> (T, Vec<Made>) {
    PLAN.set(Some(Plan { made: Vec::new(), fault }));
    let done = doing();
    let plan = PLAN.take().expect("the plan is this test's own");
    (done, plan.made)
}

/// What every call goes through.
pub(super) fn call<T>(what: &Call<'_>, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let fault = PLAN.with_borrow_mut(|plan| {
        let plan = plan.as_mut()?;
        let number = plan.made.len();
        plan.made.push(Made::of(what));
        plan.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault)
    });
    let error = |errno: Errno| Err(errno.into());
    match fault {
        None => make(),
        Some(Fault::NoSpace) => error(Errno::NOSPC),
        Some(Fault::Input) => error(Errno::IO),
        Some(Fault::InputAfter) => {
            make()?;
            error(Errno::IO)
        }
        Some(Fault::Torn) => {
            what.half()?;
            error(Errno::NOSPC)
        }
    }
}

impl Call<'_> {
    /// Half of what is to be written, past the layer itself.
    fn half(&self) -> io::Result<()> {
        use std::{io::Write as _, os::unix::fs::FileExt as _};
        match *self {
            Call::Append(mut file, bytes) => file.write_all(&bytes[..bytes.len() / 2]),
            Call::Overwrite(file, bytes) => file.write_all_at(&bytes[..bytes.len() / 2], 0),
            _ => Ok(()),
        }
    }
}

fn path_of(file: &File) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("an open file has a path")
}

impl Made {
    fn of(call: &Call<'_>) -> Self {
        let own = Path::to_owned;
        match *call {
            Call::Create(path) => Self::Create(own(path)),
            Call::Append(file, bytes) => Self::Append(path_of(file), bytes.to_vec()),
            Call::Overwrite(file, bytes) => Self::Overwrite(path_of(file), bytes.to_vec()),
            Call::SetLength(file, length) => Self::SetLength(path_of(file), length),
            Call::Sync(files) => Self::Sync(files.iter().map(|file| path_of(file)).collect()),
            Call::SyncFolder(path) => Self::SyncFolder(own(path)),
            Call::Rename(from, to) => Self::Rename(own(from), own(to)),
            Call::Link(file, second) => Self::Link(own(file), own(second)),
            Call::Remove(path) => Self::Remove(own(path)),
            Call::MakeFolder(path) => Self::MakeFolder(own(path)),
        }
    }
}
