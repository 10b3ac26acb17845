//! Invented people: names, and contact details that reach nobody. Domains are
//! those reserved for examples (RFC 2606, and `example.kr`), addresses those
//! for documentation (RFC 5737), and no Korean mobile number continues with 0
//! or 1 after 010.

use std::fmt::Write as _;

use super::chance::Chance;

/// Hangul and the spelling used in e-mail addresses.
type Spelled = (&'static str, &'static str);

const FAMILY: [Spelled; 20] = [
    ("김", "kim"),
    ("이", "lee"),
    ("박", "park"),
    ("최", "choi"),
    ("정", "jung"),
    ("강", "kang"),
    ("조", "cho"),
    ("윤", "yoon"),
    ("장", "jang"),
    ("임", "lim"),
    ("한", "han"),
    ("오", "oh"),
    ("서", "seo"),
    ("신", "shin"),
    ("권", "kwon"),
    ("황", "hwang"),
    ("안", "ahn"),
    ("송", "song"),
    ("남궁", "namgung"),
    ("제갈", "jegal"),
];

const GIVEN: [Spelled; 28] = [
    ("민준", "minjun"),
    ("서연", "seoyeon"),
    ("도윤", "doyun"),
    ("하은", "haeun"),
    ("지호", "jiho"),
    ("지우", "jiwoo"),
    ("예준", "yejun"),
    ("수아", "sua"),
    ("현우", "hyunwoo"),
    ("유진", "yujin"),
    ("건우", "geonwoo"),
    ("채원", "chaewon"),
    ("우진", "woojin"),
    ("다은", "daeun"),
    ("성민", "sungmin"),
    ("은지", "eunji"),
    ("재현", "jaehyun"),
    ("소영", "soyoung"),
    ("영호", "youngho"),
    ("미경", "mikyung"),
    ("정숙", "jungsook"),
    ("상훈", "sanghoon"),
    ("보람", "boram"),
    ("슬기", "seulgi"),
    ("한별", "hanbyul"),
    ("가온", "gaon"),
    ("솔", "sol"),
    ("빛나", "bitna"),
];

const DISTRICTS: [&str; 16] = [
    "서울특별시 마포구",
    "서울특별시 송파구",
    "서울특별시 관악구",
    "부산광역시 해운대구",
    "부산광역시 사하구",
    "대구광역시 수성구",
    "인천광역시 연수구",
    "광주광역시 북구",
    "대전광역시 유성구",
    "울산광역시 남구",
    "세종특별자치시",
    "경기도 성남시 분당구",
    "경기도 고양시 일산동구",
    "강원특별자치도 춘천시",
    "전북특별자치도 전주시 완산구",
    "제주특별자치도 제주시",
];

/// Roads that are on no map.
const ROADS: [&str; 10] = [
    "가온누리로",
    "별하늘길",
    "새벽이슬로",
    "윤슬로",
    "도담길",
    "바람꽃로",
    "노을빛로",
    "아라마루길",
    "솔바람길",
    "한울터로",
];

#[derive(Debug)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub phone: String,
}

/// The member with this id. Every e-mail address carries the id.
pub fn member(chance: &mut Chance, id: u64) -> Person {
    let ((family, family_latin), (given, given_latin)) = (chance.pick(&FAMILY), chance.pick(&GIVEN));
    let domain = chance.pick(&["example.com", "example.com", "example.kr", "mail.example.com"]);
    let name = format!("{family}{given}");
    Person {
        name: if chance.percent(3) { decompose(&name) } else { name },
        email: format!("{given_latin}.{family_latin}.{id}@{domain}"),
        phone: phone('0', id),
    }
}

/// Who receives a parcel at somebody's address.
pub fn recipient(chance: &mut Chance) -> String {
    format!("{}{}", chance.pick(&FAMILY).0, chance.pick(&GIVEN).0)
}

/// The number of the address book entry with this id; no member has it.
pub fn recipient_phone(id: u64) -> String {
    phone('1', id)
}

/// Seven digits behind 010 and a digit with which no number goes on.
fn phone(block: char, id: u64) -> String {
    format!("010-{block}{:03}-{:04}", id / 10_000, id % 10_000)
}

/// A street line that no other address has.
pub fn street(chance: &mut Chance, id: u64) -> String {
    let (district, road) = (chance.pick(&DISTRICTS), chance.pick(&ROADS));
    let (building, home) = (101 + chance.below(15), 101 + 100 * chance.below(20) + chance.below(4));
    format!("{district} {road} {id}번길 {}, {building}동 {home}호", 1 + chance.below(90))
}

pub fn birth_date(chance: &mut Chance) -> String {
    format!("{}-{:02}-{:02}", 1950 + chance.below(57), 1 + chance.below(12), 1 + chance.below(28))
}

pub fn ip(chance: &mut Chance) -> String {
    format!("{}.{}", chance.pick(&["192.0.2", "198.51.100", "203.0.113"]), 1 + chance.below(254))
}

/// A card as shops may keep it. No card number starts with 99.
pub fn masked_card(id: u64) -> String {
    let digits = format!("{id:08}");
    let mut card = String::from("99");
    for (position, digit) in digits.chars().enumerate() {
        match position {
            2 => card.push('-'),
            4 => card.push_str("**-****-"),
            _ => {}
        }
        card.push(digit);
    }
    card
}

/// Random letters and digits, such as a session or a token.
pub fn token(chance: &mut Chance, letters: usize) -> String {
    let mut token = String::new();
    while token.len() < letters {
        // Writing to a string cannot fail.
        write!(token, "{:016x}", chance.next()).ok();
    }
    token.truncate(letters);
    token
}

/// The same Hangul in decomposed form (NFD), as some systems type it: other
/// bytes that look the same.
pub fn decompose(text: &str) -> String {
    const FIRST: u32 = 0xac00;
    const LAST: u32 = 0xd7a3;
    const MEDIALS: u32 = 21;
    const FINALS: u32 = 28;
    let mut decomposed = String::new();
    for letter in text.chars() {
        let code = u32::from(letter);
        if !(FIRST..=LAST).contains(&code) {
            decomposed.push(letter);
            continue;
        }
        let syllable = code - FIRST;
        let initial = 0x1100 + syllable / (MEDIALS * FINALS);
        let medial = 0x1161 + syllable % (MEDIALS * FINALS) / FINALS;
        let end = syllable % FINALS;
        decomposed.extend([initial, medial].into_iter().filter_map(char::from_u32));
        decomposed.extend(char::from_u32(0x11a7 + end).filter(|_| end > 0));
    }
    decomposed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_is_decomposed_as_unicode_says() {
        assert_eq!(decompose("한글 Aa"), "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} Aa");
        assert_eq!(decompose("가힣"), "\u{1100}\u{1161}\u{1112}\u{1175}\u{11c2}");
    }

    #[test]
    fn contact_details_are_unique_and_reach_nobody() {
        assert_eq!(phone('0', 1), "010-0000-0001");
        assert_eq!(phone('0', 1_234_567), "010-0123-4567");
        assert_eq!(masked_card(12_345_678), "9912-34**-****-5678");
        let person = member(&mut Chance::new(1), 77);
        let (local, domain) = person.email.split_once('@').unwrap();
        assert!(local.ends_with(".77") && (domain.ends_with("example.com") || domain == "example.kr"));
    }
}
