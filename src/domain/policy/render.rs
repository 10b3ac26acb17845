//! The text of sections 5 and 6 of the published policy, from the rules: what is
//! promised and what is done come from one place and cannot drift apart.

mod en;
mod ko;

use super::{Basis, Policy, Rule, statute::Catalogue};

/// A language of the published policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Korean,
    English,
}

/// Both sections.
#[must_use]
pub fn render(policy: &Policy, catalogue: &Catalogue, language: Language) -> String {
    match language {
        Language::Korean => ko::text(policy, catalogue),
        Language::English => en::text(policy, catalogue),
    }
}

/// Rules that stand under one heading.
struct Group<'a> {
    /// The letter or number of the clause, such as `다` of `5.다`.
    mark: Option<&'a str>,
    by_law: bool,
    rules: Vec<&'a Rule>,
}

/// The rules by clause, in the order of the file. Within one clause those that a
/// statute asks for stand apart from the company's own.
fn groups(policy: &Policy) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for rule in &policy.rules {
        let mark = rule.clause.as_deref().and_then(|clause| clause.split_once('.')).map(|(_, mark)| mark);
        let by_law = rule.basis != Basis::Internal;
        match groups.iter_mut().find(|group| group.mark == mark && group.by_law == by_law) {
            Some(group) => group.rules.push(rule),
            None => groups.push(Group { mark, by_law, rules: vec![rule] }),
        }
    }
    groups
}
