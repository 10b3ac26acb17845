//! Files that SQLite did not write: every byte changed, cut off, pointed in
//! circles. And which bytes exactly are the unused ones.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
};

use super::{
    super::{Slack, SlackError, layout::Layout, search_file},
    Dirt, Form, PLAIN, Shop, delete, fill, search,
};

/// A database of small pages, with everything in it that the search follows.
async fn small(auto_vacuum: &'static str) -> (Shop, File) {
    let mut shop = Shop::open(Form { page_bytes: 512, auto_vacuum, journal_mode: "DELETE" }).await;
    fill(&mut shop, 32).await;
    shop.run("INSERT INTO orders VALUES (99, 'long', 'long', hex(zeroblob(800)))").await;
    shop.run("CREATE TABLE gone (text TEXT); INSERT INTO gone SELECT hex(zeroblob(2000)); DROP TABLE gone").await;
    let file = OpenOptions::new().read(true).write(true).open(shop.path()).unwrap();
    (shop, file)
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// All unused bytes that are not zero.
fn total(slack: &Slack) -> u64 {
    slack.dirty_bytes() + slack.scraps.bytes
}

/// The engine's own count of what its b-trees do not use, without the headers of
/// the free blocks, and the free pages but for the numbers that the first of
/// them, the trunk, lists.
async fn unused(shop: &mut Shop, bytes: &[u8]) -> usize {
    let mut sum = usize::try_from(shop.number("SELECT sum(unused) FROM dbstat").await).unwrap();
    let free = usize::try_from(shop.number("PRAGMA freelist_count").await).unwrap();
    sum += (free * 512).saturating_sub(4 + 4 * free);
    let trees = "SELECT CAST(pageno AS TEXT) FROM dbstat WHERE pagetype != 'overflow'";
    for page in shop.texts(trees).await {
        let page: usize = page.parse().unwrap();
        let (start, page) = (if page == 1 { 100 } else { 0 }, &bytes[(page - 1) * 512..page * 512]);
        let mut block = start + 1;
        loop {
            block = usize::from(u16::from_be_bytes([page[block], page[block + 1]]));
            if block == 0 {
                break;
            }
            sum -= 4;
        }
    }
    sum
}

#[tokio::test]
async fn exactly_the_bytes_that_the_engine_calls_unused_are_looked_at() {
    for auto_vacuum in ["NONE", "FULL"] {
        let (mut shop, file) = small(auto_vacuum).await;
        shop.run("VACUUM; DELETE FROM tags WHERE note LIKE '%4'; DELETE FROM orders WHERE id IN (3, 9)").await;
        let bytes = bytes_of(&file);
        // Reserved in the header; in each map behind the last entry.
        let expected = unused(&mut shop, &bytes).await + 20 + if auto_vacuum == "FULL" { 2 } else { 0 };
        let before = total(&search_file(&file).unwrap());
        assert!(before > 100, "{before}");
        let mut met = 0;
        for (at, byte) in (0..).zip(bytes) {
            let (changed, after) = if byte == 0 { (0xa5, before + 1) } else { (0, before - 1) };
            file.write_all_at(&[changed], at).unwrap();
            met += usize::from(search_file(&file).is_ok_and(|slack| total(&slack) == after));
            file.write_all_at(&[byte], at).unwrap();
        }
        assert_eq!(met, expected, "auto_vacuum {auto_vacuum}");
    }
}

#[tokio::test]
async fn damaged_files_are_refused_or_searched_and_never_hang() {
    for auto_vacuum in ["NONE", "FULL"] {
        let (mut shop, file) = small(auto_vacuum).await;
        delete(&mut shop).await;
        let whole = bytes_of(&file);
        let (mut searched, mut refused) = (0, 0);
        let mut chance = 1_u64;
        for _ in 0..4000 {
            let mut damaged = whole.clone();
            for _ in 0..=chance % 3 {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Most damage to the beginnings of pages, where the structure is.
                let page = usize::try_from(chance >> 40).unwrap() % (damaged.len() / 512) * 512;
                let spread = if chance & 4 == 0 { 16 } else { 512 };
                let at = page + usize::try_from(chance >> 24).unwrap() % spread;
                damaged[at] = [0, 1, 0x7f, 0xff, chance.to_le_bytes()[6]][usize::try_from(chance >> 33).unwrap() % 5];
            }
            file.write_all_at(&damaged, 0).unwrap();
            match search_file(&file) {
                Ok(_) => searched += 1,
                Err(SlackError::Malformed { .. }) => refused += 1,
                Err(SlackError::Read(error)) => panic!("read beyond the file: {error}"),
            }
        }
        assert!(searched > 500 && refused > 500, "{searched} searched, {refused} refused");
    }
}

#[tokio::test]
async fn files_that_were_cut_off_are_refused() {
    let (_shop, file) = small("NONE").await;
    let whole = bytes_of(&file);
    search_file(&file).unwrap();
    for length in (1..whole.len()).step_by(97) {
        file.set_len(length as u64).unwrap();
        assert!(matches!(search_file(&file), Err(SlackError::Malformed { .. })), "cut off at {length}");
    }
}

#[tokio::test]
async fn pages_that_point_in_circles_are_refused() {
    let mut shop = Shop::open(PLAIN).await;
    fill(&mut shop, 2000).await;
    delete(&mut shop).await;
    shop.checkpoint().await;
    let file = OpenOptions::new().read(true).write(true).open(shop.path()).unwrap();
    let root = u32::try_from(shop.number("SELECT rootpage FROM sqlite_schema WHERE name = 'orders'").await).unwrap();
    let trunk = u32::from_be_bytes(bytes_of(&file)[32..36].try_into().unwrap());
    assert!(trunk > 0);
    // The right-most child of a root, and the next trunk behind a trunk.
    for (page, at) in [(root, 8), (trunk, 0)] {
        let at = u64::from(page - 1) * 4096 + at;
        let mut pointer = [0; 4];
        file.read_exact_at(&mut pointer, at).unwrap();
        file.write_all_at(&page.to_be_bytes(), at).unwrap();
        let error = search(&shop.path()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("page {page} of the database file is malformed")), "{error}");
        file.write_all_at(&pointer, at).unwrap();
    }
    search(&shop.path()).unwrap();
}

#[tokio::test]
async fn pages_that_nothing_points_at_are_looked_at() {
    let mut shop = Shop::open(PLAIN).await;
    fill(&mut shop, 2000).await;
    shop.run("PRAGMA secure_delete = ON; VACUUM").await;
    let pages = shop.slack().await.pages;
    shop.run("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'by_number'").await;
    assert_eq!(shop.number("PRAGMA wal_checkpoint(TRUNCATE)").await, 0);
    let lost = search(&shop.path()).unwrap();
    assert!(lost.unreached.pages > 5 && lost.unreached.bytes > 10_000, "{lost:?}");

    let file = OpenOptions::new().write(true).open(shop.path()).unwrap();
    file.write_all_at(&[0; 5000], pages * 4096).unwrap();
    let behind = search(&shop.path()).unwrap();
    assert_eq!((behind.pages, behind.unreached), (pages + 2, lost.unreached));
    file.write_all_at(b"tail", pages * 4096 + 4996).unwrap();
    let behind = search(&shop.path()).unwrap().unreached;
    assert_eq!(behind, Dirt { pages: lost.unreached.pages + 1, bytes: lost.unreached.bytes + 4 });
}

#[tokio::test]
async fn no_text_is_taken_for_what_the_engine_leaves() {
    for page_bytes in [512, 4096, 16_384, 65_536] {
        let mut shop = Shop::open(Form { page_bytes, ..PLAIN }).await;
        shop.run("PRAGMA secure_delete = ON; CREATE TABLE empty (text TEXT); VACUUM").await;
        assert_eq!(total(&shop.slack().await), 0);
        let file = OpenOptions::new().write(true).open(shop.path()).unwrap();
        // Page 2 is the table's. Its header ends at 8, where pointers would begin.
        for (text, at) in [("홍길동", 8), ("010-1234-", 8), ("order-001", 9), ("a@b.co.kr", 200)] {
            file.write_all_at(text.as_bytes(), u64::from(page_bytes) + at).unwrap();
            // Its first byte may be taken together with the zero before it.
            let found = search(&shop.path()).unwrap().btree;
            assert!(found.pages == 1 && (8..=9).contains(&found.bytes), "{text} in {page_bytes}: {found:?}");
            file.write_all_at(&[0; 9], u64::from(page_bytes) + at).unwrap();
        }
    }
}

#[test]
fn maps_make_way_for_the_page_of_the_lock_byte() {
    let layout =
        |page_bytes, usable_bytes, pages| Layout { page_bytes, usable_bytes, pages, has_maps: true, first_trunk: 0 };
    assert_eq!(layout(512, 512, 300).maps().collect::<Vec<_>>(), [2, 105, 208]);
    assert_eq!(layout(512, 512, 1).maps().count(), 0);
    assert_eq!(layout(4096, 4096, 1).lock_page(), 262_145);
    assert_eq!(layout(65_536, 65_536, 1).lock_page(), 16_385);
    // With pages of 1024 bytes the 5116th map would be there.
    assert_eq!(layout(1024, 1024, 1).lock_page(), 1_048_577);
    let maps: Vec<_> = layout(1024, 1024, 1_048_800).maps().collect();
    assert_eq!(maps[5114..], [1_048_372, 1_048_578, 1_048_782]);
    assert_eq!(layout(1024, 1024, 1_048_577).maps().count(), 5115);
}
