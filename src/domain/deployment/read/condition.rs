//! `where`: SQL that narrows a table.
//!
//! It is put between parentheses into a larger condition that also says what is
//! due. So it must stay between them: a stray parenthesis or a comment would let
//! rows through that are not due.

use crate::domain::document::{Value, owned};

/// One condition, as it stands behind WHERE.
pub fn condition(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    match escape(text.get_ref()) {
        None => Some(owned(text)),
        Some((message, hint)) => value.refuse(message, hint),
    }
}

/// How a condition would get out of its parentheses, and what to do about it.
fn escape(sql: &str) -> Option<(&'static str, &'static str)> {
    if sql.contains(';') {
        return Some(("a condition holds no `;`", "write one condition, as behind WHERE, and nothing else"));
    }
    let mut depth = 0_u32;
    let mut quote = None;
    let mut before = ' ';
    for letter in sql.chars() {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(letter),
            (None, '[') => quote = Some(']'),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some((UNBALANCED, UNBALANCED_HINT)),
            (None, ')') => depth -= 1,
            (None, '-') if before == '-' => return Some((COMMENT, COMMENT_HINT)),
            (None, '*') if before == '/' => return Some((COMMENT, COMMENT_HINT)),
            (None, _) => {}
        }
        before = if quote.is_none() { letter } else { ' ' };
    }
    if quote.is_some() {
        return Some(("a quotation mark is not closed in this condition", "close every quotation mark"));
    }
    (depth > 0).then_some((UNBALANCED, UNBALANCED_HINT))
}

const UNBALANCED: &str = "the parentheses of this condition do not match";
const UNBALANCED_HINT: &str = "close every parenthesis that is opened, and no other";
const COMMENT: &str = "a condition holds no SQL comment";
const COMMENT_HINT: &str = "write the comment on a line of this file that starts with `#`";

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_condition_stays_between_its_parentheses() {
        for sql in [
            "a = 1) OR (1 = 1",
            "a = 1 -- OR",
            "a = 1 /* x",
            "(a = 1",
            "a = 'x",
            "a = 1; DROP TABLE t",
            "a = \"b",
            "[a = 1",
        ] {
            assert!(escape(sql).is_some(), "{sql}");
        }
    }

    #[test]
    fn an_ordinary_condition_is_let_through() {
        for sql in [
            "resolved_at IS NOT NULL",
            "subject_type = 'order'",
            "kind IN ('a', 'b') AND (x > 1 OR y = 'it''s (')",
            "\"order\" = ')--/*' AND a - -1 > 2 / 3 * 4",
            "[odd)name] = 1",
        ] {
            assert_eq!(escape(sql), None, "{sql}");
        }
    }
}
