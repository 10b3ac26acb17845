//! The host's clock, and the fixed one of a simulation.

use chrono::{DateTime, Utc};

use crate::ports::Clock;

/// What the host says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn read(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// The instant given with `--now`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub DateTime<Utc>);

impl Clock for FixedClock {
    fn read(&self) -> DateTime<Utc> {
        self.0
    }
}

/// The clock of a command.
#[derive(Debug, Clone, Copy)]
pub enum AnyClock {
    System(SystemClock),
    Fixed(FixedClock),
}

impl Clock for AnyClock {
    fn read(&self) -> DateTime<Utc> {
        match self {
            Self::System(clock) => clock.read(),
            Self::Fixed(clock) => clock.read(),
        }
    }
}
