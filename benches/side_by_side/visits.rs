//! The table of visits that everything is measured on, alike on each engine: rows of
//! about 200 B, half of them three to eight years old and due, half of this year. Either
//! it is a log, whose rows lie in the order of their dates, or its rows, due ones and
//! others, have their dates in no order at all.

use std::cell::RefCell;

use tempfile::TempDir;

use super::{
    durable::{Pair, Servers, remove},
    hand::Connection,
    measure::Outcome,
    servers::Database,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    MariaDb,
    Postgres,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::MariaDb => "MariaDB",
            Self::Postgres => "PostgreSQL",
        }
    }

    pub fn columns(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "id INTEGER PRIMARY KEY, member_id INTEGER, ip TEXT, user_agent TEXT, path TEXT, visited_at TIMESTAMP"
            }
            Self::MariaDb => {
                "id BIGINT PRIMARY KEY, member_id INT NOT NULL, ip VARCHAR(45) NOT NULL, user_agent VARCHAR(200) NOT \
                 NULL, path VARCHAR(120) NOT NULL, visited_at DATETIME NOT NULL"
            }
            Self::Postgres => {
                "id bigint PRIMARY KEY, member_id integer NOT NULL, ip text NOT NULL, user_agent text NOT NULL, path \
                 text NOT NULL, visited_at timestamp NOT NULL"
            }
        }
    }
}

/// Which rows are due.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// As many again are not.
    pub due: u64,
    /// Every other row, with dates in no order, instead of the first ones of a log.
    pub scattered: bool,
}

impl Shape {
    pub fn rows(self) -> u64 {
        2 * self.due
    }

    pub fn spread(self) -> &'static str {
        if self.scattered { "scattered over the keys" } else { "contiguous, in the order of their dates" }
    }

    /// The key of a row that is not due; `number` below `due`.
    pub fn live_key(self, number: u64) -> u64 {
        if self.scattered { 2 * (number + 1) } else { self.due + number + 1 }
    }
}

/// Rows that one statement makes.
const ROWS_AT_ONCE: u64 = 1_000_000;

/// The rows with keys from `first` to `last`.
fn rows(kind: Kind, shape: Shape, first: u64, last: u64) -> String {
    let age = age(kind, shape);
    match kind {
        Kind::Sqlite => {
            format!(
                "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) \
                 SELECT i, i % 5000, printf('10.%d.%d.%d', i % 250, i % 200, i % 100), \
                 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile', \
                 printf('/products/%08d/%s', i * 7919 % 99999989, hex(randomblob(30))), \
                 datetime('2026-10-01', printf('-%d days', {age})) FROM n"
            )
        }
        Kind::MariaDb => {
            format!(
                "SELECT seq, seq % 5000, CONCAT('10.', seq % 250, '.', seq % 200, '.', seq % 100), \
                 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile', \
                 CONCAT('/products/', LPAD(seq * 7919 % 99999989, 8, '0'), '/', SUBSTR(SHA2(seq, 256), 1, 60)), \
                 '2026-10-01' - INTERVAL {age} DAY \
                 FROM seq_{first}_to_{last}"
            )
        }
        Kind::Postgres => {
            format!(
                "SELECT i::bigint AS id, (i % 5000)::integer AS member_id, \
                 format('10.%s.%s.%s', i % 250, i % 200, i % 100) AS ip, \
                 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile'::text AS user_agent, \
                 format('/products/%s/%s', lpad((i * 7919::bigint % 99999989)::text, 8, '0'), \
                 left(encode(sha256(i::text::bytea), 'hex'), 60)) AS path, \
                 timestamp '2026-10-01' - make_interval(days => ({age})::integer) AS visited_at \
                 FROM generate_series({first}, {last}) AS i"
            )
        }
    }
}

/// How many days old a row is.
fn age(kind: Kind, Shape { due, scattered }: Shape) -> String {
    let (key, divided) = match kind {
        Kind::Sqlite => ("i", "/"),
        Kind::MariaDb => ("seq", "DIV"),
        Kind::Postgres => ("i::bigint", "/"),
    };
    let (is_due, old, young) = if scattered {
        (format!("{key} % 2 = 1"), format!("1200 + {key} * 31 % 1800"), format!("{key} * 17 % 200"))
    } else {
        let young = format!("(2 * {due} - {key}) * 200 {divided} {due}");
        (format!("{key} <= {due}"), format!("1200 + ({due} - {key}) * 1800 {divided} {due}"), young)
    };
    format!("CASE WHEN {is_due} THEN {old} ELSE {young} END")
}

/// A live database with visits, and room for vaults. On a server: databases of the
/// pair; with SQLite: files of a folder.
#[derive(Debug)]
pub struct Place<'s> {
    kind: Kind,
    folder: TempDir,
    live: Option<(&'s Pair, Database<'s>)>,
    vaults: RefCell<Vec<Database<'s>>>,
}

impl<'s> Place<'s> {
    pub fn new(kind: Kind, servers: &'s Servers) -> Outcome<Self> {
        let live = servers.pair().map(|pair| (pair, pair.live.database()));
        Ok(Self { kind, folder: tempfile::tempdir()?, live, vaults: RefCell::default() })
    }

    /// Of the live database.
    pub fn url(&self) -> String {
        match &self.live {
            None => format!("sqlite://{}", self.folder.path().join("shop.db").display()),
            Some((_, live)) => live.url(),
        }
    }

    pub async fn connect(&self) -> Outcome<Connection> {
        Connection::open(&self.url()).await
    }

    /// The address of an empty database on the other server, or of a file beside the
    /// configuration.
    pub fn vault(&self) -> String {
        let Some((pair, _)) = &self.live else { return "sqlite://vault.db".to_owned() };
        let vault = pair.separate.database();
        let url = vault.url();
        self.vaults.borrow_mut().push(vault);
        url
    }

    /// Makes the table anew, as it is after a load and maintenance.
    pub async fn build(&self, shape: Shape) -> Outcome<()> {
        let (kind, columns) = (self.kind, self.kind.columns());
        let mut connection = self.connect().await?;
        if kind == Kind::Sqlite {
            connection.run("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF").await?;
        }
        connection.run("DROP TABLE IF EXISTS visits").await?;
        connection.run(&format!("CREATE TABLE visits ({columns})")).await?;
        let mut first = 1;
        while first <= shape.rows() {
            let last = shape.rows().min(first + ROWS_AT_ONCE - 1);
            connection.run(&format!("INSERT INTO visits {}", rows(kind, shape, first, last))).await?;
            first = last + 1;
        }
        connection.run("CREATE INDEX visits_at ON visits (visited_at)").await?;
        settle(kind, &mut connection).await?;
        connection.close().await
    }

    /// Gives back the room.
    pub fn remove(self) {
        self.vaults.into_inner().iter().for_each(remove);
        if let Some((_, live)) = self.live {
            remove(&live);
        }
    }
}

/// What a server would do by itself in the next minutes is done now.
async fn settle(kind: Kind, connection: &mut Connection) -> Outcome<()> {
    let statements: &[&str] = match kind {
        Kind::Sqlite => &["PRAGMA journal_mode = WAL"],
        Kind::MariaDb => &["ANALYZE TABLE visits"],
        Kind::Postgres => &["VACUUM ANALYZE visits", "CHECKPOINT"],
    };
    for statement in statements {
        connection.run(statement).await?;
    }
    Ok(())
}

/// The rows once, in a table from which `fill` copies them before each contestant.
pub async fn make_origin(kind: Kind, url: &str, shape: Shape) -> Outcome<()> {
    let mut connection = Connection::open(url).await?;
    connection.run(&format!("CREATE TABLE origin ({})", kind.columns())).await?;
    connection.run(&format!("INSERT INTO origin {}", rows(kind, shape, 1, shape.rows()))).await?;
    connection.close().await
}

/// The state before each contestant.
pub async fn fill(kind: Kind, url: &str) -> Outcome<()> {
    let mut connection = Connection::open(url).await?;
    connection.run("DROP TABLE IF EXISTS visits").await?;
    connection.run(&format!("CREATE TABLE visits ({})", kind.columns())).await?;
    connection.run("INSERT INTO visits SELECT * FROM origin ORDER BY id").await?;
    connection.run("CREATE INDEX visits_at ON visits (visited_at)").await?;
    settle(kind, &mut connection).await?;
    connection.close().await
}
