//! The whole path: first cycle, days later, and what is where in between.

use serde_json::Value;

use super::{
    files::found,
    shop::{MEMBERS, VISITS_DUE},
    world::{Files, LATER, NOW, Outcome, World, outcome, rows_in},
};

/// The keys of an object, in order of the alphabet.
#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
fn is_digest(value: &Value) {
    let digest = value.as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
}

#[track_caller]
fn are_counts(item: &Value, names: &[&str]) {
    for name in names {
        assert!(item[name].is_u64(), "{name} in {item}");
    }
}

/// The item of a plan or report with this action and rule.
fn item<'a>(list: &'a Value, action: Option<&str>, rule: &str) -> &'a Value {
    let mut items = list.as_array().unwrap().iter();
    let wanted = |item: &&Value| item["rule"] == rule && action.is_none_or(|action| item["action"] == action);
    items.find(wanted).unwrap_or_else(|| panic!("no {action:?} of {rule} in {list}"))
}

#[test]
fn a_plan_has_the_keys_and_types_of_the_contract_and_counts_what_is_there() {
    let world = World::simulation();
    let plan = world.plan(NOW);
    assert_eq!(keys(&plan), ["anomalies", "digest", "guards", "items", "now", "policy", "simulation"]);
    assert_eq!(plan["now"], NOW);
    assert_eq!(plan["simulation"], true);
    assert_eq!(keys(&plan["policy"]), ["digest", "version"]);
    assert_eq!(plan["policy"]["version"], "1.0");
    is_digest(&plan["policy"]["digest"]);
    is_digest(&plan["digest"]);
    assert_eq!((&plan["anomalies"], &plan["guards"]), (&serde_json::json!([]), &serde_json::json!([])));

    let separate = ["action", "children", "cutoff", "dataset", "held", "oldest", "overdue", "rows", "rule", "source"];
    for item in plan["items"].as_array().unwrap() {
        are_counts(item, &["rows", "held", "waiting", "overdue"]);
        match item["action"].as_str().unwrap() {
            "separate" => {
                let mut expected = separate.to_vec();
                expected.push("waiting");
                assert_eq!(keys(item), expected);
                assert!(item["children"].as_object().unwrap().values().all(Value::is_u64));
                assert_eq!(item["source"], "shop");
            }
            "destroy" => {
                assert_eq!(keys(item), ["action", "buckets", "held", "overdue", "rows", "rule", "waiting"]);
                are_counts(item, &["buckets"]);
            }
            other => panic!("{other}"),
        }
    }
    let orders = item(&plan["items"], Some("separate"), "contract");
    assert_eq!(orders["dataset"], "orders");
    assert_eq!((&orders["rows"], &orders["children"]["order_lines"]), (&11.into(), &22.into()));
    assert_eq!((&orders["overdue"], &orders["waiting"]), (&5.into(), &0.into()));
    // Five years after 20 November 2021, a Saturday and a Sunday later.
    assert_eq!((&orders["cutoff"], &orders["oldest"]), (&"2021-11-20T15:00:00Z".into(), &"2018-05-03".into()));
    let members = item(&plan["items"], Some("separate"), "member");
    assert_eq!((&members["rows"], &members["children"]["addresses"]), (&6.into(), &12.into()));
    assert_eq!((&members["overdue"], &members["oldest"]), (&2.into(), &"2026-11-10".into()));
    assert_eq!(item(&plan["items"], Some("separate"), "payment")["rows"], 11);
    assert_eq!(item(&plan["items"], Some("separate"), "visit-log")["rows"], VISITS_DUE);
}

#[test]
fn the_same_data_at_the_same_instant_gives_the_same_plan() {
    let world = World::simulation();
    let (one, two) = (world.plan(NOW), world.plan(NOW));
    assert_eq!(one, two);
    let elsewhere = World::simulation().plan(NOW);
    assert_eq!(one["digest"], elsewhere["digest"]);
    let later = world.plan("2026-11-22T03:00:01+09:00");
    assert_ne!(one["digest"], later["digest"]);
    world.sql("UPDATE members SET withdrawn_at = '2026-11-21 00:00:00' WHERE id = 20;");
    assert_ne!(one["digest"], world.plan(NOW)["digest"]);
}

#[test]
fn anomalies_are_reported_with_their_kind_and_never_moved() {
    let world = World::simulation();
    world.sql(
        "UPDATE visits SET visited_at = 'yesterday' WHERE id = 1;
         UPDATE visits SET visited_at = '1970-01-01 00:00:00' WHERE id IN (2, 3);
         UPDATE visits SET visited_at = '2099-01-01 00:00:00' WHERE id IN (4, 5, 6);",
    );
    let before = world.rows();
    let plan = world.plan(NOW);
    let mut anomalies: Vec<(String, u64)> = Vec::new();
    for anomaly in plan["anomalies"].as_array().unwrap() {
        assert_eq!(keys(anomaly), ["dataset", "event", "kind", "rows"]);
        assert_eq!((&anomaly["dataset"], &anomaly["event"]), (&"visits".into(), &"recorded".into()));
        anomalies.push((anomaly["kind"].as_str().unwrap().to_owned(), anomaly["rows"].as_u64().unwrap()));
    }
    anomalies.sort();
    assert_eq!(anomalies, [("ancient".to_owned(), 2), ("future".to_owned(), 3), ("malformed".to_owned(), 1)]);
    world.at(NOW, &["plan", "--fail-on", "anomaly"]).ends_with(1);
    world.at(NOW, &["plan", "--fail-on", "guard"]).ends_with(0);

    world.reviewed_run(NOW).ends_with(0);
    let after = world.rows();
    for id in 1..=6 {
        let key = ("visits".to_owned(), id);
        assert_eq!(after.0.get(&key), before.0.get(&key));
    }
    assert_eq!(before.count("visits") - after.count("visits"), VISITS_DUE as usize - 6);
}

#[test]
fn a_cycle_separates_and_days_later_another_one_destroys() {
    let world = World::simulation();
    let first = world.reviewed_run(NOW).ends_with(0).json();
    assert_eq!(
        keys(&first),
        ["destroyed", "failed", "now", "policy", "reasons", "refused", "run", "separated", "simulation", "verdict"]
    );
    assert_eq!((&first["now"], &first["simulation"]), (&NOW.into(), &true.into()));
    assert_eq!(keys(&first["policy"]), ["digest", "version"]);
    assert!(first["run"].is_string());
    for item in first["separated"].as_array().unwrap() {
        assert_eq!(keys(item), ["children", "dataset", "rows", "rule", "source"]);
    }
    assert_eq!(rows_in(&first["separated"]), 6 + 11 + 11 + u64::from(VISITS_DUE));
    assert_eq!(item(&first["separated"], None, "contract")["children"]["order_lines"], 22);
    let nothing = serde_json::json!([]);
    assert_eq!((&first["destroyed"], &first["failed"], &first["refused"]), (&nothing, &nothing, &nothing));
    assert_ne!(first["verdict"], "FAIL");

    // Nothing is destroyed within the cooling-off time, however overdue it is.
    let soon = world.at("2026-11-23T02:59:59+09:00", &["run", "--format", "json"]).ends_with(0).json();
    assert_eq!((&soon["destroyed"], &soon["separated"]), (&nothing, &nothing));

    let second = world.at(LATER, &["run", "--format", "json"]).ends_with(0).json();
    assert_eq!(second["separated"], nothing);
    for (rule, rows) in [("member", 6), ("contract", 5), ("payment", 5), ("visit-log", u64::from(VISITS_DUE))] {
        let destroyed = item(&second["destroyed"], None, rule);
        assert_eq!(destroyed["rows"], rows, "{rule}");
        assert!(destroyed["buckets"].as_u64().unwrap() >= 1);
        assert!(["PASS", "UNKNOWN"].contains(&destroyed["verdict"].as_str().unwrap()), "{destroyed}");
    }
    assert_eq!(item(&second["destroyed"], None, "member")["children"]["addresses"], 12);
    assert_eq!(item(&second["destroyed"], None, "contract")["children"]["order_lines"], 10);

    // What is left: the orders of 2025 of those who left, until 2030.
    let status = world.status(LATER);
    let left = |rule: &str| item(&status["vault"], None, rule)["records"].as_u64().unwrap();
    assert_eq!([left("member"), left("contract"), left("payment"), left("visit-log")], [0, 6, 6, 0]);
    assert_eq!(status["open"], serde_json::json!({"separations":0,"restorations":0,"destructions":0,"wipes":0}));
    assert_eq!(status["last_run"]["destroyed"], 16 + u64::from(VISITS_DUE));
    let verified = world.run(&["ledger", "verify", "--format", "json"]).ends_with(0).json();
    assert_eq!(keys(&verified), ["entries", "problems", "root", "verdict"]);
    assert_eq!((&verified["verdict"], &verified["problems"]), (&"undecided".into(), &nothing));
    assert_eq!(verified["entries"], status["ledger"]["entries"]);
}

#[test]
fn due_rows_are_gone_from_the_source_and_every_other_row_is_untouched() {
    let world = World::simulation();
    let (go, stay) = world.rows().parted();
    assert_eq!(go.0.len(), 6 + 12 + 11 + 22 + 11 + VISITS_DUE as usize);
    assert_eq!(stay.count("members"), MEMBERS as usize - 6);
    world.reviewed_run(NOW).ends_with(0);
    assert_eq!(world.rows(), stay);
    world.at(LATER, &["run"]).ends_with(0);
    assert_eq!(world.rows(), stay);
    assert_eq!(world.sql("PRAGMA integrity_check; PRAGMA foreign_key_check;"), "ok\n");
}

#[test]
fn no_text_of_a_record_stands_in_vault_keys_or_ledger_and_none_that_left_in_the_source() {
    let world = World::simulation();
    let (go, stay) = world.rows().parted();
    let (gone, stayed) = (go.texts(), stay.texts());
    let number_of = |texts: &[String]| found(&world.files("shop"), texts).len();
    assert_eq!((number_of(&gone), number_of(&stayed)), (gone.len(), stayed.len()), "the search finds what is there");

    world.reviewed_run(NOW).ends_with(0);
    let all: Vec<String> = gone.iter().chain(&stayed).cloned().collect();
    let nowhere: Vec<String> = Vec::new();
    for folder in ["vault", "state"] {
        assert_eq!(Vec::from_iter(found(&world.files(folder), &all)), nowhere, "{folder}");
    }
    assert_eq!(Vec::from_iter(found(&world.files("shop"), &gone)), nowhere);
    assert_eq!(number_of(&stayed), stayed.len());
    // The plan, too, is passed around.
    assert_eq!(Vec::from_iter(found(&world.files("plan.json"), &all)), nowhere);
}

#[test]
fn nothing_that_a_command_prints_holds_a_text_of_a_record() {
    let world = World::simulation();
    let texts = world.rows().texts();
    let mut printed = Vec::new();
    let mut keep = |name: &str, outcome: Outcome| {
        printed.push((name.into(), (outcome.stdout + &outcome.stderr).into_bytes()));
    };
    keep("plan", world.at(NOW, &["plan", "--out", "plan.json"]).ends_with(0));
    keep("check", world.run(&["check"]).ends_with(0));
    let mut loud = world.command(&["run", "--plan", "plan.json", "--by", "officer", "--now", NOW]);
    keep("run", outcome(loud.env("RETENTIOND_LOG", "trace")).ends_with(0));
    let back = ["restore", "--subject", "1", "--by", "desk", "--reason", "theft", "--now", NOW];
    let mut loud = world.command(&back);
    keep("restore", outcome(loud.env("RETENTIOND_LOG", "trace")).ends_with(0));
    keep("list", world.run(&["ledger", "list", "--format", "json"]).ends_with(0));
    keep("status", world.at(NOW, &["status"]).ends_with(0));
    assert_eq!(found(&Files(printed), &texts).into_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn one_rule_can_be_planned_and_run_by_itself() {
    let world = World::separated();
    world.sql(
        "UPDATE visits SET visited_at = '2021-01-01 00:00:00' WHERE id = 40;
         UPDATE members SET withdrawn_at = '2026-11-21 12:00:00' WHERE id = 30;",
    );
    let plan = world.at(NOW, &["plan", "--rule", "visit-log", "--format", "json"]).ends_with(0).json();
    assert_eq!(plan["rule"], "visit-log");
    assert_eq!(rows_in(&plan["items"]), 1);
    let run = world.at(NOW, &["run", "--rule", "visit-log", "--format", "json"]).ends_with(0).json();
    assert_eq!(rows_in(&run["separated"]), 1);
    assert!(world.rows().0.contains_key(&("members".to_owned(), 30)));
}
