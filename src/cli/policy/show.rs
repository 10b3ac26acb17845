//! `policy show`: the table of the policy in force.

use serde::Serialize;

use crate::{
    cli::{
        args::{Cli, Format, FormatArgs},
        error::CommandError,
        exit::Exit,
        open, output,
    },
    domain::{
        id::Digest,
        policy::{Approval, Basis, Policy, Rule, statute::Catalogue},
    },
    settings::Settings,
};

#[derive(Debug, Serialize)]
struct Shown<'a> {
    digest: Digest,
    policy: &'a Policy,
    /// The rules file, where it is another policy that nobody has adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed: Option<Proposal<'a>>,
}

#[derive(Debug, Serialize)]
struct Proposal<'a> {
    version: &'a str,
    digest: Digest,
}

pub fn show(cli: &Cli, args: FormatArgs) -> Result<Exit, CommandError> {
    let settings = open::settings(cli)?;
    let proposed = settings.proposed.as_ref();
    let proposed = proposed.map(|proposed| Proposal { version: &proposed.version, digest: proposed.digest });
    match args.format {
        Format::Json => output::json(&Shown { digest: settings.digest, policy: &settings.policy, proposed })?,
        Format::Text => output::data(&text(&settings))?,
    }
    Ok(Exit::Done)
}

fn text(settings: &Settings) -> String {
    let policy = &settings.policy;
    let mut lines = vec![
        format!("{}, version {}", policy.title, policy.version),
        format!("announced {}, effective {}; {}", policy.announced, policy.effective, settings.digest),
        format!(
            "counted by {} in {}; destroyed within {} of being due, after at least {} in the vault",
            policy.counting.name(),
            policy.timezone.name(),
            policy.destroy_within,
            policy.cooling_off
        ),
        format!("{}: {}", policy.officer.title, policy.officer.contact),
    ];
    let header = ["rule", "clause", "name", "counted from", "keep", "separated on", "basis", "approval"];
    lines.push(output::table(&header, header.len(), policy.rules.iter().map(row).collect()));
    if let Some(proposed) = &settings.proposed {
        lines.push(format!(
            "the rules file is another policy, version {} ({}), and not adopted",
            proposed.version, proposed.digest
        ));
    }
    lines.join("\n")
}

fn row(rule: &Rule) -> Vec<String> {
    let events: Vec<&str> = rule.separate_on.iter().map(|event| event.as_str()).collect();
    vec![
        rule.id.to_string(),
        rule.clause.clone().unwrap_or_default(),
        rule.name.ko.clone(),
        rule.event.to_string(),
        rule.keep.to_string(),
        events.join(", "),
        basis(&rule.basis),
        match rule.approval {
            Approval::None => String::new(),
            Approval::Officer => "officer".to_owned(),
        },
    ]
}

/// The articles that a rule rests on.
fn basis(basis: &Basis) -> String {
    let article = |id: &str| {
        let duty = Catalogue::korea().ok().and_then(|catalogue| catalogue.duty(id));
        duty.map_or_else(|| id.to_owned(), |duty| duty.article.clone())
    };
    let articles: Vec<String> = basis.statutes().map(article).collect();
    if articles.is_empty() { "internal".to_owned() } else { articles.join(", ") }
}
