//! What changes from one policy to the next, and what stands against a change.

use super::*;
use crate::domain::{
    id::RuleId,
    policy::{
        compare::{ChangeKind, Objection, changes, objections},
        statute::Catalogue,
    },
};

fn plain() -> Policy {
    with("[officer]", "[officer]").unwrap()
}

/// The kinds of change from the plain policy to one with a part replaced.
fn kinds(from: &str, to: &str) -> Vec<ChangeKind> {
    changes(&plain(), &with(from, to).unwrap()).iter().map(|change| change.kind).collect()
}

#[test]
fn each_kind_of_change_is_called_by_its_name() {
    use ChangeKind::{Basis, Event, Lengthened, Policy, SeparateOn, Shortened, Words};
    assert_eq!(kinds("[officer]", "[officer]"), []);
    assert_eq!(kinds("\"3 months\"", "\"2 months\""), [Shortened]);
    assert_eq!(kinds("\"3 months\"", "\"4 months\""), [Lengthened]);
    // Some periods of 90 days end before three months, some after.
    assert_eq!(kinds("\"3 months\"", "\"90 days\""), [Shortened]);
    assert_eq!(kinds("\"recorded\"", "\"seen\""), [Event]);
    assert_eq!(kinds("basis  =", "separate_on = [\"withdrawal\"]\nbasis  ="), [SeparateOn]);
    assert_eq!(kinds("\"internal\"", "\"kr.telecom-secrets.internet\""), [Lengthened, Basis], "article 161 is new");
    assert_eq!(kinds("[officer]", "counting = \"kr-administrative\"\n[officer]"), [Policy, Shortened]);
    assert_eq!(kinds("\"Asia/Seoul\"", "\"Asia/Tokyo\""), [Policy]);
    assert_eq!(kinds("\"Asia/Seoul\"", "\"Asia/Karachi\""), [Policy, Lengthened], "midnight comes later");
    assert_eq!(kinds("\"방문\"", "\"방문 기록\""), [Words]);
    assert_eq!(kinds("\"1.0\"", "\"1.1\""), [Policy]);
    assert_eq!(kinds("privacy@", "dpo@"), [Words]);
}

#[test]
fn rules_that_come_and_go_are_named() {
    let old = plain();
    let mut new = old.clone();
    new.rules[0].id = "visits".into();
    let found: Vec<_> = changes(&old, &new).into_iter().map(|change| (change.rule.unwrap(), change.kind)).collect();
    assert_eq!(found, [("visit-log".into(), ChangeKind::Removed), ("visits".into(), ChangeKind::Added)]);
}

#[test]
fn a_change_that_would_orphan_or_shorten_what_the_vault_holds_is_refused() {
    let long = POLICY.replace("\"3 months\"", "\"5 years\"");
    let old = read("r", &long.replace("\"internal\"", "\"kr.ecommerce.contract\"")).unwrap().value;
    let against = |new: &Policy, records: u64| objections(&old, new, Catalogue::korea().unwrap(), |_: &RuleId| records);
    let removed = Policy { rules: Vec::new(), ..old.clone() };
    assert_eq!(against(&removed, 3), [Objection::RemovedWithRecords { rule: "visit-log".into(), records: 3 }]);
    let mut other = old.clone();
    other.rules[0].event = "seen".into();
    assert_eq!(against(&other, 3), [Objection::OtherEvent { rule: "visit-log".into(), records: 3 }]);
    let internal = with("\"3 months\"", "\"1 year\"").unwrap();
    assert!(
        matches!(&against(&internal, 3)[..], [Objection::BelowMinimum { min, .. }] if min.to_string() == "5 years")
    );
    assert_eq!(against(&read("r", &long).unwrap().value, 3), []);
    for new in [&removed, &other, &internal] {
        assert_eq!(against(new, 0), [], "nothing is in the vault");
    }
}

#[test]
fn the_document_of_a_policy_reads_back_as_the_same_policy_or_not_at_all() {
    let text =
        POLICY.replace("\"internal\"", "[\"kr.pipa.access-log\", \"kr.location.log\"]").replace("3 months", "2 years");
    let text = text.replace(
        "[officer]",
        "holidays = [2028-01-27]\ncounting = \"eu-1182\"\ncooling_off = \"90 minutes\"\n[officer]",
    );
    let policy = read("rules.toml", &text).unwrap().value;
    let (document, digest) = (serde_json::to_value(&policy).unwrap(), policy.digest().unwrap());
    let again = Policy::from_document(&document, digest).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), document);
    let other = plain().digest().unwrap();
    assert!(matches!(Policy::from_document(&document, other), Err(NotThePolicy::Otherwise { .. })));
    for (key, value) in
        [("version", serde_json::json!(1)), ("later", serde_json::json!("unknown")), ("timezone", "Mars".into())]
    {
        let mut changed = document.clone();
        changed[key] = value;
        assert!(matches!(Policy::from_document(&changed, digest), Err(NotThePolicy::Unreadable(_))), "{key}");
    }
}
