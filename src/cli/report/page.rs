//! The report for people: one HTML file with everything in it, that loads nothing
//! and checks itself. The template lies beside this file; what goes into it is
//! words, numbers as JSON, and the ledger's own lines, packed.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Material, Overdue};
use crate::domain::report::{Destruction, Evidence};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SHA256: &str = include_str!("sha256.js");
const SCRIPT: &str = include_str!("page.js");
const KO: &str = include_str!("words.ko.json");
const EN: &str = include_str!("words.en.json");

/// Columns of which many rows say the same: rows hold numbers into a pool.
const POOLED: [&str; 20] = [
    "run",
    "rule",
    "hold",
    "policy",
    "fields",
    "children",
    "first",
    "last",
    "first_day",
    "last_day",
    "holidays",
    "due",
    "latest",
    "finding",
    "parts",
    "plan",
    "reviewed_by",
    "approved_by",
    "actor",
    "host",
];

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    lang: &'a str,
    words: &'a Map<String, Value>,
    version: &'a str,
    now: DateTime<Utc>,
    made: DateTime<Utc>,
    size: u64,
    checkpoint: &'a str,
    /// The checkpoints in which a signing key hands over, in order.
    handovers: &'a [String],
    /// Hashes of lines that were dropped on record, in base64.
    dropped: String,
    /// The first line of the file that holds what was kept before them.
    carried: Option<&'a str>,
    evidence: Evidence,
    destructions: Columns,
    overdue: &'a [Overdue],
}

/// Destructions column by column: a hundred thousand of them open at once.
#[derive(Serialize)]
struct Columns {
    columns: Vec<String>,
    pooled: Vec<String>,
    pool: Vec<Value>,
    rows: Vec<Vec<Value>>,
}

pub(super) fn text(material: &Material, lang: &str, packed: &[u8]) -> Result<String, serde_json::Error> {
    let words: Map<String, Value> = serde_json::from_str(if lang == "ko" { KO } else { EN })?;
    let rest = Evidence { destructions: Vec::new(), ..material.evidence.clone() };
    let data = Data {
        lang,
        words: &words,
        version: env!("CARGO_PKG_VERSION"),
        now: material.now,
        made: material.now,
        size: material.head.size,
        checkpoint: &material.checkpoint,
        handovers: &material.handovers,
        dropped: BASE64.encode(&material.dropped),
        carried: material.carried.as_deref(),
        evidence: rest,
        destructions: columns(&material.evidence.destructions)?,
        overdue: &material.overdue,
    };
    // `<` would end the element that the data stands in.
    let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let script = format!("{SHA256}\n{SCRIPT}");
    let lines = BASE64.encode(packed);
    let parts = [("style", STYLE), ("data", &data), ("lines", &lines), ("script", &script), ("lang", lang)];
    Ok(filled(PAGE, |name| {
        let part = parts.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
        let origin = || (name == "origin").then(|| escaped(&material.evidence.origin));
        part.or_else(origin).or_else(|| words.get(name).and_then(Value::as_str).map(escaped))
    }))
}

/// The template with each `{{name}}` replaced once; what is put in is not looked
/// at again.
fn filled(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else { break };
        text.push_str(before);
        text.push_str(&value(name).unwrap_or_default());
        rest = tail;
    }
    text.push_str(rest);
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn columns(destructions: &[Destruction]) -> Result<Columns, serde_json::Error> {
    let mut columns: Vec<String> = Vec::new();
    let mut pool = Vec::new();
    let mut places: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let mut rows = Vec::with_capacity(destructions.len());
    for destruction in destructions {
        let Value::Object(fields) = serde_json::to_value(destruction)? else { continue };
        if columns.is_empty() {
            columns = fields.keys().cloned().collect();
        }
        let mut row = Vec::with_capacity(columns.len());
        for (name, value) in fields {
            if !POOLED.contains(&name.as_str()) {
                row.push(value);
                continue;
            }
            let next = pool.len();
            let place = *places.entry(value.to_string()).or_insert(next);
            if place == next {
                pool.push(value);
            }
            row.push(place.into());
        }
        rows.push(row);
    }
    if columns.is_empty() {
        // The script finds a column by its name even where there is no row.
        columns = ["seq", "rule", "records", "time", "verdict", "late_seconds"].map(str::to_owned).to_vec();
    }
    let pooled = POOLED.map(str::to_owned).to_vec();
    Ok(Columns { columns, pooled, pool, rows })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn words(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn both_languages_have_every_word_that_page_and_script_use_and_no_other() {
        let (ko, en) = (words(KO), words(EN));
        assert_eq!(ko.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        let names = |text: &'static str, before: &str| -> BTreeSet<&'static str> {
            let end = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            text.match_indices(before)
                .map(|(at, _)| &text[at + before.len()..])
                .map(|rest| &rest[..end(rest)])
                .collect()
        };
        let mut used = names(PAGE, "{{");
        for part in ["style", "data", "lines", "script", "lang", "origin"] {
            assert!(used.remove(part), "{part}");
        }
        used.extend(names(SCRIPT, "T."));
        let missing: Vec<_> = used.iter().filter(|name| !ko.contains_key(**name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        // Words that the script puts together from two parts.
        let put_together = ["verdict_", "says_", "outcome_", "access_", "location_", "state_", "closed_", "category_"];
        let idle = ko.keys().filter(|name| !used.contains(name.as_str()));
        let idle: Vec<_> = idle.filter(|name| !put_together.iter().any(|part| name.starts_with(part))).collect();
        assert!(idle.is_empty(), "{idle:?}");
    }

    #[test]
    fn nothing_that_is_put_into_the_page_is_looked_at_again_or_ends_its_element() {
        assert_eq!(filled("a {{b}} c {{d}}", |name| Some(format!("{{{{{name}}}}}"))), "a {{b}} c {{d}}");
        assert_eq!(escaped("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }

    #[test]
    fn the_page_names_nothing_outside_itself() {
        for text in [PAGE, STYLE, SCRIPT, SHA256] {
            let outside = ["src=", "@import", "fetch(", "XMLHttpRequest", "import(", "https:", "url(\""];
            let found: Vec<_> = outside.iter().filter(|needle| text.contains(**needle)).collect();
            assert!(found.is_empty(), "{found:?}");
        }
    }
}
