//! Blots secrets out of the text that reports cite.
//!
//! A report shows the line it is about, and that line may hold a password that
//! somebody typed where it does not belong, even in a line that is no TOML at all.
//! So this works on the bare text, before anything is parsed, and rather hides too
//! much than too little. Lengths stay: positions in the text keep their meaning.

use std::ops::Range;

/// The text without the passwords of URLs and without what is assigned to a key
/// that sounds like a secret.
pub fn conceal(text: &str) -> String {
    let mut concealed = text.to_owned();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        for secret in secrets(line) {
            concealed = blot(&concealed, &(start + secret.start..start + secret.end));
        }
        start += line.len();
    }
    concealed
}

/// Replaces every letter of a span by a mark of the same length in bytes; quotes,
/// line ends and spaces stay.
pub fn blot(text: &str, span: &Range<usize>) -> String {
    let mark = |(at, letter): (usize, char)| match letter {
        _ if !span.contains(&at) || letter.is_ascii_whitespace() || matches!(letter, '"' | '\'') => letter,
        _ => match letter.len_utf8() {
            1 => '*',
            2 => '×',
            3 => '•',
            _ => '🔒',
        },
    };
    text.char_indices().map(mark).collect()
}

/// Spans of a line that may be secrets.
fn secrets(line: &str) -> Vec<Range<usize>> {
    let urls = line.match_indices("://").filter_map(|(at, scheme)| url_password(line, at + scheme.len()));
    let assigned = line.match_indices('=').filter(|(at, _)| sounds_secret(key_before(line, *at)));
    urls.chain(assigned.flat_map(|(at, _)| assigned_text(line, at + 1))).collect()
}

/// From the first colon to the last `@` behind the scheme: a password may hold
/// any character in between, also ones that should have been escaped.
fn url_password(line: &str, start: usize) -> Option<Range<usize>> {
    let rest = line.get(start..)?;
    let length = rest.find(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'')).unwrap_or(rest.len());
    let url = rest.get(..length)?;
    let at = url.rfind('@')?;
    let colon = url.get(..at)?.find(':')?;
    Some(start + colon + 1..start + at)
}

fn key_before(line: &str, equals: usize) -> &str {
    let before = line.get(..equals).unwrap_or_default();
    let before = before.trim_end_matches(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\''));
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    let start = before.char_indices().rev().take_while(|(_, letter)| is_part(*letter)).last();
    start.and_then(|(at, _)| before.get(at..)).unwrap_or_default()
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["passw", "pwd", "secret", "kek"].iter().any(|word| key.contains(word))
        || strsim::damerau_levenshtein(&key, "password") <= 2
}

/// What is assigned, up to the end of the line. In an inline table only the
/// quoted texts, so that its keys can still be read.
fn assigned_text(line: &str, start: usize) -> Vec<Range<usize>> {
    let rest = line.get(start..).unwrap_or_default();
    let mut spans = Vec::new();
    if !rest.trim_start().starts_with('{') {
        spans.push(start..line.len());
        return spans;
    }
    let mut open: Option<(usize, char)> = None;
    for (at, letter) in rest.char_indices() {
        match open {
            None if matches!(letter, '"' | '\'') => open = Some((at, letter)),
            Some((from, quote)) if letter == quote => {
                spans.push(start + from..start + at);
                open = None;
            }
            _ => {}
        }
    }
    spans.extend(open.map(|(from, _)| start + from..line.len()));
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_urls_are_blotted_out_and_nothing_else_of_them() {
        let text = "url = \"postgres://app:hunter2@db/shop\"\n# mysql://a:p@ss/w:비번@h/x\n";
        assert_eq!(conceal(text), "url = \"postgres://app:*******@db/shop\"\n# mysql://a:*******••@h/x\n");
    }

    #[test]
    fn what_is_assigned_to_a_secret_is_blotted_out_even_where_it_is_no_toml() {
        for line in [
            "password = \"hunter2\"",
            "pasword = 'hunter2'",
            "vault.password = hunter2",
            "v = { password = \"hunter2\" }",
            "password = { plain = \"hunter2\" }",
            "password = { plain = \"hunter2",
            "url = \"postgres://db/x?password=hunter2\"",
            "\"password\" = \"\"\"hunter2",
            "kek = \"hunter2\"",
        ] {
            let concealed = conceal(line);
            assert!(!concealed.contains("hunter"), "{concealed}");
            assert_eq!(concealed.len(), line.len());
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            "url = \"sqlite://shop.db\"  # a note: see a@b.example",
            "contact = \"privacy@example.com\"",
            "password = { credential = \"\" }",
            "keep = \"5 years\"",
        ] {
            assert_eq!(conceal(line), line);
        }
    }
}
