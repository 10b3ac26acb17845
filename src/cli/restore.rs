//! `restore`: back into the source, with a name and a reason on record.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    args::{Cli, Format, RestoreArgs},
    error::CommandError,
    exit::Exit,
    open, output,
};
use crate::{
    domain::{
        id::RuleId,
        index::Locator,
        record::{Cell, locator},
    },
    flow::{
        clock::{compare, doubt},
        locate::near,
        recover::recover,
        restore::{Request, Restored, restore as put_back},
    },
    ports::Clock,
};

pub async fn restore(cli: &Cli, args: &RestoreArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let rule = args.rule.as_deref().map(|id| open::rule(&settings, id)).transpose()?;
    let (by, locator) = target(args)?;
    let mut writing = open::writing(cli, &settings).await?;
    let mut sources = open::sources(&settings).await?;
    let book = open::rulebook(&settings, writing.simulation);
    let now = writing.clock.read();
    doubt(&book, &mut writing.custody, now, &[])?;
    compare(&book, &mut sources, &mut writing.custody, &writing.clock).await?;
    recover(&book, &mut sources, &mut writing.custody, &writing.clock).await?.whole()?;
    let request = Request {
        by,
        locator: &locator,
        rule: rule.as_ref(),
        name: &args.by,
        reason: &args.reason,
        keep_event: args.keep_event,
    };
    let restored = put_back(&book, &mut sources, &mut writing.custody, &request, now).await?;
    writing.close().await?;
    match args.output.format {
        Format::Json => output::json(&Shown::of(&restored))?,
        Format::Text => output::data(&text(&restored))?,
    }
    Ok(Exit::Done)
}

/// Whom or what the command line means, as records are located.
fn target(args: &RestoreArgs) -> Result<(Locator, Vec<u8>), CommandError> {
    let text = |text: &str| Cell::Text(text.as_bytes().to_vec());
    if let Some(subject) = &args.subject {
        return Ok((Locator::Subject, locator(&[text(subject)])));
    }
    Ok((Locator::Key, key_locator(args.key.as_deref().unwrap_or_default())?))
}

/// A key as records are located by it; a composite one is a JSON array.
pub fn key_locator(key: &str) -> Result<Vec<u8>, CommandError> {
    let text = |text: &str| Cell::Text(text.as_bytes().to_vec());
    if !key.starts_with('[') {
        return Ok(locator(&[text(key)]));
    }
    let columns: Vec<serde_json::Value> = serde_json::from_str(key)
        .map_err(|error| CommandError::new(Exit::Usage, format!("--key is not a JSON array: {error}")))?;
    let cells: Vec<Cell> =
        columns.iter().map(|column| column.as_str().map_or_else(|| text(&column.to_string()), text)).collect();
    Ok(locator(&cells))
}

#[derive(Serialize)]
struct Shown<'a> {
    restored: &'a BTreeMap<RuleId, u64>,
    /// Records of the person that are due and stay in the vault.
    due: u64,
    /// Records that are written otherwise by case, accents or spaces only, and stay.
    alike: u64,
}

impl<'a> Shown<'a> {
    const fn of(restored: &'a Restored) -> Self {
        Self { restored: &restored.rows, due: restored.due, alike: restored.alike }
    }
}

fn text(restored: &Restored) -> String {
    let mut lines: Vec<String> =
        restored.rows.iter().map(|(rule, rows)| format!("restored   {rule:<15} {}", output::count(*rows))).collect();
    if restored.due > 0 {
        lines.push(format!("{} records are due for destruction and stay", output::count(restored.due)));
    }
    if restored.alike > 0 {
        lines.push(near(restored.alike));
    }
    lines.join("\n")
}
