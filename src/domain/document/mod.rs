//! A TOML document with spans, read so that every error is found in one pass.
//!
//! No serde types here: serde stops at the first error and forgets where most
//! values stood, and a person who mends a file wants to hear everything at once.
//! So the parser recovers from each syntax error, and a reader goes through the
//! spanned tree key by key (`Table`, `Value`), notes what is wrong (`Findings`) and
//! goes on with `None`. Whoever gets `None` has nothing more to report: the reason
//! is noted already. Nothing here knows what a policy or a deployment is.

mod conceal;
mod findings;
mod quantity;
mod recovery;
pub mod suggest;
mod syntax;
mod table;
mod value;

use toml::de::DeTable;

use super::diagnostic::{Checked, Diagnostic, Report, Severity};
use recovery::Recovered;

pub use findings::Findings;
pub use table::Table;
pub use value::{Text, Value, optional, owned};

/// Parses `text` and hands its root table to `interpret`, which returns `None`
/// only after it has noted why. The value exists only where no error was found.
pub fn read<T>(
    file: &str,
    text: &str,
    interpret: impl FnOnce(Table<'_>, &Findings) -> Option<T>,
) -> Result<Checked<T>, Report> {
    let Recovered { readable, flaws } = recovery::recover(text);
    let (root, _) = DeTable::parse_recoverable(&readable);
    let findings = Findings::new(file, text, flaws);
    let value = interpret(Table::root(root.get_ref(), &findings), &findings);
    let mut report = findings.into_report();
    match value {
        Some(value) if !report.has_errors() => Ok(Checked { value, warnings: report }),
        None if !report.has_errors() => {
            // A reader broke its contract; refusing is the safe side.
            report.findings.push(Diagnostic {
                severity: Severity::Error,
                span: 0..0,
                message: "the file was not understood".to_owned(),
                hint: None,
            });
            Err(report)
        }
        _ => Err(report),
    }
}

#[cfg(test)]
mod tests;
