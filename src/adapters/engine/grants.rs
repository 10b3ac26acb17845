//! The least that each role needs, as SQL for a database's administrator: from
//! the datasets of a source, without asking the database.
//!
//! Nothing here connects, and no password is made up.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::deployment::{Address, Dataset, Edge, Engine, EventPlace, ServerAddress, WipeLevel};

/// What is done with a table, by which columns.
#[derive(Debug, Default)]
struct Use {
    /// Columns that a plan reads.
    read: BTreeSet<String>,
    /// Its rows are narrowed by SQL of the operator's: any column may be read.
    narrowed: bool,
    /// Its rows are taken whole, and put back.
    moved: bool,
    /// A column by which a row is locked.
    locked: Option<String>,
    /// Columns of a link that is cut.
    cut: BTreeSet<String>,
    /// Its rows go with the last one that points at them.
    referenced: bool,
    /// What its rows leave in the engine's files is wiped.
    wiped: bool,
}

fn uses(datasets: &[&Dataset]) -> BTreeMap<String, Use> {
    let mut uses: BTreeMap<String, Use> = BTreeMap::new();
    for dataset in datasets {
        let root = uses.entry(dataset.table.clone()).or_default();
        root.moved = true;
        root.narrowed |= dataset.condition.is_some();
        let wiped = dataset.wipe != WipeLevel::None;
        root.wiped |= wiped;
        root.locked = dataset.key.first().cloned();
        root.read.extend(dataset.key.iter().chain(&dataset.subject).cloned());
        for place in dataset.events.values() {
            note_event(&mut uses, &dataset.table, place);
        }
        for child in &dataset.children {
            let parent = uses.entry(child.parent.clone()).or_default();
            parent.read.extend(child.on.iter().map(|(_, there)| there.clone()));
            let table = uses.entry(child.table.clone()).or_default();
            let here = || child.on.iter().map(|(here, _)| here.clone());
            table.read.extend(here());
            table.narrowed |= child.condition.is_some();
            match child.edge {
                Edge::Own | Edge::Reference => {
                    table.moved = true;
                    table.wiped |= wiped;
                    // A link without columns was refused when the file was read.
                    table.locked.get_or_insert_with(|| here().next().unwrap_or_default());
                    table.referenced |= child.edge == Edge::Reference;
                }
                Edge::Unlink => table.cut.extend(here()),
                Edge::Wait => {}
            }
        }
    }
    uses
}

fn note_event(uses: &mut BTreeMap<String, Use>, root: &str, place: &EventPlace) {
    let (holder, column) = match place {
        EventPlace::Own(column) => (root, column),
        EventPlace::Through { table, on, column } => {
            let here = uses.entry(root.to_owned()).or_default();
            here.read.extend(on.iter().map(|(here, _)| here.clone()));
            let there = uses.entry(table.clone()).or_default();
            there.read.extend(on.iter().map(|(_, there)| there.clone()));
            (table.as_str(), column)
        }
    };
    uses.entry(holder.to_owned()).or_default().read.extend(column.column.names().map(str::to_owned));
}

/// The SQL for the roles of a source: one that only plans, and the one of the
/// address, which moves records. `None` for SQLite, which has no roles.
#[must_use]
pub fn source(address: &Address, datasets: &[&Dataset]) -> Option<String> {
    let Address::Server(server) = address else { return None };
    let uses = uses(datasets);
    Some(match server.engine {
        Engine::Postgres => postgres_source(server, &uses),
        Engine::Mysql => mysql_source(server, &uses),
    })
}

/// The SQL for the role of the vault; `None` for SQLite.
#[must_use]
pub fn vault(address: &Address) -> Option<String> {
    let Address::Server(server) = address else { return None };
    let (user, database) = (&server.user, &server.database);
    Some(match server.engine {
        Engine::Postgres => {
            let (role, quoted) = (quoted(user), quoted(database));
            [
                format!("-- The vault, in database {database}: one role, which owns the schema and nothing else."),
                create_role(user),
                format!("REVOKE CONNECT, TEMPORARY ON DATABASE {quoted} FROM PUBLIC;"),
                format!("GRANT CONNECT ON DATABASE {quoted} TO {role};"),
                format!("CREATE SCHEMA IF NOT EXISTS retentiond AUTHORIZATION {role};"),
            ]
            .join("\n")
        }
        Engine::Mysql => {
            let user = mysql_user(user);
            [
                format!("-- The vault, in database {database}, which is empty at first."),
                format!("CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '<password>';"),
                format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON {} TO {user};", whole_database(database)),
            ]
            .join("\n")
        }
    })
}

/// The name of the role that only plans.
fn scan_role(server: &ServerAddress) -> String {
    format!("{}_scan", server.user)
}

fn postgres_source(server: &ServerAddress, uses: &BTreeMap<String, Use>) -> String {
    let (scan, mover, database) = (scan_role(server), server.user.as_str(), quoted(&server.database));
    let mut lines = vec![
        format!("-- Source database {}, as its administrator, connected to it.", server.database),
        "-- Set passwords with \\password, or map the roles in pg_hba.conf.".to_owned(),
        "-- Where row-level security is on, both roles need: ALTER ROLE … BYPASSRLS;".to_owned(),
        create_role(&scan),
        create_role(mover),
        format!("ALTER ROLE {} SET default_transaction_read_only = on;", quoted(&scan)),
        format!("GRANT CONNECT ON DATABASE {database} TO {}, {};", quoted(&scan), quoted(mover)),
    ];
    if uses.values().any(|used| used.wiped) {
        let to = quoted(mover);
        lines
            .push(format!("-- Only the owner of a table may VACUUM it, which a wipe does: GRANT <the owner> TO {to};"));
    }
    let schemas: BTreeSet<String> = uses.keys().filter_map(|table| postgres_table(table).0).collect();
    let schemas = if schemas.is_empty() { BTreeSet::from(["public".to_owned()]) } else { schemas };
    for schema in schemas.iter().chain((!schemas.contains("public")).then_some(&"public".to_owned())) {
        lines.push(format!("GRANT USAGE ON SCHEMA {} TO {}, {};", quoted(schema), quoted(&scan), quoted(mover)));
    }
    for (heading, role, moves) in
        [("-- plan, check, status", &scan, false), ("-- run, restore", &mover.to_owned(), true)]
    {
        lines.push(heading.to_owned());
        for (table, used) in uses {
            lines.extend(postgres_table_grants(table, used, &quoted(role), moves));
        }
    }
    lines.join("\n")
}

fn postgres_table_grants(table: &str, used: &Use, role: &str, moves: bool) -> Vec<String> {
    let (_, name) = postgres_table(table);
    let listed = |columns: &BTreeSet<String>| columns.iter().map(|one| quoted(one)).collect::<Vec<_>>().join(", ");
    let whole = used.narrowed || (moves && (used.moved || !used.cut.is_empty()));
    let mut grants = Vec::new();
    let read = if whole {
        "SELECT".to_owned()
    } else {
        // What tells rows apart inside the engine is read as a column.
        format!("SELECT ({}, ctid, tableoid)", listed(&used.read))
    };
    grants.push(format!("GRANT {read} ON {name} TO {role};"));
    if moves && used.moved {
        grants.push(format!("GRANT DELETE, INSERT ON {name} TO {role};"));
        // A row lock needs the privilege to update some column.
        if let Some(column) = &used.locked {
            grants.push(format!("GRANT UPDATE ({}) ON {name} TO {role};", quoted(column)));
        }
    }
    if moves && !used.cut.is_empty() {
        grants.push(format!("GRANT UPDATE ({}) ON {name} TO {role};", listed(&used.cut)));
    }
    if used.referenced {
        grants.push(pointing_at(&name, role));
    }
    grants
}

/// Whatever points at a row keeps it: these columns are only known to the
/// database.
fn pointing_at(name: &str, role: &str) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    format!(
        "DO $$ DECLARE k record; BEGIN FOR k IN SELECT c.conrelid::regclass AS t, a.attname AS a FROM pg_constraint AS c \
         JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) \
         WHERE c.contype = 'f' AND c.confrelid = {}::regclass \
         LOOP EXECUTE format('GRANT SELECT (%I) ON %s TO %s', k.a, k.t, {}); END LOOP; END $$;",
        literal(name),
        literal(role)
    )
}

/// Schema, where the deployment file names one, and the quoted name.
fn postgres_table(table: &str) -> (Option<String>, String) {
    match table.split_once('.') {
        Some((schema, bare)) => (Some(schema.to_owned()), format!("{}.{}", quoted(schema), quoted(bare))),
        None => (None, quoted(table)),
    }
}

fn create_role(name: &str) -> String {
    let literal = name.replace('\'', "''");
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{literal}') THEN CREATE ROLE {} LOGIN; END IF; END $$;",
        quoted(name)
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn ticked(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Everything in a database: there, some letters of its name would stand for others.
fn whole_database(name: &str) -> String {
    format!("{}.*", ticked(&name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")))
}

fn mysql_user(name: &str) -> String {
    format!("'{}'@'%'", name.replace('\\', "\\\\").replace('\'', "''"))
}

fn mysql_source(server: &ServerAddress, uses: &BTreeMap<String, Use>) -> String {
    let (scan, mover) = (mysql_user(&scan_role(server)), mysql_user(&server.user));
    let mut lines = vec![
        format!("-- Source database {}, as an administrator. Narrow '%' to the host of retentiond.", server.database),
        format!("CREATE USER IF NOT EXISTS {scan} IDENTIFIED BY '<password>';"),
        format!("CREATE USER IF NOT EXISTS {mover} IDENTIFIED BY '<password>';"),
        "-- Without PROCESS the server hides foreign keys of tables that are not granted.".to_owned(),
        format!("GRANT PROCESS ON *.* TO {scan}, {mover};"),
    ];
    let listed = |columns: &BTreeSet<String>| columns.iter().map(|one| ticked(one)).collect::<Vec<_>>().join(", ");
    for (heading, user, moves) in [("-- plan, check, status", &scan, false), ("-- run, restore", &mover, true)] {
        lines.push(heading.to_owned());
        for (table, used) in uses {
            let (schema, bare) = table.split_once('.').unwrap_or((server.database.as_str(), table));
            let name = format!("{}.{}", ticked(schema), ticked(bare));
            lines.push(format!("GRANT SELECT ON {name} TO {user};"));
            if moves && used.moved {
                lines.push(format!("GRANT DELETE, INSERT ON {name} TO {user};"));
                lines.push(format!("-- MySQL shows triggers to check only with: GRANT TRIGGER ON {name} TO {user};"));
            }
            if moves && used.wiped {
                lines.push(format!("GRANT ALTER, CREATE ON {name} TO {user};"));
            }
            if moves && !used.cut.is_empty() {
                lines.push(format!("GRANT UPDATE ({}) ON {name} TO {user};", listed(&used.cut)));
            }
            if used.referenced {
                lines.push(format!("-- and SELECT on every other table with a foreign key to {name}"));
            }
        }
    }
    let locking = format!("GRANT LOCK TABLES ON {} TO {mover};", whole_database(&server.database));
    if uses.values().any(|used| used.wiped) {
        lines.push("-- A wipe has pages written out first.".to_owned());
        lines.push(format!("GRANT RELOAD ON *.* TO {mover};"));
        lines.push(locking);
    } else {
        lines.push(format!("-- Only where a table is kept by MyISAM or Aria: {locking}"));
    }
    lines.join("\n")
}
