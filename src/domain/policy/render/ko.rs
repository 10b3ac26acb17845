//! The Korean text.

use super::{Group, groups};
use crate::domain::{
    calendar::Counting,
    id::EventName,
    period::{Period, TimeSpan, Unit},
    policy::{
        Policy, Rule,
        statute::{Catalogue, Kind},
    },
};

/// Marks of groups that have none of their own.
const MARKS: [&str; 8] = ["가", "나", "다", "라", "마", "바", "사", "아"];

pub fn text(policy: &Policy, catalogue: &Catalogue) -> String {
    [retention(policy, catalogue), destruction(policy), effect(policy)].join("\n\n")
}

fn retention(policy: &Policy, catalogue: &Catalogue) -> String {
    let mut lines = vec![
        "제5조 (개인정보의 보유 및 이용기간)".to_owned(),
        String::new(),
        "① 회사는 개인정보의 수집 및 이용목적이 달성되면 해당 정보를 지체 없이 파기합니다. 다만, 다음의 정보는 아래의 이유로 \
         명시한 기간 동안 보존합니다."
            .to_owned(),
    ];
    let groups = groups(policy);
    let marked = groups.iter().any(|group| group.mark.is_some());
    for (group, mark) in groups.iter().zip(MARKS) {
        lines.push(String::new());
        lines.extend(heading(group, mark, marked));
        for (number, rule) in (1..).zip(&group.rules) {
            lines.extend(row(number, rule, catalogue));
        }
    }
    lines.push(String::new());
    lines.push(format!("② {}", counting(policy)));
    if let Some(early) = moves_early(policy) {
        lines.push(format!("③ {early}"));
    }
    lines.join("\n")
}

/// None for what stands in the body of the clause, beside marked groups.
fn heading(group: &Group<'_>, mark: &str, marked: bool) -> Option<String> {
    let kind = if group.by_law { "관계 법령에 따른 보존" } else { "회사 내부 방침에 따른 보존" };
    let mark = if marked { group.mark } else { Some(mark) };
    mark.map(|mark| format!("{mark}. {kind}"))
}

fn row(number: usize, rule: &Rule, catalogue: &Catalogue) -> Vec<String> {
    let mut lines = vec![format!("  {number}) {}", rule.name.ko)];
    let articles: Vec<String> = rule.basis.statutes().map(|id| article(id, catalogue)).collect();
    if !articles.is_empty() {
        lines.push(format!("     - 보존 근거: {}", articles.join(", ")));
    }
    if let Some(reason) = &rule.reason {
        lines.push(format!("     - 보존 이유: {reason}"));
    }
    lines.push(format!("     - 보존 기간: {}부터 {}", day_of(&rule.event), period(rule.keep)));
    lines
}

fn article(id: &str, catalogue: &Catalogue) -> String {
    match catalogue.duty(id) {
        Some(duty) => match duty.kind {
            Kind::Repealed { on, .. } => format!("{} ({} 삭제)", duty.article, on.format("%Y. %-m. %-d.")),
            Kind::Min(_) | Kind::Max(_) | Kind::Exact(_) => duty.article.clone(),
        },
        None => id.to_owned(),
    }
}

fn counting(policy: &Policy) -> &'static str {
    match policy.counting {
        Counting::KrCivil => {
            "제1항의 기간은 「민법」 제157조부터 제161조까지에 따라 계산합니다. 기간의 첫날은 산입하지 않으며, 기간의 말일이 \
             끝난 때에 보유기간이 만료됩니다. 관계 법령에 따라 보존하는 기록은 기간의 말일이 토요일 또는 공휴일에 해당하면 \
             그다음 날에 만료됩니다."
        }
        Counting::KrAdministrative => {
            "제1항의 기간은 「행정기본법」 제6조제2항에 따라 계산합니다. 기간의 첫날을 산입하며, 기간의 말일이 토요일 또는 \
             공휴일이더라도 그 날로 보유기간이 만료됩니다."
        }
        Counting::Eu1182 => {
            "제1항의 기간은 유럽연합 규정(EEC, Euratom) 제1182/71호에 따라 계산합니다. 기간의 첫날은 산입하지 않으며, 기간의 \
             말일이 토요일, 일요일 또는 공휴일이면 그다음 근무일에 만료됩니다."
        }
        Counting::Calendar => "제1항의 기간은 역(曆)에 따라 계산하며, 기산 사건이 발생한 시각에 만료됩니다.",
    }
}

/// Which records are separated before their period is over.
fn moves_early(policy: &Policy) -> Option<String> {
    let mut events: Vec<&EventName> = policy.rules.iter().flat_map(|rule| &rule.separate_on).collect();
    events.sort();
    events.dedup();
    let sentence = |event: &EventName| {
        let moved = policy.rules.iter().filter(|rule| rule.separate_on.contains(event));
        let names: Vec<&str> = moved.map(|rule| rule.name.ko.as_str()).collect();
        format!(
            "{}에 다음 정보를 별도의 데이터베이스로 옮겨 보유기간이 끝날 때까지 다른 개인정보와 분리하여 보관합니다: {}.",
            on(event),
            names.join(", ")
        )
    };
    let sentences: Vec<String> = events.into_iter().map(sentence).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn destruction(policy: &Policy) -> String {
    let officer = &policy.officer.title;
    [
        "제6조 (개인정보의 파기절차 및 방법)".to_owned(),
        String::new(),
        format!(
            "① 회사는 보유기간이 끝난 개인정보를 보유기간이 끝난 날부터 {} 이내에 파기합니다.",
            period(policy.destroy_within)
        ),
        String::new(),
        "가. 파기절차".to_owned(),
        format!(
            "  이용목적이 달성된 개인정보는 별도의 데이터베이스(종이의 경우 별도의 서류함)로 옮겨 제5조의 기간 동안 암호화하여 \
             보관한 뒤 파기합니다. 별도로 옮긴 개인정보는 법률에 따른 경우가 아니고서는 보관 외의 다른 목적으로 이용하지 \
             않습니다. 잘못 옮긴 정보를 되돌릴 수 있도록, 옮긴 뒤 {}이 지나기 전에는 파기하지 않습니다.",
            span(policy.cooling_off)
        ),
        String::new(),
        "나. 파기방법".to_owned(),
        "  전자적 파일 형태의 개인정보는 기록을 재생할 수 없는 기술적 방법으로 파기합니다. 파기 단위마다 다른 암호키를 먼저 없애고, \
         이어서 암호화된 기록을 삭제하며, 원본 데이터베이스에 남은 흔적을 지웁니다. 종이에 출력된 개인정보는 분쇄기로 분쇄하거나 \
         소각합니다."
            .to_owned(),
        String::new(),
        "다. 파기의 기록과 확인".to_owned(),
        format!(
            "  회사는 파기한 사항을 파기 관리대장에 기록하며, {officer}{} 파기 결과를 확인합니다. 관계 법령에 따른 조사·분쟁 등으로 \
             보존이 필요한 정보는 그 사유가 없어질 때까지 파기를 보류합니다.",
            subject_particle(officer)
        ),
    ]
    .join("\n")
}

fn effect(policy: &Policy) -> String {
    format!(
        "이 방침(버전 {})은 {} 공고하였으며, {}부터 시행합니다. 문의: {} ({})",
        policy.version,
        policy.announced.format("%Y년 %-m월 %-d일"),
        policy.effective.format("%Y년 %-m월 %-d일"),
        policy.officer.title,
        policy.officer.contact
    )
}

/// The day from which a period is counted.
fn day_of(event: &EventName) -> String {
    match event.as_str() {
        "withdrawal" => "회원 탈퇴일".to_owned(),
        "contract" => "계약일".to_owned(),
        "payment" => "대금결제일".to_owned(),
        "recorded" => "기록된 날".to_owned(),
        "resolved" => "처리가 끝난 날".to_owned(),
        "login" | "last-login" => "마지막 접속일".to_owned(),
        "ended" => "거래관계가 끝난 날".to_owned(),
        other => format!("‘{other}’ 사건이 있은 날"),
    }
}

fn on(event: &EventName) -> String {
    match event.as_str() {
        "withdrawal" => "회원이 탈퇴한 때".to_owned(),
        other => format!("‘{other}’ 사건이 있은 때"),
    }
}

fn period(period: Period) -> String {
    let unit = match period.unit {
        Unit::Days => "일",
        Unit::Weeks => "주",
        Unit::Months => "개월",
        Unit::Years => "년",
    };
    format!("{}{unit}", period.count)
}

fn span(span: TimeSpan) -> String {
    let seconds = span.0.num_seconds();
    match (seconds % 3_600, seconds % 60) {
        (0, _) => format!("{}시간", seconds / 3_600),
        (_, 0) => format!("{}분", seconds / 60),
        _ => format!("{seconds}초"),
    }
}

/// `이` behind a final consonant, `가` behind a vowel, both where it cannot be told.
fn subject_particle(word: &str) -> &'static str {
    let last = word.chars().last().map_or(0, u32::from);
    match last.checked_sub(0xAC00).filter(|syllable| *syllable < 11_172) {
        Some(syllable) if syllable % 28 == 0 => "가",
        Some(_) => "이",
        None => "이(가)",
    }
}
