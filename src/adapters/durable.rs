//! Durable file operations: what a caller was told is written is still there
//! after a crash of the process, of the kernel, or a loss of power.
//!
//! Calls made, by function: open(O_CREAT|O_EXCL|O_NOFOLLOW), fchmod, write and
//! fsync (fdatasync where only a length changes) for contents; rename,
//! renameat2(RENAME_NOREPLACE), link, unlink, mkdir and fsync of the folder for
//! names; ftruncate and fsync for cutting. Nothing else touches the disk.
//!
//! What cannot be promised: a disk or hypervisor that acknowledges a flush it
//! did not make, and folder fsync on file systems that do not implement it
//! (some network and FUSE mounts). After a failed fsync Linux may drop the dirty
//! pages and report success the next time, so **an error here must never be
//! answered by trying again**: the caller has to treat the file as unknown.
//! Erasing old contents is not the business of this module: a rename leaves the
//! replaced bytes on the medium.

pub(super) mod calls;

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{FileExt as _, PermissionsExt},
    path::{Path, PathBuf},
};

use super::failpoint;

/// Mode of files that are written again: the owner reads and writes.
pub const MODE_PRIVATE: u32 = 0o600;
/// Mode of files that are written once: the owner reads.
pub const MODE_READ_ONLY: u32 = 0o400;
/// Mode of folders: the owner alone.
const MODE_FOLDER: u32 = 0o700;
/// Flushes that wait for the disk at the same time.
const FLUSHES_MAX: usize = 8;
/// Bytes that are copied at once.
const COPIED_BYTES: usize = 1 << 20;

/// Writes a file so that its name always stands for the whole old or the whole
/// new contents, and returns when both contents and name are durable. An
/// existing file is replaced. Not for two writers of one path at once: they
/// would share the temporary name.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    place(path, bytes, mode)?;
    sync_dir(parent(path))
}

/// Like `write_atomic`, but refuses (`AlreadyExists`) where the path exists.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = write_temporary(path, bytes, mode)?;
    temporary.flush()?;
    failpoint::reach("file.new-flushed");
    temporary.rename_to_new(path)?;
    failpoint::reach("file.new-named");
    sync_dir(parent(path))
}

/// Like `write_atomic` without the fsync of the folder: contents are durable
/// before the name stands for them, but a loss of power may take the name back.
/// For files that can be made again from others.
pub fn place(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = write_temporary(path, bytes, mode)?;
    temporary.flush()?;
    failpoint::reach("file.flushed");
    temporary.rename(path)?;
    failpoint::reach("file.named");
    Ok(())
}

/// A file to be placed.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    pub path: &'a Path,
    pub bytes: &'a [u8],
    pub mode: u32,
}

/// Like `place` for several files: flushes their contents at the same time, which
/// costs little more than one flush, and gives them their names in this order
/// once all contents are durable.
pub fn place_all(files: &[NewFile<'_>]) -> io::Result<()> {
    let mut written = Vec::with_capacity(files.len());
    for file in files {
        written.push(write_temporary(file.path, file.bytes, file.mode)?);
    }
    for group in written.chunks(FLUSHES_MAX) {
        let contents: Vec<&File> = group.iter().map(|temporary| &temporary.file).collect();
        let first = group.first().map_or(Path::new(""), |temporary| &temporary.path);
        calls::sync_together(&contents).map_err(|error| explain("fsync beside", first, &error))?;
    }
    for (file, temporary) in files.iter().zip(written) {
        failpoint::reach("file.one-of-several");
        temporary.rename(file.path)?;
    }
    Ok(())
}

/// Gives a file a second name; refuses where that is taken. A loss of power may
/// take the name back.
pub fn link(file: &Path, second: &Path) -> io::Result<()> {
    calls::link(file, second).map_err(|error| explain("link", second, &error))
}

/// Creates an empty file for appending, durably. Refuses where the path exists.
pub fn create_append(path: &Path) -> io::Result<File> {
    write_new(path, b"", MODE_PRIVATE)?;
    open_append(path)
}

/// Opens an existing file for reading and appending.
pub fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).open(path).map_err(|error| explain("open", path, &error))
}

/// Appends to a file opened for appending and returns when the bytes and the
/// new length are durable.
pub fn append_synced(file: &File, bytes: &[u8]) -> io::Result<()> {
    calls::append(file, bytes)?;
    calls::sync_data(file)
}

/// Cuts a file to `length` bytes, durably.
pub fn truncate_synced(file: &File, length: u64) -> io::Result<()> {
    calls::set_length(file, length)?;
    calls::sync(file)
}

/// Puts a file into the place of `path` that has only what follows `offset` in it.
/// Whoever has the former file open goes on reading all of it. The new one is
/// locked until the returned file is closed.
pub fn drop_beginning(file: &File, offset: u64, path: &Path, mode: u32) -> io::Result<File> {
    let rest = write_temporary(path, b"", mode)?;
    let (mut at, mut bytes) = (offset, vec![0; COPIED_BYTES]);
    loop {
        let read = file.read_at(&mut bytes, at)?;
        let Some(some) = bytes.get(..read).filter(|some| !some.is_empty()) else { break };
        calls::append(&rest.file, some).map_err(|error| explain("write", path, &error))?;
        at += read as u64;
    }
    rest.flush()?;
    failpoint::reach("file.rest-flushed");
    let locked = rest.file.try_clone()?;
    locked.lock()?;
    rest.rename(path)?;
    sync_dir(parent(path)).map(|()| locked)
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    calls::sync_folder(dir).map_err(|error| explain("fsync", dir, &error))
}

/// Removes a file and returns when its name is durably gone. A file that is not
/// there is `NotFound`.
pub fn remove_synced(path: &Path) -> io::Result<()> {
    calls::remove(path).map_err(|error| explain("remove", path, &error))?;
    sync_dir(parent(path))
}

/// Renames a file or folder within one file system, durably. A file at `to` is
/// replaced; of folders, only an empty one is.
pub fn rename_synced(from: &Path, to: &Path) -> io::Result<()> {
    calls::rename(from, to).map_err(|error| explain("rename to", to, &error))?;
    sync_dir(parent(to))?;
    if parent(from) == parent(to) { Ok(()) } else { sync_dir(parent(from)) }
}

/// Creates a folder that only its owner may enter, durably. Its parent must
/// exist; the folder itself must not (`AlreadyExists`).
pub fn create_dir_private(path: &Path) -> io::Result<()> {
    calls::make_folder(path, MODE_FOLDER).map_err(|error| explain("create folder", path, &error))?;
    sync_dir(parent(path))
}

/// Creates a folder and its missing parents like `create_dir_private`; a folder
/// that exists stays as it is.
pub fn ensure_dir_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if parent(path) != path {
        ensure_dir_private(parent(path))?;
    }
    create_dir_private(path)
}

/// The folder of a path; of a bare name, the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

/// Contents under a temporary name. Removed when dropped, unless renamed; one
/// that a crash leaves behind is removed by the next attempt.
#[derive(Debug)]
struct Temporary {
    file: File,
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn flush(&self) -> io::Result<()> {
        calls::sync(&self.file).map_err(|error| explain("fsync", &self.path, &error))
    }

    fn rename(mut self, path: &Path) -> io::Result<()> {
        calls::rename(&self.path, path).map_err(|error| explain("rename to", path, &error))?;
        self.renamed = true;
        Ok(())
    }

    /// Not by a link and an unlink: a secret must never have two names.
    fn rename_to_new(mut self, path: &Path) -> io::Result<()> {
        calls::rename_to_new(&self.path, path).map_err(|error| explain("rename to new", path, &error))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // There is an error to report already, or nothing depends on this.
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Writes the contents under a temporary name beside `path`. Nothing is durable.
fn write_temporary(path: &Path, bytes: &[u8], mode: u32) -> io::Result<Temporary> {
    let temporary = temporary_of(path)?;
    match fs::remove_file(&temporary) {
        // Left behind by a crash; nobody was ever told that it exists.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(explain("remove", &temporary, &error)),
    }
    let file = calls::create(&temporary, mode).map_err(|error| explain("create", &temporary, &error))?;
    let written = Temporary { file, path: temporary, renamed: false };
    // The mode given to open is narrowed by the umask; this one is not.
    let result =
        written.file.set_permissions(Permissions::from_mode(mode)).and_then(|()| calls::append(&written.file, bytes));
    result.map(|()| written).map_err(|error| explain("write", path, &error))
}

/// `.name.tmp` beside the path.
fn temporary_of(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} does not name a file", path.display()))
    })?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    Ok(path.with_file_name(temporary))
}

fn explain(step: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{step} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names_in(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writing_replaces_the_file_and_leaves_no_temporary_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        write_atomic(&path, b"one", MODE_PRIVATE).unwrap();
        write_atomic(&path, b"two", MODE_READ_ONLY).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode_of(&path), 0o400);
        assert_eq!(names_in(dir.path()), ["state"]);
    }

    #[test]
    fn a_temporary_left_by_a_crash_does_not_stand_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        fs::write(dir.path().join(".state.tmp"), b"half").unwrap();
        write_atomic(&path, b"whole", MODE_PRIVATE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names_in(dir.path()), ["state"]);
    }

    #[test]
    fn a_temporary_that_is_a_symbolic_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, b"untouched").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(".state.tmp")).unwrap();
        write_atomic(&dir.path().join("state"), b"new", MODE_PRIVATE).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    }

    #[test]
    fn a_new_file_is_not_written_over_an_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"first", MODE_READ_ONLY).unwrap();
        let error = write_new(&path, b"second", MODE_READ_ONLY).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names_in(dir.path()), ["key"]);
    }

    #[test]
    fn a_failed_write_names_the_step_and_keeps_the_old_contents() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomic(&dir.path().join("missing/state"), b"x", MODE_PRIVATE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn several_files_are_placed_together_or_none_is() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..20).map(|number| dir.path().join(number.to_string())).collect();
        let new = |path| NewFile { path, bytes: b"new", mode: MODE_PRIVATE };
        place_all(&paths.iter().map(|path| new(path)).collect::<Vec<_>>()).unwrap();
        assert!(paths.iter().all(|path| fs::read(path).unwrap() == b"new"));
        assert_eq!(names_in(dir.path()).len(), 20);
        let missing = dir.path().join("missing/file");
        let newer = NewFile { path: &paths[0], bytes: b"newer", mode: MODE_PRIVATE };
        place_all(&[newer, new(&missing)]).unwrap_err();
        assert_eq!(fs::read(&paths[0]).unwrap(), b"new");
        assert_eq!(names_in(dir.path()).len(), 20);
    }

    #[test]
    fn a_second_name_is_not_given_where_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        write_atomic(&one, b"x", MODE_PRIVATE).unwrap();
        link(&one, &two).unwrap();
        assert_eq!(fs::read(&two).unwrap(), b"x");
        assert_eq!(link(&one, &two).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn appending_continues_and_cutting_shortens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = create_append(&path).unwrap();
        append_synced(&file, b"abc").unwrap();
        append_synced(&file, b"def").unwrap();
        truncate_synced(&file, 4).unwrap();
        append_synced(&file, b"!").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcd!");
        assert_eq!(create_append(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn folders_are_private_and_made_with_their_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        ensure_dir_private(&path).unwrap();
        ensure_dir_private(&path).unwrap();
        assert_eq!(mode_of(&path), 0o700);
        assert_eq!(mode_of(&dir.path().join("a")), 0o700);
        assert_eq!(create_dir_private(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn removing_takes_the_name_and_says_when_there_was_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        write_atomic(&path, b"x", MODE_PRIVATE).unwrap();
        remove_synced(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(remove_synced(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn renaming_moves_a_folder_into_place() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_private(&dir.path().join("staged")).unwrap();
        rename_synced(&dir.path().join("staged"), &dir.path().join("final")).unwrap();
        assert_eq!(names_in(dir.path()), ["final"]);
    }
}
