//! The live schema, read from the system catalogue. A partitioned table is one
//! table: keys and triggers of its partitions count as its own.

use std::collections::BTreeMap;

use super::{
    copy::Line,
    dialect::{POSTGRES, literal, quote},
    link::Link,
};
use crate::{
    adapters::sql::{Column, ForeignKey, Holds, Identity, Index, Kind, Names, Schema, Table},
    ports::SourceError,
};

/// What a source's databases are, beyond what all engines have in common.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) schema: Schema,
    /// Tables whose row-level security hides rows from this role.
    pub(super) hidden: Vec<String>,
    pub(super) partitioned: Vec<String>,
    /// Changes with every change of a schema.
    pub(super) fingerprint: String,
}

/// The rows of the catalogue that say what is read here: their number and the
/// transactions that wrote them.
pub(super) const FINGERPRINT: &str = "SELECT concat_ws(':', \
    (SELECT concat(count(*), '/', sum(xmin::text::bigint)) FROM pg_attribute WHERE attrelid >= 16384), \
    (SELECT concat(count(*), '/', sum(xmin::text::bigint)) FROM pg_constraint), \
    (SELECT concat(count(*), '/', sum(xmin::text::bigint)) FROM pg_trigger), \
    (SELECT concat(count(*), '/', sum(xmin::text::bigint)) FROM pg_policy), \
    (SELECT concat(count(*), '/', sum(xmin::text::bigint)) FROM pg_inherits), \
    (SELECT concat(count(*), '/', sum(indrelid::bigint)) FROM pg_index WHERE indexrelid >= 16384), \
    (SELECT concat(count(*), '/', sum(hashtext(concat(relname, relnamespace, relkind, relrowsecurity)))) \
        FROM pg_class WHERE oid >= 16384), current_schema())";

const DEFAULT_SCHEMA: &str = "SELECT current_schema()";

/// Kind: r table, p partitioned, v and m views, f foreign. Leaves are not listed.
const TABLES: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, \
    EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS h ON h.oid = i.inhrelid \
        WHERE i.inhparent = c.oid AND NOT h.relispartition), \
    EXISTS (SELECT FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS l ON l.oid = t.relid WHERE l.relkind = 'f'), \
    EXISTS (SELECT FROM pg_rewrite AS w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN'), \
    c.relrowsecurity AND row_security_active(c.oid) \
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't' \
    AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY n.nspname, c.relname";

/// The type behind a domain decides what a column holds.
const COLUMNS: &str = "WITH RECURSIVE base (oid, at) AS (SELECT oid, oid FROM pg_type \
    UNION ALL SELECT b.oid, t.typbasetype FROM base AS b JOIN pg_type AS t ON t.oid = b.at WHERE t.typtype = 'd') \
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), t.typname, \
    a.attnotnull OR (d.typtype = 'd' AND d.typnotnull), coalesce(array_position(k.indkey::int2[], a.attnum), -1), \
    a.attgenerated <> '' \
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS d ON d.oid = a.atttypid \
    JOIN base AS b ON b.oid = a.atttypid JOIN pg_type AS t ON t.oid = b.at AND t.typtype <> 'd' \
    LEFT JOIN pg_index AS k ON k.indrelid = c.oid AND k.indisprimary \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
    ORDER BY a.attrelid, a.attnum";

const INDEXES: &str = "SELECT i.indrelid, x.relname, i.indisunique, i.indpred IS NOT NULL, a.attname \
    FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_am AS m ON m.oid = x.relam \
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position) \
    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number > 0 \
    WHERE i.indisvalid AND i.indislive AND m.amname = 'btree' AND k.position <= i.indnkeyatts \
    ORDER BY i.indrelid, x.relname, k.position";

const FOREIGN_KEYS: &str = "SELECT k.oid, coalesce(pg_partition_root(k.conrelid), k.conrelid)::oid, \
    coalesce(pg_partition_root(k.confrelid), k.confrelid)::oid, k.confdeltype, here.attname, there.attname \
    FROM pg_constraint AS k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u (here, there, position) \
    JOIN pg_attribute AS here ON here.attrelid = k.conrelid AND here.attnum = u.here \
    JOIN pg_attribute AS there ON there.attrelid = k.confrelid AND there.attnum = u.there \
    WHERE k.contype = 'f' ORDER BY k.oid, u.position";

const TRIGGERS: &str = "SELECT DISTINCT coalesce(pg_partition_root(tgrelid), tgrelid)::oid, tgname FROM pg_trigger \
    WHERE NOT tgisinternal AND tgenabled <> 'D' ORDER BY 1, 2";

/// The role, the schema of a table (`Table::sql`) if the role may not use it, and
/// each column that it may not read.
pub(super) fn unreadable(table: &str) -> String {
    format!(
        "SELECT quote_ident(current_user), CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN quote_ident(n.nspname) END, \
         a.attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE concat('\"', replace(n.nspname, '\"', '\"\"'), '\".\"', replace(c.relname, '\"', '\"\"'), '\"') = {} \
         AND NOT (has_column_privilege(c.oid, a.attnum, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')) ORDER BY a.attnum",
        literal(table)
    )
}

impl Catalogue {
    pub(super) async fn read(link: &mut Link, fingerprint: String) -> Result<Self, SourceError> {
        let mut default = None;
        link.each(DEFAULT_SCHEMA, |line| {
            default = line.field(0)?.is_some().then(|| line.text(0).map(str::to_owned)).transpose()?;
            Ok(())
        })
        .await?;
        let mut reading = Reading {
            default,
            tables: Vec::new(),
            numbers: BTreeMap::new(),
            hidden: Vec::new(),
            partitioned: Vec::new(),
        };
        link.each(TABLES, |line| reading.table(line)).await?;
        link.each(COLUMNS, |line| reading.column(line)).await?;
        link.each(INDEXES, |line| reading.index(line)).await?;
        let mut keys: Vec<(u32, u32, ForeignKey)> = Vec::new();
        link.each(FOREIGN_KEYS, |line| reading.foreign_key(line, &mut keys)).await?;
        reading.keep_keys(keys);
        link.each(TRIGGERS, |line| reading.trigger(line)).await?;
        let schema =
            Schema { dialect: &POSTGRES, tables: reading.tables, table_names: Names::Exact, default: reading.default };
        Ok(Self { schema, hidden: reading.hidden, partitioned: reading.partitioned, fingerprint })
    }
}

struct Reading {
    default: Option<String>,
    tables: Vec<Table>,
    /// Position among the tables by object id.
    numbers: BTreeMap<u32, usize>,
    hidden: Vec<String>,
    partitioned: Vec<String>,
}

impl Reading {
    fn of(&mut self, line: &Line, at: usize) -> Result<Option<&mut Table>, SourceError> {
        let number = self.numbers.get(&line.number(at)?).copied();
        Ok(number.and_then(|number| self.tables.get_mut(number)))
    }

    fn table(&mut self, line: &Line) -> Result<(), SourceError> {
        let (schema, bare) = (line.text(1)?, line.text(2)?);
        let kind = match line.text(3)? {
            "r" | "p" => Kind::Table,
            "f" => Kind::Virtual,
            _ => Kind::View,
        };
        let is = |at| Ok::<bool, SourceError>(line.text(at)? == "t");
        let identity = if is(4)? {
            let hint = "only tables without heirs, and partitioned tables, are supported";
            Identity::None("has tables that inherit from it, with columns of their own", hint)
        } else if is(5)? {
            Identity::None("has a partition on another server", "detach the foreign partition")
        } else if is(6)? {
            let hint = "drop the rule, or use a trigger in its place";
            Identity::None("has rewrite rules, which change what a deletion does", hint)
        } else {
            Identity::System(&["tableoid", "ctid"])
        };
        let name = match &self.default {
            Some(default) if default == schema => bare.to_owned(),
            _ => format!("{schema}.{bare}"),
        };
        if line.text(3)? == "p" {
            self.partitioned.push(name.clone());
        }
        if is(7)? {
            self.hidden.push(name.clone());
        }
        self.numbers.insert(line.number(0)?, self.tables.len());
        self.tables.push(Table {
            name,
            sql: format!("{}.{}", quote(schema), quote(bare)),
            kind,
            columns: Vec::new(),
            column_names: Names::Exact,
            identity,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            triggers: Vec::new(),
        });
        Ok(())
    }

    fn column(&mut self, line: &Line) -> Result<(), SourceError> {
        let column = Column {
            name: line.text(1)?.to_owned(),
            declared: line.text(2)?.to_owned(),
            holds: holds(line.text(3)?),
            not_null: line.text(4)? == "t",
            // An index counts its columns from 0.
            key: line.number::<i64>(5)? + 1,
            stored: line.text(6)? != "t",
        };
        if let Some(table) = self.of(line, 0)? {
            table.columns.push(column);
        }
        Ok(())
    }

    fn index(&mut self, line: &Line) -> Result<(), SourceError> {
        let name = line.text(1)?.to_owned();
        let (unique, partial) = (line.text(2)? == "t", line.text(3)? == "t");
        let column = line.field(4)?.is_some().then(|| line.text(4).map(str::to_owned)).transpose()?;
        let Some(table) = self.of(line, 0)? else { return Ok(()) };
        if table.indexes.last().is_none_or(|index| index.name != name) {
            table.indexes.push(Index { name, unique, partial, columns: Vec::new() });
        }
        if let Some(index) = table.indexes.last_mut() {
            index.columns.push(column);
        }
        Ok(())
    }

    /// Gathers the columns of one key after another.
    fn foreign_key(&self, line: &Line, keys: &mut Vec<(u32, u32, ForeignKey)>) -> Result<(), SourceError> {
        let (id, owner): (u32, u32) = (line.number(0)?, line.number(1)?);
        let pair = (line.text(4)?.to_owned(), line.text(5)?.to_owned());
        if let Some((_, _, key)) = keys.last_mut().filter(|(known, _, _)| *known == id) {
            key.on.push(pair);
            return Ok(());
        }
        let parent = self.numbers.get(&line.number(2)?).and_then(|number| self.tables.get(*number));
        let Some(parent) = parent else { return Ok(()) };
        let on_delete = match line.text(3)? {
            "r" => "RESTRICT",
            "c" => "CASCADE",
            "n" => "SET NULL",
            "d" => "SET DEFAULT",
            _ => "NO ACTION",
        };
        let key = ForeignKey { parent: parent.name.clone(), on: vec![pair], on_delete: on_delete.to_owned() };
        keys.push((id, owner, key));
        Ok(())
    }

    /// Each partition may have a key of its own that says the same.
    fn keep_keys(&mut self, keys: Vec<(u32, u32, ForeignKey)>) {
        for (_, owner, key) in keys {
            let table = self.numbers.get(&owner).and_then(|number| self.tables.get_mut(*number));
            let Some(table) = table else { continue };
            let known = |other: &ForeignKey| {
                other.parent == key.parent && other.on == key.on && other.on_delete == key.on_delete
            };
            if !table.foreign_keys.iter().any(known) {
                table.foreign_keys.push(key);
            }
        }
    }

    fn trigger(&mut self, line: &Line) -> Result<(), SourceError> {
        let name = line.text(1)?.to_owned();
        if let Some(table) = self.of(line, 0)? {
            table.triggers.push(name);
        }
        Ok(())
    }
}

fn holds(base: &str) -> Holds {
    match base {
        "text" | "varchar" | "bpchar" | "name" | "citext" => Holds::Text,
        "int2" | "int4" | "int8" => Holds::Number,
        "date" => Holds::Date,
        "timestamp" => Holds::Timestamp,
        "timestamptz" => Holds::TimestampTz,
        _ => Holds::Other,
    }
}
