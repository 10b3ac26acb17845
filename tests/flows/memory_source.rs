//! A source whose open transaction is a copy that a crash drops.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use retentiond::{
    domain::{
        census::Census,
        deployment::{Dataset, EventPlace, WipeLevel},
        event::Reading,
        id::SourceName,
        record::{Cell, Row, locator},
        residue::Value,
        seal::SealReceipt,
        segment::{Column, Table},
        selection::{Cause, Scope},
    },
    ports::{
        Batch, Left as LeftRows, Locking, Presence, Restoration, Route, Scan, SchemaFinding, Search, SearchJob,
        Searched, Source, SourceError, Taken, WipeJob, Wiped,
    },
};
use zeroize::Zeroizing;

use super::{
    disk::SharedDisk,
    faults::Trouble,
    selecting::{census, left, reading, selects, waits},
    tables::{Database, Left, encode},
};

pub struct MemorySource {
    disk: SharedDisk,
    name: SourceName,
    open: Option<Transaction>,
}

/// What the database would be, and the records that left it, batch by batch.
struct Transaction {
    after: Database,
    batches: Vec<Vec<Vec<u8>>>,
}

fn records(batch: &Batch) -> Vec<Vec<u8>> {
    batch.records.iter().map(|record| record.rows.to_vec()).collect()
}

fn engine(trouble: Trouble) -> SourceError {
    SourceError::Engine { reason: trouble.to_string() }
}

impl MemorySource {
    pub fn new(disk: &SharedDisk, name: &SourceName) -> Self {
        Self { disk: disk.clone(), name: name.clone(), open: None }
    }

    fn committed(&self) -> Database {
        self.disk.sources.borrow()[&self.name].clone()
    }

    fn become_committed(&self, database: Database) {
        self.disk.sources.borrow_mut().insert(self.name.clone(), database);
    }

    fn assert_none_open(&self, what: &str) {
        assert!(self.open.is_none(), "{what} of source {} while a transaction is open", self.name);
    }
}

impl Scan for MemorySource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn inspect(&mut self, dataset: &Dataset, all: &[&Dataset]) -> Result<Vec<SchemaFinding>, SourceError> {
        assert!(all.iter().all(|other| other.source == self.name), "datasets of another source");
        self.disk.read("source.inspect", engine, || {
            let unfit = self.committed().unfit.is_some_and(|table| table == dataset.table);
            let finding = || SchemaFinding {
                dataset: dataset.table.clone(),
                error: true,
                message: format!("table {} has no such column", dataset.table),
                hint: "add it".to_owned(),
            };
            Ok(unfit.then(finding).into_iter().collect())
        })
    }

    async fn clock(&mut self) -> Result<Option<DateTime<Utc>>, SourceError> {
        self.disk.read("source.clock", engine, || Ok(self.committed().ahead.map(|ahead| self.disk.now.get() + ahead)))
    }

    async fn census(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<Census, SourceError> {
        self.disk.read("source.census", engine, || Ok(census(&self.committed(), dataset, scope)))
    }
}

impl Source for MemorySource {
    async fn set_out(
        &mut self,
        _dataset: &Dataset,
        _scope: &Scope<'_>,
        _cause: &Cause,
        _rows: u64,
    ) -> Result<Route, SourceError> {
        self.assert_none_open("set_out");
        self.disk.read("source.set_out", engine, || Ok(self.disk.route.get()))
    }

    async fn take(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        let disk = self.disk.clone();
        let mut taken = None;
        disk.read("source.take", engine, || {
            self.assert_none_open("take");
            taken = take(self.committed(), dataset, scope, cause, limit as usize);
            Ok(())
        })?;
        Ok(taken.map(|(after, batch)| {
            self.open = Some(Transaction { after, batches: vec![records(&batch)] });
            batch
        }))
    }

    async fn take_on(
        &mut self,
        dataset: &Dataset,
        scope: &Scope<'_>,
        cause: &Cause,
        limit: u32,
    ) -> Result<Option<Batch>, SourceError> {
        let disk = self.disk.clone();
        disk.read("source.take_on", engine, || {
            let open = self.open.as_mut().expect("take_on without take");
            let taken = take(open.after.clone(), dataset, scope, cause, limit as usize);
            Ok(taken.map(|(after, batch)| {
                open.after = after;
                open.batches.push(records(&batch));
                batch
            }))
        })
    }

    async fn left(&mut self, dataset: &Dataset, scope: &Scope<'_>) -> Result<LeftRows, SourceError> {
        self.assert_none_open("left");
        self.disk.read("source.left", engine, || Ok(left(&self.committed(), dataset, scope)))
    }

    async fn commit(&mut self, receipt: SealReceipt) -> Result<(), SourceError> {
        let open = self.open.take();
        self.disk.write("source.commit", engine, || {
            let transaction = open.expect("commit without take");
            assert_eq!(receipt.batches().len(), transaction.batches.len(), "a receipt for every batch");
            for (batch, records) in receipt.batches().iter().zip(&transaction.batches) {
                self.disk.assert_sealed(batch, records);
            }
            if let Some(key) = transaction.after.violated() {
                let reason = format!("{} still points at {}", key.table, key.parent);
                return Err(SourceError::RolledBack { reason });
            }
            self.become_committed(transaction.after);
            Ok(())
        })
    }

    async fn rollback(&mut self) -> Result<(), SourceError> {
        let disk = self.disk.clone();
        disk.read("source.rollback", engine, || {
            assert!(self.open.take().is_some(), "rollback without take");
            Ok(())
        })
    }

    async fn presence(&mut self, record: &Restoration<'_>) -> Result<Presence, SourceError> {
        self.assert_none_open("presence");
        self.disk.read("source.presence", engine, || Ok(presence(&self.committed(), record)))
    }

    async fn put_back(&mut self, records: &[Restoration<'_>]) -> Result<(), SourceError> {
        self.assert_none_open("put_back");
        self.disk.write("source.put_back", engine, || {
            let mut database = self.committed();
            for record in records {
                put_back(&mut database, record)?;
            }
            self.become_committed(database);
            Ok(())
        })
    }

    async fn wipe(&mut self, job: &WipeJob<'_>) -> Result<Wiped, SourceError> {
        self.assert_none_open("wipe");
        self.disk.write("source.wipe", engine, || {
            let mut sources = self.disk.sources.borrow_mut();
            let database = sources.get_mut(&self.name).expect("the source is there");
            database.wiped.push((job.tables.to_vec(), job.level));
            let finding = database.wipe_finding.clone();
            let (method, tool) = ("overwritten".to_owned(), "memory 1".to_owned());
            let owed = matches!(job.locking, Locking::From(_)) && job.level == WipeLevel::Rewrite;
            Ok(Wiped { method, tool, bytes: 1_000, owed, finding })
        })
    }

    async fn search(&mut self, job: &SearchJob<'_>) -> Result<Search, SourceError> {
        self.assert_none_open("search");
        let disk = self.disk.clone();
        disk.read("source.search", engine, || {
            let database = self.committed();
            let values: Vec<&[u8]> = job.values.iter().map(Value::expose).collect();
            disk.searched.borrow_mut().extend(values.iter().map(|value| value.to_vec()));
            let (found, unsearched) = match &database.left {
                Left::Nothing => (BTreeSet::new(), None),
                Left::Values(until) => return Ok(residue((0..values.len()).collect(), None, *until)),
                Left::Unreadable => (BTreeSet::new(), Some("no privilege".to_owned())),
                Left::Compressed => (BTreeSet::new(), (!job.rewritten).then(|| "it may be compressed".to_owned())),
            };
            Ok(residue(found, unsearched, None))
        })
    }
}

/// What a search of the one file of this engine says.
fn residue(found: BTreeSet<usize>, unsearched: Option<String>, until: Option<DateTime<Utc>>) -> Search {
    let (name, places) = ("file".to_owned(), BTreeSet::from(["file.1".to_owned()]));
    let place = Searched { name, files: 1, bytes: 100, found, places, unsearched, until };
    Search { places: vec![place], living: BTreeSet::new() }
}

fn take(
    mut database: Database,
    dataset: &Dataset,
    scope: &Scope<'_>,
    cause: &Cause,
    limit: usize,
) -> Option<(Database, Batch)> {
    assert!(dataset.condition.is_none(), "these tests have no conditions");
    let table = database.table(&dataset.table);
    let mut roots: Vec<(DateTime<Utc>, Vec<Cell>)> = Vec::new();
    for root in &table.rows {
        if let Reading::At(at) = reading(&database, dataset, root, scope.event, scope)
            && (database.greedy || selects(&database, dataset, scope, root, cause))
            && !waits(&database, dataset, scope, root)
            && !database.locks(dataset, root)
        {
            roots.push((at, root.clone()));
        }
    }
    if roots.is_empty() {
        return None;
    }
    roots.sort_by_key(|(at, _)| *at);
    if database.greedy {
        // What must not move comes first, or the limit would leave it out.
        roots.reverse();
    }
    let last = roots.len() <= limit;
    roots.truncate(limit);
    let key: Vec<usize> = dataset.key.iter().map(|name| table.column(name)).collect();
    let subject = dataset.subject.as_ref().map(|name| table.column(name));
    let tables = described(&database, dataset);
    let mut records = Vec::new();
    for (at, root) in roots {
        let rows = database.record(dataset, &root);
        for (name, gone) in dataset.tables().into_iter().zip(&rows) {
            database.table_mut(name).rows.retain(|row| !gone.contains(row));
        }
        records.push(Taken {
            key: locator(&key.iter().map(|column| root[*column].clone()).collect::<Vec<_>>()),
            subject: subject.map(|column| locator(&[root[column].clone()])),
            event: Reading::At(at),
            counts: rows.iter().map(|rows| rows.len() as u64).collect(),
            rows: Zeroizing::new(encode(&rows)),
        });
    }
    Some((database, Batch { tables, records, last }))
}

fn described(database: &Database, dataset: &Dataset) -> Vec<Table> {
    let column = |name: &&str| Column { name: (*name).to_owned(), declared: "TEXT".to_owned() };
    let table = |name: &str| {
        let columns = database.table(name).columns.iter().map(column).collect();
        Table { name: name.to_owned(), columns, rows: 0, unlinked: false }
    };
    dataset.tables().into_iter().map(table).collect()
}

/// The rows as they are written: events that are undone become null.
fn written(record: &Restoration<'_>) -> Vec<Row> {
    let mut rows = record.rows.clone();
    for event in &record.blank {
        let Some(EventPlace::Own(place)) = record.dataset.events.get(event) else {
            panic!("{event} is not the record's own event");
        };
        for name in place.column.names() {
            let column = record.tables[0].columns.iter().position(|column| column.name == name);
            let column = column.expect("the record has the event's column");
            rows.iter_mut().filter(|row| row.table == 0).for_each(|row| row.cells[column] = Cell::Null);
        }
    }
    rows
}

fn presence(database: &Database, record: &Restoration<'_>) -> Presence {
    let names: Vec<&str> = record.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, record.dataset.tables(), "the segment's tables are not the dataset's");
    let rows = written(record);
    let found = |row: &Row| database.table(names[row.table]).by_key(&row.cells[0]).map(|there| *there == row.cells);
    let found: Vec<Option<bool>> = rows.iter().map(found).collect();
    if found.iter().all(|row| *row == Some(true)) {
        Presence::Same
    } else if found.iter().all(Option::is_none) {
        Presence::Absent
    } else {
        Presence::Mixed
    }
}

/// Inserts row by row and checks links at once, so that a wrong order shows.
fn put_back(database: &mut Database, record: &Restoration<'_>) -> Result<(), SourceError> {
    let rolled_back = |reason: &str| SourceError::RolledBack { reason: reason.to_owned() };
    for row in written(record) {
        let table = database.table_mut(&record.tables[row.table].name);
        if table.by_key(&row.cells[0]).is_some() {
            return Err(rolled_back("a row with that key exists"));
        }
        table.rows.push(row.cells.clone());
        if database.violated().is_some() {
            return Err(rolled_back("a foreign key does not hold"));
        }
    }
    Ok(())
}
