//! How far a result is proven. Verdicts only ever get worse when combined.

use serde::{Deserialize, Serialize};

/// `Unknown` is an honest answer, never a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    Pass,
    Unknown,
    Fail,
}

/// A verdict with the reasons that kept it from `Pass`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub verdict: Verdict,
    pub reasons: Vec<String>,
}

impl Finding {
    #[must_use]
    pub const fn pass() -> Self {
        Self { verdict: Verdict::Pass, reasons: Vec::new() }
    }

    #[must_use]
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, reasons: vec![reason.into()] }
    }

    #[must_use]
    pub fn fail(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, reasons: vec![reason.into()] }
    }

    /// The worse of both verdicts, with the reasons of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.absorb(other);
        self
    }

    /// Becomes the worse of both verdicts, with the reasons of both.
    pub fn absorb(&mut self, other: Self) {
        self.verdict = self.verdict.max(other.verdict);
        for reason in other.reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }
}
