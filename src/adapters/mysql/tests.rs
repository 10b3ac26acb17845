//! Conditions and `domain::event::interpret` agree on every value that a server
//! can hold; values come and go byte for byte; and what a session promises.

#[path = "../../../tests/servers/mod.rs"]
mod servers;

use std::time::Duration;

use chrono_tz::Tz;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use super::{
    catalogue::Catalogue,
    connection::{Access, Link, rendered},
    dialect::{MYSQL, quote},
    value::{self, BEHIND_FIRST, Class, FIRST, Fetched, class, literal},
};
use crate::{
    adapters::{
        engine::{Patience, Server},
        sql::{
            Columns, Dialect, FittedEvent, Holds, Identity, Sql, StoredRow as _,
            agreement::{self, FORMATS, agree, mutated, nasty, text},
            event::EventSql,
            fit::Place,
        },
    },
    domain::{
        deployment::{Engine, ServerAddress},
        event::Format,
        locator,
        record::{self, Cell},
    },
};

const PATIENCE: Patience = Patience { lock: Duration::from_secs(1), statement: Duration::ZERO };

struct Bench {
    link: Link,
    database: servers::Database<'static>,
}

fn server(database: &servers::Database<'_>) -> Server {
    let url = database.url();
    let address = ServerAddress::parse(Engine::Mysql, url.split_once("://").unwrap().1).unwrap();
    Server { address, root_certificate: None, password: None }
}

async fn bench(setup: &str) -> Bench {
    let database = servers::mariadb().database();
    database.run(setup);
    let link = Link::open("bench".into(), &server(&database), PATIENCE, Access::Write).await.unwrap();
    Bench { link, database }
}

impl Bench {
    /// Stores these values in table `v` as far as its columns take them.
    async fn fill(&mut self, rows: &[Vec<Cell>]) {
        let classes = self.classes().await;
        self.link.command("TRUNCATE v; START TRANSACTION").await.unwrap();
        for (id, cells) in rows.iter().enumerate() {
            let values = cells.iter().zip(&classes).map(|(cell, class)| match (class, cell) {
                (Class::Text(_), Cell::Text(_)) => literal(cell, class),
                _ => value::free_literal(cell),
            });
            let values = values.collect::<Vec<_>>().join(", ");
            // What a column refuses becomes NULL, so that the ids have no gaps.
            if self.link.execute(&format!("INSERT INTO v VALUES ({id}, {values})")).await.is_err() {
                let nulls = vec!["NULL"; cells.len()].join(", ");
                self.link.execute(&format!("INSERT INTO v VALUES ({id}, {nulls})")).await.unwrap();
            }
        }
        self.link.command("COMMIT").await.unwrap();
    }

    /// Of all columns behind the id.
    async fn classes(&mut self) -> Vec<Class> {
        let catalogue = Catalogue::read(&mut self.link).await.unwrap();
        value::classes(catalogue.schema.table("v").unwrap()).split_off(1)
    }
}

impl agreement::Bench for Bench {
    fn dialect(&self) -> &'static dyn Dialect {
        &MYSQL
    }

    async fn rows(&mut self, sql: Sql) -> Vec<Vec<Cell>> {
        let rows = self.link.all(&rendered(sql)).await.unwrap();
        rows.iter().map(|row| value::cells(row).unwrap()).collect()
    }

    async fn cells(&mut self, columns: &[&str]) -> Vec<Vec<Cell>> {
        let catalogue = Catalogue::read(&mut self.link).await.unwrap();
        let table = catalogue.schema.table("v").unwrap();
        let columns: Vec<_> = columns.iter().map(|name| table.column(name).unwrap()).collect();
        let classes: Vec<Class> = columns.iter().map(|column| class(&column.declared)).collect();
        let fetched: Vec<String> = columns.iter().map(|column| value::fetched(column, &quote(&column.name))).collect();
        let text = format!("SELECT {FIRST}, {} FROM v ORDER BY id", fetched.join(", "));
        let rows = self.link.all(&text).await.unwrap();
        let cells = |row| {
            let fetched = Fetched { row, classes: &classes };
            (0..classes.len()).map(|at| fetched.cell(at).unwrap()).collect()
        };
        rows.iter().map(cells).collect()
    }
}

/// Columns of each kind that an event may be in.
const TYPES: [(&str, Holds); 9] = [
    ("VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", Holds::Text),
    ("VARCHAR(80) CHARACTER SET latin1 COLLATE latin1_swedish_ci", Holds::Text),
    ("VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci", Holds::Text),
    ("BIGINT", Holds::Number),
    ("BIGINT UNSIGNED", Holds::Number),
    ("DATE", Holds::Date),
    ("DATETIME", Holds::Timestamp),
    ("DATETIME(6)", Holds::Timestamp),
    ("TIMESTAMP(6) NULL", Holds::TimestampTz),
];

fn one(format: Format, holds: Holds, absent: &[String]) -> FittedEvent<'_> {
    FittedEvent { place: Place::Own, columns: Columns::One { name: "at", holds }, format, zone: None, absent }
}

fn readable(columns: Columns<'_>, format: Format) -> bool {
    !MYSQL.shapes(columns, format).is_empty()
}

async fn agree_on_all(values: &[Cell], zones: &[Tz]) {
    let absent = [
        "",
        "0",
        "00000000",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "2021-05-27",
        "1970-01-01",
        "20210527",
        "2021-05-27 10:00:00.000000Z",
        "2021-05-27 10:00:00",
        "18446744073709551615",
        "회원",
    ];
    let absent = absent.map(str::to_owned);
    let rows: Vec<Vec<Cell>> = values.iter().map(|cell| vec![cell.clone()]).collect();
    for (declared, holds) in TYPES {
        let mut bench = bench(&format!("CREATE TABLE v (id INT PRIMARY KEY, at {declared}, KEY v_at (at))")).await;
        bench.fill(&rows).await;
        for format in FORMATS {
            if !readable(Columns::One { name: "at", holds }, format) {
                continue;
            }
            for zone in zones {
                agree(&mut bench, &one(format, holds, &[]), *zone).await;
            }
            agree(&mut bench, &one(format, holds, &absent), Tz::Asia__Seoul).await;
        }
    }
}

#[tokio::test]
async fn conditions_and_the_domain_agree_on_values_chosen_to_mislead() {
    let mut values = nasty();
    values.extend(
        [
            "2021-00-10",
            "2021-02-31",
            "2000-02-29",
            "1900-02-29",
            "0000-00-00 10:00:00",
            "2038-01-19 03:14:07",
            "2038-01-19 03:14:07.999999",
            "1970-01-01 00:00:00.5",
            "1970-01-01 00:00:01",
        ]
        .map(text),
    );
    agree_on_all(&values, &[Tz::Asia__Seoul, Tz::America__New_York, Tz::Pacific__Apia]).await;
}

#[test]
fn conditions_and_the_domain_agree_on_values_near_well_formed_ones() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let values = proptest::collection::vec(mutated(), 300).new_tree(&mut TestRunner::default()).unwrap().current();
    runtime.block_on(agree_on_all(&values, &[Tz::Asia__Seoul, Tz::America__New_York]));
}

#[tokio::test]
async fn a_date_and_a_time_column_are_read_as_one_value_on_both_sides() {
    let dates = ["2021-05-27", "2021-02-30", "", "0000-00-00", "2021-05-27 10:00", "9999-12-31", "회원"].map(text);
    let times =
        ["10:00", "10:00:00", "23:59:59.5", "24:00", "", "-10:00", "100:00:00", "10:00Z", "10:00:00+09:00"].map(text);
    let null = [Cell::Null];
    let rows: Vec<Vec<Cell>> = dates
        .iter()
        .chain(&null)
        .flat_map(|date| times.iter().chain(&null).map(move |time| vec![date.clone(), time.clone()]))
        .collect();
    let absent = ["0000-00-00".to_owned(), String::new()];
    for declared in ["d VARCHAR(40), t VARCHAR(40)", "d DATE, t TIME(6)", "d DATE, t VARCHAR(20)", "d INT, t TIME"] {
        let mut bench = bench(&format!("CREATE TABLE v (id INT PRIMARY KEY, {declared})")).await;
        bench.fill(&rows).await;
        for format in [Format::Timestamp, Format::TimestampTz, Format::Iso8601] {
            for absent in [&absent[..], &[]] {
                let columns = Columns::DateAndTime { date: "d", time: "t" };
                let event = FittedEvent { place: Place::Own, columns, format, zone: None, absent };
                agree(&mut bench, &event, Tz::Asia__Seoul).await;
            }
        }
    }
}

#[tokio::test]
async fn a_range_of_an_indexed_event_is_found_through_its_index() {
    let (from, until) = ("2020-01-01T00:00:00Z".parse().unwrap(), "2020-01-03T10:00:00Z".parse().unwrap());
    for (declared, holds) in TYPES {
        let mut bench = bench(&format!(
            "CREATE TABLE v (id INT PRIMARY KEY, at {declared}, KEY v_at (at));
             INSERT IGNORE INTO v SELECT seq, '2021-01-01' + INTERVAL seq HOUR FROM seq_1_to_5000; ANALYZE TABLE v"
        ))
        .await;
        for format in FORMATS.into_iter().filter(|format| readable(Columns::One { name: "at", holds }, *format)) {
            let event = one(format, holds, &[]);
            let mut sql = Sql::new("EXPLAIN SELECT at FROM v WHERE ");
            sql.append(EventSql::new(&MYSQL, &event, "v", Tz::Asia__Seoul).within(from, until));
            let plan = bench.link.one(&rendered(sql)).await.unwrap();
            let (kind, key) = (value::text(&plan, 3).unwrap(), value::text(&plan, 5).unwrap());
            assert_eq!((kind.as_str(), key.as_str()), ("range", "v_at"), "{declared} {format:?}");
        }
    }
}

/// A hold that names a key or a subject must mean the same rows in SQL as in the
/// vault's index.
#[tokio::test]
async fn a_key_is_located_by_the_same_text_in_sql_and_in_records() {
    let more = ["INT(8) ZEROFILL", "BINARY(4)", "VARBINARY(20)", "DECIMAL(20,4)", "TIME(6)", "YEAR", "TIMESTAMP NULL"];
    let charsets = ["euckr", "utf16", "utf32", "cp932"].map(|charset| format!("VARCHAR(40) CHARACTER SET {charset}"));
    let more = more.into_iter().chain(charsets.iter().map(String::as_str));
    for declared in TYPES.map(|(declared, _)| declared).into_iter().chain(more) {
        let mut bench = bench(&format!("CREATE TABLE v (id INT PRIMARY KEY, at {declared})")).await;
        let mut values = nasty();
        values.extend(["USER1 ", "user1", "12", "00012", "12:30:00"].map(text));
        bench.fill(&values.into_iter().map(|value| vec![value]).collect::<Vec<_>>()).await;
        let catalogue = Catalogue::read(&mut bench.link).await.unwrap();
        let column = catalogue.schema.table("v").unwrap().column("at").unwrap();
        let located = MYSQL.located(column, "v.at");
        let rows = bench.link.all(&format!("SELECT {FIRST}, {located} FROM v ORDER BY id")).await.unwrap();
        let cells = agreement::Bench::cells(&mut bench, &["at"]).await;
        for (row, cells) in rows.iter().zip(cells) {
            let found = value::raw(row, BEHIND_FIRST).unwrap().unwrap_or_default();
            let typed: Vec<Cell> = cells.iter().map(|cell| locator::legible(&column.declared, cell.clone())).collect();
            // What is not valid in its own character set is nothing that anybody types.
            let is_broken = matches!(&typed[0], Cell::Text(bytes) if typed == cells && !bytes.is_ascii());
            if is_broken && locator::charset(&column.declared).is_some_and(|charset| !charset.starts_with("utf8")) {
                continue;
            }
            let cells = typed;
            assert_eq!(found, record::locator(&cells), "{declared}: {cells:?}");
        }
    }
}

/// Letters that the server's usual collations call the same must be found by each
/// other: a hold would cover less than it says.
#[tokio::test]
async fn letters_that_collations_call_the_same_are_folded_alike() {
    let mut bench =
        bench("CREATE TABLE v (id INT PRIMARY KEY, at VARCHAR(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)").await;
    let ranges = [
        0x21..=0x24f,
        0x370..=0x3ff,
        0x400..=0x52f,
        0x1e00..=0x1fff,
        0x3041..=0x3096,
        0x30a1..=0x30fa,
        0xff01..=0xff9f,
    ];
    let letters = ranges.into_iter().flatten().filter_map(char::from_u32).filter(|letter| letter.is_alphanumeric());
    bench.fill(&letters.map(|letter| vec![text(&letter.to_string())]).collect::<Vec<_>>()).await;
    let mut apart = std::collections::BTreeSet::new();
    for collation in ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_uca1400_ai_ci"] {
        let same = format!(
            "SELECT {FIRST}, GROUP_CONCAT(at ORDER BY id SEPARATOR '') FROM v GROUP BY WEIGHT_STRING(at COLLATE {collation}) \
             HAVING count(*) > 1"
        );
        for row in bench.link.all(&same).await.unwrap() {
            let group = value::text(&row, BEHIND_FIRST).unwrap();
            let first = group.chars().next().unwrap().to_string();
            let folded = |letter: &str| locator::folded(letter.as_bytes()).into_owned();
            let other = group.chars().filter(|letter| folded(&letter.to_string()) != folded(&first));
            apart.extend(other.map(|letter| format!("{collation}: {letter} is {first}")));
        }
    }
    assert!(apart.is_empty(), "{} of them: {apart:?}", apart.len());
}

/// Every bit pattern of a float that is a number is a value of its own, save the
/// negative zero, which the server does not keep.
#[tokio::test]
async fn floats_come_and_go_to_the_bit() {
    let mut bench = bench("CREATE TABLE v (id INT PRIMARY KEY, f FLOAT, d DOUBLE)").await;
    let mut state = 1_u64;
    let mut values: Vec<(f32, f64)> = vec![
        (1.1, 0.1),
        (f32::MAX, f64::MAX),
        (f32::MIN, f64::MIN),
        (f32::MIN_POSITIVE, f64::MIN_POSITIVE),
        (1.0e-45, 5.0e-324),
        (16_777_217.0, 9_007_199_254_740_993.0),
        (0.3, 2.225_073_858_507_201e-308),
    ];
    for _ in 0..2000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (single, double) = (f32::from_bits((state >> 32) as u32), f64::from_bits(state.rotate_left(17)));
        values.push((if single.is_finite() { single } else { 0.0 }, if double.is_finite() { double } else { 0.0 }));
    }
    let rows: Vec<Vec<Cell>> =
        values.iter().map(|(single, double)| vec![Cell::Real(f64::from(*single)), Cell::Real(*double)]).collect();
    bench.fill(&rows).await;
    let found = agreement::Bench::cells(&mut bench, &["f", "d"]).await;
    for (wanted, found) in rows.iter().zip(&found) {
        for (wanted, found) in wanted.iter().zip(found) {
            let (Cell::Real(wanted), Cell::Real(found)) = (wanted, found) else { panic!("{found:?}") };
            assert_eq!(wanted.to_bits(), found.to_bits(), "{wanted:e} came back as {found:e}");
        }
    }
}

#[tokio::test]
async fn the_schema_is_read_with_keys_links_triggers_and_what_cannot_move() {
    let mut bench = bench(
        "CREATE TABLE `Order` (`Id` CHAR(36) PRIMARY KEY, total INT, twice INT AS (total * 2), hidden INT INVISIBLE);
         CREATE TABLE line (a INT NOT NULL, b INT NOT NULL, o CHAR(36), PRIMARY KEY (b, a),
           FOREIGN KEY (o) REFERENCES `Order` (`Id`) ON DELETE CASCADE, UNIQUE (o(3)));
         CREATE TABLE plain (x INT, y INT); CREATE TABLE wide (at CHAR(10) CHARACTER SET ucs2); CREATE TABLE mine (x INT NOT NULL, UNIQUE (x)) ENGINE = MyISAM; CREATE TABLE volatile (x INT PRIMARY KEY) ENGINE = MEMORY;
         CREATE TABLE versioned (x INT PRIMARY KEY) WITH SYSTEM VERSIONING; CREATE TABLE odd (x INT NOT NULL, UNIQUE u (x));
         CREATE VIEW w AS SELECT 1 AS x; CREATE TRIGGER t AFTER DELETE ON line FOR EACH ROW SET @x = 1",
    )
    .await;
    let catalogue = Catalogue::read(&mut bench.link).await.unwrap();
    let schema = &catalogue.schema;
    assert_eq!(catalogue.hides_keys_of(schema.table("Order").unwrap()), Some(false));
    let order = schema.table("Order").unwrap();
    assert!(schema.table("order").is_none() && schema.table(&format!("{}.Order", bench.database.name())).is_some());
    assert_eq!(order.identity, Identity::Key(vec!["Id".to_owned()]));
    assert_eq!(order.stored().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["Id", "total", "hidden"]);
    let line = schema.table("line").unwrap();
    assert_eq!(line.identity, Identity::Key(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!((line.foreign_keys[0].parent.as_str(), line.foreign_keys[0].on_delete.as_str()), ("Order", "CASCADE"));
    assert_eq!(line.foreign_keys[0].on, [("o".to_owned(), "Id".to_owned())]);
    assert!(!line.is_unique(&["o"]) && line.is_unique(&["A", "b"]) && line.triggers == ["t"]);
    assert_eq!(schema.table("odd").unwrap().identity, Identity::Key(vec!["x".to_owned()]));
    let mine = schema.table("mine").unwrap();
    assert_eq!(mine.identity, Identity::Key(vec!["x".to_owned()]));
    assert_eq!((catalogue.weak_engine(mine), catalogue.weak_engine(order)), (Some("MyISAM"), None));
    for refused in ["plain", "volatile", "versioned"] {
        assert!(matches!(schema.table(refused).unwrap().identity, Identity::None(..)), "{refused}");
    }
    assert_eq!(schema.pointing_at("Order").len(), 1);
    let wide = schema.table("wide").unwrap().column("at").unwrap();
    assert_eq!(wide.holds, Holds::Other, "its bytes say nothing that could be compared with a date");
}

#[tokio::test]
async fn a_scan_cannot_write() {
    let bench = bench("CREATE TABLE v (id INT PRIMARY KEY) ENGINE = InnoDB; INSERT INTO v VALUES (1)").await;
    let at = server(&bench.database);
    let mut scan = Link::open("bench".into(), &at, PATIENCE, Access::Read).await.unwrap();
    for statement in
        ["DELETE FROM v", "CREATE TABLE w (x INT)", "TRUNCATE v", "INSERT INTO v VALUES (2)", "DROP TABLE v"]
    {
        assert!(scan.command(statement).await.is_err(), "{statement}");
        scan.begin_reading().await.unwrap();
        assert!(scan.command(statement).await.is_err(), "{statement} in a transaction");
        scan.roll_back().await.unwrap();
    }
    assert_eq!(bench.database.number("SELECT count(*) FROM v"), 1);
}

/// A value of 16 MiB and more begins with the byte that ends a result.
#[tokio::test]
async fn a_row_that_begins_with_a_very_long_value_is_read_whole() {
    let mut bench = bench("CREATE TABLE v (id INT PRIMARY KEY, b LONGBLOB)").await;
    bench.database.run("SET GLOBAL max_allowed_packet = 64 * 1024 * 1024");
    bench.link = Link::open("bench".into(), &server(&bench.database), PATIENCE, Access::Write).await.unwrap();
    bench.link.command("INSERT INTO v VALUES (1, repeat('x', 17000000)), (2, 'y')").await.unwrap();
    let rows = bench.link.all(&format!("SELECT {FIRST}, b FROM v ORDER BY id")).await.unwrap();
    let lengths: Vec<_> = rows.iter().map(|row| value::raw(row, BEHIND_FIRST).unwrap().map(<[u8]>::len)).collect();
    assert_eq!(lengths, [Some(17_000_000), Some(1)]);
    let mut record = Vec::new();
    Fetched { row: &rows[1], classes: &[Class::Bytes] }.encode(&mut record, 0).unwrap();
    let mut wanted = Vec::new();
    record::encode_blob(&mut wanted, b"y");
    assert_eq!(record, wanted);
}
