//! The English text.

use super::{Group, groups};
use crate::domain::{
    calendar::Counting,
    id::EventName,
    policy::{
        Policy, Rule,
        statute::{Catalogue, Kind},
    },
};

pub fn text(policy: &Policy, catalogue: &Catalogue) -> String {
    [retention(policy, catalogue), destruction(policy), effect(policy)].join("\n\n")
}

fn retention(policy: &Policy, catalogue: &Catalogue) -> String {
    let mut lines = vec![
        "Section 5 (Retention and use of personal data)".to_owned(),
        String::new(),
        "(1) We destroy personal data without delay once the purpose of its collection and use is attained. The following \
         data is kept for the periods and reasons stated here."
            .to_owned(),
    ];
    for (group, mark) in groups(policy).iter().zip('a'..='z') {
        lines.push(String::new());
        lines.push(heading(group, mark));
        for (number, rule) in (1..).zip(&group.rules) {
            lines.extend(row(number, rule, catalogue));
        }
    }
    lines.push(String::new());
    lines.push(format!("(2) {}", counting(policy)));
    if let Some(early) = moves_early(policy) {
        lines.push(format!("(3) {early}"));
    }
    lines.join("\n")
}

fn heading(group: &Group<'_>, mark: char) -> String {
    let kind = if group.by_law { "Kept because a statute requires it" } else { "Kept under our own policy" };
    match group.mark {
        Some(own) => format!("{mark}. {kind} (5.{own})"),
        None => format!("{mark}. {kind}"),
    }
}

fn row(number: usize, rule: &Rule, catalogue: &Catalogue) -> Vec<String> {
    let mut lines = vec![format!("  {number}) {}", rule.name.en)];
    let articles: Vec<String> = rule.basis.statutes().map(|id| article(id, catalogue)).collect();
    if !articles.is_empty() {
        lines.push(format!("     - basis: {}", articles.join(", ")));
    }
    if let Some(reason) = &rule.reason {
        lines.push(format!("     - reason: {reason}"));
    }
    lines.push(format!("     - period: {} from {}", rule.keep, day_of(&rule.event)));
    lines
}

fn article(id: &str, catalogue: &Catalogue) -> String {
    match catalogue.duty(id) {
        Some(duty) => match duty.kind {
            Kind::Repealed { on, .. } => format!("{}, repealed on {on}", duty.article),
            Kind::Min(_) | Kind::Max(_) | Kind::Exact(_) => duty.article.clone(),
        },
        None => id.to_owned(),
    }
}

fn counting(policy: &Policy) -> &'static str {
    match policy.counting {
        Counting::KrCivil => {
            "Periods are counted by articles 157 to 161 of the Korean Civil Act: the first day is not counted, and a period \
             is over when its last day has ended. Where a statute sets the period and its last day is a Saturday or a \
             public holiday, the period ends on the following day."
        }
        Counting::KrAdministrative => {
            "Periods are counted by article 6(2) of the Korean General Act on Public Administration: the first day is \
             counted, and a period ends on its last day even if that is a Saturday or a public holiday."
        }
        Counting::Eu1182 => {
            "Periods are counted by Regulation (EEC, Euratom) No 1182/71: the first day is not counted, and a period whose \
             last day is a public holiday, Sunday or Saturday ends with the following working day."
        }
        Counting::Calendar => "Periods are counted by the calendar and end at the time of day of the event.",
    }
}

fn moves_early(policy: &Policy) -> Option<String> {
    let mut events: Vec<&EventName> = policy.rules.iter().flat_map(|rule| &rule.separate_on).collect();
    events.sort();
    events.dedup();
    let sentence = |event: &EventName| {
        let moved = policy.rules.iter().filter(|rule| rule.separate_on.contains(event));
        let names: Vec<&str> = moved.map(|rule| rule.name.en.as_str()).collect();
        format!(
            "On {} the following data is moved to a separate database and kept apart from other personal data until its \
             period is over: {}.",
            day_of(event).trim_start_matches("the day of "),
            names.join(", ")
        )
    };
    let sentences: Vec<String> = events.into_iter().map(sentence).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn destruction(policy: &Policy) -> String {
    [
        "Section 6 (Destruction of personal data)".to_owned(),
        String::new(),
        format!("(1) We destroy personal data within {} of the end of its period.", policy.destroy_within),
        String::new(),
        "a. Procedure".to_owned(),
        format!(
            "  Personal data whose purpose is attained is moved to a separate database (paper: a separate cabinet), kept \
             there encrypted for the period of section 5, and then destroyed. It is used for nothing but keeping it, unless \
             a statute says otherwise. So that data moved by mistake can be put back, nothing is destroyed within {} of \
             being moved.",
            policy.cooling_off
        ),
        String::new(),
        "b. Method".to_owned(),
        "  Electronic files are destroyed by a technical method that makes the record irreproducible: first the key of each \
         unit of destruction, then the encrypted records, then what is left of them in the original database. Paper is \
         shredded or burnt."
            .to_owned(),
        String::new(),
        "c. Record and confirmation".to_owned(),
        format!(
            "  Each destruction is entered in the register of destructions, and the {} confirms its result. Data that an \
             investigation or a dispute requires is held back until the reason is gone.",
            policy.officer.title
        ),
    ]
    .join("\n")
}

fn effect(policy: &Policy) -> String {
    format!(
        "Version {}, announced on {} and in force from {}. Contact: {} ({})",
        policy.version, policy.announced, policy.effective, policy.officer.title, policy.officer.contact
    )
}

fn day_of(event: &EventName) -> String {
    match event.as_str() {
        "withdrawal" => "the day of withdrawal from membership".to_owned(),
        "contract" => "the day of the contract".to_owned(),
        "payment" => "the day of payment".to_owned(),
        "recorded" => "the day of the record".to_owned(),
        "resolved" => "the day of settlement".to_owned(),
        "login" | "last-login" => "the day of the last login".to_owned(),
        "ended" => "the end of the relation".to_owned(),
        other => format!("the day of the event `{other}`"),
    }
}
