//! The published text says of every rule what the rule does, and nothing else.

use super::*;
use crate::domain::policy::{
    render::{Language, render},
    statute::Catalogue,
};

fn shipped() -> Policy {
    read("rules.toml", include_str!("../../../../retention-rules.toml")).unwrap().value
}

fn text(policy: &Policy, language: Language) -> String {
    render(policy, Catalogue::korea().unwrap(), language)
}

#[test]
fn the_korean_text_of_the_shipped_rules_is_the_table_of_the_published_policy() {
    let text = text(&shipped(), Language::Korean);
    let expected = [
        "제5조 (개인정보의 보유 및 이용기간)",
        "회원 탈퇴일부터 5일",
        "가. 회사 내부 방침에 따른 보존\n  1) 부정 이용 기록\n     - 보존 기간: 기록된 날부터 1년",
        "다. 관계 법령에 따른 보존\n  1) 계약 또는 청약철회 등에 관한 기록\n     - 보존 근거: 전자상거래법 시행령 \
         제6조제1항제2호\n     - 보존 기간: 계약일부터 5년",
        "정보통신망법 시행령 제29조·제30조 (2014. 11. 28. 삭제)",
        "「민법」 제157조부터 제161조까지",
        "보유기간이 끝난 날부터 5일 이내에 파기합니다",
        "옮긴 뒤 24시간이 지나기 전에는",
        "개인정보 관리책임자가 파기 결과를 확인합니다",
        "2021년 5월 20일 공고하였으며, 2021년 5월 27일부터",
    ];
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn both_languages_name_every_rule_and_every_period_and_follow_a_change() {
    let policy = shipped();
    for language in [Language::Korean, Language::English] {
        let before = text(&policy, language);
        for rule in &policy.rules {
            let name = if language == Language::Korean { &rule.name.ko } else { &rule.name.en };
            assert!(before.contains(name.as_str()), "{}", rule.id);
            let mut changed = policy.clone();
            changed.rules.iter_mut().find(|other| other.id == rule.id).unwrap().keep = "77 weeks".parse().unwrap();
            let after = text(&changed, language);
            assert!(after.contains(if language == Language::Korean { "77주" } else { "77 weeks" }), "{}", rule.id);
        }
    }
}

#[test]
fn each_counting_has_its_own_sentence() {
    let mut sentences = std::collections::BTreeSet::new();
    for counting in Counting::ALL {
        for language in [Language::Korean, Language::English] {
            let text = text(&Policy { counting, ..shipped() }, language);
            let line = text.lines().find(|line| line.starts_with('②') || line.starts_with("(2)")).unwrap().to_owned();
            assert!(sentences.insert(line));
        }
    }
}
