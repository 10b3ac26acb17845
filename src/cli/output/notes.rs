//! What a pipeline is told: notes with stable codes, as Markdown for a comment,
//! SARIF for code scanning, JUnit for a test report. Texts come from `check` and
//! `plan`; nothing is decided here.

mod junit;
mod markdown;
mod sarif;

use clap::ValueEnum;
use serde::Serialize;

pub use markdown::cell;

/// How `check` and `plan` print what they found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
    // Plain comments: help lists the names in one line.
    // For a comment on a change.
    Markdown,
    // For code scanning (SARIF 2.1.0).
    Sarif,
    // For a test report.
    Junit,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ReportFormatArgs {
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// What a note is about; its name is stable, for filters and dashboards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// The two files.
    Configuration,
    /// A dataset and its live database.
    Schema,
    Unreachable,
    /// The table of holidays ends.
    Holidays,
    Overdue,
    Anomaly,
    Waiting,
    Guard,
    /// A dataset that could not be planned.
    Failed,
}

impl Code {
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Schema,
        Self::Unreachable,
        Self::Holidays,
        Self::Overdue,
        Self::Anomaly,
        Self::Waiting,
        Self::Guard,
        Self::Failed,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Schema => "schema",
            Self::Unreachable => "unreachable",
            Self::Holidays => "holidays",
            Self::Overdue => "overdue",
            Self::Anomaly => "anomaly",
            Self::Waiting => "waiting",
            Self::Guard => "guard",
            Self::Failed => "failed",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Configuration => "The rules file or the deployment file",
            Self::Schema => "A dataset does not fit its database",
            Self::Unreachable => "A database cannot be reached",
            Self::Holidays => "The table of public holidays ends",
            Self::Overdue => "Records are past their latest",
            Self::Anomaly => "Records whose event cannot be believed never move",
            Self::Waiting => "Records wait for others or for their cooling-off",
            Self::Guard => "A plan over a guard is refused",
            Self::Failed => "A dataset could not be planned",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warning,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub level: Level,
    pub code: Code,
    /// A rule, a dataset, or the file.
    pub subject: String,
    pub message: String,
    pub hint: Option<String>,
    pub place: Option<Place>,
}

impl Note {
    fn with_hint(&self) -> String {
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("; hint: {hint}"));
        format!("{}{hint}", self.message)
    }
}

/// Everything that one command found.
#[derive(Debug)]
pub struct Notes<'a> {
    /// The command, such as `check`.
    pub title: &'a str,
    /// The file that a note without a place is shown at.
    pub file: &'a str,
    pub notes: &'a [Note],
    /// What was looked at, by subject and code: without a note, it is in order.
    pub cases: &'a [(String, Code)],
}

impl Notes<'_> {
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    pub fn sarif(&self) -> serde_json::Value {
        sarif::render(self)
    }

    pub fn junit(&self) -> String {
        junit::render(self)
    }
}

#[cfg(test)]
mod tests;
