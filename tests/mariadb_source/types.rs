//! Every type comes back byte for byte.

use crate::{
    fixture::dataset,
    servers::Database,
    world::{database, errors, moved, put_back},
};

/// A column's type, and values of it as the application writes them.
const TYPES: [(&str, &[&str]); 58] = [
    ("TINYINT", &["-128", "127", "0"]),
    ("TINYINT(1)", &["TRUE", "FALSE"]),
    ("SMALLINT UNSIGNED", &["65535"]),
    ("MEDIUMINT", &["-8388608"]),
    ("INT(8) ZEROFILL", &["42", "4294967295"]),
    ("BIGINT", &["-9223372036854775808", "9223372036854775807"]),
    ("BIGINT UNSIGNED", &["18446744073709551615", "9223372036854775808", "0"]),
    (
        "DECIMAL(65,30)",
        &[
            "99999999999999999999999999999999999.999999999999999999999999999999",
            "-0.000000000000000000000000000001",
            "0",
        ],
    ),
    ("DECIMAL(5,0)", &["-99999"]),
    ("FLOAT", &["1.1", "3.402823466e38", "-1.175494351e-38", "16777217", "1e-45", "-0e0"]),
    ("FLOAT(7,4)", &["-999.9999", "0.1"]),
    ("DOUBLE", &["0.1", "1.7976931348623157e308", "-2.2250738585072014e-308", "9007199254740993", "5e-324", "-0e0"]),
    ("DOUBLE(20,5)", &["123456789012345.12345"]),
    ("BIT(1)", &["b'1'", "b'0'"]),
    ("BIT(13)", &["b'1000000000001'"]),
    ("BIT(64)", &["b'1111111111111111111111111111111111111111111111111111111111111111'", "0x0102030405060708"]),
    (
        "DATE",
        &[
            "'2021-05-27'",
            "'0000-00-00'",
            "'2021-00-00'",
            "'2021-02-31'",
            "'0000-05-27'",
            "'9999-12-31'",
            "'0001-01-01'",
        ],
    ),
    ("DATETIME", &["'2021-05-27 09:10:11'", "'2021-00-00 23:59:59'", "'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'"]),
    ("DATETIME(6)", &["'2021-05-27 09:10:11.000001'", "'9999-12-31 23:59:59.999999'"]),
    ("TIMESTAMP NULL", &["'2021-05-27 09:10:11'", "'0000-00-00 00:00:00'", "'2038-01-19 03:14:07'"]),
    ("TIMESTAMP(6) NULL", &["'1970-01-01 00:00:01.000001'", "'2021-03-28 02:30:00.5'"]),
    ("TIME", &["'838:59:59'", "'-838:59:59'", "'00:00:00'", "'-00:00:01'"]),
    ("TIME(6)", &["'-00:00:00.000001'", "'100:00:00.123456'", "'838:59:59.999999'", "'-838:59:59.999999'"]),
    ("YEAR", &["1901", "2155", "'0000'", "2000"]),
    ("CHAR(10)", &["'trailing  '", "''", "'회원'"]),
    ("CHAR(8) CHARACTER SET latin1", &["x'e9ff80'", "x'c3a9'", "x'000102'"]),
    ("VARCHAR(80) CHARACTER SET latin1 COLLATE latin1_swedish_ci", &["x'ffc328'", "'NULL'", "'\\\\N'", "'  '"]),
    (
        "VARCHAR(80) CHARACTER SET utf8mb4",
        &["'한글 😀 가\u{300} \u{202e}abc\u{200b}'", "'a\\0b'", "'\\r\\n\\t\\'\\\\\"`'", "' x '"],
    ),
    ("VARCHAR(80) CHARACTER SET utf8mb3", &["'가나다'"]),
    ("VARCHAR(40) CHARACTER SET euckr", &["x'b0a1b3aa'"]),
    ("VARCHAR(40) CHARACTER SET ucs2", &["'가a'", "''"]),
    ("VARCHAR(40) CHARACTER SET utf32", &["'😀'"]),
    ("BINARY(4)", &["x'00'", "x'61620000'", "x'ffffffff'"]),
    ("VARBINARY(40)", &["x'00ff27225c'", "''"]),
    ("BLOB", &["x'1f8b0800'", "repeat(x'fe', 60000)"]),
    ("MEDIUMTEXT", &["repeat('가', 100000)", "''"]),
    ("JSON", &["'{\"a\": [1, 1.0, \"\\\\u0000\"], \"가\": null}'", "'[]'"]),
    ("ENUM('a','b','','it''s')", &["'a'", "'it''s'", "''", "3"]),
    ("SET('x','y','z')", &["''", "'x,z'", "7"]),
    ("ENUM('a','b')", &["0", "'b'"]),
    ("ENUM('é','가') CHARACTER SET utf8mb3", &["'가'", "0"]),
    ("YEAR(4)", &["1970", "0"]),
    ("CHAR(4) CHARACTER SET binary", &["x'00200020'", "x'61'"]),
    ("BINARY(255)", &["repeat(x'00', 255)", "concat(x'ff', repeat(x'20', 3))"]),
    ("LONGBLOB", &["repeat(x'27', 70000)", "x'00'"]),
    ("TEXT CHARACTER SET latin1", &["x'818d8f909d'", "x'00'", "repeat(x'e9', 65535)"]),
    ("VARCHAR(20) CHARACTER SET sjis", &["x'835c835c'", "x'5c'"]),
    ("VARCHAR(20) CHARACTER SET gbk", &["x'815c27'", "x'fe5c'"]),
    ("VARCHAR(20) CHARACTER SET big5", &["x'a45c'"]),
    ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", &["'x '", "x'ed959cea'"]),
    ("POINT", &["ST_GeomFromText('POINT(-0.1 1e308)')"]),
    ("LINESTRING", &["ST_GeomFromText('LINESTRING(0 0,1 1,2 -2)', 3857)"]),
    ("MULTIPOINT", &["ST_GeomFromText('MULTIPOINT(0 0,1 1)')"]),
    ("MULTIPOLYGON", &["ST_GeomFromText('MULTIPOLYGON(((0 0,0 4,4 4,0 0)),((9 9,9 8,8 8,9 9)))')"]),
    (
        "GEOMETRYCOLLECTION",
        &[
            "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')",
            "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')",
        ],
    ),
    ("GEOMETRY", &["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')"]),
    ("UUID", &["'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"]),
    ("INET6", &["'::1'", "'::ffff:192.0.2.1'", "'2001:db8::ff00:42:8329'"]),
];

/// Everything of a table in hexadecimal digits, types that round their text as
/// what they hold.
fn dump(database: &Database<'_>, table: &str) -> String {
    let columns = database.query(&format!(
        "SELECT group_concat(IF(data_type IN ('float', 'double'), concat('coalesce(hex(cast(', column_name, ' AS DOUBLE)), ''-''),', \
         column_name, '<=>cast(cast(', column_name, ' AS DOUBLE) AS DOUBLE), cast(', column_name, ' AS DOUBLE)'), \
         concat('coalesce(hex(', column_name, '), ''-''), coalesce(length(', column_name, '), ''-'')', \
         IF(data_type IN ('enum', 'set'), concat(', coalesce(', column_name, ' + 0, ''-'')'), ''))) SEPARATOR ', ') FROM information_schema.columns \
         WHERE table_schema = database() AND table_name = '{table}'"
    ));
    database.query(&format!("SET SESSION group_concat_max_len = 1000000; SELECT {columns} FROM {table} ORDER BY id"))
}

#[tokio::test]
async fn every_type_is_restored_to_the_byte() {
    let mut setup = String::from(
        "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'; SET time_zone = '+00:00'; \
         CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL",
    );
    for (number, (kind, _)) in TYPES.iter().enumerate() {
        setup += &format!(", c{number} {kind}");
    }
    setup += ") ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4;";
    setup += "INSERT INTO t (id, at) VALUES (0, '2020-01-01 00:00:00');";
    let rows = TYPES.iter().map(|(_, values)| values.len()).max().unwrap();
    for row in 0..rows {
        let values = TYPES.iter().map(|(_, values)| *values.get(row).unwrap_or(&"NULL")).collect::<Vec<_>>();
        setup += &format!("INSERT INTO t VALUES ({}, '2020-01-01 00:00:00', {});", row + 1, values.join(", "));
    }
    let database = database(&setup);
    assert_eq!(database.query("SELECT @@warning_count"), "0");
    let before = dump(&database, "t");
    assert_eq!(before.lines().count(), rows + 1);
    let moved = moved(&database, &dataset("t", &["id"]), 3).await;
    assert_eq!((moved.records.len(), database.number("SELECT count(*) FROM t")), (rows + 1, 0));
    put_back(&database, &dataset("t", &["id"]), &moved).await;
    assert_eq!(dump(&database, "t"), before);
}

/// Two values of each width: all ones, and the last one alone.
#[tokio::test]
async fn bits_of_every_width_are_restored_to_the_bit() {
    let columns: Vec<String> = (1..=64).map(|width| format!("b{width} BIT({width})")).collect();
    let ones: Vec<String> = (1..=64).map(|width| format!("b'{}'", "1".repeat(width))).collect();
    let last = vec!["b'1'"; 64].join(", ");
    let database = database(&format!(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, {}); INSERT INTO t VALUES (1, '2020-01-01', {}), (2, '2020-01-01', {last})",
        columns.join(", "),
        ones.join(", ")
    ));
    let before = dump(&database, "t");
    let moved = moved(&database, &dataset("t", &["id"]), 10).await;
    assert_eq!((moved.records.len(), database.number("SELECT count(*) FROM t")), (2, 0));
    put_back(&database, &dataset("t", &["id"]), &moved).await;
    assert_eq!(dump(&database, "t"), before);
    assert_eq!(database.query("SELECT bit_count(b64), b1 + 0, b33 = pow(2, 33) - 1 FROM t WHERE id = 1"), "64\t1\t1");
}

#[tokio::test]
async fn generated_hidden_and_automatic_columns_come_back_as_they_were() {
    let database = database(
        "SET time_zone = '+00:00'; \
         CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME, n INT, twice INT AS (n * 2) STORED, \
           thrice INT AS (n * 3) VIRTUAL, secret VARCHAR(9) INVISIBLE, touched TIMESTAMP NOT NULL DEFAULT '2001-02-03 04:05:06' \
           ON UPDATE CURRENT_TIMESTAMP); \
         SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; INSERT INTO t (id, at, n, secret) VALUES (0, '2020-01-01', 1, 'x'), (5, '2020-01-02', 2, NULL)",
    );
    let rows = "SELECT id, at, n, twice, thrice, secret, touched FROM t ORDER BY id";
    let before = database.query(rows);
    let moved = moved(&database, &dataset("t", &["id"]), 10).await;
    assert_eq!(
        moved.tables[0].columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["id", "at", "n", "secret", "touched"]
    );
    assert_eq!(database.query(rows), "");
    put_back(&database, &dataset("t", &["id"]), &moved).await;
    assert_eq!(database.query(rows), before);
}

#[tokio::test]
async fn partitions_and_keys_of_every_kind_move_and_return() {
    let key = [
        ("CHAR(36) CHARACTER SET ascii", "'0f5b', '1A2b', 'zz'"),
        ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "'USER1', 'ｕser2', '회원'"),
        ("VARCHAR(20) CHARACTER SET latin1", "x'e9', x'00', 'a '"),
        ("BINARY(3)", "x'000000', x'610000', x'ff0027'"),
        ("VARBINARY(9)", "x'', x'00', x'0000'"),
        ("BIGINT UNSIGNED", "0, 9223372036854775808, 18446744073709551615"),
        ("DECIMAL(30,10)", "1.5, -2, 12345678901234567890.0123456789"),
        ("DATETIME(6)", "'2020-01-01', '2020-01-01 00:00:00.000001', '0000-00-00'"),
        ("TIMESTAMP(6)", "'2020-01-01', '2020-01-01 00:00:00.000001', '2037-01-01'"),
        ("ENUM('a','b','c')", "'a', 'b', 'c'"),
        (
            "UUID",
            "'123e4567-e89b-12d3-a456-426655440000', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'",
        ),
        ("DATE", "'2020-01-01', '0000-00-00', '9999-12-31'"),
    ];
    for (kind, values) in key {
        let rows: Vec<String> =
            values.split(", ").map(|value| format!("({value}, 1, '2020-01-01'), ({value}, 2, '2020-01-01')")).collect();
        let database = database(&format!(
            "SET sql_mode = 'ALLOW_INVALID_DATES'; SET time_zone = '+00:00'; \
             CREATE TABLE t (`order` {kind} NOT NULL, `na``me` INT NOT NULL, at DATETIME, PRIMARY KEY (`na``me`, `order`)); \
             INSERT INTO t VALUES {}",
            rows.join(", ")
        ));
        let all = "SELECT hex(`order`), `order`, `na``me` FROM t ORDER BY `na``me`, `order`";
        let before = database.query(all);
        assert_eq!(before.lines().count(), 6, "{kind}");
        let t = dataset("t", &["order", "na`me"]);
        assert_eq!(errors(&database, &t).await, "", "{kind}");
        let moved = moved(&database, &t, 4).await;
        assert_eq!((database.query(all).as_str(), moved.records.len()), ("", 6), "{kind}");
        put_back(&database, &t, &moved).await;
        assert_eq!(database.query(all), before, "{kind}");
    }
    let partitioned = database(
        "CREATE TABLE t (id INT, at DATETIME, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) \
           (PARTITION old VALUES LESS THAN (2020), PARTITION young VALUES LESS THAN MAXVALUE); \
         INSERT INTO t VALUES (1, '2019-01-01'), (2, '2020-06-01'), (3, '2026-01-01')",
    );
    let t = dataset("t", &["id", "at"]);
    let moved = moved(&partitioned, &t, 1).await;
    assert_eq!((moved.records.len(), partitioned.query("SELECT id FROM t").as_str()), (2, "3"));
    put_back(&partitioned, &t, &moved).await;
    assert_eq!(partitioned.query("SELECT id FROM t PARTITION (old)"), "1");
}
