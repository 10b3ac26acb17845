//! SQLite as a source, against real files: what is taken is what was there, what
//! is undone was never gone, what is wiped is in no file.

#[cfg(test)]
mod sqlite_source {
    mod bytes;
    #[path = "../conformance/fixture.rs"]
    mod common;
    mod counts;
    mod failures;
    mod fixture;
    mod holding;
    mod inspection;
    mod relations;
    mod residue;
    mod restoring;
    mod wiping;
}
