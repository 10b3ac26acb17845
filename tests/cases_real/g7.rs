//! Gnuboard 7, a community with a shop on MariaDB: 98 tables, 70 keys that
//! cascade and 46 that set NULL, instants that follow the session's zone, zero
//! dates, and members who came back.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{
    servers::{self, Database},
    world::{Line, World, anomalies, expected, folder, rows, separation},
};

const RULES: &str = include_str!("g7/retention-rules.toml");
const DEPLOYMENT: &str = include_str!("g7/retentiond.toml");

const DATES: [&str; 2] = ["2026-11-01", "2027-06-15"];

/// The zone in which the application reads and writes its instants.
const ZONE: &str = "SET time_zone = '+09:00';";

fn midnight(date: &str) -> String {
    format!("{date}T00:00:00+09:00")
}

/// The application's database and a vault beside it.
struct Case {
    source: Database<'static>,
    world: World,
}

impl Case {
    fn new(folder: &Path, rules: &str, deployment: &str, now: &str) -> Self {
        let source = servers::mariadb().database();
        source.load_packed_after(ZONE, &folder.join("dump.sql.gz"));
        let world = deployed(&source, rules, deployment, now);
        Self { source, world }
    }

    fn ask(&self, sql: &str) -> String {
        self.source.query(&format!("{ZONE} {sql}"))
    }

    fn number(&self, sql: &str) -> u64 {
        let text = self.ask(sql);
        text.parse().unwrap_or_else(|_| panic!("{text:?}: {sql}"))
    }

    /// Rows of a table that a condition is true for, told apart by all their
    /// values save those of `without`.
    fn contents(&self, table: &str, condition: &str, without: &[&str]) -> String {
        let columns = self.ask(&format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = database() AND table_name = '{table}' \
             ORDER BY ordinal_position"
        ));
        let kept = columns.lines().filter(|column| !without.contains(column));
        let values = kept.map(|column| format!("coalesce(hex(`{column}`), '-')")).collect::<Vec<_>>().join(", ");
        self.ask(&format!(
            "SELECT count(*), coalesce(sum(conv(left(md5(concat_ws('|', {values})), 12), 16, 10)), 0) FROM `{table}` \
             WHERE {condition}"
        ))
    }
}

fn deployed(source: &Database<'_>, rules: &str, deployment: &str, now: &str) -> World {
    let vault = servers::mariadb().database();
    let deployment = deployment.replace("SOURCE", &source.url()).replace("VAULT", &vault.url());
    let world = World::new(rules, &deployment);
    world.at(now, &["init", "--simulation"]).ends_with(0);
    world
}

/// Members whose date says that they left, whatever their status says.
fn whatever_the_status() -> String {
    let narrowed = "where   = \"status = 'withdrawn'\"\n";
    assert!(DEPLOYMENT.contains(narrowed));
    DEPLOYMENT.replace(narrowed, "")
}

/// Every line of the case, as plans answer it; what stays, as the database does.
fn answers(case: &Case, date: &str) -> BTreeMap<Line, u64> {
    let now = midnight(date);
    let all_members = deployed(&case.source, RULES, &whatever_the_status(), &now).plan(&now, &["--rule", "member"]);
    let (all, members) = (case.world.plan(&now, &[]), case.world.plan(&now, &["--rule", "member"]));
    let mut answers = BTreeMap::new();
    let mut answer = |rule: &str, action: &str, table: &str, rows: u64| {
        answers.insert((rule.to_owned(), action.to_owned(), table.to_owned()), rows);
    };
    let count = |item: &Value| item["rows"].as_u64().unwrap();

    let member = separation(&members["items"], "users");
    answer("member", "due", "users", count(member));
    for table in [
        "user_consents",
        "user_marketing_consents",
        "user_marketing_consent_histories",
        "ecommerce_user_addresses",
        "ecommerce_product_wishlists",
        "ecommerce_carts",
        "ecommerce_promotion_coupon_issues",
        "personal_access_tokens",
    ] {
        answer("member", "due", table, rows(member, "children", table));
    }
    for table in ["ecommerce_product_reviews", "ecommerce_product_review_images"] {
        answer("member", "cascade", table, rows(member, "children", table));
    }
    for table in [
        "ecommerce_orders",
        "ecommerce_product_inquiries",
        "activity_logs",
        "identity_verification_logs",
        "notification_logs",
        "boards_report_logs",
    ] {
        answer("member", "setnull", table, rows(member, "unlinked", table));
    }
    answer("member", "dangling", "board_posts", rows(member, "unlinked", "board_posts"));
    let odd = |kind| anomalies(&members, "users", kind);
    answer("member", "skip", "users: status withdrawn, withdrawn_at NULL", odd("missing"));
    answer("member", "skip", "users: withdrawn_at zero date", odd("malformed"));
    answer("member", "skip", "users: withdrawn_at later than reference", odd("future"));
    let came_back = count(separation(&all_members["items"], "users")) - count(member);
    answer("member", "skip", "users: active again though withdrawn_at is due", came_back);

    let order = separation(&all["items"], "ecommerce_orders");
    answer("order", "due", "ecommerce_orders", count(order));
    for table in ["options", "addresses", "payments", "shippings", "cancels", "cancel_options", "refunds"] {
        let table = format!("ecommerce_order_{table}");
        answer("order", "due", &table, rows(order, "children", &table));
    }
    for table in ["ecommerce_order_refund_options", "ecommerce_order_tax_invoices"] {
        answer("order", "due", table, rows(order, "children", table));
    }
    for table in ["ecommerce_product_reviews", "ecommerce_product_review_images"] {
        answer("order", "cascade", table, rows(order, "children", table));
    }
    let orders = case.number("SELECT count(*) FROM ecommerce_orders");
    answer("order", "keep", "ecommerce_orders", orders - count(order));
    // Orders that are due themselves leave in the same cycle.
    let staying = rows(separation(&all["items"], "users"), "unlinked", "ecommerce_orders");
    answer("order", "hold", "ecommerce_orders of left members, not yet 5 years", staying);

    let complaint = separation(&all["items"], "ecommerce_product_inquiries");
    answer("complaint", "due", "ecommerce_product_inquiries", count(complaint));
    let posts = rows(complaint, "children", "board_posts");
    answer("complaint", "due", "board_posts (by inquirable_type/id)", posts);
    for (rule, table) in
        [("visit", "activity_logs"), ("abuse", "boards_reports"), ("identity", "identity_verification_logs")]
    {
        answer(rule, "due", table, count(separation(&all["items"], table)));
    }
    let logs = rows(separation(&all["items"], "boards_reports"), "children", "boards_report_logs");
    answer("abuse", "due", "boards_report_logs", logs);
    answers
}

/// Rows of each table that must have left, by SQL of its own.
fn leaving(date: &str) -> Vec<(&'static str, String)> {
    let before = |period: &str| format!("'{date} 00:00:00' - INTERVAL {period}");
    let members = format!(
        "(SELECT id FROM users WHERE status = 'withdrawn' AND withdrawn_at > '0000-00-00' AND withdrawn_at <= {})",
        before("5 DAY")
    );
    let orders = format!("(SELECT id FROM ecommerce_orders WHERE ordered_at <= {})", before("5 YEAR"));
    let options = format!("(SELECT id FROM ecommerce_order_options WHERE order_id IN {orders})");
    let reviews = format!(
        "(SELECT id FROM ecommerce_product_reviews WHERE user_id IN {members} OR order_option_id IN {options})"
    );
    let reports = format!("(SELECT id FROM boards_reports WHERE processed_at <= {})", before("1 YEAR"));
    let inquiries = format!("created_at <= {}", before("3 YEAR"));
    let mut leaving = vec![
        ("users", format!("id IN {members}")),
        ("personal_access_tokens", format!("tokenable_type LIKE 'App%Models%User' AND tokenable_id IN {members}")),
        ("ecommerce_product_reviews", format!("id IN {reviews}")),
        ("ecommerce_product_review_images", format!("review_id IN {reviews}")),
        ("ecommerce_orders", format!("id IN {orders}")),
        ("ecommerce_product_inquiries", inquiries.clone()),
        ("board_posts", format!("id IN (SELECT inquirable_id FROM ecommerce_product_inquiries WHERE {inquiries})")),
        ("activity_logs", format!("created_at <= {}", before("3 YEAR"))),
        ("boards_reports", format!("id IN {reports}")),
        ("boards_report_logs", format!("report_id IN {reports}")),
        ("identity_verification_logs", format!("created_at <= {}", before("6 MONTH"))),
    ];
    for table in [
        "user_consents",
        "user_marketing_consents",
        "user_marketing_consent_histories",
        "ecommerce_user_addresses",
        "ecommerce_product_wishlists",
        "ecommerce_carts",
        "ecommerce_promotion_coupon_issues",
    ] {
        leaving.push((table, format!("user_id IN {members}")));
    }
    for table in [
        "ecommerce_order_options",
        "ecommerce_order_addresses",
        "ecommerce_order_payments",
        "ecommerce_order_shippings",
        "ecommerce_order_cancels",
        "ecommerce_order_cancel_options",
        "ecommerce_order_refunds",
        "ecommerce_order_refund_options",
        "ecommerce_order_tax_invoices",
    ] {
        leaving.push((table, format!("order_id IN {orders}")));
    }
    leaving
}

/// Columns that point at members, or at rows of their own table: what stays may
/// lose them.
const LINKS: [&str; 13] = [
    "user_id",
    "recipient_user_id",
    "sender_user_id",
    "reporter_id",
    "author_id",
    "processed_by",
    "cancelled_by",
    "created_by",
    "updated_by",
    "reply_admin_id",
    "order_id",
    "parent_option_id",
    "source_option_id",
];

/// Links of these tables belong to what moves, and no row of it loses one.
fn losable(table: &str) -> &'static [&'static str] {
    if table.starts_with("ecommerce_order_") { &[] } else { &LINKS }
}

fn total(items: &Value) -> u64 {
    items.as_array().unwrap().iter().map(|item| item["rows"].as_u64().unwrap()).sum()
}

/// What a plan has no word for is asked of the rows that are left after a run.
const NEVER_PROCESSED: (&str, &str, &str) =
    ("abuse", "skip", "boards_reports older than a year, never processed (trigger NULL)");
const SOFT_DELETED: (&str, &str, &str) = ("order", "due-of-which", "ecommerce_orders soft-deleted (deleted_at set)");

fn line((rule, action, table): (&str, &str, &str)) -> Line {
    (rule.to_owned(), action.to_owned(), table.to_owned())
}

#[test]
fn plans_give_every_number_of_the_case_and_what_is_due_leaves_and_nothing_else_and_is_destroyed() {
    let Some(folder) = folder("g7") else { return };
    let mut case = Case::new(&folder, RULES, DEPLOYMENT, &midnight(DATES[1]));
    for date in [DATES[1], DATES[0]] {
        case.world = deployed(&case.source, RULES, DEPLOYMENT, &midnight(date));
        let mut wanted = expected(&folder, date);
        for left in [NEVER_PROCESSED, SOFT_DELETED] {
            assert!(wanted.remove(&line(left)).unwrap() > 0);
        }
        assert_eq!(answers(&case, date), wanted, "{date}");
    }
    due_leaves(&case, DATES[0], &expected(&folder, DATES[0]));
}

fn due_leaves(case: &Case, date: &str, wanted: &BTreeMap<Line, u64>) {
    let now = midnight(date);
    let leaving = leaving(date);
    let mut staying = BTreeMap::new();
    for table in case.ask("SHOW TABLES").lines() {
        let condition = leaving.iter().find(|(name, _)| *name == table);
        let condition = condition.map_or_else(|| "TRUE".to_owned(), |(_, gone)| format!("({gone}) IS NOT TRUE"));
        staying.insert(table.to_owned(), case.contents(table, &condition, losable(table)));
    }
    assert!(staying.len() >= 98);
    let deleted = "SELECT count(*) FROM ecommerce_orders WHERE deleted_at IS NOT NULL";
    let deleted_before = case.number(deleted);

    let report = case.world.reviewed_run(&now);
    assert_eq!((&report["failed"], &report["refused"]), (&Value::Array(vec![]), &Value::Array(vec![])), "{report}");
    for (table, expected) in &staying {
        assert_eq!(&case.contents(table, "TRUE", losable(table)), expected, "{table}");
    }
    let unprocessed = "SELECT count(*) FROM boards_reports WHERE processed_at IS NULL AND created_at <= '2025-11-01'";
    assert_eq!(case.number(unprocessed), wanted[&line(NEVER_PROCESSED)]);
    assert_eq!(deleted_before - case.number(deleted), wanted[&line(SOFT_DELETED)]);
    let orphans = "SELECT count(*) FROM ecommerce_orders o LEFT JOIN users u ON u.id = o.user_id \
                   WHERE o.user_id IS NOT NULL AND u.id IS NULL";
    assert_eq!(case.number(orphans), 0);

    let later = midnight("2026-11-03");
    let second = case.world.reviewed_run(&later);
    let verified = case.world.at(&later, &["ledger", "verify", "--format", "json"]).ends_with(0).json();
    assert_eq!(verified["problems"], Value::Array(Vec::new()));
    // What comes into a bucket makes all of it cool off again; the rest is gone.
    let (came, went) = (total(&second["separated"]), total(&second["destroyed"]));
    let status = case.world.at(&later, &["plan", "--format", "json"]).ends_with(0).json();
    assert!(went > 20_000 && went <= total(&report["separated"]), "{went} destroyed, {came} came; {status}");
}

#[test]
fn a_member_who_left_comes_back_with_all_that_went_and_the_links_that_were_cut() {
    let Some(folder) = folder("g7") else { return };
    let now = midnight(DATES[0]);
    let on = "separate_on = [\"withdrawal\"]\n";
    let rules = RULES.replace("keep   = \"5 days\"\n", &format!("keep   = \"5 days\"\n{on}"));
    assert!(rules.contains(on));
    let case = Case::new(&folder, &rules, DEPLOYMENT, &now);
    // A review of a due order leaves with that order.
    let person = "SELECT id FROM users u WHERE status = 'withdrawn' AND withdrawn_at > '2026-10-27' \
                  AND withdrawn_at <= '2026-11-01' AND NOT EXISTS (SELECT 1 FROM ecommerce_product_reviews r \
                  JOIN ecommerce_order_options p ON p.id = r.order_option_id JOIN ecommerce_orders o ON o.id = p.order_id \
                  WHERE r.user_id = u.id AND o.ordered_at <= '2021-11-01') ORDER BY (SELECT count(*) FROM ecommerce_product_reviews r \
                  WHERE r.user_id = u.id) DESC, id LIMIT 1";
    let id = case.ask(person);
    let of_person = |table: &str| match table {
        "users" => format!("id = {id}"),
        "ecommerce_product_review_images" => {
            format!("review_id IN (SELECT id FROM ecommerce_product_reviews WHERE user_id = {id})")
        }
        "personal_access_tokens" => format!("tokenable_id = {id}"),
        "notification_logs" => format!("recipient_user_id = {id}"),
        _ => format!("user_id = {id}"),
    };
    let tables = [
        "users",
        "user_consents",
        "user_marketing_consents",
        "user_marketing_consent_histories",
        "ecommerce_user_addresses",
        "ecommerce_product_wishlists",
        "ecommerce_carts",
        "ecommerce_promotion_coupon_issues",
        "ecommerce_product_reviews",
        "ecommerce_product_review_images",
        "personal_access_tokens",
        "notification_logs",
    ];
    let contents = || tables.map(|table| case.contents(table, &of_person(table), &["withdrawn_at"]));
    let before = contents();
    let report = case.world.reviewed_run(&now);
    assert_eq!(report["failed"], Value::Array(Vec::new()), "{report}");
    assert!(contents().iter().all(|rows| rows.starts_with("0\t")), "nothing of this person is left");
    let restore = ["restore", "--subject", &id, "--by", "officer", "--reason", "the withdrawal was a mistake"];
    case.world.at(&now, &restore).ends_with(0);
    assert_eq!(contents(), before);
    assert_eq!(case.ask(&format!("SELECT withdrawn_at IS NULL FROM users WHERE id = {id}")), "1");
}
