//! The HTML file in a browser: opened from disk, verified by its button.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tempfile::TempDir;

use crate::{
    browser::Browser,
    shop::{demonstration, report, verifier_key},
};

pub struct Page {
    _dir: TempDir,
    pub file: PathBuf,
    pub html: String,
}

impl Page {
    fn new(lang: &str) -> Self {
        Self::of(report(&["--lang", lang]))
    }

    pub fn of(html: String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("report.html");
        fs::write(&file, &html).unwrap();
        Self { _dir: dir, file, html }
    }

    /// A copy with something else in place of a text that stands there.
    pub fn doctored(&self, text: &str, other: &str) -> Self {
        assert!(self.html.contains(text), "{text} is not in the page");
        Self::of(self.html.replacen(text, other, 1))
    }

    /// A copy whose embedded ledger has something else.
    pub fn with_entries(&self, change: impl Fn(&str) -> String) -> Self {
        use std::io::{Read as _, Write as _};
        let (before, rest) = self.html.split_once("id=\"lines\">").unwrap();
        let (packed, after) = rest.split_once("</script>").unwrap();
        let mut lines = String::new();
        GzDecoder::new(&BASE64.decode(packed).unwrap()[..]).read_to_string(&mut lines).unwrap();
        let changed = change(&lines);
        assert_ne!(changed, lines);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(changed.as_bytes()).unwrap();
        let packed = BASE64.encode(encoder.finish().unwrap());
        Self::of(format!("{before}id=\"lines\">{packed}</script>{after}"))
    }
}

/// Pastes the key, presses the button, and waits for the answer.
pub fn press_verify(browser: &Browser, page: &Page, key: &str) -> String {
    browser.go(&page.file);
    browser.write("#key", key.trim());
    browser.click("#verify-button");
    answer(browser)
}

fn answer(browser: &Browser) -> String {
    browser.wait("!['none', 'running'].includes(document.getElementById('verdict').dataset.verdict)");
    browser.script("return document.getElementById('verdict').dataset.verdict").as_str().unwrap().to_owned()
}

/// The colour of the answer's border: what a person sees from afar.
fn colour(browser: &Browser) -> (u64, u64, u64) {
    let script = "return getComputedStyle(document.getElementById('verdict')).color.match(/\\d+/g).map(Number)";
    let rgb = browser.script(script);
    (rgb[0].as_u64().unwrap(), rgb[1].as_u64().unwrap(), rgb[2].as_u64().unwrap())
}

#[test]
fn an_intact_report_turns_green_and_a_doctored_one_red_at_two_widths() {
    let page = Page::new("ko");
    let doctored = page.with_entries(|lines| lines.replacen("\"records\":", "\"records\":1", 1));
    for width in [360, 1280] {
        let browser = Browser::open(width);
        assert_eq!(press_verify(&browser, &page, &verifier_key()), "intact", "{}", browser.text("#verdict"));
        let (red, green, _) = colour(&browser);
        assert!(green > red, "{red} {green}");
        assert!(browser.text("#verdict").contains("온전합니다"));
        let wide = browser.script("return document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= width.into(), "the page is {wide} wide in a window of {width}");

        assert_eq!(press_verify(&browser, &doctored, &verifier_key()), "tampered");
        let (red, green, _) = colour(&browser);
        assert!(red > green, "{red} {green}");
        assert!(browser.text("#verdict").contains('✕'), "colour is not the only sign");
    }
}

#[test]
fn whatever_is_changed_in_entries_signature_or_shown_rows_is_found() {
    let page = Page::new("en");
    let browser = Browser::open(1000);
    let key = verifier_key();
    let line = |lines: &str, number: usize| lines.lines().nth(number).unwrap().to_owned();
    let in_entries: [(&str, Page); 4] = [
        ("dropped", page.with_entries(|lines| lines.replacen(&(line(lines, 5) + "\n"), "", 1))),
        (
            "truncated",
            page.with_entries(|lines| lines.replacen(&(lines.lines().last().unwrap().to_owned() + "\n"), "", 1)),
        ),
        (
            "inserted",
            page.with_entries(|lines| lines.replacen(&line(lines, 5), &[line(lines, 5), line(lines, 5)].join("\n"), 1)),
        ),
        ("cut", page.with_entries(|lines| lines.trim_end().to_owned())),
    ];
    let verdict = "\"verdict\":\"UNKNOWN\"";
    let in_page = [
        ("a verdict in the pool", page.doctored(verdict, "\"verdict\":\"PASS\"")),
        ("a verdict of a row", page.doctored("\"UNKNOWN\"]", "\"PASS\"]")),
        ("a reason of an access", page.doctored("withdrawal made by a thief", "nothing")),
        ("the simulation", page.doctored("\"simulation\":true", "\"simulation\":false")),
        (
            "the root",
            page.doctored("\"checkpoint\":\"retention.example/shop\\n", "\"checkpoint\":\"retention.example/shop\\n1"),
        ),
        ("the name of a rule", page.doctored("Member account", "Nobody")),
    ];
    for (what, doctored) in in_entries.iter().chain(&in_page) {
        assert_eq!(press_verify(&browser, doctored, &key), "tampered", "{what}");
    }
    assert_eq!(press_verify(&browser, &page, &key), "intact");
}

#[test]
fn a_wrong_key_is_red_a_text_that_is_no_key_is_not_and_a_kept_checkpoint_is_compared() {
    let page = Page::new("en");
    let browser = Browser::open(1000);
    // The key of the worked example, under the name of this ledger.
    let other = include_str!("../cases/format/ledger/ledger.vkey");
    assert_eq!(press_verify(&browser, &page, other), "tampered");
    assert_eq!(press_verify(&browser, &page, "no key"), "input");
    let ledger = demonstration().join("state/ledger");
    for (kept, verdict) in [
        (fs::read_to_string(ledger.join("checkpoints/5")).unwrap(), "intact"),
        (include_str!("../cases/format/ledger/checkpoints/3").to_owned(), "tampered"),
    ] {
        browser.go(&page.file);
        browser.write("#key", verifier_key().trim());
        browser.write("#known", kept.trim());
        browser.click("#verify-button");
        assert_eq!(answer(&browser), verdict, "{}", browser.text("#verdict"));
    }
}

#[test]
fn where_the_browser_has_no_ed25519_the_page_says_that_it_cannot_check() {
    let page = Page::new("en");
    let browser = Browser::open(1000);
    browser.go(&page.file);
    browser.script("crypto.subtle.importKey = () => Promise.reject(new DOMException('', 'NotSupportedError'))");
    browser.write("#key", verifier_key().trim());
    browser.click("#verify-button");
    assert_eq!(answer(&browser), "undecided");
    let said = browser.text("#verdict");
    assert!(said.contains("Cannot check here") && said.contains("openssl"), "{said}");
}

#[test]
fn a_certificate_has_its_proof_and_never_says_completed_while_a_part_is_not_verified() {
    let page = Page::new("en");
    let browser = Browser::open(1000);
    browser.go(&page.file);
    browser.click("#register-table tbody tr:first-child button");
    browser.wait("document.querySelectorAll('#certificate pre').length === 2");
    let certificate = browser.text("#certificate");
    for text in [
        "SIMULATION",
        "Certificate of destruction",
        "not a completed destruction",
        "kr-civil",
        "data keys",
        "search of shop",
        "separate store",
        "source shop.",
        "Inclusion proof",
        "retention.example/shop",
        "First day",
        "Last day",
    ] {
        assert!(certificate.contains(text), "{text} is not in:\n{certificate}");
    }
    assert!(!certificate.contains("Destruction completed"));
    // Keys: Escape closes it.
    browser.press("\u{e00c}");
    browser.wait("!document.getElementById('certificate').open");
}

#[test]
fn the_register_is_searched_filtered_and_works_from_the_keyboard() {
    let page = Page::new("en");
    let browser = Browser::open(1280);
    browser.go(&page.file);
    let rows = "document.querySelectorAll('#register-table tbody tr').length";
    let all = browser.script(&format!("return {rows}")).as_u64().unwrap();
    assert!(all > 3, "{all}");
    browser.write("#search", "abuse_logs");
    browser.wait(&format!("{rows} === 1"));
    browser.write("#search", " ");
    browser.wait(&format!("{rows} === {all}"));
    browser.script(
        "const s = document.getElementById('by-verdict'); s.value = 'FAIL'; s.dispatchEvent(new Event('change'))",
    );
    browser.wait("document.querySelector('#register-table .empty') !== null");
    // The first tab stop skips to the content, and every control can be reached.
    browser.go(&page.file);
    browser.press("\u{e004}");
    assert_eq!(browser.script("return document.activeElement.className"), "skip");
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..12 {
        browser.press("\u{e004}");
        reached.insert(browser.script("return document.activeElement.id").as_str().unwrap().to_owned());
    }
    for id in ["key", "known", "verify-button", "search", "by-rule", "by-verdict", "late"] {
        assert!(reached.contains(id), "{id} is not among {reached:?}");
    }
}

/// WCAG 2: text against what is behind it, in both schemes.
#[test]
fn text_has_enough_contrast_in_light_and_dark() {
    const SCRIPT: &str = "
        const parse = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
        const light = ([r, g, b]) => { const l = [r, g, b].map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
        const behind = node => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c[3] > 0) return c; } return [255, 255, 255]; };
        const poor = [];
        for (const node of document.querySelectorAll('h1, h2, p, dt, dd, th, td, label, button, .badge, .simulation, a:not(.skip), summary, li')) {
          if (!node.innerText?.trim() || node.closest('dialog')) continue;
          const a = light(parse(getComputedStyle(node).color)), b = light(behind(node));
          const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
          if (contrast < 4.5) poor.push([node.tagName, node.className, node.innerText.slice(0, 20), contrast]);
        }
        return poor;";
    let page = Page::new("ko");
    for scheme in ["light", "dark"] {
        let browser = Browser::open(1280);
        press_verify(&browser, &page, &verifier_key());
        browser.script(&format!("document.documentElement.style.colorScheme = '{scheme}'"));
        let poor = browser.script(SCRIPT);
        assert_eq!(poor, serde_json::json!([]), "{scheme}");
    }
}
