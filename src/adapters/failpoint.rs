//! Named points at which a test ends the process as a crash would. Nothing of
//! this is in a release build: there every point is an empty function, and the
//! variable that names one is not even read.
//!
//! A point stands where what is on disk changes: around each call of a port that
//! changes something, and between the steps of what happens in files. A test
//! walks through all of them (`tests/crashes/`), so a new point needs a life in
//! which it is reached.

#[cfg(debug_assertions)]
mod armed;

/// The process gets here. `point` is unique in the sources.
#[cfg(debug_assertions)]
pub fn reach(point: &'static str) {
    armed::reach(point, "");
}

/// In a release build, nothing.
#[cfg(not(debug_assertions))]
pub const fn reach(_point: &'static str) {}

/// Two points around a call: before it did anything, and after it did all.
#[cfg(debug_assertions)]
pub async fn around<T>(call: &'static str, doing: impl Future<Output = T>) -> T {
    armed::reach(call, " before");
    let done = doing.await;
    armed::reach(call, " after");
    done
}

/// In a release build, only the call.
#[cfg(not(debug_assertions))]
pub async fn around<T>(_call: &'static str, doing: impl Future<Output = T>) -> T {
    doing.await
}

/// As much as a test wants to be free on the disk.
#[cfg(debug_assertions)]
pub fn free_bytes() -> Option<u64> {
    armed::free_bytes()
}

/// In a release build the disk alone says it.
#[cfg(not(debug_assertions))]
pub const fn free_bytes() -> Option<u64> {
    None
}
