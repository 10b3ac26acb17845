//! The register for a spreadsheet and the evidence for programs.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use retentiond::domain::ledger::merkle::{Hash, node_hash};
use serde_json::Value;

use crate::shop::{config, demonstration, report};

#[test]
fn the_register_has_the_official_columns_and_opens_in_a_spreadsheet_with_its_korean() {
    let csv = report(&["--format", "csv"]);
    let text = csv.strip_prefix('\u{feff}').unwrap();
    let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    assert_eq!(lines[0], "번호,개인정보파일명,자료의 종류,생성일,폐기일,폐기사유,처리담당자,처리부서장");
    assert!(lines.len() > 4, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\n')));
    let member = lines.iter().find(|line| line.contains("회원 정보")).unwrap();
    assert!(member.contains("shop.members: birth_date, email, id"), "{member}");
    assert!(member.contains("2026-11-29") && member.contains("보유기간 만료 (5일, internal, 5)"), "{member}");
    assert!(member.contains("SIMULATION"), "{member}");
    // What a person typed is no formula.
    let paper = lines.iter().find(|line| line.contains("paper")).unwrap();
    assert!(paper.contains(",'=paper,"), "{paper}");
    assert!(
        report(&["--format", "csv", "--lang", "en"]).contains("No.,Personal information file,Kinds of data,Created")
    );
}

#[test]
fn a_register_of_another_period_is_empty_and_periods_are_dates_of_the_policys_zone() {
    assert_eq!(report(&["--format", "csv", "--to", "2026-11-28"]).lines().filter(|line| !line.is_empty()).count(), 1);
    // 2026-11-29 03:00 in Seoul is still the 28th in UTC.
    let day = ["--format", "json", "--from", "2026-11-29", "--to", "2026-11-29"];
    let one: Value = serde_json::from_str(&report(&day)).unwrap();
    assert!(one["destructions"].as_array().unwrap().len() > 3);
    assert_eq!(one["refusals"].as_array().unwrap().len(), 0);
}

#[test]
fn the_evidence_has_a_proof_for_each_destruction_that_leads_to_the_signed_root() {
    let report: Value = serde_json::from_str(&report(&["--format", "json"])).unwrap();
    assert_eq!(report["simulation"], true);
    let hash = |value: &Value| Hash::try_from(BASE64.decode(value.as_str().unwrap()).unwrap()).unwrap();
    let size = report["ledger"]["entries"].as_u64().unwrap();
    let certificates = report["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), report["destructions"].as_array().unwrap().len());
    for certificate in certificates {
        let (mut at, mut last) = (certificate["seq"].as_u64().unwrap(), size - 1);
        let mut root = hash(&certificate["leaf"]);
        for sibling in certificate["proof"].as_array().unwrap().iter().map(hash) {
            // Where the last node of a level has no sibling it goes up as it is.
            while at == last && at % 2 == 0 {
                (at, last) = (at / 2, last / 2);
            }
            root = if at % 2 == 1 { node_hash(&sibling, &root) } else { node_hash(&root, &sibling) };
            (at, last) = (at / 2, last / 2);
        }
        assert_eq!(BASE64.encode(root), report["ledger"]["root"].as_str().unwrap(), "{certificate}");
        assert_eq!(certificate["completed"], false, "the demonstration's disk promises nothing");
    }
    let checkpoint = report["ledger"]["checkpoint"].as_str().unwrap();
    assert!(checkpoint.contains(report["ledger"]["root"].as_str().unwrap()));
    let access = &report["accesses"][0];
    for field in ["by", "actor", "host", "digest", "reason", "time", "records", "outcome"] {
        assert!(!access[field].is_null(), "{field} of {access}");
    }
    let hold = &report["holds"][0];
    assert_eq!(
        (&hold["category"], &hold["by"], &hold["rule"]),
        (&"litigation".into(), &"C. Counsel".into(), &"visit-log".into())
    );
    assert!(hold["lifted"].is_null() && !hold.to_string().contains("case 2026-1"), "{hold}");
    for done in report["destructions"].as_array().unwrap() {
        for field in ["first_day", "last_day", "due", "latest", "time", "fields", "policy", "parts"] {
            assert!(!done[field].is_null(), "{field} of {done}");
        }
        assert_eq!(
            done["holidays"].is_null(),
            ["member", "abuse-log"].contains(&done["rule"].as_str().unwrap()),
            "{done}"
        );
    }
}

#[test]
fn no_value_of_a_record_stands_in_any_report() {
    let shop = demonstration().join("copies-before-destruction");
    assert!(shop.exists());
    let emails = Command::new("sqlite3")
        .arg(demonstration().join("shop.db"))
        .arg("SELECT email FROM members UNION SELECT phone FROM members UNION SELECT order_no FROM orders")
        .output()
        .unwrap();
    let values = String::from_utf8(emails.stdout).unwrap();
    assert!(values.lines().count() > 20);
    for format in ["html", "csv", "json"] {
        let text = report(&["--format", format]);
        let leaked = values.lines().find(|value| value.len() > 5 && text.contains(value));
        assert_eq!(leaked, None, "{format}");
    }
}

#[test]
fn no_report_is_made_of_a_ledger_that_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("demo");
    assert!(Command::new("cp").arg("-a").arg(demonstration()).arg(&copy).status().unwrap().success());
    let path = copy.join("state/ledger/ledger.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"records\":", "\"records\":1", 1)).unwrap();
    let out = dir.path().join("report.html");
    let ended = Command::new(env!("CARGO_BIN_EXE_retentiond"))
        .args(["--config", &config(&copy), "report", "--out", &out.display().to_string()])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(70), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(!out.exists());
}
