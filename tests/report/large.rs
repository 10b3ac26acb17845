//! A hundred thousand destructions still open at once.

use std::fs;

use serde_json::Value;

use crate::{browser::Browser, shop::report};

const DESTRUCTIONS: u64 = 100_000;
/// Stands for the packed entries of so many destructions.
const PACKED_BYTES: usize = 30_000_000;

/// The text of an element with what is before and after it.
fn element<'a>(html: &'a str, id: &str) -> (&'a str, &'a str, &'a str) {
    let (start, rest) = html.split_once(&format!("id=\"{id}\">")).unwrap();
    let (text, end) = rest.split_once("</script>").unwrap();
    (start, text, end)
}

#[test]
fn a_hundred_thousand_destructions_open_and_can_be_paged_and_searched() {
    let html = report(&[]);
    let (before, data, rest) = element(&html, "data");
    let (between, _, after) = element(rest, "lines");
    let mut data: Value = serde_json::from_str(data).unwrap();
    let columns = data["destructions"]["columns"].as_array().unwrap();
    let place = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (seq, operation) = (place("seq"), place("operation"));
    let rows = data["destructions"]["rows"].as_array().unwrap().clone();
    let many = (0..DESTRUCTIONS).zip(rows.iter().cycle()).map(|(number, row)| {
        let mut row = row.clone();
        row[seq] = number.into();
        row[operation] = format!("019aa000-0000-7000-8000-{number:012}.1").into();
        row
    });
    data["destructions"]["rows"] = many.collect();
    let data = data.to_string().replace('<', "\\u003c");
    let packed = "QUJD".repeat(PACKED_BYTES / 4);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large.html");
    let page = format!("{before}id=\"data\">{data}</script>{between}id=\"lines\">{packed}</script>{after}");
    fs::write(&file, page).unwrap();

    let browser = Browser::open(1280);
    // Printed and not asserted: other tests and browsers run at the same time.
    println!("opened in {:?}", browser.go(&file));
    assert!(browser.text("#count").contains("100,000"), "{}", browser.text("#count"));
    // However many there are, the tables stay small, pages turn, and words are found.
    let rows = "document.querySelectorAll('#register-table tbody tr').length";
    assert_eq!(browser.script(&format!("return {rows}")), 50);
    browser.click("#pager button:nth-last-of-type(2)");
    assert!(browser.text("#pager").contains("2 / 2,000"), "{}", browser.text("#pager"));
    browser.write("#search", "000000012345");
    browser.wait(&format!("{rows} === 1"));
}
