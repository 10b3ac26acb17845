//! Locators: how a key or a subject is looked up, and which writings of it may
//! mean the same.
//!
//! A database may call `KIM`, `Kim` and `kim ` equal, and which ones it does is
//! the business of a column's collation, that a vault does not know. So an index
//! is made of what is left of a text without all that collations look past. It
//! may find more than was meant, which a look at the record itself tells apart;
//! it must not find less, since a hold would cover less than its text says. What a
//! collation of its own may look past beyond letters (punctuation, say) is not
//! covered; `docs/OPERATIONS.md` says so.

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_8859_2, ISO_8859_7, ISO_8859_8, ISO_8859_13, KOI8_R,
    KOI8_U, MACINTOSH, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1254, WINDOWS_1256, WINDOWS_1257,
};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::record::Cell;

/// Separates the columns of a composite key in a locator.
pub const BETWEEN_COLUMNS: char = '\u{1f}';

/// By the names of MySQL and MariaDB, whose rows keep the bytes of a column's own
/// character set.
const CHARSETS: [(&str, &Encoding); 27] = [
    ("latin1", WINDOWS_1252),
    ("euckr", EUC_KR),
    ("utf16", UTF_16BE),
    ("ucs2", UTF_16BE),
    ("utf16le", UTF_16LE),
    ("sjis", SHIFT_JIS),
    ("cp932", SHIFT_JIS),
    ("ujis", EUC_JP),
    ("eucjpms", EUC_JP),
    ("gbk", GBK),
    ("gb2312", GBK),
    ("gb18030", GB18030),
    ("big5", BIG5),
    ("latin2", ISO_8859_2),
    ("latin5", WINDOWS_1254),
    ("latin7", ISO_8859_13),
    ("greek", ISO_8859_7),
    ("hebrew", ISO_8859_8),
    ("koi8r", KOI8_R),
    ("koi8u", KOI8_U),
    ("cp866", IBM866),
    ("cp1250", WINDOWS_1250),
    ("cp1251", WINDOWS_1251),
    ("cp1256", WINDOWS_1256),
    ("cp1257", WINDOWS_1257),
    ("macroman", MACINTOSH),
    ("tis620", WINDOWS_874),
];

/// The character set in a column's declaration, where it has one of its own. An
/// enumeration's values stand before it and may say anything: the last one counts.
#[must_use]
pub fn charset(declared: &str) -> Option<&str> {
    let (_, behind) = declared.rsplit_once(" character set ")?;
    behind.split(' ').next()
}

/// True where texts of the character set can be written as an operator types them.
#[must_use]
pub fn is_legible(charset: &str) -> bool {
    matches!(charset, "utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary" | "utf32") || encoding(charset).is_some()
}

fn encoding(charset: &str) -> Option<&'static Encoding> {
    CHARSETS.iter().find(|(name, _)| *name == charset).map(|(_, encoding)| *encoding)
}

/// A cell as an operator types it: text of another character set as UTF-8. What
/// is not valid in its character set stays as it is.
#[must_use]
pub fn legible(declared: &str, cell: Cell) -> Cell {
    let (Cell::Text(bytes), Some(charset)) = (&cell, charset(declared)) else { return cell };
    let text = match encoding(charset) {
        Some(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes).map(String::from),
        None if charset == "utf32" => {
            let (chars, rest) = bytes.as_chunks();
            let read = |unit: &[u8; 4]| char::from_u32(u32::from_be_bytes(*unit));
            chars.iter().map(read).collect::<Option<String>>().filter(|_| rest.is_empty())
        }
        None => None,
    };
    text.map_or(cell, |text| Cell::Text(text.into_bytes()))
}

/// What is left of a locator without case, accents, width, and all that is not
/// seen: what collations look past. A test compares it with a server's own.
#[must_use]
pub fn folded(locator: &[u8]) -> Cow<'_, [u8]> {
    // Most keys are numbers, and nothing of them is looked past.
    if locator.iter().all(u8::is_ascii_digit) {
        return Cow::Borrowed(locator);
    }
    Cow::Owned(without_case(locator))
}

fn without_case(locator: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(locator) else { return locator.to_ascii_lowercase() };
    if text.is_ascii() {
        let seen = locator.iter().filter(|byte| is_seen(char::from(**byte)));
        let folded: Vec<u8> = seen.map(u8::to_ascii_lowercase).collect();
        return single_s(folded);
    }
    // Marks go first: the capital of a letter with an iota below has two letters.
    let letters = bare(text.chars().map(unmarked));
    // Lower case first: a capital sharp s has no other capitals.
    let cased = letters.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let folded: String = bare(cased).map(unmarked).collect();
    let folded = folded.replace('\u{e6}', "ae").replace('\u{153}', "oe");
    single_s(folded.into_bytes())
}

/// Letters without their marks, and nothing that is not seen.
fn bare(letters: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    letters.nfkd().filter(|letter| !is_combining_mark(*letter) && is_seen(*letter))
}

/// Some collations call a sharp s one s, others two.
fn single_s(mut folded: Vec<u8>) -> Vec<u8> {
    folded.dedup_by(|one, other| *one == b's' && *other == b's');
    folded
}

/// Letters with a stroke, small kana and the like: collations take them for the
/// plain letter, and Unicode does not decompose them.
fn unmarked(letter: char) -> char {
    let letter = match letter {
        '\u{30a1}'..='\u{30f6}' => char::from_u32(letter as u32 - 0x60).unwrap_or(letter),
        other => other,
    };
    match letter {
        '\u{37a}' => '\u{3b9}',
        '\u{f0}' | '\u{111}' => 'd',
        '\u{f8}' => 'o',
        '\u{127}' => 'h',
        '\u{142}' => 'l',
        '\u{491}' => '\u{433}',
        'ぁ' => 'あ',
        'ぃ' => 'い',
        'ぅ' => 'う',
        'ぇ' => 'え',
        'ぉ' => 'お',
        'っ' => 'つ',
        'ゃ' => 'や',
        'ゅ' => 'ゆ',
        'ょ' => 'よ',
        'ゎ' => 'わ',
        'ゕ' => 'か',
        'ゖ' => 'け',
        other => other,
    }
}

fn is_seen(letter: char) -> bool {
    let is_format = matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    // The dot of a Catalan l, which stands alone once it is decomposed.
    let is_dot = letter == '\u{b7}';
    letter == BETWEEN_COLUMNS || !(letter.is_whitespace() || letter.is_control() || is_format || is_dot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_that_a_collation_may_call_equal_are_folded_alike() {
        for alike in [
            &["kim", "KIM", "Kim ", " kim", "k\u{200b}im", "ｋｉｍ", "kím", "ki\u{307}m", "ki\0m"][..],
            &["김철수", "김철수 ", "\u{1100}\u{1175}\u{11b7}철수"],
            &["Straße", "STRASSE", "strasse", "STRAẞE", "Strase"],
            &["Łódź", "lodz"],
            &["Æsop", "AESOP", "aesop"],
            &["カナ", "かな", "ｶﾅ"],
            &["7", "７", "7 "],
        ] {
            for writing in alike {
                assert_eq!(folded(writing.as_bytes()), folded(alike[0].as_bytes()), "{writing:?}");
            }
        }
        for (one, other) in
            [("kim", "kin"), ("김철수", "김철호"), ("1\u{1f}2", "12"), ("1\u{1f}2", "1\u{1f}3"), ("a", "")]
        {
            assert_ne!(folded(one.as_bytes()), folded(other.as_bytes()), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing_and_bytes_that_are_no_text_are_kept() {
        for text in ["Ångström ﬃ İstanbul ǅ", "한글 ＡＢＣ", "a\u{1f}B"] {
            let once = folded(text.as_bytes());
            assert_eq!(folded(&once), once, "{text}");
        }
        assert_eq!(*folded(b"A\xff "), *b"a\xff ");
    }

    #[test]
    fn text_of_another_character_set_is_read_as_an_operator_types_it() {
        let text = |bytes: &[u8]| Cell::Text(bytes.to_vec());
        let declared = |charset: &str| format!("varchar(20) character set {charset} collate {charset}_bin");
        for (charset, bytes, typed) in [
            ("euckr", &b"\xb1\xe8"[..], "김"),
            ("latin1", b"\xe9\x80", "é€"),
            ("utf16", b"\xae\x40", "김"),
            ("utf32", b"\0\0\xae\x40", "김"),
            ("utf8mb4", "김".as_bytes(), "김"),
        ] {
            assert!(is_legible(charset));
            assert_eq!(legible(&declared(charset), text(bytes)), text(typed.as_bytes()), "{charset}");
        }
        assert_eq!(legible(&declared("euckr"), text(b"\xff\xff")), text(b"\xff\xff"));
        assert_eq!(legible("TEXT", text(b"\xe9")), text(b"\xe9"));
        assert_eq!(legible(&declared("euckr"), Cell::Blob(vec![0xb1])), Cell::Blob(vec![0xb1]));
        assert!(!is_legible("hp8"));
    }
}
