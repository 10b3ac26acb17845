//! The live database of the demonstration's shop, as such shops have them:
//! constraints without cascades, naive local times, nothing that knows of
//! retention. What it holds is decided in `shop`.
//!
//! It runs with a write-ahead log: a live shop reads while others write, and
//! the log is the harder case for erasure, since it keeps copies of pages.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::shop;

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Members that left within the last four days, and can still be restored.
    pub just_left: Vec<u64>,
}

/// Rows bound to one statement, as one JSON list.
const ROWS_PER_STATEMENT: usize = 5_000;

const SCHEMA: [&str; 9] = [
    "CREATE TABLE members (
        id INTEGER PRIMARY KEY,
        email TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        phone TEXT NOT NULL UNIQUE,
        birth_date DATE,
        joined_at TIMESTAMP NOT NULL,
        withdrawn_at TIMESTAMP
    )",
    "CREATE TABLE addresses (
        id INTEGER PRIMARY KEY,
        member_id INTEGER NOT NULL REFERENCES members (id),
        label TEXT,
        recipient TEXT NOT NULL,
        street TEXT NOT NULL,
        phone TEXT NOT NULL
    )",
    "CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        member_id INTEGER NOT NULL REFERENCES members (id),
        order_no TEXT NOT NULL UNIQUE,
        ordered_at TIMESTAMP,
        total INTEGER NOT NULL,
        memo TEXT,
        status TEXT NOT NULL
    )",
    "CREATE TABLE order_lines (
        id INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL REFERENCES orders (id),
        product TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        price INTEGER NOT NULL
    )",
    "CREATE TABLE payments (
        id INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL REFERENCES orders (id),
        member_id INTEGER NOT NULL,
        method TEXT NOT NULL,
        card_masked TEXT,
        amount INTEGER NOT NULL,
        paid_at TIMESTAMP NOT NULL
    )",
    "CREATE TABLE complaints (
        id INTEGER PRIMARY KEY,
        member_id INTEGER NOT NULL,
        title TEXT NOT NULL,
        body TEXT NOT NULL,
        answer TEXT,
        opened_at TIMESTAMP NOT NULL,
        resolved_at TIMESTAMP
    )",
    "CREATE TABLE identity_checks (
        id INTEGER PRIMARY KEY,
        member_id INTEGER NOT NULL,
        ci TEXT NOT NULL,
        carrier TEXT NOT NULL,
        checked_at TIMESTAMP NOT NULL
    )",
    "CREATE TABLE visits (
        id INTEGER PRIMARY KEY,
        member_id INTEGER NOT NULL,
        ip TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        path TEXT NOT NULL,
        visited_at TIMESTAMP NOT NULL
    )",
    "CREATE TABLE abuse_logs (
        id INTEGER PRIMARY KEY,
        member_id INTEGER NOT NULL,
        ip TEXT NOT NULL,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        recorded_at TIMESTAMP NOT NULL
    )",
];

/// Links and event columns. Made after the rows, which is faster.
const INDEXES: [&str; 16] = [
    "CREATE INDEX members_withdrawn_at ON members (withdrawn_at)",
    "CREATE INDEX addresses_member_id ON addresses (member_id)",
    "CREATE INDEX orders_member_id ON orders (member_id)",
    "CREATE INDEX orders_ordered_at ON orders (ordered_at)",
    "CREATE INDEX order_lines_order_id ON order_lines (order_id)",
    "CREATE INDEX payments_order_id ON payments (order_id)",
    "CREATE INDEX payments_member_id ON payments (member_id)",
    "CREATE INDEX payments_paid_at ON payments (paid_at)",
    "CREATE INDEX complaints_member_id ON complaints (member_id)",
    "CREATE INDEX complaints_resolved_at ON complaints (resolved_at)",
    "CREATE INDEX identity_checks_member_id ON identity_checks (member_id)",
    "CREATE INDEX identity_checks_checked_at ON identity_checks (checked_at)",
    "CREATE INDEX visits_member_id ON visits (member_id)",
    "CREATE INDEX visits_visited_at ON visits (visited_at)",
    "CREATE INDEX abuse_logs_member_id ON abuse_logs (member_id)",
    "CREATE INDEX abuse_logs_recorded_at ON abuse_logs (recorded_at)",
];

const INSERT_MEMBERS: &str = "INSERT INTO members
    SELECT value ->> 'id', value ->> 'email', value ->> 'name', value ->> 'phone', value ->> 'birth_date',
        value ->> 'joined_at', value ->> 'withdrawn_at' FROM json_each(?1)";
const INSERT_ADDRESSES: &str = "INSERT INTO addresses
    SELECT value ->> 'id', value ->> 'member_id', value ->> 'label', value ->> 'recipient', value ->> 'street',
        value ->> 'phone' FROM json_each(?1)";
const INSERT_ORDERS: &str = "INSERT INTO orders
    SELECT value ->> 'id', value ->> 'member_id', value ->> 'order_no', value ->> 'ordered_at', value ->> 'total',
        value ->> 'memo', value ->> 'status' FROM json_each(?1)";
const INSERT_ORDER_LINES: &str = "INSERT INTO order_lines
    SELECT value ->> 'id', value ->> 'order_id', value ->> 'product', value ->> 'quantity', value ->> 'price'
        FROM json_each(?1)";
const INSERT_PAYMENTS: &str = "INSERT INTO payments
    SELECT value ->> 'id', value ->> 'order_id', value ->> 'member_id', value ->> 'method',
        value ->> 'card_masked', value ->> 'amount', value ->> 'paid_at' FROM json_each(?1)";
const INSERT_COMPLAINTS: &str = "INSERT INTO complaints
    SELECT value ->> 'id', value ->> 'member_id', value ->> 'title', value ->> 'body', value ->> 'answer',
        value ->> 'opened_at', value ->> 'resolved_at' FROM json_each(?1)";
const INSERT_IDENTITY_CHECKS: &str = "INSERT INTO identity_checks
    SELECT value ->> 'id', value ->> 'member_id', value ->> 'ci', value ->> 'carrier', value ->> 'checked_at'
        FROM json_each(?1)";
const INSERT_VISITS: &str = "INSERT INTO visits
    SELECT value ->> 'id', value ->> 'member_id', value ->> 'ip', value ->> 'user_agent', value ->> 'path',
        value ->> 'visited_at' FROM json_each(?1)";
const INSERT_ABUSE_LOGS: &str = "INSERT INTO abuse_logs
    SELECT value ->> 'id', value ->> 'member_id', value ->> 'ip', value ->> 'kind', value ->> 'detail',
        value ->> 'recorded_at' FROM json_each(?1)";

/// Builds the shop's database as it stands at `now`. `path` must not exist.
/// Times in it are naive times of `zone`. Durable only once the system writes
/// its buffers back: a demonstration can be built again.
pub async fn build(path: &Path, members: u32, now: DateTime<Utc>, zone: Tz) -> anyhow::Result<Summary> {
    ensure!(!path.exists(), "{} exists already", path.display());
    let shop = shop::invent(members, now.with_timezone(&zone).naive_local())?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging();
    let mut connection = options.connect().await.with_context(|| format!("{} cannot be made", path.display()))?;
    connection.execute("BEGIN").await?;
    for statement in SCHEMA {
        connection.execute(statement).await?;
    }
    let rows = BTreeMap::from([
        ("members", insert(&mut connection, INSERT_MEMBERS, &shop.members).await?),
        ("addresses", insert(&mut connection, INSERT_ADDRESSES, &shop.addresses).await?),
        ("orders", insert(&mut connection, INSERT_ORDERS, &shop.orders).await?),
        ("order_lines", insert(&mut connection, INSERT_ORDER_LINES, &shop.order_lines).await?),
        ("payments", insert(&mut connection, INSERT_PAYMENTS, &shop.payments).await?),
        ("complaints", insert(&mut connection, INSERT_COMPLAINTS, &shop.complaints).await?),
        ("identity_checks", insert(&mut connection, INSERT_IDENTITY_CHECKS, &shop.identity_checks).await?),
        ("visits", insert(&mut connection, INSERT_VISITS, &shop.visits).await?),
        ("abuse_logs", insert(&mut connection, INSERT_ABUSE_LOGS, &shop.abuse_logs).await?),
    ]);
    for statement in INDEXES {
        connection.execute(statement).await?;
    }
    connection.execute("COMMIT").await?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut connection).await?;
    ensure!(mode == "wal", "the file system under {} does not support a write-ahead log", path.display());
    connection.close().await?;
    Ok(Summary { rows, just_left: shop.just_left })
}

/// Inserts rows in bulk and returns how many the engine says there are.
async fn insert<T: Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[T],
) -> anyhow::Result<u64> {
    let mut inserted = 0;
    for part in rows.chunks(ROWS_PER_STATEMENT) {
        let list = serde_json::to_string(part)?;
        inserted += sqlx::query(statement).bind(list).execute(&mut *connection).await?.rows_affected();
    }
    Ok(inserted)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::PathBuf};

    use chrono::{NaiveDateTime, TimeDelta, TimeZone as _};
    use sqlx::AssertSqlSafe;
    use tempfile::TempDir;

    use super::{
        super::traces::{distinctive_values, search},
        *,
    };

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 22, 3, 0, 0).unwrap()
    }

    struct Built {
        folder: TempDir,
        summary: Summary,
        connection: SqliteConnection,
    }

    impl Built {
        async fn new(members: u32) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("shop.db");
            let summary = build(&path, members, now(), Tz::Asia__Seoul).await.unwrap();
            let connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
            Self { folder, summary, connection }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("shop.db")
        }

        async fn number(&mut self, statement: &str) -> i64 {
            let statement = AssertSqlSafe(statement.to_owned());
            sqlx::query_scalar(statement).fetch_one(&mut self.connection).await.unwrap()
        }
    }

    #[tokio::test]
    async fn the_same_size_and_instant_build_the_same_file() {
        let (one, two) = (Built::new(60).await, Built::new(60).await);
        assert_eq!(one.summary, two.summary);
        assert_eq!(std::fs::read(one.path()).unwrap(), std::fs::read(two.path()).unwrap());
        build(&one.path(), 60, now(), Tz::Asia__Seoul).await.unwrap_err();
        build(&one.folder.path().join("tiny.db"), 3, now(), Tz::Asia__Seoul).await.unwrap_err();
    }

    #[tokio::test]
    async fn every_table_is_filled_as_summed_up_and_every_link_holds() {
        let mut built = Built::new(2_000).await;
        for (table, rows) in built.summary.rows.clone() {
            assert_eq!(built.number(&format!("SELECT count(*) FROM {table}")).await, rows.cast_signed(), "{table}");
        }
        let rows = |table| built.summary.rows[table];
        assert_eq!(rows("members"), 2_000);
        assert!((2_000..3_000).contains(&rows("addresses")));
        assert!((6_000..8_010).contains(&rows("orders")));
        assert!(rows("orders") < rows("order_lines") && rows("payments") < rows("orders"));
        assert!((16_000..24_000).contains(&rows("visits")));
        assert!(["complaints", "identity_checks", "abuse_logs"].map(rows).iter().all(|rows| *rows > 100));
        let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut built.connection).await.unwrap();
        assert!(broken.is_empty());
        let unresolved = built.number("SELECT count(*) FROM complaints WHERE resolved_at IS NULL").await;
        assert!((1..100).contains(&unresolved), "{unresolved}");
        for wrong in [
            "orders JOIN members m ON m.id = member_id
                WHERE m.id > 2 AND (ordered_at >= m.withdrawn_at OR ordered_at < m.joined_at)
                AND order_no NOT LIKE 'F0000%'",
            "orders WHERE total <> (SELECT sum(price * quantity) FROM order_lines WHERE order_id = orders.id)",
            "payments p JOIN orders o ON o.id = order_id
                WHERE paid_at < ordered_at OR amount <> total OR p.member_id <> o.member_id",
        ] {
            assert_eq!(built.number(&format!("SELECT count(*) FROM {wrong}")).await, 0, "{wrong}");
        }
    }

    #[tokio::test]
    async fn members_have_left_over_all_years_and_some_just_now() {
        let mut built = Built::new(2_000).await;
        let left: Vec<String> = sqlx::query_scalar(
            "SELECT withdrawn_at FROM members WHERE withdrawn_at IS NOT NULL AND id > 2 ORDER BY withdrawn_at",
        )
        .fetch_all(&mut built.connection)
        .await
        .unwrap();
        let left: Vec<NaiveDateTime> =
            left.iter().map(|at| NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S").unwrap()).collect();
        let local = now().with_timezone(&Tz::Asia__Seoul).naive_local();
        assert!((200..280).contains(&left.len()), "{}", left.len());
        assert!(left[0] < local - TimeDelta::days(8 * 365), "{}", left[0]);
        assert!(left.iter().all(|at| *at < local));
        assert_eq!(built.summary.just_left.len(), 5);
        for id in built.summary.just_left.clone() {
            let hours = "(julianday('2026-11-22 12:00:00') - julianday(withdrawn_at)) * 24";
            let age = built.number(&format!("SELECT CAST({hours} AS INTEGER) FROM members WHERE id = {id}")).await;
            assert!((1..97).contains(&age), "{age}");
        }
    }

    #[tokio::test]
    async fn the_anomalies_are_there() {
        let mut built = Built::new(20).await;
        for (rows, condition) in [
            (1, "members WHERE withdrawn_at = '0000-00-00 00:00:00'"),
            (1, "members WHERE withdrawn_at LIKE '2021-13-45%'"),
            (1, "orders WHERE ordered_at IS NULL"),
            (1, "orders WHERE ordered_at = '2028-11-22 12:00:00'"),
            (1, "orders WHERE ordered_at LIKE '1899-%'"),
            (1, "visits WHERE typeof(visited_at) = 'integer'"),
            (0, "visits WHERE typeof(visited_at) NOT IN ('integer', 'text')"),
        ] {
            assert_eq!(built.number(&format!("SELECT count(*) FROM {condition}")).await, rows, "{condition}");
        }
        assert_eq!(built.summary.just_left.len(), 3);
    }

    #[tokio::test]
    async fn distinctive_values_are_unique_and_found_in_the_file_until_they_are_gone() {
        let mut built = Built::new(200).await;
        let traces = distinctive_values(&built.path()).await.unwrap();
        let tables: HashSet<_> = traces.iter().map(|trace| trace.table).collect();
        assert_eq!(tables, built.summary.rows.keys().copied().collect());
        let values: Vec<&str> = traces.iter().map(|trace| trace.value.as_str()).collect();
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), values.len());

        let found = search(&[built.path()], &values).unwrap();
        assert_eq!(found[0].values, (0..values.len()).collect::<Vec<_>>());
        for statement in
            ["PRAGMA secure_delete = ON", "DELETE FROM visits", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"]
        {
            built.connection.execute(statement).await.unwrap();
        }
        let rest: Vec<usize> = (0..values.len()).filter(|&value| traces[value].table != "visits").collect();
        assert_eq!(search(&[built.path()], &values).unwrap()[0].values, rest);
        let after: HashSet<_> = distinctive_values(&built.path()).await.unwrap().into_iter().collect();
        assert!(traces.iter().all(|trace| after.contains(trace) == (trace.table != "visits")));
    }
}
