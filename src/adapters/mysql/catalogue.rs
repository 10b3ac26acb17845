//! The live schema, read from `information_schema` before every transaction that
//! relies on it. This database's tables are named as they are; tables of other
//! databases whose foreign keys point here are named with their database.
//!
//! The server shows a user only what the user may touch. That nothing is hidden
//! can be seen only with the privilege PROCESS: `hidden` says so.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::mysql::MySqlRow;

use super::{
    connection::Link,
    dialect::{MYSQL, quote},
    failure,
    identity::{self, PRIMARY},
    value::{self, Class, class},
};
use crate::{
    adapters::sql::{Column, ForeignKey, Holds, Index, Kind, Names, Schema, Table},
    ports::SourceError,
};

#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) schema: Schema,
    /// Tables, by `Table::sql`, at which foreign keys point that this user is not
    /// shown; `None` where it is not known.
    hidden: Option<BTreeSet<String>>,
    /// Tables with few rows, as far as the optimizer knows, by `Table::sql`.
    small: HashSet<String>,
    /// The engine of tables in which a deletion cannot be undone, by `Table::sql`.
    weak: BTreeMap<String, String>,
}

/// Of a table with more rows a list of `KEYS_MAX` keys is looked up one by one;
/// the optimizer would read a third of that many at the cost of the list.
const FEW_ROWS_MAX: u64 = 20_000;

/// Tables of this database and those of others that point here.
const CONCERNED: &str = "(t.TABLE_SCHEMA = database() OR EXISTS (SELECT 1 FROM information_schema.KEY_COLUMN_USAGE k \
     WHERE k.TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') \
     AND k.REFERENCED_TABLE_SCHEMA = database() AND k.TABLE_SCHEMA = t.TABLE_SCHEMA AND k.TABLE_NAME = t.TABLE_NAME)) \
     AND t.TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')";

/// MariaDB 10.11 has been seen to crash over the views of `sys`: they are left out.
const FOREIGN_KEYS: &str = "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, \
     k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE k \
     WHERE k.TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') \
     AND k.REFERENCED_TABLE_SCHEMA = database() \
     ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION";

/// The same bits as in the server's own list.
const RULES: &str = "SELECT concat(CONSTRAINT_SCHEMA, '/', CONSTRAINT_NAME), \
     CASE DELETE_RULE WHEN 'CASCADE' THEN 1 WHEN 'SET NULL' THEN 2 ELSE 0 END \
     FROM information_schema.REFERENTIAL_CONSTRAINTS \
     WHERE CONSTRAINT_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')";

/// Table by database and name.
type Places = BTreeMap<(String, String), usize>;

impl Catalogue {
    pub(super) async fn read(link: &mut Link) -> Result<Self, SourceError> {
        let keys = link.all(FOREIGN_KEYS).await.map_err(failure::engine)?;
        let settings = link.one("SELECT database(), @@lower_case_table_names").await.map_err(failure::engine)?;
        let own = value::text(&settings, 0)?;
        let table_names = if value::number(&settings, 1)? == 0 { Names::Exact } else { Names::IgnoringCase };
        let others = keys.iter().map(|row| value::text(row, 0)).collect::<Result<Vec<_>, _>>()?;
        // Asking about other databases makes the server open all of theirs.
        let only_own = others.iter().all(|other| *other == own);
        let concerned = if only_own { "t.TABLE_SCHEMA = database()" } else { CONCERNED };
        let mut reader =
            Reader { own, tables: Vec::new(), places: Places::new(), small: HashSet::new(), weak: BTreeMap::new() };
        reader.tables(
            &rows(
                link,
                "TABLES",
                "TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, coalesce(TABLE_ROWS, 0)",
                concerned,
                "1, 2",
            )
            .await?,
        )?;
        let columns = "TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, \
                       IS_NULLABLE, EXTRA, DATA_TYPE";
        reader.columns(&rows(link, "COLUMNS", columns, concerned, "1, 2, ORDINAL_POSITION").await?)?;
        let indexes = "TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE";
        reader.indexes(&rows(link, "STATISTICS", indexes, concerned, "1, 2, 3, SEQ_IN_INDEX").await?)?;
        let rules = rules(link).await?;
        reader.foreign_keys(&keys, &rules)?;
        let triggers = "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS \
                        WHERE EVENT_OBJECT_SCHEMA = database() ORDER BY 1, 2, 3";
        reader.triggers(&link.all(triggers).await.map_err(failure::engine)?)?;
        let hidden = hidden(link, &reader.own, &keys).await?;
        for table in &mut reader.tables {
            identity::identify(table);
        }
        let schema = Schema { dialect: &MYSQL, tables: reader.tables, table_names, default: Some(reader.own) };
        Ok(Self { schema, hidden, small: reader.small, weak: reader.weak })
    }

    /// Whether keys that this user is not shown point at a table.
    pub(super) fn hides_keys_of(&self, table: &Table) -> Option<bool> {
        self.hidden.as_ref().map(|hidden| hidden.contains(&table.sql))
    }

    /// The engine of a table that has no transactions.
    pub(super) fn weak_engine(&self, table: &Table) -> Option<&str> {
        self.weak.get(&table.sql).map(String::as_str)
    }

    pub(super) fn has_weak_tables(&self) -> bool {
        !self.weak.is_empty()
    }

    pub(super) fn is_small(&self, table: &Table) -> bool {
        self.small.contains(&table.sql)
    }
}

async fn rows(
    link: &mut Link,
    table: &str,
    columns: &str,
    concerned: &str,
    order: &str,
) -> Result<Vec<MySqlRow>, SourceError> {
    let text = format!("SELECT {columns} FROM information_schema.{table} t WHERE {concerned} ORDER BY {order}");
    link.all(&text).await.map_err(failure::engine)
}

/// The server's own list of tables and keys, which takes the privilege PROCESS to
/// see. Names in it are those of files: a database whose name is written otherwise
/// there is not looked for by name.
struct Inside {
    tables: &'static str,
    columns: &'static str,
    keys: &'static str,
}

impl Inside {
    fn of(version: &str) -> Self {
        if version.contains("MariaDB") {
            Self { tables: "INNODB_SYS_TABLES", columns: "INNODB_SYS_COLUMNS", keys: "INNODB_SYS_FOREIGN" }
        } else {
            Self { tables: "INNODB_TABLES", columns: "INNODB_COLUMNS", keys: "INNODB_FOREIGN" }
        }
    }
}

/// Changes whenever a table, a column or a foreign key does, anywhere on the
/// server; `None` where that cannot be seen. A column that is only renamed leaves
/// its table's number and width as they were.
pub(super) async fn fingerprint(link: &mut Link) -> Option<String> {
    let inside = Inside::of(&link.version);
    let text = format!(
        "SELECT concat_ws('/', database(), \
         (SELECT concat(count(*), '.', coalesce(sum(crc32(concat_ws(',', TABLE_ID, NAME, N_COLS))), 0)) \
           FROM information_schema.{}), \
         (SELECT concat(count(*), '.', coalesce(sum(crc32(concat_ws(',', TABLE_ID, POS, NAME, MTYPE, PRTYPE, LEN))), 0)) \
           FROM information_schema.{}), \
         (SELECT concat(count(*), '.', coalesce(sum(crc32(concat_ws(',', ID, FOR_NAME, REF_NAME, N_COLS, TYPE))), 0)) \
           FROM information_schema.{}))",
        inside.tables, inside.columns, inside.keys
    );
    let row = link.one(&text).await.ok()?;
    value::text(&row, 0).ok()
}

/// What foreign keys do at a deletion, by name: as the server lists it, or shows it.
async fn rules(link: &mut Link) -> Result<BTreeMap<String, i64>, SourceError> {
    let inside = format!("SELECT ID, TYPE FROM information_schema.{}", Inside::of(&link.version).keys);
    let rows = match link.all(&inside).await {
        Err(_) => link.all(RULES).await.map_err(failure::engine)?,
        Ok(rows) => rows,
    };
    rows.iter().map(|row| Ok((value::text(row, 0)?, value::number(row, 1)?))).collect()
}

/// A rule as the server keeps it. One that is not known may do the worst.
fn rule(kept: Option<&i64>) -> &'static str {
    match kept {
        Some(bits) if bits & 1 == 0 && bits & 2 == 0 => "RESTRICT",
        Some(bits) if bits & 1 == 0 => "SET NULL",
        _ => "CASCADE",
    }
}

/// Compares the foreign keys that this user is shown with those that there are.
async fn hidden(link: &mut Link, own: &str, shown: &[MySqlRow]) -> Result<Option<BTreeSet<String>>, SourceError> {
    // Names of files are written otherwise where they are not plain.
    if !own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(None);
    }
    let text = format!(
        "SELECT substring_index(REF_NAME, '/', -1), count(*) FROM information_schema.{} \
         WHERE substring_index(REF_NAME, '/', 1) = database() GROUP BY 1",
        Inside::of(&link.version).keys
    );
    let Ok(there) = link.all(&text).await else { return Ok(None) };
    let mut seen: BTreeMap<String, BTreeSet<(String, String, String)>> = BTreeMap::new();
    for row in shown {
        let key = (value::text(row, 0)?, value::text(row, 1)?, value::text(row, 2)?);
        seen.entry(value::text(row, 4)?).or_default().insert(key);
    }
    let mut hidden = BTreeSet::new();
    for row in &there {
        let (table, keys) = (value::text(row, 0)?, value::number(row, 1)?);
        let shown = seen.get(&table).map_or(0, BTreeSet::len);
        if usize::try_from(keys).is_ok_and(|keys| keys > shown) {
            hidden.insert(format!("{}.{}", quote(own), quote(&table)));
        }
    }
    Ok(Some(hidden))
}

struct Reader {
    /// This database.
    own: String,
    tables: Vec<Table>,
    places: Places,
    small: HashSet<String>,
    weak: BTreeMap<String, String>,
}

impl Reader {
    /// A table as an operator writes it.
    fn name(&self, database: &str, table: &str) -> String {
        if database == self.own { table.to_owned() } else { format!("{database}.{table}") }
    }

    fn at(&mut self, row: &MySqlRow) -> Result<Option<&mut Table>, SourceError> {
        let place = self.places.get(&(value::text(row, 0)?, value::text(row, 1)?));
        Ok(place.and_then(|place| self.tables.get_mut(*place)))
    }

    fn tables(&mut self, rows: &[MySqlRow]) -> Result<(), SourceError> {
        for row in rows {
            let (database, name) = (value::text(row, 0)?, value::text(row, 1)?);
            let (kind, engine) = (value::text(row, 2)?, value::text(row, 3)?);
            self.places.insert((database.clone(), name.clone()), self.tables.len());
            let sql = format!("{}.{}", quote(&database), quote(&name));
            if value::number(row, 4)?.unsigned_abs() < FEW_ROWS_MAX {
                self.small.insert(sql.clone());
            }
            if kind == "BASE TABLE" && identity::has_no_transactions(&engine) {
                self.weak.insert(sql.clone(), engine.clone());
            }
            self.tables.push(Table {
                name: self.name(&database, &name),
                sql,
                kind: match kind.as_str() {
                    "BASE TABLE" | "SYSTEM VERSIONED" => Kind::Table,
                    "VIEW" | "SYSTEM VIEW" => Kind::View,
                    _ => Kind::Virtual,
                },
                columns: Vec::new(),
                column_names: Names::IgnoringCase,
                identity: identity::unusable(&kind, &engine),
                indexes: Vec::new(),
                foreign_keys: Vec::new(),
                triggers: Vec::new(),
            });
        }
        Ok(())
    }

    fn columns(&mut self, rows: &[MySqlRow]) -> Result<(), SourceError> {
        for row in rows {
            let text = |position| value::text(row, position);
            let (charset, collation) = (text(4)?, text(5)?);
            // `json` is a type of its own in MySQL and has no character set.
            let declared = value::declared(&text(3)?, &charset, &collation);
            let extra = text(7)?.to_ascii_uppercase();
            let column = Column {
                name: text(2)?,
                holds: holds(&declared, &text(8)?),
                declared,
                not_null: text(6)? == "NO",
                key: 0,
                stored: !extra.contains("GENERATED") || extra.contains("DEFAULT_GENERATED"),
            };
            if let Some(table) = self.at(row)? {
                table.columns.push(column);
            }
        }
        Ok(())
    }

    fn indexes(&mut self, rows: &[MySqlRow]) -> Result<(), SourceError> {
        for row in rows {
            let (name, column) = (value::text(row, 2)?, value::text(row, 4)?);
            let unique = value::number(row, 3)? == 0;
            let partial = value::raw(row, 5)?.is_some() || value::text(row, 6)? != "BTREE";
            let Some(table) = self.at(row)? else { continue };
            if table.indexes.last().is_none_or(|last| last.name != name) {
                table.indexes.push(Index { name: name.clone(), unique, partial: false, columns: Vec::new() });
            }
            let Some(index) = table.indexes.last_mut() else { continue };
            index.partial |= partial;
            index.columns.push((!column.is_empty()).then(|| column.clone()));
            let position = i64::try_from(index.columns.len()).unwrap_or(i64::MAX);
            if name == PRIMARY
                && let Some(found) = table.columns.iter_mut().find(|found| found.name.eq_ignore_ascii_case(&column))
            {
                found.key = position;
            }
        }
        Ok(())
    }

    fn foreign_keys(&mut self, rows: &[MySqlRow], rules: &BTreeMap<String, i64>) -> Result<(), SourceError> {
        let mut last = None;
        for row in rows {
            let text = |position| value::text(row, position);
            let this = (text(0)?, text(1)?, text(2)?);
            let (parent, pair) = (text(4)?, (text(3)?, text(5)?));
            let rule = rule(rules.get(&format!("{}/{}", this.0, this.2))).to_owned();
            let Some(table) = self.at(row)? else { continue };
            if last.as_ref() != Some(&this) {
                table.foreign_keys.push(ForeignKey { parent, on: Vec::new(), on_delete: rule });
            }
            if let Some(key) = table.foreign_keys.last_mut() {
                key.on.push(pair);
            }
            last = Some(this);
        }
        Ok(())
    }

    fn triggers(&mut self, rows: &[MySqlRow]) -> Result<(), SourceError> {
        for row in rows {
            let name = value::text(row, 2)?;
            if let Some(table) = self.at(row)? {
                table.triggers.push(name);
            }
        }
        Ok(())
    }
}

/// Character sets in which a digit is not the byte that it is in ASCII.
const WIDE: [&str; 4] = ["ucs2", "utf16", "utf16le", "utf32"];

fn holds(declared: &str, data_type: &str) -> Holds {
    match class(declared) {
        Class::Integer => Holds::Number,
        Class::Instant => Holds::TimestampTz,
        Class::Text(charset) if data_type != "json" && !WIDE.contains(&charset.as_str()) => Holds::Text,
        Class::Ascii if data_type == "date" => Holds::Date,
        Class::Ascii if data_type == "datetime" => Holds::Timestamp,
        Class::Ascii | Class::Text(_) | Class::Real | Class::Bytes => Holds::Other,
    }
}
