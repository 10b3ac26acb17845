//! What the catalogue of statutes says about rules, and the policy's own examples.

use chrono::NaiveDate;

use super::*;
use crate::domain::{
    calendar::Counting,
    diagnostic::Severity,
    policy::statute::{Catalogue, Kind, NotACatalogue, Verified, judge},
};

fn catalogue() -> &'static Catalogue {
    Catalogue::korea().unwrap()
}

/// Id, period in words, kind, tag: the table that the catalogue was made from.
const TABLE: [(&str, &str, &str, Verified); 16] = [
    ("kr.ecommerce.advertising", "6 months", "min", Verified::PrimaryText),
    ("kr.ecommerce.contract", "5 years", "min", Verified::PrimaryText),
    ("kr.ecommerce.payment", "5 years", "min", Verified::PrimaryText),
    ("kr.ecommerce.dispute", "3 years", "min", Verified::PrimaryText),
    ("kr.telecom-secrets.telephony", "12 months", "min", Verified::PrimaryText),
    ("kr.telecom-secrets.internet", "3 months", "min", Verified::PrimaryText),
    ("kr.network.identity", "6 months", "repealed", Verified::PrimaryText),
    ("kr.e-finance.record", "5 years", "exact", Verified::PrimaryText),
    ("kr.e-finance.small", "1 year", "exact", Verified::SecondarySource),
    ("kr.tax.books", "5 years", "min", Verified::SecondarySource),
    ("kr.commercial.books", "10 years", "min", Verified::PrimaryText),
    ("kr.commercial.slips", "5 years", "min", Verified::PrimaryText),
    ("kr.location.log", "6 months", "min", Verified::SecondarySource),
    ("kr.credit.nonessential", "3 months", "max", Verified::SecondarySource),
    ("kr.credit.essential", "5 years", "max", Verified::SecondarySource),
    ("kr.pipa.access-log", "1 year", "min", Verified::SecondarySource),
];

#[test]
fn the_catalogue_has_every_duty_with_its_kind_article_and_how_it_was_verified() {
    let duties = catalogue().duties.iter().map(|duty| {
        let (kind, keep) = match duty.kind {
            Kind::Min(keep) => ("min", keep),
            Kind::Max(keep) => ("max", keep),
            Kind::Exact(keep) => ("exact", keep),
            Kind::Repealed { on, asked } => {
                assert_eq!(on.to_string(), "2014-11-28");
                ("repealed", asked)
            }
        };
        assert!(duty.article.contains('제') && !duty.name.ko.is_empty() && !duty.name.en.is_empty(), "{duty:?}");
        assert_eq!(duty.as_of.to_string(), "2026-11-22");
        (duty.id.as_str(), keep.to_string(), kind, duty.verified)
    });
    let expected = TABLE.map(|(id, keep, kind, verified)| (id, keep.to_owned(), kind, verified));
    assert_eq!(duties.collect::<Vec<_>>(), expected);
}

#[test]
fn every_id_of_the_catalogue_is_a_basis_alone_or_among_others() {
    for duty in &catalogue().duties {
        let kept = |basis: &str| {
            let text = POLICY.replace("3 months", "5 years").replace("\"internal\"", basis);
            read("rules.toml", &text.replace("[officer]", "statutes = \"none\"\n[officer]")).unwrap().value
        };
        assert_eq!(kept(&format!("\"{}\"", duty.id)).rules[0].basis, Basis::Statute(duty.id.clone()));
        assert_eq!(kept(&format!("[\"{}\"]", duty.id)).rules[0].basis, Basis::Statute(duty.id.clone()));
    }
    let two = with("\"internal\"", "[\"kr.location.log\", \"kr.ecommerce.advertising\"]").unwrap_err();
    assert_eq!(two.errors(), 2, "three months are too short for both: {two}");
    for wrong in ["\"kr.ecommerce\"", "[]", "[\"internal\"]", "[\"kr.tax.books\", \"kr.tax.books\"]", "[1]"] {
        assert!(with("\"internal\"", wrong).is_err(), "{wrong}");
    }
}

/// The severities of what the duties say about a period.
fn said(keep: &str, ids: &[&str]) -> Vec<Severity> {
    let duties: Vec<_> = ids.iter().map(|id| catalogue().duty(id).unwrap()).collect();
    judge(Counting::KrCivil, "rule", keep.parse().unwrap(), &duties)
        .iter()
        .map(|objection| objection.severity)
        .collect()
}

#[test]
fn a_period_is_measured_against_each_kind_of_duty() {
    use Severity::{Error, Warning};
    let minimum = |keep| said(keep, &["kr.ecommerce.contract"]);
    assert_eq!(minimum("5 years"), []);
    assert_eq!(minimum("60 months"), []);
    assert_eq!(minimum("59 months"), [Error]);
    // Five years have up to 1,827 days.
    assert_eq!(minimum("1827 days"), []);
    assert_eq!(minimum("1826 days"), [Error]);
    assert_eq!(minimum("10 years"), []);
    assert_eq!(minimum("11 years"), [Warning]);
    let maximum = |keep| said(keep, &["kr.credit.nonessential"]);
    assert_eq!(maximum("3 months"), []);
    assert_eq!(maximum("4 months"), [Error]);
    // Three months can be as short as 89 days (from the end of November).
    assert_eq!(maximum("89 days"), []);
    assert_eq!(maximum("90 days"), [Error]);
    let exact = |keep| said(keep, &["kr.e-finance.record"]);
    assert_eq!((exact("4 years"), exact("5 years"), exact("6 years")), (vec![Error], vec![], vec![Error]));
    assert_eq!(said("6 months", &["kr.network.identity"]), [Warning]);
}

#[test]
fn of_several_duties_the_longest_counts_and_a_contradiction_is_for_a_person() {
    use Severity::Error;
    let books = ["kr.commercial.slips", "kr.commercial.books"];
    assert_eq!(said("10 years", &books), []);
    assert_eq!(said("5 years", &books), [Error]);
    assert_eq!(said("20 years", &books), [], "with several duties nobody can say which one is meant");
    let duties = ["kr.ecommerce.payment", "kr.credit.nonessential"].map(|id| catalogue().duty(id).unwrap());
    let said = judge(Counting::KrCivil, "rule", "5 years".parse().unwrap(), &duties);
    assert_eq!(said.len(), 1);
    assert!(said[0].message.contains("contradict") && said[0].message.contains("제20조의2"), "{}", said[0].message);
    assert_eq!(said[0].severity, Error);
}

#[test]
fn who_opts_out_of_the_catalogue_hears_nothing_of_it() {
    let short = "keep   = \"1 month\"\nbasis  = \"kr.ecommerce.contract\"\n";
    let text = POLICY.replace("keep   = \"3 months\"\nbasis  = \"internal\"\n", short);
    let report = read("rules.toml", &text).unwrap_err();
    assert_eq!(report.errors(), 1, "{report}");
    let opted_out = read("rules.toml", &text.replace("[officer]", "statutes = \"none\"\n[officer]")).unwrap();
    assert!(opted_out.warnings.findings.is_empty());
}

#[test]
fn duties_of_one_group_that_no_rule_cites_are_named() {
    let text = POLICY.replace("3 months", "3 years").replace("\"internal\"", "\"kr.ecommerce.dispute\"");
    let warnings = read("rules.toml", &text).unwrap().warnings;
    let named = |what: &str| warnings.findings.iter().filter(|finding| finding.message.contains(what)).count();
    assert_eq!(warnings.findings.len(), 3, "{warnings}");
    assert_eq!((named("표시·광고"), named("청약철회"), named("대금결제")), (1, 1, 1));
    assert!(read("rules.toml", POLICY).unwrap().warnings.findings.is_empty(), "none cited, none missing");
}

#[test]
fn a_catalogue_with_a_slip_in_it_is_refused() {
    let duty = |lines: &str| {
        let head = "country = \"KR\"\nas_of = 2026-11-22\n";
        let name = "name = { ko = \"가\", en = \"a\" }\narticle = \"제1조\"\nverified = \"V\"\n";
        Catalogue::parse(&format!("{head}[[duty]]\nid = \"kr.a\"\n{name}{lines}"))
    };
    assert!(duty("kind = \"min\"\nkeep = \"5 years\"").is_ok());
    let refused = |lines: &str| duty(lines).unwrap_err();
    assert!(matches!(refused("kind = \"min\"\nkeep = \"5 m\""), NotACatalogue::Period { .. }));
    assert!(matches!(refused("kind = \"repealed\"\nkeep = \"5 years\""), NotACatalogue::Repeal { .. }));
    assert!(matches!(
        refused("kind = \"min\"\nkeep = \"5 years\"\nrepealed = 2014-11-28"),
        NotACatalogue::Repeal { .. }
    ));
    assert!(matches!(refused("kind = \"about\"\nkeep = \"5 years\""), NotACatalogue::Syntax(_)));
}

#[test]
fn an_example_that_the_rules_do_not_meet_is_an_error_at_its_date() {
    let example = |lines: &str| read("rules.toml", &format!("{POLICY}\n[[test]]\nrule = \"visit-log\"\n{lines}\n"));
    assert!(example("event = 2022-04-30\nlast = 2022-07-31\ndue = 2022-08-01").is_ok());
    let report = example("event = 2022-04-30\ndue = 2022-07-31").unwrap_err();
    let finding = &report.findings[0];
    assert_eq!(&report.text[finding.span.clone()], "2022-07-31");
    assert!(finding.message.contains("due on 2022-08-01, not on 2022-07-31"), "{report}");
    assert!(finding.hint.as_ref().unwrap().contains("last day 2022-07-31"), "{report}");
    assert_eq!(example("event = 2022-04-30\nlast = 2022-07-30\ndue = 2022-07-31").unwrap_err().errors(), 2);
    assert_eq!(example("event = 2022-04-30").unwrap_err().errors(), 1);
    let other = format!("{POLICY}\n[[test]]\nrule = \"visits\"\nevent = 2022-04-30\ndue = 2022-08-01\n");
    assert!(read("rules.toml", &other).unwrap_err().findings[0].message.contains("not a rule"));
    let digest = |policy: &Policy| policy.digest().unwrap();
    let with_example = example("event = 2022-04-30\nlast = 2022-07-31").unwrap().value;
    assert_eq!(digest(&with_example), digest(&with("[officer]", "[officer]").unwrap()), "an example is no rule");
    let date: NaiveDate = "2022-04-30".parse().unwrap();
    assert_eq!(Counting::KrCivil.first_day(date), date.succ_opt().unwrap());
}
