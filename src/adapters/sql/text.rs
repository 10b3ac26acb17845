//! Text of statements with the values bound to them. Identifiers enter only
//! through `Dialect::quote`, values only through `bind`; conditions that an
//! operator wrote enter as they are, in their own parentheses.
//!
//! Nothing here knows a connection.

use super::dialect::Dialect;
use crate::domain::record::Cell;

/// A piece of SQL and the values of its marks, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    text: String,
    /// Where a mark goes in, and its value.
    binds: Vec<(usize, Cell)>,
}

/// `alias."column"`.
pub(crate) fn column(dialect: &dyn Dialect, alias: &str, name: &str) -> String {
    format!("{alias}.{}", dialect.quote(name))
}

/// An operator's condition. The line feed ends a comment it may end with.
pub(crate) fn parenthesised(condition: &str) -> String {
    format!("(\n{condition}\n)")
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn append(&mut self, other: Self) -> &mut Self {
        let behind = self.text.len();
        self.text.push_str(&other.text);
        self.binds.extend(other.binds.into_iter().map(|(at, value)| (behind + at, value)));
        self
    }

    /// Binds a value here.
    pub(crate) fn bind(&mut self, value: Cell) -> &mut Self {
        self.binds.push((self.text.len(), value));
        self
    }

    pub(crate) fn bind_text(&mut self, text: &str) -> &mut Self {
        self.bind(Cell::Text(text.as_bytes().to_vec()))
    }

    /// `(a AND b …)`, or true without any.
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(parts, " AND ", "1 = 1")
    }

    /// `(a OR b …)`, or false without any.
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::joined(parts, " OR ", "1 = 0")
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
    pub(crate) fn certain(self) -> Self {
        let mut whole = Self::new("((");
        whole.append(self).push(") IS TRUE)");
        whole
    }

    /// The opposite of `certain`.
    pub(crate) fn negated(self) -> Self {
        let mut whole = Self::new("((");
        whole.append(self).push(") IS NOT TRUE)");
        whole
    }

    /// The statement with the engine's marks, and their values.
    pub(crate) fn into_parts(self, dialect: &dyn Dialect) -> (String, Vec<Cell>) {
        let mut text = String::with_capacity(self.text.len() + self.binds.len() * 2);
        let mut values = Vec::with_capacity(self.binds.len());
        let mut from = 0;
        for (at, value) in self.binds {
            text.push_str(&self.text[from..at]);
            text.push_str(&dialect.mark(values.len() + 1, &value));
            values.push(value);
            from = at;
        }
        text.push_str(&self.text[from..]);
        (text, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sqlite::dialect::SQLITE;

    #[test]
    fn values_are_bound_in_the_order_of_their_marks() {
        let mut first = Sql::new("a = ");
        first.bind(Cell::Integer(1));
        let mut second = Sql::new("b = ");
        second.bind(Cell::Text(vec![0xff])).push(" + 회원");
        let (text, binds) = Sql::all([first, second]).negated().into_parts(&SQLITE);
        assert_eq!(text, "(((a = ? AND b = +CAST(? AS TEXT) + 회원)) IS NOT TRUE)");
        assert_eq!(binds, [Cell::Integer(1), Cell::Text(vec![0xff])]);
    }

    #[test]
    fn nothing_to_satisfy_is_true_and_nothing_to_choose_from_is_false() {
        assert_eq!(Sql::all([]).text, "(1 = 1)");
        assert_eq!(Sql::any([]).text, "(1 = 0)");
    }
}
