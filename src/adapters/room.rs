//! Room on the disk for the copy that a rewrite makes.

use std::path::Path;

use super::failpoint;

/// Free bytes for this process where a folder lies; `None` where it is not on this
/// host or cannot be looked at.
#[must_use]
pub fn free(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(failpoint::free_bytes().unwrap_or_else(|| system.f_bavail.saturating_mul(system.f_frsize)))
}

/// Why a copy of so many bytes would not fit. Where nobody knows how much is free,
/// the engine finds out.
#[must_use]
pub fn lacking(needed: u64, free: Option<u64>) -> Option<String> {
    let free = free.filter(|free| *free < needed)?;
    Some(format!("a rewrite needs room for a copy, {needed} bytes, and {free} are free; hint: make room"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_just_fits_is_made_and_one_byte_more_is_refused() {
        assert_eq!(lacking(4_096, Some(4_096)), None);
        let refused = lacking(4_097, Some(4_096)).unwrap();
        assert!(refused.contains("4097 bytes, and 4096 are free"), "{refused}");
        assert_eq!(lacking(u64::MAX, None), None);
    }

    #[test]
    fn the_room_below_a_folder_is_known_and_that_of_no_folder_is_not() {
        assert!(free(&std::env::temp_dir()).is_some_and(|free| free > 0));
        assert_eq!(free(Path::new("/no/such/folder")), None);
    }
}
