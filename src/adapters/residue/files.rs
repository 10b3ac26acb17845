//! Files of an engine on this host: which there are, and reading them through.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{Matcher, Stream, Tally};

/// All regular files below a folder, links to folders followed, in order. What
/// vanishes meanwhile is left out; what cannot be read is an error.
pub fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) if found.is_file() => files.push(path),
                // Sockets and pipes hold nothing.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Searches one file and notes the result under `name`. A file that vanished
/// holds nothing any more.
pub fn search(matcher: &Matcher, path: &Path, name: &str, tally: &mut Tally) {
    match File::open(path) {
        Ok(file) => search_open(matcher, &file, name, tally),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tally.unread(format!("{name} cannot be read: {error}")),
    }
}

/// The same for a file that is open already. Its position stays where it is.
pub fn search_open(matcher: &Matcher, file: &File, name: &str, tally: &mut Tally) {
    let mut stream = Stream::new(matcher);
    let mut at = 0;
    let read = stream.read_all(|space| {
        loop {
            match file.read_at(space, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    at += length as u64;
                    return Ok(length);
                }
            }
        }
    });
    if let Err(error) = read {
        tally.unread(format!("{name} cannot be read: {error}"));
    }
    tally.add(name, stream.bytes, std::mem::take(&mut stream.found));
}
