//! Conditions and `domain::event::interpret` agree on every value that SQLite can
//! hold; and what its connection promises.

use std::{path::PathBuf, time::Duration};

use chrono_tz::Tz;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use super::{
    connection::{Access, Link},
    dialect::SQLITE,
    schema, value,
};
use crate::{
    adapters::sql::{
        Columns, Dialect, FittedEvent, Holds, Identity, Sql,
        agreement::{self, FORMATS, agree, mutated, nasty, text},
        event::EventSql,
        fit::Place,
    },
    domain::{event::Format, record::Cell},
};

/// Declared types with each affinity, and one that sorts without regard to case.
const TYPES: [(&str, Holds); 6] = [
    ("TEXT", Holds::Text),
    ("TIMESTAMP", Holds::Number),
    ("INTEGER", Holds::Number),
    ("REAL", Holds::Number),
    ("", Holds::Any),
    ("TEXT COLLATE NOCASE", Holds::Text),
];

struct Bench {
    link: Link,
    _folder: tempfile::TempDir,
}

impl agreement::Bench for Bench {
    fn dialect(&self) -> &'static dyn Dialect {
        &SQLITE
    }

    async fn rows(&mut self, sql: Sql) -> Vec<Vec<Cell>> {
        self.link.all(sql).await.unwrap().iter().map(|row| value::cells(row).unwrap()).collect()
    }

    async fn cells(&mut self, columns: &[&str]) -> Vec<Vec<Cell>> {
        self.rows(Sql::new(format!("SELECT {} FROM v ORDER BY id", columns.join(", ")))).await
    }
}

async fn bench(setup: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("values.db");
    std::fs::File::create(&path).unwrap();
    let mut link = Link::open("bench".into(), &path, Duration::from_secs(1), Access::Write).await.unwrap();
    link.command(setup).await.unwrap();
    Bench { link, _folder: folder }
}

async fn fill(link: &mut Link, rows: &[Vec<Cell>]) {
    link.command("BEGIN; DELETE FROM v").await.unwrap();
    for (id, cells) in rows.iter().enumerate() {
        let mut sql = Sql::new("INSERT INTO v VALUES (");
        sql.bind(Cell::Integer(i64::try_from(id).unwrap()));
        for cell in cells {
            sql.push(", ").bind(cell.clone());
        }
        sql.push(")");
        link.execute(sql).await.unwrap();
    }
    link.command("COMMIT").await.unwrap();
}

fn one(format: Format, holds: Holds, absent: &[String]) -> FittedEvent<'_> {
    FittedEvent { place: Place::Own, columns: Columns::One { name: "at", holds }, format, zone: None, absent }
}

async fn agree_on_all(values: &[Cell], zones: &[Tz]) {
    let absent = [
        "",
        "0",
        "1.5",
        "00000000",
        "2021-05-27",
        "1970-01-01",
        "-0.0",
        "0.0",
        "20210527",
        "1622077200",
        "1e20",
        "회원",
    ];
    let absent = absent.map(str::to_owned);
    let rows: Vec<Vec<Cell>> = values.iter().map(|cell| vec![cell.clone()]).collect();
    for (declared, affinity) in TYPES {
        let mut bench =
            bench(&format!("CREATE TABLE v (id INTEGER PRIMARY KEY, at {declared}); CREATE INDEX v_at ON v (at)"))
                .await;
        fill(&mut bench.link, &rows).await;
        for format in FORMATS {
            for zone in zones {
                agree(&mut bench, &one(format, affinity, &[]), *zone).await;
            }
            agree(&mut bench, &one(format, affinity, &absent), Tz::Asia__Seoul).await;
        }
    }
}

#[tokio::test]
async fn conditions_and_the_domain_agree_on_values_chosen_to_mislead() {
    agree_on_all(&nasty(), &[Tz::Asia__Seoul, Tz::America__New_York, Tz::Pacific__Apia]).await;
}

#[test]
fn conditions_and_the_domain_agree_on_values_near_well_formed_ones() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::default();
    let zones = [Tz::Asia__Seoul, Tz::America__New_York];
    for _ in 0..2 {
        let values = proptest::collection::vec(mutated(), 400).new_tree(&mut runner).unwrap().current();
        runtime.block_on(agree_on_all(&values, &zones));
    }
}

#[tokio::test]
async fn a_date_and_a_time_column_are_read_as_one_value_on_both_sides() {
    let dates = ["2021-05-27", "2021-02-30", "", "0000-00-00", "2021-05-27 10:00", "2021-05-2", "9999-12-31", "회원"];
    let times =
        ["10:00", "10:00:00", "23:59:59.5", "24:00", "", ":30", "10:00Z", "10:00:00+09:00", "10:00\0", "T10:00"];
    let others = [Cell::Null, Cell::Integer(0), Cell::Blob(b"10:00".to_vec()), Cell::Real(1.5)];
    let cells = |texts: &[&str]| texts.iter().map(|one| text(one)).chain(others.clone()).collect::<Vec<_>>();
    let times = cells(&times);
    let rows: Vec<Vec<Cell>> = cells(&dates)
        .into_iter()
        .flat_map(|date| times.iter().map(move |time| vec![date.clone(), time.clone()]))
        .collect();
    let absent = ["0000-00-00".to_owned(), String::new()];
    for declared in ["TEXT", ""] {
        let mut bench = bench(&format!("CREATE TABLE v (id INTEGER PRIMARY KEY, d {declared}, t {declared})")).await;
        fill(&mut bench.link, &rows).await;
        for format in [Format::Timestamp, Format::TimestampTz, Format::Iso8601] {
            for absent in [&absent[..], &[]] {
                let columns = Columns::DateAndTime { date: "d", time: "t" };
                let event = FittedEvent { place: Place::Own, columns, format, zone: None, absent };
                agree(&mut bench, &event, Tz::Asia__Seoul).await;
            }
        }
    }
}

/// The plan of a condition, as the engine explains it.
async fn explained(link: &mut Link, condition: Sql) -> String {
    let mut sql = Sql::new("EXPLAIN QUERY PLAN SELECT count(*) FROM v WHERE ");
    sql.append(condition);
    let mut plan = String::new();
    for row in link.all(sql).await.unwrap() {
        plan += &value::text(&row, 3).unwrap();
    }
    plan
}

#[tokio::test]
async fn a_range_of_an_indexed_event_is_found_through_its_index() {
    let (from, until) = ("2000-01-01T00:00:00Z".parse().unwrap(), "2021-05-27T10:00:00Z".parse().unwrap());
    for format in FORMATS {
        let (declared, affinity) = match format {
            Format::EpochSeconds | Format::EpochMillis => ("INTEGER", Holds::Number),
            _ => ("TEXT", Holds::Text),
        };
        let mut bench =
            bench(&format!("CREATE TABLE v (id INTEGER PRIMARY KEY, at {declared}); CREATE INDEX v_at ON v (at)"))
                .await;
        let event = one(format, affinity, &[]);
        let plan =
            explained(&mut bench.link, EventSql::new(&SQLITE, &event, "v", Tz::Asia__Seoul).within(from, until)).await;
        assert!(plan.contains("v_at (at>? AND at<?)"), "{format:?}: {plan}");
    }
}

#[tokio::test]
async fn the_schema_is_read_with_keys_links_and_triggers() {
    let mut bench = bench(
        "CREATE TABLE \"Order\" (\"Id\" TEXT PRIMARY KEY, rowid TEXT, total REAL, twice AS (total * 2));
         CREATE TABLE line (a, b, o REFERENCES \"order\" ON DELETE CASCADE, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE UNIQUE INDEX line_part ON line (o) WHERE a > 0;
         CREATE VIEW w AS SELECT * FROM nowhere;
         CREATE TRIGGER t AFTER DELETE ON line BEGIN SELECT 1; END",
    )
    .await;
    let schema = schema::read(&mut bench.link).await.unwrap().schema;
    let order = schema.table("ORDER").unwrap();
    assert_eq!(order.identity, Identity::System(&["_rowid_"]));
    assert_eq!(order.stored().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["Id", "rowid", "total"]);
    let line = schema.table("line").unwrap();
    assert_eq!(line.identity, Identity::Key(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(line.foreign_keys[0].on, [("o".to_owned(), "Id".to_owned())]);
    assert!(!line.is_unique(&["o"]) && line.is_unique(&["A", "b"]));
    assert_eq!(line.triggers, ["t"]);
    assert_eq!(schema.pointing_at("order").len(), 1);
}

#[tokio::test]
async fn a_scan_cannot_write_neither_to_the_file_nor_to_the_side() {
    let bench =
        bench("CREATE TABLE v (id INTEGER PRIMARY KEY); CREATE INDEX i ON v (id); INSERT INTO v VALUES (1)").await;
    let mut scan = Link::open("bench".into(), &bench.link.path, Duration::from_secs(1), Access::Read).await.unwrap();
    for statement in [
        "DELETE FROM v",
        "CREATE TABLE w (x)",
        "CREATE TEMP TABLE w (x)",
        "PRAGMA query_only = OFF; DELETE FROM v",
        "VACUUM",
        "REINDEX v",
        "PRAGMA user_version = 7",
    ] {
        assert!(scan.command(statement).await.is_err(), "{statement}");
    }
    assert_eq!(scan.pragma_integer("user_version").await.unwrap(), 0);
    assert_eq!(scan.all(Sql::new("SELECT id FROM v")).await.unwrap().len(), 1);
}
