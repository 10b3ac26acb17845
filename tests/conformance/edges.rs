//! What a record takes along, points at, and leaves behind.

use retentiond::{
    domain::{
        deployment::{Dataset, Edge},
        id::EventName,
        record::{Row, decode_rows},
        segment::Table,
        selection::{Cause, Scope},
    },
    ports::{Restoration, Scan, Source},
};

use super::{
    engine::Database,
    fixture::{Moved, bounds, child, dataset, move_all, receipt, scope},
    steps::{census, errors, event, move_due, put_back},
};

const OLD: &str = "'2020-01-01 00:00:00'";
const YOUNG: &str = "'2026-01-01 00:00:00'";

/// Rows by table, those that were only unlinked apart.
fn rows_of(moved: &Moved, table: &str, unlinked: bool) -> u64 {
    let counts = moved.counts();
    let named = moved.tables.iter().zip(counts).filter(|(heading, _)| heading.name == table);
    named.filter(|(heading, _)| heading.unlinked == unlinked).map(|(_, rows)| rows).sum()
}

/// Orders that point at addresses, some of them at the same one, and a customer
/// who has one as his own.
async fn shipped<D: Database>() -> (D, Dataset) {
    let database = D::new(&format!(
        "CREATE TABLE addresses (id INTEGER PRIMARY KEY, street VARCHAR(40));
         CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, ship_id INTEGER, bill_id INTEGER,
            FOREIGN KEY (ship_id) REFERENCES addresses (id), FOREIGN KEY (bill_id) REFERENCES addresses (id));
         CREATE TABLE customers (id INTEGER PRIMARY KEY, home_id INTEGER, FOREIGN KEY (home_id) REFERENCES addresses (id));
         INSERT INTO addresses VALUES (1, 'one order'), (2, 'two old orders'), (3, 'a young order too'),
            (4, 'billed and shipped'), (5, 'a home'), (6, 'nobody'), (7, 'young');
         INSERT INTO orders VALUES (10, {OLD}, 1, NULL), (11, {OLD}, 2, NULL), (12, {OLD}, 2, 4), (13, {OLD}, 3, 4),
            (14, {YOUNG}, 3, 7), (15, {OLD}, 5, NULL), (16, {OLD}, NULL, NULL);
         INSERT INTO customers VALUES (1, 5)"
    ))
    .await;
    let mut orders = dataset("orders", &["id"]);
    orders.children = vec![
        child("addresses", "orders", &[("id", "ship_id")], Edge::Reference),
        child("addresses", "orders", &[("id", "bill_id")], Edge::Reference),
    ];
    (database, orders)
}

pub async fn a_reference_goes_with_the_last_row_that_points_at_it<D: Database>() {
    for limit in [10, 1] {
        let (database, orders) = shipped::<D>().await;
        let before = database.dump(&["addresses", "orders"]).await;
        assert_eq!(errors(&database, &orders).await, "");
        let census = census(&database, &orders).await;
        assert_eq!((census.rows, census.children["addresses"], census.shared["addresses"]), (6, 3, 2));
        let moved = move_due(&database, &orders, limit).await;
        assert_eq!(rows_of(&moved, "addresses", false), 3, "one record at a time or all at once");
        assert_eq!(database.ask("SELECT id FROM addresses ORDER BY id").await, ["3", "5", "6", "7"]);
        put_back(&database, &orders, &moved.tables, moved.rows()).await;
        assert_eq!(database.dump(&["addresses", "orders"]).await, before);
    }
}

pub async fn what_hangs_below_a_reference_goes_with_it<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE baskets (id INTEGER PRIMARY KEY, word VARCHAR(40));
         CREATE TABLE basket_lines (id INTEGER PRIMARY KEY, basket_id INTEGER, FOREIGN KEY (basket_id) REFERENCES baskets (id));
         CREATE TABLE hints (id INTEGER PRIMARY KEY, line_id INTEGER, FOREIGN KEY (line_id) REFERENCES basket_lines (id));
         CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, basket_id INTEGER,
            FOREIGN KEY (basket_id) REFERENCES baskets (id));
         INSERT INTO baskets VALUES (1, 'goes'), (2, 'stays');
         INSERT INTO basket_lines VALUES (1, 1), (2, 1), (3, 2);
         INSERT INTO hints VALUES (1, 1), (2, 3), (3, 2), (4, NULL);
         INSERT INTO orders VALUES (10, {OLD}, 1), (11, {OLD}, 2), (12, {YOUNG}, 2)"
    ))
    .await;
    let before = database.dump(&["baskets", "basket_lines", "hints", "orders"]).await;
    let mut orders = dataset("orders", &["id"]);
    orders.children = vec![
        child("baskets", "orders", &[("id", "basket_id")], Edge::Reference),
        child("basket_lines", "baskets", &[("basket_id", "id")], Edge::Own),
        child("hints", "basket_lines", &[("line_id", "id")], Edge::Unlink),
    ];
    assert_eq!(errors(&database, &orders).await, "");
    let census = census(&database, &orders).await;
    assert_eq!((census.children["baskets"], census.children["basket_lines"]), (1, 2));
    assert_eq!((census.shared["baskets"], census.unlinked["hints"]), (1, 2));
    let moved = move_due(&database, &orders, 10).await;
    assert_eq!(moved.counts(), [2, 1, 2, 2]);
    assert_eq!(database.ask("SELECT id FROM basket_lines").await, ["3"]);
    assert_eq!(database.ask("SELECT line_id FROM hints ORDER BY id").await, ["", "3", "", ""]);
    put_back(&database, &orders, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&["baskets", "basket_lines", "hints", "orders"]).await, before);
}

/// Members who leave, and notes about them that stay.
async fn noted<D: Database>() -> (D, Dataset) {
    let database = D::new(&format!(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, at DATETIME);
         CREATE TABLE notes (id INTEGER, part VARCHAR(9), member_id INTEGER, word VARCHAR(9), PRIMARY KEY (id, part),
            FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE SET NULL);
         INSERT INTO members VALUES (1, {OLD}), (2, {OLD}), (3, {YOUNG});
         INSERT INTO notes VALUES (1, 'a', 1, 'x'), (1, 'b', 1, 'y'), (2, 'a', 2, 'z'), (3, 'a', 3, 'kept'), (4, 'a', NULL, 'none')"
    ))
    .await;
    let mut members = dataset("members", &["id"]);
    members.children = vec![child("notes", "members", &[("member_id", "id")], Edge::Unlink)];
    (database, members)
}

pub async fn a_link_is_cut_sealed_and_restored<D: Database>() {
    for limit in [10, 1] {
        let (database, members) = noted::<D>().await;
        let before = database.dump(&["members", "notes"]).await;
        assert_eq!(errors(&database, &members).await, "");
        let census = census(&database, &members).await;
        assert_eq!((census.rows, census.unlinked["notes"], census.children.len()), (2, 3, 0));
        let moved = move_due(&database, &members, limit).await;
        assert_eq!((rows_of(&moved, "notes", true), rows_of(&moved, "notes", false)), (3, 0));
        let heading = moved.tables.last().unwrap();
        let columns: Vec<&str> = heading.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(columns, ["id", "part", "member_id"], "nothing of the row but its key and its link");
        assert_eq!(
            database.ask("SELECT word, member_id FROM notes ORDER BY word").await,
            ["kept,3", "none,", "x,", "y,", "z,"]
        );
        put_back(&database, &members, &moved.tables, moved.rows()).await;
        assert_eq!(database.dump(&["members", "notes"]).await, before);
    }
}

pub async fn a_link_is_not_restored_over_another<D: Database>() {
    let (database, members) = noted::<D>().await;
    let moved = move_due(&database, &members, 10).await;
    database.run("UPDATE notes SET member_id = 3 WHERE id = 1 AND part = 'a'; DELETE FROM notes WHERE id = 2").await;
    put_back(&database, &members, &moved.tables, moved.rows()).await;
    assert_eq!(
        database.ask("SELECT word, member_id FROM notes ORDER BY word").await,
        ["kept,3", "none,", "x,3", "y,1"],
        "what the application did meanwhile stands"
    );
}

pub async fn rows_of_one_table_lose_their_link_to_those_that_move<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, at DATETIME, answer_to INTEGER,
            FOREIGN KEY (answer_to) REFERENCES posts (id));
         INSERT INTO posts VALUES (1, {OLD}, NULL);
         INSERT INTO posts VALUES (2, {OLD}, 1);
         INSERT INTO posts VALUES (3, {YOUNG}, 1);
         INSERT INTO posts VALUES (4, {YOUNG}, 3);
         INSERT INTO posts VALUES (5, {OLD}, 3)"
    ))
    .await;
    let before = database.dump(&["posts"]).await;
    let mut posts = dataset("posts", &["id"]);
    assert!(errors(&database, &posts).await.contains("edge = \"unlink\""));
    posts.children = vec![child("posts", "posts", &[("answer_to", "id")], Edge::Unlink)];
    assert_eq!(errors(&database, &posts).await, "");
    let census = census(&database, &posts).await;
    assert_eq!((census.rows, census.unlinked["posts"]), (3, 1));
    let moved = move_due(&database, &posts, 10).await;
    assert_eq!(moved.counts(), [3, 1], "what moves itself keeps its link in its own record");
    assert_eq!(database.ask("SELECT id, answer_to FROM posts ORDER BY id").await, ["3,", "4,3"]);
    put_back(&database, &posts, &moved.tables, moved.rows()).await;
    assert_eq!(database.dump(&["posts"]).await, before);
}

pub async fn a_row_under_two_rules_moves_by_the_longer_one<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, paid_at DATETIME, card INTEGER);
         INSERT INTO orders VALUES (1, {OLD}, {OLD}, 1), (2, {OLD}, {YOUNG}, 1), (3, {OLD}, NULL, 1), (4, {OLD}, {YOUNG}, 0),
            (5, {YOUNG}, {OLD}, 1)"
    ))
    .await;
    let contract = dataset("orders", &["id"]);
    let mut payment = dataset("orders", &["id"]);
    payment.rule = "payment".into();
    payment.condition = Some("card = 1".to_owned());
    payment.events = [("paid".into(), retentiond::domain::deployment::EventPlace::Own(paid()))].into();
    let (recorded, paid) = (event(), EventName::from("paid"));
    let all = [(&contract, scope(&recorded, &[], &[])), (&payment, scope(&paid, &[], &[]))];
    let (of_contract, of_payment) = (scope(&recorded, &[], &all), scope(&paid, &[], &all));
    let mut scan = database.scan().await;
    let census = scan.census(&contract, &of_contract).await.unwrap();
    assert_eq!((census.rows, census.outlived), (2, 2), "2 and 3 are not due under the other rule");
    let census = scan.census(&payment, &of_payment).await.unwrap();
    assert_eq!((census.rows, census.outlived), (1, 1), "5 is not due under the first");
    let mut source = database.source().await;
    assert_eq!(move_all(&mut source, &contract, &of_contract, 10).await.keys(), ["1", "4"]);
    assert_eq!(move_all(&mut source, &payment, &of_payment, 10).await.keys(), [""; 0]);

    // From the same event the longer period has all rows that both have.
    let mut longer = contract.clone();
    longer.rule = "longer".into();
    let mut late = bounds();
    late.due_before -= chrono::TimeDelta::days(1000);
    late.overdue_before -= chrono::TimeDelta::days(1000);
    let all =
        [(&contract, scope(&recorded, &[], &[])), (&longer, Scope { bounds: late, ..scope(&recorded, &[], &[]) })];
    let census = scan.census(&contract, &scope(&recorded, &[], &all)).await.unwrap();
    assert_eq!((census.rows, census.outlived), (0, 2));
    let census = scan.census(&longer, &scope(&recorded, &[], &all)).await.unwrap();
    assert_eq!((census.rows, census.outlived), (2, 0));
}

fn paid() -> retentiond::domain::event::EventColumn {
    super::fixture::column("paid_at", retentiond::domain::event::Format::Timestamp)
}

pub async fn uncovered_keys_are_refused_with_the_edge_to_add<D: Database>() {
    for action in ["", "ON DELETE CASCADE", "ON DELETE SET NULL"] {
        let database = D::new(&format!(
            "CREATE TABLE members (id INTEGER PRIMARY KEY, at DATETIME);
             CREATE TABLE notes (id INTEGER PRIMARY KEY, member_id INTEGER,
                FOREIGN KEY (member_id) REFERENCES members (id) {action});
             INSERT INTO members VALUES (1, {OLD}); INSERT INTO notes VALUES (1, 1)"
        ))
        .await;
        let mut members = dataset("members", &["id"]);
        let found = errors(&database, &members).await;
        let edge = "[[dataset.child]]\ntable = \"notes\"\non = { member_id = \"id\" }\nedge = ";
        assert!(found.contains(edge) && found.contains("unlink"), "{found}");
        let event = event();
        let mut source = database.source().await;
        let taken =
            source.take(&members, &scope(&event, &[], &[]), &retentiond::domain::selection::Cause::Due, 9).await;
        if !action.is_empty() {
            assert!(taken.unwrap_err().to_string().contains(action), "nothing is taken either");
        }
        drop(source);
        for edge in [Edge::Own, Edge::Unlink, Edge::Wait] {
            members.children = vec![child("notes", "members", &[("member_id", "id")], edge)];
            assert_eq!(errors(&database, &members).await, "", "{edge:?} covers a key {action}");
        }
        assert_eq!(database.ask("SELECT count(*) FROM notes").await, ["1"]);
    }
}

pub async fn edges_that_cannot_be_carried_out_are_refused<D: Database>() {
    let database = D::new(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, at DATETIME, seat_id INTEGER);
         CREATE TABLE seats (id INTEGER PRIMARY KEY, row_id INTEGER);
         CREATE TABLE keyless (member_id INTEGER);
         CREATE TABLE bound (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL)",
    )
    .await;
    let refused = [
        (vec![child("keyless", "members", &[("member_id", "id")], Edge::Unlink)], "has no primary key"),
        (vec![child("bound", "members", &[("member_id", "id")], Edge::Unlink)], "may be NULL"),
        (vec![child("members", "members", &[("seat_id", "id")], Edge::Own)], "below itself"),
        (
            vec![
                child("seats", "members", &[("id", "seat_id")], Edge::Reference),
                child("bound", "seats", &[("member_id", "id")], Edge::Wait),
            ],
            "keeps records waiting below seats",
        ),
        (vec![child("bound", "seats", &[("member_id", "id")], Edge::Own)], "does not move with the record"),
    ];
    for (children, expected) in refused {
        let mut members = dataset("members", &["id"]);
        members.children = children;
        let found = errors(&database, &members).await;
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

pub async fn rows_that_are_records_of_another_rule_too_are_reported<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE members (id INTEGER PRIMARY KEY, at DATETIME);
         CREATE TABLE visits (id INTEGER PRIMARY KEY, at DATETIME, member_id INTEGER,
            FOREIGN KEY (member_id) REFERENCES members (id));
         INSERT INTO members VALUES (1, {OLD}); INSERT INTO visits VALUES (1, {YOUNG}, 1), (2, {OLD}, 1)"
    ))
    .await;
    let mut members = dataset("members", &["id"]);
    members.children = vec![child("visits", "members", &[("member_id", "id")], Edge::Own)];
    let visits = dataset("visits", &["id"]);
    let found = database.scan().await.inspect(&members, &[&members, &visits]).await.unwrap();
    let said = |finding: &&retentiond::ports::SchemaFinding| finding.message.contains("records of rule visits too");
    assert!(found.iter().find(said).is_some_and(|finding| !finding.error), "{found:?}");
    let event = event();
    let alone = scope(&event, &[], &[]);
    let all = [(&visits, alone)];
    let census = database.scan().await.census(&members, &scope(&event, &[], &all)).await.unwrap();
    assert_eq!(
        (census.rows, census.children["visits"], census.sooner["visits"]),
        (1, 2, 1),
        "the young one goes ahead"
    );
    members.children[0].edge = Edge::Unlink;
    let all = [(&members, alone), (&visits, alone)];
    let scope = scope(&event, &[], &all);
    let census = database.scan().await.census(&members, &scope).await.unwrap();
    assert_eq!(census.unlinked["visits"], 1, "the other moves by itself, with its link");
}

pub async fn what_another_rule_keeps_longer_leaves_ahead_as_a_record_of_its_own<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE places (id INTEGER PRIMARY KEY, at DATETIME);
         CREATE TABLE members (id INTEGER PRIMARY KEY, at DATETIME, place_id INTEGER,
            FOREIGN KEY (place_id) REFERENCES places (id));
         CREATE TABLE visits (id INTEGER PRIMARY KEY, at DATETIME, member_id INTEGER,
            FOREIGN KEY (member_id) REFERENCES members (id));
         INSERT INTO places VALUES (1, {YOUNG}), (2, {OLD});
         INSERT INTO members VALUES (1, {OLD}, 1), (2, {OLD}, 2), (3, {OLD}, NULL), (4, {YOUNG}, NULL);
         INSERT INTO visits VALUES (1, {YOUNG}, 1), (2, {OLD}, 1), (3, {YOUNG}, 4), (4, NULL, 2)"
    ))
    .await;
    let (visits, places) = (dataset("visits", &["id"]), dataset("places", &["id"]));
    let mut members = dataset("members", &["id"]);
    members.children = vec![
        child("visits", "members", &[("member_id", "id")], Edge::Own),
        child("places", "members", &[("id", "place_id")], Edge::Reference),
    ];
    let event = event();
    let alone = scope(&event, &[], &[]);
    let all = [(&members, alone), (&visits, alone), (&places, alone)];
    let beside = scope(&event, &[], &all);
    let census = database.scan().await.census(&members, &beside).await.unwrap();
    assert_eq!((census.rows, census.waiting), (2, 1), "one has a visit whose period cannot be counted");
    assert_eq!((census.sooner["visits"], census.sooner["places"]), (1, 0));

    // Who has nothing that is kept longer moves at once, the others wait for it.
    let mut source = database.source().await;
    assert_eq!(move_all(&mut source, &members, &beside, 1).await.keys(), ["3"]);
    assert_eq!(move_all(&mut source, &visits, &beside, 5).await.keys(), ["2"], "by itself");
    let idle = [(&members, alone.idle()), (&visits, alone), (&places, alone)];
    let without_members = scope(&event, &[], &idle);
    assert!(source.take(&visits, &without_members, &Cause::WithParent, 5).await.unwrap().is_none());
    let ahead = source.take(&visits, &beside, &Cause::WithParent, 5).await.unwrap().unwrap();
    assert_eq!(ahead.records.iter().map(|record| record.key.as_slice()).collect::<Vec<_>>(), [b"1"]);
    source.commit(receipt()).await.unwrap();
    assert_eq!(move_all(&mut source, &members, &beside, 5).await.keys(), ["1"]);
    assert_eq!(database.ask("SELECT id FROM visits ORDER BY id").await, ["3", "4"], "the rest");
    assert_eq!(database.ask("SELECT id FROM places ORDER BY id").await, ["1", "2"], "by their own rule");
}

/// Takes one record at a time; each is a restoration of its own.
async fn one_by_one(database: &impl Database, dataset: &Dataset) -> Vec<(Vec<Table>, Vec<Row>)> {
    let (event, mut source, mut taken) = (event(), database.source().await, Vec::new());
    while let Some(batch) = source.take(dataset, &scope(&event, &[], &[]), &Cause::Due, 1).await.unwrap() {
        let widths: Vec<usize> = batch.tables.iter().map(|table| table.columns.len()).collect();
        let rows = batch.records.iter().flat_map(|taken| decode_rows(&taken.rows, &widths).unwrap()).collect();
        source.commit(receipt()).await.unwrap();
        taken.push((batch.tables, rows));
    }
    taken
}

pub async fn what_several_records_share_comes_back_with_all_of_them<D: Database>() {
    let database = D::new(&format!(
        "CREATE TABLE addresses (id INTEGER PRIMARY KEY, street VARCHAR(9));
         CREATE TABLE posts (id INTEGER PRIMARY KEY, at DATETIME, answer_to INTEGER, address_id INTEGER,
            FOREIGN KEY (answer_to) REFERENCES posts (id), FOREIGN KEY (address_id) REFERENCES addresses (id));
         INSERT INTO addresses VALUES (1, 'shared');
         INSERT INTO posts VALUES (1, {OLD}, NULL, 1); INSERT INTO posts VALUES (2, {OLD}, 1, 1);
         INSERT INTO posts VALUES (3, {OLD}, 2, 1); INSERT INTO posts VALUES (4, {YOUNG}, 3, NULL)"
    ))
    .await;
    let mut posts = dataset("posts", &["id"]);
    posts.children = vec![
        child("posts", "posts", &[("answer_to", "id")], Edge::Unlink),
        child("addresses", "posts", &[("id", "address_id")], Edge::Reference),
    ];
    for backwards in [false, true] {
        let before = database.dump(&["posts", "addresses"]).await;
        let mut taken = one_by_one(&database, &posts).await;
        assert_eq!(taken.len(), 3);
        assert_eq!(database.ask("SELECT id FROM addresses").await, [""; 0]);
        if backwards {
            taken.reverse();
        }
        let records: Vec<Restoration<'_>> = taken
            .iter()
            .map(|(tables, rows)| Restoration { dataset: &posts, tables, rows: rows.clone(), blank: Vec::new() })
            .collect();
        database.source().await.put_back(&records).await.unwrap();
        assert_eq!(database.dump(&["posts", "addresses"]).await, before, "backwards: {backwards}");
    }
}
