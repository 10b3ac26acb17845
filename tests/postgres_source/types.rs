//! Values at the edge of every type, those that `bytes` has no literal for among
//! them: what comes back is what the engine sends in binary, and takes as much
//! room.

use retentiond::{
    domain::{deployment::Edge, id::EventName},
    ports::{Presence, Restoration, Source as _},
};

use crate::fixture::{Database, child, dataset, move_all, scope, there_and_back};

/// Type, and values of it as expressions.
const EDGES: &[(&str, &[&str])] = &[
    (
        "numeric",
        &[
            "(repeat('1234567890', 100) || '.' || repeat('0987654321', 100))::numeric",
            "repeat('9', 131072)::numeric",
            "('0.' || repeat('0', 16382) || '1')::numeric",
            "0.000::numeric",
            "-0.0::numeric",
            "'NaN'::numeric",
            "'-Infinity'::numeric",
        ],
    ),
    ("numeric(3,-2)", &["12345::numeric(3,-2)", "'NaN'::numeric(3,-2)"]),
    ("money", &["'92233720368547758.07'::money", "'-0.01'::money"]),
    ("real", &["'Infinity'::real", "'-Infinity'::real", "'-1e-45'::real", "'1.17549435e-38'::real", "16777217::real"]),
    (
        "float8",
        &["'-Infinity'::float8", "'-5e-324'::float8", "0.1::float8 + 0.2", "9007199254740993::float8", "'-0'::float8"],
    ),
    ("oid", &["4294967295::oid", "0::oid"]),
    ("xid8", &["'18446744073709551615'::xid8"]),
    ("pg_lsn", &["'FFFFFFFF/FFFFFFFF'::pg_lsn", "'0/0'::pg_lsn"]),
    ("pg_snapshot", &["'10:20:10,14,15'::pg_snapshot"]),
    ("tid", &["'(4294967295,65535)'::tid"]),
    ("regclass", &["'pg_class'::regclass", "'t0'::regclass"]),
    ("name", &["repeat('n', 63)::name", "''::name", "'회원'::name"]),
    ("\"char\"", &["'\\'::\"char\"", "' '::\"char\"", "''::\"char\""]),
    (
        "text",
        &[
            "repeat('가', 1000000)",
            "E'\\\\.'",
            "E'\\\\N'",
            "chr(1) || chr(127) || chr(1114111)",
            "U&'\\1112\\1161\\11ab'",
        ],
    ),
    ("char(3)", &["'é'::char(3)"]),
    ("bytea", &["decode(repeat('00ff0a5c', 250000), 'hex')", "''::bytea", "'\\x5c4e'::bytea"]),
    ("bit(64)", &["repeat('10', 32)::bit(64)", "0::bit(64)"]),
    ("varbit", &["repeat('101', 5000)::varbit", "B''"]),
    ("interval", &["'178000000 years 11 mons -2147483648 days'::interval", "'-00:00:00.000001'::interval"]),
    ("interval day to minute", &["'3 days 04:05'::interval day to minute"]),
    ("time(0)", &["'24:00:00'::time(0)"]),
    ("timetz", &["'24:00:00-15:59:59'::timetz", "'00:00:00.000001+15:59:59'::timetz"]),
    ("date", &["'4714-11-24 BC'::date", "'-infinity'::date"]),
    ("timestamp", &["'4714-11-24 00:00:00 BC'::timestamp", "'0001-12-31 23:59:59.999999 BC'::timestamp"]),
    ("timestamptz", &["'-infinity'::timestamptz", "'294276-12-31 23:59:59.999999+00'::timestamptz"]),
    ("timestamptz(0)", &["'1908-04-01 00:00:00+08:27:52'::timestamptz(0)"]),
    ("inet", &["'0.0.0.0/0'::inet", "'255.255.255.255'::inet", "'::ffff:1.2.3.4/96'::inet"]),
    ("cidr", &["'0.0.0.0/0'::cidr", "'::/0'::cidr"]),
    ("json", &["' { \"a\" : 1e400 , \"a\":null }\n'::json", "'\"\\ud83d\\ude00\"'::json"]),
    ("jsonb", &["'{\"\": 1.000, \"k\": \"\\u00e9\"}'::jsonb", "to_jsonb(repeat('x', 100000))"]),
    ("jsonpath", &["'$.\"a b\"[*] ? (@ > 1.50)'::jsonpath"]),
    ("xml", &["''::xml", "xmlparse(CONTENT '<?p q?>a<b><![CDATA[<&]]></b>')"]),
    ("tsvector", &["''::tsvector", "to_tsvector('simple', repeat('word ', 300))"]),
    ("tsquery", &["''::tsquery", "$$'a':AB & !('b' | 'c' <3> 'd')$$::tsquery"]),
    ("hstore", &["''::hstore", "hstore('NULL', 'NULL') || hstore('\"', E'\\\\')"]),
    (
        "text[]",
        &["'[0:1][-1:0]={{a,NULL},{\"q\\\"x\",\"\"}}'::text[]", "'{}'", "array[E'\\\\', '{', ',', ' ', 'NULL', NULL]"],
    ),
    ("int[]", &["array_fill(7, array[3, 3], array[-1, 5])", "array_fill(NULL::int, array[40])"]),
    ("bytea[]", &["array['\\x00ff'::bytea, '\\x', NULL]"]),
    ("mood[]", &["array['sad', NULL, 'so so, \"really\"']::mood[]"]),
    ("email[]", &["array['a@b.c', NULL]::email[]"]),
    ("hstore[]", &["array[hstore('a', NULL), hstore('b', 'c\"')]"]),
    ("int8range", &["'[-9223372036854775808,9223372036854775807)'::int8range", "'empty'::int8range"]),
    ("numrange", &["'(1.10,1.1000]'::numrange", "'[NaN,NaN]'::numrange", "'(,Infinity)'::numrange"]),
    ("daterange", &["'[-infinity,infinity)'::daterange", "daterange(NULL, NULL)"]),
    ("tsrange", &["'[\"0044-03-15 00:00:00 BC\",)'::tsrange"]),
    ("spans", &["spans('a\"b', 'c,d', '[)')"]),
    ("datemultirange", &["'{}'::datemultirange", "'{(,2020-01-01),[2021-01-01,infinity)}'::datemultirange"]),
    ("inhabited", &["ROW('s', 1, '(0,0)')::place::inhabited"]),
    (
        "place",
        &["ROW(NULL, NULL, NULL)::place", "ROW('', -1, '(NaN,Infinity)')::place", "ROW(E'a,\"(\\\\', 0, NULL)::place"],
    ),
    ("nested", &["ROW(ROW('a\"b', 1, NULL), array[ROW('c', 2, NULL)]::place[])::nested"]),
    ("point", &["'(NaN,-Infinity)'::point", "'(5e-324,-0)'::point"]),
    ("line", &["'{0,1,-1e308}'::line"]),
    ("circle", &["'<(0,0),0>'::circle"]),
    ("path", &["'[(0,0)]'::path"]),
];

const SETUP: &str = "CREATE EXTENSION hstore;
    CREATE TYPE mood AS ENUM ('sad', 'so so, \"really\"'); CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
    CREATE TYPE place AS (street text, number int, spot point); CREATE DOMAIN inhabited AS place CHECK ((VALUE).number > 0);
    CREATE TYPE nested AS (home place, others place[]); CREATE TYPE spans AS RANGE (subtype = text);";

#[tokio::test]
async fn the_edges_of_every_type_come_back_as_the_engine_sends_them() {
    let mut setup = SETUP.to_owned();
    for (number, (declared, values)) in EDGES.iter().enumerate() {
        setup +=
            &format!("CREATE TABLE t{number} (id int PRIMARY KEY, at timestamptz, v {declared}, vs {declared});\n");
        for (id, value) in values.iter().chain(&["NULL"]).enumerate() {
            setup += &format!("INSERT INTO t{number} VALUES ({id}, '2020-01-01', {value}, {value});\n");
        }
    }
    let database = Database::new(&setup);
    let one = |number: usize| {
        format!("SELECT {number}, id, md5(record_send(t)), pg_column_size(v), pg_column_size(vs) FROM t{number} AS t")
    };
    let all = (0..EDGES.len()).map(one).collect::<Vec<_>>().join(" UNION ALL ") + " ORDER BY 1, 2";
    let before = database.raw.query(&all);
    let rows: usize = EDGES.iter().map(|(_, values)| values.len() + 1).sum();
    assert_eq!(before.lines().count(), rows);
    let (event, mut source) = (EventName::from("recorded"), database.source().await);
    let mut moved = Vec::new();
    for number in 0..EDGES.len() {
        let t = dataset(&format!("t{number}"), &["id"]);
        let taken = move_all(&mut source, &t, &scope(&event, &[], &[]), 1000).await;
        moved.push((t, taken));
    }
    assert_eq!(database.raw.query(&all), "", "they are gone");
    for (t, taken) in &moved {
        let record = Restoration { dataset: t, tables: &taken.tables, rows: taken.rows(), blank: Vec::new() };
        source.put_back(std::slice::from_ref(&record)).await.unwrap();
        assert_eq!(source.presence(&record).await.unwrap(), Presence::Same, "{}", t.table);
    }
    for (line, (before, after)) in before.lines().zip(database.raw.query(&all).lines()).enumerate() {
        assert_eq!(after, before, "line {line}: table, row, what is sent, room");
    }
}

#[tokio::test]
async fn numbers_that_are_given_out_come_back_as_they_were_and_none_is_given_out() {
    let database = Database::new(
        "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 100) PRIMARY KEY, at timestamptz,
            line serial, always int GENERATED ALWAYS AS IDENTITY, twice int GENERATED ALWAYS AS (line * 2) STORED);
         CREATE TABLE c (t_id bigint REFERENCES t, id smallserial PRIMARY KEY);
         INSERT INTO t (at) SELECT '2020-01-01' FROM generate_series(1, 5);
         INSERT INTO t (id, at, line, always) OVERRIDING SYSTEM VALUE VALUES (7, '2020-01-01', 70, 700);
         INSERT INTO c (t_id) SELECT id FROM t",
    );
    let sequences = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1";
    let before = database.raw.query(sequences);
    let mut t = dataset("t", &["id"]);
    t.children = vec![child("c", "t", &[("t_id", "id")], Edge::Own)];
    there_and_back(&database, &t, &[6, 6]).await;
    assert_eq!(database.raw.query(sequences), before);
}
