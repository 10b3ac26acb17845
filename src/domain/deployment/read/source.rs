//! Databases: `[[source]]`, `[vault]`, their addresses and secrets.

use std::{collections::BTreeMap, ops::Range};

use crate::domain::{
    deployment::{Address, Database, LoadSignal, Medium, SCHEMES, Secret, ServerAddress, Source},
    document::{Findings, Table, Text, Value, optional, owned, suggest},
    id::SourceName,
    period::{Period, Unit},
};

const MEDIA: [(&str, Option<Medium>); 3] =
    [("discard", Some(Medium::Discard)), ("encrypted", Some(Medium::Encrypted)), ("unknown", Some(Medium::Unknown))];

/// What was read of the sources, and what datasets may refer to.
pub struct Sources<'d> {
    /// `None` where something is wrong with one of them.
    pub all: Option<Vec<Source>>,
    /// `None` where the name of one could not be read.
    pub names: Option<Vec<&'d str>>,
}

pub fn sources<'d>(root: &mut Table<'d>, findings: &Findings) -> Sources<'d> {
    let Some(tables) = root.tables("source", "source") else { return Sources { all: None, names: None } };
    if tables.is_empty() {
        let hint = "add `[[source]]`, and under it for example `name = \"shop\"` and `url = \"sqlite://shop.db\"`";
        findings.missing(root.span(), "there are no sources", hint);
        return Sources { all: None, names: None };
    }
    let mut lines = BTreeMap::new();
    let read: Vec<_> = tables.into_iter().map(|table| source(table, &mut lines, findings)).collect();
    let names = read.iter().map(|(name, _)| *name).collect();
    Sources { all: read.into_iter().map(|(_, source)| source).collect(), names }
}

/// The name of a source, as far as it can be read, and the source. `lines` are
/// the names before it.
fn source<'d>(
    mut table: Table<'d>,
    lines: &mut BTreeMap<&'d str, usize>,
    findings: &Findings,
) -> (Option<&'d str>, Option<Source>) {
    let name = table.need("name", "name = \"shop\"").and_then(|value| value.line());
    let unique = name.as_ref().and_then(|name| unique_name(name, lines, findings));
    let database = database(&mut table, "url = \"sqlite://shop.db\"", findings).map(|(database, _)| database);
    let medium = optional(table.take("medium"), Medium::Unknown, |value| value.choice(&MEDIA));
    let maintenance_window = table.take_table("maintenance").map(|mut maintenance| {
        let window = optional(maintenance.take("window"), None, |value| weekly_window(value).map(Some));
        maintenance.finish();
        window
    });
    let backups_kept = table.take_table("backups").map(|mut backups| {
        let kept = optional(backups.take("kept"), None, |value| backups_kept(value).map(Some));
        backups.finish();
        kept
    });
    let replicas = optional(table.take("replicas"), None, |value| replicas(value).map(Some));
    let load = table.take_table("load").map(|load| signal(load));
    table.finish();
    let source = || {
        Some(Source {
            name: unique?,
            database: database?,
            medium: medium?,
            maintenance_window: maintenance_window.unwrap_or(Some(None))?,
            backups_kept: backups_kept.unwrap_or(Some(None))?,
            replicas: replicas?,
            load: load.unwrap_or(Some(None))?,
        })
    };
    (name.map(|name| *name.get_ref()), source())
}

/// Replicas are asked with the account and the password of their source.
fn replicas(value: &Value<'_>) -> Option<Vec<ServerAddress>> {
    let read = |value: &Value<'_>| match address(value)? {
        Address::Server(server) => Some(server),
        Address::File(_) => value.refuse("a file has no replicas", "remove `replicas`"),
    };
    value.list()?.iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn signal(mut table: Table<'_>) -> Option<Option<LoadSignal>> {
    let sql = table.need("sql", "sql = \"SELECT count(*) FROM pg_stat_activity WHERE state = 'active'\"");
    let sql = sql.and_then(|value| value.line());
    let max = table.need("max", "max = 40").and_then(|value| value.whole(0..=u64::from(u32::MAX)));
    table.finish();
    Some(Some(LoadSignal { sql: owned(sql?), max: max? }))
}

/// No backups at all live for no time, which is a period nowhere else.
fn backups_kept(value: &Value<'_>) -> Option<Period> {
    if value.is_text("none") {
        return Some(Period { count: 0, unit: Unit::Days });
    }
    value.period()
}

fn unique_name<'d>(name: &Text<'d>, lines: &mut BTreeMap<&'d str, usize>, findings: &Findings) -> Option<SourceName> {
    let text = *name.get_ref();
    if let Some(line) = lines.get(text) {
        let hint = format!("the first one is on line {line}; every source needs a name of its own");
        findings.error(name.span(), format!("source `{text}` is there twice"), hint);
        return None;
    }
    lines.insert(text, findings.line_of(name.span().start));
    Some(text.into())
}

/// The vault's database, which must be no source's.
pub fn vault(mut table: Table<'_>, sources: &[Source], findings: &Findings) -> Option<Database> {
    let read = database(&mut table, "url = \"sqlite://vault.db\"", findings);
    table.finish();
    let (vault, span) = read?;
    for source in sources {
        if same_database(&vault.address, &source.database.address) {
            let message = format!("the vault and source `{}` are the same database", source.name);
            let hint = "give the vault a database of its own, best on a server of its own";
            findings.error(span, message, hint);
            return None;
        }
        let (Address::Server(place), Address::Server(other)) = (&vault.address, &source.database.address) else {
            continue;
        };
        if place.same_server(other) {
            let message = format!("the vault and source `{}` are on the same server", source.name);
            let hint = "put the vault on another server: whoever administers or loses this one has both";
            findings.warning(span.clone(), message, hint);
        }
    }
    Some(vault)
}

/// Whether both are one database, as far as their texts tell.
fn same_database(one: &Address, other: &Address) -> bool {
    let plain = |path: &str| {
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        (path.starts_with('/'), parts.map(str::to_owned).collect::<Vec<_>>())
    };
    match (one, other) {
        (Address::Server(one), Address::Server(other)) => one.same_database(other),
        (Address::File(one), Address::File(other)) => plain(one) == plain(other),
        (Address::Server(_), Address::File(_)) | (Address::File(_), Address::Server(_)) => false,
    }
}

/// A database with the place of its URL.
fn database(table: &mut Table<'_>, example: &str, findings: &Findings) -> Option<(Database, Range<usize>)> {
    let value = table.need("url", example);
    let span = value.as_ref().map(Value::span);
    let address = value.and_then(|value| address(&value));
    let password = password(table, address.as_ref(), findings);
    Some((Database { address: address?, password: password? }, span?))
}

fn weekly_window(value: &Value<'_>) -> Option<crate::domain::deployment::WeeklyWindow> {
    let text = *value.line()?.get_ref();
    let hint =
        "write a day and two times: \"Sun 02:00-05:00\"; days are `Mon`, `Tue`, `Wed`, `Thu`, `Fri`, `Sat`, `Sun`";
    text.parse().map_or_else(|reason: super::super::NotAWindow| value.refuse(reason.to_string(), hint), Some)
}

/// The address of a database this version can open. What is refused is never
/// repeated: it may hold a password.
fn address(value: &Value<'_>) -> Option<Address> {
    let text = value.line()?;
    let written = *text.get_ref();
    let no_secret = check_no_password(value, written);
    let Some((scheme, rest)) = written.split_once("://") else {
        let hint = "write the kind of database, `://` and where it is, such as `sqlite://shop.db`";
        return value.refuse(format!("`{}` does not say what kind of database it is", value.key()), hint);
    };
    if let Some((_, engine)) = SCHEMES.iter().find(|(known, _)| *known == scheme) {
        no_secret?;
        let server = ServerAddress::parse(*engine, rest);
        return server
            .map_or_else(|wrong| value.refuse(wrong.message, wrong.hint), |server| Some(Address::Server(server)));
    }
    if scheme != "sqlite" {
        let hint = suggest::hint(scheme, &["postgres", "mysql", "mariadb", "sqlite"], "this version knows");
        return value.refuse(format!("`{scheme}` is not a kind of database that is known here"), hint);
    }
    if rest.split('?').next().is_none_or(str::is_empty) {
        return value.refuse(format!("`{}` names no file", value.key()), "write its path behind `sqlite://`");
    }
    no_secret.map(|()| Address::File(rest.to_owned()))
}

fn check_no_password(value: &Value<'_>, written: &str) -> Option<()> {
    let behind = written.split_once("://").map_or(written, |(_, behind)| behind);
    let in_address = behind.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let in_options = behind.split_once('?').is_some_and(|(_, options)| {
        options
            .split('&')
            .any(|option| option.to_lowercase().split('=').next().is_some_and(|key| key.contains("password")))
    });
    if in_address || in_options {
        let hint = "remove it here and change it there, since it was stored in clear; \
                    a secret is only referred to: `password = { credential = \"…\" }`";
        return value.refuse(format!("`{}` holds a password", value.key()), hint);
    }
    Some(())
}

fn password(table: &mut Table<'_>, address: Option<&Address>, findings: &Findings) -> Option<Option<Secret>> {
    optional(table.take("password"), None, |value| {
        let secret = secret(value)?;
        if matches!(address, Some(Address::File(_))) {
            let hint = "remove the line; what protects the database are the permissions of its file";
            findings.warning(value.span(), "a password for SQLite is never used", hint);
        }
        Some(Some(secret))
    })
}

/// A reference to a secret: `{ credential = "…" }`, `{ file = "…" }` or `{ env = "…" }`.
pub fn secret(value: &Value<'_>) -> Option<Secret> {
    let hint = format!(
        "write where it is found: `{0} = {{ credential = \"…\" }}`, `{0} = {{ file = \"…\" }}` or `{0} = {{ env = \"…\" }}`",
        value.key()
    );
    if !value.is_table() {
        value.conceal();
        return value.refuse(format!("`{}` is a secret and must not stand in this file", value.key()), hint);
    }
    let mut table = value.table()?;
    let credential = table.take("credential");
    let file = table.take("file");
    let env = table.take("env");
    let given = [credential.is_some(), file.is_some(), env.is_some()].iter().filter(|given| **given).count();
    let one = match given {
        1 => Some(()),
        0 if table.has_unknown() => None,
        _ => value.refuse(format!("`{}` must be found in exactly one place", value.key()), hint),
    };
    table.conceal_unknown();
    table.finish();
    let read = |value: Option<Value<'_>>| value.and_then(|value| value.line()).map(owned);
    let secret = read(credential).map(Secret::Credential);
    let secret = secret.or(read(file).map(Secret::File));
    let secret = secret.or(read(env).map(Secret::Env));
    one.and(secret)
}
