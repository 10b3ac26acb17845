//! The host's clock, and the fixed one of a simulation.

use chrono::{DateTime, TimeDelta, Utc};

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

/// The host's clock moved by a simulation's daemon, whose time goes on.
#[derive(Debug, Clone, Copy)]
pub struct ShiftedClock(pub TimeDelta);

impl Clock for ShiftedClock {
    fn read(&self) -> DateTime<Utc> {
        Utc::now() + self.0
    }
}

/// The clock of a command.
#[derive(Debug, Clone, Copy)]
pub enum AnyClock {
    System(SystemClock),
    Fixed(FixedClock),
    Shifted(ShiftedClock),
}

impl Clock for AnyClock {
    fn read(&self) -> DateTime<Utc> {
        match self {
            Self::System(clock) => clock.read(),
            Self::Fixed(clock) => clock.read(),
            Self::Shifted(clock) => clock.read(),
        }
    }
}
