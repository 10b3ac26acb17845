//! A shop on django-oscar 4.2 in SQLite: 133 deferred keys and no cascade, naive
//! times in UTC, orders that point at addresses which others use too.
//!
//! The case counts instants ("not later than five years before"), which is the
//! counting `calendar`. The civil code counts days: two rows whose event fell on
//! the very stroke of midnight, and no others, are due a day later under it.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, sqlite::SqliteConnectOptions};

use super::world::{Line, World, anomalies, expected, folder, rows, separation, unpacked};

const RULES: &str = include_str!("oscar/retention-rules.toml");
const DEPLOYMENT: &str = include_str!("oscar/retentiond.toml");

const DATES: [&str; 2] = ["2026-11-01", "2027-06-15"];

fn midnight(date: &str) -> String {
    format!("{date}T00:00:00+09:00")
}

/// The database fresh from its packing, and a vault made at `now`.
fn deployed(folder: &Path, rules: &str, deployment: &str, now: &str) -> World {
    let world = World::new(rules, deployment);
    fs::write(world.path("oscar.sqlite3"), unpacked(&folder.join("oscar.sqlite3.gz"))).unwrap();
    world.at(now, &["init", "--simulation"]).ends_with(0);
    world
}

/// Rows of a query as text.
async fn ask(database: &Path, sql: &str) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
    let text = |row: &sqlx::sqlite::SqliteRow| {
        let cells = (0..row.len()).map(|at| row.try_get_unchecked::<Option<String>, _>(at).unwrap());
        cells.map(Option::unwrap_or_default).collect::<Vec<_>>().join(",")
    };
    rows.iter().map(text).collect()
}

async fn number(database: &Path, sql: &str) -> u64 {
    ask(database, &format!("SELECT ({sql})")).await[0].parse().unwrap()
}

fn civil() -> String {
    RULES.replace("\"calendar\"", "\"kr-civil\"")
}

/// Members with orders wait for them instead of leaving them behind.
fn waiting() -> String {
    let unlinked = "table = \"order_order\"\non = { user_id = \"id\" }\nedge = \"unlink\"";
    assert!(DEPLOYMENT.contains(unlinked));
    DEPLOYMENT.replace(unlinked, &unlinked.replace("unlink", "wait"))
}

/// Every line of the case, as plans answer it.
fn answers(world: &World, date: &str, members_waiting: u64) -> BTreeMap<Line, u64> {
    let now = midnight(date);
    let (all, members) = (world.plan(&now, &[]), world.plan(&now, &["--rule", "member"]));
    let mut answers = BTreeMap::new();
    let mut answer = |rule: &str, action: &str, table: &str, rows: u64| {
        answers.insert((rule.to_owned(), action.to_owned(), table.to_owned()), rows);
    };
    let count = |item: &Value| item["rows"].as_u64().unwrap();

    let member = separation(&members["items"], "auth_user");
    answer("member", "due", "auth_user", count(member));
    for table in [
        "address_useraddress",
        "payment_bankcard",
        "wishlists_wishlist",
        "wishlists_line",
        "analytics_userrecord",
        "analytics_userproductview",
        "analytics_usersearch",
        "communication_notification",
    ] {
        answer("member", "due", table, rows(member, "children", table));
    }
    for table in ["basket_basket", "reviews_productreview", "communication_email"] {
        answer("member", "blocked-by", table, rows(member, "unlinked", table));
    }
    // Orders that are due themselves have gone before their member.
    let staying = rows(separation(&all["items"], "auth_user"), "unlinked", "order_order");
    answer("member", "blocked-by", "order_order (NO ACTION FK, younger than 5 years or undatable)", staying);
    answer("order", "hold", "order_order of left members, not yet 5 years", staying);
    answer("member", "blocked-by", "members with such an order", members_waiting);
    let malformed = anomalies(&all, "auth_user", "malformed");
    answer("member", "skip", "withdrawn_at not a date (empty, zero, integer, other format)", malformed);
    answer("member", "skip", "withdrawn_at later than reference", anomalies(&all, "auth_user", "future"));

    let order = separation(&all["items"], "order_order");
    answer("order", "due", "order_order", count(order));
    answer("order", "keep", "order_order", 5000 - count(order));
    for (table, remark) in [
        ("order_line", ""),
        ("order_lineprice", ""),
        ("order_lineattribute", ""),
        ("payment_source", ""),
        ("payment_transaction", " (grandchild)"),
        ("order_shippingevent", ""),
        ("order_shippingeventquantity", " (two parents)"),
        ("order_paymentevent", ""),
        ("order_paymenteventquantity", " (two parents)"),
        ("order_ordernote", ""),
        ("order_orderstatuschange", ""),
        ("order_communicationevent", ""),
        ("order_orderdiscount", ""),
        ("order_orderlinediscount", " (two parents)"),
    ] {
        answer("order", "due", &format!("{table}{remark}"), rows(order, "children", table));
    }
    for (table, remark) in [
        ("order_shippingaddress", " (order points AT it; not shared with a kept order)"),
        ("order_billingaddress", ""),
        ("basket_basket", ""),
        ("basket_line", ""),
    ] {
        answer("order", "parent-due", &format!("{table}{remark}"), rows(order, "children", table));
    }
    let shared = rows(order, "shared", "order_shippingaddress");
    answer("order", "parent-keep", "order_shippingaddress shared with a kept order", shared);
    let undatable = anomalies(&all, "order_order", "malformed");
    answer("order", "skip", "date_placed undatable (empty, integer, date only, ISO with zone)", undatable);
    for (rule, table) in [
        ("complaint", "communication_email"),
        ("visit", "analytics_userproductview"),
        ("visit", "analytics_usersearch"),
        ("abuse", "django_admin_log"),
    ] {
        answer(rule, "due", table, count(separation(&all["items"], table)));
    }
    // What leaves with a member and is kept for its own rule, the plan says.
    let sooner = rows(separation(&all["items"], "auth_user"), "sooner", "analytics_userproductview");
    assert_eq!(sooner, if date == DATES[0] { 661 } else { 517 }, "views of due members, younger than three years");
    answers
}

#[test]
fn plans_give_every_number_of_the_case_at_both_dates() {
    let Some(folder) = folder("oscar") else { return };
    for date in DATES {
        let now = midnight(date);
        let held = deployed(&folder, RULES, &waiting(), &now).plan(&now, &[]);
        let members_waiting = separation(&held["items"], "auth_user")["waiting"].as_u64().unwrap();
        let world = deployed(&folder, RULES, DEPLOYMENT, &now);
        assert_eq!(answers(&world, date, members_waiting), expected(&folder, date), "{date}");
    }
}

#[tokio::test]
async fn the_civil_code_differs_in_the_two_rows_of_the_stroke_of_midnight_and_in_no_other() {
    let Some(folder) = folder("oscar") else { return };
    let due = |world: &World, now: &str| {
        let plan = world.plan(now, &[]);
        let tables =
            ["auth_user", "order_order", "communication_email", "analytics_userproductview", "django_admin_log"];
        tables.map(|table| separation(&plan["items"], table)["rows"].as_u64().unwrap())
    };
    let now = midnight(DATES[0]);
    let (instants, days) = (deployed(&folder, RULES, DEPLOYMENT, &now), deployed(&folder, &civil(), DEPLOYMENT, &now));
    assert_eq!(due(&instants, &now), [288, 1941, 1547, 7615, 698]);
    assert_eq!(due(&days, &now), [287, 1940, 1547, 7615, 698]);
    let database = days.path("oscar.sqlite3");
    let stroke = |table: &str, column: &str, at: &str| format!("SELECT id FROM {table} WHERE {column} = '{at}'");
    assert_eq!(ask(&database, &stroke("auth_user", "withdrawn_at", "2026-10-26 15:00:00")).await, ["52"]);
    assert_eq!(ask(&database, &stroke("order_order", "date_placed", "2021-10-31 15:00:00")).await, ["1"]);
    // A day later they are due as well, with the two of the first seconds of that day.
    let next = "2026-11-02T00:00:00+09:00";
    assert_eq!(due(&instants, next)[1], 1943, "0:00:01 and 5:00 of that day");
    assert_eq!(due(&days, next)[1], 1943);
    let now = midnight(DATES[1]);
    assert_eq!(due(&days, &now), due(&instants, &now), "no row of the later date is so near");
}

/// Rows of each table that must have left, by SQL of its own over the fresh
/// database.
fn leaving(date: &str) -> Vec<(&'static str, String)> {
    let before = |period: &str| format!("datetime('{date} 00:00:00', '-{period}', '-9 hours')");
    let dated = |column: &str, period: &str| {
        let date = "[12][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:*";
        format!("typeof({column}) = 'text' AND {column} GLOB '{date}' AND {column} <= {}", before(period))
    };
    let members = format!("(SELECT id FROM auth_user WHERE {})", dated("withdrawn_at", "5 days"));
    let orders = format!("(SELECT id FROM order_order WHERE {})", dated("date_placed", "5 years"));
    let kept =
        |column: &str| format!("(SELECT {column} FROM order_order WHERE {column} IS NOT NULL AND id NOT IN {orders})");
    let gone = |column: &str| format!("(SELECT {column} FROM order_order WHERE id IN {orders})");
    let lines = format!("(SELECT id FROM order_line WHERE order_id IN {orders})");
    let wishlists = format!("(SELECT id FROM wishlists_wishlist WHERE owner_id IN {members})");
    let seen = |column: &str| format!("user_id IN {members} OR {}", dated(column, "3 years"));
    let pointed = |column: &str| format!("id IN {} AND id NOT IN {}", gone(column), kept(column));
    vec![
        ("auth_user", format!("id IN {members}")),
        ("address_useraddress", format!("user_id IN {members}")),
        ("payment_bankcard", format!("user_id IN {members}")),
        ("wishlists_wishlist", format!("owner_id IN {members}")),
        ("wishlists_line", format!("wishlist_id IN {wishlists}")),
        ("communication_notification", format!("recipient_id IN {members}")),
        ("analytics_userrecord", format!("user_id IN {members}")),
        ("analytics_userproductview", seen("date_created")),
        ("analytics_usersearch", seen("date_created")),
        ("order_order", format!("id IN {orders}")),
        ("order_line", format!("order_id IN {orders}")),
        ("order_lineprice", format!("order_id IN {orders}")),
        ("order_lineattribute", format!("line_id IN {lines}")),
        ("payment_source", format!("order_id IN {orders}")),
        ("payment_transaction", format!("source_id IN (SELECT id FROM payment_source WHERE order_id IN {orders})")),
        ("order_shippingevent", format!("order_id IN {orders}")),
        ("order_shippingeventquantity", format!("line_id IN {lines}")),
        ("order_paymentevent", format!("order_id IN {orders}")),
        ("order_paymenteventquantity", format!("line_id IN {lines}")),
        ("order_ordernote", format!("order_id IN {orders}")),
        ("order_orderstatuschange", format!("order_id IN {orders}")),
        ("order_communicationevent", format!("order_id IN {orders}")),
        ("order_orderdiscount", format!("order_id IN {orders}")),
        ("order_orderlinediscount", format!("line_id IN {lines}")),
        ("order_shippingaddress", pointed("shipping_address_id")),
        ("order_billingaddress", pointed("billing_address_id")),
        ("basket_basket", pointed("basket_id")),
        ("basket_line", format!("basket_id IN (SELECT id FROM basket_basket WHERE {})", pointed("basket_id"))),
        ("communication_email", dated("date_sent", "3 years")),
        ("django_admin_log", dated("action_time", "1 years")),
    ]
}

fn total(items: &Value) -> u64 {
    items.as_array().unwrap().iter().map(|item| item["rows"].as_u64().unwrap()).sum()
}

/// Roots of a rule in a list of a report.
fn of_rule(items: &Value, rule: &str) -> u64 {
    let of = items.as_array().unwrap().iter().filter(|item| item["rule"] == rule);
    of.map(|item| item["rows"].as_u64().unwrap()).sum()
}

/// A row, byte for byte.
async fn contents(database: &Path, table: &str, condition: &str) -> Vec<String> {
    let columns = ask(database, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
    let quoted: Vec<String> = columns.iter().map(|name| format!("quote(\"{name}\")")).collect();
    ask(database, &format!("SELECT {} FROM \"{table}\" WHERE {condition} ORDER BY 1", quoted.join(" || '|' || "))).await
}

#[tokio::test]
async fn what_is_due_leaves_and_nothing_else_and_is_destroyed() {
    let Some(folder) = folder("oscar") else { return };
    let date = DATES[0];
    let now = midnight(date);
    let world = deployed(&folder, RULES, DEPLOYMENT, &now);
    let database = world.path("oscar.sqlite3");
    let fresh = world.path("fresh.sqlite3");
    fs::copy(&database, &fresh).unwrap();
    let plan = world.plan(&now, &[]);
    let ahead = plan["items"].as_array().unwrap().iter().filter_map(|item| item["sooner"].as_object());
    let ahead: u64 = ahead.flat_map(|tables| tables.values()).map(|rows| rows.as_u64().unwrap()).sum();
    let report = world.reviewed_run(&now);
    assert_eq!(report["failed"], Value::Array(Vec::new()), "{report}");
    assert_eq!(report["refused"], Value::Array(Vec::new()), "{report}");
    let mut touched = Vec::new();
    for (table, condition) in leaving(date) {
        // Nothing that should have stayed is gone, nothing that should be gone stayed.
        let stayed = format!("SELECT id FROM {table} WHERE ({condition}) IS NOT TRUE ORDER BY id");
        let expected = ask(&fresh, &stayed).await;
        assert_eq!(ask(&database, &format!("SELECT id FROM {table} ORDER BY id")).await, expected, "{table} at {date}");
        touched.push(table);
    }
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    for table in ask(&fresh, tables).await {
        let unlinked = ["reviews_productreview", "customer_productalert", "voucher_voucherapplication"];
        if !touched.contains(&table.as_str()) && !unlinked.contains(&table.as_str()) {
            assert_eq!(contents(&database, &table, "1").await, contents(&fresh, &table, "1").await, "{table}");
        }
    }
    assert_eq!(ask(&database, "SELECT * FROM pragma_foreign_key_check").await, [""; 0]);
    let left = "SELECT count(*) FROM reviews_productreview WHERE user_id IS NULL";
    assert!(number(&database, left).await > number(&fresh, left).await, "reviews stay without their author");

    let later = midnight("2026-11-03");
    let planned = world.plan(&later, &[]);
    let rules = ["member", "order", "complaint", "visit", "abuse"];
    for rule in rules {
        let due = planned["items"].as_array().unwrap().iter();
        let due = due.filter(|item| item["action"] == "destroy").cloned().collect();
        // Younger visits of members who left are kept for three years.
        let young = if rule == "visit" { ahead } else { 0 };
        let separated = of_rule(&report["separated"], rule) - young;
        assert_eq!(of_rule(&Value::Array(due), rule), separated, "all of {rule} is due in the vault, at {date}");
    }
    let second = world.reviewed_run(&later);
    let verified = world.at(&later, &["ledger", "verify", "--format", "json"]).ends_with(0).json();
    // Without a checkpoint that someone else keeps, nothing proves that all is there.
    assert_eq!((&verified["verdict"], &verified["problems"]), (&"undecided".into(), &Value::Array(Vec::new())));
    // What comes into a bucket makes all of it cool off again; everything else is gone.
    // The second cycle began at midnight in Seoul, which is the day before in UTC.
    let stale = "SELECT count(*) FROM (SELECT bucket_rule, bucket_date, max(sealed_at) AS newest FROM segment GROUP BY bucket_rule, bucket_date) \
         WHERE newest < '2026-11-02' AND NOT (bucket_rule LIKE 'visit%' AND bucket_date > '2023-11-01')";
    assert_eq!(number(&world.path("vault.db"), stale).await, 0);
    let (came, went) = (total(&second["separated"]), total(&second["destroyed"]));
    let left = number(&world.path("vault.db"), "SELECT coalesce(sum(records), 0) FROM segment").await;
    assert_eq!(left, total(&report["separated"]) + came - went);
    assert!(went > 13_000 && left < 200 + ahead, "{went} destroyed, {left} left");
}

/// Members leave with their orders: both move at the withdrawal.
fn at_withdrawal() -> (String, String) {
    let on = "separate_on = [\"withdrawal\"]\n";
    let rules = RULES
        .replace("keep   = \"5 days\"\n", &format!("keep   = \"5 days\"\n{on}"))
        .replace("keep   = \"5 years\"\n", &format!("keep   = \"5 years\"\n{on}"));
    assert_eq!(rules.matches("separate_on").count(), 2);
    let contract = "events.contract = {";
    let through = "events.withdrawal = { through = \"auth_user\", on = { user_id = \"id\" }, \
                   column = { column = \"withdrawn_at\", format = \"timestamp\", zone = \"UTC\" } }\n";
    (rules, DEPLOYMENT.replace(contract, &format!("{through}{contract}")))
}

/// Every table in which a person of this case has rows, and how they are found.
fn of_person(id: &str) -> Vec<(&'static str, String)> {
    let orders = format!("(SELECT id FROM order_order WHERE user_id = {id})");
    let lines = format!("(SELECT id FROM order_line WHERE order_id IN {orders})");
    let mut all: Vec<(&str, String)> = ["address_useraddress", "payment_bankcard", "analytics_userrecord"]
        .into_iter()
        .chain(["analytics_userproductview", "analytics_usersearch", "order_order", "reviews_productreview"])
        .chain(["communication_email"])
        .map(|table| (table, format!("user_id = {id}")))
        .collect();
    all.push(("basket_basket", format!("owner_id = {id}")));
    all.push(("wishlists_wishlist", format!("owner_id = {id}")));
    all.push(("communication_notification", format!("recipient_id = {id}")));
    for table in ["order_line", "payment_source", "order_shippingevent", "order_ordernote", "order_communicationevent"]
    {
        all.push((table, format!("order_id IN {orders}")));
    }
    for table in ["order_lineprice", "order_lineattribute", "order_shippingeventquantity", "order_orderlinediscount"] {
        all.push((table, format!("line_id IN {lines}")));
    }
    for (table, column) in
        [("order_shippingaddress", "shipping_address_id"), ("order_billingaddress", "billing_address_id")]
    {
        all.push((table, format!("id IN (SELECT {column} FROM order_order WHERE user_id = {id})")));
    }
    all
}

#[tokio::test]
async fn a_member_who_left_comes_back_with_his_orders_their_addresses_and_the_links_that_were_cut() {
    let Some(folder) = folder("oscar") else { return };
    let (rules, deployment) = at_withdrawal();
    let now = midnight(DATES[0]);
    let world = deployed(&folder, &rules, &deployment, &now);
    let (database, fresh) = (world.path("oscar.sqlite3"), world.path("fresh.sqlite3"));
    fs::copy(&database, &fresh).unwrap();
    // Left within the last days, has young orders and something that stays.
    let person = "SELECT id FROM auth_user WHERE withdrawn_at > '2026-10-26 15:00:00' AND withdrawn_at < '2026-10-31 15:00:00' \
                  AND withdrawn_at GLOB '2026-1*' AND id IN (SELECT user_id FROM order_order WHERE date_placed > '2022-01-01') \
                  AND id IN (SELECT user_id FROM communication_email) ORDER BY id LIMIT 1";
    let id = ask(&fresh, person).await[0].clone();
    let held = "SELECT count(*) FROM order_order WHERE user_id IN (SELECT id FROM auth_user WHERE typeof(withdrawn_at) = 'text' \
                AND withdrawn_at GLOB '[12]???-??-?? ??:*' AND withdrawn_at <= '2026-10-31 15:00:00') \
                AND typeof(date_placed) = 'text' AND date_placed GLOB '[12]???-??-?? ??:*' AND date_placed > '2021-10-31 15:00:00' \
                AND date_placed <= '2026-10-31 15:00:00'";
    let expected = 1941 + number(&fresh, held).await;
    let report = world.reviewed_run(&now);
    assert_eq!(report["failed"], Value::Array(Vec::new()), "{report}");
    let orders = separation(&report["separated"], "order_order")["rows"].as_u64().unwrap();
    assert_eq!(orders, expected, "orders that are due, and those of members who left");

    for table in ["auth_user", "order_order"] {
        let column = if table == "auth_user" { "id" } else { "user_id" };
        assert_eq!(
            number(&database, &format!("SELECT count(*) FROM {table} WHERE {column} = {id}")).await,
            0,
            "{table}"
        );
    }
    let restore = ["restore", "--subject", &id, "--by", "officer", "--reason", "the withdrawal was a mistake"];
    world.at(&now, &restore).ends_with(0);
    for (table, condition) in of_person(&id) {
        let due = match table {
            // Moved by their own rules, and stay in the vault.
            "communication_email" => "date_sent > '2023-10-31 15:00:00'",
            "analytics_userproductview" | "analytics_usersearch" => "date_created > '2023-10-31 15:00:00'",
            "order_order" => "date_placed > '2021-10-31 15:00:00'",
            _ => "1",
        };
        let was = contents(&fresh, table, &format!("({condition}) AND {due}")).await;
        let is = contents(&database, table, &condition).await;
        assert_eq!(is, was, "{table}");
    }
    let member = "id, username, email, password, date_joined, is_active";
    let row = format!("SELECT {member} FROM auth_user WHERE id = {id}");
    assert_eq!(ask(&database, &row).await, ask(&fresh, &row).await);
    assert_eq!(number(&database, &format!("SELECT withdrawn_at IS NULL FROM auth_user WHERE id = {id}")).await, 1);
    assert_eq!(ask(&database, "SELECT * FROM pragma_foreign_key_check").await, [""; 0]);
}
