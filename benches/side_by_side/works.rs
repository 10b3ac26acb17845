//! Everything that is measured, by the name that one gives on the command line.

use super::{
    application,
    arguments::Size,
    destroy,
    durable::Servers,
    growth, ledger, mariadb,
    measure::Outcome,
    plan, postgres,
    report::Work,
    residue, sqlite,
    visits::{Kind, Shape},
};

/// In an order in which the servers of one engine are started once.
pub const NAMES: [&str; 14] = [
    "sqlite",
    "plan-sqlite",
    "growth-sqlite",
    "destroy",
    "ledger",
    "residue",
    "mariadb",
    "plan-mariadb",
    "growth-mariadb",
    "application-mariadb",
    "postgres",
    "plan-postgres",
    "growth-postgres",
    "application-postgres",
];

/// The works that were asked for: `plan` chooses every `plan-…`.
pub fn chosen(asked: &[String]) -> Outcome<Vec<&'static str>> {
    let fits =
        |name: &str, asked: &str| name == asked || name.strip_prefix(asked).is_some_and(|rest| rest.starts_with('-'));
    if let Some(unknown) = asked.iter().find(|asked| !NAMES.iter().any(|name| fits(name, asked))) {
        return Err(format!("there is no work {unknown}; there are: {}", NAMES.join(" ")).into());
    }
    let wanted = |name: &&str| asked.is_empty() || asked.iter().any(|asked| fits(name, asked));
    Ok(NAMES.into_iter().filter(wanted).collect())
}

/// Runs one work, in each of its variants.
pub async fn run(name: &str, size: &Size, servers: &mut Servers) -> Outcome<Vec<Work>> {
    let kind = match name.rsplit('-').next() {
        Some("mariadb") => Kind::MariaDb,
        Some("postgres") => Kind::Postgres,
        _ => Kind::Sqlite,
    };
    servers.only(kind);
    let servers = &*servers;
    let mut works = Vec::new();
    match name {
        "destroy" => works.push(destroy::destroy(size).await?),
        "ledger" => works.push(ledger::verify(size)?),
        "residue" => works.push(residue::search(size)?),
        _ if name.starts_with("plan-") => works.push(plan::plan(size, kind, servers).await?),
        _ if name.starts_with("application-") => {
            works.push(application::beside(size, kind, servers).await?);
        }
        _ if name.starts_with("growth-") => {
            for scattered in [false, true] {
                works.push(growth::growth(size, kind, servers, scattered).await?);
            }
        }
        _ => {
            for scattered in [false, true] {
                let shape = Shape { due: size.due, scattered };
                works.push(match kind {
                    Kind::Sqlite => sqlite::separate(size, shape).await?,
                    Kind::MariaDb => mariadb::separate(size, shape, servers).await?,
                    Kind::Postgres => postgres::separate(size, shape, servers).await?,
                });
            }
        }
    }
    Ok(works)
}
