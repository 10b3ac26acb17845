//! One record explained: its dates, what holds it, and which rule decides.

use serde_json::Value;

use super::world::{DEPLOYMENT, LATER, NOW, RULES, World};

fn explained(world: &World, now: &str, dataset: &str, key: &str) -> Vec<Value> {
    let found = world.at(now, &["explain", "--dataset", dataset, "--key", key, "--format", "json"]).ends_with(0).json();
    found["rules"].as_array().unwrap().clone()
}

/// The only rule that covers a record.
fn only(world: &World, now: &str, dataset: &str, key: &str) -> Value {
    let rules = explained(world, now, dataset, key);
    assert_eq!((rules.len(), &rules[0]["decides"]), (1, &true.into()), "{rules:?}");
    rules[0].clone()
}

#[test]
fn a_live_record_is_explained_by_its_event_its_dates_and_its_state() {
    let world = World::simulation();
    world.sql(
        "UPDATE orders SET ordered_at = '2020-10-04 12:00:00' WHERE id = 301;\
                UPDATE payments SET paid_at = '2020-10-04 12:00:00' WHERE order_id = 301;",
    );
    let order = only(&world, NOW, "orders", "301");
    assert_eq!(
        (&order["rule"], &order["place"], &order["state"]),
        (&"contract".into(), &"source".into(), &"overdue".into())
    );
    assert_eq!(
        (&order["first"], &order["last_plain"], &order["last"]),
        (&"2020-10-05".into(), &"2025-10-04".into(), &"2025-10-10".into())
    );
    assert_eq!(order["rest_days"].as_array().unwrap().len(), 6, "Chuseok and Hangul Day between two weekends");
    assert_eq!((&order["due"], &order["latest"]), (&"2025-10-10T15:00:00Z".into(), &"2025-10-15T15:00:00Z".into()));
    assert_eq!((&order["basis"][0], &order["counting"]), (&"kr.ecommerce.contract".into(), &"kr-civil".into()));
    let state = |dataset: &str, key: &str| only(&world, NOW, dataset, key)["state"].clone();
    assert_eq!((state("orders", "71"), state("visits", "13")), ("kept".into(), "kept".into()));
    assert_eq!(
        (state("members", "1"), state("members", "5"), state("members", "20")),
        ("separated".into(), "overdue".into(), "not-begun".into())
    );
    world.sql("UPDATE members SET withdrawn_at = 'yesterday' WHERE id = 21; UPDATE members SET withdrawn_at = '2027-01-01 00:00:00' WHERE id = 22;");
    assert_eq!((state("members", "21"), state("members", "22")), ("anomaly".into(), "anomaly".into()));
    let text = world.at(NOW, &["explain", "--dataset", "orders", "--key", "301"]).ends_with(0).stdout;
    for part in [
        "제6조제1항제2호",
        "last day   2025-10-10",
        "moved from 2025-10-04",
        "OVERDUE",
        "event      withdrawal: has not happened",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_member_waits_for_an_order_that_cannot_move() {
    let world = World::simulation();
    world.sql("UPDATE orders SET ordered_at = 'never' WHERE member_id = 1;");
    let member = only(&world, NOW, "members", "1");
    assert_eq!((&member["state"], &member["waits_for"][0]), (&"waiting".into(), &"orders".into()));
    world.at(NOW, &["explain", "--dataset", "members", "--key", "4711"]).ends_with(1);
    world
        .at(NOW, &["explain", "--dataset", "nowhere", "--key", "1"])
        .ends_with(2)
        .says(&["hint: one of members, orders"]);
    world.at(NOW, &["explain", "--dataset", "members", "--key", "1' OR '1'='1"]).ends_with(1);
}

#[test]
fn a_record_in_the_vault_is_found_by_its_key_and_explained_from_its_bucket() {
    let world = World::separated();
    let member = only(&world, NOW, "members", "1");
    assert_eq!(
        (&member["place"], &member["state"], &member["last"]),
        (&"vault".into(), &"kept".into(), &"2026-11-25".into())
    );
    assert_eq!(only(&world, NOW, "members", "5")["state"], "cooling-off");
    assert_eq!(only(&world, LATER, "members", "1")["state"], "due");
    assert_eq!(only(&world, LATER, "members", "5")["state"], "overdue");
    let text = world.at(NOW, &["explain", "--dataset", "members", "--key", "1"]).ends_with(0).stdout;
    assert!(text.contains("in the vault: kept") && text.contains("due        2026-11-26 00:00:00 KST"), "{text}");
}

#[test]
fn a_hold_is_what_keeps_a_record_live_or_sealed() {
    let hold = ["hold", "add", "--subject", "5", "--by", "counsel", "--reason", "a dispute", "--freeze"];
    let world = World::simulation();
    world.at(NOW, &hold).ends_with(0);
    let member = only(&world, NOW, "members", "5");
    assert_eq!((&member["state"], &member["holds"][0]["by"]), (&"held".into(), &"counsel".into()));
    assert_eq!(member["holds"][0]["freeze"], true);
    assert_eq!(only(&world, NOW, "members", "1")["holds"], Value::Array(Vec::new()), "somebody else's");
    let world = World::separated();
    for whose in [["--rule", "member"], ["--subject", "5"], ["--subject", "1"]] {
        world.at(NOW, &["hold", "add", whose[0], whose[1], "--by", "counsel", "--reason", "a dispute"]).ends_with(0);
    }
    let member = only(&world, LATER, "members", "5");
    assert_eq!((&member["state"], member["holds"].as_array().unwrap().len()), (&"held".into(), 2), "{member}");
    let text = world.at(LATER, &["explain", "--dataset", "members", "--key", "5"]).ends_with(0).stdout;
    assert_eq!(text.matches(", by counsel, to be reviewed on ").count(), 2, "{text}");
}

#[test]
fn of_two_rules_over_one_row_the_longer_one_decides() {
    let rule = "\n[[rule]]\nid = \"access\"\nname = { ko = \"접속\", en = \"Access\" }\nevent = \"recorded\"\nkeep = \"1 year\"\nbasis = \"internal\"\n";
    let dataset = "\n[[dataset]]\nrule = \"access\"\nsource = \"shop\"\ntable = \"visits\"\nkey = [\"id\"]\nevents.recorded = \"visited_at\"\n";
    let world = World::with(&format!("{DEPLOYMENT}{dataset}"), &format!("{RULES}{rule}"));
    world.at(NOW, &["init", "--simulation"]).ends_with(0);
    let rules = explained(&world, "2028-01-10T00:00:00+09:00", "visits", "13");
    let of = |id: &str| rules.iter().find(|rule| rule["rule"] == id).unwrap();
    assert_eq!((&of("visit-log")["decides"], &of("visit-log")["state"]), (&true.into(), &"kept".into()));
    assert_eq!((&of("access")["decides"], &of("access")["state"]), (&false.into(), &"outlived".into()));
    let text = world.at("2028-01-10", &["explain", "--dataset", "visits", "--key", "13"]).ends_with(0).stdout;
    assert!(text.contains("(decides: it keeps the record longest)") && text.contains("another rule keeps"), "{text}");
}
