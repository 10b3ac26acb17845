//! The two configuration files: those that are shipped, and a folder of files
//! with something wrong in each.
//!
//! A case is a folder of `tests/cases/configuration` with the file under test and
//! the exact text that its reader gets to see (`expected.txt`). After a wanted
//! change run once with `UPDATE_EXPECTED=1`, and read every line of the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use retentiond::domain::{
    calendar::Counting,
    deployment::{self, Address, Deployment, Edge, EventPlace},
    diagnostic::{Checked, Report},
    event::Column,
    policy::{self, Approval, Basis, Policy},
};

const RULES: &str = "retention-rules.toml";
const DEPLOYMENT: &str = "retentiond.toml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shipped_policy() -> Checked<Policy> {
    policy::read(RULES, &text(&root().join(RULES))).unwrap_or_else(|report| panic!("{report}"))
}

fn shipped_deployment(policy: &Policy) -> Checked<Deployment> {
    let text = text(&root().join("config").join(DEPLOYMENT));
    deployment::read(DEPLOYMENT, &text, Some(policy)).unwrap_or_else(|report| panic!("{report}"))
}

fn cases() -> Vec<PathBuf> {
    let folder = root().join("tests/cases/configuration");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// What the reader of a case's file sees. A deployment is read against the rules
/// of its own folder, or else against the shipped ones.
fn outcome(case: &Path) -> Result<Report, Report> {
    let rules = case.join(RULES);
    let deployment = case.join(DEPLOYMENT);
    if !deployment.exists() {
        return policy::read(RULES, &text(&rules)).map(|checked| checked.warnings);
    }
    let policy = if rules.exists() { policy::read(RULES, &text(&rules))? } else { shipped_policy() };
    deployment::read(DEPLOYMENT, &text(&deployment), Some(&policy.value)).map(|checked| checked.warnings)
}

#[test]
fn every_case_reads_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let report = outcome(&case);
        let is_refused = report.is_err();
        let report = report.unwrap_or_else(|report| report);
        assert_eq!(is_refused, report.has_errors(), "{}", case.display());
        assert!(!report.findings.is_empty(), "{} has nothing wrong with it", case.display());
        let rendered = format!("{}\n", report.render(false));
        let expected = case.join("expected.txt");
        if update {
            fs::write(&expected, &rendered).unwrap();
        } else if text(&expected) != rendered {
            wrong.push(format!("== {}\n{rendered}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{} cases read otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_finding_says_what_to_do_and_none_repeats_a_secret() {
    let cases = cases();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    for case in cases {
        let report = outcome(&case).unwrap_or_else(|report| report);
        for finding in &report.findings {
            let hint = finding.hint.as_deref().unwrap_or_default();
            assert!(!hint.is_empty(), "{}: {}", case.display(), finding.message);
            for text in [finding.message.as_str(), hint] {
                assert!(!text.ends_with('.') && !text.starts_with(char::is_uppercase), "{}: {text}", case.display());
            }
        }
        let shown = format!("{report}{}{report:?}", report.render(true));
        assert!(!shown.contains("hunter2"), "{}", case.display());
    }
}

/// Id, event, period, events that separate, basis, clause.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str, &'static str);

#[test]
fn the_shipped_table_is_that_of_the_published_policy() {
    let policy = shipped_policy().value;
    assert_eq!(policy.title, "(주)플라스크 개인정보 취급방침");
    assert_eq!(policy.version, "1.0");
    assert_eq!(
        (policy.announced.to_string(), policy.effective.to_string()),
        ("2021-05-20".into(), "2021-05-27".into())
    );
    assert_eq!(policy.timezone, chrono_tz::Asia::Seoul);
    assert_eq!(policy.counting, Counting::KrCivil);
    assert_eq!(
        (policy.destroy_within.to_string(), policy.cooling_off.to_string()),
        ("5 days".into(), "24 hours".into())
    );
    assert_eq!(policy.statutes.as_deref(), Some("kr"));
    assert_eq!(policy.officer.title, "개인정보 관리책임자");
    assert_eq!(policy.officer.contact, "privacy@example.com");

    let expected: [Row; 7] = [
        ("member", "withdrawal", "5 days", &["withdrawal"], "internal", "5"),
        ("abuse-log", "recorded", "1 year", &[], "internal", "5.가"),
        ("contract", "contract", "5 years", &["withdrawal"], "kr.ecommerce.contract", "5.다"),
        ("payment", "payment", "5 years", &["withdrawal"], "kr.ecommerce.payment", "5.다"),
        ("dispute", "resolved", "3 years", &[], "kr.ecommerce.dispute", "5.다"),
        ("identity-check", "recorded", "6 months", &[], "kr.network.identity", "5.다"),
        ("visit-log", "recorded", "3 years", &[], "kr.telecom-secrets.internet", "5.다"),
    ];
    assert_eq!(policy.rules.len(), expected.len());
    for (rule, (id, event, keep, separate_on, basis, clause)) in policy.rules.iter().zip(expected) {
        assert_eq!(rule.id.as_str(), id);
        assert_eq!(rule.event.as_str(), event, "{id}");
        assert_eq!(rule.keep.to_string(), keep, "{id}");
        assert_eq!(rule.separate_on.iter().map(|event| event.as_str()).collect::<Vec<_>>(), separate_on, "{id}");
        let given = match &rule.basis {
            Basis::Internal => "internal",
            Basis::Statute(statute) => statute,
            Basis::Statutes(_) => panic!("{id} has several"),
        };
        assert_eq!(given, basis, "{id}");
        assert_eq!(rule.clause.as_deref(), Some(clause), "{id}");
        assert_eq!(rule.approval, Approval::None, "{id}");
    }
    let names: Vec<&str> = policy.rules.iter().map(|rule| rule.name.ko.as_str()).collect();
    assert_eq!(
        names,
        [
            "회원 정보",
            "부정 이용 기록",
            "계약 또는 청약철회 등에 관한 기록",
            "대금결제 및 재화 등의 공급에 관한 기록",
            "소비자의 불만 또는 분쟁처리에 관한 기록",
            "본인확인에 관한 기록",
            "방문에 관한 기록",
        ]
    );
    assert!(policy.rules.iter().all(|rule| !rule.name.en.is_empty()));
    assert!(policy.rules[0].reason.as_deref().is_some_and(|reason| reason.contains("도용")));
}

#[test]
fn the_shipped_rules_give_exactly_the_warnings_that_their_statutes_ask_for() {
    let warnings = shipped_policy().warnings;
    let found =
        warnings.findings.iter().map(|finding| (&warnings.text[finding.span.clone()], finding.message.as_str()));
    let expected = [
        ("[policy]", "no event", "named", "policy itself"),
        ("[policy]", "표시·광고", "kr.ecommerce.advertising", "6 months"),
        ("\"kr.network.identity\"", "`identity-check`", "repealed on 2014-11-28", "정보통신망법 시행령 제29조·제30조"),
        ("\"3 years\"", "`visit-log`", "통신비밀보호법 시행령 제41조제2항제2호", "3 months"),
    ];
    let found: Vec<_> = found.collect();
    assert_eq!(found.len(), expected.len(), "{warnings}");
    assert_eq!(warnings.errors(), 0);
    for ((place, message), (at, who, article, period)) in found.into_iter().zip(expected) {
        assert_eq!(place, at, "{message}");
        assert!([who, article, period].iter().all(|text| message.contains(text)), "{message}");
    }
}

#[test]
fn the_shipped_deployment_has_a_dataset_for_every_rule() {
    let policy = shipped_policy().value;
    let Checked { value: deployment, warnings } = shipped_deployment(&policy);
    assert!(warnings.findings.is_empty(), "{warnings}");

    assert_eq!(deployment.sources.len(), 1);
    assert_eq!(deployment.sources[0].database.address, Address::File("shop.db".to_owned()));
    assert_eq!(deployment.vault.address, Address::File("vault.db".to_owned()));
    assert_eq!(deployment.ledger_origin, "retention.example/shop");
    assert_eq!(deployment.guards.table_share_max_ppm, 200_000);
    let tables: Vec<(&str, &str)> =
        deployment.datasets.iter().map(|dataset| (dataset.rule.as_str(), dataset.table.as_str())).collect();
    assert_eq!(
        tables,
        [
            ("member", "members"),
            ("contract", "orders"),
            ("payment", "payments"),
            ("dispute", "complaints"),
            ("identity-check", "identity_checks"),
            ("visit-log", "visits"),
            ("abuse-log", "abuse_logs"),
        ]
    );
    for rule in &policy.rules {
        assert_eq!(deployment.datasets_of(&rule.id).count(), 1, "{}", rule.id);
    }
    let orders = &deployment.datasets[1];
    let edges: Vec<(&str, Edge)> = orders.children.iter().map(|child| (child.table.as_str(), child.edge)).collect();
    assert_eq!(edges, [("order_lines", Edge::Own), ("payments", Edge::Wait)]);
    let EventPlace::Through { table, on, column } = &orders.events[&"withdrawal".into()] else {
        panic!("{:?}", orders.events)
    };
    assert_eq!((table.as_str(), on.as_slice()), ("members", [("member_id".to_owned(), "id".to_owned())].as_slice()));
    assert_eq!(column.column, Column::One("withdrawn_at".to_owned()));
}

#[test]
fn a_comment_changes_nothing_in_the_digest_and_a_period_does() {
    let shipped = text(&root().join(RULES));
    let digest = |text: &str| policy::read(RULES, text).unwrap().value.digest().unwrap();
    assert_eq!(digest(&shipped), digest(&format!("# another word\n{shipped}")));
    assert_ne!(digest(&shipped), digest(&shipped.replace("\"1 year\"", "\"2 years\"")));
}
