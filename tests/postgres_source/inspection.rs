//! What `check` says about a PostgreSQL schema.

use retentiond::{
    domain::deployment::{Dataset, Edge},
    ports::Scan,
};

use crate::fixture::{Database, child, dataset};

async fn findings(database: &Database<'_>, of: &Dataset) -> Vec<String> {
    let found = database.scan().await.inspect(of, &[of]).await.unwrap();
    found
        .into_iter()
        .map(|finding| {
            format!("{}: {}; hint: {}", if finding.error { "error" } else { "warning" }, finding.message, finding.hint)
        })
        .collect()
}

#[tokio::test]
async fn views_heirs_rules_and_strangers_are_refused() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE VIEW v AS SELECT * FROM t;
         CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
         CREATE TABLE parent (id int PRIMARY KEY, at timestamptz); CREATE TABLE heir (more text) INHERITS (parent);
         CREATE TABLE ruled (id int PRIMARY KEY, at timestamptz); CREATE RULE r AS ON DELETE TO ruled DO INSTEAD NOTHING",
    );
    for (table, word) in [
        ("v", "view"),
        ("m", "view"),
        ("parent", "inherit"),
        ("ruled", "rules"),
        ("nowhere", "does not exist"),
        ("other.t", "does not exist"),
    ] {
        let found = findings(&database, &dataset(table, &["id"])).await;
        assert!(found.iter().any(|text| text.starts_with("error") && text.contains(word)), "{table}: {found:?}");
    }
}

#[tokio::test]
async fn keys_of_partitions_count_as_the_tables_own() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE INDEX ON t (at);
         CREATE TABLE pay (id int, t_id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE pay_1 PARTITION OF pay FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE TABLE pay_2 PARTITION OF pay FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         ALTER TABLE pay_1 ADD FOREIGN KEY (t_id) REFERENCES t ON DELETE CASCADE;
         ALTER TABLE pay_2 ADD FOREIGN KEY (t_id) REFERENCES t ON DELETE CASCADE",
    );
    let found = findings(&database, &dataset("t", &["id"])).await;
    assert_eq!(found.iter().filter(|text| text.starts_with("error")).count(), 1, "{found:?}");
    assert!(found[0].contains("CASCADE") && found[0].contains("table = \"pay\""), "{found:?}");
    let mut covered = dataset("t", &["id"]);
    covered.children = vec![child("pay", "t", &[("t_id", "id")], Edge::Own)];
    let found = findings(&database, &covered).await;
    assert_eq!(
        found,
        [
            "warning: no index of pay begins with the columns of the link to t: every cycle reads the whole table; hint: CREATE INDEX \"pay_t_id\" ON \"public\".\"pay\" (\"t_id\")"
        ]
    );
}

#[tokio::test]
async fn row_security_that_hides_rows_is_an_error() {
    let database = Database::new(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE INDEX ON t (at);
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id < 5);
         DO $$ BEGIN CREATE ROLE peeper LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT ON t TO peeper",
    );
    assert!(findings(&database, &dataset("t", &["id"])).await.is_empty(), "an administrator sees all rows");
    let mut server = database.server();
    server.address.user = "peeper".to_owned();
    let mut scan =
        retentiond::adapters::postgres::PostgresScan::open("shop".into(), &server, crate::fixture::WAIT).await.unwrap();
    let of = dataset("t", &["id"]);
    let found = scan.inspect(&of, &[&of]).await.unwrap();
    assert!(found.iter().any(|finding| finding.error && finding.message.contains("row-level security")), "{found:?}");
    let event = "recorded".into();
    assert!(
        scan.census(&of, &crate::fixture::scope(&event, &[], &[])).await.is_err(),
        "a part of the rows is not counted as all"
    );
}

#[tokio::test]
async fn a_condition_that_does_not_compile_or_ends_its_statement_is_an_error() {
    let database = Database::new("CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE INDEX ON t (at)");
    for condition in ["nothing = 1", "id = $1", "true); DELETE FROM t; SELECT (1", "id = 'x'"] {
        let mut narrowed = dataset("t", &["id"]);
        narrowed.condition = Some(condition.to_owned());
        let found = findings(&database, &narrowed).await;
        assert!(found.iter().any(|text| text.starts_with("error") && text.contains("where")), "{condition}: {found:?}");
    }
    let mut fine = dataset("t", &["id"]);
    fine.condition = Some("id > 3 -- a comment".to_owned());
    assert!(findings(&database, &fine).await.is_empty());
}
