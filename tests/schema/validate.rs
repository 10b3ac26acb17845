//! As much of JSON Schema (draft 2020-12) as the two schemas use, written from the
//! specification. A keyword that is not known here fails the test: none is skipped.

use regex_automata::{dfa::regex::Regex, util::syntax};
use serde_json::Value;

/// Checks a value against `schema`, a part of `whole`.
pub fn takes(whole: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (keyword, asked) in schema.as_object().unwrap() {
        let is_taken = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" | "format" => true,
            "$ref" => {
                let part = whole.pointer(asked.as_str().unwrap().trim_start_matches('#')).unwrap();
                takes(whole, part, value)?;
                true
            }
            "type" => is_of_type(value, asked.as_str().unwrap()),
            "enum" => asked.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| matches(asked.as_str().unwrap(), text)),
            "minimum" => value.as_f64().is_none_or(|number| number >= asked.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= asked.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= asked.as_u64().unwrap()),
            "uniqueItems" => {
                value.as_array().is_none_or(|list| list.iter().enumerate().all(|(at, item)| !list[..at].contains(item)))
            }
            "minProperties" => value.as_object().is_none_or(|table| table.len() as u64 >= asked.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|table| table.len() as u64 <= asked.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|table| {
                asked.as_array().unwrap().iter().all(|key| table.contains_key(key.as_str().unwrap()))
            }),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    takes(whole, asked, item)?;
                }
                true
            }
            "properties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if let Some(part) = asked.get(key) {
                        takes(whole, part, inner).map_err(|error| format!("{key}: {error}"))?;
                    }
                }
                true
            }
            "additionalProperties" => others(whole, schema, asked, value)?,
            "oneOf" => ways(whole, asked, value) == 1,
            "anyOf" => ways(whole, asked, value) > 0,
            other => panic!("the keyword {other:?} is not known here"),
        };
        if !is_taken {
            return Err(format!("{value} is not of {keyword} {asked}"));
        }
    }
    Ok(())
}

/// Properties that the schema does not name.
fn others(whole: &Value, schema: &Value, asked: &Value, value: &Value) -> Result<bool, String> {
    let named = schema.get("properties");
    for (key, inner) in value.as_object().into_iter().flatten() {
        if named.is_some_and(|named| named.get(key).is_some()) {
            continue;
        }
        if *asked == Value::Bool(false) {
            return Err(format!("{key} is no property"));
        }
        takes(whole, asked, inner).map_err(|error| format!("{key}: {error}"))?;
    }
    Ok(true)
}

fn ways(whole: &Value, schemas: &Value, value: &Value) -> usize {
    schemas.as_array().unwrap().iter().filter(|schema| takes(whole, schema, value).is_ok()).count()
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the type {other:?} is not known here"),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let bytes = syntax::Config::new().unicode(false).utf8(false);
    Regex::builder().syntax(bytes).build(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(text)
}
