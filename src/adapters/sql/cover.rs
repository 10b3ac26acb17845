//! Records that holds cover, as SQL: all that `hold::Cover::covers` by what
//! `record::locator` makes of their key and subject, and what the column's own
//! collation calls the same.

use super::{
    fit::Fitted,
    schema::Column,
    text::{Sql, column},
};
use crate::domain::{hold::Cover, locator::BETWEEN_COLUMNS};

/// The root behind `alias` is covered; `None` where nothing is.
pub(super) fn covered(fitted: &Fitted<'_>, cover: &Cover, alias: &str) -> Option<Sql> {
    if cover.all {
        return Some(Sql::new("(1 = 1)"));
    }
    let dataset = fitted.dataset;
    let mut ways = Vec::new();
    if let Some(subject) = dataset.subject.as_deref().filter(|_| !cover.subjects.is_empty()) {
        ways.push(among(fitted, (alias, subject), cover.subjects.iter().map(String::as_str)));
    }
    match dataset.key.as_slice() {
        [key] if !cover.keys.is_empty() => {
            ways.push(among(fitted, (alias, key), cover.keys.iter().map(String::as_str)));
        }
        composite => {
            for key in &cover.keys {
                let values: Vec<&str> = key.split(BETWEEN_COLUMNS).collect();
                // A key of another form is no record's here.
                if values.len() == composite.len() {
                    let pairs = composite.iter().zip(values);
                    ways.push(Sql::all(pairs.map(|(name, value)| among(fitted, (alias, name), [value]))));
                }
            }
        }
    }
    (!ways.is_empty()).then(|| Sql::any(ways))
}

fn among<'t>(fitted: &Fitted<'_>, (alias, name): (&str, &str), texts: impl IntoIterator<Item = &'t str>) -> Sql {
    let dialect = fitted.schema.dialect;
    let text = column(dialect, alias, name);
    // `Fitted` has refused a key or subject that is no column.
    let found: Option<&Column> = fitted.root.column(name);
    let located = found.map_or_else(|| text.clone(), |found| dialect.located(found, &text));
    let collated = found.and_then(|found| dialect.collated(found, &text));
    let (mut exact, mut alike) = (Sql::new(format!("{located} IN (")), Vec::new());
    for (position, text) in texts.into_iter().enumerate() {
        if position > 0 {
            exact.push(", ");
        }
        exact.bind_text(text);
        if let Some(collated) = &collated {
            let mut same = Sql::new(format!("{collated} = "));
            same.bind_text(text);
            alike.push(same);
        }
    }
    exact.push(")");
    Sql::any(std::iter::once(exact).chain(alike))
}
