//! What is taken is what was there, byte for byte, whatever its type and its key.

use retentiond::{
    domain::{
        deployment::{Edge, EventPlace, Events},
        event::Format,
        record::Cell,
    },
    ports::Source as _,
};

use crate::fixture::{Database, child, column, dataset, move_all, scope, there_and_back};

/// Type, and values as literals.
const TYPES: &[(&str, &[&str])] = &[
    ("smallint", &["-32768", "0", "32767"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("numeric", &["NaN", "Infinity", "-Infinity", "1e-16383", "-123456789012345678901234567890.123456789012", "1.10"]),
    ("numeric(42,20)", &["1234567890123456789012.00000000000000000001"]),
    ("money", &["-92233720368547758.08", "12.34"]),
    ("real", &["1.1", "-0", "3.4028235e38", "1e-45", "NaN"]),
    ("float8", &["1.7976931348623157e308", "5e-324", "-0", "Infinity", "NaN", "0.1", "2.2250738585072011e-308"]),
    ("boolean", &["t", "f"]),
    (
        "text",
        &[
            "",
            "NULL",
            "\\N",
            "\\.",
            "tab\tand\r\nline",
            "회원 👩‍👩‍👧 e\u{301} \u{202e}rtl\u{200b}",
            "it''s \\ \"q\"",
            "\u{1}\u{b}\u{c}\u{8}",
        ],
    ),
    ("varchar(20)", &["  blanks  "]),
    ("char(6)", &["ab", "      "]),
    ("\"char\"", &["x"]),
    ("name", &["a name"]),
    ("citext", &["MiXed"]),
    ("bytea", &["\\x", "\\x00ff0a5c27", "\\xdeadbeef"]),
    ("bit(5)", &["10110"]),
    ("bit varying", &["", "1", "101010101"]),
    ("date", &["infinity", "-infinity", "0044-03-15 BC", "9999-12-31", "5874897-12-31", "2021-02-28"]),
    ("time", &["00:00:00", "24:00:00", "23:59:59.999999"]),
    ("timetz", &["12:00:00.5+09", "23:59:59-15:59:59"]),
    ("timestamp", &["infinity", "-infinity", "0001-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"]),
    (
        "timestamptz",
        &["infinity", "1969-12-31 23:59:59.999999+00", "4713-01-01 00:00:00+00 BC", "2021-10-31 01:30:00+09"],
    ),
    (
        "interval",
        &[
            "1 year -2 days +03:04:05.678901",
            "-178000000 years",
            "0",
            "-1 mon +1 day -00:00:00.000001",
            "P1Y2M3DT4H5M6.7S",
        ],
    ),
    ("uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("inet", &["192.168.0.1/24", "::1", "fe80::1/64"]),
    ("cidr", &["10.0.0.0/8", "2001:db8::/32"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    ("json", &["{\"b\": 1,  \"a\":[1 , 2],\"b\":2}", "\"\\u0041\""]),
    ("jsonb", &["{\"b\": 1.10, \"a\": [null, true]}", "1e400"]),
    ("xml", &["<a b=\"1\">회원<!-- c --></a>", "text &amp; more<b/>"]),
    ("tsvector", &["'a b':1A 'it''s':2 'x\\\\y':3"]),
    ("tsquery", &["'a' & !'b c' <-> 'd':*"]),
    ("hstore", &["\"a\"=>\"1\", \"b c\"=>NULL, \"q\\\"\"=>\"\\\\\""]),
    ("int[]", &["{}", "{1,NULL,3}", "[-1:1]={1,2,3}", "{{1,2},{3,4}}"]),
    ("text[]", &["{\"\",NULL,\"NULL\",\"a,b\",\"c\\\"d\",\"e\\\\f\",\" g\"}"]),
    ("timestamptz[]", &["{infinity,\"2021-01-01 00:00:00+09\"}"]),
    ("int4range", &["empty", "[1,5)", "(,)", "[3,)"]),
    ("tstzrange", &["[\"2021-01-01 00:00:00+09\",infinity)"]),
    ("nummultirange", &["{[1.5,2.5),(7,)}"]),
    ("point", &["(1.1,-0.1)"]),
    ("path", &["[(0,0),(1.5,2e-300)]", "((0,0),(1,1))"]),
    ("polygon", &["((0,0),(1,0),(1,1))"]),
    ("circle", &["<(0.1,0.2),3.3>"]),
    ("lseg", &["[(0,0),(1,1)]"]),
    ("box", &["(1,1),(0,0)"]),
    ("line", &["{1,-1,0.3}"]),
    ("pg_lsn", &["16/B374D848"]),
    ("mood", &["sad", "so so, \"really\""]),
    ("email", &["a@b.c"]),
    ("whole", &["7"]),
    ("place", &["(\"street, \"\"x\"\"\",12,)", "(,,\"(1,2)\")"]),
    ("place[]", &["{\"(a,1,)\",NULL}"]),
];

const SETUP: &str = "CREATE EXTENSION hstore; CREATE EXTENSION citext;
    CREATE TYPE mood AS ENUM ('sad', 'so so, \"really\"');
    CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
    CREATE DOMAIN whole AS int CHECK (VALUE > 0);
    CREATE TYPE place AS (street text, number int, spot point);";

#[tokio::test]
async fn every_type_survives_separation_and_restoration_byte_for_byte() {
    let mut setup = SETUP.to_owned();
    let columns: Vec<String> =
        TYPES.iter().enumerate().map(|(at, (declared, _))| format!("c{at} {declared}")).collect();
    setup += &format!(
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, {}, \
         made text GENERATED ALWAYS AS (c8 || '!') STORED);",
        columns.join(", ")
    );
    let mut rows = 1;
    setup += "INSERT INTO t (at) VALUES ('2020-01-01');";
    for (at, (declared, values)) in TYPES.iter().enumerate() {
        for value in *values {
            let literal = value.replace("it''s", "it's").replace('\'', "''");
            setup += &format!("INSERT INTO t (at, c{at}) VALUES ('2020-01-01', '{literal}'::{declared});\n");
            rows += 1;
        }
    }
    let database = Database::new(&setup);
    let columns: Vec<String> = (0..TYPES.len()).map(|at| format!("c{at}")).collect();
    // Independent of the adapter's text: what the binary output functions say.
    let sent: Vec<String> = columns
        .iter()
        .zip(TYPES)
        .filter(|(_, (declared, _))| !matches!(*declared, "email" | "whole"))
        .map(|(column, (declared, _))| send(column, declared))
        .collect();
    let fingerprint =
        format!("SELECT md5(string_agg(concat_ws('|', id, at, made, {}), E'\\n' ORDER BY id)) FROM t", sent.join(", "));
    let before = database.raw.query(&fingerprint);
    there_and_back(&database, &dataset("t", &["id"]), &[rows]).await;
    assert_eq!(database.raw.query(&fingerprint), before);
    database.raw.run("INSERT INTO t (at) VALUES ('2020-01-01')");
    assert_eq!(database.raw.number("SELECT max(id) FROM t"), rows as i64 + 1, "the sequence went on");
}

/// The bytes of a value as the engine sends it in binary, or its text where it
/// has no function for that of its own.
fn send(column: &str, declared: &str) -> String {
    let function = match declared {
        "smallint" => "int2send",
        "bigint" => "int8send",
        "money" => "cash_send",
        "real" => "float4send",
        "float8" => "float8send",
        "timestamptz" => "timestamptz_send",
        "timestamp" => "timestamp_send",
        "date" => "date_send",
        "interval" => "interval_send",
        "timetz" => "timetz_send",
        "jsonb" => "jsonb_send",
        "point" => "point_send",
        "path" => "path_send",
        "circle" => "circle_send",
        "tsvector" => "tsvectorsend",
        "bytea" => "byteasend",
        "char(6)" => "bpcharsend",
        other if other.starts_with("numeric") => "numeric_send",
        other if other.ends_with("[]") => "array_send",
        _ => return format!("concat({column})"),
    };
    format!("{function}({column})")
}

#[tokio::test]
async fn keys_of_every_kind_find_their_rows() {
    let tables = [
        (
            "t (id text PRIMARY KEY, at timestamptz)",
            "('b', now()), ('a', now()), ('A', now()), (E'n\\\\ul\\x01', now())",
            vec!["id"],
        ),
        (
            "t (id uuid PRIMARY KEY, at timestamptz)",
            "(gen_random_uuid(), now()), (gen_random_uuid(), now())",
            vec!["id"],
        ),
        (
            "t (a int, b char(3), at timestamptz, PRIMARY KEY (b, a))",
            "(1, 'x', now()), (2, 'x', now()), (1, 'yy', now())",
            vec!["a", "b"],
        ),
        ("t (id citext PRIMARY KEY, at timestamptz)", "('User1', now()), ('user2', now())", vec!["id"]),
        ("t (id text COLLATE blind PRIMARY KEY, at timestamptz)", "('User1', now()), ('user2', now())", vec!["id"]),
        (
            "t (id bytea PRIMARY KEY, at timestamptz)",
            "('\\x00', now()), ('\\x0000', now()), ('\\x5c', now())",
            vec!["id"],
        ),
        ("t (id numeric PRIMARY KEY, at timestamptz)", "(1.10, now()), (2.0, now())", vec!["id"]),
        ("t (u text NOT NULL UNIQUE, ctid2 int, at timestamptz)", "('p', 3, now()), ('q', 2, now())", vec!["u"]),
        (
            "t (id timestamptz PRIMARY KEY, at timestamptz)",
            "('2020-01-01 00:00:00.000001+09', now()), ('infinity', now())",
            vec!["id"],
        ),
    ];
    for (declared, rows, key) in tables {
        let rows = rows.replace("now()", "'2020-01-01'");
        let count = rows.matches("'2020-01-01')").count() as u64;
        let blind = "CREATE EXTENSION citext; CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
        let database = Database::new(&format!("{blind} CREATE TABLE {declared}; INSERT INTO t VALUES {rows}"));
        there_and_back(&database, &dataset("t", &key), &[count]).await;
    }
}

#[tokio::test]
async fn names_that_need_quoting_are_quoted_everywhere() {
    let database = Database::new(
        "CREATE SCHEMA \"Shop; --\";
         CREATE TABLE \"Shop; --\".\"Order \"\"DROP\"\"\" (\"select\" int PRIMARY KEY, \"at time\" timestamptz, \"Group\" text);
         CREATE TABLE \"where\" (\"from\" int PRIMARY KEY, \"order by\" int REFERENCES \"Shop; --\".\"Order \"\"DROP\"\"\" (\"select\"), \"회원\" text);
         INSERT INTO \"Shop; --\".\"Order \"\"DROP\"\"\" VALUES (1, '2020-01-01', 'a'), (2, '2020-01-01', 'b');
         INSERT INTO \"where\" VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 2, 'z')",
    );
    let root = "Shop; --.Order \"DROP\"";
    let mut odd = dataset(root, &["select"]);
    odd.events = Events::from([("recorded".into(), EventPlace::Own(column("at time", Format::Auto)))]);
    odd.subject = Some("Group".to_owned());
    odd.children = vec![child("public.where", root, &[("order by", "select")], Edge::Own)];
    let event = "recorded".into();
    let mut source = database.source().await;
    let moved = move_all(&mut source, &odd, &scope(&event, &[], &[]), 10).await;
    assert_eq!(moved.counts(), [2, 3]);
    assert_eq!(moved.rows().iter().filter(|row| row.cells[2] == Cell::Text("x".into())).count(), 1);
    assert_eq!(database.raw.number("SELECT count(*) FROM \"where\""), 0);
}

#[tokio::test]
async fn tables_without_a_key_keep_their_twins() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE TABLE log (t_id int, word text, extra json, spot point);
         INSERT INTO t VALUES (1, '2020-01-01'), (2, '2020-01-01');
         INSERT INTO log VALUES (1, 'twin', '{}', '(1,1)'), (1, 'twin', '{}', '(1,1)'), (2, 'twin', NULL, NULL), (2, NULL, NULL, NULL), (2, NULL, NULL, NULL), (2, '', NULL, NULL)",
    );
    let mut logged = dataset("t", &["id"]);
    logged.children = vec![child("log", "t", &[("t_id", "id")], Edge::Own)];
    there_and_back(&database, &logged, &[2, 6]).await;
}

#[tokio::test]
async fn rows_of_all_partitions_move_and_return_to_where_they_were() {
    let database = Database::new(
        "CREATE TABLE t (id int, at timestamptz, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
         CREATE TABLE t_old PARTITION OF t FOR VALUES FROM ('2001-01-01') TO ('2020-01-01');
         CREATE TABLE t_new (v text, gone int, at timestamptz NOT NULL, id int NOT NULL);
         ALTER TABLE t_new DROP COLUMN gone;
         ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM ('2020-01-01') TO ('2022-01-01');
         CREATE TABLE log (id int PRIMARY KEY, t_id int, t_at timestamptz, FOREIGN KEY (t_id, t_at) REFERENCES t (id, at)) PARTITION BY HASH (id);
         CREATE TABLE log_0 PARTITION OF log FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE log_1 PARTITION OF log FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO t SELECT n, timestamptz '2019-12-30' + n * interval '1 day', 'v' || n FROM generate_series(0, 9) AS n;
         INSERT INTO log SELECT n, n % 10, timestamptz '2019-12-30' + (n % 10) * interval '1 day' FROM generate_series(0, 19) AS n",
    );
    let mut parted = dataset("t", &["id", "at"]);
    parted.children = vec![child("log", "t", &[("t_id", "id"), ("t_at", "at")], Edge::Own)];
    let spread = || database.raw.query("SELECT tableoid::regclass, count(*) FROM t GROUP BY 1 ORDER BY 1");
    let before = spread();
    there_and_back(&database, &parted, &[10, 20]).await;
    assert_eq!(spread(), before);
}

#[tokio::test]
async fn links_between_columns_of_other_types_are_found() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);
         CREATE TABLE note (id int PRIMARY KEY, subject_type text, subject_id varchar(40), body text);
         CREATE INDEX ON note (subject_id);
         INSERT INTO t SELECT n, '2020-01-01' FROM generate_series(1, 3) AS n;
         INSERT INTO note VALUES (1, 'order', '1', 'a'), (2, 'order', '2', 'b'), (3, 'order', '2', 'c'), (4, 'order', '02', 'not his')",
    );
    let mut noted = dataset("t", &["id"]);
    let mut note = child("note", "t", &[("subject_id", "id")], Edge::Own);
    note.condition = Some("subject_type = 'order'".to_owned());
    noted.children = vec![note];
    let event = "recorded".into();
    let mut source = database.source().await;
    let moved = move_all(&mut source, &noted, &scope(&event, &[], &[]), 10).await;
    assert_eq!(moved.counts(), [3, 3]);
    assert_eq!(database.raw.query("SELECT id FROM note"), "4");
    source.rollback().await.unwrap();
}
