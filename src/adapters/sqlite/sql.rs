//! Text of statements with the values bound to them. Identifiers enter only
//! through `quote`, values only through `bind`; conditions that an operator
//! wrote enter as they are, in their own parentheses.
//!
//! Nothing here knows a connection.

use crate::domain::record::Cell;

/// A piece of SQL and the values of its `?`, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Sql {
    text: String,
    binds: Vec<Cell>,
}

/// A double-quoted identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `alias."column"`.
pub(super) fn column(alias: &str, name: &str) -> String {
    format!("{alias}.{}", quote(name))
}

/// A table of the source: never one of the same name in another schema.
pub(super) fn main_table(name: &str) -> String {
    format!("main.{}", quote(name))
}

/// An operator's condition. The line feed ends a comment it may end with.
pub(super) fn parenthesised(condition: &str) -> String {
    format!("(\n{condition}\n)")
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn append(&mut self, other: Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.binds.extend(other.binds);
        self
    }

    /// Binds a value. Text that is not UTF-8 cannot be bound as text, so it is
    /// cast; the plus takes the affinity away that a cast has and a parameter
    /// has not.
    pub(super) fn bind(&mut self, value: Cell) -> &mut Self {
        match value {
            Cell::Text(bytes) if std::str::from_utf8(&bytes).is_err() => {
                self.text.push_str("+CAST(? AS TEXT)");
                self.binds.push(Cell::Blob(bytes));
            }
            other => {
                self.text.push('?');
                self.binds.push(other);
            }
        }
        self
    }

    pub(super) fn bind_text(&mut self, text: &str) -> &mut Self {
        self.bind(Cell::Text(text.as_bytes().to_vec()))
    }

    /// `(a AND b …)`, or true without any.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(parts, " AND ", "1")
    }

    /// `(a OR b …)`, or false without any.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(parts, " OR ", "0")
    }

    fn joined(parts: impl IntoIterator<Item = Self>, word: &str, empty: &str) -> Self {
        let mut whole = Self::new("(");
        for (position, part) in parts.into_iter().enumerate() {
            if position > 0 {
                whole.push(word);
            }
            whole.append(part);
        }
        if whole.text.len() == 1 {
            whole.push(empty);
        }
        whole.push(")");
        whole
    }

    /// True or false, never NULL: false where `self` is NULL.
    pub(super) fn certain(self) -> Self {
        let mut whole = Self::new("((");
        whole.append(self).push(") IS TRUE)");
        whole
    }

    /// The opposite of `certain`.
    pub(super) fn negated(self) -> Self {
        let mut whole = Self::new("((");
        whole.append(self).push(") IS NOT TRUE)");
        whole
    }

    pub(super) fn into_parts(self) -> (String, Vec<Cell>) {
        (self.text, self.binds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_inside_an_identifier_cannot_end_it() {
        assert_eq!(quote("a\" ; DROP TABLE b --"), "\"a\"\" ; DROP TABLE b --\"");
    }

    #[test]
    fn values_are_bound_in_the_order_of_their_marks() {
        let mut first = Sql::new("a = ");
        first.bind(Cell::Integer(1));
        let mut second = Sql::new("b = ");
        second.bind(Cell::Text(vec![0xff]));
        let (text, binds) = Sql::all([first, second]).into_parts();
        assert_eq!(text, "(a = ? AND b = +CAST(? AS TEXT))");
        assert_eq!(binds, [Cell::Integer(1), Cell::Blob(vec![0xff])]);
    }

    #[test]
    fn nothing_to_satisfy_is_true_and_nothing_to_choose_from_is_false() {
        assert_eq!(Sql::all([]).text, "(1)");
        assert_eq!(Sql::any([]).text, "(0)");
    }
}
