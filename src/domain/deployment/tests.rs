//! The shipped deployment, and what each part of one is read as.

use super::*;
use crate::domain::{
    diagnostic::Report,
    event::{Column, EventColumn, Format},
    policy::{self, Policy},
};

const DEPLOYMENT: &str = r#"
policy    = "rules.toml"
state_dir = "state"
[[source]]
name = "shop"
url  = "sqlite://shop.db"
[vault]
url = "sqlite://vault.db"
[ledger]
origin = "example/shop"
[[dataset]]
rule   = "log"
source = "shop"
table  = "logs"
key    = ["id"]
events.recorded = "at"
"#;

fn rules() -> Policy {
    let text = r#"
        policy = { title = "t", version = "1", announced = 2021-05-01, effective = 2021-06-01, timezone = "Asia/Seoul" }
        officer = { title = "t", contact = "c" }
        rule = [
            { id = "log", name = { ko = "k", en = "e" }, event = "recorded", keep = "1 year", basis = "internal" },
        ]
    "#;
    policy::read("rules.toml", text).unwrap().value
}

fn with(from: &str, to: &str) -> Result<Deployment, Report> {
    assert!(DEPLOYMENT.contains(from), "{from}");
    read("d.toml", &DEPLOYMENT.replace(from, to), Some(&rules())).map(|checked| checked.value)
}

fn event(toml: &str) -> EventPlace {
    let deployment = with("events.recorded = \"at\"", &format!("events.recorded = {toml}"));
    deployment.unwrap_or_else(|report| panic!("{report}")).datasets[0].events[&"recorded".into()].clone()
}

fn column(name: &str, format: Format, zone: Option<chrono_tz::Tz>, absent: &[&str]) -> EventColumn {
    let absent = absent.iter().map(|&value| value.to_owned()).collect();
    EventColumn { column: Column::One(name.to_owned()), format, zone, absent }
}

#[test]
fn what_may_be_left_out_has_the_documented_default() {
    let deployment = with("[vault]", "[keys]\n[schedule]\n[limits]\n[guards]\n[vault]").unwrap();
    for deployment in [deployment, with("[vault]", "[vault]").unwrap()] {
        let (limits, guards) = (&deployment.limits, &deployment.guards);
        assert_eq!((limits.batch_rows, limits.rows_per_second), (5_000, 0));
        assert_eq!(
            [limits.replica_lag_max, limits.lock_timeout, limits.statement_timeout].map(|span| span.to_string()),
            ["5 seconds", "2 seconds", "15 minutes"]
        );
        assert_eq!((guards.rows_max, guards.table_share_max_ppm, guards.median_factor), (1_000_000, 200_000, 10));
        assert_eq!(
            (guards.clock_skew_max.to_string(), guards.clock_jump_max.to_string()),
            ("30 seconds".into(), "192 hours".into())
        );
        assert_eq!(guards.not_before.to_string(), "2000-01-01");
        assert_eq!((deployment.schedule.cycle, deployment.schedule.missed), (None, Missed::RunOnce));
        assert_eq!(deployment.keys.kek, None);
        let (source, dataset) = (&deployment.sources[0], &deployment.datasets[0]);
        assert_eq!((source.medium, source.maintenance_window, source.backups_kept), (Medium::Unknown, None, None));
        assert_eq!((dataset.mode, dataset.wipe, dataset.verify), (Mode::Move, WipeLevel::Engine, VerifyLevel::None));
        assert_eq!((dataset.subject.as_ref(), dataset.condition.as_ref(), dataset.children.len()), (None, None, 0));
    }
}

#[test]
fn every_other_key_is_required() {
    for line in DEPLOYMENT.lines().filter(|line| line.contains(" = ")) {
        let report = with(line, "").unwrap_err();
        assert_eq!(report.errors(), 1, "{line}: {report}");
        assert!(report.findings[0].message.contains("is missing in"), "{line}: {report}");
    }
}

#[test]
fn every_form_of_an_event_column_is_read() {
    let seoul = Some(chrono_tz::Asia::Seoul);
    let own = |place: EventPlace| match place {
        EventPlace::Own(column) => column,
        EventPlace::Through { .. } => panic!("{place:?}"),
    };
    assert_eq!(own(event("\"at\"")), column("at", Format::Auto, None, &[]));
    assert_eq!(
        own(event(r#"{ column = "at", format = "yyyymmdd", zone = "Asia/Seoul", absent = ["", "00000000"] }"#)),
        column("at", Format::YyyyMmDd, seoul, &["", "00000000"])
    );
    let pair = own(event(r#"{ date = "d", time = "t", zone = "Asia/Seoul" }"#));
    assert_eq!(pair.column, Column::DateAndTime { date: "d".to_owned(), time: "t".to_owned() });
    assert_eq!(pair.zone, seoul);
}

#[test]
fn a_column_of_another_table_says_how_it_is_read_inside_or_beside() {
    let seoul = Some(chrono_tz::Asia::Seoul);
    for (toml, wanted) in [
        (r#"{ through = "m", on = { b = "y", a = "x" }, column = "at" }"#, column("at", Format::Auto, None, &[])),
        (
            r#"{ through = "m", on = { b = "y", a = "x" }, column = "at", format = "date", zone = "Asia/Seoul", absent = [""] }"#,
            column("at", Format::Date, seoul, &[""]),
        ),
        (
            r#"{ through = "m", on = { b = "y", a = "x" }, column = { column = "at", format = "date" }, zone = "Asia/Seoul" }"#,
            column("at", Format::Date, seoul, &[]),
        ),
    ] {
        let EventPlace::Through { table, on, column } = event(toml) else { panic!("{toml}") };
        assert_eq!(table, "m");
        // In the order of the file, not of the alphabet.
        assert_eq!(on, [("b".to_owned(), "y".to_owned()), ("a".to_owned(), "x".to_owned())]);
        assert_eq!(column, wanted, "{toml}");
    }
}

#[test]
fn every_format_has_its_word() {
    for (word, format) in [
        ("auto", Format::Auto),
        ("date", Format::Date),
        ("timestamp", Format::Timestamp),
        ("timestamptz", Format::TimestampTz),
        ("epoch-s", Format::EpochSeconds),
        ("epoch-ms", Format::EpochMillis),
        ("yyyymmdd", Format::YyyyMmDd),
        ("yyyymmddhhmmss", Format::YyyyMmDdHhMmSs),
        ("iso8601", Format::Iso8601),
    ] {
        let EventPlace::Own(column) = event(&format!("{{ column = \"at\", format = \"{word}\" }}")) else { panic!() };
        assert_eq!(column.format, format);
    }
}

#[test]
fn parents_stand_before_their_children_however_the_file_has_them() {
    let children = r#"
[[dataset.child]]
table  = "c"
parent = "b"
on     = { b_id = "id" }
edge   = "own"
[[dataset.child]]
table  = "b"
parent = "a"
on     = { a_id = "id" }
edge   = "own"
[[dataset.child]]
table = "a"
on    = { log_id = "id" }
edge  = "own"
[[dataset.child]]
table  = "w"
parent = "logs"
on     = { log_id = "id" }
where  = "open = 1"
edge   = "wait"
"#;
    let deployment = read("d.toml", &format!("{DEPLOYMENT}{children}"), Some(&rules())).unwrap().value;
    let children: Vec<(&str, &str)> =
        deployment.datasets[0].children.iter().map(|child| (child.table.as_str(), child.parent.as_str())).collect();
    assert_eq!(children, [("a", "logs"), ("b", "a"), ("c", "b"), ("w", "logs")]);
    assert_eq!(deployment.datasets[0].children[3].condition.as_deref(), Some("open = 1"));
}

#[test]
fn a_table_may_hang_on_two_links_and_others_may_hang_on_it() {
    let child = |table: &str, parent: &str, on: &str| {
        format!(
            "[[dataset.child]]\ntable = \"{table}\"\nparent = \"{parent}\"\non = {{ {on} = \"id\" }}\nedge = \"own\"\n"
        )
    };
    let twice = format!("{DEPLOYMENT}{}{}", child("m", "logs", "sender"), child("m", "logs", "receiver"));
    let below = format!("{twice}{}", child("n", "m", "m_id"));
    let deployment = read("d.toml", &below, Some(&rules())).unwrap().value;
    assert_eq!(deployment.datasets[0].tables(), ["logs", "m", "m", "n"]);
}

#[test]
fn references_are_edges_seen_from_the_table_that_is_pointed_at() {
    let edges = r#"
[[dataset.child]]
table  = "basket_lines"
parent = "baskets"
on     = { basket_id = "id" }
edge   = "own"
[[dataset.child]]
table = "mails"
on    = { log_id = "id" }
edge  = "unlink"
[[dataset.child]]
table = "logs"
on    = { answer_to = "id" }
edge  = "unlink"
[[dataset.reference]]
table = "baskets"
on    = { basket_id = "id", shop_id = "shop" }
edge  = "own"
"#;
    let deployment = read("d.toml", &format!("{DEPLOYMENT}{edges}"), Some(&rules())).unwrap().value;
    let dataset = &deployment.datasets[0];
    let edges: Vec<(&str, Edge)> = dataset.children.iter().map(|child| (child.table.as_str(), child.edge)).collect();
    let expected =
        [("mails", Edge::Unlink), ("logs", Edge::Unlink), ("baskets", Edge::Reference), ("basket_lines", Edge::Own)];
    assert_eq!(edges, expected);
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(dataset.children[2].on, [pair("id", "basket_id"), pair("shop", "shop_id")]);
    assert_eq!(dataset.tables(), ["logs", "baskets", "basket_lines"]);
}

#[test]
fn what_does_not_move_has_nothing_below_it_and_no_table_moves_below_itself() {
    let refused =
        |edges: &str| read("d.toml", &format!("{DEPLOYMENT}{edges}"), Some(&rules())).unwrap_err().to_string();
    let unlinked = "[[dataset.child]]\ntable = \"m\"\non = { log_id = \"id\" }\nedge = \"unlink\"\n\
                    [[dataset.child]]\ntable = \"n\"\nparent = \"m\"\non = { m_id = \"id\" }\nedge = \"own\"\n";
    assert!(refused(unlinked).contains("`m` does not move with the record"));
    let itself = "[[dataset.reference]]\ntable = \"logs\"\non = { answer_to = \"id\" }\nedge = \"own\"\n";
    assert!(refused(itself).contains("`logs` would be a reference of itself"));
    let waits = "[[dataset.reference]]\ntable = \"m\"\non = { m_id = \"id\" }\nedge = \"wait\"\n";
    assert!(refused(waits).contains("`wait` is not a value of `edge`"));
}

#[test]
fn secrets_are_references() {
    let keys =
        |kek: &str| with("[vault]", &format!("[keys]\nkek = {kek}\n[vault]")).map(|deployment| deployment.keys.kek);
    assert_eq!(keys("{ credential = \"c\" }").unwrap(), Some(Secret::Credential("c".to_owned())));
    assert_eq!(keys("{ file = \"f\" }").unwrap(), Some(Secret::File("f".to_owned())));
    assert_eq!(keys("{ env = \"E\" }").unwrap(), Some(Secret::Env("E".to_owned())));
    for wrong in [
        "\"hunter2\"",
        "{}",
        "{ file = \"f\", env = \"E\" }",
        "{ text = \"hunter2\" }",
        "\"\"\"\nhunter2\"\"\"",
        "{\n text = \"hunter2\" }",
    ] {
        let report = keys(wrong).unwrap_err();
        assert!(!format!("{report}{report:?}").contains("hunter2"), "{report}");
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for url in [
        "sqlite://a:hunter2@shop.db",
        "postgres://a:hunter2@h/d",
        "sqlite://shop.db?Password=hunter2",
        "x://:hunter2@h",
    ] {
        let report = with("sqlite://shop.db", url).unwrap_err();
        assert!(report.to_string().contains("holds a password"), "{report}");
        assert!(!format!("{report}{report:?}").contains("hunter2"), "{report}");
    }
}

#[test]
fn a_share_is_read_to_the_millionth() {
    for (share, ppm) in
        [("0", 0), ("1", 1_000_000), ("0.2", 200_000), ("1.0", 1_000_000), ("0.000001", 1), ("0.31", 310_000)]
    {
        let deployment = with("[vault]", &format!("[guards]\ntable_share_max = {share}\n[vault]")).unwrap();
        assert_eq!(deployment.guards.table_share_max_ppm, ppm);
    }
    for share in ["1.01", "-0.1", "nan", "inf", "2", "\"0.2\"", "0x1"] {
        assert!(with("[vault]", &format!("[guards]\ntable_share_max = {share}\n[vault]")).is_err(), "{share}");
    }
}

#[test]
fn a_schedule_has_six_fields_and_comes_some_day() {
    let cycle = |cycle: &str| with("[vault]", &format!("[schedule]\ncycle = \"{cycle}\"\n[vault]"));
    for good in ["0 0 3 * * *", "0 */15 1-4 * * MON-FRI", "0 0 3 29 2 *"] {
        assert_eq!(cycle(good).unwrap().schedule.cycle.as_deref(), Some(good));
    }
    for bad in
        ["0 3 * * *", "@daily", "0 0 25 * * *", "0 0 3 * * * 2030", "0 0 3 31 2 *", "nightly at three in the morning"]
    {
        assert!(cycle(bad).is_err(), "{bad}");
    }
}

#[test]
fn without_a_policy_only_what_needs_none_is_checked() {
    let text = DEPLOYMENT.replace("\"log\"", "\"nothing\"").replace("events.recorded", "events.whatever");
    assert!(read("d.toml", &text, None).is_ok());
    assert!(read("d.toml", &text, Some(&rules())).is_err());
    assert!(read("d.toml", &text.replace("\"shop\"\ntable", "\"shpo\"\ntable"), None).is_err());
}

#[test]
fn an_event_is_named_once_where_it_starts_the_period_and_separates() {
    let mut rules = rules();
    rules.rules[0].separate_on = vec!["recorded".into(), "withdrawal".into()];
    assert!(read("d.toml", DEPLOYMENT, Some(&rules)).is_err());
    let both = DEPLOYMENT.replace("events.recorded", "events.withdrawal = \"left\"\nevents.recorded");
    assert_eq!(read("d.toml", &both, Some(&rules)).unwrap().value.datasets[0].events.len(), 2);
}
