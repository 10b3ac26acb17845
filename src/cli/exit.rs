//! Exit codes: the one table. The README repeats it and a test compares both.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Unreachable,
    StateUnknown,
    Locked,
    Refused,
    Configuration,
}

impl Exit {
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unreachable,
        Self::StateUnknown,
        Self::Locked,
        Self::Refused,
        Self::Configuration,
    ];

    /// The code; those from 69 on are sysexits.h.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 69,
            Self::StateUnknown => 70,
            Self::Locked => 75,
            Self::Refused => 77,
            Self::Configuration => 78,
        }
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "done, but a rule failed, `--fail-on` matched, or a verification says tampered",
            Self::Usage => "the command line is wrong",
            Self::Unreachable => "a database cannot be reached",
            Self::StateUnknown => "the state is unknown; stopped before doing anything more",
            Self::Locked => "another runner is at work",
            Self::Refused => "refused by a guard, the clock, a missing review, drift or an unadopted policy",
            Self::Configuration => "the configuration or the policy is wrong",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
