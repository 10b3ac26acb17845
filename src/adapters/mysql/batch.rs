//! Statements of a batch: which rows belong to it, locked, and their deletion by
//! key. Nothing is chosen twice: what is deleted is what was locked and read.

use super::{
    connection::rendered,
    dialect::{MYSQL, quote},
    identity::{PRIMARY, identity_index},
    places::literal,
    value::{self, Class, FIRST, class},
};
use crate::{
    adapters::sql::{
        Column, Driven, Fitted, FittedChild, FittedEvent, Identity, ROOT, Selection, Sql, Table, carried, column,
        fit::Place, identity, joined, parenthesised, relation,
    },
    domain::deployment::Edge,
    ports::SourceError,
};

/// Keys in one statement. A list stays short enough for the optimizer to look
/// each of them up.
pub(super) const KEYS_MAX: usize = 1000;

/// In which order roots are read, so that the next batch goes on where this one
/// ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// By the driving event, through an index on its column.
    Event(String),
    /// By the key, behind this one; an empty one comes before all. Without such an
    /// index all rows are read once in a cycle, and not once in every batch; of a
    /// backlog each page is changed once.
    Key(Vec<String>),
}

/// Columns of the key of a table's rows.
pub(super) fn key_columns(table: &Table) -> Vec<String> {
    match &table.identity {
        Identity::Key(key) => key.clone(),
        Identity::System(_) | Identity::None(..) => Vec::new(),
    }
}

/// Where the key stands among the stored columns.
pub(super) fn key_positions(table: &Table) -> Vec<usize> {
    key_columns(table).iter().filter_map(|name| table.position(name)).collect()
}

/// Stored columns as they are fetched.
fn fetched(table: &Table, alias: &str) -> Vec<String> {
    table.stored().map(|stored| value::fetched(stored, &column(&MYSQL, alias, &stored.name))).collect()
}

/// The index that leads to a row by its key.
fn by_key(table: &Table) -> String {
    identity_index(table).map_or_else(String::new, |(name, _)| format!(" FORCE INDEX ({})", quote(name)))
}

/// One of these keys. Each is a list of literals, one per column of the key.
fn in_keys(table: &Table, alias: &str, keys: &[&[String]]) -> String {
    let columns: Vec<String> = key_columns(table).iter().map(|name| column(&MYSQL, alias, name)).collect();
    among(&columns, keys)
}

fn among(columns: &[String], keys: &[&[String]]) -> String {
    if let [only] = columns {
        let values = keys.iter().map(|key| key.concat()).collect::<Vec<_>>().join(",");
        return format!("{only} IN ({values})");
    }
    let one = |key: &&[String]| {
        let pairs = columns.iter().zip(*key).map(|(column, value)| format!("{column} = {value}"));
        format!("({})", pairs.collect::<Vec<_>>().join(" AND "))
    };
    format!("({})", keys.iter().map(one).collect::<Vec<_>>().join(" OR "))
}

/// Behind this key in the order of keys.
fn behind(columns: &[String], key: &[String]) -> String {
    let step = |at: usize| {
        let before = columns.iter().zip(key).take(at).map(|(column, value)| format!("{column} = {value}"));
        let next = columns.iter().zip(key).skip(at).take(1).map(|(column, value)| format!("{column} > {value}"));
        format!("({})", before.chain(next).collect::<Vec<_>>().join(" AND "))
    };
    format!("({})", (0..columns.len()).map(step).collect::<Vec<_>>().join(" OR "))
}

/// What is asked for when roots are chosen.
pub(super) struct Choice<'s> {
    pub(super) driven: Driven<'s>,
    pub(super) own: &'s FittedEvent<'s>,
    pub(super) held: Option<Sql>,
    pub(super) by_event: bool,
    pub(super) from: Option<Order>,
    /// Keys of roots that are left out.
    pub(super) but: &'s [Vec<String>],
    pub(super) limit: u32,
}

/// Chooses and locks up to `limit` roots, rows that somebody else has locked left
/// out. Returns the stored columns, what is carried of the event, and the value
/// of the driving event.
pub(super) fn choose_roots(fitted: &Fitted<'_>, choice: Choice<'_>) -> Result<String, SourceError> {
    let Choice { driven, own, held, by_event, from, but, limit } = choice;
    let (root, condition) = (fitted.root, fitted.dataset.condition.as_deref());
    // Rows behind a derived table would not be locked: the dataset's condition
    // goes behind WHERE.
    let strange = || SourceError::Engine { reason: "a selection does not begin with its table".to_owned() };
    let joins = driven.from.strip_prefix(&relation(root, condition, ROOT)).ok_or_else(strange)?;
    let mut conditions = driven.conditions;
    conditions.extend(held.map(Sql::negated));
    conditions.extend(condition.map(|condition| narrowed(root, ROOT, condition, joins.is_empty())));
    let keys: Vec<String> = key_columns(root).iter().map(|name| column(&MYSQL, ROOT, name)).collect();
    // Left to itself the optimizer may sort the rest of the table for each batch.
    let along = if matches!(from, Some(Order::Key(_))) { by_key(root) } else { String::new() };
    let event = driven.driving.plain();
    match &from {
        Some(Order::Event(value)) => conditions.push(Sql::new(format!("{event} >= {value}"))),
        Some(Order::Key(key)) if !key.is_empty() => conditions.push(Sql::new(behind(&keys, key))),
        Some(Order::Key(_)) | None => {}
    }
    if !but.is_empty() {
        let but: Vec<&[String]> = but.iter().map(Vec::as_slice).collect();
        conditions.push(Sql::new(in_keys(root, ROOT, &but)).negated());
    }
    let order = if by_event { event.clone() } else { keys.join(", ") };
    let mut columns = vec![FIRST.to_owned()];
    columns.extend(fetched(root, ROOT));
    let names = own.columns.names();
    columns.extend(names.iter().take(carried(own)).map(|name| column(&MYSQL, "o", name)));
    columns.push(event);
    let rows = relation(root, None, ROOT);
    let mut sql = Sql::new(format!("SELECT {} FROM {rows}{along}{joins} WHERE ", columns.join(", ")));
    sql.append(Sql::all(conditions));
    sql.push(&format!(" ORDER BY {order} LIMIT {limit} FOR UPDATE SKIP LOCKED"));
    Ok(rendered(sql))
}

/// Keys of up to `limit` roots, whoever has locked them, in order and behind
/// `behind`; of `among` only, where it is given.
pub(super) fn find_roots(
    fitted: &Fitted<'_>,
    driven: &Driven<'_>,
    (behind, among): (Option<&[String]>, Option<&[&[String]]>),
    limit: usize,
) -> String {
    let columns: Vec<String> = key_columns(fitted.root).iter().map(|name| column(&MYSQL, ROOT, name)).collect();
    let keys = columns.join(", ");
    let further = behind.map(|last| Sql::new(self::behind(&columns, last)));
    let these = among.map(|keys| Sql::new(in_keys(fitted.root, ROOT, keys)));
    let mut sql = Sql::new(format!("SELECT {FIRST}, {keys} FROM {} WHERE ", driven.from));
    sql.append(Sql::all(driven.conditions.iter().cloned().chain(further).chain(these)));
    sql.push(&format!(" ORDER BY {keys} LIMIT {limit}"));
    rendered(sql)
}

/// Locks those of these roots that nobody else holds, and returns their keys.
pub(super) fn lock_roots(root: &Table, keys: &[&[String]]) -> String {
    let columns: Vec<String> = key_columns(root).iter().map(|name| column(&MYSQL, ROOT, name)).collect();
    let found = relation(root, None, ROOT);
    let columns = columns.join(", ");
    format!("SELECT {FIRST}, {columns} FROM {found} WHERE {} FOR UPDATE SKIP LOCKED", in_keys(root, ROOT, keys))
}

/// An operator's condition where other tables are joined to the table it is
/// about: its names must not be taken for theirs.
fn narrowed(table: &Table, alias: &str, condition: &str, is_alone: bool) -> Sql {
    if is_alone {
        return Sql::new(parenthesised(condition));
    }
    let here: Vec<String> = key_columns(table).iter().map(|name| column(&MYSQL, alias, name)).collect();
    let there: Vec<String> = key_columns(table).iter().map(|name| quote(name)).collect();
    let (here, there) = (here.join(", "), there.join(", "));
    Sql::new(format!("({here}) IN (SELECT {there} FROM {} WHERE {})", table.sql, parenthesised(condition)))
}

/// Of these rows, locked by now, those that a condition is true for.
pub(super) fn count_narrowed(table: &Table, condition: &str, keys: &[&[String]]) -> String {
    let keys = in_keys(table, "t", keys);
    format!("SELECT count(*) FROM {} AS t WHERE {keys} AND {}", table.sql, parenthesised(condition))
}

/// The columns that a record keeps of the rows of an edge: all that are stored,
/// or, of a link that is cut, the key and the link.
pub(super) fn kept_columns<'t>(child: &FittedChild<'t>) -> Vec<&'t Column> {
    if child.edge != Edge::Unlink {
        return child.table.stored().collect();
    }
    let (key, link) = child.link_columns();
    key.into_iter().chain(link).filter_map(|name| child.table.column(name)).collect()
}

/// Where the key stands among `kept_columns`.
pub(super) fn kept_key(child: &FittedChild<'_>) -> Vec<usize> {
    let kept = kept_columns(child);
    let at = |name: &String| kept.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    key_columns(child.table).iter().filter_map(at).collect()
}

/// Locks and returns the rows that hang on these parents by one edge: what is
/// kept of them, then the parent's key.
pub(super) fn choose_children(child: &FittedChild<'_>, parents: &[&[String]]) -> String {
    let mut columns = vec![FIRST.to_owned()];
    columns.extend(kept_columns(child).iter().map(|kept| value::fetched(kept, &column(&MYSQL, "c", &kept.name))));
    columns.extend(identity(&MYSQL, child.parent, None, "p"));
    let condition = child.condition.map_or_else(String::new, |condition| {
        format!(" AND {}", rendered(narrowed(child.table, "c", condition, false)))
    });
    format!(
        "SELECT {} FROM {}{condition} FOR UPDATE SKIP LOCKED",
        columns.join(", "),
        below(child, &relation(child.table, None, "c"), parents)
    )
}

/// Of these rows, all locked, the keys of those at which something still points.
pub(super) fn still_referenced(
    selection: &Selection<'_>,
    child: &FittedChild<'_>,
    keys: &[&[String]],
) -> Result<String, SourceError> {
    let key = identity(&MYSQL, child.table, None, "c").join(", ");
    let mut sql = Sql::new(format!(
        "SELECT {FIRST}, {key} FROM {} AS c WHERE {} AND ",
        child.table.sql,
        in_keys(child.table, "c", keys)
    ));
    sql.append(selection.referenced(child, "c")?);
    Ok(rendered(sql))
}

/// Sets these columns of these rows to NULL.
pub(super) fn cut(table: &Table, links: &[&str], keys: &[&[String]]) -> String {
    let cut: Vec<String> = links.iter().map(|name| format!("{} = NULL", column(&MYSQL, "t", name))).collect();
    format!("UPDATE {} AS t{} SET {} WHERE {}", table.sql, by_key(table), cut.join(", "), in_keys(table, "t", keys))
}

/// Counts the rows of a child below these parents, locked by others or not.
pub(super) fn count_children(child: &FittedChild<'_>, parents: &[&[String]]) -> String {
    format!("SELECT count(*) FROM {}", below(child, &relation(child.table, child.condition, "c"), parents))
}

/// The same for each parent: its key, then the number.
pub(super) fn count_children_each(child: &FittedChild<'_>, parents: &[&[String]]) -> String {
    let key = identity(&MYSQL, child.parent, None, "p").join(", ");
    let from = below(child, &relation(child.table, child.condition, "c"), parents);
    format!("SELECT {FIRST}, {key}, count(*) FROM {from} GROUP BY {key}")
}

fn below(child: &FittedChild<'_>, found: &str, parents: &[&[String]]) -> String {
    format!(
        "{} AS p{} STRAIGHT_JOIN {found} ON {} WHERE {}",
        child.parent.sql,
        by_key(child.parent),
        joined(&MYSQL, (child.parent, "p"), (child.table, "c"), child.on),
        in_keys(child.parent, "p", parents)
    )
}

/// These columns of the rows with these keys.
pub(super) fn read_by_key(table: &Table, names: &[&str], keys: &[&[String]]) -> String {
    let columns: Vec<String> = key_columns(table).iter().map(|name| quote(name)).collect();
    let fetched = names.iter().filter_map(|name| Some(value::fetched(table.column(name)?, &quote(name))));
    let fetched: Vec<String> = std::iter::once(FIRST.to_owned()).chain(fetched).collect();
    format!("SELECT {} FROM {} WHERE {}", fetched.join(", "), table.sql, among(&columns, keys))
}

/// The keys of the rows of a child below these parents. Where tables are locked, only their
/// own names may be used: nothing but what is derived has another one.
pub(super) fn keys_below(child: &FittedChild<'_>, parents: &[&[String]]) -> String {
    let derived = |table: &Table, mut names: Vec<String>, linked: Vec<&String>, condition: &str| {
        names.extend(linked.into_iter().cloned());
        let mut listed: Vec<String> = names.iter().map(|name| quote(name)).collect();
        listed.sort_unstable();
        listed.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
        format!("(SELECT {} FROM {} WHERE {condition})", listed.join(", "), table.sql)
    };
    let columns: Vec<String> = key_columns(child.parent).iter().map(|name| quote(name)).collect();
    let there = child.on.iter().map(|(_, there)| there).collect();
    let here = child.on.iter().map(|(here, _)| here).collect();
    let above = derived(child.parent, Vec::new(), there, &among(&columns, parents));
    let condition = child.condition.map_or_else(|| "TRUE".to_owned(), parenthesised);
    let found = derived(child.table, key_columns(child.table), here, &condition);
    format!(
        "SELECT {FIRST}, {} FROM {above} AS p STRAIGHT_JOIN {found} AS c ON {}",
        identity(&MYSQL, child.table, None, "c").join(", "),
        joined(&MYSQL, (child.parent, "p"), (child.table, "c"), child.on)
    )
}

/// Sets these columns of these rows to NULL, under the table's own name.
pub(super) fn cut_locked(table: &Table, links: &[&str], keys: &[&[String]]) -> String {
    let columns: Vec<String> = key_columns(table).iter().map(|name| quote(name)).collect();
    let cut: Vec<String> = links.iter().map(|name| format!("{} = NULL", quote(name))).collect();
    format!("UPDATE {} SET {} WHERE {}", table.sql, cut.join(", "), among(&columns, keys))
}

/// Deletes rows by their keys: at once, or one after the other in one message.
///
/// When a list of keys is a good part of a table, the optimizer reads the whole
/// table instead, hint or not, and the deletion waits for locks on rows that are
/// not meant. Of one key it always finds the row. A deletion from one table is
/// three times as fast as one that could name several, so that nothing is named
/// but columns.
pub(super) fn delete(table: &Table, keys: &[&[String]], one_by_one: bool) -> String {
    let columns: Vec<String> = key_columns(table).iter().map(|name| quote(name)).collect();
    let of = |keys: &[&[String]]| format!("DELETE FROM {} WHERE {}", table.sql, among(&columns, keys));
    if one_by_one {
        return keys.iter().map(|key| of(&[*key])).collect::<Vec<_>>().join("; ");
    }
    of(keys)
}

/// The table that holds an event.
fn holder<'t>(root: &'t Table, event: &FittedEvent<'t>) -> &'t Table {
    match event.place {
        Place::Own => root,
        Place::Through { table, .. } => table,
    }
}

/// Pages of a table whose rows lie in the order of their key; 0 where they do not.
pub(super) fn pages(table: &Table) -> String {
    let name = literal(&table.name);
    let clustered = identity_index(table).is_some_and(|(name, _)| name == PRIMARY);
    format!(
        "SELECT coalesce(max(DATA_LENGTH), 0) DIV @@innodb_page_size FROM information_schema.TABLES WHERE {clustered} AND \
         TABLE_SCHEMA = database() AND TABLE_NAME = {name}"
    )
}

/// True when roots can be read in the order of this event.
pub(super) fn is_indexed(root: &Table, event: &FittedEvent<'_>) -> bool {
    holder(root, event).begins_an_index(&[event.columns.first()])
}

/// The classes of an event's columns.
pub(super) fn event_classes(root: &Table, event: &FittedEvent<'_>) -> Vec<Class> {
    let holder = holder(root, event);
    let class_of = |name: &str| holder.column(name).map_or(Class::Ascii, |column| class(&column.declared));
    event.columns.names().into_iter().map(class_of).collect()
}
