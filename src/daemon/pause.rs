//! The pause file: while it is there, nothing is separated or destroyed. Whoever
//! cannot see whether it is there does nothing either.

use std::{fs, io, path::Path};

use crate::adapters::durable;

/// Why nothing is done; `None` only where it is certain that there is no such file.
pub fn paused(file: &Path) -> Option<String> {
    match fs::symlink_metadata(file) {
        Ok(_) => Some(format!("paused by {}; hint: remove it, or send SIGUSR2 to the daemon", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!(
            "paused, since it cannot be seen whether {} is there: {error}; hint: make its folder accessible again",
            file.display()
        )),
    }
}

/// Pauses: nothing starts, and what is at work stops between two batches.
pub(super) fn pause(file: &Path) -> io::Result<()> {
    match durable::write_new(file, b"paused by a signal\n", durable::MODE_PRIVATE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

pub(super) fn resume(file: &Path) -> io::Result<()> {
    match durable::remove_synced(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_pauses_and_only_its_certain_absence_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pause");
        assert_eq!(paused(&file), None);
        pause(&file).unwrap();
        pause(&file).unwrap();
        assert!(paused(&file).unwrap().starts_with("paused by "));
        resume(&file).unwrap();
        resume(&file).unwrap();
        assert_eq!(paused(&file), None);
        // Points at nothing, and is there all the same.
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &file).unwrap();
        assert!(paused(&file).unwrap().starts_with("paused by "));
    }

    #[test]
    fn what_cannot_be_looked_at_pauses() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state"), "a file where the folder should be").unwrap();
        let reason = paused(&folder.path().join("state").join("pause")).unwrap();
        assert!(reason.contains("cannot be seen"), "{reason}");
    }
}
