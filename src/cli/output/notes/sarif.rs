//! Notes as SARIF 2.1.0 (OASIS), which code scanning reads. It shows a result at
//! a line: what has none is shown at the top of the deployment file.

use serde_json::{Value, json};

use super::{Code, Note, Notes};

pub fn render(found: &Notes<'_>) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| json!({ "id": code.name(), "shortDescription": { "text": code.meaning() } }))
        .collect();
    let results: Vec<Value> = found.notes.iter().map(|note| result(found.file, note)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "retentiond", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    })
}

fn result(file: &str, note: &Note) -> Value {
    let (file, line, column) =
        note.place.as_ref().map_or((file, 1, 1), |place| (place.file.as_str(), place.line, place.column));
    json!({
        "ruleId": note.code.name(),
        "level": note.level.name(),
        "message": { "text": format!("{}: {}", note.subject, note.with_hint()) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": file.trim_start_matches("./") },
                "region": { "startLine": line, "startColumn": column },
            },
        }],
    })
}
