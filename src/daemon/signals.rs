//! Signals that the daemon listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// One stream each; what is not here does what it does to any program.
#[derive(Debug)]
pub struct Signals {
    pub terminate: Signal,
    pub interrupt: Signal,
    pub reload: Signal,
    pub pause: Signal,
    pub resume: Signal,
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
            pause: signal(SignalKind::user_defined1())?,
            resume: signal(SignalKind::user_defined2())?,
        })
    }
}
