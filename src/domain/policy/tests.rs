//! The shipped rules, and what each part of a policy is read as.

use super::*;

mod compare;
mod duties;
mod render;
use crate::domain::diagnostic::Report;

const POLICY: &str = r#"
[policy]
title     = "처리방침"
version   = "1.0"
announced = 2021-05-20
effective = 2021-05-27
timezone  = "Asia/Seoul"
names_events = true

[officer]
title   = "개인정보 보호책임자"
contact = "privacy@example.com"

[[rule]]
id     = "visit-log"
name   = { ko = "방문", en = "Visits" }
event  = "recorded"
keep   = "3 months"
basis  = "internal"
"#;

fn with(from: &str, to: &str) -> Result<Policy, Report> {
    assert!(POLICY.contains(from), "{from}");
    read("rules.toml", &POLICY.replace(from, to)).map(|checked| checked.value)
}

#[test]
fn what_may_be_left_out_has_the_documented_default() {
    let policy = read("rules.toml", POLICY).unwrap().value;
    assert_eq!(policy.counting, Counting::KrCivil);
    assert_eq!(policy.destroy_within.to_string(), "5 days");
    assert_eq!(policy.cooling_off.to_string(), "24 hours");
    assert_eq!(policy.statutes.as_deref(), Some("kr"));
    let rule = &policy.rules[0];
    assert!(rule.separate_on.is_empty() && rule.reason.is_none() && rule.clause.is_none());
    assert_eq!(rule.approval, Approval::None);
}

#[test]
fn every_other_key_is_required() {
    let is_required = |line: &&str| line.contains(" = ") && !line.starts_with('[') && !line.starts_with("names_events");
    let lines = POLICY.lines().filter(is_required);
    for line in lines {
        let report = with(line, "").unwrap_err();
        assert_eq!(report.errors(), 1, "{line}: {report}");
        assert!(report.findings[0].message.contains("is missing in"), "{line}: {report}");
    }
}

#[test]
fn cooling_off_ends_before_the_latest_whatever_the_month() {
    let cooling = |within: &str, cooling: &str| {
        with("[officer]", &format!("destroy_within = \"{within}\"\ncooling_off = \"{cooling}\"\n[officer]")).is_ok()
    };
    assert!(cooling("2 days", "47 hours"));
    assert!(!cooling("2 days", "48 hours"));
    assert!(!cooling("1 day", "24 hours"));
    assert!(cooling("1 week", "6 days") && !cooling("1 week", "1 week"));
    assert!(cooling("1 month", "27 days") && !cooling("1 month", "4 weeks"));
    assert!(cooling("1 year", "364 days") && !cooling("1 year", "365 days"));
}

#[test]
fn a_default_cooling_off_is_checked_too() {
    assert!(with("[officer]", "destroy_within = \"1 day\"\n[officer]").is_err());
}

#[test]
fn seven_days_of_notice_are_enough_and_six_are_a_warning() {
    let notice = |effective: &str| read("rules.toml", &POLICY.replace("2021-05-27", effective));
    assert!(notice("2021-05-27").unwrap().warnings.findings.is_empty());
    assert_eq!(notice("2021-05-26").unwrap().warnings.findings.len(), 1);
    assert_eq!(notice("2021-05-20").unwrap().warnings.findings.len(), 1);
    assert!(notice("2021-05-19").is_err());
}

#[test]
fn statutes_can_be_opted_out_of() {
    assert_eq!(with("[officer]", "statutes = \"none\"\n[officer]").unwrap().statutes, None);
}

#[test]
fn every_counting_is_read_by_its_name_and_no_other_word_is() {
    for counting in Counting::ALL {
        let policy = with("[officer]", &format!("counting = \"{}\"\n[officer]", counting.name())).unwrap();
        assert_eq!(policy.counting, counting);
        assert_eq!(serde_json::to_value(counting).unwrap(), counting.name());
    }
    let report = with("[officer]", "counting = \"us\"\n[officer]").unwrap_err();
    assert!(report.findings[0].message.contains("not a value"), "{report}");
}

#[test]
fn holidays_of_the_policy_are_dates_in_order_and_part_of_its_digest() {
    let more = |days: &str| with("[officer]", &format!("holidays = {days}\n[officer]"));
    let policy = more("[2028-05-02, 2028-01-27]").unwrap();
    assert_eq!(policy.holidays.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2028-01-27", "2028-05-02"]);
    assert_ne!(policy.digest().unwrap(), more("[]").unwrap().digest().unwrap());
    assert_eq!(more("[]").unwrap().digest().unwrap(), with("[officer]", "[officer]").unwrap().digest().unwrap());
    assert_eq!(more("[2028-01-27, 2028-01-27, \"x\"]").unwrap_err().errors(), 2);
}
