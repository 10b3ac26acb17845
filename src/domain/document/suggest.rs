//! Hints that name what was probably meant.

/// The candidate that `given` is probably a slip of.
pub fn closest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &candidate.to_lowercase());
    // One slip in three letters; more is another word.
    let slips_max = (given.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|candidate| (distance(candidate), candidate));
    near.filter(|(slips, candidate)| *slips <= slips_max && *slips < candidate.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// A hint for a value that is none of `candidates`. `all` introduces the whole
/// list, where nothing is near enough.
pub fn hint(given: &str, candidates: &[&str], all: &str) -> String {
    match closest(given, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if candidates.is_empty() => format!("{all}: there is none yet"),
        None => format!("{all}: {}", quoted_list(candidates)),
    }
}

/// `a`, `b`, `c`.
pub fn quoted_list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(closest("kep", ["keep", "key"]), Some("keep"));
        assert_eq!(closest("widthdrawal", ["contract", "withdrawal"]), Some("withdrawal"));
        assert_eq!(closest("Kr-Civil", ["kr-civil"]), Some("kr-civil"));
        assert_eq!(closest("colour", ["keep", "key"]), None);
        assert_eq!(closest("", ["a"]), None);
    }
}
