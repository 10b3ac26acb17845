//! Work with a server on a task of its own. It goes on while the caller computes,
//! and ends with whoever waits for it.

use std::{io, panic};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// One thread that computes, and one that speaks with servers meanwhile.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

#[derive(Debug)]
pub(super) struct Apart<T>(JoinHandle<T>);

impl<T: Send + 'static> Apart<T> {
    pub(super) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// What came out of it.
    pub(super) async fn end(mut self) -> Result<T, sqlx::Error> {
        match (&mut self.0).await {
            Ok(done) => Ok(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => Err(sqlx::Error::WorkerCrashed),
            },
        }
    }
}

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
