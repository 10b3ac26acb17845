//! Records that holds cover, as SQL that agrees with `hold::Cover::covers` on
//! what `record::locator` makes of their key and subject.

use super::{
    fit::Fitted,
    schema::Column,
    text::{Sql, column},
};
use crate::domain::hold::Cover;

/// Separates the columns of a composite key in a locator.
const BETWEEN_COLUMNS: char = '\u{1f}';

/// The root behind `alias` is covered; `None` where nothing is.
pub(super) fn covered(fitted: &Fitted<'_>, cover: &Cover, alias: &str) -> Option<Sql> {
    if cover.all {
        return Some(Sql::new("(1 = 1)"));
    }
    let dataset = fitted.dataset;
    let mut ways = Vec::new();
    if let Some(subject) = dataset.subject.as_deref().filter(|_| !cover.subjects.is_empty()) {
        ways.push(among(&located(fitted, alias, subject), cover.subjects.iter().map(String::as_str)));
    }
    match dataset.key.as_slice() {
        [key] if !cover.keys.is_empty() => {
            ways.push(among(&located(fitted, alias, key), cover.keys.iter().map(String::as_str)));
        }
        composite => {
            for key in &cover.keys {
                let values: Vec<&str> = key.split(BETWEEN_COLUMNS).collect();
                // A key of another form is no record's here.
                if values.len() == composite.len() {
                    let pairs = composite.iter().zip(values);
                    ways.push(Sql::all(pairs.map(|(name, value)| among(&located(fitted, alias, name), [value]))));
                }
            }
        }
    }
    (!ways.is_empty()).then(|| Sql::any(ways))
}

fn located(fitted: &Fitted<'_>, alias: &str, name: &str) -> String {
    let text = column(fitted.schema.dialect, alias, name);
    // `Fitted` has refused a key or subject that is no column.
    let found: Option<&Column> = fitted.root.column(name);
    found.map_or_else(|| text.clone(), |found| fitted.schema.dialect.located(found, &text))
}

fn among<'t>(expression: &str, texts: impl IntoIterator<Item = &'t str>) -> Sql {
    let mut sql = Sql::new(format!("({expression} IN ("));
    for (position, text) in texts.into_iter().enumerate() {
        if position > 0 {
            sql.push(", ");
        }
        sql.bind_text(text);
    }
    sql.push("))");
    sql
}
